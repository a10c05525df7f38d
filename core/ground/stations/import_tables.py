"""Tables of a station import: what was left out, and the stations one by one."""

from __future__ import annotations

import math
from typing import Any

from ...report import Table, Text, fmt, percent
from .importing import StationImport

_LISTED = 30


def left_out(result: StationImport) -> list[Any]:
    total = result.readings
    rows: list[list[Any]] = [
        [reason, count, 100 * count / total if total else math.nan] for reason, count in result.left_out.most_common()
    ]
    blocks: list[Any] = []
    if rows:
        blocks.append(
            Table(
                ["Readings left out", "Readings", "Of all (%)"],
                rows,
                "Each reading counts once, with the first reason that fits.",
                digits=[0, 0, 1],
            )
        )
    if result.sparse:
        blocks.append(
            Table(
                ["Periods left out", "Count"],
                [[reason, count] for reason, count in result.sparse.most_common()],
                f"A day counts with {percent(result.options.min_share)} of its usual readings, a longer period with as "
                "many of its days.",
                digits=0,
            )
        )
    for title, names in (("Files that could not be used", result.bad), ("Without coordinates", result.placeless)):
        if names:
            more = [f"- and {len(names) - _LISTED} more, listed in the JSON file"] if len(names) > _LISTED else []
            blocks.append(Text(f"{title}:\n" + "\n".join([*(f"- {name}" for name in names[:_LISTED]), *more])))
    return blocks or [Text("Nothing was left out.")]


def station_table(result: StationImport) -> Table:
    networks = any(station.network for station in result.stations)
    rows = [
        [
            station.name,
            *([station.network] if networks else []),
            ", ".join(station.sensors) or fmt(None),
            station.readings,
            100 * station.used / station.readings if station.readings else None,
            station.values,
            station.first or None,
            station.last or None,
            station.mean,
        ]
        for station in result.stations
    ]
    names = ["Sensors used", "Readings", "Used (%)", "Values", "First", "Last", "Mean"]
    digits = [0, 0, 0, 0, 0, 0, 3]
    return Table(
        ["Station", *(["Network"] if networks else []), *names],
        rows,
        "Means in m3/m3. 'Used' counts the readings that entered a value.",
        digits=[0, *([0] if networks else []), *digits],
    )


def remarks(result: StationImport) -> list[Any]:
    """What is to be said of single stations; what holds for all of them is told once with the files."""
    common = set.intersection(*(set(station.notes) for station in result.stations))
    rows = [
        [station.name, "; ".join(filter(None, (station.reason, *(n for n in station.notes if n not in common))))]
        for station in result.stations
    ]
    rows = [row for row in rows if row[1]]
    return [Table(["Station", "Remark"], rows, "Why stations were left out, and what to check.")] if rows else []
