"""Times in tables: with or without a clock, with or without a zone; to UTC."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..columns import dates

_MOMENT = re.compile(
    r"(?P<day>[^\sT,]+?)(?:[T\s,]+(?P<hour>\d{1,2})(?::?(?P<minute>\d\d))?(?::?(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp])?(?:\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[A-Z]{3,4}|[+-]\d\d(?::?\d\d)?)?)?$"
)
_COMPACT = re.compile(r"((?:19|20)\d{6})([01]\d|2[0-4])([0-5]\d)(?:[0-5]\d)?$")
# Hours from UTC; names that mean several zones (CST, IST) as in North America and Europe.
_ZONES = {
    "UTC": 0.0, "GMT": 0.0, "Z": 0.0, "WET": 0.0, "CET": 1.0, "MEZ": 1.0, "CEST": 2.0, "MESZ": 2.0, "EET": 2.0,
    "EEST": 3.0, "MSK": 3.0, "AST": -4.0, "EST": -5.0, "EDT": -4.0, "CST": -6.0, "CDT": -5.0, "MST": -7.0,
    "MDT": -6.0, "PST": -8.0, "PDT": -7.0, "JST": 9.0, "AEST": 10.0, "AWST": 8.0,
}  # fmt: skip
_ZONE_IN_NAME = re.compile(r"\b(?:UTC|GMT)\s*([+-]\s*\d{1,2}(?::\d\d)?)|\b([A-Z]{3,4}|Z)\b")


@dataclass(frozen=True)
class Times:
    """`time` datetime64[m], UTC unless `daily` (then midnights that name days); NaT where missing."""

    time: NDArray[np.datetime64]
    daily: bool
    notes: tuple[str, ...] = ()


def read_times(
    items: Sequence[object], order: str = "auto", zone_hours: float | None = None, column: str = ""
) -> Times:
    """Times of a column called `column`, whose name may hold the zone of all (`Reading Time (CST)`).

    `order` as in `columns.dates`; `zone_hours` from UTC is for times without a zone of their own, None takes the
    column's or else UTC and says so. Raises InputError for text that is no date.
    """
    texts = [_text(item) for item in items]
    distinct: dict[str, tuple[str, int | None, int | None]] = {}
    for text in texts:
        if text not in distinct:
            distinct[text] = _split(text)
    parts = list(distinct.values())
    days = dates([part[0] for part in parts], order)
    clocks = [part[1] for part in parts]
    daily = _only_midnights(clocks)
    moments = days.values.astype("datetime64[m]")
    notes = list(days.notes)
    if not daily:
        shift, note = _zone_of(zone_hours, column, any(c is not None and p[2] is None for c, p in zip(clocks, parts)))
        notes += [note] if note else []
        minutes = [(clock or 0) - (part[2] if part[2] is not None else shift) for clock, part in zip(clocks, parts)]
        moments = moments + np.array(minutes, dtype="timedelta64[m]")
    read = dict(zip(distinct, range(len(distinct))))
    return Times(moments[np.array([read[text] for text in texts], dtype=np.intp)], daily, tuple(notes))


def zone_in(column: str) -> tuple[str, float] | None:
    """The zone that a column's name states, and its hours from UTC."""
    for match in _ZONE_IN_NAME.finditer(column):
        if match[1]:
            sign, hours, minutes = re.match(r"([+-])\s*(\d+)(?::(\d\d))?", match[1]).groups()  # type: ignore[union-attr]
            return match[0], (-1 if sign == "-" else 1) * (int(hours) + int(minutes or 0) / 60)
        if match[2] in _ZONES:
            return match[2], _ZONES[match[2]]
    return None


def _zone_of(zone_hours: float | None, column: str, wanted: bool) -> tuple[int, str]:
    if not wanted:
        return 0, ""
    if zone_hours is not None:
        return round(60 * zone_hours), f"Times without a zone are taken as UTC{zone_hours:+g} h, as set."
    named = zone_in(column)
    if named:
        return round(60 * named[1]), f"Times are {named[0]} as the column {column!r} says: UTC{named[1]:+g} h."
    return 0, "Times carry no zone and are taken as UTC: set the zone of the times if they are local."


def _text(item: object) -> str:
    if isinstance(item, dt.datetime):
        return item.isoformat(sep=" ", timespec="minutes")
    return "" if item is None else str(item).strip().strip('"').strip()


def _split(text: str) -> tuple[str, int | None, int | None]:
    """Day, minute of the day and minutes from UTC; None where not said."""
    if compact := _COMPACT.match(text):
        return compact[1], 60 * int(compact[2]) + int(compact[3]), None
    match = _MOMENT.match(text)
    if match is None or match["hour"] is None:
        return text, None, None
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    if match["half"]:
        hour = hour % 12 + (12 if match["half"] in "pP" else 0)
    if hour > 24 or minute > 59:
        raise InputError(f"{text!r} is not a time: write times as 2021-08-03 14:30.")
    return match["day"], 60 * hour + minute, _zone_minutes(match["zone"])


def _zone_minutes(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        return (-1 if zone[0] == "-" else 1) * (60 * int(digits[:2]) + int(digits[2:]))
    if zone not in _ZONES:
        raise InputError(f"The time zone {zone!r} is not known: write times with hours from UTC, such as +01:00.")
    return round(60 * _ZONES[zone])


def _only_midnights(clocks: Sequence[int | None]) -> bool:
    """Whether all are midnights: days written with an empty clock."""
    return bool(clocks) and all(clock in (None, 0) for clock in clocks)
