"""Periods of time that bands stand for, and the dates hidden in names."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from functools import total_ordering

from ..errors import InputError


@total_ordering
@dataclass(frozen=True)
class Period:
    """A half-open span of time: `start` belongs to it, `end` does not. Raises InputError where it would be empty.

    `start` and `end` are dates, or datetimes in UTC where they do not fall on midnight.
    """

    start: dt.date
    end: dt.date

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            moment = _moment(getattr(self, name))
            # One span has one spelling, so that equal spans are equal.
            object.__setattr__(self, name, moment.date() if moment.time() == dt.time(0) else moment)
        if self.last <= self.first:
            raise InputError(f"A period must end after it starts, but {self.start} is not before {self.end}.")

    def __lt__(self, other: Period) -> bool:
        return (self.first, self.last) < (other.first, other.last)

    @property
    def first(self) -> dt.datetime:
        """The moment it starts, in UTC."""
        return _moment(self.start)

    @property
    def last(self) -> dt.datetime:
        """The moment it ends, in UTC."""
        return _moment(self.end)

    @property
    def days(self) -> float:
        """Its length; 0.125 for three hours."""
        return _days(self.last - self.first)

    @property
    def whole_days(self) -> bool:
        """Whether it starts and ends at midnight."""
        return not isinstance(self.start, dt.datetime) and not isinstance(self.end, dt.datetime)

    @property
    def label(self) -> str:
        """`2021-08` for a calendar month, `2021-08-03` for a day, else `2021-08-03/2021-08-11` (end exclusive).

        Parts of a day have times: `2021-08-03T01:00/2021-08-03T04:00`.
        """
        if not self.whole_days:
            return f"{self.first:%Y-%m-%dT%H:%M}/{self.last:%Y-%m-%dT%H:%M}"
        if self.days == 1:
            return self.start.isoformat()
        if self == month_of(self.start):
            return f"{self.start:%Y-%m}"
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    def overlap_days(self, other: Period) -> float:
        return max(0, _days(min(self.last, other.last) - max(self.first, other.first)))

    def ordinals(self) -> tuple[float, float]:
        """Start and end in days since 1 January of year 1, as `date.toordinal` counts them."""
        origin = dt.datetime(1, 1, 1)
        first, last = (1 + (moment - origin) / dt.timedelta(days=1) for moment in (self.first, self.last))
        return first, last

    def shifted(self, hours: float) -> Period:
        """The same span, `hours` later."""
        step = dt.timedelta(hours=hours)
        return Period(self.first + step, self.last + step)

    @classmethod
    def parse(cls, start: str, end: str) -> Period:
        """From two ISO dates or times (UTC unless they say otherwise).

        A date as the end includes its day where both are the same; a last second (23:59:59) ends the minute.
        Raises InputError for anything else, and where the end lies before the start.
        """
        try:
            first, last = (_utc(text) for text in (start, end))
        except ValueError as error:
            raise InputError(
                f"The period {start!r} to {end!r} is not a pair of ISO dates such as 2021-08-01."
            ) from error
        if last == first:
            last = dt.datetime.combine(last, dt.time(0)) + dt.timedelta(days=1)
        if last.second == 59:
            last = last.replace(microsecond=0) + dt.timedelta(seconds=1)
        return cls(first, last)


def _moment(date: dt.date) -> dt.datetime:
    return date if isinstance(date, dt.datetime) else dt.datetime.combine(date, dt.time(0))


def _days(span: dt.timedelta) -> float:
    days = span / dt.timedelta(days=1)
    return int(days) if days == int(days) else days


def _utc(text: str) -> dt.datetime:
    # Python before 3.11 does not know the Z of UTC.
    moment = dt.datetime.fromisoformat(text.strip().rstrip("Zz"))
    return moment.astimezone(dt.timezone.utc).replace(tzinfo=None) if moment.tzinfo else moment


def day(date: dt.date) -> Period:
    """The period of one day."""
    return Period(date, date + dt.timedelta(days=1))


def month_of(date: dt.date) -> Period:
    """The calendar month that holds `date`."""
    first = date.replace(day=1)
    return Period(first, first + dt.timedelta(days=calendar.monthrange(first.year, first.month)[1]))


def period_in_name(name: str) -> Period | None:
    """The first date written in `name`, None where there is none.

    Known are 2021-08-03, 20210803, 20210803T0130 and the like (a day), 2021215, A2021215, 2021-215 and 2021_215 (day of
    the year), 2021-08 (a month; `-`, `_` or `.` as separator) and, where nothing else is found, 202108 on its own.
    """
    found = _dates(name)
    return found[0][1] if found else None


def without_date(name: str) -> str:
    """`name` without its dates, times and the separators around them, so that one factor keeps one name."""
    bare = name
    for (start, end), _ in reversed(_dates(name)):
        bare = f"{bare[:start]} {bare[end:]}"
    return re.sub(r"[\s_.\-]+", "_", bare).strip("_")


_YEAR, _MONTH, _DAY = r"(?P<year>(?:19|20)\d\d)", r"(?P<month>0[1-9]|1[0-2])", r"(?P<day>0[1-9]|[12]\d|3[01])"
_DAY_OF_YEAR = r"(?P<doy>00[1-9]|0[1-9]\d|[12]\d\d|3[0-5]\d|36[0-6])"
_PREFIX = r"(?<!\d)(?:(?<![A-Za-z0-9])(?:A|doy|DOY))?"  # MODIS and AppEEARS: A2021215, doy2021215
_LENGTH = r"[kcd]?m(?![A-Za-z])"
_CLOCK = r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d)?)?"
_ISO_TIME = r"(?:[Tt][0-2]\d(?::?[0-5]\d){0,2}(?:\.\d+)?[Zz]?)?"
# In order of preference where two would overlap.
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_PREFIX}{_YEAR}(?P<sign>[-_.]){_MONTH}(?P=sign){_DAY}(?!\d|{_LENGTH}){_ISO_TIME}",
        rf"{_PREFIX}{_YEAR}{_MONTH}{_DAY}(?:{_CLOCK}(?!\d)|(?!\d){_ISO_TIME})",
        rf"{_PREFIX}{_YEAR}{_DAY_OF_YEAR}(?:{_CLOCK}(?!\d)|(?!\d){_ISO_TIME})",
        rf"(?<![\dvV]){_YEAR}[-_]{_DAY_OF_YEAR}(?![0-9A-Za-z])",
        # Not 2000_10m (a resolution), v2020.01 (a version), 2021-02-30 (no day).
        rf"(?<![\dvV]){_YEAR}(?P<sign>[-_.]){_MONTH}(?![0-9A-Za-z]|(?P=sign)\d\d(?![0-9A-Za-z]))",
    )
)
_LONE_MONTH = re.compile(rf"(?<![A-Za-z0-9])(?<!\d[.\-]){_YEAR}{_MONTH}(?![A-Za-z0-9])")


def _dates(name: str) -> list[tuple[tuple[int, int], Period]]:
    """Places of the dates in `name` and what they mean, in order of place."""
    found: list[tuple[tuple[int, int], Period]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(name):
            period = _period(match)
            if period and all(match.end() <= start or match.start() >= end for (start, end), _ in found):
                found.append((match.span(), period))
    if not found:
        found = [(m.span(), period) for m in _LONE_MONTH.finditer(name) if (period := _period(m))]
    return sorted(found)


def _period(match: re.Match[str]) -> Period | None:
    part = match.groupdict()
    try:
        first = dt.date(int(part["year"]), int(part.get("month") or 1), int(part.get("day") or 1))
    except ValueError:
        return None
    if part.get("doy"):
        date = first + dt.timedelta(days=int(part["doy"]) - 1)
        return day(date) if date.year == first.year else None
    return day(first) if part.get("day") else month_of(first)
