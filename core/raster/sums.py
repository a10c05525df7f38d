"""Weighted sums of the valid pixels of a raster whose weights are products of a row weight and a column weight.

Rows are added first, column by column: plain vector arithmetic on values that are read once. Every sum takes its pixels
in the order of the raster, whatever strips it comes in, and loops that numba compiles do the same arithmetic as numpy.
So results are equal to the last bit, however the raster is cut and with or without numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_WORTH_COMPILING = 2**22  # pixels; numpy is done with fewer before numba is loaded
_CHUNK = 2**16  # pixels that stay in the processor's cache
_BLOCK = 2048  # columns whose sums stay in the fastest cache


@dataclass(frozen=True)
class Spans:
    """For each of n coarse intervals the run of fine intervals it sees, `first` … `last`, and their weights.

    The weights of interval i are weights[start[i] : start[i + 1]].
    """

    first: Indices
    last: Indices
    start: Indices
    weights: Array

    @classmethod
    def of(cls, matrix: csr_matrix) -> Spans:
        """From a (coarse, fine) matrix whose rows are runs without gaps."""
        matrix.sort_indices()
        start = matrix.indptr.astype(np.int64)
        count = np.diff(start)
        first = np.zeros(len(count), np.int64)
        first[count > 0] = matrix.indices[start[:-1][count > 0]]
        return cls(first, first + count, start, np.asarray(matrix.data, np.float64))

    def __len__(self) -> int:
        return len(self.first)

    def part(self, begin: int, end: int, shift: int = 0) -> Spans:
        """Coarse intervals `begin` … `end`, with fine intervals counted from `shift`."""
        low, high = self.start[begin], self.start[end]
        first, last = self.first[begin:end] - shift, self.last[begin:end] - shift
        return Spans(first, last, self.start[begin : end + 1] - low, self.weights[low:high])

    @cached_property
    def reach(self) -> tuple[int, int]:
        """First and last (exclusive) fine interval that any coarse interval sees."""
        seen = self.last > self.first
        return (int(self.first[seen].min()), int(self.last[seen].max())) if seen.any() else (0, 0)

    @cached_property
    def by_place(self) -> list[tuple[Indices, Array]]:
        """For k = 0, 1 …: the k-th fine interval of each coarse one, and its weight, 0 for those that see fewer."""
        count = self.last - self.first
        found = []
        for k in range(int(count.max(initial=0))):
            there = k < count
            places = np.where(there, self.first + k, 0)
            found.append((places, np.where(there, self.weights[np.where(there, self.start[:-1] + k, 0)], 0.0)))
        return found

    @cached_property
    def most_at_once(self) -> int:
        """How many coarse intervals see one fine interval at most."""
        seen = self.last > self.first
        change = np.zeros(self.reach[1] + 1, np.int64)
        np.add.at(change, self.first[seen], 1)
        np.add.at(change, self.last[seen], -1)
        return max(1, int(np.cumsum(change).max(initial=0)))


class SeparableSums:
    """Sums of weight x value and of weight over valid pixels, (coarse rows, coarse cols), gathered strip by strip.

    Strips that come from the top down without gaps give sums that do not depend on where they are cut; other orders
    give the same up to rounding. Memory beyond the sums: the rows of cells that a strip's end leaves unfinished.
    """

    def __init__(self, rows: Spans, cols: Spans, width: int) -> None:
        """`width`: fine columns of the strips."""
        self.rows, self.cols, self._width = rows, cols, width
        self.total, self.weight = np.zeros((2, len(rows), len(cols)))
        self._open = np.zeros((2, rows.most_at_once, width))
        self._next = 0  # the fine row that follows those added
        self._pixels = width * (rows.reach[1] - rows.reach[0])

    def add(self, values: NDArray[Any], row0: int, nodata: float | None = None) -> None:
        """Add the rows from fine row `row0`; NaN, infinite values and `nodata` are invalid. Any real data type."""
        if row0 != self._next:
            self._finish()
        self._next = end = row0 + values.shape[0]
        rows = self.rows
        touched = np.flatnonzero((rows.last > row0) & (rows.first < end) & (rows.last > rows.first))
        if not len(touched) or not values.size:
            return
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float32 if np.can_cast(values.dtype, np.float32) else np.float64)
        values = np.ascontiguousarray(values)
        spans: list[Any] = [
            one for span in (rows, self.cols) for one in (span.first, span.last, span.start, span.weights)
        ]
        add = _compiled(values.dtype.name) if self._pixels >= _WORTH_COMPILING else None
        (add or _add_by_numpy)(
            values,
            row0,
            *_limits(values.dtype, nodata),
            int(touched[0]),
            int(touched[-1]) + 1,
            *[*spans, self._open, self.total, self.weight],
        )

    def result(self) -> tuple[Array, Array]:
        """Sums of weight x value and of weight, of what was added so far."""
        self._finish()
        return self.total, self.weight

    def _finish(self) -> None:
        """Close the coarse rows of which further fine rows have not come."""
        begun = (self.rows.first < self._next) & (self.rows.last > self._next)
        for row in np.flatnonzero(begun):
            _close(self._open[:, row % self._open.shape[1]], self.cols, self.total[row], self.weight[row])


def _limits(kind: np.dtype[Any], nodata: float | None) -> tuple[float, float, float]:
    """Lowest and highest valid value, and the one in between that is not."""
    most = float(np.finfo(kind).max)
    if nodata is None or not math.isfinite(nodata):
        return -most, most, math.nan
    if abs(nodata) > 1e30:
        # The extremes of float32, of which headers keep more or fewer digits (-3.4e+38).
        return (-1e30, most, math.nan) if nodata < 0 else (-most, 1e30, math.nan)
    # A float32 file may carry a nodata value that only its own precision equals.
    return -most, most, float(kind.type(nodata))


def _add_by_numpy(
    values: NDArray[Any],
    row0: int,
    lowest: float,
    highest: float,
    nodata: float,
    begin: int,
    stop: int,
    row_first: Indices,
    row_last: Indices,
    row_start: Indices,
    row_weights: Array,
    col_first: Indices,
    col_last: Indices,
    col_start: Indices,
    col_weights: Array,
    unfinished: Array,
    total: Array,
    weight: Array,
) -> None:
    """What `_loops` does."""
    step = max(1, _CHUNK // values.shape[1])
    # Plain numbers would turn each comparison into one of float64.
    lowest, highest, nodata = (values.dtype.type(limit) for limit in (lowest, highest, nodata))
    product = np.empty(values.shape[1])
    columns = Spans(col_first, col_last, col_start, col_weights)
    for top in range(row0, row0 + values.shape[0], step):
        part = values[top - row0 : top - row0 + step]
        bottom = top + part.shape[0]
        valid = (part >= lowest) & (part <= highest) & (part != nodata)
        filled = np.where(valid, part, part.dtype.type(0)).astype(np.float64, copy=False)
        ones = valid.astype(np.float64)
        for i in range(begin, stop):
            sums, weights = unfinished[:, i % unfinished.shape[1]]
            for row in range(max(row_first[i], top), min(row_last[i], bottom)):
                share = row_weights[row_start[i] + row - row_first[i]]
                sums += np.multiply(filled[row - top], share, out=product)
                weights += np.multiply(ones[row - top], share, out=product)
            if top < row_last[i] <= bottom:
                _close(unfinished[:, i % unfinished.shape[1]], columns, total[i], weight[i])


def _close(unfinished: Array, cols: Spans, total: Array, weight: Array) -> None:
    """Add the column sums of a coarse row to its cells, pixel by pixel from the left, and empty them."""
    at_place = cols.by_place
    for into, sums in zip((total, weight), unfinished):
        cells = np.zeros(len(cols))
        for places, shares in at_place:
            cells += sums[places] * shares
        into += cells
    unfinished[:] = 0.0


def _loops(
    values: NDArray[Any],
    row0: int,
    lowest: float,
    highest: float,
    nodata: float,
    begin: int,
    stop: int,
    row_first: Indices,
    row_last: Indices,
    row_start: Indices,
    row_weights: Array,
    col_first: Indices,
    col_last: Indices,
    col_start: Indices,
    col_weights: Array,
    unfinished: Array,
    total: Array,
    weight: Array,
) -> None:
    """Add the rows to the column sums of coarse rows `begin` … `stop`, and finished ones of these to their cells."""
    width, end = values.shape[1], row0 + values.shape[0]
    for i in range(begin, stop):
        if row_last[i] <= row_first[i]:
            continue
        sums, weights = unfinished[0, i % unfinished.shape[1]], unfinished[1, i % unfinished.shape[1]]
        for x0 in range(0, width, _BLOCK):
            x1 = min(width, x0 + _BLOCK)
            into, count = sums[x0:x1], weights[x0:x1]
            for row in range(max(row_first[i], row0), min(row_last[i], end)):
                share = row_weights[row_start[i] + row - row_first[i]]
                of = values[row - row0, x0:x1]
                for x in range(x1 - x0):
                    value = np.float64(of[x])
                    valid = (value >= lowest) & (value <= highest) & (value != nodata)
                    into[x] += share * (value if valid else 0.0)
                    count[x] += share * (1.0 if valid else 0.0)
        if row_last[i] <= end:
            for j in range(col_first.shape[0]):
                value_sum, weight_sum = 0.0, 0.0
                for x in range(col_first[j], col_last[j]):
                    share = col_weights[col_start[j] + x - col_first[j]]
                    value_sum += share * sums[x]
                    weight_sum += share * weights[x]
                total[i, j] += value_sum
                weight[i, j] += weight_sum
            sums[:] = 0.0
            weights[:] = 0.0


@cache
def _compiled(kind: str) -> Callable[..., None] | None:
    """`_loops` for values of a data type, None where numba is absent or does not work here."""

    def example() -> list[Any]:
        span = [np.zeros(1, np.int64), np.ones(1, np.int64), np.arange(2), np.ones(1)]
        sums = [np.zeros((2, 1, 1)), np.zeros((1, 1)), np.zeros((1, 1))]
        return [np.zeros((1, 1), kind), 0, -1.0, 1.0, math.nan, 0, 1, *span, *span, *sums]

    fast: Callable[..., None] | None = compiled(_loops, example)
    return fast
