"""The sections of a validation report that tell about one product: first whether it beats its coarse source."""

from __future__ import annotations

import math
from typing import Any

from ..report import Figure, Section, Table, Text, charts, fmt, fmt_p, plural
from ..report.html import Block
from .agreement_sections import groups, how_sure, kinds_of_r
from .comparison import REPEATS, Interval
from .error_section import error_parts
from .inside_section import inside_cells
from .results import ProductValidation
from .station_sections import in_time, on_the_map, one_by_one, over_stations
from .wording import SOURCES, field_names

_RESAMPLES = f"95\u00a0% intervals from {fmt(REPEATS)} resamples of whole stations"


def product_sections(product: ProductValidation, crs_wkt: str, min_pairs: int, prefix: str = "") -> list[Section]:
    """All that one product has to show; `prefix` stands before the headings where a page has several products."""
    parts: dict[str, list[Block]] = {
        "Did downscaling help?": _gain(product) if product.comparison else [],
        "What R means: time, space and both": kinds_of_r(product),
        "Inside the coarse cells": inside_cells(product) if product.comparison else [],
        "Agreement in space": over_stations(product, min_pairs),
        "All pairs": _all_pairs(product),
        "Where the error comes from": error_parts(product),
        "Stations in time": in_time(product),
        "Stations on the map": on_the_map(product, crs_wkt),
        "Seasons, years and classes": groups(product),
        "How sure the scores are": how_sure(product),
        "The stations one by one": one_by_one(product),
    }
    return [
        Section(f"{prefix}: {heading[0].lower()}{heading[1:]}" if prefix else heading, blocks)
        for heading, blocks in parts.items()
        if blocks
    ]


def _gain(product: ProductValidation) -> list[Block]:
    blocks: list[Block] = [
        Text(
            "The map is compared with the coarse source it was made from, on the very same pairs. Smooth means that "
            "the coarse field is interpolated between its cells so that every cell keeps its mean, without any "
            "factor: a map that does not beat it adds nothing. Cell value means that every point takes the value of "
            "the coarse cell it lies in."
        )
    ]
    draws = {source: comparison.bootstrap for source, comparison in product.comparison.items()}
    if any(not math.isnan(one.pooled_r.low) for one in draws.values()):
        correlations = {
            f"{label}, to {SOURCES[source]}": getattr(one, score)
            for label, score in (("R over all pairs", "pooled_r"), ("R, mean of stations", "station_mean_r"))
            for source, one in draws.items()
            if not math.isnan(getattr(one, score).value)
        }
        caption = (
            f"R of the map minus R of its coarse source, with {_RESAMPLES}. Blue is better, amber worse, grey cannot "
            "be told from no difference."
        )
        blocks.append(_differences(correlations, "Difference of R", "positive", caption))
        errors = {
            f"{label}, to {SOURCES[source]}": getattr(one, score)
            for label, score in (("ubRMSE", "ubrmse"), ("RMSE", "rmse"))
            for source, one in draws.items()
        }
        caption = f"Error of the map minus error of its coarse source over all pairs, with {_RESAMPLES}."
        blocks.append(_differences(errors, "Difference of error (m³/m³)", "negative", caption))
    else:
        few = plural(product.station_count, "station")
        blocks.append(Text(f"From {few} no interval can be drawn: the differences may be chance."))
    names = field_names(product)
    rows = [
        [names[source], one.paired.difference, one.paired.n_effective, fmt_p(one.paired.p)]
        + [one.median_station_gain, fmt_p(one.wilcoxon_p), one.gdown]
        for source, one in product.comparison.items()
    ]
    columns = ["Against", "Difference of R", "Effective n", "p (Williams)", "Median gain", "p (Wilcoxon)", "GDOWN"]
    blocks.append(
        Table(
            columns,
            rows,
            "Tests of the difference on the same pairs.",
            notes="Williams: test of two correlations with the same measurements, with the effective number of pairs. "
            "Median gain: of the stations' own R; Wilcoxon: signed-rank test of these gains, from 6 stations on. "
            "GDOWN: mean gain in slope, R and bias, from \u22121 to 1.",
            digits=[3, 3, 0, 3, 3, 3, 2],
        )
    )
    return blocks


def _differences(rows: dict[str, Interval], xlabel: str, better: str, caption: str) -> Figure:
    svg = charts.difference_ci(
        list(rows),
        [one.value for one in rows.values()],
        [one.low for one in rows.values()],
        [one.high for one in rows.values()],
        xlabel,
        better,
    )
    return Figure(svg, caption, "; ".join(f"{name}: {fmt(one.value, signed=True)}" for name, one in rows.items()))


def _all_pairs(product: ProductValidation) -> list[Block]:
    names, pairs = field_names(product), product.pairs
    series = {"product": pairs.predicted}
    if product.comparison:
        series = {"smooth": pairs.smooth, **series}
    scatter = charts.scatter_pair(
        [(names[source], pairs.observed, values) for source, values in series.items()],
        xlabel="Station",
        ylabel="Map or source" if product.comparison else "Map",
        unit="m³/m³",
    )
    caption = "Each point is a station in a period; the dashed line is 1 : 1."
    if product.comparison:
        caption = f"Left the smooth coarse source, right the map. {caption}"
    alt = "; ".join(f"{name}: R {fmt(product.pooled[source].r, 2)}" for source, name in names.items())
    spread = _spread_of_stations(product)
    return [Figure(scatter, caption, alt), _scores(product), *([Text(spread)] if spread else [])]


def _scores(product: ProductValidation) -> Table:
    metrics = "r spearman ubrmse rmse bias kge".split()
    rows: list[list[Any]] = []
    for source, name in field_names(product).items():
        score = product.pooled[source]
        rows.append(["All pairs", name, score.n, *(getattr(score, metric) for metric in metrics)])
    if product.station_summary["product"].stations:
        for source, name in field_names(product).items():
            own = product.station_summary[source]
            rows.append(["Mean of stations", name, own.stations, *(own.mean[metric] for metric in metrics)])
    return Table(
        ["Over", "Field", "n", "R", "Spearman", "ubRMSE", "RMSE", "Bias", "KGE"],
        rows,
        "Scores over all pairs and means over stations; ubRMSE, RMSE and bias in m³/m³.",
        digits=[0, 0, 0, 2, 2, 3, 3, 3, 2],
        notes="n counts pairs, or stations. Bias is map minus station.",
    )


def _spread_of_stations(product: ProductValidation) -> str:
    stations = product.station_summary["product"]
    text = ""
    if product.n_effective < product.pooled["product"].n - 0.5:
        text = (
            f"The {plural(product.pooled['product'].n, 'pair')} are worth about {fmt(product.n_effective, 0)} "
            "independent ones, since values that neighbour each other in time or space are alike. "
        )
    if not stations.stations:
        return text.strip()
    return text + (
        f"Half of the stations have an R of their own between {fmt(stations.lower_quartile['r'], 2)} and "
        f"{fmt(stations.upper_quartile['r'], 2)}; the median is {fmt(stations.median['r'], 2)}."
    )
