"""Calibration of intervals against plain counting, and what a model file holds of the uncertainty."""

from __future__ import annotations

import io
import json
import math
import zipfile

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.applicability import Applicability
from soilmoisture.core.model.conformal import calibrate, conformal_quantile
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.form import Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.model.quantiles import LeafValues
from soilmoisture.core.model.uncertainty import CONSTANT, PROBABILITIES, QUANTILES, SCALED, HeldOut, Uncertainty


def test_the_quantile_counts_one_sample_more_than_there_is():
    scores = np.array([3.0, 1, 2, 5, 4])
    assert [conformal_quantile(scores, level) for level in (0.5, 0.6, 0.8, 0.9)] == [3, 4, 5, 5]


def test_one_width_is_the_quantile_of_the_errors_and_holds_what_it_promises():
    rng = np.random.default_rng(0)
    held, fresh = rng.normal(0, 0.03, 4000), rng.normal(0, 0.03, 200_000)
    reach, fold = np.tile([-1.0, 1.0], (4000, 1)), np.arange(4000) % 5
    for level in (0.5, 0.8, 0.9, 0.95):
        found = calibrate(held, reach, fold, level)
        whole = np.sort(np.abs(held))[math.ceil(4001 * level) - 1]
        assert found.factor == pytest.approx(whole * found.widening) and 1 <= found.widening < 1.02
        assert (np.abs(fresh) <= found.factor).mean() == pytest.approx(level, abs=0.02)
        assert found.coverage == pytest.approx(level, abs=0.02) and found.width == pytest.approx(2 * found.factor)
        assert found.lowest <= found.coverage <= found.highest


def test_too_narrow_intervals_are_widened_and_too_wide_ones_narrowed():
    rng = np.random.default_rng(1)
    spread = rng.uniform(0.5, 2, 5000)
    residual, fold = rng.normal(size=5000) * spread, np.arange(5000) % 4
    right = np.column_stack([-1.645 * spread, 1.645 * spread])
    for factor in (0.4, 1.0, 3.0):
        found = calibrate(residual, factor * right, fold, 0.9)
        assert found.factor * factor == pytest.approx(1, abs=0.05) and found.coverage == pytest.approx(0.9, abs=0.01)
        assert (found.raw < 0.6) == (factor < 1) and (found.raw > 0.95) == (factor > 1)
    # Widths that follow the error are better intervals than those that do not.
    assert (
        calibrate(residual, right, fold, 0.9).score < 0.95 * calibrate(residual, 0 * right + [-1, 1], fold, 0.9).score
    )


def test_either_side_counts_with_its_own_reach():
    rng = np.random.default_rng(2)
    residual = rng.exponential(1, 4000) - 0.1
    reach = np.tile([-0.1, 2.2], (4000, 1))
    found = calibrate(residual, reach, np.arange(4000) % 5, 0.9)
    low, high = found.factor * reach[0]
    assert ((residual >= low) & (residual <= high)).mean() == pytest.approx(0.9, abs=0.01)
    missed = np.maximum(low - residual, 0) + np.maximum(residual - high, 0)
    assert found.score == pytest.approx((high - low) + 2 / 0.1 * missed.mean(), rel=0.02)


def test_folds_that_differ_widen_the_intervals():
    rng = np.random.default_rng(3)
    fold = np.repeat(np.arange(4), 100)
    residual = rng.normal(size=400) * np.array([1, 1, 1, 6.0])[fold]
    found = calibrate(residual, np.tile([-1.0, 1.0], (400, 1)), fold, 0.9)
    # The factor of the other folds does not hold the last one.
    by_hand = []
    for one in range(4):
        limit = conformal_quantile(np.abs(residual[fold != one]), 0.9)
        by_hand += list(np.abs(residual[fold == one]) <= limit)
    assert found.coverage == pytest.approx(np.mean(by_hand)) and found.coverage < 0.87 and found.lowest < 0.5
    assert found.widening > 1.2
    assert found.factor == pytest.approx(found.widening * conformal_quantile(np.abs(residual), 0.9))


def test_leaves_that_promise_certainty_are_not_believed():
    residual = np.concatenate([np.full(50, 0.5), np.full(50, -0.5)])
    reach = np.tile([-1.0, 1.0], (100, 1))
    reach[::2] = 0
    found = calibrate(residual, reach, np.arange(100) % 5, 0.9)
    assert np.isfinite(found.factor) and found.floor == (-0.025, 0.025)
    none = calibrate(residual, 0 * reach, np.arange(100) % 5, 0.9)
    assert np.isfinite(none.factor) and none.width >= 1
    exact = calibrate(0 * residual, reach, np.arange(100) % 5, 0.9)
    assert exact.factor == 0 and exact.coverage == 1 and exact.score == 0


