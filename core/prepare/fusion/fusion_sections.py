"""The sections of a fusion report: left-out images, dates and their pairs, maps, agreement with the coarse images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...report import Figure, Table, Text, charts
from .evaluation import FUSION, LINEAR, METHODS, NEAREST
from .fused import FALLBACK, FUSED, GAP, ONE_PAIR
from .fusion import FusionResult

QUALITY = {
    FUSED: ("Fused", "#d9e6d5"),
    ONE_PAIR: ("From one pair: the other has no value", "#b5cde0"),
    FALLBACK: ("Fallback: mean change of the window", "#e5b567"),
}


def evaluation(result: FusionResult) -> list[Any]:
    if not result.left_out:
        return [
            Text(
                "Nothing to compare with: the check predicts each fine image from the others and needs three of them."
                if len(result.plan.pairs) < 3
                else "The check was switched off."
            )
        ]
    rows: list[list[Any]] = []
    for one in result.left_out:
        for band in one.scores[FUSION]:
            for method in METHODS:
                s = one.scores[method][band]
                rows.append(
                    [one.period.label, "between" if one.enclosed else "beyond", band, method]
                    + [s.r, s.rmse, s.bias, s.ubrmse, s.ssim, s.pixels]
                )
    table = Table(
        ["Left out", "Pairs", "Band", "Method", "R", "RMSE", "Bias", "ubRMSE", "SSIM", "Pixels"],
        rows,
        "Each fine image predicted without it and compared with what was observed, on the same pixels for all three. "
        "Between: from pairs on both sides of it; beyond: from the two nearest on one side, where linear interpolation "
        "is the nearer fine image.",
        notes=_compared(result),
        digits=[0, 0, 0, 0, 3, _digits(rows), _digits(rows), _digits(rows), 3, 0],
    )
    blocks: list[Any] = [table]
    inside = [one for one in result.left_out if one.enclosed]
    if inside:
        bands = result.plan.names[:10]
        scores = [[float(np.mean([one.scores[m][band].rmse for one in inside])) for band in bands] for m in METHODS]
        svg = charts.score_bars(bands, METHODS, scores, "RMSE", [NEAREST, LINEAR], digits=_digits(rows))
        caption = "Mean RMSE over the images left out between two pairs. Fusion is worth it where its bar is shortest."
        blocks.insert(0, Figure(svg, caption, "Bars of RMSE per band and method"))
    return blocks


def _compared(result: FusionResult) -> str:
    row0, rows = result.left_out[0].rows
    whole = rows == result.grid.rows
    return "" if whole else f"Compared in rows {row0 + 1} to {row0 + rows} of {result.grid.rows}, in the middle."


def date_table(result: FusionResult) -> Table:
    rows = []
    for one in result.dates:
        known = [v for v in one.conversion if math.isfinite(v)]
        similar = [v for v in one.similar if math.isfinite(v)]
        rows.append(
            [
                one.period.label,
                one.pairs[0].label,
                one.pairs[1].label if len(one.pairs) == 2 else None,
                "between" if one.enclosed else "beyond" if len(one.pairs) == 2 else "one pair",
                100 * one.fused,
                100 * one.one_pair,
                100 * one.fallback,
                100 * one.gaps,
                float(np.mean(similar)) if similar else None,
                float(np.mean(known)) if known else None,
            ]
        )
    return Table(
        ["Date", "First pair", "Second pair", "Lies", "Fused (%)", "One pair (%)", "Fallback (%)", "Gaps (%)"]
        + ["Similar pixels", "Conversion"],
        rows,
        "The pairs each date was made from, and whether it lies between or beyond them. Similar pixels and conversion "
        "coefficient (fine change per coarse change) are means over fused pixels and bands.",
        digits=[0, 0, 0, 0, 1, 1, 1, 1, 0, 2],
    )


def series(result: FusionResult) -> list[Any]:
    if len(result.dates) < 4:
        return []
    names = result.plan.names[:5]
    lines = {name: [one.mean[k] for one in result.dates] for k, name in enumerate(names)}
    svg = charts.series([one.period.start for one in result.dates], lines, ylabel="Mean of the fused image")
    return [
        Figure(svg, "Mean of each fused image. Jumps from day to day come from the coarse images.", "Means by date")
    ]


def maps(result: FusionResult) -> list[Any]:
    size, name, unit = result.grid.ground_cell_size(), result.plan.names[0], result.plan.units[0]
    every = -(-max(result.grid.shape) // max(result.pictures[0].fused.shape))
    cell = size[0] * every, size[1] * every
    blocks: list[Any] = []
    for one in result.pictures:
        near = one.nearest.label
        titles = [f"Coarse, {one.period.label}", f"Fused, {one.period.label}", f"Fine, {near}"]
        svg = charts.maps([one.coarse, one.fused, one.fine], titles, unit, [cell] * 3, label=name)
        blocks.append(
            Figure(svg, f"{name}: the coarse image, the fused one, and the fine image nearest in time.", "Maps")
        )
    changes = [one.fused - one.fine for one in result.pictures]
    titles = [f"{one.period.label} minus {one.nearest.label}" for one in result.pictures]
    svg = charts.difference_map(changes, titles, unit, [cell] * len(changes), label="Change")
    blocks.append(
        Figure(svg, "The fused minus the fine image nearest in time: what fusion says has changed.", "Changes")
    )
    worst = max(result.pictures, key=lambda one: int((one.quality != FUSED).sum()))
    svg = charts.quality_map(worst.quality, QUALITY, f"Quality, {worst.period.label}", cell, GAP)
    blocks.append(
        Figure(svg, "What stands behind each pixel. The quality layer holds the same for every date.", "Quality")
    )
    return blocks


def agreement(result: FusionResult) -> Table:
    rows = [
        [one.period.label, band, one.mean[k], one.r_coarse[k], one.bias_coarse[k]]
        for one in result.dates
        for k, band in enumerate(result.plan.names)
    ]
    digits = _digits([[None] * 5 + [row[2]] for row in rows])
    return Table(
        ["Date", "Band", "Mean of the fused image", "R", "Fused minus coarse"],
        rows,
        "Fused and coarse image, both averaged over coarse cells (blocks of 16 pixels where the coarse layer is on the "
        "fine grid already). A difference that is the same on all dates is a difference between the sensors.",
        digits=[0, 0, digits, 3, digits],
    )


def _digits(rows: Sequence[Sequence[Any]]) -> int:
    """Decimals that show three figures of the values in column 6 (RMSE)."""
    known = [abs(row[5]) for row in rows if row[5] is not None and math.isfinite(row[5]) and row[5] != 0]
    return max(0, min(6, 2 - math.floor(math.log10(float(np.median(known)))))) if known else 3
