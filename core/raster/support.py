"""The support of a coarse value: which fine pixels it sees, and with which weights.

One operator serves aggregation, the residual step and evaluation. It is separable: the weight of a fine pixel is the
product of a row weight and a column weight, both exact (area overlap, or the integral of a Gaussian footprint), also
where grids do not nest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .grid import Grid
from .sums import SeparableSums, Spans

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Array = NDArray[np.float64]
_HALF_POWER_TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))
_FOOTPRINT_REACH = 3.0  # sigmas; what lies beyond holds 0.3 % of the weight per axis


@dataclass(frozen=True)
class Support:
    """Weights from the pixels of `fine` to the cells of `coarse`.

    `footprint_km` is None for the exact cell mean, else the half-power width on the ground of a Gaussian footprint
    that is centred on the cell; its shape in the grid's units is that of the middle of `coarse`. Raises InputError
    where the two grids differ in CRS or do not overlap.
    """

    fine: Grid
    coarse: Grid
    footprint_km: float | None = None

    def __post_init__(self) -> None:
        if not self.fine.same_crs(self.coarse):
            raise InputError(
                f"The fine grid is in {self.fine.crs_name} and the coarse grid in {self.coarse.crs_name}: "
                "choose a fine grid in the coordinate reference system of the target."
            )
        if self.footprint_km is not None and not 0 < self.footprint_km < math.inf:
            raise InputError(f"The footprint must be a positive width in kilometres, not {self.footprint_km}.")
        left, bottom, right, top = self.fine.extent()
        west, south, east, north = self.coarse.extent()
        if left >= east or right <= west or bottom >= north or top <= south:
            raise InputError(
                "The fine grid and the coarse grid do not overlap: check their extents and reference systems."
            )

    @property
    def is_cell(self) -> bool:
        return self.footprint_km is None

    @cached_property
    def ratio(self) -> int | None:
        """Fine pixels per coarse cell and axis where the grids nest, else None."""
        return self.coarse.nesting_ratio(self.fine)

    @cached_property
    def row_weights(self) -> csr_matrix:
        """(coarse rows, fine rows): share of each fine row in each coarse row; sums to 1 where fully covered."""
        fine, coarse = self._fine.y_edges(), self.coarse.y_edges()
        if self.is_cell:
            return _overlap_shares(self._y_measure(coarse), self._y_measure(fine))
        return _gaussian_shares(-self.coarse.y_centres(), -fine, self._sigma(axis=1))

    @cached_property
    def col_weights(self) -> csr_matrix:
        """(coarse cols, fine cols), as `row_weights`."""
        if self.is_cell:
            return _overlap_shares(self.coarse.x_edges(), self._fine.x_edges())
        return _gaussian_shares(self.coarse.x_centres(), self._fine.x_edges(), self._sigma(axis=0))

    @cached_property
    def row_spans(self) -> Spans:
        return Spans.of(self.row_weights)

    @cached_property
    def col_spans(self) -> Spans:
        return Spans.of(self.col_weights)

    def mean(self, values: Array) -> tuple[Array, Array]:
        """Weighted mean of the valid pixels and their share of each cell's weight, both (coarse rows, coarse cols).

        `values` is (fine rows, fine cols) with NaN where invalid; cells that see no valid pixel are NaN with share 0.
        """
        running = RunningMean(self)
        running.add(values, 0)
        return running.result()

    @property
    def _fine(self) -> Grid:
        # Grids nest within a hundredth of a cell; edges that are meant to coincide then do.
        return self.fine if self.ratio is None else self.coarse.subdivide(self.ratio)

    def _y_measure(self, edges: Array) -> Array:
        # The area of a band of latitude is proportional to the difference of the sines.
        return -np.sin(np.radians(np.clip(edges, -90, 90))) if self.coarse.is_geographic else -edges

    def _sigma(self, axis: int) -> float:
        assert self.footprint_km is not None
        on_ground = self.coarse.ground_cell_size()[axis]
        on_map = (self.coarse.cell_width, self.coarse.cell_height)[axis]
        return self.footprint_km * 1000.0 * _HALF_POWER_TO_SIGMA * on_map / on_ground


class RunningMean:
    """Support means gathered strip by strip, so that the fine raster never has to be in memory.

    Strips that come from the top down give the same bytes wherever they are cut.
    """

    def __init__(self, support: Support) -> None:
        self._sums = SeparableSums(support.row_spans, support.col_spans, support.fine.cols)

    def add(self, values: NDArray[Any], row0: int) -> None:
        """Add the strip of full fine rows that begins at fine row `row0`; NaN where invalid. Any real data type."""
        self._sums.add(values, row0)

    def result(self) -> tuple[Array, Array]:
        """Means and shares, as `Support.mean`."""
        total, weight = self._sums.result()
        seen = weight > 1e-12
        mean = np.divide(total, weight, out=np.full(total.shape, np.nan), where=seen)
        return mean, np.where(seen, np.minimum(weight, 1.0), 0.0)


def rows_seeing(support: Support, row0: int, count: int) -> tuple[NDArray[np.intp], csr_matrix]:
    """The coarse rows with weight in fine rows row0 … row0+count, and those weights (len(rows), count)."""
    weights = support.row_weights[:, row0 : row0 + count]
    rows = np.flatnonzero(np.diff(weights.indptr))
    return rows, weights[rows]


def two_sided(rows: csr_matrix, values: Array, cols: csr_matrix) -> Array:
    return np.ascontiguousarray((cols @ (rows @ values).T).T)


def _overlap_shares(outer: Array, inner: Array) -> csr_matrix:
    """(len(outer)-1, len(inner)-1): share of each outer interval that each inner interval covers; edges ascending."""
    from scipy.sparse import csr_matrix

    first = np.clip(np.searchsorted(inner, outer[:-1], side="right") - 1, 0, len(inner) - 2)
    last = np.clip(np.searchsorted(inner, outer[1:], side="left"), 1, len(inner) - 1)
    i, j = _spans(first, last)
    overlap = np.minimum(inner[j + 1], outer[i + 1]) - np.maximum(inner[j], outer[i])
    width = outer[1:] - outer[:-1]
    # Slivers from rounded corner coordinates are not overlaps; rows beyond a pole have no width.
    keep = overlap > 1e-9 * width[i]
    i, j = i[keep], j[keep]
    return csr_matrix((overlap[keep] / width[i], (i, j)), shape=(len(outer) - 1, len(inner) - 1))


def _gaussian_shares(centres: Array, edges: Array, sigma: float) -> csr_matrix:
    """(len(centres), len(edges)-1): integral of a Gaussian around each centre over each interval; edges ascending."""
    from scipy.sparse import csr_matrix
    from scipy.special import ndtr

    reach = _FOOTPRINT_REACH * sigma
    first = np.clip(np.searchsorted(edges, centres - reach, side="right") - 1, 0, len(edges) - 2)
    last = np.clip(np.searchsorted(edges, centres + reach, side="left"), 1, len(edges) - 1)
    i, j = _spans(first, last)
    low = np.clip((edges[j] - centres[i]) / sigma, -_FOOTPRINT_REACH, _FOOTPRINT_REACH)
    high = np.clip((edges[j + 1] - centres[i]) / sigma, -_FOOTPRINT_REACH, _FOOTPRINT_REACH)
    weight = (ndtr(high) - ndtr(low)) / (2 * ndtr(_FOOTPRINT_REACH) - 1)
    keep = weight > 0
    return csr_matrix((weight[keep], (i[keep], j[keep])), shape=(len(centres), len(edges) - 1))


def _spans(first: NDArray[np.intp], last: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Index pairs (i, j) with first[i] <= j < last[i]."""
    count = np.maximum(last - first, 0)
    i = np.repeat(np.arange(len(first)), count)
    j = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[i]
    return i, j
