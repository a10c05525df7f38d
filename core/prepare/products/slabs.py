"""Keeps what had to be decompressed: a chunk that spans many time steps is not taken apart again for each of them."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[tuple[int, ...], tuple[int, ...]]
Load = Callable[[tuple[int, ...], tuple[int, ...]], "NDArray[Any]"]

BUDGET = 384 * 2**20


class SlabCache:
    """The last slab of each array, least recently used ones given up when together they pass `budget` bytes.

    One slab takes a quarter of the budget at most, so that a variable and its quality arrays stay together. Safe from
    several threads; several containers share one cache.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self._slabs: OrderedDict[tuple[int, str], tuple[Window, NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self,
        key: tuple[int, str],
        start: tuple[int, ...],
        count: tuple[int, ...],
        shape: tuple[int, ...],
        chunk: tuple[int, ...],
        itemsize: int,
        load: Load,
    ) -> NDArray[Any]:
        """`count` values from `start`; `load(start, count)` reads from the file."""
        with self._lock:
            held = self._slabs.get(key)
            if held is not None:
                self._slabs.move_to_end(key)
        if held is None or not _covers(held[0], start, count):
            window = slab_window(start, count, shape, chunk, self.budget // 4 // itemsize)
            if window == (start, count):
                return load(start, count)
            held = window, _with_what_is_held(window, held, load)
            self._keep(key, held)
        (origin, _), values = held
        inside = tuple(slice(s - o, s - o + n) for s, o, n in zip(start, origin, count))
        return np.array(values[inside])  # a copy: callers may work in place

    def drop(self, owner: int) -> None:
        """Give up every slab of one container."""
        with self._lock:
            for key in [key for key in self._slabs if key[0] == owner]:
                del self._slabs[key]

    def _keep(self, key: tuple[int, str], held: tuple[Window, NDArray[Any]]) -> None:
        with self._lock:
            self._slabs[key] = held
            self._slabs.move_to_end(key)
            while sum(values.nbytes for _, values in self._slabs.values()) > self.budget:
                self._slabs.popitem(last=False)


def slab_window(
    start: tuple[int, ...], count: tuple[int, ...], shape: tuple[int, ...], chunk: tuple[int, ...], most: int
) -> Window:
    """The window to read instead of the one asked for, at most `most` values or the window itself.

    Whole chunks where they fit. Else all steps of the leading dimensions that share the chunks, and as many of the
    rows that follow as fit: readers go down the rows strip by strip.
    """
    low = [s // c * c for s, c in zip(start, chunk)]
    high = [min(-(-(s + n) // c) * c, size) for s, n, c, size in zip(start, count, chunk, shape)]
    if math.prod(h - a for a, h in zip(low, high)) > most:
        row, column = len(shape) - 2, len(shape) - 1
        for axis in range(max(row, 0), len(shape)):
            low[axis] = start[axis]
        high[column] = start[column] + count[column]
        if row >= 0:
            one_row = math.prod(high[axis] - low[axis] for axis in range(len(shape)) if axis != row)
            high[row] = min(high[row], start[row] + max(count[row], most // max(one_row, 1)))
        if math.prod(h - a for a, h in zip(low, high)) > most:
            return start, count
    return tuple(low), tuple(h - a for a, h in zip(low, high))


def _with_what_is_held(window: Window, held: tuple[Window, NDArray[Any]] | None, load: Load) -> NDArray[Any]:
    """The values of `window`, its upper rows from the slab before: strips seldom end where chunks do."""
    low, size = window
    if held is None or len(low) < 2:
        return load(low, size)
    (before, extent), values = held
    row = len(low) - 2
    rest = tuple(n for axis, n in enumerate((*low, *size)) if axis % len(low) != row)
    same = rest == tuple(n for axis, n in enumerate((*before, *extent)) if axis % len(low) != row)
    end = before[row] + extent[row]
    if not same or not before[row] <= low[row] < end < low[row] + size[row]:
        return load(low, size)
    start = (*low[:row], end, low[-1])
    below = load(start, (*size[:row], low[row] + size[row] - end, size[-1]))
    return np.concatenate([values[..., low[row] - before[row] :, :], below], axis=row)


def _covers(window: Window, start: tuple[int, ...], count: tuple[int, ...]) -> bool:
    return all(o <= s and s + n <= o + m for o, m, s, n in zip(*window, start, count))


SHARED = SlabCache()
