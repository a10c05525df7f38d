"""Recipes of SMAP products on granules made after their specification."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from soilmoisture.core.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
granules = importlib.import_module("granules_netcdf")
imported = importlib.import_module("imported_stack").imported


def test_smap_l4_is_stamped_at_the_centre_and_loses_frozen_and_snowy_cells(imported, tmp_path):
    planted = {
        "Geophysical_Data/sm_surface": ([[0.11, 0.12, 0.13], [0.21, -9999, 0.95]], "m3 m-3"),
        "Geophysical_Data/sm_rootzone": ([[0.31, 0.32, 0.33], [0.41, 0.42, 0.43]], "m3 m-3"),
        "Geophysical_Data/soil_temp_layer1": ([[290.0, 272.0, 275.0], [290.0, 290.0, 290.0]], "K"),
        "Geophysical_Data/snow_mass": ([[0.0, 0.0, 0.0], [0.5, 0.0, 5.0]], "kg m-2"),
        "Geophysical_Data/precipitation_total_surface_flux": ([[0.0, 1e-4, 2e-4], [0.0, 0.0, 0.0]], "kg m-2 s-1"),
    }
    paths = [granules.smap_l4(tmp_path, planted, stamp) for stamp in ("20190601T223000", "20190601T013000")]
    area = {"extent": granules.ease_extent(9, 300, 2000, 2, 3)}
    one = imported(paths, quality="all", **area)
    assert one.names == ["sm_surface"] * 2 + ["sm_rootzone"] * 2
    assert one.labels[:2] == ["2019-06-01T00:00/2019-06-01T03:00", "2019-06-01T21:00/2019-06-02T00:00"]
    np.testing.assert_allclose(one.array(), [[0.11, 0.12, 0.13], [0.21, np.nan, np.nan]], rtol=1e-6)
    np.testing.assert_allclose(one.array(2), [[0.31, 0.32, 0.33], [0.41, 0.42, 0.43]], rtol=1e-6)
    lat, lon = granules.ease_axes(9)
    assert one.at(lon[2002], lat[300]) == pytest.approx(0.13)
    assert one.transform[1] == pytest.approx(2 * granules.EASE_X / 3856, abs=1e-6)
    assert one.tag("DEPTH") == "0-5 cm" and one.tag("DEPTH", 2) == "0-100 cm" and one.unit() == "m3/m3"
    good, best = (imported(paths[:1], "sm_rootzone", quality=q, **area).array() for q in ("good", "best"))
    np.testing.assert_allclose(good, [[0.31, np.nan, 0.33], [0.41, 0.42, np.nan]], rtol=1e-6)
    np.testing.assert_allclose(best, [[0.31, np.nan, np.nan], [np.nan, 0.42, np.nan]], rtol=1e-6)
    rain = imported(paths[:1], "precipitation", **area)
    np.testing.assert_allclose(rain.array(), [[0, 1.08, 2.16], [0, 0, 0]], rtol=1e-5)
    assert rain.unit() == "mm"


def test_smap_l4_analysis_updates_stand_for_the_three_hours_around_them(imported, tmp_path):
    planted = {
        "Analysis_Data/sm_surface_analysis": ([[0.25, 0.26]], "m3 m-3"),
        "Analysis_Data/soil_temp_layer1_analysis": ([[285.0, 270.0]], "K"),
    }
    path = granules.smap_l4(tmp_path, planted, "20190601T000000", "aup")
    one = imported(path, "sm_surface", extent=granules.ease_extent(9, 300, 2000, 1, 2))
    np.testing.assert_allclose(one.array(), [[0.25, np.nan]], rtol=1e-6)
    assert one.labels == ["2019-05-31T22:30/2019-06-01T01:30"]
    assert one.tag("SOURCE_PRODUCT") == "SMAP_L4_SM_aup"


def test_the_two_smap_l4_products_are_not_mixed(imported, tmp_path):
    gph = granules.smap_l4(tmp_path, {"Geophysical_Data/sm_surface": ([[0.1]], "m3 m-3")}, "20190601T013000")
    aup = granules.smap_l4(
        tmp_path, {"Analysis_Data/sm_surface_analysis": ([[0.2]], "m3 m-3")}, "20190601T030000", "aup"
    )
    with pytest.raises(InputError, match="mix products"):
        imported([gph, aup], "sm_surface")


@pytest.mark.parametrize(
    ("km", "name"), [(36, "SMAP_L3_SM_P_20200705_R18290_001.h5"), (9, "SMAP_L3_SM_P_E_20200705_R18290_001.h5")]
)
def test_smap_l3_keeps_both_overpasses_apart(imported, tmp_path, km, name):
    corner = (100, 500)
    am, pm = "Soil_Moisture_Retrieval_Data_AM", "Soil_Moisture_Retrieval_Data_PM"
    planted = {
        f"{am}/soil_moisture": [[0.10, 0.15, 0.20], [0.25, -9999, 0.35]],
        f"{am}/retrieval_qual_flag": [[0, 1, 8], [0, 7, 5]],
        f"{am}/surface_flag": [[0, 1024, 64], [2048, 0, 0]],
        f"{am}/vegetation_water_content": [[1, 2, 3], [4, 5, 6]],
        f"{pm}/soil_moisture_pm": [[0.40, 0.41, 0.42], [0.43, 0.44, -9999]],
        f"{pm}/retrieval_qual_flag_pm": [[1, 0, 0], [0, 0, 65534]],
        f"{pm}/surface_flag_pm": [[0, 0, 0], [0, 2, 65534]],
    }
    path = granules.smap_l3(tmp_path, planted, name, km, corner)
    area = {"extent": granules.ease_extent(km, *corner, 2, 3)}
    am_good = [[0.10, np.nan, 0.20], [0.25, np.nan, np.nan]]
    expected = {
        ("soil_moisture_am", "all"): [[0.10, 0.15, 0.20], [0.25, np.nan, 0.35]],
        ("soil_moisture_am", "good"): am_good,
        ("soil_moisture_am", "best"): [[0.10, np.nan, np.nan], [0.25, np.nan, np.nan]],
        ("soil_moisture_pm", "all"): [[0.40, 0.41, 0.42], [0.43, 0.44, np.nan]],
        ("soil_moisture_pm", "good"): [[np.nan, 0.41, 0.42], [0.43, 0.44, np.nan]],
        ("soil_moisture_pm", "best"): [[np.nan, 0.41, 0.42], [0.43, np.nan, np.nan]],
    }
    for (variable, quality), values in expected.items():
        np.testing.assert_allclose(imported(path, variable, quality=quality, **area).array(), values, rtol=1e-6)
    one = imported(path, **area)
    assert one.names == ["soil_moisture_am"] and one.labels == ["2020-07-05"]
    np.testing.assert_allclose(one.array(), am_good, rtol=1e-6)
    lat, lon = granules.ease_axes(km)
    assert one.at(lon[502], lat[100]) == pytest.approx(0.20)
    assert one.transform[1] == pytest.approx(2 * granules.EASE_X / granules.EASE_SHAPE[km][1], abs=1e-6)
    assert one.tag("SOURCE_PRODUCT") == "_".join(name.split("_")[:-3]) and one.tag("SOURCE_VERSION") == "008"


def test_early_smap_l3_holds_the_morning_alone(imported, tmp_path):
    group = "Soil_Moisture_Retrieval_Data"
    planted = {f"{group}/soil_moisture": [[0.1, 0.2]], f"{group}/retrieval_qual_flag": [[0, 1]]}
    path = granules.smap_l3(tmp_path, planted, "SMAP_L3_SM_P_20150424_R12170_001.h5", 36, (100, 500))
    area = {"extent": granules.ease_extent(36, 100, 500, 1, 2)}
    np.testing.assert_allclose(imported(path, **area).array(), [[0.1, np.nan]], rtol=1e-6)
    with pytest.raises(InputError, match="no array .*_PM/soil_moisture_pm"):
        imported(path, "soil_moisture_pm", **area)


def test_half_orbits_of_a_day_are_one_map_with_the_mean_where_they_overlap(imported, tmp_path):
    flags = {"surface_flag": [0, 0, 0]}
    # Row 65534 fills places without a cell; the first orbit runs over midnight.
    a = granules.smap_l2(
        tmp_path, "SMAP_L2_SM_P_E_28001_D_20200430T233930_R18290_001.h5", [600, 601, 65534], [1500, 1501, 65534],
        {"soil_moisture": [0.10, 0.20, 0.3], "retrieval_qual_flag": [0, 0, 0], **flags}, 9,
        "2020-04-30T23:39:30.000Z", "2020-05-01T00:28:00.000Z",
    )  # fmt: skip
    b = granules.smap_l2(
        tmp_path, "SMAP_L2_SM_P_E_28000_D_20200430T220000_R18290_001.h5", [601, 602, 603], [1501, 1500, 1502],
        {"soil_moisture": [0.30, 0.40, 0.50], "retrieval_qual_flag": [0, 0, 1], **flags}, 9,
        "2020-04-30T22:00:00.000Z", "2020-04-30T22:49:00.000Z",
    )  # fmt: skip
    one = imported([a, b])
    assert one.labels == ["2020-04-30"]
    expected = np.full((4, 3), np.nan)
    expected[0, 0], expected[1, 1], expected[2, 0] = 0.10, 0.25, 0.40
    np.testing.assert_allclose(one.array(), expected, rtol=1e-6)
    lat, lon = granules.ease_axes(9)
    assert one.at(lon[1500], lat[602]) == pytest.approx(0.40)


@pytest.mark.parametrize("km", [1, 3])
def test_smap_sentinel_windows_lie_where_their_indices_say(imported, tmp_path, km):
    values = np.array([[0.1, 0.2], [0.3, -9999]])
    arrays = {"soil_moisture": values, "retrieval_qual_flag": [[0, 1], [0, 7]], "surface_flag": [[0, 0], [8, 0]]}
    windows = {1: (3300, 8100, arrays), 3: (1100, 2700, arrays)}
    path = granules.smap_sentinel(
        tmp_path, "SMAP_L2_SM_SP_1AIWDV_20190501T131332_20190501T122323_092W33N_R17000_001.h5", windows
    )
    product = "smap_sentinel" if km == 1 else "smap_sentinel_3km"
    with pytest.raises(InputError, match="1 km.*3 km.*choose the product"):
        imported(path)
    one = imported(path, product=product, quality="all")
    np.testing.assert_allclose(one.array(), np.where(values < 0, np.nan, values), rtol=1e-6)
    np.testing.assert_allclose(imported(path, product=product).array(), [[0.1, np.nan], [0.3, np.nan]], rtol=1e-6)
    assert imported(path, product=product, quality="best").valid() == 1
    lat, lon = granules.ease_axes(km)
    row0, col0, _ = windows[km]
    assert one.at(lon[col0 + 1], lat[row0]) == pytest.approx(0.2)
    assert one.transform[1] == pytest.approx(2 * granules.EASE_X / granules.EASE_SHAPE[km][1], abs=1e-6)
    assert one.labels == ["2019-05-01"]
