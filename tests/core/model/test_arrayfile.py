"""Files of a description and plain arrays: the same bytes again, and nothing that is no data."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.arrayfile import number_of, reading_arrays, write_arrays

DOCUMENT = {"kind": "test", "format": 1, "value": 0.5}
PARTS = {"a": {"x": np.arange(6.0).reshape(2, 3), "n": np.array([1, 2])}, "b": {"x": np.zeros((0, 2))}}


def _read(path: Path, most_bytes: int = 2**26) -> dict[str, Any]:
    with reading_arrays(path, "test file", "test", "test.json", 1, most_bytes, 1000) as file:
        return {"value": number_of(file.document["value"]), "a": file.arrays("a"), "b": file.arrays("b")}


def _with(path: Path, members: dict[str, bytes], document: dict[str, Any] | bytes = DOCUMENT) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("test.json", document if isinstance(document, bytes) else json.dumps(document))
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _npy(array: Any, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def test_what_is_written_is_read_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_arrays(tmp_path / name, "test.json", DOCUMENT, PARTS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    back = _read(tmp_path / "one")
    assert back["value"] == 0.5 and back["b"]["x"].shape == (0, 2)
    np.testing.assert_array_equal(back["a"]["x"], PARTS["a"]["x"])
    assert back["a"]["n"].dtype == np.int64


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_npy(np.array([{}], object), pickled=True), "damaged"),
        (_npy(np.asfortranarray(np.ones((2, 3)))), "damaged"),
        (_npy(np.ones(3, ">f8")), "damaged"),
        (_npy(np.ones((1,) * 6)), "damaged"),
        (_npy(np.ones(3))[:-4], "damaged"),
        (b"", "damaged"),
        (b"\0" * 2**25, "far more data"),
    ],
)
def test_what_is_no_plain_array_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"f.*{message}"):
        _read(_with(tmp_path / "f", {"a/x.npy": data}))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**DOCUMENT, "kind": "other"}, "not a test file"),
        ({**DOCUMENT, "format": 2}, "newer version"),
        ({**DOCUMENT, "format": True}, "damaged"),
        ({**DOCUMENT, "format": 0}, "damaged"),
        ({**DOCUMENT, "value": True}, "damaged"),
        ({**DOCUMENT, "more": "x" * 1000}, "too large"),
        (b'{"kind": "test", "format": 1, "value": NaN}', "damaged"),
        (b'{"kind": "test", "format": 1, "value": ' + b"9" * 500 + b"}", "damaged"),
        (b"[" * 900, "damaged"),
    ],
)
def test_what_is_no_description_is_refused(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(_with(tmp_path / "f", {}, document))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "does not exist"),
        (lambda path: path.write_bytes(b"PK\x03\x04"), "damaged"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "no test.json"),
    ],
)
def test_what_is_no_such_file_is_named(tmp_path: Path, make: Callable[[Path], Any], message: str) -> None:
    make(tmp_path / "f")
    with pytest.raises(InputError, match=message):
        _read(tmp_path / "f")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = _with(tmp_path / "f", {})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("test.json", "{}")
    with pytest.raises(InputError, match="several entries"):
        _read(path)
