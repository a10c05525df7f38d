"""Where a model may be trusted, and how sure it is: its area of applicability and its uncertainty, from what training
has at hand anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.applicability import MOST_POINTS, Applicability
from ..model.conformal import Calibration, calibrate
from ..model.forest import ForestPredictor
from ..model.quantiles import LeafValues
from ..model.uncertainty import CONSTANT, MOST_HELD_OUT, PROBABILITIES, QUANTILES, SCALED, HeldOut, Uncertainty
from ..progress import Progress
from ..report import Section, Table, Text, fmt, percent
from . import evaluation as ev
from .designs import Folds
from .fitting import QUICK_ROWS, Fitted, thinned
from .importance import Importance, weights_of
from .samples import Array, Samples

LEVELS = (0.5, 0.8, 0.9, 0.95)
_MAIN = 0.9
_FEWEST = 20  # held-out samples from which intervals of 90 % mean something
_WORTH = 0.99  # of the interval score: what widths of their own must reach to be taken


@dataclass(frozen=True)
class Trust:
    """The two parts of a model file and what the report says of them; either is None where `notes` says why.

    own_index (n,): dissimilarity of each training sample to the other folds. calibrations: of the intervals at LEVELS,
    for the model's own gain; constant: of intervals of constant width at the main level.
    """

    applicability: Applicability | None
    uncertainty: Uncertainty | None
    own_index: Array
    calibrations: list[Calibration] = field(default_factory=list)
    constant: Calibration | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        """Numbers for the report's JSON."""
        area, main = self.applicability, next((one for one in self.calibrations if one.level == _MAIN), None)
        return {
            "threshold": None if area is None else area.threshold,
            "samples_outside": None if area is None else float((self.own_index > area.threshold).mean()),
            "uncertainty": None if self.uncertainty is None else self.uncertainty.method,
            "picp": None if main is None else main.coverage,
            "mean_width": None if main is None else main.width,
            "interval_score": None if main is None else main.score,
            "interval_score_constant": None if self.constant is None else self.constant.score,
            "calibrations": [vars(one) for one in self.calibrations],
            "notes": list(self.notes),
        }


def make_trust(
    samples: Samples,
    folds: Folds,
    predicted: Array,
    yardstick: ev.Yardstick,
    gain: float,
    importance: Sequence[Importance],
    names: Sequence[str],
    fitted: Fitted,
    visits: Sequence[tuple[int, ev.Predict, NDArray[np.intp]]],
    seed: int = 0,
    progress: Progress | None = None,
) -> Trust:
    """Area of applicability and uncertainty of a model.

    samples in training form; folds: spatial blocks; predicted (n,): held out by them; gain: detail gain; importance: by
    permutation, of the factors `names`; fitted on all samples; visits: fold, model and held-out rows, from which a
    forest's quantiles are known where it has not been. At most 50,000 samples become points of the area and 10,000
    calibrate the intervals, thinned evenly over the periods. What the samples do not allow is left out, with a note.
    """
    progress = progress or Progress()
    notes: list[str] = []
    weights = weights_of(importance, names)
    kept = np.arange(len(samples)) if len(samples) <= MOST_POINTS else thinned(samples, MOST_POINTS, seed)
    if len(kept) < len(samples):
        notes.append(
            f"The area of applicability is drawn from {len(kept):,} of the {len(samples):,} samples, thinned evenly "
            "over the periods."
        )
    area, own = None, np.full(len(samples), np.nan)
    try:
        area, own[kept] = Applicability.from_training(samples.x[kept], folds.fold[kept], weights, seed)
    except InputError as error:
        notes.append(f"No area of applicability: {error}")
    progress.check()
    own_index = own[kept]

    true, shown = ev.contrast_pair(samples, yardstick.truth, predicted, yardstick.form, yardstick.window)
    rows = np.flatnonzero(np.isfinite(true) & np.isfinite(shown) & np.isfinite(predicted))
    if len(rows) < _FEWEST or len(np.unique(folds.fold[rows])) < 2:
        notes.append(f"No uncertainty: only {len(rows)} samples could be held out and compared with their neighbours.")
        return Trust(area, None, own_index, notes=notes)
    if len(rows) > MOST_HELD_OUT:
        rows = rows[thinned(samples.select(rows), MOST_HELD_OUT, seed)]
        notes.append(
            f"The intervals are calibrated on {len(rows):,} held-out samples, thinned evenly over the periods."
        )

    def held_out(spread: Array) -> HeldOut:
        error, fold = (samples.y - predicted)[rows], folds.fold[rows].astype(np.int32)
        return HeldOut(true[rows], shown[rows], error, fold, spread.astype(np.float32))

    flat = Uncertainty(CONSTANT, held_out(np.ones((len(rows), 1))))
    constant = flat.calibration(_MAIN, gain)
    uncertainty = flat
    if isinstance(fitted.predictor, ForestPredictor):
        spread = _held_out_spread(samples, folds, visits, rows, seed, progress)
        if spread is not None:
            part = samples if len(samples) <= QUICK_ROWS else samples.select(thinned(samples, QUICK_ROWS, seed))
            leaves = LeafValues.from_training(fitted.predictor, part.x, _without_trend(fitted, part), seed)
            uncertainty = Uncertainty(QUANTILES, held_out(spread), leaves)
    elif area is not None and np.isfinite(own[rows]).all():
        uncertainty = _scaled(flat, own[rows], gain, constant) or flat
    return Trust(
        area, uncertainty, own_index, [uncertainty.calibration(level, gain) for level in LEVELS], constant, notes
    )


