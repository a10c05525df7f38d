"""How well fusion predicts fine images that were left out, beside what is had without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.tiles import PIXELS
from ...statistics import correlation
from .bands import Image
from .kernel import Array
from .plan import Group, Pair, Plan, assign, middle
from .streaming import Source

FUSION, NEAREST, LINEAR = "fusion", "nearest fine image", "linear interpolation"
METHODS = (FUSION, NEAREST, LINEAR)
_PIXELS = PIXELS  # of a fine image that are compared; of larger ones the rows in the middle
_SIDE = 7  # pixels of the windows of SSIM


@dataclass(frozen=True)
class Scores:
    """Of predicted against true values; ssim is NaN where no window is complete."""

    pixels: int
    r: float
    rmse: float
    bias: float
    ubrmse: float
    ssim: float


@dataclass(frozen=True)
class LeftOut:
    """A fine image that was predicted without it: scores[method][band]. enclosed: from pairs on both its sides."""

    period: Period
    used: tuple[Period, ...]
    enclosed: bool
    scores: dict[str, dict[str, Scores]]
    rows: tuple[int, int]


@dataclass(frozen=True)
class Trial:
    """A pair whose fine image is predicted from the group's pairs, in the rows that are compared."""

    pair: Pair
    group: Group
    others: list[Pair]
    rows: tuple[int, int]


def trials(plan: Plan, grid: Grid) -> list[Trial]:
    """Each fine image from the others; none with fewer than three pairs."""
    if len(plan.pairs) < 3:
        return []
    rows = min(grid.rows, max(64, _PIXELS // grid.cols))
    found = []
    for pair in plan.pairs:
        others = [one for one in plan.pairs if one is not pair]
        (group,) = assign(others, [Image(pair.period, pair.coarse.bands)])
        found.append(Trial(pair, group, others, ((grid.rows - rows) // 2, rows)))
    return found


def judge(trial: Trial, fused: Array, names: Sequence[str], source: Source) -> LeftOut:
    """Compare the prediction `fused` (bands, rows, cols) and what is had without fusion with the fine image."""
    pair, group, (row0, rows) = trial.pair, trial.group, trial.rows
    truth = source.fine(pair.fine).read(row0, rows)
    predicted = {FUSION: fused, **baselines(pair, group.pairs, trial.others, source, row0, rows)}
    scores: dict[str, dict[str, Scores]] = {method: {} for method in METHODS}
    for band, name in enumerate(names):
        # The same pixels for all.
        here = np.all([np.isfinite(values[band]) for values in (truth, *predicted.values())], axis=0)
        for method, values in predicted.items():
            scores[method][name] = score(np.where(here, values[band], np.nan), truth[band])
    used = tuple(one.period for one in group.pairs)
    return LeftOut(pair.period, used, group.encloses(pair.period), scores, trial.rows)


def baselines(
    pair: Pair, used: Sequence[Pair], others: Sequence[Pair], source: Source, row0: int, rows: int
) -> dict[str, Array]:
    """What is had without fusion: the fine image nearest in time, and the linear interpolation of the two used."""
    at = middle(pair.period)
    near = min(others, key=lambda one: abs(middle(one.period) - at))
    nearest = source.fine(near.fine).read(row0, rows)
    if len(used) < 2:
        return {NEAREST: nearest, LINEAR: nearest}
    start, end = (middle(one.period) for one in used)
    share = min(1.0, max(0.0, (at - start) / (end - start)))  # beyond the two the nearer one
    first, last = (source.fine(one.fine).read(row0, rows) for one in used)
    return {NEAREST: nearest, LINEAR: (1 - share) * first + share * last}


def score(predicted: Array, truth: Array) -> Scores:
    """Of two images (rows, cols) over the pixels where both are valid."""
    here = np.isfinite(predicted) & np.isfinite(truth)
    if not here.any():
        return Scores(0, *[math.nan] * 5)
    x, y = predicted[here], truth[here]
    error = x - y
    bias, rmse = float(error.mean()), float(np.sqrt((error**2).mean()))
    return Scores(len(x), correlation(x, y), rmse, bias, float(error.std()), ssim(predicted, truth))


def ssim(predicted: Array, truth: Array) -> float:
    """Mean structural similarity in complete windows of 7 x 7 pixels; its scale is the range of the true values.

    Wang, Bovik, Sheikh, Simoncelli 2004, doi:10.1109/TIP.2003.819861, with uniform weights and sample covariances.
    NaN where no window is complete or the true values do not vary.
    """
    from scipy.ndimage import uniform_filter

    here = np.isfinite(predicted) & np.isfinite(truth)
    if min(here.shape) < _SIDE or not here.any() or not np.ptp(truth[here]):
        return math.nan
    span = float(np.ptp(truth[here]))
    level = float(truth[here].mean())
    x, y = (np.where(here, values - level, 0.0) for values in (predicted, truth))
    inner = (slice(_SIDE // 2, -(_SIDE // 2)),) * 2
    complete = uniform_filter(here.astype(float), _SIDE)[inner] > 1 - 0.5 / _SIDE**2
    if not complete.any():
        return math.nan
    mx, my, xx, yy, xy = (uniform_filter(a, _SIDE)[inner][complete] for a in (x, y, x * x, y * y, x * y))
    sample = _SIDE**2 / (_SIDE**2 - 1)
    vx, vy, cov = sample * (xx - mx * mx), sample * (yy - my * my), sample * (xy - mx * my)
    mx, my = mx + level, my + level
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(index.mean())
