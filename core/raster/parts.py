"""Parts of a run that are finished: plain arrays in files that count as there only where they are whole.

A file is a line of magic, the length and checksum of a header, the header (JSON: the run's key, and of each array name,
type, shape, size and checksum), and the arrays' bytes one after another. Local files are written under a temporary name
and moved; objects behind GDAL's /vsi paths appear whole anyway.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from ..errors import InputError

Arrays = dict[str, NDArray[Any]]
SUFFIX = ".part"
_MAGIC = b"SMPART1\n"
_HEAD = struct.Struct("<QI")  # length and checksum of the header
_MOST_HEADER = 2**20


class Part(Protocol):
    """Some of a run's work, a small dataclass: `name` is unique within the run and fit for a file name."""

    @property
    def name(self) -> str: ...

    @property
    def pixels(self) -> int:
        """How much work it is."""
        ...


Compute = Callable[[Any, Any], Arrays]


def compute_part(function: Compute, common: Any, part: Part, path: str, key: str) -> Arrays:
    """The arrays of `part`: from its file where that is there, else computed and written. Workers run this."""
    found = read_part(path, key)
    if found is not None:
        return found
    arrays = function(common, part)
    write_part(path, key, arrays)
    return arrays


def write_part(path: str, key: str, arrays: Mapping[str, NDArray[Any]]) -> int:
    """Write a part's arrays; how many bytes. Raises InputError where there is no room or no right to."""
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    entries = [[name, array.dtype.str, list(array.shape), zlib.crc32(_bytes(array))] for name, array in plain.items()]
    header = json.dumps({"key": key, "arrays": entries}).encode()
    chunks = [_MAGIC, _HEAD.pack(len(header), zlib.crc32(header)), header, *(_bytes(one) for one in plain.values())]
    # The name tells whose it is: what a killed run was writing is removed by the next.
    work = path if is_remote(path) else f"{path}-{uuid.uuid4().hex[:8]}"
    try:
        with _open(work, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
        if work != path:
            os.replace(work, path)
    except (OSError, RuntimeError) as error:
        with contextlib.suppress(OSError, RuntimeError):
            remove(work)
        raise InputError(
            f"Intermediate results cannot be written to {os.path.dirname(path)} "
            f"({getattr(error, 'strerror', None) or error}): free some space there, or choose another work folder."
        ) from error
    return sum(len(chunk) for chunk in chunks)


def read_part(path: str, key: str, only: Sequence[str] | None = None) -> Arrays | None:
    """The arrays of a part (those named in `only`); None where the file is absent, torn or of another run."""
    try:
        with _open(path, "rb") as file:
            entries, start = _header(file, key)
            result: Arrays = {}
            for name, dtype, shape, checksum in entries:
                kind = np.dtype(dtype)
                size = math.prod(shape) * kind.itemsize
                if only is None or name in only:
                    file.seek(start)
                    data = file.read(size)
                    if len(data) != size or zlib.crc32(data) != checksum:
                        return None
                    result[name] = np.frombuffer(data, kind).reshape(shape)
                start += size
            return result
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, struct.error):
        return None


def kept_part(path: str, key: str, only: Sequence[str] | None = None) -> Arrays:
    """As `read_part`, of a part that this run has finished. Raises InputError where it is not there."""
    arrays = read_part(path, key, only)
    if arrays is None:
        raise InputError(f"The intermediate result {path} has gone or been changed: run the same call again.")
    return arrays


def part_path(folder: str, part: Part) -> str:
    """The file of `part` in a work folder."""
    return f"{folder}/{part.name}{SUFFIX}"


def is_remote(path: str) -> bool:
    """Whether `path` is one of GDAL's virtual file systems (cloud storage, memory)."""
    return str(path).startswith("/vsi")


def remove(path: str) -> None:
    if is_remote(path):
        gdal.Unlink(path)
    else:
        os.unlink(path)


def remove_folder(folder: str) -> None:
    """Remove a work folder with the files in it; what another program holds open stays."""
    names = list_folder(folder)
    for name in names:
        with contextlib.suppress(OSError, RuntimeError):
            remove(f"{folder}/{name}")
    with contextlib.suppress(OSError, RuntimeError):
        gdal.Rmdir(folder) if is_remote(folder) else os.rmdir(folder)


def list_folder(folder: str) -> list[str]:
    """Names of the files in `folder`; none where it is absent."""
    if is_remote(folder):
        with contextlib.suppress(RuntimeError):
            return [name for name in gdal.ReadDir(folder) or [] if name not in (".", "..")]
        return []
    return os.listdir(folder) if os.path.isdir(folder) else []


def _header(file: Any, key: str) -> tuple[list[Any], int]:
    """The entries of the arrays, and where the first one begins. Raises ValueError for anything unexpected."""
    start = file.read(len(_MAGIC) + _HEAD.size)
    if start[: len(_MAGIC)] != _MAGIC:
        raise ValueError("magic")
    length, checksum = _HEAD.unpack(start[len(_MAGIC) :])
    header = file.read(length) if length <= _MOST_HEADER else b""
    if len(header) != length or zlib.crc32(header) != checksum:
        raise ValueError("header")
    document = json.loads(header)
    if document["key"] != key:
        raise ValueError("another run")
    return document["arrays"], len(start) + length


def _bytes(array: NDArray[Any]) -> Any:
    return array.reshape(-1).view(np.uint8).data if array.size else b""


def _open(path: str, mode: str) -> Any:
    return _Remote(path, mode) if is_remote(path) else open(path, mode)


class _Remote:
    """As much of a file as parts need, on GDAL's virtual file systems."""

    def __init__(self, path: str, mode: str) -> None:
        self._path = path
        try:
            self._file = gdal.VSIFOpenL(path, mode)
        except RuntimeError as error:
            raise OSError(str(error)) from error
        if self._file is None:
            raise OSError(f"{path} cannot be opened")

    def __enter__(self) -> _Remote:
        return self

    def __exit__(self, *_: object) -> None:
        # Uploading ends here: a failure must not pass for a finished part.
        if gdal.VSIFCloseL(self._file) != 0:
            raise OSError(f"{self._path} cannot be written")

    def seek(self, place: int) -> None:
        gdal.VSIFSeekL(self._file, place, 0)

    def read(self, size: int) -> bytes:
        return bytes(gdal.VSIFReadL(1, size, self._file) or b"") if size else b""

    def write(self, data: Any) -> None:
        data = bytes(data)
        if data and gdal.VSIFWriteL(data, 1, len(data), self._file) != len(data):
            raise OSError(f"{self._path} cannot be written")
