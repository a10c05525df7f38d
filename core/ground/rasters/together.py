"""Several products on the coarsest of their grids and in common periods, read window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.blocks import windows
from ...raster.grid import Grid
from ..metrics import Floats
from .area_mean import AreaMean, cell_side, project_axes
from .common_time import Shared, shared_periods
from .source import RasterSource

Window = tuple[int, int, int, int]
_VALUES = 2**25  # of one window: periods x sources x cells, kept as float32
_AT_ONCE = 2**21  # of those computed with at once, as float64
_PIXELS = 2**21  # of the finest source in one window


@dataclass(frozen=True)
class Together:
    """`sources` on `grid`, in `time.periods`; `on_grid` are those that are averaged (others are baselines)."""

    sources: tuple[RasterSource, ...]
    grid: Grid
    time: Shared
    min_valid: float

    def windows(self) -> list[Window]:
        """(row0, rows, col0, cols) that tile the grid, small enough for all periods to be held."""
        cell = _area(self.grid)
        finest = max(1.0, *(cell / _area(source.grid) for source in self.sources))
        pixels = max(1, min(_VALUES // (len(self.time) * len(self.sources)), int(_PIXELS / finest)))
        tile = 256
        while tile > 16 and tile * tile > 2 * pixels:
            tile //= 2
        return windows(self.grid, pixels, tile=tile)

    def read(self, window: Window, progress: Progress, periods: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Means over area and time (sources, periods, rows, cols), NaN where too little of either is known."""
        row0, rows, col0, cols = window
        cells = self.grid.window(row0, col0, rows, cols)
        chosen = range(len(self.time)) if periods is None else periods
        result = np.full((len(self.sources), len(chosen), rows, cols), np.nan, dtype=np.float32)
        for s, source in enumerate(self.sources):
            mean = AreaMean(source.grid, cells)
            if not mean.box[1] or not mean.box[3]:
                continue
            for k, period in enumerate(chosen):
                progress.check()
                parts = self.time.parts[s][period]
                if len(parts) == 1:
                    result[s, k] = self._layer(source, mean, parts[0][0])
                    continue
                total, weight = np.zeros(cells.shape), np.zeros(cells.shape)
                for layer, days in parts:
                    values = self._layer(source, mean, layer)
                    valid = np.isfinite(values)
                    total += np.where(valid, days * values, 0.0)
                    weight += np.where(valid, days, 0.0)
                enough = (weight >= self.time.needed[period] - 1e-9) & (weight > 0)
                result[s, k][enough] = total[enough] / weight[enough]
        return result

    def iterate(self, progress: Progress, text: str) -> Iterator[tuple[Window, Floats]]:
        """Windows that tile the grid with what `read` gives, with progress.

        Files are read in windows as large as their tiles, which are then handed out in strips that fit into memory.
        """
        every = self.windows()
        for number, window in enumerate(every):
            progress.check()
            progress.set(number / len(every), text)
            data = self.read(window, progress)
            row0, rows, col0, cols = window
            step = max(1, _AT_ONCE // (len(self.sources) * len(self.time) * cols))
            for first in range(0, rows, step):
                progress.check()
                part = data[:, :, first : first + step].astype(np.float64)
                yield (row0 + first, part.shape[2], col0, cols), part

    def notes(self) -> list[str]:
        return list(dict.fromkeys(note for source in self.sources for note in source.notes))

    def _layer(self, source: RasterSource, mean: AreaMean, layer: int) -> Floats:
        row0, rows, col0, cols = mean.box
        values, share = mean(source.read(layer, row0, rows, col0, cols))
        return np.where(share >= self.min_valid - 1e-9, values, np.nan)


def bring_together(
    sources: Sequence[RasterSource], min_share: float, min_valid: float, baselines: Sequence[RasterSource] = ()
) -> Together:
    """`sources` on the coarsest of their grids, cut to where all of them lie, and in the longest of their periods.

    `baselines` come to that grid and those periods too, but do not decide them. Raises InputError where places or dates
    do not meet.
    """
    coarsest = max(sources, key=lambda source: _area(source.grid))
    window = _common_window(coarsest, (*sources, *baselines))
    time = shared_periods(sources, min_share) if not baselines else _with_baselines(sources, baselines, min_share)
    return Together((*sources, *baselines), window, time, min_valid)


def _with_baselines(sources: Sequence[RasterSource], baselines: Sequence[RasterSource], min_share: float) -> Shared:
    longest = max(source.length for source in sources)
    slower = next((one for one in baselines if one.length > longest + 1e-9), None)
    if slower is not None:
        raise InputError(
            f"The periods of the {slower.role} ({slower.length:g} days) are longer than those compared ({longest:g} "
            "days): give the coarse layers that belong to each period."
        )
    return shared_periods((*sources, *baselines), min_share)


def _common_window(coarsest: RasterSource, sources: Sequence[RasterSource]) -> Grid:
    """The cells of the grid of `coarsest` that the extents of all sources reach."""
    grid = coarsest.grid
    inside = np.ones(grid.shape, dtype=bool) if grid.rows * grid.cols <= 10**6 else None
    box = [0, grid.rows, 0, grid.cols]
    for source in sources:
        if source is coarsest:
            continue
        if inside is None or source.grid.same_crs(grid):
            row0, row1, col0, col1 = _reached(grid, source.grid)
        else:
            x, y = project_axes(grid.x_centres(), grid.y_centres(), grid, source.grid)
            row, _ = source.grid.cell_of(np.nan_to_num(x, nan=np.inf), np.nan_to_num(y, nan=np.inf))
            rows, cols = np.nonzero(row >= 0)
            if len(rows):
                row0, row1 = max(0, int(rows.min()) - 1), min(grid.rows, int(rows.max()) + 2)
                col0, col1 = max(0, int(cols.min()) - 1), min(grid.cols, int(cols.max()) + 2)
            else:
                row0, row1, col0, col1 = _reached(grid, source.grid)
        box = [max(box[0], row0), min(box[1], row1), max(box[2], col0), min(box[3], col1)]
        if box[0] >= box[1] or box[2] >= box[3]:
            raise InputError(
                f"The {source.role} ({source.name}) and the {coarsest.role} ({coarsest.name}) do not overlap: check "
                "their extents and reference systems."
            )
    return grid.window(box[0], box[2], box[1] - box[0], box[3] - box[2])


def _reached(grid: Grid, other: Grid) -> Window:
    """First and end row, first and end column of the cells that the extent of `other` touches."""
    xmin, ymin, xmax, ymax = other.extent()
    x, y = project_axes(np.linspace(xmin, xmax, 41), np.linspace(ymax, ymin, 41), other, grid)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return 0, 0, 0, 0
    col = (np.array([x[known].min(), x[known].max()]) - grid.transform[0]) / grid.cell_width
    row = (grid.transform[3] - np.array([y[known].max(), y[known].min()])) / grid.cell_height
    return (
        max(0, math.floor(row[0] + 1e-6)),
        min(grid.rows, math.ceil(row[1] - 1e-6)),
        max(0, math.floor(col[0] + 1e-6)),
        min(grid.cols, math.ceil(col[1] - 1e-6)),
    )


def _area(grid: Grid) -> float:
    return cell_side(grid) ** 2
