"""The section of a validation report on stations that share a coarse cell: the direct proof of downscaling."""

from __future__ import annotations

import math
from typing import Any

from ..report import Table, Text, fmt, plural
from ..report.html import Block
from .comparison import Interval
from .results import ProductValidation
from .wording import field_names, interval_text


def inside_cells(product: ProductValidation) -> list[Block]:
    """Agreement between stations of the same coarse cell: the proof of downscaling, or why it cannot be given."""
    why = (
        "Stations that share a coarse cell give the only direct proof of downscaling: the cell has one value for them "
        "all, so what ranks them right was added inside the cell. From map and measurements alike, the mean over the "
        "cell's stations in the same period is subtracted; what is left is correlated."
    )
    inside = product.inside_cell
    if inside is None:
        missing = (
            "Here fewer than three coarse cells hold two stations or more in the same period, so this proof cannot be "
            "given. Scores over all pairs can rise without a single right detail inside a cell."
        )
        return [Text(f"{why}\n\n{missing}")]
    r, gain = inside.product_r, inside.gain_over_smooth
    outcome = "Whether the detail inside the cells is right cannot be told from these stations."
    if r.excludes_zero:
        outcome = f"The detail inside the cells is {'real' if r.value > 0 else 'wrong more often than right'}."
        if r.value > 0 and not gain.low > 0:
            outcome = (
                "The detail inside the cells is real, but these stations do not show that it is more than what "
                "interpolation of the coarse source gives."
            )
    numbers = (
        f"R is {fmt(r.value, 2)} ({interval_text(r)}, from resamples of whole cells) over {fmt(inside.n)} values of "
        f"{inside.stations} stations in {inside.cells} cells; the difference to the smooth source is "
        f"{fmt(gain.value, 2, signed=True)} ({interval_text(gain)})."
    )
    names = field_names(product)
    rows: list[list[Any]] = [
        [names[source], inside.r[source], won.right, won.pairs, 100 * won.share.value, _percent_interval(won.share)]
        for source, won in inside.ranking.items()
    ]
    rows.append([names["coarse"], 0.0, None, None, 50.0, None])
    table = Table(
        ["Field", "R inside cells", "Ranked right", "Of pairs", "Share %", "95\u00a0% interval %"],
        rows,
        "Stations of the same coarse cell and period: R of their differences, and how often the wetter one is the "
        "wetter one on the map too.",
        digits=[0, 2, 0, 0, 0, 0],
        notes="The cell value is the same for all stations of a cell: R 0 and a share of 50\u00a0% by construction.",
    )
    return [Text(f"{why}\n\n{ranking_answer(product)}\n\n{outcome} {numbers}"), table]


def ranking_answer(product: ProductValidation) -> str:
    """Whether the map ranks the stations inside one coarse cell right; empty where that cannot be asked."""
    inside = product.inside_cell
    if inside is None or not inside.ranking["product"].pairs:
        return ""
    won = inside.ranking["product"]
    share, interval = won.share, _percent_interval(won.share)
    text = (
        f"The map ranks stations inside one coarse cell right in {fmt(won.right, 0)} of {plural(won.pairs, 'pair')} "
        f"({100 * share.value:.0f}\u00a0%"
    )
    if interval is None:
        return f"{text}; chance is 50\u00a0%)."
    judged = "no better than chance"
    if share.low > 0.5:
        judged = "better than chance"
    elif share.high < 0.5:
        judged = "worse than chance"
    smooth = f"{100 * inside.ranking['smooth'].share.value:.0f}\u00a0%"
    return (
        f"{text}, 95\u00a0% interval {interval}\u00a0%; chance is 50\u00a0%, the smooth source has {smooth}): {judged}."
    )


def _percent_interval(share: Interval) -> str | None:
    if math.isnan(share.low):
        return None
    return f"{100 * share.low:.0f}\u00a0to\u00a0{100 * share.high:.0f}"
