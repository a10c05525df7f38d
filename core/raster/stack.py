"""Stacks: one raster on one grid whose bands are factors in periods, matched by name and never by order."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from ..errors import InputError
from .bands import TARGET, Band, layer_name, read_band
from .grid import Grid, open_raster
from .periods import Period
from .writing import StackWriter, create_geotiff

__all__ = [
    "TARGET",
    "Band",
    "Stack",
    "StackWriter",
    "create_geotiff",
    "decoding_in_threads",
    "opened",
    "small_block_cache",
]

_MOST_OPEN = 100


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
        self._block_row_bytes = [
            band.GetBlockSize()[1] * self.grid.cols * gdal.GetDataTypeSize(band.DataType) // 8 for band in bands
        ]

    @classmethod
    def open(cls, path: str | Path) -> Stack:
        """Open for reading. Raises InputError where GDAL cannot."""
        return cls(str(path), open_raster(path))

    def again(self, path: str) -> Stack:
        """The same file opened once more, as `path`, for another thread; what is known of it is not read again."""
        other = copy.copy(self)
        other.path, other._dataset, other._on_demand, other._lock = path, open_raster(path), False, threading.Lock()
        return other

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
        rows = self.grid.rows - row0 if rows is None else rows
        cols = self.grid.cols - col0 if cols is None else cols
        raw, mask = self._window(index, row0, rows, col0, cols)
        if raw.dtype.kind == "c":
            raise InputError(f"Band {index} of {self.name} holds complex numbers: give its intensity instead.")
        values = raw.astype(np.float64)
        invalid = ~np.isfinite(raw)
        nodata = self._nodata[index - 1]
        if nodata is not None and not np.isnan(nodata):
            invalid |= _equals(raw, nodata)
        if mask is not None:
            invalid |= mask == 0
        np.copyto(values, np.nan, where=invalid)
        scale, offset = self._scaling[index - 1]
        return values if (scale, offset) == (1.0, 0.0) else values * scale + offset

    def read_stored(self, index: int, row0: int, rows: int, col0: int, cols: int) -> NDArray[Any]:
        """A window as the file holds it, nodata and all; for bands that are `plain`. Raises InputError as `read`."""
        return self._window(index, row0, rows, col0, cols)[0]

    def plain(self, index: int) -> bool:
        """Whether nothing but its nodata value says which pixels of band `index` (1-based) are invalid."""
        return not self._masked[index - 1] and not self.data_types[index - 1].startswith("C")

    def block_row_bytes(self, index: int) -> int:
        """Of all blocks of band `index` (1-based) that a row of the raster crosses, decoded."""
        return self._block_row_bytes[index - 1]

    def scaling(self, index: int) -> tuple[float, float]:
        """Scale and offset from the values that band `index` (1-based) holds to physical ones."""
        return self._scaling[index - 1]

    def _window(
        self, index: int, row0: int, rows: int, col0: int, cols: int
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        if self._dataset is None and not self._on_demand:
            raise RuntimeError("the stack is closed")
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
        return raw, mask

    def _find(self, name: str, period: Period | None) -> int | None:
        static = None
        for number, band in enumerate(self.bands, 1):
            if band.name == name:
                if band.period == period:
                    return number
                if band.period is None:
                    static = number
        return static


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


@contextmanager
def decoding_in_threads() -> Iterator[None]:
    """Blocks of compressed GeoTIFFs that are opened meanwhile are decoded by all cores (by GDAL 3.6 and newer)."""
    if gdal.GetConfigOption("GDAL_NUM_THREADS") is not None:
        yield  # as the user has chosen
        return
    gdal.SetConfigOption("GDAL_NUM_THREADS", "ALL_CPUS")
    try:
        yield
    finally:
        gdal.SetConfigOption("GDAL_NUM_THREADS", None)


def _equals(raw: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Where stored values are the declared nodata value."""
    if raw.dtype.kind != "f":
        return np.asarray(raw == nodata)  # compared unconverted: -9999 never equals a byte
    if abs(nodata) > 1e30:
        # The extremes of float32, of which headers keep more or fewer digits (-3.4e+38).
        return np.asarray(raw < -1e30 if nodata < 0 else raw > 1e30)
    # A float32 file may carry a nodata value that only its own precision equals.
    return np.asarray(raw == raw.dtype.type(nodata))
