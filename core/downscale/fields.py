"""A strip of the product, put together from node values on the coarse grid and the model's field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..raster.conserve import Interpolation
from ..raster.grid import Grid
from ..raster.support import Array


@dataclass(frozen=True)
class Fields:
    """Node values from which a strip of the product is put together."""

    interpolate: Interpolation
    everywhere: bool
    level: Array
    left: Array
    gain: float
    factor: Array | None = None
    factor_left: Array | None = None
    smooth: Array | None = None

    def at(self, row0: int, rows: int, detail: Array, cell: NDArray[np.intp] | None) -> tuple[Array, Array]:
        """Smooth interpolation and product (rows, cols); `cell` numbers the pixels' cells where left-overs go to them as constants."""
        level = self._field(self.level, row0, rows)
        if cell is not None:
            level = level + np.append(self.left.ravel(), 0.0)[cell]
        if self.factor is None:
            smooth = self._field(self.smooth, row0, rows) if self.smooth is not None else level
            return smooth, level + self.gain * detail
        factor = self._field(self.factor, row0, rows)
        if cell is not None and self.factor_left is not None:
            factor = factor + np.append(self.factor_left.ravel(), 0.0)[cell]
        return level, (1 - self.gain) * level + self.gain * factor * detail

    def _field(self, nodes: Array, row0: int, rows: int) -> Array:
        field = self.interpolate(nodes, row0, rows)
        if not self.everywhere:
            return field
        return np.where(np.isfinite(field), field, self._beyond(self._filled(nodes), row0, rows))

    @cached_property
    def _beyond(self) -> Interpolation:
        return self.interpolate.without_gaps()

    def _filled(self, nodes: Array) -> Array:
        """Nodes without a value take that of the nearest cell which has one."""
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(~self.interpolate.valid, return_distances=False, return_indices=True)
        return nodes[tuple(nearest)]


def cells_of(fine: Grid, coarse: Grid) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Coarse row of every fine row and coarse column of every fine column, by pixel centres; -1 outside."""
    row = np.floor((fine.y_centres() - coarse.transform[3]) / coarse.transform[5]).astype(np.intp)
    col = np.floor((fine.x_centres() - coarse.transform[0]) / coarse.transform[1]).astype(np.intp)
    return np.where((row >= 0) & (row < coarse.rows), row, -1), np.where((col >= 0) & (col < coarse.cols), col, -1)
