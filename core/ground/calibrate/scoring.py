"""Every method on stations and in periods it has not seen: the same folds, the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from ...statistics import correlation
from ..comparison import REPEATS
from ..metrics import NAN, Agreement, Floats, agreement
from .convolution import Network
from .methods import BEST, MEAN_BIAS, METHODS, NONE, SIMPLE, Task
from .rows import Rows

Numbers = NDArray[np.intp]

_MANY_STATIONS, _JOINED_FOLDS = 60, 5


@dataclass(frozen=True)
class Gain:
    """How much lower the RMSE is than another's on the same rows, over resamples of stations."""

    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class MethodScore:
    """One row of the table; `predicted` are held-out predictions (n,), NaN where there was none.

    r_station: mean of the stations' own R. r_space: mean over periods of R over stations. period_rmse: periods held
    out instead of stations. gain, gain_over_bias: of RMSE against none and against the mean bias.
    """

    name: str
    predicted: Floats
    score: Agreement
    r_station: float
    r_space: float
    gain: Gain
    gain_over_bias: Gain
    period_rmse: float = NAN
    nested: bool = False


def held_out(
    names: Sequence[str],
    rows: Rows,
    group: Numbers,
    fold: Numbers,
    network: Network | None,
    seed: int,
    progress: Progress,
    what: str = "stations",
) -> dict[str, Floats]:
    """Per method the predictions (n,) of rows from fits without their fold; group, fold: (n,). `what` is held out."""
    predicted = {name: np.full(len(rows), np.nan) for name in names}
    folds = np.unique(fold)
    steps = len(folds) * len(names)
    for i, one in enumerate(folds):
        out = fold == one
        for j, name in enumerate(names):
            progress.check()
            step = i * len(names) + j
            progress.set(step / steps, f"Holding out {what}: fold {i + 1} of {len(folds)}")
            predicted[name][out] = predict_without(name, rows, group, out, out, network, seed, progress)
    return predicted


def predict_without(
    name: str,
    rows: Rows,
    group: Numbers,
    out: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    network: Network | None,
    seed: int,
    progress: Progress,
) -> Floats:
    """Predictions of the rows `wanted` from a fit without the rows `out`; plain product where too few are left."""
    seen = rows.take(~out)
    if not len(seen):
        return rows.z[wanted]
    correction = METHODS[name].fit(seen, Task(group[~out], seed, _Silent(progress), network))
    return correction.predict(rows.take(wanted))


def nested_choice(
    names: Sequence[str],
    rows: Rows,
    group: Numbers,
    fold: Numbers,
    outer: Mapping[str, Floats],
    network: Network | None,
    seed: int,
    progress: Progress,
) -> tuple[Floats, list[str]]:
    """Held-out predictions (n,) of "best", chosen for each fold by the other folds alone, and what was chosen.

    A fit without folds i and j serves the choice for i, tested on j, and the choice for j, tested on i. With many
    stations folds are joined to five: ten fits of each method say as much as 45.
    """
    if rows.stations >= _MANY_STATIONS:
        fold = fold % _JOINED_FOLDS
    folds = np.unique(fold)
    inner = {name: np.full((len(folds), len(rows)), np.nan) for name in names}
    pairs = [(a, b) for a in range(len(folds)) for b in range(a + 1, len(folds))]
    for done, (a, b) in enumerate(pairs):
        progress.set(done / max(1, len(pairs)), "Cross-validation of the choice")
        in_a, in_b = fold == folds[a], fold == folds[b]
        for name in names:
            progress.check()
            both = in_a | in_b
            values = np.full(len(rows), np.nan)
            values[both] = predict_without(name, rows, group, both, both, network, seed, progress)
            inner[name][a, in_b], inner[name][b, in_a] = values[in_b], values[in_a]
    result, chosen = np.full(len(rows), np.nan), []
    for k, one in enumerate(folds):
        others = fold != one
        chosen.append(choose({name: inner[name][k, others] for name in names}, rows.take(others), seed))
        result[~others] = outer[chosen[-1]][~others]
    return result, chosen


def choose(predicted: Mapping[str, Floats], rows: Rows, seed: int) -> str:
    """The method with the lowest RMSE if it beats none and the mean bias beyond a standard error; else the mean bias
    if that beats none beyond its own; else none."""
    known = {name: values for name, values in predicted.items() if np.isfinite(values).all()}
    error = {name: float(np.sqrt(np.mean((values - rows.y) ** 2))) for name, values in known.items()}

    def beats(name: str, other: str) -> bool:
        gain = rmse_gain(known[name], known[other], rows, seed)
        return gain.value > gain.error

    best = min(error, key=lambda name: error[name])
    if all(beats(best, simple) for simple in SIMPLE if simple in known and simple != best):
        return best
    return MEAN_BIAS if MEAN_BIAS in known and beats(MEAN_BIAS, NONE) else NONE


def score(
    name: str, predicted: Floats, others: Mapping[str, Floats], rows: Rows, seed: int, period_rmse: float = NAN
) -> MethodScore:
    """`others` holds the predictions of none and of the mean bias."""
    known = np.isfinite(predicted)
    p, y, station, period = predicted[known], rows.y[known], rows.station[known], rows.period[known]
    own = [correlation(p[station == one], y[station == one]) for one in np.unique(station)]
    space = [correlation(p[period == one], y[period == one]) for one in np.unique(period)]
    subset = rows.take(known)
    gain, over_bias = (
        rmse_gain(p, others[other][known], subset, seed) if other in others else Gain(NAN, NAN, NAN, NAN)
        for other in SIMPLE
    )
    return MethodScore(
        name, predicted, agreement(p, y), _mean(own), _mean(space), gain, over_bias, period_rmse, name == BEST
    )


def rmse_gain(a: Floats, b: Floats, rows: Rows, seed: int) -> Gain:
    """RMSE of `b` minus that of `a`, with standard error and 95 % interval from resamples of whole stations."""
    _, number = np.unique(rows.station, return_inverse=True)
    sums = np.column_stack(
        [np.bincount(number), np.bincount(number, (a - rows.y) ** 2), np.bincount(number, (b - rows.y) ** 2)]
    )
    value = float(_gains(sums.sum(axis=0)[None])[0])
    if len(sums) < 3:
        return Gain(value, float("inf"), NAN, NAN)
    draws = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), REPEATS)
    drawn = _gains(draws @ sums)
    low, high = np.percentile(drawn, [2.5, 97.5])
    # Resamples of few stations vary too little (Hesterberg 2015).
    return Gain(value, float(drawn.std() * np.sqrt(len(sums) / (len(sums) - 1))), float(low), float(high))


class _Silent(Progress):
    """One fit of many: it can be cancelled, and moves no bar."""

    def __init__(self, whole: Progress) -> None:
        self._whole = whole

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled


def _gains(sums: Floats) -> Floats:
    count, a, b = sums.T
    return np.sqrt(b / count) - np.sqrt(a / count)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else NAN
