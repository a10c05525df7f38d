"""Every learner against scikit-learn, and its exported arrays against the estimator."""

from __future__ import annotations

from dataclasses import replace

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

from soilmoisture.core import packages
from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.model.form import Form
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.progress import Progress
from soilmoisture.core.train.fitting import fit
from soilmoisture.core.train.learners import REGISTRY, boosting, neural_network, rows, stacking
from soilmoisture.core.train.learners.linear import Ridge, export
from soilmoisture.core.train.learners.stacking import Stack
from soilmoisture.core.train.samples import make_samples

SINGLE = ("xgboost", "neuralnetwork", "svr")  # predicted in single precision, by the library or when applied


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
    np.testing.assert_allclose(exported.predict(new), fitted[0].predict(new), rtol=1e-6 if name in SINGLE else 1e-12)
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


def neighbours(n=600, seed=0):
    """A table whose rows lie in blocks of their own level: what is near says much of a row, the factors little."""
    rng = np.random.default_rng(seed)
    x, _, weight = table(n, seed=seed)
    block = np.arange(n) // (n // 20)
    x[:, 3] = rng.normal(size=20)[block] + 1e-3 * rng.normal(size=n)  # a number of the block, as static factors are
    return x, 0.2 + 0.05 * rng.normal(size=20)[block] + 0.005 * rng.normal(size=n), weight, block


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_boosting_stops_where_held_out_blocks_gain_no_more(name):
    pytest.importorskip(name)
    learner = REGISTRY[name]
    x, y, weight, block = neighbours()
    by_block = learner.build(learner.defaults, 0, False).fit(x, y, weight, block=block)
    by_row = learner.build(learner.defaults, 0, False).fit(x, y, weight, block=np.arange(len(y)))
    assert by_block.count < 40 < by_row.count  # rows of the same block let ever more trees look good
    assert learner.export(by_block).trees.count == by_block.count
    alone = learner.build({**learner.defaults, "trees": 30}, 0, False).fit(x, y, weight)
    assert alone.count == 30 and learner.export(alone).trees.count == 30


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "neuralnetwork", "stacking"])
def test_a_target_that_the_factors_do_not_explain_is_left_at_its_mean(name):
    learner = REGISTRY[name]
    x, _, weight, block = neighbours()
    y = np.random.default_rng(5).permutation(table(600)[1])
    fitted = learner.build(learner.defaults, 0, True).fit(x, y, weight, block=block)
    assert learner.export(fitted).predict(x).std() < 0.35 * y.std()


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "neuralnetwork", "stacking"])
def test_a_constant_target_and_more_factors_than_samples(name):
    learner = REGISTRY[name]
    x, _, weight = table(60)
    block = np.arange(60) // 10
    constant = learner.build(learner.defaults, 0, True).fit(x, np.full(60, 0.3), weight, block=block)
    np.testing.assert_allclose(learner.export(constant).predict(x), 0.3, atol=1e-6)
    wide = np.random.default_rng(1).normal(size=(12, 30))
    fitted = learner.build(learner.defaults, 0, True).fit(wide, wide[:, 0], np.ones(12), block=np.arange(12) // 3)
    assert np.isfinite(learner.export(fitted).predict(wide)).all()


def test_networks_keep_the_round_that_suits_the_blocks_they_hold_out():
    """Of noise nothing is kept, where a network that goes on learns it by heart."""
    learner = REGISTRY["neuralnetwork"]
    x, _, weight, block = neighbours(200)
    y = np.random.default_rng(0).normal(0.25, 0.05, 200)
    settings = {**learner.defaults, "members": 2, "rounds": 400}
    held = learner.build(settings, 0, False).fit(x, y, weight, block=block)
    on = learner.build(settings, 0, False).fit(x, y, weight)
    assert held.predict(x).std() < 0.35 * y.std() and on.predict(x).std() > 0.5 * y.std()
    assert not np.array_equal(held.networks[0].coefs_[0], held.networks[1].coefs_[0])


@pytest.mark.parametrize("hidden", ["", "64, x", "0", "1,2,3,4,5,6,7", [3000], None])
def test_hidden_layers_that_cannot_be_meant(hidden):
    learner = REGISTRY["neuralnetwork"]
    with pytest.raises(InputError, match="Hidden layers"):
        learner.build({**learner.defaults, "hidden": hidden}, 0, False)


def folds_of(block, seed=0):
    from soilmoisture.core.train.learners.rows import hold_outs

    return hold_outs(block, 5, seed)


def test_blocks_are_held_out_whole_once_and_evenly():
    rng = np.random.default_rng(0)
    block = rng.integers(0, 30, 1000) * 7
    masks = folds_of(block)
    assert (np.sum(masks, axis=0) == 1).all() and len(masks) == 5
    for mask in masks:
        assert not set(block[mask]) & set(block[~mask])
    assert max(mask.sum() for mask in masks) < 1.15 * min(mask.sum() for mask in masks)
    assert len(folds_of(np.array([1, 1, 5]))) == 2 and folds_of(np.zeros(9, int)) == []


class ByScipy:
    """Weights from zero that sum to one, by a general optimiser."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **given):
        return self

    def fit(self, x, y, sample_weight=None):
        from scipy.optimize import minimize

        x, y = x / y.std(), y / y.std()
        self.weights = minimize(
            lambda w: np.mean((y - x @ w) ** 2),
            np.full(x.shape[1], 1 / x.shape[1]),
            jac=lambda w: -2 * x.T @ (y - x @ w) / len(y),
            bounds=[(0, None)] * x.shape[1],
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 1000},
        ).x
        return self

    def predict(self, x):
        return x @ self.weights


def bent(n, noise):
    """A target that is neither a straight line nor steps."""
    x, y, weight = table(n, noise=noise)
    return x, y + 0.004 * np.abs(x[:, 0] - 290) + 0.03 * (x[:, 3] > -12), weight


def test_stacking_equals_scikit_learn_with_the_same_folds():
    from sklearn.ensemble import StackingRegressor

    x, y, _ = bent(400, 0.02)
    block = np.arange(400) // 20
    bases = [("cart", {"smallest_leaf": 20, "depth": 8}), ("randomforest", {"trees": 20}), ("linear", {"penalty": 0.0})]
    ours = Stack(
        [(REGISTRY[name], {**REGISTRY[name].defaults, **settings}) for name, settings in bases],
        "nonnegative",
        trend=False,
        seed=3,
        quick=False,
    ).fit(x, y, None, block=block)
    theirs = StackingRegressor(
        [
            ("cart", DecisionTreeRegressor(min_samples_leaf=20, max_depth=8, random_state=3)),
            ("randomforest", RandomForestRegressor(20, max_features=1 / 3, min_samples_leaf=5, random_state=3)),
            ("linear", LinearRegression()),
        ],
        final_estimator=ByScipy(),
        cv=[(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in folds_of(block, 3)],
    )
    theirs._validate_final_estimator = lambda: setattr(theirs, "final_estimator_", ByScipy())
    theirs.fit(x, y, sample_weight=np.ones(len(y)))
    assert (ours.weights >= 0).all() and ours.weights.sum() == pytest.approx(1.0) and (ours.weights > 0.01).sum() > 1
    np.testing.assert_allclose(ours.weights, theirs.final_estimator_.weights, atol=1e-4)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x.astype(np.float32)), atol=1e-4 * y.std())


def test_a_stack_on_a_trend_is_the_sum_of_its_parts():
    """A forest on what a ridge leaves, and the ridge itself: the trend counts fully, the forest by its weight."""
    x, y, weight = bent(300, 0.01)
    learner = REGISTRY["stacking"]
    ours = learner.build({"learners": "linear, cart", "meta": "nonnegative", "linear_trend": True}, 0, False)
    ours.fit(x, y, weight, block=np.arange(300) // 15)
    ridge = Ridge().fit(x, y, weight)
    tree = DecisionTreeRegressor(min_samples_leaf=20, max_depth=8, random_state=0).fit(x, y - ridge.predict(x), weight)
    expected = ridge.predict(x) + ours.weights[1] * tree.predict(x)
    assert 0.05 < ours.weights[1] < 1
    np.testing.assert_allclose(learner.export(ours).predict(x), expected, atol=1e-12)


def test_stacking_by_ridge_and_what_cannot_be_stacked(monkeypatch):
    x, y, weight = table(200)
    learner = REGISTRY["stacking"]
    fitted = learner.build({"learners": ["linear", "svr"], "meta": "ridge"}, 0, True)
    fitted.fit(x, y, weight, block=np.arange(200) // 10)
    assert np.corrcoef(fitted.predict(x), y)[0, 1] > 0.8
    for settings, message in [
        ({"learners": "linear"}, "at least two"),
        ({"learners": "linear, stacking"}, "'stacking' cannot be stacked"),
        ({"learners": "linear, oracle"}, "'oracle' cannot be stacked"),
        ({"meta": "best"}, "Unknown way"),
    ]:
        with pytest.raises(InputError, match=message):
            learner.build({**learner.defaults, **settings}, 0, False)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_a_package_that_is_absent_or_broken_is_named(name, monkeypatch):
    real = packages.find_spec
    monkeypatch.setattr(packages, "find_spec", lambda one: None if one == name else real(one))
    with pytest.raises(InputError, match=f"{name}.* not installed for the Python of QGIS.*install"):
        REGISTRY[name].build(REGISTRY[name].defaults, 0, False)
    monkeypatch.setattr(packages, "find_spec", lambda one: True)

    def broken(one):
        raise OSError("libomp.dylib not found\nand more")

    monkeypatch.setattr(packages, "import_module", broken)
    with pytest.raises(InputError, match=r"does not start \(libomp.dylib not found\)"):
        REGISTRY[name].build(REGISTRY[name].defaults, 0, False)


@pytest.mark.parametrize(
    ("system", "command"),
    [("windows", "OSGeo4W Shell"), ("macos", "In Terminal run"), ("debian", "sudo apt install"), ("other", "Run: ")],
)
def test_install_commands_of_each_system(system, command, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda one: None)
    monkeypatch.setattr(packages.sys, "platform", {"macos": "darwin", "windows": "win32"}.get(system, "linux"))
    if system == "windows":
        monkeypatch.setattr(packages.os, "name", "nt")
    exists = packages.os.path.exists
    monkeypatch.setattr(
        packages.os.path,
        "exists",
        lambda path: system == "debian" if str(path) in ("/etc/debian_version",) else exists(path),
    )
    sentence = packages.missing(["sklearn", "lightgbm", "xgboost"])
    assert command in sentence and "lightgbm" in sentence and '"numpy<' in sentence
    assert ("xgboost-cpu" in sentence) == (system != "macos")
    if system == "debian":
        assert "python3-sklearn" in sentence and "python3-lightgbm" not in sentence
    else:
        assert sentence.count("scikit-learn") == 2


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "neuralnetwork", "stacking"])
def test_training_can_be_stopped_between_trees_and_rounds(name):
    class Stopping(Progress):
        checks = 0

        @property
        def cancelled(self):
            self.checks += 1
            return self.checks > 25

    x, y, weight = table(300)
    learner, progress = REGISTRY[name], Stopping()
    with pytest.raises(Cancelled):
        learner.build(learner.defaults, 0, False).fit(x, y, weight, block=np.arange(300) // 15, progress=progress)
    assert progress.checks <= 30


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "neuralnetwork", "stacking"])
@pytest.mark.parametrize("trend", [True, False])
def test_a_permuted_target_shows_no_skill_on_held_out_blocks(coarse_data, name, trend):
    data = coarse_data(15, 15, 3, season=0.0, noise=0.01, seed=2)
    shuffled = np.random.default_rng(1).permutation(data.target.ravel()).reshape(data.target.shape)
    samples = make_samples(replace(data, target=shuffled), Form("values"))
    learner, block = REGISTRY[name], samples.row // 5 * 3 + samples.col // 5
    predicted = np.empty(len(samples))
    for number in range(9):
        fitted = fit(samples.select(block != number), learner, learner.defaults, trend, 0, quick=True)
        predicted[block == number] = fitted.predict(samples.x[block == number])
    assert 1 - np.mean((predicted - samples.y) ** 2) / samples.y.var() < 0.03


@pytest.mark.parametrize("name", ["lightgbm", "neuralnetwork", "stacking"])
def test_a_fit_holds_out_whole_blocks_of_the_cells_it_is_given(coarse_data, name, monkeypatch):
    """All dates of a cell are held out together, in blocks that shrink where the region is small."""
    seen = []

    def recorded(block, count, seed):
        seen.append(block)
        return rows.hold_outs(block, count, seed)

    for module in (boosting, neural_network, stacking):
        monkeypatch.setattr(module, "hold_outs", recorded)
    learner = REGISTRY[name]
    for shape, edge, blocks in [((20, 20, 2), 5, 16), ((20, 20, 2), 10, 4), ((4, 4, 3), 5, 4), ((2, 1, 9), 5, 2)]:
        samples = make_samples(coarse_data(*shape), Form("values"))
        fit(samples, learner, learner.defaults, True, 0, quick=True, edge=edge)
        assert len(np.unique(seen[-1] if name != "stacking" else seen[0])) == blocks
        cell = samples.row * 100 + samples.col
        block = seen[0]
        assert all(len(np.unique(block[cell == one])) == 1 for one in np.unique(cell))
        seen.clear()


def test_a_model_of_every_learner_survives_its_file(coarse_data, tmp_path):
    samples = make_samples(coarse_data(10, 10, 2, noise=0.01), Form("values"))
    for name, learner in REGISTRY.items():
        fitted = fit(samples, learner, learner.defaults, True, 0, quick=True)
        model = Model(
            learner=name,
            title=learner.title,
            factors=tuple(Factor(one, "1", 0.0, 1.0, 0.5, 0.1) for one in ("ndvi", "lst", "dem")),
            target="soil_moisture",
            target_unit="m3/m3",
            target_range=(0.0, 0.5),
            form=Form("values"),
            trend=fitted.trend,
            predictor=fitted.predictor,
            gain=DetailGain(1.0, 1.0, 0.1, 0.5, 3),
        )
        save_model(model, tmp_path / f"{name}.smdl")
        np.testing.assert_array_equal(
            load_model(tmp_path / f"{name}.smdl").predict(samples.x), fitted.predict(samples.x)
        )
