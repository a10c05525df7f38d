"""Pairs of what a product says at a station in a period and what was measured there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ..errors import InputError
from ..progress import Progress
from ..raster.grid import Grid
from ..raster.periods import Period, without_date
from ..raster.stack import Stack
from .tables import Observations, clean_observations

__all__ = [
    "Layer",
    "Observations",
    "Pairs",
    "Product",
    "clean_observations",
    "find_products",
    "project",
    "sample_products",
    "target_band",
]
Floats = NDArray[np.float64]
Smooth = Callable[[Floats, Grid, Floats, Floats], Floats]
_TILE = 256
# Influence of a cell in the smooth conserving field falls to about a sixth per cell: 12 cells leave 1e-9.
_MARGIN = 12
_NOT_MOISTURE = re.compile(
    r"uncert|quality|flag|error|std|stdev|\bsd\b|_sd$|count|share|mask|weight|valid", re.IGNORECASE
)
_PERCENT = ("%", "percent", "vol%", "vol.%", "% vol", "%vol")


@dataclass(frozen=True)
class Pairs:
    """Complete pairs of one product, ordered by period and then station; soil moisture in m3/m3.

    `station` is a number into `stations` (whose places `x`, `y` are in the observations' CRS), `period` into
    `periods`, `cell` the coarse cell's number (-1 without a baseline); `count` observations were averaged.
    `coarse` (replicated cell) and `smooth` (conserving interpolation) are NaN without a baseline, else
    complete. `dropped` counts observations that found no pair, by reason.
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

    def __len__(self) -> int:
        return len(self.observed)

    @property
    def has_baseline(self) -> bool:
        return bool((self.cell >= 0).any())


@dataclass(frozen=True)
class Layer:
    """A band of soil moisture in a file."""

    path: str
    index: int
    period: Period | None
    unit: str
    grid: Grid


@dataclass(frozen=True)
class Product:
    """The layers of one product in order of time; undated products have a single layer."""

    name: str
    layers: tuple[Layer, ...]


def find_products(paths: Iterable[str | Path], band_name: str | None = None) -> list[Product]:
    """Layers sorted into products: files whose names differ only in dates are one. Raises InputError.

    In each file the target band (role), the band `soil_moisture` or the only band that may be soil moisture
    is taken, unless `band_name` says which.
    """
    groups: dict[str, list[tuple[str, list[Layer]]]] = {}
    for path in paths:
        with Stack.open(path) as stack:
            chosen = target_band(stack, band_name)
            layers = [
                Layer(str(path), number, band.period, band.unit, stack.grid)
                for number, band in enumerate(stack.bands, 1)
                if band.name == chosen
            ]
            bare = re.sub(r"(^|_)T\d{4,6}(?=_|$)", "", without_date(stack.name)).strip("_")
            name = bare or Path(str(path)).parent.name or stack.name
            groups.setdefault(name, []).append((stack.name, layers))
    if not groups:
        raise InputError("Choose at least one soil moisture product to validate.")
    products: list[Product] = []
    for name, files in groups.items():
        products.extend(_without_clashes(name, files))
    return products


def target_band(stack: Stack, band_name: str | None = None) -> str:
    """The name of the soil moisture bands of a stack. Raises InputError where that is not clear."""
    names = list(dict.fromkeys(band.name for band in stack.bands))
    if band_name:
        if band_name not in names:
            raise InputError(f"{stack.name} has no band {band_name!r}; it has {', '.join(names)}.")
        return band_name
    if stack.target_name:
        return stack.target_name
    if "soil_moisture" in names:
        return "soil_moisture"
    likely = [name for name in names if not _NOT_MOISTURE.search(name)] if len(names) > 1 else names
    if len(likely) != 1:
        raise InputError(f"{stack.name} has the bands {', '.join(names)}: say which one is soil moisture.")
    return likely[0]


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
    coarse = _Baseline(paths, baseline_band, observations, smooth) if paths else None
    result = []
    for number, product in enumerate(found):
        part = progress.part(number / len(found), (number + 1) / len(found))
        result.append(_sample(product, observations, coarse, part))
    return result


def project(x: Floats, y: Floats, from_wkt: str, to: Grid) -> tuple[Floats, Floats]:
    """Points in the CRS of `to`, x before y; NaN where the transformation has no answer."""
    source = osr.SpatialReference()
    source.ImportFromWkt(from_wkt)
    source.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    if len(x) == 0 or source.IsSame(to.crs):
        return x, y
    transformation = osr.CoordinateTransformation(source, to.crs)
    moved = np.full((len(x), 2), math.nan)
    for i, point in enumerate(zip(x.tolist(), y.tolist())):
        try:
            moved[i] = transformation.TransformPoint(*point)[:2]
        except RuntimeError:
            continue
    moved[~np.isfinite(moved).all(axis=1)] = math.nan
    return moved[:, 0], moved[:, 1]


class _Baseline:
    """The coarse field at the stations, in any period, replicated and smooth."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        band_name: str | None,
        observations: Observations,
        smooth: Smooth | None,
    ) -> None:
        from ..raster.conserve import smooth_at_points

        self._smooth = smooth or smooth_at_points
        self.layers = [layer for product in find_products(paths, band_name) for layer in product.layers]
        self.grid = self.layers[0].grid
        for layer in self.layers:
            if not layer.grid.same_as(self.grid):
                raise InputError(
                    f"The coarse layers {Path(self.layers[0].path).name} and {Path(layer.path).name} "
                    "are on different grids: give the layers of one product as the baseline."
                )
        _, x, y, _ = observations.places()
        self._x, self._y = project(x, y, observations.crs_wkt, self.grid)
        row, col = self.grid.cell_of(self._x, self._y)
        self.inside = row >= 0
        self.cell = np.where(self.inside, row * self.grid.cols + col, -1)
        row0, rows = _span(row[self.inside], self.grid.rows)
        col0, cols = _span(col[self.inside], self.grid.cols)
        self._window = (row0, rows, col0, cols)
        self._row, self._col = row - row0, col - col0
        self._read: dict[int, Floats] = {}
        self._known: dict[tuple[tuple[tuple[int, int], ...], int], tuple[Floats, Floats]] = {}
        # Undated layers overlap with nothing.
        spans = [layer.period and (layer.period.start, layer.period.end) for layer in self.layers]
        self._days = np.array([[d.toordinal() for d in span] if span else [0, 0] for span in spans])

    def at(self, period: Period | None, periods: int) -> tuple[Floats, Floats]:
        """Replicated and smooth value at every station; NaN where less than half the period is covered."""
        weights, days = self._weights(period, periods), 1 if period is None else period.days
        if (weights, days) not in self._known:
            self._known[weights, days] = self._values(weights, days)
        return self._known[weights, days]

    def _weights(self, period: Period | None, periods: int) -> tuple[tuple[int, int], ...]:
        undated = [i for i, layer in enumerate(self.layers) if layer.period is None]
        if len(self.layers) == 1 and periods == 1 and (undated or period is None):
            return ((0, 1 if period is None else period.days),)
        if period is None:
            if len(undated) == 1:
                return ((undated[0], 1),)
            raise InputError(
                f"The product carries no date but the coarse baseline has {len(self.layers)} layers: "
                "write the product's date into its name, or give the one coarse layer it was made from."
            )
        if len(undated) == len(self.layers):
            raise InputError(
                f"The coarse baseline carries no date but the product has {periods} periods: "
                "give the COARSE stack, or coarse layers with dates in their names."
            )
        start, end = self._days.T
        days = np.minimum(end, period.end.toordinal()) - np.maximum(start, period.start.toordinal())
        return tuple((int(i), int(days[i])) for i in np.flatnonzero(days > 0))

    def _values(self, weights: tuple[tuple[int, int], ...], days: int) -> tuple[Floats, Floats]:
        nothing = np.full(len(self._x), math.nan)
        if not weights or not self.inside.any():
            return nothing, nothing
        total = np.zeros((self._window[1], self._window[3]))
        weight = np.zeros_like(total)
        for i, share in weights:
            values = self._layer(i)
            total += np.where(np.isfinite(values), share * values, 0.0)
            weight += np.where(np.isfinite(values), share, 0)
        with np.errstate(invalid="ignore"):
            field_ = np.where(weight >= 0.5 * days, total / weight, math.nan)
        coarse, smooth = nothing.copy(), nothing.copy()
        inside = self.inside
        coarse[inside] = field_[self._row[inside], self._col[inside]]
        if np.isfinite(field_).any():
            window = self.grid.window(self._window[0], self._window[2], *field_.shape)
            smooth[inside] = self._smooth(field_, window, self._x[inside], self._y[inside])
        return coarse, smooth

    def _layer(self, i: int) -> Floats:
        if i not in self._read:
            if len(self._read) >= 64:
                del self._read[next(iter(self._read))]
            layer = self.layers[i]
            row0, rows, col0, cols = self._window
            with Stack.open(layer.path) as stack:
                values = stack.read(layer.index, row0, rows, col0, cols)
            self._read[i] = _as_moisture(values, layer.unit, Path(layer.path).stem)[0]
        return self._read[i]


def _sample(product: Product, observations: Observations, baseline: _Baseline | None, progress: Progress) -> Pairs:
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
    dropped = {
        "on no date of the product": int((~used).sum()),
        "outside the product": int(count[measured & outside].sum()),
        "without a product value": int(count[measured & ~outside & ~valued].sum()),
        "without a coarse value": int(count[valued & ~kept].sum()),
    }
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
            values[i], note = _as_moisture(values[i], product.layers[i].unit, product.name)
            notes.update(dict.fromkeys(note))
    return values, outside, list(notes)


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


def _span(index: NDArray[np.intp], size: int) -> tuple[int, int]:
    """First and number of rows (or columns) around the stations' cells."""
    if len(index) == 0:
        return 0, 1
    first, last = max(0, int(index.min()) - _MARGIN), min(size, int(index.max()) + _MARGIN + 1)
    return first, last - first


def _as_moisture(values: Floats, unit: str, name: str) -> tuple[Floats, list[str]]:
    """Percent to m3/m3, and a stop where values cannot be m3/m3."""
    notes = []
    if unit.strip().lower() in _PERCENT:
        values = values / 100
        notes.append(
            f"{name} is in percent: taken as percent by volume and divided by 100; "
            "were it percent of saturation, only the correlations would count."
        )
    with np.errstate(invalid="ignore"):
        if (values < -0.5).any():
            values = np.where(values < -0.5, math.nan, values)
            notes.append(f"{name} holds values below -0.5, taken as undeclared nodata.")
    largest = float(np.max(values, initial=-math.inf, where=np.isfinite(values)))
    if largest > 1.5:
        raise InputError(
            f"Values of {name} reach {largest:g}{' ' + unit if unit else ''}, which is not soil moisture in "
            "m3/m3: convert the layer first (percent / 100, scaled integers by their factor)."
        )
    return values, notes


def _without_clashes(name: str, files: list[tuple[str, list[Layer]]]) -> list[Product]:
    """One product, or one per folder or file where layers of the same period would clash."""
    layers = [layer for _, own in files for layer in own]
    if _distinct(layers):
        return [_product(name, layers)]
    by_folder: dict[str, list[Layer]] = {}
    for _, own in files:
        by_folder.setdefault(Path(own[0].path).parent.name, []).extend(own)
    if len(by_folder) > 1 and all(_distinct(own) for own in by_folder.values()):
        return [_product(f"{folder}/{name}", own) for folder, own in by_folder.items()]
    for stem, own in files:
        if not _distinct(own):
            raise InputError(f"{stem} has two soil moisture bands of the same period: name the band to use.")
    return [_product(stem, own) for stem, own in files]


def _distinct(layers: Sequence[Layer]) -> bool:
    periods = [layer.period for layer in layers]
    return len(set(periods)) == len(periods) and (None not in periods or len(periods) == 1)


def _product(name: str, layers: Sequence[Layer]) -> Product:
    def time(layer: Layer) -> str:
        return f"{layer.period.start} {layer.period.end}" if layer.period else ""

    return Product(name, tuple(sorted(layers, key=time)))
