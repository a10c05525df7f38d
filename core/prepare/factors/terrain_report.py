"""The page of terrain factors: their ranges and maps, how they were computed, what to know before they are used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...report import KeyFigure, Report, Section, Table, Text, fmt, plural, typeset
from .common import listed
from .output import Written
from .report_parts import map_section, notes_section, share, summary_data
from .terrain import LEAST_GRADIENT, Terrain

_LOW_SHARE = 0.5
_MUCH_FILLED = 0.02

_METHODS = {
    "elevation": ("height of the DEM in metres", ""),
    "slope": ("angle of the steepest rise, from the 3 x 3 cells around", "Horn 1981, doi:10.1109/PROC.1981.11918"),
    "northness": ("cosine of the aspect: 1 faces north, -1 south; 0 where the ground is flat", "from Horn's gradient"),
    "eastness": ("sine of the aspect: 1 faces east, -1 west; 0 where the ground is flat", "from Horn's gradient"),
    "twi": (
        f"ln(a / tan b), a: catchment area per metre of contour, tan b: local gradient, at least {LEAST_GRADIENT:g}",
        "Beven and Kirkby 1979, doi:10.1080/02626667909491834",
    ),
    "tpi": (
        "height minus the mean height of the surroundings, of which at least three quarters are known",
        "Weiss 2001; De Reu et al. 2013, doi:10.1016/j.geomorph.2012.12.015",
    ),
}
_FLOW = (
    "Depressions are filled to where they spill (as in Wang and Liu 2006, doi:10.1080/13658810500433453), and water "
    "crosses flats by the shortest way to their outlet. From each cell it goes to all lower neighbours in proportion "
    "to slope and contour length (Quinn et al. 1991, doi:10.1002/hyp.3360050106). Such multiple flow directions were "
    "chosen because, against measured soil moisture, they explained twice as much as the single direction of D8 "
    "(Kopecký et al. 2021, doi:10.1016/j.scitotenv.2020.143785)."
)
_RESOLUTION = (
    "Everything is computed at the resolution of the DEM, with cell sizes in metres on the ground row by row. "
    "'Resample to a common grid' then averages the factors: the slope of averaged heights would be far too gentle. "
    "Northness and eastness may be averaged, an aspect in degrees may not."
)


def terrain_report(result: Terrain) -> Report:
    """The report of terrain factors; `data` holds their ranges, the cell size and what was filled."""
    written = result.written
    table = _factor_table(written)
    low, high = result.heights
    return Report(
        title="Terrain factors",
        subtitle=f"{listed(written.names)} from {result.source}, cells of {written.grid.cell_label}",
        verdict=typeset("\n".join(_verdict(result))),
        tone=_tone(result),
        key_figures=[
            KeyFigure("Factors", fmt(len(written.names)), "static: they hold for all dates"),
            KeyFigure("Heights", f"{fmt(low, 0)} to {fmt(high, 0)} m", "lowest and highest cell"),
            *_slope_figure(written),
            *_filled_figure(result),
            KeyFigure("Valid cells", share(min(one.valid_share for one in written.bands)), "of the factor with fewest"),
        ],
        sections=[
            Section("Factors", [table]),
            map_section(written),
            Section("How they were computed", [_method_table(result), Text("\n\n".join(_texts(result)))]),
            *notes_section([typeset(note) for note in result.notes]),
        ],
        details={
            "DEM": result.source,
            "Grid": f"{written.grid.crs_name}, {written.grid.cols} x {written.grid.rows} cells",
            "Cell on the ground": f"{result.cell[0]:.1f} x {result.cell[1]:.1f} m in the middle row",
            **_position_details(result),
        },
        data={
            **summary_data(written),
            "dem": result.source,
            "cell_width_m": result.cell[0],
            "cell_height_m": result.cell[1],
            "lowest_m": low,
            "highest_m": high,
            "tpi_radius_m": result.radius_m,
            "tpi_inner_radius_m": result.inner_m if result.radius_m else None,
            "tpi_standardised": result.standardised if result.radius_m else None,
            "filled_share": result.depressions[0] if result.depressions else None,
            "filled_deepest_m": result.depressions[1] if result.depressions else None,
            "filled_deep_share": result.depressions[2] if result.depressions else None,
            "notes": result.notes,
        },
        main_table=table,
    )


def _verdict(result: Terrain) -> list[str]:
    written = result.written
    names = listed(written.names)
    factors = plural(len(written.names), "terrain factor")
    fewest = min(written.bands, key=lambda one: one.valid_share)
    if not fewest.valid:
        return [f"{fewest.band.name} has no value anywhere: the DEM is too small or too full of voids for it."]
    lines = [f"{factors} made from {result.source}: {names}."]
    if fewest.valid_share < _LOW_SHARE:
        lines.append(f"Less than half of the cells are valid for {fewest.band.name}: the DEM is mostly void.")
    if result.depressions and result.depressions[2] > _MUCH_FILLED:
        lines.append(
            f"{100 * result.depressions[2]:.0f} % of the cells lie in closed basins more than 20 m deep, where the "
            "wetness index is that of a flat: look at its map before you use it."
        )
    return lines


def _tone(result: Terrain) -> str:
    fewest = min(one.valid_share for one in result.written.bands)
    if fewest == 0:
        return "bad"
    much = result.depressions is not None and result.depressions[2] > _MUCH_FILLED
    return "neutral" if fewest < _LOW_SHARE or much else "good"


def _slope_figure(written: Written) -> list[KeyFigure]:
    slope = written.of("slope")
    if not slope or not math.isfinite(slope[0].median):
        return []
    return [KeyFigure("Median slope", f"{fmt(slope[0].median, 1)}°", f"steepest {fmt(slope[0].maximum, 1)}°")]


def _filled_figure(result: Terrain) -> list[KeyFigure]:
    if result.depressions is None:
        return []
    filled, deepest, _ = result.depressions
    return [
        KeyFigure("Depressions filled", f"{fmt(100 * filled, 2)} %", f"of the cells, by {fmt(deepest, 1)} m at most")
    ]


def _factor_table(written: Written) -> Table:
    return Table(
        ["Factor", "Unit", "Valid (%)", "Minimum", "Median", "Maximum"],
        [
            [one.band.name, one.band.unit, 100 * one.valid_share, one.minimum, one.median, one.maximum]
            for one in written.bands
        ],
        "Each factor: the share of cells with a value, and the range of the values. Slopes and what follows from them "
        "need all 3 x 3 cells, so the border and the cells beside voids have none.",
        digits=[0, 0, 1, 2, 2, 2],
        notes="Medians come from regularly spaced cells where the DEM is large.",
    )


def _method_table(result: Terrain) -> Table:
    rows = [
        [name, result.written.of(name)[0].band.unit, typeset(_METHODS[name][0]), _METHODS[name][1]]
        for name in result.written.names
    ]
    return Table(["Factor", "Unit", "What it is", "Source"], rows, "Formulas of the factors.")


def _texts(result: Terrain) -> Sequence[str]:
    return [_RESOLUTION, *([_FLOW] if result.depressions else [])]


def _position_details(result: Terrain) -> dict[str, Any]:
    if result.radius_m is None:
        return {}
    return {
        "Surroundings for tpi": f"{result.inner_m:g} to {result.radius_m:g} m"
        + (", in standard deviations" if result.standardised else "")
    }
