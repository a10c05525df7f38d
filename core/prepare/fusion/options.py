"""What the user chooses when fine and coarse images are fused."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...errors import InputError
from ...raster.periods import Period, period_in_name

ESTARFM, STARFM = "estarfm", "starfm"
POOLED, CHANGES, NO_CONVERSION = "pooled", "changes", "none"
REFLECTANCE, NDVI, LST, OTHER = "reflectance", "ndvi", "lst", "other"


@dataclass(frozen=True)
class FusionOptions:
    """How images are fused.

    window: pixels along its side, odd. classes: similar pixels lie within 2 sd / classes of the pixel, in all bands on
    both dates. halving: pixels at which a neighbour counts half, 0 for half the window. conversion: how the coefficient
    from coarse to fine change is found, from the values of both dates together (`pooled`, as in the paper), from the
    changes between the dates (`changes`), or not at all (`none`: it is 1). significance: largest p of its F test.
    uncertainty: coarse change, in standard deviations of the coarse image, that may be noise. valid_range: fused
    values beyond it are replaced. zero_bias: the fine images are first moved to the level of the coarse ones.
    """

    method: str = ESTARFM
    window: int = 51
    classes: float = 4.0
    halving: float = 0.0
    conversion: str = CHANGES
    significance: float = 0.05
    uncertainty: float = 0.5
    valid_range: tuple[float, float] | None = None
    zero_bias: bool = False

    def check(self) -> None:
        """Raise InputError for values that cannot be meant."""
        if self.method not in (ESTARFM, STARFM):
            raise InputError(f"Unknown fusion method {self.method!r}: choose {ESTARFM} or {STARFM}.")
        if self.conversion not in (POOLED, CHANGES, NO_CONVERSION):
            raise InputError(
                f"Unknown way to find the conversion coefficient {self.conversion!r}: choose {POOLED}, {CHANGES} or "
                f"{NO_CONVERSION}."
            )
        if self.window < 3 or self.window % 2 == 0:
            raise InputError(f"The window is an odd number of pixels, 3 or more, not {self.window}.")
        numbers = self.classes, self.halving, self.uncertainty
        if not all(map(math.isfinite, numbers)) or self.classes <= 0 or self.halving < 0 or self.uncertainty < 0:
            raise InputError(
                "The number of classes must be a positive number, halving distance and uncertainty 0 or more."
            )
        if not 0 < self.significance <= 1:
            raise InputError(f"The significance lies between 0 and 1, not at {self.significance}.")
        if self.valid_range is not None and not self.valid_range[0] < self.valid_range[1]:
            raise InputError("The valid range is empty: give its lower end first.")

    @classmethod
    def for_variable(cls, variable: str, **chosen: object) -> FusionOptions:
        """Defaults for reflectance (valid as in Landsat Collection 2), ndvi, lst or other, and what is `chosen`."""
        known = {
            REFLECTANCE: cls(valid_range=(-0.2, 1.6)),
            NDVI: cls(valid_range=(-1.0, 1.0)),
            LST: cls(),
            OTHER: cls(),
        }
        if variable not in known:
            raise InputError(f"Unknown variable {variable!r}: choose one of {', '.join(known)}.")
        return replace(known[variable], **chosen)  # type: ignore[arg-type]


def range_label(ends: tuple[float, float] | None) -> str:
    """Such as `0 to 1`, `up to 1` or `any value`."""
    low, high = ends or (-math.inf, math.inf)
    if math.isinf(low):
        return "any value" if math.isinf(high) else f"up to {high:g}"
    return f"from {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def parse_dates(texts: Sequence[str]) -> list[Period]:
    """Days (2020-03-17), months (2020-05), years (2020) and spans with both ends included (2020-06-01/2020-06-20).

    Raises InputError for anything else.
    """
    return [_dates(text) for text in texts]


def _dates(text: str) -> Period:
    ends = [_date(part.strip()) for part in text.split("/")]
    known = [one for one in ends if one is not None]
    if len(known) != len(ends) or len(ends) > 2:
        raise InputError(f"{text!r} is no date: write days, months, years or spans, such as 2020-06-01/2020-06-20.")
    if known[-1].start < known[0].start:
        raise InputError(f"{text!r} has its later date first: write {'/'.join(reversed(text.split('/')))}.")
    return Period(known[0].start, known[-1].end)


def _date(text: str) -> Period | None:
    if re.fullmatch(r"(19|20)\d\d", text):
        return Period(dt.date(int(text), 1, 1), dt.date(int(text) + 1, 1, 1))
    return period_in_name(text)
