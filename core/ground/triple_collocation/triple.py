"""Triple collocation of maps: per pixel, per zone and for the mean of the region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import Band
from ...raster.stack import StackWriter, small_block_cache
from ..metrics import Floats
from ..observations import Observations
from ..rasters.common_time import Shared, shared_periods
from ..rasters.departures import ANOMALIES, NONE, anomaly_method, departures
from ..rasters.moments import SUMS, scores_of, sums_of
from ..rasters.places import in_periods, place_series, station_periods
from ..rasters.source import RasterSource, opened_sources
from ..rasters.together import bring_together
from ..rasters.zones import Zones
from .estimate import PRODUCTS, Triple, TripleSeries, collocate_series, triple_collocation
from .independence import Dependence, Origin, dependence
from .results import LETTERS, MapCounts, TripleOptions, TripleResult

_T = TypeVar("_T")
_BINS = 2000  # of the histograms that medians are read from
_RANGES = {"r": (0.0, 1.0), "snr": (-40.0, 40.0), "error_sd": (0.0, 0.2)}
_SAME = 0.995
_PAIRS = ((0, 1), (0, 2), (1, 2))
BANDS = {
    "r": ("1", "Correlation with the unknown truth"),
    "snr": ("dB", "Signal-to-noise ratio"),
    "error_sd": ("", "Standard deviation of the error, in the unit of the first product"),
    "beta": ("1", "Factor to the scale of the first product"),
}


def collocate_maps(
    first: Sequence[str],
    second: Sequence[str],
    third: Sequence[str],
    output: str | Path,
    zones: Zones | None = None,
    options: TripleOptions | None = None,
    band: str | None = None,
    progress: Progress | None = None,
) -> TripleResult:
    """Errors of three products on the coarsest of their grids, as a stack of maps. Raises InputError as comparisons do,
    and where no pixel has enough triplets."""
    options, progress = options or TripleOptions(), progress or Progress()
    given = [("first product", first), ("second product", second), ("third product", third)]
    _check(given, options, output)
    with opened_sources(given, band) as sources, small_block_cache():
        together = bring_together(sources, options.min_share, options.min_valid)
        time, method = together.time, _method(options, together.time)
        if len(time) < options.min_triplets:
            raise InputError(_too_few(len(time), options.min_triplets))
        size = 1 + (len(zones) if zones is not None else 0)
        sums = np.zeros((size, len(time), PRODUCTS + 1))
        placed = zones.on(together.grid) if zones is not None else None
        tally, shared = _Tally(options.min_triplets), np.zeros((PRODUCTS, SUMS))
        bands = [Band(f"{name}_{letter}", None, unit) for name, (unit, _) in BANDS.items() for letter in LETTERS]
        with StackWriter(output, together.grid, [*bands, Band("n", None, "1")], {"ANOMALIES": method}) as out:
            names = [source.name for source in sources]
            for number, (text, name) in enumerate(((t, n) for _, t in BANDS.values() for n in names), 1):
                out.tag(number, {"LONG_NAME": f"{text}: {name}"})
            for window, data in together.iterate(progress.part(0, 0.9), "Triple collocation"):
                data = np.where(np.isfinite(data).all(axis=0), data, np.nan)
                departed = _departed(data, time, method)
                found = triple_collocation(departed, options.min_triplets)
                n = np.isfinite(departed).all(axis=0).sum(axis=0)
                tally.add(found, n)
                one = np.zeros(departed[0].size, dtype=np.intp)
                shared += [sums_of(departed[i].ravel(), departed[j].ravel(), one, 1)[0] for i, j in _PAIRS]
                maps = [one for name in BANDS for one in getattr(found, name)]
                for number, values in enumerate([*maps, n.astype(np.float64)], 1):
                    out.write(number, values, window[0], window[2])
                labels = None if placed is None else placed.labels(*window)
                _add_means(sums, data, labels)
            if not tally.seen:
                raise InputError(
                    "No pixel has a value of all three products in the same period: check nodata and dates."
                )
            if not tally.estimated and not tally.no_signal and not any(tally.negative):
                raise InputError(
                    f"No pixel has {options.min_triplets} triplets (the most are {tally.most}): give longer series, or "
                    "lower the fewest triplets and trust the result less."
                )
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0)  # (products, zones, periods)
        progress.set(0.9, "Intervals by bootstrap")
        labels_of = ["whole region", *(zones.names if zones is not None else ())]
        series = []
        for z, name in enumerate(labels_of):
            progress.check()
            series.append(_collocate(name, means[:, z], time, method, options))
        origins = _origins(sources)
        progress.set(1.0)
        return TripleResult(
            names=_triple([source.name for source in sources]),
            kinds=_triple([source.kind for source in sources]),
            region=series[0],
            series=tuple(series[1:]),
            what="zone",
            counts=tally.counts,
            medians=tally.medians(),
            best=tally.best,
            dependence=(*dependence(origins), *_alike(shared, origins)),
            method=method,
            periods=tuple(time.labels),
            period_days=time.length,
            grid=together.grid,
            output=str(output),
            crs_wkt="" if zones is None else zones.crs_wkt,
            notes=tuple(together.notes()),
            options=options,
        )


def collocate_stations(
    first: Sequence[str],
    second: Sequence[str],
    observations: Observations,
    options: TripleOptions | None = None,
    band: str | None = None,
    progress: Progress | None = None,
) -> TripleResult:
    """Errors of two products and of stations, at each station and its pixels. Raises InputError where no station has
    enough triplets."""
    options, progress = options or TripleOptions(), progress or Progress()
    given = [("first product", first), ("second product", second)]
    _check(given, options, None)
    if observations.undated:
        raise InputError("Triple collocation needs series: the stations carry no date, choose the date field.")
    with opened_sources(given, band) as sources:
        time = shared_periods(sources, options.min_share)
        dated = [period for period in time.periods if period is not None]
        if len(dated) < options.min_triplets:
            raise InputError(_too_few(len(dated), options.min_triplets))
        names, x, y, _ = observations.places()
        measured = station_periods(observations, dated, options.min_share)
        products = [
            in_periods(
                place_series(source, x, y, observations.crs_wkt, progress.part(0.45 * s, 0.45 * (s + 1))),
                time.parts[s],
                time.needed,
            )
            for s, source in enumerate(sources)
        ]
        data = np.stack([*products, measured])
        method = _method(options, time)
        series = []
        for k, name in enumerate(names):
            progress.check()
            progress.set(0.9 + 0.1 * k / len(names), "Intervals by bootstrap")
            series.append(_collocate(str(name), data[:, :, k], time, method, options, float(x[k]), float(y[k])))
        if all(one.n < options.min_triplets for one in series):
            most = max(series, key=lambda one: one.n)
            raise InputError(
                f"No station has {options.min_triplets} triplets (the most are {most.n} at {most.name}): check dates "
                "and "
                "extents, give longer series, or lower the fewest triplets and trust the result less."
            )
        table = np.array([(one.r, one.snr, one.error_sd) for one in series if np.isfinite(one.r).all()])
        medians = dict(zip(("r", "snr", "error_sd"), np.median(table, axis=0))) if len(table) else {}
        best = np.bincount([one.best for one in series if one.best is not None], minlength=3)
        origins = [*_origins(sources), Origin("stations", station=True)]
        notes = [*observations.notes, *(note for source in sources for note in source.notes)]
        progress.set(1.0)
        return TripleResult(
            names=(sources[0].name, sources[1].name, "stations"),
            kinds=(sources[0].kind, sources[1].kind, "m3/m3"),
            region=None,
            series=tuple(series),
            what="station",
            counts=None,
            medians=medians,
            best=_triple(best.tolist()),
            dependence=tuple(dependence(origins)),
            method=method,
            periods=tuple(time.labels),
            period_days=time.length,
            grid=None,
            output=None,
            crs_wkt=observations.crs_wkt,
            notes=tuple(dict.fromkeys(notes)),
            options=options,
        )


class _Tally:
    """Counts of pixels by outcome, and the spread of the estimates."""

    def __init__(self, min_triplets: int) -> None:
        self._least = min_triplets
        self.seen = self.few = self.no_signal = self.estimated = self.most = 0
        self.negative = [0, 0, 0]
        self._best = np.zeros(3, dtype=np.int64)
        self._histogram = {name: np.zeros((3, _BINS)) for name in _RANGES}

    def add(self, found: Triple, n: Floats) -> None:
        self.seen += int((n > 0).sum())
        self.most = max(self.most, int(n.max(initial=0)))
        self.few += int(((n > 0) & ~np.isfinite(found.n)).sum())
        self.no_signal += int(found.no_signal.sum())
        for k in range(3):
            self.negative[k] += int(found.negative[k].sum())
        whole = np.isfinite(found.r).all(axis=0)
        self.estimated += int(whole.sum())
        self._best += np.bincount(found.r[:, whole].argmax(axis=0), minlength=3)
        for name, (low, high) in _RANGES.items():
            values = getattr(found, name)[:, whole]
            place = np.clip((values - low) / (high - low) * _BINS, 0, _BINS - 1).astype(np.intp)
            for k in range(3):
                self._histogram[name][k] += np.bincount(place[k], minlength=_BINS)

    @property
    def best(self) -> tuple[int, int, int]:
        return _triple(self._best.tolist())

    @property
    def counts(self) -> MapCounts:
        return MapCounts(self.seen, self.few, self.no_signal, _triple(self.negative), self.estimated)

    def medians(self) -> dict[str, Floats]:
        """Median of each estimate over the pixels with all three."""
        if not self.estimated:
            return {}
        result = {}
        for name, (low, high) in _RANGES.items():
            place = [np.searchsorted(np.cumsum(h), self.estimated / 2) for h in self._histogram[name]]
            result[name] = low + (np.array(place) + 0.5) * (high - low) / _BINS
        return result


def _collocate(
    name: str,
    series: Floats,
    time: Shared,
    method: str,
    options: TripleOptions,
    x: float = math.nan,
    y: float = math.nan,
) -> TripleSeries:
    series = np.where(np.isfinite(series).all(axis=0), series, np.nan)
    departed = _departed(series, time, method)
    return collocate_series(name, departed, time.days, options.min_triplets, options.seed, x=x, y=y)


def _departed(data: Floats, time: Shared, method: str) -> Floats:
    """(3, periods, ...) as anomalies, or as it is."""
    return data if method == NONE else np.stack([departures(time.days, one, method) for one in data])


def _method(options: TripleOptions, time: Shared) -> str:
    return anomaly_method(options.anomalies, time.days, time.length)


def _add_means(sums: Floats, data: Floats, labels: np.ndarray | None) -> None:
    """Add a window to the sums (zones, periods, n and products); zone 0 is the whole."""
    known = np.isfinite(data[0])
    values = np.where(known, data, 0.0)
    sums[0, :, 0] += known.sum(axis=(1, 2))
    sums[0, :, 1:] += values.sum(axis=(2, 3)).T
    if labels is None:
        return
    for zone in np.unique(labels[labels >= 0]):
        own = labels == zone
        sums[zone + 1, :, 0] += known[:, own].sum(axis=1)
        sums[zone + 1, :, 1:] += values[:, :, own].sum(axis=2).T


def _origins(sources: Sequence[RasterSource]) -> list[Origin]:
    return [
        Origin(
            source.name, source.tags.get("SOURCE_PRODUCT", ()), "MODEL" in source.tags or "DETAIL_GAIN" in source.tags
        )
        for source in sources
    ]


def _alike(shared: Floats, origins: Sequence[Origin]) -> list[Dependence]:
    """Products that are nearly the same in every pixel cannot have errors of their own; `shared` (3, 6) are sums."""
    r = scores_of(shared).r
    return [
        Dependence(
            f"{origins[i].name} and {origins[j].name} are nearly the same (R = {r[k]:.3f} over all pixels and dates): "
            "they have no errors of their own.",
            True,
        )
        for k, (i, j) in enumerate(_PAIRS)
        if r[k] > _SAME
    ]


def _triple(values: Sequence[_T]) -> tuple[_T, _T, _T]:
    return values[0], values[1], values[2]


def _too_few(count: int, least: int) -> str:
    return (
        f"The series share {count} periods, but triple collocation needs at least {least} triplets: give longer "
        "series, or "
        "lower the fewest triplets and trust the result less."
    )


def _check(given: Sequence[tuple[str, Sequence[str]]], options: TripleOptions, output: str | Path | None) -> None:
    seen: dict[str, str] = {}
    for role, paths in given:
        for path in paths:
            key = str(Path(path).resolve())
            if seen.get(key, role) != role:
                raise InputError(
                    f"{Path(path).name} is given as {seen[key]} and as {role}: triple collocation needs three "
                    "different "
                    "products."
                )
            seen[key] = role
    if output is not None and str(Path(output).resolve()) in seen:
        raise InputError(f"The output {output} is also an input: give the output another name.")
    if options.min_triplets < 10:
        raise InputError(
            f"Fewer than 10 triplets say nothing about errors: raise the fewest triplets from {options.min_triplets}."
        )
    if options.anomalies not in ANOMALIES:
        raise InputError(f"Anomalies are one of {', '.join(ANOMALIES)}, not {options.anomalies!r}.")
