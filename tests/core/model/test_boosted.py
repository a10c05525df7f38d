"""Boosted trees as arrays against the libraries that grew them, and trees made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.boosted import BoostedPredictor, RegressionTree
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.train.learners.lightgbm import trees_of_text
from soilmoisture.core.train.learners.xgboost import trees_of_json

Array = NDArray[np.float64]


def table(seed: int = 0, rows: int = 900) -> tuple[Array, Array]:
    """Factors of very different size, with ties and zeros; single precision, as trees compare."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)) * [1e-3, 1.0, 300.0, 1e6]
    x[:, 1] = np.round(x[:, 1], 1)
    x[rng.random(rows) < 0.3, 2] = 0.0
    return x.astype(np.float32).astype(np.float64), 0.25 + 0.1 * np.sin(x[:, 1]) + 1e-4 * x[:, 2] + 1e-8 * x[:, 3]


def edges(x: Array, trees: list[RegressionTree]) -> Array:
    """Rows on thresholds and beside them, where a wrong comparison shows."""
    rows = [x]
    for tree in trees[:8]:
        for node in np.flatnonzero(tree.feature >= 0):
            threshold = tree.threshold[node]
            for value in (threshold, np.nextafter(threshold, np.float32(np.inf)), np.nextafter(threshold, -np.inf), 0):
                row = x[node % len(x)].copy()
                row[tree.feature[node]] = np.float32(value)
                rows.append(row[None])
    return np.concatenate(rows)


@pytest.mark.parametrize(
    "more",
    [{}, {"num_leaves": 2}, {"num_leaves": 200, "min_data_in_leaf": 1}, {"bagging_fraction": 0.5, "bagging_freq": 1}],
)
def test_lightgbm_predicts_the_same(more: dict[str, Any]) -> None:
    library = pytest.importorskip("lightgbm")
    x, y = table()
    parameters = {"verbosity": -1, "num_threads": 1, "boost_from_average": False, **more}
    model = library.train(parameters, library.Dataset(x, y), 60)
    trees = trees_of_text(model.model_to_string())
    ours = BoostedPredictor.from_trees(trees, 0.0, 1.0, 4)
    assert ours.trees.count == 60
    rows = edges(x, trees)
    np.testing.assert_allclose(ours.predict(rows), model.predict(rows), rtol=0, atol=1e-14)


def test_lightgbm_that_begins_at_the_mean_and_stops_early() -> None:
    """The mean is in the leaves of the first tree; the text holds the trees up to the best one."""
    library = pytest.importorskip("lightgbm")
    x, y = table()
    noise = np.random.default_rng(1).normal(size=len(y))
    data = library.Dataset(x[:600], (y + noise)[:600])
    watched = data.create_valid(x[600:], (y + noise)[600:])
    model = library.train(
        {"verbosity": -1, "num_threads": 1},
        data,
        200,
        valid_sets=[watched],
        callbacks=[library.early_stopping(5, verbose=False)],
    )
    ours = BoostedPredictor.from_trees(trees_of_text(model.model_to_string()), 0.0, 1.0, 4)
    assert ours.trees.count == model.best_iteration < 200
    np.testing.assert_allclose(ours.predict(x), model.predict(x), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "more",
    [{}, {"max_depth": 1}, {"max_depth": 12, "min_child_weight": 0}, {"gamma": 0.5}, {"grow_policy": "lossguide"}],
)
def test_xgboost_predicts_the_same(more: dict[str, Any]) -> None:
    library = pytest.importorskip("xgboost")
    x, y = table()
    y = (y - y.mean()) / y.std()
    model = library.train({"base_score": 0.0, "nthread": 1, **more}, library.DMatrix(x, y), 60)
    trees = trees_of_json(model.save_raw("json"))
    ours = BoostedPredictor.from_trees(trees, 0.0, 1.0, 4)
    rows = edges(x, trees)
    theirs = model.predict(library.DMatrix(rows))
    np.testing.assert_allclose(ours.predict(rows), theirs, rtol=0, atol=2e-6)
    # Rounding is 1e-7, a wrong turn at a node some 1e-2.
    assert np.abs(ours.predict(rows) - theirs).max() < 1e-3 * np.abs(np.diff(np.unique(theirs))).max()