def held_out(n=60, columns=1, seed=0):
    rng = np.random.default_rng(seed)
    true, predicted = rng.normal(0, 0.03, n), rng.normal(0, 0.03, n)
    spread = np.ones((n, 1)) if columns == 1 else np.sort(rng.normal(0, 0.02, (n, columns)), axis=1)
    fold = (np.arange(n) % 3).astype(np.int32)
    return HeldOut(true, predicted, rng.normal(0, 0.05, n), fold, spread.astype(np.float32))


def forest_model():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    y = x[:, 0] * 0.02 + rng.normal(0, 0.01, 80)
    fitted = RandomForestRegressor(6, min_samples_leaf=4, random_state=0).fit(x, y)
    forest = ForestPredictor.from_trees([tree.tree_ for tree in fitted.estimators_], 2)
    return with_trust(
        forest,
        Applicability.from_training(x, np.arange(80) % 4, np.array([0.8, 0.2]))[0],
        Uncertainty(QUANTILES, held_out(columns=16), LeafValues.from_training(forest, x, y)),
    )


def with_trust(predictor, applicability=None, uncertainty=None):
    return Model(
        "learner",
        "Learner",
        (Factor("a", "1", -2.0, 2.0, 0.0, 1.0), Factor("b", "1", -2.0, 2.0, 0.0, 1.0)),
        "soil_moisture",
        "m3/m3",
        (0.1, 0.4),
        Form("values"),
        None,
        predictor,
        DetailGain(0.9, 1.0, 0.1, 0.4, 3),
        applicability=applicability,
        uncertainty=uncertainty,
    )


def test_the_level_and_the_gain_decide_the_intervals():
    held = held_out(200)
    constant = Uncertainty(CONSTANT, held)
    x = np.zeros((4, 2))
    for gain in (0.0, 0.8, None):
        residual = held.error if gain is None else held.true - gain * held.predicted
        narrow, wide = (constant.calibration(level, gain) for level in (0.5, 0.9))
        assert wide.factor / wide.widening == pytest.approx(np.sort(np.abs(residual))[math.ceil(201 * 0.9) - 1])
        offsets = constant.offsets(x, None, wide)
        np.testing.assert_allclose(offsets, np.tile([-wide.factor, 0, wide.factor], (4, 1)))
        assert narrow.factor < wide.factor
    with pytest.raises(InputError, match=r"between 0.5 and 0.99"):
        constant.calibration(1.0, 1.0)


def test_widths_grow_with_the_dissimilarity_as_far_as_it_was_seen():
    held = held_out(200)
    scaled = Uncertainty(SCALED, held, slope=2.0, highest=1.5)
    found = scaled.calibration(0.9, 1.0)
    offsets = scaled.offsets(np.zeros((4, 2)), np.array([0, 1, 1.5, 9]), found)
    np.testing.assert_allclose(offsets[:, 2] / offsets[0, 2], [1, 3, 4, 4])
    np.testing.assert_allclose(offsets[:, 0], -offsets[:, 2])


def test_quantiles_follow_the_leaves_times_the_factor():
    uncertainty = forest_model().uncertainty
    x = np.random.default_rng(5).normal(size=(30, 2))
    found = uncertainty.calibration(0.8, 0.9)
    raw = uncertainty.leaves.offsets(x, (0.1, 0.5, 0.9))
    low, middle, high = uncertainty.offsets(x, None, found).T
    np.testing.assert_allclose(low, found.factor * np.minimum(raw[:, 0], found.floor[0]))
    np.testing.assert_allclose(high, found.factor * np.maximum(raw[:, 2], found.floor[1]))
    assert (low <= 0).all() and (high >= 0).all() and ((low <= middle) & (middle <= high)).all()


def test_reach_between_the_stored_probabilities_is_in_proportion():
    held = held_out(50, 16)
    np.testing.assert_allclose(held.reach(0.9)[:, 1], np.maximum(held.spread[:, PROBABILITIES.index(0.95)], 0))
    between = held.reach(0.85)[:, 1]
    assert (between <= held.reach(0.9)[:, 1] + 1e-9).all() and (between >= held.reach(0.8)[:, 1] - 1e-9).all()


