"""Pairs of what a product says at a station in a period and what was measured there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import Stack, small_block_cache
from .baseline import Baseline, Smooth
from .layers import Product, as_moisture, find_products
from .metrics import Floats
from .observations import Observations, project

_TILE = 256
NO_DATE, OUTSIDE = "on no date of the product", "outside the product"
NO_VALUE, NO_COARSE = "without a product value", "without a coarse value"


@dataclass(frozen=True)
class Pairs:
    """Complete pairs of one product, ordered by period and then station; soil moisture in m3/m3.

    `station` is a number into `stations` (whose places `x`, `y` are in the observations' CRS), `period` into
    `periods`, `cell` the coarse cell's number (-1 without a baseline); `count` observations were averaged.
    `coarse` (replicated cell) and `smooth` (conserving interpolation) are NaN without a baseline, else
    complete. `dropped` counts observations that found no pair, by reason; `unpaired` tells for every station without
    any pair why. `depth` is that of the product, as its file tells it; `dates` are the first and last observation's.
    """

    product: str
    grid: Grid
    stations: NDArray[np.str_]
    x: Floats
    y: Floats
    periods: tuple[Period | None, ...]
    station: NDArray[np.intp]
    period: NDArray[np.intp]
    observed: Floats
    predicted: Floats
    coarse: Floats
    smooth: Floats
    cell: NDArray[np.intp]
    count: NDArray[np.intp]
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()
    unpaired: dict[str, str] = field(default_factory=dict)
    depth: str = ""
    dates: tuple[str, str] | None = None

    def __len__(self) -> int:
        return len(self.observed)

    @property
    def has_baseline(self) -> bool:
        return bool((self.cell >= 0).any())


def sample_products(
    products: Iterable[str | Path],
    observations: Observations,
    baseline: str | Path | Iterable[str | Path] | None = None,
    *,
    band_name: str | None = None,
    baseline_band: str | None = None,
    smooth: Smooth | None = None,
    progress: Progress | None = None,
) -> list[Pairs]:
    """Complete pairs of every product with the mean observation of each station in each of its periods.

    `baseline` is the COARSE stack or coarse layers; with one, only pairs that it covers are kept, so that
    product and baselines are compared on the same pairs. `smooth` replaces the conserving interpolation
    (tests). Raises InputError where dates of product, observations and baseline cannot be brought together.
    """
    progress = progress or Progress()
    found = find_products(products, band_name)
    paths = [baseline] if isinstance(baseline, (str, Path)) else list(baseline or [])
    coarse = Baseline(paths, baseline_band, observations, smooth) if paths else None
    result = []
    with small_block_cache():
        for number, product in enumerate(found):
            part = progress.part(number / len(found), (number + 1) / len(found))
            result.append(_sample(product, observations, coarse, part))
    return result


def _sample(product: Product, observations: Observations, baseline: Baseline | None, progress: Progress) -> Pairs:
    names, x, y, number = observations.places()
    periods = tuple(layer.period for layer in product.layers)
    chosen = _rows_by_period(product, observations)
    shape = (len(periods), len(names))
    count, observed = np.zeros(shape, dtype=np.intp), np.full(shape, math.nan)
    used = np.zeros(len(observations), dtype=bool)
    for i, rows in enumerate(chosen):
        used[rows] = True
        count[i] = np.bincount(number[rows], minlength=len(names))
        total = np.bincount(number[rows], weights=observations.value[rows], minlength=len(names))
        observed[i, count[i] > 0] = total[count[i] > 0] / count[i][count[i] > 0]
    values, outside, notes = _read_layers(product, count > 0, x, y, observations.crs_wkt, progress)
    coarse, smooth = np.full(shape, math.nan), np.full(shape, math.nan)
    if baseline is not None:
        for i, period in enumerate(periods):
            progress.check()
            if count[i].any():
                coarse[i], smooth[i] = baseline.at(period, len(periods))
    measured = count > 0
    valued = measured & ~outside & np.isfinite(values)
    kept = valued & np.isfinite(coarse) & np.isfinite(smooth) if baseline is not None else valued
    missed = {
        OUTSIDE: measured & outside,
        NO_VALUE: measured & ~outside & ~valued,
        NO_COARSE: valued & ~kept,
    }
    dropped = {NO_DATE: int((~used).sum()), **{why: int(count[here].sum()) for why, here in missed.items()}}
    unpaired = {}
    for k in np.flatnonzero(~kept.any(axis=0)):
        # The last reason is the one that came closest to a pair.
        unpaired[str(names[k])] = next((why for why, here in reversed(missed.items()) if here[:, k].any()), NO_DATE)
    if OUTSIDE in dropped and not kept.any():
        notes += _swapped(product, x, y, observations.crs_wkt)
    at, who = np.nonzero(kept)
    cell = baseline.cell[who] if baseline is not None else np.full(len(who), -1)
    return Pairs(
        product=product.name,
        grid=product.layers[0].grid,
        stations=names,
        x=x,
        y=y,
        periods=periods,
        station=who,
        period=at,
        observed=observed[kept],
        predicted=values[kept],
        coarse=coarse[kept],
        smooth=smooth[kept],
        cell=cell.astype(np.intp),
        count=count[kept],
        dropped={reason: number for reason, number in dropped.items() if number},
        notes=tuple(notes),
        unpaired=unpaired,
        depth=product.depth,
        dates=_first_and_last(observations),
    )


def _rows_by_period(product: Product, observations: Observations) -> list[NDArray[np.intp]]:
    """Rows of the observations in each layer's period."""
    periods = [layer.period for layer in product.layers]
    if observations.undated:
        if len(periods) == 1:
            return [np.arange(len(observations))]
        raise InputError(
            f"The observations carry no date but {product.name} has {len(periods)} periods: "
            "choose the date field, or validate one period."
        )
    if periods[0] is None:
        raise InputError(
            f"The observations carry dates but {product.name} has none: write its date into the layer's name "
            "(such as _2021-08), or leave the date field empty to compare with each station's mean."
        )
    order = np.argsort(observations.date, kind="stable")
    dated = observations.date[order]
    dated = dated[~np.isnat(dated)]
    result = []
    for period in periods:
        assert period is not None
        start, end = np.searchsorted(dated, [np.datetime64(period.start), np.datetime64(period.end)])
        result.append(order[start:end])
    return result


def _read_layers(
    product: Product, wanted: NDArray[np.bool_], x: Floats, y: Floats, crs_wkt: str, progress: Progress
) -> tuple[Floats, NDArray[np.bool_], list[str]]:
    """Values (layers, stations) of the pixels that hold the stations; tile by tile, each file opened once."""
    values, outside = np.full(wanted.shape, math.nan), np.zeros(wanted.shape, dtype=bool)
    notes: dict[str, None] = {}
    pixels: dict[Grid, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}
    files: dict[str, list[int]] = {}
    for i, layer in enumerate(product.layers):
        files.setdefault(layer.path, []).extend([i] if wanted[i].any() else [])
    for done, (path, layers) in enumerate(files.items()):
        progress.set(done / len(files), f"Reading {product.name}")
        progress.check()
        if not layers:
            continue
        with Stack.open(path) as stack:
            if stack.grid not in pixels:
                pixels[stack.grid] = stack.grid.cell_of(*project(x, y, crs_wkt, stack.grid))
            row, col = pixels[stack.grid]
            outside[layers] = row < 0
            seen = np.flatnonzero(wanted[layers].any(axis=0) & (row >= 0))
            for stations in _by_tile(seen, row, col):
                r, c = row[stations], col[stations]
                for i in layers:
                    progress.check()
                    if wanted[i, stations].any():
                        (row0, rows), (col0, cols) = _bounds(r), _bounds(c)
                        window = stack.read(product.layers[i].index, row0, rows, col0, cols)
                        values[i, stations] = window[r - row0, c - col0]
        for i in layers:
            values[i], note = as_moisture(values[i], product.layers[i].unit, product.name)
            notes.update(dict.fromkeys(note))
    return values, outside, list(notes)


def _first_and_last(observations: Observations) -> tuple[str, str] | None:
    known = observations.date[~np.isnat(observations.date)]
    return (str(known.min()), str(known.max())) if len(known) else None


def _swapped(product: Product, x: Floats, y: Floats, crs_wkt: str) -> list[str]:
    """A hint where points outside the product would lie in it with x and y, or the sign of x, exchanged."""
    grid = product.layers[0].grid
    for (east, north), what in (
        ((y, x), "x and y (longitude and latitude) exchanged"),
        ((-x, y), "the sign of x (east and west) changed"),
    ):
        inside = grid.cell_of(*project(east, north, crs_wkt, grid))[0] >= 0
        if inside.mean() > 0.5:
            return [f"With {what}, {int(inside.sum())} of {len(x)} stations would lie inside {product.name}."]
    return []


def _by_tile(stations: NDArray[np.intp], row: NDArray[np.intp], col: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Stations that share a tile of the raster, tiles from north to south."""
    if len(stations) == 0:
        return []
    tile = (row[stations] // _TILE) * (int(col.max()) // _TILE + 1) + col[stations] // _TILE
    order = np.argsort(tile, kind="stable")
    return np.split(stations[order], np.flatnonzero(np.diff(tile[order])) + 1)


def _bounds(index: NDArray[np.intp]) -> tuple[int, int]:
    """First and number of rows (or columns) that hold all of `index`."""
    return int(index.min()), int(np.ptp(index)) + 1
