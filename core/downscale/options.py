"""What the user chooses when a model is applied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from ..model.form import VALUES
from ..model.model import Model
from ..model.uncertainty import HIGHEST_LEVEL, LOWEST_LEVEL

ADDITIVE, MULTIPLICATIVE, NONE = "additive", "multiplicative", "none"


@dataclass(frozen=True)
class DownscaleOptions:
    """How a model is applied.

    conserve: additive, multiplicative or none. detail_gain: None takes the model's estimate. outside: whether pixels
    without a coarse value get a flagged model-only value. bounds: lowest and highest possible value in the target's
    unit, None for either one's default. periods: labels to do, empty for all. level: of the intervals.
    """

    conserve: str = ADDITIVE
    detail_gain: float | None = None
    outside: bool = False
    bounds: tuple[float | None, float | None] = (None, None)
    periods: Sequence[str] = ()
    level: float = 0.9

    def check(self, model: Model) -> None:
        if self.conserve not in (ADDITIVE, MULTIPLICATIVE, NONE):
            raise InputError(f"Conservation is additive, multiplicative or none, not {self.conserve!r}.")
        if self.conserve == MULTIPLICATIVE and model.form.kind != VALUES:
            raise InputError(
                f"Multiplicative conservation needs a model trained on values; this one was trained on "
                f"{model.form.label}: train again, or conserve additively."
            )
        if self.detail_gain is not None and not 0 <= self.detail_gain <= 3:
            raise InputError(
                f"The detail gain lies between 0 (smooth interpolation only) and 3, not at {self.detail_gain}."
            )
        if not LOWEST_LEVEL <= self.level <= HIGHEST_LEVEL:
            raise InputError(
                f"The level of the intervals lies between {LOWEST_LEVEL:g} and {HIGHEST_LEVEL:g}, not at "
                f"{self.level:g}."
            )
        low, high = self.limits(model)
        if not low < high:
            raise InputError(f"The lowest possible value {low:g} is not below the highest one {high:g}.")

    def limits(self, model: Model) -> tuple[float, float]:
        """The bounds in use: 0 to 0.6 m3/m3 (widened to what the target itself holds), none for other units."""
        lowest, highest = -math.inf, math.inf
        if model.target_unit == "m3/m3":
            lowest, highest = min(0.0, model.target_range[0]), max(0.6, model.target_range[1])
        low, high = self.bounds
        return lowest if low is None else low, highest if high is None else high
