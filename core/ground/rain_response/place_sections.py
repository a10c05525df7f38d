"""The sections of the report on single places: a series to look at, the map and the table."""

from __future__ import annotations

import math
from typing import Any

from osgeo import osr

from ...report import Figure, Table, charts, fmt_p
from ..rasters.departures import NONE
from ..rasters.plots import rain_and_moisture
from .results import CURVES, RainResponse


def example_blocks(result: RainResponse) -> list[Any]:
    """Rain and soil moisture of the place with most values."""
    example = result.example
    assert example is not None
    return [
        Figure(
            rain_and_moisture(example.dates, example.rain, example.moisture, "Soil moisture (m³/m³)", example.place),
            f"Rain (from the top) and soil moisture at {example.place}, the place with most values.",
            "Rain and soil moisture over time",
        )
    ]


def map_blocks(result: RainResponse) -> list[Any]:
    """Where soil moisture follows the rain; nothing below three places."""
    source = result.sources[-1]
    places = [place for place in result.of(source) if math.isfinite(place.x)]
    if len(places) < 3:
        return []
    reference = osr.SpatialReference()
    reference.ImportFromWkt(result.crs_wkt)
    values = [place.best(place.answering)[0] for place in places]
    return [
        Figure(
            charts.station_map(
                [p.x for p in places],
                [p.y for p in places],
                values,
                "R of changes and rain" if result.step == "day" else "R of soil moisture and rain",
                [p.place for p in places],
                diverging=False,
                geographic=bool(reference.IsGeographic()),
                title=source if len(result.sources) > 1 else "",
            ),
            "Highest correlation with rain over the lags, of changes by day, of soil moisture by month. Low values: "
            "irrigation, water bodies, another climate in the rain cell than at the place, or a sensor "
            "that does not answer.",
            "Map of the response",
        )
    ]


def place_table(result: RainResponse) -> Table:
    """A row per place."""
    rows = []
    for place in result.places:
        moisture, change, api = (place.best(name) for name in CURVES)
        events = place.events
        rows.append(
            [
                place.source,
                place.place,
                place.n,
                change[0],
                change[1],
                fmt_p(change[2]) if math.isfinite(change[2]) else None,
                moisture[0],
                moisture[1],
                api[0],
                0 if events is None else events.events,
                None if events is None else events.rise,
                None if events is None else events.peak,
            ]
        )
    kind = "anomalies" if result.method != NONE else "values"
    return Table(
        [
            "Source",
            result.what.capitalize(),
            "n",
            "R of changes",
            "Lag",
            "p",
            "R of soil moisture",
            "Lag",
            "R with API",
            "Events",
            "Rise",
            "Highest on day",
        ],
        rows,
        f"Highest correlation with rain per place, of {kind}, the lag at which it is reached, and the response to "
        "events.",
        digits=[0, 0, 0, 2, 0, 0, 2, 0, 2, 0, 3, 0],
    )
