"""A digital elevation model as slopes need it: heights in metres, checked, with rows beyond the strip."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import layer_name
from ...raster.blocks import Array
from ...raster.grid import open_raster
from ...raster.stack import Stack
from ...raster.tiles import strips
from .common import Source, refuse_fill, sources_of
from .roles import known_role

AUTO = "auto"
HEIGHT_UNITS = (AUTO, "m", "ft")
_METRES = {"": 1.0, "m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0}
_FEET = ("ft", "foot", "feet", "us survey foot", "us survey feet", "ftus", "ft_us", "us_ft", "foot_us")
_HIGHEST, _DEEPEST = 9000.0, -12000.0  # m
_SEA_SHARE = 0.05
_VOID = -32768.0  # of turned DEMs with a mask


@dataclass(frozen=True)
class Dem:
    """One band of heights. metres: the factor to metres; range: lowest and highest, m."""

    source: Source
    metres: float
    range: tuple[float, float]

    @property
    def stack(self) -> Stack:
        return self.source.stack

    def read(self, row0: int, rows: int, halo: int = 0) -> Array:
        """Heights in m (rows + 2 halo, cols), NaN in voids and beyond the border."""
        grid = self.stack.grid
        first, last = max(0, row0 - halo), min(grid.rows, row0 + rows + halo)
        values = self.stack.read(self.source.index, first, last - first) * self.metres
        missing = (first - (row0 - halo), row0 + rows + halo - last)
        return np.pad(values, (missing, (0, 0)), constant_values=np.nan) if any(missing) else values

    def whole(self, progress: Progress) -> NDArray[np.float32]:
        """All heights in m (rows, cols)."""
        grid = self.stack.grid
        try:
            heights = np.empty(grid.shape, np.float32)
        except MemoryError as error:
            raise InputError(
                f"The DEM of {grid.rows * grid.cols / 1e6:,.0f} million cells does not fit in memory: clip it to the "
                "region, or leave 'twi' out."
            ) from error
        for row0, rows in strips(grid.rows, grid.cols):
            progress.check()
            heights[row0 : row0 + rows] = self.read(row0, rows)
        return heights


@contextmanager
def north_up(path: str, notes: list[str]) -> Iterator[str]:
    """`path`, or where its rows go from south to north the same raster turned, in memory and read as it is needed."""
    dataset = open_raster(path)
    x, width, tilt, y, turn, height = dataset.GetGeoTransform(can_return_null=True) or (0.0,) * 6
    if dataset.RasterCount == 0 or not (height > 0 and width > 0 and tilt == turn == 0):
        yield path
        return
    masked = dataset.GetRasterBand(1).GetMaskFlags() & gdal.GMF_PER_DATASET
    turned = f"/vsimem/{uuid.uuid4().hex}/{layer_name(path)}.vrt"
    cols, rows = dataset.RasterXSize, dataset.RasterYSize
    made = gdal.Warp(
        turned,
        dataset,
        format="VRT",
        outputBounds=(x, y, x + cols * width, y + rows * height),
        width=cols,
        height=rows,
        resampleAlg="near",
        **({"dstNodata": _VOID, "outputType": gdal.GDT_Float32} if masked else {}),
    )
    for number in range(1, dataset.RasterCount + 1):
        old, new = dataset.GetRasterBand(number), made.GetRasterBand(number)
        new.SetDescription(old.GetDescription())
        new.SetMetadata(old.GetMetadata() or {})
        new.SetUnitType(old.GetUnitType())
        new.SetScale(old.GetScale() or 1.0)
        new.SetOffset(old.GetOffset() or 0.0)
    made = None
    notes.append(f"The rows of {layer_name(path)} go from south to north: they were turned.")
    try:
        yield turned
    finally:
        gdal.Unlink(turned)


def open_dem(stack: Stack, unit: str, cell: tuple[float, float], notes: list[str], progress: Progress) -> Dem:
    """The heights in `stack`, looked at from end to end. cell: its cell in m; notes: grows by what should be known.

    Raises InputError for several bands without one of heights, too few rows, unknown units, and heights no land has.
    """
    source = _elevation_band(stack)
    if min(stack.grid.shape) < 3:
        raise InputError(f"{stack.name} has {stack.grid.rows} x {stack.grid.cols} cells: slopes need at least 3 x 3.")
    metres = _metres(source, unit, notes)
    low, high, known, sea, whole = math.inf, -math.inf, 0, 0, True
    for row0, rows in strips(stack.grid.rows, stack.grid.cols):
        progress.check()
        progress.set(row0 / stack.grid.rows, "Looking at the heights")
        values = stack.read(source.index, row0, rows)
        refuse_fill(source, values)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            known, sea = known + values.size, sea + int((values == 0).sum())
            whole = whole and bool((values == np.rint(values)).all())
    if not known:
        raise InputError(f"{stack.name} holds no height: every cell is nodata.")
    _check_range(stack, low * metres, high * metres, low, high)
    if low == high:
        raise InputError(f"{stack.name} is {low * metres:g} m everywhere: there is no terrain in it.")
    if sea / known > _SEA_SHARE:
        notes.append(
            f"{100 * sea / known:.0f} % of the cells are exactly 0 m, as seas are in many DEMs: they count as flat "
            "land here, so mask water before training."
        )
    if whole:
        step = math.degrees(math.atan(metres / (2 * math.sqrt(cell[0] * cell[1]))))
        notes.append(
            f"Heights come in whole {'metres' if metres == 1 else 'units'}: slopes below about {step:.1g} degrees are "
            "steps of rounding."
        )
    return Dem(source, metres, (low * metres, high * metres))


def _elevation_band(stack: Stack) -> Source:
    sources = sources_of([stack])
    chosen = sources if len(sources) == 1 else [one for one in sources if known_role(one) == "elevation"]
    if len(chosen) != 1:
        raise InputError(
            f"{stack.name} has {len(stack.bands)} bands and none, or more than one, that is called elevation: give a "
            "DEM of one band."
        )
    return chosen[0]


def _metres(source: Source, unit: str, notes: list[str]) -> float:
    if unit not in HEIGHT_UNITS:
        raise InputError(f"The unit of heights is one of {', '.join(HEIGHT_UNITS)}, not {unit!r}.")
    declared = source.unit.strip().lower()
    told = 0.3048 if declared in _FEET else _METRES.get(declared)
    if unit == AUTO:
        if told is None:
            raise InputError(
                f"The heights in {source.where} are declared in {source.unit!r}: choose m or ft as their unit, or "
                "correct it in the layer."
            )
        if told != 1.0:
            notes.append(f"Heights are declared in {source.unit} and were converted to metres.")
        return told
    chosen = 1.0 if unit == "m" else 0.3048
    if declared and told is not None and told != chosen:
        raise InputError(
            f"The heights in {source.where} are declared in {source.unit}, but {unit} was chosen: choose 'auto', or "
            "correct the unit in the layer."
        )
    return chosen


def _check_range(stack: Stack, low: float, high: float, raw_low: float, raw_high: float) -> None:
    if low < _DEEPEST or raw_low in (-9999.0, -32768.0):
        raise InputError(
            f"{stack.name} goes down to {raw_low:g}, deeper than any sea: set {raw_low:g} as nodata in its layer (GDAL "
            "'Translate', or gdal_edit -a_nodata) and run again."
        )
    if high > _HIGHEST:
        what = (
            f"set {raw_high:g} as nodata in its layer"
            if raw_high in (32767.0, 65535.0, 99999.0)
            else "choose feet as their unit, or check scale and nodata"
        )
        raise InputError(f"{stack.name} reaches {high:,.0f} m, higher than any mountain: {what}.")
