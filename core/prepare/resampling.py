"""Bring one band of any raster to the fine grid, strip by strip."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np
from osgeo import gdal

from ..errors import InputError
from ..raster.grid import Grid, open_raster
from ..raster.stack import Stack
from ..raster.support import Array
from .area_mean import AreaMean
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
    """Reads one band of `source` on `fine`, from several threads at once if need be.

    A source finer than the grid is averaged by exact area (in its own CRS) or from nearest pixels on a subdivided grid
    (from another CRS); a coarser one is interpolated by `method`; one whose pixels are those of the grid is read as it
    is. Raises InputError for a fill value that is not declared as nodata.
    """

    def __init__(self, source: Stack, band: int, fine: Grid, method: str = BILINEAR) -> None:
        self._source, self._band, self._fine = source, band, fine
        self._name = source.bands[band - 1].name
        self._fills = _undeclared_fills(source, band)
        if source.data_types[band - 1].startswith("C"):
            # Warping would take the real part without a word.
            raise InputError(f"Factor {self._name!r} holds complex numbers: give its intensity instead.")
        self.how = resampling_method(source.grid, fine, method)
        self._method, self._split = method, 1
        self._offset = _pixel_offset(source.grid, fine)
        self._area = AreaMean(source, band, fine) if self.how == AVERAGE and source.grid.same_crs(fine) else None
        self._of_thread: dict[int, Stack] = {}  # GDAL's datasets are for one thread
        if self._offset is not None or self._area is not None:
            return
        if self.how == AVERAGE:
            self._split = min(_MOST_SUBDIVISIONS, math.ceil(_times_finer(source.grid, fine)))
        elif self._fills:
            self._check_source()

    def read(self, row0: int, rows: int, select: Select | None = None) -> Array:
        """Rows row0 … row0+rows of the fine grid, NaN where there is no data.

        `select` maps source values before they are averaged.
        """
        if self._area is not None:
            return self._area.read(row0, rows, self._check if self._fills else None, select)
        if self._offset is not None:
            values = self._window(row0, rows)
            self._check(values)
            return values if select is None else select(values)
        k = self._split
        step = max(1, _VALUES // (self._fine.cols * k * k))
        parts = []
        for start in range(row0, row0 + rows, step):
            count = min(step, row0 + rows - start)
            values = self._warped().read(1, start * k, count * k)
            if self.how == AVERAGE:
                self._check(values)
            values = values if select is None else select(values)
            parts.append(values if k == 1 else block_mean(values, k))
        return parts[0] if len(parts) == 1 else np.vstack(parts)

    def _window(self, row0: int, rows: int) -> Array:
        """The source's own pixels, NaN beyond its edges."""
        assert self._offset is not None
        top, left = self._offset[0] + row0, self._offset[1]
        first, last = max(0, top), min(self._source.grid.rows, top + rows)
        west, east = max(0, left), min(self._source.grid.cols, left + self._fine.cols)
        if (last - first, east - west) == (rows, self._fine.cols):
            return self._source.read(self._band, first, rows, west, self._fine.cols)
        values = np.full((rows, self._fine.cols), np.nan)
        if first < last and west < east:
            inner = self._source.read(self._band, first, last - first, west, east - west)
            values[first - top : last - top, west - left : east - left] = inner
        return values

    def _warped(self) -> Stack:
        # Not threading.local: what the main thread holds there lives until the interpreter ends, when GDAL is gone.
        thread = threading.get_ident()
        stack = self._of_thread.get(thread)
        if stack is None:
            method = NEAREST if self.how == AVERAGE else self._method
            warped = _warp(self._source.path, self._band, self._fine.subdivide(self._split), method)
            stack = self._of_thread[thread] = Stack(self._source.path, warped)
        return stack

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


def _pixel_offset(source: Grid, fine: Grid) -> tuple[int, int] | None:
    """Row and column of the source where the pixels of `fine` begin, None where they are not the source's own."""
    if not source.same_crs(fine):
        return None
    col = round((fine.transform[0] - source.transform[0]) / source.cell_width)
    row = round((source.transform[3] - fine.transform[3]) / source.cell_height)
    return (row, col) if source.window(row, col, *fine.shape).same_as(fine) else None


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
