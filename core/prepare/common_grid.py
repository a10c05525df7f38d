"""FINE and COARSE stacks: factors on a common fine grid, and their means on the target's own grid.

The target is never resampled. Factors come from any CRS, resolution and data type; dates are matched by overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..progress import Progress
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import TARGET, Band, StackWriter, opened, small_block_cache
from ..raster.support import Array, RunningMean, Support
from ..raster.tiles import strips
from .matching import FactorSeries, Match, factor_series, match
from .resampling import BILINEAR, METHODS, Resampler, extent_in
from .target import Target, read_target

_MOST_CLASSES = 40
_RARE = 0.005


@dataclass(frozen=True)
class GridOptions:
    """ratio: fine pixels per coarse cell and axis, 0 for about 1 km; fine_grid: a raster whose grid is used instead, in the target's CRS.

    footprint_km: half-power width of the sensor's footprint, None for the cell itself. categorical: names of factors that are classes.
    extent: xmin, ymin, xmax, ymax in the target's CRS. target_factor multiplies the target (0.01 for percent).
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


@dataclass(frozen=True)
class CommonGrid:
    """What was made: grids, matched dates (one row per factor and period), valid shares, and what the log should say."""

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
    notes: list[str] = field(default_factory=list)


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
    _check(options, target_layers, factor_layers)
    notes: list[str] = []
    with ExitStack() as stack, small_block_cache():
        stacks = stack.enter_context(opened(factor_layers))
        target = read_target(target_layers, options.target_band, options.target_unit, options.target_factor, notes)
        series = factor_series(stacks, set(options.categorical), options.factor_names, notes)
        if target.name in {one.name for one in series}:
            raise InputError(
                f"The target {target.name!r} is also among the factors: take it out, or the model would learn to copy it."
            )
        target, fine = _grids(target, series, options)
        matches = match(target.periods, series)
        footprint = Support(fine, target.grid, options.footprint_km) if options.footprint_km else None
        cell = Support(fine, target.grid)
        plan = _plan(matches, series, fine, options, notes)
        tags = {"RATIO": str(cell.ratio or 0), "MIN_VALID_SHARE": f"{options.min_valid_share:g}"}
        if options.footprint_km:
            tags["FOOTPRINT_KM"] = f"{options.footprint_km:g}"
        coarse_bands = [
            *(Band(target.name, period, target.unit, TARGET) for period in target.periods),
            *(one.band for one in plan),
            *(Band("valid_share", period, "1", "share") for period in target.periods),
        ]
        shares: dict[str, list[float]] = {}
        lowest = {period: np.ones(target.grid.shape) for period in target.periods}
        fine_out = stack.enter_context(StackWriter(fine_path, fine, [one.band for one in plan], tags))
        coarse_out = stack.enter_context(StackWriter(coarse_path, target.grid, coarse_bands, tags))
        for number, period in enumerate(target.periods):
            coarse_out.write(number + 1, target.values[number])
        for number, one in enumerate(plan):
            step = progress.part(number / len(plan), (number + 1) / len(plan))
            step.set(0.0, f"Resampling {one.band.label}")
            mean, share = _write_band(one, number + 1, fine_out, cell, footprint, step)
            coarse_out.write(
                len(target.periods) + number + 1, np.where(share >= options.min_valid_share - 1e-9, mean, np.nan)
            )
            shares.setdefault(one.band.name, []).append(float(share.mean()))
            for period in target.periods if one.band.period is None else [one.band.period]:
                lowest[period] = np.minimum(lowest[period], share)
        for number, period in enumerate(target.periods):
            coarse_out.write(len(target.periods) + len(plan) + number + 1, lowest[period])
    valid = np.isfinite(target.values)
    empty = [name for name, found in shares.items() if max(found) == 0]
    if empty:
        notes.append(
            f"No valid pixel in the region for {', '.join(empty)}: check nodata, extent and dates before training."
        )
    return CommonGrid(
        fine,
        target.grid,
        target.name,
        target.periods,
        list(dict.fromkeys(one.band.name for one in plan)),
        matches,
        {name: float(np.mean(found)) for name, found in shares.items()},
        {one.band.name: one.how for one in plan},
        float(valid.mean()),
        (float(target.values[valid].min()), float(target.values[valid].max())),
        notes,
    )


