"""Stacks: one raster on one grid whose bands are factors in periods, matched by name and never by order."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from ..atomic import whole_file
from ..errors import InputError
from .bands import TARGET, Band, layer_name, read_band, write_band
from .grid import Grid, open_raster
from .periods import Period

__all__ = ["TARGET", "Band", "Stack", "StackWriter", "create_geotiff", "opened", "small_block_cache"]

_MOST_OPEN = 100
_GTIFF = ("TILED=YES", "COMPRESS=DEFLATE", "ZLEVEL=1", "INTERLEAVE=BAND", "BIGTIFF=IF_SAFER", "NUM_THREADS=ALL_CPUS")


class Stack:
    """Reader of a stack, or of any raster, whose bands then get names and dates from what they carry.

    Reading is safe from several threads. Raises InputError where the raster has no usable grid or a band's period is
    not a pair of dates.
    """

    def __init__(self, path: str, dataset: gdal.Dataset) -> None:
        self.path = path
        self.grid = Grid.of(dataset)
        self.tags: dict[str, str] = dict(dataset.GetMetadata() or {})
        self._dataset: gdal.Dataset | None = dataset
        self._on_demand = False
        self._lock = threading.Lock()
        bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
        layer = layer_name(path)
        try:
            self.bands: tuple[Band, ...] = tuple(read_band(band, layer, len(bands), self.tags) for band in bands)
        except InputError as error:
            raise InputError(f"{layer}: {error}") from error
        self._nodata = [band.GetNoDataValue() for band in bands]
        self._masked = [bool(band.GetMaskFlags() & gdal.GMF_PER_DATASET) for band in bands]
        self._scaling = [(band.GetScale() or 1.0, band.GetOffset() or 0.0) for band in bands]
        self.data_types = tuple(gdal.GetDataTypeName(band.DataType) for band in bands)

    @classmethod
    def open(cls, path: str | Path) -> Stack:
        """Open for reading. Raises InputError where GDAL cannot."""
        return cls(str(path), open_raster(path))

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._dataset, self._on_demand = None, False

    def open_on_demand(self) -> None:
        """Hold the file open only while it is read: a system lets a program open about a thousand files at once."""
        self._dataset, self._on_demand = None, True

    @property
    def name(self) -> str:
        return layer_name(self.path)

    @property
    def periods(self) -> list[Period]:
        return sorted({band.period for band in self.bands if band.period is not None})

    @property
    def target_name(self) -> str | None:
        return next((band.name for band in self.bands if band.role == TARGET), None)

    def required_target(self) -> str:
        """The name of the target. Raises InputError where no band is marked as one."""
        if self.target_name is None:
            raise InputError(
                f"{self.name} has no band marked as the target: give the COARSE stack made by 'Resample to a common "
                "grid'."
            )
        return self.target_name

    @property
    def target_periods(self) -> list[Period | None]:
        """Periods of the target's bands in order of time; [None] for one undated target."""
        found = {band.period for band in self.bands if band.role == TARGET}
        dated = sorted(period for period in found if period is not None)
        return [*dated] or ([None] if found else [])

    @property
    def factor_names(self) -> list[str]:
        return list(dict.fromkeys(band.name for band in self.bands if not band.role))

    def has(self, name: str, period: Period | None) -> bool:
        return self._find(name, period) is not None

    def index(self, name: str, period: Period | None) -> int:
        """1-based number of the band of `name` in `period`, or of the band of that name that holds for all time."""
        found = self._find(name, period)
        if found is None:
            when = f" for {period.label}" if period else ""
            dates = [band.period.label for band in self.bands if band.name == name and band.period is not None]
            known = dates or list(dict.fromkeys(band.name for band in self.bands))
            listed = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
            what = f"that band for {listed}" if dates else listed
            raise InputError(
                f"{self.name} has no band {name!r}{when or (' that holds for all time' if dates else '')}; "
                f"it has {what}."
            )
        return found

    def nodata(self, index: int) -> float | None:
        """The declared nodata value of band `index` (1-based)."""
        return self._nodata[index - 1]

    def unit(self, name: str) -> str:
        return next((band.unit for band in self.bands if band.name == name), "")

    def number(self, tag: str) -> float | None:
        """The positive number in the metadata item `tag`, None without one. Raises InputError for anything else."""
        text = self.tags.get(tag)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise InputError(
                f"{self.name} carries {tag}={text!r} in its metadata, which is no positive number: make the stack "
                "again with 'Resample to a common grid'."
            )
        return value

    def read(
        self, index: int, row0: int = 0, rows: int | None = None, col0: int = 0, cols: int | None = None
    ) -> NDArray[np.float64]:
        """A window of band `index` (1-based) as float64 in physical units, NaN where there is no data.

        Raises InputError where the file cannot be read or holds complex numbers.
        """
        if self._dataset is None and not self._on_demand:
            raise RuntimeError("the stack is closed")
        rows = self.grid.rows - row0 if rows is None else rows
        cols = self.grid.cols - col0 if cols is None else cols
        mask = None
        with self._lock:
            try:
                dataset = self._dataset or open_raster(self.path)
                band = dataset.GetRasterBand(index)
                raw = band.ReadAsArray(col0, row0, cols, rows)
                if self._masked[index - 1]:
                    mask = band.GetMaskBand().ReadAsArray(col0, row0, cols, rows)
            except RuntimeError as error:
                raise InputError(
                    f"Band {index} of {self.path} cannot be read: the file is damaged or incomplete, copy or download "
                    f"it again ({str(error).splitlines()[0].rstrip('.')})."
                ) from error
        if raw.dtype.kind == "c":
            raise InputError(f"Band {index} of {self.name} holds complex numbers: give its intensity instead.")
        values = raw.astype(np.float64)
        nodata = self._nodata[index - 1]
        if nodata is not None and not np.isnan(nodata):
            values[_equals(raw, nodata)] = np.nan
        if mask is not None:
            values[mask == 0] = np.nan
        values[~np.isfinite(values)] = np.nan
        scale, offset = self._scaling[index - 1]
        return values if (scale, offset) == (1.0, 0.0) else values * scale + offset

    def _find(self, name: str, period: Period | None) -> int | None:
        static = None
        for number, band in enumerate(self.bands, 1):
            if band.name == name:
                if band.period == period:
                    return number
                if band.period is None:
                    static = number
        return static


