"""Dissimilarity and intervals written beside the product, against the formulas applied to whole arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale
from soilmoisture.core.downscale.downscale_report import downscale_report
from soilmoisture.core.downscale.quality import MODEL_ONLY, NODATA, OK, OUTSIDE_TRAINING
from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.model.applicability import Applicability
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.form import ANOMALIES, VALUES
from soilmoisture.core.model.quantiles import LeafValues
from soilmoisture.core.model.uncertainty import CONSTANT, QUANTILES, SCALED, HeldOut, Uncertainty
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster import tiles
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.report import render_html


def block_means(values, k=4):
    rows, cols = values.shape
    return np.array([[np.nanmean(values[i : i + k, j : j + k]) for j in range(0, cols, k)] for i in range(0, rows, k)])


def held_out(size=0.02, n=400, columns=1, predicted=0.05, seed=2):
    rng = np.random.default_rng(seed)
    shown = rng.choice([-predicted, predicted], n)
    spread = np.ones((n, 1)) if columns == 1 else np.sort(rng.normal(0, size, (n, columns)), axis=1)
    error = rng.normal(0, size, n)
    return HeldOut(shown + error, shown, error, (np.arange(n) % 5).astype(np.int32), spread.astype(np.float32))


def with_trust(made, model, method=CONSTANT, form=VALUES, seed=3, **held):
    """`model` with an area of random coarse samples in training form and intervals of errors of 0.02."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3)) * 0.7
    area = Applicability.from_training(x, np.arange(60) % 4, np.array([0.6, 0.3, 0.1]))[0]
    leaves = None
    if method == QUANTILES:
        y = x @ np.array([0.06, -0.04, 0.02]) + rng.normal(0, 0.02, 60)
        fitted = RandomForestRegressor(8, min_samples_leaf=5, random_state=0).fit(x, y)
        model = replace(model, predictor=ForestPredictor.from_trees([t.tree_ for t in fitted.estimators_], 3))
        leaves = LeafValues.from_training(model.predictor, x, y)
        held["columns"] = 16
    slope = {"slope": 0.5, "highest": 2.0} if method == SCALED else {}
    return replace(model, applicability=area, uncertainty=Uncertainty(method, held_out(**held), leaves, **slope))


@pytest.fixture
def run(tmp_path, maps):
    def run_(made, model, **options):
        fine, coarse = made.write()
        names = {name: tmp_path / f"{name}.tif" for name in ("product", "quality", "index", "interval")}
        result = downscale(
            model,
            fine,
            coarse,
            names["product"],
            names["quality"],
            DownscaleOptions(**options),
            applicability=names["index"],
            uncertainty=names["interval"],
        )
        return result, {name: maps(path) for name, path in names.items()}, names

    return run_


@pytest.mark.parametrize("method", [CONSTANT, SCALED, QUANTILES])
def test_intervals_surround_the_product_as_far_as_held_out_blocks_say(world, run, method):
    made = world(seed=4)
    model = with_trust(made, made.model(gain=0.8), method)
    result, out, _ = run(made, model, level=0.8, bounds=(-9.0, 9.0))
    calibration = model.uncertainty.calibration(0.8, 0.8)
    for t in range(len(made.z)):
        x = made.x[:, t].reshape(3, -1).T
        index = model.applicability.index(x)
        np.testing.assert_allclose(out["index"][t].ravel(), index, rtol=1e-5, atol=1e-6)
        expected = model.uncertainty.offsets(x, index, calibration) * result.periods[t].scale
        low, middle, high, width = out["interval"][4 * t : 4 * t + 4]
        for band, part in zip((low, middle, high), expected.T):
            np.testing.assert_allclose((band - out["product"][t]).ravel(), part, atol=2e-6)
        np.testing.assert_allclose(width, high - low, atol=2e-6)
        assert (low <= out["product"][t]).all() and (out["product"][t] <= high).all()
        assert (low <= middle).all() and (middle <= high).all()
        assert result.periods[t].width == pytest.approx(width.mean(), rel=1e-5)
    assert result.totals["mean_width"] == pytest.approx(out["interval"][3::4].mean(), rel=1e-5)


def test_asking_for_trust_does_not_change_the_product(world, run, maps, tmp_path):
    made = world(seed=5, gaps=0.05)
    model = with_trust(made, made.model(ANOMALIES, gain=0.7), QUANTILES)
    _, out, _ = run(made, model)
    downscale(model, *made.write(), tmp_path / "alone.tif")
    np.testing.assert_array_equal(out["product"], maps(tmp_path / "alone.tif"))


