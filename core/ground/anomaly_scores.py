"""Agreement of departures from the season: whether a product knows a wet week from a dry one, not only the season."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..statistics import correlation
from .anomalies import WINDOW_DAYS, anomalies, climatology, climatology_anomalies
from .comparison import Interval, station_bootstrap
from .matching import Pairs
from .metrics import NAN, Floats, n_effective, r_interval

FEWEST = 10  # anomalies of a station
YEARS = 3  # of a calendar month
_DAILY = 8.0  # days between periods up to which a window holds enough of them
_IN_WINDOW = 4


@dataclass(frozen=True)
class AnomalyScores:
    """R of anomalies, pooled over stations and as the mean of the stations' own, by source.

    `station_r` is by source and station number (NaN where too few). `reason` says why there are none. `gain` is the
    pooled R of the product minus that of the smooth source, with an interval from resamples of stations.
    """

    method: str = ""
    reason: str = ""
    n: int = 0
    n_effective: float = NAN
    stations: int = 0
    pooled_r: dict[str, Interval] = field(default_factory=dict)
    mean_r: dict[str, float] = field(default_factory=dict)
    gain: Interval = Interval(NAN)
    station_r: dict[str, Floats] = field(default_factory=dict)


def anomaly_scores(pairs: Pairs, series: dict[str, Floats], min_pairs: int, seed: int = 0) -> AnomalyScores:
    """Anomalies of observations and of every source at the same station and dates, and how well they agree.

    From the mean of 35 days around where periods are up to 8 days apart, else from the mean of the calendar month over
    at least 3 years.
    """
    if any(period is None for period in pairs.periods):
        return AnomalyScores(reason="Without dates there is no season to leave out.")
    time = np.array([sum(period.ordinals()) / 2 for period in pairs.periods if period is not None])
    present = np.unique(time[pairs.period])
    steps = np.diff(present)
    if len(steps) < FEWEST - 1:
        return AnomalyScores(reason=f"Fewer than {FEWEST} dates show no departures from the season.")
    span, step = float(np.ptp(present)), float(np.median(steps))
    daily = step <= _DAILY
    if daily and span < 2 * WINDOW_DAYS:
        return AnomalyScores(
            reason=f"The pairs span {span:.0f} days; departures from a mean of {WINDOW_DAYS:.0f} days need twice that "
            "window."
        )
    if not daily and span < 365 * (YEARS - 1) + 180:
        return AnomalyScores(
            reason=f"The pairs span {span / 365.25:.1f} years; departures from the mean of a calendar month need "
            f"{YEARS} years."
        )
    # Whole matrices of periods and stations: gaps are NaN, the same for all sources.
    rows, stations = np.unique(pairs.period), len(pairs.stations)
    place = np.searchsorted(rows, pairs.period)
    columns = {}
    for source, values in (("observed", pairs.observed), *series.items()):
        table = np.full((len(rows), stations), math.nan)
        table[place, pairs.station] = values
        columns[source] = _departures(time[rows], table, daily, step)
    known = np.logical_and.reduce([np.isfinite(table) for table in columns.values()])
    known &= known.sum(axis=0) >= max(min_pairs, FEWEST)
    if not known.any():
        return AnomalyScores(
            reason=f"No station has {max(min_pairs, FEWEST)} departures from "
            f"{'a mean of 35 days' if daily else f'the mean of a calendar month over {YEARS} years'}: the records are "
            "too short or have too many gaps."
        )
    return _scores(columns, known, time[rows], daily, seed)


def _departures(time: Floats, table: Floats, daily: bool, step: float) -> Floats:
    if daily:
        return anomalies(time, table, WINDOW_DAYS, min_fraction=min(1.0, _IN_WINDOW * step / WINDOW_DAYS))
    least = YEARS * max(1, round(30.4 / step))
    usual = climatology(time, table, by="month", smooth_days=1, smooth_climatology=1, min_years=least)
    return climatology_anomalies(time, table, usual)


def _scores(
    columns: dict[str, Floats], known: NDArray[np.bool_], time: Floats, daily: bool, seed: int
) -> AnomalyScores:
    observed = columns.pop("observed")
    own = {source: np.full(known.shape[1], math.nan) for source in columns}
    size = 0.0
    used = np.flatnonzero(known.any(axis=0))
    for k in used:
        at = known[:, k]
        for source, table in columns.items():
            own[source][k] = correlation(table[at, k], observed[at, k])
        worth = n_effective(columns["product"][at, k], observed[at, k], time[at])
        worth = float(at.sum()) if math.isnan(worth) else worth
        # A mean per calendar month costs as many values as there are months.
        size += worth if daily else max(3.0, min(worth, at.sum() - min(12, at.sum() // YEARS)))
    row, station = np.nonzero(known)
    y = observed[row, station]
    flat = {source: table[row, station] for source, table in columns.items()}
    pooled = {source: correlation(values, y) for source, values in flat.items()}
    gain = Interval(NAN)
    if "smooth" in flat:
        gain = station_bootstrap(flat["product"], flat["smooth"], y, station, min_pairs=FEWEST, seed=seed).pooled_r
    complete = np.logical_and.reduce([np.isfinite(values[used]) for values in own.values()])
    return AnomalyScores(
        method="mean of 35 days" if daily else "mean of the calendar month",
        n=len(y),
        n_effective=size,
        stations=len(used),
        pooled_r={source: Interval(r, *r_interval(r, size)) for source, r in pooled.items()},
        mean_r={s: float(v[used][complete].mean()) if complete.any() else NAN for s, v in own.items()},
        gain=gain,
        station_r=own,
    )
