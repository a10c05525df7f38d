"""The import as a whole: many files become one stack, whatever their tiles, dates, chunks and flaws."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.products.import_report import import_report, missing_periods
from soilmoisture.core.prepare.products.importing import ImportResult, import_product
from soilmoisture.core.prepare.products.options import GenericRecipe, ImportOptions
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.report import render_html, render_json

gdal.UseExceptions()

TILE = 240
CELL = 1111950.519667 / TILE
DEGREES = (10.0, 0.1, 0.0, 50.0, 0.0, -0.1)


def geotiff(path: Path, values: Any, transform: Any = DEGREES, crs: Any = 4326, nodata: float | None = None) -> Path:
    from osgeo import osr

    reference = osr.SpatialReference()
    reference.ImportFromEPSG(crs) if isinstance(crs, int) else reference.ImportFromProj4(crs)
    kind = {"int16": gdal.GDT_Int16, "uint16": gdal.GDT_UInt16, "float32": gdal.GDT_Float32}[values.dtype.name]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), values.shape[1], values.shape[0], 1, kind)
    dataset.SetGeoTransform(transform)
    dataset.SetProjection(reference.ExportToWkt())
    if nodata is not None:
        dataset.GetRasterBand(1).SetNoDataValue(nodata)
    dataset.GetRasterBand(1).WriteArray(values)
    dataset.FlushCache()
    return path


def tile(
    folder: Path, date: str, column: int, row: int, values: Any, version: str = "061", product: str = "MOD13A2"
) -> Path:
    """A tile of MODIS NDVI as GeoTIFF (stored x 10000)."""
    x, y = -20015109.354 + column * TILE * CELL, 10007554.677 - row * TILE * CELL
    return geotiff(
        folder / f"{product}.A{date}.h{column:02}v{row:02}.{version}.2021300123456.1_km_16_days_NDVI.tif",
        values,
        (x, CELL, 0.0, y, 0.0, -CELL),
        "+proj=sinu +R=6371007.181 +units=m +no_defs",
        -3000,
    )


def series(path: Path, values: Any, start: str = "2021-01-01", unit: str = "m3 m-3", chunk: Any = None) -> Path:
    """A daily netCDF series (days, rows, cols), north first, at 0.25 degrees from 10 E, 50 N."""
    days, rows, cols = values.shape
    with netCDF4.Dataset(path, "w") as out:
        for name, size in (("time", days), ("lat", rows), ("lon", cols)):
            out.createDimension(name, size)
        out.createVariable("time", "f8", ("time",))[:] = np.arange(days)
        out["time"].units = f"days since {start}"
        out.createVariable("lat", "f8", ("lat",))[:] = 50 - 0.25 * (np.arange(rows) + 0.5)
        out.createVariable("lon", "f8", ("lon",))[:] = 10 + 0.25 * (np.arange(cols) + 0.5)
        out["lat"].units, out["lon"].units = "degrees_north", "degrees_east"
        sm = out.createVariable("sm", "f4", ("time", "lat", "lon"), zlib=True, chunksizes=chunk, fill_value=-9999.0)
        sm.units = unit
        sm[:] = np.ma.masked_invalid(values)
    return path


def generic(variable: str = "sm", **kw: Any) -> ImportOptions:
    own = {key: kw.pop(key) for key in ("scale", "offset", "fill", "unit", "date", "crs") if key in kw}
    return ImportOptions(product="generic", variables=[variable], generic=GenericRecipe(**own), **kw)


def written(path: Path) -> tuple[Stack, list[Any]]:
    stack = Stack.open(path)
    return stack, [stack.read(number) for number in range(1, len(stack.bands) + 1)]


@pytest.fixture
def moist() -> Any:
    return np.random.default_rng(1).uniform(0.05, 0.45, (9, 14, 21)).astype(np.float32)


def test_tiles_become_one_band_per_date(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = {
        (date, column, row): rng.integers(-2000, 10000, (TILE, TILE)).astype(np.int16)
        for date in ("2021209", "2021225")
        for column, row in ((25, 4), (26, 4), (25, 5))
    }
    made["2021209", 25, 4][3, 7] = -3000
    for (date, column, row), values in made.items():
        tile(tmp_path, date, column, row, values)
    out = tmp_path / "out" / "ndvi.tif"
    result = import_product([tmp_path / "*.tif"], out, ImportOptions(quality="all"))
    stack, bands = written(out)
    assert [band.label for band in stack.bands] == ["ndvi 2021-07-28/2021-08-13", "ndvi 2021-08-13/2021-08-29"]
    assert stack.grid.shape == (2 * TILE, 2 * TILE) and len(result.bands) == 2
    for band, date in zip(bands, ("2021209", "2021225")):
        whole = np.full((2 * TILE, 2 * TILE), np.nan)
        for column, row in ((25, 4), (26, 4), (25, 5)):
            stored = made[date, column, row].astype(float)
            stored[stored == -3000] = np.nan
            whole[(row - 4) * TILE : (row - 3) * TILE, (column - 25) * TILE : (column - 24) * TILE] = stored / 10000
        np.testing.assert_allclose(band, whole, rtol=1e-6)
    counts = result.removed["ndvi"]
    assert counts.pixels == 6 * TILE * TILE and counts.empty == 1 and counts.valid == counts.pixels - 1
    assert stack.grid.transform[0] == pytest.approx(-20015109.354 + 25 * TILE * CELL, abs=1e-3)


def test_a_series_keeps_every_day_whatever_its_chunks(tmp_path: Path, moist: Any) -> None:
    moist[4, 2, 3] = np.nan
    results = []
    for number, chunk in enumerate(((1, 14, 21), (9, 5, 7), (4, 14, 21))):
        out = tmp_path / f"{number}.tif"
        import_product([series(tmp_path / f"{number}.nc", moist, chunk=chunk)], out, generic())
        stack, bands = written(out)
        np.testing.assert_allclose(np.array(bands), moist, rtol=1e-6)
        results.append([band.label for band in stack.bands])
    assert results[0] == results[1] == results[2]
    assert results[0][0] == "sm 2021-01-01" and results[0][-1] == "sm 2021-01-09"


def test_only_the_days_and_the_extent_asked_for(tmp_path: Path, moist: Any) -> None:
    out = tmp_path / "out.tif"
    options = generic(
        first=dt.date(2021, 1, 3),
        last=dt.date(2021, 1, 5),
        extent=(10.6, 48.1, 12.1, 49.4),
        extent_crs="EPSG:4326",
    )
    import_product([series(tmp_path / "a.nc", moist)], out, options)
    stack, bands = written(out)
    # Cells that touch the box: columns 2 to 8 and rows 2 to 7.
    np.testing.assert_allclose(np.array(bands), moist[2:5, 2:8, 2:9], rtol=1e-6)
    assert stack.grid.extent() == pytest.approx((10.5, 48.0, 12.25, 49.5))
    assert [band.period.start.day for band in stack.bands if band.period] == [3, 4, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extent": (100.0, 1.0, 101.0, 2.0), "extent_crs": "EPSG:4326"}, "does not touch the files"),
        ({"first": dt.date(2022, 1, 1)}, "No file holds a date"),
        ({"variable": "moisture"}, "no array 'moisture'; it has .*sm"),
        ({"quality": "perfect"}, "Unknown quality"),
        ({"first": dt.date(2021, 1, 5), "last": dt.date(2021, 1, 4)}, "lies before the first"),
        ({"extent": (5.0, 1.0, 4.0, 2.0)}, "extent asked for is empty"),
        ({"porosity": 45.0}, "Porosity lies between"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path, moist: Any, change: dict[str, Any], message: str) -> None:
    out = tmp_path / "out.tif"
    path = series(tmp_path / "a.nc", moist)
    with pytest.raises(InputError, match=message):
        import_product([path], out, generic(change.pop("variable", "sm"), **change))
    assert not out.exists() and sorted(one.name for one in tmp_path.iterdir()) == ["a.nc"]


def test_versions_products_grids_and_families_are_not_mixed(tmp_path: Path) -> None:
    values = np.full((TILE, TILE), 5000, np.int16)
    first = tile(tmp_path, "2021209", 25, 4, values)
    older = tile(tmp_path, "2021225", 25, 4, values, version="006")
    aqua = tile(tmp_path, "2021217", 25, 4, values, product="MYD13A2")
    shifted = geotiff(
        tmp_path / "MOD13A2.A2021241.h25v04.061.2021300123456.1_km_16_days_NDVI.tif",
        values,
        (100.0, CELL, 0.0, 200.0, 0.0, -CELL),
        "+proj=sinu +R=6371007.181 +units=m +no_defs",
    )
    rain = geotiff(tmp_path / "chirps-v2.0.2021.08.tif", np.full((4, 4), 10.0, np.float32))
    out = tmp_path / "out.tif"
    for other, message in (
        (older, "mix versions: .* is 061, .* is 006"),
        (aqua, "mix products: .* MOD13A2, .* MYD13A2"),
        (shifted, "lie on different grids"),
        (rain, "is of .*CHIRPS.*but .* is of MODIS"),
    ):
        with pytest.raises(InputError, match=message):
            import_product([first, other], out, ImportOptions(quality="all"))
        assert not out.exists()


def test_two_files_of_one_date_and_place_are_refused_or_left_out(tmp_path: Path) -> None:
    values = np.full((TILE, TILE), 5000, np.int16)
    one = tile(tmp_path, "2021209", 25, 4, values)
    two = tmp_path / one.name.replace("2021300123456", "2021310123456")
    two.write_bytes(one.read_bytes())
    out = tmp_path / "out.tif"
    with pytest.raises(InputError, match="at the same place as .*: keep one of the two"):
        import_product([one, two], out, ImportOptions(quality="all"))
    result = import_product([one, two], out, ImportOptions(quality="all", skip_bad=True))
    assert [Path(error.path).name for error in result.skipped] == [two.name] and len(result.bands) == 1


def test_bad_files_stop_the_run_or_are_named_and_counted(tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 9000, (TILE, TILE)).astype(np.int16)
    good = [tile(tmp_path, date, 25, 4, values) for date in ("2021193", "2021209", "2021225")]
    cut = tile(tmp_path, "2021241", 25, 4, values)
    cut.write_bytes(cut.read_bytes()[: TILE * TILE])
    page = tmp_path / "MOD13A2.A2021257.h25v04.061.2021300123456.hdf"
    page.write_text("<!DOCTYPE html><html><title>Sign in</title></html>")
    out = tmp_path / "out.tif"
    for bad in (cut, page):
        with pytest.raises(InputError) as caught:
            import_product([*good, bad], out, ImportOptions(quality="all"))
        assert bad.name in str(caught.value) and "\n" not in str(caught.value)
        assert not out.exists()
    result = import_product([*good, cut, page], out, ImportOptions(quality="all", skip_bad=True))
    assert {Path(error.path).name for error in result.skipped} == {cut.name, page.name}
    stack, bands = written(out)
    assert len(bands) == 3 and not any(name.name.startswith(".") for name in tmp_path.iterdir())
    np.testing.assert_allclose(bands[1], values / 10000, rtol=1e-6)
    with pytest.raises(InputError, match="None of the 2 files can be used"):
        import_product([cut, page], out, ImportOptions(quality="all", skip_bad=True))
    assert len(written(out)[1]) == 3  # what was there before is untouched


def test_nothing_left_after_quality_says_what_took_it(tmp_path: Path) -> None:
    name = "MOD13A2.A2021209.h25v04.061.2021300123456.1_km_16_days_{}.tif"
    place = ((0.0, CELL, 0.0, 0.0, 0.0, -CELL), "+proj=sinu +R=6371007.181 +units=m +no_defs")
    geotiff(tmp_path / name.format("NDVI"), np.full((6, 7), 5000, np.int16), *place)
    geotiff(tmp_path / name.format("pixel_reliability"), np.full((6, 7), 3, np.int16), *place)
    out = tmp_path / "out.tif"
    with pytest.raises(InputError, match=r"No valid pixel is left .*ndvi: 42 pixels.* 42\): try quality 'all'"):
        import_product([tmp_path / name.format("NDVI")], out, ImportOptions())
    result = import_product([tmp_path / name.format("NDVI")], out, ImportOptions(quality="all"))
    assert result.valid_share == 1.0


def test_quality_layers_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = tile(tmp_path, "2021209", 25, 4, np.full((TILE, TILE), 5000, np.int16))
    out = tmp_path / "out.tif"
    page = render_html(import_report(import_product([path], out), out))
    assert "could not be applied, because the quality layers are not among the files" in page
    page = render_html(import_report(import_product([path], out, ImportOptions(quality="all")), out))
    assert "could not be applied" not in page


def test_percent_of_saturation_needs_a_porosity(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "native_products" / "cgls_1km"
    out = tmp_path / "ssm.tif"
    result = import_product([source / "*SSM1km*.nc"], out)
    stack, (percent,) = written(out)
    assert stack.bands[0].unit == "% saturation" and any("porosity" in note for note in result.notes)
    import_product([source / "*SSM1km*.nc"], out, ImportOptions(porosity=0.5))
    stack, (number,) = written(out)
    assert stack.bands[0].unit == "m3/m3"
    np.testing.assert_allclose(number, percent * 0.005, rtol=1e-6)
    porosity = np.linspace(0.3, 0.6, percent.size).reshape(percent.shape).astype(np.float32)
    geotiff(tmp_path / "porosity.tif", porosity, stack.grid.transform)
    import_product([source / "*SSM1km*.nc"], out, ImportOptions(porosity=str(tmp_path / "porosity.tif")))
    np.testing.assert_allclose(written(out)[1][0], percent / 100 * porosity, rtol=1e-5)
    geotiff(tmp_path / "percent.tif", 100 * porosity, stack.grid.transform)
    with pytest.raises(InputError, match="porosity map percent.tif goes from 3.* to 5.*between 0 and 1"):
        import_product([source / "*SSM1km*.nc"], out, ImportOptions(porosity=str(tmp_path / "percent.tif")))
    geotiff(tmp_path / "elsewhere.tif", porosity, (100.0, 0.01, 0.0, 10.0, 0.0, -0.01))
    with pytest.raises(InputError, match="porosity map has no value where the product has"):
        import_product([source / "*SSM1km*.nc"], out, ImportOptions(porosity=str(tmp_path / "elsewhere.tif")))


def test_rain_that_adds_up_from_midnight_becomes_hourly(tmp_path: Path) -> None:
    hourly = np.random.default_rng(3).uniform(0, 0.002, (48, 3, 4))  # metres in each hour of two days
    path = tmp_path / "era5_land.nc"
    with netCDF4.Dataset(path, "w") as out:
        for name, size in (("time", 48), ("latitude", 3), ("longitude", 4)):
            out.createDimension(name, size)
        out.createVariable("time", "i4", ("time",))[:] = 24 * 365 * 121 + 30 * 24 + 1 + np.arange(48)
        out["time"].units = "hours since 1900-01-01 00:00:00.0"
        out.createVariable("latitude", "f4", ("latitude",))[:] = [45.2, 45.1, 45.0]
        out.createVariable("longitude", "f4", ("longitude",))[:] = [101.0, 101.1, 101.2, 101.3]
        tp = out.createVariable("tp", "f8", ("time", "latitude", "longitude"))
        tp.units, tp.long_name = "m", "Total precipitation"
        tp[:] = np.concatenate([hourly[:24].cumsum(axis=0), hourly[24:].cumsum(axis=0)])
        first = netCDF4.num2date(out["time"][0], out["time"].units)
    assert first.hour == 1  # the sum of the first hour of a day
    result = import_product([path], tmp_path / "out.tif", ImportOptions("era5_land", ["precipitation"]))
    stack, bands = written(tmp_path / "out.tif")
    np.testing.assert_allclose(np.array(bands), 1000 * hourly, rtol=1e-4, atol=1e-5)
    assert {band.unit for band in stack.bands} == {"mm"} and len(result.bands) == 48
    assert stack.bands[0].period and stack.bands[0].period.first.hour == 0 and stack.bands[0].period.days == 1 / 24


def test_a_file_that_tells_nothing_of_its_place_is_refused(tmp_path: Path, moist: Any) -> None:
    with h5py.File(tmp_path / "bare.h5", "w") as out:
        out["field/sm"] = moist[0]
    with pytest.raises(InputError, match="bare.h5: nothing in it tells where the cells"):
        import_product([tmp_path / "bare.h5"], tmp_path / "out.tif", generic())
    with pytest.raises(InputError, match="not recognised"):
        import_product([tmp_path / "bare.h5"], tmp_path / "out.tif")
    with h5py.File(tmp_path / "two.h5", "w") as out:
        out["field/sm"], out["field/flag"] = moist[0], moist[0]
    with pytest.raises(InputError, match="arrays field/flag, field/sm: name the variable"):
        import_product([tmp_path / "two.h5"], tmp_path / "out.tif", ImportOptions("generic"))


@pytest.mark.parametrize(
    ("date", "label"),
    [("2021-08", "2021-08"), ("2021-08-03/2021-08-10", "2021-08-03/2021-08-11"), ("static", None), ("", "2020-05-01")],
)
def test_generic_files_take_scale_fill_unit_and_date_from_the_user(
    tmp_path: Path, date: str, label: str | None
) -> None:
    stored = np.arange(20, dtype=np.int16).reshape(4, 5)
    geotiff(tmp_path / "clay_20200501.tif", stored)
    options = generic("band_1", scale=0.5, offset=2.0, fill=(7.0, 8.0), unit="%", date=date)
    import_product([tmp_path / "clay_20200501.tif"], tmp_path / "out.tif", options)
    stack, (values,) = written(tmp_path / "out.tif")
    expected = stored * 0.5 + 2.0
    expected[(stored == 7) | (stored == 8)] = np.nan
    np.testing.assert_array_equal(values, expected)
    assert stack.bands[0].unit == "%"
    assert (stack.bands[0].period.label if stack.bands[0].period else None) == label


def test_a_generic_file_without_a_date_is_not_taken_for_static(tmp_path: Path) -> None:
    geotiff(tmp_path / "clay.tif", np.ones((4, 5), np.float32))
    with pytest.raises(InputError, match="no date in its name or inside: .*or give the date"):
        import_product([tmp_path / "clay.tif"], tmp_path / "out.tif", ImportOptions("generic"))
    static = ImportOptions("generic", generic=GenericRecipe(date="static"))
    assert import_product([tmp_path / "clay.tif"], tmp_path / "out.tif", static).bands[0].band.period is None


def test_a_single_step_without_a_length_is_its_day(tmp_path: Path, moist: Any) -> None:
    path = series(tmp_path / "field.nc", moist[:1], start="2021-02-28")
    result = import_product([path], tmp_path / "out.tif", generic())
    assert [one.band.label for one in result.bands] == ["sm 2021-02-28"]
    several = series(tmp_path / "fields.nc", moist, start="2021-02-28")
    with pytest.raises(InputError, match="has 9 dates of its own: leave the date out"):
        import_product([several], tmp_path / "out.tif", generic(date="2021-08"))


def test_an_unknown_reference_system_is_a_sentence(tmp_path: Path, moist: Any) -> None:
    path = series(tmp_path / "a.nc", moist)
    for options in (generic(crs="EPSG:99999999"), generic(extent=(10.0, 48.0, 11.0, 49.0), extent_crs="nowhere")):
        with pytest.raises(InputError, match="reference system '.*' is not known"):
            import_product([path], tmp_path / "out.tif", options)


def test_an_extent_beyond_the_files_is_told(tmp_path: Path, moist: Any) -> None:
    path = series(tmp_path / "a.nc", moist)
    inside = generic(extent=(10.6, 48.1, 12.1, 49.4), extent_crs="EPSG:4326")
    beyond = generic(extent=(5.0, 48.1, 12.1, 49.4), extent_crs="EPSG:4326")
    for options, told in ((inside, False), (beyond, True)):
        notes = import_product([path], tmp_path / "out.tif", options).notes
        assert any("reaches beyond what the files cover" in note for note in notes) is told


def test_periods_without_a_file_are_counted(tmp_path: Path) -> None:
    days = [dt.date(2020, 2, 28), dt.date(2020, 3, 1)]
    assert missing_periods([day(one) for one in days]) == (1, [day(dt.date(2020, 2, 29))])
    sixteen = [Period(dt.date(2010, 7, 28), dt.date(2010, 8, 13)), Period(dt.date(2010, 10, 16), dt.date(2010, 11, 1))]
    assert missing_periods(sixteen)[0] == 4
    months = [month_of(dt.date(2021, month, 1)) for month in (1, 2, 3, 6)]
    assert missing_periods(months)[0] == 2
    assert missing_periods(months[:3]) == (0, []) and missing_periods([]) == (0, [])


def test_a_date_that_is_none_is_refused(tmp_path: Path) -> None:
    geotiff(tmp_path / "clay.tif", np.ones((4, 5), np.float32))
    with pytest.raises(InputError, match="'August' is not like 2021-08-03"):
        import_product([tmp_path / "clay.tif"], tmp_path / "out.tif", generic("band_1", date="August"))


def test_a_recipe_of_ones_own_is_found_by_name(tmp_path: Path) -> None:
    recipe = {
        "id": "basin_sm", "title": "Basin soil moisture", "files": {"names": ["^basin_(?P<date>\\d{8})\\.tif$"]},
        "grid": {"kind": "own"}, "times": [{"kind": "name", "format": "%Y%m%d", "length": "day"}],
        "default": ["sm"],
        "variables": {"sm": {"title": "Soil moisture", "array": "*", "unit": "m3/m3", "scale": 0.001, "fill": [9999]}},
    }  # fmt: skip
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "basin.json").write_text(json.dumps(recipe))
    stored = np.array([[100, 200], [300, 9999]], np.int16)
    geotiff(tmp_path / "basin_20210804.tif", stored)
    result = import_product(
        [tmp_path / "basin_20210804.tif"], tmp_path / "out.tif", ImportOptions(recipes=[tmp_path / "recipes"])
    )
    assert result.recipe.id == "basin_sm"
    np.testing.assert_allclose(written(tmp_path / "out.tif")[1][0], [[0.1, 0.2], [0.3, np.nan]], rtol=1e-6)
    recipe["variables"]["sm"]["scale"] = 0.1  # type: ignore[index]
    (tmp_path / "recipes" / "basin.json").write_text(json.dumps(recipe))
    with pytest.raises(InputError, match="said to be in m3/m3"):
        import_product(
            [tmp_path / "basin_20210804.tif"], tmp_path / "new.tif", ImportOptions(recipes=[tmp_path / "recipes"])
        )
    assert not (tmp_path / "new.tif").exists()


def test_cancelling_leaves_nothing(tmp_path: Path, moist: Any) -> None:
    class Stop(Progress):
        seen = 0

        def set(self, fraction: float, text: str = "") -> None:
            Stop.seen += fraction > 0.3

        @property
        def cancelled(self) -> bool:
            return Stop.seen > 2

    path = series(tmp_path / "a.nc", moist)
    with pytest.raises(Cancelled):
        import_product([path], tmp_path / "out.tif", generic(), Stop())
    assert [one.name for one in tmp_path.iterdir()] == ["a.nc"]


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "clay.tif", np.ones((4, 5), np.float32))
    with pytest.raises(InputError, match="is also an input"):
        import_product([path], path, generic("band_1"))


def test_the_report_says_what_came_in_and_what_was_taken_out(tmp_path: Path, moist: Any) -> None:
    moist[2] = np.nan
    out = tmp_path / "out.tif"
    result: ImportResult = import_product([series(tmp_path / "a.nc", np.delete(moist, 5, 0))], out, generic())
    report = import_report(result, out)
    page, data = render_html(report), json.loads(render_json(report))
    assert "1 file became 8 bands of sm" in page and "<svg" in page
    text = json.dumps(data)
    assert data and '"valid_share"' in text and '"skipped": []' in text
    found = data["data"] if "data" in data else data
    bands = found["bands"]
    assert bands[0]["mean"] == pytest.approx(float(moist[0].mean()), rel=1e-5) and bands[2]["valid"] == 0
    assert found["removed"]["sm"]["empty"] == 14 * 21
