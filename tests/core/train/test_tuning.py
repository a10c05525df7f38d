"""Nested tuning: no choice sees what it is scored on, blocks stay whole, the better setting is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.model.form import CONTRASTS, VALUES, Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.progress import Progress
from soilmoisture.core.train import learners, training
from soilmoisture.core.train.designs import block_folds, block_of
from soilmoisture.core.train.learners import REGISTRY, Learner
from soilmoisture.core.train.learning import Learning
from soilmoisture.core.train.samples import make_samples
from soilmoisture.core.train.training import Options, train
from soilmoisture.core.train.tuning import Tuner, candidates, nested

EDGE = 4


class Spy:
    """Remembers the rows it was given by their target, which is unique; predicts `sign` times the truth's slopes."""

    log: list[tuple[str, float, set]] = []

    def __init__(self, sign):
        self.sign = sign

    def fit(self, x, y, sample_weight=None):
        Spy.log.append(("fit", self.sign, set(np.round(y, 12))))
        self.factors = x.shape[1]
        return self

    def predict(self, x):
        return export(self).predict(x)


def export(estimator):
    return LinearPredictor(estimator.sign * np.array([0.03, -0.02, 0.01]), 0.0)


SPY = Learner("spy", "Spy", {"sign": -1.0}, lambda s, seed, quick: Spy(s["sign"]), export, space={"sign": [1.0, 0.5]})


@pytest.fixture
def data(coarse_data):
    return coarse_data(16, 16, 3, noise=0.01, season=0.0)


def learning(learner=SPY, **settings):
    return Learning(learner, {**learner.defaults, **settings}, False, 0, EDGE)


def searched(data, form, budget=2):
    values, samples = make_samples(data, Form(VALUES)), make_samples(data, form)
    blocks = block_folds(values, EDGE, 0)
    Spy.log = []
    return values, samples, blocks, nested(learning(), budget, values, samples, blocks, form, 3, 0.0, Progress())


@pytest.mark.parametrize("form", [Form(VALUES), Form(CONTRASTS, 3)])
def test_no_choice_sees_the_rows_that_its_fold_holds_out(data, form):
    values, samples, blocks, found = searched(data, form)
    y = np.round(samples.y, 12)
    assert len(set(y)) == len(y)
    log = list(Spy.log)
    # Per outer fold: three settings on three inner folds, then the fit with the chosen one; at last all samples.
    assert len(log) == blocks.count * 10 + 9
    for number in range(blocks.count):
        held = set(y[blocks.fold == number])
        part = log[10 * number : 10 * (number + 1)]
        assert all(not rows & held for _, _, rows in part)
        assert part[-1][2] == set(y[blocks.fold != number]) and part[-1][1] == 1.0
        for _, _, rows in part[:-1]:
            assert rows < part[-1][2]
    assert found.learning.settings["sign"] == 1.0 and len(found.tuning.searches) == blocks.count


def test_inner_folds_never_split_a_block(data):
    values, samples, blocks, _ = searched(data, Form(VALUES))
    y, block = np.round(samples.y, 12), block_of(samples, EDGE)
    for _, _, rows in Spy.log:
        seen = np.array([one in rows for one in y])
        for one in np.unique(block):
            inside = seen[block == one]
            assert inside.all() or not inside.any()


def test_the_truth_of_held_out_rows_is_never_looked_up(data):
    """The tuner is given the whole truth: with other values in the held-out blocks its choice must be the same."""
    values = make_samples(data, Form(VALUES))
    blocks = block_folds(values, EDGE, 0)
    part = values.select(blocks.training(0))
    truth = values.on_grid(values.y)
    poisoned = truth.copy()
    out = blocks.fold == 0
    poisoned[values.period[out], values.row[out], values.col[out]] = 99.0
    shares = []
    for one in (truth, poisoned):
        tuner = Tuner(learning(), 2, Form(VALUES), 3, EDGE, (0, 0), one)
        tuner(part, Progress())
        shares.append([trial.share for trial in tuner.searches[0]])
    assert shares[0] == shares[1] and max(shares[0]) > 0.5


