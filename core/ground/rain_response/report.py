"""The page of the response to rain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from osgeo import osr

from ...report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, fmt_p, plural, typeset
from ..metrics import Floats
from ..rasters.departures import NONE
from ..rasters.plots import line_chart, rain_and_moisture
from .response import DAYS, mean_of, quantiles_of
from .results import CURVES, PlaceResponse, RainResponse


def rain_report(result: RainResponse) -> Report:
    """One page: verdict, lags, events, an example, places; `data` holds all numbers."""
    table = _table(result)
    return Report(
        title="Response to rain",
        subtitle=f"{', '.join(result.sources)} at {plural(_place_count(result), result.what)} against {result.rain}, "
        f"{result.span[0]} to {result.span[1]}, by {result.step}",
        verdict=typeset("\n".join(_verdict(result))),
        tone=_tone(result),
        key_figures=_key_figures(result),
        sections=[
            Section("How soil moisture follows rain", _lag_blocks(result)),
            *([Section("Around rain events", _event_blocks(result))] if result.step == "day" else []),
            *([Section("One place to look at", _example_blocks(result))] if result.example is not None else []),
            Section("Place by place", [*_map_blocks(result), table]),
            Section("What the scores rest on", _basis(result)),
        ],
        details={
            "Rain": f"{result.rain}, in {result.unit}",
            "Soil moisture": ", ".join(result.sources),
            "Step": result.step,
            "Anomalies": result.method,
            "Event": f"{result.options.threshold:g} mm after {result.options.dry_days} dry days",
            "Decay of the API": result.options.decay,
            "Fewest pairs": result.options.min_pairs,
        },
        data=_data(result),
        main_table=Table(list(result.places[0].flat()), [list(place.flat().values()) for place in result.places]),
    )


def _verdict(result: RainResponse) -> list[str]:
    lines = []
    for source in result.sources:
        places = result.of(source)
        known = [place for place in places if place.answers is not None]
        if not known:
            lines.append(f"Too few pairs of {source} to tell whether soil moisture follows the rain.")
            continue
        answered = sum(bool(place.answers) for place in known)
        r, lag = _median_best(known, CURVES[1])
        unit = "day" if result.step == "day" else "step"
        when = f", at a lag of {plural(round(lag), unit)}" if math.isfinite(lag) else ""
        kind = "anomalies of the rain" if result.method != NONE else "the rain"
        lines.append(
            f"Changes of soil moisture ({source}) follow the rain at {answered} of {plural(len(known), result.what)}: "
            f"median R = {fmt(r, 2)} with {kind}{when}."
        )
    for source, curves in result.composites.items():
        if len(curves):
            mean = mean_of(curves)[5:]
            if np.isfinite(mean).any():
                peak = int(np.nanargmax(mean))
                lines.append(
                    f"After {plural(len(curves), 'rain event')} soil moisture ({source}) lies at most "
                    f"{fmt(float(mean[peak]))} above the days before, on day {peak}."
                )
    if result.rain_sentence:
        lines.append(result.rain_sentence)
    return lines


def _tone(result: RainResponse) -> str:
    known = [place.answers for place in result.places if place.answers is not None]
    if not known:
        return "neutral"
    share = sum(bool(one) for one in known) / len(known)
    return "good" if share >= 0.75 else "bad" if share < 0.25 else "neutral"


def _key_figures(result: RainResponse) -> list[KeyFigure]:
    figures = []
    several = len(result.sources) > 1
    for source in result.sources[:2]:
        of = f": {source}" if several else ""
        for name, label in (
            (CURVES[1], "R of changes and rain"),
            (CURVES[0], "R of soil moisture and rain"),
            (CURVES[2], "R of soil moisture and API"),
        ):
            r, lag = _median_best(result.of(source), name)
            if math.isfinite(r):
                figures.append(KeyFigure(label + of, fmt(r, 2), f"median, at lag {fmt(lag, 0)}"))
        curves = result.composites.get(source)
        if curves is not None and len(curves):
            figures.append(
                KeyFigure(f"rise after events{of}", fmt(_rise(curves)), f"m³/m³, {plural(len(curves), 'event')}")
            )
    return figures


def _lag_blocks(result: RainResponse) -> list[Any]:
    blocks: list[Any] = []
    unit = "days" if result.step == "day" else result.step + "s" if result.step == "month" else "steps"
    kinds = (("anomaly", "Anomalies"),) if result.method != NONE else (("raw", "Values"),)
    for kind, title in kinds:
        lines: dict[str, tuple[Any, Any]] = {}
        bands: dict[str, tuple[Any, Any, Any]] = {}
        hollow: dict[str, Any] = {}
        for source in result.sources:
            for name in CURVES:
                own = [c for p in result.of(source) if (c := getattr(p, kind).get(name)) is not None]
                if not own:
                    continue
                table = np.array([c.r for c in own], dtype=np.float64)
                if not np.isfinite(table).any():
                    continue
                label = f"{source}: {name}" if len(result.sources) > 1 else name
                lags = np.arange(table.shape[1])
                lines[label] = (lags, _quantile(table, 0.5))
                significant = np.array([[p < 0.05 for p in c.p] for c in own]).mean(axis=0)
                hollow[label] = significant < 0.5
                if len(own) > 2:
                    bands[label] = (lags, _quantile(table, 0.25), _quantile(table, 0.75))
        if lines:
            blocks.append(
                Figure(
                    line_chart(
                        lines,
                        f"Lag ({unit} after the rain)",
                        "R",
                        bands,
                        hollow,
                        True,
                        whole=True,
                        per_style=len(CURVES),
                    ),
                    f"{title}: median correlation over the places with rain so many {unit} earlier; shaded: half of "
                    "the "
                    "places; hollow points: not significant (p ≥ 0.05) at half of the places or more. Changes should "
                    "peak at "
                    "lag 0 or 1 and fall to 0; soil moisture itself keeps its correlation longer, since it "
                    "remembers. A "
                    "peak at 1 rather than 0 often only says that the day of the rain ends at another hour than that "
                    "of "
                    "the soil moisture.",
                    f"Correlation by lag, {title.lower()}",
                )
            )
    rows = []
    for source in result.sources:
        for kind, title in (("anomaly", "anomalies"), ("raw", "values")):
            for name in CURVES:
                own = [
                    c for p in result.of(source) if (c := getattr(p, kind).get(name)) is not None and c.best is not None
                ]
                if own:
                    best = [c.best or 0 for c in own]
                    rows.append(
                        [
                            source,
                            title,
                            name,
                            len(own),
                            float(np.median([c.r[b] for c, b in zip(own, best)])),
                            float(np.median(best)),
                            100 * float(np.mean([c.p[b] < 0.05 for c, b in zip(own, best)])),
                        ]
                    )
    blocks.append(
        Table(
            ["Source", "Of", "What", "Places", "Median R", "Median lag", "Significant (%)"],
            rows,
            "Highest correlation over the lags. P: rain of the step; API: antecedent precipitation index.",
            digits=[0, 0, 0, 0, 2, 0, 0],
            notes="p values use the effective number of pairs, since both series remember; the highest of several lags "
            "is a little too good by choice.",
        )
    )
    return blocks


def _event_blocks(result: RainResponse) -> list[Any]:
    lines, bands = {}, {}
    for source, curves in result.composites.items():
        if len(curves):
            lines[source] = (DAYS, mean_of(curves))
            bands[source] = (DAYS, quantiles_of(curves, 0.25), quantiles_of(curves, 0.75))
    rule = f"{result.options.threshold:g} mm or more after {result.options.dry_days} days below 1 mm each"
    if not lines:
        return [Text(f"No event ({rule}) has soil moisture before and after it: lower the rain of an event.")]
    figure = Figure(
        line_chart(
            lines,
            "Days from the rain",
            "Change (m³/m³)",
            bands,
            zero=True,
            mark_x=0.0,
            mark_text="day of the rain",
            whole=True,
        ),
        f"Mean soil moisture around rain events ({rule}), as change from the mean of the three days before; shaded: "
        "half of "
        "the events. The next rain as heavy ends an event. It should jump on day 0 or 1 and dry out slowly. A rise "
        "before day 0 means that days or dates are "
        "shifted; no jump means that the soil moisture does not see the rain.",
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
                    _rise(curves),
                    100 * _answered(curves),
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


def _example_blocks(result: RainResponse) -> list[Any]:
    example = result.example
    assert example is not None
    return [
        Figure(
            rain_and_moisture(example.dates, example.rain, example.moisture, "Soil moisture (m³/m³)", example.place),
            f"Rain (from the top) and soil moisture at {example.place}, the place with most values.",
            "Rain and soil moisture over time",
        )
    ]


def _map_blocks(result: RainResponse) -> list[Any]:
    source = result.sources[-1]
    places = [place for place in result.of(source) if math.isfinite(place.x)]
    if len(places) < 3:
        return []
    reference = osr.SpatialReference()
    reference.ImportFromWkt(result.crs_wkt)
    values = [place.best(CURVES[1])[0] for place in places]
    return [
        Figure(
            charts.station_map(
                [p.x for p in places],
                [p.y for p in places],
                values,
                "R of changes and rain",
                [p.place for p in places],
                diverging=False,
                geographic=bool(reference.IsGeographic()),
                title=source if len(result.sources) > 1 else "",
            ),
            "Highest correlation of the changes of soil moisture with rain. Low values: irrigation, water bodies, "
            "another "
            "climate in the rain cell than at the place, or a sensor that does not answer.",
            "Map of the response",
        )
    ]


def _table(result: RainResponse) -> Table:
    rows = []
    for place in result.places:
        change, plain_, api = (place.best(name) for name in CURVES)
        events = place.events
        rows.append(
            [
                place.source,
                place.place,
                place.n,
                change[0],
                change[1],
                fmt_p(change[2]) if math.isfinite(change[2]) else None,
                plain_[0],
                plain_[1],
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


def _basis(result: RainResponse) -> list[Any]:
    blocks: list[Any] = [
        Text(
            "A change is the difference of soil moisture to the last value, at most three steps before, against the "
            "rain "
            "that fell in between. Rain layers are cells of 5 to 25 km: a shower at the station may have missed the "
            "mean of "
            "the cell, so R stays below 1 even for a perfect sensor. Days of rain products begin at different hours, "
            "most at "
            "00 UTC, gauges often in the morning: a lag of one day is no fault of the soil moisture."
            "\n\nMaps made with this rain as a predictor, and land models driven by it (SMAP L4, ERA5-Land, GLDAS), "
            "follow "
            "it by construction: that is no proof of their skill."
        )
    ]
    if any(kind == "saturation" for kind in result.kinds.values()):
        blocks.append(
            Text(
                "Some soil moisture is relative to saturation: its rise after events is a share of the pores, not "
                "m³/m³."
            )
        )
    if result.without_rain:
        blocks.append(Text(result.rain_sentence))
    if result.notes:
        blocks.append(Text("Notes:\n" + "\n".join(f"- {typeset(note)}" for note in result.notes)))
    return blocks


def _data(result: RainResponse) -> dict[str, Any]:
    first = result.sources[0]
    places, curves = result.of(first), result.composites.get(first, np.empty((0, len(DAYS))))
    mean = mean_of(curves)[5:] if len(curves) else np.array([math.nan])
    return {
        "sources": list(result.sources),
        "rain": result.rain,
        "step": result.step,
        "anomalies": result.method,
        "r_p": _median_best(places, CURVES[0])[0],
        "r_dsm": _median_best(places, CURVES[1])[0],
        "r_api": _median_best(places, CURVES[2])[0],
        "events": len(curves),
        "rise": _rise(curves) if len(curves) else None,
        "peak_day": int(np.nanargmax(mean)) if np.isfinite(mean).any() else None,
        "without_rain": list(result.without_rain),
        "places": [
            place.flat()
            | {
                "lags": {
                    f"{kind} {name}": {"r": list(c.r), "p": list(c.p), "n": list(c.n), "n_eff": list(c.n_effective)}
                    for kind in ("raw", "anomaly")
                    for name, c in getattr(place, kind).items()
                }
            }
            for place in result.places
        ],
        "composites": {
            name: {
                "days": DAYS.tolist(),
                "mean": mean_of(c).tolist(),
                "lower": quantiles_of(c, 0.25).tolist(),
                "upper": quantiles_of(c, 0.75).tolist(),
                "events": len(c),
            }
            for name, c in result.composites.items()
            if len(c)
        },
        "notes": list(result.notes),
    }


def _median_best(places: Sequence[PlaceResponse], name: str) -> tuple[float, float]:
    found = [best for place in places if math.isfinite((best := place.best(name))[0])]
    if not found:
        return math.nan, math.nan
    return float(np.median([b[0] for b in found])), float(np.median([b[1] for b in found]))


def _rise(curves: Floats) -> float:
    return float(np.nanmean(np.nanmax(curves[:, 5:9], axis=1)))


def _answered(curves: Floats) -> float:
    return float((np.nanmax(curves[:, 5:9], axis=1) > 0).mean())


def _quantile(table: Floats, share: float) -> Floats:
    return np.array([np.quantile(c[np.isfinite(c)], share) if np.isfinite(c).any() else math.nan for c in table.T])


def _place_count(result: RainResponse) -> int:
    return len({place.place for place in result.places})
