"""The days, or longer periods, in which rain and soil moisture are compared."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...raster.periods import Period, day
from ..metrics import Floats
from ..observations import Observations
from ..rasters.source import RasterSource


def common_steps(
    rainfall: RasterSource, moisture: Sequence[RasterSource], observations: Observations | None
) -> tuple[list[Period], str]:
    """Days where all series are daily or finer, else the periods of the one with the longest."""
    longest = max([rainfall, *moisture], key=lambda source: source.length)
    if longest.length <= 1:
        first = max(_first_day(source.dated[0]) for source in [rainfall, *moisture] if source.dated)
        last = min(_last_day(source.dated[-1]) for source in [rainfall, *moisture] if source.dated)
        if observations is not None:
            known = observations.date[~np.isnat(observations.date)].astype("datetime64[D]")
            first = max(first, known.min().astype(object))
            last = min(last, known.max().astype(object))
        # Rain before the first soil moisture fills the index.
        first = max(_first_day(rainfall.dated[0]), first - dt.timedelta(days=40))
        count = (last - first).days + 1
        return [day(first + dt.timedelta(days=k)) for k in range(max(0, count))], "day"
    kind = "month" if 27 < longest.length < 32 else f"{longest.length:g} days"
    return sorted(set(longest.dated)), kind


def _first_day(period: Period) -> dt.date:
    return period.first.date()


def _last_day(period: Period) -> dt.date:
    return (period.last - dt.timedelta(seconds=1)).date()


def even_axis(steps: Sequence[Period]) -> tuple[int, np.ndarray]:
    """Length of an even axis and the place of each step on it, so that lags cross gaps rightly."""
    length = float(np.median([period.days for period in steps]))
    if 27 < length < 32:
        place = np.array([12 * p.start.year + p.start.month for p in steps])
    else:
        place = np.round(np.array([p.ordinals()[0] for p in steps]) / length).astype(int)
        if len(np.unique(place)) < len(place):
            place = np.arange(len(steps))
    place = place - place[0]
    return int(place[-1]) + 1, place


def spread(values: Floats, index: np.ndarray, axis: int) -> Floats:
    """(axis, places): values (steps, places) at their places on an even axis, NaN between."""
    result = np.full((axis, values.shape[1]), math.nan)
    result[index] = values
    return result


def check_dates(rainfall: RasterSource, moisture: Sequence[RasterSource], observations: Observations | None) -> None:
    """Raise InputError where soil moisture has no dates, or none that rain has."""
    spans = [(source.name, source.dated) for source in moisture]
    for name, dated in spans:
        if not dated:
            raise InputError(f"{name} carries no date: write dates into the names, such as _2021-08-03.")
        if dated[-1].last <= rainfall.dated[0].first or dated[0].first >= rainfall.dated[-1].last:
            raise InputError(
                f"Rain ({rainfall.span}) and soil moisture ({dated[0].label} to {dated[-1].label}) share no date."
            )
    if observations is not None:
        known = observations.date[~np.isnat(observations.date)]
        first, last = known.min().astype("datetime64[s]"), known.max().astype("datetime64[s]")
        start, end = np.datetime64(rainfall.dated[0].first, "s"), np.datetime64(rainfall.dated[-1].last, "s")
        if last < start or first >= end:
            raise InputError(
                f"Rain ({rainfall.span}) and stations ({str(first)[:10]} to {str(last)[:10]}) share no date."
            )
