"""A single regression tree (CART; Breiman et al. 1984), pruned so that it does not follow noise."""

from __future__ import annotations

from typing import Any

from ...model.forest import ForestPredictor
from .base import Array, Learner, Settings


def _build(settings: Settings, seed: int, quick: bool) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(
        min_samples_leaf=settings["smallest_leaf"], max_depth=settings["depth"] or None, random_state=seed
    )


def _export(estimator: Any) -> ForestPredictor:
    return ForestPredictor.from_trees([estimator.tree_], estimator.n_features_in_)


def _importance(estimator: Any) -> Array | None:
    return estimator.feature_importances_


LEARNER = Learner(
    "cart",
    "Regression tree (CART)",
    {"smallest_leaf": 20, "depth": 8},
    _build,
    _export,
    _importance,
    space={"smallest_leaf": (5, 200, True), "depth": [3, 4, 5, 6, 8, 10, 0]},
)
