"""The section of the report on the days around rain."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...report import Figure, Table, Text
from ..metrics import Floats
from ..rasters.plots import line_chart
from ..rasters.source import SATURATION
from .response import DAYS, mean_of, quantiles_of
from .results import RainResponse


def event_blocks(result: RainResponse) -> list[Any]:
    """The mean course around rain events, and how often there was a rise."""
    lines, bands = {}, {}
    for source, curves in result.composites.items():
        if len(curves):
            lines[source] = (DAYS, mean_of(curves))
            bands[source] = (DAYS, quantiles_of(curves, 0.25), quantiles_of(curves, 0.75))
    rule = f"{result.options.threshold:g} mm or more after {result.options.dry_days} days below 1 mm each"
    if not lines:
        return [Text(f"No event ({rule}) has soil moisture before and after it: lower the rain of an event.")]
    found = {unit_of(result, source) for source in lines}
    units = f"({found.pop()})" if found == {"m³/m³"} else ""
    figure = Figure(
        line_chart(
            lines,
            "Days from the rain",
            " ".join(filter(None, ("Change", units))),
            bands,
            zero=True,
            mark_x=0.0,
            mark_text="day of the rain",
            whole=True,
        ),
        f"Mean soil moisture around rain events ({rule}), as change from the mean of the three days before; shaded: "
        "half of the events. The next rain as heavy ends an event. It should jump on day 0 or 1 and dry out slowly. A "
        "rise before day 0 means that days or dates are shifted; no jump means that the soil moisture does not see "
        "the rain.",
        "Soil moisture around rain events",
    )
    rows = []
    for source in result.sources:
        own = [p.events for p in result.of(source) if p.events is not None and p.events.events]
        if own:
            curves = result.composites[source]
            mean = mean_of(curves)[5:]
            rows.append(
                [
                    source,
                    len(curves),
                    len(own),
                    rise(curves),
                    100 * answered(curves),
                    int(np.nanargmax(mean)) if np.isfinite(mean).any() else None,
                ]
            )
    table = Table(
        ["Source", "Events", "Places", "Mean rise", "Events with a rise (%)", "Highest on day"],
        rows,
        "Events of all places together. Rise: highest change on days 0 to 3, mean over the events.",
        digits=[0, 0, 0, 3, 0, 0],
    )
    return [figure, table]


def unit_of(result: RainResponse, source: str) -> str:
    """m³/m³, or nothing for soil moisture relative to saturation."""
    return "" if result.kinds.get(source) == SATURATION else "m³/m³"


def rise(curves: Floats) -> float:
    """Mean over events (events, 16) of the highest change on days 0 to 3."""
    return float(np.nanmean(np.nanmax(curves[:, 5:9], axis=1)))


def answered(curves: Floats) -> float:
    """Share of events with a rise above 0."""
    return float((np.nanmax(curves[:, 5:9], axis=1) > 0).mean())
