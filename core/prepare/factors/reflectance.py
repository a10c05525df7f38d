"""Reflectances: whether they are shares from 0 to 1, and what is no reflectance."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...raster.blocks import Array, Reader
from ...raster.grid import Grid
from ...report import plural
from .checks import sample_values
from .common import OnGrid, Source

LOWEST, HIGHEST = -0.2, 1.6  # of Landsat Collection 2 and MODIS
_MANY = 0.5


class Reflectances:
    """Readers of reflectances on `grid`; each layer's bands are looked at once, whether `scale` fits them."""

    def __init__(self, grid: Grid, scale: float) -> None:
        self._grid, self._scale = grid, scale
        self._seen: set[tuple[int, str]] = set()
        self._checks: list[tuple[str, _Reflectance]] = []

    def reader(self, source: Source, role: str) -> Reader:
        """Raises InputError where the scale does not fit."""
        layer = id(source.stack), source.name
        if layer not in self._seen:
            check_scale(source, self._scale)
            self._seen.add(layer)
        check = _Reflectance(source, self._scale)
        self._checks.append((role, check))
        return OnGrid(source, self._grid, check)

    def notes(self) -> list[str]:
        """What was refused, once all is read."""
        refused: dict[str, int] = {}
        for role, check in self._checks:
            refused[role] = refused.get(role, 0) + check.refused
        return [
            f"Left out as no reflectance (beyond {LOWEST:g} to {HIGHEST:g}): {plural(count, 'value')} of {role}."
            for role, count in refused.items()
            if count
        ]


def check_scale(source: Source, scale: float) -> None:
    """Raise InputError where a band, times `scale`, is no reflectance from 0 to 1, with the scale it seems to need."""
    values = sample_values(source)
    if not values.size:
        return
    high = float(np.percentile(values, 99)) * scale
    if high > HIGHEST:
        stored = f", times {scale:g}," if scale != 1 else ""
        raise InputError(
            f"Reflectances go from 0 to 1, but the 99th percentile of {source.where}{stored} is {high:.5g}: "
            f"{_proposal(values * scale, scale)}."
        )
    if scale < 1 and float(np.abs(values).max()) * scale < 0.005:
        raise InputError(
            f"The scale {scale:g} makes all of {source.where} smaller than 0.005: its values are reflectances already, "
            "set the scale to 1."
        )


class _Reflectance:
    """The `check` of a reader of reflectances: scales them and leaves out what lies beyond -0.2 ... 1.6.

    `refused` counts those pixels. Raises InputError where they are most of a strip.
    """

    def __init__(self, source: Source, scale: float) -> None:
        self._source, self._scale = source, scale
        self.refused = 0

    def __call__(self, values: Array) -> Array:
        values = values if self._scale == 1 else values * self._scale
        with np.errstate(invalid="ignore"):
            beyond = (values < LOWEST) | (values > HIGHEST)
        count = int(beyond.sum())
        if not count:
            return values
        known = int(np.isfinite(values).sum())
        if count > _MANY * known and known > 100:
            raise InputError(
                f"Most values of {self._source.where} lie beyond {LOWEST:g} to {HIGHEST:g} and are no reflectances "
                "from 0 to 1: check its scale, also against the other layers of the series."
            )
        self.refused += count
        return np.where(beyond, np.nan, values)


def _proposal(values: Array, scale: float) -> str:
    low, high = (float(v) for v in np.percentile(values, (1, 99)))
    if low > 5000 and high > 7500:
        return "stored integers of Landsat Collection 2 need 'Import product files' (scale 0.0000275, offset -0.2)"
    if high > 200:
        return f"set the scale to {scale * 0.0001:g} (stored integers from 0 to 10000), or use 'Import product files'"
    return f"set the scale to {scale * 0.01:g} (percent)"
