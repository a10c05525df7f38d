"""Recipes of GLEAM, ERA5-Land and GLDAS on files made after their specification."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
granules = importlib.import_module("granules_netcdf")
imported = importlib.import_module("imported_stack").imported

LAT, LON = np.arange(50.125, 49, -0.25), np.arange(10.125, 11.5, 0.25)  # 5 rows, 6 columns


def test_gleam_v3_stores_longitude_before_latitude(imported, tmp_path):
    values = np.arange(2 * 6 * 5).reshape(2, 6, 5) / 100  # time, lon, lat
    values[0, 2, 3] = -999
    path = granules.netcdf(
        tmp_path / "SMsurf_2016_GLEAM_v3.6a.nc",
        {
            "time": (np.array([58.0, 59.0]), "days since 2016-01-01 00:00:00"),
            "lon": (LON, "degrees_east"),
            "lat": (LAT, "degrees_north"),
        },
        {"SMsurf": (("time", "lon", "lat"), values, "f4", {"_FillValue": -999.0, "units": "m3/m3"})},
    )
    one = imported(path)
    assert one.labels == ["2016-02-28", "2016-02-29"] and one.names == ["sm_surface"] * 2 and one.unit() == "m3/m3"
    np.testing.assert_allclose(one.array(1), values[1].T, rtol=1e-6)
    assert one.at(LON[4], LAT[1], 1) == pytest.approx(values[1, 4, 1])
    assert np.isnan(one.at(LON[2], LAT[3])) and one.valid() == 29
    assert one.tag("SOURCE_VERSION") == "v3.6a"


def test_gleam_v4_months_are_sums_in_mm(imported, tmp_path):
    lat, lon = np.arange(10.05, 9.5, -0.1), np.arange(20.05, 20.5, 0.1)
    values = np.arange(2 * len(lat) * len(lon)).reshape(2, len(lat), len(lon)).astype(float)
    path = granules.netcdf(
        tmp_path / "E_2003_GLEAM_v4.2a_MO.nc",
        {
            "time": (np.array([0, 31], "i4"), "days since 2003-01-01"),
            "lat": (lat, "degrees_north"),
            "lon": (lon, "degrees_east"),
        },
        {"E": (("time", "lat", "lon"), values, "f4", {"_FillValue": -999.0, "units": "mm/month"})},
    )
    one = imported(path, "et")
    assert one.labels == ["2003-01", "2003-02"] and one.unit() == "mm"
    assert one.at(lon[1], lat[2], 1) == pytest.approx(values[1, 2, 1])
    assert one.transform == pytest.approx((20, 0.1, 0, 10.1, 0, -0.1))


ERA_AXES = {
    "longitude": (np.array([110.0, 110.1, 110.2], "f4"), "degrees_east"),
    "latitude": (np.array([40.1, 40.0], "f4"), "degrees_north"),
}


def test_era5_land_of_the_old_layout_is_packed_and_has_two_releases(imported, tmp_path):
    scale, offset, fill = 1e-5, 0.3, -32767
    water = np.linspace(0.1, 0.5, 3 * 2 * 3).reshape(3, 2, 3)
    packed = np.full((3, 2, 2, 3), fill)
    stored = np.round((water - offset) / scale).astype(int)
    packed[:2, 0], packed[2:, 1] = stored[:2], stored[2:]  # expver 1 for two hours, 5 for the third
    packed[0, 0, 0, 0] = fill
    times = (dt.datetime(2023, 3, 31, 22) - dt.datetime(1900, 1, 1)) // dt.timedelta(hours=1) + np.arange(3, dtype="i4")
    own = {"_FillValue": fill, "missing_value": np.int16(fill), "units": "m**3 m**-3"}
    own |= {"scale_factor": scale, "add_offset": offset}
    path = granules.netcdf(
        tmp_path / "era5-land_2023_03.nc",
        ERA_AXES | {"expver": (np.array([1, 5], "i4"), ""), "time": (times, "hours since 1900-01-01 00:00:00.0")},
        {"swvl1": (("time", "expver", "latitude", "longitude"), packed, "i2", own)},
        {"Conventions": "CF-1.6"}, "NETCDF3_64BIT_OFFSET",
    )  # fmt: skip
    one = imported(path)
    assert one.labels[0] == "2023-03-31T22:00/2023-03-31T23:00" and one.labels[2] == "2023-04-01T00:00/2023-04-01T01:00"
    expected = water.copy()
    expected[0, 0, 0] = np.nan
    for number in range(3):
        np.testing.assert_allclose(one.array(number), expected[number], atol=scale)
    assert one.at(110.2, 40.0, 1) == pytest.approx(water[1, 1, 2], abs=scale)


def test_era5_land_rain_adds_up_from_midnight_and_becomes_hours(imported, tmp_path):
    # Stamps 23, 00, 01, 02: the sum of the day so far in metres; midnight closes the day before.
    sums = np.array([0.010, 0.012, 0.001, 0.004])[:, None, None] * np.ones((4, 2, 3))
    seconds = (dt.datetime(2023, 3, 31, 23) - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1)
    path = granules.netcdf(
        tmp_path / "era5_land_rain.nc",
        {
            "valid_time": (np.arange(4, dtype="i8") * 3600 + seconds, "seconds since 1970-01-01"),
            "latitude": ERA_AXES["latitude"],
            "longitude": ERA_AXES["longitude"],
        },
        {
            "tp": (("valid_time", "latitude", "longitude"), sums, "f4", {"units": "m", "GRIB_stepType": "accum"}),
            "e": (("valid_time", "latitude", "longitude"), -sums, "f4", {"units": "m of water equivalent"}),
        },
        {"Conventions": "CF-1.7"},
    )
    one = imported(path, "precipitation", "et")
    rain = {label: one.array(n)[0, 0] for n, label in enumerate(one.labels) if one.names[n] == "precipitation"}
    assert rain["2023-03-31T23:00/2023-04-01T00:00"] == pytest.approx(2, abs=1e-4)
    assert rain["2023-04-01T00:00/2023-04-01T01:00"] == pytest.approx(1, abs=1e-4)
    assert rain["2023-04-01T01:00/2023-04-01T02:00"] == pytest.approx(3, abs=1e-4)
    assert np.isnan(rain.get("2023-03-31T22:00/2023-03-31T23:00", np.nan)), "the hour before is not in the file"
    evaporation = {label: one.array(n)[0, 0] for n, label in enumerate(one.labels) if one.names[n] == "et"}
    assert evaporation["2023-04-01T01:00/2023-04-01T02:00"] == pytest.approx(3, abs=1e-4)
    assert one.unit() == "mm"


def test_era5_land_months_are_rates_a_day(imported, tmp_path):
    seconds = [(dt.datetime(2023, month, 1) - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1) for month in (1, 2)]
    path = granules.netcdf(
        tmp_path / "data_stream-moda.nc",
        {
            "valid_time": (np.array(seconds, "i8"), "seconds since 1970-01-01"),
            "latitude": ERA_AXES["latitude"],
            "longitude": ERA_AXES["longitude"],
        },
        {
            "tp": (("valid_time", "latitude", "longitude"), np.full((2, 2, 3), 0.004), "f4", {"units": "m"}),
            "swvl2": (("valid_time", "latitude", "longitude"), np.full((2, 2, 3), 0.33), "f4", {"units": "m**3 m**-3"}),
        },
        {"Conventions": "CF-1.7"},
    )
    one = imported(path, "precipitation", "soil_moisture_7_28cm")
    assert one.labels == ["2023-01", "2023-02"] * 2
    assert one.array(1)[0, 0] == pytest.approx(4) and one.unit(0) == "mm/day"
    assert one.array(2)[1, 2] == pytest.approx(0.33) and one.tag("DEPTH", 2) == "7-28 cm"


def test_gldas_months_rates_and_frozen_cells(imported, tmp_path):
    shape = (1, 2, 3)
    own = {"_FillValue": -9999.0, "missing_value": np.float32(-9999)}
    dims = ("time", "lat", "lon")
    arrays = {
        "SoilMoi40_100cm_inst": (dims, np.full(shape, 150.0), "f4", own | {"units": "kg m-2"}),
        "SoilMoi100_200cm_inst": (dims, np.full(shape, 250.0), "f4", own | {"units": "kg m-2"}),
        "SoilTMP0_10cm_inst": (dims, [[[290, 270, 275], [290, 290, 290]]], "f4", own | {"units": "K"}),
        "SWE_inst": (dims, [[[0, 0, 0], [0.5, 10, -9999]]], "f4", own | {"units": "kg m-2"}),
        "Rainf_f_tavg": (dims, np.full(shape, 1e-4), "f4", own | {"units": "kg m-2 s-1"}),
    }
    path = granules.netcdf(
        tmp_path / "GLDAS_NOAH025_M.A201602.021.nc4",
        {
            "time": (np.array([5874.0]), "days since 2000-01-01 00:00:00"),
            "lat": (np.array([30.125, 30.375], "f4"), "degrees_north"),
            "lon": (np.array([5.125, 5.375, 5.625], "f4"), "degrees_east"),
        },
        arrays,
        {"title": "GLDAS2.1 LIS land surface model output monthly mean"},
    )
    deep = imported(path, "soil_moisture_40_100cm", "soil_moisture_100_200cm", quality="all")
    assert deep.labels == ["2016-02"] * 2
    assert deep.array(0)[0, 0] == pytest.approx(0.25) and deep.array(1)[0, 0] == pytest.approx(0.25)
    for quality, dry in (
        ("good", [(30.125, 5.375), (30.375, 5.375), (30.375, 5.625)]),
        ("best", [(30.125, 5.625), (30.375, 5.125)]),
    ):
        one = imported(path, "soil_moisture_40_100cm", quality=quality)
        assert all(np.isnan(one.at(lon, lat)) for lat, lon in dry)
    assert one.valid() == 1 and one.at(5.125, 30.125) == pytest.approx(0.25)
    rain = imported(path, "precipitation")
    assert rain.array()[0, 0] == pytest.approx(8.64) and rain.unit() == "mm/day"
