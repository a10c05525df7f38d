"""What all factor calculators share: bands by name and period, brought to one grid and checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

import numpy as np

from ...errors import InputError
from ...raster.bands import Band
from ...raster.blocks import Array, Reader
from ...raster.grid import Grid, open_raster
from ...raster.periods import Period
from ...raster.stack import Stack
from ..extents import pixels_within
from ..resampling import BILINEAR, Resampler, resampling_method

Check = Callable[[Array], Array]

_FILLS = (-9999.0, -32768.0, -28672.0, -99999.0)


@dataclass(frozen=True)
class Source:
    """One band of a layer: band `index` (1-based) of `stack`, and the metadata of band and file."""

    stack: Stack
    index: int
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def band(self) -> Band:
        return self.stack.bands[self.index - 1]

    @property
    def name(self) -> str:
        return self.band.name

    @property
    def period(self) -> Period | None:
        return self.band.period

    @property
    def unit(self) -> str:
        return self.band.unit

    @property
    def product(self) -> str:
        """Such as `MOD11A2`; empty where the layer does not say."""
        return self.tags.get("SOURCE_PRODUCT", "")

    @property
    def where(self) -> str:
        """For sentences: `band 'red' 2021-08-03 of terra`."""
        return f"band {self.band.label!r} of {self.stack.name}"

    @property
    def at_start(self) -> str:
        """The same at the start of a sentence."""
        return f"B{self.where[1:]}"


# The bands of one variable, None for one that holds for all time.
Dated = dict[Optional[Period], Source]


def sources_of(stacks: Iterable[Stack]) -> list[Source]:
    """Every band of every layer, but not those with a role (a target, its valid share)."""
    found = []
    for stack in stacks:
        dataset = open_raster(stack.path)
        for index, band in enumerate(stack.bands, 1):
            if not band.role:
                tags = {**stack.tags, **(dataset.GetRasterBand(index).GetMetadata() or {})}
                found.append(Source(stack, index, tags))
    return found


def check_layers(layers: Sequence[str], path: str | Path) -> None:
    """Raise InputError for no layer at all, and where the result would replace one."""
    if not layers:
        raise InputError("Give at least one layer.")
    if any(Path(layer).resolve() == Path(path).resolve() for layer in layers):
        raise InputError(f"The output {path} is also an input: give the output another name.")


def by_period(sources: Iterable[Source], what: str) -> Dated:
    """The bands of one variable by period. Raises InputError for two in one period, and for dated beside undated."""
    found: Dated = {}
    for source in sources:
        if source.period in found:
            first = found[source.period]
            when = f" for {source.period.label}" if source.period else " without a date"
            raise InputError(
                f"{what} is there twice{when}, as {first.where} and {source.where}: leave one out, join tiles into a "
                "mosaic, or give each layer its date."
            )
        found[source.period] = source
    if None in found and len(found) > 1:
        raise InputError(f"{what} has dated and undated layers, {found[None].where} among them: date them all.")
    return found


def at(dated: Dated, period: Period | None) -> Source | None:
    """The band of exactly this period, or the one that holds for all time."""
    return dated.get(period) or dated.get(None)


def over(dated: Dated, period: Period | None) -> list[tuple[Source, float]]:
    """The bands that overlap the period with their days in it; a band of exactly this period stands alone."""
    exact = at(dated, period)
    if exact is not None:
        return [(exact, period.days if period else 1.0)]
    if period is None:
        # Undated beside one date: there is only one choice.
        return [(source, 1.0) for source in dated.values()] if len(dated) == 1 else []
    own = sorted(one for one in dated if one is not None)
    days = [(dated[one], float(one.overlap_days(period))) for one in own]
    return [one for one in days if one[1] > 0]


def dated_periods(many: Iterable[Dated]) -> list[Period | None]:
    """All periods in order of time; [None] where nothing has a date."""
    found = {period for dated in many for period in dated}
    known = sorted(period for period in found if period is not None)
    return [*known] or ([None] if found else [])


def finest_grid(sources: Sequence[Source]) -> Grid:
    """The grid of the smallest pixels on the ground, the first of about equals."""
    grids: list[Grid] = []
    for source in sources:
        if source.stack.grid not in grids:
            grids.append(source.stack.grid)
    sizes = [math.prod(grid.ground_cell_size()) for grid in grids] if len(grids) > 1 else [1.0]
    # Cells of one product differ a little over a scene or two.
    return next(grid for grid, size in zip(grids, sizes) if size < 1.1 * min(sizes))


def regridding_notes(sources: Iterable[Source], grid: Grid, method: str = BILINEAR) -> list[str]:
    """What has to be brought to `grid`, a sentence per variable and grid. Raises InputError where they do not meet."""
    notes: dict[tuple[str, Grid], str] = {}
    for source in sources:
        own = source.stack.grid
        if (source.name, own) in notes or own.same_as(grid):
            continue
        if 0 in pixels_within(own, grid)[2:]:
            raise InputError(
                f"{source.at_start} does not overlap the grid of the result ({grid.crs_name}, cells of "
                f"{grid.cell_label}): check the extents and reference systems."
            )
        notes[source.name, own] = (
            f"{source.name} ({own.cell_label}, {own.crs_name}, {source.stack.name}) was brought to the grid of the "
            f"result ({grid.cell_label}, {grid.crs_name}): {resampling_method(own, grid, method)}."
        )
    return list(notes.values())


class OnGrid:
    """A `Reader` of one band on `grid`, resampled where its own grid is another.

    check: looks at the values and may change them (masks, units). Opened when it is first read and let go after the
    last row, since a long series has thousands of bands.
    """

    def __init__(self, source: Source, grid: Grid, check: Check | None = None, method: str = BILINEAR) -> None:
        self._source, self._grid, self._check, self._method = source, grid, check, method
        self._same = source.stack.grid.same_as(grid)
        self._resampler: Resampler | None = None

    def __call__(self, row0: int, rows: int) -> Array:
        values = self._read(row0, rows)
        return values if self._check is None else self._check(values)

    def _read(self, row0: int, rows: int) -> Array:
        source = self._source
        if self._same:
            values = source.stack.read(source.index, row0, rows)
            refuse_fill(source, values)
            return values
        if self._resampler is None:
            self._resampler = Resampler(source.stack, source.index, self._grid, self._method)
        values = self._resampler.read(row0, rows)
        if row0 + rows >= self._grid.rows:
            self._resampler = None
        return values


def mean_of(parts: Sequence[tuple[Reader, float]]) -> Reader:
    """The mean of readers by their weights (days); a pixel takes the readers that see it."""
    if len(parts) == 1:
        return parts[0][0]

    def read(row0: int, rows: int) -> Array:
        total, weight = np.zeros(()), np.zeros(())
        for reader, days in parts:
            values = reader(row0, rows)
            valid = np.isfinite(values)
            total = total + np.where(valid, values, 0.0) * days
            weight = weight + valid * days
        return np.divide(total, weight, out=np.full(np.shape(total), np.nan), where=weight > 0)

    return read


def ratio(numerator: Array, denominator: Array, least: float = 1e-6) -> Array:
    """numerator / denominator, NaN where the denominator is smaller than `least` in size."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.abs(denominator) < least, np.nan, numerator / denominator)


