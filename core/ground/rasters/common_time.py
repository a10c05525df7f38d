"""Periods that several series share, and the layers that stand for each."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...raster.periods import Period, day
from ..metrics import Floats
from .source import RasterSource

Parts = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Shared:
    """`periods` in order of time; `parts[source][period]` are (layer, days) whose weighted mean stands for the period.

    A pixel's mean needs valid layers of at least `min_share` of the period's days (`needed`).
    """

    periods: tuple[Period | None, ...]
    parts: tuple[tuple[Parts, ...], ...]
    needed: Floats
    dropped: int

    def __len__(self) -> int:
        return len(self.periods)

    @property
    def days(self) -> Floats:
        """Middle of each period in days since 1 January of year 1; its number where undated."""
        return np.array(
            [k if p is None else sum(p.ordinals()) / 2 for k, p in enumerate(self.periods)], dtype=np.float64
        )

    @property
    def length(self) -> float:
        """Usual (median) length of a period in days; 0 where undated."""
        return float(np.median([0.0 if p is None else p.days for p in self.periods]))

    @property
    def labels(self) -> list[str]:
        return ["undated" if period is None else period.label for period in self.periods]


def shared_periods(sources: Sequence[RasterSource], min_share: float) -> Shared:
    """The periods of the source with the longest ones, where every source covers at least `min_share` of the days.

    A layer counts by its days in the period. Layers of parts of a day count as one day together, as an overpass stands
    for its day. Raises InputError where the dates do not meet.
    """
    undated = [source for source in sources if not source.dated]
    if undated:
        dated = next((source for source in sources if len(source.layers) > 1), None)
        if dated is not None:
            raise InputError(
                f"The {undated[0].role} ({undated[0].name}) carries no date but the {dated.role} has "
                f"{len(dated.layers)}: write its date into its name, such as _2021-08-03."
            )
        known = next((source for source in sources if source.dated), None)
        if known is not None:
            undated[0].notes[f"{undated[0].name} carries no date: it is taken to be of {known.span}."] = None
        return Shared((None,), tuple((((0, 1.0),),) for _ in sources), np.array([min_share]), 0)
    periods = _longest(sources)
    table = [parts_of(source, periods) for source in sources]
    kept = [
        k
        for k, period in enumerate(periods)
        if all(sum(days for _, days in parts[k]) >= min_share * period.days - 1e-9 for parts in table)
    ]
    if not kept:
        spans = "; ".join(f"{source.role} {source.span}" for source in sources)
        touched = sum(all(parts[k] for parts in table) for k in range(len(periods)))
        why = (
            f"{touched} periods are shared, but less than {min_share:.0%} of their days: lower the smallest share of a "
            "period"
            if touched
            else "check the dates in metadata or names"
        )
        raise InputError(f"The layers have no common period ({spans}): {why}.")
    needed = np.array([min_share * periods[k].days for k in kept])
    return Shared(
        tuple(periods[k] for k in kept),
        tuple(tuple(parts[k] for k in kept) for parts in table),
        needed,
        len(periods) - len(kept),
    )


def _longest(sources: Sequence[RasterSource]) -> list[Period]:
    """The periods of the source with the longest ones; days where all are parts of a day that do not coincide."""
    longest = max(sources, key=lambda source: source.length)
    periods = sorted(set(longest.dated))
    if longest.length < 1:
        shared = set.intersection(*(set(source.dated) for source in sources))
        if 2 * len(shared) < len(periods):
            return sorted({day(_middle(period)) for period in periods})
    return periods


def parts_of(source: RasterSource, periods: Sequence[Period]) -> list[Parts]:
    """The layers (and their days) of `source` that stand for each period."""
    own = source.dated
    bounds = np.array([period.ordinals() for period in own])
    lengths = bounds[:, 1] - bounds[:, 0]
    middle = np.floor(bounds.mean(axis=1))
    short = lengths < 1 - 1e-9
    # So many layers of parts of a day share the day that each stands for.
    _, place, count = np.unique(middle, return_inverse=True, return_counts=True)
    per_day = 1.0 / count[place]
    result = []
    for period in periods:
        start, end = period.ordinals()
        days = np.clip(np.minimum(bounds[:, 1], end) - np.maximum(bounds[:, 0], start), 0, None)
        if period.days >= 1:
            days = np.where(short & (days > 0), per_day, days)
        result.append(tuple((int(i), float(days[i])) for i in np.flatnonzero(days > 1e-9)))
    return result


def _middle(period: Period) -> dt.date:
    return dt.date.fromordinal(math.floor(sum(period.ordinals()) / 2))
