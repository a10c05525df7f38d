"""Station files to the observations that validation and calibration take."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.periods import Period
from ..metrics import Floats
from ..observations import Observations
from .importing import import_stations, notes_of
from .options import StationOptions
from .places import WGS84
from .reading import StationReadings


def station_observations(
    inputs: Iterable[str | Path],
    options: StationOptions,
    progress: Progress | None = None,
    periods: Sequence[Period | None] | None = None,
) -> Observations:
    """Observations of stations in files: daily means, or single readings where a period is a part of a day.

    With `periods` only the days within them are kept, and a station counts in a period of several days only where
    `min_share` of the days have a value. Raises InputError where nothing is left. Log the `notes` of the result,
    as for a point layer.
    """
    known = [period for period in periods or [] if period is not None]
    if known:
        part = not all(period.whole_days for period in known)
        last = max(one.last for one in known)
        # Whole days: the value of a day may stand for a part of it.
        span = Period(min(one.first for one in known).date(), (last + dt.timedelta(days=1)).date())
        options = replace(options, span=span, period="reading" if part else "day")
    names: list[str] = []
    columns: list[tuple[NDArray[np.datetime64], Floats]] = []
    places: list[tuple[float, float]] = []
    labels: dict[str, tuple[str, str]] = {}
    sparse = 0

    def take(station: StationReadings) -> None:
        nonlocal sparse
        key, value = station.means.key, station.means.value
        if known and station.daily and options.period == "reading":
            key, value = _at_parts_of_days(key, value, known)
        elif known:
            enough = _enough_days(key, known, options.min_share)
            sparse += int((~enough).sum())
            key, value = key[enough], value[enough]
        if len(key):
            names.append(station.name)
            columns.append((key, value))
            places.append((station.x, station.y))
            labels[station.name] = station.network, depth_label(station)

    result = import_stations(inputs, options, progress, take, tell_notes=False)
    if not columns:
        raise InputError(
            f"No station has values on {100 * options.min_share:.0f} % of the days of any of the product's periods: "
            "lower the least share of readings."
        )
    lengths = [len(key) for key, _ in columns]
    dropped: Counter[str] = Counter({f"readings: {reason}": count for reason, count in result.left_out.items()})
    dropped.update(result.sparse)
    if sparse:
        dropped["days of periods with too few days"] = sparse
    return Observations(
        np.repeat(np.array(names), lengths),
        np.repeat([x for x, _ in places], lengths),
        np.repeat([y for _, y in places], lengths),
        np.concatenate([key for key, _ in columns]),
        np.concatenate([value for _, value in columns]),
        WGS84,
        tuple(notes_of(result)),
        dict(dropped),
        _classes(labels),
    )


def depth_label(station: StationReadings) -> str:
    """Depths that a station's sensors measure, such as `5 cm` or `0-10 cm`; nothing where unknown."""
    top, bottom = 100 * station.depth_from, 100 * station.depth_to
    if np.isnan(top + bottom):
        return ""
    return f"{top:g} cm" if top == bottom else f"{top:g}-{bottom:g} cm"


def _classes(labels: dict[str, tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Network and depth of the stations in order of name, where they differ."""
    kinds = {"Network": 0, "Depth": 1}
    found = {kind: tuple(labels[name][k] for name in sorted(labels)) for kind, k in kinds.items()}
    return {kind: own for kind, own in found.items() if len(set(own)) > 1}


def _enough_days(key: NDArray[np.datetime64], periods: Sequence[Period], min_share: float) -> NDArray[np.bool_]:
    """Rows that lie in a period of which enough days are there; all where dates are missing."""
    if np.isnat(key).any():
        return np.ones(len(key), dtype=bool)
    result = np.zeros(len(key), dtype=bool)
    for period in periods:
        start, end = np.searchsorted(key, [np.datetime64(period.start), np.datetime64(period.end)])
        if period.days <= 1 or end - start >= min_share * period.days:
            result[start:end] = True
    return result


def _at_parts_of_days(
    key: NDArray[np.datetime64], value: Floats, periods: Sequence[Period]
) -> tuple[NDArray[np.datetime64], Floats]:
    """Values of whole days at the start of every part of a day that is asked for: the day's value stands for it."""
    if len(key) == 0 or np.isnat(key).any():
        return key, value
    start = np.array(sorted({period.first for period in periods}), dtype="datetime64[m]")
    at = np.minimum(np.searchsorted(key, start.astype("datetime64[D]")), len(key) - 1)
    same = key[at].astype("datetime64[D]") == start.astype("datetime64[D]")
    return start[same], value[at[same]]
