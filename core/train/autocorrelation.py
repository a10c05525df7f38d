"""How many independent samples a map, or a series of maps, is worth.

Soil moisture and its factors are smooth: neighbouring cells repeat each other, so a p value that counts every
cell is far too small. The effective sample size (ESS) is the number of independent samples that would give
the correlation coefficient of two unrelated fields the same spread:

    ESS = 1 + tr(B Rx) tr(B Ry) / tr(B Rx B Ry),   B = I - 11'/n

with the autocorrelation matrices Rx, Ry estimated by Moran's I per distance class (Clifford, Richardson &
Hemon 1989, Biometrics 45:123-134; Dutilleul 1993, Biometrics 49:305-314).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = 13  # distance classes of equal width; the usual choice in software for this test
# classes=None: 12 of one cell each, then each a quarter wider than the last.
_FINE_CLASSES, _GROWTH = 12, 1.25
_CACHE_BYTES = 200_000_000


@dataclass(frozen=True)
class EffectiveSample:
    """An effective sample size (`value`, NaN where undefined), of `n` samples; `clamped` if the estimate fell
    outside [3, n] and was moved to the nearer end."""

    value: float
    n: int
    clamped: bool = False


def effective_sample_size(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    cell_width: float,
    cell_height: float,
    classes: int | None = CLASSES,
) -> float:
    """ESS of the correlation between two maps (rows, cols); NaN marks missing cells, pairs need both.

    Cell width and height share one unit (metres, km, ...). The result is clamped to [3, n]; NaN if either map
    is constant or fewer than 3 cells are valid. `Correlograms` also says whether it was clamped.
    `classes` of equal width reach up to the largest distance; None takes classes that are one cell wide at
    short distances. Equal classes wider than the range of autocorrelation hide it: of pairs of unrelated
    maps of 200 x 200 cells, smooth over 2 to 4 cells, 35 to 60 % then have p < .05; with None about 5 %.
    Raises InputError for maps of different shape or a cell size that is not positive.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise InputError(f"Two maps of the same shape are needed, but these have the shapes {x.shape} and {y.shape}.")
    return Correlograms(cell_width, cell_height, classes).effective_sample(x, y).value


