"""Files of a description and plain arrays: a zip of one JSON member and .npy members; data only, checked when read."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import whole_file
from ..errors import InputError
from ..plain import plain

# A bomb packs a thousandfold, trees and weights two- to tenfold.
_MOST_PACKED, _PACKED_COUNTS_FROM = 100, 2**24
_TYPES, _MOST_DIMENSIONS = {"<f8", "<f4", "<i8", "<i4", "|u1"}, 5


class ArrayFile:
    """An open file: its `document`, and its arrays by name (`folder/name`, without `.npy`)."""

    def __init__(self, archive: zipfile.ZipFile, document: Mapping[str, Any]) -> None:
        self.document = document
        self._archive = archive

    def arrays(self, folder: str) -> dict[str, NDArray[Any]]:
        """All arrays of a folder. Raises ValueError for what is no plain array of at most five dimensions."""
        members = {info.filename: info for info in self._archive.infolist()}
        return {
            name[len(folder) + 1 : -4]: _array(self._archive, info)
            for name, info in members.items()
            if name.startswith(f"{folder}/") and name.endswith(".npy")
        }


def write_arrays(
    path: str | Path,
    member: str,
    document: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, NDArray[Any]]],
) -> None:
    """Write `document` as the JSON `member` and `parts` (folder -> name -> array).

    The file appears whole or not at all, and the same content gives the same bytes.
    """
    with whole_file(path) as work, zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _add(archive, member, json.dumps(plain(document), indent=1, allow_nan=False).encode())
        for folder, arrays in parts.items():
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
                _add(archive, f"{folder}/{name}.npy", buffer.getbuffer())


@contextmanager
def reading_arrays(
    path: str | Path, what: str, kind: str, member: str, newest: int, most_bytes: int, most_json: int
) -> Iterator[ArrayFile]:
    """The file, open, while its parts are made of it; `what` is its noun ("calibration file"), `kind` what it says.

    Raises InputError, naming the file, for anything that is not one, is damaged, or comes from a newer version; also
    where what is made within the context fails.
    """
    name = Path(path).name
    if not Path(path).is_file():
        raise InputError(f"The {what} {path} does not exist.")
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            claimed, packed = sum(info.file_size for info in archive.infolist()), Path(path).stat().st_size
            if claimed > most_bytes or claimed > max(_PACKED_COUNTS_FROM, _MOST_PACKED * packed):
                raise InputError(f"{name} claims to hold far more data than a {what} does and is not read.")
            if len(sizes) < len(archive.infolist()):
                raise InputError(f"{name} holds several entries of the same name and is not read.")
            if member not in sizes:
                raise InputError(f"{name} is not a {what}: it holds no {member}.")
            if sizes[member] > most_json:
                raise InputError(f"The description in {name} is too large to be one.")
            document = json.loads(archive.read(member), parse_int=_short_int, parse_constant=_no_constant)
            if not isinstance(document, dict) or document.get("kind") != kind:
                raise InputError(f"{name} is not a {what}.")
            made_for = document.get("format")
            if isinstance(made_for, bool) or not isinstance(made_for, int) or made_for < 1:
                raise ValueError("format")
            if made_for > newest:
                raise InputError(
                    f"{name} was made by a newer version of the plugin (file format {made_for}, this one reads up to "
                    f"{newest}): update the plugin."
                )
            yield ArrayFile(archive, document)
    except InputError as error:
        raise InputError(str(error) if name in str(error) else f"{name}: {error}") from error
    except PermissionError as error:
        raise InputError(f"The {what} {path} may not be read: check its permissions.") from error
    except Exception as error:
        # zlib, struct, tokenize, zipfile and json each have exceptions of their own for bytes that make no sense.
        raise InputError(f"{name} is damaged or not a {what}: make it again.") from error


def number_of(value: Any) -> float:
    """A finite number of a description. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("number")
    return float(value)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("array version")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.str not in _TYPES or by_columns or len(shape) > _MOST_DIMENSIONS:
            raise ValueError("array type")
        # The header must agree with the bytes at hand before anything of that size is made.
        if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > info.file_size:
            raise ValueError("array size")
        return np.frombuffer(stream.read(), dtype).reshape(shape)


def _add(archive: zipfile.ZipFile, name: str, data: Any) -> None:
    # A fixed time stamp: the same content gives the same file.
    entry = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
    archive.writestr(entry, data, compresslevel=1)


def _short_int(digits: str) -> int:
    # Python takes a time that grows with the square of their number.
    if len(digits) > 30:
        raise ValueError("number")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(name)
