"""Bring one band of any raster to the fine grid, strip by strip."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from osgeo import gdal

from ..errors import InputError
from ..raster.grid import Grid, open_raster
from ..raster.stack import Stack
from ..raster.support import Array, Support, _two_sided

BILINEAR, CUBIC, NEAREST = "bilinear", "cubic", "nearest"
METHODS = (BILINEAR, CUBIC, NEAREST)
_FINER = 1.5  # how much finer a source must be for its pixels to be averaged rather than interpolated
_MOST_SUBDIVISIONS = 16
_UNDECLARED = (-9999.0, -32768.0, -99999.0)


class Resampler:
    """Reads one band of `source` on `fine`.

    A source finer than the grid is averaged by exact area (in its own CRS) or from nearest pixels on a subdivided grid (from another
    CRS); a coarser one is interpolated by `method`. `classes` reads the share of one class instead of the values.
    """

    def __init__(self, source: Stack, band: int, fine: Grid, method: str = BILINEAR) -> None:
        self._source, self._band, self._fine = source, band, fine
        self._name = source.bands[band - 1].name
        finer = _times_finer(source.grid, fine)
        self.averaged = finer >= _FINER
        self._support: Support | None = None
        self._split = 1
        if self.averaged and source.grid.same_crs(fine):
            self._support = Support(source.grid, fine)
            self.how = "area average"
        else:
            if self.averaged:
                self._split = min(_MOST_SUBDIVISIONS, math.ceil(finer))
                method = NEAREST
            self.how = "area average" if self.averaged else method
            self._warped = _warp(source.path, fine.subdivide(self._split), method)
            self._stack = Stack(source.path, self._warped)

    def read(self, row0: int, rows: int, select: Callable[[Array], Array] | None = None) -> Array:
        """Rows row0 … row0+rows of the fine grid, NaN where there is no data; `select` maps source values before they are averaged."""
        if self._support is not None:
            weights = self._support.row_weights[row0 : row0 + rows]
            if not len(weights.indices):
                return np.full((rows, self._fine.cols), np.nan)
            first, last = int(weights.indices.min()), int(weights.indices.max()) + 1
            values = self._checked(self._source.read(self._band, first, last - first), self._source)
            values = values if select is None else select(values)
            valid = np.isfinite(values)
            inner = weights[:, first:last]
            total = _two_sided(inner, np.where(valid, values, 0.0), self._support.col_weights)
            weight = _two_sided(inner, valid.astype(np.float64), self._support.col_weights)
            # As on the coarse grid: half of a pixel must be seen.
            return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight >= 0.5 - 1e-9)
        k = self._split
        values = self._checked(self._stack.read(self._band, row0 * k, rows * k), self._stack)
        values = values if select is None else select(values)
        return values if k == 1 else block_mean(values, k)

    def _checked(self, values: Array, stack: Stack) -> Array:
        if stack.nodata(self._band) is None and values.size:
            low = np.nanmin(values, initial=np.inf)
            if low in _UNDECLARED or low < -1e30:
                raise InputError(
                    f"Factor {self._name!r} holds the value {low:g} but declares no nodata value: set {low:g} as nodata in "
                    "its layer (GDAL 'Translate', or gdal_edit -a_nodata) and run again."
                )
        return values


def block_mean(values: Array, k: int) -> Array:
    """Mean of the valid values in k x k blocks, NaN where fewer than half are valid."""
    blocks = values.reshape(values.shape[0] // k, k, values.shape[1] // k, k)
    valid = np.isfinite(blocks)
    count = valid.sum(axis=(1, 3))
    total = np.where(valid, blocks, 0.0).sum(axis=(1, 3))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=2 * count >= k * k)


def extent_in(grid: Grid, other: Grid) -> tuple[float, float, float, float]:
    """Bounding box of `other` in the CRS of `grid`: xmin, ymin, xmax, ymax. Raises InputError where it cannot be projected."""
    from osgeo import osr

    if grid.same_crs(other):
        return other.extent()
    transformation = osr.CoordinateTransformation(other.crs, grid.crs)
    try:
        box = transformation.TransformBounds(*other.extent(), 21)
    except RuntimeError as error:
        raise InputError(
            f"The extent of a layer in {other.crs_name} cannot be expressed in {grid.crs_name}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    if not all(math.isfinite(v) for v in box):
        raise InputError(
            f"The extent of a layer in {other.crs_name} cannot be expressed in {grid.crs_name}: clip it first."
        )
    return tuple(box)


def _times_finer(source: Grid, fine: Grid) -> float:
    """How many source pixels lie along one side of a fine pixel, in the direction where they are fewest."""
    if source.same_crs(fine):
        return min(fine.cell_width / source.cell_width, fine.cell_height / source.cell_height)
    own, wanted = source.ground_cell_size(), fine.ground_cell_size()
    return min(wanted[0] / own[0], wanted[1] / own[1])


def _warp(path: str, grid: Grid, method: str) -> gdal.Dataset:
    xmin, ymin, xmax, ymax = grid.extent()
    source = open_raster(path)
    options: dict[str, object] = {
        "format": "VRT",
        "dstSRS": grid.crs_wkt,
        "outputBounds": (xmin, ymin, xmax, ymax),
        "width": grid.cols,
        "height": grid.rows,
        "resampleAlg": {BILINEAR: "bilinear", CUBIC: "cubic", NEAREST: "near"}[method],
        "errorThreshold": 0.05,
        # A gap in one band must not open gaps in the others.
        "warpOptions": ["UNIFIED_SRC_NODATA=NO"],
        "multithread": False,
    }
    if source.GetRasterBand(1).GetNoDataValue() is None:
        # Without a nodata value pixels beyond the source would read as 0.
        options["dstNodata"] = (
            "nan" if gdal.GetDataTypeName(source.GetRasterBand(1).DataType).startswith("Float") else -2147483647
        )
        options["outputType"] = gdal.GDT_Float64
    try:
        return gdal.Warp("", source, **options)
    except RuntimeError as error:
        raise InputError(f"{path} cannot be brought to the fine grid: {str(error).splitlines()[0]}") from error