def test_the_index_is_of_factors_in_training_form(world, run):
    made = world(seed=6, gaps=0.05)
    made.x += 40  # a level that anomalies do not see
    model = with_trust(made, made.model(ANOMALIES))
    _, out, _ = run(made, model)
    for t in range(len(made.z)):
        # The mean over cells of the mean over their valid pixels.
        reference = [block_means(made.x[k, t]).mean() for k in range(3)]
        x = made.x[:, t].reshape(3, -1).T - reference
        valid = np.isfinite(x).all(axis=1)
        np.testing.assert_allclose(out["index"][t].ravel()[valid], model.applicability.index(x[valid]), atol=1e-4)
        assert not np.isfinite(out["index"][t].ravel()[~valid]).any()


def test_quality_is_that_of_the_area_and_shares_are_counted(world, run):
    made = world(seed=7, gaps=0.05)
    model = with_trust(made, made.model())
    result, out, _ = run(made, model, bounds=(-9.0, 9.0))
    known = np.isfinite(out["product"])
    outside = known & (out["index"] > model.applicability.threshold)
    assert 0.05 < outside.sum() / known.sum() < 0.95
    np.testing.assert_array_equal(out["quality"], np.where(known, np.where(outside, OUTSIDE_TRAINING, OK), np.nan))
    assert [one.outside_area for one in result.periods] == [int(one.sum()) for one in outside]
    assert result.totals["share_outside"] == pytest.approx(outside.sum() / known.sum())


def test_larger_detail_than_among_coarse_cells_widens_the_intervals(world, run):
    made = world(seed=8)
    for predicted, expected in ((1.0, 1.0), (0.008, None), (1e-6, 4.0)):
        model = with_trust(made, made.model(gain=0.5), predicted=predicted)
        result, out, _ = run(made, model, bounds=(-9.0, 9.0))
        detail = np.array([one.detail for one in result.periods]) / 0.5
        ratio = expected or detail / predicted
        # Of the root mean square of the detail, which has nearly no mean; no more than independent pixels would give.
        np.testing.assert_allclose([one.scale for one in result.periods], np.broadcast_to(ratio, 2), rtol=0.02)
        factor = model.uncertainty.calibration(0.9, 0.5).factor
        np.testing.assert_allclose(
            out["interval"][3::4].mean(axis=(1, 2)),
            2 * factor * np.array([one.scale for one in result.periods]),
            rtol=1e-4,
        )


def test_without_gain_the_detail_still_tells_the_step_in_scale(world, run):
    made = world(seed=9)
    model = with_trust(made, made.model(gain=1.0), predicted=0.02)
    full = run(made, model)[0]
    none = run(made, model, detail_gain=0.0)[0]
    np.testing.assert_allclose([p.scale for p in none.periods], [p.scale for p in full.periods], rtol=1e-4)
    assert none.trust.calibration.factor > full.trust.calibration.factor


def test_intervals_end_at_the_bounds_and_hold_the_product(world, run):
    made = world(seed=10, level=0.05)
    model = with_trust(made, made.model(gain=1.0))
    _, out, _ = run(made, model)
    low, high = out["interval"][0::4], out["interval"][2::4]
    assert low.min() >= min(0.0, out["product"].min()) and (low <= out["product"]).all()
    assert (high >= out["product"]).all() and (out["interval"][0::4] == 0).any()


def test_where_no_coarse_value_is_there_is_no_interval(world, run):
    made = world(seed=11)
    made.z[:, 1, 1] = np.nan
    model = with_trust(made, made.model())
    _, out, _ = run(made, model, outside=True)
    hole = out["quality"] == MODEL_ONLY
    assert hole[:, 4:8, 4:8].all() and np.isfinite(out["product"]).all()
    assert not np.isfinite(out["interval"][0::4][hole]).any() and np.isfinite(out["interval"][0::4][~hole]).all()
    # The dissimilarity is known there, but the flag that the level is not wins.
    assert np.isfinite(out["index"]).all()


def test_values_written_as_they_are_have_the_errors_of_values(world, run):
    made = world(seed=12)
    made.z[:, 0, 0] = np.nan
    model = with_trust(made, made.model())
    result, out, _ = run(made, model, conserve="none", outside=True, bounds=(-9.0, 9.0))
    factor = model.uncertainty.calibration(0.9, None).factor
    np.testing.assert_allclose(out["interval"][3::4], 2 * factor, rtol=1e-5)
    assert np.isfinite(out["interval"]).all() and np.isnan(result.periods[0].scale)


