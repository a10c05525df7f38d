"""Departures of soil moisture from its season: what is left when summer and winter no longer help a score."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
WINDOW_DAYS = 35.0
# Days before each month in a leap year, so that the same date has the same number every year.
_BEFORE = np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30])


def anomalies(
    days: ArrayLike, values: ArrayLike, window_days: float = WINDOW_DAYS, min_fraction: float = 0.0
) -> Floats:
    """Values minus their moving mean over `window_days`, centred on each (pytesmo `calc_anomaly`).

    `days` (n,) are datetime64 or day numbers in any order and at any spacing, `values` (n, ...) are series along the
    first axis; NaN stays NaN. `min_fraction` is the least share of the values a full window holds at the usual (median)
    step that must be there, else the anomaly is NaN: half of them are missing at the ends of a record.
    """
    series = np.asarray(values, dtype=np.float64)
    time = _day_numbers(days)
    mean, count = _moving_mean(time, series, window_days)
    if min_fraction > 0:
        mean[count < min_fraction * window_days / _usual_step(time)] = math.nan
    return np.asarray(series - mean)


def climatology(
    days: ArrayLike,
    values: ArrayLike,
    *,
    by: str = "day",
    smooth_days: float = 5.0,
    smooth_climatology: float | None = None,
    min_years: int = 1,
) -> Floats:
    """The usual course of the year, (366, ...) by day or (12, ...) by month (pytesmo `calc_climatology`).

    The series is smoothed over `smooth_days`, averaged per day of a leap year or per month, and the result smoothed
    over `smooth_climatology` entries round the turn of the year (35 days or 3 months unless given; 1 leaves it as it
    is). Entries from fewer than `min_years` values are NaN before that last step. `days` as `datetime64` or
    `datetime.date.toordinal` numbers; `values` (n, ...).
    """
    series = np.asarray(values, dtype=np.float64)
    time = _day_numbers(days)
    index, size = year_index(days, by), {"day": 366, "month": 12}[by]
    shape = series.shape[1:]
    columns = series.reshape(len(series), -1)
    # As in pytesmo, a gap is filled by the mean of the days around it.
    smooth = _moving_mean(time, columns, smooth_days)[0]
    known = np.isfinite(smooth)
    total, count = np.zeros((size, columns.shape[1])), np.zeros((size, columns.shape[1]))
    np.add.at(total, index, np.where(known, smooth, 0.0))
    np.add.at(count, index, known)
    mean = np.full(total.shape, math.nan)
    np.divide(total, count, out=mean, where=count >= max(1, min_years))
    window = {"day": 35, "month": 3}[by] if smooth_climatology is None else smooth_climatology
    turns = int(math.ceil(window))
    round_year = np.concatenate([mean[-turns:], mean, mean[:turns]])
    smoothed = _moving_mean(np.arange(len(round_year), dtype=float), round_year, window)[0][turns:-turns]
    return np.asarray(smoothed.reshape(size, *shape))


def climatology_anomalies(days: ArrayLike, values: ArrayLike, usual: Floats) -> Floats:
    """Values (n, ...) minus the `climatology` (366, ...) or (12, ...) of their day or month."""
    by = "month" if len(usual) == 12 else "day"
    return np.asarray(np.asarray(values, dtype=np.float64) - usual[year_index(days, by)])


def year_index(days: ArrayLike, by: str = "day") -> NDArray[np.intp]:
    """Day of a leap year (0 to 365) or month (0 to 11) of every date."""
    dates = _dates(days)
    month = dates.astype("datetime64[M]").astype(np.int64) % 12
    if by == "month":
        return month.astype(np.intp)
    day = (dates - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    return (_BEFORE[month] + day).astype(np.intp)


def _dates(days: ArrayLike) -> NDArray[np.datetime64]:
    given = np.asarray(days)
    if np.issubdtype(given.dtype, np.datetime64):
        return given.astype("datetime64[D]")
    epoch = 719163  # datetime.date(1970, 1, 1).toordinal()
    return (np.floor(given.astype(np.float64)).astype(np.int64) - epoch).astype("datetime64[D]")


def _day_numbers(days: ArrayLike) -> Floats:
    given = np.asarray(days)
    if np.issubdtype(given.dtype, np.datetime64):
        return (given.astype("datetime64[s]").astype(np.int64) / 86400).astype(np.float64)
    return given.astype(np.float64)


def _usual_step(time: Floats) -> float:
    steps = np.diff(np.unique(time))
    return float(np.median(steps)) if len(steps) else 1.0


def _moving_mean(time: Floats, series: Floats, window: float) -> tuple[Floats, Floats]:
    """Mean and number of finite values within half a window of every time, as (n, ...); NaN where there are none."""
    order = np.argsort(time, kind="stable")
    sorted_time, sorted_values = time[order], series[order]
    # Rounding must not push a day at exactly half a window out.
    half = window / 2 + 1e-9
    first = np.searchsorted(sorted_time, sorted_time - half, side="left")
    last = np.searchsorted(sorted_time, sorted_time + half, side="right")
    known = np.isfinite(sorted_values)
    n = known.sum(axis=0)
    # About their mean, so that running sums keep their digits.
    centre = np.where(n > 0, np.where(known, sorted_values, 0.0).sum(axis=0) / np.maximum(n, 1), 0.0)
    ahead = np.zeros((1, *series.shape[1:]))
    sums = np.concatenate([ahead, np.cumsum(np.where(known, sorted_values - centre, 0.0), axis=0)])
    counts = np.concatenate([ahead, np.cumsum(known, axis=0)])
    count = counts[last] - counts[first]
    mean, back = np.full(series.shape, math.nan), np.empty(len(order), dtype=np.intp)
    np.divide(sums[last] - sums[first], count, out=mean, where=count > 0)
    back[order] = np.arange(len(order))
    return np.asarray((mean + centre)[back]), np.asarray(count[back])
