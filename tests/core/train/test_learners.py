"""Every learner against scikit-learn, and its exported arrays against the estimator."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from soilmoisture.core.train.learners import REGISTRY
from soilmoisture.core.train.learners.linear import Ridge, export


def table(n=120, p=4, noise=0.01, seed=0):
    """Factors in units as they come (K, m, -, dB) and soil moisture in m3/m3."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.array([10, 300, 0.1, 2])[:p] + np.array([290, 1000, 0.4, -12])[:p]
    y = 0.2 + 0.002 * (x[:, 0] - 290) + 5e-5 * (x[:, 1] - 1000) * (x[:, 2] - 0.4) + noise * rng.normal(size=n)
    return x, y, rng.uniform(0.5, 1.0, n)


@pytest.mark.parametrize("penalty", [0.0, 0.01, 1.0])
def test_ridge_with_a_fixed_penalty(penalty):
    x, y, weight = table()
    ours = Ridge(penalty).fit(x, y, weight)
    mean = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    z = (x - mean) / scale
    theirs = SklearnRidge(alpha=penalty * weight.sum()) if penalty else LinearRegression()
    theirs.fit(z, y, weight)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(z), atol=1e-10)
    np.testing.assert_allclose(ours.coefficients, theirs.coef_, atol=1e-10)


@pytest.mark.parametrize("noise, n, seed", [(0.001, 40, 3), (0.1, 40, 3), (1.0, 40, 3), (0.05, 9, 1), (0.02, 9, 2)])
def test_ridge_chooses_the_penalty_by_generalised_cross_validation(noise, n, seed):
    """By the definition, with the whole hat matrix: n |y - H y|^2 / (n - trace H)^2."""
    x, y, weight = table(n, noise=noise, seed=seed)
    ours = Ridge().fit(x, y, weight)
    share = weight / weight.sum()
    mean = share @ x
    z = (x - mean) / np.sqrt(share @ (x - mean) ** 2)
    root = np.sqrt(share)

    def error(penalty):
        design = root[:, None] * np.column_stack([np.ones(len(y)), z])
        hat = design @ np.linalg.solve(design.T @ design + penalty * np.diag([0, 1, 1, 1, 1]), design.T)
        left = root * y - hat @ (root * y)
        return (left**2).sum() / (1 - np.trace(hat) / len(y)) ** 2

    penalties = np.logspace(-6, 1, 29)
    assert ours.penalty == pytest.approx(penalties[np.argmin([error(p) for p in penalties])])


@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_the_chosen_penalty_is_good_when_samples_are_left_out_one_by_one(noise):
    x, y, _ = table(30, noise=noise, seed=4)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    penalties = np.logspace(-6, 1, 29)
    errors = []
    for penalty in penalties:
        left = [
            y[i] - SklearnRidge(alpha=30 * penalty).fit(np.delete(z, i, 0), np.delete(y, i)).predict(z[i : i + 1])[0]
            for i in range(30)
        ]
        errors.append(np.mean(np.square(left)))
    chosen = int(np.argmin(np.abs(penalties - Ridge().fit(x, y).penalty)))
    assert errors[chosen] < 1.05 * min(errors)
    if noise < 0.1:  # where the factors explain little, the two criteria part
        theirs = RidgeCV(alphas=30 * penalties).fit(z, y)
        np.testing.assert_allclose(Ridge().fit(x, y).predict(x), theirs.predict(z), atol=0.05 * y.std())


def test_ridge_with_more_factors_than_samples_twins_and_constants():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(8, 12))
    y = x[:, 0] + 0.1 * rng.normal(size=8)
    assert np.isfinite(Ridge().fit(x, y).predict(x)).all()
    x, y, _ = table()
    twins = Ridge(1e-8).fit(np.column_stack([x, x[:, 0]]), y)
    np.testing.assert_allclose(
        twins.predict(np.column_stack([x, x[:, 0]])), Ridge(1e-8).fit(x, y).predict(x), atol=1e-6
    )
    padded = np.column_stack([x, np.full(len(x), 7.0)])
    fitted = Ridge().fit(padded, y)
    np.testing.assert_allclose(fitted.predict(padded), Ridge().fit(x, y).predict(x), atol=1e-12)
    plain = export(fitted)
    assert plain.coefficients[-1] == 0
    np.testing.assert_allclose(plain.predict(padded), fitted.predict(padded), atol=1e-12)
    np.testing.assert_allclose(REGISTRY["linear"].importance(fitted)[-1], 0)


