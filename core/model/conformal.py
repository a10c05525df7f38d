"""Split-conformal calibration: how far intervals have to reach to hold what they promise on held-out blocks.

Vovk et al. 2005, doi:10.1007/b106715; with a width of its own for each sample: Lei et al. 2018,
doi:10.1080/01621459.2017.1307116, Romano et al. 2019, arXiv:1905.03222.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .predictor import Array

_NARROWEST = 0.05  # of the mean reach to that side: leaves of equal values would promise certainty


@dataclass(frozen=True)
class Calibration:
    """How intervals of a given level behave on held-out samples.

    factor: what their reach is to be multiplied by. floor (2,): shortest reach down and up before that. raw: coverage
    without any factor. coverage: of each fold with the factor of the other folds; lowest and highest among the folds.
    widening: what the factor holds beyond that of all samples because that coverage fell short (1: nothing). width:
    mean of the intervals; score: mean interval score (Gneiting & Raftery 2007, doi:10.1198/016214506000001437), less
    is better, with the other folds' factor.
    """

    level: float
    factor: float
    floor: tuple[float, float]
    raw: float
    coverage: float
    lowest: float
    highest: float
    widening: float
    width: float
    score: float


def calibrate(residual: Array, reach: Array, fold: NDArray[np.integer], level: float) -> Calibration:
    """Scale intervals around predictions until they hold `level` of the truth.

    residual (n,): truth less prediction, held out. reach (n, 2): how far each interval goes down (negative) and up.
    fold (n,): which samples were held out together. The factor is the conformal quantile of |residual| / reach over all
    samples, widened where a fold is not covered by the factor of the others.
    """
    floor = narrowest(reach)
    down, up = held_apart(reach, floor).T
    score = np.where(residual > 0, residual / up, residual / down)
    whole = conformal_quantile(score, level)
    others = np.empty(len(score))
    groups = np.unique(fold)
    for one in groups:
        rows = fold == one
        others[rows] = conformal_quantile(score[~rows], level) if len(groups) > 1 else whole
    relative = np.divide(score, others, out=np.where(score > 0, np.inf, 0.0), where=others > 0)
    inside = relative <= 1 + 1e-12
    by_fold = [float(inside[fold == one].mean()) for one in groups]
    widening = max(1.0, conformal_quantile(relative, level)) if inside.mean() < level else 1.0
    if not math.isfinite(widening):
        widening = 1.0
    factor = whole * widening
    low, high = others * down, others * up
    missed = np.maximum(low - residual, 0.0) + np.maximum(residual - high, 0.0)
    return Calibration(
        level=level,
        factor=factor,
        floor=floor,
        raw=float((score <= 1).mean()),
        coverage=float(inside.mean()),
        lowest=min(by_fold),
        highest=max(by_fold),
        widening=widening,
        width=float(((up - down) * factor).mean()),
        score=float((high - low + 2 / (1 - level) * missed).mean()),
    )


def conformal_quantile(scores: Array, level: float) -> float:
    """The ceil((n + 1) level)-th smallest of the scores (n,), the largest where that is beyond n."""
    rank = min(len(scores), math.ceil((len(scores) + 1) * level - 1e-9))
    return float(np.partition(scores, rank - 1)[rank - 1])


def narrowest(reach: Array) -> tuple[float, float]:
    """Shortest reach (down, up) that is believed, from those (n, 2) of the held-out samples."""
    down, up = (_NARROWEST * float(value) for value in np.abs(reach).mean(axis=0))
    # One side alone may be 0 everywhere; both only where the training targets do not vary.
    least = max(down, up, 1e-12)
    return -(down or least), up or least


def held_apart(reach: Array, floor: tuple[float, float]) -> Array:
    """Reach (n, 2), at least `floor` to either side."""
    return np.column_stack([np.minimum(reach[:, 0], floor[0]), np.maximum(reach[:, 1], floor[1])])
