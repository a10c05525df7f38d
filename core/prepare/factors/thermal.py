"""Apparent thermal inertia: ATI = C (1 - albedo) / (T day - T night), in 1/K.

Wet soil heats and cools slowly. Price 1985, doi:10.1016/0034-4257(85)90038-0; solar correction C as in Verstraeten et
al. 2006 (Remote Sensing of Environment 101, 299-314).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.blocks import Array, Job, Reader
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import Band, opened, small_block_cache
from .common import (
    Dated,
    OnGrid,
    check_layers,
    finest_grid,
    label_of,
    listed,
    mean_of,
    provenance,
    regridding_notes,
    sources_of,
)
from .output import FactorBand, Written, write_factors
from .sun import Latitudes, declination, solar_correction
from .temperatures import Temperatures
from .thermal_layers import (
    SKIES,
    WHITE,
    Part,
    dates_of,
    day_temperature,
    match_periods,
    night_temperature,
    platform,
    shortwave_albedo,
    thin_cover,
)

NAME = "ati"
_LEAST_SUN = 1e-6  # of the solar correction, below which the sun does not rise


@dataclass(frozen=True)
class ThermalOptions:
    """solar: multiply by C of latitude and date (else 1). sky: the albedo taken where there are both.

    least_amplitude: pixels whose day is not more than this (K) warmer than their night stay empty.
    """

    solar: bool = True
    sky: str = WHITE
    least_amplitude: float = 1.0

    def check(self) -> None:
        if self.sky not in SKIES:
            raise InputError(f"The albedo is {' or '.join(SKIES)}, not {self.sky!r}.")
        if not 0 < self.least_amplitude < 100:
            raise InputError(f"The smallest amplitude must be above 0 K, not {self.least_amplitude:g} K.")


@dataclass
class Counts:
    """Pixels of a period with all three inputs; of them those where the sun does not rise, and of the rest those left
    out because the amplitude is too small."""

    period: Period | None
    known: int = 0
    flat: int = 0
    dark: int = 0


@dataclass(frozen=True)
class ThermalInertia:
    """What was made. missing: period and what it lacks. albedo: the band taken. platform: Terra, Aqua or empty."""

    written: Written
    missing: list[tuple[Period | None, list[str]]]
    counts: list[Counts]
    matched: list[tuple[Period | None, str, str]]
    albedo: str
    platform: str
    options: ThermalOptions
    formula: str
    notes: list[str]

    @property
    def missing_lines(self) -> list[str]:
        return [f"ati {label_of(period)}: no {' and no '.join(lacking)}." for period, lacking in self.missing]


def make_thermal_inertia(
    day_layers: Sequence[str],
    path: str | Path,
    night_layers: Sequence[str] = (),
    albedo_layers: Sequence[str] = (),
    options: ThermalOptions | None = None,
    progress: Progress | None = None,
) -> ThermalInertia:
    """Write a stack with ATI for every period of the day temperature, on its grid.

    Night temperature and albedo are looked for in `day_layers` where none are given; they are taken by their days of
    overlap. Raises InputError for units, platforms, scales, dates and grids that do not fit.
    """
    options, progress = options or ThermalOptions(), progress or Progress()
    options.check()
    check_layers([*day_layers, *night_layers, *albedo_layers], path)
    with ExitStack() as stack, small_block_cache():
        notes: list[str] = []
        first = sources_of(stack.enter_context(opened(day_layers)))
        nights = sources_of(stack.enter_context(opened(night_layers)))
        albedos = sources_of(stack.enter_context(opened(albedo_layers)))
        day = day_temperature(first)
        night = night_temperature(nights, first)
        albedo = shortwave_albedo(albedos, first, options.sky, notes)
        grid = finest_grid(list(day.values()))
        temperatures = Temperatures([*day.values(), *night.values()], grid)
        parts, missing = match_periods(day, night, albedo)
        if not parts:
            period, lacking = missing[0]
            raise InputError(
                f"No period has day and night temperature and albedo: {label_of(period)} lacks "
                f"{' and '.join(lacking)}; check the dates of the layers."
            )
        if options.solar and any(one.period is None for one in parts):
            raise InputError(
                "The solar correction needs the date of the layers, and they have none: put it in their names (such as "
                "2021-08-05), or turn the correction off."
            )
        formula = _formula(albedo, options)
        latitudes = Latitudes(grid) if options.solar else None
        counts = [Counts(one.period) for one in parts]
        outputs = [_output(one, formula) for one in parts]
        jobs = [
            _job(number, one, grid, temperatures, latitudes, options, counted)
            for number, (one, counted) in enumerate(zip(parts, counts), 1)
        ]
        used = [source for one in parts for source in one.sources]
        notes += regridding_notes(dict.fromkeys(used), grid)
        notes += thin_cover(parts)
        written = write_factors(path, grid, outputs, jobs, progress, lambda: _why_empty(counts, options))
        polar = polar_night(counts)
        notes += [polar] if polar else []
    return ThermalInertia(
        written=written,
        missing=missing,
        counts=counts,
        matched=[(one.period, dates_of(one.night), dates_of(one.albedo)) for one in parts],
        albedo=listed(list(dict.fromkeys(source.name for source in albedo.values()))),
        platform=", ".join(dict.fromkeys(name for one in parts if (name := platform(one.day)))),
        options=options,
        formula=formula,
        notes=notes,
    )


def polar_night(counts: Sequence[Counts]) -> str:
    """Where the sun does not rise, for the log and the page; empty where it does everywhere."""
    dark = [one for one in counts if one.dark]
    if not dark:
        return ""
    share = 100 * sum(one.dark for one in dark) / sum(one.known for one in dark)
    return (
        f"The sun never rises (polar night) at {share:.3g} % of the pixels with all inputs in "
        f"{listed([label_of(one.period) for one in dark], 4)}: thermal inertia needs daylight, so they stay empty."
    )


def thermal_inertia(
    day: Array, night: Array, albedo: Array, correction: Array | float = 1.0, least_amplitude: float = 1.0
) -> Array:
    """ATI in 1/K from temperatures (K or degrees C alike) and albedo (0 to 1), any equal shapes.

    NaN where the amplitude is not above `least_amplitude`, and where the correction is 0 (polar night).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        usable = (day - night > least_amplitude) & (np.asarray(correction) > _LEAST_SUN)
        return np.where(usable, correction * (1.0 - albedo) / (day - night), np.nan)


