"""Recipes of Landsat and Sentinel-1 on files made after their specifications."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from soilmoisture.core.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
granules = importlib.import_module("granules_raster")
oracles = importlib.import_module("oracles_raster")
inside, same = oracles.inside, oracles.same

SHAPE = (20, 24)
UTM = (600000.0, 30.0, 0.0, 5100000.0, 0.0, -30.0)


@pytest.fixture
def imported(tmp_path):
    """imported(inputs, ...) runs the import and gives its result and the stack that it wrote."""
    return partial(oracles.run_import, tmp_path / "stack.tif")


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def landsat_good(word, quality, oli):
    word = int(word)
    if word & 1:
        return False
    flags = (1, 2, 3, 4, 5) if oli else (1, 3, 4, 5)
    if quality != "all" and any(word >> bit & 1 for bit in flags):
        return False
    levels = (8, 10, 14) if oli else (8, 10)
    return quality != "best" or all(word >> bit & 3 in (0, 1) for bit in levels)


PIXEL = {(bit, bit): 0 for bit in (0, 1, 2, 3, 4, 5)} | {(8, 9): 1, (10, 11): 1, (12, 13): 1, (14, 15): 1}


@pytest.mark.parametrize("quality", ["all", "good", "best"])
@pytest.mark.parametrize("sensor", ["LC08", "LT05"])
def test_landsat(tmp_path, imported, rng, sensor, quality):
    oli = sensor == "LC08"
    numbers = (2, 3, 4, 5, 6, 7) if oli else (1, 2, 3, 4, 5, 7)
    thermal = "ST_B10" if oli else "ST_B6"
    name = sensor + "_L2SP_131030_20090803_20200827_02_T1_{}.TIF"
    arrays = {f"SR_B{n}": rng.integers(6500, 45000, SHAPE).astype("uint16") for n in numbers}
    arrays[thermal] = rng.integers(40000, 46000, SHAPE).astype("uint16")
    for values in arrays.values():
        values[:2] = 0
    arrays["QA_PIXEL"] = word = granules.words(rng, SHAPE, PIXEL, "uint16")
    arrays["QA_RADSAT"] = saturated = granules.words(rng, SHAPE, {(bit, bit): 0 for bit in range(7)}, "uint16")
    arrays["ST_QA"] = error = rng.integers(100, 500, SHAPE).astype("int16")
    error[3] = -9999
    for array, values in arrays.items():
        granules.geotiff(tmp_path / name.format(array), values, UTM, "EPSG:32648")
    chosen = [tmp_path / name.format(array) for array in arrays if array.startswith(("SR_", "ST_B"))]
    result, output = imported(chosen, ["blue", "green", "red", "nir", "swir1", "swir2", "lst_day"], quality)
    for band, n in zip(("blue", "green", "red", "nir", "swir1", "swir2"), numbers):
        wanted = inside(arrays[f"SR_B{n}"], 7273, 43636, 0) * 0.0000275 - 0.2
        for row, col in np.ndindex(SHAPE):
            full = int(saturated[row, col]) >> (n - 1) & 1 and quality != "all"
            if full or not landsat_good(word[row, col], quality, oli):
                wanted[row, col] = np.nan
        same(output.band(band), wanted)
    wanted = inside(arrays[thermal], 293, 61440, 0) * 0.00341802 + 149
    for row, col in np.ndindex(SHAPE):
        unsure = quality == "best" and not 0 <= error[row, col] <= 300
        if unsure or not landsat_good(word[row, col], quality, oli):
            wanted[row, col] = np.nan
    same(output.band("lst_day"), wanted)
    assert output.units == ["1"] * 6 + ["K"] and set(output.periods) == {"2009-08-03/2009-08-04"}
    assert (result.product, result.version) == (sensor, "02")


def test_landsat_sensors_are_not_mixed(tmp_path, imported, rng):
    values = rng.integers(8000, 9000, SHAPE).astype("uint16")
    paths = [
        granules.geotiff(
            tmp_path / f"{sensor}_L2SP_131030_20130803_20200827_02_T1_SR_B4.TIF", values, UTM, "EPSG:32648"
        )
        for sensor in ("LC08", "LE07")
    ]
    with pytest.raises(InputError, match="Landsat 4, 5 and 7"):
        imported(paths, ["red"])


def test_landsat_scenes_of_one_pass_overlap(tmp_path, imported, rng):
    """The first file wins where both have a good pixel, the second one fills the first one's clouds."""
    stored, words, paths = [], [], []
    for number, scene in enumerate(("131030", "131031")):
        place = (UTM[0], 30.0, 0.0, UTM[3] - 30 * 15 * number, 0.0, -30.0)  # 5 rows in common
        stored.append(rng.integers(8000, 30000, SHAPE).astype("uint16"))
        words.append(granules.words(rng, SHAPE, {(3, 3): 0, (4, 4): 0}, "uint16"))
        for array, values in (("SR_B4", stored[-1]), ("QA_PIXEL", words[-1])):
            name = f"LC09_L2SP_{scene}_20220803_20220811_02_T1_{array}.TIF"
            paths.append(granules.geotiff(tmp_path / name, values, place, "EPSG:32648"))
    _, output = imported(paths, ["red"], "good")
    wanted = np.full((SHAPE[0] + 15, SHAPE[1]), np.nan)
    for values, word, top in ((stored[1], words[1], 15), (stored[0], words[0], 0)):
        for row, col in np.ndindex(SHAPE):
            if landsat_good(word[row, col], "good", True):
                wanted[top + row, col] = values[row, col] * 0.0000275 - 0.2
    same(output.values[0], wanted)