def test_base_and_scale() -> None:
    tree = RegressionTree(
        np.array([1, -1, -1]),
        np.array([0.5, 0, 0], np.float32),
        np.array([1, -1, -1]),
        np.array([2, -1, -1]),
        np.array([0.0, -1.0, 3.0]),
    )
    ours = BoostedPredictor.from_trees([tree, tree], 0.2, 0.1, 2)
    x = np.array([[9.0, 0.5], [9.0, 0.50001]])
    assert ours.predict(x) == pytest.approx([0.2 + 0.1 * -2, 0.2 + 0.1 * 6])
    again = BoostedPredictor.from_arrays(ours.arrays())
    np.testing.assert_array_equal(again.predict(x), ours.predict(x))


def test_nodes_in_any_order_and_pruned_ones() -> None:
    """The root at 0, its children 4 and 2, 4 split again into 1 and 5; 3 hangs nowhere."""
    tree = RegressionTree(
        np.array([0, -1, -1, -1, 1, -1]),
        np.array([0.0, 0, 0, 0, 1.0, 0], np.float32),
        np.array([4, -1, -1, -1, 1, -1]),
        np.array([2, -1, -1, -1, 5, -1]),
        np.array([0.0, 10, 20, 30, 0, 50]),
    )
    ours = BoostedPredictor.from_trees([tree], 0.0, 1.0, 2)
    assert list(ours.predict(np.array([[-1.0, 0.0], [-1.0, 2.0], [1.0, 0.0]]))) == [10, 50, 20]
    assert len(ours.trees.feature) == 5


@pytest.mark.parametrize(("left", "right"), [([0, -1, -1], [2, -1, -1]), ([1, -1, -1], [1, -1, -1])])
def test_trees_that_are_none_are_refused(left: list[int], right: list[int]) -> None:
    tree = RegressionTree(np.array([0, -1, -1]), np.zeros(3, np.float32), np.array(left), np.array(right), np.zeros(3))
    with pytest.raises((InputError, ValueError)):
        BoostedPredictor.from_trees([tree], 0.0, 1.0, 1)


def test_splits_on_categories_are_refused() -> None:
    library = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (300, 1)).astype(float)
    y = np.array([3.0, 0, 2, 0, 1])[x[:, 0].astype(int)]
    model = library.train({"verbosity": -1}, library.Dataset(x, y, categorical_feature=[0]), 2)
    with pytest.raises(ValueError, match="kind of split"):
        trees_of_text(model.model_to_string())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", [np.nan]),
        ("base", []),
        ("base", [1]),
        ("left", [0, -1, -1]),  # its own child
        ("right", [1, -1, -1]),  # two parents
        ("feature", [7, -1, -1]),
        ("value", [0.0, np.inf, 0.0]),
        ("start", [0, 2]),
    ],
)
def test_arrays_that_are_no_trees_are_refused(name: str, value: list[Any]) -> None:
    arrays = {
        "start": np.array([0, 3]),
        "feature": np.array([0, -1, -1], np.int32),
        "threshold": np.zeros(3, np.float32),
        "left": np.array([1, -1, -1], np.int32),
        "right": np.array([2, -1, -1], np.int32),
        "value": np.zeros(3),
        "factors": np.array([1]),
        "base": np.array([0.2]),
    }
    assert BoostedPredictor.from_arrays(arrays).predict(np.zeros((1, 1)))[0] == 0.2
    with pytest.raises((InputError, ValueError, IndexError)):
        BoostedPredictor.from_arrays({**arrays, name: np.asarray(value)})


def test_predictions_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("lightgbm")
    x, y = table()
    model = library.train({"verbosity": -1, "num_threads": 1}, library.Dataset(x, y), 30)
    ours = BoostedPredictor.from_trees(trees_of_text(model.model_to_string()), 0.0, 1.0, 4)

    def absent(self: Any) -> Any:
        raise ImportError("no module named sklearn")

    monkeypatch.setattr(ForestPredictor, "_rebuild", absent)
    plain = BoostedPredictor.from_arrays(ours.arrays())
    np.testing.assert_array_equal(plain.predict(x), ours.predict(x))
