"""What the scores of held-out samples mean.

Cross-validation on the coarse grid validates the regression; only stations or fine truth validate the map. The share of
held-out contrasts between neighbouring cells that a model explains is the honest forecast of what its fine detail is
worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.form import CONTRASTS, Form, map_contrasts
from ..model.model import DetailGain
from .designs import BLOCKS, DESIGNS, LABELS, PERIODS, RANDOM, Folds, block_of
from .samples import Array, Samples

__all__ = ["BLOCKS", "DESIGNS", "LABELS", "PERIODS", "RANDOM", "Folds", "Score"]

Predict = Callable[[Array], Array]
Fit = Callable[[Samples], Predict]
NO_FACTORS = "No factors (mean)"  # the name of `mean_baseline` in scores
_HIGHEST_GAIN = 1.5


@dataclass(frozen=True)
class Score:
    """Held-out agreement of one model under one design, in the training form.

    r2: 1 - squared error / variance; r2_within_period: likewise with both centred period by period; r: correlation;
    bias: predicted - observed; share_of_contrasts: as r2, for differences to neighbouring cells; rmse_spread: standard
    deviation over folds. NaN where there is nothing to compare.
    """

    design: str
    model: str
    n: int
    r2: float
    rmse: float
    r: float
    bias: float
    r2_within_period: float
    share_of_contrasts: float
    rmse_spread: float

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def held_out(
    samples: Samples,
    folds: Folds,
    fit: Fit,
    visit: Callable[[int, Predict, NDArray[np.intp]], None] | None = None,
) -> Array:
    """Predictions (n,) of every sample by a model that has not seen its fold; NaN for samples that are never held out.

    fit(training samples) gives a prediction function; visit(fold, function, held-out rows) sees each fold's model.
    """
    predicted = np.full(len(samples), np.nan)
    for number in range(folds.count):
        rows = np.flatnonzero(folds.fold == number)
        predict = fit(samples.select(folds.fold != number))
        predicted[rows] = predict(samples.x[rows])
        if visit is not None:
            visit(number, predict, rows)
    return predicted


def contrasts(samples: Samples, values: Array, window: int) -> Array:
    """Values (n,) minus the mean of the samples in the `window` x `window` cells around each, period by period."""
    return map_contrasts(samples.on_grid(values), window)[samples.period, samples.row, samples.col]


def contrast_pair(samples: Samples, truth: Array, predicted: Array, form: Form, window: int) -> tuple[Array, Array]:
    """True and predicted contrasts (n,), NaN where nothing was held out; predicted (n,) is in training form `form`."""
    usable = np.isfinite(predicted)
    if form.kind == CONTRASTS and form.window == window:
        # Already contrasts: taken once more they would be smaller than the true ones.
        return np.where(usable, contrasts(samples, truth, window), np.nan), predicted
    # Contrasts need neighbours that are held out too: random and period designs judge what they have.
    return contrasts(samples, np.where(usable, truth, np.nan), window), contrasts(samples, predicted, window)


def detail_gain(samples: Samples, truth: Array, predicted: Array, form: Form, window: int, edge: int) -> DetailGain:
    """Estimate the detail gain from held-out predictions (n,) in training form `form`.

    truth (n,): values of the target. Slope of true on predicted contrasts through the origin. Its standard error is the
    largest of delete-one jackknives over blocks, cells and periods, since errors persist in each of them; the gain is
    slope * (1 - (error / slope)^2), the factor of least expected squared error (as in James & Stein 1961), within
    [0, 1.5].
    """
    usable = np.isfinite(predicted)
    true, guess = (one[usable] for one in contrast_pair(samples, truth, predicted, form, window))
    part = samples.select(usable)
    product, square, total = true * guess, guess**2, float((true**2).sum())
    if total <= 1e-16 * float((truth**2).sum()) or float(square.sum()) <= 1e-12 * total:
        return DetailGain(0.0, 0.0, 0.0, 0.0, window)
    slope = float(product.sum() / square.sum())
    cell = part.row * part.shape[2] + part.col
    error = max(_jackknife_error(product, square, group) for group in (block_of(part, edge), cell, part.period))
    value = float(np.clip(slope * (1 - (error / slope) ** 2), 0.0, _HIGHEST_GAIN)) if slope > error else 0.0
    share = (2 * value * float(product.sum()) - value**2 * float(square.sum())) / total
    return DetailGain(value, slope, error, share, window)


def score(samples: Samples, folds: Folds, predicted: Array, model: str, truth: Array, form: Form, window: int) -> Score:
    """Agreement of held-out predictions (n,) with the samples, which are in training form `form`.

    truth (n,): values of the target, from which the true contrasts to `window` x `window` cells are taken.
    """
    out = np.isfinite(predicted)
    y, guess = samples.y[out], predicted[out]
    error = guess - y
    within = _centred_within(samples.period[out], y), _centred_within(samples.period[out], guess)
    true, shown = (one[out] for one in contrast_pair(samples, truth, predicted, form, window))
    by_fold = [np.sqrt(np.mean((predicted - samples.y)[folds.fold == f] ** 2)) for f in range(folds.count)]
    return Score(
        design=folds.design,
        model=model,
        n=int(out.sum()),
        r2=_explained(guess, y, y.mean()),
        rmse=float(np.sqrt(np.mean(error**2))),
        r=_correlation(y, guess),
        bias=float(error.mean()),
        r2_within_period=_explained(within[1], within[0], 0.0),
        share_of_contrasts=_explained(shown, true, 0.0),
        rmse_spread=float(np.std(by_fold)),
    )


def mean_baseline(samples: Samples, folds: Folds) -> Array:
    """Held-out predictions (n,) that know no factor.

    The cell's mean where it was seen in other periods, else the period's, else that of all.
    """
    cell = samples.row * samples.shape[2] + samples.col
    predicted = np.full(len(samples), np.nan)
    for number in range(folds.count):
        rows, seen = np.flatnonzero(folds.fold == number), folds.fold != number
        guess = _group_means(cell[seen], samples.y[seen], samples.shape[1] * samples.shape[2])[cell[rows]]
        by_period = _group_means(samples.period[seen], samples.y[seen], samples.shape[0])[samples.period[rows]]
        guess = np.where(np.isfinite(guess), guess, by_period)
        predicted[rows] = np.where(np.isfinite(guess), guess, samples.y[seen].mean())
    return predicted


def _group_means(group: NDArray[np.intp], values: Array, size: int) -> Array:
    count = np.bincount(group, minlength=size)
    total = np.bincount(group, values, minlength=size)
    return np.divide(total, count, out=np.full(size, np.nan), where=count > 0)


def _jackknife_error(product: Array, square: Array, group: NDArray[np.intp]) -> float:
    """Delete-one-group jackknife standard error of sum(product) / sum(square); 0 for a single group.

    Where all predicted contrasts lie in one group nothing is known: the error is as large as the slope itself.
    """
    number = np.unique(group, return_inverse=True)[1]
    count = int(number.max()) + 1
    if count < 2:
        return 0.0
    above = product.sum() - np.bincount(number, product)
    below = square.sum() - np.bincount(number, square)
    if below.min() <= 1e-12 * square.sum():
        return float(abs(product.sum()) / square.sum())
    slopes = above / below
    return float(np.sqrt((count - 1) / count * ((slopes - slopes.mean()) ** 2).sum()))


def _centred_within(group: NDArray[np.intp], values: Array) -> Array:
    count = np.maximum(np.bincount(group), 1)
    return values - (np.bincount(group, values) / count)[group]


def _explained(guess: Array, y: Array, centre: float) -> float:
    """1 - squared error / squared deviation from `centre`; NaN where `y` does not deviate from it."""
    total = float(((y - centre) ** 2).sum())
    return 1 - float(((guess - y) ** 2).sum()) / total if total > 1e-20 else float("nan")


def _correlation(a: Array, b: Array) -> float:
    if len(a) < 3 or a.std() < 1e-12 or b.std() < 1e-12:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
