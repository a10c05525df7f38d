"""Product files behind one door: the arrays of HDF4, HDF5, netCDF, GeoTIFF and other rasters, read as stored."""

from __future__ import annotations

import fnmatch
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from .archives import expand
from .arrays import ArrayInfo, BadFile
from .classic import Hdf4Source, RasterSource
from .filecheck import HDF4, HDF5, NETCDF3, content_of
from .multidim import MultidimSource, open_multidim
from .slabs import SHARED, SlabCache

__all__ = ["ArrayInfo", "BadFile", "Container", "expand"]

gdal.UseExceptions()

_NETCDF_ENDINGS = (".nc", ".nc4", ".cdf", ".netcdf")
_NUMBERS = itertools.count()


class Container:
    """One open product file. All calls come from one thread at a time.

    path: as opened. name: of the file as downloaded, without folders and without `.gz` or `.zip`. format: of GDAL's
    driver (`HDF4`, `HDF5`, `netCDF`, `GTiff`, ...). arrays: what the file holds, described when asked for. memo: what
    was found out about the file, kept while it is open.
    """

    def __init__(self, path: str, source: _Source, cache: SlabCache) -> None:
        self.path = path
        self.name = file_name(path)
        self.format = source.format
        self.arrays: Mapping[str, ArrayInfo] = _Infos(source, path)
        self.memo: dict[Any, Any] = {}
        self._source = source
        self._cache = cache
        self._number = next(_NUMBERS)

    @classmethod
    def open(cls, path: str | Path, cache: SlabCache = SHARED) -> Container:
        """Open for reading. Raises BadFile with one sentence where the file or this GDAL build does not allow it."""
        return cls(str(path), _open_source(str(path)), cache)

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._cache.drop(self._number)
        self._source.close()

    @property
    def attributes(self) -> dict[str, str]:
        """Of the file as text; those of groups as `group/name`."""
        return self._source.attributes

    def find(self, pattern: str) -> str | None:
        """The first array that `pattern` (fnmatch, `|` between alternatives) fits, by its path or its last part.

        Alternatives are tried in their order; letters count as written.
        """
        for alternative in (part.strip().lstrip("/") for part in pattern.split("|")):
            for whole in (True, False):
                for name in self._source.names:
                    if fnmatch.fnmatchcase(name if whole else name.rsplit("/", 1)[-1], alternative):
                        return name
        return None

    def read(self, array: str, start: Sequence[int] | None = None, count: Sequence[int] | None = None) -> NDArray[Any]:
        """`count` values from `start` in every dimension, everything without; as stored: not scaled, not masked.

        Raises BadFile where the file is damaged, KeyError for an array that is not there.
        """
        info = self.arrays[array]
        start_ = tuple(int(s) for s in start) if start is not None else (0,) * len(info.shape)
        count_ = tuple(int(n) for n in count) if count is not None else tuple(s - a for s, a in zip(info.shape, start_))
        if len(start_) != len(info.shape) or len(count_) != len(info.shape):
            raise ValueError(f"{array} has {len(info.shape)} dimensions, not {len(start_)}")
        if any(a < 0 or n < 0 or a + n > size for a, n, size in zip(start_, count_, info.shape)):
            raise ValueError(f"{array}: {count_} values from {start_} are not inside {info.shape}")
        if math.prod(count_) == 0:
            return np.empty(count_, info.dtype)

        def load(start: tuple[int, ...], count: tuple[int, ...]) -> NDArray[Any]:
            try:
                return self._source.read(array, start, count)
            except (RuntimeError, ValueError) as error:
                raise BadFile(
                    self.path, f"{array} cannot be read, the file is truncated or damaged; download it again. ({error})"
                ) from error

        if info.chunk is None or info.dtype in ("str", "void") or self._source.blocks_kept_by_gdal:
            return load(start_, count_)
        size = np.dtype(info.dtype).itemsize
        return self._cache.read((self._number, array), start_, count_, info.shape, info.chunk, size, load)


