"""What screening knows about one factor, and its correlations with the target in space and time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..model.form import map_contrasts
from ..statistics import is_constant
from .autocorrelation import Correlograms
from .correlation import corrected_p, fisher_interval, mid_ranks, pearson, spearman
from .space_time import cell_anomalies, period_anomalies, space_time_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPY_R = 0.999  # |r| above this: the factor is suspected to be the target itself
MIN_SAMPLES = 10
MIN_PERIODS = 3  # below, there is no correlation in time


@dataclass(frozen=True)
class FactorScore:
    """What screening knows about one factor; NaN where a number does not exist.

    r is Pearson's, rho Spearman's, both pooled over all cells and periods: n pairs, worth n_effective independent ones.
    The interval, the p values and the within-period (spatial), within-cell (temporal) and contrast (between
    neighbouring cells) correlations are those of the chosen statistic. deciding_r on `basis` and its deciding_p are
    what the choice rests on (for "strongest" the smallest of three p values times three); p_adjusted is deciding_p
    after Benjamini-Hochberg over the factors. p_within_cell exists only where that basis decides. Mutual information is
    in nats. vif_all is among all usable factors, vif_kept among the kept ones; partial_r is given the (other) kept
    factors. `reason` says in words why the factor was kept or dropped, `warning` that the user should read it.
    """

    name: str
    n: int
    static: bool = False
    n_effective: float = math.nan
    n_effective_clamped: bool = False
    r: float = math.nan
    r_ci_low: float = math.nan
    r_ci_high: float = math.nan
    rho: float = math.nan
    p_naive: float = math.nan
    p_corrected: float = math.nan
    r_within_period: float = math.nan
    n_effective_within_period: float = math.nan
    p_within_period: float = math.nan
    r_within_cell: float = math.nan
    n_effective_within_cell: float = math.nan
    p_within_cell: float = math.nan
    r_contrasts: float = math.nan
    n_effective_contrasts: float = math.nan
    p_contrasts: float = math.nan
    basis: str = ""
    deciding_r: float = math.nan
    deciding_p: float = math.nan
    p_adjusted: float = math.nan
    mutual_information: float = math.nan
    vif_all: float = math.nan
    vif_kept: float = math.nan
    partial_r: float = math.nan
    kept: bool = False
    reason: str = ""
    warning: bool = False

    @property
    def deciding_n_effective(self) -> float:
        """Effective sample size of the correlation that decides, NaN if there is none."""
        sizes = {
            "pooled": self.n_effective,
            "within_period": self.n_effective_within_period,
            "within_cell": self.n_effective_within_cell,
            "contrasts": self.n_effective_contrasts,
        }
        return sizes.get(self.basis, math.nan)

    @property
    def strength(self) -> float:
        """|deciding r|, 0 if there is none."""
        return 0.0 if math.isnan(self.deciding_r) else abs(self.deciding_r)


def score_factor(
    name: str,
    target: NDArray[np.float64],
    factor: NDArray[np.float64],
    statistic: str,
    basis: str,
    correlograms: Correlograms,
    window: int = 3,
) -> FactorScore:
    """Correlations of one factor with the target, both (T, rows, cols) with NaN; `window` is the width in cells
    of the neighbourhood that contrasts are taken to. A factor that cannot be used comes back with a reason; the
    others have none yet."""
    valid = np.isfinite(target) & np.isfinite(factor)
    score = FactorScore(name, n=int(valid.sum()), static=_is_static(factor))
    unusable = _unusable(target, factor, valid)
    if unusable:
        return replace(score, reason=unusable)
    x, y = np.where(valid, factor, np.nan), np.where(valid, target, np.nan)
    r = pearson(x, y)
    if abs(r) > COPY_R:
        reason = f"dropped: suspected copy of the target (r = {r:.5f}), which a model must not see"
        return replace(score, r=r, rho=spearman(x, y), reason=reason, warning=True)

    pooled_r, pooled_n, clamped = _associate(x, y, statistic, correlograms, score.static)
    low, high = fisher_interval(pooled_r, pooled_n, ranks=statistic == "spearman")
    space_r, space_n = pooled_r, pooled_n
    if len(target) > 1:
        maps_x, maps_y = period_anomalies(x), period_anomalies(y)
        space_r, space_n, _ = _associate(maps_x, maps_y, statistic, correlograms, score.static)
    near_r, near_n, _ = _associate(
        map_contrasts(x, window), map_contrasts(y, window), statistic, correlograms, score.static
    )
    time_r = time_n = math.nan
    if len(target) >= MIN_PERIODS and not score.static:
        series_x, series_y = cell_anomalies(x), cell_anomalies(y)
        if basis == "within_cell":
            time_r, time_n, _ = _associate(series_x, series_y, statistic, correlograms, False)
        else:
            time_r = _coefficient(series_x, series_y, statistic)
    score = replace(
        score,
        n_effective=pooled_n,
        n_effective_clamped=clamped,
        r=r,
        r_ci_low=low,
        r_ci_high=high,
        rho=pooled_r if statistic == "spearman" else spearman(x, y),
        p_naive=corrected_p(pooled_r, score.n),
        p_corrected=corrected_p(pooled_r, pooled_n),
        r_within_period=space_r,
        n_effective_within_period=space_n,
        p_within_period=corrected_p(space_r, space_n),
        r_within_cell=time_r,
        n_effective_within_cell=time_n,
        p_within_cell=corrected_p(time_r, time_n),
        r_contrasts=near_r,
        n_effective_contrasts=near_n,
        p_contrasts=corrected_p(near_r, near_n),
    )
    return _decided(score, pooled_r, basis)


def _unusable(target: NDArray[np.float64], factor: NDArray[np.float64], valid: NDArray[np.bool_]) -> str:
    n = int(valid.sum())
    if not np.isfinite(factor).any():
        return "dropped: it has no valid values at all"
    if n < MIN_SAMPLES:
        return f"dropped: only {n} values are valid together with the target, {MIN_SAMPLES} are needed"
    if is_constant(factor[valid]):
        return "dropped: it has the same value everywhere"
    if is_constant(target[valid]):
        return "dropped: the target has the same value wherever this factor is valid"
    return ""


def _is_static(factor: NDArray[np.float64]) -> bool:
    """Whether every cell keeps its value in all periods (gaps aside)."""
    low = np.fmin.reduce(factor, axis=0)
    high = np.fmax.reduce(factor, axis=0)
    return bool(np.all((low == high) | np.isnan(low)))


def _associate(
    x: NDArray[np.float64], y: NDArray[np.float64], statistic: str, correlograms: Correlograms, static: bool
) -> tuple[float, float, bool]:
    """Coefficient, effective sample size, and whether the latter was clamped."""
    if statistic == "spearman":
        x, y = mid_ranks(x, y)
    sample = space_time_sample(x, y, correlograms, static=static)
    return pearson(x, y), sample.value, sample.clamped


def _coefficient(x: NDArray[np.float64], y: NDArray[np.float64], statistic: str) -> float:
    return spearman(x, y) if statistic == "spearman" else pearson(x, y)


def _decided(score: FactorScore, pooled_r: float, basis: str) -> FactorScore:
    choices = {
        "pooled": (pooled_r, score.p_corrected),
        "within_period": (score.r_within_period, score.p_within_period),
        "within_cell": (score.r_within_cell, score.p_within_cell),
        "contrasts": (score.r_contrasts, score.p_contrasts),
    }
    if basis != "strongest":
        r, p_value = choices[basis]
        return replace(score, basis=basis, deciding_r=r, deciding_p=p_value)
    tried = [name for name in ("pooled", "within_period", "contrasts") if not math.isnan(choices[name][1])]
    if not tried:
        return replace(score, basis="pooled", deciding_r=pooled_r)
    # Bonferroni: having looked three times must not make a factor look surer than it is.
    best = min(tried, key=lambda name: choices[name][1])
    return replace(score, basis=best, deciding_r=choices[best][0], deciding_p=min(1.0, len(tried) * choices[best][1]))
