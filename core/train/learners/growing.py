"""One estimator fitted to given rows: with their blocks if it wants them, stoppable between trees."""

from __future__ import annotations

from typing import Any

from ...model.predictor import Array
from ...progress import Progress
from .base import Learner, Settings
from .rows import Rows

_TREES_AT_ONCE = 20


def grown(learner: Learner, settings: Settings, seed: int, quick: bool, rows: Rows, progress: Progress) -> Any:
    """A fitted estimator. Raises Cancelled, and InputError where the learner's package is not installed."""
    from joblib import parallel_config

    estimator = learner.build(settings, seed, quick)
    # Threads, never processes: a process pool would open new QGIS windows on some systems.
    with parallel_config(backend="threading"):
        if learner.uses_blocks:
            progress.check()
            estimator.fit(rows.x, rows.y, rows.weight, block=rows.block, progress=progress)  # type: ignore[call-arg]
            progress.check()
        else:
            _grow(estimator, rows.x, rows.y, rows.weight, progress)
    return estimator


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
