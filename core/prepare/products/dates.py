"""Dates as file names, attributes and time axes write them."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

_CODES = {
    "%Y": r"(?P<Y>\d{4})",
    "%y": r"(?P<y>\d{2})",
    "%m": r"(?P<m>\d{2})",
    "%d": r"(?P<d>\d{2})",
    "%j": r"(?P<j>\d{3})",
    "%H": r"(?P<H>\d{2})",
    "%M": r"(?P<M>\d{2})",
    "%S": r"(?P<S>\d{2})",
    "%D": r"(?P<D>[1-3])",
    "%P": r"(?P<P>[1-6])",
    "%%": "%",
}
_ISO = re.compile(
    r"(?P<Y>\d{4})-?(?P<m>\d{1,2})-?(?P<d>\d{1,2})"
    r"(?:[T ]?(?P<H>\d{1,2}):?(?P<M>\d{2})(?::?(?P<S>\d{1,2})(?P<f>\.\d*)?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?",
    re.IGNORECASE,
)
_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Stamp:
    """A moment in UTC; `whole_day` where only a date was written."""

    moment: dt.datetime
    whole_day: bool = False


def read_date(text: str, form: str) -> Stamp | None:
    """The date in `text`, written as `form` (codes of strftime, %D and %P for the dekad and pentad of a month, `|`
    between alternatives). None where the text is written otherwise; ValueError for a date that does not exist."""
    for one in form.split("|"):
        pattern = re.sub(r"%[A-Za-z%]|[^%]+", lambda part: _CODES.get(part[0]) or re.escape(part[0]), one)
        match = re.fullmatch(pattern, text)
        if match:
            return _stamp(match, text)
    return None


def read_any_date(text: str) -> Stamp | None:
    """The date in an ISO text, 20160607 and 20160607T013000Z included; None for another text.

    A time zone is taken into account, UTC is assumed without. ValueError for a date that does not exist.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None or (match["H"] is None and match["zone"] not in (None, "Z", "z") and "-" not in text[:8]):
        return None
    return _stamp(match, text)


def zone_offset(zone: str | None) -> dt.timedelta:
    """Hours and minutes east of Greenwich, of Z, UTC, +02:00, -3 and the like."""
    match = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})?", zone or "")
    if match is None:
        return dt.timedelta(0)
    offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return -offset if match[1] == "-" else offset


def _stamp(match: re.Match[str], text: str) -> Stamp:
    part = {key: value for key, value in match.groupdict().items() if value}
    year = int(part["Y"]) if "Y" in part else _century(int(part.get("y", "70")))
    try:
        date = dt.date(year, int(part.get("m", 1)), int(part.get("d", 1)))
        if "j" in part:
            date = dt.date(year, 1, 1) + dt.timedelta(days=int(part["j"]) - 1)
            if date.year != year:
                raise ValueError
        if "D" in part:
            date = date.replace(day=10 * int(part["D"]) - 9)
        if "P" in part:
            date = date.replace(day=5 * int(part["P"]) - 4)
        moment = dt.datetime.combine(date, dt.time(0))
        hours, minutes, seconds = (int(part.get(key, 0)) for key in "HMS")
        # A leap second and midnight at the end of a day are written 60 and 24.
        if hours > 24 or minutes > 59 or seconds > 60 or (hours == 24 and (minutes or seconds)):
            raise ValueError
        moment += dt.timedelta(hours=hours, minutes=minutes, seconds=seconds + float(part.get("f", "0") + "0"))
        moment -= zone_offset(part.get("zone"))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no date of the calendar") from error
    return Stamp(moment, "H" not in part)


def _century(year: int) -> int:
    return 1900 + year if year >= 70 else 2000 + year
