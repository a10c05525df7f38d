"""A product against another one: maps of scores, zones, dates, the coarse source on the same pairs, and the detail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import Band
from ...raster.stack import StackWriter, small_block_cache
from ..metrics import Floats
from .collecting import Collector
from .departures import ANOMALIES, NONE, anomaly_method, departures
from .detail_sample import look_at_detail
from .moments import resampled, scores_of, series_scores
from .reader import Reader, smooth_baseline
from .results import BANDS, BASELINE_BANDS, Pooled, RasterOptions, RasterValidation
from .source import opened_sources
from .together import Together, Window, bring_together
from .zones import Zones

_ROLES = ("product", "reference", "coarse source")
_NO_COMPARISON = {
    (0, 1): "a map agrees with itself, give another reference",
    (0, 2): "give the coarse layers that the maps were made from, or none",
    (1, 2): "maps agree with their own source by construction, give a reference that had no part in them",
}


def validate_rasters(
    product: Sequence[str],
    reference: Sequence[str],
    output: str | Path,
    baseline: Sequence[str] = (),
    zones: Zones | None = None,
    options: RasterOptions | None = None,
    band: str | None = None,
    progress: Progress | None = None,
) -> RasterValidation:
    """Score `product` against `reference` where and when both are known, and write a stack of scores per cell.

    Both come to the coarser of their grids by area means and to the longer of their periods. Raises InputError where
    places, dates or units do not meet.
    """
    options, progress = options or RasterOptions(), progress or Progress()
    _check(product, reference, baseline, output, options)
    given = list(zip(_ROLES, (product, reference, baseline)))[: 3 if baseline else 2]
    with opened_sources(given, band) as sources, small_block_cache():
        together = bring_together(sources[:2], options.min_share, options.min_valid, sources[2:])
        smooth = smooth_baseline(together, progress.part(0, 0.1)) if baseline else None
        reader = Reader(together, smooth)
        comparable = sources[0].kind == sources[1].kind
        method = anomaly_method(options.anomalies, together.time.days, together.time.length)
        collector = Collector(together, zones, bool(baseline))
        bands = {**BANDS, **(BASELINE_BANDS if baseline else {})}
        tags = {"PRODUCT": sources[0].name, "REFERENCE": sources[1].name}
        with StackWriter(
            output, together.grid, [Band(name, None, unit) for name, (unit, _) in bands.items()], tags
        ) as out:
            for number, (_, text) in enumerate(bands.values(), 1):
                out.tag(number, {"LONG_NAME": text})
            for window, data in reader.iterate(progress.part(0.1, 0.85)):
                maps = _score(data, together, options, method, comparable, collector, window)
                for number, name in enumerate(bands, 1):
                    out.write(number, maps[name], window[0], window[2])
            if not collector.pairs:
                raise InputError(_why_none(together))
        textures, detail = look_at_detail(together, reader, collector, options, progress.part(0.85, 1.0))
        progress.set(1.0)
        result = _result(together, collector, smooth is not None, comparable, method, options, str(output))
        return replace(result, textures=textures, detail=detail, notes=tuple(together.notes()))


def _score(
    data: Floats,
    together: Together,
    options: RasterOptions,
    method: str,
    comparable: bool,
    collector: Collector,
    window: Window,
) -> dict[str, Floats]:
    known = np.isfinite(data).all(axis=0)
    product, reference = (np.where(known, values, np.nan) for values in data[:2])
    scores = series_scores(product, reference, options.min_periods)
    empty = np.full(known.shape[1:], np.nan)
    anomaly_r = empty
    if method != NONE:
        own, other = (departures(together.time.days, values, method) for values in (product, reference))
        anomaly_r = series_scores(own, other, options.min_periods).r
    maps = {
        "r": scores.r,
        "bias": scores.bias if comparable else empty,
        "ubrmse": scores.ubrmse if comparable else empty,
        "rmse": scores.rmse if comparable else empty,
        "anomaly_r": anomaly_r,
        "n": scores.n,
    }
    baseline = None
    if len(data) > 2:
        baseline = np.where(known, data[2], np.nan)
        r_baseline = series_scores(baseline, reference, options.min_periods).r
        maps |= {"r_baseline": r_baseline, "r_gain": scores.r - r_baseline}
    collector.add(window, product, reference, baseline, maps)
    return maps


def _result(
    together: Together,
    collector: Collector,
    smooth: bool,
    comparable: bool,
    method: str,
    options: RasterOptions,
    output: str,
) -> RasterValidation:
    sources = together.sources
    product = scores_of(collector.dates["product"])
    other = scores_of(collector.dates["baseline"]) if "baseline" in collector.dates else None
    nothing = np.full(len(together.time), math.nan)
    differences = [product.bias, product.ubrmse] if comparable else [nothing, nothing]
    rows = zip(together.time.labels, product.n, product.r, nothing if other is None else other.r, *differences)
    enough = product.n >= 10

    def statistic(sums: dict[str, Floats]) -> dict[str, Floats]:
        own = scores_of(sums["product"]).r
        found = {"r": own}
        if "baseline" in sums:
            found["gain"] = own - scores_of(sums["baseline"]).r
        return found

    intervals = resampled(collector.blocks, statistic, seed=options.seed)
    return RasterValidation(
        product=sources[0].name,
        reference=sources[1].name,
        baseline=sources[2].name if len(sources) > 2 else None,
        grids={source.role: source.grid for source in sources},
        grid=together.grid,
        periods=tuple((label, int(n), *map(float, rest)) for label, n, *rest in rows),
        dropped_periods=together.time.dropped,
        pooled=_pooled(collector, comparable),
        r=intervals["r"],
        gain=intervals.get("gain"),
        spatial_r=_mean(product.r[enough]),
        spatial_r_baseline=math.nan if other is None else _mean(other.r[enough]),
        pixels=collector.pixel_summaries(),
        r_classes=collector.r_classes(),
        anomaly_method=method,
        smooth=smooth,
        comparable=comparable,
        zones=collector.zone_rows(comparable),
        zones_without_cells=collector.empty_zones(),
        options=options,
        output=output,
        period_days=together.time.length,
        textures=(),
        detail=None,
        notes=(),
    )


def _pooled(collector: Collector, comparable: bool) -> Pooled:
    own = scores_of(collector.dates["product"].sum(axis=0))
    other = collector.dates.get("baseline")
    difference = math.nan if not comparable else 1.0
    return Pooled(
        int(own.n),
        float(own.r),
        float(own.bias) * difference,
        float(own.rmse) * difference,
        float(own.ubrmse) * difference,
        math.nan if other is None else float(scores_of(other.sum(axis=0)).r),
    )


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _check(
    product: Sequence[str],
    reference: Sequence[str],
    baseline: Sequence[str],
    output: str | Path,
    options: RasterOptions,
) -> None:
    inputs = [{Path(path).resolve() for path in paths} for paths in (product, reference, baseline)]
    for (a, b), why in _NO_COMPARISON.items():
        shared = sorted(inputs[a] & inputs[b])
        if shared:
            raise InputError(f"{shared[0].name} is both {_ROLES[a]} and {_ROLES[b]}: {why}.")
    if Path(output).resolve() in {Path(p).resolve() for p in (*product, *reference, *baseline)}:
        raise InputError(f"The output {output} is also an input: give the output another name.")
    for name, value in (("share of a period", options.min_share), ("valid share of a cell", options.min_valid)):
        if not 0 < value <= 1:
            raise InputError(f"The smallest {name} lies between 0 and 1, not at {value:g}.")
    if options.min_periods < 3:
        raise InputError(f"A correlation needs at least 3 periods, not {options.min_periods}.")
    if options.anomalies not in ANOMALIES:
        raise InputError(f"Anomalies are one of {', '.join(ANOMALIES)}, not {options.anomalies!r}.")


def _why_none(together: Together) -> str:
    names = " and ".join(f"{source.role} {source.name}" for source in together.sources)
    return (
        f"No cell has a value of {names} in the same period: check nodata and extents, or lower the smallest valid "
        "share of a cell and of a period."
    )
