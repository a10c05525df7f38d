"""Factor screening: which factors go with the target, how surely, and which only repeat another factor.

p values use the effective sample size, since neighbouring cells and successive dates repeat each other.
Screening on the cells a model is later scored on leaks into the score: screen inside the folds to avoid it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..model.form import map_contrasts
from ..progress import Progress
from .autocorrelation import Correlograms
from .collinearity import condition_number, partial_correlation, variance_inflation
from .correlation import benjamini_hochberg, mutual_information
from .factor_choice import choose_factors
from .factor_list import read_factor_list, to_json_dict
from .factor_score import MIN_PERIODS, MIN_SAMPLES, FactorScore, score_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FactorScore", "ScreeningResult", "read_factor_list", "screen_factors", "to_json_dict"]

STATISTICS = ("pearson", "spearman")
NEAR = ("strongest", "contrasts")  # bases on which factors are compared with each other by their contrasts
BASES = ("strongest", "contrasts", "pooled", "within_period", "within_cell")


@dataclass(frozen=True)
class ScreeningResult:
    """Scores in the order given, `kept` names by falling |deciding r|, and Pearson's correlation matrix
    (target first, then the usable factors as in `names`) over the `rows` cells and periods where all are
    valid. condition_number is that of the factors' part: largest over smallest eigenvalue."""

    target: str
    scores: tuple[FactorScore, ...]
    kept: tuple[str, ...]
    names: tuple[str, ...]
    correlation: NDArray[np.float64]
    condition_number: float
    rows: int
    warnings: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def screen_factors(
    target: NDArray[np.float64],
    factors: Mapping[str, NDArray[np.float64]],
    *,
    cell_width: float,
    cell_height: float,
    min_abs_r: float = 0.1,
    alpha: float = 0.05,
    max_vif: float = 10.0,
    statistic: str = "pearson",
    basis: str = "strongest",
    window: int = 3,
    always_keep: Collection[str] = (),
    target_name: str = "target",
    seed: int = 0,
    progress: Progress | None = None,
) -> ScreeningResult:
    """Score and choose factors for a target (T, rows, cols), NaN where missing; cell size in any one unit.

    Factors are (T, rows, cols), or (rows, cols) if static. The correlation matrix, VIF, partial correlation and
    mutual information are those of contrasts for the bases "strongest" and "contrasts" (day and night temperature
    share the season, yet differ from field to field), else those of the values, over all cells and periods. A factor
    passes if the correlation that decides has |r| >= `min_abs_r` and an adjusted p <= `alpha`; those that pass are
    then thinned until every variance inflation is <= `max_vif`. What decides is set by `basis`: the correlation over
    all cells and periods ("pooled"), that of anomalies from the period mean ("within_period": space), from the cell
    mean ("within_cell": time), of differences from the `window` x `window` cells around ("contrasts": what a
    downscaling model has to predict, and free of the large patterns that make any two maps look related), or, for
    "strongest", whichever of pooled, within_period and contrasts is surest, its p times three for having chosen.
    `always_keep` names factors that stay unless they are constant, empty or a copy of the target. If nothing passes,
    the single best factor is kept, with a warning. Raises InputError for arrays that do not fit together, settings out
    of range, unknown names, or fewer than 10 values where all factors are valid.
    """
    progress = progress or Progress()
    target, stacks = _checked(target, factors, target_name)
    _check_settings(min_abs_r, alpha, max_vif, statistic, basis, len(target))
    unknown = [name for name in always_keep if name not in stacks]
    if unknown:
        raise InputError(f"The factor {unknown[0]!r} that is to be kept is not among the factors; check its name.")
    correlograms = Correlograms(cell_width, cell_height, classes=None)

    scores: dict[str, FactorScore] = {}
    for position, (name, stack) in enumerate(stacks.items()):
        progress.check()
        progress.set(0.8 * position / len(stacks), f"Correlation of {name}")
        scores[name] = score_factor(name, target, stack, statistic, basis, correlograms, window)
    usable = [name for name, score in scores.items() if not score.reason]
    if not usable:
        raise InputError(f"None of the factors can be used: {_why_none(scores)}.")
    adjusted = benjamini_hochberg(np.array([scores[name].deciding_p for name in usable]))

    progress.check()
    progress.set(0.8, "Collinearity")
    table = _common_rows(target, {name: stacks[name] for name in usable}, window if basis in NEAR else 0)
    correlation = _correlation_matrix(table)
    inflation = variance_inflation(correlation[1:, 1:])
    for name, p_value, vif in zip(usable, adjusted, inflation):
        scores[name] = replace(scores[name], p_adjusted=float(p_value), vif_all=float(vif))
    protected = {name for name in usable if name in always_keep}
    scores.update(choose_factors([scores[name] for name in usable], correlation, min_abs_r, alpha, max_vif, protected))
    scores.update(_relations([scores[name] for name in usable], correlation))

    progress.check()
    progress.set(0.9, "Mutual information")
    for name, nats in zip(usable, mutual_information(table[:, 1:], table[:, 0], seed=seed)):
        scores[name] = replace(scores[name], mutual_information=float(nats))
    warnings = _warnings(scores, target, usable, len(table), always_keep)
    for text in warnings:
        progress.warn(text)
    progress.set(1.0)
    kept = sorted((score for score in scores.values() if score.kept), key=lambda score: -score.strength)
    return ScreeningResult(
        target=target_name,
        scores=tuple(scores.values()),
        kept=tuple(score.name for score in kept),
        names=(target_name, *usable),
        correlation=correlation,
        condition_number=condition_number(correlation[1:, 1:]),
        rows=len(table),
        warnings=tuple(warnings),
        settings={
            "min_abs_r": float(min_abs_r),
            "alpha": float(alpha),
            "max_vif": float(max_vif),
            "statistic": statistic,
            "basis": basis,
            "window": int(window),
            "always_keep": list(always_keep),
            "seed": int(seed),
            "periods": int(target.shape[0]),
        },
    )


