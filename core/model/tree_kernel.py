"""Many pixels descend through many trees at once: compiled by numba, to the last bit what scikit-learn's code gives.

Three things make it fast. Numbers are compared as whole numbers of the same order (`keys_of`), so that a node fits in 8
bytes and a tree in the processor's cache. The first levels of a tree are compared for all pixels of a chunk without
asking which of them get there, which the processor does for 8 or 16 pixels at a time. From there on 16 pixels descend
in turns, so that none waits for memory, and those that have arrived make room for others.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from .predictor import Array

_CHUNK_BITS = 10
_CHUNK = 2**_CHUNK_BITS  # pixels whose keys stay in the fastest cache
_LANES = 16  # pixels that descend in turns
_LEVELS = 5  # compared for all pixels of a chunk
_SLOTS = 2**_LEVELS - 1
_AGAIN = 2  # steps after which is looked who has arrived
_AT_LEAF = np.int32(2**31 - 1)  # no key is larger
_LARGEST = float(np.finfo(np.float32).max)

Whole = NDArray[np.int32]


class TreeKernel:
    """Trees packed for descending: nodes level by level, both children of a node side by side.

    start (trees + 1,), feature (-1 at a leaf), threshold (float32), left, right (numbered within the tree), value: as
    `ForestPredictor` has them, checked. Use `packed`, which knows when this cannot be.
    """

    def __init__(
        self,
        start: NDArray[np.int64],
        feature: Whole,
        threshold: NDArray[np.float32],
        left: Whole,
        right: Whole,
        value: Array,
        factors: int,
    ) -> None:
        self._start, self._factors = start, factors
        self._factor_bits = _factor_bits(factors)
        self._node = np.empty(len(feature), np.uint64)
        self._value = np.empty(len(feature), np.float64)
        self._given = np.empty(len(feature), np.int32)
        trees = len(start) - 1
        self._top_factor, self._top_key = np.empty((trees, _SLOTS), np.int32), np.empty((trees, _SLOTS), np.int32)
        self._top_node, self._first = np.empty((trees, _SLOTS + 1), np.uint32), np.empty(trees, np.int64)
        for tree in range(trees):
            own = slice(start[tree], start[tree + 1])
            levels = _levels(feature[own], left[own], right[own])
            order = np.concatenate(levels)
            place = np.empty(len(order), np.int64)
            place[order] = np.arange(len(order))
            leaf = feature[own][order] < 0
            key = np.where(leaf, _AT_LEAF, keys_of(threshold[own][order]))
            factor = np.where(leaf, 0, feature[own][order])
            # A leaf points to itself, and no pixel goes right there.
            child = np.where(leaf, place[order], place[left[own][order]])
            self._node[own] = ((child << self._factor_bits) | factor).astype(np.uint64) << np.uint64(32)
            self._node[own] |= key.view(np.uint32)
            self._value[own], self._given[own] = value[own][order], order
            self._fill_top(tree, key, factor, child)
            sizes = [float((feature[own][level] < 0).sum()) for level in levels]
            depth = float(np.dot(sizes, np.arange(len(sizes))) / sum(sizes))
            self._first[tree] = -1 if len(levels) <= _LEVELS + 1 else max(0, round(depth) - _LEVELS - 3)

    @classmethod
    def packed(cls, *trees: Any) -> TreeKernel | None:
        """None without numba, and for trees that are too large for nodes of 8 bytes: those take other ways."""
        start, factors = trees[0], trees[-1]
        if np.diff(start).max() > 2 ** (32 - _factor_bits(factors)) or functions() is None:
            return None
        return cls(*trees)

    def total(self, x: Array) -> Array:
        """The sum over the trees (n,) for X (n, factors), added in their order."""
        keys = self._chunks(x)
        total = np.zeros(len(keys) * _CHUNK)
        self._descend(keys, len(self._start) - 1, np.empty(0, np.int32), total, np.empty((0, 0), np.int32))
        return total[: len(x)]

    def reached(self, x: Array, trees: int, entry: Whole) -> Whole:
        """`entry` (nodes,) of the leaves (trees, n) that the rows of X (n, factors) end in, in the first `trees`."""
        keys = self._chunks(x)
        reached = np.empty((trees, len(keys) * _CHUNK), np.int32)
        self._descend(keys, trees, entry, np.empty(0), reached)
        return reached[:, : len(x)]

    def _descend(self, keys: Whole, trees: int, entry: Whole, total: Array, reached: Whole) -> None:
        _, descend = functions()  # type: ignore[misc]
        top = (self._top_factor, self._top_key, self._top_node, self._first)
        tree = (self._start[: trees + 1], self._node, self._value, self._given)
        descend(*tree, *top, self._factor_bits, keys, entry, total, reached)

    def _chunks(self, x: Array) -> Whole:
        """(chunks, factors, pixels of a chunk): the keys of X, with zeros behind its last row."""
        fill, _ = functions()  # type: ignore[misc]
        single = np.empty((-(-len(x) // _CHUNK), self._factors, _CHUNK), np.float32)
        fill(np.ascontiguousarray(x, np.float64), single)
        return keys_of(single)

    def _fill_top(self, tree: int, key: Whole, factor: Whole, child: NDArray[np.int64]) -> None:
        level, slot = np.zeros(1, np.int64), 0
        for _ in range(_LEVELS):
            end = slot + len(level)
            self._top_factor[tree, slot:end], self._top_key[tree, slot:end] = factor[level], key[level]
            slot, leaf = end, child[level] == level
            level = np.column_stack([child[level], child[level] + ~leaf]).ravel()
        self._top_node[tree] = level


def keys_of(values: NDArray[np.float32]) -> Whole:
    """Whole numbers in the order of the float32 `values`; -0 and 0 give the same."""
    bits: Whole = (values + np.float32(0)).view(np.int32)
    bits ^= (bits >> 31) & np.int32(2**31 - 1)
    return bits


def values_of(keys: Whole) -> NDArray[np.float32]:
    """The float32 values that `keys_of` gives these keys."""
    return (keys ^ ((keys >> 31) & np.int32(2**31 - 1))).view(np.float32)


@cache
def functions() -> tuple[Any, Any] | None:
    """The two compiled functions, None where numba does not work."""
    fill = compiled(_fill, lambda: (np.zeros((1, 1)), np.zeros((1, 1, _CHUNK), np.float32)))
    descend = compiled(_loops, _example) if fill else None
    return (fill, descend) if descend else None


def _example() -> list[Any]:
    whole, none = np.zeros(1, np.int32), np.zeros((0, 0), np.int32)
    slots, top = np.zeros((1, _SLOTS), np.int32), np.zeros((1, _SLOTS + 1), np.uint32)
    leaf = np.array([_AT_LEAF], np.uint64)
    start, first = np.array([0, 1]), np.zeros(1, np.int64)
    keys, total = np.zeros((1, 1, _CHUNK), np.int32), np.zeros(_CHUNK)
    return [start, leaf, np.zeros(1), whole, slots, slots, top, first, 0, keys, whole, total, none]


def _factor_bits(factors: int) -> int:
    """Bits for a factor's number, of 32; the rest is for the child's."""
    return (factors - 1).bit_length()


def _levels(feature: Whole, left: Whole, right: Whole) -> list[NDArray[np.int64]]:
    levels = [np.zeros(1, np.int64)]
    while True:
        inner = levels[-1][feature[levels[-1]] >= 0]
        if not len(inner):
            return levels
        levels.append(np.column_stack([left[inner], right[inner]]).ravel().astype(np.int64))


def _fill(x: Array, single: NDArray[np.float32]) -> None:
    """Columns of X in chunks; what exceeds the range of float32 counts as its end."""
    chunks, factors, size = single.shape
    for chunk in range(chunks):
        rows = min(size, len(x) - chunk * size)
        for factor in range(factors):
            column = single[chunk, factor]
            for i in range(rows):
                column[i] = max(-_LARGEST, min(_LARGEST, x[chunk * size + i, factor]))
            column[max(0, rows) :] = 0


def _loops(
    start: NDArray[np.int64],
    node: NDArray[np.uint64],
    value: Array,
    given: Whole,
    top_factor: Whole,
    top_key: Whole,
    top_node: NDArray[np.uint32],
    first: NDArray[np.int64],
    factor_bits: int,
    keys: Whole,
    entry: Whole,
    total: Array,
    reached: Whole,
) -> None:
    """Add the values of the leaves to `total`, or write their entries to `reached`; the other one is empty.

    Unsigned numbers throughout: numba would otherwise look for places counted from the end, which takes longer.
    """
    chunks, factors, _ = keys.shape
    one, child_shift = np.uint32(1), np.uint64(32 + factor_bits)
    factor_shift = np.uint64(32 - _CHUNK_BITS)  # a factor's keys lie a chunk apart
    factor_mask = np.uint64(((1 << factor_bits) - 1) << _CHUNK_BITS)
    right = np.empty(_CHUNK, np.uint32)
    at, pixel = np.empty(_CHUNK + _LANES, np.uint32), np.empty(_CHUNK + _LANES, np.uint32)
    for tree in range(len(start) - 1):
        nodes, values = node[start[tree] : start[tree + 1]], value[start[tree] : start[tree + 1]]
        entries, numbers = entry[start[tree] : start[tree + 1]], given[start[tree] : start[tree + 1]]
        for chunk in range(chunks):
            own = keys[chunk].ravel()
            # One bit for each of the first nodes: whether the pixel would go right there.
            right[:] = 0
            for slot in range(_SLOTS):
                row, key, bit = keys[chunk, top_factor[tree, slot]], top_key[tree, slot], one << np.uint32(slot)
                for i in range(_CHUNK):
                    right[i] |= bit if row[i] > key else np.uint32(0)
            for i in range(_CHUNK):
                place, bits = np.uint32(0), right[i]
                for _ in range(_LEVELS):
                    place = np.uint32(place + place + one + ((bits >> place) & one))
                at[i] = top_node[tree, place - np.uint32(_SLOTS)]
            if first[tree] >= 0:
                ends = right  # its bits have done their work
                for i in range(_CHUNK):
                    pixel[i] = i
                moving, steps = _CHUNK, first[tree]
                while moving > 0:
                    lanes = -(-moving // _LANES) * _LANES
                    for i in range(moving, lanes):
                        at[i], pixel[i] = len(nodes) - 1, 0
                    for lane in range(0, lanes, _LANES):
                        here, column = at[lane : lane + _LANES], pixel[lane : lane + _LANES]
                        for _ in range(steps):
                            for i in range(_LANES):
                                word = nodes[np.uint64(here[i])]
                                key = own[((word >> factor_shift) & factor_mask) + np.uint64(column[i])]
                                here[i] = np.uint32((word >> child_shift) + np.uint64(key > np.int32(word)))
                    still = np.uint64(0)
                    for i in range(moving):
                        place, of = at[i], pixel[i]
                        ends[of] = place
                        at[still], pixel[still] = place, of
                        still += np.uint64(np.int32(nodes[np.uint64(place)]) != _AT_LEAF)
                    moving, steps = np.int64(still), _AGAIN
            else:
                ends = at
            if len(total):
                sums = total[chunk * _CHUNK : (chunk + 1) * _CHUNK]
                for i in range(_CHUNK):
                    sums[i] += values[np.uint64(ends[i])]
            else:
                leaves = reached[tree, chunk * _CHUNK : (chunk + 1) * _CHUNK]
                for i in range(_CHUNK):
                    leaves[i] = entries[np.uint64(numbers[np.uint64(ends[i])])]
