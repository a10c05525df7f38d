"""Sums over the similar pixels of a moving window: loops that numba compiles where it is there, else numpy.

Both add the neighbours of a pixel in the same order, so that their sums are equal to the last bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

from ...compiled import compiled

Array = NDArray[np.float64]
Kernel = Callable[..., None]
_COLUMNS = 256  # pixels whose sums stay in the fastest cache


def numpy_sums(
    tested: Array,
    low: Array,
    high: Array,
    fields: Array,
    shifts: NDArray[np.int64],
    factors: Array,
    total: Array,
    row0: int,
    row1: int,
) -> None:
    """Add up the `fields` of the similar neighbours of each pixel in rows row0 … row1.

    A neighbour is similar where all its tested values lie within the pixel's limits. tested (tests, rows + 2 half,
    cols + 2 half), NaN in pixels that may not be used; low, high (tests, rows, cols); fields (rows + 2 half, cols +
    2 half, n); shifts (offsets, 2) row and column of the neighbour from 0 to 2 half; factors (offsets, n) by which its
    fields count; total (rows, cols, n) is written.
    """
    cols, wide, count = low.shape[2], fields.shape[1], fields.shape[2]
    flat = fields.reshape(-1, count)
    sums = np.zeros(((row1 - row0) * cols, count))
    pixels = np.arange((row1 - row0) * cols)
    places = (pixels // cols + row0) * wide + pixels % cols
    lowest, highest = low[:, row0:row1], high[:, row0:row1]
    with np.errstate(invalid="ignore"):
        for (down, right), factor in zip(shifts, factors):
            near = tested[:, row0 + down : row1 + down, right : right + cols]
            similar = np.flatnonzero(((near >= lowest) & (near <= highest)).all(axis=0))
            sums[similar] += factor * flat[places[similar] + (down * wide + right)]
    total[row0:row1] = sums.reshape(row1 - row0, cols, count)


@cache
def fastest() -> Kernel:
    """`numpy_sums`, or the compiled loops that give the same where numba works."""

    def example() -> list[Any]:
        one, limits = np.zeros((1, 1, 1)), np.zeros((1, 1, 1))
        return [one, limits, limits, one, np.zeros((1, 2), np.int64), np.ones((1, 1)), np.zeros((1, 1, 1)), 0, 1]

    return compiled(_loops, example) or numpy_sums


def _loops(
    tested: Array,
    low: Array,
    high: Array,
    fields: Array,
    shifts: NDArray[np.int64],
    factors: Array,
    total: Array,
    row0: int,
    row1: int,
) -> None:
    """What `numpy_sums` does, as numba compiles it well."""
    tests, cols, count = low.shape[0], low.shape[2], np.uint64(fields.shape[2])
    second = min(1, tests - 1)
    wide = fields.shape[1]
    # Unsigned places in flat arrays: a place that may be negative keeps the loops from being vectorised.
    values, sums = fields.reshape(-1), total.reshape(-1)
    similar = np.empty(_COLUMNS, np.uint8)
    found = np.empty(_COLUMNS + 1, np.uint64)
    for y in range(row0, row1):
        for x0 in range(0, cols, _COLUMNS):
            x1 = min(cols, x0 + _COLUMNS)
            width = x1 - x0
            own = np.uint64((y * cols + x0) * fields.shape[2])
            for place in range(np.uint64(width) * count):
                sums[own + place] = 0.0
            low_0, high_0 = low[0, y, x0:x1], high[0, y, x0:x1]
            low_1, high_1 = low[second, y, x0:x1], high[second, y, x0:x1]
            for offset in range(shifts.shape[0]):
                row, col = y + shifts[offset, 0], x0 + shifts[offset, 1]
                near_0, near_1 = tested[0, row, col : col + width], tested[second, row, col : col + width]
                for x in range(width):
                    similar[x] = (
                        (near_0[x] >= low_0[x])
                        & (near_0[x] <= high_0[x])
                        & (near_1[x] >= low_1[x])
                        & (near_1[x] <= high_1[x])
                    )
                for test in range(2, tests):
                    near = tested[test, row, col : col + width]
                    lowest, highest = low[test, y, x0:x1], high[test, y, x0:x1]
                    for x in range(width):
                        similar[x] &= (near[x] >= lowest[x]) & (near[x] <= highest[x])
                # Without a branch: whether a neighbour is similar cannot be foreseen.
                number = 0
                for x in range(width):
                    found[number] = np.uint64(x) * count
                    number += similar[x]
                factor, neighbour = factors[offset], np.uint64((row * wide + col) * fields.shape[2])
                for k in range(number):
                    into, of = own + found[k], neighbour + found[k]
                    for field in range(count):
                        sums[into + field] += factor[field] * values[of + field]
