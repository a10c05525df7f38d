"""What a triple collocation found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ...raster.grid import Grid
from ..metrics import Floats
from .estimate import TripleSeries
from .independence import Dependence

LETTERS = ("x", "y", "z")
_T = TypeVar("_T")


@dataclass(frozen=True)
class TripleOptions:
    """`min_triplets` for an estimate; `min_share` and `min_valid` as for comparisons of maps; `anomalies` likewise."""

    min_triplets: int = 100
    min_share: float = 0.3
    min_valid: float = 0.5
    anomalies: str = "auto"
    seed: int = 0


@dataclass(frozen=True)
class MapCounts:
    """Pixels: with triplets, too few of them, without a common signal, with a negative error variance by product;
    `estimated` have all three."""

    seen: int
    few: int
    no_signal: int
    negative: tuple[int, int, int]
    estimated: int


@dataclass(frozen=True)
class TripleResult:
    """`series` are stations or zones; `region` is the mean series of the whole map. `medians` (3,) of R, SNR and error.

    `grid`, `output` and `counts` only for maps.
    """

    names: tuple[str, str, str]
    kinds: tuple[str, str, str]
    region: TripleSeries | None
    series: tuple[TripleSeries, ...]
    what: str
    counts: MapCounts | None
    medians: dict[str, Floats]
    best: tuple[int, int, int]
    dependence: tuple[Dependence, ...]
    method: str
    periods: tuple[str, ...]
    period_days: float
    grid: Grid | None
    output: str | None
    crs_wkt: str
    notes: tuple[str, ...]
    options: TripleOptions

    @property
    def estimated(self) -> float:
        """Share of the pixels, or stations, that have all three estimates."""
        if self.counts is not None:
            return self.counts.estimated / max(1, self.counts.seen)
        return sum(bool(np.isfinite(one.r).all()) for one in self.series) / max(1, len(self.series))

    @property
    def ranking(self) -> Floats:
        """R with the truth (3,): median of the map, else of the stations."""
        if "r" in self.medians:
            return self.medians["r"]
        table = np.array([one.r for one in self.series if np.isfinite(one.r).all()])
        return np.asarray(np.median(table, axis=0)) if len(table) else np.full(3, np.nan)


def triple(values: Sequence[_T]) -> tuple[_T, _T, _T]:
    """The first three values."""
    return values[0], values[1], values[2]
