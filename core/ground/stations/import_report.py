"""The page of a station import: how many stations, from when to when, and what was left out and why."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from ...report import Figure, KeyFigure, Report, Section, Text, charts, fmt, percent, plural
from .charts import coverage_chart, value_histogram
from .import_tables import left_out, remarks, station_table
from .importing import StationImport, StationSummary, notes_of

_PERIOD_WORD = {"day": "daily value", "dekad": "ten-day value", "month": "monthly value", "reading": "reading"}


def stations_report(result: StationImport) -> Report:
    """The report; `data` holds counts by reason and one entry per station."""
    used, options = result.used, result.options
    layer = layer_text(result)
    values = sum(station.values for station in used)
    table = station_table(result)
    return Report(
        title="Stations",
        subtitle=f"Soil moisture of {layer}, one {_PERIOD_WORD[options.period]} per row",
        verdict="\n".join(_verdict(result)),
        tone="good" if _whole(result) else "neutral",
        key_figures=[
            KeyFigure("Stations", fmt(len(used)), f"of {fmt(len(result.stations) + len(result.placeless))} found"),
            KeyFigure("Values", fmt(values), f"{_PERIOD_WORD[options.period]}s of {layer}"),
            KeyFigure("Readings used", percent(_share_used(result)), f"of {fmt(result.readings)} read"),
            KeyFigure("Time", _length(used), _span(used)),
            KeyFigure("Files", fmt(result.files), f"{fmt(len(result.bad))} could not be used"),
        ],
        sections=[
            Section("Where the stations are", [_map(used)]),
            Section("When there are values", _time_blocks(result)),
            Section("How values are distributed", [_histogram(result)]),
            Section("What was left out", left_out(result)),
            Section("Stations one by one", [table, *remarks(result)]),
            Section("How the files were read", [_guesses(result)]),
        ],
        details=_details(result),
        data=_data(result),
        main_table=table,
    )


def layer_text(result: StationImport) -> str:
    """Such as `0-5 cm`."""
    top, bottom = (100 * depth for depth in result.options.layer)
    return f"{top:g}-{bottom:g} cm"


def _verdict(result: StationImport) -> list[str]:
    used, word = result.used, _PERIOD_WORD[result.options.period]
    found = len(result.stations) + len(result.placeless)
    values = sum(station.values for station in used)
    dates = f", {_span(used)}" if _span(used) else ""
    whole = "The only station" if found == 1 else f"{fmt(len(used))} of {plural(found, 'station')}"
    lines = [f"{whole} can be used: {plural(values, word)}{dates}."]
    reasons = Counter(_short(station.reason) for station in result.stations if station.reason)
    if result.placeless:
        reasons["no coordinates"] = len(result.placeless)
    if reasons:
        listed = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        lines.append(f"Stations left out: {listed}.")
    total = result.readings
    worst = [(reason, count) for reason, count in result.left_out.most_common(3) if total]
    if worst:
        listed = ", ".join(f"{reason} ({percent(count / total)})" for reason, count in worst)
        lines.append(f"Readings left out, of {fmt(total)}: {listed}.")
    if result.sparse:
        listed = ", ".join(f"{reason} ({fmt(count)})" for reason, count in result.sparse.most_common(3))
        lines.append(f"Also left out: {listed}.")
    if result.bad:
        lines.append(f"{plural(len(result.bad), 'file')} could not be used and {_were(len(result.bad))} left out.")
    return lines


def _map(used: list[StationSummary]) -> Figure:
    x, y, mean = ([getattr(station, name) for station in used] for name in ("x", "y", "mean"))
    named = [station.name for station in used]
    return Figure(
        charts.station_map(x, y, mean, "Mean soil moisture (m³/m³)", named, diverging=False, geographic=True),
        "Every station used, coloured by the mean of its values. A station far from all others often has a wrong sign "
        "or swapped coordinates.",
        f"Map of {plural(len(used), 'station')}",
    )


def _time_blocks(result: StationImport) -> list[Any]:
    dated = [station for station in result.used if len(station.months)]
    if not dated:
        return [Text("The values carry no dates.")]
    blocks: list[Any] = [
        Figure(
            coverage_chart(dated),
            "Months with values, darker where there are more of them; white months have none."
            + (" The first 60 stations are shown." if len(dated) > 60 else ""),
            "Months with values of each station",
        )
    ]
    days = np.flatnonzero(result.counts)
    # Long records are shown by month, which the page can draw.
    monthly = len(days) > 1200 or result.options.period == "month"
    start = result.origin + days
    group = start.astype("datetime64[M]") if monthly else start
    key, number = np.unique(group, return_inverse=True)
    mean = np.bincount(number, weights=result.sums[days]) / np.bincount(number, weights=result.counts[days])
    if len(key) > 1:
        # Missing days are gaps in the line; dekads follow each other without being neighbouring days.
        whole = key if result.options.period == "dekad" and not monthly else np.arange(key[0], key[-1] + 1)
        line = np.full(len(whole), math.nan)
        line[np.searchsorted(whole, key)] = mean
        blocks.append(
            Figure(
                charts.series(
                    whole.astype("datetime64[D]").astype(object).tolist(),
                    {"mean": line},
                    ylabel="Soil moisture (m³/m³)",
                ),
                f"Mean over all stations with a value{', by month' if monthly else ''}. Steps come from stations that "
                "begin or end.",
                "Mean soil moisture over time",
            )
        )
    return blocks


def _histogram(result: StationImport) -> Figure:
    return Figure(
        value_histogram(result.histogram),
        "All values of all stations. A heap at one value points to a stuck sensor, values near zero to frozen soil.",
        "Histogram of soil moisture",
    )


def _guesses(result: StationImport) -> Text:
    lines = [
        f"- {guess.rstrip('.')} ({plural(count, 'file')})"
        for guess, count in sorted(result.guesses.items(), key=lambda item: -item[1])
    ]
    lines += [f"- {note.rstrip('.')}" for note in notes_of(result)]
    return Text("\n".join(lines) if lines else "Times are UTC and units m3/m3, as in all ISMN files.")


def _details(result: StationImport) -> dict[str, Any]:
    options = result.options
    clock = f"UTC{options.offset_hours:+g} h" if options.clock == "hours from UTC" else options.clock
    quality = options.quality
    return {
        "Layer": layer_text(result),
        "Smallest share of the layer": f"{options.min_cover:g}",
        "Period": options.period,
        "Days begin at midnight of": clock,
        "Hours of the day": "all" if options.hours == (0.0, 24.0) else f"{options.hours[0]:g}-{options.hours[1]:g}",
        "Smallest share of readings": f"{options.min_share:g}",
        "Flags kept": ", ".join(sorted(quality.keep)),
        "Range": f"{quality.lowest:g} to {quality.highest:g} m3/m3",
        "Frozen soil left out": "yes" if quality.frozen else "no",
        "Spikes left out": "yes, where there are no flags" if quality.spikes else "no",
        "Constant readings left out": f"after {quality.plateau_days:g} days" if quality.plateau_days else "no",
    }


def _data(result: StationImport) -> dict[str, Any]:
    return {
        "stations_found": len(result.stations) + len(result.placeless),
        "stations_used": len(result.used),
        "values": sum(station.values for station in result.used),
        "readings": result.readings,
        "readings_left_out": dict(result.left_out),
        "periods_left_out": dict(result.sparse),
        "files": result.files,
        "files_left_out": result.bad,
        "without_coordinates": result.placeless,
        "guesses": result.guesses,
        "stations": [
            {
                "station": station.name,
                "network": station.network,
                "longitude": station.x,
                "latitude": station.y,
                "sensors": list(station.sensors),
                "depth_cover": station.cover,
                "readings": station.readings,
                "values": station.values,
                "first": station.first,
                "last": station.last,
                "mean": station.mean,
                "lowest": station.lowest,
                "highest": station.highest,
                "left_out": station.left_out,
                "periods_left_out": station.sparse,
                "notes": list(station.notes),
                "reason": station.reason,
            }
            for station in result.stations
        ],
    }


def _whole(result: StationImport) -> bool:
    """Whether every station and file, and most readings, could be used."""
    lost = result.bad or result.placeless or len(result.used) < len(result.stations)
    return not lost and _share_used(result) >= 0.5


def _share_used(result: StationImport) -> float:
    total = result.readings
    return sum(station.used for station in result.stations) / total if total else math.nan


def _span(used: list[StationSummary]) -> str:
    first, last = (pick((getattr(s, name) for s in used if s.first), default="")
                   for pick, name in ((min, "first"), (max, "last")))  # fmt: skip
    return f"{first} to {last}" if first else ""


def _length(used: list[StationSummary]) -> str:
    if not any(station.first for station in used):
        return fmt(None)
    first = min(np.datetime64(station.first) for station in used if station.first)
    last = max(np.datetime64(station.last) for station in used if station.last)
    days = int((last - first).astype(int)) + 1
    if days < 730:
        return plural(days, "day")
    return f"{days / 365.25:.{0 if days >= 3600 else 1}f} years"


def _short(reason: str) -> str:
    """Reasons without the numbers of one station, to be counted together."""
    if reason.startswith("its sensors"):
        return "no sensor for the layer"
    return reason.split(":")[0]


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
