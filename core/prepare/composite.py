"""Composites of dated layers: mean, sum, maximum, minimum or median per day, dekad, month, season and the like.

Layers and periods are spans of time; a layer counts by the time that it shares with a period. Every layer is read
once, window by window, and added to the composites it belongs to, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from ..raster.bands import Band
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.preview import preview
from ..raster.stack import StackWriter, opened, small_block_cache
from .composite_methods import AUTO, METHODS
from .composite_periods import Clock, Hours
from .composite_plan import Composite, plan, wanted_periods
from .composite_sources import Variable, file_facts, gather
from .composite_stream import CACHE, Settings, Sums, stream

__all__ = ["CompositeOptions", "CompositeResult", "Composites", "VariableResult", "make_composites"]

COVERAGE_SUFFIX = "_coverage"


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


def make_composites(
    layers: Sequence[str],
    path: str | Path,
    options: CompositeOptions | None = None,
    coverage_path: str | Path | None = None,
    progress: Progress | None = None,
) -> Composites:
    """Write a stack with a band per variable and period, and one of the coverage where a path for it is given.

    The mean of amounts is their rate per day. Raises InputError for layers without dates, of classes, of mixed units
    or grids, sums of layers twice there, for options and periods that give no composite, and where no pixel has a
    value in any.
    """
    options, progress = options or CompositeOptions(), progress or Progress()
    clock = options.clock()
    _check_paths(layers, path, coverage_path)
    notes: list[str] = []
    with ExitStack() as stack, small_block_cache(CACHE):
        stacks = stack.enter_context(opened(layers))
        facts = [file_facts(layer) for layer in layers]
        variables = gather(stacks, facts, clock, options.method, options.variables, options.source_days, notes)
        periods = wanted_periods(options.period, options.custom, options.periods_of, variables, clock)
        made = plan(variables, periods, options.period, clock, options.min_coverage)
        written = [one for one in made if options.keep_gaps or not one.gap]
        grid = stacks[0].grid
        tags = {"PERIOD": options.period, "MIN_COVERAGE": f"{options.min_coverage:g}"}
        clock_matters = any(not source.period.whole_days for one in variables for source in one.sources)
        if options.utc_offset and not clock_matters:
            notes.append(f"All layers stand for whole days, whose dates the clock {clock.name} leaves as they are.")
        if clock_matters:
            tags["CLOCK"] = clock.name
        if clock.hours is not None:
            tags["HOURS"] = clock.hours.text
        out = stack.enter_context(StackWriter(path, grid, [one.band for one in written], tags))
        shares = None
        if coverage_path:
            bands = [Band(one.variable.name + COVERAGE_SUFFIX, one.period, "1", "share") for one in written]
            shares = stack.enter_context(StackWriter(coverage_path, grid, bands, tags))
        settings = Settings(options.min_coverage, options.rescale_sums)
        sums = stream(written, stacks, facts, grid, out, shares, settings, progress)
        _check_values(sums.values(), options.min_coverage)
        numbers = {id(one): number for number, one in enumerate(written, 1)}
        results = [_result(one, sums.get(id(one)), numbers.get(id(one)), grid) for one in made]
        for one, result in zip(made, results):
            if result.band is not None:
                out.tag(result.band, _tags(one, result))
    return Composites(
        grid=grid,
        variables=[_variable(one, made) for one in variables],
        results=results,
        options=options,
        clock=clock,
        clock_matters=clock_matters,
        notes=notes,
        pictures=_pictures(path, results),
    )


def _check_paths(layers: Sequence[str], path: str | Path, coverage_path: str | Path | None) -> None:
    if not layers:
        raise InputError("Give at least one dated layer.")
    outputs = [Path(one).resolve() for one in (path, coverage_path) if one]
    if len(set(outputs)) < len(outputs):
        raise InputError(f"The composites and their coverage would both be written to {path}: give two names.")
    twice = {layer for layer in layers if list(layers).count(layer) > 1} if len(set(layers)) < len(layers) else set()
    if twice:
        raise InputError(f"The layer {min(twice)} is given twice: take one out.")
    for layer in layers:
        if Path(layer).resolve() in outputs:
            raise InputError(f"The output {layer} is also an input: give the output another name.")


def _check_values(sums: Iterable[Sums], min_coverage: float) -> None:
    if any(one.valid for one in sums):
        return
    if any(one.thin for one in sums):
        raise InputError(
            f"No pixel has valid layers for {100 * min_coverage:g} % of any period's time: lower the minimum coverage, "
            "or give more layers."
        )
    raise InputError("No layer has a valid pixel in any period: check the layers' nodata values and extents.")


def _result(one: Composite, sums: Sums | None, band: int | None, grid: Grid) -> CompositeResult:
    made = CompositeResult(one.variable.name, one.period, one.label, len(one.uses), one.gap, band)
    if sums is None:
        return made
    pixels = grid.rows * grid.cols
    made.valid_share, made.thin_share = sums.valid / pixels, sums.thin / pixels
    if sums.valid:
        made.coverage, made.mean = sums.covered / sums.valid, sums.total / sums.valid
        made.minimum, made.maximum = sums.low, sums.high
    else:
        made.gap = "no pixel with enough valid layers"
    return made


def _tags(one: Composite, result: CompositeResult) -> dict[str, str]:
    return {
        **one.variable.tags,
        "METHOD": one.variable.method,
        "N_SOURCES": str(result.layers),
        "COVERAGE": f"{result.coverage:.4f}",
    }


def _variable(one: Variable, made: Sequence[Composite]) -> VariableResult:
    used = {id(use.source) for each in made if each.variable is one and not each.gap for use in each.uses}
    return VariableResult(
        one.name,
        one.output_unit,
        one.method,
        len(one.sources) + one.unselected,
        one.unselected,
        len(one.sources) - len(used),
        one.sources[0].period,
        one.sources[-1].period,
    )


def _pictures(path: str | Path, results: Sequence[CompositeResult]) -> list[tuple[str, NDArray[np.float64]]]:
    """The first, the middle and the last composite of the first variable, thinned."""
    filled = [one for one in results if not one.gap and one.variable == results[0].variable]
    chosen = {one.band: one.label for one in filled[:1] + filled[len(filled) // 2 :][:1] + filled[-1:] if one.band}
    return [(label, preview(path, band)) for band, label in chosen.items()]
