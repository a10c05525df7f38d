"""What is said of antecedent rain: gaps, values below 0, bands without a value, and why there is none at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ...report import plural
from .common import label_of, listed
from .output import Written
from .rain_memory import Memory
from .rain_series import Millimetres, RainSeries, gaps_of


def why_empty(
    series: RainSeries, memories: Sequence[Memory], checks: Iterable[Millimetres], min_coverage: float
) -> str:
    """The sentence for a result without any value."""
    if not any(one.known > one.negative for one in checks):
        return "The layers of rain hold no valid value for the periods asked for: check their nodata values."
    days, span = math.ceil(series.span.days), f"{series.periods[0].label} to {series.periods[-1].label}"
    if not memories:
        return f"No pixel has rain for {100 * min_coverage:g} % of a period from {span}: give more layers."
    shortest = min(memories, key=lambda one: one.days)
    return (
        f"No band has a value: each day of {shortest.name} needs {plural(shortest.days, 'day')} of rain up to it "
        f"(spin-up), {100 * min_coverage:g} % of them known, and a period as many such days; the layers hold "
        f"{plural(days, 'day')} ({span}): give rain from earlier days, or shorter windows."
    )


def rain_notes(series: RainSeries, negative: Mapping[str, float], written: Written) -> list[str]:
    notes = []
    gaps = gaps_of(series)
    if gaps:
        days = sum(one.days for one in gaps)
        notes.append(
            f"{days:g} days have no layer ({listed([one.label for one in gaps], 6)}): they count as the mean of the "
            "days known in a window, where enough of it is known."
        )
    if negative:
        worst = max(negative, key=lambda label: negative[label])
        rest = f"; fewer in {plural(len(negative) - 1, 'other band')}" if len(negative) > 1 else ""
        notes.append(
            f"Values below 0 mm count as nodata: {100 * negative[worst]:.3g} % of the valid values of band {worst!r}"
            f"{rest}."
        )
    empty = [one.band for one in written.bands if not one.valid]
    if empty and series.daily:
        notes.append(
            f"{len(empty)} bands have no value ({listed([f'{one.name} {label_of(one.period)}' for one in empty], 4)}): "
            "their windows begin before the first layer, or too little of them is known. Give earlier layers to fill "
            "them."
        )
    return notes