class Correlograms:
    """Effective sample sizes of many pairs of maps on one grid; what depends on the valid cells alone is kept.

    Everything the formula needs is a sum over lags or cells: pairs per lag and products per lag are the
    autocorrelations of the mask and of the map, row sums of R are the mask convolved with Moran's I by lag.
    All by FFT: O(n log n), not O(n^2).
    """

    def __init__(self, cell_width: float, cell_height: float, classes: int | None = CLASSES) -> None:
        if not (0 < cell_width < math.inf and 0 < cell_height < math.inf):
            raise InputError(f"The cell size must be positive, not {cell_width} x {cell_height}.")
        if classes is not None and classes < 1:
            raise InputError(f"At least one distance class is needed, not {classes}.")
        self._cell = (float(cell_width), float(cell_height))
        self._classes = classes
        self._cache: dict[bytes, _MaskGeometry] = {}
        self._cached_bytes = 0

    def effective_sample(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> EffectiveSample:
        """ESS of two maps (rows, cols) of equal shape, on the cells where both are finite."""
        valid = np.isfinite(x) & np.isfinite(y)
        n = int(valid.sum())
        if n < 3:
            return EffectiveSample(math.nan, n)
        standard_x, standard_y = _standardised(x, valid), _standardised(y, valid)
        if standard_x is None or standard_y is None:
            return EffectiveSample(math.nan, n)
        geometry = self._geometry(valid)
        return _clamped(geometry.effective(standard_x, standard_y), n)

    def _geometry(self, valid: NDArray[np.bool_]) -> _MaskGeometry:
        key = np.packbits(valid).tobytes() + repr(valid.shape).encode()
        geometry = self._cache.get(key)
        if geometry is None:
            geometry = _MaskGeometry(valid, *self._cell, self._classes)
            size = len(key) + geometry.nbytes
            if self._cached_bytes + size > _CACHE_BYTES:
                self._cache.clear()
                self._cached_bytes = 0
            self._cache[key] = geometry
            self._cached_bytes += size
        return geometry


class _MaskGeometry:
    """Pairs of valid cells per lag and the distance class of every lag, for one mask (see Correlograms)."""

    def __init__(self, valid: NDArray[np.bool_], cell_width: float, cell_height: float, classes: int | None) -> None:
        from scipy import fft

        rows, cols = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
        self._window = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        self._mask = valid[self._window]
        # Zero padding to twice the extent keeps the lags of opposite sign apart in the circular transform.
        self._shape = tuple(fft.next_fast_len(2 * size - 1, real=True) for size in self._mask.shape)
        self._n = int(self._mask.sum())

        self._spectrum = self._transform(self._mask.astype(np.float64))
        pairs = np.rint(self._inverse(np.abs(self._spectrum) ** 2))
        distance = np.hypot(
            _signed_lags(self._shape[0])[:, None] * cell_height,
            _signed_lags(self._shape[1])[None, :] * cell_width,
        )
        bounds = _class_bounds(float(distance[pairs > 0].max()), math.sqrt(cell_width * cell_height), classes)
        # A distance on an upper bound belongs to that class, whatever the rounding. Class 0 is the cell itself.
        self._lag_class = np.searchsorted(bounds * (1 + 1e-9), distance).astype(np.min_scalar_type(bounds.size))
        self._pairs = np.bincount(self._lag_class.ravel(), pairs.ravel(), minlength=bounds.size + 1)[: bounds.size]
        self.nbytes = self._spectrum.nbytes + self._lag_class.nbytes

    def effective(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """ESS of two standardised maps before clamping; infinite if no limit can be estimated."""
        n, pairs = self._n, self._pairs
        (moran_x, rows_x), (moran_y, rows_y) = self._correlogram(x), self._correlogram(y)
        sum_x, sum_y = float(pairs @ moran_x), float(pairs @ moran_y)
        trace_xy = float(pairs @ (moran_x * moran_y)) + (sum_x * sum_y / n - 2 * float(rows_x @ rows_y)) / n
        # The estimated matrices need not be positive definite, so the trace of their product can be negative.
        return 1 + (n - sum_x / n) * (n - sum_y / n) / trace_xy if trace_xy > 0 else math.inf

    def _correlogram(self, standardised: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Moran's I per distance class (1 in class 0, 0 where a class is empty), and the row sums of R (n,)."""
        products = self._inverse(np.abs(self._transform(standardised[self._window])) ** 2)
        count = self._pairs.size
        sums = np.bincount(self._lag_class.ravel(), products.ravel(), minlength=count + 1)[:count]
        moran = np.divide(sums, self._pairs, out=np.zeros_like(sums), where=self._pairs > 0)
        moran[0] = 1.0
        kernel = np.append(moran, 0.0)[self._lag_class]
        rows = self._inverse(self._spectrum * self._transform(kernel))
        return moran, rows[: self._mask.shape[0], : self._mask.shape[1]][self._mask]

    def _transform(self, field: NDArray[np.float64]) -> NDArray[np.complex128]:
        from scipy import fft

        return np.asarray(fft.rfft2(field, self._shape, workers=-1))

    def _inverse(self, spectrum: NDArray[Any]) -> NDArray[np.float64]:
        from scipy import fft

        return np.asarray(fft.irfft2(spectrum, self._shape, workers=-1))


def _class_bounds(largest: float, cell: float, classes: int | None) -> NDArray[np.float64]:
    """Upper bounds of the distance classes, the first being 0 (the cell itself), the last `largest`."""
    if classes is not None:
        return largest * np.arange(classes + 1) / classes
    bounds = [cell * step for step in range(_FINE_CLASSES + 1)]
    while bounds[-1] < largest:
        bounds.append(bounds[-1] + (bounds[-1] - bounds[-2]) * _GROWTH)
    return np.array([bound for bound in bounds if bound < largest] + [largest])


def _standardised(field: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Mean 0, variance 1 (divisor n) on the valid cells and 0 elsewhere; None if constant."""
    values = field[valid]
    anomalies = values - values.mean()
    spread = math.sqrt(float(np.mean(anomalies**2)))
    if not spread > 1e-12 * max(float(np.abs(values).max()), 1e-300):
        return None
    standardised = np.zeros(field.shape)
    standardised[valid] = anomalies / spread
    return standardised


def _signed_lags(size: int) -> NDArray[np.float64]:
    lags = np.arange(size, dtype=np.float64)
    lags[lags > size // 2] -= size
    return lags


def _clamped(value: float, n: int) -> EffectiveSample:
    inside = min(max(value, 3.0), float(n))
    return EffectiveSample(inside, n, clamped=inside != value)
