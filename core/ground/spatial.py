"""Agreement in space: over the stations of a period, and over those that share a coarse cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..statistics import correlation
from .comparison import Interval, station_bootstrap
from .matching import Pairs
from .metrics import Floats

_MIN_CELLS = 3


@dataclass(frozen=True)
class SpatialAgreement:
    """Correlation over the stations within each period, and its mean over the periods in which every source has one."""

    periods: int
    mean: dict[str, float]
    median: dict[str, float]
    rows: tuple[tuple[str, int, dict[str, float]], ...]  # period, stations, r by source


@dataclass(frozen=True)
class InsideCell:
    """Correlation of differences from the mean of the stations that share a coarse cell and a period.

    The replicated coarse cell has none by construction: only detail inside the cells scores here.
    """

    cells: int
    stations: int
    n: int
    r: dict[str, float]
    product_r: Interval
    gain_over_smooth: Interval


def spatial_agreement(pairs: Pairs, series: dict[str, Floats], min_pairs: int) -> SpatialAgreement | None:
    rows = []
    for k in np.unique(pairs.period):
        at = pairs.period == k
        if at.sum() >= min_pairs:
            r = {source: correlation(values[at], pairs.observed[at]) for source, values in series.items()}
            period = pairs.periods[k]
            rows.append(("undated" if period is None else period.label, int(at.sum()), r))
    # A source that never has a correlation (all stations in one coarse cell) must not empty the means of the others.
    alive = [source for source in series if any(not math.isnan(r[source]) for _, _, r in rows)]
    common = [r for _, _, r in rows if alive and all(not math.isnan(r[source]) for source in alive)]
    if not common:
        return None
    values = {source: [r[source] for r in common] for source in series}
    return SpatialAgreement(
        len(common),
        {s: float(np.mean(v)) for s, v in values.items()},
        {s: float(np.median(v)) for s, v in values.items()},
        tuple(rows),
    )


def inside_cells(pairs: Pairs, seed: int) -> InsideCell | None:
    _, group = np.unique(np.stack([pairs.cell, pairs.period]), axis=1, return_inverse=True)
    group = group.ravel()
    count = np.bincount(group)
    shared = count[group] > 1
    cells = np.unique(pairs.cell[shared])
    if len(cells) < _MIN_CELLS:
        return None
    contrast = {
        name: (values - (np.bincount(group, values) / count)[group])[shared]
        for name, values in (
            ("observed", pairs.observed),
            ("product", pairs.predicted),
            ("smooth", pairs.smooth),
        )
    }
    # Whole cells are drawn: contrasts within one depend on each other.
    draws = station_bootstrap(
        contrast["product"],
        contrast["smooth"],
        contrast["observed"],
        pairs.cell[shared],
        seed=seed,
    )
    r = {source: correlation(contrast[source], contrast["observed"]) for source in ("product", "smooth")}
    return InsideCell(
        len(cells),
        len(np.unique(pairs.station[shared])),
        int(shared.sum()),
        {**r, "coarse": 0.0},
        draws.product_r,
        draws.pooled_r,
    )
