"""The sections of a validation report about stations: in time, on the map, against each other, inside coarse cells."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
from osgeo import osr

from ..report import Figure, Table, Text, charts, fmt, plural
from ..report.html import Block
from .metrics import R_CLASSES
from .results import ProductValidation, StationRow
from .wording import field_names, interval_text

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
    """Map, classes of R and the table of stations."""
    blocks: list[Block] = [_station_map(product, crs_wkt)]
    if product.station_summary["product"].stations > 2:
        blocks.append(_classes(product))
    return [*blocks, _station_table(product)]


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
    numbers = (
        f"R is {fmt(r.value, 2)} ({interval_text(r)}, from resamples of whole cells) over {fmt(inside.n)} values of "
        f"{inside.stations} stations in {inside.cells} cells; the difference to the smooth source is "
        f"{fmt(gain.value, 2, signed=True)} ({interval_text(gain)})."
    )
    table = Table(
        ["Field", "R inside cells"],
        [[name, inside.r[source]] for source, name in field_names(product).items()],
        "R of the differences between stations of the same coarse cell and period.",
        digits=2,
        notes="The cell value scores 0 by construction: it is the same for all stations of a cell.",
    )
    return [Text(f"{why}\n\n{outcome} {numbers}"), table]


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
    columns = ["Station", "n", "Effective n", "R", "95\u00a0% interval", "R smooth", "Gain", "ubRMSE", "Bias", "Used"]
    digits = [0, 0, 0, 2, 2, 2, 2, 3, 3, 0]
    rows: list[list[Any]] = []
    any_used = any(row.used for row in product.stations)
    for row in product.stations:
        score, smooth = row.scores["product"], row.scores.get("smooth")
        low, high = score.r_ci
        interval = None if math.isnan(low) else f"{fmt(low, 2)}\u00a0to\u00a0{fmt(high, 2)}"
        rows.append(
            [row.station, row.n, row.n_effective, score.r, interval, smooth and smooth.r, row.gain.get("smooth")]
            + [score.ubrmse, score.bias, row.used if any_used else None]
        )
    # A single date gives a station no R: its columns would be empty.
    filled = [j for j in range(len(columns)) if any(not _missing(row[j]) for row in rows)]
    return Table(
        [columns[j] for j in filled],
        [[row[j] for j in filled] for row in rows],
        "The stations one by one; ubRMSE and bias in m³/m³.",
        digits=[digits[j] for j in filled],
        notes="Used: enough pairs to enter the means over stations." if any_used else "",
    )


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
