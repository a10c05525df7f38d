"""What a file is by its first bytes, and whether all of it is there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from osgeo import gdal

from .arrays import BadFile

HDF4, HDF5, NETCDF3, OTHER = "HDF4", "HDF5", "netCDF", "raster"

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<!-- ")


def content_of(path: str) -> str:
    """HDF4, HDF5, NETCDF3 or OTHER.

    Raises BadFile for what only looks like data: no file, an empty one, a web page, a message, a truncated download.
    """
    size, start = _size_and_start(path)
    if size == 0:
        raise BadFile(path, "the file is empty; download it again.")
    text = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if text.startswith(_WEB_PAGE):
        raise BadFile(
            path, f"this is a web page, not {expected(path)}; download it again while logged in to the data portal."
        )
    if text.startswith((b"<?xml", b"{")) and Path(path).suffix.lower() in _NAMES:
        raise BadFile(path, f"this is a text message, not {expected(path)}; open it to see what the portal answered.")
    if start.startswith(b"\x0e\x03\x13\x01"):
        return HDF4
    if start.startswith((b"CDF\x01", b"CDF\x02", b"CDF\x05")):
        _check_size(path, size, _netcdf3_size(path, start[3]))
        return NETCDF3
    if start.startswith(_HDF5_SIGNATURE):
        _check_size(path, size, _hdf5_size(start))
        return HDF5
    # A user block of a power of two bytes may come first.
    for offset in (512, 1024, 2048):
        if start[offset : offset + 8] == _HDF5_SIGNATURE:
            return HDF5
    # Elevation tiles of the sea are nothing but zeros.
    if len(set(start)) == 1 and Path(path).suffix.lower() in _NAMES and not path.lower().endswith(".hgt"):
        raise BadFile(path, "the file holds nothing but zeros or blanks; download it again.")
    return OTHER


def expected(path: str) -> str:
    """What the ending of the name promises, with its article."""
    return _NAMES.get(Path(path).suffix.lower(), "a raster")


_NAMES = {
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".he5": "an HDF5 file",
    ".hdf": "an HDF file",
    ".nc": "a netCDF file",
    ".nc4": "a netCDF file",
    ".tif": "a GeoTIFF",
    ".tiff": "a GeoTIFF",
    ".jp2": "a JPEG 2000 image",
    ".hgt": "an elevation tile",
    ".zip": "a zip archive",
    ".tar": "a tar archive",
    ".tgz": "a tar archive",
    ".gz": "a gzip archive",
}


def _size_and_start(path: str) -> tuple[int, bytes]:
    status = gdal.VSIStatL(path)
    if status is None:
        raise BadFile(path, "there is no such file.")
    if status.IsDirectory():
        return 1, b"folder"  # some formats are folders
    with _opened(path) as handle:
        return int(status.size), bytes(gdal.VSIFReadL(1, 4096, handle) or b"")


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    try:
        handle = gdal.VSIFOpenL(path, "rb")
    except RuntimeError:
        handle = None  # newer GDAL raises where older ones give nothing
    if handle is None:
        raise BadFile(path, "the file cannot be read; check its permissions.")
    try:
        yield handle
    finally:
        gdal.VSIFCloseL(handle)


def _check_size(path: str, size: int, whole: int) -> None:
    if size < whole:
        raise BadFile(
            path, f"the file is truncated, {size:,} of {whole:,} bytes are there; the download broke off, repeat it."
        )


def _hdf5_size(start: bytes) -> int:
    """The address of the end of the file that the superblock keeps (HDF5 file format specification, II.A)."""
    version = start[8]
    width = start[13] if version < 2 else start[9]
    if width not in (2, 4, 8):
        return 0
    # Base address, then free space or extension, then end of file.
    first = (24 if version == 0 else 28) if version < 2 else 12
    fields = [start[first + i * width : first + (i + 1) * width] for i in range(3)]
    return int.from_bytes(fields[0], "little") + int.from_bytes(fields[2], "little")


def _netcdf3_size(path: str, version: int) -> int:
    """The size that the header of a classic netCDF file promises; 0 where the header cannot be followed.

    Needed because the netCDF library reads zeros, without an error, past the end of a truncated file.
    """
    status = gdal.VSIStatL(path)
    try:
        with _opened(path) as handle:
            return _Netcdf3Header(handle, version).file_size()
    except (struct.error, KeyError, IndexError, MemoryError):
        # The header itself is cut.
        return int(status.size) + 1


class _Netcdf3Header:
    """Header of the netCDF classic formats 1, 2 and 5 (netCDF file format specification)."""

    _WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}

    def __init__(self, handle: object, version: int) -> None:
        self._handle = handle
        self._count = ">Q" if version == 5 else ">I"
        self._offset = ">I" if version == 1 else ">Q"
        gdal.VSIFSeekL(handle, 4, 0)

    def file_size(self) -> int:
        records = self._number(self._count)
        streaming = (1 << 8 * struct.calcsize(self._count)) - 1
        lengths = self._dimensions()
        self._attributes()
        end, record_ends, record_sizes = 0, [], []
        self._number(">I")
        for _ in range(self._number(self._count)):
            self._skip_name()
            dims = [lengths[self._number(self._count)] for _ in range(self._number(self._count))]
            self._attributes()
            width = self._WIDTHS[self._number(">I")]
            self._number(self._count)  # the size, which large variables do not have right
            begin = self._number(self._offset)
            grows = bool(dims) and dims[0] == 0
            size = width
            for length in dims[1:] if grows else dims:
                size *= length
            if grows:
                record_ends.append(begin + size)
                record_sizes.append(size)
            else:
                end = max(end, begin + size)
        if record_ends and 0 < records < streaming:
            padded = record_sizes[0] if len(record_sizes) == 1 else sum(-(-size // 4) * 4 for size in record_sizes)
            end = max(end, max(record_ends) + (records - 1) * padded)
        return end

    def _dimensions(self) -> list[int]:
        self._number(">I")
        lengths = []
        for _ in range(self._number(self._count)):
            self._skip_name()
            lengths.append(self._number(self._count))
        return lengths

    def _attributes(self) -> None:
        self._number(">I")
        for _ in range(self._number(self._count)):
            self._skip_name()
            width = self._WIDTHS[self._number(">I")]
            self._skip(width * self._number(self._count))

    def _skip_name(self) -> None:
        self._skip(self._number(self._count))

    def _skip(self, size: int) -> None:
        gdal.VSIFSeekL(self._handle, -(-size // 4) * 4, 1)

    def _number(self, form: str) -> int:
        size = struct.calcsize(form)
        return int(struct.unpack(form, bytes(gdal.VSIFReadL(1, size, self._handle) or b""))[0])