@pytest.mark.parametrize("conserve", ["multiplicative", "none"])
def test_other_ways_to_conserve_have_intervals_too(world, run, conserve):
    made = world(seed=13)
    form = VALUES if conserve == "multiplicative" else ANOMALIES
    model = with_trust(made, made.model(form, gain=0.9), QUANTILES)
    if conserve == "multiplicative":
        arrays = model.predictor.arrays()
        model = replace(model, predictor=ForestPredictor.from_arrays({**arrays, "value": arrays["value"] + 0.5}))
    _, out, _ = run(made, model, conserve=conserve)
    assert (out["interval"][0::4] <= out["product"]).all() and (out["product"] <= out["interval"][2::4]).all()


def test_strips_change_nothing(world, run, monkeypatch):
    made = world(rows=6, seed=14, gaps=0.03)
    model = with_trust(made, made.model(gain=0.6), SCALED)
    whole = run(made, model)[1]
    monkeypatch.setattr(tiles, "PIXELS", 90)
    parts = run(made, model)[1]
    for name in ("product", "quality", "index", "interval"):
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-6)


def test_files_say_what_they_hold(world, run):
    made = world(seed=15)
    model = with_trust(made, made.model(), SCALED)
    _, _, names = run(made, model, level=0.8)
    with Stack.open(names["interval"]) as interval, Stack.open(names["index"]) as index:
        assert [band.name for band in interval.bands[:4]] == [
            f"soil_moisture_{what}" for what in ("lower", "median", "upper", "width")
        ]
        assert [band.period for band in interval.bands[::4]] == made.periods
        assert interval.bands[0].unit == "m3/m3" and interval.tags["LEVEL"] == "0.8"
        assert [(band.name, band.period) for band in index.bands] == [("dissimilarity", p) for p in made.periods]
        with Stack.open(names["quality"]) as quality:
            assert quality.tags["CODE_1"] == "outside the area of applicability"
        assert float(index.tags["THRESHOLD"]) == pytest.approx(model.applicability.threshold, rel=1e-5)


def test_a_model_without_the_parts_gets_a_sentence(world, tmp_path):
    made = world()
    fine, coarse = made.write()
    for name, word in (("applicability", "area of applicability"), ("uncertainty", "uncertainty")):
        with pytest.raises(InputError, match=f"holds no {word}: train it again"):
            downscale(made.model(), fine, coarse, tmp_path / "p.tif", **{name: tmp_path / "x.tif"})
    model = with_trust(made, made.model())
    with pytest.raises(InputError, match="level of the intervals"):
        downscale(model, fine, coarse, tmp_path / "p.tif", options=DownscaleOptions(level=0.3))
    with pytest.raises(InputError, match="name of its own"):
        downscale(model, fine, coarse, tmp_path / "p.tif", uncertainty=tmp_path / "p.tif")
    assert not list(tmp_path.glob("p.tif*")) and not (tmp_path / "x.tif").exists()


def test_a_cancelled_run_leaves_no_layer(world, tmp_path):
    made = world()
    model = with_trust(made, made.model())

    class Stopped(Progress):
        at = 0.0

        def set(self, fraction, text=""):
            self.at = fraction

        @property
        def cancelled(self):
            return self.at > 0.3

    with pytest.raises(Cancelled):
        downscale(
            model,
            *made.write(),
            tmp_path / "p.tif",
            progress=Stopped(),
            applicability=tmp_path / "a.tif",
            uncertainty=tmp_path / "u.tif",
        )
    assert not [path for name in "pau" for path in tmp_path.glob(f"{name}.tif*")]


def test_the_report_shows_width_area_and_shares(world, run):
    made = world(seed=16, gaps=0.02)
    model = with_trust(made, made.model(gain=0.8), QUANTILES, predicted=0.005)
    result, _, _ = run(made, model)
    report = downscale_report(result, model)
    assert report.data["share_outside"] == result.totals["share_outside"]
    assert report.data["mean_width"] == result.totals["mean_width"] and report.data["level"] == 0.9
    assert report.data["held_out_coverage"] == pytest.approx(0.9, abs=0.05)
    page = render_html(report)
    for words in (
        "how sure it is",
        "Outside the area",
        "Width of the interval",
        "times as large",
        "known for the coarse",
    ):
        assert words in page
    fine, coarse = made.write()
    plain = downscale_report(downscale(model, fine, coarse, fine.parent / "plain.tif"), model)
    assert "how sure it is" not in render_html(plain) and plain.data["share_outside"] is None
    assert NODATA == 255
