"""Regression trees as arrays, applied with scikit-learn's own tree code where it is at hand and with numpy where it is not."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .predictor import Array, in_threads


class ForestPredictor:
    """The mean of regression trees, equal to the last bit to scikit-learn with one job.

    start (trees + 1,): where each tree's nodes begin. Per node: feature (-1 at a leaf), threshold (float32, go left when x <= threshold),
    left and right (numbered within the tree), value (float64). Raises InputError for arrays that are no trees.
    """

    kind = "trees"

    def __init__(
        self,
        start: NDArray[np.int64],
        feature: NDArray[np.int32],
        threshold: NDArray[np.float32],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        value: Array,
        factors: int,
    ) -> None:
        self.start, self.feature, self.threshold, self.left, self.right, self.value = (
            start,
            feature,
            threshold,
            left,
            right,
            value,
        )
        self._factors = int(factors)
        self._check()
        self._trees: list[Any] | None = None
        self._lock = threading.Lock()

    @property
    def factors(self) -> int:
        return self._factors

    @property
    def count(self) -> int:
        return len(self.start) - 1

    @classmethod
    def from_trees(cls, trees: Sequence[Any], factors: int) -> ForestPredictor:
        """From fitted scikit-learn `Tree` objects."""
        start = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])]).astype(np.int64)
        feature = np.concatenate([tree.feature for tree in trees]).astype(np.int32)
        left = np.concatenate([tree.children_left for tree in trees]).astype(np.int32)
        leaf = left < 0
        threshold = round_down(np.where(leaf, 0.0, np.concatenate([tree.threshold for tree in trees])))
        return cls(
            start,
            np.where(leaf, -1, feature).astype(np.int32),
            threshold,
            left,
            np.concatenate([tree.children_right for tree in trees]).astype(np.int32),
            np.concatenate([tree.value[:, 0, 0] for tree in trees]).astype(np.float64),
            factors,
        )

    def predict(self, x: Array) -> Array:
        # The trees compare in single precision; what exceeds its range would become infinite.
        limit = float(np.finfo(np.float32).max)
        single = np.clip(x, -limit, limit).astype(np.float32)
        trees = self._native_trees()

        def block(rows: Any) -> Array:
            total = np.zeros(len(rows))
            for number in range(self.count):
                total += trees[number].predict(rows)[:, 0] if trees else self._descend(number, rows)
            return total / self.count

        return in_threads(block, single)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            "start": self.start,
            "feature": self.feature,
            "threshold": self.threshold,
            "left": self.left,
            "right": self.right,
            "value": self.value,
            "factors": np.array([self._factors], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> ForestPredictor:
        return cls(
            arrays["start"].astype(np.int64),
            arrays["feature"].astype(np.int32),
            arrays["threshold"].astype(np.float32),
            arrays["left"].astype(np.int32),
            arrays["right"].astype(np.int32),
            arrays["value"].astype(np.float64),
            int(arrays["factors"][0]),
        )

    def _descend(self, number: int, rows: NDArray[np.float32]) -> Array:
        first, last = self.start[number], self.start[number + 1]
        feature, threshold = self.feature[first:last], self.threshold[first:last]
        left, right = self.left[first:last], self.right[first:last]
        node = np.zeros(len(rows), np.int64)
        moving = np.flatnonzero(feature[node] >= 0)
        while len(moving):
            at = node[moving]
            node[moving] = np.where(rows[moving, feature[at]] <= threshold[at], left[at], right[at])
            moving = moving[feature[node[moving]] >= 0]
        return self.value[first:last][node]

    def _native_trees(self) -> list[Any]:
        with self._lock:
            if self._trees is None:
                try:
                    self._trees = self._rebuild()
                except (ImportError, AttributeError, KeyError, TypeError, ValueError):
                    # A scikit-learn with another inner layout: numpy gives the same numbers, more slowly.
                    self._trees = []
            return self._trees

    def _rebuild(self) -> list[Any]:
        from sklearn.tree import DecisionTreeRegressor
        from sklearn.tree._tree import Tree

        model = DecisionTreeRegressor().fit(np.zeros((1, 1)), np.zeros(1)).tree_.__getstate__()["nodes"]
        trees = []
        for number in range(self.count):
            part = slice(self.start[number], self.start[number + 1])
            nodes = np.zeros(part.stop - part.start, model.dtype)
            leaf = self.feature[part] < 0
            nodes["left_child"], nodes["right_child"] = self.left[part], self.right[part]
            nodes["feature"], nodes["threshold"] = (
                np.where(leaf, -2, self.feature[part]),
                np.where(leaf, -2.0, self.threshold[part]),
            )
            nodes["n_node_samples"], nodes["weighted_n_node_samples"] = 1, 1.0
            tree = Tree(self._factors, np.array([1], np.intp), 1)
            tree.__setstate__(
                {
                    "max_depth": 0,
                    "node_count": len(nodes),
                    "nodes": nodes,
                    "values": np.ascontiguousarray(self.value[part]).reshape(-1, 1, 1),
                }
            )
            trees.append(tree)
        return trees

    def _check(self) -> None:
        wrong = InputError("The model file holds trees whose nodes do not fit together.")
        total = len(self.feature)
        if (
            self.start.ndim != 1
            or len(self.start) < 2
            or self.start[0] != 0
            or self.start[-1] != total
            or (np.diff(self.start) < 1).any()
            or self._factors < 1
            or any(a.shape != (total,) for a in (self.threshold, self.left, self.right, self.value))
        ):
            raise wrong
        size = np.repeat(np.diff(self.start), np.diff(self.start))
        own = np.arange(total) - np.repeat(self.start[:-1], np.diff(self.start))
        inner = self.feature >= 0
        # Children after their parent: a descent always ends.
        for child in (self.left, self.right):
            if (inner & ((child <= own) | (child >= size))).any() or (~inner & (child != -1)).any():
                raise wrong
        if (
            (self.feature >= self._factors).any()
            or not np.isfinite(self.value).all()
            or not np.isfinite(self.threshold).all()
        ):
            raise wrong


def round_down(threshold: Array) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: for float32 x, x <= threshold holds for both or for neither."""
    single = threshold.astype(np.float32)
    return np.where(single.astype(np.float64) > threshold, np.nextafter(single, np.float32(-np.inf)), single).astype(
        np.float32
    )
