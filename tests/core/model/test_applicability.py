"""The dissimilarity index and its threshold against hand-made cases and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.applicability import Applicability


def plain_area(x, fold, importance):
    """Indices of the samples to the other folds, threshold, and the index of any row: loops only."""
    n = len(x)
    centre = [sum(row[k] for row in x) / n for k in range(x.shape[1])]
    deviation = [(sum((row[k] - centre[k]) ** 2 for row in x) / (n - 1)) ** 0.5 for k in range(x.shape[1])]

    def scaled(row):
        return [(row[k] - centre[k]) / deviation[k] * max(0.0, importance[k]) for k in range(x.shape[1])]

    def distance(a, b):
        return sum((p - q) ** 2 for p, q in zip(a, b)) ** 0.5

    points = [scaled(row) for row in x]
    mean = sum(sum(distance(a, b) for j, b in enumerate(points) if j != i) / (n - 1) for i, a in enumerate(points)) / n
    own = [min(distance(a, points[j]) for j in range(n) if fold[j] != fold[i]) / mean for i, a in enumerate(points)]
    ordered = sorted(own)

    def type_seven(p):
        at = (n - 1) * p
        low = int(at)
        return ordered[low] + (at - low) * (ordered[min(low + 1, n - 1)] - ordered[low])

    threshold = min(type_seven(0.75) + 1.5 * (type_seven(0.75) - type_seven(0.25)), max(own))
    return np.array(own), threshold, lambda row: min(distance(scaled(row), b) for b in points) / mean


def test_one_factor_by_hand():
    # Distances between 0, 1, 2, 5: mean 17/6 in x; the deviation cancels.
    area, own = Applicability.from_training(np.array([[0.0], [1], [2], [5]]), np.array([0, 0, 1, 1]), np.ones(1))
    mean = (1 + 2 + 5 + 1 + 4 + 3) / 6
    np.testing.assert_allclose(own, np.array([2, 1, 1, 4]) / mean)
    assert area.threshold == pytest.approx(min(2.5 + 1.5 * 1.5, 4) / mean)
    np.testing.assert_allclose(area.index(np.array([[3.5], [-1.0], [2.0]])), np.array([1.5, 1.0, 0.0]) / mean)


def test_equals_a_plain_loop():
    rng = np.random.default_rng(3)
    x, fold = rng.normal(size=(40, 4)) * [1, 10, 0.1, 3] + 5, rng.integers(0, 4, 40)
    importance = np.array([0.5, 0.3, -0.2, 0.2])
    area, own = Applicability.from_training(x, fold, importance)
    expected, threshold, index = plain_area(x, fold, importance)
    np.testing.assert_allclose(own, expected, rtol=1e-12)
    assert area.threshold == pytest.approx(threshold, rel=1e-12)
    asked = rng.normal(size=(15, 4)) * [2, 20, 0.2, 6] + 5
    np.testing.assert_allclose(area.index(asked), [index(row) for row in asked], rtol=1e-12)


def test_indices_above_a_bound_need_not_be_known():
    random = np.random.default_rng(5)
    area, _ = Applicability.from_training(random.normal(size=(300, 3)), np.arange(300) % 5, np.ones(3))
    x = 2 * random.normal(size=(1000, 3))
    index = area.index(x)
    for most in (0.0, 0.1, float(np.median(index)), 100.0):
        assert np.array_equal(area.index(x, most), np.where(index < most, index, np.inf))


def test_training_samples_have_no_dissimilarity_and_their_order_says_nothing():
    rng = np.random.default_rng(4)
    x, fold, weight = rng.normal(size=(300, 3)), rng.integers(0, 5, 300), np.array([0.7, 0.2, 0.1])
    area, own = Applicability.from_training(x, fold, weight)
    assert (area.index(x) == 0).all()
    order = rng.permutation(300)
    again, own_again = Applicability.from_training(x[order], fold[order], weight)
    np.testing.assert_allclose(own_again, own[order], rtol=1e-10)
    assert again.threshold == pytest.approx(area.threshold, rel=1e-10)
    asked = rng.normal(size=(50, 3))
    np.testing.assert_allclose(again.index(asked), area.index(asked), rtol=1e-10)
    # The scale of the importances and the units of the factors say nothing either.
    scaled = Applicability.from_training(x * [1, 1000, 1e-3] + 7, fold, 100 * weight)[0]
    np.testing.assert_allclose(scaled.index(asked * [1, 1000, 1e-3] + 7), area.index(asked), rtol=1e-8)


def test_a_factor_that_does_not_matter_does_not_count_and_without_any_all_do():
    rng = np.random.default_rng(5)
    x, fold = rng.normal(size=(60, 2)), np.arange(60) % 3
    far = np.array([[0.0, 50.0]])
    assert Applicability.from_training(x, fold, np.array([1.0, -1.0]))[0].index(far)[0] < 1
    assert Applicability.from_training(x, fold, np.array([1.0, np.nan]))[0].index(far)[0] < 1
    assert Applicability.from_training(x, fold, np.array([-1.0, 0.0]))[0].index(far)[0] > 10


def test_a_constant_factor_is_left_aside():
    x = np.column_stack([np.arange(12.0), np.full(12, 3.0)])
    area = Applicability.from_training(x, np.arange(12) % 2, np.array([0.5, 0.5]))[0]
    assert area.index(np.array([[4.0, 99.0]]))[0] == 0
    with pytest.raises(InputError, match="same factors"):
        Applicability.from_training(np.ones((9, 2)), np.arange(9) % 3, np.ones(2))
    with pytest.raises(InputError, match="one fold"):
        Applicability.from_training(x, np.zeros(12, int), np.ones(2))


def test_many_samples_take_the_mean_distance_of_a_random_part():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(5000, 2))
    area = Applicability.from_training(x, np.arange(5000) % 5, np.ones(2))[0]
    # Distance of two normal points in the plane, times the weights' share of 1/2 each.
    assert area.mean_distance == pytest.approx(np.sqrt(np.pi) / 2, rel=0.02)


@pytest.mark.parametrize(
    "name, change",
    [
        ("points", lambda a: a[:, :1]),
        ("points", lambda a: a[:0]),
        ("points", lambda a: np.where(a == a[0, 0], np.nan, a)),
        ("points", lambda a: np.zeros((50_001, 2))),
        ("scale", lambda a: -a),
        ("weight", lambda a: 0 * a),
        ("numbers", lambda a: -a),
        ("numbers", lambda a: a * np.inf),
        ("centre", lambda a: a[:0]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, change):
    x = np.random.default_rng(1).normal(size=(20, 2))
    arrays = dict(Applicability.from_training(x, np.arange(20) % 2, np.ones(2))[0].arrays())
    assert Applicability.from_arrays(arrays).factors == 2
    arrays[name] = change(arrays[name])
    with pytest.raises(InputError, match="area of applicability"):
        Applicability.from_arrays(arrays)


def test_values_beyond_all_bounds_are_far_and_not_an_error():
    x = np.random.default_rng(1).normal(size=(20, 2))
    area = Applicability.from_training(x, np.arange(20) % 2, np.ones(2))[0]
    assert (area.index(np.array([[1e300, 0], [0, -1e300]])) > 1e100).all()
