"""The page of a common grid: is every factor there in every period, how much of it is valid, how was it resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..raster.grid import Grid
from ..raster.periods import Period
from ..report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, percent, plural
from .common_grid import CommonGrid
from .matching import Match

_LISTED = 30
_FULL_PERIODS, _FULL_FACTORS = 24, 6  # more are counted rather than shown one by one
_LOW_SHARE = 0.5


def common_grid_report(result: CommonGrid) -> Report:
    """The report of FINE and COARSE stacks; `data` holds counts, shares and grids."""
    missing = [one for one in result.matches if not one.sources]
    complete = result.complete_periods
    fine, coarse = result.fine.cell_label, result.coarse.cell_label
    factors = _factor_table(result)
    return Report(
        title="Common grid",
        subtitle=f"{plural(len(result.factors), 'factor')} at {fine} and {coarse} for {result.target}, "
        f"{_span(result.periods)}",
        verdict="\n".join(_verdict(result, missing, complete)),
        tone=_tone(result, missing, complete),
        key_figures=[
            KeyFigure("Factors", fmt(len(result.factors)), "bands per period, classes counted one by one"),
            KeyFigure("Periods", fmt(len(result.periods)), f"{fmt(len(complete))} with every factor"),
            KeyFigure("Factor dates missing", fmt(len(missing)), f"of {fmt(len(result.matches))} looked for"),
            KeyFigure("Lowest valid share", percent(_lowest(result)[1]), _lowest(result)[0]),
            KeyFigure("Target valid", percent(result.target_valid), "of coarse cells and periods"),
        ],
        sections=[
            Section("What was matched with what", _match_blocks(result, missing)),
            Section("Factors on the grid", [factors, *_share_blocks(result)]),
            Section("Grids", [_grid_table(result)]),
            *([Section("Notes", [Text("\n".join(f"- {note}" for note in result.notes))])] if result.notes else []),
        ],
        details={
            "Target": f"{result.target}, {fmt(result.target_range[0])} to {fmt(result.target_range[1])}",
            "Periods": _listed([_label(period) for period in result.periods], 12),
            "Factors": ", ".join(result.factors),
            "Support": "the cell" if result.footprint_km is None else f"footprint of {result.footprint_km:g} km",
            "Smallest valid share of a cell": f"{result.min_valid_share:g}",
        },
        data=_data(result, missing, complete),
        main_table=factors,
    )


def _verdict(result: CommonGrid, missing: Sequence[Match], complete: Sequence[Period | None]) -> list[str]:
    named = len(dict.fromkeys(one.factor for one in result.matches))
    periods = plural(len(result.periods), "period")
    empty = [name for name, share in result.valid_share.items() if not share > 0]
    if missing:
        lines = [
            f"{fmt(len(missing))} of {plural(len(result.matches), 'factor date')} "
            f"{'is' if len(missing) == 1 else 'are'} missing: {fmt(len(complete))} of {periods} "
            f"{'has' if len(complete) == 1 else 'have'} every factor and can be used."
        ]
    else:
        lines = [f"The common grid is complete: {plural(named, 'factor')} in {periods}, none missing."]
    if empty:
        lines.insert(
            0,
            f"No valid pixel in the region for {_listed(empty, 6)}: check nodata, extent and dates before training.",
        )
    low = [name for name, share in result.valid_share.items() if 0 < share < _LOW_SHARE]
    if low:
        lines.append(
            f"Less than half of the region is valid for {_listed(low, 6)}: a model that uses "
            f"{'it' if len(low) == 1 else 'them'} leaves the rest empty."
        )
    partly = _partly(result)
    if partly:
        lines.append(
            f"{plural(len(partly), 'factor date')} rest{'s' if len(partly) == 1 else ''} on layers that cover less "
            "than half of the period's days."
        )
    return lines


def _tone(result: CommonGrid, missing: Sequence[Match], complete: Sequence[Period | None]) -> str:
    if not complete or any(not share > 0 for share in result.valid_share.values()):
        return "bad"
    return "neutral" if missing or _lowest(result)[1] < _LOW_SHARE else "good"


def _lowest(result: CommonGrid) -> tuple[str, float]:
    known = [(share, name) for name, share in result.valid_share.items() if math.isfinite(share)]
    share, name = min(known, default=(math.nan, ""))
    return name, share


def _partly(result: CommonGrid) -> list[Match]:
    return [one for one in result.matches if one.days_share < 0.5]


def _match_blocks(result: CommonGrid, missing: Sequence[Match]) -> list[Any]:
    by_factor: dict[str, list[Match]] = {}
    for one in result.matches:
        by_factor.setdefault(one.factor, []).append(one)
    rows = []
    for name, found in by_factor.items():
        static = all(one.period is None for one in found)
        here = [one for one in found if one.sources]
        lowest = min((one.days_share for one in here if one.period is not None), default=None)
        rows.append(
            [
                name,
                "all periods" if static else "by date",
                len(result.periods) if static and here else len(here),
                len(found) - len(here),
                None if lowest is None else 100 * lowest,
                here[0].text if here else "missing",
            ]
        )
    blocks: list[Any] = [
        Table(
            ["Factor", "Matched", "Periods found", "Missing", "Days covered, lowest (%)", "First match"],
            rows,
            "Each factor against the periods of the target. A period takes all layers that overlap it, each counting "
            "by its days; a factor without a date holds for all periods.",
            digits=[0, 0, 0, 0, 0, 0],
        )
    ]
    dated = [name for name, found in by_factor.items() if any(one.period is not None for one in found)]
    differ = any(one.period is not None and one.text != one.period.label for one in result.matches)
    if differ and 1 < len(result.periods) <= _FULL_PERIODS and len(dated) <= _FULL_FACTORS:
        text = {(one.factor, one.period): one.text for one in result.matches}
        blocks.append(
            Table(
                ["Period", *dated],
                [[_label(p), *(text.get((name, p), "") for name in dated)] for p in result.periods],
                "The dates that stand for each factor in each period.",
            )
        )
    if missing:
        names = [f"{one.factor}: {_label(one.period)}" for one in missing]
        more = [f"and {len(names) - _LISTED} more, listed in the JSON file"] if len(names) > _LISTED else []
        blocks.append(Text("Missing:\n" + "\n".join(f"- {line}" for line in names[:_LISTED] + more)))
    return blocks


def _factor_table(result: CommonGrid) -> Table:
    return Table(
        ["Factor", "Valid (%)", "Resampled by"],
        [[name, 100 * result.valid_share.get(name, math.nan), result.how.get(name, "")] for name in result.factors],
        "Mean share of the coarse cells' area with a valid value, over all periods, and how each factor came to the "
        "fine grid: finer layers are averaged by area, coarser ones interpolated.",
        digits=1,
    )


def _share_blocks(result: CommonGrid) -> list[Any]:
    return [
        Figure(
            charts.bars(
                result.factors,
                [100 * result.valid_share.get(name, math.nan) for name in result.factors],
                xlabel="Valid share (%)",
                digits=1,
            ),
            "Share of the region with a valid value, mean over the periods. The factor with the shortest bar limits "
            "where a model can be trained and applied: a pixel needs all factors.",
            "Bars of the valid share per factor",
        )
    ]


def _grid_table(result: CommonGrid) -> Table:
    ratio = result.coarse.nesting_ratio(result.fine)
    nested = (
        f"Each coarse cell holds {ratio} × {ratio} fine pixels."
        if ratio
        else "The fine grid does not nest in the coarse one: pixels count by the area they share with a cell."
    )
    return Table(
        ["Grid", "CRS", "Columns", "Rows", "Cell width", "Cell height", "On the ground"],
        [
            [name, grid.crs_name, grid.cols, grid.rows, grid.cell_width, grid.cell_height, grid.cell_label]
            for name, grid in (("FINE", result.fine), ("COARSE", result.coarse))
        ],
        f"The two grids; cell sizes in units of the CRS. {nested} The target stays on its own grid.",
        digits=[0, 0, 0, 0, _decimals(result.fine), _decimals(result.fine), 0],
    )


def _data(result: CommonGrid, missing: Sequence[Match], complete: Sequence[Period | None]) -> dict[str, Any]:
    return {
        "target": result.target,
        "target_valid": result.target_valid,
        "target_minimum": result.target_range[0],
        "target_maximum": result.target_range[1],
        "factors": list(result.factors),
        "periods": len(result.periods),
        "complete_periods": len(complete),
        "factor_periods": len(result.matches),
        "missing": len(missing),
        "missing_list": [{"factor": one.factor, "period": _label(one.period)} for one in missing],
        "partly_covered": len(_partly(result)),
        "valid_share": dict(result.valid_share),
        "lowest_valid_share": _lowest(result)[1],
        "resampled_by": dict(result.how),
        "ratio": result.coarse.nesting_ratio(result.fine),
        "fine": _grid_data(result.fine),
        "coarse": _grid_data(result.coarse),
        "matches": [
            {"factor": one.factor, "period": _label(one.period), "matched": one.text, "days_share": one.days_share}
            for one in result.matches
        ],
        "notes": list(result.notes),
    }


def _grid_data(grid: Grid) -> dict[str, Any]:
    width, height = grid.ground_cell_size()
    return {
        "crs": grid.crs_name,
        "rows": grid.rows,
        "cols": grid.cols,
        "cell_width": grid.cell_width,
        "cell_height": grid.cell_height,
        "ground_width_m": width,
        "ground_height_m": height,
        "extent": list(grid.extent()),
    }


def _decimals(grid: Grid) -> int:
    return 6 if grid.is_geographic else 2


def _label(period: Period | None) -> str:
    return period.label if period else "all periods"


def _span(periods: Sequence[Period | None]) -> str:
    if len(periods) == 1:
        return periods[0].label if periods[0] else "undated"
    return f"{len(periods)} periods from {_label(periods[0])} to {_label(periods[-1])}" if periods else "no period"


def _listed(names: Sequence[str], most: int) -> str:
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most // 2])} … {', '.join(names[-(most // 2) :])} ({len(names)})"
