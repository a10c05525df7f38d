"""Bring one band of any raster to the fine grid, strip by strip."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from osgeo import gdal

from ..errors import InputError
from ..raster.grid import Grid, open_raster
from ..raster.stack import Stack
from ..raster.support import Array, Support
from .extents import pixels_within

BILINEAR, CUBIC, NEAREST = "bilinear", "cubic", "nearest"
METHODS = (BILINEAR, CUBIC, NEAREST)
AVERAGE = "area average"
_FINER = 1.5  # how much finer a source must be for its pixels to be averaged rather than interpolated
_MOST_SUBDIVISIONS = 16
_FILLS = (-9999.0, -32768.0, -99999.0)
_VALUES = 2**21  # source values held at once: a strip of fine pixels may see a thousand times as many

Select = Callable[[Array], Array]


class Resampler:
    """Reads one band of `source` on `fine`.

    A source finer than the grid is averaged by exact area (in its own CRS) or from nearest pixels on a subdivided grid
    (from another CRS); a coarser one is interpolated by `method`. Raises InputError for a fill value that is not
    declared as nodata.
    """

    def __init__(self, source: Stack, band: int, fine: Grid, method: str = BILINEAR) -> None:
        self._source, self._band, self._fine = source, band, fine
        self._name = source.bands[band - 1].name
        self._fills = _undeclared_fills(source, band)
        if source.data_types[band - 1].startswith("C"):
            # Warping would take the real part without a word.
            raise InputError(f"Factor {self._name!r} holds complex numbers: give its intensity instead.")
        self.how = resampling_method(source.grid, fine, method)
        self._support: Support | None = None
        self._split = 1
        if self.how == AVERAGE and source.grid.same_crs(fine):
            self._support = Support(source.grid, fine)
            used = np.unique(self._support.col_weights.indices)
            self._col0, self._cols = (int(used[0]), int(used[-1] - used[0]) + 1) if len(used) else (0, 0)
            self._col_weights = self._support.col_weights[:, self._col0 : self._col0 + self._cols]
            return
        if self.how == AVERAGE:
            self._split = min(_MOST_SUBDIVISIONS, math.ceil(_times_finer(source.grid, fine)))
        elif self._fills:
            self._check_source()
        warped = _warp(source.path, band, fine.subdivide(self._split), NEAREST if self.how == AVERAGE else method)
        self._warped = Stack(source.path, warped)

    def read(self, row0: int, rows: int, select: Select | None = None) -> Array:
        """Rows row0 … row0+rows of the fine grid, NaN where there is no data.

        `select` maps source values before they are averaged.
        """
        if self._support is not None:
            return self._area_mean(row0, rows, select)
        k = self._split
        step = max(1, _VALUES // (self._fine.cols * k * k))
        parts = []
        for start in range(row0, row0 + rows, step):
            count = min(step, row0 + rows - start)
            values = self._warped.read(1, start * k, count * k)
            if self.how == AVERAGE:
                self._check(values)
            values = values if select is None else select(values)
            parts.append(values if k == 1 else block_mean(values, k))
        return parts[0] if len(parts) == 1 else np.vstack(parts)

    def _area_mean(self, row0: int, rows: int, select: Select | None) -> Array:
        assert self._support is not None
        weights = self._support.row_weights[row0 : row0 + rows]
        total, weight = np.zeros((rows, self._fine.cols)), np.zeros((rows, self._fine.cols))
        if not len(weights.indices) or not self._cols:
            return np.full(total.shape, np.nan)
        first, last = int(weights.indices.min()), int(weights.indices.max()) + 1
        step = max(1, _VALUES // self._cols)
        for start in range(first, last, step):
            count = min(step, last - start)
            values = self._source.read(self._band, start, count, self._col0, self._cols)
            self._check(values)
            values = values if select is None else select(values)
            valid = np.isfinite(values)
            inner = weights[:, start : start + count]
            # Columns first: the source may be a hundred times as wide as the fine grid.
            total += inner @ (self._col_weights @ np.where(valid, values, 0.0).T).T
            weight += inner @ (self._col_weights @ valid.astype(np.float64).T).T
        # As on the coarse grid: half of a pixel must be seen.
        return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight >= 0.5 - 1e-9)

    def _check_source(self) -> None:
        """Interpolation would blend a fill value with its neighbours: look at the source's own pixels."""
        row0, col0, rows, cols = pixels_within(self._source.grid, self._fine)
        step = max(1, _VALUES // max(1, cols))
        for start in range(row0, row0 + rows, step):
            self._check(self._source.read(self._band, start, min(step, row0 + rows - start), col0, cols))

    def _check(self, values: Array) -> None:
        if not self._fills or not values.size:
            return
        low = float(np.nanmin(values, initial=np.inf))
        for stored, shown in self._fills:
            if math.isclose(low, shown, rel_tol=1e-6) or low < -1e30:
                value = f"{stored if low >= -1e30 else low:g}"
                raise InputError(
                    f"Factor {self._name!r} holds the value {value} but declares no nodata value: set {value} as "
                    "nodata in its layer (GDAL 'Translate', or gdal_edit -a_nodata) and run again."
                )


def resampling_method(source: Grid, fine: Grid, method: str) -> str:
    """How a band on `source` comes to `fine`: `method`, or by area average where it is clearly finer."""
    return AVERAGE if _times_finer(source, fine) >= _FINER else method


def block_mean(values: Array, k: int) -> Array:
    """Mean of the valid values in k x k blocks, NaN where fewer than half are valid."""
    blocks = values.reshape(values.shape[0] // k, k, values.shape[1] // k, k)
    valid = np.isfinite(blocks)
    count = valid.sum(axis=(1, 3))
    total = np.where(valid, blocks, 0.0).sum(axis=(1, 3))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=2 * count >= k * k)


def _times_finer(source: Grid, fine: Grid) -> float:
    """How many source pixels lie along one side of a fine pixel, in the direction where they are fewest."""
    if source.same_crs(fine):
        return min(fine.cell_width / source.cell_width, fine.cell_height / source.cell_height)
    own, wanted = source.ground_cell_size(), fine.ground_cell_size()
    return min(wanted[0] / own[0], wanted[1] / own[1])


def _undeclared_fills(source: Stack, band: int) -> list[tuple[float, float]]:
    """Usual fill values that a band without a nodata value may hold: as stored, and in physical units."""
    if source.nodata(band) is not None or source.data_types[band - 1] in ("Byte", "UInt16", "UInt32"):
        return []
    dataset = open_raster(source.path)
    what = dataset.GetRasterBand(band)
    scale, offset = what.GetScale() or 1.0, what.GetOffset() or 0.0
    return [(fill, fill * scale + offset) for fill in _FILLS]


def _warp(path: str, band: int, grid: Grid, method: str) -> gdal.Dataset:
    """One band of `path` on `grid`, computed as it is read."""
    xmin, ymin, xmax, ymax = grid.extent()
    try:
        # One band at a time: a warped file computes all its bands whichever is read.
        source = gdal.Translate("", open_raster(path), format="VRT", bandList=[band])
        kind = gdal.GetDataTypeName(source.GetRasterBand(1).DataType)
        options: dict[str, object] = {
            "format": "VRT",
            "dstSRS": grid.crs_wkt,
            "outputBounds": (xmin, ymin, xmax, ymax),
            "width": grid.cols,
            "height": grid.rows,
            "resampleAlg": {BILINEAR: "bilinear", CUBIC: "cubic", NEAREST: "near"}[method],
            "errorThreshold": 0.05,
            # Integers would be rounded again after interpolation, and have no value for pixels beyond the source.
            "outputType": gdal.GDT_Float32 if kind in ("Byte", "Int16", "UInt16", "Float32") else gdal.GDT_Float64,
            "dstNodata": "nan",
            "multithread": False,
        }
        if kind.startswith("Float") and source.GetRasterBand(1).GetNoDataValue() is None:
            # Otherwise a NaN would spread to every pixel that is interpolated from it.
            options["srcNodata"] = "nan"
        return gdal.Warp("", source, **options)
    except RuntimeError as error:
        raise InputError(f"{path} cannot be brought to the fine grid: {str(error).splitlines()[0]}") from error
