"""The compiled tree code against plain loops and scikit-learn, to the last bit."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soilmoisture.core.model import forest as forest_module
from soilmoisture.core.model import quantiles, tree_kernel
from soilmoisture.core.model.boosted import BoostedPredictor, RegressionTree
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.quantiles import LeafValues
from soilmoisture.core.model.warm_up import warm_up
from soilmoisture.core.progress import Progress

pytest.importorskip("numba")
Array = NDArray[np.float64]
LARGEST = float(np.finfo(np.float32).max)
SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1.2e-38, -1.2e-38, LARGEST, -LARGEST, 1.0, np.nextafter(np.float32(1), 2), 1e-300]


@pytest.fixture(autouse=True)
def _always_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest_module, "_WORTH_COMPILING", 0)
    monkeypatch.setattr(forest_module, "_FEW", 0)


def random_tree(rng: np.random.Generator, leaves: int, factors: int, shape: str) -> RegressionTree:
    """Grown by splitting leaves at random; a chain splits the newest, thresholds repeat and reach the ends."""
    feature, threshold, left, right = [-1], [0.0], [-1], [-1]
    free = [0]
    pool = np.concatenate([SPECIAL, rng.normal(size=5), rng.normal(size=3) * 1e30]).astype(np.float32)
    for _ in range(leaves - 1):
        node = free.pop() if shape == "chain" else free.pop(int(rng.integers(len(free))))
        feature[node], threshold[node] = int(rng.integers(factors)), float(rng.choice(pool))
        left[node], right[node] = len(feature), len(feature) + 1
        free += [len(feature), len(feature) + 1]
        for values, at_leaf in ((feature, -1), (threshold, 0.0), (left, -1), (right, -1)):
            values += [at_leaf, at_leaf]
    return RegressionTree(
        np.array(feature),
        np.array(threshold, np.float32),
        np.array(left),
        np.array(right),
        rng.normal(size=len(feature)),
    )


def one_by_one(tree: RegressionTree, row: Array) -> tuple[int, float]:
    node = 0
    while tree.feature[node] >= 0:
        value = struct.unpack("f", struct.pack("f", min(LARGEST, max(-LARGEST, row[tree.feature[node]]))))[0]
        node = int((tree.left if value <= float(tree.threshold[node]) else tree.right)[node])
    return node, float(tree.value[node])


def table(rng: np.random.Generator, rows: int, factors: int, trees: list[RegressionTree]) -> Array:
    """Values on thresholds and just beside them, at the ends of single precision and beyond."""
    at = np.unique(np.concatenate([SPECIAL, *(tree.threshold for tree in trees)]).astype(np.float32))
    with np.errstate(over="ignore"):
        near = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
    near = near[np.isfinite(near)].astype(np.float64)
    pool = np.concatenate([near, near * (1 + 1e-9), rng.normal(size=20), [-0.0, 1e300, -1e300, 5e-324, LARGEST * 2]])
    return rng.choice(pool, (rows, factors))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    leaves=st.lists(st.integers(1, 90), min_size=1, max_size=6),
    factors=st.sampled_from([1, 2, 3, 8, 300]),
    shape=st.sampled_from(["any", "chain"]),
    rows=st.integers(1, 40),
)
def test_random_trees_as_one_by_one(seed: int, leaves: list[int], factors: int, shape: str, rows: int) -> None:
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng, count, factors, shape) for count in leaves]
    ours = BoostedPredictor.from_trees(trees, 0.0, 1.0, factors)
    x = table(rng, rows, factors, trees)
    expected = []
    for row in x:
        total = 0.0
        for tree in trees:
            total += one_by_one(tree, row)[1]
        expected.append(0.0 + total)
    assert ours.trees._kernel_for(x) is not None
    np.testing.assert_array_equal(ours.predict(x), expected)


def test_a_chain_of_a_thousand_levels() -> None:
    rng = np.random.default_rng(0)
    tree = random_tree(rng, 1001, 2, "chain")
    x = table(rng, 3000, 2, [tree])
    ours = BoostedPredictor.from_trees([tree], 0.0, 1.0, 2)
    np.testing.assert_array_equal(ours.predict(x), [one_by_one(tree, row)[1] for row in x])


@pytest.mark.parametrize("more", [{}, {"min_samples_leaf": 5}, {"max_leaf_nodes": 2}, {"max_depth": 7}])
def test_forests_as_scikit_learn_with_one_job(more: dict[str, Any]) -> None:
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(1500, 5)) * [1e-3, 1, 300, 1e6, 1], 3)
    y = np.sin(x[:, 1]) + 1e-3 * x[:, 2] + rng.normal(0, 0.1, 1500)
    fitted = RandomForestRegressor(12, random_state=0, n_jobs=1, **more).fit(x, y)
    trees = [tree.tree_ for tree in fitted.estimators_]
    ours = ForestPredictor.from_trees(trees, 5)
    asked = rng.normal(size=(4000, 5)) * [1e-3, 1, 300, 1e6, 1]
    for number, tree in enumerate(trees):
        inner = np.flatnonzero(tree.feature >= 0)[:100]
        asked[number * 100 + np.arange(len(inner)), tree.feature[inner]] = tree.threshold[inner]
    np.testing.assert_array_equal(ours.predict(asked), fitted.predict(asked))
    for count in (1, 12):
        entry = rng.integers(0, 2**31, len(ours.feature)).astype(np.int32)
        found = ours.looked_up(asked, count, entry)
        for number in range(count):
            leaf = trees[number].apply(asked.astype(np.float32))
            np.testing.assert_array_equal(found[number], entry[ours.start[number] + leaf])


@pytest.mark.parametrize("rows", [0, 1, 1023, 1024, 1025, 70_000])
@pytest.mark.parametrize("cores", [1, 2, 5])
def test_rows_and_threads_do_not_change_a_bit(rows: int, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    trees = [random_tree(rng, 40, 3, "any") for _ in range(4)]
    ours = BoostedPredictor.from_trees(trees, 0.5, 0.1, 3)
    x = rng.normal(size=(rows, 3))
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    found = ours.predict(x)
    for view in (np.asfortranarray(x), np.hstack([x, x])[:, :3], x.astype(np.float32).astype(float)[::-1][::-1]):
        assert ours.predict(view).shape == (rows,)
    np.testing.assert_array_equal(ours.predict(np.asfortranarray(x)), found)
    monkeypatch.setattr(tree_kernel, "functions", lambda: None)
    np.testing.assert_array_equal(found, BoostedPredictor.from_arrays(ours.arrays()).predict(x))


def test_factors_and_nodes_that_do_not_fit_take_another_way() -> None:
    rng = np.random.default_rng(3)
    trees = [random_tree(rng, 20, 3, "any")]
    small = BoostedPredictor.from_trees(trees, 0.0, 1.0, 3).trees
    arrays = (small.start, small.feature, small.threshold, small.left, small.right, small.value)
    assert tree_kernel.TreeKernel.packed(*arrays, 2**26) is not None
    assert tree_kernel.TreeKernel.packed(*arrays, 2**30) is None


def test_few_rows_do_not_load_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest_module, "_WORTH_COMPILING", 5000)
    monkeypatch.setattr(forest_module, "_FEW", 10)
    rng = np.random.default_rng(4)
    ours = BoostedPredictor.from_trees([random_tree(rng, 20, 3, "any")], 0.0, 1.0, 3).trees
    x = rng.normal(size=(2000, 3))
    first = ours.predict(x)
    assert ours._kernel is None
    np.testing.assert_array_equal([ours.predict(x), ours.predict(x)], [first, first])
    assert ours._kernel is not None and ours._kernel_for(x[:9]) is None


def test_quantiles_with_and_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 3))
    y = np.round(x[:, 0] + rng.normal(0, 0.3, 400), 2)  # ties, either sign
    fitted = RandomForestRegressor(9, min_samples_leaf=3, random_state=0).fit(x, y)
    ours = ForestPredictor.from_trees([tree.tree_ for tree in fitted.estimators_], 3)
    leaves = LeafValues.from_training(ours, x, y)
    asked = rng.normal(size=(9000, 3))
    levels = (0.95, 1e-9, 0.5, 0.05, 1.0, 0.5)
    found = leaves.quantiles(asked, levels), leaves.offsets(asked, levels)
    monkeypatch.setattr(quantiles, "compiled_choice", lambda: None)
    monkeypatch.setattr(tree_kernel, "functions", lambda: None)
    again = LeafValues(ForestPredictor.from_arrays(ours.arrays()), leaves.values)
    np.testing.assert_array_equal(found[0], again.quantiles(asked, levels))
    np.testing.assert_array_equal(found[1], again.offsets(asked, levels))
    for row in range(0, 9000, 900):
        met = []
        for tree, leaf in enumerate(ours.leaves(asked[row : row + 1], leaves.trees)):
            met += list(leaves.values[leaves._row[ours.start[tree] + leaf[0]]])
        expected = [sorted(met)[max(1, int(np.ceil(level * len(met) - 1e-9))) - 1] for level in levels]
        np.testing.assert_array_equal(found[0][row], expected)


def test_warm_up_says_what_it_does() -> None:
    class Listening(Progress):
        said = ""

        def set(self, fraction: float, text: str = "") -> None:
            self.said += text

    progress = Listening()
    warm_up(progress)
    assert "compiled code" in progress.said
