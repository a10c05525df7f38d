"""Surface temperatures: one unit, K, and values of the earth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...errors import InputError
from ...raster.blocks import Array
from ...raster.grid import Grid
from .checks import temperature_unit
from .common import OnGrid, Source

_COLDEST, _HOTTEST = 180.0, 400.0  # K
_ZERO = 273.15  # degrees C in K


class Temperatures:
    """Readers of temperatures in K on `grid`; what lies far outside those of the earth (0 K fills) is left out.

    Raises InputError where the sources come partly in K and partly in degrees C, or in neither.
    """

    def __init__(self, sources: Iterable[Source], grid: Grid) -> None:
        self._grid = grid
        self._units: dict[tuple[int, str], str] = {}
        seen: dict[str, Source] = {}
        for source in sources:
            layer = id(source.stack), source.name
            # A band without values tells nothing: the next of its layer may.
            if not self._units.get(layer):
                self._units[layer] = temperature_unit(source)
                if self._units[layer]:
                    seen.setdefault(self._units[layer], source)
        if len(seen) > 1:
            raise InputError(
                f"The temperature is in K in {seen['K'].where} but in degrees C in {seen['degC'].where}: bring all "
                "layers to one unit."
            )

    def reader(self, source: Source) -> OnGrid:
        offset = _ZERO if self._units[id(source.stack), source.name] == "degC" else 0.0

        def kelvin(values: Array) -> Array:
            values = values + offset
            with np.errstate(invalid="ignore"):
                return np.where((values > _COLDEST) & (values < _HOTTEST), values, np.nan)

        return OnGrid(source, self._grid, kelvin)
