"""p values and intervals of scores, against pytesmo, scipy and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from soilmoisture.core.ground.bootstrap import block_bootstrap, block_length, mean_bootstrap
from soilmoisture.core.ground.metrics import agreement, r_interval
from soilmoisture.core.ground.significance import (
    bias_interval,
    n_effective_of_mean,
    p_of_correlation,
    p_of_tau,
    significance,
    spearman_interval,
    ubrmse_interval,
)


@pytest.fixture
def golden():
    """The pairs that were given to pytesmo 0.18.1 (numpy 2.2.1), `with_analytical_ci` and `mse_decomposition`."""
    rng = np.random.default_rng(11)
    y = np.round(rng.uniform(0.05, 0.4, 60), 4)
    return np.round(0.7 * y + 0.1 + rng.normal(0, 0.05, 60), 4), y


def autoregressive(rng, n, phi):
    return lfilter([math.sqrt(1 - phi**2)], [1, -phi], rng.normal(size=n + 200))[200:]


def test_formulas_equal_pytesmo(golden):
    x, y = golden
    s = agreement(x, y)
    bias = bias_interval(x - y, 60)
    assert (bias.value, bias.low, bias.high) == pytest.approx(
        (0.045081666666666666, 0.027963082447483568, 0.06220025088584977), abs=1e-10
    )
    error = ubrmse_interval(s.ubrmse, 60, 60)
    assert (error.value, error.low, error.high) == pytest.approx(
        (0.0657124658180538, 0.05617017519652423, 0.0808233512943758), abs=1e-10
    )
    assert (s.r, *s.r_ci) == pytest.approx((0.7712281105374242, 0.6432792775509059, 0.8572702613515396), abs=1e-10)
    assert (s.spearman, *spearman_interval(s.spearman, 60)) == pytest.approx(
        (0.7737149208113366, 0.6252640872938409, 0.868128891055091), abs=1e-10
    )
    assert significance(x, y, s, 60).tau == pytest.approx(0.5627118644067797, abs=1e-10)


def test_parts_of_the_error_equal_pytesmo_and_sum_up(golden):
    x, y = golden
    s = agreement(x, y)
    assert (s.mse, s.mse_correlation, s.mse_bias, s.mse_variance) == pytest.approx(
        (0.006350484833333326, 0.0035929247746723444, 0.0020323566694444486, 0.0007252033892165325), abs=1e-12
    )
    assert s.mse * s.n == pytest.approx(0.38102908999999985, abs=1e-12)  # RSS
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(0.2, rng.uniform(0, 0.1), 40), rng.normal(0.3, 0.05, 40)
        s = agreement(x, y)
        assert s.mse_bias + s.mse_variance + s.mse_correlation == pytest.approx(np.mean((x - y) ** 2), abs=1e-12)
        assert s.kge == pytest.approx(
            1 - math.sqrt((s.r - 1) ** 2 + (x.std() / y.std() - 1) ** 2 + (x.mean() / y.mean() - 1) ** 2), abs=1e-12
        )


def test_p_values_equal_scipy():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 45))
    assert p_of_correlation(stats.pearsonr(x, y)[0], 45) == pytest.approx(stats.pearsonr(x, y)[1], rel=1e-9)
    assert p_of_correlation(stats.spearmanr(x, y)[0], 45) == pytest.approx(stats.spearmanr(x, y)[1], rel=1e-9)
    tau, p = stats.kendalltau(x, y, method="asymptotic")
    assert p_of_tau(tau, 45) == pytest.approx(p, rel=1e-9)
    assert p_of_correlation(0.5, 10) > p_of_correlation(0.5, 30)
    assert math.isnan(p_of_correlation(0.5, 2)) and p_of_correlation(1.0, 9) == 0 and math.isnan(p_of_tau(math.nan, 9))


def test_fewer_effective_pairs_widen_everything():
    rng = np.random.default_rng(2)
    x, y = autoregressive(rng, 300, 0.9), autoregressive(rng, 300, 0.9)
    s = agreement(x, y)
    full, few = significance(x, y, s, 300), significance(x, y, s, 20)
    assert few.p_r > full.p_r and few.p_spearman > full.p_spearman and few.p_tau > full.p_tau
    assert few.spearman_ci[0] < full.spearman_ci[0]
    # The errors are autocorrelated: their mean is known far worse than of 300 independent ones.
    width = full.bias.high - full.bias.low
    independent = bias_interval(x - y, 300)
    assert width > 3 * (independent.high - independent.low)
    assert n_effective_of_mean(x) == pytest.approx(300 * 0.1 / 1.9, rel=0.5)


def test_p_of_independent_autocorrelated_series_holds_its_size():
    from soilmoisture.core.ground.metrics import n_effective

    rng = np.random.default_rng(3)
    naive, honest = 0, 0
    for _ in range(300):
        x, y = autoregressive(rng, 150, 0.85), autoregressive(rng, 150, 0.85)
        r = np.corrcoef(x, y)[0, 1]
        naive += p_of_correlation(r, 150) < 0.05
        honest += p_of_correlation(r, n_effective(x, y)) < 0.05
    assert naive / 300 > 0.25 and honest / 300 < 0.1


def test_blocks_of_one_agree_with_the_bootstrap_of_pytesmo():
    rng = np.random.default_rng(11)
    rng.uniform(0.05, 0.4, 60), rng.normal(0, 0.05, 60)
    x = np.round(rng.normal(0.25, 0.05, 300), 4)
    y = np.round(x + rng.normal(0, 0.04, 300), 4)
    found = block_bootstrap(x, y, np.arange(300), 1, repeats=4000, seed=0)
    # pytesmo 0.18.1: with_bootstrapped_ci(metric, x, y, nsamples=2000) after np.random.seed(0).
    for key, (value, low, high) in {
        "r": (0.7552038695957494, 0.7003845847788402, 0.8024113873497937),
        "ubrmse": (0.0412856823325795, 0.03846290994616375, 0.04397735607982836),
        "bias": (0.0001510000000000003, -0.004539708333333331, 0.004778299999999996),
    }.items():
        assert found[key].value == pytest.approx(value, abs=1e-12)
        assert (found[key].low, found[key].high) == pytest.approx((low, high), abs=0.08 * (high - low))


def test_resampled_blocks_equal_a_plain_loop():
    """The same starting points, in a loop over blocks that run round the end."""
    rng = np.random.default_rng(5)
    n, length, repeats = 43, 5, 300
    x, y = rng.normal(0.2, 0.05, n), rng.normal(0.25, 0.05, n)
    found = block_bootstrap(x, y, np.arange(n), length, repeats=repeats, seed=9)
    draw = np.random.default_rng(9)
    whole, rest = draw.integers(0, n, (repeats, n // length)), draw.integers(0, n, repeats)
    r = []
    for k in range(repeats):
        index = [(start + i) % n for start in whole[k] for i in range(length)]
        index += [(rest[k] + i) % n for i in range(n % length)]
        assert len(index) == n
        r.append(np.corrcoef(x[index], y[index])[0, 1])
    tail = 100 * stats.norm.cdf(math.sqrt(8 / 7) * stats.t.ppf(0.025, 7))
    expected = np.percentile(r, [tail, 100 - tail])
    assert (found["r"].low, found["r"].high) == pytest.approx(tuple(expected), abs=1e-10)


def test_pairs_of_one_time_stay_together():
    """Ten stations that all say the same hold no more than one of them."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 60))
    one = block_bootstrap(x, y, np.arange(60), 4, seed=1)
    ten = block_bootstrap(np.tile(x, 10), np.tile(y, 10), np.tile(np.arange(60), 10), 4, seed=1)
    assert (ten["r"].low, ten["r"].high) == pytest.approx((one["r"].low, one["r"].high), abs=1e-9)


