"""Quantile regression forest (Meinshausen 2006, JMLR 7:983-999): what the leaves that x falls in hold besides means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from ..errors import InputError
from .forest import ForestPredictor
from .predictor import Array, Arrays, array_of, in_threads
from .tree_kernel import keys_of, values_of

_TREES = 100
_DRAWS = 300  # values a quantile is taken from, for each x
_MOST_VALUES = 2**23  # in a model file
_PIXELS = 8192  # rows at once: rows x draws numbers are held


class LeafValues:
    """`values` (leaves, draws): training targets of every leaf of the first trees of a forest, in the nodes' order.

    Each tree gives the same number of equally likely values, so that quantiles of all values that x meets are those of
    Meinshausen's weights: exactly where the draws hold each of a leaf's targets equally often, else up to the chance of
    the draw. Raises InputError for values that do not fit `forest`.
    """

    def __init__(self, forest: ForestPredictor, values: NDArray[np.float32]) -> None:
        self.forest, self.values = forest, np.ascontiguousarray(values, np.float32)
        leaves = np.cumsum(forest.feature < 0)
        ends = leaves[forest.start[1:] - 1]
        self.trees = int(np.searchsorted(ends, len(self.values))) + 1
        if (
            self.values.ndim != 2
            or not 1 <= self.values.size <= _MOST_VALUES
            or self.trees > forest.count
            or ends[self.trees - 1] != len(self.values)
            or not np.isfinite(self.values).all()
        ):
            raise InputError("The model file holds leaf values that do not fit its trees.")
        self._row = (leaves - 1)[: forest.start[self.trees]].astype(np.int32)
        self._sum, self._keys = self.values.sum(axis=1, dtype=np.float64), keys_of(self.values)

    @classmethod
    def from_training(
        cls, forest: ForestPredictor, x: Array, y: Array, seed: int = 0, draws: int | None = None
    ) -> LeafValues:
        """Drop the training samples X (n, factors), y (n,) down the trees and keep `draws` of each leaf.

        By default the first 100 trees are used, with so many draws that each x meets about 300 values, or fewer where
        the file would grow beyond 8 million values: first fewer draws, then fewer trees. A leaf with no more samples
        than draws gives each of them as evenly as it can, one with more gives a random choice.
        """
        trees = min(forest.count, _TREES)
        leaves = np.cumsum(forest.feature < 0)[forest.start[1:] - 1]
        wanted = draws or -(-_DRAWS // trees)
        count = max(1, min(wanted, int(_MOST_VALUES // leaves[trees - 1])))
        trees = max(1, min(trees, int(np.searchsorted(leaves, _MOST_VALUES // count, side="right"))))
        random = np.random.default_rng(seed)
        parts = []
        for number, node in enumerate(forest.leaves(x, trees)):
            own = slice(forest.start[number], forest.start[number + 1])
            leaf = np.flatnonzero(forest.feature[own] < 0)
            parts.append(_drawn(y, np.searchsorted(leaf, node), forest.value[own][leaf], count, random))
        return cls(forest, np.concatenate(parts))

    def quantiles(self, x: Array, probabilities: Sequence[float]) -> Array:
        """Quantiles (n, probabilities) of y given X (n, factors): the least value whose weights reach each."""
        return self._quantiles(x, probabilities, False)

    def offsets(self, x: Array, probabilities: Sequence[float]) -> Array:
        """Quantiles less the mean (n, probabilities): how far y may lie from what the forest predicts."""
        return self._quantiles(x, probabilities, True)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"leaf_values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Arrays, forest: ForestPredictor) -> LeafValues:
        return cls(forest, array_of(arrays, "leaf_values", "f").astype(np.float32))

    def _quantiles(self, x: Array, probabilities: Sequence[float], centred: bool) -> Array:
        size = self.trees * self.values.shape[1]
        at = [min(size, max(1, int(np.ceil(p * size - 1e-9)))) - 1 for p in probabilities]

        def block(rows: Array) -> Array:
            leaf = self.forest.looked_up(rows, self.trees, self._row)
            chosen = self._chosen(leaf, at).astype(np.float64)
            if not centred:
                return chosen
            total = np.zeros(len(rows))
            for one in leaf:
                total += self._sum[one]
            return chosen - total[:, None] / size

        return in_threads(block, x, _PIXELS)

    def _chosen(self, leaf: NDArray[np.int32], at: Sequence[int]) -> NDArray[np.float32]:
        """Of the values in the leaves (trees, n) that come at the places `at` (k,) in order of size (n, k)."""
        choose = compiled_choice()
        if choose:
            found = np.empty((leaf.shape[1], len(at)), np.int32)
            choose(self._keys, leaf, np.array(at), found)
            return values_of(found)
        met = np.empty((leaf.shape[1], len(leaf), self.values.shape[1]), np.float32)
        for number, one in enumerate(leaf):
            met[:, number] = self.values[one]
        flat = met.reshape(len(met), -1)
        flat.partition(sorted(set(at)), axis=1)
        return flat[:, at]


@cache
def compiled_choice() -> Any:
    """`_loops` compiled, None where numba does not work."""
    whole = np.zeros((1, 1), np.int32)
    return compiled(_loops, lambda: (whole, whole, np.zeros(1, np.int64), whole.copy()))


def _loops(keys: NDArray[np.int32], leaf: NDArray[np.int32], at: NDArray[np.int64], found: NDArray[np.int32]) -> None:
    """The key at each place: the least one that enough others do not exceed, found by halving its range."""
    trees, draws = len(leaf), keys.shape[1]
    met = np.empty(trees * draws, np.int32)
    for pixel in range(leaf.shape[1]):
        for tree in range(trees):
            for draw in range(draws):
                met[tree * draws + draw] = keys[leaf[tree, pixel], draw]
        least, most = np.int64(met.min()), np.int64(met.max())
        for k in range(len(at)):
            low, high = least, most
            while low < high:
                middle = np.int32((low + high) >> 1)
                count = np.int32(0)
                for one in met:
                    count = np.int32(count + np.int32(one <= middle))
                if count > at[k]:
                    high = np.int64(middle)
                else:
                    low = np.int64(middle) + 1
            found[pixel, k] = low


def _drawn(
    y: Array, leaf: NDArray[np.intp], means: Array, count: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """(leaves, count): so many of the values y of each leaf that the samples lie in; the mean in empty ones."""
    shuffled = random.permutation(len(y))
    order = shuffled[np.argsort(leaf[shuffled], kind="stable")]
    size = np.bincount(leaf, minlength=len(means))
    first = np.cumsum(size) - size
    step = np.arange(count)[None, :]
    # Few samples: each several times; many: the first of them in random order.
    place = np.where(size[:, None] > count, step, step * size[:, None] // count)
    values = y[order][np.minimum(first[:, None] + place, len(y) - 1)]
    return np.where(size[:, None] > 0, values, means[:, None]).astype(np.float32)
