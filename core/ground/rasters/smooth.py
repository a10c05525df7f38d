"""The smooth conserving interpolation of a coarse source on a finer grid: what downscaling has to improve on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...progress import Progress
from ...raster.conserve import Conservation
from ...raster.grid import Grid
from ...raster.interpolation import between
from ...raster.support import Support
from ...raster.tiles import strips
from ..metrics import Floats
from .area_mean import project_axes

_CUT = 8  # points per cell and axis that stand for its mean


class SmoothBaseline:
    """Coarse fields (periods, rows, cols) interpolated so that each cell keeps its mean; read at any window."""

    def __init__(self, fields: Sequence[Floats], coarse: Grid, progress: Progress) -> None:
        self._coarse = coarse
        self._valid = [np.isfinite(values) for values in fields]
        support = Support(coarse.subdivide(_CUT), coarse)
        systems: dict[bytes, Conservation] = {}
        self._nodes: list[Floats] = []
        for number, (values, valid) in enumerate(zip(fields, self._valid)):
            progress.check()
            progress.set(number / len(fields), "Interpolating the coarse source")
            if not valid.any():
                self._nodes.append(np.zeros(coarse.shape))
                continue
            key = valid.tobytes()
            if key not in systems:
                systems.clear()  # one at a time: masks that return are rare where they change
                systems[key] = system = Conservation(support, valid)
                for row0, rows in strips(*support.fine.shape, multiple=_CUT):
                    system.add(np.ones((rows, support.fine.cols)), row0)
            self._nodes.append(systems[key].solve(values, valid)[0])

    def at(self, cells: Grid, periods: Sequence[int]) -> Floats:
        """(periods, rows, cols) at the centres of `cells`; NaN in coarse cells without a value."""
        x, y = project_axes(cells.x_centres(), cells.y_centres(), cells, self._coarse)
        result = np.full((len(periods), *cells.shape), np.nan)
        row, col = self._coarse.cell_of(np.nan_to_num(x, nan=np.inf), np.nan_to_num(y, nan=np.inf))
        inside = row >= 0
        if not inside.any():
            return result
        top, bottom, down = between(-y[inside], -self._coarse.y_centres())
        west, east, right = between(x[inside], self._coarse.x_centres())
        for k, period in enumerate(periods):
            nodes, valid = self._nodes[period], self._valid[period]
            total, weight = (
                (1 - down) * ((1 - right) * each[top, west] + right * each[top, east])
                + down * ((1 - right) * each[bottom, west] + right * each[bottom, east])
                for each in (np.where(valid, nodes, 0.0), valid.astype(np.float64))
            )
            values = np.full(total.shape, np.nan)
            np.divide(total, weight, out=values, where=(weight > 1e-9) & valid[row[inside], col[inside]])
            result[k][inside] = values
        return result
