"""EASE-Grid 2.0 products: position from the grid's constants, checked against the file's own latitudes and longitudes.

Brodzik et al. 2012, doi:10.3390/ijgi1010032.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ...raster.grid import EASE_COLUMNS, Grid, ease_grid
from .arrays import ArrayInfo, BadFile
from .container import Container
from .placement import AxesPlacement, CellsPlacement
from .recipe import GridRule

EASE_ROWS = {36: 406, 9: 1624, 3: 4872, 1: 14616}
# Largest distance of a cell's own latitude and longitude from where the constants put it, in cells.
TOLERANCE = 0.01
_SAMPLES = 2000


def place_global(container: Container, array: str, rule: GridRule) -> AxesPlacement:
    """A whole global grid; cell size told by the shape, south-first files by their latitudes.

    Raises BadFile where the shape is no EASE-Grid's or the latitudes and longitudes lie elsewhere.
    """
    info = container.arrays[array]
    for cell_km, rows in EASE_ROWS.items():
        pairs = [
            (y, x)
            for y in range(len(info.shape))
            for x in range(len(info.shape))
            if info.shape[y] == rows and info.shape[x] == EASE_COLUMNS[cell_km]
        ]
        if pairs:
            y_axis, x_axis = pairs[-1]
            break
    else:
        raise BadFile(
            container.path,
            f"{array} ({' x '.join(str(n) for n in info.shape)}) is not a global EASE-Grid 2.0, which has "
            + ", ".join(f"{EASE_ROWS[km]} x {EASE_COLUMNS[km]} ({km} km)" for km in EASE_ROWS)
            + " cells.",
        )
    grid = ease_grid(cell_km, 0, 0, rows, EASE_COLUMNS[cell_km])
    placement = AxesPlacement(grid, np.arange(rows), np.arange(grid.cols), info, y_axis, x_axis)
    if not rule.latitude or not rule.longitude:
        return placement
    key = (rule, grid.shape)
    if key not in container.memo:
        container.memo[key] = _is_south_first(container, rule, placement, cell_km)
    if not container.memo[key]:
        return placement
    return AxesPlacement(grid, np.arange(rows)[::-1], np.arange(grid.cols), info, y_axis, x_axis)


def place_indices(container: Container, array: str, rule: GridRule) -> CellsPlacement:
    """Values with their row and column on the grid of `rule.cell_km`: half orbits and windows, on the smallest window
    of the grid that holds them.

    Where several values of the file fall in one cell the first counts (means would blend flags); the others are
    counted in `duplicates`. Raises BadFile where indices are absent, outside the grid, or latitudes and longitudes lie
    elsewhere.
    """
    if rule not in container.memo:
        container.memo[rule] = _cells(container, rule)
    placement: CellsPlacement = container.memo[rule]
    placement.axes_of(container, container.arrays[array])
    return placement


def _cells(container: Container, rule: GridRule) -> CellsPlacement:
    row_info, row = _indices(container, rule.row, "row")
    col_info, col = _indices(container, rule.column, "column")
    if row_info.shape != col_info.shape:
        raise BadFile(container.path, f"{row_info.path} and {col_info.path} do not have the same shape.")
    row, col = row.reshape(-1), col.reshape(-1)
    rows, cols = EASE_ROWS[rule.cell_km], EASE_COLUMNS[rule.cell_km]
    sources = np.flatnonzero((row >= 0) & (col >= 0))
    if sources.size == 0:
        raise BadFile(container.path, f"{row_info.path} holds no index; the file has no cell.")
    row, col = row[sources], col[sources]
    if row.max() >= rows or col.max() >= cols:
        raise BadFile(
            container.path,
            f"cell {row.max()}, {col.max()} is outside the EASE-Grid of {rule.cell_km} km ({rows} x {cols} cells).",
        )
    if rule.latitude and rule.longitude:
        _check_listed(container, rule, row_info.shape, sources, row, col)
    row0, col0 = int(row.min()), int(col.min())
    grid = ease_grid(rule.cell_km, row0, col0, int(row.max()) - row0 + 1, int(col.max()) - col0 + 1)
    cells = (row - row0) * grid.cols + (col - col0)
    unique, first = np.unique(cells, return_index=True)
    return CellsPlacement(grid, unique, sources[first].astype(np.int64), row_info.shape, int(cells.size - unique.size))


def _indices(container: Container, pattern: str, what: str) -> tuple[ArrayInfo, NDArray[np.int64]]:
    name = container.find(pattern)
    if name is None:
        raise BadFile(container.path, f"there is no array {pattern} with the {what} of each value.")
    info = container.arrays[name]
    values = container.read(name)
    whole = np.where(info.is_fill(values), -1, values)
    return info, whole.astype(np.int64)


def _check_listed(
    container: Container,
    rule: GridRule,
    shape: tuple[int, ...],
    sources: NDArray[np.intp],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
) -> None:
    picked = np.unique(np.linspace(0, sources.size - 1, _SAMPLES).astype(np.intp))
    latitude, longitude = (
        _positions(container, _required(container, pattern), None, None) for pattern in (rule.latitude, rule.longitude)
    )
    if latitude.shape != shape or longitude.shape != shape:
        raise BadFile(
            container.path, f"{rule.latitude} and {rule.longitude} do not have the shape of the cell indices."
        )
    latitude, longitude = (values.reshape(-1)[sources[picked]] for values in (latitude, longitude))
    known = np.isfinite(latitude) & np.isfinite(longitude)
    whole = ease_grid(rule.cell_km, 0, 0, EASE_ROWS[rule.cell_km], EASE_COLUMNS[rule.cell_km])
    wrong = _agree(whole, rule.cell_km, row[picked][known], col[picked][known], latitude[known], longitude[known])
    if wrong is not None:
        raise BadFile(container.path, wrong)


def _is_south_first(container: Container, rule: GridRule, placement: AxesPlacement, cell_km: int) -> bool:
    """Whether the latitudes prove that the southernmost row is stored first; BadFile where they fit neither way."""
    row, col, latitude, longitude = _known_positions(container, rule, placement)
    if row.size == 0:
        return False
    wrong = _agree(placement.grid, cell_km, row, col, latitude, longitude)
    if wrong is None:
        return False
    if _agree(placement.grid, cell_km, placement.grid.rows - 1 - row, col, latitude, longitude) is None:
        return True
    raise BadFile(container.path, wrong)


def _known_positions(
    container: Container, rule: GridRule, placement: AxesPlacement
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Rows, columns, latitudes and longitudes of some cells whose position the file tells.

    Corners and middle first; whole rows only where those are fill, as in daily composites.
    """
    rows, cols = placement.grid.shape
    names = _required(container, rule.latitude), _required(container, rule.longitude)
    spots = [(r, c) for r in (0, rows - 1) for c in (0, cols - 1)] + [(rows // 2, cols // 2)]
    found: list[tuple[NDArray[Any], ...]] = []
    for row, col, width in [(r, c, 1) for r, c in spots] + [(r, 0, cols) for r in range(rows // 16, rows, rows // 8)]:
        if width > 1 and len(found) > 1 and len({int(f[0][0]) for f in found}) > 1:
            break
        latitude, longitude = (_window(container, name, placement, row, col, width) for name in names)
        known = np.flatnonzero(np.isfinite(latitude) & np.isfinite(longitude))
        if known.size:
            known = known[:: max(1, known.size // 200)]
            found.append((np.full(known.size, row), col + known, latitude[known], longitude[known]))
    if not found:
        nothing = np.empty(0)
        return nothing, nothing, nothing, nothing
    row_, col_, latitude, longitude = (np.concatenate(parts) for parts in zip(*found))
    return row_, col_, latitude, longitude


def _window(
    container: Container, name: str, placement: AxesPlacement, row: int, col: int, width: int
) -> NDArray[np.float64]:
    """`width` cells of a latitude or longitude array that has two dimensions, or one."""
    info = container.arrays[name]
    if info.shape == (placement.grid.rows,):
        return np.repeat(_positions(container, name, [row], [1]), width)
    if info.shape == (placement.grid.cols,):
        return _positions(container, name, [col], [width])
    values, _ = placement.read(container, name, dict.fromkeys(info.dims, 0), row, 1, col, width)
    return _degrees(info, values.reshape(-1))


def _positions(
    container: Container, name: str, start: list[int] | None, count: list[int] | None
) -> NDArray[np.float64]:
    return _degrees(container.arrays[name], container.read(name, start, count))


def _degrees(info: ArrayInfo, values: NDArray[Any]) -> NDArray[np.float64]:
    degrees = values.astype(np.float64) * (info.scale or 1.0) + (info.offset or 0.0)
    return np.where(info.is_fill(values) | (np.abs(degrees) > 360.0), np.nan, degrees)


def _agree(
    grid: Grid,
    cell_km: int,
    row: NDArray[Any],
    col: NDArray[Any],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
) -> str | None:
    """None where latitudes and longitudes are those of the cells' centres, else a clause that says how they differ."""
    degrees = osr.SpatialReference()
    degrees.ImportFromEPSG(4326)
    degrees.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    transformation = osr.CoordinateTransformation(degrees, grid.crs)
    longitude = (longitude + 180.0) % 360.0 - 180.0
    points = np.array(transformation.TransformPoints(np.column_stack([longitude, latitude]).tolist()))
    across = np.abs((points[:, 0] - grid.transform[0]) / grid.cell_width - (col + 0.5))
    down = np.abs((grid.transform[3] - points[:, 1]) / grid.cell_height - (row + 0.5))
    off = np.maximum(across, down)
    worst = int(np.argmax(off)) if off.size else 0
    if off.size == 0 or off[worst] <= TOLERANCE:
        return None
    back = osr.CoordinateTransformation(grid.crs, degrees)
    x = grid.transform[0] + (col[worst] + 0.5) * grid.cell_width
    y = grid.transform[3] - (row[worst] + 0.5) * grid.cell_height
    lon, lat, _ = back.TransformPoint(float(x), float(y))
    return (
        f"row {int(row[worst])}, column {int(col[worst])} should lie at latitude {lat:.4f}, longitude {lon:.4f} on the "
        f"EASE-Grid 2.0 of {cell_km} km, but the file says {latitude[worst]:.4f}, {longitude[worst]:.4f}."
    )


def _required(container: Container, pattern: str) -> str:
    name = container.find(pattern)
    if name is None:
        raise BadFile(container.path, f"there is no array {pattern}, by which the position is checked.")
    return name
