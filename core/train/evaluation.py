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

from ..model.form import window_mean
from ..model.model import DetailGain
from .designs import BLOCKS, DESIGNS, LABELS, PERIODS, RANDOM, Folds, block_of
from .samples import Array, Samples

__all__ = ["BLOCKS", "DESIGNS", "LABELS", "PERIODS", "RANDOM", "Folds", "Score", "detail_gain", "held_out", "score"]

Predict = Callable[[Array], Array]
Fit = Callable[[Samples], Predict]
_HIGHEST_GAIN = 1.5


@dataclass(frozen=True)
class Score:
    """Held-out agreement of one model under one design, in the training form; spread is over folds."""

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
    fit: Callable[[Samples], Callable[[Array], Array]],
    visit: Callable[[int, Callable[[Array], Array], NDArray[np.intp]], None] | None = None,
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
    maps = samples.on_grid(values)
    return np.stack([one - window_mean(one, window) for one in maps])[samples.period, samples.row, samples.col]


def detail_gain(samples: Samples, truth: Array, predicted: Array, window: int, edge: int) -> DetailGain:
    """Estimate the detail gain from held-out predictions; truth and predicted are (n,), in any training form.

    Slope of true on predicted contrasts through the origin. Its standard error is the largest of delete-one jackknives over blocks,
    cells and periods, since errors persist in each of them; the gain is slope * (1 - (error / slope)^2), the factor of least expected
    squared error (as in James & Stein 1961), within [0, 1.5].
    """
    usable = np.isfinite(predicted)
    true, guess = contrasts(samples, np.where(usable, truth, np.nan), window), contrasts(samples, predicted, window)
    true, guess, part = true[usable], guess[usable], samples.select(usable)
    product, square, total = true * guess, guess**2, float((true**2).sum())
    if float(square.sum()) < 1e-20 or total < 1e-20:
        return DetailGain(0.0, 0.0, 0.0, 0.0, window)
    slope = float(product.sum() / square.sum())
    cell = part.row * part.shape[2] + part.col
    error = max(_jackknife_error(product, square, group) for group in (block_of(part, edge), cell, part.period))
    value = float(np.clip(slope * (1 - (error / slope) ** 2), 0.0, _HIGHEST_GAIN)) if slope > error else 0.0
    share = (2 * value * float(product.sum()) - value**2 * float(square.sum())) / total
    return DetailGain(value, slope, error, share, window)


def score(samples: Samples, folds: Folds, predicted: Array, model: str, truth: Array, window: int) -> Score:
    """Agreement of held-out predictions (n,) with the samples; `truth` (n,) are values of the target for the contrasts."""
    out = np.isfinite(predicted)
    y, guess = samples.y[out], predicted[out]
    error = guess - y
    within = _centred_within(samples.period[out], y), _centred_within(samples.period[out], guess)
    # Contrasts need neighbours that are held out too: random and period designs judge what they have.
    true = contrasts(samples, np.where(out, truth, np.nan), window)[out]
    shown = contrasts(samples, predicted, window)[out]
    by_fold = [np.sqrt(np.mean((predicted - samples.y)[folds.fold == f] ** 2)) for f in range(folds.count)]
    return Score(
        folds.design,
        model,
        int(out.sum()),
        _explained(y, guess),
        float(np.sqrt(np.mean(error**2))),
        _correlation(y, guess),
        float(error.mean()),
        1 - _ratio(((within[1] - within[0]) ** 2).sum(), (within[0] ** 2).sum()),
        1 - _ratio(((shown - true) ** 2).sum(), (true**2).sum()),
        float(np.std(by_fold)),
    )


def mean_baseline(samples: Samples) -> Callable[[Samples], Callable[[NDArray[np.intp]], Array]]:
    """A fit that knows no factor: the cell's mean where it was seen, else the period's, else the mean of all."""

    def fit(training: Samples) -> Callable[[NDArray[np.intp]], Array]:
        cells = samples.shape[1] * samples.shape[2]

        def means(key: NDArray[np.intp], size: int) -> Array:
            count = np.bincount(key, minlength=size)
            return np.divide(
                np.bincount(key, training.y, minlength=size), count, out=np.full(size, np.nan), where=count > 0
            )

        by_cell = means(training.row * samples.shape[2] + training.col, cells)
        by_period = means(training.period, samples.shape[0])

        def predict(rows: NDArray[np.intp]) -> Array:
            guess = by_cell[samples.row[rows] * samples.shape[2] + samples.col[rows]]
            guess = np.where(np.isfinite(guess), guess, by_period[samples.period[rows]])
            return np.where(np.isfinite(guess), guess, training.y.mean())

        return predict

    return fit


def _jackknife_error(product: Array, square: Array, group: NDArray[np.intp]) -> float:
    """Delete-one-group jackknife standard error of sum(product) / sum(square); 0 for a single group."""
    number = np.unique(group, return_inverse=True)[1]
    count = int(number.max()) + 1
    if count < 2:
        return 0.0
    above = product.sum() - np.bincount(number, product)
    below = square.sum() - np.bincount(number, square)
    slopes = above / np.maximum(below, 1e-300)
    return float(np.sqrt((count - 1) / count * ((slopes - slopes.mean()) ** 2).sum()))


def _centred_within(group: NDArray[np.intp], values: Array) -> Array:
    count = np.maximum(np.bincount(group), 1)
    return values - (np.bincount(group, values) / count)[group]


def _explained(y: Array, guess: Array) -> float:
    return 1 - _ratio(((guess - y) ** 2).sum(), ((y - y.mean()) ** 2).sum())


def _correlation(a: Array, b: Array) -> float:
    if len(a) < 3 or a.std() < 1e-12 or b.std() < 1e-12:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 1e-20 else float("nan")
