"""The page of a comparison of two products."""

from __future__ import annotations

import math
from typing import Any

from ...report import KeyFigure, Report, Section, Table, Text, fmt, percent, plural, typeset
from ..metrics import R_CLASSES
from .detail_sections import detail_blocks, detail_data
from .map_section import map_blocks
from .moments import Interval
from .parts_sections import date_blocks, date_table, zone_blocks, zone_table
from .results import RasterValidation
from .verdict import verdict_lines


def raster_report(result: RasterValidation) -> Report:
    """One page: verdict, maps, dates, zones, detail; `data` holds all numbers."""
    tables = zone_table(result), date_table(result)
    unit = " in m³/m³" if result.comparable else ""
    return Report(
        title="Comparison of two products",
        subtitle=f"{result.product} against {result.reference}: {plural(len(result.periods), 'period')}, "
        f"{_span(result)}, on cells of {result.grid.cell_label}",
        verdict=typeset("\n".join(verdict_lines(result))),
        tone=result.tone,
        key_figures=_key_figures(result),
        sections=[
            Section("Where they agree in time", map_blocks(result)),
            Section("Date by date: agreement in space", date_blocks(result, tables[1])),
            *([Section("Zones", zones)] if (zones := zone_blocks(result, tables[0])) else []),
            *([Section("The fine detail", detail_blocks(result))] if result.textures or result.detail else []),
            Section("What the scores rest on", _basis(result, unit)),
        ],
        details=_details(result),
        data=_data(result),
        main_table=tables[0] if result.zones else tables[1],
    )


def interval_text(interval: Interval, digits: int = 2) -> str:
    """Such as `0.52 [0.41, 0.60]`."""
    text = fmt(interval.value, digits)
    if not interval.known:
        return text
    return f"{text} [{fmt(interval.low, digits)}, {fmt(interval.high, digits)}]"


def _key_figures(result: RasterValidation) -> list[KeyFigure]:
    pooled = result.pooled
    figures = [KeyFigure("R over all pairs", fmt(pooled.r, 2), _interval_note(result.r))]
    if result.gain is not None:
        figures.append(
            KeyFigure(
                "gain of R over the coarse source", fmt(result.gain.value, 2, signed=True), _interval_note(result.gain)
            )
        )
    if "r" in result.pixels:
        own = result.pixels["r"]
        note = f"half of the cells {fmt(own.lower, 2)} to {fmt(own.upper, 2)}"
        figures.append(KeyFigure("median R of a cell in time", fmt(own.median, 2), note))
    if "anomaly_r" in result.pixels:
        note = f"season taken off: {result.anomaly_method}"
        figures.append(KeyFigure("median R of anomalies", fmt(result.pixels["anomaly_r"].median, 2), note))
    if math.isfinite(result.spatial_r):
        note = f"coarse source {fmt(result.spatial_r_baseline, 2)}" if result.gain is not None else "mean of the dates"
        figures.append(KeyFigure("R in space", fmt(result.spatial_r, 2), note))
    if result.detail is not None:
        figures.append(
            KeyFigure("R of the fine detail", fmt(result.detail.r.value, 2), _interval_note(result.detail.r))
        )
    if result.comparable:
        figures.append(KeyFigure("ubRMSE (m³/m³)", fmt(pooled.ubrmse), "bias taken off"))
        figures.append(KeyFigure("bias (m³/m³)", fmt(pooled.bias, signed=True), "product minus reference"))
    figures.append(KeyFigure("pairs", fmt(pooled.n), f"in {plural(len(result.periods), 'period')}"))
    return figures


def _interval_note(interval: Interval) -> str:
    return (
        f"95 %: {fmt(interval.low, 2)} to {fmt(interval.high, 2)}" if interval.known else "no interval: too few blocks"
    )


def _basis(result: RasterValidation, unit: str) -> list[Any]:
    rows = [[role, grid.crs_name, grid.cols, grid.rows, grid.cell_label] for role, grid in result.grids.items()]
    rows.append(["compared on", result.grid.crs_name, result.grid.cols, result.grid.rows, result.grid.cell_label])
    blocks: list[Any] = [
        Text(
            "Both products come to the coarser of their two grids by means over area, and to the longer of their "
            "periods "
            f"by means weighted with the shared days. A cell needs {percent(result.options.min_valid)} of its area, a "
            f"period {percent(result.options.min_share)} of its days. All scores are on pairs that "
            f"{'the coarse source has too' if result.gain is not None else 'both have'}"
            f"{unit and '; differences are' + unit}."
            "\n\nIntervals come from resampling blocks of the map and dates: neighbouring cells and days share their "
            "errors, so that the number of pairs overstates what is known.\n\nNeither product is the truth. What they "
            "share (a satellite, a land model, the rain behind it) raises R without either being right."
        ),
        Table(["Layer", "CRS", "Columns", "Rows", "On the ground"], rows, "Grids."),
    ]
    if result.dropped_periods:
        blocks.append(
            Text(f"Left out: {plural(result.dropped_periods, 'period')} with too few days in one of the products.")
        )
    if result.anomaly_method == "none":
        blocks.append(Text("No anomalies: they need a series of 35 days and 10 dates, or two years of longer periods."))
    if result.notes:
        blocks.append(Text("Notes:\n" + "\n".join(f"- {typeset(note)}" for note in result.notes)))
    return blocks


def _details(result: RasterValidation) -> dict[str, Any]:
    options = result.options
    return {
        "Product": result.product,
        "Reference": result.reference,
        "Coarse source": result.baseline or "not given",
        "How the coarse source is compared": ""
        if result.baseline is None
        else "smooth interpolation that keeps cell means"
        if result.smooth
        else "means over area",
        "Anomalies": result.anomaly_method,
        "Smallest valid share of a cell": options.min_valid,
        "Smallest share of a period": options.min_share,
        "Fewest periods of a cell": options.min_periods,
        "Seed": options.seed,
    }


def _span(result: RasterValidation) -> str:
    first, last = result.periods[0][0], result.periods[-1][0]
    return first if first == last else f"{first} to {last}"


def _data(result: RasterValidation) -> dict[str, Any]:
    pooled = result.pooled
    return {
        "product": result.product,
        "reference": result.reference,
        "baseline": result.baseline,
        "pairs": pooled.n,
        "r": pooled.r,
        "r_interval": [result.r.low, result.r.high],
        "r_baseline": pooled.r_baseline,
        "gain": None if result.gain is None else [result.gain.value, result.gain.low, result.gain.high],
        "bias": pooled.bias,
        "rmse": pooled.rmse,
        "ubrmse": pooled.ubrmse,
        "spatial_r": result.spatial_r,
        "spatial_r_baseline": result.spatial_r_baseline,
        "pixels": {name: vars(own) for name, own in result.pixels.items()},
        "r_classes": dict(zip(R_CLASSES, result.r_classes)),
        "periods": [dict(zip(("period", "n", "r", "r_baseline", "bias", "ubrmse"), row)) for row in result.periods],
        "zones": [row.flat() for row in result.zones],
        "anomalies": result.anomaly_method,
        "detail": detail_data(result),
        "notes": list(result.notes),
    }
