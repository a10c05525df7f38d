"""Physical bounds that leave the means of cells as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .support import Array

_STEPS = 200  # a search that halves its interval ends long before; Newton's steps take fewer than ten


def hold_bounds(
    values: Array,
    cell: NDArray[np.intp],
    wanted: Array,
    lower: float,
    upper: float,
    weight: Array | None = None,
) -> tuple[Array, NDArray[np.bool_]]:
    """Bring `values` into [lower, upper] and keep each cell's mean at `wanted`: one shift per cell, then clipping.

    values: (pixels,) valid values; cell: (pixels,) index of each pixel's cell; wanted: (cells,) means to hold, NaN
    where none binds, then values are clipped only; weight: (pixels,) positive weights of the means, equal by default.
    Either bound may be infinite. Returns the values and which pixels were clipped. Cells that are within the bounds
    already, and cells whose wanted mean lies outside them, stay as they are.
    """
    outside = (values < lower) | (values > upper)
    if not outside.any():
        return values, outside
    touched = np.zeros(len(wanted), bool)
    touched[cell[outside]] = True
    holdable = touched & (wanted >= lower) & (wanted <= upper)
    free = outside & np.isnan(wanted)[cell]
    result, clipped = values.copy(), free
    result[free] = np.clip(values[free], lower, upper)
    pixels = np.flatnonzero(holdable[cell])
    if len(pixels):
        number = np.cumsum(holdable) - 1
        index, inner = number[cell[pixels]], values[pixels]
        given = np.ones(len(inner)) if weight is None else weight[pixels]
        shifted = inner + _shifts(inner, index, given, wanted[holdable], lower, upper)[index]
        result[pixels] = np.clip(shifted, lower, upper)
        clipped[pixels] = (shifted < lower) | (shifted > upper)
    return result, clipped


def _shifts(values: Array, cell: NDArray[np.intp], weight: Array, wanted: Array, lower: float, upper: float) -> Array:
    """(cells,) shifts s for which the weighted mean of clip(values + s, lower, upper) in each cell is `wanted`.

    The mean is a rising piecewise linear function of the shift: Newton's steps, held in a shrinking bracket, end on
    the root exactly.
    """
    size = len(wanted)
    total = np.maximum(np.bincount(cell, weight, size), 1e-300)
    least, most = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(least, cell, values)
    np.maximum.at(most, cell, values)
    # Below `low` every value is at or under `wanted`, above `high` at or over it.
    low, high = wanted - most, wanted - least
    shift = np.clip(wanted - np.bincount(cell, weight * values, size) / total, low, high)
    for _ in range(_STEPS):
        moved = values + shift[cell]
        inside = (moved > lower) & (moved < upper)
        error = np.bincount(cell, weight * np.clip(moved, lower, upper), size) / total - wanted
        open_cells = (np.abs(error) > 1e-14 * (1.0 + np.abs(wanted))) & (low < high)
        if not open_cells.any():
            break
        high = np.where(open_cells & (error > 0), shift, high)
        low = np.where(open_cells & (error < 0), shift, low)
        slope = np.bincount(cell, weight * inside, size) / total
        step = np.where(slope > 0, shift - error / np.where(slope > 0, slope, 1.0), np.nan)
        next_shift = np.where((step > low) & (step < high), step, (low + high) / 2)
        stuck = open_cells & (next_shift == shift)
        shift = np.where(open_cells, next_shift, shift)
        if (stuck | ~open_cells).all():
            break
    return shift
