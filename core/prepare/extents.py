"""Extents across coordinate reference systems, and the grids that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from osgeo import osr

from ..errors import InputError
from ..raster.grid import Grid

Box = tuple[float, float, float, float]
Window = tuple[int, int, int, int]
_LATTICE = 33


def extent_in(grid: Grid, other: Grid, what: str = "a layer") -> Box:
    """Bounding box of `other` (called `what`) in the CRS of `grid`: xmin, ymin, xmax, ymax.

    Parts of `other` that `grid`'s CRS cannot show (a global layer in a UTM zone) are left out. Raises InputError where
    nothing is left.
    """
    if grid.same_crs(other):
        return other.extent()
    xmin, ymin, xmax, ymax = other.extent()
    there = osr.CoordinateTransformation(other.crs, grid.crs)
    back = osr.CoordinateTransformation(grid.crs, other.crs)
    near = max(xmax - xmin, ymax - ymin) / 100
    points = []
    # Inner points too: the edges of a large layer may lie beyond the projection while its middle does not.
    for x in np.linspace(xmin, xmax, _LATTICE):
        for y in np.linspace(ymin, ymax, _LATTICE):
            try:
                shown = there.TransformPoint(float(x), float(y))[:2]
                found = back.TransformPoint(*shown)[:2]
            except RuntimeError:
                continue
            # Far from where it is meant for a projection gives coordinates that lead back elsewhere.
            if math.hypot(found[0] - x, found[1] - y) < near:
                points.append(shown)
    if not points:
        raise InputError(
            f"The extent of {what} in {other.crs_name} cannot be expressed in {grid.crs_name}: "
            "check its coordinates and reference system, or clip it to the region first."
        )
    (left, bottom), (right, top) = np.min(points, axis=0), np.max(points, axis=0)
    return float(left), float(bottom), float(right), float(top)


def window_of(grid: Grid, box: Sequence[float]) -> Window:
    """Row, column, rows and columns of the cells of `grid` that touch `box`."""
    col0 = max(0, math.floor((box[0] - grid.transform[0]) / grid.cell_width + 1e-6))
    col1 = min(grid.cols, math.ceil((box[2] - grid.transform[0]) / grid.cell_width - 1e-6))
    row0 = max(0, math.floor((grid.transform[3] - box[3]) / grid.cell_height + 1e-6))
    row1 = min(grid.rows, math.ceil((grid.transform[3] - box[1]) / grid.cell_height - 1e-6))
    return row0, col0, max(0, row1 - row0), max(0, col1 - col0)


def pixels_within(source: Grid, other: Grid) -> Window:
    """Window of `source` that `other` needs, with a margin for interpolation."""
    box = extent_in(source, other)
    margin = 3 * max(source.cell_width, source.cell_height)
    return window_of(source, (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin))


def overlap(grid: Grid, limits: Sequence[tuple[str, Box]]) -> Window:
    """The cells of `grid` that all `limits` (what, extent) reach. Raises InputError naming the one that leaves none."""
    box = list(grid.extent())
    for what, (left, bottom, right, top) in limits:
        box = [max(box[0], left), max(box[1], bottom), min(box[2], right), min(box[3], top)]
        if box[0] >= box[2] or box[1] >= box[3]:
            raise InputError(
                f"There is no overlap between the target and {what}: check their extents and reference systems."
            )
    return window_of(grid, box)


def check_fine_grid(fine: Grid, coarse: Grid) -> None:
    """Raise InputError where `fine` cannot be the fine grid of `coarse`."""
    if not fine.same_crs(coarse):
        raise InputError(
            f"The fine grid is in {fine.crs_name} and the target in {coarse.crs_name}: choose a fine grid in the "
            "target's reference system (the result can be reprojected afterwards)."
        )
    if math.sqrt(fine.cell_width * fine.cell_height) > 0.75 * math.sqrt(coarse.cell_width * coarse.cell_height):
        raise InputError("The fine grid is not finer than the target: choose a layer with smaller pixels.")


def cut(fine: Grid, coarse: Grid) -> Grid:
    """The pixels of `fine` whose centres lie in `coarse`. Raises InputError where there is none."""
    xmin, ymin, xmax, ymax = coarse.extent()
    cols = np.flatnonzero((fine.x_centres() > xmin) & (fine.x_centres() < xmax))
    rows = np.flatnonzero((fine.y_centres() > ymin) & (fine.y_centres() < ymax))
    if not len(cols) or not len(rows):
        raise InputError("No pixel of the fine grid lies in the target: check their extents.")
    return fine.window(int(rows[0]), int(cols[0]), len(rows), len(cols))


def about_one_kilometre(coarse: Grid) -> int:
    """Subdivision of `coarse` that gives pixels nearest to 1 km (0.01 degrees on geographic grids), at least 2."""
    if coarse.is_geographic:
        return max(2, round(coarse.cell_width / 0.01))
    return max(2, round(math.sqrt(math.prod(coarse.ground_cell_size())) / 1000.0))
