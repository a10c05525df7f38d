"""What the user chooses when factors are brought to a common grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from .resampling import BILINEAR, METHODS


@dataclass(frozen=True)
class GridOptions:
    """How the two stacks are made.

    ratio: fine pixels per coarse cell and axis, 0 for about 1 km. fine_grid: a raster whose grid is used instead, in
    the target's CRS. footprint_km: half-power width of the sensor's footprint, None for the cell itself. categorical:
    names of factors that are classes. extent: xmin, ymin, xmax, ymax in the target's CRS. target_factor multiplies the
    target (0.01 for percent). factor_names: the factors to take, empty for all.
    """

    ratio: int = 0
    fine_grid: str | None = None
    footprint_km: float | None = None
    min_valid_share: float = 0.5
    method: str = BILINEAR
    categorical: Sequence[str] = ()
    extent: tuple[float, float, float, float] | None = None
    target_band: str = ""
    target_unit: str = "m3/m3"
    target_factor: float = 1.0
    factor_names: Sequence[str] = ()

    def check(self) -> None:
        """Raise InputError for values that cannot be meant."""
        if self.ratio < 0 or self.ratio == 1:
            raise InputError(
                "The ratio is the number of fine pixels along a coarse cell: 2 or more (0 for about 1 km), "
                f"not {self.ratio}."
            )
        if not 0 < self.min_valid_share <= 1:
            raise InputError(f"The smallest valid share lies between 0 and 1, not at {self.min_valid_share}.")
        if self.method not in METHODS:
            raise InputError(f"Unknown resampling method {self.method!r}: choose one of {', '.join(METHODS)}.")
        if self.extent is not None and not (self.extent[0] < self.extent[2] and self.extent[1] < self.extent[3]):
            raise InputError("The extent asked for is empty: give it as xmin, ymin, xmax, ymax.")
