"""The page of a fusion: is it better than what is had without it, which pairs made which date, what do maps show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...report import KeyFigure, Report, Section, Text, fmt, percent, plural
from .evaluation import FUSION, LINEAR, NEAREST, LeftOut
from .fusion import FusionResult
from .fusion_sections import agreement, date_table, evaluation, maps, series
from .options import CHANGES, ESTARFM, NO_CONVERSION, POOLED, STARFM, range_label

_NAMES = {ESTARFM: "ESTARFM", STARFM: "STARFM"}
_CONVERSION = {
    POOLED: "regression of fine on coarse values of both dates",
    CHANGES: "ratio of fine to coarse change between the dates",
    NO_CONVERSION: "none (1)",
}
_ALIKE = 0.02  # relative difference of RMSE that decides nothing


def fusion_report(result: FusionResult) -> Report:
    """The report of a fused stack; `data` holds the scores, the shares per date and what was matched."""
    name = _NAMES[result.method]
    dates = result.dates
    span = dates[0].period.label + (f" to {dates[-1].period.label}" if len(dates) > 1 else "")
    lines, tone = _verdict(result)
    kinds = "fused", "one_pair", "fallback", "gaps"
    fused, single, fallback, gaps = (float(np.mean([getattr(one, kind) for one in dates])) for kind in kinds)
    rest = f"{percent(single)} from one pair, {percent(fallback)} fallback, {percent(gaps)} without value"
    ratio = rmse_ratio(result.left_out, LINEAR)
    against = f"{percent(abs(1 - ratio))} {'lower' if ratio < 1 else 'higher'}" if math.isfinite(ratio) else fmt(None)
    table = date_table(result)
    return Report(
        title="Image fusion",
        subtitle=f"{name}: {plural(len(dates), 'date')} ({span}) of {', '.join(result.plan.names)} at "
        f"{result.grid.cell_label}",
        verdict="\n".join(lines),
        tone=tone,
        key_figures=[
            KeyFigure("Dates", fmt(len(dates)), f"{fmt(result.kept)} kept from an earlier run"),
            KeyFigure("Pixels fused", percent(fused), rest),
            KeyFigure("RMSE against linear interpolation", against, "of fine images left out between two pairs"),
            KeyFigure("R with the coarse images", fmt(_mean_r(result), 2), "of means over coarse cells"),
        ],
        sections=[
            Section("Is it better than what is had without it?", evaluation(result)),
            Section("Which pairs for which date", [table, *series(result)]),
            Section("Maps", maps(result)),
            Section("Agreement with the coarse images", [agreement(result)]),
            *([Section("Notes", [Text("\n".join(f"- {note}" for note in result.notes))])] if result.notes else []),
        ],
        details=_details(result),
        data=_data(result),
        main_table=table,
    )


def rmse_ratio(left_out: Sequence[LeftOut], method: str, enclosed: bool = True) -> float:
    """Geometric mean over left-out images (`enclosed` by pairs, or not) and bands: RMSE of fusion over `method`'s."""
    ratios = [
        one.scores[FUSION][band].rmse / other.rmse
        for one in left_out
        if one.enclosed == enclosed
        for band, other in one.scores[method].items()
        if other.rmse > 0 and one.scores[FUSION][band].rmse > 0
    ]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else math.nan


def _verdict(result: FusionResult) -> tuple[list[str], str]:
    lines, tone = _skill(result)
    dates = result.dates
    beyond = [one for one in dates if not one.enclosed and len(one.pairs) == 2]
    if result.method == STARFM and result.run.options.method == ESTARFM:
        lines.append("There is one pair of images only, so STARFM was used in place of ESTARFM.")
    if beyond:
        lines.append(
            f"{plural(len(beyond), 'date')} of {fmt(len(dates))} lie before or after all pairs: trust these least."
        )
    if float(np.mean([one.fallback for one in dates])) > 0.1:
        lines.append(
            f"{percent(float(np.mean([one.fallback for one in dates])))} of the pixels have too few similar pixels: "
            "they follow the mean change of their window."
        )
    if all(one.gaps == 1.0 for one in dates):
        return [
            "No pixel could be fused: the coarse images have no valid pixel where the fine ones have.",
            *lines,
        ], "bad"
    return lines, tone


