"""The grid of an import: the union of the files' grids, cut to what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from osgeo import osr

from ...errors import InputError
from ...raster.grid import Grid
from ..extents import extent_in, window_of


def union(grids: Sequence[tuple[str, Grid]]) -> Grid:
    """The smallest grid that holds all named grids. Raises InputError where their cells do not coincide."""
    first, base = grids[0]
    rows, cols = [0, base.rows], [0, base.cols]
    for name, grid in grids:
        row, col = offset(base, grid)
        aligned = (
            grid.same_crs(base)
            and abs(grid.cell_width / base.cell_width - 1) * max(grid.cols, base.cols) < 0.01
            and abs(grid.cell_height / base.cell_height - 1) * max(grid.rows, base.rows) < 0.01
            and abs(row - round(row)) < 0.01
            and abs(col - round(col)) < 0.01
        )
        if not aligned:
            raise InputError(
                f"{first} ({base.cell_label} cells in {base.crs_name}) and {name} ({grid.cell_label} in "
                f"{grid.crs_name}) lie on different grids: import each on its own; 'Resample to a common grid' brings "
                "them together later."
            )
        rows += [round(row), round(row) + grid.rows]
        cols += [round(col), round(col) + grid.cols]
    return base.window(min(rows), min(cols), max(rows) - min(rows), max(cols) - min(cols))


def offset(base: Grid, grid: Grid) -> tuple[float, float]:
    """Row and column of the first cell of `grid`, counted on `base`."""
    return (
        (base.transform[3] - grid.transform[3]) / base.cell_height,
        (grid.transform[0] - base.transform[0]) / base.cell_width,
    )


def cut(grid: Grid, extent: tuple[float, float, float, float] | None, crs: str) -> Grid:
    """The cells of `grid` that touch `extent` (in the reference system `crs`). Raises InputError where none does."""
    if extent is None:
        return grid
    left, bottom, right, top = extent
    asked = Grid(
        _wkt(crs) if crs else grid.crs_wkt,
        (left, right - left, 0.0, top, 0.0, bottom - top),
        1,
        1,
    )
    window = window_of(grid, extent_in(grid, asked, "the extent asked for"))
    if not window[2] or not window[3]:
        raise InputError(
            "The extent asked for does not touch the files: they cover "
            f"{', '.join(f'{edge:.6g}' for edge in grid.extent())} (xmin, ymin, xmax, ymax in {grid.crs_name})."
        )
    return grid.window(*window)


def _wkt(definition: str) -> str:
    reference = osr.SpatialReference()
    try:
        reference.SetFromUserInput(definition)
    except RuntimeError as error:
        raise InputError(f"The reference system of the extent, {definition!r}, is not known.") from error
    return str(reference.ExportToWkt())
