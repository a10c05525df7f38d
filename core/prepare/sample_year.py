"""A year in the sample region: weather, water balance, and what satellites see of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..progress import Progress
from .sample_fields import CROPS, FOREST, PAD, WETLAND, Field, Land, Noise, potential_vegetation

# Monthly climate of the steppe at 47 N, 1300 m: air temperature (deg C), precipitation and potential evaporation (mm).
_TEMPERATURE = np.array([-20.0, -16.5, -7.0, 2.5, 10.0, 16.0, 18.5, 16.5, 9.5, 1.0, -9.5, -17.5])
_RAIN = np.array([2.5, 2.5, 4.5, 9.0, 17.0, 44.0, 68.0, 60.0, 25.0, 9.0, 5.0, 3.5])
_EVAPORATION = np.array([0.0, 2.0, 18.0, 60.0, 110.0, 135.0, 135.0, 110.0, 70.0, 30.0, 5.0, 0.0])


@dataclass(frozen=True)
class Year:
    """Twelve months, first axis; `rain` (mm/month) is padded like the elevation."""

    rain: Field
    temperature: Field  # deg C
    moisture: Field  # m3/m3, liquid water only, also under lakes
    skin: Field  # m3/m3, without the part that leaves no trace at the surface: what temperature and albedo respond to
    wetness: Field  # 0 to 1: filling of the store that plants draw on
    snow: Field  # 0 to 1: share covered


@dataclass(frozen=True)
class Views:
    """Monthly satellite products at 1 km, first axis months; no clouds yet."""

    ndvi: Field
    evi: Field
    lst_day: Field  # K
    lst_night: Field  # K
    albedo: Field


def make_year(land: Land, noise: Noise, progress: Progress) -> Year:
    """Snow and water balance in steps of ten days: a bucket per pixel, run twice through the year to forget its start.

    Groundwater and irrigation show in plants and temperatures like rain; a last, hidden part shows nowhere, which
    bounds what can be learnt.
    """
    inner = (slice(PAD, -PAD), slice(PAD, -PAD))
    shape = land.water.shape
    elevation, north = land.elevation[inner], land.north[inner]
    winter = _winter()
    lapse = 0.0042 - 0.0022 * winter  # K/m: inversions fill the valleys in winter
    temperature = _months(_TEMPERATURE) - _months(lapse) * (elevation - 1300) - _months(0.7 + 0.4 * winter) * north
    rain = _rain(land, noise, progress)

    organic = np.isin(land.cover, (FOREST, WETLAND)) * 0.03
    wilting = 0.025 + 0.0032 * land.clay
    field_capacity = 0.15 + 0.0048 * land.clay - 0.0008 * (land.sand - 60) + organic
    capacity = 350.0 * (field_capacity - wilting)  # mm in the rooted 35 cm
    vegetation = potential_vegetation(land.cover)
    patches = noise.smooth("groundwater", shape, 3.0, 2.2) + 0.35 * land.hollow
    groundwater = 17 * np.clip(patches - 0.9, 0, 2)
    patches = noise.smooth("irrigation", shape, 2.0, 2.4) + 1.6 * (land.cover == CROPS)
    irrigation = 45 * np.clip(patches - 1.9, 0, 1)
    gathering = np.clip(1 + 0.21 * land.hollow - 0.012 * land.slope, 0.5, 1.6)
    unexplained = noise.smooth("unexplained", shape, 3.0, 2.2)

    moisture, skin, wetness, covered = (np.empty((12, *shape)) for _ in range(4))
    store, snow = 0.4 * capacity, np.zeros(shape)
    for step in range(72):
        progress.check()
        month = step // 3 % 12
        warmth = temperature[month]
        thaw = 1 / (1 + np.exp(-(warmth + 1.0) / 2.0))
        falling = rain[month][inner] / 3
        snow += falling * (1 - thaw)
        melt = 0.7 * snow * thaw
        snow -= melt
        supply = (falling * thaw + melt) * gathering + thaw * groundwater / 3
        if 4 <= month <= 7:
            supply += irrigation / 3
        filled = store / capacity
        demand = _EVAPORATION[month] / 3 * np.clip(1 + 0.035 * (warmth - _TEMPERATURE[month]), 0.4, 1.4)
        loss = demand * filled**0.8 * (0.55 + 0.6 * vegetation) + 0.10 * store * filled**2 * (1 + land.slope / 15)
        store = np.clip(store + supply - loss, 0.02 * capacity, 1.05 * capacity)
        if step >= 36 and step % 3 == 1:  # the middle of a month in the second year
            wetness[month] = store / capacity
            covered[month] = 1 - np.exp(-snow / 6)
            driest = 0.55 * wilting
            whole = driest + (1.05 * field_capacity - driest) * wetness[month] ** 0.85
            hidden = 0.07 * unexplained + 0.06 * noise.smooth(f"unexplained {month}", shape, 2.5, 2.2)
            skin[month] = _liquid(whole, thaw, land.clay)
            moisture[month] = _liquid(whole * np.exp(hidden), thaw, land.clay)
    return Year(rain, temperature, moisture, skin, wetness, covered)


def make_views(land: Land, year: Year, noise: Noise, progress: Progress) -> Views:
    """NDVI lags moisture and saturates; dry ground is hot by day; plants, moisture and the absence of snow darken."""
    shape = land.water.shape
    potential = potential_vegetation(land.cover)
    sand_light = 0.0012 * (land.sand - 60) + 0.012 * noise.smooth("bare soil", shape, 6.0, 2.0)
    # Grazing, age and species: green that moisture does not explain.
    stand = 1 + 0.14 * noise.smooth("stand", shape, 4.0, 2.2) + 0.14 * noise.smooth("grazing", shape, 30.0)
    sun = np.clip(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(12) + 0.4) / 12), 0.06, 1)
    ndvi, evi, lst_day, lst_night, albedo = (np.empty((12, *shape)) for _ in range(5))
    for month in range(12):
        progress.check()

        def error(name: str, patches: float, grains: float, when: int = month) -> Field:
            return patches * noise.smooth(f"{name} {when}", shape, 3.0, 2.0) + grains * noise.white(
                f"{name} grains {when}", shape
            )

        wet, warm, snow, moist = year.wetness, year.temperature, year.snow[month], year.skin[month]
        drawn = 0.45 * wet[month] + 0.35 * wet[month - 1] + 0.2 * wet[month - 2]
        season = 1 / (1 + np.exp(-(0.6 * warm[month] + 0.4 * warm[month - 1] - 7.0) / 2.8))
        green = potential * stand * season * (1 - np.exp(-3.6 * drawn)) / 0.95
        bare = 0.11 - 0.4 * sand_light + 0.05 * potential
        index = 1.08 * np.tanh(bare + green) * (1 - snow) + 0.02 * snow
        ndvi[month] = np.clip(index + error("ndvi", 0.014, 0.008), -0.2, 0.95)
        leaves = np.clip(ndvi[month], 0, 1)
        index = 0.02 + 0.42 * ndvi[month] + 0.22 * leaves * ndvi[month]
        evi[month] = np.clip(index + error("evi", 0.010, 0.007), -0.2, 0.9)
        cooling = np.clip(0.2 + 0.25 * leaves + 1.2 * (moist - 0.05), 0, 0.95)
        heating = 26 * sun[month] * (1 - cooling) * (1 - 0.6 * snow)
        days_seen = 2.2 * noise.smooth(f"clear days {month}", shape, 50.0)
        lst_day[month] = 276.15 + warm[month] + heating + days_seen + error("lst_day", 1.0, 0.5)
        lst_night[month] = 267.15 + warm[month] - 0.5 * land.hollow + 12 * (moist - 0.15) + error("lst_night", 0.7, 0.3)
        dark = 0.245 + sand_light - 0.11 * leaves - 0.13 * (moist - 0.1) + (0.48 - 0.25 * potential) * snow
        albedo[month] = np.clip(dark + error("albedo", 0.008, 0.004), 0.05, 0.85)
    return Views(ndvi, evi, lst_day, lst_night, albedo)


def _rain(land: Land, noise: Noise, progress: Progress) -> Field:
    """Wet north and mountains, weather of some 100 km, and in summer showers that no 5 km product resolves."""
    shape = land.elevation.shape
    climate = 0.20 * land.north + 0.35 * (land.elevation - 1400) / 1000 + 0.15 * noise.smooth("climate", shape, 80.0)
    rain = np.empty((12, *shape))
    for month, summer in enumerate(np.clip(-_winter(), 0, 1)):
        progress.check()
        weather = 0.30 * noise.smooth(f"weather {month}", shape, 50.0)
        showers = (0.10 + 0.16 * summer) * noise.smooth(f"showers {month}", shape, 4.0, 2.4)
        rain[month] = _RAIN[month] * np.exp(climate + weather + showers)
    return rain


def _liquid(whole: Field, thaw: Field, clay: Field) -> Field:
    """Water that is not ice (m3/m3): fine soil keeps some thin films liquid in any frost."""
    films = np.minimum(whole, (0.035 + 0.0015 * clay) * (0.7 + 1.5 * whole))
    return np.clip(thaw * whole + (1 - thaw) * films, 0.03, 0.42)


def _winter() -> Field:
    """1 in January, -1 in July."""
    return np.cos(2 * np.pi * (np.arange(12) - 0.3) / 12)


def _months(values: Field) -> Field:
    return values[:, None, None]
