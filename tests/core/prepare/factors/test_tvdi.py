"""TVDI: edges of triangles whose edges are known, scenes without edges, layers with their periods, grids and units."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.factors.indices import Constants
from soilmoisture.core.prepare.factors.spectral import SpectralOptions, make_indices
from soilmoisture.core.prepare.factors.spectral_report import spectral_report
from soilmoisture.core.prepare.factors.tvdi import Scatter, TvdiOptions, fit_edges, tvdi
from soilmoisture.core.raster.stack import Stack

CORNER, SIZE = (400000.0, 5000000.0), 1000.0
AUGUST = ("2021-08-05", "2021-08-13")
WET, DRY, SLOPE = 290.0, 330.0, -36.0
ROWS, COLS = 150, 200


def triangle(seed=0, wet_slope=0.0, shape=(ROWS, COLS)):
    """NDVI, temperature and the wetness they were made of, evenly spread between the edges."""
    rng = np.random.default_rng(seed)
    ndvi, dryness = rng.uniform(0.1, 0.9, shape), rng.uniform(0, 1, shape)
    wet = WET + wet_slope * ndvi
    return ndvi, wet + dryness * (DRY + SLOPE * ndvi - wet), dryness


def edges_of(ndvi, temperature, **options):
    options = TvdiOptions(**options)
    scatter = Scatter(options)
    # In strips, as layers come.
    for row0 in range(0, len(ndvi), 40):
        scatter.add(ndvi[row0 : row0 + 40], temperature[row0 : row0 + 40])
    return fit_edges(scatter, options)


def theil_sen(x, y):
    slopes = [(y[j] - y[i]) / (x[j] - x[i]) for i in range(len(x)) for j in range(i + 1, len(x))]
    slope = float(np.median(slopes))
    return float(np.median(y)) - slope * float(np.median(x)), slope


def test_known_edges_of_a_triangle():
    """With values spread evenly the percentiles lie 1 % inside the triangle."""
    found = edges_of(*triangle(shape=(400, 500))[:2])
    inside = lambda ndvi, share: WET + share * (DRY + SLOPE * ndvi - WET)  # noqa: E731
    assert found.fitted and found.bins > 60 and found.pixels == pytest.approx(200000, rel=0.02)
    for ndvi in (0.2, 0.5, 0.8):
        assert found.dry[0] + found.dry[1] * ndvi == pytest.approx(inside(ndvi, 0.99), abs=0.15)
    assert found.wet[1] == 0 and found.wet[0] == pytest.approx(inside(0.5, 0.01), abs=0.15)
    assert found.rmse < 0.3


def test_edges_equal_a_plain_loop():
    """Percentiles of numpy per bin, then all slopes between two bins."""
    ndvi, temperature, _ = triangle(5)
    found = edges_of(ndvi, temperature, wet_edge="sloped")
    x, warm, cold = [], [], []
    for k in range(10, 100):
        inside = temperature[(ndvi >= k / 100) & (ndvi < (k + 1) / 100)]
        if len(inside) >= 50:
            x.append((k + 0.5) / 100)
            warm.append(np.percentile(inside, 99, method="inverted_cdf"))
            cold.append(np.percentile(inside, 1, method="inverted_cdf"))
    medians = [np.median(warm[max(0, k - 2) : k + 3]) for k in range(len(warm))]
    start = int(np.argmax(medians))
    intercept, slope = theil_sen(x[start:], warm[start:])
    assert found.bins == len(x) - start
    # The counts have a step of 0.05 K.
    np.testing.assert_allclose(found.points[:, 1], warm, atol=0.051)
    np.testing.assert_allclose(found.points[:, 2], cold, atol=0.051)
    np.testing.assert_allclose(found.dry, (intercept, slope), atol=0.1)
    np.testing.assert_allclose(found.wet, theil_sen(x, cold), atol=0.1)


def test_tvdi_gives_the_dryness_back():
    ndvi, temperature, dryness = triangle(2, shape=(400, 500))
    found = tvdi(ndvi, temperature, edges_of(ndvi, temperature))
    inside = ndvi < 0.85
    # Edges 1 % inside the triangle stretch it by 1 / 0.98.
    np.testing.assert_allclose(found[inside], (dryness[inside] - 0.01) / 0.98, atol=0.03)
    assert found.min() < 0 and found.max() > 1
    clipped = tvdi(ndvi, temperature, edges_of(ndvi, temperature), clip=True)
    assert clipped.min() == 0 and clipped.max() == 1
    np.testing.assert_array_equal(np.clip(found, 0, 1), clipped)


def test_hand_values_and_masks():
    ndvi, temperature, _ = triangle()
    edges = edges_of(ndvi, temperature)
    a, b, wet = *edges.dry, edges.wet[0]
    crossing = (wet - a) / b
    cases = np.array([0.3, 0.3, 0.3, -0.1, 0.05, np.nan, 0.3, crossing, crossing - 0.9 / -b])
    heat = np.array([a + 0.3 * b, wet, 310.0, 300.0, 310.0, 300.0, np.nan, 300.0, 300.0])
    expected = [1.0, 0.0, (310 - wet) / (a + 0.3 * b - wet), np.nan, (310 - wet) / (a + 0.05 * b - wet)]
    np.testing.assert_allclose(tvdi(cases, heat, edges), [*expected, *[np.nan] * 4], atol=1e-12)


def test_sloped_wet_edge():
    found = edges_of(*triangle(1, wet_slope=-10.0, shape=(400, 500))[:2], wet_edge="sloped")
    for ndvi in (0.2, 0.8):
        wet, dry = WET - 10 * ndvi, DRY + SLOPE * ndvi
        assert found.wet[0] + found.wet[1] * ndvi == pytest.approx(wet + 0.01 * (dry - wet), abs=0.2)


def test_only_the_descending_side_makes_the_dry_edge():
    """Below NDVI 0.3 the warm end rises with NDVI, as over bright or wet bare soil."""
    ndvi, _, dryness = triangle(3, shape=(400, 500))
    top = np.where(ndvi < 0.3, DRY + SLOPE * 0.3 - 60 * (0.3 - ndvi), DRY + SLOPE * ndvi)
    found = edges_of(ndvi, WET + dryness * (top - WET))
    assert found.dry[1] == pytest.approx(0.99 * SLOPE, rel=0.03)
    assert found.points[found.points[:, 3] > 0, 0].min() == pytest.approx(0.3, abs=0.04)


def test_outliers_do_not_move_the_edges():
    ndvi, temperature, _ = triangle(4, shape=(400, 500))
    before = edges_of(ndvi, temperature)
    hot = temperature.copy()
    hot[(ndvi > 0.5) & (ndvi < 0.53)] += 25
    after = edges_of(ndvi, hot)
    assert after.dry[0] + after.dry[1] * 0.5 == pytest.approx(before.dry[0] + before.dry[1] * 0.5, abs=0.6)


def flat(ndvi, temperature):
    return ndvi, 300 + 0.0 * temperature


def rising(ndvi, temperature):
    return ndvi, 290 + 20 * ndvi


def small(ndvi, temperature):
    return ndvi[:15, :15], temperature[:15, :15]


def narrow(ndvi, temperature):
    return 0.3 + 0.05 * ndvi, temperature


def empty(ndvi, temperature):
    return ndvi, np.full(temperature.shape, np.nan)


def water(ndvi, temperature):
    return -ndvi, temperature


def gentle(ndvi, temperature):
    """The dry edge falls, but the whole scene is nearly of one temperature."""
    return ndvi, 300 + (temperature - WET) * 0.02


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (flat, "differ by only 0.0 K over NDVI"),
        (rising, "warmest at NDVI 0"),
        (small, "hold 50 pixels or more"),
        (narrow, "too small or too uniform"),
        (empty, "no pixel has both"),
        (water, "no pixel has both"),
        (gentle, "differ by only"),
    ],
)
def test_scenes_without_edges_say_why(scene, reason):
    found = edges_of(*scene(*triangle()[:2]))
    assert not found.fitted and reason in found.reason


@pytest.fixture
def layers(raster):
    """layers(...): NDVI and temperature rasters of one triangle, and the dryness behind them."""

    def write(unit="K", offset=0.0, period=AUGUST, heights=None, ndvi_period=None, times=1.0):
        ndvi, temperature, dryness = triangle(6)
        stored = temperature + offset - (0 if heights is None else 0.0065 * heights)
        paths = [
            raster("ndvi", ndvi * times, CORNER, SIZE, names=["ndvi"], periods=[ndvi_period or period], unit="1"),
            raster("lst", stored, CORNER, SIZE, names=["lst_day"], periods=[period], unit=unit),
        ]
        return paths, dryness

    return write


def made(tmp_path, paths, lst=(), elevation=None, **options):
    out = tmp_path / "out.tif"
    constants = Constants(clip=options.pop("clip", False))
    options = SpectralOptions(options.pop("indices", ["TVDI"]), constants=constants, tvdi=TvdiOptions(**options))
    result = make_indices(paths, out, options, lst, elevation)
    with Stack.open(out) as stack:
        return result, stack.read(stack.bands.index(stack.bands[0]) + 1)


@pytest.mark.parametrize(("unit", "offset"), [("K", 0.0), ("degC", -273.15), ("", -273.15), ("°C", -273.15)])
def test_layers_in_kelvin_and_in_degrees(tmp_path, layers, words, unit, offset):
    paths, dryness = layers(unit, offset)
    result, values = made(tmp_path, paths)
    assert np.nanmean(np.abs(values - (dryness - 0.01) / 0.98)) < 0.03
    edges = result.edges[0]
    assert edges.dry[0] == pytest.approx(DRY, abs=1.0) and edges.wet[0] == pytest.approx(WET, abs=0.5)
    page = words(spectral_report(result))
    assert "Edges of TVDI" in page and "not on one scale" in page and "not corrected for elevation" in page
    assert result.written.bands[0].band.label == "tvdi 2021-08-05/2021-08-13"


def test_temperature_and_elevation_as_layers_of_their_own(tmp_path, raster, layers, words):
    """4000 m of relief hide the triangle until the temperature is brought to sea level."""
    heights = 4000 * np.random.default_rng(8).uniform(size=(ROWS, COLS))
    (ndvi, lst), dryness = layers(heights=heights)
    dem = raster("hills", heights, CORNER, SIZE, unit="m")
    result, values = made(tmp_path, [ndvi], [lst], dem)
    assert result.elevation and np.nanmean(np.abs(values - (dryness - 0.01) / 0.98)) < 0.03
    assert "0.0065 K per metre" in words(spectral_report(result))
    _, uncorrected = made(tmp_path, [ndvi], [lst])
    assert np.nanmean(np.abs(uncorrected - (dryness - 0.01) / 0.98)) > 0.1


def test_ndvi_by_days_of_overlap(tmp_path, layers):
    """16-day NDVI stands for the 8-day temperature in it."""
    paths, dryness = layers(ndvi_period=("2021-07-28", "2021-08-13"))
    result, values = made(tmp_path, paths)
    assert not result.missing and np.nanmean(np.abs(values - (dryness - 0.01) / 0.98)) < 0.03


def test_ndvi_is_computed_from_reflectances(tmp_path, raster, layers):
    (_, lst), dryness = layers()
    ndvi = triangle(6)[0]
    red = np.full(ndvi.shape, 0.05)
    near = red * (1 + ndvi) / (1 - ndvi)
    bands = raster("bands", np.array([red, near]), CORNER, SIZE, names=["red", "nir"], periods=[AUGUST] * 2)
    result, values = made(tmp_path, [bands, lst], indices=["TVDI", "NDVI"])
    assert result.written.names == ["ndvi", "tvdi"]
    np.testing.assert_allclose(values, ndvi, atol=1e-6)
    with Stack.open(tmp_path / "out.tif") as stack:
        assert np.nanmean(np.abs(stack.read(2) - (dryness - 0.01) / 0.98)) < 0.03


def test_dates_without_edges_are_gaps(tmp_path, raster, layers, words):
    paths, _ = layers()
    later = ("2021-08-13", "2021-08-21")
    same = np.full((ROWS, COLS), 300.0)
    ndvi = triangle(6)[0]
    paths += [
        raster("ndvi2", ndvi, CORNER, SIZE, names=["ndvi"], periods=[later]),
        raster("lst2", same, CORNER, SIZE, names=["lst_day"], periods=[later]),
        raster("lst3", same, CORNER, SIZE, names=["lst_day"], periods=[("2021-09-01", "2021-09-09")]),
    ]
    result, _ = made(tmp_path, paths)
    assert [one.band.label for one in result.written.bands] == ["tvdi 2021-08-05/2021-08-13"]
    lines = result.missing_lines
    assert len(lines) == 2 and lines[0].startswith("tvdi 2021-09-01/2021-09-09: no ndvi")
    assert lines[1].startswith("tvdi 2021-08-13/2021-08-21: its warmest pixels differ by only 0.0 K")
    assert "2 combinations of index and period" in words(spectral_report(result))


def test_grid_is_that_of_the_temperature(tmp_path, raster, layers):
    """NDVI of half the pixel size is averaged to the temperature's pixels when only TVDI is made."""
    (_, lst), dryness = layers()
    fine = np.repeat(np.repeat(triangle(6)[0], 2, axis=0), 2, axis=1)
    ndvi = raster("fine", fine, CORNER, SIZE / 2, names=["ndvi"], periods=[AUGUST])
    result, values = made(tmp_path, [ndvi, lst])
    assert values.shape == (ROWS, COLS) and np.nanmean(np.abs(values - (dryness - 0.01) / 0.98)) < 0.03
    assert any("area average" in note for note in result.notes)


