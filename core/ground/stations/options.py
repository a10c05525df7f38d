"""What the user may choose when station files are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import InputError
from ...raster.periods import Period
from .quality import Quality

PERIODS = ("day", "dekad", "month", "reading")
CLOCKS = ("UTC", "local solar time", "hours from UTC")


@dataclass(frozen=True)
class TableOptions:
    """How tables are read: roles given by column name, unit, order of dates, zone of times without one, places."""

    columns: Mapping[str, str] = field(default_factory=dict)
    unit: str = "auto"
    order: str = "auto"
    zone_hours: float | None = None
    places: str = ""
    crs_wkt: str = ""


@dataclass(frozen=True)
class StationOptions:
    """`layer` is in m; `clock` says where days begin, `hours` which of the day count (start and end, local);
    `min_share` is the least share of a period's usual readings, `min_cover` of the layer's thickness."""

    layer: tuple[float, float] = (0.0, 0.05)
    quality: Quality = field(default_factory=Quality)
    table: TableOptions = field(default_factory=TableOptions)
    period: str = "day"
    clock: str = "UTC"
    offset_hours: float = 0.0
    hours: tuple[float, float] = (0.0, 24.0)
    min_share: float = 0.5
    min_cover: float = 0.7
    skip_bad: bool = False
    span: Period | None = None


def parse_layer(text: str) -> tuple[float, float]:
    """`0-5` or `0-100 cm` as depths in m. Raises InputError."""
    match = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*(?:cm)?\s*(?:-|–|to)\s*(\d+(?:[.,]\d+)?)\s*(?:cm)?\s*", text)
    top, bottom = (float(part.replace(",", ".")) / 100 for part in match.groups()) if match else (0.0, 0.0)
    if not top < bottom <= 20:
        raise InputError(f"The depth {text!r} is not a layer: write it from top to bottom in cm, such as 0-5 or 0-100.")
    return top, bottom


def parse_columns(text: str) -> dict[str, str]:
    """`date=Time; value=VWC 5 cm, VWC 20 cm` as roles and names of columns. Raises InputError."""
    result = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        role, equals, name = part.partition("=")
        if not equals:
            raise InputError(f"{part!r} does not set a column: write role=name, such as date=Time; value=VWC 5 cm.")
        result[role.strip().lower()] = name.strip()
    return result


def parse_hours(text: str) -> tuple[float, float]:
    """`5-7` as hours of the day, `22-2` over midnight. Raises InputError."""
    if not text.strip():
        return 0.0, 24.0
    match = re.fullmatch(r"\s*(\d{1,2}(?:\.\d+)?)\s*-\s*(\d{1,2}(?:\.\d+)?)\s*", text)
    if match is None or float(match[1]) > 24 or float(match[2]) > 24 or match[1] == match[2]:
        raise InputError(f"The hours {text!r} are not a part of the day: write them as 5-7.")
    return float(match[1]), float(match[2])
