"""The periods that products come in, and the one that belongs to a time stamp."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ...raster.periods import Period, month_of

AXIS = "axis"  # the length is told by the spacing of the time axis
START, CENTRE, END = "start", "centre", "end"
STAMPS = (START, CENTRE, END)
LENGTHS = {
    "hour": dt.timedelta(hours=1),
    "3 hours": dt.timedelta(hours=3),
    "6 hours": dt.timedelta(hours=6),
    "12 hours": dt.timedelta(hours=12),
    "day": dt.timedelta(days=1),
    "4 days": dt.timedelta(days=4),
    "5 days": dt.timedelta(days=5),
    "8 days": dt.timedelta(days=8),
    "dekad": dt.timedelta(days=10),
    "16 days": dt.timedelta(days=16),
    "month": dt.timedelta(days=30),
    "year": dt.timedelta(days=365),
}
_DAY = dt.timedelta(days=1)


def period_at(moment: dt.datetime, length: str, stamp: str = START) -> Period:
    """The period of `length` that is stamped `moment` at its start, centre or end.

    Parts of a day begin or end at the stamp. Days, dekads, months and the like are those of the calendar: an end stamp
    of midnight belongs to the period that it closes. 4-day and 8-day periods restart each 1 January, 16-day ones too
    or, as on Aqua, each 9 January: the last of a year is shorter. 5-day periods restart with each month, its last one
    has 3 to 6 days. Raises ValueError, saying why, for a start stamp on which no such period starts.
    """
    span = LENGTHS[length]
    if span < _DAY:
        start = moment - {START: 0 * span, CENTRE: span / 2, END: span}[stamp]
        return Period(start, start + span)
    inside = moment - dt.timedelta(microseconds=1) if stamp == END else moment
    date = inside.date()
    if length == "day":
        return Period(date, date + _DAY)
    if length == "month":
        return month_of(date)
    if length == "year":
        return Period(date.replace(month=1, day=1), dt.date(date.year + 1, 1, 1))
    if length in ("dekad", "5 days"):
        period = _part_of_month(date, span.days)
        if length == "5 days" and stamp == START and period.start != date:
            raise ValueError(f"no 5-day period starts on {date} (they start on day 1, 6, 11, 16, 21 and 26 of a month)")
        return period
    return _part_of_year(date, span.days, stamp)


def length_of(stamps: Sequence[dt.datetime], stamp: str = START) -> str | dt.timedelta | None:
    """The length of the periods stamped so, told by their spacing: a key of LENGTHS, a fixed span, or None.

    Periods that follow each other without a gap tell it; where some lack, the two that are closest.
    """
    ordered = sorted(set(stamps))
    gaps = [after - before for before, after in zip(ordered, ordered[1:])]
    if not gaps:
        return None
    for seamless in (True, False):
        for length, span in LENGTHS.items():
            like = span == min(gaps) if span <= _DAY else abs(span - min(gaps)) <= _DAY * _UNEVEN[length]
            if (seamless or like) and _fits(ordered, length, stamp, seamless):
                return length
    return gaps[0] if min(gaps) == max(gaps) else None


def since_midnight(ends: Sequence[dt.datetime]) -> list[tuple[Period, int | None]]:
    """For sums from midnight (UTC) to `ends`: the period of each difference and the step to subtract, None for none.

    00:00 closes the day before. The periods are as long as the steps are apart, shorter after midnight; a period that
    does not begin at midnight and has no step to subtract lacks a time step. Raises ValueError for a single time that
    is not midnight.
    """
    ordered = sorted(ends)
    span = min((after - before for before, after in zip(ordered, ordered[1:])), default=_DAY)
    if len(ends) == 1 and ends[0].time() != dt.time(0):
        raise ValueError(f"its one time step sums up from midnight to {ends[0]:%H:%M}: take files that hold all hours")
    result: list[tuple[Period, int | None]] = []
    number_at = {end: number for number, end in enumerate(ends)}
    for end in ends:
        midnight = dt.datetime.combine((end - dt.timedelta(microseconds=1)).date(), dt.time(0))
        start = max(midnight, end - span)
        result.append((Period(start, end), None if start == midnight else number_at.get(start)))
    return result


# Days by which the shortest gap between two of these periods may differ from their usual length.
_UNEVEN = {"4 days": 0, "5 days": 2, "8 days": 0, "dekad": 2, "16 days": 0, "month": 2, "year": 1}


def _fits(stamps: Sequence[dt.datetime], length: str, stamp: str, seamless: bool) -> bool:
    """Whether every stamp stands at its place of a period of its own (one after the other where `seamless`)."""
    try:
        periods = [period_at(one, length, stamp) for one in stamps]
    except ValueError:
        return False
    if any(after.first < before.last for before, after in zip(periods, periods[1:])):
        return False
    if seamless and any(after.first != before.last for before, after in zip(periods, periods[1:])):
        return False
    edges = [period.first if stamp == START else period.last for period in periods]
    return stamp == CENTRE or all(abs(edge - one) < _DAY for edge, one in zip(edges, stamps))


def _part_of_month(date: dt.date, days: int) -> Period:
    parts = 30 // days
    number = min((date.day - 1) // days, parts - 1)
    start = date.replace(day=1 + number * days)
    last = number == parts - 1
    return Period(start, month_of(date).last.date() if last else start + dt.timedelta(days=days))


def _part_of_year(date: dt.date, days: int, stamp: str) -> Period:
    new_year = date.replace(month=1, day=1)
    number, phase = divmod((date - new_year).days, days)
    if stamp != START:
        phase = 0
    elif phase not in ((0, 8) if days == 16 else (0,)):
        near = new_year + dt.timedelta(days=number * days)
        raise ValueError(
            f"no {days}-day period starts on {date} (they restart each 1 January, the one before starts on {near})"
        )
    start = new_year + dt.timedelta(days=number * days + phase)
    following = dt.date(date.year + 1, 1, 1) + dt.timedelta(days=phase)
    return Period(start, min(start + dt.timedelta(days=days), following))
