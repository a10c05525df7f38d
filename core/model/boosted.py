"""Gradient-boosted trees as arrays: a constant and a sum of trees, applied by the code that applies forests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .forest import ForestPredictor
from .predictor import Array, Arrays, array_of


@dataclass(frozen=True)
class RegressionTree:
    """One tree as any library has it; per node, the root first.

    feature (nodes,): -1 at a leaf. threshold (nodes,) float32: go left when x <= threshold. left, right (nodes,):
    numbers of the children, in any order. value (nodes,): what a leaf adds.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Array


class BoostedPredictor:
    """y = base + the sum over trees, on factors in single precision. Raises InputError for arrays that are no trees."""

    kind = "boosted trees"

    def __init__(self, trees: ForestPredictor, base: float) -> None:
        self.trees, self.base = trees, float(base)
        if not np.isfinite(self.base):
            raise InputError("The model file holds boosted trees that add to no plain number.")

    @property
    def factors(self) -> int:
        return self.trees.factors

    @classmethod
    def from_trees(cls, trees: Sequence[RegressionTree], base: float, scale: float, factors: int) -> BoostedPredictor:
        """y = base + scale * the sum over `trees`."""
        ordered = [_parents_first(tree) for tree in trees]
        leaf = np.concatenate([tree.feature for tree in ordered]) < 0

        def nodes(name: str, at_other: float) -> NDArray[np.generic]:
            values = np.concatenate([getattr(tree, name) for tree in ordered])
            return np.where(leaf if name != "value" else ~leaf, at_other, values)

        forest = ForestPredictor(
            np.concatenate([[0], np.cumsum([len(tree.feature) for tree in ordered])]).astype(np.int64),
            nodes("feature", -1).astype(np.int32),
            nodes("threshold", 0.0).astype(np.float32),
            nodes("left", -1).astype(np.int32),
            nodes("right", -1).astype(np.int32),
            scale * nodes("value", 0.0).astype(np.float64),
            factors,
        )
        return cls(forest, base)

    def predict(self, x: Array) -> Array:
        return self.base + self.trees.total(x)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {**self.trees.arrays(), "base": np.array([self.base])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> BoostedPredictor:
        return cls(ForestPredictor.from_arrays(arrays), float(array_of(arrays, "base", "f")[0]))


def _parents_first(tree: RegressionTree) -> RegressionTree:
    """The tree level by level, without nodes that its root does not reach (pruned ones).

    Raises ValueError where a node would have two parents.
    """
    levels = [np.zeros(1, np.int64)]
    seen = 1
    while len(levels[-1]):
        inner = levels[-1][tree.feature[levels[-1]] >= 0]
        levels.append(np.concatenate([tree.left[inner], tree.right[inner]]))
        seen += len(levels[-1])
        if seen > len(tree.feature):
            raise ValueError("a tree whose nodes do not fit together")
    order = np.concatenate(levels)
    place = np.full(len(tree.feature), -1)
    place[order] = np.arange(len(order))
    return RegressionTree(
        tree.feature[order],
        tree.threshold[order],
        np.where(tree.feature[order] >= 0, place[tree.left[order]], -1),
        np.where(tree.feature[order] >= 0, place[tree.right[order]], -1),
        tree.value[order],
    )
