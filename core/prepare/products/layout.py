"""The grid of an import: the union of the files' grids, cut to what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import InputError
from ...raster.grid import Grid, wkt_of
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


def cut(grid: Grid, extent: tuple[float, float, float, float] | None, crs: str, notes: list[str]) -> Grid:
    """The cells of `grid` that touch `extent` (in the reference system `crs`). Raises InputError where none does.

    notes: grows by a sentence where the extent reaches beyond the grid.
    """
    if extent is None:
        return grid
    asked = Grid(
        wkt_of(crs) if crs else grid.crs_wkt,
        (extent[0], extent[2] - extent[0], 0.0, extent[3], 0.0, extent[1] - extent[3]),
        1,
        1,
    )
    box = extent_in(grid, asked, "the extent asked for")
    window = window_of(grid, box)
    left, bottom, right, top = grid.extent()
    wide, high = grid.cell_width, grid.cell_height
    if box[0] < left - wide or box[2] > right + wide or box[1] < bottom - high or box[3] > top + high:
        notes.append(
            "The extent asked for reaches beyond what the files cover; across 180 degrees import both sides one after "
            "the other."
            if grid.is_geographic and (box[2] > 180 or box[0] < -180)
            else "The extent asked for reaches beyond what the files cover."
        )
    if not window[2] or not window[3]:
        raise InputError(
            "The extent asked for does not touch the files: they cover "
            f"{', '.join(f'{edge:.6g}' for edge in grid.extent())} (xmin, ymin, xmax, ymax in {grid.crs_name})."
        )
    return grid.window(*window)