@dataclass(frozen=True)
class _Planned:
    """A band to write: the mean of some source bands by their days of overlap, or the share of a class in them."""

    band: Band
    sources: list[tuple[Resampler, float]]
    number: int | None
    how: str


def _check(options: GridOptions, target_layers: Sequence[str], factor_layers: Sequence[str]) -> None:
    if not target_layers:
        raise InputError("Give at least one layer of coarse soil moisture as the target.")
    if not factor_layers:
        raise InputError("Give at least one factor layer.")
    if options.ratio < 0 or options.ratio == 1:
        raise InputError(
            f"The ratio is the number of fine pixels along a coarse cell: 2 or more (0 for about 1 km), not {options.ratio}."
        )
    if not 0 < options.min_valid_share <= 1:
        raise InputError(f"The smallest valid share lies between 0 and 1, not at {options.min_valid_share}.")
    if options.method not in METHODS:
        raise InputError(f"Unknown resampling method {options.method!r}: choose one of {', '.join(METHODS)}.")


def _grids(target: Target, series: Sequence[FactorSeries], options: GridOptions) -> tuple[Target, Grid]:
    """Target cut to the cells that the factors (and the extent asked for) reach, and the fine grid."""
    box = list(target.grid.extent())
    limits = [(f"factor {one.name!r}", extent_in(target.grid, stack.grid)) for one in series for stack in one.stacks()]
    if options.extent is not None:
        limits.append(("the extent asked for", options.extent))
    chosen = Grid.of(options.fine_grid) if options.fine_grid else None
    if chosen is not None:
        if not chosen.same_crs(target.grid):
            raise InputError(
                f"The fine grid is in {chosen.crs_name} and the target in {target.grid.crs_name}: choose a fine grid in the target's "
                "reference system (the result can be reprojected afterwards)."
            )
        limits.append(("the fine grid", chosen.extent()))
    for what, (left, bottom, right, top) in limits:
        box = [max(box[0], left), max(box[1], bottom), min(box[2], right), min(box[3], top)]
        if box[0] >= box[2] or box[1] >= box[3]:
            raise InputError(
                f"There is no overlap between the target and {what}: check their extents and reference systems."
            )
    grid = target.grid
    col0 = max(0, math.floor((box[0] - grid.transform[0]) / grid.cell_width + 1e-6))
    col1 = min(grid.cols, math.ceil((box[2] - grid.transform[0]) / grid.cell_width - 1e-6))
    row0 = max(0, math.floor((grid.transform[3] - box[3]) / grid.cell_height + 1e-6))
    row1 = min(grid.rows, math.ceil((grid.transform[3] - box[1]) / grid.cell_height - 1e-6))
    target = target.window(row0, col0, row1 - row0, col1 - col0)
    if not np.isfinite(target.values).any():
        raise InputError("The target has no valid cell where the factors are: check extents and dates.")
    if chosen is not None:
        if _pixel(chosen) > 0.75 * _pixel(target.grid):
            raise InputError("The fine grid is not finer than the target: choose a layer with smaller pixels.")
        return target, _cut(chosen, target.grid)
    return target, target.grid.subdivide(options.ratio or about_one_kilometre(target.grid))


def about_one_kilometre(coarse: Grid) -> int:
    """Subdivision of `coarse` that gives pixels nearest to 1 km (0.01 degrees on geographic grids), at least 2."""
    if coarse.is_geographic:
        return max(2, round(coarse.cell_width / 0.01))
    return max(2, round(math.sqrt(math.prod(coarse.ground_cell_size())) / 1000.0))


def _pixel(grid: Grid) -> float:
    return math.sqrt(grid.cell_width * grid.cell_height)