def _checked(
    target: NDArray[np.float64], factors: Mapping[str, NDArray[np.float64]], target_name: str
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Target and factors as (T, rows, cols) float64 with NaN for everything that is not a number."""
    target = _finite(target)
    if target.ndim != 3 or target.size == 0:
        raise InputError(f"The target must be a series of maps (periods, rows, columns), not of shape {target.shape}.")
    if not factors:
        raise InputError("There are no factors to screen; add at least one factor to the coarse stack.")
    if target_name in factors:
        raise InputError(f"The target {target_name!r} is also among the factors; remove it from the factors.")
    stacks = {}
    for name, values in factors.items():
        stack = _finite(values)
        if stack.shape not in (target.shape, target.shape[1:]):
            raise InputError(
                f"The factor {name!r} has the shape {stack.shape}, but the target has {target.shape}; "
                "bring both to the same grid and periods."
            )
        stacks[name] = np.broadcast_to(stack, target.shape)
    return target, stacks


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array if not np.isinf(array).any() else np.where(np.isinf(array), np.nan, array)


def _check_settings(min_abs_r: float, alpha: float, max_vif: float, statistic: str, basis: str, periods: int) -> None:
    if not 0 <= min_abs_r < 1:
        raise InputError(f"The smallest |r| must be between 0 and 1, not {min_abs_r}.")
    if not 0 < alpha <= 1:
        raise InputError(f"The largest p value must be above 0 and at most 1, not {alpha}.")
    if not max_vif >= 1:
        raise InputError(f"The largest variance inflation must be at least 1, not {max_vif}.")
    if statistic not in STATISTICS:
        raise InputError(f"The statistic must be one of {', '.join(STATISTICS)}, not {statistic!r}.")
    if basis not in BASES:
        raise InputError(f"The basis must be one of {', '.join(BASES)}, not {basis!r}.")
    if basis == "within_cell" and periods < MIN_PERIODS:
        raise InputError(
            f"Correlation in time needs at least {MIN_PERIODS} periods, but there are {periods}; choose another basis."
        )


def _common_rows(
    target: NDArray[np.float64], stacks: Mapping[str, NDArray[np.float64]], window: int
) -> NDArray[np.float64]:
    """Table (n, 1 + p) of target and factors where all are valid: values, or contrasts to `window` cells if not 0."""
    valid = np.isfinite(target)
    for stack in stacks.values():
        valid &= np.isfinite(stack)
    if valid.sum() < MIN_SAMPLES:
        sparsest = min(stacks, key=lambda name: int((np.isfinite(stacks[name]) & np.isfinite(target)).sum()))
        raise InputError(
            f"Only {int(valid.sum())} values have the target and all factors, {MIN_SAMPLES} are needed; "
            f"leave out the factor with the fewest valid values, {sparsest!r}."
        )
    columns = [target, *stacks.values()]
    if window:
        columns = [map_contrasts(np.where(valid, maps, np.nan), window) for maps in columns]
    return np.column_stack([maps[valid] for maps in columns])


def _correlation_matrix(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's r of the columns; 0 with a column that happens to be constant in these rows."""
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(np.corrcoef(table, rowvar=False), nan=0.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _relations(scores: Sequence[FactorScore], correlation: NDArray[np.float64]) -> dict[str, FactorScore]:
    """The scores with VIF among the kept and partial correlation given the (other) kept factors."""
    kept = [1 + index for index, score in enumerate(scores) if score.kept]
    inflation = dict(zip(kept, variance_inflation(correlation[np.ix_(kept, kept)])))
    related = {}
    for column, score in enumerate(scores, start=1):
        partial = partial_correlation(correlation, 0, column, [other for other in kept if other != column])
        related[score.name] = replace(score, vif_kept=float(inflation.get(column, math.nan)), partial_r=partial)
    return related


def _why_none(scores: Mapping[str, FactorScore]) -> str:
    """Each reason once: the same one often holds for all factors."""
    names: dict[str, list[str]] = {}
    for name, score in scores.items():
        names.setdefault(score.reason.removeprefix("dropped: "), []).append(name)
    return "; ".join(f"{reason} ({', '.join(own)})" for reason, own in names.items())


def _warnings(
    scores: Mapping[str, FactorScore],
    target: NDArray[np.float64],
    usable: Sequence[str],
    rows: int,
    always_keep: Collection[str],
) -> list[str]:
    texts = [f"{score.name}: {score.reason}." for score in scores.values() if score.warning]
    texts += [
        f"{name}: asked to be kept, but {scores[name].reason}."
        for name in always_keep
        if not scores[name].kept and not scores[name].warning
    ]
    valid = int(np.isfinite(target).sum())
    if rows < 0.5 * valid:
        sparsest = min(usable, key=lambda name: scores[name].n)
        texts.append(
            f"Only {rows} of {valid} target values have all factors; the factor with the fewest valid values "
            f"is {sparsest} ({scores[sparsest].n})."
        )
    return texts
