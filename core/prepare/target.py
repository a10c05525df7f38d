"""The target: coarse soil moisture on its own grid, checked for units, nodata and dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import Stack, opened
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

    def window(self, row0: int, col0: int, rows: int, cols: int) -> Target:
        return replace(
            self,
            grid=self.grid.window(row0, col0, rows, cols),
            values=self.values[:, row0 : row0 + rows, col0 : col0 + cols],
        )


def read_target(layers: Sequence[str], band_name: str, unit: str, factor: float, notes: list[str]) -> Target:
    """Read the target's bands from dated layers on one grid.

    band_name picks the variable where layers hold several. Values are multiplied by `factor`. Raises InputError for mixed grids, several
    variables without a choice, two values for one date, undeclared nodata, and values that cannot be volumetric soil moisture.
    """
    with opened(layers) as stacks:
        grid = stacks[0].grid
        found: dict[Period | None, tuple[Stack, int]] = {}
        names = []
        for stack in stacks:
            if not stack.grid.same_as(grid):
                raise InputError(
                    f"The target layers {stacks[0].name} and {stack.name} lie on different grids: the target is never resampled, so "
                    "all its layers must share one grid."
                )
            for index in _bands(stack, band_name):
                band = stack.bands[index - 1]
                if band.period in found:
                    other = found[band.period][0]
                    when = f"for {band.period.label}" if band.period else "without a date"
                    raise InputError(
                        f"There are two target bands {when} (in {other.name} and {stack.name}): give one layer per period, or "
                        "composite them first."
                    )
                found[band.period] = (stack, index)
                names.append(band.name)
        if None in found and len(found) > 1:
            raise InputError(
                f"Some target layers carry a date and others do not ({found[None][0].name}): date them all in their names "
                "(such as 2021-08) or metadata."
            )
        dated = sorted(period for period in found if period is not None)
        periods: list[Period | None] = list(dated) or [None]
        values = np.stack([found[period][0].read(found[period][1]) for period in periods])
        nodata = [found[period][0].nodata(found[period][1]) for period in periods]
        declared = next((s.bands[i - 1].unit for s, i in found.values() if s.bands[i - 1].unit), "")
    name = band_name or names[0]
    if len(set(names)) > 1 and not band_name:
        name = "soil_moisture"
        notes.append(f"The target layers carry different names; the target is called {name!r}.")
    _check_values(values, nodata, unit, factor, declared, name)
    values = values * factor if factor != 1.0 else values
    if unit == _WATER_PER_SOIL:
        _check_soil_moisture(values, name)
    return Target(name, unit, grid, periods, values)


def _bands(stack: Stack, band_name: str) -> list[int]:
    if band_name:
        chosen = [i + 1 for i, band in enumerate(stack.bands) if band.name == band_name]
        if not chosen:
            raise InputError(
                f"Target layer {stack.name} has no band {band_name!r}; it has {', '.join(dict.fromkeys(b.name for b in stack.bands))}."
            )
        return chosen
    names = list(dict.fromkeys(band.name for band in stack.bands if band.role != "share"))
    by_role = stack.target_name
    if by_role is None and len(names) > 1 and "soil_moisture" in names:
        by_role = "soil_moisture"
    if by_role is None and len(names) > 1 and len({band.period for band in stack.bands}) < len(stack.bands):
        raise InputError(
            f"Target layer {stack.name} holds several variables ({', '.join(names[:8])}): name the one to downscale."
        )
    return [i + 1 for i, band in enumerate(stack.bands) if by_role is None or band.name == by_role]


def _check_values(
    values: Array, nodata: Sequence[float | None], unit: str, factor: float, declared: str, name: str
) -> None:
    valid = values[np.isfinite(values)]
    if not len(valid):
        raise InputError(f"The target {name!r} has no valid value.")
    low = float(valid.min())
    if any(value is None for value in nodata) and (low <= -999 or low in (-99.0,)):
        raise InputError(
            f"The target {name!r} holds the value {low:g} but declares no nodata value: set {low:g} as nodata in its layer "
            "(GDAL 'Translate', or gdal_edit -a_nodata) and run again."
        )
    if (
        unit == _WATER_PER_SOIL
        and factor == 1.0
        and declared.strip().lower() in ("%", "percent", "% saturation", "m3/m3*100", "vol%", "vol.%")
    ):
        raise InputError(
            f"The target {name!r} declares the unit {declared!r}: choose percent as the target's unit so that it is divided by 100."
        )


def _check_soil_moisture(values: Array, name: str) -> None:
    valid = values[np.isfinite(values)]
    low, high, most = float(valid.min()), float(valid.max()), float(np.quantile(valid, 0.99))
    if low < -0.05:
        raise InputError(
            f"The target {name!r} goes down to {low:g}, which is no soil moisture: check its nodata value and unit."
        )
    if high > 1.5:
        proposal = (
            "percent (divided by 100)"
            if high <= 105
            else "one part in 1000 or 10 000"
            if high <= 12000
            else "another scale"
        )
        raise InputError(
            f"The target {name!r} goes up to {high:g}, but m3/m3 ends below 1: it looks like {proposal}; choose that as the target's unit."
        )
    if most > 0.8:
        raise InputError(
            f"The target {name!r} reaches {most:.2f}, more than soil can hold in m3/m3: it looks like relative saturation (0 to 1); "
            "multiply it by porosity first, or choose 'other' as the target's unit to downscale it as it is."
        )
