"""Weighted sums over the last days, streamed: strips outside, days inside, a ring of the days still remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from ...raster.blocks import Array
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.tiles import strips
from .common import OnGrid
from .output import FactorWriter
from .rain_series import Millimetres, RainSeries

_RING = 2**24  # values of the ring held at once, float32
_TILE = 256  # rows of the tiles of the result: a strip that ends within a tile would have it compressed twice


@dataclass(frozen=True)
class Memory:
    """The sum over the last `days` days, the day itself among them, each day before counting `decay` times less."""

    name: str
    decay: float
    days: int

    @property
    def weight(self) -> float:
        """Of a full window."""
        return float(sum(self.decay**i for i in range(self.days)))

    @property
    def long_name(self) -> str:
        if self.decay == 1.0:
            return f"rain of the last {self.days} days"
        return f"antecedent precipitation index, k = {self.decay:g}, {self.days - 1} days back"


@dataclass(frozen=True)
class DailyPlan:
    """place: the band (1-based) of each name and period of the result; checks: by period of the rain."""

    series: RainSeries
    grid: Grid
    memories: list[Memory]
    place: Mapping[tuple[str, Period | None], int]
    checks: Mapping[Period, Millimetres]
    min_coverage: float

    def periods(self) -> list[Period]:
        """Those of the result that have a band of a memory."""
        names = {memory.name for memory in self.memories}
        return sorted({period for name, period in self.place if name in names and period is not None})


def stream_days(plan: DailyPlan, out: FactorWriter, progress: Progress) -> None:
    """Write every memory for every period, as the mean over the days that the period touches."""
    longest = max(memory.days for memory in plan.memories)
    periods = plan.periods()
    spans = {period: _days_of(period, plan.series) for period in periods}
    first = max(0, min(start for start, _ in spans.values()) - longest + 1)
    last = min(math.ceil(plan.series.span.days) - 1, max(end for _, end in spans.values()))
    starts: dict[int, list[Period]] = {}
    for period in periods:
        starts.setdefault(max(first, spans[period][0]), []).append(period)
    numbered = plan.series.day_numbers()
    readers = {
        number: OnGrid(numbered[number], plan.grid, plan.checks[plan.series.day(number)])
        for number in numbered
        if first <= number <= last
    }
    parts = list(strips(plan.grid.rows, plan.grid.cols, _TILE, _RING // longest))
    for part, (row0, rows) in enumerate(parts):
        shape = (rows, plan.grid.cols)
        ring: NDArray[np.float32] = np.full((longest, *shape), np.nan, np.float32)
        states = [_State(memory, shape) for memory in plan.memories]
        running: dict[Period, list[_Mean]] = {}
        for number in range(first, last + 1):
            progress.check()
            progress.set((part + (number - first) / (last - first + 1)) / len(parts), "Adding up days")
            today = readers[number](row0, rows) if number in readers else np.full(shape, np.nan)
            for state in states:
                state.add(today, ring[(number - state.memory.days) % longest])
            ring[number % longest] = today
            for period in starts.get(number, ()):
                running[period] = [_Mean(shape) for _ in states]
            if not running:
                continue
            values = [state.value(number - first, plan.min_coverage) for state in states]
            for period in list(running):
                for mean, value in zip(running[period], values):
                    mean.add(value)
                if number == min(last, spans[period][1]):
                    _write(plan, out, period, spans[period], running.pop(period), row0)


def _write(
    plan: DailyPlan, out: FactorWriter, period: Period, span: tuple[int, int], means: list[_Mean], row0: int
) -> None:
    days = span[1] - span[0] + 1
    for memory, mean in zip(plan.memories, means):
        index = plan.place.get((memory.name, period))
        if index is not None:
            out.write(index, mean.value(plan.min_coverage * days), row0)


def _days_of(period: Period, series: RainSeries) -> tuple[int, int]:
    """First and last day (numbers of the series) that the period touches."""
    start = series.span.first
    day = 86400.0
    return (
        math.floor((period.first - start).total_seconds() / day),
        math.ceil((period.last - start).total_seconds() / day) - 1,
    )


class _State:
    """S(t) = k S(t-1) + P(t) - k^n P(t-n), and the same of the weights of the days that are known."""

    def __init__(self, memory: Memory, shape: tuple[int, int]) -> None:
        self.memory = memory
        self._total, self._known = np.zeros(shape), np.zeros(shape)
        self._last = memory.decay**memory.days

    def add(self, today: Array, leaving: NDArray[np.float32]) -> None:
        for state, new, old in (
            (self._total, np.nan_to_num(today.astype(np.float32)), np.nan_to_num(leaving)),
            (self._known, np.isfinite(today), np.isfinite(leaving)),
        ):
            state *= self.memory.decay
            state += new
            state -= self._last * old

    def value(self, days_before: int, min_coverage: float) -> Array:
        """NaN until the window is full, and where less than `min_coverage` of its weight is known."""
        if days_before < self.memory.days - 1:
            return np.full(self._total.shape, np.nan)
        coverage = self._known / self.memory.weight
        enough = coverage >= min_coverage - 1e-9
        # Rounding may leave a trace below 0 of what has gone.
        found = np.divide(self._total, coverage, out=np.full(coverage.shape, np.nan), where=enough)
        return np.maximum(found, 0.0)


class _Mean:
    def __init__(self, shape: tuple[int, int]) -> None:
        self._total, self._count = np.zeros(shape), np.zeros(shape, np.int32)

    def add(self, values: Array) -> None:
        known = np.isfinite(values)
        self._total += np.where(known, values, 0.0)
        self._count += known

    def value(self, least: float) -> Array:
        enough = (self._count > 0) & (self._count >= least - 1e-9)
        return np.divide(self._total, self._count, out=np.full(self._total.shape, np.nan), where=enough)
