"""The coarse source of a product at the stations: what downscaling has to improve on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import Stack
from .layers import as_moisture, find_products
from .metrics import Floats
from .observations import Observations, project

Smooth = Callable[[Floats, Grid, Floats, Floats], Floats]
# Influence of a cell in the smooth conserving field falls to about a sixth per cell: 12 cells leave 1e-9.
_MARGIN = 12
_MOST_OPEN = 16


class Baseline:
    """The coarse field at the stations, in any period, replicated and smooth."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        band_name: str | None,
        observations: Observations,
        smooth: Smooth | None,
    ) -> None:
        from ..raster.conserve import smooth_at_points

        self._smooth = smooth or smooth_at_points
        self.layers = [layer for product in find_products(paths, band_name) for layer in product.layers]
        self.grid = self.layers[0].grid
        for layer in self.layers:
            if not layer.grid.same_as(self.grid):
                raise InputError(
                    f"The coarse layers {Path(self.layers[0].path).name} and {Path(layer.path).name} "
                    "are on different grids: give the layers of one product as the baseline."
                )
        _, x, y, _ = observations.places()
        self._x, self._y = project(x, y, observations.crs_wkt, self.grid)
        row, col = self.grid.cell_of(self._x, self._y)
        self.inside = row >= 0
        self.cell = np.where(self.inside, row * self.grid.cols + col, -1)
        row0, rows = _span(row[self.inside], self.grid.rows)
        col0, cols = _span(col[self.inside], self.grid.cols)
        self._window = (row0, rows, col0, cols)
        self._row, self._col = row - row0, col - col0
        self._read: dict[int, Floats] = {}
        self._open: dict[str, Stack] = {}
        self._known: dict[tuple[tuple[tuple[int, float], ...], float], tuple[Floats, Floats]] = {}
        # Undated layers overlap with nothing.
        self._days = np.array([layer.period.ordinals() if layer.period else (0.0, 0.0) for layer in self.layers])

    def at(self, period: Period | None, periods: int) -> tuple[Floats, Floats]:
        """Replicated and smooth value at every station; NaN where less than half the period is covered."""
        weights, days = self._weights(period, periods), 1 if period is None else period.days
        if (weights, days) not in self._known:
            self._known[weights, days] = self._values(weights, days)
        return self._known[weights, days]

    def _weights(self, period: Period | None, periods: int) -> tuple[tuple[int, float], ...]:
        undated = [i for i, layer in enumerate(self.layers) if layer.period is None]
        if len(self.layers) == 1 and periods == 1 and (undated or period is None):
            return ((0, 1 if period is None else period.days),)
        if period is None:
            if len(undated) == 1:
                return ((undated[0], 1),)
            raise InputError(
                f"The product carries no date but the coarse baseline has {len(self.layers)} layers: "
                "write the product's date into its name, or give the one coarse layer it was made from."
            )
        if len(undated) == len(self.layers):
            raise InputError(
                f"The coarse baseline carries no date but the product has {periods} periods: "
                "give the COARSE stack, or coarse layers with dates in their names."
            )
        start, end = self._days.T
        first, last = period.ordinals()
        days = np.minimum(end, last) - np.maximum(start, first)
        return tuple((int(i), float(days[i])) for i in np.flatnonzero(days > 0))

    def _values(self, weights: tuple[tuple[int, float], ...], days: float) -> tuple[Floats, Floats]:
        nothing = np.full(len(self._x), math.nan)
        if not weights or not self.inside.any():
            return nothing, nothing
        total = np.zeros((self._window[1], self._window[3]))
        weight = np.zeros_like(total)
        for i, share in weights:
            values = self._layer(i)
            total += np.where(np.isfinite(values), share * values, 0.0)
            weight += np.where(np.isfinite(values), share, 0)
        with np.errstate(invalid="ignore"):
            field_ = np.where(weight >= 0.5 * days, total / weight, math.nan)
        coarse, smooth = nothing.copy(), nothing.copy()
        inside = self.inside
        coarse[inside] = field_[self._row[inside], self._col[inside]]
        if np.isfinite(field_).any():
            window = self.grid.window(self._window[0], self._window[2], *field_.shape)
            smooth[inside] = self._smooth(field_, window, self._x[inside], self._y[inside])
        return coarse, smooth

    def _layer(self, i: int) -> Floats:
        if i not in self._read:
            if len(self._read) >= 64:
                del self._read[next(iter(self._read))]
            layer = self.layers[i]
            row0, rows, col0, cols = self._window
            values = self._stack(layer.path).read(layer.index, row0, rows, col0, cols)
            self._read[i] = as_moisture(values, layer.unit, Path(layer.path).stem)[0]
        return self._read[i]

    def _stack(self, path: str) -> Stack:
        """Kept open: reading what thousands of bands are takes longer than reading one of them."""
        if path not in self._open:
            if len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            self._open[path] = Stack.open(path)
        return self._open[path]


def _span(index: NDArray[np.intp], size: int) -> tuple[int, int]:
    """First and number of rows (or columns) around the stations' cells."""
    if len(index) == 0:
        return 0, 1
    first, last = max(0, int(index.min()) - _MARGIN), min(size, int(index.max()) + _MARGIN + 1)
    return first, last - first
