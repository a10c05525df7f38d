"""The sections of a validation report about stations: in time, on the map, against each other."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
from osgeo import osr

from ..report import Figure, Table, Text, charts, fmt, plural
from ..report.html import Block
from .comparison import Interval
from .metrics import R_CLASSES
from .results import ProductValidation, StationRow
from .wording import field_names, filled, interval_cell

_PANELS = 6
_MANY_PERIODS = 120
_ROWS, _ENDS = 60, 20


def in_time(product: ProductValidation) -> list[Block]:
    """Series of the stations with the largest, the median and the smallest gain; none for undated maps."""
    pairs, names = product.pairs, field_names(product)
    score = "gain of R over the smooth coarse source" if product.comparison else "R"
    dated = any(period is not None for period in pairs.periods)
    used = sorted((row for row in product.stations if row.used), key=lambda row: -_merit(row)) if dated else []
    if not used:
        return []
    n = len(used)
    chosen = used if n <= _PANELS else [used[k] for k in (0, 1, n // 2 - 1, n // 2, n - 2, n - 1)]
    panels = []
    for row in chosen:
        at = np.flatnonzero(pairs.stations[pairs.station] == row.station)
        lines = {names["product"]: pairs.predicted[at]}
        title = f"{row.station}: R {fmt(row.scores['product'].r, 2)}"
        if product.comparison:
            lines[names["smooth"]] = pairs.smooth[at]
            title += f", gain {fmt(row.gain['smooth'], 2, signed=True)}"
        dates = [_middle(product, int(k)) for k in pairs.period[at]]
        panels.append(charts.SeriesPanel(title, dates, lines, {"Station": pairs.observed[at]}))
    caption = f"Soil moisture at the {plural(n, 'station')} with enough pairs, by falling {score}."
    if n > _PANELS:
        caption = (
            f"Soil moisture at {_PANELS} of {n} stations: two each with the largest, a median and the smallest {score}."
        )
    return [Figure(charts.series_panels(panels, "m³/m³"), caption, "; ".join(panel.title for panel in panels))]


def on_the_map(product: ProductValidation, crs_wkt: str) -> list[Block]:
    """Map and classes of R."""
    blocks: list[Block] = [_station_map(product, crs_wkt)]
    if product.station_summary["product"].stations > 2:
        blocks.append(_classes(product))
    return blocks


def one_by_one(product: ProductValidation) -> list[Block]:
    """The table of stations, and those without any pair."""
    blocks: list[Block] = [_station_table(product)]
    if product.missing:
        rows = [[row.station, row.why] for row in product.missing]
        blocks.append(Table(["Station", "Why"], rows, f"{plural(len(rows), 'station')} without any pair."))
    return blocks


def over_stations(product: ProductValidation, min_pairs: int) -> list[Block]:
    """Agreement over the stations within each period."""
    spatial = product.spatial
    if spatial is None:
        return [Text(f"No period has {min_pairs} stations or more that differ: there is no R over the stations.")]
    if spatial.periods == 1:
        return []  # that of all pairs
    names = field_names(product)
    counts = [count for _, count, _ in spatial.rows]
    span = str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    periods = plural(spatial.periods, "period")
    means = "; ".join(
        f"{name}: mean R {fmt(spatial.mean[source], 2)}, median {fmt(spatial.median[source], 2)}"
        for source, name in names.items()
    )
    blocks: list[Block] = [
        Text(
            "Within one period, R over the stations tells whether the map knows which places are wetter; changes in "
            f"time play no part. Over {span} stations in {periods}: {means}."
        )
    ]
    middles = {label: _middle(product, k) for k, label in enumerate(product.periods)}
    dates = [middles.get(label) for label, _, _ in spatial.rows]
    known = [date for date in dates if date is not None]
    if len(dates) > 2 and len(known) == len(dates):
        shown = {source: name for source, name in names.items() if source != "coarse"}
        lines = {name: [r[source] for _, _, r in spatial.rows] for source, name in shown.items()}
        caption = "R over the stations, period by period. With few stations, single periods scatter widely."
        if len(known) > _MANY_PERIODS:
            known, lines = by_month(known, lines)
            caption = "R over the stations within a period, means by month."
        blocks.append(Figure(charts.series(known, lines, ylabel="R"), caption, means))
    return blocks


def by_month(dates: list[dt.date], lines: dict[str, list[float]]) -> tuple[list[dt.date], dict[str, list[float]]]:
    """Means of the known values of each calendar month, dated to its 15th."""
    month = np.array([date.replace(day=15) for date in dates], dtype="datetime64[D]")
    months, number = np.unique(month, return_inverse=True)
    means = {}
    for name, values in lines.items():
        known = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            total = np.bincount(number, np.where(known, values, 0.0)) / np.bincount(number, known)
        means[name] = total.tolist()
    return months.tolist(), means


def _merit(row: StationRow) -> float:
    return row.gain.get("smooth", row.scores["product"].r)


def _middle(product: ProductValidation, period: int) -> dt.date | None:
    span = product.pairs.periods[period]
    return None if span is None else (span.first + (span.last - span.first) / 2).date()


def _station_map(product: ProductValidation, crs_wkt: str) -> Figure:
    """Coloured by gain; by R without a baseline; by the difference where single dates give no R."""
    rows = product.stations
    merit = np.array([_merit(row) if row.used else math.nan for row in rows])
    bias = np.array([row.scores["product"].bias for row in rows])
    if not np.isfinite(merit).any():
        values, diverging, label = bias, True, "Map minus station (m³/m³)"
        caption = "Mean difference between map and station. Blue: the map is wetter, brown: drier."
    elif product.comparison:
        values, diverging, label = merit, True, "Gain of R"
        caption = "R of the map minus R of its smooth coarse source at every station. Blue is better, brown worse."
    else:
        values, diverging, label = merit, False, "R"
        caption = "R of the map at every station."
    if np.isnan(values).any():
        caption += " Hollow: too few pairs."
    reference = osr.SpatialReference()
    reference.ImportFromWkt(crs_wkt)
    geographic = bool(reference.IsGeographic())
    metres = 1.0 if geographic else reference.GetLinearUnits() or 1.0
    x, y = (metres * np.array(places) for places in zip(*((row.x, row.y) for row in rows)))
    names = [row.station for row in rows]
    svg = charts.station_map(x, y, values, label, names, diverging, geographic=geographic)
    return Figure(svg, caption, f"{plural(len(rows), 'station')}: {label}")


def _classes(product: ProductValidation) -> Figure:
    names, counts = field_names(product), product.r_classes
    if product.comparison:
        fields = (names["smooth"], names["product"])
        svg = charts.histogram_classes(R_CLASSES, counts["smooth"], counts["product"], fields, "R of the station")
    else:
        svg = charts.bars(R_CLASSES, counts["product"], xlabel="Stations", sort=False, digits=0)
    used, high = sum(counts["product"]), counts["product"][-1]
    share = f"{100 * high / used:.0f}\u00a0%"
    caption = (
        f"The {plural(used, 'station')} with enough pairs by their own R; the map has 0.8 or more at {high} ({share})."
    )
    return Figure(svg, caption, "; ".join(f"R {name}: {n}" for name, n in zip(R_CLASSES, counts["product"])))


def _station_table(product: ProductValidation) -> Table:
    columns = ["Station", "n", "Effective n", "R", "95\u00a0% interval", "R smooth", "Gain", "R without season"]
    columns += ["ubRMSE", "Bias", "Remark"]
    digits = [0, 0, 0, 2, 2, 2, 2, 2, 3, 3, 0]
    rows: list[list[Any]] = []
    stations, caption = product.stations, "The stations one by one; ubRMSE and bias in m³/m³."
    if len(stations) > _ROWS:
        ranked = sorted((row for row in stations if row.used), key=lambda row: -_merit(row)) or list(stations)
        chosen = ranked if len(ranked) <= 2 * _ENDS else [*ranked[:_ENDS], *ranked[-_ENDS:]]
        stations = tuple(chosen)
        caption = (
            f"{len(stations)} of {len(product.stations)} stations, those with the largest and with the smallest "
            f"{'gain of R over the smooth source' if product.comparison else 'R'}; all are in the CSV and JSON files. "
            "ubRMSE and bias in m³/m³."
        )
    for row in stations:
        score, smooth = row.scores["product"], row.scores.get("smooth")
        rows.append(
            [row.station, row.n, row.n_effective, score.r, interval_cell(Interval(score.r, *score.r_ci))]
            + [smooth and smooth.r, row.gain.get("smooth"), row.anomaly_r.get("product"), score.ubrmse, score.bias]
            + [row.why or None if row.n > 1 else None]
        )
    # A single date gives a station no R: its columns would be empty.
    kept = filled(rows)
    shown = [columns[j] for j in kept]
    return Table(
        shown,
        [[row[j] for j in kept] for row in rows],
        caption,
        digits=[digits[j] for j in kept],
        notes="Stations with a remark do not enter the means over stations." if "Remark" in shown else "",
    )
