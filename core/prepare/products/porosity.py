"""Percent of saturation becomes m3/m3 with the porosity of the soil."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...raster.grid import Grid
from ...raster.stack import Stack
from ..resampling import Resampler

Array = NDArray[np.float32]


class Porosity:
    """One number for all soils, or a raster in m3/m3 brought to the grid of the product.

    covers: whether it had a value at any pixel so far that the product has.
    """

    def __init__(self, source: float | str, grid: Grid) -> None:
        self._number = source if isinstance(source, float) else None
        self._reader: Resampler | None = None
        self.covers = self._number is not None
        if isinstance(source, str):
            self._reader = Resampler(Stack.open(source), 1, grid)
            self._name = source

    def volumetric(self, saturation: Array, row0: int, col0: int) -> Array:
        """Percent of saturation (rows x cols from `row0`, `col0` of the grid) as m3/m3.

        Raises InputError where the raster holds no porosity.
        """
        if self._reader is None:
            return saturation * np.float32(self._number / 100)  # type: ignore[operator]
        rows, cols = saturation.shape
        porosity = self._reader.read(row0, rows)[:, col0 : col0 + cols]
        known = porosity[np.isfinite(porosity) & np.isfinite(saturation)]
        if known.size and (known.min() < 0 or known.max() > 1):
            raise InputError(
                f"The porosity map {Path(self._name).name} goes from {known.min():g} to {known.max():g}, but porosity "
                "lies between 0 and 1 m3/m3: divide percent by 100, and declare its nodata value."
            )
        self.covers = self.covers or known.size > 0
        return (saturation * porosity / 100).astype(np.float32)