def test_fills_of_zero_kelvin_do_not_count(tmp_path, raster, layers):
    (ndvi, _), dryness = layers()
    temperature = triangle(6)[1]
    temperature[:10] = 0.0
    lst = raster("holes", temperature, CORNER, SIZE, names=["lst_day"], periods=[AUGUST], unit="K")
    _, values = made(tmp_path, [ndvi, lst])
    assert np.isnan(values[:10]).all()
    assert np.nanmean(np.abs(values - (dryness - 0.01) / 0.98)) < 0.03


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"unit": "", "offset": 14000.0}, "median of 1.4.* the scale is 0.02"),
        ({"unit": "K", "offset": -273.15}, "declared in K, but its median .* degrees C: correct the unit"),
        ({"times": 10000.0}, r"NDVI goes from -1 to 1, but .*scale \(0.0001 for MODIS\)"),
        ({"ndvi_period": ("2022-08-05", "2022-08-13")}, r"tvdi lacks ndvi \(or red and nir\) for 2021-08-05"),
    ],
)
def test_bad_layers_are_one_sentence(tmp_path, layers, change, sentence):
    with pytest.raises(InputError, match=sentence):
        made(tmp_path, layers(**change)[0])
    assert not (tmp_path / "out.tif").exists()


def test_other_mistakes_are_one_sentence(tmp_path, raster, layers):
    (ndvi, lst), _ = layers()
    with pytest.raises(InputError, match="tvdi needs lst_day"):
        made(tmp_path, [ndvi])
    two = raster("two", np.full((2, 4, 4), 300.0), CORNER, SIZE, names=["a", "b"])
    with pytest.raises(
        InputError, match="None of the bands of the surface temperature is called lst_day; they are a, b"
    ):
        made(tmp_path, [ndvi], [two])
    feet = raster("feet", np.full((ROWS, COLS), 20000.0), CORNER, SIZE)
    with pytest.raises(InputError, match="no elevation in metres"):
        made(tmp_path, [ndvi], [lst], feet)
    cold = raster(
        "c", np.full((ROWS, COLS), 20.0), CORNER, SIZE, names=["lst_day"], periods=[("2021-09-01", "2021-09-09")]
    )
    with pytest.raises(InputError, match="in K in band .* but in degrees C in band"):
        made(tmp_path, [ndvi, lst, cold])
    uniform = raster("u", np.full((ROWS, COLS), 300.0), CORNER, SIZE, names=["lst_day"], periods=[AUGUST])
    with pytest.raises(InputError, match="TVDI has no edges in any period; 2021-08-05/2021-08-13: its warmest"):
        made(tmp_path, [ndvi, uniform])
    with pytest.raises(InputError, match="choose 0.01 to 0.02"):
        made(tmp_path, [ndvi, lst], bin_width=0.5)


