"""How large the cells of a grid are on the ground, row by row: what slopes and distances in metres need."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from osgeo import osr

from ...errors import InputError
from ...raster.blocks import Array
from ...raster.grid import Grid

_LATTICE = 9
_STRETCH = 0.02  # a projection that stretches less keeps its nominal cells
_SHEAR = 0.05  # cosine between rows and columns on the ground, above which a cell is no rectangle


@dataclass(frozen=True)
class CellSizes:
    """Width and height of a cell in metres for each row (rows,), and what the report should say about them."""

    width: Array
    height: Array
    notes: list[str] = field(default_factory=list)

    @property
    def area(self) -> Array:
        return self.width * self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Width and height of a cell of the middle row."""
        row = len(self.width) // 2
        return float(self.width[row]), float(self.height[row])


def cell_sizes(grid: Grid) -> CellSizes:
    """Cells in metres: on the ellipsoid for geographic grids, nominal for projected ones that keep lengths.

    Cylindrical projections that stretch (Mercator, EASE-Grid 2.0) get their true size per row. Raises InputError where
    rows and columns do not meet at right angles on the ground (sinusoidal), or the stretch differs along a row.
    """
    if grid.is_geographic:
        wide, high = _ellipsoidal(grid)
        return CellSizes(wide, high)
    metres = grid.crs.GetLinearUnits()
    nominal = (grid.cell_width * metres, grid.cell_height * metres)
    rows, width, height, shear, turn = _on_the_ground(grid)
    if np.max(np.abs(shear)) > _SHEAR:
        raise InputError(
            f"In {grid.crs_name} the rows and columns of the DEM do not meet at right angles on the ground, so slopes "
            "would be wrong: reproject it to UTM or to geographic coordinates first."
        )
    notes = []
    if np.max(np.abs(turn)) > math.radians(5):
        notes.append(
            f"North on the map differs from true north by up to {math.degrees(float(np.max(np.abs(turn)))):.0f} "
            "degrees; northness and eastness follow the map."
        )
    stretch = max(np.max(np.abs(width / nominal[0] - 1)), np.max(np.abs(height / nominal[1] - 1)))
    if stretch <= _STRETCH:
        return CellSizes(np.full(grid.rows, nominal[0]), np.full(grid.rows, nominal[1]), notes)
    uneven = max(np.ptp(width, axis=1).max() / width.min(), np.ptp(height, axis=1).max() / height.min())
    if uneven > _STRETCH:
        raise InputError(
            f"In {grid.crs_name} cells of one row differ by {100 * uneven:.0f} % on the ground, so slopes would be "
            "wrong: reproject the DEM to UTM or to geographic coordinates first."
        )
    every = np.arange(grid.rows)
    wide, high = (np.interp(every, rows, one.mean(axis=1)) for one in (width, height))
    notes.append(
        f"{grid.crs_name} stretches distances here: cells of {nominal[0]:.0f} x {nominal[1]:.0f} m measure "
        f"{wide.mean():.0f} x {high.mean():.0f} m on the ground, and slopes use the latter."
    )
    return CellSizes(wide, high, notes)


def _ellipsoidal(grid: Grid) -> tuple[Array, Array]:
    """Along the parallel and the meridian of each row's centre (radii of curvature of the ellipsoid)."""
    radians = grid.crs.GetAngularUnits()
    flattening = 1 / grid.crs.GetInvFlattening() if grid.crs.GetInvFlattening() else 0.0
    squared = flattening * (2 - flattening)
    # Beyond a pole there is no ground, and at it no width.
    latitude = np.clip(grid.y_centres() * radians, -math.pi / 2 + 1e-6, math.pi / 2 - 1e-6)
    root = np.sqrt(1 - squared * np.sin(latitude) ** 2)
    along, across = grid.crs.GetSemiMajor() / root, grid.crs.GetSemiMajor() * (1 - squared) / root**3
    return along * np.cos(latitude) * grid.cell_width * radians, across * grid.cell_height * radians


def _on_the_ground(grid: Grid) -> tuple[Array, Array, Array, Array, Array]:
    """Rows of a lattice, and there: width and height of a cell (m), cosine between its sides, turn against north."""
    geographic = grid.crs.CloneGeogCS()
    geographic.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    transformation = osr.CoordinateTransformation(grid.crs, geographic)
    rows = np.linspace(0, grid.rows - 1, min(grid.rows, 4 * _LATTICE))
    cols = np.linspace(0, grid.cols - 1, min(grid.cols, _LATTICE))
    x = grid.transform[0] + grid.cell_width * (cols + 0.5)
    y = grid.transform[3] - grid.cell_height * (rows + 0.5)
    at = [(a, b) for b in y for a in x]
    half = (grid.cell_width / 2, grid.cell_height / 2)
    ends = [
        [(a + sx * half[0], b + sy * half[1]) for a, b in at] for sx, sy in ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0))
    ]
    try:
        points = [np.radians([transformation.TransformPoint(*p)[:2] for p in one]) for one in ends]
    except RuntimeError as error:
        raise InputError(
            f"The DEM reaches beyond what {grid.crs_name} can show: clip it to the region first."
        ) from error
    flattening = 1 / geographic.GetInvFlattening() if geographic.GetInvFlattening() else 0.0
    squared = flattening * (2 - flattening)
    latitude = points[4][:, 1]
    root = np.sqrt(1 - squared * np.sin(latitude) ** 2)
    per_lon = geographic.GetSemiMajor() / root * np.cos(latitude)
    per_lat = geographic.GetSemiMajor() * (1 - squared) / root**3

    def ground(low: Array, high: Array) -> tuple[Array, Array]:
        step = high - low
        return per_lon * ((step[:, 0] + math.pi) % (2 * math.pi) - math.pi), per_lat * step[:, 1]

    (right_e, right_n), (up_e, up_n) = ground(points[0], points[1]), ground(points[2], points[3])
    width, height = np.hypot(right_e, right_n), np.hypot(up_e, up_n)
    shear = (right_e * up_e + right_n * up_n) / (width * height)
    turn = np.arctan2(up_e, up_n)
    shape = (len(rows), len(cols))
    return rows, width.reshape(shape), height.reshape(shape), shear, turn
