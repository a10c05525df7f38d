"""Composites of dated layers: mean, sum, maximum, minimum or median per day, dekad, month, season and the like.

Layers and periods are spans of time; a layer counts by the time that it shares with a period. Every layer is read
once, window by window, and added to the composites it belongs to, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from ..raster.bands import Band
from ..raster.fingerprint import absolute, run_key
from ..raster.grid import Grid
from ..raster.preview import preview
from ..raster.readers import close_readers, remember
from ..raster.running import Running
from ..raster.stack import StackWriter, opened, small_block_cache
from ..raster.work import Work
from .composite_plan import Composite, plan, wanted_periods
from .composite_results import CompositeOptions, CompositeResult, Composites, VariableResult
from .composite_sources import Variable, file_facts, gather
from .composite_stream import CACHE, Shared, Sums, share_out, stream

__all__ = ["CompositeOptions", "CompositeResult", "Composites", "VariableResult", "make_composites"]

COVERAGE_SUFFIX = "_coverage"
_METHOD = "compositeperiods 1"  # raise the number where the same layers give other values


def make_composites(
    layers: Sequence[str],
    path: str | Path,
    options: CompositeOptions | None = None,
    coverage_path: str | Path | None = None,
    progress: Progress | None = None,
    running: Running | None = None,
) -> Composites:
    """Write a stack with a band per variable and period, and one of the coverage where a path for it is given.

    The mean of amounts is their rate per day. Raises InputError for layers without dates, of classes, of mixed units
    or grids, sums of layers twice there, for options and periods that give no composite, and where no pixel has a
    value in any.
    """
    options, progress, running = options or CompositeOptions(), progress or Progress(), running or Running()
    clock = options.clock()
    running.check()
    _check_paths(layers, path, coverage_path)
    notes: list[str] = []
    with ExitStack() as stack, small_block_cache(CACHE):
        stack.callback(close_readers)
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
        remember(stacks)
        shared = _shared(written, variables, options, bool(coverage_path))
        parts, part_bytes = share_out(written, facts, grid, shared)
        key = run_key(_METHOD, {"shared": shared, "parts": parts, "grid": grid}, layers)
        others = [coverage_path] if coverage_path else []
        with Work(path, key, running, progress, others=others) as work, ExitStack() as writers:

            def writer(name: str | Path, bands: Sequence[Band]) -> StackWriter:
                packing = running.output_format
                made = StackWriter(name, grid, bands, tags, output_format=packing, mark=key, progress=progress)
                return writers.enter_context(made)

            out = writer(path, [one.band for one in written])
            shares = None
            if coverage_path:
                bands = [Band(one.variable.name + COVERAGE_SUFFIX, one.period, "1", "share") for one in written]
                shares = writer(coverage_path, bands)
            sums = stream(written, shared, parts, part_bytes, work, out, shares, work.progress)
            if not any(one.valid for one in sums.values()):
                work.discard()
                _refuse_empty(sums.values(), options.min_coverage)
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


def _shared(
    written: Sequence[Composite], variables: Sequence[Variable], options: CompositeOptions, coverage: bool
) -> Shared:
    """What computing takes, as plain values; sources of a variable are in order of time."""
    sources = [source for one in variables for source in one.sources]
    numbers = {id(source): number for number, source in enumerate(sources)}
    recipes = tuple(one.recipe(numbers) for one in written if not one.gap)
    places = tuple((absolute(source.stack.path), source.index) for source in sources)
    return Shared(places, recipes, options.min_coverage, options.rescale_sums, coverage)


def _refuse_empty(sums: Iterable[Sums], min_coverage: float) -> None:
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
