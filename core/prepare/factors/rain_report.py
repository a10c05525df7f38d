"""The page of antecedent rain: ranges, course over time, maps, gaps, and how it was added up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...raster.periods import Period
from ...report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, plural, typeset
from .common import label_of, listed
from .output import Written
from .rain import AntecedentRain
from .report_parts import map_section, missing_section, notes_section, share, span, summary_data, summary_table

_FEWEST = 3  # periods of a course over time


def rain_report(result: AntecedentRain) -> Report:
    """The report of antecedent rain; `data` holds ranges, means per period, gaps and settings."""
    written, options = result.written, result.options
    table = summary_table(written)
    valid = [one for one in written.bands if one.valid]
    mean_share = float(np.mean([one.valid_share for one in written.bands]))
    return Report(
        title="Antecedent rain",
        subtitle=f"{listed(written.names)} at {written.grid.cell_label}, {span(written.periods)}",
        verdict=typeset("\n".join(_verdict(result))),
        tone="neutral" if result.gaps or result.missing or len(valid) < _counted(result) else "good",
        key_figures=[
            KeyFigure("Factors", fmt(len(written.names)), f"{plural(len(written.bands), 'band')} in all"),
            KeyFigure("Rain layers", fmt(result.bands), f"{label_of(result.span)}"),
            KeyFigure("Days without a layer", fmt(_gap_days(result)), f"of {fmt(math.ceil(result.span.days))}"),
            KeyFigure("Valid pixels", share(mean_share), "mean of all bands, spin-up included"),
            KeyFigure("First value", _first(written).replace("-", "\u2011"), "before it windows are not full"),
        ],
        sections=[
            Section("Factors", [table, *_course(written)]),
            map_section(written),
            *missing_section(result.missing, "What could not be made"),
            *missing_section(
                [f"{one.label} ({plural(math.ceil(one.days), 'day')})" for one in result.gaps], "Gaps in the rain"
            ),
            Section("How it was added up", [_method_table(result), Text("\n\n".join(_texts(result)))]),
            *notes_section([typeset(note) for note in result.notes]),
        ],
        details={
            "Rain": f"{result.name}, {result.unit}, {plural(result.bands, 'band')}",
            "Grid": f"{written.grid.crs_name}, {written.grid.cols} x {written.grid.rows} pixels of "
            f"{written.grid.cell_label}",
            "Periods": listed([label_of(period) for period in written.periods], 12),
            "Smallest coverage": f"{options.min_coverage:g}",
        },
        data={
            **summary_data(written),
            "rain": result.name,
            "unit": result.unit,
            "rain_layers": result.bands,
            "first_day": result.span.first,
            "last_day": result.span.last,
            "daily": result.daily,
            "decay": options.decay if "api" in options.factors else None,
            "days": options.days if "api" in options.factors else None,
            "windows": sorted(set(options.windows)) if "sums" in options.factors else [],
            "min_coverage": options.min_coverage,
            "gaps": [{"period": one.label, "days": one.days} for one in result.gaps],
            "negative_values": result.negative,
            "missing": result.missing,
            "notes": result.notes,
        },
        main_table=table,
    )


def _verdict(result: AntecedentRain) -> list[str]:
    written = result.written
    valid = [one for one in written.bands if one.valid]
    factors = plural(len(written.names), "factor")
    lines = [f"{factors} of antecedent rain for {span(written.periods)}."]
    empty = len(written.bands) - len(valid)
    if empty:
        lines.append(
            f"{plural(empty, 'band')} {'has' if empty == 1 else 'have'} no value, mostly because the windows are not "
            f"full yet: the first value is of {_first(written)}."
        )
    if result.missing:
        lines.append(f"{plural(len(result.missing), 'band')} could not be made for want of rain layers.")
    if result.gaps:
        lines.append(f"{plural(_gap_days(result), 'day')} {'is' if _gap_days(result) == 1 else 'are'} without a layer.")
    return lines


def _counted(result: AntecedentRain) -> int:
    """Bands that could have a value: those of the spin-up are expected to have none."""
    if not result.daily:
        return len(result.written.bands)
    first = {
        name: next((i for i, one in enumerate(result.written.of(name)) if one.valid), 0)
        for name in result.written.names
    }
    return sum(len(result.written.of(name)) - start for name, start in first.items())


def _gap_days(result: AntecedentRain) -> int:
    return math.ceil(sum(one.days for one in result.gaps))


def _first(written: Written) -> str:
    known = sorted(one.band.period for one in written.bands if one.valid and one.band.period is not None)
    return known[0].label if known else fmt(None)


def _course(written: Written) -> list[Any]:
    periods = [period for period in written.periods if period is not None]
    if len(periods) < _FEWEST:
        return []
    lines = {}
    for name in written.names:
        means = {one.band.period: one.mean for one in written.of(name)}
        lines[name] = [means.get(period, math.nan) for period in periods]
    return [
        Figure(
            charts.series([_middle(period) for period in periods], lines, ylabel="mm"),
            "Mean over the region in each period; gaps are periods without a value.",
            "Course of antecedent rain",
        )
    ]


def _middle(period: Period) -> Any:
    return (period.first + (period.last - period.first) / 2).date()


def _method_table(result: AntecedentRain) -> Table:
    options = result.options
    rows = []
    for name in result.written.names:
        if name == "api":
            rows.append(
                [
                    name,
                    typeset(f"sum of k^i P(t - i) for i = 0 to {options.days}, k = {options.decay:g}"),
                    f"a day's rain counts half after {math.log(0.5) / math.log(options.decay):.1f} days",
                ]
            )
        elif name == "rain":
            rows.append([name, "rain of the period", "bands by the share of their days in it"])
        elif name == "rain_previous":
            rows.append([name, "rain of the period before", "the month before for months"])
        else:
            days = name.split("_")[1][:-1]
            rows.append([name, f"rain of the last {days} days, the day itself among them", "no decay"])
    return Table(["Factor", "What it is", "Remark"], rows, "In mm. P(t): rain of day t.")


def _texts(result: AntecedentRain) -> Sequence[str]:
    texts = []
    if result.daily and set(result.options.factors) & {"api", "sums"}:
        texts.append(
            "A window must be full before it has a value: the first days of the series are nodata. Where days are "
            f"missing, the known ones are scaled up, if at least {100 * result.options.min_coverage:.0f} % of the "
            "window's weight is known."
        )
        if any(period is not None and period.days != 1 for period in result.written.periods):
            texts.append("For periods longer than a day the factors are means over the period's days.")
    texts.append(
        "API after Kohler and Linsley 1951. Rain that drives a land model (SMAP L4, GLEAM, reanalyses) is part of its "
        "soil moisture already: a high importance of rain for such a target is partly circular."
    )
    return texts
