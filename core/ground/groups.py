"""Scores by season, year, land cover, depth or any other class of the stations, each against the same baselines."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..raster.stack import Stack
from ..statistics import correlation
from .comparison import Interval, station_bootstrap
from .matching import Pairs
from .metrics import NAN, Agreement, Floats, agreement, n_effective, rows_by
from .observations import Observations, metres_per_unit, project

SEASONS = ("DJF", "MAM", "JJA", "SON")
_MOST = 12  # classes of one kind; the smaller ones are put together
_SAME_PLACE = 100.0  # metres
_REPEATS = 1000


@dataclass(frozen=True)
class GroupScores:
    """Scores of the pairs of one group; `mean_r` is the mean of the R in time of its stations, by source.

    `gain` is pooled R of the product minus that of the smooth source, with an interval over stations.
    """

    kind: str
    label: str
    n: int
    stations: int
    scores: dict[str, Agreement]
    mean_r: dict[str, float]
    gain: Interval


def group_scores(
    pairs: Pairs,
    series: dict[str, Floats],
    station_classes: Mapping[str, Sequence[str]] | None = None,
    *,
    min_pairs: int = 3,
    seed: int = 0,
) -> tuple[GroupScores, ...]:
    """Seasons and years of dated pairs, then every kind of class in `station_classes` (a label per station, in the
    order of `pairs.stations`; empty is unknown). Kinds with a single group are left out."""
    kinds: dict[str, NDArray[np.str_]] = {**_times(pairs)}
    for kind, of_station in (station_classes or {}).items():
        kinds[kind] = np.array([label or "unknown" for label in of_station])[pairs.station]
    result = []
    for kind, labels in kinds.items():
        names = _names(labels, ordered=SEASONS if kind == "Season" else None)
        if len(names) < 2:
            continue
        for name in names:
            known = [name] if name != "other" else names
            at = np.flatnonzero(np.isin(labels, known, invert=name == "other"))
            if len(at) >= min_pairs:
                result.append(_one(pairs, series, kind, name, at, min_pairs, seed))
    return tuple(result)


def usable_classes(classes: Mapping[str, Sequence[str]]) -> tuple[dict[str, Sequence[str]], list[str]]:
    """The kinds that are classes, and notes on the others and on stations without a class."""
    kept, notes = {}, []
    for kind, labels in classes.items():
        known = [label for label in labels if label]
        found = len(set(known))
        if found > max(_MOST, len(known) // 2):
            notes.append(
                f"{kind} has {found} different values at {len(known)} stations: these are no classes, and no scores "
                "are given for them."
            )
            continue
        kept[kind] = labels
        if known and len(known) < len(labels):
            notes.append(f"{kind} is unknown at {len(labels) - len(known)} of {len(labels)} stations.")
    return kept, notes


def raster_classes(path: str | Path, observations: Observations) -> tuple[str, ...]:
    """The class of a raster (a code, or its name where the raster has names) at every station; empty outside.

    Raises InputError where no station has one.
    """
    _, x, y, _ = observations.places()
    with Stack.open(path) as stack:
        row, col = stack.grid.cell_of(*project(x, y, observations.crs_wkt, stack.grid))
        codes = np.array(
            [stack.read(1, r, 1, c, 1)[0, 0] if r >= 0 else NAN for r, c in zip(row.tolist(), col.tolist())]
        )
    if np.isnan(codes).all():
        raise InputError(f"{Path(path).name} has no class at any station: check its extent and nodata.")
    names = _category_names(path)
    labels = []
    for code in codes:
        if math.isnan(code):
            labels.append("")
        else:
            whole = int(code) == code and 0 <= int(code) < len(names) and names[int(code)]
            labels.append(names[int(code)] if whole else f"class {code:g}")
    return tuple(labels)


def point_classes(
    observations: Observations, x: Sequence[float], y: Sequence[float], labels: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """The label of every station, by vote of the table's rows (x, y in the observations' CRS) that lie nearest to it
    and within 100 m, and a note where they disagree."""
    from scipy.spatial import cKDTree

    _, sx, sy, _ = observations.places()
    places = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)], axis=1)
    known = np.isfinite(places).all(axis=1)
    if not known.any():
        return ("",) * len(sx), ""
    # Rows of stations without any value must not vote for their neighbours.
    reach = (_SAME_PLACE + 1e-6) / metres_per_unit(observations.crs_wkt, sx, sy)
    _, nearest = cKDTree(np.stack([sx, sy], axis=1)).query(places[known], distance_upper_bound=reach)
    votes: list[dict[str, int]] = [{} for _ in sx]
    for station, label in zip(nearest, np.asarray(labels, dtype=str)[known]):
        if station == len(sx):
            continue
        votes[station][label] = votes[station].get(label, 0) + 1
    mixed = sum(len(vote) > 1 for vote in votes)
    note = f"{mixed} stations have rows of several classes and take the most frequent one." if mixed else ""
    return tuple(max(vote, key=lambda label: vote[label]) if vote else "" for vote in votes), note


def _category_names(path: str | Path) -> list[str]:
    from ..raster.grid import open_raster

    dataset = open_raster(path)
    return list(dataset.GetRasterBand(1).GetCategoryNames() or [])


def _times(pairs: Pairs) -> dict[str, NDArray[np.str_]]:
    """Season and year of the middle of each pair's period; none for undated pairs."""
    if any(period is None for period in pairs.periods):
        return {}
    middles = [period.first + (period.last - period.first) / 2 for period in pairs.periods if period is not None]
    season = np.array([SEASONS[middle.month % 12 // 3] for middle in middles])
    year = np.array([str(middle.year) for middle in middles])
    return {"Season": season[pairs.period], "Year": year[pairs.period]}


def _names(labels: NDArray[np.str_], ordered: Sequence[str] | None) -> list[str]:
    found, count = np.unique(labels, return_counts=True)
    if ordered is not None:
        return [name for name in ordered if name in found]
    if len(found) <= _MOST:
        return sorted((str(name) for name in found), key=_natural)
    kept = found[np.argsort(-count, kind="stable")[: _MOST - 1]]
    return [*sorted((str(name) for name in kept), key=_natural), "other"]


def _natural(label: str) -> list[tuple[int, float, str]]:
    """Class 3 before class 11."""
    parts = re.findall(r"\d+|\D+", label)
    return [(0, float(part), "") if part.isdigit() else (1, 0.0, part) for part in parts]


def _one(
    pairs: Pairs, series: dict[str, Floats], kind: str, label: str, at: NDArray[np.intp], min_pairs: int, seed: int
) -> GroupScores:
    observed, station = pairs.observed[at], pairs.station[at]
    own: dict[str, list[float]] = {source: [] for source in series}
    size = 0.0
    for rows in rows_by(station):
        worth = n_effective(series["product"][at[rows]], observed[rows], pairs.period[at[rows]])
        size += len(rows) if math.isnan(worth) else worth
        if len(rows) >= min_pairs:
            r = {source: correlation(values[at[rows]], observed[rows]) for source, values in series.items()}
            if not any(math.isnan(value) for value in r.values()):
                for source, value in r.items():
                    own[source].append(value)
    stations, gain = len(np.unique(station)), Interval(NAN)
    if "smooth" in series and len(at) >= 3:
        product, smooth = series["product"][at], series["smooth"][at]
        gain = station_bootstrap(
            product, smooth, observed, station, min_pairs=min_pairs, repeats=_REPEATS, seed=seed
        ).pooled_r
    return GroupScores(
        kind,
        label,
        len(at),
        stations,
        {source: agreement(values[at], observed, size) for source, values in series.items()},
        {source: float(np.mean(values)) if values else NAN for source, values in own.items()},
        gain,
    )
