"""Means of fine pixels over the cells of a coarser grid, by exact area, also across reference systems."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from osgeo import osr

from ...raster.grid import Grid
from ...raster.support import Support, two_sided
from ..metrics import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_LATTICE_STEP = 16
_EXACT = 200_000  # points that are projected one by one
_PER_SIDE, _FEWEST = 40, 4  # parts along the side of a cell: usual, and at least where windows are large
_MOST_PARTS = 4_000_000


class AreaMean:
    """Cells of the window `cells` of the common grid as means of the pixels of `source`.

    On one reference system the weights are exact overlaps of area; across systems each pixel is cut into parts, which
    belong to the cell that holds their centre. `box` (row0, rows, col0, cols) is the window of the source to read.
    """

    def __init__(self, source: Grid, cells: Grid) -> None:
        self._cells = cells
        self._matrix: csr_matrix | None = None
        self._support: Support | None = None
        self.same = source.same_crs(cells)
        row0, rows, col0, cols = touched(source, cells, self.same)
        self.box = (row0, rows, col0, cols)
        self._identical = False
        if not rows or not cols:
            return
        seen = source.window(row0, col0, rows, cols)
        self._identical = seen.same_as(cells)
        if self._identical:
            return
        if self.same:
            self._support = Support(seen, cells)
            self._rows, self._cols = self._support.row_weights, self._support.col_weights
        else:
            self._matrix = _part_weights(source, seen, (row0, col0), cells)

    def __call__(self, values: Floats) -> tuple[Floats, Floats]:
        """Mean of the valid pixels of `values` (the window `box`) and the share of each cell's area they cover."""
        shape = self._cells.shape
        if not self.box[1] or not self.box[3]:
            return np.full(shape, np.nan), np.zeros(shape)
        valid = np.isfinite(values)
        if self._identical:
            return values, valid.astype(np.float64)
        filled, known = np.where(valid, values, 0.0), valid.astype(np.float64)
        if self._support is not None:
            total, weight = (two_sided(self._rows, one, self._cols) for one in (filled, known))
        else:
            assert self._matrix is not None
            total, weight = ((self._matrix @ one.ravel()).reshape(shape) for one in (filled, known))
        mean = np.full(shape, np.nan)
        np.divide(total, weight, out=mean, where=weight > 1e-9)
        return mean, np.minimum(weight, 1.0)


def cell_side(grid: Grid) -> float:
    """Metres along the side of a square as large as a cell on the ground."""
    return math.sqrt(math.prod(grid.ground_cell_size()))