def _cut(fine: Grid, coarse: Grid) -> Grid:
    """The pixels of `fine` whose centres lie in `coarse`."""
    xmin, ymin, xmax, ymax = coarse.extent()
    cols = np.flatnonzero((fine.x_centres() > xmin) & (fine.x_centres() < xmax))
    rows = np.flatnonzero((fine.y_centres() > ymin) & (fine.y_centres() < ymax))
    if not len(cols) or not len(rows):
        raise InputError("No pixel of the fine grid lies in the target: check their extents.")
    return fine.window(int(rows[0]), int(cols[0]), len(rows), len(cols))


def _plan(
    matches: Sequence[Match], series: Sequence[FactorSeries], fine: Grid, options: GridOptions, notes: list[str]
) -> list[_Planned]:
    by_name = {one.name: one for one in series}
    plan, classes = [], {}
    for one in matches:
        if not one.sources:
            continue
        factor = by_name[one.factor]
        sources = [
            (Resampler(stack, band, fine, "nearest" if factor.categorical else options.method), days)
            for stack, band, days in one.sources
        ]
        how = sources[0][0].how
        if not factor.categorical:
            plan.append(_Planned(Band(factor.name, one.period, factor.unit), sources, None, how))
            continue
        if factor.name not in classes:
            classes[factor.name] = _classes(factor.name, sources, fine, notes)
        plan += [
            _Planned(Band(f"{factor.name}_{code}", one.period, "1"), sources, code, f"class share by {how}")
            for code in classes[factor.name]
        ]
    return plan


def _classes(name: str, sources: Sequence[tuple[Resampler, float]], fine: Grid, notes: list[str]) -> list[int]:
    counts: dict[int, int] = {}

    def count(values: Array) -> Array:
        found, times = np.unique(values[np.isfinite(values)], return_counts=True)
        if len(found) > 4 * _MOST_CLASSES or not np.array_equal(found, np.round(found)):
            raise InputError(
                f"Factor {name!r} is marked as classes but does not hold a few whole numbers: take it off the list of "
                "categorical factors."
            )
        for code, number in zip(found.astype(int), times):
            counts[int(code)] = counts.get(int(code), 0) + int(number)
        return values

    for resampler, _ in sources:
        for row0, rows in strips(fine.rows, fine.cols):
            resampler.read(row0, rows, count)
    total = sum(counts.values())
    if not total:
        raise InputError(f"Factor {name!r} has no valid pixel in the region.")
    kept = sorted(code for code, number in counts.items() if number >= _RARE * total)
    if len(kept) > _MOST_CLASSES:
        raise InputError(
            f"Factor {name!r} has {len(kept)} classes; at most {_MOST_CLASSES} can be used: merge some first."
        )
    rare = sorted(set(counts) - set(kept))
    if rare:
        notes.append(
            f"Classes {', '.join(map(str, rare))} of {name!r} cover less than {_RARE:.1%} of the region each and were left out."
        )
    return kept


def _write_band(
    one: _Planned, index: int, out: StackWriter, cell: Support, footprint: Support | None, progress: Progress
) -> tuple[Array, Array]:
    """Write a fine band; its support means and the valid share of each cell."""
    means, seen = RunningMean(cell), RunningMean(footprint) if footprint else None
    fine = cell.fine
    for row0, rows in strips(fine.rows, fine.cols):
        progress.check()
        values = _combined(one, row0, rows).astype(np.float32).astype(np.float64)
        out.write(index, values, row0)
        means.add(values, row0)
        if seen is not None:
            seen.add(values, row0)
        progress.set((row0 + rows) / fine.rows)
    mean, share = means.result()
    return (mean, share) if seen is None else (seen.result()[0], share)


def _combined(one: _Planned, row0: int, rows: int) -> Array:
    select = None if one.number is None else lambda values: np.where(np.isfinite(values), values == one.number, np.nan)
    if len(one.sources) == 1:
        return one.sources[0][0].read(row0, rows, select)
    total = weight = np.zeros(1)
    for resampler, days in one.sources:
        values = resampler.read(row0, rows, select)
        valid = np.isfinite(values)
        total = total + np.where(valid, values * days, 0.0)
        weight = weight + valid * days
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
