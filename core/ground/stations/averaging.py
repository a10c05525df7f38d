"""Readings to means of days, dekads and months, where enough of them are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics import Floats
from .series import Series

_DAY = 1440


@dataclass(frozen=True)
class Means:
    """Means by `key` (datetime64, the period's start, or the reading's time) and the readings in each."""

    key: NDArray[np.datetime64]
    value: Floats
    readings: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.key)


def offset_minutes(clock: str, longitude: float, hours: float) -> int:
    """Minutes to add to UTC: none, by the longitude (4 minutes per degree), or as set."""
    if clock == "local solar time":
        return round(4 * longitude)
    return round(60 * hours) if clock == "hours from UTC" else 0


def day_means(
    series: Series, value: Floats, offset: int, hours: tuple[float, float], min_share: float
) -> tuple[Means, int]:
    """Daily means, and how many days had too few readings.

    Days begin at midnight of UTC + `offset` minutes; daily series keep their own days. A day needs `min_share` of the
    usual number of readings: the median over the days with any (in `hours`), missing and flagged ones included.
    """
    minutes = series.time.astype("datetime64[m]").astype(np.int64) + (0 if series.daily else offset)
    known = ~np.isnat(series.time)
    if not series.daily:
        known &= _within(minutes, hours)
    days, values = minutes[known] // _DAY, value[known]
    if len(days) == 0:
        return Means(np.array([], dtype="datetime64[D]"), np.array([]), np.array([], dtype=np.intp)), 0
    key, number = np.unique(days, return_inverse=True)
    usual = float(np.median(np.bincount(number)))
    good = np.isfinite(values)
    count = np.bincount(number[good], minlength=len(key))
    total = np.bincount(number[good], weights=values[good], minlength=len(key))
    enough = (count > 0) & (count >= min_share * usual)
    sparse = int(((count > 0) & ~enough).sum())
    return Means(key[enough].astype("datetime64[D]"), total[enough] / count[enough], count[enough]), sparse


def readings_of(series: Series, value: Floats, offset: int, hours: tuple[float, float]) -> Means:
    """Every usable reading within `hours` (by the clock of UTC + `offset` minutes), by its time in UTC."""
    good = np.isfinite(value)
    if not series.daily:
        good &= _within(series.time.astype("datetime64[m]").astype(np.int64) + offset, hours)
    return Means(series.time[good].astype("datetime64[m]"), value[good], np.ones(int(good.sum()), dtype=np.intp))


def combined(parts: list[Means], thickness: Floats, min_thickness: float) -> tuple[Means, int]:
    """Means of several depths weighted by thickness, and how many keys have less than `min_thickness` (m) in all."""
    keys = np.unique(np.concatenate([part.key for part in parts]))
    weight, total, readings = np.zeros(len(keys)), np.zeros(len(keys)), np.zeros(len(keys), dtype=np.intp)
    # Relative to the thickest, so that one sensor alone keeps its values to the last digit.
    thickest = float(thickness.max())
    for part, own in zip(parts, thickness / thickest):
        at = np.searchsorted(keys, part.key)
        weight[at] += own
        total[at] += own * part.value
        readings[at] += part.readings
    enough = weight * thickest >= min_thickness * (1 - 1e-9)
    return Means(keys[enough], total[enough] / weight[enough], readings[enough]), int((~enough).sum())


def averaged(parts: list[Means]) -> Means:
    """Means of several sensors of one depth: of those that have a value."""
    if len(parts) == 1:
        return parts[0]
    ones = np.ones(len(parts))
    return combined(parts, ones, 0.0)[0]


def period_means(daily: Means, period: str, min_share: float) -> tuple[Means, int]:
    """Means of daily means by `dekad` (1st, 11th, 21st of a month) or `month`, and how many had too few days.

    A period needs `min_share` of its usual days: all of them, or fewer for series that pause between days (median gap).
    """
    if period == "day" or len(daily) == 0:
        return daily, 0
    month = daily.key.astype("datetime64[M]")
    start, end = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
    if period == "dekad":
        part = np.minimum((daily.key - start).astype(np.int64) // 10, 2)
        start = start + 10 * part
        end = np.where(part < 2, start + 10, end)
    key, first, number = np.unique(start, return_index=True, return_inverse=True)
    length = (end - start)[first].astype(np.int64)
    gap = float(np.median(np.diff(daily.key).astype(np.int64))) if len(daily) > 1 else 1.0
    count = np.bincount(number)
    enough = count >= min_share * np.maximum(1, length / gap)
    value = np.bincount(number, weights=daily.value) / count
    readings = np.bincount(number, weights=daily.readings).astype(np.intp)
    return Means(key[enough], value[enough], readings[enough]), int((~enough).sum())


def _within(minutes: NDArray[np.int64], hours: tuple[float, float]) -> NDArray[np.bool_]:
    if hours == (0.0, 24.0):
        return np.ones(len(minutes), dtype=bool)
    clock, (start, end) = minutes % _DAY / 60, hours
    return (clock >= start) & (clock < end) if start < end else (clock >= start) | (clock < end)