# Sentinel-1

SCENE = "S1A_IW_GRDH_1SDV_20190417T001045_20190417T001110_026831_0303A4_29E5"
METRES = (500000.0, 10.0, 0.0, 5000000.0, 0.0, -10.0)


def test_sentinel1_of_earth_engine(tmp_path, imported, rng):
    bands = {name: rng.normal(mean, 2, SHAPE) for name, mean in (("VV", -12), ("VH", -19), ("angle", 38))}
    for values in bands.values():
        values[:2] = np.nan
    path = granules.geotiff(
        tmp_path / f"{SCENE}.tif", {k: v.astype("float32") for k, v in bands.items()}, METRES, "EPSG:32648"
    )
    result, output = imported([path], ["vv", "vh", "incidence_angle"])
    for name, band in (("vv", "VV"), ("vh", "VH"), ("incidence_angle", "angle")):
        same(output.band(name), bands[band])
    assert output.units == ["dB", "dB", "degree"] and set(output.periods) == {"2019-04-17/2019-04-18"}
    assert result.recipe.id == "sentinel1_db" and result.product == "S1A"


def test_sentinel1_of_snap(tmp_path, imported, rng):
    power = {"Sigma0_VH": rng.gamma(4, 0.004, SHAPE), "Sigma0_VV": rng.gamma(4, 0.02, SHAPE)}
    power["projectedLocalIncidenceAngle"] = rng.uniform(20, 60, SHAPE)
    for values in power.values():
        values[-3:] = 0
    path = granules.snap_netcdf(tmp_path / f"{SCENE}_Orb_NR_Cal_TC.nc", power, 105.0, 46.0, 0.0001)
    result, output = imported([path], ["vv", "vh", "incidence_angle"])
    for name, band in (("vv", "Sigma0_VV"), ("vh", "Sigma0_VH"), ("incidence_angle", "projectedLocalIncidenceAngle")):
        same(output.band(name), inside(power[band].astype("float32"), 0, 1000, 0))
    assert output.units == ["1", "1", "degree"] and result.recipe.id == "sentinel1_linear"
    assert output.transform == pytest.approx((105, 0.0001, 0, 46, 0, -0.0001), abs=1e-7)
    # The same scene in decibels.
    decibels = {f"{name}_db": 10 * np.log10(values[:-3]) for name, values in power.items() if name.startswith("Sigma0")}
    path = granules.snap_netcdf(tmp_path / f"{SCENE}_Orb_NR_Cal_TC_db.nc", decibels, 105.0, 46.0, 0.0001)
    result, output = imported([path])
    same(output.band("vv"), decibels["Sigma0_VV_db"].astype("float32").astype(float))
    assert output.units == ["dB", "dB"] and result.recipe.id == "sentinel1_db"


def test_sentinel1_bands_in_files_of_their_own(tmp_path, imported, rng):
    power = rng.gamma(4, 0.02, SHAPE).astype("float32")
    names = [f"{SCENE}_Orb_NR_Cal_TC_Sigma0_{band}.tif" for band in ("VV", "VH")]
    paths = [granules.geotiff(tmp_path / name, power, METRES, "EPSG:32648", 0) for name in names]
    result, output = imported(paths)
    same(output.band("vh"), power.astype(float))
    assert result.recipe.id == "sentinel1_linear"
