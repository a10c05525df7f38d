"""Recipes of rain, soil and elevation: real files, and files made after the specifications."""

from __future__ import annotations

import gzip
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
inside, same = oracles.inside, oracles.same

SHAPE = (20, 24)
DEGREES = (-71.8, 0.05, 0.0, 18.7, 0.0, -0.05)


@pytest.fixture
def imported(tmp_path):
    """imported(inputs, ...) runs the import and gives its result and the stack that it wrote."""
    return partial(oracles.run_import, tmp_path / "stack.tif")


@pytest.fixture
def rng():
    return np.random.default_rng(20)


# CHIRPS


def test_real_chirps_months(shared_data, imported):
    paths = [shared_data / f"native_products/terrain/chirps-v2.0.2010.{month}.tif" for month in ("07", "06")]
    result, output = imported(paths)
    for path, values in zip(reversed(paths), output.values):
        same(values, gdal.Open(str(path)).ReadAsArray().astype(float))
    assert output.periods == ["2010-06-01/2010-07-01", "2010-07-01/2010-08-01"]
    assert output.names == ["precipitation"] * 2 and output.units == ["mm"] * 2
    assert output.transform == pytest.approx(gdal.Open(str(paths[0])).GetGeoTransform())
    assert result.version == "v2.0"


@pytest.fixture
def rain(rng):
    values = rng.gamma(0.5, 8, SHAPE).astype("float32")
    values[:3] = -9999
    return values


