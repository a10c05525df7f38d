"""What a calibration is worth, in one sentence."""

from __future__ import annotations

import numpy as np

from ...report import fmt, plural
from .methods import BEST, MEAN_BIAS, NONE
from .results import CalibrationResult


def verdict(result: CalibrationResult) -> tuple[str, str]:
    """Tone and text; the first line says whether the map is better at stations that it has not seen."""
    plain, best = result.of(NONE), result.headline
    before, after = fmt(plain.score.rmse, 4), fmt(best.score.rmse, 4)
    stations = plural(result.rows.stations, "station")
    chosen = result.wanted == BEST
    if result.chosen == NONE:
        tone = "neutral"
        first = (
            f"No calibration is better than the product at stations it has not seen (RMSE {before} m3/m3 over "
            f"{stations}): the values are left as they are."
            if chosen
            else "The product is written without calibration, as asked."
        )
    elif result.better:
        sure = best.gain.low > 0
        tone = "good" if sure else "neutral"
        first = (
            f"Calibration by {result.chosen} is {'' if sure else 'probably '}better at stations it has not seen: RMSE "
            f"{after} m3/m3, {before} without it."
        )
    elif best.gain.value > 0:
        tone = "neutral"
        first = (
            f"Whether the calibrated product is better at stations it has not seen cannot be told: RMSE {after} m3/m3 "
            f"with {result.chosen}, {before} without, a difference within its standard error."
        )
    else:
        tone = "bad"
        first = (
            f"The calibrated product is not better at stations it has not seen: RMSE {after} m3/m3 with "
            f"{result.chosen}, {before} without."
        )
    lines = [first]
    if np.isfinite(best.gain.low) and result.chosen != NONE:
        lines.append(
            f"Gain in RMSE {fmt(best.gain.value, 4, signed=True)} m3/m3, 95 % interval {fmt(best.gain.low, 4)} to "
            f"{fmt(best.gain.high, 4)} over resamples of {stations}"
            + ("; the choice of the method is part of what was tested." if best.nested else ".")
        )
        if chosen and not best.nested:
            lines.append("The method was chosen by this very score, which is therefore too good.")
    over = best.gain_over_bias
    if result.better and result.chosen != MEAN_BIAS and not over.value > over.error:
        lines.append(
            f"The mean bias alone reaches {fmt(result.of(MEAN_BIAS).score.rmse, 4)} m3/m3: what more the method does "
            "is within its error, and the simpler one would do."
        )
    if result.chosen != NONE:
        lines.append(
            "The calibrated map no longer keeps the means of the coarse product it came from; that is the purpose of "
            "calibration."
        )
    return tone, "\n".join(lines)
