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

    Groundwater, irrigation and a last unexplained part bring moisture no factor shows: they bound what can be learnt.
    """
    inner = (slice(PAD, -PAD), slice(PAD, -PAD))
    padded, shape = land.elevation.shape, land.water.shape
    elevation, north = land.elevation[inner], land.north[inner]
    cold = np.cos(2 * np.pi * (np.arange(12) - 0.3) / 12)  # 1 in midwinter
    lapse = 0.0042 - 0.0022 * cold  # K/m: inversions fill the valleys in winter
    temperature = (_TEMPERATURE[:, None, None] - lapse[:, None, None] * (elevation - 1300)
                   - (0.7 + 0.4 * cold[:, None, None]) * north)
    rain = np.empty((12, *padded))
    climate = np.exp(0.20 * land.north + 0.35 * (land.elevation - 1400) / 1000 + 0.15 * noise.smooth("climate", padded, 80.0))
    for month in range(12):
        progress.check()
        showers = 0.10 + 0.16 * np.clip(-cold[month], 0, 1)
        rain[month] = _RAIN[month] * climate * np.exp(
            0.30 * noise.smooth(f"weather {month}", padded, 50.0) + showers * noise.smooth(f"showers {month}", padded, 4.0, 2.4))

    organic = np.isin(land.cover, (FOREST, WETLAND)) * 0.03
    wilting = 0.025 + 0.0032 * land.clay
    field_capacity = 0.15 + 0.0048 * land.clay - 0.0008 * (land.sand - 60) + organic
    capacity = 350.0 * (field_capacity - wilting)
    vegetation = potential_vegetation(land.cover)
    groundwater = np.clip(noise.smooth("groundwater", shape, 3.0, 2.2) + 0.35 * land.hollow - 0.9, 0, 2) * 14
    irrigated = np.clip(noise.smooth("irrigation", shape, 2.0, 2.4) + 1.6 * (land.cover == CROPS) - 1.9, 0, 1) * 45
    gathered = np.clip(1 + 0.16 * land.hollow - 0.012 * land.slope, 0.5, 1.6)

    moisture, wetness, cover = (np.empty((12, *shape)) for _ in range(3))
    store, snow = 0.4 * capacity, np.zeros(shape)
    unexplained = noise.smooth("unexplained", shape, 3.0, 2.2)
    for step in range(72):
        progress.check()
        month = step // 3 % 12
        warm = temperature[month]
        thaw = 1 / (1 + np.exp(-(warm + 1.0) / 2.0))
        falling = rain[month][inner] / 3
        snow += falling * (1 - thaw)
        melt = snow * thaw * 0.7
        snow -= melt
        supply = (falling * thaw + melt) * gathered + thaw * groundwater / 3 + irrigated / 3 * (4 <= month <= 7)
        demand = _EVAPORATION[month] / 3 * np.clip(1 + 0.035 * (warm - _TEMPERATURE[month]), 0.4, 1.4)
        filled = store / capacity
        loss = demand * filled**0.8 * (0.55 + 0.6 * vegetation) + 0.10 * store * filled**2 * (1 + land.slope / 15)
        store = np.clip(store + supply - loss, 0.02 * capacity, 1.05 * capacity)
        if step >= 36 and step % 3 == 1:  # mid-month of the second year
            wetness[month] = store / capacity
            cover[month] = 1 - np.exp(-snow / 6)
            whole = 0.55 * wilting + (1.05 * field_capacity - 0.55 * wilting) * wetness[month] ** 0.85
            whole *= np.exp(0.10 * unexplained + 0.08 * noise.smooth(f"unexplained {month}", shape, 2.5, 2.2))
            frozen_left = np.minimum(whole, (0.035 + 0.0015 * land.clay) * (0.7 + 1.5 * whole))
            moisture[month] = np.clip(thaw * whole + (1 - thaw) * frozen_left, 0.035, 0.42)
    return Year(rain, temperature, moisture, wetness, cover)


def make_views(land: Land, year: Year, noise: Noise, progress: Progress) -> Views:
    """NDVI lags moisture and saturates; dry ground is hot by day; vegetation, moisture and the absence of snow darken."""
    shape = land.water.shape
    potential = potential_vegetation(land.cover)
    soil_light = 0.0012 * (land.sand - 60) + 0.012 * noise.smooth("bare soil", shape, 6.0, 2.0)
    # Grazing, age and species: green that moisture does not explain.
    stand = 1 + 0.14 * noise.smooth("stand", shape, 4.0, 2.2) + 0.14 * noise.smooth("grazing", shape, 30.0)
    ndvi, evi, lst_day, lst_night, albedo = (np.empty((12, *shape)) for _ in range(5))
    sun = np.clip(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(12) + 0.4) / 12), 0.06, 1)
    for month in range(12):
        progress.check()
        draw = {name: noise.smooth(f"{name} {month}", shape, 3.0, 2.0) for name in ("green", "skin", "night", "bright")}
        grain = {name: noise.white(f"{name} grain {month}", shape) for name in ("green", "blue", "skin", "night", "bright")}
        drawn = 0.45 * year.wetness[month] + 0.35 * year.wetness[month - 1] + 0.2 * year.wetness[month - 2]
        season = 1 / (1 + np.exp(-(0.6 * year.temperature[month] + 0.4 * year.temperature[month - 1] - 7.0) / 2.8))
        green = potential * stand * season * (1 - np.exp(-3.6 * drawn)) / 0.95
        snow = year.snow[month]
        bare = 0.11 - 0.4 * soil_light + 0.05 * potential
        index = 1.08 * np.tanh(bare + green) * (1 - snow) + 0.02 * snow + 0.014 * draw["green"] + 0.008 * grain["green"]
        ndvi[month] = np.clip(index, -0.2, 0.95)
        evi[month] = np.clip(0.02 + 0.42 * ndvi[month] + 0.22 * np.abs(ndvi[month]) * ndvi[month]
                             + 0.010 * draw["bright"] + 0.007 * grain["blue"], -0.2, 0.9)
        passes = noise.smooth(f"clear days {month}", shape, 50.0)  # which days the composite has seen
        evaporating = np.clip(0.2 + 0.25 * np.clip(ndvi[month], 0, 1) + 1.2 * (year.moisture[month] - 0.05), 0, 0.95)
        heating = 26 * sun[month] * (1 - evaporating) * (1 - 0.6 * snow)
        lst_day[month] = (273.15 + year.temperature[month] + 3 + heating
                          + 2.2 * passes + 1.0 * draw["skin"] + 0.5 * grain["skin"])
        lst_night[month] = (273.15 + year.temperature[month] - 6 - 0.5 * land.hollow + 12 * (year.moisture[month] - 0.15)
                            + 0.7 * draw["night"] + 0.3 * grain["night"])
        dark = 0.245 + soil_light - 0.11 * np.clip(ndvi[month], 0, 1) - 0.13 * (year.moisture[month] - 0.1)
        albedo[month] = np.clip(dark + (0.48 - 0.25 * potential) * snow + 0.008 * draw["bright"] + 0.004 * grain["bright"],
                                0.05, 0.85)
    return Views(ndvi, evi, lst_day, lst_night, albedo)
