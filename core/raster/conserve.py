"""The residual step: smooth fields on the fine grid whose support means equal given coarse values.

A field r = U a interpolates coarse node values a bilinearly; A is the support. Asking A U a = e gives a smooth field that conserves e
(area-to-point back-projection; methods: Kyriakidis 2004, Gao et al. 2012 doi:10.3390/rs4113287, solved here to convergence).
A U couples a cell with its neighbours only, so it is gathered once, strip by strip, as a small stencil per cell, and the solution
needs no further pass over fine pixels.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .grid import Grid
from .support import Array, Support, _two_sided, rows_seeing

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_EXACT_STEPS = 60
_FOOTPRINT_STEPS = 4  # more would sharpen noise: a footprint wider than the cell has no stable inverse


class Interpolation:
    """U: bilinear interpolation from the centres of coarse cells that have a value; borders and gaps lean on what is there."""

    def __init__(self, fine: Grid, coarse: Grid, valid: NDArray[np.bool_]) -> None:
        """`valid` (coarse rows, coarse cols) marks the cells with a value. Raises InputError where there is none."""
        if not valid.any():
            raise InputError("The coarse layer has no valid cell in the region.")
        self.rows = _linear_weights(-fine.y_centres(), -coarse.y_centres())
        self.cols = _linear_weights(fine.x_centres(), coarse.x_centres())
        self.valid = valid

    def without_gaps(self) -> Interpolation:
        """The same interpolation for nodes that all have a value."""
        other = copy(self)
        other.valid = np.ones_like(self.valid)
        return other

    def __call__(self, nodes: Array, row0: int = 0, count: int | None = None) -> Array:
        """Interpolate `nodes` to `count` fine rows from `row0`; NaN where no valid cell centre is near."""
        rows = self.rows[row0 : None if count is None else row0 + count]
        weight = self.reach(row0, count)
        total = _two_sided(rows, np.where(self.valid, nodes, 0.0), self.cols)
        field = np.full(total.shape, np.nan)
        np.divide(total, weight, out=field, where=weight > 1e-9)
        return field

    def reach(self, row0: int = 0, count: int | None = None) -> Array:
        """The summed weight of valid neighbours, 0 where there is none."""
        rows = self.rows[row0 : None if count is None else row0 + count]
        return _two_sided(rows, self.valid.astype(np.float64), self.cols)


class Conservation:
    """Gathers A U for the fine pixels in use, then finds node values whose interpolation has given support means."""

    def __init__(self, support: Support, valid: NDArray[np.bool_]) -> None:
        """`valid` (coarse rows, coarse cols): cells with a coarse value."""
        self.support = support
        self.interpolate = Interpolation(support.fine, support.coarse, valid)
        self._row_products = _stencil(support.row_weights, self.interpolate.rows)
        self._col_products = _stencil(support.col_weights, self.interpolate.cols)
        self._coefficients = {(i, j): np.zeros(valid.shape) for i in self._row_products for j in self._col_products}

    def add(self, in_use: Array, row0: int) -> None:
        """Add a strip of full fine rows from `row0`: `in_use` is 1 (or a positive weight) for pixels of the product, else 0."""
        count = in_use.shape[0]
        reach = self.interpolate.reach(row0, count)
        share = np.divide(in_use, reach, out=np.zeros_like(reach), where=reach > 1e-9)
        rows, _ = rows_seeing(self.support, row0, count)
        if not len(rows):
            return
        for i, products in self._row_products.items():
            partial = products[rows, row0 : row0 + count] @ share
            for j, columns in self._col_products.items():
                self._coefficients[i, j][rows] += (columns @ partial.T).T

    def means(self, nodes: Array) -> Array:
        """Support means of the interpolated `nodes` over the pixels in use: A U a. NaN where a cell sees none."""
        weight = self._weight()
        filled = np.where(self.interpolate.valid, nodes, 0.0)
        total = np.zeros(filled.shape)
        for (i, j), coefficient in self._coefficients.items():
            total += coefficient * _shifted(filled, i, j)
        return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 1e-12)

    def solve(self, wanted: Array, binding: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Nodes a with A U a = `wanted`, and what is left over, both (coarse rows, coarse cols).

        `binding` marks cells whose mean must hold; other valid cells keep their own value as the node. For the exact cell support the
        left-over is round-off unless a cell's pixels in use all lie in one corner; add it to the cell's pixels as a constant.
        For a footprint the iteration stops early by design and the left-over is the tolerance to report.
        """
        start = np.where(np.isfinite(wanted), wanted, 0.0)
        binding = binding & self.interpolate.valid & np.isfinite(wanted) & (self._weight() > 1e-12)
        nodes = start.copy()
        left = np.zeros(nodes.shape)
        for _ in range(_EXACT_STEPS if self.support.is_cell else _FOOTPRINT_STEPS):
            left[binding] = (start - self.means(nodes))[binding]
            if np.abs(left).max(initial=0.0) < 1e-10:
                break
            nodes += left
        left[binding] = (start - self.means(nodes))[binding]
        return nodes, left

    def _weight(self) -> Array:
        # Rows of A U sum to the weight of the pixels in use, since the rows of U sum to one.
        total = np.zeros(self.interpolate.valid.shape)
        seen = self.interpolate.valid.astype(np.float64)
        for (i, j), coefficient in self._coefficients.items():
            total += coefficient * _shifted(seen, i, j)
        return total


def smooth_field(coarse_values: Array, support: Support) -> Array:
    """The smooth conserving interpolation of `coarse_values` (coarse rows, coarse cols; NaN where none) on the whole fine grid.

    The baseline that any downscaling has to beat. Fine pixels without a valid coarse cell near are NaN.
    """
    valid = np.isfinite(coarse_values)
    system = Conservation(support, valid)
    system.add(np.ones(support.fine.shape), 0)
    nodes, _ = system.solve(coarse_values, valid)
    return system.interpolate(nodes)


