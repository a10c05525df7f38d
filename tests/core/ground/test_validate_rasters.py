"""A product against another: scores against plain loops, planted truths for the verdict and the detail."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from osgeo import ogr
from scipy.ndimage import gaussian_filter, uniform_filter, zoom

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.ground.rasters.detail import (
    BLOCKS,
    CHANGING,
    CONFIRMED,
    MIXED,
    NOISE,
    NOT_CONFIRMED,
    SMOOTH,
    STRUCTURE,
    high_pass,
    texture,
)
from soilmoisture.core.ground.rasters.moments import resampled, scores_of, series_scores, sums_of
from soilmoisture.core.ground.rasters.report import raster_report
from soilmoisture.core.ground.rasters.results import RasterOptions
from soilmoisture.core.ground.rasters.source import opened_sources
from soilmoisture.core.ground.rasters.validate import validate_rasters
from soilmoisture.core.ground.rasters.zones import Zones, names_of, zone_means
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

FIRST = dt.date(2021, 4, 1)
COARSE = ease_grid(9, 200, 2700, 6, 6)
FINE = COARSE.subdivide(6)
DATES = 40
DAYS = [day(FIRST + dt.timedelta(days=2 * k)) for k in range(DATES)]


def write(path, grid, fields, periods, unit="m3/m3", tags=None):
    with StackWriter(path, grid, [Band("soil_moisture", period, unit) for period in periods], tags) as out:
        for number, values in enumerate(fields, 1):
            out.write(number, values)
    return [str(path)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Coarse weather plus a fixed fine pattern; a product that knows it, one with noise, a reference, the source."""
    random = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("world")
    weather = np.cumsum(random.normal(0, 0.015, DATES))
    weather = 0.22 + (weather - weather.mean())
    regional = gaussian_filter(random.normal(0, 1, COARSE.shape), 1.5)
    coarse = weather[:, None, None] + 0.03 * regional / regional.std() + random.normal(0, 0.005, (DATES, *COARSE.shape))
    pattern = gaussian_filter(random.normal(0, 1, FINE.shape), 1.3)
    pattern *= 0.03 / pattern.std()
    replicated = np.repeat(np.repeat(coarse, 6, axis=1), 6, axis=2)
    truth = replicated + pattern
    shape = truth.shape
    return {
        "truth": truth,
        "good": write(folder / "good.tif", FINE, truth + random.normal(0, 0.003, shape), DAYS),
        "noisy": write(folder / "noisy.tif", FINE, replicated + random.normal(0, 0.03, shape), DAYS),
        "reference": write(folder / "reference.tif", FINE, truth + random.normal(0, 0.01, shape), DAYS),
        "coarse": write(folder / "coarse.tif", COARSE, coarse, DAYS),
        "folder": folder,
    }


def test_scores_per_cell_are_those_of_a_plain_loop(world, tmp_path):
    result = validate_rasters(world["good"], world["reference"], tmp_path / "maps.tif")
    with Stack.open(world["good"][0]) as a, Stack.open(world["reference"][0]) as b, Stack.open(result.output) as maps:
        x, y = (np.stack([stack.read(k + 1) for k in range(DATES)]) for stack in (a, b))
        for r, c in ((0, 0), (17, 23), (35, 35)):
            p, q = x[:, r, c], y[:, r, c]
            error = p - q
            expected = {
                "r": np.corrcoef(p, q)[0, 1],
                "bias": error.mean(),
                "rmse": math.sqrt((error**2).mean()),
                "ubrmse": error.std(),
                "n": DATES,
            }
            anomalies = []
            for series in (p, q):
                # 35 days centred, every second day: 17.5 days on each side are eight layers.
                moving = [np.mean(series[max(0, k - 8) : k + 9]) for k in range(DATES)]
                anomalies.append(series - moving)
            expected["anomaly_r"] = np.corrcoef(*anomalies)[0, 1]
            for name, value in expected.items():
                assert maps.read(maps.index(name, None), r, 1, c, 1)[0, 0] == pytest.approx(value, abs=2e-6), name
    flat_x, flat_y = x.ravel(), y.ravel()
    assert result.pooled.r == pytest.approx(np.corrcoef(flat_x, flat_y)[0, 1], abs=1e-9)
    assert result.pooled.rmse**2 == pytest.approx(result.pooled.bias**2 + result.pooled.ubrmse**2, rel=1e-12)
    assert result.periods[3][2] == pytest.approx(np.corrcoef(x[3].ravel(), y[3].ravel())[0, 1], abs=1e-9)
    assert result.pixels["r"].median == pytest.approx(
        np.median([np.corrcoef(x[:, r, c], y[:, r, c])[0, 1] for r in range(36) for c in range(36)]), abs=2e-3
    )


