"""When the readings of a table were made: a column of times, or columns with parts of them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import numpy as np

from .options import TableOptions
from .sources import BadStationFile
from .table_columns import Columns, spoken
from .table_text import TextTable
from .times import Times, read_times

_LIKE_A_DATE = re.compile(r"\b(date|month|doy|day of year|julian|jday|hour|datum)\b")


def times_of(table: TextTable, columns: Columns, options: TableOptions) -> tuple[Times, list[str]]:
    """The time of every row, and what was guessed.

    Raises BadStationFile where no column is known as the date but one is named like it.
    """
    parts = [part for part in ("date", "year", "month", "day", "doy") if part in columns.role]
    if not {"date", "year"} & set(parts):
        like = [name for name in table.names if _LIKE_A_DATE.search(spoken(name))]
        if like and "date" not in options.columns:
            raise BadStationFile(
                f"has no column known as the date, but {like[0]!r}: set the columns, such as date={like[0]}, or date= "
                "for readings without a date"
            )
        undated = np.full(len(table), np.datetime64("NaT"), dtype="datetime64[m]")
        return Times(undated, True), ["no dates"]
    named = [table.names[columns.role[part]] for part in parts]
    cells = [table.columns[columns.role[part]] for part in parts]
    items: Sequence[str] = cells[0]
    if "doy" in parts:
        items = [_of_year(year, day) for year, day in zip(*cells)]
    elif len(parts) == 3:
        items = ["-".join(part.strip().zfill(2) for part in day) for day in zip(*cells)]
    told = [f"date: {' '.join(named)!r}"]
    clock = columns.role.get("clock")
    if clock is not None and not any(":" in text for text in items[:20]):
        minute = columns.role.get("minute")
        clocks = [clock_text(text) for text in table.columns[clock]]
        named.append(table.names[clock])
        if minute is not None and all(text.endswith(":00") for text in clocks):
            named.append(table.names[minute])
            clocks = [f"{text[:-2]}{part.strip().zfill(2)}" for text, part in zip(clocks, table.columns[minute])]
        told.append(f"time of day: {' '.join(named[len(parts) :])!r}")
        items = [f"{day} {text}" for day, text in zip(items, clocks)]
    times = read_times(items, options.order, options.zone_hours, " ".join(named))
    return times, [*told, *times.notes]


def clock_text(text: str) -> str:
    """`9`, `930` and `0930` as a time of day; other text as it is."""
    text = text.strip()
    if re.fullmatch(r"\d{1,2}(\.0+)?", text):
        return f"{int(float(text)):02d}:00"
    return f"{int(text) // 100:02d}:{int(text) % 100:02d}" if re.fullmatch(r"\d{3,4}", text) else text


def _of_year(year: str, day: str) -> str:
    """A year and its day (`105`, or `105.5` for noon) as a date; other text as it is."""
    try:
        number = float(day.replace(",", "."))
        if not 1 <= number < 367:
            raise ValueError
        moment = dt.datetime(int(float(year)), 1, 1) + dt.timedelta(minutes=round(1440 * (number - 1)))
    except ValueError:
        return f"{year} day {day}".strip() if year.strip() and day.strip() else ""
    return moment.strftime("%Y-%m-%d" if number.is_integer() else "%Y-%m-%d %H:%M")
