"""The sections of the report on single dates and on zones."""

from __future__ import annotations

import math
from typing import Any

from ...report import Figure, Table, Text, charts
from .results import RasterValidation

_DATES_SHOWN = 40


def date_blocks(result: RasterValidation, table: Table) -> list[Any]:
    """R in space over time, and the table of dates."""
    blocks: list[Any] = []
    dates = [label.split("/")[0] for label, *_ in result.periods]
    if len(result.periods) > 2 and dates[0] != "undated":
        stamped = [d if len(d) >= 10 else f"{d}-15" for d in dates]
        lines = {"product": [row[2] for row in result.periods]}
        if result.gain is not None:
            lines["coarse source"] = [row[3] for row in result.periods]
        blocks.append(
            Figure(
                charts.series(stamped, lines, ylabel="R in space"),
                "Correlation over the cells of each date: whether the wet and the dry places are the same in both. It "
                "falls on dates when everything is wet or everything is dry.",
                "R in space by date",
            )
        )
    blocks.append(_shortened(table))
    return blocks


def date_table(result: RasterValidation) -> Table:
    """Scores of all dates."""
    columns = ["Period", "Cells", "R in space"]
    if result.gain is not None:
        columns.append("R of the coarse source")
    if result.comparable:
        columns += ["Bias", "ubRMSE"]
    rows = []
    for label, n, r, other, bias, ubrmse in result.periods:
        row: list[Any] = [label, n, r]
        if result.gain is not None:
            row.append(other)
        rows.append([*row, bias, ubrmse] if result.comparable else row)
    return Table(columns, rows, "Scores over the cells of each period.", digits=[0, 0, *([3] * 4)])


def _shortened(table: Table) -> Table:
    """Of many dates those with the lowest and the highest R; the files hold all."""
    if len(table.rows) <= _DATES_SHOWN:
        return table
    known = sorted((row for row in table.rows if row[2] == row[2]), key=lambda row: float(row[2]))
    rows = [*known[: _DATES_SHOWN // 4], *known[-_DATES_SHOWN // 4 :]]
    caption = (
        f"The periods with the lowest and the highest R in space, of {len(table.rows):,}; the JSON file holds all."
    )
    return Table(table.columns, rows, caption, digits=table.digits)


def zone_blocks(result: RasterValidation, table: Table) -> list[Any]:
    """Empty without zones."""
    blocks: list[Any] = (
        [
            Figure(
                charts.bars(
                    [row.name for row in result.zones],
                    [row.series_r for row in result.zones],
                    xlabel="R of the zone's mean",
                ),
                "Correlation of the mean series of each zone: the mean over a zone takes off much of the noise of "
                "cells.",
                "R by zone",
            )
        ]
        if any(math.isfinite(row.series_r) for row in result.zones)
        else []
    )
    if result.zones:
        blocks.append(table)
    if result.zones_without_cells:
        blocks.append(Text(without_cells(result)))
    return blocks


def without_cells(result: RasterValidation) -> str:
    """A sentence on the zones that got no scores."""
    names = result.zones_without_cells
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return (
        f"No scores for {', '.join(names[:12])}{more}: no cell with values has its centre there, or zones listed "
        "before cover the place."
    )


def zone_table(result: RasterValidation) -> Table:
    """Scores of all zones."""
    rows = [list(row.flat().values()) for row in result.zones]
    columns = [
        "Zone",
        "Cells",
        "Pairs",
        "R",
        "Bias",
        "RMSE",
        "ubRMSE",
        "Mean R of cells",
        "Mean ubRMSE of cells",
        "R of the mean",
        "Periods",
        "R of the coarse source",
    ]
    return Table(
        columns,
        rows,
        "Each zone: over all its pairs, as a mean of its cells, and of its mean series. A cell belongs to the zone "
        "that holds its centre; where zones overlap, to the one listed first.",
        digits=[0, 0, 0, *([3] * 7), 0, 3],
    )
