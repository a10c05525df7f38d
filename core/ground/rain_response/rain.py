"""Rain as amounts per step, in mm, and the antecedent precipitation index."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..metrics import Floats
from ..rasters.source import RasterSource

AUTO = "auto"
# From one value to mm per day, of a period of so many days.
_PER_DAY = {
    "mm": lambda days: 1.0 / days,
    "mm/day": lambda days: 1.0,
    "mm/month": lambda days: 1.0 / days if 27 < days < 32 else 12 / 365.25,
    "mm/h": lambda days: 24.0,
    "m": lambda days: 1000.0 / days,
    "kg m-2 s-1": lambda days: 86400.0,
}
UNITS = (AUTO, *_PER_DAY)
_DECLARED = {
    "mm": ("mm", "millimetre", "millimeter", "millimetres", "kg/m2", "kg/m^2", "kg m-2", "kg m**-2"),
    "mm/day": ("mm/day", "mm/d", "mm d-1", "mm day-1", "kg/m2/day", "kg m-2 day-1", "kg m-2 d-1"),
    "mm/month": ("mm/month", "mm/mon", "mm month-1", "mm mon-1"),
    "mm/h": ("mm/h", "mm/hr", "mm h-1", "mm hr-1"),
    "m": ("m", "metre", "meter", "m of water equivalent"),
    "kg m-2 s-1": ("kg m-2 s-1", "kg/m2/s", "kg m**-2 s**-1", "mm/s", "mm s-1"),
}
NAMES = ("precipitation", "rain", "rainfall", "precip", "tp", "pr", "prcp", "total_precipitation", "rainf")
_MOST_A_DAY, _FILL = 2000.0, -50.0


def rain_unit(source: RasterSource, wanted: str) -> str:
    """The unit to take the rain in. Raises InputError for one that is not known; notes a missing one as mm."""
    if wanted != AUTO:
        return wanted
    declared = source.unit.strip().lower()
    if not declared:
        source.notes[f"{source.name} declares no unit: its values are taken as mm of their period."] = None
        return "mm"
    found = next((unit for unit, names in _DECLARED.items() if declared in names), None)
    if found is None:
        raise InputError(
            f"{source.name} is in {source.unit!r}, which is no unit of rain known here: choose its unit among "
            f"{', '.join(_PER_DAY)}."
        )
    return found


def rain_rates(source: RasterSource, values: Floats, unit: str) -> Floats:
    """mm per day of layers (layers, places). Raises InputError for values that cannot be rain."""
    days = np.array([period.days for period in source.dated], dtype=np.float64)
    rates = values * np.array([_PER_DAY[unit](d) for d in days])[:, None]
    with np.errstate(invalid="ignore"):
        if (rates * days[:, None] < _FILL).any():
            raise InputError(
                f"{source.name} holds values below {_FILL:g} mm: declare its fill value as nodata and run again."
            )
        if (rates * np.minimum(days, 1.0)[:, None] > _MOST_A_DAY).any():
            largest = float(np.nanmax(rates))
            raise InputError(
                f"{source.name} reaches {largest:,.0f} mm a day, more than it ever rained: check the unit of the rain."
            )
    return np.maximum(rates, 0.0)


def antecedent(rain: Floats, decay: float, steps: int = 30, min_known: float = 0.9) -> Floats:
    """API (steps, places) of daily rain: the sum of decay^i P(t-i), i = 0 to `steps`, in mm.

    NaN until the window is full and where less than `min_known` of its weight is known; the unknown rest counts as the
    mean of the known (Kohler and Linsley 1951).
    """
    weight = decay ** np.arange(steps + 1)
    known = np.isfinite(rain)
    filled = np.where(known, rain, 0.0)
    total, seen = np.zeros(rain.shape), np.zeros(rain.shape)
    for i, w in enumerate(weight):
        if i >= len(rain):
            break
        total[i:] += w * filled[: len(rain) - i]
        seen[i:] += w * known[: len(rain) - i]
    share = seen / weight.sum()
    result = np.full(rain.shape, np.nan)
    np.divide(total, share, out=result, where=share >= min_known)
    result[:steps] = np.nan
    return result
