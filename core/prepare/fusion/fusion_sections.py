"""The sections of a fusion report: left-out images, dates and their pairs, maps, agreement with the coarse images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...report import Figure, Table, Text, charts
from .assembly import LEAST_BLOCKS, DateResult
from .evaluation import FUSION, LINEAR, METHODS, NEAREST
from .fused import BEYOND_RANGE, FALLBACK, FUSED, GAP, ONE_PAIR
from .fusion import FusionResult

QUALITY = {
    FUSED: ("Fused", "#d9e6d5"),
    ONE_PAIR: ("From one pair: the other has no value", "#b5cde0"),
    FALLBACK: ("Fallback: too few similar pixels", "#e5b567"),
    BEYOND_RANGE: ("Fallback: beyond the valid range", "#c96f4a"),
}
_MANY = 24  # rows: more are summed up on the page


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
    for one in sorted(result.left_out, key=lambda one: not one.enclosed):
        for band in one.scores[FUSION]:
            for method in METHODS if one.enclosed else (FUSION, NEAREST):
                s = one.scores[method][band]
                rows.append(
                    [one.period.label, "between" if one.enclosed else "beyond", band, method]
                    + [s.r, s.rmse, s.bias, s.ubrmse, s.ssim, s.pixels]
                )
    errors = _digits([row[5] for row in rows])
    table = Table(
        ["Left out", "Pairs", "Band", "Method", "R", "RMSE", "Bias", "ubRMSE", "SSIM", "Pixels"],
        rows,
        "Each fine image predicted without it and compared with what was observed, on the same pixels for all methods. "
        "Between: from pairs on both sides of it; beyond: from the two nearest on one side, where there is nothing to "
        "interpolate between.",
        notes=_compared(result),
        digits=[0, 0, 0, 0, 3, errors, errors, errors, 3, 0],
    )
    blocks: list[Any] = [table]
    inside = [one for one in result.left_out if one.enclosed]
    if inside:
        bands = result.plan.names[:10]
        scores = [[float(np.mean([one.scores[m][band].rmse for one in inside])) for band in bands] for m in METHODS]
        svg = charts.score_bars(bands, METHODS, scores, "RMSE", [NEAREST, LINEAR], digits=errors)
        caption = "Mean RMSE over the images left out between two pairs. Fusion is worth it where its bar is shortest."
        blocks.insert(0, Figure(svg, caption, "Bars of RMSE per band and method"))
    return blocks


def _compared(result: FusionResult) -> str:
    row0, rows = result.left_out[0].rows
    whole = rows == result.grid.rows
    return "" if whole else f"Compared in rows {row0 + 1} to {row0 + rows} of {result.grid.rows}, in the middle."


def date_table(result: FusionResult) -> Table:
    """A row per date."""
    return Table(
        ["Date", *_DATE_COLUMNS],
        [[one.period.label, *_pairs_of(one), *_figures_of([one])] for one in result.dates],
        "The pairs each date was made from, and whether it lies between or beyond them. " + _DATE_CAPTION,
        digits=_DATE_DIGITS,
    )


def pairs_table(result: FusionResult) -> Table:
    """As `date_table`, without shares that are 0 everywhere; of many dates a row for those that follow each other and
    come from the same pairs.
    """
    if len(result.dates) <= _MANY:
        return _without_zeros(date_table(result))
    runs: list[list[DateResult]] = []
    for one in result.dates:
        if runs and _pairs_of(runs[-1][0]) == _pairs_of(one):
            runs[-1].append(one)
        else:
            runs.append([one])
    rows: list[list[Any]] = []
    for run in runs:
        span = run[0].period.label + (f" to {run[-1].period.label}" if len(run) > 1 else "")
        rows.append([span, len(run), *_pairs_of(run[0]), *_figures_of(run)])
    table = Table(
        ["Dates", "Number", *_DATE_COLUMNS],
        rows,
        "The pairs that dates were made from, and whether they lie between or beyond them; means over dates. "
        + _DATE_CAPTION,
        notes="The JSON file has a row for each date.",
        digits=[0, *_DATE_DIGITS],
    )
    return _without_zeros(table)


def _without_zeros(table: Table) -> Table:
    kept = [
        k for k, name in enumerate(table.columns) if "%" not in name or "Fused" in name or any(r[k] for r in table.rows)
    ]
    assert not isinstance(table.digits, int)
    return replace(
        table,
        columns=[table.columns[k] for k in kept],
        rows=[[row[k] for k in kept] for row in table.rows],
        digits=[table.digits[k] for k in kept],
    )


_DATE_COLUMNS = ["First pair", "Second pair", "Lies", "Fused (%)", "One pair (%)", "Too few similar (%)"]
_DATE_COLUMNS += ["Beyond range (%)", "Gaps (%)", "Similar pixels", "Conversion"]
_DATE_DIGITS = [0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 2]
_DATE_CAPTION = (
    "Too few similar pixels, or a value beyond the valid range: fallback. Similar pixels and conversion coefficient "
    "(fine change per coarse change) are means over fused pixels and bands."
)


def _pairs_of(one: DateResult) -> list[Any]:
    two = len(one.pairs) == 2
    lies = "between" if one.enclosed else "beyond" if two else "one pair"
    return [one.pairs[0].label, one.pairs[1].label if two else None, lies]


def _figures_of(dates: Sequence[DateResult]) -> list[float | None]:
    kinds = "fused", "one_pair", "fallback", "beyond_range", "gaps"
    shares: list[float | None] = [100 * float(np.mean([getattr(one, kind) for one in dates])) for kind in kinds]
    return [*shares, *(_mean([v for one in dates for v in getattr(one, kind)]) for kind in ("similar", "conversion"))]


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else None


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
    size, name, unit = (
        result.grid.ground_cell_size(),
        *(x[result.mapped] for x in (result.plan.names, result.plan.units)),
    )
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
    coded = [(one, one.quality) for one in result.pictures if one.quality is not None]
    if coded:
        worst, codes = max(coded, key=lambda pair: int((pair[1] != FUSED).sum()))
        svg = charts.quality_map(codes, QUALITY, f"Quality, {worst.period.label}", cell, GAP)
        blocks.append(
            Figure(svg, "What stands behind each pixel. The quality layer holds the same for every date.", "Quality")
        )
    return blocks


def agreement(result: FusionResult) -> Table:
    names, dates = result.plan.names, result.dates
    many = len(dates) * len(names) > _MANY
    if many:
        columns = ["Band", "Mean of the fused images", "R", "Lowest R", "Fused minus coarse", "Largest difference"]
        rows: list[list[Any]] = []
        for k, band in enumerate(names):
            r = [one.r_coarse[k] for one in dates if math.isfinite(one.r_coarse[k])]
            bias = [one.bias_coarse[k] for one in dates if math.isfinite(one.bias_coarse[k])]
            mean = _mean([one.mean[k] for one in dates])
            rows.append([band, mean, _mean(r), min(r, default=None), _mean(bias), max(bias, key=abs) if bias else None])
        level, difference = _digits([row[1] for row in rows]), _digits([row[5] for row in rows], 2)
        digits = [0, level, 3, 3, difference, difference]
    else:
        columns = ["Date", "Band", "Mean of the fused image", "R", "Fused minus coarse", "Cells"]
        rows = [
            [one.period.label, band, one.mean[k], one.r_coarse[k], one.bias_coarse[k], one.blocks]
            for one in dates
            for k, band in enumerate(names)
        ]
        digits = [0, 0, _digits([row[2] for row in rows]), 3, _digits([row[4] for row in rows], 2), 0]
    return Table(
        columns,
        rows,
        "Fused and coarse image, both averaged over coarse cells (blocks of 16 pixels where the coarse layer is on the "
        "fine grid already). A difference that is the same on all dates is a difference between the sensors."
        + (f" Over all {len(dates)} dates." if many else ""),
        notes=f"No R of fewer than {LEAST_BLOCKS} cells." if any(one.blocks < LEAST_BLOCKS for one in dates) else "",
        digits=digits,
    )


def _digits(values: Sequence[float | None], figures: int = 3) -> int:
    """Decimals that show so many figures of a usual value."""
    known = [abs(value) for value in values if value is not None and math.isfinite(value) and value != 0]
    if not known:
        return figures
    return max(0, min(6, figures - 1 - math.floor(math.log10(float(np.median(known))))))