def _scaled(flat: Uncertainty, own: Array, gain: float, constant: Calibration) -> Uncertainty | None:
    """Widths that grow with the dissimilarity, where that gives better intervals on the folds not used."""
    held = flat.held_out
    size = np.abs(held.residual(gain))
    slope, level = np.polyfit(own, size, 1) if np.ptp(own) > 0 else (0.0, 1.0)
    level = max(float(level), 0.1 * float(size.mean()), 1e-12)
    if not slope > 0:
        return None
    highest = float(np.quantile(own, 0.99))
    width = 1.0 + slope / level * np.minimum(own, highest)
    scaled = replace(held, spread=width[:, None].astype(np.float32))
    if calibrate(scaled.residual(gain), scaled.reach(_MAIN), scaled.fold, _MAIN).score > _WORTH * constant.score:
        return None
    return Uncertainty(SCALED, scaled, slope=slope / level, highest=highest)


def _held_out_spread(
    samples: Samples,
    folds: Folds,
    visits: Sequence[tuple[int, ev.Predict, NDArray[np.intp]]],
    rows: NDArray[np.intp],
    seed: int,
    progress: Progress,
) -> Array | None:
    """Quantiles less mean (rows, PROBABILITIES) by forests that have not seen the fold; None where there are none."""
    spread = np.full((len(samples), len(PROBABILITIES)), np.nan)
    for number, predict, held in visits:
        progress.check()
        model = getattr(predict, "__self__", None)
        if not isinstance(model, Fitted) or not isinstance(model.predictor, ForestPredictor):
            return None
        seen = samples.select(folds.training(number))
        if len(seen) > QUICK_ROWS:
            seen = seen.select(thinned(seen, QUICK_ROWS, seed))
        leaves = LeafValues.from_training(model.predictor, seen.x, _without_trend(model, seen), seed)
        asked = np.intersect1d(held, rows)
        if len(asked):
            spread[asked] = leaves.offsets(samples.x[asked], PROBABILITIES)
    return spread[rows] if np.isfinite(spread[rows]).all() else None


def _without_trend(fitted: Fitted, samples: Samples) -> Array:
    """What the trees of `fitted` were grown on."""
    return samples.y if fitted.trend is None else samples.y - fitted.trend.predict(samples.x)


