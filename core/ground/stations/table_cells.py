"""What stands in the cells of a table: numbers, units, depths, flags."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..columns import numbers
from ..metrics import Floats
from .sources import BadStationFile
from .table_columns import Columns, depth_in, unit_in
from .table_text import TextTable

_DRIEST_PERCENT, _MOST_DRIEST = 0.6, 0.05


def unit_said(table: TextTable, columns: Columns, position: int, at: NDArray[np.intp]) -> str:
    """The unit of a series by its header, else by the column of units; nothing where neither says.

    Raises BadStationFile where the unit changes from row to row.
    """
    said = unit_in(f"{table.names[position]} {table.units[position]}")
    if said or "unit" not in columns.role:
        return said
    texts = {table.columns[columns.role["unit"]][i].strip() for i in at} - {""}
    if len({unit_in(text) for text in texts}) > 1:
        raise BadStationFile(f"gives one sensor in several units ({', '.join(sorted(texts))}): bring them to one")
    return unit_in(texts.pop()) if texts else ""


def celsius(values: Floats, name: str) -> Floats:
    """Soil temperatures in degC, from kelvin by their size and from Fahrenheit as the column's name says."""
    if re.search(r"(°|deg\w*|\()\s*f\b|fahrenheit", name.lower()):
        return (values - 32) / 1.8
    known = values[np.isfinite(values)]
    return values - 273.15 if len(known) and float(np.median(known)) > 150 else values


def unit_divisor(values: Floats, chosen: str, said: str) -> tuple[float, str]:
    """What values are divided by to be m3/m3, and what to tell: as chosen, as the header says, else by their size.

    Raises BadStationFile where their size does not tell.
    """
    unit = chosen if chosen != "auto" else said
    if unit == "mm":
        raise BadStationFile("has soil moisture in mm: divide it by the thickness of the layer (mm) and set the unit")
    known = values[np.isfinite(values) & (values > 0)]
    if unit:
        how = "as set" if chosen != "auto" else "as the header says"
        largest = float(known.max()) if len(known) else math.nan
        if unit == "percent":
            check = f"; no value exceeds {largest:g} percent, check the unit" if largest <= 1 else ""
            return 100.0, f"percent by volume, {how}: divided by 100{check}"
        if len(known) and float(np.median(known)) > 1.5:
            raise BadStationFile(f"has values up to {largest:g}, which is not m3/m3, {how}: set the unit")
        return 1.0, ""
    if len(known) == 0:
        return 1.0, ""
    middle, above = float(np.median(known)), float((known > 1.5).mean())
    if middle <= 1.0 and above < 0.05:
        return 1.0, ""
    if middle > 100 or middle <= 1.5:
        raise BadStationFile(
            f"has values with a median of {middle:g}, neither surely m3/m3 nor percent by volume: set the unit"
        )
    if float((known < _DRIEST_PERCENT).mean()) > _MOST_DRIEST:
        raise BadStationFile("seems to mix m3/m3 and percent: bring it to one unit, or set the unit")
    return 100.0, "percent by volume, by the size of the values: divided by 100"


def numbers_or_none(texts: list[str]) -> Floats | None:
    """A column's numbers, None where it has none."""
    try:
        return numbers(texts).values
    except InputError:
        return None


def mostly_numbers(texts: list[str]) -> bool:
    sample = [text for text in texts[:200] if text.strip()]
    found = numbers_or_none(sample) if sample else None
    return found is not None and float(np.isfinite(found).mean()) >= 0.3


def row_depths(table: TextTable, columns: Columns, depth: str, top: str, bottom: str) -> tuple[float, float] | None:
    """Depths of a row in m: `0-5`, `5 cm`, or numbers whose column says the unit (else cm above 2, m below)."""
    if depth and not math.isnan(depth_in(depth)[0]):
        return depth_in(depth)
    pair = re.fullmatch(r"\s*([\d.,]+)\s*(?:-|–|to)\s*([\d.,]+)\s*", depth)
    texts = pair.groups() if pair else (depth, depth) if depth else (top, bottom or top)
    found = numbers_or_none(list(texts)) if texts[0] else None
    if found is None or not np.isfinite(found).all():
        return None
    role = "depth" if depth else "depth_from"
    name = table.names[columns.role[role]].lower()
    if re.search(r"(?<![a-z])cm", name):
        scale = 0.01
    elif re.search(r"(?<![a-z])m(?![a-z])", name):
        scale = 1.0
    else:
        every = numbers_or_none(table.columns[columns.role.get("depth_to", columns.role[role])])
        scale = 0.01 if every is not None and np.nanmax(every) > 3 else 1.0
    low, high = sorted(abs(float(one)) * scale for one in found)
    return low, high


def ismn_flags(table: TextTable, columns: Columns, at: NDArray[np.intp]) -> NDArray[np.bytes_] | None:
    """Flags where they are those of the ISMN; others are the network's own and not used."""
    if "flag" not in columns.role:
        return None
    texts = [table.columns[columns.role["flag"]][i].strip() for i in at]
    if not any(re.fullmatch(r"(G|[CD]\d\d)(,[CD]\d\d)*", text) for text in set(texts)):
        return None
    return np.array([text.encode("latin-1", "replace") for text in texts])
