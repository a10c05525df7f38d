"""Whether the values of a band are what its name says: samples of them, and their unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import InputError
from ...raster.blocks import Array
from ...raster.grid import Grid
from ...raster.tiles import strips
from .common import Source, refuse_fill

_SAMPLE = 1000  # values from which a scale can be told


def sample_values(source: Source, enough: int = _SAMPLE) -> Array:
    """Some valid values of a band (n,), from its middle outwards; all there are where it holds fewer than `enough`."""
    found: list[Array] = []
    for row0, rows in _from_the_middle(source.stack.grid):
        values = source.stack.read(source.index, row0, rows)
        refuse_fill(source, values)
        found.append(values[np.isfinite(values)])
        if sum(len(one) for one in found) >= enough:
            break
    return np.concatenate(found) if found else np.zeros(0)


def temperature_unit(source: Source) -> str:
    """`K` or `degC`, as the band declares or its values show; empty for a band without values.

    Raises InputError for stored integers (MODIS: 0.02 K) and for what is no temperature.
    """
    # 0 is the usual fill of stored temperatures.
    values = sample_values(source)
    values = values[(values > -200) & (values != 0)]
    if not values.size:
        return ""
    middle = float(np.median(values))
    declared = source.unit.strip().lower().replace("°", "deg").replace(" ", "")
    told = {"k": "K", "kelvin": "K", "degc": "degC", "c": "degC", "celsius": "degC", "degcelsius": "degC"}.get(declared)
    seen = "K" if 170 < middle < 360 else "degC" if -90 < middle < 90 else ""
    if not seen:
        hint = " (it looks like the stored integers of MODIS: the scale is 0.02)" if 7500 < middle < 18000 else ""
        raise InputError(
            f"The temperature in {source.where} has a median of {middle:.4g}, neither K nor degrees C{hint}: import "
            "the product with 'Import product files', or set its scale and offset."
        )
    if told and told != seen:
        raise InputError(
            f"The temperature in {source.where} is declared in {source.unit}, but its median of {middle:.4g} is in "
            f"{'K' if seen == 'K' else 'degrees C'}: correct the unit."
        )
    return seen


def _from_the_middle(grid: Grid) -> Iterator[tuple[int, int]]:
    parts = list(strips(grid.rows, grid.cols, pixels=2**17))
    return iter(sorted(parts, key=lambda part: abs(part[0] + part[1] / 2 - grid.rows / 2)))
