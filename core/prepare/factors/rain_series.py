"""Layers of rain as one series in mm: their unit, their days, their gaps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...raster.blocks import Array
from ...raster.periods import Period
from .checks import sample_values
from .common import Source, by_period, listed

AUTO, MM = "auto", "mm"
# From one value to mm of its period.
_TO_MM: dict[str, Callable[[Period], float]] = {
    MM: lambda period: 1.0,
    "mm/day": lambda period: float(period.days),
    "mm/h": lambda period: 24.0 * period.days,
    "m": lambda period: 1000.0,
    "kg m-2 s-1": lambda period: 86400.0 * period.days,
}
UNITS = (AUTO, *_TO_MM)
_DECLARED = {
    MM: ("mm", "millimetre", "millimeter", "millimetres", "kg/m2", "kg/m^2", "kg m-2", "kg m**-2"),
    "mm/day": (
        *("mm/day", "mm/d", "mm d-1", "mm day-1", "kg/m2/day", "kg/m^2/day"),
        *("kg m-2 day-1", "kg m-2 d-1", "kg m**-2 day**-1"),
    ),
    "mm/h": ("mm/h", "mm/hr", "mm h-1", "mm hr-1"),
    "m": ("m", "metre", "meter", "m of water equivalent"),
    "kg m-2 s-1": ("kg m-2 s-1", "kg/m2/s", "kg m**-2 s**-1", "mm/s", "mm s-1"),
}
_NAMES = ("precipitation", "rain", "rainfall", "precip", "tp", "pr", "prcp", "total_precipitation", "rainf")
_MOST = 2000.0  # mm on a day; the record is about 1800
_FILL = -50.0  # mm; what lies below is a fill value rather than an error of packing
_ROUNDING = 0.1  # mm below 0 that count as 0
_SAMPLED = 12


@dataclass(frozen=True)
class RainSeries:
    """Bands of rain by period, in order of time."""

    sources: dict[Period, Source]
    unit: str

    @property
    def periods(self) -> list[Period]:
        return list(self.sources)

    @property
    def daily(self) -> bool:
        return all(period.days == 1 for period in self.sources)

    @property
    def span(self) -> Period:
        return Period(self.periods[0].first, self.periods[-1].last)

    def day_numbers(self) -> dict[int, Source]:
        """The bands of a daily series by days since its first."""
        first = self.periods[0].first
        return {(period.first - first).days: source for period, source in self.sources.items()}

    def day(self, number: int) -> Period:
        """The day of that number."""
        first = self.periods[0].first + dt.timedelta(days=number)
        return Period(first, first + dt.timedelta(days=1))


class Millimetres:
    """Brings the values of one band to mm and looks at them.

    known: valid values read, some perhaps more than once; negative: those of them below 0, which become nodata.
    """

    def __init__(self, source: Source, period: Period, unit: str) -> None:
        self._source, self._days = source, float(period.days)
        self._factor = _TO_MM[unit](period)
        self.known = self.negative = 0

    def __call__(self, values: Array) -> Array:
        """Raises InputError for fill values and amounts that never fell."""
        values = values * self._factor
        known = int(np.isfinite(values).sum())
        if not known:
            return values
        self.known += known
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if low < _FILL:
            raise InputError(
                f"The rain in {self._source.where} goes down to {low / self._factor:g}: set that value as nodata in "
                "its layer (GDAL 'Translate', or gdal_edit -a_nodata) and run again."
            )
        if high > _MOST * max(1.0, self._days):
            raise InputError(
                f"The rain in {self._source.where} reaches {high:,.0f} mm, more than ever fell in {self._days:g} "
                "day(s): check its unit and nodata value."
            )
        if low < 0:
            wrong = values < -_ROUNDING
            self.negative += int(wrong.sum())
            values = np.where(wrong, np.nan, np.maximum(values, 0.0))
        return values


def rain_series(sources: Sequence[Source], name: str, unit: str) -> RainSeries:
    """The series of the band called `name`, or of the one that is rain.

    Raises InputError where none or several could be meant, for undated, doubled and overlapping periods, parts of a
    day, and units that are not those asked for (`auto`: mm per period or per day, as declared).
    """
    if unit not in UNITS:
        raise InputError(f"The unit of rain is one of {', '.join(UNITS)}, not {unit!r}.")
    chosen = _chosen(sources, name)
    dated = by_period(chosen, f"Rain ({chosen[0].name})")
    undated = dated.pop(None, None)
    if undated is not None:
        raise InputError(
            f"The rain in {undated.where} has no date: put it in the name, such as 2021-08-03 or 20210803."
        )
    known = {period: source for period, source in dated.items() if period is not None}
    periods = sorted(known)
    for before, after in zip(periods[:-1], periods[1:]):
        if after.first < before.last:
            raise InputError(
                f"The rain of {known[before].where} and {known[after].where} overlaps in time: give one product, "
                "one length of period."
            )
    if any(period.days < 1 for period in periods):
        raise InputError(
            f"The rain comes in parts of a day ({periods[0].label} is the first): make daily sums first with "
            "'Composite periods' (day, sum)."
        )
    if any((one.first - periods[0].first) % dt.timedelta(days=1) for one in periods):
        raise InputError(
            f"The days of the rain do not all begin at the same time of day ({periods[0].label}, then others): bring "
            "them to one clock with 'Composite periods'."
        )
    found = _unit(known, unit)
    return RainSeries({period: known[period] for period in periods}, found)


def gaps_of(series: RainSeries) -> list[Period]:
    """The spans between the first and the last period that no band covers."""
    periods = series.periods
    return [
        Period(before.last, after.first)
        for before, after in zip(periods[:-1], periods[1:])
        if before.last < after.first
    ]


def _chosen(sources: Sequence[Source], name: str) -> list[Source]:
    names = list(dict.fromkeys(source.name for source in sources))
    if not names:
        raise InputError("Give layers of rain, one band per day or period.")
    if name:
        own = [source for source in sources if source.name.lower() == name.lower()]
        if not own:
            raise InputError(f"No band is called {name!r}: the layers hold {listed(names, 14)}.")
        return own
    if len(names) == 1:
        return list(sources)
    rain = [one for one in names if one.lower() in _NAMES]
    if len(rain) != 1:
        raise InputError(
            f"Which of the bands is rain is not plain from their names ({listed(names, 14)}): name it in the dialog."
        )
    return [source for source in sources if source.name == rain[0]]


def _unit(known: dict[Period, Source], asked: str) -> str:
    units = list(dict.fromkeys(source.unit.strip() for source in known.values()))
    if len(units) > 1:
        named = " and ".join(repr(one or "no unit") for one in units[:2])
        raise InputError(f"The rain comes in {named}: bring the layers to one unit.")
    declared = units[0]
    told = next((unit for unit, spellings in _DECLARED.items() if declared.lower() in spellings), "")
    if asked != AUTO:
        if told and told != asked:
            raise InputError(f"The rain is declared in {declared}, but {asked} was chosen: correct one of them.")
        return asked
    if told in (MM, "mm/day"):
        return told
    first = next(iter(known.values()))
    if declared:
        what = f"choose {told!r} as its unit" if told else f"choose its unit ({', '.join(_TO_MM)})"
        raise InputError(
            f"The rain in {first.where} is declared in {declared!r}, not in mm: {what}, or use 'Import product files'."
        )
    spread = np.linspace(0, len(known) - 1, min(len(known), _SAMPLED)).astype(int)
    periods = list(known)
    samples = [sample_values(known[periods[one]]) for one in spread]
    highest = max((float(one.max()) for one in samples if one.size), default=0.0)
    if 0 < highest < 0.5 and len(known) >= 10:
        raise InputError(
            f"The rain in {first.where} and later never exceeds {highest:.2g} and declares no unit: choose mm if it is "
            "that dry, m (ERA5) or kg m-2 s-1 (GLDAS)."
        )
    return MM
