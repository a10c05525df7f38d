"""Terrain factors of a DEM: slope, exposure, wetness index, topographic position; computed at the DEM's resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import Band
from ...raster.blocks import Array
from ...raster.stack import opened, small_block_cache
from ...raster.tiles import PIXELS, strips
from .cell_sizes import CellSizes, cell_sizes
from .common import provenance
from .dem import AUTO, Dem, north_up, open_dem
from .flow import Catchments, catchments, check_size, contour_length
from .output import FactorBand, FactorWriter, Written
from .position import Neighbourhood

__all__ = ["AUTO", "FACTORS", "Terrain", "TerrainOptions", "gradient", "terrain_factors", "wetness_index"]

FACTORS = ("elevation", "slope", "northness", "eastness", "twi", "tpi")
LEAST_GRADIENT = 0.001  # of tan b in the wetness index
_UNITS = {"elevation": "m", "slope": "degrees", "northness": "1", "eastness": "1", "twi": "1", "tpi": "m"}
_LONG_NAMES = {
    "elevation": "elevation above sea level",
    "slope": "slope (Horn 1981)",
    "northness": "cosine of the aspect: 1 faces north, -1 south, 0 flat",
    "eastness": "sine of the aspect: 1 faces east, -1 west, 0 flat",
    "twi": "topographic wetness index ln(a / tan b)",
    "tpi": "topographic position: height above the mean of the surroundings",
}


@dataclass(frozen=True)
class TerrainOptions:
    """factors: some of FACTORS. height_unit: `auto` (as the DEM declares, else m), `m` or `ft`.

    radius_m, inner_m: topographic position compares a cell with those farther than `inner_m` and not farther than
    `radius_m`; None takes 1000 m, or three cells where those are larger. standardised: divided by the standard
    deviation of the heights there.
    """

    factors: Sequence[str] = FACTORS
    height_unit: str = AUTO
    radius_m: float | None = None
    inner_m: float = 0.0
    standardised: bool = False


@dataclass(frozen=True)
class Terrain:
    """What was made. cell: width and height in metres in the middle of the DEM. radius_m: None without position.

    depressions: share of cells that were raised, by how many metres at most, share raised by more than 20 m; None
    without the wetness index.
    """

    written: Written
    source: str
    cell: tuple[float, float]
    heights: tuple[float, float]
    radius_m: float | None
    inner_m: float
    standardised: bool
    depressions: tuple[float, float, float] | None
    notes: list[str] = field(default_factory=list)


def terrain_factors(
    dem_path: str, output: str | Path, options: TerrainOptions | None = None, progress: Progress | None = None
) -> Terrain:
    """Write the factors, one band each, on the DEM's grid; see `gradient` and `wetness_index` for their formulas.

    Raises InputError for DEMs without values, with undeclared fill values or heights no land has, for grids whose
    cells are no rectangles on the ground, and for a wetness index of more cells than memory holds.
    """
    options, progress = options or TerrainOptions(), progress or Progress()
    wanted = [name for name in FACTORS if name in options.factors]
    unknown = [name for name in options.factors if name not in FACTORS]
    if unknown or not wanted:
        raise InputError(f"Choose at least one terrain factor among {', '.join(FACTORS)}{_not(unknown)}.")
    if Path(output).resolve() == Path(dem_path).resolve():
        raise InputError(f"The output {output} is also the DEM: give the output another name.")
    notes: list[str] = []
    with north_up(dem_path, notes) as path, opened([path]) as (stack,), small_block_cache():
        if "twi" in wanted:
            check_size(*stack.grid.shape)
        sizes = cell_sizes(stack.grid)
        around = None
        if "tpi" in wanted:
            around = Neighbourhood.of(sizes, options.radius_m, options.inner_m, options.standardised)
        dem = open_dem(stack, options.height_unit, sizes.middle, notes, progress.part(0.0, 0.05))
        notes += sizes.notes
        found = None
        if "twi" in wanted:
            progress.set(0.05, "Wetness index: flow over the whole DEM")
            found = catchments(dem.whole(progress), sizes, progress.part(0.05, 0.7))
            notes += _flow_notes(found)
        outputs = [FactorBand(_band(name, options.standardised), _tags(name, dem, around)) for name in wanted]
        with FactorWriter(output, stack.grid, outputs) as out:
            _write(dem, sizes, wanted, around, found, out, progress.part(0.7 if found else 0.05, 1.0))
            out.check_values(lambda: f"No cell of {stack.name} has {_needs(wanted)}: the DEM is too full of voids.")
    return Terrain(
        written=out.written(),
        source=stack.name,
        cell=sizes.middle,
        heights=dem.range,
        radius_m=around.outer if around else None,
        inner_m=options.inner_m,
        standardised=options.standardised,
        depressions=(found.filled, found.deepest, found.deep) if found else None,
        notes=notes,
    )


def gradient(heights: Array, width: Array, height: Array) -> tuple[Array, Array]:
    """Rise per metre towards east and north (rows, cols) by Horn 1981 (doi:10.1109/PROC.1981.11918).

    heights: (rows + 2, cols) with a row more on both sides; width, height: cell sizes (rows,) in m. NaN where one of
    the nine heights is missing, so at borders too.
    """
    rows, cols = heights.shape[0] - 2, heights.shape[1]
    east, north = np.full((rows, cols), np.nan), np.full((rows, cols), np.nan)
    down = heights[:-2] + 2 * heights[1:-1] + heights[2:]
    along = heights[:, :-2] + 2 * heights[:, 1:-1] + heights[:, 2:]
    # The middle has no weight, but a void has no slope either.
    void = np.where(np.isnan(heights[1:-1, 1:-1]), np.nan, 0.0)
    east[:, 1:-1] = (down[:, 2:] - down[:, :-2]) / (8 * width[:, None]) + void
    north[:, 1:-1] = (along[:-2] - along[2:]) / (8 * height[:, None]) + void
    gap = np.isnan(east) | np.isnan(north)
    east[gap] = north[gap] = np.nan
    return east, north


def wetness_index(area: Array, east: Array, north: Array, width: Array, height: Array) -> Array:
    """ln(a / tan b) of Beven and Kirkby 1979 (doi:10.1080/02626667909491834), (rows, cols).

    area: upslope area, m2; a: area per metre of contour; tan b: local gradient from `east` and `north`, at least 0.001.
    """
    steepness = np.hypot(east, north)
    return np.log(area / contour_length(east, north, width, height) / np.maximum(steepness, LEAST_GRADIENT))


def _write(
    dem: Dem,
    sizes: CellSizes,
    wanted: Sequence[str],
    around: Neighbourhood | None,
    found: Catchments | None,
    out: FactorWriter,
    progress: Progress,
) -> None:
    grid = dem.stack.grid
    halo = max(1, around.reach if around else 1)
    for row0, rows in strips(grid.rows, grid.cols, pixels=max(PIXELS, 2 * halo * grid.cols)):
        progress.check()
        progress.set(row0 / grid.rows, "Slope, exposure and position")
        heights = dem.read(row0, rows, halo)
        width, height = sizes.width[row0 : row0 + rows], sizes.height[row0 : row0 + rows]
        east, north = gradient(heights[halo - 1 : halo + rows + 1], width, height)
        made = {"elevation": heights[halo : halo + rows], "slope": np.degrees(np.arctan(np.hypot(east, north)))}
        steepness = np.hypot(east, north)
        steepness[steepness == 0] = np.inf  # flat ground faces nowhere: 0
        made["northness"], made["eastness"] = -north / steepness, -east / steepness
        if found is not None:
            made["twi"] = wetness_index(found.area[row0 : row0 + rows], east, north, width, height)
        if around is not None:
            made["tpi"] = around.position(heights, row0)
        for number, name in enumerate(wanted, 1):
            out.write(number, made[name], row0)
    progress.set(1.0)


def _flow_notes(found: Catchments) -> list[str]:
    notes = [
        "Catchments count from the DEM's border on: give a DEM that reaches beyond the region, so that valleys that "
        "come from outside have their whole catchment."
    ]
    if found.deep > 0:
        notes.append(
            f"Filling raised {100 * found.deep:.2g} % of the cells by more than 20 m (at most {found.deepest:.0f} m): "
            "basins without an outlet, such as lakes, pits or karst. The wetness index there is that of a flat."
        )
    return notes


def _band(name: str, standardised: bool) -> Band:
    return Band(name, None, "1" if name == "tpi" and standardised else _UNITS[name])


def _tags(name: str, dem: Dem, around: Neighbourhood | None) -> Mapping[str, str]:
    long_name = _LONG_NAMES[name]
    if name == "tpi" and around:
        inner = f"{around.inner:g} to " if around.inner else ""
        long_name += f", {inner}{around.outer:g} m{', in standard deviations' if around.standardised else ''}"
    return {"LONG_NAME": long_name, **provenance([dem.source])}


def _needs(wanted: Sequence[str]) -> str:
    return "heights in all 3 x 3 cells around" if wanted != ["tpi"] else "heights in three quarters of its surroundings"


def _not(unknown: Sequence[str]) -> str:
    return f", not {', '.join(unknown)}" if unknown else ""
