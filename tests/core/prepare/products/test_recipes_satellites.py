"""Recipes of merged and gridded satellite products on files made after their specification."""

from __future__ import annotations

import datetime as dt
import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
granules = importlib.import_module("granules_netcdf")
imported = importlib.import_module("imported_stack").imported

LAT, LON = np.arange(50.125, 49, -0.25), np.arange(10.125, 11.5, 0.25)  # 5 rows, 6 columns


def _flagged():
    sm = np.linspace(0.1, 0.4, 30).reshape(5, 6)
    flag = np.zeros((5, 6), int)
    sm[0, 0], flag[0, 0] = -9999, 127
    flag[1, :3] = 1, 16, 64  # frozen, weight below threshold, barren (advice of later versions)
    return sm, flag


def test_cci_flags_of_later_versions_and_percent_of_saturation(imported, tmp_path):
    sm, flag = _flagged()
    arrays = {"flag": (flag, "i1", 127), "sm_uncertainty": (sm / 10, "f4", -9999.0)}
    stem = "ESACCI-SOILMOISTURE-L3S-SSMS-ACTIVE-20200229000000-fv07.1.nc"
    path = granules.soil_moisture_cci(
        tmp_path / stem, "ESA CCI Surface Soil Moisture ACTIVE Product", "percent", LAT, LON, dt.date(2020, 2, 29),
        np.where(sm > 0, 100 * sm, sm), arrays,
    )  # fmt: skip
    for quality, count in (("all", 29), ("good", 27), ("best", 26)):
        one = imported(path, quality=quality)
        assert one.valid() == count
    assert one.at(LON[4], LAT[3]) == pytest.approx(100 * sm[3, 4])
    assert one.unit() == "% saturation" and one.labels == ["2020-02-29"] and one.tag("SOURCE_VERSION") == "07.1"
    assert imported(path, porosity=0.5).at(LON[4], LAT[3]) == pytest.approx(0.5 * sm[3, 4])
    renamed = shutil.copy(path, tmp_path / stem.replace("SSMS-ACTIVE", "SSMV-COMBINED"))
    with pytest.raises(InputError, match="ACTIVE"):
        imported(renamed)


@pytest.mark.parametrize(
    ("step", "date", "label"),
    [
        ("DAILY", "20200221", "2020-02-21"),
        ("DEKADAL", "20200221", "2020-02-21/2020-03-01"),
        ("DEKADAL", "20200211", "2020-02-11/2020-02-21"),
        ("MONTHLY", "20200201", "2020-02"),
    ],
)
def test_c3s_daily_dekadal_and_monthly(imported, tmp_path, step, date, label):
    sm, flag = _flagged()
    arrays = {"flag": (flag, "i1", 127)} if step == "DAILY" else {"nobs": (np.full((5, 6), 7), "i2", -9999)}
    path = granules.soil_moisture_cci(
        tmp_path / f"C3S-SOILMOISTURE-L3S-SSMV-COMBINED-{step}-{date}000000-TCDR-v202212.0.0.nc",
        "C3S Surface Soil Moisture merged COMBINED Product", "m3 m-3", LAT, LON,
        dt.datetime.strptime(date, "%Y%m%d").date(), sm, arrays, "202212.0.0",
    )  # fmt: skip
    one = imported(path, quality="best")
    assert one.labels == [label] and one.unit() == "m3/m3" and one.tag("SOURCE_VERSION") == "202212"
    assert one.valid() == (26 if step == "DAILY" else 29)
    assert one.at(LON[5], LAT[0]) == pytest.approx(sm[0, 5])
    assert len(one.result.removed["soil_moisture"].absent) == (0 if step == "DAILY" else 2)


