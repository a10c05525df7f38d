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
from . import evaluation as ev
from .designs import Folds
from .fitting import QUICK_ROWS, Fitted, thinned
from .importance import Importance, weights_of
from .samples import Array, Samples

LEVELS = (0.5, 0.8, 0.9, 0.95)
MAIN = 0.9
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
        area, main = self.applicability, next((one for one in self.calibrations if one.level == MAIN), None)
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
    constant = flat.calibration(MAIN, gain)
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
    if calibrate(scaled.residual(gain), scaled.reach(MAIN), scaled.fold, MAIN).score > _WORTH * constant.score:
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
