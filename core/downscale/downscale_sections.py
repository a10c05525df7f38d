"""The sections of a downscaling report: maps, periods, extrapolation, remarks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..raster.grid import Grid
from ..report import Figure, Section, Table, Text, charts, fmt
from .downscale import Downscaling, Picture
from .quality import CLIPPED, MEANING, MODEL_ONLY, NODATA, OK, OUTSIDE_TRAINING

_KEPT = 1e-3  # left-overs below this part of the coarse spread are rounding, not loss
_LISTED = 20
# MEANING in words short enough for a legend beside the map.
_QUALITY = {
    OK: "Downscaled",
    OUTSIDE_TRAINING: "A factor beyond its range",
    MODEL_ONLY: "No coarse value",
    CLIPPED: "Held at a bound",
}


def pictures(result: Downscaling, target: str, unit: str) -> list[Any]:
    if not result.pictures:
        return []
    size, blocks = result.coarse.ground_cell_size(), []
    for number, picture in enumerate(result.pictures):
        when = f", {picture.label}" if picture.label else ""
        every = -(-result.fine.cols // max(1, picture.fine.shape[1]))
        thinned = f" (every {every} pixels)" if every > 1 else ""
        caption = (
            "The coarse map and the map made from it on one colour scale (each period has its own). The fine pixels "
            "of a cell have the cell's value as their mean; what varies inside comes from the smooth interpolation "
            "and, times the detail gain, from the model."
            if number == 0
            else "The same for another period, on its own colour scale."
        )
        svg = charts.maps(
            [picture.coarse, picture.fine],
            [f"Coarse{when}", f"Fine{when}{thinned}"],
            unit,
            [size, shown_cell(result.fine, picture)],
            label=target.replace("_", " ").capitalize(),
        )
        blocks.append(Figure(svg, caption, f"Coarse and fine map{when}"))
    worst = max(result.pictures, key=_flagged)
    words = _QUALITY if result.trust.threshold is None else {**_QUALITY, OUTSIDE_TRAINING: "Outside the area"}
    classes = {code: (words.get(code, name), colour) for code, (name, colour) in MEANING.items()}
    classes = {code: shown for code, shown in classes.items() if code == OK or (worst.quality == code).any()}
    title = f"Quality, {worst.label}" if worst.label else "Quality"
    chosen = " Of the periods above it is the one with most flags." if len(result.pictures) > 1 else ""
    blocks.append(
        Figure(
            charts.quality_map(worst.quality, classes, title, shown_cell(result.fine, worst), NODATA),
            f"What stands behind each pixel, and the share of each class.{chosen} The quality layer holds the same "
            "codes for every pixel and period.",
            "Map of quality classes",
        )
    )
    return blocks


def period_table(result: Downscaling, totals: dict[str, Any], unit: str) -> Table:
    kept = keeps(totals)
    columns, digits = ["Period", "Pixels", "Gaps"], [0, 0, 0]
    values: list[list[Any]] = [[p.label, p.pixels, p.gaps] for p in result.periods]

    def add(name: str, column: Sequence[Any], decimals: int, always: bool = True) -> None:
        if always or any(column):
            columns.append(name)
            digits.append(decimals)
            for row, value in zip(values, column):
                row.append(value)

    add("Without coarse value", [p.model_only for p in result.periods], 0, always=False)
    add("Held at a bound", [p.clipped for p in result.periods], 0, always=False)
    add("Cells kept", [p.conserved_cells for p in result.periods], 0)
    add("Cells not kept", [p.uncovered_cells for p in result.periods], 0, always=False)
    add("Largest change", [0 if kept else p.left_over for p in result.periods], 4, always=False)
    add("RMS change", [0 if kept else p.left_over_rms for p in result.periods], 4, always=False)
    add("SD of detail", [p.detail for p in result.periods], 4)
    add("SD of coarse", [p.coarse_deviation for p in result.periods], 4)
    add("Mean", [p.fine_mean for p in result.periods], 3)
    change = (
        f"Every coarse value is kept: no mean of fine pixels differs by more than {small(totals['left_over_max'])}."
        if kept
        else "Change: mean of the fine pixels less the coarse value."
    )
    return Table(
        columns,
        values,
        f"What was done in each period{f', in {unit}' if unit else ''}. SD of detail: of the fine map less the smooth "
        "interpolation of the coarse one.",
        notes="Gaps: pixels in a cell with a value where a factor is missing. Cells not kept: too few of their pixels "
        f"have all factors. {change}",
        digits=digits,
    )


def outside_blocks(result: Downscaling) -> list[Any]:
    shares = result.outside_training
    if not any(share > 0 for share in shares.values()):
        return [Text("No pixel has a factor outside the range that the model saw on the coarse grid.")]
    marked = (
        "The quality layer marks these pixels."
        if result.trust.threshold is None
        else "The quality layer marks the pixels outside the area of applicability instead."
    )
    return [
        Figure(
            charts.bars(
                list(shares), [100 * share for share in shares.values()], xlabel="Pixels outside (%)", digits=1
            ),
            "Share of the valid pixels in which a factor lies outside the range that the model saw on the coarse grid. "
            "Some per cent are normal, as fine pixels vary more than coarse means; where it is much, the detail there "
            f"is extrapolated. {marked}",
            "Bars of the share of extrapolated pixels per factor",
        )
    ]


def remarks(result: Downscaling) -> list[Section]:
    lines = list(result.notes)
    skipped = list(result.skipped[:_LISTED])
    if len(result.skipped) > _LISTED:
        skipped.append(f"and {len(result.skipped) - _LISTED} more, listed in the JSON file")
    sections = []
    if skipped:
        sections.append(Section("Periods that were skipped", [Text("\n".join(f"- {line}" for line in skipped))]))
    if lines:
        sections.append(Section("Notes", [Text("\n".join(f"- {line}" for line in lines))]))
    return sections


def keeps(totals: dict[str, Any]) -> bool:
    spread = totals["coarse_deviation"]
    scale = spread if math.isfinite(spread) and spread > 0 else 1e-3
    return bool(totals["left_over_max"] <= _KEPT * scale)


def _flagged(picture: Picture) -> float:
    known = picture.quality[picture.quality != NODATA]
    return float((known != OK).mean()) if known.size else 0.0


def shown_cell(fine: Grid, picture: Picture) -> tuple[float, float]:
    """Ground size in metres of a pixel of the thinned picture."""
    width, height = fine.ground_cell_size()
    rows, cols = picture.fine.shape
    return width * fine.cols / max(1, cols), height * fine.rows / max(1, rows)


def small(value: float) -> str:
    """Numbers that may be tiny: 0.014, 3e-8, 0."""
    if not math.isfinite(value) or value == 0 or abs(value) >= 5e-4:
        return fmt(value, 3) if value else "0"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"