def test_real_temperature_and_vegetation(tmp_path, shared_data, raster, words):
    """A real MODIS NDVI scene with a temperature made from it: the edges come back through the whole chain."""
    path = shared_data / "native_products" / "modis_ndvi_series" / "MOD13A1_NDVI_2016_209.tif"
    with Stack.open(path) as stack:
        ndvi, grid = stack.read(1) * 1e-4, stack.grid
    dryness = np.random.default_rng(1).uniform(size=ndvi.shape)
    heat = WET + dryness * (DRY + SLOPE * ndvi - WET)
    corner = grid.transform[0], grid.transform[3]
    layers = [
        raster(name, values, corner, grid.cell_width, names=[name], periods=[("2016-07-27", "2016-08-12")], epsg=6933)
        for name, values in (("ndvi", ndvi), ("lst_day", heat))
    ]
    result, values = made(tmp_path, layers)
    usable = (ndvi > 0.1) & (ndvi < 0.85)
    assert np.nanmean(np.abs(values - dryness)[usable]) < 0.05
    words(spectral_report(result))


@pytest.mark.parametrize(
    ("wet_edge", "told"), [("flat", "wet edge flat, both"), ("sloped", "wet edge a line over NDVI, ")]
)
def test_the_formula_names_the_wet_edge(tmp_path, layers, wet_edge, told):
    options = SpectralOptions(["TVDI"], tvdi=TvdiOptions(wet_edge=wet_edge))
    result = make_indices(layers()[0], tmp_path / "out.tif", options)
    assert f"dry edge a line over NDVI, {told}" in result.formulas["tvdi"]
