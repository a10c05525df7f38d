"""Series of a product at places, and series brought to shared periods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from ...raster.periods import Period
from ..metrics import Floats
from ..observations import Observations, project
from .common_time import Parts
from .source import RasterSource

_TILE = 256


def place_series(source: RasterSource, x: Floats, y: Floats, crs_wkt: str, progress: Progress) -> Floats:
    """Values (layers, places) of the pixels that hold the places; NaN outside. Read tile by tile."""
    row, col = source.grid.cell_of(*project(x, y, crs_wkt, source.grid))
    result = np.full((len(source.layers), len(x)), np.nan)
    inside = np.flatnonzero(row >= 0)
    groups = _by_tile(inside, row, col)
    for layer in range(len(source.layers)):
        progress.check()
        progress.set(layer / len(source.layers), f"Reading {source.name}")
        for places in groups:
            r, c = row[places], col[places]
            top, left = int(r.min()), int(c.min())
            values = source.read(layer, top, int(r.max()) - top + 1, left, int(c.max()) - left + 1)
            result[layer, places] = values[r - top, c - left]
    return result


def in_periods(values: Floats, parts: Sequence[Parts], needed: Floats) -> Floats:
    """(periods, places): means of layers (layers, places) by their days, NaN where fewer than `needed` are known."""
    result = np.full((len(parts), values.shape[1]), np.nan)
    for k, own in enumerate(parts):
        layers, days = [i for i, _ in own], np.array([d for _, d in own])[:, None]
        chosen = values[layers]
        known = np.isfinite(chosen)
        weight = (known * days).sum(axis=0)
        total = np.where(known, chosen * days, 0.0).sum(axis=0)
        enough = (weight > 0) & ((weight >= needed[k] - 1e-9) | (len(own) == 1))
        np.divide(total, weight, out=result[k], where=enough)
    return result


def station_periods(observations: Observations, periods: Sequence[Period], min_share: float) -> Floats:
    """(periods, stations): means of the readings in each period, NaN below `min_share` of its days with a reading.

    A reading stands for as many days as usually (median) pass until the next one: means of months carry one date each.
    """
    names, _, _, number = observations.places()
    result = np.full((len(periods), len(names)), np.nan)
    order = np.argsort(observations.date, kind="stable")
    order = order[~np.isnat(observations.date[order])]
    dates = observations.date[order].astype("datetime64[s]")
    spacing = _days_between(number[order], dates, len(names))
    for k, period in enumerate(periods):
        start, end = np.searchsorted(dates, [np.datetime64(period.first, "s"), np.datetime64(period.last, "s")])
        rows = order[start:end]
        if not len(rows):
            continue
        count = np.bincount(number[rows], minlength=len(names))
        total = np.bincount(number[rows], observations.value[rows], minlength=len(names))
        days = np.unique(np.stack([number[rows], dates[start:end].astype("datetime64[D]").astype(np.int64)]), axis=1)[0]
        covered = spacing * np.bincount(days, minlength=len(names)) >= min_share * period.days - 1e-9
        good = (count > 0) & covered
        result[k, good] = total[good] / count[good]
    return result


def _days_between(number: NDArray[np.intp], dates: NDArray[np.datetime64], stations: int) -> Floats:
    """Median days between the days with readings, at least 1, of each station."""
    days = dates.astype("datetime64[D]").astype(np.int64)
    if not len(days):
        return np.ones(stations)
    first, span = days.min(), int(np.ptp(days)) + 1
    seen = np.unique(number * span + (days - first))
    bounds = np.searchsorted(seen, np.arange(stations + 1) * span)
    gaps = [np.diff(seen[start:end]) for start, end in zip(bounds[:-1], bounds[1:])]
    return np.array([max(1.0, float(np.median(gap))) if len(gap) else 1.0 for gap in gaps])


def _by_tile(places: NDArray[np.intp], row: NDArray[np.intp], col: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    if not len(places):
        return []
    tile = (row[places] // _TILE) * (int(col.max()) // _TILE + 1) + col[places] // _TILE
    order = np.argsort(tile, kind="stable")
    return np.split(places[order], np.flatnonzero(np.diff(tile[order])) + 1)
