"""A strip of the product, put together from node values on the coarse grid and the model's field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..raster.conserve import Conservation
from ..raster.grid import Grid
from ..raster.interpolation import Interpolation
from ..raster.support import Array


@dataclass(frozen=True)
class Fields:
    """Node values (coarse rows, coarse cols) from which a strip of the product is put together.

    Without `factor`: product = U level + gain d, with d the model's field and U the bilinear interpolation. With it:
    product = (1 - gain) U level + gain d U factor. left and factor_left are what the solution leaves over in a cell.
    smooth: the smooth interpolation to compare with, where it is not `level`. valid: cells with a coarse value.
    """

    fine: Grid
    coarse: Grid
    valid: NDArray[np.bool_]
    everywhere: bool
    level: Array
    left: Array
    gain: float
    factor: Array | None = None
    factor_left: Array | None = None
    smooth: Array | None = None

    def at(self, row0: int, rows: int, detail: Array, cell: NDArray[np.intp] | None) -> tuple[Array, Array]:
        """Smooth interpolation and product (rows, cols).

        `cell` numbers the pixels' cells where left-overs go to them as constants.
        """
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
        missing = ~np.isfinite(field)
        if not self.everywhere or not missing.any():
            return field
        filled = nodes[self._nearest]
        return np.where(missing, self._beyond(filled, row0, rows), field)

    @property
    def nodes(self) -> dict[str, Array | None]:
        """All of its node values by name."""
        return {
            "level": self.level,
            "left": self.left,
            "factor": self.factor,
            "factor_left": self.factor_left,
            "smooth": self.smooth,
        }

    @cached_property
    def interpolate(self) -> Interpolation:
        return Interpolation(self.fine, self.coarse, self.valid)

    @cached_property
    def _beyond(self) -> Interpolation:
        return self.interpolate.without_gaps()

    @cached_property
    def _nearest(self) -> tuple[NDArray[np.intp], ...]:
        return nearest(self.valid)


def additive(
    system: Conservation, wanted: Array, model_mean: Array, covered: NDArray[np.bool_], gain: float, everywhere: bool
) -> Fields:
    """The product keeps `wanted` by a smooth shift of the model's field."""
    smooth, _ = _solution(system, wanted, covered)
    # A cell without pixels says nothing of the model's error there; its neighbours' is the better guess.
    shift = _from_seen(wanted - gain * model_mean, system) if gain else wanted
    level, left = _solution(system, shift, covered)
    return Fields(*_where(system), everywhere, level, left, gain, smooth=smooth if gain else None)


def multiplicative(
    system: Conservation,
    weighted: Conservation,
    wanted: Array,
    model_mean: Array,
    covered: NDArray[np.bool_],
    gain: float,
    everywhere: bool,
) -> Fields:
    """The product keeps `wanted` by a smooth factor on the model's field; `weighted` was gathered with that field."""
    smooth, left = _solution(system, wanted, covered)
    factor, factor_left = _solution(weighted, _from_seen(wanted / model_mean, system), covered)
    return Fields(*_where(system), everywhere, smooth, left, gain, factor, factor_left)


def unconserved(
    system: Conservation, wanted: Array, covered: NDArray[np.bool_], gain: float, everywhere: bool, whole: bool
) -> Fields:
    """The model's field as it is where it is `whole`; else its contrasts, on the smooth interpolation."""
    smooth, _ = _solution(system, wanted, covered)
    nothing = np.zeros_like(wanted)
    return Fields(*_where(system), everywhere, nothing if whole else smooth, nothing, gain, smooth=smooth)


def cells_of(fine: Grid, coarse: Grid) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Coarse row of every fine row and coarse column of every fine column, by pixel centres; -1 outside."""
    row = np.floor((fine.y_centres() - coarse.transform[3]) / coarse.transform[5]).astype(np.intp)
    col = np.floor((fine.x_centres() - coarse.transform[0]) / coarse.transform[1]).astype(np.intp)
    return np.where((row >= 0) & (row < coarse.rows), row, -1), np.where((col >= 0) & (col < coarse.cols), col, -1)


def nearest(known: NDArray[np.bool_]) -> tuple[NDArray[np.intp], ...]:
    """For every cell the row and column of the nearest known one: values[nearest(known)] has no gaps."""
    from scipy.ndimage import distance_transform_edt

    return tuple(distance_transform_edt(~known, return_distances=False, return_indices=True))


def _where(system: Conservation) -> tuple[Grid, Grid, NDArray[np.bool_]]:
    return system.support.fine, system.support.coarse, system.interpolate.valid


def _solution(system: Conservation, wanted: Array, covered: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Nodes and left-over, without spikes where a left-over can go to the pixels of its cell."""
    nodes, left = system.solve(wanted, covered)
    if not system.support.is_cell or system.support.ratio is None:
        return nodes, left
    return system.tamed(wanted, covered, nodes)


def _from_seen(values: Array, system: Conservation) -> Array:
    """`values` with those of the nearest cell where a cell with a coarse value has none."""
    known = np.isfinite(values)
    if not known.any() or known[system.interpolate.valid].all():
        return values
    return np.where(system.interpolate.valid & ~known, values[nearest(known)], values)