def smooth_at_points(coarse_values: Array, coarse: Grid, x: Array, y: Array) -> Array:
    """The smooth conserving interpolation of `coarse_values` at points (in the CRS of `coarse`); NaN outside the grid."""
    valid = np.isfinite(coarse_values)
    field = np.full(np.shape(x), np.nan)
    row, col = coarse.cell_of(x, y)
    inside = row >= 0
    if not valid.any() or not inside.any():
        return field
    # A support of 8 x 8 points per cell stands in for the continuous cell mean.
    support = Support(coarse.subdivide(8), coarse)
    system = Conservation(support, valid)
    for start in range(0, support.fine.rows, 512):
        system.add(np.ones((min(512, support.fine.rows - start), support.fine.cols)), start)
    nodes, _ = system.solve(coarse_values, valid)
    filled = np.where(valid, nodes, 0.0)
    seen = valid.astype(np.float64)
    rows, cols = (
        _linear_weights(-np.asarray(y)[inside], -coarse.y_centres()),
        _linear_weights(np.asarray(x)[inside], coarse.x_centres()),
    )
    total = np.asarray(rows.multiply(cols @ filled.T).sum(axis=1)).ravel()
    weight = np.asarray(rows.multiply(cols @ seen.T).sum(axis=1)).ravel()
    field[inside] = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 1e-9)
    field[inside & ~valid[row, col]] = np.nan
    return field


def hold_bounds(
    values: Array, cell: NDArray[np.intp], wanted: Array, lower: float, upper: float
) -> tuple[Array, NDArray[np.bool_]]:
    """Bring `values` into [lower, upper] and keep each cell's mean at `wanted` by one shift per cell before clipping.

    values: (pixels,) valid values; cell: (pixels,) index of each pixel's cell; wanted: (cells,) means to hold, NaN where none binds.
    Returns the values and which pixels were clipped. Cells whose mean lies outside the bounds stay as they are.
    """
    outside = (values < lower) | (values > upper)
    if not outside.any():
        return values, outside
    size = len(wanted)
    touched = np.bincount(cell[outside], minlength=size) > 0
    possible = touched & (wanted >= lower) & (wanted <= upper)
    free = touched & ~np.isfinite(wanted)
    result = values.copy()
    unbound = free[cell]
    result[unbound] = np.clip(values[unbound], lower, upper)
    pixels = np.flatnonzero(possible[cell])
    if len(pixels):
        index, inner = cell[pixels], values[pixels]
        count = np.bincount(index, minlength=size)
        span = float(np.max(np.abs(inner))) + abs(upper) + abs(lower) + 1.0
        low, high = np.full(size, -span), np.full(size, span)
        for _ in range(80):
            middle = (low + high) / 2
            clipped = np.clip(inner + middle[index], lower, upper)
            mean = np.bincount(index, clipped, minlength=size) / np.maximum(count, 1)
            above = mean > wanted
            high = np.where(above, middle, high)
            low = np.where(above, low, middle)
        result[pixels] = np.clip(inner + ((low + high) / 2)[index], lower, upper)
    changed = outside & (free | possible)[cell]
    return result, changed


def _stencil(weights: csr_matrix, interpolation: csr_matrix) -> dict[int, csr_matrix]:
    """Per offset o: the matrix with entries weights[c, f] * interpolation[f, c + o]."""
    from scipy.sparse import csr_matrix

    entries = weights.tocoo()
    products: dict[int, csr_matrix] = {}
    low = interpolation.indices[np.minimum(interpolation.indptr[:-1], len(interpolation.indices) - 1)]
    reach = int(np.max(np.abs(low[entries.col] - entries.row), initial=0)) + 1
    for offset in range(-reach, reach + 1):
        column = entries.row + offset
        inside = (column >= 0) & (column < interpolation.shape[1])
        factor = np.zeros(len(entries.data))
        factor[inside] = np.asarray(interpolation[entries.col[inside], column[inside]]).ravel()
        if factor.any():
            products[offset] = csr_matrix((entries.data * factor, (entries.row, entries.col)), shape=weights.shape)
    return products


def _shifted(values: Array, rows: int, cols: int) -> Array:
    """Array whose element (i, j) is values[i + rows, j + cols], 0 outside."""
    height, width = values.shape
    result = np.zeros_like(values)
    up, left = max(rows, 0), max(cols, 0)
    down, right = min(height + rows, height), min(width + cols, width)
    if down > up and right > left:
        result[up - rows : down - rows, left - cols : right - cols] = values[up:down, left:right]
    return result


def _linear_weights(points: Array, nodes: Array) -> csr_matrix:
    """(points, nodes) linear interpolation along one axis, constant beyond the outer nodes; both ascending or any order of points."""
    from scipy.sparse import csr_matrix

    count = len(points)
    if len(nodes) == 1:
        return csr_matrix(np.ones((count, 1)))
    lower = np.clip(np.searchsorted(nodes, points, side="right") - 1, 0, len(nodes) - 2)
    share = np.clip((points - nodes[lower]) / (nodes[lower + 1] - nodes[lower]), 0.0, 1.0)
    rows = np.repeat(np.arange(count), 2)
    cols = np.column_stack([lower, lower + 1]).ravel()
    data = np.column_stack([1.0 - share, share]).ravel()
    matrix = csr_matrix((data, (rows, cols)), shape=(count, len(nodes)))
    matrix.eliminate_zeros()
    return matrix
