"""Tests of one product against another, against published numbers and plain resampling loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.comparison import gdown, paired_r_difference, station_bootstrap, williams_t
from soilmoisture.core.ground.metrics import Agreement


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("correlations", "n", "t", "p"),
    [
        # R package psych, r.test: printed in its documentation (Steiger's case A) and in worked examples.
        ((0.4, 0.5, 0.1), 103, -0.89, 0.37),
        ((0.5, 0.1, 0.7), 30, 3.38, None),
        # mtcars: r(hp, mpg) against r(hp, am); psych gives t -5.563815, p 5.301858e-06.
        ((-0.7761684, -0.2432043, 0.5998324), 32, -5.563815, 5.301858e-06),
    ],
)
def test_williams_golden_numbers(correlations, n, t, p):
    found = williams_t(*correlations, n)
    digits = 5e-6 if abs(t) > 5 else 5e-3
    assert found == pytest.approx(t, abs=digits)
    if p is not None:
        assert 2 * stats.t.sf(abs(found), n - 3) == pytest.approx(p, rel=1e-4 if p < 0.01 else 0.02)


def test_paired_test_holds_its_size_and_finds_a_difference():
    rng = np.random.default_rng(5)
    n, repeats, rejected, found = 40, 1500, 0, 0
    for _ in range(repeats):
        shared, y = rng.normal(size=n), rng.normal(size=n)
        a, b = (0.5 * y + 0.6 * shared + rng.normal(size=n) for _ in range(2))
        rejected += paired_r_difference(a, b, y).p < 0.05
        found += paired_r_difference(a + 2 * y, b, y).p < 0.05
    assert 0.02 < rejected / repeats < 0.08
    assert found / repeats > 0.5


def test_paired_test_of_equal_series_and_with_fewer_effective_pairs(rng):
    y, a = rng.normal(size=(2, 40))
    same = paired_r_difference(a, a, y)
    assert same.difference == 0 and same.t == 0 and same.p == 1
    b = rng.normal(size=40) + y
    assert paired_r_difference(a, b, y, 12).p > paired_r_difference(a, b, y).p
    assert paired_r_difference(a, b, y, 500).n_effective == 40
    found = paired_r_difference(a, b, y, 12)
    r = np.corrcoef([a, b, y])
    assert found.t == pytest.approx(williams_t(r[0, 2], r[1, 2], r[0, 1], 12), abs=1e-12)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.t), 9), abs=1e-12)


def naive_bootstrap(a, b, y, station, repeats, seed, min_pairs):
    rng = np.random.default_rng(seed)
    names = np.unique(station)
    rows = {name: np.flatnonzero(station == name) for name in names}
    draws = []
    for _ in range(repeats):
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        at = np.concatenate([np.tile(rows[name], k) for name, k in zip(names, times)])
        own = [
            np.corrcoef(a[rows[m]], y[rows[m]])[0, 1] - np.corrcoef(b[rows[m]], y[rows[m]])[0, 1]
            for m, k in zip(names, times)
            for _ in range(k)
            if len(rows[m]) >= min_pairs
        ]
        draws.append(
            [
                np.corrcoef(a[at], y[at])[0, 1] - np.corrcoef(b[at], y[at])[0, 1],
                np.mean(own),
                math.sqrt(np.mean((a - y)[at] ** 2)) - math.sqrt(np.mean((b - y)[at] ** 2)),
                np.std((a - y)[at]) - np.std((b - y)[at]),
            ]
        )
    # Percentiles expanded by Student's t.
    tail = 100 * stats.norm.cdf(-math.sqrt(len(names) / (len(names) - 1)) * stats.t.ppf(0.975, len(names) - 1))
    return np.percentile(draws, [tail, 100 - tail], axis=0)


def test_station_bootstrap_equals_a_resampling_loop(rng):
    station = np.repeat([f"s{i}" for i in range(9)], [5, 9, 12, 3, 4, 8, 20, 6, 2])
    y = rng.normal(0.2, 0.05, len(station))
    a, b = y + rng.normal(0.01, 0.03, len(y)), y + rng.normal(-0.02, 0.05, len(y))
    low, high = naive_bootstrap(a, b, y, station, 150, 4, 3)
    found = station_bootstrap(a, b, y, station, repeats=150, seed=4)
    for k, name in enumerate(("pooled_r", "station_mean_r", "rmse", "ubrmse")):
        interval = getattr(found, name)
        assert (interval.low, interval.high) == pytest.approx((low[k], high[k]), abs=1e-10), name
        assert interval.low <= interval.value <= interval.high
    assert found.pooled_r.value == pytest.approx(np.corrcoef(a, y)[0, 1] - np.corrcoef(b, y)[0, 1], abs=1e-12)
    assert found.product_r.value == pytest.approx(np.corrcoef(a, y)[0, 1], abs=1e-12)


def test_station_bootstrap_depends_on_the_seed_only_and_needs_stations(rng):
    y = rng.normal(size=60)
    a, b, station = y + rng.normal(size=60), y + rng.normal(size=60), np.repeat(np.arange(12), 5)
    assert station_bootstrap(a, b, y, station, seed=1) == station_bootstrap(a, b, y, station, seed=1)
    assert station_bootstrap(a, b, y, station, seed=1) != station_bootstrap(a, b, y, station, seed=2)
    for few, some in ((2, True), (4, True), (5, False)):
        assert math.isnan(station_bootstrap(a, b, y, np.arange(60) % few).pooled_r.low) == some
    with pytest.raises(InputError, match="complete pairs"):
        station_bootstrap([np.nan], [1.0], [1.0], ["a"])


def test_station_bootstrap_is_wider_than_one_that_ignores_stations(rng):
    station = np.repeat(np.arange(10), 30)
    level = rng.normal(size=10)[station]
    y = rng.normal(size=300) * 0.3 + level
    a, b = y * 0.2 + rng.normal(size=10)[station], y * 0.2 + rng.normal(size=10)[station]
    whole = station_bootstrap(a, b, y, station).pooled_r
    single = station_bootstrap(a, b, y, np.arange(300)).pooled_r
    assert whole.high - whole.low > 1.5 * (single.high - single.low)


def test_station_bootstrap_of_equally_good_products_rarely_finds_a_difference():
    rng, stations, found = np.random.default_rng(6), 8, 0
    for k in range(200):
        station = np.repeat(np.arange(stations), 12)
        y = rng.normal(size=stations)[station] * 0.5 + rng.normal(size=96)
        a, b = (y + rng.normal(size=stations)[station] * 0.5 + rng.normal(size=96) for _ in range(2))
        found += station_bootstrap(a, b, y, station, repeats=400, seed=k).pooled_r.excludes_zero
    assert found / 200 < 0.09


def test_gdown_bounds():
    perfect = Agreement(9, bias=0.0, r=1.0, slope=1.0)
    poor = Agreement(9, bias=0.1, r=0.2, slope=0.1)
    assert gdown(perfect, poor) == 1 and gdown(poor, perfect) == -1 and gdown(poor, poor) == 0
