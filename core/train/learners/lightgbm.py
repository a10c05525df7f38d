"""LightGBM (Ke et al. 2017): boosted trees that grow leaf by leaf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.boosted import RegressionTree
from ...model.forest import round_down
from ...packages import required
from .base import Array, Learner, Settings
from .boosting import BoostedTrees, Check, threads
from .rows import Rows

_CATEGORY, _MISSING = 1, 12  # bits of a node's decision type
_ZERO_IS_MISSING = 4
_ZERO = np.float32(1e-35)  # the library takes what is no farther from zero for zero


class LightGBM(BoostedTrees):
    def train(self, rows: Rows, held: Rows | None, count: int, patience: int, check: Check) -> Any:
        library = required("lightgbm")
        settings = self.settings
        parameters = {
            "objective": "regression",
            "learning_rate": settings["learning_rate"],
            "num_leaves": settings["leaves"],
            "min_data_in_leaf": settings["smallest_leaf"],
            "bagging_fraction": settings["row_share"],
            "bagging_freq": 1,
            "feature_fraction": settings["factor_share"],
            "boost_from_average": False,  # the target is centred
            "feature_pre_filter": False,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads(rows),
            "verbosity": -1,
        }
        data = library.Dataset(rows.x, rows.y, weight=rows.weight)
        callbacks: list[Any] = [lambda environment: check()]
        if held is None:
            return library.train(parameters, data, count, callbacks=callbacks)
        callbacks.append(library.early_stopping(patience, verbose=False))
        watched = data.create_valid(held.x, held.y, weight=held.weight)
        return library.train(parameters, data, count, valid_sets=[watched], callbacks=callbacks)

    def best(self, model: Any) -> int:
        return int(model.best_iteration)

    def raw(self, model: Any, x: NDArray[np.float32]) -> Array:
        return model.predict(x, num_iteration=-1)

    def gains(self, model: Any) -> Array:
        return np.asarray(model.feature_importance("gain"), np.float64)

    def trees(self, model: Any) -> Sequence[RegressionTree]:
        return trees_of_text(model.model_to_string(num_iteration=-1))


def trees_of_text(text: str) -> list[RegressionTree]:
    """The trees of LightGBM's model text, where x <= threshold goes left and child -k - 1 is leaf k.

    Raises ValueError for categories and for zeros that count as missing, which factors here never have. The direction
    of a missing value is of no use: rows with one are neither trained on nor predicted.
    """
    return [_tree(dict(line.split("=", 1) for line in part.splitlines() if "=" in line)) for part in _parts(text)]


def _parts(text: str) -> list[str]:
    return [part.split("\n\n", 1)[0] for part in text.split("end of trees", 1)[0].split("\nTree=")[1:]]


def _tree(fields: dict[str, str]) -> RegressionTree:
    def numbers(name: str, kind: type) -> NDArray[Any]:
        return np.array(fields.get(name, "").split(), kind)

    value = numbers("leaf_value", float)
    decision = numbers("decision_type", int)
    inner, leaves = len(value) - 1, np.full(len(value), -1)
    if (decision & _CATEGORY).any() or ((decision & _MISSING) == _ZERO_IS_MISSING).any():
        raise ValueError("a kind of split that factors do not have")
    left, right = (
        np.where(child < 0, inner - 1 - child, child)
        for child in (numbers("left_child", int), numbers("right_child", int))
    )
    return RegressionTree(
        np.concatenate([numbers("split_feature", int), leaves]),
        np.concatenate([_thresholds(numbers("threshold", float)), np.zeros(len(value), np.float32)]),
        np.concatenate([left, leaves]),
        np.concatenate([right, leaves]),
        np.concatenate([np.zeros(inner), value]),
    )


def _thresholds(given: Array) -> NDArray[np.float32]:
    """Single thresholds that send single values the way LightGBM does."""
    single = round_down(given)
    near_zero = np.where(single < 0, np.nextafter(-_ZERO, np.float32(-1)), _ZERO)
    return np.where(np.abs(single) <= _ZERO, near_zero, single).astype(np.float32)


def _build(settings: Settings, seed: int, quick: bool) -> LightGBM:
    required("lightgbm")
    return LightGBM(dict(settings), seed)


LEARNER = Learner(
    "lightgbm",
    "LightGBM",
    {"trees": 500, "learning_rate": 0.05, "leaves": 31, "smallest_leaf": 20, "row_share": 0.8, "factor_share": 0.8},
    _build,
    LightGBM.export,
    LightGBM.importance,
    space={
        "learning_rate": (0.02, 0.2, True),
        "leaves": [4, 7, 15, 31, 63],
        "smallest_leaf": [5, 10, 20, 40, 80],
        "factor_share": [0.4, 0.6, 0.8, 1.0],
    },
    uses_blocks=True,
    package="lightgbm",
)
