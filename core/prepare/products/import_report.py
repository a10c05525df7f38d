"""The page of an import: what came in, what quality rules took out, what is left and where."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...raster.periods import Period
from ...report import KeyFigure, Report, Section, Text, fmt, percent, plural
from .import_sections import band_table, map_blocks, removed_blocks, series_blocks
from .importing import ImportResult
from .writing import BandSummary

_LISTED = 40
_LOW_SHARE = 0.05


def import_report(result: ImportResult, output: str | Path) -> Report:
    """The report of imported files; `data` holds counts, gaps, removed pixels and the figures of each band."""
    names = list(dict.fromkeys(one.band.name for one in result.bands))
    missing, gaps = missing_periods(result.periods)
    table = band_table(result)
    return Report(
        title="Imported product",
        subtitle=f"{result.recipe.title}, {_version(result)}{_span(result.periods)}",
        verdict="\n".join(_verdict(result, names, missing, gaps)),
        tone=_tone(result, gaps),
        key_figures=[
            KeyFigure("Files", fmt(result.files), f"{fmt(len(result.skipped))} left out"),
            KeyFigure("Bands", fmt(len(result.bands)), f"{plural(len(names), 'variable')}"),
            KeyFigure("Valid pixels", percent(result.valid_share), f"at quality '{result.quality}'"),
            KeyFigure("Taken out by quality", percent(_taken(result)), "of the pixels that had a value"),
            KeyFigure("Periods missing", fmt(missing), "between the first and the last"),
        ],
        sections=[
            Section("What was taken out", removed_blocks(result)),
            Section("What is left", [*map_blocks(result, output), *series_blocks(result, names), table]),
            *([Section("Files left out", [_skipped(result)])] if result.skipped else []),
            *([Section("Missing periods", [_listed(gaps)])] if gaps else []),
            *([Section("Notes", [Text("\n".join(f"- {note}" for note in result.notes))])] if result.notes else []),
        ],
        details={
            "Product": f"{result.product} {result.version}".strip(),
            "Variables": "; ".join(_variable(result, name) for name in names),
            "Grid": f"{result.grid.cols} x {result.grid.rows} cells of {result.grid.cell_label} in "
            f"{result.grid.crs_name}",
            "Quality": result.quality,
            "Recipe": f"{result.recipe.id}; checked on {result.recipe.checked}" if result.recipe.checked else "own",
            "Described in": "; ".join(result.recipe.sources),
        },
        data=_data(result, missing, gaps),
        main_table=table,
    )


def missing_periods(periods: Sequence[Period]) -> tuple[int, list[Period]]:
    """How many periods of the usual length have no file between the first and the last, and the spans they make up."""
    if len(periods) < 2:
        return 0, []
    usual = statistics.median(period.days for period in periods)
    breaks = [(before.last, after.first) for before, after in zip(periods, periods[1:]) if after.first > before.last]
    gaps = [Period(*one) for one in breaks]
    # The usual length of months and of composites at the end of a year varies.
    gaps = [gap for gap in gaps if gap.days >= 0.6 * usual]
    return sum(max(1, round(gap.days / usual)) for gap in gaps), gaps


def _verdict(result: ImportResult, names: Sequence[str], missing: int, gaps: Sequence[Period]) -> list[str]:
    good = result.files - len(result.skipped)
    lines = [
        f"{plural(good, 'file')} became {plural(len(result.bands), 'band')} of {', '.join(names)}; "
        f"{percent(result.valid_share)} of the pixels in the files are valid."
    ]
    if result.skipped:
        lines.append(
            f"{plural(len(result.skipped), 'file')} could not be used and "
            f"{'was' if len(result.skipped) == 1 else 'were'} left out."
        )
    absent = {rule for one in result.removed.values() for rule in one.absent}
    if absent:
        lines.append(
            f"{plural(len(absent), 'quality rule')} could not be applied, because the quality layers are not among the "
            "files: clouds and other bad pixels may be left."
        )
    if gaps:
        lines.append(
            f"Between the first and the last, {plural(missing, 'period')} {'has' if missing == 1 else 'have'} no file "
            f"({_when_from(gaps[0])}{' and later' if len(gaps) > 1 else ''})."
        )
    if result.valid_share < _LOW_SHARE:
        lines.append("Hardly any pixel is left: look below at what took them out.")
    return lines


def _tone(result: ImportResult, gaps: Sequence[Period]) -> str:
    if result.valid_share < _LOW_SHARE:
        return "bad"
    unchecked = any(one.absent for one in result.removed.values())
    return "neutral" if result.skipped or gaps or unchecked else "good"


def _taken(result: ImportResult) -> float:
    held = sum(one.pixels - one.empty for one in result.removed.values())
    return sum(sum(one.rules.values()) for one in result.removed.values()) / held if held else 0.0


def _skipped(result: ImportResult) -> Text:
    return _listed([str(error) for error in result.skipped])


def _listed(items: Sequence[Any]) -> Text:
    lines = [f"- {item.label if isinstance(item, Period) else item}" for item in items[:_LISTED]]
    if len(items) > _LISTED:
        lines.append(f"- and {len(items) - _LISTED} more, listed in the JSON file")
    return Text("\n".join(lines))


def _variable(result: ImportResult, name: str) -> str:
    variable = result.recipe.variables[name]
    parts = [part for part in (variable.depth, variable.unit) if part]
    return f"{name}: {variable.title}" + (f" ({', '.join(parts)})" if parts else "")


def _version(result: ImportResult) -> str:
    return f"version {result.version}, " if result.version else ""


def _when_from(gap: Period) -> str:
    return f"from {gap.start}" if gap.whole_days else f"from {gap.first:%Y-%m-%d %H:%M}"


def _span(periods: Sequence[Period]) -> str:
    if not periods:
        return "static"
    return (
        periods[0].label if len(periods) == 1 else f"{len(periods)} periods, {periods[0].label} to {periods[-1].label}"
    )


def _data(result: ImportResult, missing: int, gaps: Sequence[Period]) -> dict[str, Any]:
    def figures(one: BandSummary) -> dict[str, Any]:
        return {
            "variable": one.band.name,
            "period": one.band.period.label if one.band.period else None,
            "unit": one.band.unit,
            "valid": one.valid,
            "minimum": one.minimum if one.valid else None,
            "mean": one.mean if one.valid else None,
            "maximum": one.maximum if one.valid else None,
            "files": one.files,
        }

    return {
        "product": result.product,
        "recipe": result.recipe.id,
        "version": result.version,
        "quality": result.quality,
        "files": result.files,
        "skipped": [{"file": str(error.path), "reason": error.reason} for error in result.skipped],
        "valid_share": result.valid_share,
        "removed": {
            name: {"pixels": one.pixels, "empty": one.empty, "rules": dict(one.rules), "valid": one.valid}
            for name, one in result.removed.items()
        },
        "missing_periods": missing,
        "gaps": [gap.label for gap in gaps],
        "bands": [figures(one) for one in result.bands],
        "grid": {
            "crs": result.grid.crs_name, "rows": result.grid.rows, "cols": result.grid.cols,
            "extent": list(result.grid.extent()), "cell": [result.grid.cell_width, result.grid.cell_height],
        },
        "notes": list(result.notes),
    }  # fmt: skip
