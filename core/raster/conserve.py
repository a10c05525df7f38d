"""The residual step: smooth fields on the fine grid whose support means equal given coarse values.

A field r = U a interpolates coarse node values a bilinearly; A is the support. Asking A U a = e gives a smooth field
that conserves e (area-to-point back-projection: Kyriakidis 2004; Gao et al. 2012, doi:10.3390/rs4113287, solved here to
convergence). A U couples a cell with its neighbours only, so it is gathered once, strip by strip, as a small stencil
per cell, and the solution needs no further pass over fine pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .interpolation import Interpolation, between
from .support import Array, Support, _spans, rows_seeing
from .tiles import strips

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_FOOTPRINT_STEPS = 2  # more would sharpen noise: a footprint wider than the cell has no stable inverse
# Eigenvalues of A U lie in [1/4, 1] without holes; cells with few pixels in use reach lower. (lowest, most steps)
_EXACT_ROUNDS = ((0.25, 30), (0.05, 60))
_HIGHEST = 1.02
_TOLERANCE = 1e-10  # of the largest wanted value
_NEGLIGIBLE = 1e-6  # of a footprint's weight


class Conservation:
    """Gathers A U for the fine pixels in use, then finds node values whose interpolation has given support means."""

    def __init__(self, support: Support, valid: NDArray[np.bool_]) -> None:
        """`valid` (coarse rows, coarse cols): cells with a coarse value. Raises InputError where there is none."""
        self.support = support
        self.interpolate = Interpolation(support.fine, support.coarse, valid)
        self._rows = _stencil(support.row_weights, self.interpolate.rows)
        self._cols = _stencil(support.col_weights, self.interpolate.cols)
        # What a footprint conserves is approximate by design; its stencil is large, its numbers may be short.
        kind = np.float64 if support.is_cell else np.float32
        self._coefficients: dict[tuple[int, int], NDArray[Any]] = {
            (i, j): np.zeros(valid.shape, kind)
            for i, rows in self._rows.items()
            for j, cols in self._cols.items()
            if support.is_cell or _largest_sum(rows) * _largest_sum(cols) > _NEGLIGIBLE
        }
        self._weight: Array | None = None

    def add(self, in_use: Array, row0: int) -> None:
        """Add a strip of full fine rows from `row0`: `in_use` (rows, fine cols) is 1, or a positive weight, for pixels
        of the product, else 0."""
        self._weight = None
        count = in_use.shape[0]
        rows, _ = rows_seeing(self.support, row0, count)
        if not len(rows):
            return
        reach = self.interpolate.reach(row0, count)
        share = np.divide(in_use, reach, out=np.zeros_like(reach), where=reach > 1e-9)
        for i, products in self._rows.items():
            block = products[rows, row0 : row0 + count]
            here = np.flatnonzero(np.diff(block.indptr))
            if not len(here):
                continue
            partial = np.ascontiguousarray((block[here] @ share).T)
            for j, columns in self._cols.items():
                if (i, j) in self._coefficients:
                    self._coefficients[i, j][rows[here]] += (columns @ partial).T

    def means(self, nodes: Array) -> Array:
        """Support means of the interpolated `nodes` over the pixels in use: A U a. NaN where a cell sees none."""
        weight = self._weights()
        total = self._apply(np.where(self.interpolate.valid, nodes, 0.0))
        return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 1e-12)

    def solve(self, wanted: Array, binding: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Nodes a with A U a = `wanted`, and what is left over, both (coarse rows, coarse cols).

        `binding` marks cells whose mean must hold; other valid cells keep their own value as the node. For the exact
        cell support the left-over is round-off unless a cell's pixels in use all lie in one corner; add it to the
        cell's pixels as a constant. For a footprint the iteration stops early by design and the left-over is the
        tolerance to report.
        """
        start = np.where(np.isfinite(wanted), wanted, 0.0)
        binding = binding & self.interpolate.valid & np.isfinite(wanted) & (self._weights() > 1e-12)

        def left(nodes: Array) -> Array:
            return np.where(binding, start - self.means(nodes), 0.0)

        if self.support.is_cell:
            tolerance = _TOLERANCE * float(np.abs(start).max(initial=0.0))
            nodes, over = start, left(start)
            for lowest, steps in _EXACT_ROUNDS:
                nodes, over = _chebyshev(left, nodes, over, lowest, steps, tolerance)
            return nodes.copy(), over
        nodes = start.copy()
        for _ in range(_FOOTPRINT_STEPS):
            nodes += left(nodes)
        return nodes, left(nodes)

    def tamed(self, wanted: Array, binding: NDArray[np.bool_], nodes: Array) -> tuple[Array, Array]:
        """`nodes` of a solution held near what the cells around want, and what is left over then.

        A cell whose few pixels lie in one corner can ask for a node far from anything wanted; its pixels would stand
        out as a spike. Nodes may leave the range of `wanted` in the 3 x 3 cells around by that range; the rest is left
        over, for the cell's pixels to take as a constant.
        """
        from scipy.ndimage import maximum_filter, minimum_filter

        known = self.interpolate.valid & np.isfinite(wanted)
        low = minimum_filter(np.where(known, wanted, np.inf), 3, mode="nearest")
        high = maximum_filter(np.where(known, wanted, -np.inf), 3, mode="nearest")
        span = high - low
        held = np.where(known, np.clip(nodes, low - span, high + span), nodes)
        binding = binding & known & (self._weights() > 1e-12)
        return held, np.where(binding, np.where(known, wanted, 0.0) - self.means(held), 0.0)

    def _weights(self) -> Array:
        # Rows of A U sum to the weight of the pixels in use, since the rows of U sum to one.
        if self._weight is None:
            self._weight = self._apply(self.interpolate.valid.astype(np.float64))
        return self._weight

    def _apply(self, nodes: Array) -> Array:
        total = np.zeros(nodes.shape)
        height, width = nodes.shape
        for (i, j), coefficient in self._coefficients.items():
            rows, cols = slice(max(0, -i), min(height, height - i)), slice(max(0, -j), min(width, width - j))
            if rows.start < rows.stop and cols.start < cols.stop:
                near = nodes[rows.start + i : rows.stop + i, cols.start + j : cols.stop + j]
                total[rows, cols] += coefficient[rows, cols] * near
        return total


