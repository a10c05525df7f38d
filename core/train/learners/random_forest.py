"""Random forest (Breiman 2001, doi:10.1023/A:1010933404324)."""

from __future__ import annotations

from typing import Any

from ...model.forest import ForestPredictor
from .base import Array, Learner, Settings

_QUICK_TREES = 40


def _build(settings: Settings, seed: int, quick: bool) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    trees = min(settings["trees"], _QUICK_TREES) if quick else settings["trees"]
    return RandomForestRegressor(
        n_estimators=trees,
        max_features=settings["factor_share"],
        min_samples_leaf=settings["smallest_leaf"],
        max_depth=settings["depth"] or None,
        n_jobs=-1,
        random_state=seed,
    )


def _export(estimator: Any) -> ForestPredictor:
    return ForestPredictor.from_trees([tree.tree_ for tree in estimator.estimators_], estimator.n_features_in_)


def _importance(estimator: Any) -> Array | None:
    return estimator.feature_importances_


LEARNER = Learner(
    "randomforest",
    "Random forest",
    {"trees": 300, "factor_share": 1 / 3, "smallest_leaf": 5, "depth": 0},
    _build,
    _export,
    _importance,
    space={"smallest_leaf": [1, 2, 3, 5, 8, 12, 20, 40], "factor_share": [0.2, 1 / 3, 0.5, 0.7, 1.0]},
)
