"""Area means of a fine raster on a coarser grid in the same CRS, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

import numpy as np

from ..raster.grid import Grid
from ..raster.stack import Stack
from ..raster.sums import SeparableSums
from ..raster.support import Array, Support

_VALUES = 2**21  # source values held at once: a strip of the grid may see a thousand times as many

Check = Optional[Callable[[Array], None]]
Select = Optional[Callable[[Array], Array]]


class AreaMean:
    """Exact area means of band `band` (1-based) of `source` on the pixels of `grid`, NaN where less than half is valid.

    The source is read once, as it is stored where that can be, and never held as a whole.
    """

    def __init__(self, source: Stack, band: int, grid: Grid) -> None:
        self._source, self._band, self._grid = source, band, grid
        support = Support(source.grid, grid)
        self._rows = support.row_spans
        self._col0, col1 = support.col_spans.reach
        self._width = col1 - self._col0
        self._cols = support.col_spans.part(0, grid.cols, self._col0)

    def read(self, row0: int, rows: int, check: Check = None, select: Select = None) -> Array:
        """Rows row0 … row0+rows of the grid. `check` sees the values of the source, `select` maps them first."""
        spans = self._rows.part(row0, row0 + rows)
        first, last = spans.reach
        mean = np.full((rows, self._grid.cols), np.nan)
        if first == last or not self._width:
            return mean
        sums = SeparableSums(self._rows.part(row0, row0 + rows, first), self._cols, self._width)
        as_stored = check is None and select is None and self._source.plain(self._band)
        step = max(1, _VALUES // self._width)
        for start in range(first, last, step):
            window = (start, min(step, last - start), self._col0, self._width)
            if as_stored:
                sums.add(self._source.read_stored(self._band, *window), start - first, self._source.nodata(self._band))
                continue
            values = self._source.read(self._band, *window)
            if check is not None:
                check(values)
            sums.add(values if select is None else select(values), start - first)
        total, weight = sums.result()
        # As on the coarse grid: half of a pixel must be seen.
        np.divide(total, weight, out=mean, where=weight >= 0.5 - 1e-9)
        scale, offset = self._source.scaling(self._band) if as_stored else (1.0, 0.0)
        return mean if (scale, offset) == (1.0, 0.0) else mean * scale + offset
