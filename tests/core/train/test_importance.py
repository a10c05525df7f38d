"""Importance against scikit-learn and known models; factors that say the same are shuffled together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from soilmoisture.core.model.form import Form
from soilmoisture.core.train.importance import (
    Importance,
    Permutation,
    correlated_groups,
    groups_of,
    leading,
    weights_of,
)
from soilmoisture.core.train.samples import Samples, make_samples


def samples_of(x, y):
    n = len(y)
    return Samples(x, y, np.zeros(n, int), np.arange(n), np.zeros(n, int), np.ones(n), (1, n, 1))


@pytest.fixture
def alike():
    """Two factors that are nearly one, and an independent one."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3000))
    return samples_of(np.column_stack([a, b, a + 0.1 * rng.normal(size=3000)]), a + 0.5 * b)


def test_against_scikit_learn(coarse_data):
    samples = make_samples(coarse_data(30, 30, 3, noise=0.01), Form())
    model = LinearRegression().fit(samples.x, samples.y)
    permutation = Permutation(samples, 0)
    permutation.visit(0, model.predict, np.arange(len(samples)))
    found = {row.factor: row for row in permutation.importance(["ndvi", "lst", "dem"], None)}
    theirs = permutation_importance(
        model, samples.x, samples.y, scoring="neg_mean_squared_error", n_repeats=10, random_state=1
    ).importances_mean
    before = np.mean((model.predict(samples.x) - samples.y) ** 2)
    for name, growth in zip(("ndvi", "lst", "dem"), theirs):
        assert found[name].rise == pytest.approx(math.sqrt(before + growth) - math.sqrt(before), rel=0.06)
        assert found[name].permutation == pytest.approx(growth / theirs.sum(), abs=0.02)


def test_factors_that_say_the_same_are_shuffled_together(alike):
    half = np.array([0.5, 0.5, 0.5])
    found = {}
    for groups in ([[0], [1], [2]], None):
        permutation = Permutation(alike, 0, groups)
        permutation.visit(0, lambda x: x @ half, np.arange(3000))
        rows = permutation.importance(["a", "b", "c"], np.array([0.3, 0.2, 0.5]))
        assert sum(row.permutation for row in rows) == pytest.approx(1.0)
        assert sum(row.learner for row in rows) == pytest.approx(1.0)
        found[groups is None] = {row.members: row for row in rows}
    apart, together = found[False], found[True]
    assert set(together) == {("a", "c"), ("b",)} and together["a", "c"].factor == "a + c"
    # Shuffled as one, y changes by 2 var(a); one by one each shows a quarter of that.
    assert together["a", "c"].permutation == pytest.approx(0.8, abs=0.03)
    assert apart["a",].permutation + apart["c",].permutation == pytest.approx(2 / 3, abs=0.03)


def test_groups_are_those_whose_ranks_correlate():
    rng = np.random.default_rng(3)
    base = rng.normal(size=(500, 4))
    x = np.column_stack(
        [base[:, 0], np.exp(3 * base[:, 0]), -base[:, 1], base[:, 1] + 0.3 * base[:, 2], base[:, 2], base[:, 3]]
    )
    assert correlated_groups(x) == [[0, 1], [2, 3], [4], [5]]
    rho = np.abs(spearmanr(x).statistic if hasattr(spearmanr(x), "statistic") else spearmanr(x)[0])
    for group in correlated_groups(x):
        assert rho[np.ix_(group, group)].min() >= 0.8
    # Half-alike neighbours in a chain do not end in one group.
    steps = np.cumsum(rng.normal(size=(2000, 12)) * 1.2, axis=1) + 2.5 * rng.normal(size=(2000, 1))
    rho = np.abs(spearmanr(steps)[0])
    groups = correlated_groups(steps)
    assert 1 < len(groups) < 12 and min(rho[np.ix_(g, g)].min() for g in groups) >= 0.8 - 1e-9


def test_constant_and_single_factors_have_groups_of_their_own():
    assert correlated_groups(np.ones((10, 1))) == [[0]] and correlated_groups(np.ones((10, 3))) == [[0], [1], [2]]


def test_classes_of_one_map_are_shuffled_together():
    x = np.random.default_rng(0).random((100, 5))
    names, units = ["landcover_7", "sand", "landcover_10", "wet_1", "depth_2"], ["share", "%", "share", "share", "m"]
    assert groups_of(x, names, units) == [[0, 2], [1], [3], [4]]
    permutation = Permutation(samples_of(x, x[:, 0] - 0.5 * x[:, 1]), 0, groups_of(x, names, units))
    permutation.visit(0, lambda x: x[:, 0] - 0.5 * x[:, 1], np.arange(100))
    rows = permutation.importance(names, None)
    assert rows[0].factor == "landcover (2 classes)" and leading(rows) == ["sand"]


def test_a_group_counts_once_in_distances():
    rows = [Importance("a + b", None, 0.8, 0.1, members=("a", "b")), Importance("c", None, 0.2, 0.1, members=("c",))]
    found = weights_of(rows, ["a", "b", "c", "unknown"])
    assert found[0] ** 2 + found[1] ** 2 == pytest.approx(0.8**2) and list(found[2:]) == [0.2, 0.0]


def test_a_factor_that_helps_nowhere_has_no_importance(alike):
    permutation = Permutation(alike, 0)
    permutation.visit(0, lambda x: np.zeros(len(x)), np.arange(3000))
    rows = permutation.importance(["a", "b", "c"], None)
    assert all(row.permutation == 0 and row.rise == 0 for row in rows) and leading(rows) == []


def test_the_spread_is_that_of_the_folds(alike):
    permutation = Permutation(alike, 0, [[0], [1], [2]])
    permutation.visit(0, lambda x: x[:, 0], np.arange(1500))
    permutation.visit(1, lambda x: x[:, 1], np.arange(1500, 3000))
    rows = {row.factor: row for row in permutation.importance(["a", "b", "c"], None)}
    assert rows["a"].rise_spread > 0.3 and rows["c"].rise_spread == 0