def test_a_product_that_knows_the_pattern_beats_its_coarse_source(world, tmp_path, words):
    result = validate_rasters(world["good"], world["reference"], tmp_path / "maps.tif", world["coarse"])
    assert result.tone == "good" and result.gain is not None and result.gain.low > 0 and result.smooth
    assert result.detail is not None and result.detail.finding == CONFIRMED
    # The product's detail is right in size: its own noise is a tenth of it.
    assert 0.95 < result.detail.slope.value < 1.02
    text = words(raster_report(result))
    assert "agrees better with the reference than its smooth coarse source" in text
    assert "is structure that the reference sees too" in text


def test_noise_on_the_coarse_source_is_called_noise(world, tmp_path, words):
    result = validate_rasters(world["noisy"], world["reference"], tmp_path / "maps.tif", world["coarse"])
    assert result.tone == "bad" and result.gain is not None and result.gain.high < 0
    assert result.textures[0].kind == NOISE and result.textures[0].repeat == pytest.approx(0, abs=0.05)
    assert result.textures[1].kind == STRUCTURE and result.textures[1].repeat > 0.5
    text = words(raster_report(result))
    assert "agrees less with the reference" in text


def test_with_a_coarse_reference_the_detail_can_be_noise_but_not_right(world, tmp_path, words):
    good = validate_rasters(world["good"], world["coarse"], tmp_path / "a.tif")
    noisy = validate_rasters(world["noisy"], world["coarse"], tmp_path / "b.tif")
    assert good.detail is None and noisy.detail is None and good.grid.same_as(COARSE)
    assert "the reference is too coarse to say whether it is right" in words(raster_report(good))
    assert "looks like noise" in words(raster_report(noisy))
    # Without the coarse source nothing is said about downscaling.
    assert good.gain is None and good.tone == "neutral"
    assert "no coarse source was given, so this says nothing about downscaling" in words(raster_report(good))
    # A coarse source as coarse as the reference is averaged, not interpolated.
    third = validate_rasters(world["good"], world["coarse"], tmp_path / "c.tif", _copy(world, tmp_path))
    assert not third.smooth and third.pooled.r_baseline == pytest.approx(1.0, abs=1e-9)


def test_the_coarse_source_is_interpolated_so_that_it_keeps_its_cell_means(world, tmp_path):
    result = validate_rasters(world["reference"], world["good"], tmp_path / "maps.tif", world["coarse"])
    from soilmoisture.core.ground.rasters.smooth import SmoothBaseline

    with Stack.open(world["coarse"][0]) as stack:
        field = stack.read(5)
    smooth = SmoothBaseline([field], COARSE, Progress())
    assert smooth.at(COARSE.subdivide(8), [0])[0].reshape(6, 8, 6, 8).mean(axis=(1, 3)) == pytest.approx(
        field, abs=1e-6
    )
    assert result.baseline == "coarse"


def test_detail_that_the_reference_does_not_have_is_not_confirmed():
    from soilmoisture.core.ground.rasters.detail import detail_agreement

    random = np.random.default_rng(11)
    own, other = (np.stack([gaussian_filter(random.normal(0, 1, (60, 60)), 1) for _ in range(3)]) for _ in range(2))
    found = detail_agreement(own, other, None, 9, 1.0, ["a", "b", "c"], 0)
    assert found.finding == NOT_CONFIRMED and found.r.low < 0 < found.r.high
    assert detail_agreement(own, own + 0.1 * other, None, 9, 1.0, ["a", "b", "c"], 0).finding == CONFIRMED


