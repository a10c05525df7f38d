"""Names of files as their producers and portals write them, and what every recipe has to say of itself."""

from __future__ import annotations

import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.products.registry import detect, load_recipes


def test_every_recipe_says_on_what_it_was_checked():
    for recipe in load_recipes().values():
        assert recipe.checked and recipe.sources and recipe.title, recipe.id
        unused = set(recipe.raw.get("quality", {})) - {
            name for variable in recipe.raw["variables"].values() for name in variable.get("quality", ())
        }
        assert not unused, (recipe.id, unused)


class Named:
    """A file that holds whatever is looked for, so that the name alone decides."""

    format, attributes = "HDF4", {}

    def __init__(self, name):
        self.name = self.path = name

    def find(self, pattern):
        return pattern


@pytest.mark.parametrize("name, recipe, parts", [
    ("MOD09A1.A2019361.h25v04.061.2020018031112.hdf", "modis_reflectance", "MOD09A1 2019361 061"),
    ("MYD09GQ.A2020009.h25v04.061.2020018031112.hdf", "modis_reflectance_250m", "MYD09GQ 2020009 061"),
    ("MOD11A1.006_LST_Day_1km_doy2019121_aid0001.tif", "modis_lst", "MOD11A1 2019121 006 LST_Day_1km"),
    ("MYD11A2.A2019121.LST_Night_1km.tif", "modis_lst", "MYD11A2 2019121 LST_Night_1km"),
    ("MOD13Q1.061__250m_16_days_NDVI_doy2005193000000_aid0002.tif", "modis_vegetation",
     "MOD13Q1 2005193 061 _250m_16_days_NDVI"),
    ("MOD13Q1.A2010209.h24v03.005.2010239101533.250m_16_days_EVI.tif", "modis_vegetation",
     "MOD13Q1 2010209 005 250m_16_days_EVI"),
    ("MYD13A1_NDVI_2016_033.tif", "modis_vegetation", "MYD13A1 2016_033 NDVI"),
    ("MCD15A3H.A2018273.h17v03.006.2018278143630.hdf", "modis_lai", "MCD15A3H 2018273 006"),
    ("MOD16A2GF.A2019361.h25v04.061.2020018031112.hdf", "modis_evapotranspiration", "MOD16A2GF 2019361 061"),
    ("MOD16A3GF.A2019001.h25v04.061.2020018031112.hdf", "modis_evapotranspiration_yearly", "MOD16A3GF 2019001 061"),
    ("MCD12Q1.A2018001.h25v04.061.2022146031112.hdf", "modis_landcover", "MCD12Q1 2018001 061"),
    ("MCD43A3.061_Albedo_BSA_shortwave_doy2021001_aid0001.tif", "modis_albedo",
     "MCD43A3 2021001 061 Albedo_BSA_shortwave"),
    ("MCD43A4.A2020366.h25v04.006.2021009031112.hdf", "modis_nbar", "MCD43A4 2020366 006"),
    ("chirps-v3.0.rnl.2024.01.05.tif", "chirps", "2024.01.05 v3.0"),
    ("chirps-v2.0.2010.days_p05.nc", "chirps", "v2.0"),
    ("chirps-v2.0.2010.06.5.tif", "chirps_pentad", "2010.06.5 v2.0"),
    ("clay_0-5cm_mean_1000.tif", "soilgrids", "clay_0-5cm_mean_1000"),
    ("N45E105.SRTMGL1.hgt", "dem_srtm", ""),
    ("n45_e105_1arc_v3.tif", "dem_srtm", "v3"),
    ("srtm_57_04.tif", "dem_srtm", ""),
    ("SRTMGL1_NC.003_SRTMGL1_DEM_doy2000042000000_aid0001.tif", "dem_srtm", "003"),
    ("Copernicus_DSM_COG_10_N45_00_E105_00_DEM.tif", "dem_copernicus", "10"),
    ("LC08_L2SP_131030_20210803_20210811_02_T1_QA_PIXEL.TIF", "landsat_oli", "LC08 20210803 02 QA_PIXEL"),
    ("LE07_L2SP_131030_20010803_20210811_02_T1_ST_B6.TIF", "landsat_tm", "LE07 20010803 02 ST_B6"),
    ("S1A_IW_GRDH_1SDV_20190417T001045_20190417T001110_026831_0303A4_29E5.VV.tif", "sentinel1_db", "S1A 20190417 VV"),
    ("subset_0_of_S1B_IW_GRDH_1SDV_20190417T001045_20190417T001110_026831_0303A4_29E5_Orb_Cal_TC.nc",
     "sentinel1_linear", "S1B 20190417"),
])  # fmt: skip
def test_names_tell_one_recipe(name, recipe, parts):
    found, groups = detect(Named(name), load_recipes())
    assert found.id == recipe
    told = (groups.get(key) for key in ("product", "date", "version", "array"))
    assert " ".join(text for text in told if text) == parts


@pytest.mark.parametrize("name", ["clay_0-5cm_mean_30s.tif", "SRTMGL1_NUM.003_SRTMGL1_NUM_doy2000042_aid0001.tif"])
def test_names_of_other_content_are_not_taken(name):
    with pytest.raises(InputError, match="not recognised"):
        other = Named(name)
        other.find = lambda pattern: None
        detect(other, load_recipes())
