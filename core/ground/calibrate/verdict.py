"""What a calibration is worth, in one sentence."""

from __future__ import annotations

import numpy as np

from ...report import fmt, plural
from .methods import BEST, NONE
from .results import CalibrationResult


def verdict(result: CalibrationResult) -> tuple[str, str]:
    """Tone and text; the first line says whether the map is better at stations that it has not seen."""
    plain, best = result.of(NONE), result.headline
    before, after = fmt(plain.score.rmse), fmt(best.score.rmse)
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
    if result.chosen != NONE:
        lines.append(
            "The calibrated map no longer keeps the means of the coarse product it came from; that is the purpose of "
            "calibration."
        )
    return tone, "\n".join(lines)
