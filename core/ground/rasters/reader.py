"""Windows of product, reference and coarse source, the last by smooth interpolation where it is coarser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...progress import Progress
from ..metrics import Floats
from .area_mean import cell_side, touched
from .smooth import SmoothBaseline
from .source import RasterSource
from .together import Together, Window

_FINER = 0.75  # a grid whose cells are smaller than this share of the baseline's is finer than it


class Reader:
    """Windows of product, reference and, where there is one, baseline: (sources, periods, rows, cols)."""

    def __init__(self, together: Together, smooth: SmoothBaseline | None) -> None:
        # A smooth baseline is interpolated, not averaged.
        self.smooth = smooth
        self._read = together if smooth is None else _first_two(together)

    def iterate(self, progress: Progress) -> Iterator[tuple[Window, Floats]]:
        every = range(len(self._read.time))
        for window, data in self._read.iterate(progress, "Comparing"):
            yield window, self._with_smooth(window, data, every)

    def window(self, window: Window, progress: Progress, periods: Sequence[int]) -> Floats:
        data = self._read.read(window, progress, periods).astype(np.float64)
        return self._with_smooth(window, data, periods)

    def _with_smooth(self, window: Window, data: Floats, periods: Sequence[int]) -> Floats:
        if self.smooth is None:
            return data
        row0, rows, col0, cols = window
        smooth = self.smooth.at(self._read.grid.window(row0, col0, rows, cols), periods)
        return np.concatenate([data, smooth[None]])


def smooth_baseline(together: Together, progress: Progress) -> SmoothBaseline | None:
    """The interpolated baseline where the common grid is finer than its own, else None."""
    source = together.sources[2]
    if cell_side(together.grid) > _FINER * cell_side(source.grid):
        return None
    alone = _alone(source, together)
    fields = _whole(alone, progress.part(0, 0.3))
    return SmoothBaseline(list(fields), alone.grid, progress.part(0.3, 1.0))


def _alone(source: RasterSource, together: Together) -> Together:
    """`source` alone on its own grid, in the common periods, with a margin of cells around the common grid."""
    row0, rows, col0, cols = touched(source.grid, together.grid, source.grid.same_crs(together.grid))
    first, last = max(0, row0 - 12), min(source.grid.rows, row0 + rows + 12)
    left, right = max(0, col0 - 12), min(source.grid.cols, col0 + cols + 12)
    number = together.sources.index(source)
    time = replace(together.time, parts=(together.time.parts[number],))
    return Together((source,), source.grid.window(first, left, last - first, right - left), time, together.min_valid)


def _whole(together: Together, progress: Progress) -> Floats:
    fields = np.full((len(together.time), *together.grid.shape), np.nan)
    for (row0, rows, col0, cols), data in together.iterate(progress, "Reading the coarse source"):
        fields[:, row0 : row0 + rows, col0 : col0 + cols] = data[0]
    return fields


def _first_two(together: Together) -> Together:
    time = replace(together.time, parts=together.time.parts[:2])
    return replace(together, sources=together.sources[:2], time=time)