@pytest.mark.parametrize("name, product, period", [
    ("chirps-v2.0.2012.02.29.tif", "auto", "2012-02-29/2012-03-01"),
    ("chirps-v2.0.2012.tif", "auto", "2012-01-01/2013-01-01"),
    ("chirps-v2.0.2012.02.3.tif", "chirps_dekad", "2012-02-21/2012-03-01"),
    ("chirps-v2.0.2012.02.2.tif", "chirps_pentad", "2012-02-06/2012-02-11"),
    ("chirps-v2.0.2012.02.6.tif", "auto", "2012-02-26/2012-03-01"),
])  # fmt: skip
def test_chirps_geotiffs(tmp_path, imported, rain, name, product, period):
    path = granules.geotiff(tmp_path / name, rain, DEGREES, granules.DEGREES)  # -9999 is not declared in the real files
    with open(path, "rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    path.unlink()
    _, output = imported([f"{path}.gz"], product=product)
    same(output.values[0], inside(rain, 0, np.inf))
    assert output.periods == [period]


def test_chirps_dekad_or_pentad_is_asked(tmp_path, imported, rain):
    path = granules.geotiff(tmp_path / "chirps-v2.0.2012.02.2.tif", rain, DEGREES, granules.DEGREES)
    with pytest.raises(InputError, match="dekads.*pentads"):
        imported([path])


@pytest.mark.parametrize("name, days, first, last", [
    ("chirps-v2.0.2010.days_p05.nc", [10958, 10959], "2010-01-01/2010-01-02", "2010-01-02/2010-01-03"),
    ("chirps-v2.0.monthly.nc", [10958, 10989], "2010-01-01/2010-02-01", "2010-02-01/2010-03-01"),
    ("chirps-v2.0.pentads.nc", [10978, 10983], "2010-01-21/2010-01-26", "2010-01-26/2010-02-01"),
    ("chirps-v2.0.dekads.nc", [10968, 10978], "2010-01-11/2010-01-21", "2010-01-21/2010-02-01"),
])  # fmt: skip
def test_chirps_netcdf_is_turned_north_up(tmp_path, imported, rain, rng, name, days, first, last):
    both = np.stack([rain, np.where(rain < 0, rain, rng.permuted(np.abs(rain)))])
    path = granules.chirps_netcdf(tmp_path / name, both, days, west=-71.8, south=17.7)
    _, output = imported([path])
    for values, stored in zip(output.values, both):
        same(values, inside(stored, 0, np.inf)[::-1])
    assert output.periods == [first, last]
    assert output.transform == pytest.approx((-71.8, 0.05, 0, 18.7, 0, -0.05), abs=1e-5)


# SoilGrids


def test_soilgrids(tmp_path, imported, rng):
    cases = {  # file: variable, divisor, unit, depth
        "clay_0-5cm_mean": ("clay", 10, "%", "0-5 cm"),
        "sand_0-5cm_mean": ("sand", 10, "%", "0-5 cm"),
        "bdod_15-30cm_mean": ("bulk_density_15_30cm", 100, "kg/dm3", "15-30 cm"),
        "soc_100-200cm_mean": ("organic_carbon_100_200cm", 10, "g/kg", "100-200 cm"),
        "nitrogen_0-5cm_mean": ("nitrogen", 100, "g/kg", "0-5 cm"),
        "phh2o_5-15cm_mean": ("ph_5_15cm", 10, "pH", "5-15 cm"),
        "cfvo_0-5cm_mean": ("coarse_fragments", 10, "%", "0-5 cm"),
        "wv0033_0-5cm_mean": ("water_33kpa", 1000, "m3/m3", "0-5 cm"),
    }
    stored, paths = {}, []
    for number, file in enumerate(cases):
        stored[file] = rng.integers(20, 130, SHAPE).astype("int16")
        stored[file][number] = -32768
        place = (8_000_000.0, 250.0, 0.0, 5_300_000.0, 0.0, -250.0)
        paths.append(granules.geotiff(tmp_path / f"{file}.tif", stored[file], place, granules.HOMOLOSINE, -32768))
    _, output = imported(paths, [name for name, *_ in cases.values()])
    for file, (name, divisor, unit, depth) in cases.items():
        number = output.names.index(name)
        same(output.values[number], inside(stored[file], 0, 20000) / divisor)
        assert output.units[number] == unit and output.tags[number]["DEPTH"] == depth
        assert output.tags[number]["STATIC"] == "YES"


# Elevation


def test_real_elevation(shared_data, tmp_path, imported):
    folder = shared_data / "native_products/terrain"
    clip = tmp_path / "srtm_52_05.tif"
    shutil.copy(folder / "srtm_baltoro_clip.tif", clip)
    for path in (folder / "NASADEM_HGT_n18w072.tif", clip):
        plain = gdal.Open(str(path))
        _, output = imported([path])
        stored = plain.ReadAsArray()
        same(output.values[0], inside(stored, -500, 9000, plain.GetRasterBand(1).GetNoDataValue()))
        assert output.transform == pytest.approx(plain.GetGeoTransform())
        assert output.names == ["elevation"] and output.units == ["m"] and output.tags[0]["STATIC"] == "YES"


def test_srtm_tiles_share_an_edge(tmp_path, imported):
    row, col = np.mgrid[0:1201, 0:1201]
    tiles = {}
    for name, east in (("N45E105.hgt", 0), ("N45E106.hgt", 1200)):
        tiles[name] = (1000 + (col + east) // 4 + row % 7).astype("int16")
    tiles["N45E105.hgt"][100:110, 50] = -32768
    tiles["N45E105.hgt"][5, 1200] = -32768  # on the shared column: the other tile knows it
    paths = [granules.srtm_tile(tmp_path / name, heights) for name, heights in tiles.items()]
    _, output = imported(paths)
    wanted = np.hstack([tiles["N45E105.hgt"], tiles["N45E106.hgt"][:, 1:]]).astype(float)
    wanted[5, 1200] = tiles["N45E106.hgt"][5, 0]
    same(output.values[0], np.where(wanted == -32768, np.nan, wanted))
    half = 0.5 / 1200
    assert output.transform == pytest.approx((105 - half, 1 / 1200, 0, 46 + half, 0, -1 / 1200), abs=1e-9)


def test_copernicus_dem(tmp_path, imported, rng):
    heights = rng.normal(900, 300, SHAPE).astype("float32")
    for number, east in enumerate((105.0, 105.0 + SHAPE[1] / 1200)):
        granules.geotiff(
            tmp_path / f"Copernicus_DSM_COG_30_N45_00_E10{5 + number}_00_DEM.tif", heights + 100 * number,
            (east, 1 / 1200, 0, 46, 0, -1 / 1200), granules.DEGREES,
        )  # fmt: skip
    _, output = imported(sorted(tmp_path.glob("Copernicus*")))
    same(output.values[0], np.hstack([heights, heights + 100]).astype(float))
