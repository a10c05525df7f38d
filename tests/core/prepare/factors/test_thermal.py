"""Apparent thermal inertia: golden numbers by plain loops, the sun, latitudes, periods, units, platforms, report."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.factors.sun import Latitudes, declination, solar_correction
from soilmoisture.core.prepare.factors.thermal import ThermalOptions, make_thermal_inertia, thermal_inertia
from soilmoisture.core.prepare.factors.thermal_report import thermal_report
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.periods import Period
from soilmoisture.core.raster.stack import Stack

CORNER, SIZE = (400000.0, 5000000.0), 1000.0
AUGUST, LATER = ("2021-08-05", "2021-08-13"), ("2021-08-13", "2021-08-21")
ROWS, COLS = 5, 6


def correction(latitude, day):
    """C of one pixel, written as in the method reference."""
    tilt = math.radians(23.45 * math.sin(2 * math.pi * (284 + day) / 365))
    f = math.radians(latitude)
    product = math.tan(f) * math.tan(tilt)
    product = max(-1.0, min(1.0, product))
    first = math.sin(f) * math.sin(tilt) * (1 - product * product)
    return first + math.cos(f) * math.cos(tilt) * math.acos(-product)


@pytest.fixture
def scene():
    rng = np.random.default_rng(2)
    day = rng.uniform(300, 320, (ROWS, COLS))
    return {
        "lst_day": day,
        "lst_night": day - rng.uniform(5, 25, (ROWS, COLS)),
        "albedo": rng.uniform(0.1, 0.4, (ROWS, COLS)),
    }


@pytest.fixture
def layers(raster, scene):
    """layers(...): day, night and albedo rasters of one period."""

    def write(
        period=AUGUST, tag="", offsets=(0.0, 0.0), units=("K", "K"), times=1.0, albedo="albedo_white_sky_shortwave"
    ):
        made = []
        for name, values, unit in (
            ("lst_day", scene["lst_day"] + offsets[0], units[0]),
            ("lst_night", scene["lst_night"] + offsets[1], units[1]),
            (albedo, scene["albedo"] * times, "1"),
        ):
            periods = [period] if period else ()
            made.append(raster(f"{name}{tag}", values, CORNER, SIZE, names=[name], periods=periods, unit=unit))
        return made

    return write


def made(tmp_path, day, night=(), albedo=(), **options):
    out = tmp_path / "ati.tif"
    result = make_thermal_inertia(day, out, night, albedo, ThermalOptions(**options))
    with Stack.open(out) as stack:
        return result, [stack.read(number + 1) for number in range(len(stack.bands))]


@pytest.mark.parametrize(
    ("day", "night", "albedo", "expected"),
    [
        (310.0, 290.0, 0.2, 0.04),
        (37.0, 17.0, 0.2, 0.04),
        (310.0, 308.9, 0.2, 0.8 / 1.1),
        (310.0, 309.0, 0.2, math.nan),
        (310.0, 309.5, 0.2, math.nan),
        (310.0, 310.0, 0.2, math.nan),
        (300.0, 310.0, 0.2, math.nan),
        (310.0, 290.0, 1.0, 0.0),
        (math.nan, 290.0, 0.2, math.nan),
        (310.0, math.nan, 0.2, math.nan),
        (310.0, 290.0, math.nan, math.nan),
    ],
)
def test_hand_cases(day, night, albedo, expected):
    np.testing.assert_allclose(thermal_inertia(*(np.array([v]) for v in (day, night, albedo)))[0], expected, rtol=1e-12)


def test_the_sun():
    """Solstices and equinoxes; the equator at an equinox sees pi / 2; polar night 0, polar day pi cos f cos d."""
    assert declination(Period(dt.date(2021, 6, 21), dt.date(2021, 6, 22))) == pytest.approx(23.45, abs=0.01)
    assert declination(Period(dt.date(2021, 12, 22), dt.date(2021, 12, 23))) == pytest.approx(-23.45, abs=0.02)
    assert declination(Period(dt.date(2021, 3, 22), dt.date(2021, 3, 23))) == pytest.approx(0.0, abs=0.5)
    # 8 days from day 217: their middle is day 221.
    assert declination(Period(dt.date(2021, 8, 5), dt.date(2021, 8, 13))) == pytest.approx(
        23.45 * math.sin(2 * math.pi * (284 + 221) / 365)
    )
    assert solar_correction(np.array([0.0]), 0.0)[0] == pytest.approx(math.pi / 2)
    night, day = solar_correction(np.array([-80.0, 80.0]), 23.0)
    assert night == pytest.approx(0.0, abs=1e-12)
    assert day == pytest.approx(math.pi * math.cos(math.radians(80)) * math.cos(math.radians(23)))
    np.testing.assert_allclose(solar_correction(np.array([90.0, -90.0]), 10.0), [0, 0], atol=1e-12)
    north = np.arange(-89.0, 90.0, 7.0)
    for number in (1, 100, 221, 300):
        tilt = 23.45 * math.sin(2 * math.pi * (284 + number) / 365)
        np.testing.assert_allclose(solar_correction(north, tilt), [correction(v, number) for v in north], atol=1e-12)


def test_polar_night_is_empty():
    ati = thermal_inertia(
        np.array([250.0]), np.array([240.0]), np.array([0.5]), solar_correction(np.array([80.0]), -23.0)
    )
    assert np.isnan(ati[0])


DECEMBER, JUNE = ("2020-12-10", "2020-12-18"), ("2021-06-10", "2021-06-18")


def far_north(raster, periods, empty=0):
    """75 to 60 degrees north, 3 rows; the first `empty` periods have no night temperature."""
    bands, names, dates = [], [], []
    for k, period in enumerate(periods):
        for name, value in (("lst_day", 260.0), ("lst_night", np.nan if k < empty else 250.0), ("albedo", 0.6)):
            bands.append(np.full((3, 2), value))
            names.append(name)
            dates.append(period)
    return raster("north", np.stack(bands), (20.0, 77.5), 5.0, epsg=4326, names=names, periods=dates, nodata=-1.0)


def test_where_the_sun_never_rises_is_told(tmp_path, raster, words):
    result, (december, june) = made(tmp_path, [far_north(raster, [DECEMBER, JUNE])])
    assert np.isnan(december[:2]).all() and np.isfinite(december[2]).all() and np.isfinite(june).all()
    note = "The sun never rises (polar night) at 66.7 % of the pixels with all inputs in 2020-12-10/2020-12-18"
    assert any(note in one for one in result.notes)
    verdict = thermal_report(result).verdict.replace("\u00a0", " ")
    assert (
        note in verdict
        and verdict.startswith("Thermal inertia in 2 periods")
        and (result.counts[0].dark, result.counts[1].dark) == (4, 0)
    )
    words(thermal_report(result))


@pytest.mark.parametrize(
    ("cut", "options", "sentence"),
    [
        (2, {}, r"The sun never rises \(polar night\) at 100 % of the pixels .* give dates with daylight"),
        (3, {"solar": False, "least_amplitude": 20.0}, "No pixel has an amplitude of more than 20 K"),
        (3, {"least_amplitude": 20.0}, "Elsewhere the amplitude is 20 K or less"),
        (0, {}, "No pixel has day and night temperature and albedo in any period"),
    ],
)
def test_nothing_valid_at_all_is_an_error(tmp_path, raster, cut, options, sentence):
    path = far_north(raster, [DECEMBER], empty=0 if cut else 1)
    north = str(tmp_path / "cut.tif")
    gdal.Translate(north, path, srcWin=[0, 0, 2, cut or 3])
    with pytest.raises(InputError, match=sentence):
        made(tmp_path, [north], **options)
    assert not (tmp_path / "ati.tif").exists()


def exact_latitudes(grid):
    geographic = osr.SpatialReference()
    geographic.ImportFromEPSG(4326)
    geographic.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    there = osr.CoordinateTransformation(grid.crs, geographic)
    return np.array([[there.TransformPoint(float(x), float(y))[1] for x in grid.x_centres()] for y in grid.y_centres()])


def projected(epsg, corner, cell, rows, cols):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return Grid(reference.ExportToWkt(), (corner[0], cell, 0.0, corner[1], 0.0, -cell), rows, cols)


@pytest.mark.parametrize(
    "grid",
    [
        ease_grid(9, 300, 2500, 40, 30),
        projected(32648, (200000, 5400000), 1000, 130, 90),
        projected(3035, (2500000, 5400000), 5000, 200, 150),
        projected(3413, (-3000000, 2000000), 25000, 60, 70),
        projected(32648, (500000, 5400000), 30, 3, 1),
    ],
    ids=["EASE-Grid", "UTM", "LAEA", "polar", "narrow"],
)
def test_latitudes_of_projected_grids(grid):
    found = Latitudes(grid)
    whole = exact_latitudes(grid)
    parts = [
        np.broadcast_to(found(row0, min(37, grid.rows - row0)), (min(37, grid.rows - row0), grid.cols))
        for row0 in range(0, grid.rows, 37)
    ]
    np.testing.assert_allclose(np.vstack(parts), whole, atol=0.02 if grid.cell_width > 20000 else 0.002)


def test_golden_numbers_in_a_projected_system(tmp_path, layers, scene):
    day, night, albedo = layers()
    result, (values,) = made(tmp_path, [day], [night], [albedo])
    latitudes = exact_latitudes(result.written.grid)
    expected = np.empty((ROWS, COLS))
    for i in range(ROWS):
        for j in range(COLS):
            amplitude = scene["lst_day"][i, j] - scene["lst_night"][i, j]
            expected[i, j] = correction(latitudes[i, j], 221) * (1 - scene["albedo"][i, j]) / amplitude
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert result.written.bands[0].band.unit == "1/K" and not result.missing


def test_golden_numbers_on_a_geographic_grid(tmp_path, raster, scene):
    """From 60 N to 60 S in one scene: every row has its own C."""
    bands = np.array([scene["lst_day"], scene["lst_night"], scene["albedo"]])
    names = ["lst_day", "lst_night", "albedo_black_sky_shortwave"]
    stack = raster("all", bands, (100.0, 60.0), 24.0, epsg=4326, names=names, periods=[AUGUST] * 3)
    result, (values,) = made(tmp_path, [stack])
    c = [[correction(60 - 12 - 24 * i, 221)] for i in range(ROWS)]
    np.testing.assert_allclose(
        values, np.array(c) * (1 - scene["albedo"]) / (scene["lst_day"] - scene["lst_night"]), rtol=1e-5
    )
    assert result.albedo == "albedo_black_sky_shortwave"


def test_without_the_solar_correction(tmp_path, layers, scene):
    _, (values,) = made(tmp_path, layers(period=None), solar=False)
    np.testing.assert_allclose(values, (1 - scene["albedo"]) / (scene["lst_day"] - scene["lst_night"]), rtol=1e-5)
    with pytest.raises(InputError, match="solar correction needs the date"):
        made(tmp_path, layers(period=None))


def test_degrees_and_amplitude(tmp_path, layers, scene, words):
    result, (values,) = made(
        tmp_path, layers(offsets=(-273.15, -273.15), units=("degC", "")), solar=False, least_amplitude=10
    )
    amplitude = scene["lst_day"] - scene["lst_night"]
    np.testing.assert_allclose(values, np.where(amplitude > 10, (1 - scene["albedo"]) / amplitude, np.nan), rtol=1e-5)
    count = int((amplitude <= 10).sum())
    assert 0 < count == result.counts[0].flat and result.counts[0].known == ROWS * COLS
    assert "amplitude of 10 K or less" in words(thermal_report(result))


def test_daily_albedo_by_days_of_overlap(tmp_path, raster, layers, scene):
    """Albedo of 3 days, 1 day and 16 days in part: each pixel takes the mean by days of those that see it."""
    day, night, _ = layers()
    given = {
        ("2021-08-02", "2021-08-06"): (0.2, 1),
        ("2021-08-07", "2021-08-10"): (0.3, 3),
        ("2021-08-12", "2021-08-28"): (0.5, 1),
    }
    paths = []
    for number, (period, (value, _)) in enumerate(given.items()):
        values = np.full((ROWS, COLS), value)
        if number == 1:
            values[0, 0] = np.nan
        paths.append(raster(f"a{number}", values, CORNER, SIZE, names=["albedo_white_sky_shortwave"], periods=[period]))
    result, (found,) = made(tmp_path, [day], [night], paths, solar=False)
    albedo = np.full((ROWS, COLS), (0.2 + 3 * 0.3 + 0.5) / 5)
    albedo[0, 0] = 0.35
    np.testing.assert_allclose(found, (1 - albedo) / (scene["lst_day"] - scene["lst_night"]), rtol=1e-5)
    assert result.matched[0][2] == "3 dates, 2021-08-02/2021-08-06 to 2021-08-12/2021-08-28"


def test_missing_periods_and_thin_cover_are_said(tmp_path, raster, layers, words):
    first, second = layers(), layers(LATER, "2")
    one_day = raster(
        "thin", np.full((ROWS, COLS), 0.2), CORNER, SIZE, names=["albedo"], periods=[("2021-08-06", "2021-08-07")]
    )
    result, values = made(tmp_path, [first[0], second[0]], [first[1], second[1]], [one_day])
    assert len(values) == 1 and result.missing_lines == ["ati 2021-08-13/2021-08-21: no albedo."]
    assert result.notes == ["The albedo covers less than half of the days of 2021-08-05/2021-08-13."]
    page = words(thermal_report(result))
    assert "1 period could not be made" in page and "no albedo" in page


def test_albedo_of_another_grid(tmp_path, raster, layers, scene):
    """500 m albedo goes to the 1 km temperature by area average."""
    day, night, _ = layers()
    fine = np.repeat(np.repeat(scene["albedo"], 2, axis=0), 2, axis=1) + np.tile([[0.05, -0.05]], (2 * ROWS, COLS))
    albedo = raster("fine", fine, CORNER, SIZE / 2, names=["albedo"], periods=[AUGUST])
    result, (values,) = made(tmp_path, [day], [night], [albedo], solar=False)
    np.testing.assert_allclose(values, (1 - scene["albedo"]) / (scene["lst_day"] - scene["lst_night"]), rtol=1e-5)
    assert any("area average" in note for note in result.notes)


def test_of_two_albedos_one_is_taken_and_named(tmp_path, raster, layers, scene, words):
    day, night, _ = layers()
    both = raster(
        "both",
        np.array([scene["albedo"], scene["albedo"] + 0.1]),
        CORNER,
        SIZE,
        names=["albedo_white_sky_shortwave", "albedo_black_sky_shortwave"],
        periods=[AUGUST] * 2,
    )
    amplitude = scene["lst_day"] - scene["lst_night"]
    for sky, shift in (("white_sky", 0.0), ("black_sky", 0.1)):
        result, (values,) = made(tmp_path, [day], [night], [both], solar=False, sky=sky)
        np.testing.assert_allclose(values, (1 - scene["albedo"] - shift) / amplitude, rtol=1e-5)
        assert f"albedo is albedo_{sky}_shortwave" in words(thermal_report(result))


def labelled(path, product):
    opened = gdal.Open(path, gdal.GA_Update)
    opened.GetRasterBand(1).SetMetadataItem("SOURCE_PRODUCT", product)
    opened = None
    return path


def test_terra_is_mentioned_and_products_are_kept(tmp_path, layers, words):
    day, night, albedo = layers()
    labelled(day, "MOD11A2"), labelled(night, "MOD11A2"), labelled(albedo, "MCD43A3")
    result, _ = made(tmp_path, [day], [night], [albedo])
    assert result.platform == "Terra" and "10:30 and 22:30" in words(thermal_report(result))
    opened = gdal.Open(str(tmp_path / "ati.tif"))
    metadata = opened.GetRasterBand(1).GetMetadata()
    assert metadata["SOURCE_PRODUCT"] == "MOD11A2, MCD43A3" and "albedo_white_sky_shortwave" in metadata["LONG_NAME"]
    labelled(night, "MYD11A2")
    with pytest.raises(InputError, match="is of Terra .* and the night temperature of Aqua .* one platform"):
        made(tmp_path, [day], [night], [albedo])


def test_fills_do_not_count(tmp_path, raster, layers, scene):
    """0 K, an albedo of 3 and NaN are no values."""
    day, night, albedo = scene["lst_day"].copy(), scene["lst_night"].copy(), scene["albedo"].copy()
    day[0, 0], night[1, 1], albedo[2, 2] = 0.0, np.nan, -0.1
    names = ["lst_day", "lst_night", "albedo"]
    stack = raster("holes", np.array([day, night, albedo]), CORNER, SIZE, names=names, periods=[AUGUST] * 3)
    _, (values,) = made(tmp_path, [stack])
    assert np.isnan(values[[0, 1, 2], [0, 1, 2]]).all() and np.isfinite(values).sum() == ROWS * COLS - 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"offsets": (0.0, -273.15), "units": ("K", "degC")},
            "in K in band 'lst_day .* but in degrees C in band 'lst_night",
        ),
        (
            {"offsets": (0.0, -273.15), "units": ("", "")},
            "in K in band 'lst_day .* but in degrees C in band 'lst_night",
        ),
        ({"offsets": (15000.0, 15000.0), "units": ("", "")}, "the scale is 0.02"),
        ({"times": 1000.0}, r"99th percentile of band 'albedo.* set its scale to 0.001"),
        ({"times": 100.0}, r"set its scale to 0.01 \(percent\)"),
    ],
)
def test_units_are_guarded(tmp_path, layers, change, sentence):
    day, night, albedo = layers(**change)
    with pytest.raises(InputError, match=sentence):
        made(tmp_path, [day], [night], [albedo])
    assert not (tmp_path / "ati.tif").exists()


def test_other_mistakes_are_one_sentence(tmp_path, raster, layers):
    day, night, albedo = layers()
    with pytest.raises(InputError, match="No band is called lst_night, the night temperature: the layers hold lst_day"):
        made(tmp_path, [day])
    with pytest.raises(InputError, match="No band is called lst_day, .* hold lst_night"):
        made(tmp_path, [night], [night], [albedo])
    with pytest.raises(InputError, match="No band is an albedo"):
        made(tmp_path, [day], [night])
    far = raster("far", np.full((ROWS, COLS), 0.2), (9e5, 5e6), SIZE, names=["albedo"], periods=[AUGUST])
    with pytest.raises(InputError, match="Band 'albedo .*' of far does not overlap"):
        made(tmp_path, [day], [night], [far])
    later = layers(LATER, "2")
    with pytest.raises(InputError, match="No period has .* 2021-08-05/2021-08-13 lacks night temperature"):
        made(tmp_path, [day], [later[1]], [albedo])
    with pytest.raises(InputError, match="The day temperature is there twice for 2021-08-05"):
        made(tmp_path, [day, layers(tag="3")[0]], [night], [albedo])
    with pytest.raises(InputError, match="Several albedos"):
        names = ["albedo_vis", "albedo_nir"]
        two = raster("two", np.full((2, ROWS, COLS), 0.2), CORNER, SIZE, names=names, periods=[AUGUST] * 2)
        made(tmp_path, [day], [night], [two])
    with pytest.raises(InputError, match="above 0 K"):
        made(tmp_path, [day], [night], [albedo], least_amplitude=0.0)
    with pytest.raises(InputError, match="is also an input"):
        make_thermal_inertia([day], day, [night], [albedo])


def test_real_night_and_day(tmp_path, shared_data, raster, words):
    """MOD11B2 as imported: day and night of one 8-day composite, against a plain loop over its stored integers."""
    folder = shared_data / "native_products" / "modis"
    file = next(folder.glob("MOD11B2*.hdf"))
    try:
        opened = gdal.Open(str(file))
    except RuntimeError:
        pytest.skip("this GDAL cannot open HDF4")
    names = {key.rsplit(":", 1)[-1]: key for key, _ in opened.GetSubDatasets()}
    stored = []
    for wanted in ("LST_Day_6km", "LST_Night_6km"):
        dataset = gdal.Open(next(path for name, path in names.items() if wanted in name))
        stored.append(dataset.ReadAsArray().astype(float))
        wkt, corner = dataset.GetProjection(), dataset.GetGeoTransform()
    paths = []
    for name, values in (
        ("lst_day", stored[0] * 0.02),
        ("lst_night", stored[1] * 0.02),
        ("albedo", np.full(stored[0].shape, 0.25)),
    ):
        path = raster(
            name,
            values,
            (corner[0], corner[3]),
            corner[1],
            names=[name],
            periods=[("2017-01-01", "2017-01-09")],
            unit="",
        )
        changed = gdal.Open(path, gdal.GA_Update)
        changed.SetProjection(wkt)
        changed = None
        paths.append(path)
    result, (values,) = made(tmp_path, paths)
    latitudes = exact_latitudes(result.written.grid)
    rows, cols = np.nonzero((stored[0] > 0) & (stored[1] > 0))
    assert len(rows) > 100
    for i, j in list(zip(rows, cols))[::97]:
        amplitude = 0.02 * (stored[0][i, j] - stored[1][i, j])
        expected = correction(latitudes[i, j], 5) * 0.75 / amplitude if amplitude > 1 else math.nan
        assert values[i, j] == pytest.approx(expected, rel=1e-3, nan_ok=True)
    assert np.isnan(values[(stored[0] == 0) | (stored[1] == 0)]).all()
    words(thermal_report(result))