def _skill(result: FusionResult) -> tuple[list[str], str]:
    inside = [one for one in result.left_out if one.enclosed]
    what = f"{plural(len(result.dates), 'date')} fused"
    if not inside:
        reason = (
            "give three fine images or more and each is predicted from the others."
            if len(result.plan.pairs) < 3
            else "the check was switched off."
        )
        return [f"{what}; how well is not known: {reason}"], "neutral"
    linear, nearest = rmse_ratio(inside, LINEAR), rmse_ratio(inside, NEAREST)
    cases = [(one, band) for one in inside for band in one.scores[FUSION]]
    wins = sum(one.scores[FUSION][band].rmse < one.scores[LINEAR][band].rmse for one, band in cases)
    count = f"in {fmt(wins)} of {fmt(len(cases))} cases ({plural(len(inside), 'left-out image')}, each band)"
    if linear < 1 - _ALIKE:
        text = (
            f"Fusion is better than linear interpolation of the fine images: RMSE {percent(1 - linear)} lower, {count}."
        )
        tone = "good"
    elif linear <= 1 + _ALIKE:
        text = f"Fusion is no better than linear interpolation of the fine images: the same RMSE; lower {count}."
        tone = "neutral"
    else:
        text = (
            f"Fusion is worse than linear interpolation of the fine images: RMSE {percent(linear - 1)} higher; lower "
            f"{count} only. Interpolate instead."
        )
        tone = "bad"
    lines = [
        text,
        f"Against the nearest fine image its RMSE is {percent(abs(1 - nearest))} "
        f"{'lower' if nearest < 1 else 'higher'}.",
    ]
    outside = rmse_ratio(result.left_out, NEAREST, enclosed=False)
    if math.isfinite(outside):
        lines.append(
            f"Beyond the pairs, in the first and the last fine image left out, its RMSE is {percent(abs(1 - outside))} "
            f"{'lower' if outside < 1 else 'higher'} than that of the nearest fine image."
        )
    return lines, tone


def _mean_r(result: FusionResult) -> float:
    known = [r for one in result.dates for r in one.r_coarse if math.isfinite(r)]
    return float(np.mean(known)) if known else math.nan


def _details(result: FusionResult) -> dict[str, Any]:
    options = result.run.options
    estarfm = result.method == ESTARFM
    return {
        "Method": _NAMES[result.method],
        "Pairs": ", ".join(pair.period.label for pair in result.plan.pairs),
        "Window": f"{options.window} x {options.window} pixels",
        "Classes": f"{options.classes:g}",
        "Neighbours count half at": f"{options.halving or options.window // 2:g} pixels",
        **(
            {
                "Conversion coefficient": "none (1)" if options.zero_bias else _CONVERSION[options.conversion],
                "Significance of its test": f"{options.significance:g}",
            }
            if estarfm
            else {}
        ),
        "Uncertainty": f"{options.uncertainty:g} standard deviations",
        "Valid range": range_label(options.valid_range),
        "Zero bias": "yes" if options.zero_bias else "no",
        "Fine layers": f"on the grid of the first: {result.how_fine}",
        "Coarse layers": f"to the fine grid: {result.how_coarse}",
        "Factor of the coarse values": f"{result.run.coarse_factor:g}",
    }


def _data(result: FusionResult) -> dict[str, Any]:
    linear, nearest = (rmse_ratio(result.left_out, method) for method in (LINEAR, NEAREST))
    return {
        "method": result.method,
        "bands": list(result.plan.names),
        "pairs": [pair.period.label for pair in result.plan.pairs],
        "dates": len(result.dates),
        "kept": result.kept,
        "kept_dates": [one.period.label for one in result.dates if one.kept],
        "beyond_pairs": [one.period.label for one in result.dates if not one.enclosed],
        "fused_share": float(np.mean([one.fused for one in result.dates])),
        "one_pair_share": float(np.mean([one.one_pair for one in result.dates])),
        "fallback_share": float(np.mean([one.fallback for one in result.dates])),
        "gap_share": float(np.mean([one.gaps for one in result.dates])),
        "rmse_ratio_linear": linear,
        "rmse_ratio_nearest": nearest,
        "r_coarse": _mean_r(result),
        "left_out": [
            {
                "date": one.period.label,
                "pairs": [period.label for period in one.used],
                "enclosed": one.enclosed,
                "scores": {m: {b: vars(s) for b, s in bands.items()} for m, bands in one.scores.items()},
            }
            for one in result.left_out
        ],
        "notes": list(result.notes),
    }
