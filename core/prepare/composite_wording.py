"""What is said of composites in the log and on their page: the verdict, the gaps, the methods."""

from __future__ import annotations

from ..report import fmt, percent, plural
from .composite import CompositeResult, Composites
from .composite_methods import SUM

_WHOLE = 0.999
_UNITS = ("day", "dekad", "month", "season", "year")


def verdict(result: Composites) -> list[str]:
    """The sentence of the page and of the log, and what qualifies it."""
    layers = sum(one.layers - one.unselected - one.unused for one in result.variables)
    periods = plural(len(result.periods), result.options.period if result.options.period in _UNITS else "period")
    several = len(result.variables) > 1
    gaps = f"{fmt(len(result.gaps))} with a gap" if len(result.gaps) == 1 else f"{fmt(len(result.gaps))} with gaps"
    lines = [
        f"{periods}{f' of {fmt(len(result.variables))} variables' if several else ''} from {plural(layers, 'layer')}, "
        f"{gaps if result.gaps else 'none with a gap'}."
    ]
    filled = [one for one in result.results if not one.gap]
    sums = [one for one in filled if _method(result, one) == SUM and one.coverage < _WHOLE]
    if sums and not result.options.rescale_sums:
        lowest = min(sums, key=lambda one: one.coverage)
        what = "1 sum covers" if len(sums) == 1 else f"{fmt(len(sums))} sums cover"
        lines.append(
            f"{what} only part of the period and {'misses' if len(sums) == 1 else 'miss'} the rest: the least is "
            f"{percent(lowest.coverage)}, the mean over its pixels ({lowest.variable}, {lowest.label}). 'Scale sums to "
            "the full period' would make up for it."
        )
    thin = [one for one in filled if one.thin_share > 0.1]
    if thin:
        lines.append(
            f"In {plural(len(thin), 'composite')} more than a tenth of the pixels is empty because valid layers cover "
            f"less than {percent(result.options.min_coverage)} of the period there."
        )
    return lines


def gap_lines(result: Composites) -> list[str]:
    """The gaps, one line for neighbouring periods of a variable with the same reason."""
    rows: list[tuple[str, str, list[str]]] = []
    before = None
    for one in result.results:
        if one.gap and before is not None and (before.variable, before.gap) == (one.variable, one.gap):
            rows[-1][2].append(one.label)
        elif one.gap:
            rows.append((one.variable, one.gap, [one.label]))
        before = one
    return [
        f"{name}, {labels[0]}{f' to {labels[-1]} ({len(labels)} periods)' if len(labels) > 1 else ''}: {gap}"
        for name, gap, labels in rows
    ]


def log_lines(result: Composites) -> list[str]:
    """What was done with which layers on which clock, and the gaps."""
    lines = []
    for one in result.variables:
        unit = f" in {one.unit}" if one.unit else ""
        lines.append(f"{one.name}{unit}: {one.method} of {plural(one.layers, 'layer')}, {one.span}")
        for count, why in ((one.unselected, "at other hours of the day"), (one.unused, "in no period with a value")):
            if count:
                lines.append(f"{one.name}: {plural(count, 'layer')} {why}")
    if result.clock_matters:
        hours = f", {result.clock.hours.text} of each day" if result.clock.hours else ""
        lines.append(f"Days are those of the clock {result.clock.name}{hours}; layers of whole days keep their dates.")
    return [*lines, *verdict(result), *(f"Gap: {line}" for line in gap_lines(result))]


def _method(result: Composites, one: CompositeResult) -> str:
    return next(each.method for each in result.variables if each.name == one.variable)