def project_axes(x: Floats, y: Floats, source: Grid, to: Grid) -> tuple[Floats, Floats]:
    """The lattice of `x` (cols) and `y` (rows), in the CRS of `source`, in that of `to`: two (rows, cols) arrays.

    Large lattices are projected every 16 points and interpolated between. NaN where there is no answer.
    """
    if source.same_crs(to):
        return np.broadcast_to(x, (len(y), len(x))).copy(), np.broadcast_to(y[:, None], (len(y), len(x))).copy()
    if len(x) * len(y) <= _EXACT:
        return _project(x, y, source, to)
    xs, ys = (np.linspace(a[0], a[-1], max(2, -(-len(a) // _LATTICE_STEP) + 1)) for a in (x, y))
    east, north = _project(xs, ys, source, to)
    return _between(east, xs, ys, x, y), _between(north, xs, ys, x, y)


def _project(x: Floats, y: Floats, source: Grid, to: Grid) -> tuple[Floats, Floats]:
    transformation = osr.CoordinateTransformation(source.crs, to.crs)
    points = np.column_stack([np.tile(x, len(y)), np.repeat(y, len(x))])
    try:
        moved = np.array(transformation.TransformPoints(points.tolist()), dtype=np.float64)[:, :2]
    except RuntimeError:
        moved = np.full((len(points), 2), math.nan)
        for k, point in enumerate(points.tolist()):
            try:
                moved[k] = transformation.TransformPoint(*point)[:2]
            except RuntimeError:
                continue
    moved[~np.isfinite(moved).all(axis=1)] = math.nan
    return moved[:, 0].reshape(len(y), len(x)), moved[:, 1].reshape(len(y), len(x))


def _between(values: Floats, xs: Floats, ys: Floats, x: Floats, y: Floats) -> Floats:
    def place(nodes: Floats, at: Floats) -> tuple[np.ndarray, Floats]:
        position = (at - nodes[0]) / (nodes[1] - nodes[0])
        first = np.clip(np.floor(position).astype(np.intp), 0, len(nodes) - 2)
        return first, position - first

    (i, down), (j, right) = place(ys, y), place(xs, x)
    rows = values[i] * (1 - down[:, None]) + values[i + 1] * down[:, None]
    return np.asarray(rows[:, j] * (1 - right) + rows[:, j + 1] * right)


def touched(source: Grid, cells: Grid, same: bool) -> tuple[int, int, int, int]:
    """Row, rows, column and columns of the source's pixels that touch `cells`."""
    xmin, ymin, xmax, ymax = cells.extent()
    if not same:
        x, y = _project(np.linspace(xmin, xmax, 21), np.linspace(ymax, ymin, 21), cells, source)
        if not np.isfinite(x).any():
            return 0, 0, 0, 0
        pad_x, pad_y = 0.02 * np.ptp(x[np.isfinite(x)]), 0.02 * np.ptp(y[np.isfinite(y)])
        pad_x, pad_y = max(pad_x, source.cell_width), max(pad_y, source.cell_height)
        xmin, xmax = float(np.nanmin(x)) - pad_x, float(np.nanmax(x)) + pad_x
        ymin, ymax = float(np.nanmin(y)) - pad_y, float(np.nanmax(y)) + pad_y
    col0 = max(0, math.floor((xmin - source.transform[0]) / source.cell_width + 1e-6))
    col1 = min(source.cols, math.ceil((xmax - source.transform[0]) / source.cell_width - 1e-6))
    row0 = max(0, math.floor((source.transform[3] - ymax) / source.cell_height + 1e-6))
    row1 = min(source.rows, math.ceil((source.transform[3] - ymin) / source.cell_height - 1e-6))
    return row0, max(0, row1 - row0), col0, max(0, col1 - col0)


def _part_weights(source: Grid, seen: Grid, origin: tuple[int, int], cells: Grid) -> csr_matrix:
    """(cells, pixels of `seen`): share of each cell's area that lies in each pixel."""
    from scipy.sparse import csr_matrix

    ratio = cell_side(cells) / cell_side(seen)
    finest = math.floor(math.sqrt(_MOST_PARTS / (seen.rows * seen.cols)))
    parts = min(_PER_SIDE, max(1, math.ceil(_PER_SIDE / ratio)), max(finest, math.ceil(_FEWEST / ratio), 1))
    # A rim of pixels beyond the source, so that cells at its border know how much of them it does not cover.
    rim = math.ceil(1.5 * ratio) + 1
    row0, col0 = origin
    wide = source.window(row0 - rim, col0 - rim, seen.rows + 2 * rim, seen.cols + 2 * rim).subdivide(parts)
    x, y = project_axes(wide.x_centres(), wide.y_centres(), source, cells)
    row, col = cells.cell_of(np.nan_to_num(x, nan=np.inf), np.nan_to_num(y, nan=np.inf))
    inside = row >= 0
    area = np.cos(np.radians(np.clip(wide.y_centres(), -90, 90))) if source.is_geographic else np.ones(wide.rows)
    area = np.broadcast_to(area[:, None], wide.shape)[inside]
    cell = row[inside] * cells.cols + col[inside]
    size = cells.rows * cells.cols
    total = np.bincount(cell, area, minlength=size)
    r, c = np.nonzero(inside)
    pixel_row, pixel_col = r // parts - rim, c // parts - rim
    own = (pixel_row >= 0) & (pixel_row < seen.rows) & (pixel_col >= 0) & (pixel_col < seen.cols)
    pixel = pixel_row[own] * seen.cols + pixel_col[own]
    weight = area[own] / total[cell[own]]
    return csr_matrix((weight, (cell[own], pixel)), shape=(size, seen.rows * seen.cols))
