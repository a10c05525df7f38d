"""XGBoost (Chen & Guestrin 2016, doi:10.1145/2939672.2939785): boosted trees that grow level by level."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.boosted import RegressionTree
from ...packages import required
from .base import Array, Learner, Settings
from .boosting import BoostedTrees, Check, threads
from .rows import Rows


class XGBoost(BoostedTrees):
    def train(self, rows: Rows, held: Rows | None, count: int, patience: int, check: Check) -> Any:
        library = required("xgboost")
        settings = self.settings
        parameters = {
            "objective": "reg:squarederror",
            "eta": settings["learning_rate"],
            "max_depth": settings["depth"],
            "min_child_weight": settings["smallest_leaf"],
            "subsample": settings["row_share"],
            "colsample_bytree": settings["factor_share"],
            "tree_method": "hist",
            "base_score": 0.0,  # the target is centred
            "seed": self.seed,
            "nthread": threads(rows),
            "verbosity": 0,
        }

        class Stopping(library.callback.TrainingCallback):  # type: ignore[name-defined]
            def after_iteration(self, model: Any, epoch: int, log: Any) -> bool:
                check()
                return False

        data = library.DMatrix(rows.x, rows.y, weight=rows.weight, nthread=threads(rows))
        if held is None:
            return library.train(parameters, data, count, callbacks=[Stopping()])
        watched = library.DMatrix(held.x, held.y, weight=held.weight, nthread=threads(rows))
        return library.train(
            parameters,
            data,
            count,
            evals=[(watched, "held_out")],
            early_stopping_rounds=patience,
            verbose_eval=False,
            callbacks=[Stopping()],
        )

    def best(self, model: Any) -> int:
        return int(model.best_iteration) + 1

    def raw(self, model: Any, x: NDArray[np.float32]) -> Array:
        return model.predict(required("xgboost").DMatrix(x)).astype(np.float64)

    def gains(self, model: Any) -> Array:
        known = model.get_score(importance_type="total_gain")
        return np.array([known.get(f"f{number}", 0.0) for number in range(self.n_features_in_)])

    def trees(self, model: Any) -> Sequence[RegressionTree]:
        return trees_of_json(model.save_raw("json"))


def trees_of_json(text: bytes | bytearray) -> list[RegressionTree]:
    """The trees of XGBoost's JSON model, where x < threshold goes left, both in single precision.

    Raises ValueError for categories. The direction of a missing value is of no use: rows with one are neither trained
    on nor predicted.
    """
    return [_tree(tree) for tree in json.loads(text)["learner"]["gradient_booster"]["model"]["trees"]]


def _tree(tree: dict[str, Any]) -> RegressionTree:
    if any(tree.get("split_type", ())):
        raise ValueError("a kind of split that factors do not have")
    left, right, feature = (np.array(tree[n], np.int64) for n in ("left_children", "right_children", "split_indices"))
    condition = np.array(tree["split_conditions"], np.float32)
    leaf = left < 0
    return RegressionTree(
        np.where(leaf, -1, feature),
        # x < t is x <= the number before t.
        np.nextafter(np.where(leaf, 0, condition).astype(np.float32), np.float32(-np.inf)),
        np.where(leaf, -1, left),
        np.where(leaf, -1, right),
        np.where(leaf, condition, 0.0).astype(np.float64),
    )


def _build(settings: Settings, seed: int, quick: bool) -> XGBoost:
    required("xgboost")
    return XGBoost(dict(settings), seed)


LEARNER = Learner(
    "xgboost",
    "XGBoost",
    {"trees": 500, "learning_rate": 0.05, "depth": 6, "smallest_leaf": 5, "row_share": 0.8, "factor_share": 0.8},
    _build,
    XGBoost.export,
    XGBoost.importance,
    space={
        "learning_rate": (0.02, 0.2, True),
        "depth": [2, 3, 4, 6, 8],
        "smallest_leaf": [1, 2, 5, 10, 20, 40],
        "factor_share": [0.4, 0.6, 0.8, 1.0],
    },
    uses_blocks=True,
    package="xgboost",
)
