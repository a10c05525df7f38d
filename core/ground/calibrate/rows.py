"""What corrections are learnt from and applied to: rows of places and times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...raster.grid import Grid
from ...raster.periods import Period
from ..metrics import Floats


@dataclass(frozen=True)
class Plane:
    """Kilometres on the ground from a corner of a grid, east and north.

    Scales are those of the middle of the grid: a plane for one region, not for a continent.
    """

    crs_wkt: str
    x0: float
    y0: float
    km_east: float
    km_north: float

    @classmethod
    def of(cls, grid: Grid) -> Plane:
        width, height = grid.ground_cell_size()
        return cls(
            grid.crs_wkt,
            grid.transform[0],
            grid.transform[3],
            width / grid.cell_width / 1000,
            height / grid.cell_height / 1000,
        )

    def km(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Coordinates of the grid's reference system in kilometres."""
        return (x - self.x0) * self.km_east, (y - self.y0) * self.km_north


@dataclass(frozen=True)
class Rows:
    """Values of the product at places and times, n of them, all finite but `factors` and `y`.

    z: the product (m3/m3). factors: (n, factors), NaN where a factor has a gap. season: (n, 2) sine and cosine of the
    day of the year, (n, 0) undated. east, north: km. y: what stations measured, NaN where it is wanted. station,
    period: numbers. features: (members, n, features) of the networks, where there are any.
    """

    z: Floats
    factors: Floats
    season: Floats
    east: Floats
    north: Floats
    y: Floats
    station: NDArray[np.intp]
    period: NDArray[np.intp]
    features: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.z)

    def take(self, chosen: NDArray[Any]) -> Rows:
        return replace(
            self,
            **{
                name: getattr(self, name)[chosen]
                for name in ("z", "factors", "season", "east", "north", "y", "station", "period")
            },
            features=None if self.features is None else self.features[:, chosen],
        )

    @property
    def stations(self) -> int:
        return len(np.unique(self.station))

    @property
    def predictors(self) -> Floats:
        """(n, 1 + factors + season): what tree models see."""
        return np.column_stack([self.z, self.factors, self.season])


def season_of(period: Period | None) -> tuple[float, ...]:
    """Sine and cosine of the middle of a period within its year; nothing where there is no period."""
    if period is None:
        return ()
    start, end = (float(value) for value in (period.ordinals()[0], period.ordinals()[-1]))
    middle = 0.5 * (start + end)
    angle = 2 * math.pi * (middle % 365.2425) / 365.2425
    return math.sin(angle), math.cos(angle)


def seasons(periods: Sequence[Period | None], number: NDArray[np.intp]) -> Floats:
    """(n, 2) `season_of` by number of the period, (n, 0) for undated ones."""
    table = np.array([season_of(period) for period in periods], float).reshape(len(periods), -1)
    return table[number]
