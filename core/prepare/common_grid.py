"""FINE and COARSE stacks: factors on a common fine grid, and their means on the target's own grid.

The target is never resampled. Factors come from any CRS, resolution and data type; dates are matched by overlap.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from ..raster.blocks import read_ahead
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import TARGET, Band, StackWriter, decoding_in_threads, opened, small_block_cache
from ..raster.support import Array, RunningMean, Support
from ..raster.tiles import strips
from .band_plan import BandReader, PlannedBand, plan_bands
from .extents import Box, about_one_kilometre, check_fine_grid, cut, extent_in, overlap
from .matching import FactorSeries, Match, factor_series, match
from .options import GridOptions
from .target import Target, TargetBands, find_target

__all__ = ["CommonGrid", "GridOptions", "about_one_kilometre", "make_common_grid"]

Values = NDArray[np.float32]

_READERS = 2  # threads that read, one strip each
_SHARE = "valid_share"
_WET = 0.55  # m3/m3: the porosity of mineral soils ends about here


@dataclass(frozen=True)
class CommonGrid:
    """What was made: grids, matched dates (one row per factor and period), and what the log should say.

    valid_share: mean share of valid pixels per factor. how: the resampling of each factor. target_valid: share of
    cells and periods with a value.
    """

    fine: Grid
    coarse: Grid
    target: str
    periods: list[Period | None]
    factors: list[str]
    matches: list[Match]
    valid_share: dict[str, float]
    how: dict[str, str]
    target_valid: float
    target_range: tuple[float, float]
    min_valid_share: float
    footprint_km: float | None
    notes: list[str] = field(default_factory=list)

    @property
    def complete_periods(self) -> list[Period | None]:
        """The periods that have every factor."""
        lacking = {one.period for one in self.matches if not one.sources}
        return [] if None in lacking else [period for period in self.periods if period not in lacking]


def make_common_grid(
    target_layers: Sequence[str],
    factor_layers: Sequence[str],
    fine_path: str | Path,
    coarse_path: str | Path,
    options: GridOptions | None = None,
    progress: Progress | None = None,
) -> CommonGrid:
    """Write the FINE and the COARSE stack. Raises InputError for units, dates, extents and grids that do not fit."""
    options, progress = options or GridOptions(), progress or Progress()
    options.check()
    _check_paths(target_layers, factor_layers, fine_path, coarse_path)
    notes: list[str] = []
    with ExitStack() as stack, small_block_cache(), decoding_in_threads():
        found = find_target(stack.enter_context(opened(target_layers)), options.target_band, notes)
        stacks = stack.enter_context(opened(factor_layers))
        series = factor_series(stacks, set(options.categorical), options.factor_names, notes)
        _check_target_is_no_factor(found, series)
        target, fine = _grids(found, series, options)
        wettest = float(np.nanquantile(target.values, 0.99))
        if target.unit == "m3/m3" and wettest > _WET:
            notes.append(
                f"The target {target.name!r} reaches {wettest:.2f} m3/m3, more than mineral soil holds: check that it "
                "is not relative saturation (0 to 1)."
            )
        matches = match(target.periods, series)
        plan = plan_bands(matches, series, fine, options.method, notes, progress)
        _check_names(plan)
        cell = Support(fine, target.grid)
        footprint = Support(fine, target.grid, options.footprint_km) if options.footprint_km is not None else None
        tags = {"RATIO": str(cell.ratio or 0), "MIN_VALID_SHARE": f"{options.min_valid_share:g}"}
        if footprint is not None:
            tags["FOOTPRINT_KM"] = f"{options.footprint_km:g}"
        coarse_bands = [
            *(Band(target.name, period, target.unit, TARGET) for period in target.periods),
            *(one.band for one in plan),
            *(Band(_SHARE, period, "1", "share") for period in target.periods),
        ]
        fine_out = stack.enter_context(StackWriter(fine_path, fine, [one.band for one in plan], tags))
        coarse_out = stack.enter_context(StackWriter(coarse_path, target.grid, coarse_bands, tags))
        shares: dict[str, list[float]] = {}
        lowest = {period: np.ones(target.grid.shape) for period in target.periods}
        for number, values in enumerate(target.values, 1):
            coarse_out.write(number, values)
        with closing(_written(plan, fine_out, cell, footprint, progress)) as means:
            for number, mean, share in means:
                mean = np.where(share >= options.min_valid_share - 1e-9, mean, np.nan)
                coarse_out.write(len(target.periods) + number + 1, mean)
                band = plan[number].band
                shares.setdefault(band.name, []).append(float(share.mean()))
                for period in target.periods if band.period is None else [band.period]:
                    lowest[period] = np.minimum(lowest[period], share)
        for number, period in enumerate(target.periods, len(target.periods) + len(plan) + 1):
            coarse_out.write(number, lowest[period])
    empty = [name for name, seen in shares.items() if max(seen) == 0]
    if empty:
        notes.append(
            f"No valid pixel in the region for {', '.join(empty)}: check nodata, extent and dates before training."
        )
    return CommonGrid(
        fine=fine,
        coarse=target.grid,
        target=target.name,
        periods=target.periods,
        factors=list(shares),
        matches=matches,
        valid_share={name: float(np.mean(seen)) for name, seen in shares.items()},
        how={one.band.name: one.how for one in plan},
        target_valid=float(np.isfinite(target.values).mean()),
        target_range=(float(np.nanmin(target.values)), float(np.nanmax(target.values))),
        min_valid_share=options.min_valid_share,
        footprint_km=options.footprint_km,
        notes=notes,
    )


def _check_paths(
    target_layers: Sequence[str], factor_layers: Sequence[str], fine_path: str | Path, coarse_path: str | Path
) -> None:
    if not target_layers:
        raise InputError("Give at least one layer of coarse soil moisture as the target.")
    if not factor_layers:
        raise InputError("Give at least one factor layer.")
    outputs = [Path(fine_path).resolve(), Path(coarse_path).resolve()]
    if outputs[0] == outputs[1]:
        raise InputError(f"The FINE and the COARSE stack would both be written to {fine_path}: give two names.")
    for layer in (*target_layers, *factor_layers):
        if Path(layer).resolve() in outputs:
            raise InputError(f"The output {layer} is also an input: give the output another name.")


def _check_target_is_no_factor(target: TargetBands, series: Sequence[FactorSeries]) -> None:
    own = {(Path(stack.path).resolve(), index) for stack, index in target.bands.values()}
    for one in series:
        same = any((Path(stack.path).resolve(), index) in own for stack, index, _ in one.bands)
        if same or one.name == target.name:
            raise InputError(
                f"The target {target.name!r} is also among the factors: take it out, or the model would learn to "
                "copy it."
            )


def _check_names(plan: Sequence[PlannedBand]) -> None:
    """Raise InputError where two bands would have one name: stacks are read by name."""
    seen = set()
    for one in plan:
        if one.band.name == _SHARE:
            raise InputError(f"A factor cannot be called {_SHARE!r}, as a band of the COARSE stack is: rename it.")
        if (one.band.name, one.band.period) in seen:
            raise InputError(
                f"Factor {one.band.name!r} would be there twice, once as the share of a class: rename one of them."
            )
        seen.add((one.band.name, one.band.period))


def _grids(found: TargetBands, series: Sequence[FactorSeries], options: GridOptions) -> tuple[Target, Grid]:
    """Target cut to the cells that the factors (and the extent asked for) reach, and the fine grid."""
    # A series of many dates has few different grids.
    names = {stack.grid: f"factor {one.name!r}" for one in series for stack in one.stacks()}
    limits: list[tuple[str, Box]] = [(what, extent_in(found.grid, grid, what)) for grid, what in names.items()]
    if options.extent is not None:
        limits.append(("the extent asked for", options.extent))
    chosen = Grid.of(options.fine_grid) if options.fine_grid else None
    if chosen is not None:
        check_fine_grid(chosen, found.grid)
        limits.append(("the fine grid", chosen.extent()))
    target = found.read(overlap(found.grid, limits), options.target_unit, options.target_factor)
    if chosen is not None:
        return target, cut(chosen, target.grid)
    return target, target.grid.subdivide(options.ratio or about_one_kilometre(target.grid))


def _written(
    plan: Sequence[PlannedBand], out: StackWriter, cell: Support, footprint: Support | None, progress: Progress
) -> Generator[tuple[int, Array, Array], None, None]:
    """Write the fine bands; (band of the plan, its support means, the valid share of each cell) one by one."""
    with closing(_strips_of(plan, cell.fine)) as coming:
        for number, row0, values in coming:
            progress.check()
            progress.set((number + row0 / cell.fine.rows) / len(plan), f"Resampling {plan[number].band.label}")
            if row0 == 0:
                means, seen = RunningMean(cell), RunningMean(footprint) if footprint else None
            out.write(number + 1, values, row0)
            # Means of what the file holds, not of what was rounded away.
            means.add(values, row0)
            if seen is not None:
                seen.add(values, row0)
            if row0 + len(values) == cell.fine.rows:
                mean, share = means.result()
                yield number, mean if seen is None else seen.result()[0], share


def _strips_of(plan: Sequence[PlannedBand], fine: Grid) -> Generator[tuple[int, int, Values], None, None]:
    """(band of the plan, first row, values) strip after strip, while threads read the next ones."""
    tasks = [(number, row0, rows) for number in range(len(plan)) for row0, rows in strips(fine.rows, fine.cols)]
    readers: dict[int, BandReader] = {}
    opening = threading.Lock()

    def read(task: tuple[int, int, int]) -> Values:
        number, row0, rows = task
        with opening:
            # Of the last band only: a long series has thousands of sources.
            if number not in readers:
                readers[number] = plan[number].reader(fine)
        return readers[number].read(row0, rows).astype(np.float32)

    with closing(read_ahead(tasks, read, _READERS)) as coming:
        for (number, row0, _), values in coming:
            for done in [one for one in list(readers) if one < number]:
                del readers[done]
            yield number, row0, values
