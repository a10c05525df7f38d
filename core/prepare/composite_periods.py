"""The periods that layers are composited to, and the clock that tells which local day and hour a layer belongs to."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InputError
from ..raster.periods import Period

KINDS = ("day", "5 days", "dekad", "8 days", "16 days", "month", "season", "year")
CUSTOM, OTHER = "custom", "other layers"

_SEASONS = {3: "MAM", 6: "JJA", 9: "SON", 12: "DJF"}
_DAY = 86400
_DATE = r"\d{4}-\d\d-\d\d"
_MOST = 20000  # more periods than anyone has layers for


def calendar_periods(kind: str, first: dt.datetime, last: dt.datetime) -> list[Period]:
    """All periods of `kind` (one of KINDS) that overlap the time from `first` to `last`.

    Periods of 8 and 16 days start again each 1 January; dekads start on the 1st, 11th and 21st of a month, those of 5
    days on the 1st, 6th, ... 26th; seasons are DJF, MAM, JJA, SON. Raises InputError for other kinds.
    """
    if kind not in KINDS:
        raise InputError(f"Periods can be {', '.join(KINDS)}, {CUSTOM} or {OTHER}, not {kind!r}.")
    if last.year >= dt.MAXYEAR or first.year <= dt.MINYEAR:
        raise InputError(f"The layers reach from {first.year} to {last.year}: check their dates.")
    starts = [start for year in range(first.year - 1, last.year + 2) for start in _starts(kind, year)]
    whole = Period(first, last)
    return [one for one in map(Period, starts, starts[1:]) if one.overlap_days(whole) > 0]


def custom_periods(text: str, last: dt.datetime) -> list[Period]:
    """Periods as a user writes them.

    `10 days from 2021-04-01`: one after the other until `last`. `2021-04-01, 2021-06-15, 2021-09-30`: each period ends
    where the next starts, and the last date only ends. `2021-04-01/2021-06-15, 2021-07-01/2021-09-30`: periods with
    their ends (exclusive). Raises InputError for anything else.
    """
    length = re.fullmatch(rf"\s*(\d+)(?:\s*days?)?\s+(?:from\s+)?({_DATE})\s*", text)
    if length and int(length[1]) > 0:
        step, start = dt.timedelta(days=min(int(length[1]), 36525)), _date(length[2])
        count = math.ceil((last - dt.datetime.combine(start, dt.time(0))) / step)
        found = [Period(start + k * step, start + (k + 1) * step) for k in range(min(count, _MOST))]
        if not found:
            raise InputError(f"The custom periods start on {start}, after the last layer ends ({last.date()}).")
        return found
    items = [item.strip() for item in re.split(r"[,;\s]+", text.strip()) if item.strip()]
    if len(items) > 1 and all(re.fullmatch(_DATE, item) for item in items):
        dates = [_date(item) for item in items]
        for one, following in zip(dates, dates[1:]):
            if following <= one:
                raise InputError(f"The start dates of custom periods must ascend, but {following} follows {one}.")
        return [Period(one, following) for one, following in zip(dates, dates[1:])]
    if items and all(re.fullmatch(f"{_DATE}/{_DATE}", item) for item in items):
        periods = sorted(Period(*(_date(part) for part in item.split("/"))) for item in items)
        for before, after in zip(periods, periods[1:]):
            if after.first < before.last:
                raise InputError(f"The custom periods {before.label} and {after.label} overlap: part them.")
        return periods
    raise InputError(
        f"Custom periods {text.strip()!r} are not understood: give start dates such as 2021-04-01, 2021-06-15, "
        "2021-09-30 (the last one only ends), or a length such as 10 days from 2021-04-01."
    )


def period_label(kind: str, period: Period) -> str:
    """`DJF 2020` for a season (by the year in which it starts: winter is named by its December), `2021` for a year."""
    if kind == "season":
        return f"{_SEASONS[period.first.month]} {period.first.year}"
    return str(period.first.year) if kind == "year" else period.label


@dataclass(frozen=True)
class Hours:
    """Hours of the local day: from `start` to `end` (over midnight where end < start), or, where both are equal, the
    layers that hold that time, each of which then stands for its day."""

    start: float
    end: float

    @property
    def moment(self) -> bool:
        return self.start == self.end

    @property
    def text(self) -> str:
        return _clock_time(self.start) if self.moment else f"{_clock_time(self.start)}-{_clock_time(self.end)}"

    @classmethod
    def parse(cls, text: str) -> Hours | None:
        """From `06:00`, `6` or `09:00-15:00`; None for an empty text. Raises InputError for anything else."""
        if not text.strip():
            return None
        found = re.fullmatch(r"\s*(\d\d?)(?::(\d\d))?(?:\s*-\s*(\d\d?)(?::(\d\d))?)?\s*", text)
        if found:
            hours = [int(found[k]) + int(found[k + 1] or 0) / 60 for k in (1, 3) if found[k]]
            minutes = [int(found[k] or 0) for k in (2, 4)]
            if max(hours) <= 24 and hours[0] < 24 and max(minutes) < 60 and (len(hours) == 1 or hours[0] != hours[1]):
                return cls(hours[0], hours[-1])
        raise InputError(f"Hours of the day {text.strip()!r} are not understood: give 06:00, or a range 09:00-15:00.")


@dataclass(frozen=True)
class Clock:
    """Turns periods into spans of seconds on a local clock, of which only `hours` count.

    Periods with times are in UTC and move by `utc_offset` hours; whole days are taken for days of the local clock, as
    they cannot be cut. Spans are exact integers, so that weights are exact too.
    """

    utc_offset: float = 0.0
    hours: Hours | None = None

    @property
    def name(self) -> str:
        """`UTC`, `UTC+08:00`."""
        if not self.utc_offset:
            return "UTC"
        return f"UTC{'+' if self.utc_offset > 0 else '-'}{_clock_time(abs(self.utc_offset))}"

    def local(self, period: Period) -> Period:
        """`period` on the local clock."""
        return period if period.whole_days else period.shifted(self.utc_offset)

    def span(self, period: Period) -> tuple[int, int]:
        """Start and end of a period on the local clock, in seconds of those that count."""
        return self._seconds(period.first), self._seconds(period.last)

    def layer_span(self, period: Period) -> tuple[int, int, int]:
        """Start and end of a layer on the local clock and its real length, in seconds; an empty span leaves it out."""
        if self.hours is None or not self.hours.moment:
            return (*self.span(period), round(period.days * _DAY))
        day, within = _split(period.first)
        moment = day * _DAY + round(self.hours.start * 3600)
        if within > round(self.hours.start * 3600):
            moment += _DAY
        if moment >= day * _DAY + within + round(period.days * _DAY):
            return 0, 0, _DAY
        start = moment // _DAY * _DAY
        return start, start + _DAY, _DAY

    def _seconds(self, moment: dt.datetime) -> int:
        """Seconds that count since day 0."""
        day, within = _split(moment)
        if self.hours is None or self.hours.moment:
            return day * _DAY + within
        start, end = round(self.hours.start * 3600), round(self.hours.end * 3600)
        pieces = [(start, end)] if start < end else [(0, end), (start, _DAY)]
        return sum(day * (b - a) + min(max(within - a, 0), b - a) for a, b in pieces)


def _starts(kind: str, year: int) -> Iterator[dt.date]:
    new_year = dt.date(year, 1, 1)
    if kind in ("day", "8 days", "16 days"):
        step = 1 if kind == "day" else int(kind.split()[0])
        for number in range(0, 365 + calendar.isleap(year), step):
            yield new_year + dt.timedelta(days=number)
        return
    months = {"season": (3, 6, 9, 12), "year": (1,)}.get(kind, range(1, 13))
    days = {"5 days": range(1, 27, 5), "dekad": (1, 11, 21)}.get(kind, (1,))
    for month in months:
        for day in days:
            yield dt.date(year, month, day)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} among the custom periods is not a date such as 2021-04-01.") from error


def _split(moment: dt.datetime) -> tuple[int, int]:
    """Day number and second of the day."""
    return moment.toordinal(), moment.hour * 3600 + moment.minute * 60 + moment.second


def _clock_time(hours: float) -> str:
    minutes = round(hours * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
