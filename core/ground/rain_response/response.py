"""How soil moisture follows rain: correlations at lags, and what happens around events. Arrays are (steps, places)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...statistics import correlation
from ..metrics import Floats, n_effective

MOST_GAP = 3  # steps that a change of soil moisture may span
WET, BEFORE, AFTER = 1.0, 5, 10  # mm of a rainy day; days shown before and after an event
_LEVEL = 3  # days before an event whose mean is what the soil moisture rises from


@dataclass(frozen=True)
class LagCurve:
    """Correlation of `what` with rain (or its index) `0 … len(r) - 1` steps earlier; `p` with effective numbers."""

    what: str
    r: tuple[float, ...]
    p: tuple[float, ...]
    n: tuple[int, ...]
    n_effective: tuple[float, ...]

    @property
    def best(self) -> int | None:
        """The lag of the highest correlation."""
        return self.best_of(None)

    def best_of(self, lags: int | None) -> int | None:
        """The lag of the highest correlation of the first `lags`; None takes all."""
        known = [k for k, value in enumerate(self.r[:lags]) if math.isfinite(value)]
        return max(known, key=lambda k: self.r[k]) if known else None


@dataclass(frozen=True)
class EventResponse:
    """Soil moisture around events, day by day from -5 to 10, as change from the mean of the three days before.

    `curves` (events, 16). `rise`: mean over events of the highest change on days 0 to 3; `answered`: share of events
    with a rise above 0; `peak`: day of the highest mean change, 0 to 10.
    """

    events: int
    curves: Floats
    rise: float
    answered: float
    peak: int | None


DAYS = np.arange(-BEFORE, AFTER + 1)


def lag_curve(what: str, moisture: Floats, rain: Floats, lags: int, min_pairs: int) -> LagCurve:
    """Correlation of a series (steps,) with rain (steps,) at lags 0 to `lags`; NaN below `min_pairs`."""
    rows = [_correlate(moisture, _shifted(rain, lag), min_pairs) for lag in range(lags + 1)]
    r, p, n, effective = zip(*rows)
    return LagCurve(what, r, p, n, effective)


def change_curve(what: str, moisture: Floats, rain: Floats, lags: int, min_pairs: int) -> LagCurve:
    """Correlation of changes of soil moisture with the rain that fell over the same steps, shifted by the lag.

    A change is the difference to the last value, at most three steps before. `rain` as amounts, or their anomalies.
    """
    change, sums = changes(moisture, rain, lags)
    rows = [_correlate(change, sums[lag], min_pairs) for lag in range(lags + 1)]
    r, p, n, effective = zip(*rows)
    return LagCurve(what, r, p, n, effective)


def changes(moisture: Floats, rain: Floats, lags: int) -> tuple[Floats, list[Floats]]:
    """Changes of soil moisture (steps,), and per lag the rain from the value before (not included) to the value."""
    steps = len(moisture)
    known = np.flatnonzero(np.isfinite(moisture))
    change = np.full(steps, math.nan)
    sums = [np.full(steps, math.nan) for _ in range(lags + 1)]
    total = np.concatenate([[0.0], np.cumsum(np.where(np.isfinite(rain), rain, 0.0))])
    missing = np.concatenate([[0], np.cumsum(~np.isfinite(rain))])
    before, now = known[:-1], known[1:]
    near = now - before <= MOST_GAP
    before, now = before[near], now[near]
    change[now] = moisture[now] - moisture[before]
    for lag in range(lags + 1):
        first, last = before + 1 - lag, now + 1 - lag
        inside = first >= 0
        complete = np.zeros(len(now), dtype=bool)
        complete[inside] = missing[last[inside]] == missing[first[inside]]
        sums[lag][now[complete]] = total[last[complete]] - total[first[complete]]
    return change, sums


def find_events(rain: Floats, threshold: float, dry_days: int) -> list[int]:
    """Days of daily rain (steps,) of at least `threshold` mm after `dry_days` known days below 1 mm each."""
    with np.errstate(invalid="ignore"):
        dry = rain < WET
        heavy = rain >= threshold
    found = []
    for day in np.flatnonzero(heavy):
        before = dry[max(0, day - dry_days) : day]
        if len(before) == dry_days and before.all():
            found.append(int(day))
    return found


def event_response(moisture: Floats, events: list[int], rain: Floats, threshold: float) -> EventResponse:
    """Soil moisture (steps,) around `events`; those without a value before and one within three days after are left.

    What follows the next rain of `threshold` mm, two days on or later, belongs to that one.
    """
    rows = []
    for day in events:
        index = day + DAYS
        inside = (index >= 0) & (index < len(moisture))
        curve = np.full(len(DAYS), math.nan)
        curve[inside] = moisture[index[inside]]
        with np.errstate(invalid="ignore"):
            again = np.flatnonzero(rain[day + 2 : day + AFTER + 1] >= threshold)
        if len(again):
            curve[BEFORE + 2 + again[0] :] = math.nan
        level, after = curve[BEFORE - _LEVEL : BEFORE], curve[BEFORE : BEFORE + 4]
        if np.isfinite(level).any() and np.isfinite(after).any():
            rows.append(curve - np.nanmean(level))
    if not rows:
        return EventResponse(0, np.empty((0, len(DAYS))), math.nan, math.nan, None)
    curves = np.stack(rows)
    highest = np.nanmax(curves[:, BEFORE : BEFORE + 4], axis=1)
    mean = mean_of(curves)[BEFORE:]
    peak = int(np.nanargmax(mean)) if np.isfinite(mean).any() else None
    return EventResponse(len(rows), curves, float(highest.mean()), float((highest > 0).mean()), peak)


def day_of_rise(curves: Floats) -> int | None:
    """The day from -4 to 10 on which the mean over events (events, 16) climbs most; None where it never climbs."""
    steps = np.diff(mean_of(curves))
    if not np.isfinite(steps).any() or np.nanmax(steps) <= 0:
        return None
    return int(DAYS[1 + int(np.nanargmax(steps))])


def mean_of(curves: Floats) -> Floats:
    """Mean per day over events (events, days), NaN where fewer than three have a value (or one, if there are fewer)."""
    known = np.isfinite(curves)
    count = known.sum(axis=0)
    total = np.where(known, curves, 0.0).sum(axis=0)
    least = min(3, len(curves))
    return np.divide(total, count, out=np.full(count.shape, math.nan), where=count >= max(1, least))


def quantiles_of(curves: Floats, share: float) -> Floats:
    """Quantile per day over events, as `mean_of`."""
    result = np.full(curves.shape[1], math.nan)
    for k, column in enumerate(curves.T):
        known = column[np.isfinite(column)]
        if len(known) >= max(1, min(3, len(curves))):
            result[k] = np.quantile(known, share)
    return result


def _shifted(rain: Floats, lag: int) -> Floats:
    """What fell `lag` steps before."""
    result = np.full(rain.shape, math.nan)
    result[lag:] = rain[: len(rain) - lag]
    return result


def _correlate(a: Floats, b: Floats, min_pairs: int) -> tuple[float, float, int, float]:
    """r, p with the effective number of pairs, n and that number."""
    from scipy.stats import t as student

    both = np.isfinite(a) & np.isfinite(b)
    n = int(both.sum())
    if n < max(3, min_pairs):
        return math.nan, math.nan, n, math.nan
    r = correlation(a[both], b[both])
    size = n_effective(a[both], b[both], np.flatnonzero(both).astype(float))
    if not math.isfinite(size):
        size = float(n)
    if not math.isfinite(r) or size <= 2:
        return r, math.nan, n, size
    if abs(r) >= 1:
        return r, 0.0, n, size
    statistic = abs(r) * math.sqrt((size - 2) / (1 - r * r))
    return r, float(2 * student.sf(statistic, size - 2)), n, size
