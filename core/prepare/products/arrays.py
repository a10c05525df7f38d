"""What a product file says about itself: its arrays, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...raster.grid import Grid

Attribute = Union[str, float, list]


class BadFile(InputError):
    """One file, maybe among hundreds, that cannot be used. `reason`: a clause in lower case, with what to do."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = str(path)
        self.reason = reason.rstrip(". ")
        super().__init__(f"{Path(path).name}: {self.reason}.")


@dataclass(frozen=True)
class ArrayInfo:
    """An array in a file, as the file describes it.

    path: with its groups, without the leading slash. dims: names, unique within the array. dtype: numpy's name, `str`
    for text. chunk: sizes that the file stores together, None where it is stored plainly or unknown. fill: stored
    values that the file declares as no data. scale, offset: the file's own, None without. grid: of the last two
    dimensions where GDAL gives it (HDF4-EOS, GeoTIFF), else None; north-up, though the rows may be stored
    `south_first`. crs_wkt: of the file's grid mapping, or empty.
    """

    path: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: str
    chunk: tuple[int, ...] | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    unit: str = ""
    fill: tuple[float, ...] = ()
    scale: float | None = None
    offset: float | None = None
    grid: Grid | None = None
    crs_wkt: str = ""
    south_first: bool = False

    def is_fill(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Where stored `values` are declared no data, or are not numbers."""
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        for value in self.fill:
            if math.isnan(value):
                continue
            # In the array's own precision: -9999.9 kept in 32 bits is not -9999.9 in 64.
            missing |= values == (values.dtype.type(value) if values.dtype.kind == "f" else value)
        return missing


def declared_fill(nodata: float | None, attributes: Mapping[str, Attribute], dtype: str) -> tuple[float, ...]:
    """The values for no data that a driver and the attributes name, each once."""
    found: list[float] = [] if nodata is None else [float(nodata)]
    for key in ("_FillValue", "missing_value", "FillValue", "fill_value"):
        value = attributes.get(key)
        for one in value if isinstance(value, list) else [value]:
            number = as_number(one)
            if number is not None:
                found.append(number)
    kind = np.dtype(dtype) if dtype != "str" else None
    if kind is not None and kind.kind == "u":
        # netCDF-3 has no unsigned types: the fill of an unsigned byte may be written as -1.
        found = [value + 2.0 ** (8 * kind.itemsize) if value < 0 else value for value in found]
    unique: list[float] = []
    for value in found:
        if not any(value == other or (math.isnan(value) and math.isnan(other)) for other in unique):
            unique.append(value)
    return tuple(unique)


def as_number(value: Any) -> float | None:
    """The number that an attribute holds, None where it holds none."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, (int, float, np.number)) else None


def as_text(value: Attribute) -> str:
    """An attribute as text; whole numbers without a decimal point."""
    if isinstance(value, list):
        return ", ".join(as_text(one) for one in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def clean_text(text: str) -> str:
    """Text that is not UTF-8 reaches Python as surrogates, which no log can print: taken as Latin-1."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text.rstrip("\0")


def clean_attribute(value: Any) -> Attribute | None:
    """An attribute in plain Python types; None for what is neither text nor number."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (int, float, np.number)):
        return float(value) if isinstance(value, (float, np.floating)) else int(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        parts = [clean_attribute(one) for one in value]
        return None if any(part is None for part in parts) else parts
    return None
