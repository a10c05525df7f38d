"""Quantiles from leaves against Meinshausen's weights in plain loops, and quantile-forest."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.quantiles import LeafValues

LEVELS = (0.05, 0.3, 0.5, 0.7, 0.95)


def plain_quantiles(forest, x, y, asked, levels):
    """inf{y: sum of the weights of targets up to y >= level}, weights 1 / (size of the leaf) averaged over trees."""
    leaves, found = list(forest.leaves(x, forest.count)), list(forest.leaves(asked, forest.count))
    result = []
    for row in range(len(asked)):
        weight = [0.0] * len(y)
        for tree in range(forest.count):
            members = [i for i in range(len(y)) if leaves[tree][i] == found[tree][row]]
            for i in members:
                weight[i] += 1 / len(members) / forest.count
        total, quantiles, order = 0.0, [], sorted(range(len(y)), key=lambda i: y[i])
        wanted = list(levels)
        for i in order:
            total += weight[i]
            while wanted and total >= wanted[0] - 1e-12:
                quantiles.append(y[i])
                wanted.pop(0)
        result.append(quantiles)
    return np.array(result)


def grown(n=120, trees=5, seed=0, **more):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, 3)).astype(np.float32).astype(float)
    y = np.round(x[:, 0] - x[:, 1] ** 2 + rng.normal(0, 0.2, n) * (0.3 + x[:, 0]), 3)
    fitted = RandomForestRegressor(trees, random_state=seed, **{"min_samples_leaf": 4, "max_features": 1, **more})
    fitted.fit(x, y)
    return ForestPredictor.from_trees([tree.tree_ for tree in fitted.estimators_], 3), x, y


def test_enough_draws_give_the_weights_of_meinshausen_exactly():
    forest, x, y = grown(n=40, trees=4, min_samples_leaf=3, max_leaf_nodes=6)
    # A multiple of every leaf's size up to 10, and of what larger leaves can have.
    sizes = {int(c) for leaf in forest.leaves(x, 4) for c in np.unique(leaf, return_counts=True)[1]}
    leaves = LeafValues.from_training(forest, x, y, draws=int(np.lcm.reduce(sorted(sizes))))
    asked = np.random.default_rng(1).uniform(-0.2, 1.2, (30, 3))
    np.testing.assert_allclose(leaves.quantiles(asked, LEVELS), plain_quantiles(forest, x, y, asked, LEVELS), rtol=1e-6)


def test_lies_where_quantile_forest_puts_it():
    # quantile-forest 1.4.2, scikit-learn 1.9.1: RandomForestQuantileRegressor(3, min_samples_leaf=4, max_features=1,
    # bootstrap=False, max_samples_leaf=None, random_state=7) on the data below, weighted_quantile=True,
    # weighted_leaves=True. Its 'lower' and 'higher' lie on either side of the least value that reaches a level.
    rng = np.random.default_rng(7)
    x = np.round(rng.uniform(0, 1, (24, 2)), 2).astype(np.float32).astype(float)
    y = np.round(3 * x[:, 0] - 2 * x[:, 1] ** 2 + rng.normal(0, 0.2, 24), 2)
    trees = [
        ([0, 1, 1, -1, -1, -1, -1], [0.665, 0.78, 0.365, 0, 0, 0, 0], [1, 2, 3, -1, -1, -1, -1],
         [6, 5, 4, -1, -1, -1, -1]),
        ([1, 1, 0, -1, -1, 1, -1, -1, -1], [0.805, 0.265, 0.555, 0, 0, 0.525, 0, 0, 0],
         [1, 2, 3, -1, -1, 6, -1, -1, -1], [8, 5, 4, -1, -1, 7, -1, -1, -1]),
        ([1, 0, -1, 0, -1, -1, -1], [0.805, 0.335, 0, 0.665, 0, 0, 0], [1, 2, -1, 4, -1, -1, -1],
         [6, 3, -1, 5, -1, -1, -1]),
    ]  # fmt: skip
    feature, threshold, left, right = (np.concatenate([np.array(tree[k]) for tree in trees]) for k in range(4))
    start = np.array([0, 7, 16, 23])
    forest = ForestPredictor(
        start,
        feature.astype(np.int32),
        threshold.astype(np.float32),
        left.astype(np.int32),
        right.astype(np.int32),
        np.zeros(23),
        2,
    )
    asked = np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.2], [0.3, 0.9]])
    lower = [
        [-0.54, -0.18, 0.74, 0.76, 1.4],
        [-0.54, 0.46, 0.76, 1.28, 1.72],
        [1.72, 1.87, 1.89, 2.11, 2.62],
        [-1.16, -0.24, -0.21, -0.18, 0.29],
    ]
    higher = [
        [-0.28, 0.46, 0.74, 1.07, 2.11],
        [-0.54, 0.67, 0.86, 1.28, 2.11],
        [1.72, 1.87, 2.11, 2.11, 2.62],
        [-1.16, -0.24, -0.21, -0.18, 0.29],
    ]
    found = LeafValues.from_training(forest, x, y, draws=2520).quantiles(asked, LEVELS)
    np.testing.assert_allclose(found, plain_quantiles(forest, x, y, asked, LEVELS), rtol=1e-6)
    assert (found >= np.array(lower) - 1e-6).all() and (found <= np.array(higher) + 1e-6).all()
    assert ((np.abs(found - lower) < 1e-6) | (np.abs(found - higher) < 1e-6)).all()


def test_draws_by_default_come_close_and_offsets_are_around_the_mean():
    forest, x, y = grown(n=1500, trees=120, min_samples_leaf=5)
    leaves = LeafValues.from_training(forest, x, y)
    assert leaves.trees == 100 and leaves.values.shape[1] == 3
    asked = np.random.default_rng(1).uniform(size=(25, 3))
    exact = plain_quantiles(forest, x, y, asked, (0.05, 0.5, 0.95))
    found = leaves.quantiles(asked, (0.05, 0.5, 0.95))
    spread = (exact[:, 2] - exact[:, 0]).mean()
    assert np.abs(found - exact).mean() < 0.06 * spread and abs((found - exact).mean()) < 0.02 * spread
    offsets = leaves.offsets(asked, (0.05, 0.5, 0.95))
    np.testing.assert_allclose(np.diff(offsets, axis=1), np.diff(found, axis=1), atol=1e-6)
    assert (offsets[:, 0] < 0).all() and (offsets[:, 2] > 0).all()
    # The forest here was grown on bootstrap samples: its means are those of the draws but for chance.
    np.testing.assert_allclose((found - offsets)[:, 0], forest.predict(asked), atol=0.1)


def test_a_tree_alone_gives_the_quantiles_of_its_leaf():
    forest, x, y = grown(trees=1, bootstrap=False, min_samples_leaf=10)
    leaves = LeafValues.from_training(forest, x, y, draws=5000)
    members = next(forest.leaves(x, 1)) == next(forest.leaves(x[:1], 1))[0]
    expected = np.quantile(y[members], LEVELS, method="inverted_cdf")
    assert np.abs(leaves.quantiles(x[:1], LEVELS) - expected).max() < np.diff(np.sort(y[members])).max() + 1e-6


def test_the_file_stays_small(monkeypatch):
    from soilmoisture.core.model import quantiles

    forest, x, y = grown(n=300, trees=20)
    leaf_count = int((forest.feature < 0).sum())
    monkeypatch.setattr(quantiles, "_MOST_VALUES", 2 * leaf_count)
    assert LeafValues.from_training(forest, x, y).values.shape == (leaf_count, 2)
    monkeypatch.setattr(quantiles, "_MOST_VALUES", leaf_count // 2)
    few = LeafValues.from_training(forest, x, y)
    assert 8 <= few.trees <= 10 and few.values.shape[1] == 1
    assert np.isfinite(few.quantiles(x, (0.1, 0.9))).all()


def test_arrays_that_do_not_fit_the_trees_are_refused():
    forest, x, y = grown()
    leaves = LeafValues.from_training(forest, x, y)
    again = LeafValues.from_arrays(leaves.arrays(), forest)
    np.testing.assert_array_equal(again.quantiles(x, LEVELS), leaves.quantiles(x, LEVELS))
    values = leaves.values
    for wrong in (values[:-1], values[:0], values[:, :0], values * np.nan, np.vstack([values, values]), values[:, 0]):
        with pytest.raises(InputError, match="leaf values"):
            LeafValues(forest, wrong)