def test_blocks_cover_the_true_r_of_autocorrelated_series():
    from soilmoisture.core.ground.metrics import n_effective

    rng = np.random.default_rng(0)
    hits = 0
    for k in range(150):
        shared, own = autoregressive(rng, 365, 0.85), autoregressive(rng, 365, 0.85)
        other = 0.6 * shared + 0.8 * own
        length = block_length(365, n_effective(shared, other))
        r = block_bootstrap(shared, other, np.arange(365), length, repeats=300, seed=k)["r"]
        hits += r.low <= 0.6 <= r.high
    assert hits / 150 > 0.87


def test_lengths_of_blocks_and_too_few_of_them():
    assert block_length(1000, 1000) == 10 and block_length(1000, 100) == 30
    assert block_length(1000, 5) == 125  # eight blocks must be left
    short = block_bootstrap(np.arange(12.0), np.arange(12.0) ** 2, np.arange(12), 3)
    assert short["r"].value == pytest.approx(np.corrcoef(np.arange(12), np.arange(12) ** 2)[0, 1])
    assert math.isnan(short["r"].low)
    assert math.isnan(block_bootstrap([], [], [], 3)["r"].value)
    flat = block_bootstrap(np.full(50, 0.2), np.arange(50.0), np.arange(50), 2)
    assert math.isnan(flat["r"].value) and flat["bias"].value == pytest.approx(0.2 - 24.5)


def test_mean_of_values_with_its_interval():
    values = np.random.default_rng(8).normal(0.5, 0.1, 400)
    mean = mean_bootstrap(values, repeats=4000)
    half = 1.96 * 0.1 / 20
    assert mean.value == pytest.approx(values.mean()) and mean.high - mean.low == pytest.approx(2 * half, rel=0.12)
    assert math.isnan(mean_bootstrap([0.1, 0.2]).low) and math.isnan(mean_bootstrap([math.nan]).value)


def test_the_interval_of_r_uses_the_given_number():
    assert r_interval(0.6, 30) == pytest.approx(
        tuple(np.tanh(np.arctanh(0.6) + np.array([-1, 1]) * 1.959964 / 27**0.5)), 1e-6
    )
