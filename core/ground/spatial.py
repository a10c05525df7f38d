"""Agreement in space: over the stations of a period, and over those that share a coarse cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..statistics import correlation
from .comparison import FEWEST_UNITS, REPEATS, Interval, percentile_interval, station_bootstrap
from .matching import Pairs
from .metrics import Floats, rows_by

_MIN_CELLS = 3
_DRAWS = 500
_DATES = 200


@dataclass(frozen=True)
class SpatialAgreement:
    """Correlation over the stations within each period, and its mean over the periods in which every source has one.

    `drawn` is that mean with its interval from resamples of stations: the same few stations on many dates are few.
    """

    periods: int
    mean: dict[str, float]
    median: dict[str, float]
    rows: tuple[tuple[str, int, dict[str, float]], ...]  # period, stations, r by source
    drawn: dict[str, Interval]


@dataclass(frozen=True)
class Ranking:
    """How often the wetter of two stations in the same coarse cell and period is the wetter one on the map too.

    `right` of `pairs` comparisons; two equal values count half, since a coin would do as well (0.5 is chance).
    """

    pairs: int
    right: float
    share: Interval


@dataclass(frozen=True)
class InsideCell:
    """Correlation of differences from the mean of the stations that share a coarse cell and a period.

    The replicated coarse cell has none by construction: only detail inside the cells scores here. `ranking` holds the
    product and its smooth source.
    """

    cells: int
    stations: int
    n: int
    r: dict[str, float]
    product_r: Interval
    gain_over_smooth: Interval
    ranking: dict[str, Ranking]


def spatial_agreement(
    pairs: Pairs, series: dict[str, Floats], min_pairs: int, seed: int = 0
) -> SpatialAgreement | None:
    rows, kept = [], []
    for at in rows_by(pairs.period):
        if len(at) >= min_pairs:
            r = {source: correlation(values[at], pairs.observed[at]) for source, values in series.items()}
            period = pairs.periods[pairs.period[at[0]]]
            rows.append(("undated" if period is None else period.label, len(at), r))
            kept.append(at)
    common = _common(rows, list(series))
    values = {source: [rows[k][2][source] for k in common] for source in series}
    count = len(common)
    if not count:
        return None
    return SpatialAgreement(
        count,
        {s: float(np.mean(v)) for s, v in values.items()},
        {s: float(np.median(v)) for s, v in values.items()},
        tuple(rows),
        _over_stations(pairs, series, [kept[k] for k in common], values, seed),
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
        {
            source: rank_inside(pairs.observed[shared], values[shared], group[shared], pairs.cell[shared], seed)
            for source, values in (("product", pairs.predicted), ("smooth", pairs.smooth))
        },
    )


def rank_inside(
    observed: Floats, predicted: Floats, group: NDArray[np.intp], cell: NDArray[np.intp], seed: int = 0
) -> Ranking:
    """Comparisons of all stations of a `group` (a cell in a period) with each other; whole cells are resampled."""
    order = np.argsort(group, kind="stable")
    y, x, same, place = observed[order], predicted[order], group[order], np.unique(cell[order], return_inverse=True)[1]
    places = int(place.max()) + 1
    right, count = np.zeros(places), np.zeros(places)
    for step in range(1, int(np.bincount(group).max())):
        up, down = y[step:] - y[:-step], x[step:] - x[:-step]
        # Two stations that measure the same cannot be ranked.
        compared = (same[step:] == same[:-step]) & (up != 0)
        won = np.where(np.abs(down) <= 1e-12, 0.5, (up > 0) == (down > 0))
        right += np.bincount(place[step:][compared], weights=won[compared], minlength=places)
        count += np.bincount(place[step:][compared], minlength=places)
    total, pairs = float(right.sum()), int(count.sum())
    if pairs == 0:
        return Ranking(0, 0.0, Interval(math.nan))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(places, np.full(places, 1 / places), size=REPEATS) @ np.stack([right, count], axis=1)
    with np.errstate(invalid="ignore"):
        return Ranking(pairs, total, percentile_interval(total / pairs, drawn[:, 0] / drawn[:, 1], places))


def _common(rows: Sequence[tuple[str, int, dict[str, float]]], sources: list[str]) -> list[int]:
    """Numbers of the periods in which all sources have an r."""
    # A source that never has a correlation (all stations in one coarse cell) must not empty the means of the others.
    alive = [source for source in sources if any(not math.isnan(r[source]) for _, _, r in rows)]
    if not alive:
        return []
    return [k for k, (_, _, r) in enumerate(rows) if all(not math.isnan(r[source]) for source in alive)]


def _over_stations(
    pairs: Pairs, series: dict[str, Floats], periods: Sequence[NDArray[np.intp]], r: dict[str, list[float]], seed: int
) -> dict[str, Interval]:
    """Mean r of `periods` (rows of their pairs) with intervals from resamples of stations; NaN below 5 stations."""
    values = {source: float(np.mean(own)) for source, own in r.items()}
    used, number = np.unique(pairs.station, return_inverse=True)
    count = len(used)
    if count < FEWEST_UNITS:
        return {source: Interval(value) for source, value in values.items()}
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=_DRAWS).astype(float)
    # The choice of stations shows on some dates as well as on all.
    chosen = np.unique(np.linspace(0, len(periods) - 1, min(len(periods), _DATES)).astype(np.intp))
    total = {source: np.zeros(_DRAWS) for source in series}
    known = {source: np.zeros(_DRAWS) for source in series}
    for at in (periods[k] for k in chosen):
        own, y = weights[:, number[at]], pairs.observed[at] - pairs.observed[at].mean()
        for source, field in series.items():
            x = field[at] - field[at].mean()
            n, a, b, aa, ab, bb = (own @ np.stack([np.ones(len(at)), x, y, x * x, x * y, y * y], axis=1)).T
            with np.errstate(invalid="ignore", divide="ignore"):
                va, vb = aa - a * a / n, bb - b * b / n
                one = (ab - a * b / n) / np.sqrt(va * vb)
            good = (va > 1e-12 * aa) & (vb > 1e-12 * bb) & (n > 2)
            total[source] += np.where(good, one, 0.0)
            known[source] += good
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = {source: total[source] / known[source] for source in series}
    # Centred on what all dates say.
    shift = {source: values[source] - float(np.mean(np.array(r[source])[chosen])) for source in series}
    return {source: percentile_interval(values[source], drawn[source] + shift[source], count) for source in series}
