"""The page of the response to rain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...report import KeyFigure, Report, Section, Table, Text, fmt, plural, typeset
from ..metrics import Floats
from ..rasters.departures import NONE
from .event_section import event_blocks, rise, unit_of
from .lag_section import lag_blocks
from .place_sections import example_blocks, map_blocks, place_table
from .response import DAYS, day_of_rise, mean_of, quantiles_of
from .results import AT_ONCE, CURVES, PlaceResponse, RainResponse

_EVENTS_FOR_DATES = 10
_FEW_PAIRS = 10
_NO_RISE = 0.0005  # what prints as 0.000


def rain_report(result: RainResponse) -> Report:
    """One page: verdict, lags, events, an example, places; `data` holds all numbers."""
    table = place_table(result)
    return Report(
        title="Response to rain",
        subtitle=f"{', '.join(result.sources)} at {plural(_place_count(result), result.what)} against {result.rain}, "
        f"{result.span[0]} to {result.span[1]}, by {result.step}",
        verdict=typeset("\n".join(_verdict(result))),
        tone=_tone(result),
        key_figures=_key_figures(result),
        sections=[
            Section("How soil moisture follows rain", lag_blocks(result)),
            *([Section("Around rain events", event_blocks(result))] if result.step == "day" else []),
            *([Section("One place to look at", example_blocks(result))] if result.example is not None else []),
            Section("Place by place", [*map_blocks(result), table]),
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
            lines.append(
                f"Whether {source} follows the rain cannot be told: too few pairs, or rain or soil moisture never "
                "changes."
            )
            continue
        answered = sum(bool(place.answers) for place in known)
        r, lag = _median_best(known, known[0].answering, AT_ONCE)
        what, verb = ("Changes of soil moisture", "follow") if result.step == "day" else ("Soil moisture", "follows")
        unit = result.step if result.step in ("day", "month") else "step"
        when = f", at a lag of {plural(round(lag), unit)}" if math.isfinite(lag) else ""
        kind = "anomalies of the rain" if result.method != NONE else "the rain"
        lines.append(
            f"{what} ({source}) {verb} the rain at {answered} of {plural(len(known), result.what)}: "
            f"median R = {fmt(r, 2)} with {kind}{when}."
        )
    for source, curves in result.composites.items():
        if len(curves):
            mean = mean_of(curves)[5:]
            if np.isfinite(mean).any():
                peak = int(np.nanargmax(mean))
                if mean[peak] < _NO_RISE:
                    lines.append(f"After {plural(len(curves), 'rain event')} soil moisture ({source}) does not rise.")
                    continue
                unit = f" {unit_of(result, source)}".rstrip()
                lines.append(
                    f"After {plural(len(curves), 'rain event')}{_together(result, source)} soil moisture ({source}) "
                    f"lies at most {fmt(float(mean[peak]))}{unit} above the days before, on day {peak}."
                )
                lines += _shifted_dates(source, curves)
    if result.options.min_pairs < _FEW_PAIRS:
        lines.append(f"Correlations from as few as {result.options.min_pairs} pairs were allowed: they mean little.")
    if result.rain_sentence:
        lines.append(result.rain_sentence)
    return lines


def _together(result: RainResponse, source: str) -> str:
    places = sum(place.events is not None and place.events.events > 0 for place in result.of(source))
    return f" ({places} {result.what}s together)" if places > 1 else ""


def _shifted_dates(source: str, curves: Floats) -> list[str]:
    """A sentence where soil moisture climbs on another day than those of the rain and after it."""
    climbs = day_of_rise(curves) if len(curves) >= _EVENTS_FOR_DATES else None
    if climbs is None or 0 <= climbs <= 2:
        return []
    when = f"{plural(-climbs, 'day')} before" if climbs < 0 else f"{plural(climbs, 'day')} after"
    return [f"Soil moisture ({source}) climbs most {when} the rain: check the dates of both."]


def _tone(result: RainResponse) -> str:
    known = [place.answers for place in result.places if place.answers is not None]
    if not known or result.options.min_pairs < _FEW_PAIRS:
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
                KeyFigure(
                    f"rise after events{of}",
                    fmt(rise(curves)),
                    ", ".join(filter(None, (unit_of(result, source), plural(len(curves), "event")))),
                )
            )
    return figures


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
        "rise": rise(curves) if len(curves) else None,
        "day_of_rise": day_of_rise(curves) if len(curves) else None,
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


def _median_best(places: Sequence[PlaceResponse], name: str, lags: int | None = None) -> tuple[float, float]:
    found = [best for place in places if math.isfinite((best := place.best(name, lags))[0])]
    if not found:
        return math.nan, math.nan
    return float(np.median([b[0] for b in found])), float(np.median([b[1] for b in found]))


def _place_count(result: RainResponse) -> int:
    return len({place.place for place in result.places})
