"""Validation designs and what their scores mean.

Cross-validation on the coarse grid validates the regression; only stations or fine truth validate the map. The share of held-out
contrasts between neighbouring cells that a model explains is the honest forecast of what its fine detail is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.form import window_mean
from ..model.model import DetailGain
from .samples import Array, Samples

RANDOM, BLOCKS, PERIODS = "random", "blocks", "periods"
DESIGNS = (RANDOM, BLOCKS, PERIODS)
LABELS = {
    RANDOM: "Random 80/20 (as in the papers; optimistic)",
    BLOCKS: "Spatial blocks",
    PERIODS: "Leave periods out",
}
_FOLDS = 5
_HIGHEST_GAIN = 1.5


@dataclass(frozen=True)
class Folds:
    """A validation design on given samples: fold (n,) is the number of the fold in which a sample is held out, -1 for never."""

    design: str
    fold: NDArray[np.intp]
    note: str = ""

    @property
    def count(self) -> int:
        return int(self.fold.max()) + 1


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


def random_folds(samples: Samples, seed: int) -> Folds:
    """One random fifth held out, once: neighbours and other dates of the same cell stay in training."""
    order = np.random.default_rng(seed).permutation(len(samples))
    fold = np.full(len(samples), -1, np.intp)
    fold[order[: max(1, round(0.2 * len(samples)))]] = 0
    return Folds(RANDOM, fold)


def block_folds(samples: Samples, edge: int, seed: int) -> Folds:
    """Square blocks of `edge` cells, dealt to at most five folds of about equal size; every period of a block is held out together.

    Raises InputError where the samples fill a single block.
    """
    block, counts = np.unique(block_of(samples, edge), return_inverse=True, return_counts=True)[1:]
    if len(counts) < 2:
        raise InputError(
            f"The {len(np.unique(samples.row * samples.shape[2] + samples.col))} coarse cells with data lie within one block "
            f"of {edge} x {edge}: a larger region is needed to hold blocks out."
        )
    folds = min(_FOLDS, len(counts))
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    load, assigned = np.zeros(folds), np.zeros(len(counts), np.intp)
    for number in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        assigned[number] = load.argmin()
        load[load.argmin()] += counts[number]
    return Folds(BLOCKS, assigned[block], f"{len(counts)} blocks of {edge} x {edge} cells in {folds} folds")


def period_folds(samples: Samples) -> Folds:
    """Neighbouring periods held out together, in at most six folds. Raises InputError for a single period."""
    periods, number = np.unique(samples.period, return_inverse=True)
    if len(periods) < 2:
        raise InputError("Leaving periods out needs at least two periods; the COARSE stack has one.")
    folds = min(6, len(periods))
    return Folds(
        PERIODS,
        (number * folds // len(periods)).astype(np.intp),
        f"{len(periods)} periods in {folds} folds of neighbours in time",
    )


def block_of(samples: Samples, edge: int) -> NDArray[np.intp]:
    """Number of the square block each sample lies in; blocks begin at the first row and column with data."""
    row, col = (samples.row - samples.row.min()) // edge, (samples.col - samples.col.min()) // edge
    return row * (col.max() + 1) + col


def block_edge(samples: Samples, residuals: Array) -> int:
    """Edge of the blocks in cells: the range of the residuals' variogram, at least 5 cells, at most a third of the longer side.

    Regions of fewer than ten cells across get half of their shorter side. residuals: (n,).
    """
    height, width = int(np.ptp(samples.row)) + 1, int(np.ptp(samples.col)) + 1
    lowest = min(5, max(1, max(height, width) // 2))
    highest = max(lowest, max(height, width) // 3)
    return int(np.clip(round(practical_range(samples.on_grid(residuals))), lowest, highest))


def practical_range(maps: Array) -> float:
    """Distance in cells at which an exponential variogram fitted to `maps` (periods, rows, cols) reaches 95 % of its sill."""
    reach = max(2, max(maps.shape[1:]) // 2)
    lags, gamma, pairs = [], [], []
    for lag in range(1, reach + 1):
        steps = [maps[:, lag:] - maps[:, :-lag], maps[:, :, lag:] - maps[:, :, :-lag]]
        squares = np.concatenate([step[np.isfinite(step)] ** 2 for step in steps])
        if len(squares) >= 10:
            lags.append(lag)
            gamma.append(squares.mean() / 2)
            pairs.append(len(squares))
    if len(lags) < 3:
        return 0.0
    distance, value, weight = np.array(lags, float), np.array(gamma), np.sqrt(pairs)
    best, best_error = 0.0, np.inf
    for length in np.geomspace(0.2, 2.0 * reach, 60):
        shape = np.column_stack([np.ones(len(distance)), 1 - np.exp(-distance / length)])
        coefficients = np.linalg.lstsq(shape * weight[:, None], value * weight, rcond=None)[0]
        error = float((((shape @ coefficients - value) * weight) ** 2).sum())
        if error < best_error and coefficients[1] > 0:
            best, best_error = 3.0 * length, error
    return best


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


def designs(samples: Samples, wanted: Sequence[str], edge: int, seed: int) -> tuple[list[Folds], list[str]]:
    """Folds of the designs asked for that the samples allow, and a sentence for each that they do not.

    Raises InputError where none is possible.
    """
    possible, notes = [], []
    makers: dict[str, Callable[[], Folds]] = {
        RANDOM: lambda: random_folds(samples, seed),
        BLOCKS: lambda: block_folds(samples, edge, seed),
        PERIODS: lambda: period_folds(samples),
    }
    for design in wanted:
        try:
            possible.append(makers[design]())
        except InputError as error:
            notes.append(f"{LABELS[design]}: not possible. {error}")
    if not possible:
        raise InputError(" ".join(notes) or "Choose at least one validation design.")
    return possible, notes


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
