"""The page of composites: how many periods have a value, what they rest on, and where the gaps are."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

from ..raster.periods import Period
from ..report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, percent, plural
from .composite import Composites, VariableResult
from .composite_methods import MAX, MEAN, MEDIAN, MIN, SUM
from .composite_wording import gap_lines, verdict
from .factors.indices import DRY_IS_HIGH

_LISTED = 30
_CHARTS = 4  # variables with a chart of their own
_HOW = {
    MEAN: "Mean: each layer counts by the time it shares with the period; amounts are first divided by their days.",
    SUM: "Sum: each layer gives the part of its amount that its time in the period is of its length.",
    MAX: "Maximum of the layers with at least half of their time in the period.",
    MIN: "Minimum of the layers with at least half of their time in the period.",
    MEDIAN: "Median of the layers with at least half of their time in the period, each counting the same.",
}


def composite_report(result: Composites) -> Report:
    """The report of composites; `data` holds a row per variable and period, and the gaps."""
    filled = [one for one in result.results if not one.gap]
    layers = sum(one.layers for one in result.variables)
    thinnest = min(filled, key=lambda one: one.coverage)
    table = _period_table(result)
    return Report(
        title="Composites",
        subtitle=f"{', '.join(one.name for one in result.variables[:6])}"
        f"{' …' if len(result.variables) > 6 else ''}, {_span(result)}",
        verdict="\n".join(verdict(result)),
        tone="neutral" if result.gaps else "good",
        key_figures=[
            KeyFigure("Composites", fmt(len(filled)), f"{plural(len(result.variables), 'variable')}"),
            KeyFigure("Layers", fmt(layers), f"{fmt(sum(one.unused for one in result.variables))} in no period"),
            KeyFigure("Gaps", fmt(len(result.gaps)), f"of {plural(len(result.results), 'composite')} wanted"),
            KeyFigure("Lowest coverage", percent(thinnest.coverage), f"{thinnest.variable}, {thinnest.label}"),
            KeyFigure("Pixels with a value", percent(_mean([one.valid_share for one in filled])), "mean of composites"),
        ],
        sections=[
            Section("How much of each period is covered", _coverage_blocks(result)),
            Section("Values", [*_value_figures(result), *_maps(result), table]),
            Section("Variables", [_variable_table(result.variables)]),
            *([Section("Notes", [Text("\n".join(f"- {note}" for note in result.notes))])] if result.notes else []),
        ],
        details=_details(result),
        data=_data(result),
        main_table=table,
    )


def _coverage_blocks(result: Composites) -> list[Any]:
    dates = [_middle(period) for period in result.periods]
    lines = {}
    for one in result.variables[:8]:
        found = {each.period: each for each in result.results if each.variable == one.name}
        lines[one.name] = [100 * found[period].coverage if period in found else math.nan for period in result.periods]
    least = 100 * result.options.min_coverage
    cut = " The first eight variables are shown." if len(result.variables) > 8 else ""
    blocks: list[Any] = [
        Figure(
            charts.series(dates, {**lines, "minimum": [least] * len(dates)}, ylabel="Time covered (%)"),
            "Share of each period's time with valid layers, mean over the pixels with a value; 0 is a gap. A pixel "
            f"whose layers cover less than the minimum ({least:g} %) is left empty.{cut}",
            "Line of the coverage of each period",
        )
    ]
    gaps = gap_lines(result)
    if gaps:
        kept = "written as empty bands" if result.options.keep_gaps else "left out"
        more = [f"and {len(gaps) - _LISTED} more, listed in the JSON file"] if len(gaps) > _LISTED else []
        blocks.append(
            Text(
                f"Gaps ({kept} where no layer can give a value):\n" + "\n".join(f"- {g}" for g in gaps[:_LISTED] + more)
            )
        )
    return blocks


def _value_figures(result: Composites) -> list[Figure]:
    figures = []
    dates = [_middle(period) for period in result.periods]
    for one in result.variables[:_CHARTS]:
        found = {each.period: each for each in result.results if each.variable == one.name}
        rows = [found.get(period) for period in result.periods]
        if len([row for row in rows if row is not None and not row.gap]) < 2:
            continue
        lines = {
            name: [math.nan if row is None else getattr(row, key) for row in rows]
            for name, key in (("highest", "maximum"), ("mean", "mean"), ("lowest", "minimum"))
        }
        unit = f" ({one.unit})" if one.unit and one.unit != "1" else ""
        figures.append(
            Figure(
                charts.series(dates, lines, ylabel=f"{one.name}{unit}"),
                f"{one.name}, {one.method} of each period: mean, lowest and highest pixel.",
                f"Lines of mean, lowest and highest {one.name}",
            )
        )
    return figures


def _maps(result: Composites) -> list[Figure]:
    if not result.pictures:
        return []
    one = result.variables[0]
    width, height = result.grid.ground_cell_size()
    rows, cols = result.pictures[0][1].shape
    size = (width * result.grid.cols / cols, height * result.grid.rows / rows)
    drawn = charts.maps(
        [values for _, values in result.pictures],
        [label for label, _ in result.pictures],
        "" if one.unit == "1" else one.unit,
        [size] * len(result.pictures),
        label=f"{one.name} (high is dry)" if one.name in DRY_IS_HIGH else one.name,
    )
    which = "The first, the middle and the last composite" if len(result.pictures) > 2 else "Composites"
    return [Figure(drawn, f"{which} of {one.name}; grey has no value.", f"Maps of {one.name}")]


def _period_table(result: Composites) -> Table:
    several = [["Variable"]] if len(result.variables) > 1 else []
    spans = any("/" in one.label for one in result.results)
    gaps = [["Gap"]] if result.gaps else []
    digits = _digits([one.mean for one in result.results if not one.gap])
    rows = []
    for one in result.results:
        numbers = [100 * one.coverage, 100 * one.valid_share, one.minimum, one.mean, one.maximum]
        rows.append(
            [
                *(one.variable for _ in several),
                *(_ends(one.period) if spans else [one.label]),
                one.layers,
                *([None] * 5 if one.gap else numbers),
                *(one.gap for _ in gaps),
            ]
        )
    columns = ["Layers", "Time covered (%)", "Pixels (%)", "Lowest", "Mean", "Highest"]
    when = ["From", "To"] if spans else ["Period"]
    return Table(
        [*sum(several, []), *when, *columns, *sum(gaps, [])],
        rows,
        "Each composite: layers used, share of its time with valid layers (mean over the pixels with a value), pixels "
        "with a value, and their values.",
        digits=[0] * (len(several) + len(when) + 1) + [1, 1, digits, digits, digits, 0],
    )


def _variable_table(variables: Sequence[VariableResult]) -> Table:
    hours = any(one.unselected for one in variables)
    return Table(
        ["Variable", "Unit", "Method", "Layers", *(["Other hours"] if hours else []), "In no period", "From", "To"],
        [
            [
                one.name,
                one.unit,
                one.method,
                one.layers,
                *([one.unselected] if hours else []),
                one.unused,
                one.first.first.date(),
                _last_day(one.last),
            ]
            for one in variables
        ],
        " ".join(_HOW[method] for method in dict.fromkeys(one.method for one in variables)),
    )


def _details(result: Composites) -> dict[str, Any]:
    options = result.options
    rescaled = any(one.method == SUM for one in result.variables)
    return {
        "Periods": f"{options.period}{f': {options.custom.strip()}' if options.custom.strip() else ''}",
        "Minimum coverage": percent(options.min_coverage),
        **(
            {"Sums": "scaled to the full period" if options.rescale_sums else "of the covered time"} if rescaled else {}
        ),
        "Clock": f"{result.clock.name}; layers of whole days keep their dates",
        **({"Hours of the day": result.clock.hours.text} if result.clock.hours else {}),
        **({"Days that a layer stands for": str(options.source_days)} if options.source_days else {}),
        "Grid": f"{result.grid.cols} x {result.grid.rows} cells of {result.grid.cell_label} in {result.grid.crs_name}",
    }


def _data(result: Composites) -> dict[str, Any]:
    return {
        "composites": len(result.results) - len(result.gaps),
        "gaps": len(result.gaps),
        "gap_list": [{"variable": one.variable, "period": one.label, "why": one.gap} for one in result.gaps],
        "clock": result.clock.name,
        "hours": result.clock.hours.text if result.clock.hours else "",
        "min_coverage": result.options.min_coverage,
        "variables": [
            {
                "name": one.name,
                "unit": one.unit,
                "method": one.method,
                "layers": one.layers,
                "other_hours": one.unselected,
                "in_no_period": one.unused,
                "first": one.first.label,
                "last": one.last.label,
            }
            for one in result.variables
        ],
        "periods": [
            {
                "variable": one.variable,
                "period": one.label,
                "start": one.period.start.isoformat(),
                "end": one.period.end.isoformat(),
                "layers": one.layers,
                "coverage": one.coverage,
                "valid_share": one.valid_share,
                "below_coverage": one.thin_share,
                "minimum": one.minimum,
                "mean": one.mean,
                "maximum": one.maximum,
                "gap": one.gap,
            }
            for one in result.results
        ],
        "notes": list(result.notes),
    }


def _digits(values: Sequence[float]) -> int:
    """Decimals that show about four digits of the typical value."""
    known = sorted(abs(value) for value in values if math.isfinite(value) and value)
    return 3 if not known else max(0, min(6, 3 - math.floor(math.log10(known[len(known) // 2]))))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _ends(period: Period) -> list[dt.date]:
    """First and last day; for parts of a day start and end."""
    return [period.start, period.end - dt.timedelta(days=1) if period.whole_days else period.end]


def _middle(period: Period) -> dt.datetime:
    return period.first + (period.last - period.first) / 2


def _span(result: Composites) -> str:
    """The label of one period with a name of its own, else the first and the last day."""
    periods = result.periods
    if len(periods) == 1 and "/" not in result.results[0].label:
        return result.results[0].label
    return f"{periods[0].first:%Y-%m-%d} to {_last_day(periods[-1])}"


def _last_day(period: Period) -> dt.date:
    """The last one that belongs to it."""
    return (period.last - dt.timedelta(seconds=1)).date()
