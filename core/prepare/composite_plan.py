"""Which layers make which composite, with which weights, and which periods stay without one."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..raster.bands import TARGET, Band
from ..raster.periods import Period
from ..raster.stack import opened
from .composite_methods import MAX, MEDIAN, MIN, SUM
from .composite_periods import CUSTOM, OTHER, Clock, calendar_periods, custom_periods, period_label
from .composite_sources import Source, Variable

TOLERANCE = 1e-9  # of a share, for coverages that are equal but for rounding
_MOST_BANDS = 65535
_DAY = 86400


@dataclass(frozen=True)
class Use:
    """A source in a period: from `start` to `end` (seconds of the clock); `factor` turns its value into its part of a
    sum, or into its rate per day where amounts are averaged."""

    source: Source
    start: int
    end: int
    factor: float

    @property
    def seconds(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Share:
    """A use as plain values: the number of its source, start, end and factor."""

    source: int
    start: int
    end: int
    factor: float

    @property
    def seconds(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Recipe:
    """What computing a composite takes, as plain values; see Composite."""

    method: str
    start: int
    end: int
    uses: tuple[Share, ...]

    @property
    def seconds(self) -> int:
        return self.end - self.start

    @property
    def overlapping(self) -> bool:
        """Whether two sources stand for the same time."""
        reach = self.start
        for use in self.uses:
            if use.start < reach:
                return True
            reach = max(reach, use.end)
        return False


@dataclass
class Composite:
    """One band to make: the uses in order of time, and why it has no value where it has none.

    start, end: the period in seconds of the clock.
    """

    variable: Variable
    period: Period
    label: str
    start: int
    end: int
    uses: list[Use] = field(default_factory=list)
    gap: str = ""

    @property
    def seconds(self) -> int:
        return self.end - self.start

    @property
    def reachable(self) -> float:
        """The share of the period that its sources cover where all of them are valid."""
        covered, reach = 0, self.start
        for use in self.uses:
            covered += max(0, use.end - max(use.start, reach))
            reach = max(reach, use.end)
        return covered / self.seconds if self.seconds else 0.0

    def recipe(self, numbers: Mapping[int, int]) -> Recipe:
        """numbers: of sources, by their `id`."""
        uses = tuple(Share(numbers[id(use.source)], use.start, use.end, use.factor) for use in self.uses)
        return Recipe(self.variable.method, self.start, self.end, uses)

    @property
    def band(self) -> Band:
        return Band(self.variable.name, self.period, self.variable.output_unit, self.variable.role)


def wanted_periods(
    kind: str, custom: str, periods_of: Sequence[str], variables: Sequence[Variable], clock: Clock
) -> list[Period]:
    """The periods to composite to. Raises InputError for custom periods and other layers that give none."""
    spans = [clock.local(source.period) for one in variables for source in one.sources]
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    if kind != OTHER and periods_of:
        raise InputError(
            f"The periods are to be {kind!r}, but layers to take periods from are given too: choose {OTHER!r} or leave "
            "those layers out."
        )
    if kind != CUSTOM and custom.strip():
        raise InputError(f"The periods are to be {kind!r}, but custom periods are given too: choose {CUSTOM!r}.")
    if kind == CUSTOM:
        return custom_periods(custom, last)
    return _periods_of(periods_of) if kind == OTHER else calendar_periods(kind, first, last)


def plan(
    variables: Sequence[Variable], periods: Sequence[Period], kind: str, clock: Clock, min_coverage: float
) -> list[Composite]:
    """A composite for every variable and period, variable by variable, with a reason where there can be none.

    Calendar periods at the ends that the layers only touch are left out. Raises InputError where no period can have a
    value, and for sums of layers that overlap in time.
    """
    if len(variables) * len(periods) > _MOST_BANDS:
        raise InputError(
            f"{len(variables)} variables in {len(periods)} periods are more than the {_MOST_BANDS} bands of a file: "
            "give fewer layers or longer periods."
        )
    made = []
    for one in variables:
        starts = [source.start for source in one.sources]
        longest = max(source.end - source.start for source in one.sources)
        for period in periods:
            start, end = clock.span(clock.local(period))
            near = one.sources[bisect_left(starts, start - longest) : bisect_left(starts, end)]
            composite = Composite(one, period, period_label(kind, period), start, end)
            made.append(composite)
            _fill(composite, [source for source in near if source.end > start], min_coverage)
    filled = {one.period for one in made if not one.gap}
    if not filled:
        best = max(made, key=lambda one: one.reachable)
        why = f"the best, {best.label}, has {100 * best.reachable:.0f} % of its time" if best.uses else best.gap
        raise InputError(
            f"No period is covered by enough layers ({why}): check the layers' dates, lower the minimum coverage or, "
            "where names give only the first of several days, set the days that a layer stands for."
        )
    if kind in (CUSTOM, OTHER):
        return made
    return [one for one in made if min(filled) <= one.period <= max(filled)]


def _periods_of(paths: Sequence[str]) -> list[Period]:
    if not paths:
        raise InputError("Give the layers whose periods are to be used, or choose another kind of period.")
    with opened(paths) as stacks:
        bands = [band for stack in stacks for band in stack.bands if band.period is not None]
        names = ", ".join(stack.name for stack in stacks[:3])
    chosen = [band for band in bands if band.role == TARGET] or bands
    if not chosen:
        raise InputError(f"The layers to take periods from ({names}) have no dates: put dates into their names.")
    return sorted({band.period for band in chosen if band.period is not None})


def _fill(made: Composite, touching: Sequence[Source], min_coverage: float) -> None:
    """Give a composite its uses, or the reason why it has no value."""
    one = made.variable
    for source in touching:
        start, end = max(source.start, made.start), min(source.end, made.end)
        # An extreme or a middle value cannot be shared between periods: it counts where most of its time lies.
        if one.method in (MAX, MIN, MEDIAN) and 2 * (end - start) < source.length:
            continue
        made.uses.append(Use(source, start, end, _factor(one, source, end - start)))
    if one.method == SUM:
        _check_no_overlap(made)
    if not touching:
        made.gap = "no layer"
    elif not made.uses:
        made.gap = f"no layer has half of its time in it, as the {one.method} needs"
    elif made.reachable < min_coverage - TOLERANCE:
        made.gap = f"layers cover {100 * made.reachable:.0f} % of its time"


def _factor(one: Variable, source: Source, seconds: int) -> float:
    if one.method == SUM:
        return seconds / (one.rate_seconds or source.length)
    return _DAY / source.length if one.per_day else 1.0


def _check_no_overlap(made: Composite) -> None:
    for before, after in zip(made.uses, made.uses[1:]):
        if after.start < before.end:
            common = dt.timedelta(seconds=before.end - after.start)
            days = common / dt.timedelta(days=1)
            raise InputError(
                f"{made.variable.name!r} is to be summed, but its layers {before.source.text} and {after.source.text} "
                f"share {days:.3g} days, which would count twice: give each layer its real period (the last composite "
                "of a year is shorter), or take one out."
            )
