"""Triple collocation against pytesmo, an analytic truth and plain formulas."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.observations import clean_observations
from soilmoisture.core.ground.triple_collocation.at_stations import collocate_stations
from soilmoisture.core.ground.triple_collocation.estimate import collocate_series, from_covariances, triple_collocation
from soilmoisture.core.ground.triple_collocation.independence import Origin, dependence
from soilmoisture.core.ground.triple_collocation.report import triple_report
from soilmoisture.core.ground.triple_collocation.results import TripleOptions
from soilmoisture.core.ground.triple_collocation.triple import collocate_maps
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

# pytesmo 0.18.1 with numpy 2.2: rng = default_rng(42); t = rng.normal(.25, .05, 40);
# x = round(t + rng.normal(0, .02, 40), 3); y = round(.05 + .8 t + rng.normal(0, .03, 40), 3);
# z = round(1.2 t - .03 + rng.normal(0, .025, 40), 3); tcol_metrics(x, y, z) -> snr, err_std, beta.
SNR = (12.811289881320366, 2.783917857890029, 5.28336863544732)
ERR_STD = (0.009096820246739674, 0.028857467439261132, 0.021641416106166537)
BETA = (1.0, 1.170695448035643, 0.7968918451695101)
GRID = ease_grid(9, 200, 2700, 5, 6)
FIRST = dt.date(2020, 3, 1)


def golden_series():
    random = np.random.default_rng(42)
    t = random.normal(0.25, 0.05, 40)
    x = np.round(t + random.normal(0, 0.02, 40), 3)
    y = np.round(0.05 + 0.8 * t + random.normal(0, 0.03, 40), 3)
    return np.stack([x, y, np.round(1.2 * t - 0.03 + random.normal(0, 0.025, 40), 3)])


def write(path, fields, unit="m3/m3", tags=None, band_tags=None):
    bands = [Band("soil_moisture", day(FIRST + dt.timedelta(days=k)), unit) for k in range(len(fields))]
    with StackWriter(path, GRID, bands, tags) as out:
        for number, values in enumerate(fields, 1):
            out.write(number, values)
            if band_tags:
                out.tag(number, band_tags)
    return [str(path)]


@pytest.fixture(scope="module")
def planted():
    """A truth of white noise and three products with known errors, 300 days on 5 x 6 cells."""
    random = np.random.default_rng(8)
    truth = random.normal(0.25, 0.04, (300, *GRID.shape))
    return (
        truth,
        truth + random.normal(0, 0.02, truth.shape),
        0.1 + 0.7 * truth + random.normal(0, 0.028, truth.shape),
        1.3 * truth - 0.05 + random.normal(0, 0.052, truth.shape),
    )


@pytest.fixture(scope="module")
def products(tmp_path_factory, planted):
    folder = tmp_path_factory.mktemp("triple")
    names = ("ascat_sm", "model_a", "smos_sm")
    return [write(folder / f"{name}.tif", fields) for name, fields in zip(names, planted[1:])]


def test_estimates_are_those_of_pytesmo():
    found = triple_collocation(golden_series())
    assert found.snr == pytest.approx(SNR, rel=1e-10)
    assert found.error_sd == pytest.approx(ERR_STD, rel=1e-10)
    assert found.beta == pytest.approx(BETA, rel=1e-10)
    # R with the truth follows from the signal-to-noise ratio.
    ratio = 10 ** (np.array(SNR) / 10)
    assert found.r == pytest.approx(np.sqrt(ratio / (1 + ratio)), rel=1e-10)
    assert found.own_sd * found.beta == pytest.approx(found.error_sd, rel=1e-12)


def test_exact_covariances_give_the_truth_back():
    """Variances of a known model, put in without sampling noise."""
    signal, slope, error = 0.04**2, np.array([1.0, 0.7, 1.3]), np.array([0.02, 0.028, 0.052])
    s = np.outer(slope, slope) * signal + np.diag(error**2)
    found = from_covariances(np.array([s[0, 0], s[1, 1], s[2, 2], s[0, 1], s[0, 2], s[1, 2]]), np.array(500.0))
    assert found.own_sd == pytest.approx(error, rel=1e-10)
    assert found.beta == pytest.approx(1 / slope, rel=1e-12)
    assert found.r == pytest.approx(slope * 0.04 / np.sqrt(np.diag(s)), rel=1e-10)
    assert found.snr == pytest.approx(10 * np.log10(slope**2 * signal / error**2), rel=1e-10)


def test_negative_variances_and_missing_signals_are_no_values_but_counted():
    # pytesmo gives the first product an SNR of the absolute value here.
    shared = np.array([1.0, 2.0, 2.0, 1.0, 1.0, 0.8])
    found = from_covariances(shared, np.array(200.0))
    assert found.negative.tolist() == [True, False, False] and not found.no_signal
    assert np.isnan([found.snr[0], found.r[0], found.error_sd[0]]).all() and np.isfinite(found.r[1:]).all()
    opposed = from_covariances(np.array([1.0, 1.0, 1.0, 0.5, -0.2, 0.5]), np.array(200.0))
    assert opposed.no_signal and np.isnan(opposed.r).all() and not opposed.negative.any()
    few = triple_collocation(golden_series(), 41)
    assert np.isnan(few.r).all() and np.isnan(few.n)


def test_only_complete_triplets_count():
    series = golden_series()
    with_gaps = np.insert(series, [3, 17, 30], np.nan, axis=1)
    with_gaps[0, 3] = with_gaps[2, 18] = 0.9
    assert triple_collocation(with_gaps).r == pytest.approx(triple_collocation(series).r, rel=1e-12)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        truth = random.normal(0, 1, 150)
        series = truth + random.normal(0, 0.7, (3, 150))
        one = collocate_series("a", series, np.arange(150.0), 100, repeats=200)
        held += one.r_interval[0, 0] <= 1 / math.hypot(1, 0.7) <= one.r_interval[0, 1]
    assert 50 <= held <= 60


def test_series_with_memory_have_fewer_independent_triplets_and_wider_intervals():
    random = np.random.default_rng(5)
    steps = np.zeros(800)
    for k in range(1, 800):
        steps[k] = 0.95 * steps[k - 1] + random.normal(0, 0.3)
    noise = random.normal(0, 0.5, (3, 800))
    slow = collocate_series("slow", steps + noise, np.arange(800.0), 100)
    mixed = random.permutation(800)
    fast = collocate_series("fast", (steps + noise)[:, mixed], np.arange(800.0), 100)
    assert slow.n_effective < 0.5 * fast.n_effective and slow.r == pytest.approx(fast.r, rel=1e-10)
    assert np.diff(slow.r_interval[0]) > 1.1 * np.diff(fast.r_interval[0])


def test_maps_find_the_planted_errors(products, tmp_path, words):
    result = collocate_maps(*products, tmp_path / "errors.tif", options=TripleOptions(anomalies="none"))
    assert result.medians["error_sd"] == pytest.approx([0.02, 0.04, 0.04], abs=0.003)
    assert result.medians["r"] == pytest.approx([0.894, 0.707, 0.707], abs=0.02)
    assert result.counts is not None and result.counts.estimated == 30 and result.best == (30, 0, 0)
    with Stack.open(tmp_path / "errors.tif") as maps, Stack.open(products[0][0]) as stack:
        names = [band.name for band in maps.bands]
        assert names[:3] == ["r_x", "r_y", "r_z"] and names[-1] == "n" and len(names) == 13
        series = []
        for path in products:
            with Stack.open(path[0]) as one:
                series.append([one.read(k + 1, 2, 1, 4, 1)[0, 0] for k in range(300)])
        cov = np.cov(np.array(series))
        expected = math.sqrt(cov[1, 1] - cov[0, 1] * cov[1, 2] / cov[0, 2]) * cov[0, 2] / cov[1, 2]
        assert maps.read(names.index("error_sd_y") + 1, 2, 1, 4, 1)[0, 0] == pytest.approx(expected, rel=1e-5)
        assert (maps.read(13) == 300).all() and stack.grid.same_as(maps.grid)
    text = words(triple_report(result))
    assert "ascat_sm is closest to the truth: correlation with it ascat_sm 0." in text
    assert "Values, not anomalies, were used" in text


def test_a_shared_season_is_no_truth_of_anomalies(planted, tmp_path):
    random = np.random.default_rng(1)
    season = 0.08 * np.sin(2 * np.pi * np.arange(300) / 365)[:, None, None]
    noise = [random.normal(0.3, 0.03, planted[0].shape) + season for _ in range(3)]
    paths = [write(tmp_path / f"{name}.tif", fields) for name, fields in zip(("one", "two", "three"), noise)]
    raw = collocate_maps(*paths, tmp_path / "raw.tif", options=TripleOptions(anomalies="none"))
    departed = collocate_maps(*paths, tmp_path / "anomalies.tif")
    assert departed.method == "35-day window" and (raw.medians["r"] > 0.8).all()
    counts = departed.counts
    assert counts is not None and counts.no_signal + sum(counts.negative) > 15
    assert departed.region is not None and not departed.region.r_interval[0, 0] > 0.5


def test_a_child_and_its_parent_are_not_independent(planted, tmp_path, words):
    random = np.random.default_rng(3)
    parent = planted[1]
    child = parent + random.normal(0, 0.004, parent.shape)
    source = {"SOURCE_PRODUCT": "SPL3SMP_E"}
    paths = [
        write(tmp_path / "smap_l3.tif", parent, band_tags=source),
        write(tmp_path / "downscaled.tif", child, tags={"MODEL": "random forest"}, band_tags=source),
        write(tmp_path / "other.tif", planted[3]),
    ]
    result = collocate_maps(*paths, tmp_path / "errors.tif", options=TripleOptions(anomalies="none"))
    assert result.dependence[0].certain
    text = words(triple_report(result))
    assert "These estimates are not valid: downscaled was downscaled from a source of the same kind as smap_l3" in text
    assert triple_report(result).tone == "bad"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (Origin("SPL4SM_2020"), Origin("smap_l3e"), "SMAP brightness temperature"),
        (Origin("era5_land_sm"), Origin("GLDAS_NOAH025"), "driven by analysed rain"),
        (Origin("ESACCI-SOILMOISTURE"), Origin("ascat_h119"), "ASCAT"),
        (Origin("a", ("SPL3SMP",)), Origin("b", ("SPL3SMP",)), "both come from SPL3SMP"),
        (Origin("ours", downscaled=True), Origin("unknown"), "its errors are those of its coarse source"),
        (Origin("smos_l3"), Origin("smap_l3"), None),
        (Origin("smap_l3"), Origin("stations", station=True), None),
        (Origin("this"), Origin("that"), None),
    ],
)
def test_what_names_and_tags_say_about_independence(first, second, said):
    found = dependence([first, second])
    assert (said is None and not found) or (said is not None and said in found[0].text)


def test_few_estimates_rank_nothing(planted, tmp_path, words):
    """A product of noise leaves estimates in few pixels, whose medians look fine."""
    truth, first, second, _ = planted
    noise = np.random.default_rng(4).normal(0.25, 0.03, truth.shape)
    products = [write(tmp_path / f"{k}.tif", fields) for k, fields in enumerate((first, second, noise))]
    result = collocate_maps(*products, tmp_path / "out.tif")
    assert 0 < result.counts.estimated < 0.5 * result.counts.seen
    text = words(triple_report(result))
    assert "so the products cannot be ranked" in text and "is closest to the truth" not in text
    assert f"{result.counts.no_signal} with no common signal" in text


def test_a_product_that_never_changes_is_told(planted, products, tmp_path):
    constant = write(tmp_path / "still.tif", np.full_like(planted[0], 0.25))
    with pytest.raises(InputError, match="still is constant in time"):
        collocate_maps(products[0], constant, products[2], tmp_path / "out.tif")


def test_nearly_equal_products_are_told(planted, tmp_path):
    random = np.random.default_rng(3)
    same = planted[1] + random.normal(0, 0.001, planted[1].shape)
    fields = zip(("aa", "bb", "cc"), (planted[1], same, planted[3]))
    paths = [write(tmp_path / f"{name}.tif", one) for name, one in fields]
    result = collocate_maps(*paths, tmp_path / "errors.tif", options=TripleOptions(anomalies="none"))
    assert len(result.dependence) == 1 and "aa and bb are nearly the same" in result.dependence[0].text


def test_stations_are_a_third_product(planted, products, words):
    x, y = GRID.x_centres()[[1, 3, 5]], GRID.y_centres()[[0, 2, 4]]
    rows = [
        (f"s{i}", x[i], y[i], FIRST + dt.timedelta(days=k), planted[3][k, 2 * i, 2 * i + 1])
        for i in range(3)
        for k in range(300 if i < 2 else 60)
    ]
    observations = clean_observations(*map(list, zip(*rows)), GRID.crs_wkt, unit="m3/m3")
    result = collocate_stations(products[0], products[1], observations, TripleOptions(anomalies="none"))
    expected = triple_collocation(np.stack([planted[k][:, 2, 3] for k in (1, 2, 3)]).astype(np.float32))
    assert result.series[1].name == "s1" and result.series[1].n == 300
    assert result.series[1].r == pytest.approx(expected.r, abs=1e-4)
    assert np.isnan(result.series[2].r).all() and result.series[2].note == "60 triplets, fewer than 100"
    text = words(triple_report(result))
    assert "ascat_sm is closest" in text or "order of the products is not certain" in text
    assert "difference between a point and a pixel" in text


def test_mistakes_get_one_sentence(products, tmp_path):
    out = tmp_path / "errors.tif"
    with pytest.raises(InputError, match="given as first product and as third product"):
        collocate_maps(products[0], products[1], products[0], out)
    with pytest.raises(InputError, match="share 300 periods, but triple collocation needs at least 700"):
        collocate_maps(*products, out, options=TripleOptions(min_triplets=700))
    with pytest.raises(InputError, match="Fewer than 10 triplets say nothing"):
        collocate_maps(*products, out, options=TripleOptions(min_triplets=5))
    undated = clean_observations(["a"], [GRID.x_centres()[0]], [GRID.y_centres()[0]], None, [0.2], GRID.crs_wkt)
    with pytest.raises(InputError, match="the stations carry no date"):
        collocate_stations(products[0], products[1], undated)
    holes = np.full((300, *GRID.shape), np.nan)
    holes[::10] = 0.2
    sparse = write(tmp_path / "sparse.tif", holes)
    with pytest.raises(InputError, match=r"No pixel has 100 triplets \(the most are 30\)"):
        collocate_maps(products[0], products[1], sparse, out, options=TripleOptions(anomalies="none"))
    assert not out.exists()
