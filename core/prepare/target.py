"""The target: coarse soil moisture on its own grid, checked for units, nodata and dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..raster.bands import is_percent, is_saturation
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import Stack
from ..raster.support import Array

_WATER_PER_SOIL = "m3/m3"


@dataclass(frozen=True)
class Target:
    """values (periods, rows, cols) in `unit`, NaN where none."""

    name: str
    unit: str
    grid: Grid
    periods: list[Period | None]
    values: Array


@dataclass(frozen=True)
class TargetBands:
    """Where the target's values are: a layer and a band number per period, all on one grid."""

    name: str
    grid: Grid
    bands: dict[Period | None, tuple[Stack, int]]

    @property
    def periods(self) -> list[Period | None]:
        """In order of time; [None] for one undated band."""
        dated = sorted(period for period in self.bands if period is not None)
        return [*dated] or [None]

    def read(self, window: tuple[int, int, int, int], unit: str, factor: float) -> Target:
        """The values in `window` (row, column, rows, columns), multiplied by `factor` to be in `unit`.

        Raises InputError for no valid value, undeclared nodata, and values that cannot be volumetric soil moisture.
        """
        row0, col0, rows, cols = window
        found = [self.bands[period] for period in self.periods]
        values = np.stack([stack.read(index, row0, rows, col0, cols) for stack, index in found])
        if not np.isfinite(values).any():
            raise InputError(
                f"The target {self.name!r} has no valid cell where the factors are: check extents and dates."
            )
        declared = next((stack.bands[i - 1].unit for stack, i in found if stack.bands[i - 1].unit), "")
        undeclared = any(stack.nodata(index) is None for stack, index in found)
        _check_stored(values, undeclared, self.name)
        if unit == _WATER_PER_SOIL and is_saturation(declared):
            raise InputError(
                f"The target {self.name!r} is in {declared}, which is no m3/m3 without the porosity of the soil: give "
                "the porosity to 'Import product files', or choose 'other' as the unit to downscale it as it is."
            )
        if unit == _WATER_PER_SOIL and factor == 1.0 and is_percent(declared):
            raise InputError(
                f"The target {self.name!r} declares the unit {declared!r}: choose percent as the target's unit so that "
                "it is divided by 100."
            )
        values = values * factor
        if unit == _WATER_PER_SOIL:
            _check_soil_moisture(values, self.name)
        return Target(self.name, unit, self.grid.window(row0, col0, rows, cols), self.periods, values)


def find_target(stacks: Sequence[Stack], band_name: str, notes: list[str]) -> TargetBands:
    """The target's bands in dated layers on one grid; band_name picks the variable where layers hold several.

    Raises InputError for mixed grids, several variables without a choice, two values for one date, and dates that only
    some layers carry.
    """
    grid = stacks[0].grid
    found: dict[Period | None, tuple[Stack, int]] = {}
    names = []
    for stack in stacks:
        if not stack.grid.same_as(grid):
            raise InputError(
                f"The target layers {stacks[0].name} and {stack.name} lie on different grids: the target is never "
                "resampled, so all its layers must share one grid."
            )
        for index in _bands(stack, band_name):
            band = stack.bands[index - 1]
            if band.period in found:
                first = found[band.period][0]
                where = f"both in {stack.name}" if first is stack else f"in {first.name} and {stack.name}"
                if band.period is None:
                    raise InputError(
                        f"There are two target bands without a date ({where}): write the date of each in the band's "
                        "description or the layer's name, such as 2021-08."
                    )
                raise InputError(
                    f"There are two target bands for {band.period.label} ({where}): give one layer per period, or "
                    "composite them first."
                )
            found[band.period] = (stack, index)
            names.append(band.name)
    if None in found and len(found) > 1:
        raise InputError(
            f"Some target layers carry a date and others do not ({found[None][0].name}): date them all in their names "
            "(such as 2021-08) or metadata."
        )
    name = band_name or names[0]
    if len(set(names)) > 1 and not band_name:
        name = "soil_moisture"
        notes.append(f"The target layers carry different names; the target is called {name!r}.")
    return TargetBands(name, grid, found)


def _bands(stack: Stack, band_name: str) -> list[int]:
    names = list(dict.fromkeys(band.name for band in stack.bands if band.role != "share"))
    if band_name:
        chosen = [i + 1 for i, band in enumerate(stack.bands) if band.name == band_name]
        if not chosen:
            raise InputError(f"Target layer {stack.name} has no band {band_name!r}; it has {', '.join(names)}.")
        return chosen
    by_role = stack.target_name
    if by_role is None and len(names) > 1 and "soil_moisture" in names:
        by_role = "soil_moisture"
    if by_role is None and len(names) > 1 and len({band.period for band in stack.bands}) < len(stack.bands):
        raise InputError(
            f"Target layer {stack.name} holds several variables ({', '.join(names[:8])}): name the one to downscale, "
            "or, if they are dates of one variable, write its date in the description of each band, such as 2021-08."
        )
    return [i + 1 for i, band in enumerate(stack.bands) if band.name == by_role or (not by_role and band.name in names)]


def _check_stored(values: Array, undeclared: bool, name: str) -> None:
    low = float(np.nanmin(values))
    if undeclared and (low <= -999 or low == -99):
        raise InputError(
            f"The target {name!r} holds the value {low:g} but declares no nodata value: set {low:g} as nodata in its "
            "layer (GDAL 'Translate', or gdal_edit -a_nodata) and run again."
        )


def _check_soil_moisture(values: Array, name: str) -> None:
    valid = values[np.isfinite(values)]
    low, high, most = float(valid.min()), float(valid.max()), float(np.quantile(valid, 0.99))
    if low < -0.05:
        raise InputError(
            f"The target {name!r} goes down to {low:g}, which is no soil moisture: check its nodata value and unit."
        )
    if high > 12000:
        raise InputError(
            f"The target {name!r} goes up to {high:g}, which is no soil moisture: check its nodata value and scale."
        )
    if high > 1.5:
        proposal = "percent (divided by 100)" if high <= 105 else "one part in 1000 or 10 000"
        raise InputError(
            f"The target {name!r} goes up to {high:g}, but m3/m3 ends below 1: it looks like {proposal}; choose that "
            "as the target's unit."
        )
    if most > 0.8:
        raise InputError(
            f"The target {name!r} reaches {most:.2f}, more than soil can hold in m3/m3: it looks like relative "
            "saturation (0 to 1); multiply it by porosity first, or choose 'other' as the target's unit to downscale "
            "it as it is."
        )
