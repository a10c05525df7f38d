"""What the user chooses for radar factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import InputError
from .incidence import CORRECTIONS, NONE
from .radar_bands import AUTO
from .radar_orbits import APART, ORBITS
from .radar_power import DB, LINEAR

FACTORS = ("vv", "vh", "ratio", "rvi", "incidence_angle")
SCALES = (DB, LINEAR)


@dataclass(frozen=True)
class RadarOptions:
    """factors: some of FACTORS. unit: of the layers, `auto`, `dB` or `linear`; scale: of vv, vh and ratio made.

    window: side in pixels of the square over which power is averaged, odd, 1 for none; min_valid_share: of its pixels.
    incidence: `none`, `cosine` or `slope`, to `reference` degrees; slope: dB per degree, None to fit it. orbits: one of
    ORBITS. names: what the layers call vv, vh and incidence_angle where that is not plain.
    """

    factors: Sequence[str] = ("vv", "vh", "ratio", "rvi")
    unit: str = AUTO
    scale: str = DB
    window: int = 1
    min_valid_share: float = 0.5
    incidence: str = NONE
    reference: float = 40.0
    slope: float | None = None
    orbits: str = APART
    names: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise InputError for values that cannot be meant."""
        unknown = [name for name in self.factors if name not in FACTORS]
        if unknown or not self.factors:
            raise InputError(f"Choose at least one radar factor among {', '.join(FACTORS)}.")
        for value, known, what in (
            (self.scale, SCALES, "scale of the result"),
            (self.incidence, CORRECTIONS, "incidence correction"),
            (self.orbits, ORBITS, "choice of orbits"),
        ):
            if value not in known:
                raise InputError(f"The {what} is one of {', '.join(known)}, not {value!r}.")
        if self.window < 1 or self.window % 2 == 0:
            raise InputError(f"The window of the mean is an odd number of pixels (1, 3, 5 ...), not {self.window}.")
        if not 0 < self.min_valid_share <= 1:
            raise InputError(f"The smallest valid share lies between 0 and 1, not at {self.min_valid_share:g}.")
        if not 0 < self.reference < 90:
            raise InputError(f"The reference angle lies between 0 and 90 degrees, not at {self.reference:g}.")