@pytest.mark.parametrize("kind", [QUANTILES, SCALED, CONSTANT, None])
def test_a_file_gives_back_the_same_intervals_and_area(tmp_path, kind):
    model = forest_model()
    if kind in (SCALED, CONSTANT):
        uncertainty = Uncertainty(kind, held_out(), None, 0.5 * (kind == SCALED), 2.0)
        model = with_trust(LinearPredictor(np.array([1.0, 2.0]), 0.0), model.applicability, uncertainty)
    elif kind is None:
        model = with_trust(model.predictor)
    save_model(model, tmp_path / "m.smdl")
    again = load_model(tmp_path / "m.smdl")
    x = np.random.default_rng(6).normal(size=(40, 2))
    if kind is None:
        assert again.applicability is None and again.uncertainty is None
        return
    np.testing.assert_array_equal(again.applicability.index(x), model.applicability.index(x))
    assert again.applicability.threshold == model.applicability.threshold
    index = model.applicability.index(x)
    for level in (0.6, 0.9):
        calibration = model.uncertainty.calibration(level, 0.7)
        assert again.uncertainty.calibration(level, 0.7) == calibration
        np.testing.assert_array_equal(
            again.uncertainty.offsets(x, index, calibration), model.uncertainty.offsets(x, index, calibration)
        )


def rewritten(source, target, change=None, document=None):
    """Copy a model file; change(name, array) gives another array or None, document(json) edits the description."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "model.json" and document:
                text = json.loads(data)
                document(text)
                data = json.dumps(text).encode()
            elif name.endswith(".npy") and change:
                array = change(name, np.load(io.BytesIO(data)))
                if array is None:
                    continue
                buffer = io.BytesIO()
                np.save(buffer, array)
                data = buffer.getvalue()
            new.writestr(name, data)


def test_a_file_without_the_two_parts_still_loads(tmp_path):
    save_model(forest_model(), tmp_path / "new.smdl")

    def forget(document):
        del document["applicability"], document["uncertainty"]

    rewritten(
        tmp_path / "new.smdl",
        tmp_path / "old.smdl",
        lambda name, array: array if name.startswith("predictor/") else None,
        forget,
    )
    model = load_model(tmp_path / "old.smdl")
    assert model.applicability is None and model.uncertainty is None and model.predict(np.zeros((1, 2))).shape == (1,)


@pytest.mark.parametrize(
    "name, change",
    [
        ("applicability/points.npy", lambda a: a[:, :1]),
        ("applicability/points.npy", lambda a: a.astype(np.int64)),
        ("applicability/numbers.npy", lambda a: a[:1]),
        ("applicability/weight.npy", lambda a: None),
        ("applicability/scale.npy", lambda a: a * np.nan),
        ("uncertainty/leaf_values.npy", lambda a: a[1:]),
        ("uncertainty/leaf_values.npy", lambda a: None),
        ("uncertainty/spread.npy", lambda a: a[:, 1:]),
        ("uncertainty/fold.npy", lambda a: a[1:]),
        ("uncertainty/true.npy", lambda a: np.where(a == a[0], np.inf, a)),
        ("uncertainty/error.npy", lambda a: np.zeros((10_001,))),
        ("uncertainty/numbers.npy", lambda a: a - 1),
    ],
)
def test_hostile_parts_get_a_sentence(tmp_path, name, change):
    save_model(forest_model(), tmp_path / "m.smdl")
    rewritten(tmp_path / "m.smdl", tmp_path / "bad.smdl", lambda n, a: change(a) if n == name else a)
    with pytest.raises(InputError, match=r"bad.smdl"):
        load_model(tmp_path / "bad.smdl")


@pytest.mark.parametrize("key, value", [("applicability", 1), ("uncertainty", "voodoo"), ("uncertainty", 3)])
def test_a_description_that_lies_gets_a_sentence(tmp_path, key, value):
    save_model(forest_model(), tmp_path / "m.smdl")
    rewritten(tmp_path / "m.smdl", tmp_path / "bad.smdl", None, lambda document: document.update({key: value}))
    with pytest.raises(InputError, match=r"bad.smdl"):
        load_model(tmp_path / "bad.smdl")


def test_leaves_without_trees_and_other_factors_are_refused(tmp_path):
    model = forest_model()
    linear = LinearPredictor(np.array([1.0, 2.0]), 0.0)
    save_model(with_trust(linear, model.applicability, model.uncertainty), tmp_path / "m.smdl")
    with pytest.raises(InputError, match="no leaves"):
        load_model(tmp_path / "m.smdl")
    other = Applicability.from_training(np.arange(8.0)[:, None], np.arange(8) % 2, np.ones(1))[0]
    with pytest.raises(InputError, match="its parts expect 1"):
        with_trust(linear, other)
