"""Recipes of products in HDF5 and netCDF against the files at hand, read here by h5py and netCDF4."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

from soilmoisture.core.prepare.products.registry import load_recipes

sys.path.insert(0, str(Path(__file__).parent))
granules = importlib.import_module("granules_netcdf")
imported = importlib.import_module("imported_stack").imported

NATIVE = "native_products"


def test_a_real_half_orbit_lies_on_its_ease_grid(imported, shared_data):
    path = next((shared_data / NATIVE / "smap").glob("SMAP_L2_SM_P_*.h5"))
    with h5py.File(path) as file:
        group = file["Soil_Moisture_Retrieval_Data"]
        names = "soil_moisture retrieval_qual_flag surface_flag latitude longitude EASE_row_index EASE_column_index"
        sm, flag, surface, lat, lon, row, col = (group[name][()] for name in names.split())
    there = sm != -9999
    good = there & (flag & 1 == 0)
    best = good & (surface & 0b111_1111_1111 == 0)
    assert there.sum() > good.sum() > best.sum() > 0
    for quality, wanted in (("all", there), ("good", good), ("best", best)):
        one = imported(path, quality=quality)
        assert one.valid() == wanted.sum()
        left, width = one.transform[:2]
        assert width == pytest.approx(2 * granules.EASE_X / 964, abs=1e-6)
        assert left == pytest.approx(-granules.EASE_X + col.min() * width, abs=1e-3)
        assert one.transform[3] == pytest.approx(granules.EASE_Y - row.min() * width, abs=1e-3)
        assert one.crs.GetAuthorityCode(None) == "6933"
        values = one.array()
        np.testing.assert_array_equal(
            values[row[wanted] - row.min(), col[wanted] - col.min()], sm[wanted].astype(float)
        )
        for number in np.flatnonzero(wanted)[:: max(1, wanted.sum() // 5)]:
            assert one.at(lon[number], lat[number]) == pytest.approx(sm[number])
    assert one.labels == ["2015-08-11"] and one.names == ["soil_moisture"] and one.unit() == "m3/m3"
    assert one.tag("SOURCE_PRODUCT") == "SMAP_L2_SM_P" and one.tag("SOURCE_VERSION") == "008"
    assert one.tag("DEPTH") == "0-5 cm"
    assert sum(one.result.removed["soil_moisture"].rules.values()) == there.sum() - best.sum()


def test_a_real_esa_cci_day(imported, shared_data):
    path = next((shared_data / NATIVE / "esa_cci_sm").glob("*.nc"))
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        sm, flag = file["sm"][0], file["flag"][0]
        lat, lon, uncertainty = file["lat"][:], file["lon"][:], file["sm_uncertainty"][0]
    assert lat[0] > lat[-1]
    for quality in ("all", "good", "best"):
        one = imported(path, quality=quality)
        kept = (sm != -9999) & ((flag & 0b111111) == 0) if quality != "all" else sm != -9999
        assert one.valid() == kept.sum() > 150_000
    np.testing.assert_array_equal(np.where(kept, sm, np.nan), one.array())
    row, col = (int(part[1000]) for part in np.nonzero(kept))
    assert one.at(lon[col], lat[row]) == pytest.approx(sm[row, col])
    assert one.transform == (-180, 0.25, 0, 90, 0, -0.25)
    assert one.labels == ["2016-06-07"] and one.unit() == "m3/m3" and one.tag("SOURCE_VERSION") == "05.2"
    assert "COMBINED" in one.tag("SOURCE_PRODUCT")
    error = imported(path, "soil_moisture_uncertainty")
    assert error.at(lon[col], lat[row]) == pytest.approx(uncertainty[row, col])


def test_a_real_gldas_file_gives_volume_of_water_per_volume_of_layer(imported, shared_data):
    path = next((shared_data / NATIVE / "gldas").glob("*.nc4"))
    with netCDF4.Dataset(path) as file:
        top, second = (file[name][0] for name in ("SoilMoi0_10cm_inst", "SoilMoi10_40cm_inst"))
        lat, lon = file["lat"][:], file["lon"][:]
    one = imported(path, "soil_moisture_0_10cm", "soil_moisture_10_40cm")
    assert lat[0] < lat[-1], "the file runs from south to north"
    np.testing.assert_allclose(one.array(0)[::-1], (top / 100).filled(np.nan), rtol=1e-6)
    np.testing.assert_allclose(one.array(1)[::-1], (second / 300).filled(np.nan), rtol=1e-6)
    row, col = (int(part[777]) for part in np.nonzero(~np.ma.getmaskarray(top)))
    assert one.at(lon[col], lat[row]) == pytest.approx(top[row, col] / 100)
    assert one.valid() == top.count() and 0 < np.nanmax(one.array()) < 0.6
    assert one.transform == (-180, 0.25, 0, 90, 0, -0.25)
    assert one.labels == ["2016-01-01T03:00/2016-01-01T06:00"] * 2
    assert one.unit() == "m3/m3" and [one.tag("DEPTH", n) for n in (0, 1)] == ["0-10 cm", "10-40 cm"]
    assert one.tag("SOURCE_VERSION") == "021"
    # The subset has no temperature and no snow: the rules are named as not applied.
    assert len(one.result.removed["soil_moisture_0_10cm"].absent) == 2


def test_a_real_era5_land_file_of_the_new_layout(imported, shared_data):
    path = next((shared_data / NATIVE / "era5_land").glob("*.nc"))
    with netCDF4.Dataset(path) as file:
        swvl1, hours = file["swvl1"][:].filled(np.nan), file["valid_time"][:]
        lat, lon = file["latitude"][:], file["longitude"][:]
    one = imported(path)
    assert one.names == ["soil_moisture_0_7cm"] * 168
    for number in (0, 25, 167):
        np.testing.assert_array_equal(one.array(number), swvl1[number])
        start = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=int(hours[number]))
        period = one.result.bands[number].band.period
        assert (period.first, period.last) == (start, start + dt.timedelta(hours=1))
    assert one.at(lon[3], lat[40], 25) == pytest.approx(swvl1[25, 40, 3])
    assert one.transform == pytest.approx((115.95, 0.1, 0, -26.95, 0, -0.1))
    assert one.unit() == "m3/m3" and one.tag("DEPTH") == "0-7 cm"


def test_a_real_surface_soil_moisture_file_of_1_km_stays_percent_without_its_flags(imported, shared_data):
    path = next((shared_data / NATIVE / "cgls_1km").glob("c_gls_SSM1km*.nc"))
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        stored, noise = file["ssm"][0], file["ssm_noise"][0]
        lat, lon = file["lat"][:], file["lon"][:]
    assert {251, 252, 253} <= set(np.unique(stored))
    for quality, kept in (("all", stored <= 200), ("good", stored <= 200), ("best", (stored <= 200) & (noise <= 20))):
        one = imported(path, quality=quality)
        assert one.valid() == kept.sum()
        np.testing.assert_array_equal(one.array(), np.where(kept, stored * 0.5, np.nan))
    assert one.unit() == "% saturation" and one.labels == ["2017-06-01"]
    row, col = (int(part[55]) for part in np.nonzero(stored <= 200))
    assert one.at(lon[col], lat[row]) == stored[row, col] * 0.5
    assert one.transform == pytest.approx((-1, 1 / 112, 0, 45, 0, -1 / 112), abs=1e-9)
    assert "porosity" in " ".join(one.result.notes)


def test_a_real_soil_water_index_file(imported, shared_data):
    path = next((shared_data / NATIVE / "cgls_1km").glob("c_gls_SWI1km*.nc"))
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        five, forty = file["SWI_005"][0], file["SWI_040"][0]
        lat, lon = file["lat"][:], file["lon"][:]
    for quality in ("all", "good", "best"):  # unfrozen and well observed everywhere
        one = imported(path, "swi_005", "swi_040", quality=quality)
        np.testing.assert_array_equal(one.array(0), np.where(five <= 200, five * 0.5, np.nan))
        np.testing.assert_array_equal(one.array(1), np.where(forty <= 200, forty * 0.5, np.nan))
    assert one.labels == ["2017-06-01"] * 2 and one.unit() == "% saturation"
    row, col = (int(part[55]) for part in np.nonzero(five <= 200))
    assert one.at(lon[col], lat[row]) == five[row, col] * 0.5


def test_recipes_say_what_they_were_checked_on_and_where_facts_come_from():
    ours = (
        "smap_l4 smap_l3 smap_l2 smap_l2_enhanced smap_sentinel smap_sentinel_3km esa_cci esa_cci_active "
        "c3s_soil_moisture c3s_soil_moisture_active gleam era5_land era5_land_monthly gldas glass cgls_soil_water "
        "cgls_surface_soil_moisture tropomi_sif"
    ).split()
    recipes = load_recipes()
    for name in ours:
        recipe = recipes[name]
        assert "real" in recipe.checked or "made after the product" in recipe.checked
        assert any("doi" in source or "guide" in source for source in recipe.sources) and recipe.notes
        for variable in recipe.variables.values():
            assert variable.unit, (name, variable.name)
