"""Recipes of MODIS temperature and vegetation: real granules, and granules made after the specification."""

from __future__ import annotations

import importlib
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
granules = importlib.import_module("granules_raster")
oracles = importlib.import_module("oracles_raster")
bits, expected, same = oracles.bits, oracles.expected, oracles.same

SHAPE = (24, 30)
QUALITIES = ("all", "good", "best")


@pytest.fixture
def imported(tmp_path):
    """imported(inputs, ...) runs the import and gives its result and the stack that it wrote."""
    return partial(oracles.run_import, tmp_path / "stack.tif")


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def field(path, grid, name):
    dataset = gdal.Open(f'HDF4_EOS:EOS_GRID:"{path}":{grid}:{name}')
    return dataset.ReadAsArray(), dataset.GetGeoTransform()


def mod11_good(word, quality):
    word = int(word)
    if quality == "best":
        return word & 3 == 0 and word >> 6 == 0
    return quality == "all" or (word & 3 in (0, 1) and word >> 6 in (0, 1))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("when", ["Day", "Night"])
def test_real_lst(shared_data, imported, quality, when):
    path = shared_data / "native_products/modis/MOD11B2.A2017001.h14v04.006.2017013155631.hdf"
    lst, transform = field(path, "MODIS_Grid_8Day_6km_LST", f"LST_{when}_6km")
    word, _ = field(path, "MODIS_Grid_8Day_6km_LST", f"QC_{when}")
    result, output = imported([path], [f"lst_{when.lower()}"], quality)
    same(output.values[0], expected(lst, 0.02, 0, 7500, 65535, lambda r, c: mod11_good(word[r, c], quality)))
    assert output.units == ["K"] and output.periods == ["2017-01-01/2017-01-09"]
    assert output.transform == pytest.approx(transform, abs=1e-6)
    assert (result.product, result.version) == ("MOD11B2", "006")


def test_real_view_time_and_angle(shared_data, imported):
    path = shared_data / "native_products/modis/MOD11B2.A2017001.h14v04.006.2017013155631.hdf"
    _, output = imported([path], ["view_time_day", "view_angle_night", "emissivity_31"])
    for name, array, scale, offset, low, high in (
        ("view_time_day", "Day_view_time", 0.1, 0, 0, 240),
        ("view_angle_night", "Night_view_angl", 1, -65, 0, 130),
        ("emissivity_31", "Emis_31", 0.002, 0.49, 1, 255),
    ):
        stored, _ = field(path, "MODIS_Grid_8Day_6km_LST", array)
        same(output.band(name), expected(stored, scale, offset, low, high, lambda r, c: True))
    assert output.units == ["h", "degree", "1"]


def mod13_good(word, reliability, quality):
    if quality == "all":
        return True
    usefulness = 3 if quality == "best" else 12
    codes = (0,) if quality == "best" else (0, 1)
    good = (
        word != 65535
        and bits(word, 0, 1) in codes
        and bits(word, 2, 5) <= usefulness
        and not bits(word, 10, 10)
        and not bits(word, 14, 14)
        and (reliability is None or reliability in codes)
    )
    return good and (quality == "good" or not (bits(word, 8, 8) or bits(word, 15, 15)))


@pytest.mark.parametrize("quality", QUALITIES)
def test_real_ndvi(shared_data, imported, quality):
    path = shared_data / "native_products/modis/MOD13A2.A2016145.h18v04.006.2016166145124.hdf"
    grid = "MODIS_Grid_16DAY_1km_VI"
    ndvi, transform = field(path, grid, '"1 km 16 days NDVI"')
    word, _ = field(path, grid, '"1 km 16 days VI Quality"')
    rank, _ = field(path, grid, '"1 km 16 days pixel reliability"')
    _, output = imported([path], ["ndvi"], quality)
    wanted = expected(ndvi, 1e-4, 0, -2000, 10000, lambda r, c: mod13_good(word[r, c], rank[r, c], quality))
    same(output.values[0], wanted)
    assert output.units == ["1"] and output.periods == ["2016-05-24/2016-06-09"]
    assert output.transform == pytest.approx(transform, abs=1e-6)


@pytest.mark.parametrize("quality", QUALITIES)
def test_real_geotiff_takes_the_quality_beside_it(shared_data, tmp_path, imported, quality):
    folder, name = shared_data / "native_products/mod13q1_qa", "MOD13Q1.A2010209.250m_16_days_{}.tif"
    for array in ("NDVI", "VI_Quality"):
        window = [500, 400, 80, 60]
        gdal.Translate(str(tmp_path / name.format(array)), str(folder / name.format(array)), srcWin=window)
    ndvi, word = (gdal.Open(str(tmp_path / name.format(array))).ReadAsArray() for array in ("NDVI", "VI_Quality"))
    result, output = imported([tmp_path / name.format("NDVI")], quality=quality)
    wanted = expected(ndvi, 1e-4, 0, -2000, 10000, lambda r, c: mod13_good(word[r, c], None, quality))
    same(output.values[0], wanted)
    assert output.periods == ["2010-07-28/2010-08-13"] and result.product == "MOD13Q1"
    told = [note for note in result.notes if "pixel reliability" in note and "not applied" in note]
    assert bool(told) == (quality != "all")


