"""Training from end to end: planted relations are found, permuted targets show no skill, bad data gets a sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.model.form import ANOMALIES, CONTRASTS, VALUES, Form
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.progress import Progress
from soilmoisture.core.train import evaluation as ev
from soilmoisture.core.train.fitting import fit, thinned
from soilmoisture.core.train.importance import Permutation
from soilmoisture.core.train.learners import REGISTRY
from soilmoisture.core.train.samples import make_samples
from soilmoisture.core.train.training import Options, contrast_window, train

LITTLE = {"randomforest": {"trees": 30}, "svr": {"most_samples": 300}}


def options(learner, **more):
    return Options(learner, LITTLE.get(learner, {}), **more)


@pytest.mark.parametrize("train_on", ["automatic", VALUES, ANOMALIES, CONTRASTS])
def test_a_planted_linear_relation_has_a_gain_of_one(coarse_data, train_on):
    training = train(coarse_data(season=0.0, noise=0.001), options("linear", train_on=train_on))
    gain = training.model.gain
    assert gain.value == pytest.approx(1.0, abs=0.05) and gain.share_explained > 0.97
    np.testing.assert_allclose(training.model.predictor.coefficients, [0.03, -0.02, 0.01], atol=2e-3)
    best = [one for one in training.scores if one.model == "Linear (ridge)"]
    assert {one.design for one in best} == set(ev.DEFAULT_DESIGNS)
    assert all(one.share_of_contrasts > 0.95 for one in best)
    assert training.importance[0].factor == "ndvi" and len(training.forms) == (4 if train_on == "automatic" else 1)


@pytest.mark.parametrize("learner", list(REGISTRY))
def test_a_planted_relation_is_found_by_every_learner(coarse_data, learner):
    training = train(coarse_data(noise=0.005), options(learner))
    assert 0.8 < training.model.gain.value < 1.2 and training.model.gain.share_explained > 0.7
    assert training.model.learner == learner and training.model.gain.window == 3
    own = [row.learner for row in training.importance]
    assert (
        own == [None] * 3
        if learner in ("svr", "neuralnetwork", "stacking")
        else sum(own) == pytest.approx(1.0, abs=1e-9) or sum(own) == 0
    )
    assert sum(row.permutation for row in training.importance) == pytest.approx(1.0)
    assert training.importance[0].factor == "ndvi" and training.importance[0].rise > 0.005


@pytest.mark.parametrize("train_on", [VALUES, ANOMALIES, CONTRASTS])
@pytest.mark.parametrize("learner", ["linear", "randomforest"])
def test_a_permuted_target_shows_no_skill_under_any_design(coarse_data, learner, train_on):
    data = coarse_data(16, 16, 4, season=0.0, noise=0.01, seed=2)
    gains = []
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(data.target.ravel()).reshape(data.target.shape)
        training = train(replace(data, target=shuffled), options(learner, train_on=train_on))
        gain = training.model.gain
        assert abs(gain.share_explained) < 0.02
        gains.append(gain.value)
        for one in training.scores:
            assert one.r2 < 0.06 and one.share_of_contrasts < 0.06, one
    assert np.mean(gains) < 0.12


def test_random_splits_flatter_a_map_that_the_factors_do_not_explain(coarse_data):
    """Static factors serve as the number of a cell: the split at random says much, the blocks say nothing."""
    data = coarse_data(20, 20, 6, slopes=(0.0, 0.0, 0.0), season=0.0)
    other = coarse_data(20, 20, 1, seed=5).factors[2, 0]
    target = 0.25 + 0.03 * other + 0.003 * np.random.default_rng(1).normal(size=data.target.shape)
    static = np.repeat(data.factors[2:, :1], 6, axis=1)
    data = replace(data, target=target, factors=static, names=["dem"], units=["m"], static=[True])
    training = train(data, options("randomforest", train_on=VALUES, linear_trend=False))
    r2 = {one.design: one.r2 for one in training.scores if one.model == "Random forest"}
    assert r2["random"] > 0.3 and r2["blocks"] < 0.1
    assert training.model.gain.value < 0.3


def test_the_same_seed_gives_the_same_model(coarse_data, tmp_path):
    data = coarse_data(10, 10, 3, noise=0.02)
    files, trainings = [], []
    for number, seed in enumerate((3, 3, 4)):
        training = train(data, options("randomforest", seed=seed))
        trainings.append(training)
        model = replace(training.model, facts={**training.model.facts, "made": "", "seed": 0})
        save_model(model, tmp_path / f"{number}.smdl")
        files.append((tmp_path / f"{number}.smdl").read_bytes())
    assert files[0] == files[1] != files[2]
    assert trainings[0].scores == trainings[1].scores and trainings[0].importance == trainings[1].importance
    loaded = load_model(tmp_path / "0.smdl")
    x = make_samples(data, loaded.form).x
    np.testing.assert_array_equal(loaded.predict(x), trainings[0].model.predict(x))
    assert loaded.gain == trainings[0].model.gain


def test_what_the_model_file_says(coarse_data):
    data = coarse_data(10, 12, 3, noise=0.01, tags={"MIN_VALID_SHARE": "0.7", "FOOTPRINT_KM": "30"})
    data.target[:, :4] = np.nan
    data.factors[0, :, :4] = 99.0  # outside of what is trained on
    training = train(data, options("linear", window=0))
    model = training.model
    used = data.factors[:, :, 4:]
    for factor, x in zip(model.factors, used):
        assert (factor.minimum, factor.maximum) == (x.min(), x.max())
        assert factor.mean == pytest.approx(x.mean()) and factor.deviation == pytest.approx(x.std())
    assert [f.unit for f in model.factors] == ["1", "K", "m"] and model.target_unit == "m3/m3"
    assert model.target_range == (np.nanmin(data.target), np.nanmax(data.target))
    assert (model.footprint_km, model.min_valid_share, model.gain.window) == (30.0, 0.7, contrast_window(data))
    assert (training.samples, training.cells) == (3 * 6 * 12, 6 * 12)
    assert training.periods == ["2020-01", "2020-02", "2020-03"]
    assert model.facts["scores"] == [one.as_dict() for one in training.scores]
    seen = np.isfinite(training.mean_residual)
    assert seen.sum() == 72 and not seen[:4].any()
    residual = (training.observed - training.predicted).reshape(3, 6, 12).mean(axis=0)
    np.testing.assert_allclose(training.mean_residual[4:], residual)


def test_contrast_window_holds_the_footprint(coarse_data):
    data = coarse_data(4, 4, 1)
    assert contrast_window(data) == 3
    size = min(data.grid.ground_cell_size()) / 1000
    for cells, window in ((0.5, 3), (1.0, 3), (3.0, 3), (3.1, 5), (5.0, 5), (5.01, 7)):
        assert contrast_window(replace(data, tags={"FOOTPRINT_KM": str(cells * size - 1e-9)})) == window


def test_constant_factors_are_left_out_and_named(coarse_data):
    data = coarse_data(10, 10, 2, noise=0.01)
    data.factors[1] = 273.15
    training = train(data, options("linear"))
    assert training.model.factor_names == ["ndvi", "dem"] and "'lst' is constant (273.15)" in training.notes[0]
    data.factors[:] = 1.0
    with pytest.raises(InputError, match="All factors are constant"):
        train(data, options("linear"))


@pytest.mark.parametrize(
    "shape, message",
    [
        ((1, 1, 12), "Only 12 samples in 1 coarse cell have"),
        ((1, 1, 1), "Only 1 samples in 1 coarse cell have"),
        ((3, 3, 1), "Only 9 samples in 9 coarse cells"),
    ],
)
def test_too_few_samples(coarse_data, shape, message):
    with pytest.raises(InputError, match=message):
        train(coarse_data(*shape), options("linear"))


def test_a_constant_target(coarse_data):
    data = coarse_data(8, 8, 2)
    data.target[:] = 0.2
    with pytest.raises(InputError, match="'soil_moisture' is constant"):
        train(data, options("linear"))


def test_small_regions_train_and_save(coarse_data, tmp_path):
    for shape in ((2, 5, 2), (4, 4, 1), (1, 12, 1), (2, 2, 6)):
        for learner in ("linear", "cart"):
            training = train(coarse_data(*shape, noise=0.01), options(learner))
            save_model(training.model, tmp_path / "m.smdl")
            assert load_model(tmp_path / "m.smdl").gain == training.model.gain


def test_one_period(coarse_data):
    data = coarse_data(12, 12, 1, noise=0.005)
    training = train(data, options("linear"))
    assert [trial.form.kind for trial in training.forms] == [VALUES, CONTRASTS]
    assert {one.design for one in training.scores} == {"random", "blocks"}
    assert any(note.startswith("Leave periods out: not possible") for note in training.notes)
    with pytest.raises(InputError, match="at least two periods"):
        train(data, options("linear", validation=["periods"]))


def test_only_the_designs_asked_for_are_scored(coarse_data):
    training = train(coarse_data(10, 10, 3, noise=0.01), options("cart", validation=["random"]))
    assert {one.design for one in training.scores} == {"random"}
    assert [one.model for one in training.scores] == [
        "Regression tree (CART)",
        "Multiple linear regression",
        "No factors (mean)",
    ]
    assert np.isfinite(training.predicted).all() and training.designs[-1].startswith("Spatial blocks: ")


@pytest.mark.parametrize(
    "more, message",
    [
        ({"learner": "magic"}, "Unknown learner 'magic'"),
        ({"learner": "linear", "train_on": "ranks"}, "not on 'ranks'"),
        ({"learner": "linear", "window": 4}, "odd number"),
        ({"learner": "linear", "validation": ["bootstrap"]}, "Unknown validation design"),
        ({"learner": "linear", "validation": []}, "at least one validation design"),
    ],
)
def test_options_that_cannot_be_meant(coarse_data, more, message):
    with pytest.raises(InputError, match=message):
        train(coarse_data(8, 8, 2), Options(**more))


def test_gaps_in_target_and_factors(coarse_data):
    training = train(coarse_data(14, 14, 4, noise=0.005, gaps=0.25), options("linear"))
    assert training.samples < 0.65 * 14 * 14 * 4 and training.model.gain.value > 0.8


def test_many_samples_are_thinned_evenly_for_slow_learners(coarse_data):
    data = coarse_data(14, 14, 4, noise=0.01)
    training = train(data, options("svr", train_on=VALUES, validation=["blocks"]))
    assert "trained on 300 of 784 samples" in training.notes[0]
    samples = make_samples(data, Form())
    rows = thinned(samples, 301, 0)
    assert len(set(rows)) == 301 and set(np.bincount(samples.period[rows])) <= {75, 76}


def test_the_trend_goes_first_and_is_part_of_the_prediction(coarse_data):
    samples = make_samples(coarse_data(noise=0.0, season=0.0), Form())
    with_trend = fit(samples, REGISTRY["cart"], REGISTRY["cart"].defaults, True, 0)
    without = fit(samples, REGISTRY["cart"], REGISTRY["cart"].defaults, False, 0)
    np.testing.assert_allclose(with_trend.predict(samples.x), samples.y, atol=1e-4)
    assert np.abs(without.predict(samples.x) - samples.y).max() > 0.005 and without.trend is None
    far = samples.x + 10.0
    wanted = 0.25 + far @ np.array([0.03, -0.02, 0.01])
    np.testing.assert_allclose(with_trend.predict(far), wanted, atol=1e-3)
    assert without.predict(far).max() <= samples.y.max()


def test_permutation_importance_of_a_known_model(coarse_data):
    """y = a x1 + b x2: shuffling a factor adds 2 a^2 var(x1), here of the samples held out."""
    samples = make_samples(coarse_data(30, 30, 3, slopes=(0.04, -0.02, 0.0), season=0.0), Form())
    slopes = np.array([0.04, -0.02, 0.0])
    permutation = Permutation(samples, 0)
    rows = np.arange(len(samples))
    for fold in range(3):
        permutation.visit(fold, lambda x: 0.25 + 0.01 + x @ slopes, rows[rows % 3 == fold])
    found = permutation.importance(["a", "b", "c"], None)
    growth = 2 * slopes**2 * samples.x.var(axis=0)
    for row, name, k in zip(found, "abc", range(3)):
        assert row.factor == name
        assert row.rise == pytest.approx(math.sqrt(0.01**2 + growth[k]) - 0.01, rel=0.05, abs=1e-12)
        assert row.permutation == pytest.approx(growth[k] / growth.sum(), abs=0.02)


class Recorder(Progress):
    def __init__(self, checks=10**9):
        self.fractions, self.left = [], checks

    def set(self, fraction, text=""):
        self.fractions.append(fraction)

    @property
    def cancelled(self):
        self.left -= 1
        return self.left < 0


def test_progress_rises_to_the_end_and_can_be_stopped(coarse_data):
    data = coarse_data(10, 10, 3, noise=0.01)
    recorder = Recorder()
    train(data, options("linear"), recorder)
    assert min(np.diff(recorder.fractions)) > -1e-12 and recorder.fractions[-1] == 1.0
    for checks in (0, 7, 20):
        with pytest.raises(Cancelled):
            train(data, options("linear"), Recorder(checks))


def test_the_block_score_is_there_without_blocks_among_the_designs(coarse_data):
    training = train(coarse_data(10, 12, 3, noise=0.02), options("linear", validation=(ev.RANDOM,)))
    assert {one.design for one in training.scores} == {ev.RANDOM}
    y, guess = training.observed, training.predicted
    assert training.block_score.rmse == pytest.approx(math.sqrt(sum((y - guess) ** 2) / len(y)))
    assert training.block_score.r2 == pytest.approx(1 - sum((y - guess) ** 2) / sum((y - sum(y) / len(y)) ** 2))


def test_validation_of_many_samples_fits_on_some_and_predicts_all(coarse_data, monkeypatch):
    from soilmoisture.core.train import fitting

    data = coarse_data(12, 12, 3, noise=0.01)
    sizes = []
    real = fitting.thinned

    def noted(samples, most, seed):
        sizes.append(most)
        return real(samples, most, seed)

    monkeypatch.setattr(fitting, "QUICK_ROWS", 60)
    monkeypatch.setattr(fitting, "thinned", noted)
    training = train(data, options("cart", validation=["blocks"]))
    assert set(sizes) == {60} and np.isfinite(training.predicted).all()
    assert any("60 of the 432 samples" in note for note in training.notes)
