"""The periods of a time axis, in CF units or written as dates."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...raster.periods import Period
from .container import ArrayInfo, Container
from .dates import read_any_date, read_date, zone_offset
from .period_lengths import AXIS, CENTRE, END, LENGTHS, START, length_of, period_at
from .recipe import TimeRule

_SECONDS = {
    "second": 1,
    "sec": 1,
    "s": 1,
    "minute": 60,
    "min": 60,
    "hour": 3600,
    "hr": 3600,
    "h": 3600,
    "day": 86400,
    "d": 86400,
}
_REAL = ("", "standard", "gregorian", "proleptic_gregorian", "none")
_SINCE = re.compile(r"\s*(?P<unit>[A-Za-z]+)\s+since\s+(?P<reference>.+?)\s*", re.IGNORECASE)
_REFERENCE = re.compile(
    r"(?P<year>\d{1,4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[T ]+(?P<clock>\d{1,2}(?::\d{1,2}){0,2})(?:\.\d*)?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?",
    re.IGNORECASE,
)


def axis_periods(container: Container, axis: ArrayInfo, length: str, rule: TimeRule) -> list[Period] | None:
    """The periods of a time axis: between its bounds where it has some, else of `length` around its stamps.

    None where the length is to be told by a spacing that one step does not have. Raises ValueError, saying why, for
    times that cannot be read, are there twice, or are closer or farther apart than `length` says.
    """
    stamps = _read(container, axis, axis, rule.format)
    if len(set(stamps)) < len(stamps):
        twin = next(one for one in stamps if stamps.count(one) > 1)
        raise ValueError(f"the time {twin:%Y-%m-%d %H:%M} is there twice on its axis {axis.path}")
    bounds = _bounds(container, axis, stamps)
    if bounds:
        return [Period(first, last) for first, last in bounds]
    spacing = length_of(stamps, rule.stamp)
    if length != AXIS:
        periods = [period_at(stamp, length, rule.stamp) for stamp in stamps]
        _check_spacing(periods, length, spacing)
        return periods
    if len(stamps) == 1:
        return None
    if spacing is None:
        raise ValueError(f"the steps of its axis {axis.path} are of different lengths: give the recipe a length")
    if isinstance(spacing, str):
        return [period_at(stamp, spacing, rule.stamp) for stamp in stamps]
    before = {START: dt.timedelta(0), CENTRE: spacing / 2, END: spacing}[rule.stamp]
    return [Period(stamp - before, stamp - before + spacing) for stamp in stamps]


def moments(values: np.ndarray, unit: str, calendar_name: str = "", form: str = "") -> list[dt.datetime]:
    """The moments (UTC) of a time axis: numbers in `unit` (`hours since 1900-01-01`), or dates as texts or numbers.

    form: how dates are written where they are no ISO dates. Calendars are the real ones and `noleap`; times are rounded
    to what their data type can tell. Raises ValueError, saying why, for anything else, and for missing times.
    """
    values = np.ravel(values)
    since = _SINCE.fullmatch(unit)
    if values.dtype.kind in "OSU":
        return [_written(_text(value), form) for value in values]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"time step {int(np.flatnonzero(~np.isfinite(values))[0]) + 1} has no time")
    if since is None:
        return [_written(str(int(value)), form) for value in values]
    convert = _converter(since["unit"].lower(), since["reference"], calendar_name.strip().lower(), unit)
    try:
        return [_rounded(convert(value), _resolution(values, since["unit"])) for value in values.tolist()]
    except OverflowError as error:
        raise ValueError(f"its times lie outside the years 1 to 9999 ({values.min()} {unit.strip()})") from error


def _read(container: Container, array: ArrayInfo, axis: ArrayInfo, form: str) -> list[dt.datetime]:
    values = np.asarray(container.read(array.path, (0,) * len(array.shape), array.shape))
    missing = [number for number in array.fill if np.isin(number, values)] if values.dtype.kind in "fiu" else []
    if missing:
        raise ValueError(f"a time on its axis {axis.path} is missing (it is {missing[0]:g})")
    named = axis.attributes.get("calendar", "")
    return moments(values, axis.unit or str(axis.attributes.get("units", "")), str(named), form)


def _bounds(
    container: Container, axis: ArrayInfo, stamps: Sequence[dt.datetime]
) -> list[tuple[dt.datetime, dt.datetime]] | None:
    name = axis.attributes.get("bounds")
    array = container.find(str(name)) if name else None
    if array is None or container.arrays[array].shape != (len(stamps), 2):
        return None
    try:
        edges = _read(container, container.arrays[array], axis, "")
    except ValueError:
        return None
    # A last second stands for the end of its minute.
    ends = [edge + dt.timedelta(seconds=1) if edge.second == 59 else edge for edge in edges[1::2]]
    bounds = list(zip(edges[::2], ends))
    return bounds if _believed(bounds, stamps) else None


def _check_spacing(periods: Sequence[Period], length: str, spacing: str | dt.timedelta | None) -> None:
    ascending = sorted(periods)
    for before, after in zip(ascending, ascending[1:]):
        if after.first < before.last:
            raise ValueError(
                f"its periods {before.label} and {after.label} overlap: its time steps are closer together than the "
                f"recipe says ({length})"
            )
    longer = isinstance(spacing, str) and LENGTHS[spacing] > LENGTHS[length] >= LENGTHS["day"]
    if longer and len(periods) > 2:
        raise ValueError(f"its time steps are a {spacing} apart, but the recipe says that each lasts a {length}")


def _written(text: str, form: str) -> dt.datetime:
    stamp = read_date(text, form) if form else read_any_date(text)
    if stamp is None:
        raise ValueError(
            f"its time {text!r} has no unit such as 'days since 1970-01-01' and is no date such as 20210803"
        )
    return stamp.moment


def _text(value: Any) -> str:
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")


def _converter(unit: str, reference: str, calendar_name: str, whole: str) -> Callable[[float], dt.datetime]:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(f"its time unit {whole.strip()!r} has no reference date that can be read")
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    clock = [int(part) for part in (match["clock"] or "0").split(":")] + [0, 0]
    time = dt.timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2]) - zone_offset(match["zone"])
    if calendar_name in ("noleap", "365_day"):
        first: Callable[[float], dt.datetime] = _without_leap_days(year, month, day, time)
    elif calendar_name not in _REAL:
        raise ValueError(
            f"its calendar {calendar_name!r} has days that do not exist: bring it to a real calendar first, such as "
            "with 'cdo setcalendar,standard'"
        )
    else:
        try:
            first = _days_after(_real_day(year, month, day, calendar_name) + time)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"its time unit {whole.strip()!r} has no reference date of the calendar") from error
    name = unit[:-1] if unit.endswith("s") and len(unit) > 1 else unit
    if name in ("month", "mon"):
        return _months_after(year, month, day, time, whole)
    scale = {"millisecond": 1e-3, "msec": 1e-3, "microsecond": 1e-6, "nanosecond": 1e-9}.get(name, _SECONDS.get(name))
    if scale is None:
        raise ValueError(f"its time unit {whole.strip()!r} is none of seconds, minutes, hours, days and months")
    return lambda value: first(value * scale)


def _days_after(start: dt.timedelta) -> Callable[[float], dt.datetime]:
    return lambda seconds: dt.datetime(1, 1, 1) + (start + dt.timedelta(seconds=seconds))


def _real_day(year: int, month: int, day: int, calendar_name: str) -> dt.timedelta:
    """From 1 January of year 1 to a day; in the mixed calendar, days before 15 October 1582 are Julian."""
    if calendar_name == "proleptic_gregorian" or (year, month, day) >= (1582, 10, 15):
        return dt.datetime(year, month, day) - dt.datetime(1, 1, 1)
    # Julian day number of a date in the Julian calendar (Richards 2013); 1721426 is 1 January of year 1.
    later = (14 - month) // 12
    years, months = year + 4800 - later, month + 12 * later - 3
    number = day + (153 * months + 2) // 5 + 365 * years + years // 4 - 32083
    return dt.timedelta(days=number - 1721426)


def _without_leap_days(year: int, month: int, day: int, time: dt.timedelta) -> Callable[[float], dt.datetime]:
    start = dt.timedelta(days=year * 365 + dt.date(2001, month, day).timetuple().tm_yday - 1) + time

    def convert(seconds: float) -> dt.datetime:
        passed = start + dt.timedelta(seconds=seconds)
        years, days = divmod(passed.days, 365)
        return (dt.datetime(2001, 1, 1) + dt.timedelta(days=days) + (passed - dt.timedelta(passed.days))).replace(
            year=years
        )

    return convert


def _months_after(year: int, month: int, day: int, time: dt.timedelta, whole: str) -> Callable[[float], dt.datetime]:
    def convert(months: float) -> dt.datetime:
        if months != int(months) and months % 1 != 0.5:
            raise ValueError(f"its time {months:g} {whole.strip()} is no whole number of months")
        years, number = divmod(year * 12 + month - 1 + int(months // 1), 12)
        last = calendar.monthrange(years, number + 1)[1]
        start = dt.datetime(years, number + 1, min(day, last)) + time
        return start + dt.timedelta(days=last / 2 if months % 1 else 0)

    return convert


def _resolution(values: np.ndarray, unit: str) -> float:
    """Seconds to which the data type can tell the times apart, as a round number."""
    if values.dtype.kind != "f":
        return 1.0
    name = unit.lower().rstrip("s") or "s"
    told = float(np.spacing(np.abs(values).max())) * _SECONDS.get(name, 1)
    return next((step for step in (1.0, 60.0, 600.0, 3600.0) if told < step / 2), 86400.0)


def _rounded(moment: dt.datetime, seconds: float) -> dt.datetime:
    midnight = dt.datetime.combine(moment.date(), dt.time(0))
    steps = round((moment - midnight).total_seconds() / seconds)
    return midnight + dt.timedelta(seconds=steps * seconds)


def _believed(bounds: Sequence[tuple[dt.datetime, dt.datetime]], stamps: Sequence[dt.datetime]) -> bool:
    """Whether bounds make sense: each around its stamp, ending after it starts, none reaching into the next."""
    around = all(first < last and first <= stamp <= last for (first, last), stamp in zip(bounds, stamps))
    ascending = sorted(bounds)
    return around and all(before[1] <= after[0] for before, after in zip(ascending, ascending[1:]))
