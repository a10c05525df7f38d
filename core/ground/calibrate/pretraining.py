"""What the network learns from before it sees a station: pixels of the product, or of another gridded product."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.periods import Period
from ...raster.stack import Stack
from ..layers import Layer, as_moisture, find_products
from ..metrics import Floats
from ..observations import project
from .convolution import HALO, SIDE, windows_of
from .inputs import Inputs
from .network_training import Pretraining
from .rows import season_of

_PATCHES, _WINDOWS, _SIDE = 4096, 48, 64
_FEWEST = 64


def pretraining_data(
    inputs: Inputs, gridded: Iterable[str | Path] = (), seed: int = 0, progress: Progress | None = None
) -> Pretraining:
    """Up to 4096 pixels from 48 windows of 64 x 64, places and dates drawn at random.

    With `gridded` layers the target is what they say, interpolated, minus the product, on the dates that both have.
    Raises InputError where too few pixels have values.
    """
    progress = progress or Progress()
    random = np.random.default_rng(seed)
    targets = _Gridded(inputs, gridded) if gridded else None
    dates = [i for i, one in enumerate(inputs.readings) if targets is None or targets.has(one.period)]
    if not dates:
        raise InputError("The gridded product has none of the dates of the product: choose another, or none.")
    rows, cols = (min(_SIDE, length) for length in inputs.grid.shape)
    patches, seasons, windows, wanted = [], [], [], []
    for number in range(_WINDOWS):
        progress.check()
        progress.set(number / _WINDOWS, "Reading pixels of the gridded product")
        reading = inputs.readings[int(random.choice(dates))]
        row0 = int(random.integers(0, inputs.grid.rows - rows + 1))
        col0 = int(random.integers(0, inputs.grid.cols - cols + 1))
        values = inputs.values(reading, row0 - HALO, rows + 2 * HALO, col0 - HALO, cols + 2 * HALO)
        around = windows_of(values, SIDE, (0, 1))
        # More than half of the product around a pixel must be there for its surroundings to say anything.
        known = np.isfinite(values[HALO:-HALO, HALO:-HALO, 0])
        known &= np.isfinite(around[:, :, 0]).mean(axis=(-2, -1)) > 0.5
        target = None
        if targets is not None:
            target = targets.read(reading.period, row0, rows, col0, cols) - values[HALO:-HALO, HALO:-HALO, 0]
            known &= np.isfinite(target)
        i, j = np.nonzero(known)
        chosen = random.permutation(len(i))[: -(-_PATCHES // _WINDOWS)]
        i, j = i[chosen], j[chosen]
        patches.append(around[i, j].transpose(0, 2, 3, 1).astype(np.float32))
        seasons.append(np.tile(np.array(season_of(reading.period), float), (len(i), 1)))
        # Windows overlap: pixels near each other must not be on both sides of a hold-out.
        windows.append((row0 + i) // _SIDE * 10_000 + (col0 + j) // _SIDE)
        if target is not None:
            wanted.append(target[i, j])
    block = np.concatenate(windows)
    if len(block) < _FEWEST:
        raise InputError(
            f"Only {len(block)} pixels have enough of their surroundings to train a network on: choose a method that "
            "needs no network."
        )
    return Pretraining(
        np.concatenate(patches).astype(float),
        np.concatenate(seasons),
        _spread_out(block, np.concatenate(patches)),
        np.concatenate(wanted) if wanted else None,
    )


def _spread_out(block: NDArray[np.intp], patches: NDArray[np.float32]) -> NDArray[np.intp]:
    """The blocks, or single patches where a small map has fewer than five."""
    return block if len(np.unique(block)) >= 5 else np.arange(len(patches)) // max(1, len(patches) // 10)


class _Gridded:
    """Another product of soil moisture, interpolated to pixels of the first."""

    def __init__(self, inputs: Inputs, paths: Iterable[str | Path]) -> None:
        found = find_products(paths)
        if len(found) != 1:
            raise InputError("Give the layers of one gridded product to learn from.")
        self._inputs, self.name = inputs, found[0].name
        self._layers = {layer.period: layer for layer in found[0].layers}

    def has(self, period: Period | None) -> bool:
        return self._layer(period) is not None

    def read(self, period: Period | None, row0: int, rows: int, col0: int, cols: int) -> Floats:
        from scipy.ndimage import map_coordinates

        layer, grid = self._layer(period), self._inputs.grid
        assert layer is not None
        x, y = np.meshgrid(grid.x_centres()[col0 : col0 + cols], grid.y_centres()[row0 : row0 + rows])
        x, y = project(x.ravel(), y.ravel(), grid.crs_wkt, layer.grid)
        col = (x - layer.grid.transform[0]) / layer.grid.cell_width - 0.5
        row = (layer.grid.transform[3] - y) / layer.grid.cell_height - 0.5
        inside = (row > -0.5) & (row < layer.grid.rows - 0.5) & (col > -0.5) & (col < layer.grid.cols - 0.5)
        result = np.full(rows * cols, np.nan)
        if inside.any():
            first = [max(0, int(np.floor(one[inside].min())) - 1) for one in (row, col)]
            last = [
                min(length, int(np.ceil(one[inside].max())) + 2) for one, length in zip((row, col), layer.grid.shape)
            ]
            with Stack.open(layer.path) as stack:
                values = stack.read(layer.index, first[0], last[0] - first[0], first[1], last[1] - first[1])
            values, _ = as_moisture(values, layer.unit, self.name)
            at = np.stack([row[inside] - first[0], col[inside] - first[1]])
            result[inside] = map_coordinates(values, at, order=1, mode="nearest")
        return result.reshape(rows, cols)

    def _layer(self, period: Period | None) -> Layer | None:
        return self._layers.get(period) or self._layers.get(None)