def test_soil_water_index_of_frozen_ground_and_few_observations(imported, tmp_path):
    planted = {
        "SWI_005": [[100, 120, 140], [160, 201, 254]],
        "QFLAG_005": [[200, 158, 98], [200, 200, 200]],
        "SSF": [[1, 1, 1], [0, 1, 1]],
        "SWI_100": [[100, 100, 100], [100, 100, 100]],
        "QFLAG_100": [[200, 200, 200], [200, 200, 241]],
    }
    planted["SSF"][1][1] = 2
    dims, own = ("time", "lat", "lon"), {"_FillValue": 255, "scale_factor": 0.5, "units": "%", "valid_range": [0, 200]}
    path = granules.netcdf(
        tmp_path / "c_gls_SWI1km_202002291200_CEURO_SCATSAR_V1.0.2.nc",
        {
            "time": (np.array([18321.0]), "days since 1970-01-01T12:00:00"),
            "lat": (45 - (np.arange(2) + 0.5) / 112, "degrees_north"),
            "lon": (5 + (np.arange(3) + 0.5) / 112, "degrees_east"),
        },
        {
            name: (dims, [values], "u1", {"_FillValue": 255} if name == "SSF" else own)
            for name, values in planted.items()
        },
    )
    expected = {
        "all": [[50, 60, 70], [80, np.nan, np.nan]],
        "good": [[50, 60, np.nan], [80, np.nan, np.nan]],
        "best": [[50, np.nan, np.nan], [np.nan, np.nan, np.nan]],
    }
    for quality, values in expected.items():
        one = imported(path, "swi_005", quality=quality)
        np.testing.assert_array_equal(one.array(), values)
    assert one.labels == ["2020-02-29"] and one.tag("SOURCE_VERSION") == "1.0"
    np.testing.assert_array_equal(imported(path, "swi_100").array(), [[50, 50, 50], [50, np.nan, np.nan]])


def test_glass_periods_end_with_the_year(imported, tmp_path):
    """GLASS comes as HDF4, which nothing here can write: the arrays stand in a GeoTIFF on the same grid."""
    name = "GLASS01E01.V50.A2002361.h25v04.2020323.tif"
    path = granules.sinusoidal(tmp_path / name, {"LAI": np.array([[0, 10, 100], [101, 255, 35]], "u1")}, nodata=255)
    one = imported(path)
    np.testing.assert_allclose(one.array()[:2, :3], [[0, 1, 10], [np.nan, np.nan, 3.5]], rtol=1e-6)
    assert one.labels == ["2002-12-27/2003-01-01"] and one.unit() in ("", "1") and one.names == ["lai"]
    # The upper left corner of tile h25v04 in the sinusoidal projection.
    assert one.transform[0] == pytest.approx(7 * 1111950.5197, abs=1) and one.transform[3] == pytest.approx(
        5 * 1111950.5197, abs=1
    )
    albedo = granules.sinusoidal(
        tmp_path / "GLASS02A06.V04.A2002009.h25v04.2020323.tif",
        {"ABD_WSA_shortwave": np.array([[1500, -1, 10001]], "i2")}, kind=gdal.GDT_Int16,
    )  # fmt: skip
    white = imported(albedo, "albedo_white_sky_shortwave")
    np.testing.assert_allclose(white.array()[0, :3], [0.15, np.nan, np.nan], rtol=1e-6)
    assert white.labels == ["2002-01-09/2002-01-17"]


def test_sif_keeps_its_negative_values(imported, tmp_path):
    values = np.array([[[-0.4, 0.9, 1.8], [0.0, -9999, 0.2]]])
    axes = {
        "lat": (np.array([10.025, 10.075]), "degrees_north"),
        "lon": (np.array([5.025, 5.075, 5.125]), "degrees_east"),
    }
    path = granules.netcdf(
        tmp_path / "TROPOMI_eSIF_8day_2019361.nc", axes,
        {"eSIF": (("lat", "lon"), values[0], "f4", {"_FillValue": -9999.0, "units": "mW/m2/nm/sr"})},
    )  # fmt: skip
    one = imported(path)
    np.testing.assert_allclose(one.array()[::-1], [[-0.4, 0.9, 1.8], [0, np.nan, 0.2]], rtol=1e-6)
    assert one.labels == ["2019-12-27/2020-01-01"] and one.unit() == "mW/m2/nm/sr" and one.names == ["sif"]
    assert one.at(5.125, 10.075) == pytest.approx(0.2)
    month = granules.netcdf(
        tmp_path / "TROPO-SIF_monthly_2018-07.nc", axes,
        {"sif": (("lat", "lon"), values[0], "f4", {"_FillValue": -9999.0, "units": "mW/m2/nm/sr"})},
    )  # fmt: skip
    assert imported(month).labels == ["2018-07"]
