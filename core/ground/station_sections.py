"""The sections of a validation report about stations: in time, on the map, against each other, inside coarse cells."""

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
from .wording import field_names, filled, interval_cell, interval_text

_PANELS = 6


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
    names = field_names(product)
    counts = [count for _, count, _ in spatial.rows]
    span = str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    periods = plural(spatial.periods, "period")
    blocks: list[Block] = [
        Text(
            "Within one period, R over the stations tells whether the map knows which places are wetter; changes in "
            "time play no part."
        ),
        Table(
            ["Field", "Mean R", "Median R"],
            [[name, spatial.mean[source], spatial.median[source]] for source, name in names.items()],
            f"R over the stations ({span}) within a period: mean and median of {periods}.",
            digits=2,
        ),
    ]
    middles = {label: _middle(product, k) for k, label in enumerate(product.periods)}
    dates = [middles.get(label) for label, _, _ in spatial.rows]
    if len(dates) > 2 and all(dates):
        shown = {source: name for source, name in names.items() if source != "coarse"}
        lines = {name: [r[source] for _, _, r in spatial.rows] for source, name in shown.items()}
        caption = "R over the stations, period by period. With few stations, single periods scatter widely."
        blocks.append(Figure(charts.series(dates, lines, ylabel="R"), caption, caption))
    return blocks


def inside_cells(product: ProductValidation) -> list[Block]:
    """Agreement between stations of the same coarse cell: the proof of downscaling, or why it cannot be given."""
    why = (
        "Stations that share a coarse cell give the only direct proof of downscaling: the cell has one value for them "
        "all, so what ranks them right was added inside the cell. From map and measurements alike, the mean over the "
        "cell's stations in the same period is subtracted; what is left is correlated."
    )
    inside = product.inside_cell
    if inside is None:
        missing = (
            "Here fewer than three coarse cells hold two stations or more in the same period, so this proof cannot be "
            "given. Scores over all pairs can rise without a single right detail inside a cell."
        )
        return [Text(f"{why}\n\n{missing}")]
    r, gain = inside.product_r, inside.gain_over_smooth
    outcome = "Whether the detail inside the cells is right cannot be told from these stations."
    if r.excludes_zero:
        outcome = f"The detail inside the cells is {'real' if r.value > 0 else 'wrong more often than right'}."
        if r.value > 0 and not gain.low > 0:
            outcome = (
                "The detail inside the cells is real, but these stations do not show that it is more than what "
                "interpolation of the coarse source gives."
            )
    numbers = (
        f"R is {fmt(r.value, 2)} ({interval_text(r)}, from resamples of whole cells) over {fmt(inside.n)} values of "
        f"{inside.stations} stations in {inside.cells} cells; the difference to the smooth source is "
        f"{fmt(gain.value, 2, signed=True)} ({interval_text(gain)})."
    )
    names = field_names(product)
    rows: list[list[Any]] = [
        [names[source], inside.r[source], won.right, won.pairs, 100 * won.share.value, _percent_interval(won.share)]
        for source, won in inside.ranking.items()
    ]
    rows.append([names["coarse"], 0.0, None, None, 50.0, None])
    table = Table(
        ["Field", "R inside cells", "Ranked right", "Of pairs", "Share %", "95\u00a0% interval %"],
        rows,
        "Stations of the same coarse cell and period: R of their differences, and how often the wetter one is the "
        "wetter one on the map too.",
        digits=[0, 2, 0, 0, 0, 0],
        notes="The cell value is the same for all stations of a cell: R 0 and a share of 50\u00a0% by construction.",
    )
    return [Text(f"{why}\n\n{ranking_answer(product)}\n\n{outcome} {numbers}"), table]


def ranking_answer(product: ProductValidation) -> str:
    """Whether the map ranks the stations inside one coarse cell right; empty where that cannot be asked."""
    inside = product.inside_cell
    if inside is None or not inside.ranking["product"].pairs:
        return ""
    won = inside.ranking["product"]
    share, interval = won.share, _percent_interval(won.share)
    text = (
        f"The map ranks stations inside one coarse cell right in {fmt(won.right, 0)} of {plural(won.pairs, 'pair')} "
        f"({100 * share.value:.0f}\u00a0%"
    )
    if interval is None:
        return f"{text}; chance is 50\u00a0%)."
    judged = "no better than chance"
    if share.low > 0.5:
        judged = "better than chance"
    elif share.high < 0.5:
        judged = "worse than chance"
    smooth = f"{100 * inside.ranking['smooth'].share.value:.0f}\u00a0%"
    return (
        f"{text}, 95\u00a0% interval {interval}\u00a0%; chance is 50\u00a0%, the smooth source has {smooth}): {judged}."
    )


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
    for row in product.stations:
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
        "The stations one by one; ubRMSE and bias in m³/m³.",
        digits=[digits[j] for j in kept],
        notes="Stations with a remark do not enter the means over stations." if "Remark" in shown else "",
    )


def _percent_interval(share: Interval) -> str | None:
    if math.isnan(share.low):
        return None
    return f"{100 * share.low:.0f}\u00a0to\u00a0{100 * share.high:.0f}"