def test_real_series_without_quality(shared_data, imported):
    paths = [shared_data / f"native_products/modis_ndvi_series/MOD13A1_NDVI_2016_{day}.tif" for day in ("033", "017")]
    result, output = imported(paths, quality="best")
    for path, values in zip(reversed(paths), output.values):
        stored = gdal.Open(str(path)).ReadAsArray()
        same(values, expected(stored, 1e-4, 0, -2000, 10000, lambda r, c: True))
    assert output.periods == ["2016-01-17/2016-02-02", "2016-02-02/2016-02-18"]
    assert any("not applied" in note for note in result.notes)


@pytest.mark.parametrize(
    "product, period", [("MOD11A1", "2019-05-01/2019-05-02"), ("MYD11A2", "2019-05-01/2019-05-09")]
)
def test_lst_of_appeears(tmp_path, imported, rng, product, period):
    lst = rng.integers(12000, 17000, SHAPE).astype("uint16")
    lst[::5] = 0
    word = granules.words(rng, SHAPE, {(0, 1): 0, (2, 3): 0, (4, 5): 0, (6, 7): 0}, "uint8")
    files = granules.modis_set(
        tmp_path, product + ".006_{}_doy2019121_aid0001.tif", {"LST_Day_1km": lst, "QC_Day": word}, {"QC_Day": 0}
    )
    _, output = imported([files["LST_Day_1km"]], ["lst_day"], "good")
    same(output.values[0], expected(lst, 0.02, 0, 7500, 65535, lambda r, c: mod11_good(word[r, c], "good")))
    assert np.nanmin(output.values[0]) > 200, "the fill 0 is not 0 K"
    assert output.periods == [period]


@pytest.mark.parametrize("product, date, period", [
    ("MOD13A3", "2020032", "2020-02-01/2020-03-01"), ("MYD13A1", "2020009", "2020-01-09/2020-01-25"),
])  # fmt: skip
def test_vegetation_periods_and_reliability(tmp_path, imported, rng, product, date, period):
    long = "_1_km_monthly_{}" if product == "MOD13A3" else "_500m_16_days_{}"
    evi = rng.integers(-2500, 10000, SHAPE).astype("int16")
    rank = rng.integers(-1, 5, SHAPE).astype("int16")
    files = granules.modis_set(
        tmp_path, product + f".061_{{}}_doy{date}_aid0001.tif",
        {long.format("EVI"): evi, long.format("pixel_reliability"): rank},
    )  # fmt: skip
    for quality, codes in (("good", (0, 1)), ("best", (0,))):
        _, output = imported([files[long.format("EVI")]], ["evi"], quality)
        same(output.values[0], expected(evi, 1e-4, 0, -2000, 10000, lambda r, c, codes=codes: rank[r, c] in codes))
    assert output.periods == [period]


def test_tiles_are_mosaicked(tmp_path, imported, rng):
    west, width, _, north, _, height = granules.MODIS_500M
    left, right = (rng.integers(0, 9000, SHAPE).astype("int16") for _ in range(2))
    for tile, values, x in (("h18v04", left, west), ("h19v04", right, west + SHAPE[1] * width)):
        granules.geotiff(
            tmp_path / f"MCD43A4.A2020150.{tile}.061.2020160031112.Nadir_Reflectance_Band1.tif", values,
            (x, width, 0, north, 0, height), granules.SINUSOIDAL,
        )  # fmt: skip
    _, output = imported(sorted(tmp_path.glob("MCD43*")), ["red"])
    same(output.values[0], np.hstack([left, right]) * 1e-4)


def test_terra_and_aqua_are_not_mixed(tmp_path, imported, rng):
    values = rng.integers(0, 9000, SHAPE).astype("int16")
    paths = [
        next(iter(granules.modis_set(tmp_path, name, {"500m_16_days_NDVI": values}).values()))
        for name in ("MOD13A1.A2020001.{}.tif", "MYD13A1.A2020009.{}.tif")
    ]
    with pytest.raises(InputError, match="mix products"):
        imported(paths, ["ndvi"])


def test_renamed_granule_is_told(shared_data, tmp_path, imported):
    real = shared_data / "native_products/modis/MOD11B2.A2017001.h14v04.006.2017013155631.hdf"
    wrong = tmp_path / real.name.replace("A2017001", "A2017305")
    shutil.copy(real, wrong)
    with pytest.raises(InputError, match="2017-11-01.*2017-01-01"):
        imported([wrong], ["lst_day"])
