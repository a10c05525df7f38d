"""What is asked of composites and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..raster.grid import Grid
from ..raster.periods import Period
from .composite_methods import AUTO, METHODS
from .composite_periods import Clock, Hours


@dataclass(frozen=True)
class CompositeOptions:
    """period: one of composite_periods.KINDS, `custom` (with `custom`, see custom_periods) or `other layers` (with
    `periods_of`). method: auto adds up amounts such as rain and averages the rest. min_coverage: share of a period's
    time that a pixel's valid layers must cover. utc_offset: hours of the local clock ahead of UTC. hours: of the local
    day, see Hours. source_days: what a layer stands for whose date is one day. variables: names, all without any.
    keep_gaps: write periods without a value as empty bands.
    """

    period: str = "month"
    custom: str = ""
    periods_of: Sequence[str] = ()
    method: str = AUTO
    min_coverage: float = 0.5
    rescale_sums: bool = False
    utc_offset: float = 0.0
    hours: str = ""
    source_days: int = 0
    variables: Sequence[str] = ()
    keep_gaps: bool = False

    def clock(self) -> Clock:
        """Raises InputError for options out of range."""
        if self.method not in METHODS:
            raise InputError(f"The method can be {', '.join(METHODS)}, not {self.method!r}.")
        if not 0 <= self.min_coverage <= 1:
            raise InputError(f"The minimum coverage is a share from 0 to 1, not {self.min_coverage:g}.")
        if not -14 <= self.utc_offset <= 14:
            raise InputError(f"Local clocks are at most 14 hours from UTC, not {self.utc_offset:g}.")
        if self.source_days < 0:
            raise InputError(f"A layer cannot stand for {self.source_days} days.")
        return Clock(self.utc_offset, Hours.parse(self.hours))


@dataclass
class CompositeResult:
    """One variable in one period.

    coverage: mean share of the period's time with valid layers, over pixels with a value. valid_share: of pixels with
    a value; thin_share: of pixels that have valid layers but too few. gap: why there is no value, empty where there is.
    band: its number in the stack, None where it was left out.
    """

    variable: str
    period: Period
    label: str
    layers: int
    gap: str
    band: int | None
    coverage: float = 0.0
    valid_share: float = 0.0
    thin_share: float = 0.0
    minimum: float = float("nan")
    mean: float = float("nan")
    maximum: float = float("nan")


@dataclass(frozen=True)
class VariableResult:
    """How one variable was composited; unselected: layers outside the hours of the day, unused: outside all periods."""

    name: str
    unit: str
    method: str
    layers: int
    unselected: int
    unused: int
    first: Period
    last: Period

    @property
    def span(self) -> str:
        return self.first.label if self.first == self.last else f"{self.first.label} to {self.last.label}"


@dataclass
class Composites:
    """What was made. clock_matters: some layers stand for parts of a day, so that it matters where a day begins.

    pictures: (label, thinned map) of some periods of the first variable.
    """

    grid: Grid
    variables: list[VariableResult]
    results: list[CompositeResult]
    options: CompositeOptions
    clock: Clock
    clock_matters: bool
    notes: list[str] = field(default_factory=list)
    pictures: list[tuple[str, NDArray[np.float64]]] = field(default_factory=list)

    @property
    def periods(self) -> list[Period]:
        return sorted({one.period for one in self.results})

    @property
    def written_periods(self) -> list[Period]:
        """Of each band."""
        return [one.period for one in self.results if one.band is not None]

    @property
    def display_range(self) -> tuple[float, float]:
        """Between which most values of the pictures lie; NaN without any."""
        known = [values[np.isfinite(values)] for _, values in self.pictures]
        if not any(values.size for values in known):
            return float("nan"), float("nan")
        low, high = np.quantile(np.concatenate(known), (0.02, 0.98))
        return float(low), float(high)

    @property
    def gaps(self) -> list[CompositeResult]:
        return [one for one in self.results if one.gap]
