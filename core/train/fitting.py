"""One fit: a linear trend first if asked for, the learner on what it leaves, in plain arrays that predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.linear import LinearPredictor
from ..model.predictor import Predictor
from ..progress import Progress
from .designs import block_of
from .learners import Learner
from .learners.growing import grown
from .learners.linear import Ridge
from .learners.linear import export as export_ridge
from .learners.rows import Rows
from .learners.rows import thinned as thinned_rows
from .samples import Array, Samples

QUICK_ROWS = 100_000  # a fit of cross-validation sees no more: years of a country would take hours
_EDGE, _FEWEST_BLOCKS = 5, 4


@dataclass(frozen=True)
class Fitted:
    """estimator: as the learner's library made it; predictor and trend: what a model file holds of it."""

    estimator: Any
    predictor: Predictor
    trend: LinearPredictor | None

    def predict(self, x: Array) -> Array:
        # By the exported arrays, so that what is validated is what is applied, to the last bit.
        y = self.predictor.predict(x)
        return y if self.trend is None else y + self.trend.predict(x)


def fit(
    samples: Samples,
    learner: Learner,
    settings: Mapping[str, Any],
    trend: bool,
    seed: int,
    progress: Progress | None = None,
    quick: bool = False,
    edge: int = _EDGE,
) -> Fitted:
    """Fit `learner`, on part of the rows if its cost is quadratic; `quick` is for the many fits of cross-validation,
    which get fewer trees and at most QUICK_ROWS rows.

    edge: of the blocks, in cells, that a learner holds out of `samples` itself (early stopping, stacking). Raises
    InputError where its package is not installed.
    """
    linear = None
    if learner.own_trend:
        settings = {**settings, "linear_trend": trend}
    elif trend:
        linear = export_ridge(Ridge().fit(samples.x, samples.y, samples.weight))
    y = samples.y if linear is None else samples.y - linear.predict(samples.x)
    part, most = samples, learner.most_samples(settings)
    if quick:
        most = min(most or QUICK_ROWS, QUICK_ROWS)
    if most and len(samples) > most:
        keep = thinned(samples, most, seed)
        part, y = samples.select(keep), y[keep]
    block = _blocks(part, edge) if learner.uses_blocks else np.zeros(len(part), np.intp)
    rows = Rows(part.x, y, part.weight, block)
    estimator = grown(learner, settings, seed, quick, rows, progress or Progress())
    return Fitted(estimator, learner.export(estimator), linear)


def thinned(samples: Samples, most: int, seed: int) -> NDArray[np.intp]:
    """Row numbers of `most` samples, the same share of every period."""
    return thinned_rows(samples.period, most, seed)


def _blocks(samples: Samples, edge: int) -> NDArray[np.intp]:
    """Block of each sample (n,), of `edge` cells or of as many as leave several blocks in a small region."""
    while True:
        block = block_of(samples, edge)
        if edge <= 1 or len(np.unique(block)) >= _FEWEST_BLOCKS:
            return block
        edge = max(1, edge // 2)