def _why_empty(counts: Sequence[Counts], options: ThermalOptions) -> str:
    known, dark = sum(one.known for one in counts), sum(one.dark for one in counts)
    if not known:
        return (
            "No pixel has day and night temperature and albedo in any period: check their nodata values, and that the "
            "layers see the same places."
        )
    if not dark:
        return (
            f"No pixel has an amplitude of more than {options.least_amplitude:g} K in any period: check that day and "
            "night are not swapped, or set a smaller least amplitude."
        )
    rest = f" Elsewhere the amplitude is {options.least_amplitude:g} K or less." if dark < known else ""
    return f"{polar_night(counts)}{rest} No pixel is left: give dates with daylight."


def _output(part: Part, formula: str) -> FactorBand:
    names = dict.fromkeys(source.name for source in part.sources)
    tags = {"LONG_NAME": formula, "BANDS": ", ".join(names), **provenance(part.sources)}
    return FactorBand(Band(NAME, part.period, "1/K"), tags)


def _job(
    number: int,
    part: Part,
    grid: Grid,
    temperatures: Temperatures,
    latitudes: Latitudes | None,
    options: ThermalOptions,
    counts: Counts,
) -> Job:
    night = mean_of([(temperatures.reader(source), days) for source, days in part.night])
    albedo = mean_of([(OnGrid(source, grid, _albedo_only), days) for source, days in part.albedo])
    readers: list[Reader] = [temperatures.reader(part.day), night, albedo]
    tilt = None
    if latitudes is not None:
        assert part.period is not None
        readers.append(latitudes)
        tilt = declination(part.period)
    return Job([number], readers, partial(_compute, tilt, options, counts), f"Thermal inertia {label_of(part.period)}")


def _compute(tilt: float | None, options: ThermalOptions, counts: Counts, arrays: list[Array]) -> list[Array]:
    day, night, albedo = arrays[:3]
    correction = np.ones((1, 1)) if tilt is None else solar_correction(arrays[3], tilt)
    values = thermal_inertia(day, night, albedo, correction, options.least_amplitude)
    known = np.isfinite(day) & np.isfinite(night) & np.isfinite(albedo)
    with np.errstate(invalid="ignore"):
        dark = known & ~(correction > _LEAST_SUN)
        flat = known & ~dark & (day - night <= options.least_amplitude)
    counts.known += int(known.sum())
    counts.flat += int(flat.sum())
    counts.dark += int(dark.sum())
    return [values]


def _albedo_only(values: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.where((values >= 0) & (values <= 1), values, np.nan)


def _formula(albedo: Dated, options: ThermalOptions) -> str:
    name = next(iter(albedo.values())).name
    solar = (
        "C = sin f sin d (1 - tan2 f tan2 d) + cos f cos d acos(-tan f tan d), f latitude, d declination of the sun in "
        "the middle of the period"
        if options.solar
        else "C = 1"
    )
    return (
        f"Apparent thermal inertia: C (1 - albedo) / (T day - T night), albedo is {name}, {solar}; Price 1985, "
        "doi:10.1016/0034-4257(85)90038-0, Verstraeten et al. 2006"
    )
