"""Trees as arrays against scikit-learn, to the last bit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.forest import ForestPredictor, round_down

Array = NDArray[np.float64]


def table(seed: int, rows: int = 700, factors: int = 4) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, factors)) * [1e-3, 1.0, 300.0, 1e6][:factors]
    x[:, 1] = np.round(x[:, 1], 1)  # ties
    return x, 0.3 + 0.1 * np.sin(x[:, 1]) + 1e-4 * x[:, 2] + rng.normal(0, 0.02, rows)


def edges(x: Array, trees: list[Any]) -> Array:
    """Rows that lie on, just under and just over thresholds, which are where a wrong rounding shows."""
    rows = []
    for tree in trees[:5]:
        inner = np.flatnonzero(tree.feature >= 0)[:60]
        for node in inner:
            for value in (
                tree.threshold[node],
                np.nextafter(tree.threshold[node], np.inf),
                np.nextafter(np.float32(tree.threshold[node]), np.float32(np.inf)),
                np.nextafter(np.float32(tree.threshold[node]), np.float32(-np.inf)),
            ):
                row = x[node % len(x)].copy()
                row[tree.feature[node]] = value
                rows.append(row)
    return np.vstack([x, *rows])


def fitted(kind: str) -> tuple[Any, list[Any], Array]:
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
    from sklearn.tree import DecisionTreeRegressor

    x, y = table(0)
    model = {
        "forest": lambda: RandomForestRegressor(25, n_jobs=1, random_state=1),
        "small leaves": lambda: RandomForestRegressor(10, min_samples_leaf=5, max_features=1 / 3, random_state=2),
        "best first": lambda: RandomForestRegressor(10, max_leaf_nodes=20, random_state=3),
        "extra": lambda: ExtraTreesRegressor(10, n_jobs=1, random_state=4),
        "tree": lambda: DecisionTreeRegressor(random_state=5),
        "pruned": lambda: DecisionTreeRegressor(ccp_alpha=1e-5, random_state=6),
        "root only": lambda: DecisionTreeRegressor(max_depth=1, min_samples_leaf=600, random_state=7),
    }[kind]().fit(x, y)
    estimators = getattr(model, "estimators_", [model])
    return model, [estimator.tree_ for estimator in estimators], edges(x, [e.tree_ for e in estimators])


KINDS = ["forest", "small leaves", "best first", "extra", "tree", "pruned", "root only"]


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_those_of_scikit_learn(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, trees, x = fitted(kind)
    expected = model.predict(x)
    ours = ForestPredictor.from_trees(trees, x.shape[1])
    assert ours.count == len(trees) and ours.factors == x.shape[1]
    np.testing.assert_array_equal(ours.predict(x), expected)
    assert len(ours._native_trees()) == len(trees), "scikit-learn's own code must be in use here"
    again = ForestPredictor.from_arrays(ours.arrays())
    np.testing.assert_array_equal(again.predict(x), expected)
    # Without scikit-learn, or with one whose trees look different inside.
    monkeypatch.setattr(ForestPredictor, "_rebuild", _raises(ImportError("no module named sklearn")))
    plain = ForestPredictor.from_arrays(ours.arrays())
    np.testing.assert_array_equal(plain.predict(x), expected)
    assert plain._native_trees() == []


def _raises(error: Exception) -> Callable[..., Any]:
    def method(self: Any) -> Any:
        raise error

    return method


def test_a_scikit_learn_that_would_answer_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    model, trees, x = fitted("forest")
    ours = ForestPredictor.from_trees(trees, x.shape[1])
    rebuilt = ours._rebuild()
    monkeypatch.setattr(ForestPredictor, "_rebuild", lambda self: [rebuilt[-1], *rebuilt[1:]])
    np.testing.assert_array_equal(ours.predict(x), model.predict(x))


@pytest.mark.parametrize("cores", [1, 2, 7])
def test_threads_do_not_change_a_bit(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, trees, _ = fitted("small leaves")
    ours = ForestPredictor.from_trees(trees, 4)
    x = np.random.default_rng(9).normal(size=(40_001, 4)) * [1e-3, 1.0, 300.0, 1e6]
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    np.testing.assert_array_equal(ours.predict(x), model.predict(x))


def test_values_beyond_single_precision_go_to_its_ends() -> None:
    _, trees, _ = fitted("tree")
    ours = ForestPredictor.from_trees(trees, 4)
    huge, large = np.full((2, 4), 1e300), np.full((2, 4), 1e38)
    huge[1], large[1] = -1e300, -1e38
    np.testing.assert_array_equal(ours.predict(huge), ours.predict(large))


def test_layout_of_rows_in_memory_does_not_matter() -> None:
    model, trees, x = fitted("small leaves")
    ours = ForestPredictor.from_trees(trees, 4)
    for view in (np.asfortranarray(x), x[::-1][::-1], np.hstack([x, x])[:, :4]):
        np.testing.assert_array_equal(ours.predict(view), model.predict(x))
    assert ours.predict(x[:0]).shape == (0,)


def test_round_down_keeps_every_comparison_of_single_values() -> None:
    rng = np.random.default_rng(0)
    threshold = np.concatenate(
        [rng.normal(size=500) * 10.0 ** rng.integers(-44, 38, 500), [0.0, -0.0, 1e-50, -1e-50, 0.1, 3.5e38, 1e300]]
    )
    low = round_down(threshold)
    assert low.dtype == np.float32 and np.isfinite(low).all()
    largest = np.finfo(np.float32).max
    for single, exact in zip(low, threshold):
        above = np.nextafter(single, np.float32(np.inf)) if single < largest else single
        for x in (single, above, np.nextafter(single, np.float32(-largest))):
            assert (x <= single) == (float(x) <= exact), (single, exact, x)


def good() -> dict[str, Any]:
    """Two trees: a split at 0.5 of factor 1, and a leaf."""
    return {
        "start": np.array([0, 3, 4]),
        "feature": np.array([1, -1, -1, -1], np.int32),
        "threshold": np.array([0.5, 0, 0, 0], np.float32),
        "left": np.array([1, -1, -1, -1], np.int32),
        "right": np.array([2, -1, -1, -1], np.int32),
        "value": np.array([0.0, 0.1, 0.3, 0.2]),
        "factors": np.array([2]),
    }


def test_trees_by_hand() -> None:
    x = np.array([[9.0, 0.5], [9.0, 0.50001], [9.0, -1.0]])
    assert ForestPredictor.from_arrays(good()).predict(x) == pytest.approx([0.15, 0.25, 0.15])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left", [0, -1, -1, -1]),  # a node that is its own child
        ("right", [1, -1, -1, -1]),  # two parents
        ("left", [3, -1, -1, -1]),  # into the next tree
        ("left", [-2, -1, -1, -1]),
        ("left", [1, 2, -1, -1]),  # a leaf with a child
        ("left", [2**40, -1, -1, -1]),
        ("right", [2.0, -1, -1, -1]),
        ("feature", [2, -1, -1, -1]),
        ("feature", [-1, -1, -1, -1]),  # nodes that nobody reaches
        ("feature", [[1], [-1], [-1], [-1]]),
        ("start", [0, 3]),
        ("start", [0, 4, 4]),
        ("start", [1, 3, 4]),
        ("start", [0, 5, 4]),
        ("start", [0.0, 3.0, 4.0]),
        ("start", [[0, 4]]),
        ("start", 4),
        ("start", []),
        ("value", [0.0, np.nan, 0.3, 0.2]),
        ("value", [0.0, 0.1, 0.3]),
        ("threshold", [np.inf, 0, 0, 0]),
        ("threshold", [1e300, 0, 0, 0]),
        ("threshold", [[0.5, 0, 0, 0]]),
        ("factors", [1]),
        ("factors", [0]),
        ("factors", []),
        ("factors", [2.0]),
    ],
)
def test_arrays_that_are_no_trees_are_refused(name: str, value: Any) -> None:
    arrays = {key: np.asarray(array) for key, array in {**good(), name: value}.items()}
    with pytest.raises((InputError, ValueError, IndexError)):
        ForestPredictor.from_arrays(arrays)


def test_cycles_and_endless_chains_are_refused() -> None:
    arrays = good()
    arrays["feature"] = np.array([1, 1, -1, -1], np.int32)
    arrays["left"] = np.array([1, 0, -1, -1], np.int32)  # up again
    arrays["right"] = np.array([2, 2, -1, -1], np.int32)
    with pytest.raises(InputError, match="do not fit together"):
        ForestPredictor.from_arrays(arrays)
    apart = {  # a leaf as the root, and a circle that nobody reaches
        "start": [0, 5],
        "feature": [-1, 0, 0, -1, -1],
        "left": [-1, 2, 1, -1, -1],
        "right": [-1, 3, 4, -1, -1],
        "threshold": np.zeros(5),
        "value": np.zeros(5),
    }
    with pytest.raises(InputError, match="do not fit together"):
        ForestPredictor.from_arrays({**good(), **{name: np.asarray(array) for name, array in apart.items()}})
    count = 100_001  # a chain: each inner node has a leaf and the next inner node
    inner = np.arange(0, count - 1, 2)
    left, right, feature = np.full(count, -1), np.full(count, -1), np.full(count, -1)
    left[inner], right[inner], feature[inner] = inner + 1, inner + 2, 0
    with pytest.raises(InputError, match="do not fit together"):
        ForestPredictor.from_arrays(
            {
                **good(),
                "start": np.array([0, count]),
                "feature": feature,
                "left": left,
                "right": right,
                "threshold": np.zeros(count, np.float32),
                "value": np.zeros(count),
            }
        )


def test_a_large_forest_is_checked_at_once() -> None:
    """600 full trees of 2,047 nodes, in more than one part; a fault in the last tree is found."""
    depth, trees = 10, 600
    nodes = 2 ** (depth + 1) - 1
    inner = np.arange(2**depth - 1)
    left, right, feature = np.full(nodes, -1), np.full(nodes, -1), np.full(nodes, -1)
    left[inner], right[inner], feature[inner] = 2 * inner + 1, 2 * inner + 2, 0
    started = time.perf_counter()
    arrays = {
        "start": np.arange(trees + 1) * nodes,
        "feature": np.tile(feature, trees),
        "left": np.tile(left, trees),
        "right": np.tile(right, trees),
        "threshold": np.zeros(nodes * trees, np.float32),
        "value": np.zeros(nodes * trees),
        "factors": np.array([1]),
    }
    assert ForestPredictor.from_arrays(arrays).count == trees
    assert time.perf_counter() - started < 2.0
    arrays["left"][(trees - 1) * nodes + 5] -= 1
    with pytest.raises(InputError, match="do not fit together"):
        ForestPredictor.from_arrays(arrays)
