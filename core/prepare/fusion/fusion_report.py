"""The page of a fusion: is it better than what is had without it, which pairs made which date, what do maps show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...report import KeyFigure, Report, Section, Text, fmt, percent, plural
from .assembly import LEAST_BLOCKS
from .bands import Image
from .evaluation import FUSION, LINEAR, NEAREST, LeftOut
from .fusion import FusionResult
from .fusion_sections import agreement, date_table, evaluation, maps, pairs_table, series
from .options import CHANGES, ESTARFM, NO_CONVERSION, POOLED, STARFM, range_label

_NAMES = {ESTARFM: "ESTARFM", STARFM: "STARFM"}
_CONVERSION = {
    POOLED: "regression of fine on coarse values of both dates",
    CHANGES: "ratio of fine to coarse change between the dates",
    NO_CONVERSION: "none (1)",
}
_ALIKE = 0.02  # relative difference of RMSE that decides nothing
_CLEAR, _MOST = 0.05, 2 / 3  # a gain, and the share of cases that win, that make fusion better
_LARGE = 0.1  # share of pixels that are no more than a fallback


def fusion_report(result: FusionResult) -> Report:
    """The report of a fused stack; `data` holds the scores, the shares per date and what was matched."""
    name = _NAMES[result.method]
    dates = result.dates
    span = dates[0].period.label + (f" to {dates[-1].period.label}" if len(dates) > 1 else "")
    lines, tone = _verdict(result)
    kinds = "fused", "one_pair", "fallback", "beyond_range", "gaps"
    fused, single, few, out, gaps = (_share(result, kind) for kind in kinds)
    rest = f"{percent(single)} from one pair, {percent(few + out)} fallback, {percent(gaps)} without value"
    ratio = rmse_ratio(result.left_out, LINEAR)
    against = f"{percent(abs(1 - ratio))} {'lower' if ratio < 1 else 'higher'}" if math.isfinite(ratio) else fmt(None)
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
            KeyFigure("R with the coarse images", fmt(_mean_r(result), 2), _cells(result)),
        ],
        sections=[
            Section("Is it better than what is had without it?", evaluation(result)),
            Section("Which pairs for which date", [*series(result), pairs_table(result)]),
            Section("Maps", maps(result)),
            Section("Agreement with the coarse images", [agreement(result)]),
            *([Section("Notes", [Text("\n".join(f"- {note}" for note in result.notes))])] if result.notes else []),
        ],
        details=_details(result),
        data=_data(result),
        main_table=date_table(result),
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
    gaps = _share(result, "gaps")
    if gaps == 1.0:
        first = "No pixel could be fused: the coarse images have no valid pixel where the fine ones have."
        return [first, *lines], "bad"
    beyond = [one for one in dates if not one.enclosed and len(one.pairs) == 2]
    if result.method == STARFM and result.run.options.method == ESTARFM:
        lines.append("There is one pair of images only, so STARFM was used in place of ESTARFM.")
    if beyond:
        lies = "lies" if len(beyond) == 1 else "lie"
        most = len(beyond) > len(dates) / 2
        lines.insert(
            0 if most else len(lines),
            f"{fmt(len(beyond))} of {plural(len(dates), 'date')} {lies} before or after all pairs: trust "
            f"{'it' if len(beyond) == 1 else 'these'} least.",
        )
        tone = "bad" if most else tone
    few, out = (_share(result, kind) / (1 - gaps) for kind in ("fallback", "beyond_range"))
    if few > _LARGE:
        lines.append(
            f"{percent(few)} of the pixels have too few similar pixels: they follow the mean change of their window. "
            "Take fewer classes or a larger window."
        )
    if out > _LARGE / 10:
        valid = range_label(result.run.options.valid_range)
        lines.append(
            f"{percent(out)} of the pixels came out beyond the valid range ({valid}) and follow the mean change of "
            "their window: check the range, scales and units."
        )
    if few + out > 0.5:
        lines.insert(0, f"Hardly a fusion: {percent(few + out)} of the pixels are a fallback.")
    return lines, "bad" if out > _LARGE or few + out > 0.5 else tone


def _share(result: FusionResult, kind: str) -> float:
    return float(np.mean([getattr(one, kind) for one in result.dates]))


def _cells(result: FusionResult) -> str:
    least, most = (choose(one.blocks for one in result.dates) for choose in (min, max))
    number = fmt(most) if least == most else f"{fmt(least)} to {fmt(most)}"
    few = ": too few" if most < LEAST_BLOCKS else ""
    return f"of means over {number} coarse cell{'' if least == most == 1 else 's'}{few}"


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
    each = ", each band" if len(result.plan.names) > 1 else ""
    count = f"in {fmt(wins)} of {plural(len(cases), 'case')} ({plural(len(inside), 'left-out image')}{each})"
    if linear < 1 - _ALIKE and (linear > 1 - _CLEAR or wins < _MOST * len(cases)):
        text = (
            f"Mixed: fusion has an RMSE {percent(1 - linear)} lower than linear interpolation of the fine images, "
            f"lower {count}."
        )
        tone = "neutral"
    elif linear < 1 - _ALIKE:
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
        "Fine layers": _layers([pair.fine for pair in result.plan.pairs]),
        "Coarse layers": _layers([*(pair.coarse for pair in result.plan.pairs), *result.plan.wanted]),
        "To the grid of the first fine layer": f"fine layers {result.how_fine}; coarse layers {result.how_coarse}",
        "Factor of the coarse values": f"{result.run.coarse_factor:g}",
    }


def _layers(images: Sequence[Image]) -> str:
    names = list(dict.fromkeys(stack.name for image in images for stack, _ in image.bands.values()))
    return ", ".join(names[:8]) + (f" and {fmt(len(names) - 8)} more" if len(names) > 8 else "")


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
        "fused_share": _share(result, "fused"),
        "one_pair_share": _share(result, "one_pair"),
        "fallback_share": _share(result, "fallback"),
        "beyond_range_share": _share(result, "beyond_range"),
        "gap_share": _share(result, "gaps"),
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