class _Source(Protocol):
    format: str
    names: tuple[str, ...]
    blocks_kept_by_gdal: bool

    @property
    def attributes(self) -> dict[str, str]: ...

    def info(self, name: str) -> ArrayInfo: ...

    def read(self, name: str, start: tuple[int, ...], count: tuple[int, ...]) -> NDArray[Any]: ...

    def close(self) -> None: ...


class _Infos(Mapping[str, ArrayInfo]):
    """Arrays by path, each described when first looked at: a file may hold hundreds, an import needs two."""

    def __init__(self, source: _Source, path: str) -> None:
        self._source, self._path = source, path
        self._known: dict[str, ArrayInfo] = {}
        self._names = dict.fromkeys(source.names)

    def __getitem__(self, name: str) -> ArrayInfo:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._known:
            try:
                self._known[name] = self._source.info(name)
            except RuntimeError as error:
                raise BadFile(self._path, f"{name} cannot be opened, the file may be damaged. ({error})") from error
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def file_name(path: str) -> str:
    """The name as downloaded, without folders and without the ending of the archive around it."""
    name = PurePosixPath(str(path).replace("\\", "/")).name
    return name[: -len(PurePosixPath(name).suffix)] if name.lower().endswith((".gz", ".zip")) else name


def _open_source(path: str) -> _Source:
    content = content_of(path)
    if content == HDF4:
        return _open_hdf4(path)
    if content in (HDF5, NETCDF3):
        return _open_multidim(path, content)
    try:
        dataset = gdal.OpenEx(path, gdal.OF_RASTER)
    except RuntimeError as error:
        raise BadFile(path, _not_a_raster(path)) from error
    if dataset.RasterCount == 0:
        raise BadFile(path, f"{dataset.GetDriver().ShortName} files of several datasets are not supported.")
    return RasterSource(dataset)


def _open_hdf4(path: str) -> Hdf4Source:
    if gdal.GetDriverByName("HDF4") is None:
        raise BadFile(path, _missing_driver("HDF4", "python3-gdal", "gdal-hdf4", "libgdal-hdf4"))
    try:
        return Hdf4Source(gdal.OpenEx(path, gdal.OF_RASTER, allowed_drivers=["HDF4", "HDF4Image"]))
    except RuntimeError as error:
        raise BadFile(path, "the HDF4 file is truncated or damaged; download it again.") from error


def _open_multidim(path: str, content: str) -> MultidimSource:
    order = ["netCDF", "HDF5"] if path.lower().endswith(_NETCDF_ENDINGS) or content == NETCDF3 else ["HDF5", "netCDF"]
    if content == NETCDF3:
        order = ["netCDF"]
    present = [driver for driver in order if gdal.GetDriverByName(driver) is not None]
    if not present:
        package = "libgdal-netcdf" if order[0] == "netCDF" else "libgdal-hdf5"
        raise BadFile(path, _missing_driver(order[0], "python3-gdal", "gdal", package))
    for driver in present:
        try:
            dataset = open_multidim(path, driver)
        except RuntimeError:
            continue
        others = [name for name in present if name != driver]
        return MultidimSource(dataset, partial(_other, path, others))
    raise BadFile(path, f"the {content} file is truncated or damaged; download it again.")


def _other(path: str, drivers: list[str]) -> gdal.Dataset | None:
    for driver in drivers:
        try:
            return open_multidim(path, driver)
        except RuntimeError:
            continue
    return None


def _missing_driver(driver: str, debian: str, osgeo4w: str, conda: str) -> str:
    return (
        f"this GDAL has no {driver} driver; install it (Debian and Ubuntu: {debian}, OSGeo4W: {osgeo4w}, "
        f"conda: {conda}) and start QGIS again."
    )


def _not_a_raster(path: str) -> str:
    return "GDAL does not recognise the file as a raster; it is damaged, mislabelled, or not a product file."