def test_the_better_setting_is_chosen_and_scored_without_it(coarse_data):
    data = coarse_data(16, 16, 4, noise=0.02, seed=3)
    tree = {"smallest_leaf": 400, "depth": 1}
    before = train(data, Options("cart", tree, linear_trend=False, train_on=VALUES, validation=["blocks"]))
    after = train(data, Options("cart", tree, linear_trend=False, train_on=VALUES, validation=["blocks"], tuning=8))
    assert before.tuning is None and len(after.tuning.final) == 9
    assert after.tuning.after > after.tuning.before + 0.05
    assert after.tuning.before == pytest.approx(before.model.gain.share_explained)
    assert after.model.gain.share_explained == pytest.approx(after.tuning.after)
    chosen = dict(after.tuning.final[0].settings)
    assert after.model.facts["settings"] == chosen and after.model.facts["tuning"] == 8
    assert [one.share for one in after.tuning.final] == sorted((one.share for one in after.tuning.final), reverse=True)
    assert after.scores[0].share_explained == pytest.approx(after.tuning.after)


def test_a_permuted_target_is_not_tuned_into_skill(coarse_data):
    data = coarse_data(16, 16, 4, season=0.0, noise=0.01)
    for seed in range(2):
        shuffled = np.random.default_rng(seed).permutation(data.target.ravel()).reshape(data.target.shape)
        every = ("random", "kfold", "blocks", "periods", "blocks_and_periods")
        found = train(replace(data, target=shuffled), Options("cart", validation=every, train_on=VALUES, tuning=6))
        assert {one.design for one in found.scores} == set(every)
        for one in found.scores:
            assert one.r2 < 0.06 and one.share_explained < 0.06, one


def test_candidates_are_different_and_start_with_the_given_settings():
    space = {"leaf": (2, 50, True), "rate": (0.01, 0.3, True), "kind": ["a", "b"]}
    given = {"leaf": 7, "rate": 0.1, "kind": "c", "other": 1}
    found = candidates(space, given, 30, 0)
    assert found[0] == given and len(found) == 31 and found == candidates(space, given, 30, 0)
    assert all(found[i] != found[j] for i in range(31) for j in range(i))
    for one in found[1:]:
        assert isinstance(one["leaf"], int) and 2 <= one["leaf"] <= 50 and 0.01 <= one["rate"] <= 0.3
        assert one["kind"] in "ab" and one["other"] == 1
    # By ratio: as many below the geometric mean as above.
    assert 8 <= sum(one["leaf"] < 10 for one in found[1:]) <= 22
    assert candidates(space, given, 0, 0) == [given]


def test_small_spaces_are_tried_in_full():
    found = candidates({"a": [1, 2], "b": [3, 4]}, {"a": 1, "b": 3}, 9, 0)
    assert sorted((one["a"], one["b"]) for one in found) == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_a_negative_budget_and_learners_without_settings(coarse_data):
    data = coarse_data(10, 10, 2, noise=0.01)
    with pytest.raises(InputError, match="0 \\(no tuning\\) or more, not -1"):
        train(data, Options("cart", tuning=-1))
    found = train(data, Options("linear", tuning=5, validation=["blocks"]))
    assert found.tuning is None and "Linear (ridge) has no settings to tune." in found.notes


def test_too_little_to_hold_out_keeps_the_settings(coarse_data):
    found = train(coarse_data(4, 4, 1, noise=0.01), Options("cart", tuning=3, validation=["blocks"]))
    assert dict(found.tuning.final[0].settings) == {**REGISTRY["cart"].defaults}


def test_tuning_can_be_stopped(data, monkeypatch):
    class Stopping(Progress):
        left = 60

        @property
        def cancelled(self):
            Stopping.left -= 1
            return Stopping.left < 0

    monkeypatch.setitem(learners.REGISTRY, "spy", SPY)
    assert training.REGISTRY is learners.REGISTRY
    with pytest.raises(Cancelled):
        train(data, Options("spy", tuning=2, train_on=VALUES), Stopping())


def test_spaces_are_of_settings_that_the_learners_have():
    for learner in REGISTRY.values():
        assert set(learner.space) <= set(learner.defaults), learner.id
        for setting in candidates(learner.space, learner.defaults, 4, 0):
            learner.build(setting, 0, True)
