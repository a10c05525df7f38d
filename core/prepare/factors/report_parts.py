"""What the pages of all factor calculators show: a table of the factors, maps, and what is missing."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...raster.periods import Period
from ...report import Figure, Section, Table, Text, fmt, plural, typeset
from ...report.canvas import MUTED, PAGE_WIDTH, colour_map, draw_svg, plain, say_empty, tidy_bar
from ...report.map_parts import draw_map, panel_size, scale_bar, spread
from .indices import DRY_IS_HIGH
from .output import Written

_LISTED = 30
_SMALL = {"color": MUTED, "fontsize": 9}


def summary_table(written: Written, units: str = "") -> Table:
    """One row per factor: valid share, range and median over all its periods."""
    rows = []
    for name in written.names:
        own = written.of(name)
        values = np.concatenate([one.sample for one in own])
        lowest = min(own, key=lambda one: one.valid_share)
        rows.append(
            [
                name,
                own[0].band.unit or "1",
                len(own),
                100 * float(np.mean([one.valid_share for one in own])),
                100 * lowest.valid_share,
                *(_ends(own)[:1]),
                float(np.median(values)) if values.size else math.nan,
                *(_ends(own)[1:]),
            ]
        )
    return Table(
        ["Factor", "Unit", "Bands", "Valid (%)", "Lowest of a period (%)", "Minimum", "Median", "Maximum"],
        rows,
        "Each factor over all its periods: the share of pixels with a value (mean and lowest of the periods), and the "
        f"range of the values.{' ' + units if units else ''}",
        digits=[0, 0, 0, 1, 1, 4, 4, 4],
        notes="Medians come from regularly spaced pixels where the layers are large.",
    )


def summary_data(written: Written) -> dict[str, Any]:
    """The same numbers for programs, per factor and per band."""
    factors = {}
    for name in written.names:
        own = written.of(name)
        low, high = _ends(own)
        values = np.concatenate([one.sample for one in own])
        factors[name] = {
            "unit": own[0].band.unit,
            "bands": len(own),
            "valid_share": float(np.mean([one.valid_share for one in own])),
            "minimum": low,
            "median": float(np.median(values)) if values.size else math.nan,
            "maximum": high,
            "periods": [
                {
                    "period": one.band.period.label if one.band.period else None,
                    "valid_share": one.valid_share,
                    "minimum": one.minimum,
                    "median": one.median,
                    "mean": one.mean,
                    "maximum": one.maximum,
                }
                for one in own
            ],
        }
    grid = written.grid
    return {
        "factors": factors,
        "grid": {"crs": grid.crs_name, "rows": grid.rows, "cols": grid.cols, "extent": list(grid.extent())},
    }


def map_section(written: Written) -> Section:
    """A map of each factor, from the middle of its time, each on a colour scale of its own."""
    size = written.grid.ground_cell_size()
    dated = any(band.period is not None for band, _ in written.maps)
    return Section(
        "Maps",
        [
            Figure(
                factor_maps(
                    [values for _, values in written.maps],
                    [band.label for band, _ in written.maps],
                    [band.unit for band, _ in written.maps],
                    (size[0] * written.grid.cols, size[1] * written.grid.rows),
                ),
                f"{'Each factor in the middle one of its periods' if dated else 'Each factor'}; colours run over 2 to "
                "98 % of its values, grey has no value.",
                "Maps of the factors",
            )
        ],
    )


def factor_maps(arrays: Sequence[Any], titles: Sequence[str], units: Sequence[str], ground: tuple[float, float]) -> str:
    """Return maps of one area (`ground`: its width and height in metres), each with its own colour bar."""
    shapes = [a.shape for a in arrays]
    columns = max(1, min(3, len(arrays)))
    rows = max(1, -(-len(arrays) // columns))
    cells = [(ground[0] / cols, ground[1] / height) for height, cols in shapes] or [(1.0, 1.0)]
    width, height = panel_size(shapes, cells, columns)
    width = min(width, PAGE_WIDTH / columns - 0.95)

    def paint(figure: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid[len(arrays) :]:
            axes.set_axis_off()
        if not arrays:
            say_empty(grid[0])
        for k, (axes, values, title) in enumerate(zip(grid, arrays, titles)):
            name, _, when = title.partition(" ")
            axes.set_title(plain(name), pad=21 if when else 8)
            axes.annotate(plain(when), (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", **_SMALL)
            if not np.isfinite(values).any():
                say_empty(axes)
                continue
            limits = spread([values], None)
            colours = colour_map("soil moisture")
            # Blue is wet in every map.
            colours = colours.reversed() if name in DRY_IS_HIGH else colours
            drawn = draw_map(axes, values, shapes[k], cells[k], colours, *limits)
            if k == 0:
                scale_bar(axes, shapes[k], cells[k])
            bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=16, pad=0.03, ticks=MaxNLocator(5))
            tidy_bar(bar, "" if units[k] in ("", "1") else units[k])

    return draw_svg(min(PAGE_WIDTH, columns * (width + 0.9)), rows * (height + 0.68) + 0.15, paint)


def missing_section(missing: Sequence[str], heading: str = "What is missing") -> list[Section]:
    """One line each, the first 30; nothing where nothing is missing."""
    if not missing:
        return []
    more = [f"and {len(missing) - _LISTED} more, listed in the JSON file"] if len(missing) > _LISTED else []
    lines = [*missing[:_LISTED], *more]
    return [Section(heading, [Text("\n".join(f"- {typeset(line)}" for line in lines))])]


def notes_section(notes: Sequence[str]) -> list[Section]:
    lines = [f"- {note[:1].upper()}{typeset(note[1:])}" for note in notes]
    return [Section("Notes", [Text("\n".join(lines))])] if notes else []


def span(periods: Sequence[Period | None]) -> str:
    """For subtitles: one period, or how many from when to when."""
    dated = [period for period in periods if period is not None]
    if not dated:
        return "undated"
    first, last = dated[0].label, dated[-1].label
    if "/" in first + last:
        # From the first day of the first to the last day of the last.
        first, last = (f"{day:%Y-%m-%d}" for day in (dated[0].first, dated[-1].last - dt.timedelta(seconds=1)))
    if len(dated) == 1:
        return first if first == last else f"{first} to {last}"
    return f"{plural(len(dated), 'period')} from {first} to {last}"


def share(value: float) -> str:
    """A share of pixels for a key figure, with a decimal: 99.6 % is not all."""
    return f"{fmt(100 * value, 1)} %" if math.isfinite(value) else fmt(None)


def _ends(own: Sequence[Any]) -> tuple[float, float]:
    lows = [one.minimum for one in own if one.valid]
    highs = [one.maximum for one in own if one.valid]
    return (min(lows), max(highs)) if lows else (math.nan, math.nan)
