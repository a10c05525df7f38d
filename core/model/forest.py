"""Regression trees as arrays, applied by compiled code, by scikit-learn's own, or with numpy: whichever is at hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .predictor import Array, Arrays, array_of, in_threads
from .tree_kernel import TreeKernel

_DEEPEST = 10_000  # levels; trees grown on any real table have some tens
_NODES_AT_ONCE = 2**19

_PIXELS = 65536  # rows per call: fewer would pay for the calls
_WORTH_COMPILING = 2**22  # rows times trees; scikit-learn has done with fewer before numba is loaded
_FEW = 256  # rows that are not worth a chunk of the compiled code


class ForestPredictor:
    """The mean of regression trees, equal to the last bit to scikit-learn with one job.

    start (trees + 1,): where each tree's nodes begin. Per node: feature (-1 at a leaf), threshold (float32, go left
    when x <= threshold), left and right (numbered within the tree, after their parent, -1 at a leaf), value (float64).
    Raises InputError for arrays that are no trees.
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
        self.start, self.feature, self.threshold = start, feature, threshold
        self.left, self.right, self.value = left, right, value
        self._factors = int(factors)
        self._check()
        self._trees: list[Any] | None = None
        self._kernel: TreeKernel | None = None
        self._asked = 0  # rows times trees, until the kernel is made
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
        """y (n,) from X (n, factors); a value beyond the range of float32 counts as its end."""
        return self.total(x) / self.count

    def total(self, x: Array) -> Array:
        """The sum over the trees (n,), as `predict` is their mean."""
        kernel = self._kernel_for(x)
        if kernel:
            # With many factors fewer pixels at once, for memory.
            return in_threads(kernel.total, x, max(2**12, min(_PIXELS, 2**20 // self._factors)))
        trees = self._native_trees()

        def block(rows: Any) -> Array:
            total = np.zeros(len(rows))
            single = single_precision(rows)
            for number in range(self.count):
                total += trees[number].predict(single)[:, 0] if trees else self._descend(number, single)
            return total

        return in_threads(block, x, _PIXELS)

    def leaves(self, x: Array, count: int) -> Iterator[NDArray[np.intp]]:
        """For each of the first `count` trees the leaf (n,) that each row of X ends in, as numbered within the tree."""
        single, trees = single_precision(x), self._native_trees()
        for number in range(count):
            yield trees[number].apply(single) if trees else self._leaf(number, single)

    def looked_up(self, x: Array, count: int, entry: NDArray[np.int32]) -> NDArray[np.int32]:
        """`entry` (nodes,) of the leaves (count, n) that the rows of X end in, in the first `count` trees."""
        kernel = self._kernel_for(x)
        if kernel:
            return kernel.reached(x, count, entry)
        found = np.empty((count, len(x)), np.int32)
        for number, node in enumerate(self.leaves(x, count)):
            found[number] = entry[self.start[number] + node]
        return found

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
    def from_arrays(cls, arrays: Arrays) -> ForestPredictor:
        feature, left, right = (_whole(array_of(arrays, name, "i")) for name in ("feature", "left", "right"))
        with np.errstate(over="ignore"):
            threshold = array_of(arrays, "threshold", "f").astype(np.float32)
        return cls(
            array_of(arrays, "start", "i").astype(np.int64),
            feature,
            threshold,
            left,
            right,
            array_of(arrays, "value", "f").astype(np.float64),
            int(array_of(arrays, "factors", "i")[0]),
        )

    def _descend(self, number: int, rows: NDArray[np.float32]) -> Array:
        return self.value[self.start[number] : self.start[number + 1]][self._leaf(number, rows)]

    def _leaf(self, number: int, rows: NDArray[np.float32]) -> NDArray[np.intp]:
        first, last = self.start[number], self.start[number + 1]
        feature, threshold = self.feature[first:last], self.threshold[first:last]
        left, right = self.left[first:last], self.right[first:last]
        node = np.zeros(len(rows), np.intp)
        moving = np.flatnonzero(feature[node] >= 0)
        while len(moving):
            at = node[moving]
            node[moving] = np.where(rows[moving, feature[at]] <= threshold[at], left[at], right[at])
            moving = moving[feature[node[moving]] >= 0]
        return node

    def _kernel_for(self, x: Array) -> TreeKernel | None:
        """The compiled code for these trees, None where there is none or X has too few rows to be worth it."""
        if len(x) < _FEW:
            return None
        with self._lock:
            self._asked += len(x) * self.count
            return self._compiled() if self._asked >= _WORTH_COMPILING else None

    def _compiled(self) -> TreeKernel | None:
        if self._kernel is None:
            trees = (self.start, self.feature, self.threshold, self.left, self.right, self.value)
            self._kernel = TreeKernel.packed(*trees, self._factors)
        return self._kernel

    def _native_trees(self) -> list[Any]:
        with self._lock:
            if self._trees is None:
                try:
                    trees = self._rebuild()
                    self._trees = trees if self._agrees(trees) else []
                except (ImportError, AttributeError, KeyError, TypeError, ValueError):
                    # A scikit-learn with another inner layout: numpy gives the same numbers, more slowly.
                    self._trees = []
            return self._trees

    def _rebuild(self) -> list[Any]:
        from sklearn.tree import DecisionTreeRegressor
        from sklearn.tree._tree import Tree

        layout = DecisionTreeRegressor().fit(np.zeros((1, 1)), np.zeros(1)).tree_.__getstate__()["nodes"].dtype
        trees = []
        for number in range(self.count):
            part = slice(self.start[number], self.start[number + 1])
            nodes = np.zeros(part.stop - part.start, layout)
            leaf = self.feature[part] < 0
            nodes["left_child"], nodes["right_child"] = self.left[part], self.right[part]
            nodes["feature"] = np.where(leaf, -2, self.feature[part])
            nodes["threshold"] = np.where(leaf, -2.0, self.threshold[part])
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

    def _agrees(self, trees: list[Any]) -> bool:
        """Whether the rebuilt first and last tree say what the arrays say, at and beside their own thresholds."""
        for number in {0, self.count - 1}:
            part = slice(self.start[number], self.start[number + 1])
            inner = np.flatnonzero(self.feature[part] >= 0)[:256]
            rows = np.zeros((2 * len(inner) + 1, self._factors), np.float32)
            at, threshold = self.feature[part][inner], self.threshold[part][inner]
            rows[np.arange(len(inner)), at] = threshold
            with np.errstate(over="ignore"):
                rows[len(inner) + np.arange(len(inner)), at] = np.nextafter(threshold, np.float32(np.inf))
            if not np.array_equal(trees[number].predict(rows)[:, 0], self._descend(number, rows)):
                return False
        return True

    def _check(self) -> None:
        if not _are_trees(self.start, self.feature, self.left, self.right, self._factors) or not (
            self.threshold.shape == self.value.shape == self.feature.shape
            and np.isfinite(self.value).all()
            and np.isfinite(self.threshold).all()
        ):
            raise InputError("The model file holds trees whose nodes do not fit together.")


def _are_trees(
    start: NDArray[np.int64],
    feature: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    factors: int,
) -> bool:
    """Whether every descent ends at a leaf, within its own tree and after a bounded number of steps."""
    if start.ndim != 1 or len(start) < 2 or feature.ndim != 1 or not feature.shape == left.shape == right.shape:
        return False
    # Before their differences, which could overflow.
    if ((start < 0) | (start > len(feature))).any():
        return False
    if start[0] != 0 or start[-1] != len(feature) or (np.diff(start) < 1).any() or (feature >= factors).any():
        return False
    tree = 0
    while tree < len(start) - 1:
        # Many trees at a time for speed, not all of them for memory.
        after = max(tree + 1, int(np.searchsorted(start, start[tree] + _NODES_AT_ONCE, side="right")) - 1)
        part = slice(start[tree], start[after])
        if not _descents_end(start[tree : after + 1] - start[tree], feature[part] >= 0, left[part], right[part]):
            return False
        tree = after
    return factors > 0


def _descents_end(
    start: NDArray[np.int64], inner: NDArray[np.bool_], left: NDArray[np.int32], right: NDArray[np.int32]
) -> bool:
    size = np.diff(start)
    first, size = np.repeat(start[:-1], size), np.repeat(size, size)
    own = np.arange(len(inner)) - first
    for child in (left, right):
        if (inner & ((child <= own) | (child >= size))).any() or (~inner & (child != -1)).any():
            return False
    # One parent each, none for the roots.
    children = np.concatenate([(child + first)[inner] for child in (left, right)])
    if (np.bincount(children, minlength=len(inner)) != (own > 0)).any():
        return False
    level = start[:-1]
    for _ in range(_DEEPEST):
        level = level[inner[level]]
        if not len(level):
            return True
        level = np.concatenate([left[level] + first[level], right[level] + first[level]])
    return False


def single_precision(x: Array) -> NDArray[np.float32]:
    """X as trees compare it; what exceeds the range of float32 would become infinite and counts as its end."""
    limit = float(np.finfo(np.float32).max)
    return np.clip(x, -limit, limit).astype(np.float32)


def round_down(threshold: Array) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: for float32 x, x <= threshold holds for both or neither."""
    with np.errstate(over="ignore"):
        single = threshold.astype(np.float32)
    above = single.astype(np.float64) > threshold
    return np.where(above, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float32)


def _whole(array: NDArray[Any]) -> NDArray[np.int32]:
    narrow = array.astype(np.int32)
    if not np.array_equal(narrow, array):
        raise ValueError("node numbers")
    return narrow
