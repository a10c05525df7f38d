"""What the comparison of two products comes to, in sentences."""

from __future__ import annotations

import math

from ...report import fmt, plural
from .detail_sections import detail_sentence
from .moments import Interval
from .results import RasterValidation


def verdict_lines(result: RasterValidation) -> list[str]:
    """The answer first: better than the coarse source or not, then space, time and detail."""
    pooled = result.pooled
    if not math.isfinite(pooled.r):
        return [
            f"There is no correlation: {result.product} or {result.reference} holds one value everywhere, or there are "
            f"fewer than three pairs ({fmt(pooled.n)})."
        ]
    scores = f"R = {fmt(pooled.r, 2)}"
    if result.comparable:
        scores += f", ubRMSE {fmt(pooled.ubrmse)} m³/m³, bias {fmt(pooled.bias, signed=True)} m³/m³"
    if result.gain is None:
        lines = [
            f"{result.product} agrees with {result.reference} by {scores} over {plural(pooled.n, 'pair')}; no coarse "
            "source was given, so this says nothing about downscaling."
        ]
    else:
        kind = "smooth coarse source" if result.smooth else "coarse source"
        gain = result.gain
        way = (
            "agrees better with the reference than its "
            if gain.known and gain.low > 0
            else "agrees less with the reference than its "
            if gain.known and gain.high < 0
            else "agrees neither better nor worse with the reference, within the uncertainty, than its "
        )
        lines = [
            f"{result.product} {way}{kind} on the same {plural(pooled.n, 'pair')}: R = {fmt(pooled.r, 2)} against "
            f"{fmt(pooled.r_baseline, 2)}, a difference of {_signed(gain)}."
        ]
        if not result.smooth:
            lines.append(
                f"The cells compared ({result.grid.cell_label}) are no finer than those of the coarse source: this "
                "tells whether the maps keep its values, not whether the detail within its cells is right."
            )
    if len(result.periods) > 1 and math.isfinite(result.spatial_r):
        against = f" (coarse source {fmt(result.spatial_r_baseline, 2)})" if result.gain is not None else ""
        lines.append(f"Over the cells of one date, R is {fmt(result.spatial_r, 2)} in the mean of the dates{against}.")
    if result.gain is not None and "r_gain" in result.pixels:
        in_time = result.pixels["r_gain"].median
        way = "gains" if in_time > 0.005 else "loses" if in_time < -0.005 else "neither gains nor loses"
        lines.append(
            f"In time, cell by cell, the product {way} against the coarse source (median difference of R "
            f"{fmt(in_time, 2, signed=True)})."
        )
    sentence = detail_sentence(result)
    if sentence:
        lines.append(sentence)
    if result.same:
        lines.insert(
            0,
            f"{result.product} and {result.reference} are nearly the same (R = {fmt(pooled.r, 3)}): one was made from "
            "the other, or both from one source, and this is no validation.",
        )
    if not result.comparable:
        lines.append("One product is in m³/m³, the other relative to saturation: only correlations are given.")
    return lines


def _signed(gain: Interval) -> str:
    text = fmt(gain.value, 2, signed=True)
    return f"{text} [{fmt(gain.low, 2, signed=True)}, {fmt(gain.high, 2, signed=True)}]" if gain.known else text