def test_intervals_cover_zero_about_as_often_as_they_say():
    """Unrelated fields that are smooth in space: an interval that counts pixels would exclude 0 nearly always."""
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(40):
        a, b = (gaussian_filter(random.normal(0, 1, (64, 64)), 4) for _ in range(2))
        block = (np.arange(64)[:, None] // 8) * 8 + np.arange(64) // 8
        table = sums_of(a, b, block, 64)[:, None]
        interval = resampled({"p": table}, lambda sums: {"r": scores_of(sums["p"]).r})["r"]
        wrong += not interval.low <= 0 <= interval.high
    assert wrong <= 9


def test_a_variogram_of_white_noise_is_all_nugget_and_of_a_smooth_field_none():
    random = np.random.default_rng(1)
    noise = random.normal(0, 1, (4, 80, 80))
    field = gaussian_filter(noise[0], 2)
    smooth = np.stack([field + 0.1 * gaussian_filter(one, 2) for one in noise])
    flat, curved = texture("noise", noise, 1.0, 9), texture("smooth", smooth, 1.0, 9)
    assert flat.nugget == pytest.approx(1.0, abs=0.05) and flat.kind == NOISE
    assert flat.variogram[0] == pytest.approx(1.0, abs=0.05)
    assert curved.nugget < 0.05 and curved.kind == STRUCTURE
    lag = 3
    squares = [(smooth[:, lag:] - smooth[:, :-lag]) ** 2, (smooth[:, :, lag:] - smooth[:, :, :-lag]) ** 2]
    expected = 0.5 * np.concatenate([one.ravel() for one in squares]).mean() / curved.variance
    assert curved.variogram[lag - 1] == pytest.approx(expected, rel=1e-12)


def _regional(random, dates=4, side=108):
    """Weather of cells of 9 pixels, interpolated: no detail."""
    coarse = np.stack([gaussian_filter(random.normal(0, 1, (side // 9 + 2,) * 2), 1) for _ in range(dates)])
    return 0.04 * np.stack([zoom(one, 9, order=1)[:side, :side] for one in coarse]) / coarse.std()


@pytest.mark.parametrize("seed", range(5))
def test_the_kind_of_detail_is_the_planted_one(seed):
    random = np.random.default_rng(seed)
    regional = _regional(random)
    land = gaussian_filter(random.normal(0, 1, regional.shape[1:]), 1.5)
    drawn = random.normal(0, 1, regional.shape)
    planted = {
        NOISE: regional + 0.005 * drawn,
        STRUCTURE: regional + 0.01 * land / land.std(),
        CHANGING: regional + 0.05 * uniform_filter(drawn, (1, 3, 3)),
        SMOOTH: regional,
        BLOCKS: np.repeat(np.repeat(regional[:, ::9, ::9], 9, axis=1), 9, axis=2),
        # Land that changes from pixel to pixel cannot be told from a fixed artefact.
        MIXED: regional + 0.02 * drawn[:1],
    }
    assert {kind: texture("map", 0.2 + maps, 1.0, 9).kind for kind, maps in planted.items()} == {k: k for k in planted}


def test_inputs_that_agree_by_construction_are_refused(world, tmp_path):
    good, reference, coarse = (world[name] for name in ("good", "reference", "coarse"))
    for given, said in (
        ((good, good, []), "good.tif is both product and reference"),
        ((good, coarse, coarse), "coarse.tif is both reference and coarse source: maps agree with their own source"),
        ((coarse, reference, coarse), "coarse.tif is both product and coarse source"),
    ):
        with pytest.raises(InputError, match=said):
            validate_rasters(*given[:2], tmp_path / "out.tif", given[2])


def test_a_map_without_a_date_is_taken_to_be_of_the_date_of_the_other(tmp_path):
    values = np.random.default_rng(0).random((1, *COARSE.shape)) / 2
    bare, dated = (
        write(tmp_path / "bare.tif", COARSE, values, [None]),
        write(tmp_path / "b.tif", COARSE, values, DAYS[:1]),
    )
    result = validate_rasters(bare, dated, tmp_path / "out.tif")
    assert "bare carries no date: it is taken to be of 2021-04-01." in result.notes


def test_anomalies_that_the_dates_do_not_allow_are_refused(world, tmp_path):
    with pytest.raises(InputError, match="Anomalies by months need two years of dates"):
        validate_rasters(
            world["good"], world["reference"], tmp_path / "out.tif", options=RasterOptions(anomalies="months")
        )


def test_high_pass_is_value_minus_mean_of_the_valid_window():
    random = np.random.default_rng(1)
    values = random.random((1, 12, 12))
    values[0, 3:5, 6] = np.nan
    got = high_pass(values, 5)
    window = values[0, 3:8, 4:9]
    assert got[0, 5, 6] == pytest.approx(values[0, 5, 6] - np.nanmean(window), abs=1e-12)
    assert np.isnan(got[0, 3, 6]) and np.isnan(got[0, 0, 0])  # no value; less than half of the window


def test_saturation_against_volume_gives_correlations_only(world, tmp_path, words):
    with Stack.open(world["good"][0]) as stack:
        fields = np.stack([stack.read(k + 1) for k in range(DATES)])
    saturated = write(tmp_path / "saturated.tif", FINE, 180 * fields, DAYS, "% saturation")
    result = validate_rasters(saturated, world["reference"], tmp_path / "maps.tif")
    plain = validate_rasters(world["good"], world["reference"], tmp_path / "plain.tif")
    assert not result.comparable and math.isnan(result.pooled.bias)
    assert result.pooled.r == pytest.approx(plain.pooled.r, abs=1e-6)
    with Stack.open(result.output) as maps:
        assert np.isnan(maps.read(maps.index("bias", None))).all()
    assert "only correlations are given" in words(raster_report(result))
    percent = write(tmp_path / "percent.tif", FINE, 100 * fields, DAYS, "%")
    converted = validate_rasters(percent, world["reference"], tmp_path / "percent_maps.tif")
    assert converted.pooled.bias == pytest.approx(plain.pooled.bias, abs=1e-7)
    assert any("percent" in note for note in converted.notes)


def test_monthly_maps_against_overpasses_use_anomalies_from_months(tmp_path):
    random = np.random.default_rng(4)
    starts = [dt.date(2018 + k // 12, k % 12 + 1, 1) for k in range(36)]
    months = [month_of(start) for start in starts]
    season = 0.2 + 0.1 * np.sin(2 * np.pi * np.arange(36) / 12)
    spell = random.normal(0, 0.02, (36, *COARSE.shape))
    monthly = season[:, None, None] + spell
    fourth = [
        Period(one.start + dt.timedelta(days=k), one.start + dt.timedelta(days=k + 2))
        for one in months
        for k in (3, 9, 15, 21, 26)
    ]
    passes = np.repeat(monthly, 5, axis=0) + random.normal(0, 0.01, (180, *COARSE.shape))
    product = write(tmp_path / "monthly.tif", COARSE, monthly, months)
    reference = write(tmp_path / "passes.tif", COARSE, passes, fourth)
    result = validate_rasters(product, reference, tmp_path / "maps.tif")
    assert result.anomaly_method == "months" and len(result.periods) == 36
    # Spells of 0.02, five overpasses with 0.01: the season makes R higher than that of the anomalies.
    assert result.pixels["anomaly_r"].median == pytest.approx(0.02 / math.hypot(0.02, 0.01 / math.sqrt(5)), abs=0.03)
    assert result.pixels["r"].median > result.pixels["anomaly_r"].median


def test_zones_have_pooled_scores_means_of_cells_and_of_series(world, tmp_path, words):
    xmin, ymin, xmax, ymax = FINE.extent()
    middle = xmin + FINE.cell_width * 10
    boxes = {
        "west": (xmin, ymin, middle, ymax),
        "east": (middle, ymin, xmax, ymax),
        "far": (xmax + 9e5, ymin, xmax + 9.1e5, ymax),
    }
    zones = Zones(tuple(boxes), tuple(_polygon(*box) for box in boxes.values()), FINE.crs_wkt)
    result = validate_rasters(world["good"], world["reference"], tmp_path / "maps.tif", zones=zones)
    with Stack.open(world["good"][0]) as a, Stack.open(world["reference"][0]) as b:
        x, y = (np.stack([stack.read(k + 1)[:, :10] for k in range(DATES)]) for stack in (a, b))
    west = result.zones[0]
    assert (west.name, west.cells, west.pooled.n) == ("west", 360, 360 * DATES)
    assert west.pooled.r == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1], abs=1e-9)
    assert west.series_r == pytest.approx(np.corrcoef(x.mean(axis=(1, 2)), y.mean(axis=(1, 2)))[0, 1], abs=1e-9)
    cells = [np.corrcoef(x[:, r, c], y[:, r, c])[0, 1] for r in range(36) for c in range(10)]
    assert west.pixel_r == pytest.approx(np.mean(cells), abs=1e-9)
    assert result.zones_without_cells == ("far",)
    assert "No scores for far: no cell with values has its centre there" in words(raster_report(result))


def test_zone_means_weigh_cells_by_their_share(tmp_path):
    values = np.arange(36.0).reshape(COARSE.shape) / 100
    path = write(tmp_path / "c.tif", COARSE, [values], DAYS[:1])
    xmin, _, _, ymax = COARSE.extent()
    w, h = COARSE.cell_width, COARSE.cell_height
    # From the middle of column 1 to the end of column 2, rows 2 and 3 to a quarter.
    box = _polygon(xmin + 1.5 * w, ymax - 3.25 * h, xmin + 3 * w, ymax - 2 * h)
    tiny = _polygon(xmin + 4.3 * w, ymax - 4.7 * h, xmin + 4.6 * w, ymax - 4.4 * h)
    with opened_sources([("product", path)]) as (source,):
        means, share = zone_means(source, Zones(("box", "tiny"), (box, tiny), COARSE.crs_wkt), Progress())
    weights = np.array([[0.5, 1.0], [0.125, 0.25]])
    assert means[0, 0] == pytest.approx((weights * values[2:4, 1:3]).sum() / weights.sum(), abs=1e-7)
    assert means[0, 1] == pytest.approx(values[4, 4], abs=1e-7) and share[0] == pytest.approx([1, 1])


def test_scores_do_not_depend_on_how_the_map_is_cut(world, tmp_path, monkeypatch):
    from soilmoisture.core.ground.rasters import together

    whole = validate_rasters(world["good"], world["reference"], tmp_path / "a.tif", world["coarse"])
    monkeypatch.setattr(together, "_VALUES", 40 * 3 * 100)
    monkeypatch.setattr(together, "_AT_ONCE", 40 * 3 * 36)
    parts = validate_rasters(world["good"], world["reference"], tmp_path / "b.tif", world["coarse"])
    assert parts.pooled.r == pytest.approx(whole.pooled.r, abs=1e-12)
    assert parts.pooled.r_baseline == pytest.approx(whole.pooled.r_baseline, abs=1e-12)
    with Stack.open(tmp_path / "a.tif") as a, Stack.open(tmp_path / "b.tif") as b:
        for k in range(1, len(a.bands) + 1):
            assert a.read(k) == pytest.approx(b.read(k), nan_ok=True, abs=1e-6)


def test_constant_series_have_no_correlation():
    x = np.full((12, 3), 0.2)
    y = np.random.default_rng(0).random((12, 3))
    scores = series_scores(x, y, 5)
    assert np.isnan(scores.r).all() and np.isfinite(scores.rmse).all()
    assert np.isnan(scores_of(sums_of(x, y, np.zeros(x.shape, dtype=int), 1)).r).all()


def test_mistakes_get_one_sentence(world, tmp_path, cancels_after):
    out = tmp_path / "maps.tif"
    with pytest.raises(InputError, match="is both product and reference"):
        validate_rasters(world["good"], world["good"], out)
    with pytest.raises(InputError, match="is also an input"):
        validate_rasters(world["good"], world["reference"], world["good"][0])
    with pytest.raises(InputError, match="lies between 0 and 1"):
        validate_rasters(world["good"], world["reference"], out, options=RasterOptions(min_share=0))
    with pytest.raises(InputError, match="at least 3 periods"):
        validate_rasters(world["good"], world["reference"], out, options=RasterOptions(min_periods=2))
    empty = write(tmp_path / "empty.tif", FINE, np.full((DATES, *FINE.shape), np.nan), DAYS)
    with pytest.raises(InputError, match="No cell has a value of product good and reference empty"):
        validate_rasters(world["good"], empty, out)
    with pytest.raises(Cancelled):
        validate_rasters(world["good"], world["reference"], out, progress=cancels_after(5))
    assert not out.exists()
    with pytest.raises(InputError, match="no coordinate reference system"):
        Zones(("a",), (b"",), "")
    assert names_of(["a", "", None, "a"]) == ("a", "zone 2", "zone 3", "a (2)")


def test_one_date_gives_maps_of_differences_and_no_r_in_time(world, tmp_path, words):
    product = write(tmp_path / "one_20210401.tif", FINE, world["truth"][:1] + 0.02, [None])
    reference = write(tmp_path / "other_20210401.tif", FINE, world["truth"][:1], [None])
    result = validate_rasters(product, reference, tmp_path / "maps.tif")
    assert "r" not in result.pixels and result.pooled.bias == pytest.approx(0.02, abs=1e-6)
    assert "so there is no correlation in time per cell" in words(raster_report(result))


def _copy(world, folder):
    with Stack.open(world["coarse"][0]) as stack:
        fields = [stack.read(k + 1) for k in range(DATES)]
    return write(folder / "again.tif", COARSE, fields, DAYS)


def _polygon(xmin, ymin, xmax, ymax):
    ring = f"(({xmin} {ymin},{xmax} {ymin},{xmax} {ymax},{xmin} {ymax},{xmin} {ymin}))"
    return bytes(ogr.CreateGeometryFromWkt(f"POLYGON {ring}").ExportToWkb())


def test_real_maps_over_manitoba(shared_data, tmp_path, words, monkeypatch):
    """SMAP 9 km and SMAP/Sentinel-1 1 km against the airborne PALS: cells of 9 km, the verdict on the detail."""
    monkeypatch.setenv("GDAL_PAM_ENABLED", "NO")
    folder = shared_data / "smapvex16_manitoba"
    if not folder.is_dir():
        pytest.skip("the campaign set of Manitoba is not there")

    def found(pattern):
        return [str(path) for path in sorted(folder.glob(pattern))]

    smap, pals = found("coarse_smap9km/smap_l3e*.tif"), found("truth_pals/pals_sm_1km*.tif")
    coarse = validate_rasters(smap, pals, tmp_path / "a.tif", options=RasterOptions(min_periods=5))
    # SMAP has two overpasses on some days: still one pair per day and cell.
    assert len(coarse.periods) == 12 and coarse.grid.cell_label == "9 km" and 0.5 < coarse.pooled.r < 0.7
    assert "R in space" in words(raster_report(coarse))
    radar = validate_rasters(
        found("sentinel_1km_full/*2016*.tif"), pals, tmp_path / "b.tif", smap, options=RasterOptions(min_periods=3)
    )
    assert radar.tone == "bad" and radar.pooled.r < radar.pooled.r_baseline
    assert radar.detail is not None and radar.detail.finding == NOT_CONFIRMED
    # The airborne map has structure between its pixels, and its nugget is small.
    assert radar.textures[1].kind == STRUCTURE and radar.textures[1].nugget < 0.2 < radar.textures[0].nugget
