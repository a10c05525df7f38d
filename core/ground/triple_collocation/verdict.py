"""What a triple collocation comes to, in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...report import fmt, percent, plural
from ..rasters.departures import NONE
from .results import TripleResult

_FEW = 0.5  # where fewer have an estimate, their medians do not stand for the whole


def verdict_lines(result: TripleResult) -> list[str]:
    """The order of the products first, or why there is none; then errors and what to be careful about."""
    ranking = result.ranking
    lines = []
    if not np.isfinite(ranking).all():
        lines.append(f"No errors could be estimated: {_why_none(result)}")
    else:
        order = np.argsort(-ranking)
        listed = ", ".join(f"{result.names[k]} {fmt(ranking[k], 2)}" for k in order)
        where = "median of the pixels" if result.output else "median of the stations"
        if result.estimated < _FEW:
            what = "pixels" if result.output else "stations"
            lines.append(
                f"Only {percent(result.estimated)} of the {what} have estimates of all three products, so the products "
                f"cannot be ranked: {_why_none(result)}"
            )
            lines.append(f"Where there are estimates, the correlations with the truth are {listed} ({where}).")
        elif _clear(result, order):
            lines.append(f"{result.names[order[0]]} is closest to the truth: correlation with it {listed} ({where}).")
        else:
            lines.append(
                f"The order of the products is not certain; their correlations with the truth are {listed} ({where})."
            )
        errors = result.medians.get("error_sd")
        if errors is not None:
            unit = " m³/m³" if result.kinds[0] == "m3/m3" else ""
            lines.append(
                "Error (standard deviation, on the scale of the first product): "
                + ", ".join(f"{name} {fmt(float(e))}{unit}" for name, e in zip(result.names, errors))
                + "."
            )
    certain = [one for one in result.dependence if one.certain]
    if certain:
        lines.insert(0, f"These estimates are not valid: {certain[0].text}")
    elif result.dependence:
        lines.insert(min(1, len(lines)), f"Read with care: {result.dependence[0].text}")
    if result.options.min_triplets < 100:
        lines.append(
            f"Fewer than 100 triplets were allowed ({result.options.min_triplets}): estimates from few triplets mean "
            "little."
        )
    if result.method == NONE:
        lines.append("Values, not anomalies, were used: what the products share in their season counts as truth.")
    if result.counts is not None and result.counts.seen:
        lost = result.counts.seen - result.counts.estimated
        if lost and result.estimated >= _FEW:
            lines.append(
                f"{plural(lost, 'pixel')} of {fmt(result.counts.seen)} ({percent(lost / result.counts.seen)}) have no "
                f"full estimate: {_why_none(result)}"
            )
    return lines


def tone(result: TripleResult) -> str:
    """Good only where the estimates can be trusted and rank the products."""
    if any(one.certain for one in result.dependence) or not np.isfinite(result.ranking).all():
        return "bad"
    doubtful = result.dependence or result.options.min_triplets < 100 or result.estimated < _FEW
    return "neutral" if doubtful or not _clear(result, np.argsort(-result.ranking)) else "good"


def _clear(result: TripleResult, order: Any) -> bool:
    """Whether the best is best in most pixels or stations; with fewer than five, by the intervals of the region."""
    total = sum(result.best)
    if not total or result.best[order[0]] < 0.6 * total:
        return False
    region = result.region
    if region is None or total >= 5:
        return total >= 5
    return bool(region.r_interval[order[0], 0] > region.r_interval[order[1], 1])


def _why_none(result: TripleResult) -> str:
    counts = result.counts
    if counts is None:
        notes = dict.fromkeys(one.note for one in result.series if one.note)
        return "; ".join(list(notes)[:3]) + "."
    reasons = [(counts.few, "too few triplets"), (counts.no_signal, "no common signal")]
    reasons += [(n, f"a negative error variance of {name}") for n, name in zip(counts.negative, result.names)]
    return ", ".join(f"{fmt(n)} with {why}" for n, why in reasons if n) + "."
