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
from .learners import Learner
from .learners.linear import Ridge
from .learners.linear import export as export_ridge
from .samples import Array, Samples

QUICK_ROWS = 100_000  # a fit of cross-validation sees no more: years of a country would take hours
_TREES_AT_ONCE = 20


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
) -> Fitted:
    """Fit `learner`, on part of the rows if its cost is quadratic; `quick` is for the many fits of cross-validation,
    which get fewer trees and at most QUICK_ROWS rows."""
    from joblib import parallel_config

    linear = export_ridge(Ridge().fit(samples.x, samples.y, samples.weight)) if trend else None
    y = samples.y if linear is None else samples.y - linear.predict(samples.x)
    part, most = samples, learner.most_samples(settings)
    if quick:
        most = min(most or QUICK_ROWS, QUICK_ROWS)
    if most and len(samples) > most:
        keep = thinned(samples, most, seed)
        part, y = samples.select(keep), y[keep]
    estimator = learner.build(settings, seed, quick)
    # Threads, never processes: a process pool would open new QGIS windows on some systems.
    with parallel_config(backend="threading"):
        _grow(estimator, part.x, y, part.weight, progress or Progress())
    return Fitted(estimator, learner.export(estimator), linear)


def _grow(estimator: Any, x: Array, y: Array, weight: Array, progress: Progress) -> None:
    """Fit; an ensemble of trees grows a few at a time, which gives the same trees, so that a run can be stopped."""
    trees = getattr(estimator, "n_estimators", 0)
    for count in [*range(_TREES_AT_ONCE, trees, _TREES_AT_ONCE), trees]:
        progress.check()
        if trees:
            estimator.set_params(warm_start=True, n_estimators=count)
        estimator.fit(x, y, weight)
        progress.set(count / trees if trees else 1.0)
    progress.check()


def thinned(samples: Samples, most: int, seed: int) -> NDArray[np.intp]:
    """Row numbers of `most` samples, the same share of every period."""
    shuffled = np.random.default_rng(seed).permutation(len(samples))
    rank = np.empty(len(samples))
    for period in np.unique(samples.period):
        rows = shuffled[samples.period[shuffled] == period]
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(rank, kind="stable")[:most])
