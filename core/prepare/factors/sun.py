"""Latitude of the pixels of any grid, and the solar correction that follows from it and the date."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ...raster.blocks import Array
from ...raster.grid import Grid
from ...raster.periods import Period

_SPACING = 16000.0  # metres between the points whose latitude is computed; between them it is interpolated
_CLOSEST, _WIDEST = 4, 64  # pixels


class Latitudes:
    """A `Reader` of latitudes in degrees (rows, cols), or (rows, 1) on geographic grids.

    In projected systems they are computed on a lattice of some 16 km and interpolated, right to about 0.001 degrees;
    NaN outside of what the projection shows.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._lattice: Array | None = None
        if not grid.is_geographic:
            cell = max(1e-9, math.sqrt(math.prod(grid.ground_cell_size())))
            step = int(np.clip(_SPACING / cell, _CLOSEST, _WIDEST))
            self._rows = _places(grid.rows, step)
            self._cols = _places(grid.cols, step)
            self._lattice = _latitude(grid, self._rows, self._cols)

    def __call__(self, row0: int, rows: int) -> Array:
        """Rows row0 … row0+rows."""
        wanted = np.arange(row0, row0 + rows)
        if self._lattice is None:
            return self._grid.y_centres()[wanted][:, None]
        lines = _between(self._lattice, self._rows, wanted)
        values = _between(lines.T, self._cols, np.arange(self._grid.cols)).T
        if not np.isfinite(values).all():
            # At the edge of the map a lattice point beyond it would take its neighbours along.
            return _latitude(self._grid, wanted.astype(float), np.arange(self._grid.cols, dtype=float))
        return values


def solar_correction(latitude: Array, declination: float) -> Array:
    """C of the apparent thermal inertia for latitudes (degrees, any shape) and a declination (degrees).

    C = sin f sin d (1 - tan² f tan² d) + cos f cos d acos(-tan f tan d), the form of Verstraeten et al. 2006. Where the
    sun does not set or rise, tan f tan d is cut to 1 or -1: C is 0 in the polar night.
    """
    f, d = np.radians(latitude), math.radians(declination)
    both = np.clip(np.tan(f) * math.tan(d), -1.0, 1.0)
    return np.asarray(
        np.sin(f) * math.sin(d) * (1.0 - both**2) + np.cos(f) * math.cos(d) * np.arccos(-both), dtype=np.float64
    )


def declination(period: Period) -> float:
    """Declination of the sun in degrees on the day in the middle of a period (Cooper 1969)."""
    return 23.45 * math.sin(2.0 * math.pi * (284 + middle_day(period)) / 365.0)


def middle_day(period: Period) -> int:
    """Day of the year in the middle of a period."""
    middle = period.first + (period.last - period.first) / 2
    return middle.timetuple().tm_yday


def _places(length: int, step: int) -> NDArray[np.float64]:
    return np.linspace(0.0, length - 1.0, max(2, math.ceil((length - 1) / step) + 1)) if length > 1 else np.zeros(1)


def _between(values: Array, places: NDArray[np.float64], wanted: NDArray[np.intp]) -> Array:
    """Rows of `values`, which stand at `places`, interpolated to `wanted`."""
    if len(places) == 1:
        return np.repeat(values, len(wanted), axis=0)
    k = np.clip(np.searchsorted(places, wanted, side="right") - 1, 0, len(places) - 2)
    part = ((wanted - places[k]) / (places[k + 1] - places[k]))[:, None]
    return np.asarray(values[k] * (1.0 - part) + values[k + 1] * part, dtype=np.float64)


def _latitude(grid: Grid, rows: NDArray[np.float64], cols: NDArray[np.float64]) -> Array:
    """Latitude of the pixels at all pairs of row and column (which may lie between pixels)."""
    geographic = grid.crs.CloneGeogCS()
    geographic.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    there = osr.CoordinateTransformation(grid.crs, geographic)
    x = grid.transform[0] + grid.transform[1] * (cols + 0.5)
    y = grid.transform[3] + grid.transform[5] * (rows + 0.5)
    points = np.column_stack([np.tile(x, len(y)), np.repeat(y, len(x))])
    found = np.full(len(points), np.nan)
    for start in range(0, len(points), 2**16):
        part = there.TransformPoints(points[start : start + 2**16].tolist())
        found[start : start + len(part)] = [point[1] for point in part]
    found[~(np.abs(found) <= 90)] = np.nan
    return found.reshape(len(y), len(x))