class StackWriter:
    """Writes a GeoTIFF stack under a temporary name and moves it into place when the block ends well.

    Raises InputError where the output cannot be written; ValueError where `dtype` cannot hold `nodata`.
    """

    def __init__(
        self,
        path: str | Path,
        grid: Grid,
        bands: Sequence[Band],
        tags: Mapping[str, str] | None = None,
        dtype: str = "float32",
        nodata: float = -9999.0,
    ) -> None:
        limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
        if limits and not (limits.min <= nodata <= limits.max and nodata == int(nodata)):
            raise ValueError(f"{dtype} cannot hold the nodata value {nodata}")
        self.path, self.grid, self.bands, self.nodata = Path(path), grid, tuple(bands), nodata
        self._tags, self._dtype = dict(tags or {}), dtype
        self._dataset: gdal.Dataset | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> StackWriter:
        self._whole = whole_file(self.path)
        work = self._whole.__enter__()
        try:
            self._dataset = create_geotiff(work, self.grid, len(self.bands), self._dtype)
            self._dataset.SetMetadata(self._tags)
            for number, band in enumerate(self.bands, 1):
                write_band(self._dataset.GetRasterBand(number), band, self.nodata)
        except BaseException as error:
            self._dataset = None
            self._whole.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(self, index: int, values: NDArray[np.generic], row0: int = 0, col0: int = 0) -> None:
        """Write a window of band `index` (1-based); NaN becomes nodata."""
        assert self._dataset is not None
        array = np.asarray(values)
        if array.dtype.kind == "f":
            array = np.where(np.isfinite(array), array, self.nodata)
        with self._lock, _disk_errors(self.path):
            self._dataset.GetRasterBand(index).WriteArray(array.astype(self._dtype), col0, row0)

    def tag(self, index: int, tags: Mapping[str, str]) -> None:
        """Add metadata to band `index` (1-based)."""
        assert self._dataset is not None
        band = self._dataset.GetRasterBand(index)
        band.SetMetadata({**(band.GetMetadata() or {}), **tags})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._dataset is not None and kind is None:
                with _disk_errors(self.path):
                    self._dataset.FlushCache()
            elif self._dataset is not None and hasattr(self._dataset, "MarkSuppressOnClose"):
                # What is about to be removed need not be compressed first (GDAL 3.7 and newer can leave it).
                self._dataset.MarkSuppressOnClose()
            self._dataset = None
        except BaseException as failure:
            self._dataset = None
            self._whole.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._whole.__exit__(kind, error, trace)


@contextmanager
def opened(paths: Iterable[str | Path]) -> Iterator[list[Stack]]:
    """Several stacks, closed together."""
    stacks: list[Stack] = []
    try:
        for path in paths:
            stacks.append(Stack.open(path))
            if len(stacks) > _MOST_OPEN:
                stacks[-1].open_on_demand()
        yield stacks
    finally:
        for stack in stacks:
            stack.close()


@contextmanager
def small_block_cache(mebibytes: int = 192) -> Iterator[None]:
    """GDAL's block cache is a share of the machine's memory by default; hold it small during block work."""
    before = gdal.GetCacheMax()
    gdal.SetCacheMax(min(before, mebibytes * 2**20))
    try:
        yield
    finally:
        gdal.SetCacheMax(before)


def create_geotiff(path: str | Path, grid: Grid, count: int, dtype: str) -> gdal.Dataset:
    """A new tiled GeoTIFF on `grid`. Raises InputError where the file cannot be made."""
    kind = {"float32": gdal.GDT_Float32, "float64": gdal.GDT_Float64, "uint8": gdal.GDT_Byte}[dtype]
    try:
        dataset = gdal.GetDriverByName("GTiff").Create(
            str(path), grid.cols, grid.rows, count, kind, options=list(_GTIFF)
        )
    except RuntimeError as error:
        raise InputError(f"The output cannot be created: {str(error).splitlines()[0]}") from error
    dataset.SetGeoTransform(grid.transform)
    dataset.SetProjection(grid.crs_wkt)
    return dataset


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise InputError(f"{path} cannot be written (is the disk full?): {str(error).splitlines()[0]}") from error


def _equals(raw: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Where stored values are the declared nodata value."""
    if raw.dtype.kind != "f":
        return np.asarray(raw == nodata)  # compared unconverted: -9999 never equals a byte
    if abs(nodata) > 1e30:
        # The extremes of float32, of which headers keep more or fewer digits (-3.4e+38).
        return np.asarray(raw < -1e30 if nodata < 0 else raw > 1e30)
    # A float32 file may carry a nodata value that only its own precision equals.
    return np.asarray(raw == raw.dtype.type(nodata))
