"""Periods of time that bands stand for, and the dates hidden in names."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True, order=True)
class Period:
    """A half-open span of days: `start` belongs to it, `end` does not."""

    start: dt.date
    end: dt.date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise InputError(f"A period must end after it starts, but {self.start} is not before {self.end}.")

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def label(self) -> str:
        """`2021-08` for a calendar month, `2021-08-03` for a day, else `2021-08-03/2021-08-11`."""
        if self == month_of(self.start):
            return f"{self.start:%Y-%m}"
        if self.days == 1:
            return self.start.isoformat()
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    def overlap_days(self, other: Period) -> int:
        return max(0, (min(self.end, other.end) - max(self.start, other.start)).days)

    @classmethod
    def parse(cls, start: str, end: str) -> Period:
        """From two ISO dates; times of day are dropped, but an end after midnight includes its day."""
        try:
            first = dt.datetime.fromisoformat(start)
            last = dt.datetime.fromisoformat(end)
        except ValueError as error:
            raise InputError(
                f"The period {start!r} to {end!r} is not a pair of ISO dates such as 2021-08-01."
            ) from error
        whole = last.time() == dt.time(0) and last.date() > first.date()
        return cls(first.date(), last.date() if whole else last.date() + dt.timedelta(days=1))


def day(date: dt.date) -> Period:
    return Period(date, date + dt.timedelta(days=1))


def month_of(date: dt.date) -> Period:
    first = date.replace(day=1)
    return Period(first, first + dt.timedelta(days=calendar.monthrange(first.year, first.month)[1]))


_SEPARATED = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.])(0[1-9]|1[0-2])(?:\2(0[1-9]|[12]\d|3[01]))?(?!\d)")
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=\D|$|\d{6}(?!\d))")
_DAY_OF_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(00[1-9]|0[1-9]\d|[12]\d\d|3[0-5]\d|36[0-6])(?!\d)")


def period_in_name(name: str) -> Period | None:
    """The first date written in `name`: 2021-08, 2021-08-03, 20210803, 20210803T0130 or 2021215 (day of year)."""
    found: list[tuple[int, Period]] = []
    for match in _SEPARATED.finditer(name):
        year, month = int(match[1]), int(match[3])
        if match[4] is None:
            found.append((match.start(), month_of(dt.date(year, month, 1))))
        elif (date := _date(year, month, int(match[4]))) is not None:
            found.append((match.start(), day(date)))
    for match in _COMPACT.finditer(name):
        if (date := _date(int(match[1]), int(match[2]), int(match[3]))) is not None:
            found.append((match.start(), day(date)))
    for match in _DAY_OF_YEAR.finditer(name):
        date = dt.date(int(match[1]), 1, 1) + dt.timedelta(days=int(match[2]) - 1)
        if date.year == int(match[1]):
            found.append((match.start(), day(date)))
    return min(found)[1] if found else None


def without_date(name: str) -> str:
    """`name` with every date token and the separators around it removed, so that one factor keeps one name."""
    bare = name
    for pattern in (_SEPARATED, _COMPACT, _DAY_OF_YEAR):
        bare = pattern.sub(" ", bare)
    return re.sub(r"[\s_.\-]+", "_", bare).strip("_")


def _date(year: int, month: int, day_of_month: int) -> dt.date | None:
    try:
        return dt.date(year, month, day_of_month)
    except ValueError:
        return None