def trust_section(trust: Trust, unit: str) -> Section:
    """How sure the model is, and where it may be used: coverage on held-out blocks, threshold of the area."""
    blocks: list[Any] = []
    main = next((one for one in trust.calibrations if one.level == _MAIN), None)
    if trust.uncertainty is not None and main is not None:
        blocks += [Text(_coverage_text(trust, main)), _coverage_table(trust, unit)]
    if trust.applicability is not None:
        outside = float((trust.own_index > trust.applicability.threshold).mean())
        blocks.append(
            Text(
                "A pixel lies inside the area of applicability (Meyer & Pebesma 2021) where its factors, weighted by "
                "importance, are no further from a training sample than training samples commonly are from those of "
                f"the other blocks: up to a dissimilarity index of {fmt(trust.applicability.threshold, 3)}. Of the "
                f"training samples themselves {percent(outside)} lie beyond it. 'Downscale' maps the index."
            )
        )
    if trust.notes:
        blocks.append(Text("\n".join(f"- {note}" for note in trust.notes)))
    return Section("Where it may be trusted, and how sure it is", blocks)


def _coverage_text(trust: Trust, main: Calibration) -> str:
    assert trust.uncertainty is not None
    method = {
        QUANTILES: "They come from the leaves of the forest (quantile regression forest, Meinshausen 2006), multiplied "
        f"by {fmt(main.factor, 2)} so that they hold what they promise on held-out blocks (conformal calibration).",
        SCALED: "Their reach is taken from the held-out errors (split-conformal), and grows with the dissimilarity to "
        "the training samples.",
        CONSTANT: "Their reach is taken from the held-out errors (split-conformal), and is the same everywhere.",
    }[trust.uncertainty.method]
    lines = [
        f"Intervals of {percent(main.level)} around the predictions hold {percent(main.coverage)} of the differences "
        "between neighbouring cells in blocks that neither the model nor the calibration has seen (from "
        f"{percent(main.lowest)} to {percent(main.highest)} among the folds). {method}"
    ]
    if main.widening > 1.001:
        lines[0] += (
            " Blocks differ more than the calibration on the others foresees: the intervals have been widened by "
            f"{percent(main.widening - 1)} for that."
        )
    if trust.constant is not None and trust.constant.score > 0 and trust.uncertainty.method != CONSTANT:
        better = 1 - main.score / trust.constant.score
        lines.append(
            f"By the interval score they are {percent(abs(better))} {'better' if better >= 0 else 'worse'} than "
            "intervals of one width."
        )
    lines.append(
        "This coverage is of the coarse support: cells against their neighbours. 'Downscale' puts the same intervals "
        "around the conserved map, wider by as much as its detail exceeds that among the coarse cells. Variation below "
        "the coarse cell that follows no factor, and the error of the coarse product itself, are not in them."
    )
    return "\n\n".join(lines)


def _coverage_table(trust: Trust, unit: str) -> Table:
    assert trust.uncertainty is not None
    forest = trust.uncertainty.leaves is not None
    columns = ["Interval", "Held", "Lowest fold", "Highest fold", f"Mean width{f' ({unit})' if unit else ''}"]
    rows: list[list[Any]] = [
        [percent(one.level), percent(one.coverage), percent(one.lowest), percent(one.highest), one.width]
        for one in trust.calibrations
    ]
    digits, notes = [0, 0, 0, 0, 4], "Held: calibrated on the other folds only."
    if forest:
        columns += ["Held by the leaves alone", "Factor"]
        digits += [0, 2]
        notes += " By the leaves alone: without the factor that the calibration finds."
        for row, one in zip(rows, trust.calibrations):
            row += [percent(one.raw), one.factor]
    return Table(
        columns,
        rows,
        "What intervals of several levels hold of the true differences between neighbouring cells in held-out blocks.",
        notes=notes,
        digits=digits,
    )