def smooth_field(coarse_values: Array, support: Support) -> Array:
    """The smooth conserving interpolation of `coarse_values` on the fine grid of `support`.

    `coarse_values` is (coarse rows, coarse cols), NaN where there is none. The baseline that any downscaling has to
    beat. Fine pixels without a valid coarse cell near are NaN. Raises InputError where no coarse value is valid.
    """
    valid = np.isfinite(coarse_values)
    system = Conservation(support, valid)
    for row0, rows in strips(*support.fine.shape):
        system.add(np.ones((rows, support.fine.cols)), row0)
    nodes, _ = system.solve(coarse_values, valid)
    return system.interpolate(nodes)


def smooth_at_points(coarse_values: Array, coarse: Grid, x: Array, y: Array) -> Array:
    """The smooth conserving interpolation of `coarse_values` at points (in the CRS of `coarse`), shaped as `x`.

    NaN outside the grid and in cells without a value.
    """
    valid = np.isfinite(coarse_values)
    field = np.full(np.shape(x), np.nan)
    row, col = coarse.cell_of(x, y)
    inside = row >= 0
    if not valid.any() or not inside.any():
        return field
    # A support of 8 x 8 points per cell stands in for the continuous cell mean.
    support = Support(coarse.subdivide(8), coarse)
    system = Conservation(support, valid)
    for row0, rows in strips(*support.fine.shape, multiple=8):
        system.add(np.ones((rows, support.fine.cols)), row0)
    nodes, _ = system.solve(coarse_values, valid)
    top, bottom, down = between(-np.asarray(y, float)[inside], -coarse.y_centres())
    west, east, right = between(np.asarray(x, float)[inside], coarse.x_centres())
    total, weight = (
        (1 - down) * ((1 - right) * each[top, west] + right * each[top, east])
        + down * ((1 - right) * each[bottom, west] + right * each[bottom, east])
        for each in (np.where(valid, nodes, 0.0), valid.astype(np.float64))
    )
    field[inside] = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 1e-9)
    field[inside & ~valid[row, col]] = np.nan
    return field


def _chebyshev(
    left: Callable[[Array], Array], nodes: Array, over: Array, lowest: float, steps: int, tolerance: float
) -> tuple[Array, Array]:
    """Nodes with less left over, by Chebyshev's iteration for eigenvalues in [lowest, _HIGHEST]; the best met is kept.

    What belongs to lower eigenvalues shrinks slowly, so that cells which hardly hold their own node stay tame.
    """
    middle, half = (_HIGHEST + lowest) / 2, (_HIGHEST - lowest) / 2
    best, best_over = nodes, over
    smallest = float(np.abs(over).max(initial=0.0))
    step, rate = over, 1.0 / middle
    for number in range(steps):
        if smallest <= tolerance:
            break
        if number:
            carry = (half * rate) ** 2 / (2.0 if number == 1 else 4.0)
            rate = 1.0 / (middle - carry / rate)
            step = over + carry * step
        nodes = nodes + rate * step
        over = left(nodes)
        largest = float(np.abs(over).max(initial=0.0))
        if largest < smallest:
            best, best_over, smallest = nodes, over, largest
        elif not largest < 1e3 * smallest:
            break
    return best, best_over


def _stencil(weights: csr_matrix, interpolation: csr_matrix) -> dict[int, csr_matrix]:
    """Per offset o: the matrix with entries weights[c, f] * interpolation[f, c + o]."""
    from scipy.sparse import csr_matrix

    entries = weights.tocoo()
    first = interpolation.indptr[entries.col]
    which, place = _spans(first, interpolation.indptr[entries.col + 1])
    offset = interpolation.indices[place] - entries.row[which]
    product = entries.data[which] * interpolation.data[place]
    row, col = entries.row[which], entries.col[which]
    return {
        int(o): csr_matrix((product[at], (row[at], col[at])), shape=weights.shape)
        for o in np.unique(offset)
        for at in [np.flatnonzero(offset == o)]
    }


def _largest_sum(products: csr_matrix) -> float:
    return float(products.sum(axis=1).max())
