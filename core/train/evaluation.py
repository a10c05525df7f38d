"""What the scores of held-out samples mean.

Cross-validation on the coarse grid validates the regression; only stations or fine truth validate the map. The share of
held-out contrasts between neighbouring cells that a model explains is the honest forecast of what its fine detail is
worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.form import CONTRASTS, Form, map_contrasts
from ..model.model import DetailGain
from .designs import BLOCKS, DEFAULT_DESIGNS, DESIGNS, LABELS, OPTIMISTIC, PERIODS, RANDOM, Folds, block_of
from .samples import Array, Samples

__all__ = ["BLOCKS", "DEFAULT_DESIGNS", "DESIGNS", "LABELS", "OPTIMISTIC", "PERIODS", "RANDOM", "Folds", "Score"]

Predict = Callable[[Array], Array]
Fit = Callable[[Samples], Predict]
NO_FACTORS = "No factors (mean)"  # the name of `mean_baseline` in scores
_HIGHEST_GAIN = 1.5


@dataclass(frozen=True)
class Yardstick:
    """What held-out predictions in training form `form` are judged by.

    truth (n,): values of the target; window: of the contrasts, edge: of the blocks, both in cells.
    """

    truth: Array
    form: Form
    window: int
    edge: int


@dataclass(frozen=True)
class Score:
    """Held-out agreement of one model under one design, in the training form.

    share_explained: of the contrasts between neighbouring cells, with the detail gain that these predictions allow;
    share_spread: its standard deviation over folds. r2: 1 - squared error / variance; r2_within_period and
    r2_within_cell: likewise with both centred period by period (what differs in space) and cell by cell (in time). r:
    correlation; bias: predicted - observed; rmse_spread: standard deviation over folds; skill: 1 - squared error /
    that of the baseline without factors; share_of_contrasts: as share_explained, with a gain of 1. NaN where there is
    nothing to compare.
    """

    design: str
    model: str
    n: int
    share_explained: float
    share_spread: float
    r2: float
    rmse: float
    rmse_spread: float
    r: float
    bias: float
    r2_within_period: float
    r2_within_cell: float
    skill: float
    share_of_contrasts: float

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
        predict = fit(samples.select(folds.training(number)))
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

    truth (n,): values of the target. Errors persist in blocks of `edge` cells, in cells and in periods: see `gain_of`.
    """
    usable = np.isfinite(predicted)
    true, guess = (one[usable] for one in contrast_pair(samples, truth, predicted, form, window))
    if float((true**2).sum()) <= 1e-16 * float((truth**2).sum()):
        return DetailGain(0.0, 0.0, 0.0, 0.0, window)
    part = samples.select(usable)
    cell = part.row * part.shape[2] + part.col
    return gain_of(true, guess, [block_of(part, edge), cell, part.period], window)


def gain_of(true: Array, guess: Array, groups: Sequence[NDArray[np.intp]], window: int) -> DetailGain:
    """Slope of true on guessed detail (n,) through the origin, shrunk by its standard error.

    The error is the largest of delete-one jackknives over `groups` (each (n,)) within which errors persist; the gain is
    slope * (1 - (error / slope)^2), the factor of least expected squared error (as in James & Stein 1961), within
    [0, 1.5].
    """
    product, square, total = true * guess, guess**2, float((true**2).sum())
    if total <= 0 or float(square.sum()) <= 1e-12 * total:
        return DetailGain(0.0, 0.0, 0.0, 0.0, window)
    slope = float(product.sum() / square.sum())
    error = max(_jackknife_error(product, square, group) for group in groups)
    value = float(np.clip(slope * (1 - (error / slope) ** 2), 0.0, _HIGHEST_GAIN)) if slope > error else 0.0
    share = (2 * value * float(product.sum()) - value**2 * float(square.sum())) / total + 0.0  # no -0
    return DetailGain(value, slope, error, share, window)


def score(
    samples: Samples, folds: Folds, predicted: Array, model: str, yardstick: Yardstick, baseline: Array | None = None
) -> Score:
    """Agreement of held-out predictions (n,) with the samples, which are in the form of `yardstick`.

    baseline (n,): held-out predictions that know no factor, from which the skill is counted.
    """
    out = np.isfinite(predicted)
    y, guess = samples.y[out], predicted[out]
    cell = samples.row * samples.shape[2] + samples.col
    error = guess - y
    in_space, in_time = (
        [_centred_within(group[out], values) for values in (guess, y)] for group in (samples.period, cell)
    )
    gain = detail_gain(samples, yardstick.truth, predicted, yardstick.form, yardstick.window, yardstick.edge)
    true, shown = contrast_pair(samples, yardstick.truth, predicted, yardstick.form, yardstick.window)
    held = [np.flatnonzero(folds.fold == number) for number in range(folds.count)]
    shares = [_explained(gain.value * shown[rows], true[rows], 0.0) for rows in held]
    rmses = [float(np.sqrt(np.mean((predicted - samples.y)[rows] ** 2))) for rows in held]
    skill = math.nan
    if baseline is not None and (left := float(((baseline[out] - y) ** 2).sum())) > 1e-20:
        skill = 1 - float((error**2).sum()) / left
    return Score(
        design=folds.design,
        model=model,
        n=int(out.sum()),
        share_explained=gain.share_explained,
        share_spread=spread(shares),
        r2=_explained(guess, y, float(y.mean())),
        rmse=float(np.sqrt(np.mean(error**2))),
        rmse_spread=spread(rmses),
        r=_correlation(y, guess),
        bias=float(error.mean()),
        r2_within_period=_explained(in_space[0], in_space[1], 0.0),
        r2_within_cell=_explained(in_time[0], in_time[1], 0.0),
        skill=skill,
        share_of_contrasts=_explained(shown[out], true[out], 0.0),
    )


def spread(values: Sequence[float]) -> float:
    """Standard deviation of the finite values over folds; NaN for fewer than two."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.std(finite)) if len(finite) > 1 else math.nan


def mean_baseline(samples: Samples, folds: Folds) -> Array:
    """Held-out predictions (n,) that know no factor.

    The cell's mean where it was seen in other periods, else the period's, else that of all.
    """
    cell = samples.row * samples.shape[2] + samples.col
    predicted = np.full(len(samples), np.nan)
    for number in range(folds.count):
        rows, seen = np.flatnonzero(folds.fold == number), folds.training(number)
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
