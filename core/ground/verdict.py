"""The verdict on a product in one sentence: whether downscaling helped, as far as the stations can tell."""

from __future__ import annotations

import math

from ..report import plural
from .comparison import FEWEST_UNITS, REPEATS
from .metrics import Agreement
from .results import Comparison, StationRow, Verdict
from .wording import difference_text

# The tone by R and whether ubRMSE grew, and how the two are joined: an error that contradicts R makes the
# verdict milder, a larger error without a better R is harm.
_WITH_ERROR = {
    ("good", True): ("neutral", "but"),
    ("good", False): ("good", "and"),
    ("neutral", True): ("bad", "and"),
    ("neutral", False): ("neutral", "but"),
    ("bad", True): ("bad", "and"),
    ("bad", False): ("neutral", "but"),
}


def verdict(
    cell_size: str,
    pooled: dict[str, Agreement],
    comparison: dict[str, Comparison],
    rows: tuple[StationRow, ...],
) -> Verdict:
    product = pooled["product"]
    place = "point" if all(row.n == 1 for row in rows) else "station"
    where = f"{product.n:,} pairs at {plural(len(rows), place)}"
    if math.isnan(product.r):
        return Verdict(
            "neutral",
            f"The {cell_size} map cannot be correlated with the stations: "
            f"map or observations do not vary over the {where}.",
        )
    if not comparison:
        agrees = (
            "does not agree with the stations beyond chance:"
            if product.r_ci[0] <= 0
            else "agrees with the stations with"
        )
        return Verdict(
            "neutral",
            f"The {cell_size} map {agrees} R {product.r:.2f}{_interval(product)} and ubRMSE "
            f"{product.ubrmse:.3f} m3/m3 on {where}; without its coarse source nothing shows whether "
            "downscaling helped.",
        )
    smooth, draws = pooled["smooth"], comparison["smooth"].bootstrap
    if math.isnan(smooth.r):
        return Verdict(
            "neutral",
            f"The {cell_size} map has R {product.r:.2f} on {where}, where its smooth coarse source "
            "does not vary: there is no R to compare with.",
        )
    gain = draws.pooled_r
    scores = f"R {difference_text(product.r, smooth.r, gain, f' on the same {where}')}"
    if draws.stations < FEWEST_UNITS or math.isnan(gain.low):
        return Verdict(
            "neutral",
            f"{plural(draws.stations, 'station')} cannot tell whether the {cell_size} map agrees better "
            f"with the ground than its smooth coarse source: {scores}.",
        )
    tone, word = "neutral", "no better"
    if gain.excludes_zero:
        tone, word = ("good", "better") if gain.value > 0 else ("bad", "worse")
    tail = ""
    if draws.ubrmse.excludes_zero:
        larger = draws.ubrmse.value > 0
        tone, joint = _WITH_ERROR[tone, larger]
        tail = (
            f", {joint} its ubRMSE is {'larger' if larger else 'smaller'} "
            f"({product.ubrmse:.3f} against {smooth.ubrmse:.3f} m3/m3)"
        )
    return Verdict(
        tone,
        f"The {cell_size} map agrees {word} with the stations than its smooth coarse source: {scores}{tail}.",
    )


def _interval(score: Agreement) -> str:
    low, high = score.r_ci
    return "" if math.isnan(low) else f" (95 % interval {low:.2f} to {high:.2f})"


def design(baseline: bool) -> str:
    same = " Product and coarse source are scored on the same pairs." if baseline else ""
    return (
        "A pair is the mean of a station's observations within a period of the product and the value of the "
        f"pixel that holds the station.{same} Intervals of differences come from {REPEATS} resamples "
        "of whole stations; p values and intervals of R use the effective number of pairs. Scores are "
        "independent only of stations that did not serve to train or calibrate the product."
    )
