"""Scores of agreement, against scipy, scikit-learn, plain loops and published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from soilmoisture.core.ground.metrics import (
    R_CLASSES,
    agreement,
    n_effective,
    n_effective_in_space,
    r_class_counts,
    r_interval,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def autoregressive(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    series = [rng.normal() / math.sqrt(1 - phi**2)]
    for _ in range(n - 1):
        series.append(phi * series[-1] + rng.normal())
    return np.array(series)


def test_agreement_equals_scipy_and_sklearn(rng):
    y = rng.uniform(0.05, 0.4, 200)
    x = 0.6 * y + 0.1 + rng.normal(0, 0.04, 200)
    found = agreement(x, y)
    assert found.n == 200
    assert found.bias == pytest.approx(np.mean(x) - np.mean(y), abs=1e-15)
    assert found.rmse == pytest.approx(math.sqrt(mean_squared_error(y, x)), abs=1e-14)
    assert found.ubrmse == pytest.approx(np.std(x - y), abs=1e-14)
    assert found.mae == pytest.approx(mean_absolute_error(y, x), abs=1e-15)
    assert found.r == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-13)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-13)
    assert found.r2_efficiency == pytest.approx(r2_score(y, x), abs=1e-12)
    assert found.r2_correlation == pytest.approx(stats.linregress(y, x).rvalue ** 2, abs=1e-12)
    assert found.slope == pytest.approx(stats.linregress(y, x).slope, abs=1e-13)
    assert found.r_ci == pytest.approx(tuple(stats.pearsonr(x, y).confidence_interval(0.95)), abs=1e-12)


def test_r_squared_and_efficiency_are_not_the_same(rng):
    y = rng.uniform(0.1, 0.3, 50)
    found = agreement(y + 0.2, y)
    assert found.r2_correlation == pytest.approx(1)
    assert found.r2_efficiency < -5


@pytest.mark.parametrize("seed", range(5))
def test_identities(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0.2, 0.05, 37), rng.normal(0.25, 0.07, 37)
    s = agreement(x, y)
    assert s.rmse**2 == pytest.approx(s.bias**2 + s.ubrmse**2, abs=1e-12)
    sx, sy = x.std(), y.std()
    assert s.ubrmse**2 == pytest.approx((sx - sy) ** 2 + 2 * sx * sy * (1 - s.r), abs=1e-12)
    assert s.ubrmse**2 == pytest.approx(sx**2 + sy**2 - 2 * sx * sy * s.r, abs=1e-12)  # Taylor diagram


def test_kge_by_its_parts():
    y = np.array([0.1, 0.2, 0.3, 0.4])
    s = agreement(2 * y, y)  # r 1, twice the spread, twice the mean
    assert (s.r, s.kge_variability, s.kge_bias) == pytest.approx((1, 2, 2))
    assert s.kge == pytest.approx(1 - math.sqrt(2))


def test_missing_values_leave_pairs_whole(rng):
    x, y = rng.normal(size=30), rng.normal(size=30)
    holes_x, holes_y = x.copy(), y.copy()
    holes_x[[1, 5]], holes_y[[5, 8]] = np.nan, np.inf
    keep = np.delete(np.arange(30), [1, 5, 8])
    assert agreement(holes_x, holes_y) == agreement(x[keep], y[keep])


def test_few_pairs_and_no_variation():
    assert agreement([], []).n == 0 and math.isnan(agreement([], []).bias)
    two = agreement([0.1, 0.2], [0.2, 0.2])
    assert two.n == 2 and two.bias == pytest.approx(-0.05) and math.isnan(two.r) and math.isnan(two.ubrmse)
    flat = agreement([0.2, 0.2, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4])
    assert math.isnan(flat.r) and math.isnan(flat.spearman) and math.isnan(flat.kge)
    assert flat.slope == 0 and flat.bias == pytest.approx(-0.05)
    flat_truth = agreement([0.1, 0.2, 0.3, 0.4], [0.2] * 4)
    assert math.isnan(flat_truth.r2_efficiency) and math.isnan(flat_truth.slope)
    # A mean of equal float32 numbers differs from them in the last digit: still no variation.
    assert math.isnan(agreement(np.full(9, np.float32(0.1)) * (1 + np.arange(9) % 2 * 1e-16), np.arange(9.0)).r)


def test_r_interval_of_a_perfect_and_of_a_tiny_sample():
    assert r_interval(1.0, 10) == (1.0, 1.0)
    assert all(math.isnan(v) for v in r_interval(0.5, 3))
    narrow, wide = r_interval(0.6, 100), r_interval(0.6, 20)
    assert wide[0] < narrow[0] < 0.6 < narrow[1] < wide[1]
    # Tsogtbaatar et al. 2023: r .42 and .51 at 153 points overlap.
    assert r_interval(0.42, 153) == pytest.approx((0.28, 0.54), abs=0.005)
    assert r_interval(0.51, 153) == pytest.approx((0.38, 0.62), abs=0.005)


def test_n_effective_of_known_autocorrelation():
    rng = np.random.default_rng(3)
    n, found = 400, []
    for _ in range(60):
        found.append(n_effective(autoregressive(rng, n, 0.8), autoregressive(rng, n, 0.7)))
    assert np.mean(found) == pytest.approx(n * (1 - 0.56) / (1 + 0.56), rel=0.06)


def test_n_effective_equals_a_plain_loop_with_gaps(rng):
    time = np.array([0, 1, 2, 3, 10, 11, 12, 13, 14, 30, 31, 32])
    x, y = autoregressive(rng, 12, 0.6), autoregressive(rng, 12, 0.6)

    def lag_one(v):
        z = v - v.mean()
        products = [z[i] * z[i + 1] for i in range(11) if time[i + 1] - time[i] == 1]
        return (sum(products) / len(products)) / (sum(z * z) / 12)

    expected = min(12, max(3, 12 * (1 - lag_one(x) * lag_one(y)) / (1 + lag_one(x) * lag_one(y))))
    shuffled = rng.permutation(12)
    assert n_effective(x[shuffled], y[shuffled], time[shuffled]) == pytest.approx(expected, abs=1e-12)


def test_n_effective_bounds(rng):
    white = rng.normal(size=50)
    assert n_effective(white, -white[::-1] + rng.normal(size=50)) <= 50
    ramp = np.arange(100.0)
    assert n_effective(ramp, ramp) == pytest.approx(3, abs=0.5)
    assert math.isnan(n_effective(ramp[:4], ramp[:4])) and math.isnan(n_effective(ramp, np.ones(100)))


def test_n_effective_in_space_makes_the_test_honest():
    rng = np.random.default_rng(11)
    n, hits, naive, sizes = 60, 0, 0, []
    for _ in range(150):
        east, north = rng.uniform(0, 100, (2, n))
        distance = np.hypot(east[:, None] - east, north[:, None] - north)
        root = np.linalg.cholesky(np.exp(-distance / 40) + 1e-9 * np.eye(n))
        x, y = root @ rng.normal(size=n), root @ rng.normal(size=n)
        size, r = n_effective_in_space(x, y, east, north), stats.pearsonr(x, y)
        sizes.append(size)
        naive += r[1] < 0.05
        t = r[0] * math.sqrt((size - 2) / (1 - r[0] ** 2))
        hits += 2 * stats.t.sf(abs(t), size - 2) < 0.05
    assert naive / 150 > 0.25
    assert hits / 150 < 0.12
    assert 3 <= np.median(sizes) < n / 2


def test_n_effective_in_space_equals_the_brute_form(rng):
    n, classes = 40, 13
    east, north, x, y = rng.uniform(0, 10, (4, n))
    distance = [[math.hypot(east[i] - east[j], north[i] - north[j]) for j in range(n)] for i in range(n)]
    top = max(max(row) for row in distance)

    def matrix(v):
        z = v - v.mean()
        total, count = [0.0] * classes, [0] * classes
        kind = [[-1] * n for _ in range(n)]
        for i in range(n):
            for j in range(n):
                if i != j:
                    k = next(k for k in range(classes) if distance[i][j] <= top * (k + 1) / classes + 1e-12)
                    kind[i][j] = k
                    total[k] += z[i] * z[j]
                    count[k] += 1
        var = sum(z * z) / n
        return np.array(
            [[1.0 if i == j else total[kind[i][j]] / count[kind[i][j]] / var for j in range(n)] for i in range(n)]
        )

    centre = np.eye(n) - 1 / n
    rx, ry = matrix(x), matrix(y)
    expected = 1 + np.trace(centre @ rx) * np.trace(centre @ ry) / np.trace(centre @ rx @ centre @ ry)
    assert n_effective_in_space(x, y, east, north) == pytest.approx(min(n, max(3, expected)), rel=1e-9)


def test_classes_of_r():
    assert len(R_CLASSES) == 6
    assert r_class_counts([-0.3, 0.0, 0.19, 0.2, 0.5, 0.6, 0.8, 1.0, math.nan]) == (1, 2, 1, 1, 1, 2)
    assert r_class_counts([]) == (0, 0, 0, 0, 0, 0)