def test_forest_equals_scikit_learn_with_the_same_seed():
    x, y, weight = table(300)
    learner = REGISTRY["randomforest"]
    settings = {**learner.defaults, "trees": 25}
    ours = learner.build(settings, 5, False).fit(x, y, weight)
    theirs = RandomForestRegressor(25, max_features=1 / 3, min_samples_leaf=5, random_state=5).fit(x, y, weight)
    np.testing.assert_array_equal(learner.export(ours).predict(x), theirs.predict(x.astype(np.float32)))
    np.testing.assert_array_equal(learner.importance(ours), theirs.feature_importances_)
    assert learner.build({**settings, "trees": 500}, 5, True).n_estimators == 40
    assert learner.build({**settings, "depth": 3}, 5, False).max_depth == 3


def test_tree_equals_scikit_learn():
    x, y, weight = table(300)
    learner = REGISTRY["cart"]
    ours = learner.build(learner.defaults, 1, False).fit(x, y, weight)
    theirs = DecisionTreeRegressor(min_samples_leaf=20, max_depth=8, random_state=1).fit(x, y, weight)
    np.testing.assert_array_equal(learner.export(ours).predict(x), theirs.predict(x))


def test_support_vectors_equal_a_pipeline_that_scales_both_sides():
    x, y, weight = table(150)
    learner = REGISTRY["svr"]
    ours = learner.build({**learner.defaults, "cost": 5.0, "tube": 0.2}, 0, False).fit(x, y, weight)
    theirs = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), SVR(C=5.0, epsilon=0.2, gamma=1 / 4)), transformer=StandardScaler()
    ).fit(x, y, svr__sample_weight=weight)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), atol=1e-4 * y.std())


def test_support_vectors_never_see_raw_soil_moisture():
    """The library's tube of 0.1 is wider than this target: unscaled, the machine would predict a constant."""
    x, y, _ = table(200, noise=0.0)
    y = 0.2 + 0.2 * (y - y.mean())
    assert SVR().fit(x, y).predict(x).std() < 1e-12
    predicted = REGISTRY["svr"].build(REGISTRY["svr"].defaults, 0, False).fit(x, y).predict(x)
    assert np.corrcoef(predicted, y)[0, 1] > 0.95 and predicted.std() > 0.8 * y.std()


def test_support_vectors_of_a_target_inside_the_tube():
    x = table(50)[0]
    fitted = REGISTRY["svr"].build({**REGISTRY["svr"].defaults, "tube": 5.0}, 0, False).fit(x, table(50)[1])
    assert np.ptp(fitted.predict(x)) == 0
    constant = REGISTRY["svr"].build(REGISTRY["svr"].defaults, 0, False).fit(x, np.full(50, 0.3))
    np.testing.assert_allclose(constant.predict(x), 0.3)


@pytest.mark.parametrize("name", list(REGISTRY))
def test_what_every_learner_keeps(name):
    x, y, weight = table(200)
    x[:, 3] = 5.0
    learner = REGISTRY[name]
    fitted = [learner.build(learner.defaults, 7, False) for _ in range(2)]
    for one in fitted:
        one.fit(x, y, weight)
    exported = learner.export(fitted[0])
    assert exported.factors == 4 and exported.kind
    new = table(64, seed=9)[0]
    np.testing.assert_allclose(exported.predict(new), fitted[0].predict(new), atol=1e-12)
    np.testing.assert_array_equal(exported.predict(new), learner.export(fitted[1]).predict(new))
    same = np.column_stack([new[:, :3], np.full(64, 5.0)])  # nothing is known of a factor that was constant
    np.testing.assert_array_equal(exported.predict(new), exported.predict(same))
    assert np.ptp(exported.predict(new)) > 0
    again = type(exported).from_arrays(exported.arrays())
    np.testing.assert_array_equal(again.predict(new), exported.predict(new))
    shares = learner.importance(fitted[0])
    if shares is not None:
        assert sum(shares) == pytest.approx(1.0) and shares[3] == 0 and min(shares) >= 0
    if name in ("randomforest", "cart"):
        wild = exported.predict(np.array([[1e30, -1e30, 1e300, 0.0]]))
        assert y.min() <= wild[0] <= y.max()
    most = learner.most_samples(learner.defaults)
    assert (most is None) == (name != "svr")