def provenance(sources: Iterable[Source]) -> dict[str, str]:
    """SOURCE_PRODUCT and SOURCE_VERSION of what was used, joined where several were."""
    used = list(sources)
    found = {}
    for key in ("SOURCE_PRODUCT", "SOURCE_VERSION"):
        values = dict.fromkeys(source.tags[key] for source in used if source.tags.get(key))
        if values:
            found[key] = ", ".join(values)
    return found


def refuse_fill(source: Source, values: Array) -> None:
    """Raise InputError where a usual fill value is among the values because the band declares no nodata."""
    kind = source.stack.data_types[source.index - 1]
    if source.stack.nodata(source.index) is not None or kind in ("Byte", "UInt16", "UInt32") or not values.size:
        return
    low = float(np.nanmin(values, initial=np.inf))
    if low in _FILLS or low < -1e30:
        raise InputError(
            f"{source.at_start} holds the value {low:g} but declares no nodata value: set {low:g} as nodata "
            "in its layer (GDAL 'Translate', or gdal_edit -a_nodata) and run again."
        )


def listed(names: Sequence[str], most: int = 8) -> str:
    """`a, b, c`; the first and the last of many, with their number."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most // 2])} … {', '.join(names[-(most // 2) :])} ({len(names)})"


def label_of(period: Period | None) -> str:
    return period.label if period else "undated"
