"""Columns of a table as users keep them: words for missing, dates in several orders, percent."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

ORDERS = ("auto", "iso", "day first", "month first")
UNITS = ("auto", "m3/m3", "percent")
_MISSING_WORDS = frozenset(
    ("", "no data", "no value", "n. a.")
    + tuple("- -- --- nan na n/a n.a. null none nil nat missing nodata no_data m * ?".split())
)
_MISSING_CODES = (-9999.0, -999.0, -99.0, -99.9, -999.9, -9999.9, 9999.0, 99999.0, 999.0)
# Drier soil than 0.6 percent by volume is rare; as m3/m3 that is saturation.
_DRIEST_PERCENT, _MOST_DRIEST = 0.6, 0.05
_CLOCK = r"\d{1,2}(?::?\d\d){0,2}(?:[.,]\d+)?\s*(?:[AaPp]\.?[Mm]\.?)?"
_TIME = rf"(?:[T\s,]+{_CLOCK}\s*(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?"
_ISO = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})(?:\2(\d{{1,2}}))?{_TIME}$")
_COMPACT = re.compile(rf"((?:19|20)\d\d)(\d\d)(\d\d)(?:\.0)?{_TIME}$")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_TIME}$")
_MONTH_NAMED = re.compile(rf"(\d{{1,2}})[-./]([A-Z]{{3}})[a-z]*[-./](\d{{4}}){_TIME}$", re.I)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_YEAR = re.compile(r"((?:19|20)\d\d)(?:\.0)?$")


@dataclass(frozen=True)
class Column:
    """A cleaned column: `values` (NaN or NaT where missing) and what was done to it."""

    values: NDArray
    notes: tuple[str, ...] = ()


def numbers(values: Iterable[object]) -> Column:
    """float64, NaN for missing words and codes (such as -9999); a decimal comma is read as a point.

    Text that is neither is left out and noted. Raises InputError when no number is left.
    """
    plain = isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
    result, strange = (np.array(values, dtype=np.float64), {}) if plain else _read_numbers(list(values))
    result[np.isin(result, _MISSING_CODES) | ~np.isfinite(result)] = math.nan
    if len(result) and not np.isfinite(result).any():
        what = f": the first is {next(iter(strange))!r}" if strange else ""
        raise InputError(f"The value field holds no number{what}; choose the field with the measured soil moisture.")
    notes: tuple[str, ...] = ()
    if strange:
        notes = (f"{sum(strange.values())} values are not numbers and were left out, such as {next(iter(strange))!r}.",)
    return Column(result, notes)


def dates(values: Iterable[object] | None, order: str = "auto", count: int = 0) -> Column:
    """datetime64[D] from dates, datetimes and text; NaT for missing, and for bare years, which do not name a day.

    `order` says how 03/04/2019 is meant ("day first", "month first"); "auto" takes the one order that all values allow.
    Times of day and zones are dropped. `values` None gives `count` undated rows. Raises InputError for text that is no
    date, for an order that some value contradicts, and in "auto" where nothing proves an order.
    """
    if order not in ORDERS:
        raise InputError(f"The order of dates must be one of {', '.join(ORDERS)}, not {order!r}.")
    if values is None:
        return Column(np.full(count, np.datetime64("NaT"), dtype="datetime64[D]"))
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return Column(values.astype("datetime64[D]"))
    items = list(values)
    # Few distinct dates stand for many rows: each is read once.
    distinct = {item if isinstance(item, (str, int)) else str(item): _text(item) for item in items}
    year_last = [match for text in distinct.values() if (match := _YEAR_LAST.match(text))]
    day_first, notes = _resolve_order(year_last, order)
    read = {key: _date(text, day_first) for key, text in distinct.items()}
    result = np.array(
        [read[item if isinstance(item, (str, int)) else str(item)] for item in items], dtype="datetime64[D]"
    )
    years = sum(bool(_YEAR.match(distinct[key])) for key in read)
    if years:
        notes.append("Dates that are only a year do not name a day: these observations count as undated.")
    if any((match := _ISO.match(text)) and match[4] is None for text in distinct.values()):
        notes.append("Dates that are only a month stand for the first day of it.")
    return Column(result, tuple(notes))


def volumetric(values: NDArray[np.float64], unit: str = "auto") -> Column:
    """Soil moisture in m3/m3; negative values become NaN and are noted.

    `unit` "percent" divides by 100, "m3/m3" keeps, "auto" takes values within 0..100 with a median above 1.5
    for percent. Raises InputError where the values contradict the unit.
    """
    if unit not in UNITS:
        raise InputError(f"The unit must be one of {', '.join(UNITS)}, not {unit!r}.")
    result = np.array(values, dtype=np.float64)
    notes = []
    if negative := int((result < 0).sum()):
        result[result < 0] = math.nan
        notes.append(f"{negative} negative values were left out.")
    known = result[np.isfinite(result)]
    if len(known) == 0:
        raise InputError("The value field holds no soil moisture: every value is missing or negative.")
    largest, middle = float(known.max()), float(np.median(known))
    if unit == "auto" and largest > 1.5:
        if largest > 100 or middle <= 1.5:
            raise InputError(
                f"Values reach {largest:g} with a median of {middle:g}: neither m3/m3 nor percent by volume; "
                "correct the outliers or convert the field to m3/m3 first."
            )
        low = known[(known > 0) & (known < _DRIEST_PERCENT)]
        if len(low) > _MOST_DRIEST * len(known):
            raise InputError(
                f"{len(low)} of {len(known)} values lie below {_DRIEST_PERCENT:g} while half are above {middle:g}: "
                "m3/m3 and percent seem to be mixed; bring them to one unit, or set the unit if they are in one."
            )
        unit = "percent"
        notes.append(f"Values run from {known.min():g} to {largest:g}: taken as percent by volume and divided by 100.")
    if unit == "percent":
        if largest > 100:
            raise InputError(f"Values reach {largest:g}, which no percentage by volume can: convert the field first.")
        if largest <= 1.0:
            notes.append(f"No value exceeds {largest:g} percent: check that the unit is not m3/m3.")
        result /= 100
    elif largest > 1.5:
        raise InputError(
            f"Values reach {largest:g}, which is not m3/m3: set the unit to percent if that is what they are."
        )
    if zeros := int((known == 0).sum()):
        notes.append(f"{zeros} values are exactly 0, often frozen soil or a failing sensor; they were kept.")
    return Column(result, tuple(notes))


def _read_numbers(items: list[object]) -> tuple[NDArray[np.float64], dict[str, int]]:
    """The numbers, and how often each text that is none occurs."""
    strange: dict[str, int] = {}
    try:
        # At once, where nothing is missing.
        return np.array(items, dtype=np.float64), strange
    except (TypeError, ValueError):
        result = np.full(len(items), math.nan)
    for i, item in enumerate(items):
        number = _number(item)
        if number is None:
            strange[str(item)] = strange.get(str(item), 0) + 1
        else:
            result[i] = number
    return result, strange


def _number(item: object) -> float | None:
    """NaN for missing, None for what is not a number."""
    if item is None:
        return math.nan
    if isinstance(item, (float, int, np.floating, np.integer)):
        return float(item)
    text = str(item).strip().strip('"').strip()
    if text.lower() in _MISSING_WORDS:
        return math.nan
    try:
        return float(text)
    except ValueError:
        pass
    try:
        # A decimal comma; with a point beside it the comma would only be a guess.
        return float(text.replace(",", ".")) if text.count(",") == 1 and "." not in text else None
    except ValueError:
        return None


def _text(item: object) -> str:
    if isinstance(item, (dt.date, np.datetime64)):
        text = "" if isinstance(item, np.datetime64) and np.isnat(item) else str(item)
    elif item is None or (isinstance(item, (float, np.floating)) and math.isnan(float(item))):
        text = ""
    else:
        text = str(item).strip().strip('"').strip()
    return "" if text.lower() in _MISSING_WORDS or text in ("-9999", "0") else text


def _resolve_order(year_last: Sequence[re.Match[str]], order: str) -> tuple[bool, list[str]]:
    if not year_last:
        return True, []
    example = year_last[0][0]
    if order == "iso":
        raise InputError(
            f"The date {example!r} does not begin with its year: set the order to day first or month first."
        )
    if order != "auto":
        return order == "day first", []
    proves_day = next((m for m in year_last if int(m[1]) > 12), None)
    proves_month = next((m for m in year_last if int(m[3]) > 12), None)
    if proves_day and proves_month:
        raise InputError(
            f"Dates are in two orders: {proves_day[0]!r} has the day first, {proves_month[0]!r} the month; use one."
        )
    if proves_day:
        return True, [f"Dates are read with the day first, as {proves_day[0]!r} shows."]
    if proves_month:
        return False, [f"Dates are read with the month first, as {proves_month[0]!r} shows."]
    if all(int(m[1]) == int(m[3]) for m in year_last):
        return True, []
    raise InputError(
        f"The date {example!r} may have the day or the month first and no other date tells: set the order of dates."
    )


def _date(text: str, day_first: bool) -> np.datetime64:
    if not text or _YEAR.match(text):
        return np.datetime64("NaT", "D")
    if match := _ISO.match(text):
        parts = (match[1], match[3], match[4] or "1")
    elif match := _COMPACT.match(text):
        parts = (match[1], match[2], match[3])
    elif match := _YEAR_LAST.match(text):
        parts = (match[4], match[3], match[1]) if day_first else (match[4], match[1], match[3])
    elif (match := _MONTH_NAMED.match(text)) and match[2].lower() in _MONTHS:
        parts = (match[3], str(_MONTHS.index(match[2].lower()) + 1), match[1])
    else:
        raise InputError(f"{text!r} is not a date: write dates as 2021-08-03, or 03/08/2021 with the order set.")
    try:
        return np.datetime64(dt.date(*map(int, parts)), "D")
    except ValueError as error:
        order = "day" if day_first else "month"
        hint = f" with the {order} first: set the other order of dates" if _YEAR_LAST.match(text) else ""
        raise InputError(f"{text!r} is not a date{hint or ': check the table'}.") from error
