"""Stacks: one raster on one grid whose bands are factors in periods, matched by name and never by order."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from ..atomic import whole_file
from ..errors import InputError
from .grid import Grid, open_raster
from .periods import Period, period_in_name, without_date

TARGET = "target"
_GTIFF = ("TILED=YES", "COMPRESS=DEFLATE", "ZLEVEL=1", "INTERLEAVE=BAND", "BIGTIFF=IF_SAFER", "NUM_THREADS=ALL_CPUS")


@dataclass(frozen=True)
class Band:
    """What a band holds: a factor (or the target) in a period, or for all time when `period` is None."""

    name: str
    period: Period | None = None
    unit: str = ""
    role: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.period.label}" if self.period else self.name


class Stack:
    """Reader of a stack, or of any raster, whose bands then get names and dates from what they carry."""

    def __init__(self, path: str, dataset: gdal.Dataset) -> None:
        self.path = path
        self.grid = Grid.of(dataset)
        self.tags: dict[str, str] = dict(dataset.GetMetadata() or {})
        self._dataset: gdal.Dataset | None = dataset
        self._lock = threading.Lock()
        bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
        layer = _layer_name(path)
        self.bands: tuple[Band, ...] = tuple(_describe(band, layer, len(bands), self.tags) for band in bands)
        self._nodata = [band.GetNoDataValue() for band in bands]
        self._scaling = [(band.GetScale() or 1.0, band.GetOffset() or 0.0) for band in bands]
        self.data_types = tuple(gdal.GetDataTypeName(band.DataType) for band in bands)

    @classmethod
    def open(cls, path: str | Path) -> Stack:
        return cls(str(path), open_raster(path))

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._dataset = None

    @property
    def name(self) -> str:
        return _layer_name(self.path)

    @property
    def periods(self) -> list[Period]:
        return sorted({band.period for band in self.bands if band.period is not None})

    @property
    def target_name(self) -> str | None:
        return next((band.name for band in self.bands if band.role == TARGET), None)

    @property
    def target_periods(self) -> list[Period | None]:
        """Periods of the target's bands in order of time; [None] for one undated target."""
        found = {band.period for band in self.bands if band.role == TARGET}
        dated: list[Period | None] = sorted(p for p in found if p is not None)
        return dated or ([None] if found else [])

    @property
    def factor_names(self) -> list[str]:
        return list(dict.fromkeys(band.name for band in self.bands if not band.role))

    def has(self, name: str, period: Period | None) -> bool:
        return self._find(name, period) is not None

    def index(self, name: str, period: Period | None) -> int:
        """1-based number of the band of `name` in `period`, or of the band of that name that holds for all time."""
        found = self._find(name, period)
        if found is None:
            known = ", ".join(dict.fromkeys(band.name for band in self.bands))
            when = f" for {period.label}" if period else ""
            raise InputError(f"{self.name} has no band {name!r}{when}; it has {known}.")
        return found

    def nodata(self, index: int) -> float | None:
        """The declared nodata value of band `index` (1-based)."""
        return self._nodata[index - 1]

    def unit(self, name: str) -> str:
        return next((band.unit for band in self.bands if band.name == name), "")

    def read(
        self, index: int, row0: int = 0, rows: int | None = None, col0: int = 0, cols: int | None = None
    ) -> NDArray[np.float64]:
        """A window of band `index` (1-based) as float64 in physical units, NaN where there is no data."""
        if self._dataset is None:
            raise RuntimeError("the stack is closed")
        rows = self.grid.rows - row0 if rows is None else rows
        cols = self.grid.cols - col0 if cols is None else cols
        with self._lock:
            try:
                raw = self._dataset.GetRasterBand(index).ReadAsArray(col0, row0, cols, rows)
            except RuntimeError as error:
                raise InputError(f"Band {index} of {self.path} cannot be read: {str(error).splitlines()[0]}") from error
        values = raw.astype(np.float64)
        nodata = self._nodata[index - 1]
        if nodata is not None and not np.isnan(nodata):
            # A float32 file may carry a nodata value that only its own precision equals.
            values[raw == np.asarray(nodata).astype(raw.dtype)] = np.nan
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
    """Writes a GeoTIFF stack under a temporary name and moves it into place when the block ends well."""

    def __init__(
        self,
        path: str | Path,
        grid: Grid,
        bands: Sequence[Band],
        tags: Mapping[str, str] | None = None,
        dtype: str = "float32",
        nodata: float = -9999.0,
    ) -> None:
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
                _label(self._dataset.GetRasterBand(number), band, self.nodata)
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


def _layer_name(path: str) -> str:
    if path.upper().startswith(("NETCDF:", "HDF5:", "HDF4_EOS:", "HDF4_SDS:")):
        return path.rsplit(":", 1)[-1].strip('"/').rsplit("/", 1)[-1]
    return Path(path.split("|")[0]).stem


def _describe(band: gdal.Band, layer: str, count: int, tags: Mapping[str, str]) -> Band:
    metadata = band.GetMetadata() or {}
    description = band.GetDescription() or metadata.get("NETCDF_VARNAME", "")
    period = None
    if "PERIOD_START" in metadata:
        period = Period.parse(metadata["PERIOD_START"], metadata.get("PERIOD_END", metadata["PERIOD_START"]))
    elif "PERIOD_START" in tags and not metadata.get("STATIC"):
        period = Period.parse(tags["PERIOD_START"], tags.get("PERIOD_END", tags["PERIOD_START"]))
    elif not metadata.get("STATIC"):
        period = period_in_name(description) or period_in_name(layer)
    name = without_date(description) or without_date(layer) or layer
    if not description and count > 1:
        name = f"{name}_band{band.GetBand()}"
    return Band(name, period, band.GetUnitType() or "", metadata.get("ROLE", ""))


def _label(band: gdal.Band, what: Band, nodata: float) -> None:
    band.SetDescription(what.name)
    band.SetNoDataValue(nodata)
    if what.unit:
        band.SetUnitType(what.unit)
    metadata = {"ROLE": what.role} if what.role else {}
    if what.period is None:
        metadata["STATIC"] = "YES"
    else:
        metadata |= {"PERIOD_START": what.period.start.isoformat(), "PERIOD_END": what.period.end.isoformat()}
    band.SetMetadata(metadata)
