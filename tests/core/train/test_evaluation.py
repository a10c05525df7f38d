"""Scores against scikit-learn, the detail gain against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics

from soilmoisture.core.model.form import CONTRASTS, Form
from soilmoisture.core.train import designs as ds
from soilmoisture.core.train import evaluation as ev
from soilmoisture.core.train.samples import make_samples


@pytest.fixture
def samples(coarse_data):
    return make_samples(coarse_data(13, 17, 5, gaps=0.1, noise=0.01), Form())


def test_held_out_models_have_not_seen_their_fold(samples):
    folds = ds.block_folds(samples, 4, 0)
    seen = []

    def fit(part):
        rows = set(zip(part.period, part.row, part.col))
        seen.append(rows)
        return lambda x: np.full(len(x), len(seen) - 1.0)

    visited = []
    predicted = ev.held_out(samples, folds, fit, lambda number, predict, rows: visited.append((number, len(rows))))
    np.testing.assert_array_equal(predicted, folds.fold)
    for n, key in enumerate(zip(samples.period, samples.row, samples.col)):
        assert key not in seen[folds.fold[n]]
    assert [len(one) + count for one, (_, count) in zip(seen, visited)] == [len(samples)] * folds.count
    once = ev.held_out(samples, ds.random_folds(samples, 0), lambda part: lambda x: np.zeros(len(x)))
    assert np.isnan(once).sum() == len(samples) - round(0.2 * len(samples))


def contrast(samples, values, window):
    result = np.full(len(values), np.nan)
    for n in range(len(values)):
        near = (
            (samples.period == samples.period[n])
            & (np.abs(samples.row - samples.row[n]) <= window // 2)
            & (np.abs(samples.col - samples.col[n]) <= window // 2)
            & np.isfinite(values)
        )
        result[n] = values[n] - values[near].mean() if np.isfinite(values[n]) else np.nan
    return result


@pytest.mark.parametrize("window", [3, 5])
def test_scores_against_scikit_learn(samples, window):
    rng = np.random.default_rng(5)
    guess = samples.y + rng.normal(0.01, 0.02, len(samples))
    guess[rng.random(len(samples)) < 0.3] = np.nan
    out = np.isfinite(guess)
    fold = np.where(out, rng.integers(0, 3, len(samples)), -1)
    base = samples.y + rng.normal(0, 0.05, len(samples))
    yardstick = ev.Yardstick(samples.y, Form(), window, 4)
    found = ev.score(samples, ds.Folds("blocks", fold), guess, "model", yardstick, base)
    y, g = samples.y[out], guess[out]
    assert (found.design, found.model, found.n) == ("blocks", "model", out.sum())
    assert found.r2 == pytest.approx(sklearn.metrics.r2_score(y, g))
    assert found.rmse == pytest.approx(math.sqrt(sklearn.metrics.mean_squared_error(y, g)))
    assert found.r == pytest.approx(np.corrcoef(y, g)[0, 1])
    assert found.bias == pytest.approx((g - y).mean())
    centred = [v - np.array([v[samples.period[out] == t].mean() for t in samples.period[out]]) for v in (y, g)]
    assert found.r2_within_period == pytest.approx(sklearn.metrics.r2_score(*centred))
    cells = list(zip(samples.row[out], samples.col[out]))
    in_time = [
        np.array([v[k] - np.mean([v[j] for j in range(len(v)) if cells[j] == cells[k]]) for k in range(len(v))])
        for v in (y, g)
    ]
    assert found.r2_within_cell == pytest.approx(sklearn.metrics.r2_score(*in_time))
    assert found.skill == pytest.approx(1 - ((g - y) ** 2).sum() / ((base[out] - y) ** 2).sum())
    true = contrast(samples, np.where(out, samples.y, np.nan), window)[out]
    shown = contrast(samples, guess, window)[out]
    assert found.share_of_contrasts == pytest.approx(1 - ((shown - true) ** 2).sum() / (true**2).sum())
    by_fold = [math.sqrt(sklearn.metrics.mean_squared_error(samples.y[fold == f], guess[fold == f])) for f in range(3)]
    assert found.rmse_spread == pytest.approx(np.std(by_fold))
    gain = ev.detail_gain(samples, samples.y, guess, Form(), window, 4)
    assert found.share_explained == gain.share_explained
    shares = [
        1 - ((true - gain.value * shown)[fold[out] == f] ** 2).sum() / (true[fold[out] == f] ** 2).sum()
        for f in range(3)
    ]
    assert found.share_spread == pytest.approx(np.std(shares))
    assert all(isinstance(v, (str, int, float)) for v in found.as_dict().values())


def test_scores_of_what_does_not_vary_are_nan(coarse_data):
    data = coarse_data(4, 4, 1)
    data.target[:] = 0.2
    samples = make_samples(data, Form())
    yardstick = ev.Yardstick(samples.y, Form(), 3, 2)
    found = ev.score(samples, ds.Folds("random", np.zeros(16, int)), np.full(16, 0.2), "m", yardstick)
    assert math.isnan(found.r2) and math.isnan(found.r) and found.rmse == pytest.approx(0, abs=1e-12)
    assert math.isnan(found.skill) and math.isnan(found.rmse_spread) and found.share_explained == 0


def test_mean_baseline_by_loops(samples):
    for folds in (ds.block_folds(samples, 4, 0), ds.period_folds(samples), ds.random_folds(samples, 0)):
        found = ev.mean_baseline(samples, folds)
        for n in range(0, len(samples), 7):
            if folds.fold[n] < 0:
                assert np.isnan(found[n])
                continue
            training = folds.fold != folds.fold[n]
            cell = training & (samples.row == samples.row[n]) & (samples.col == samples.col[n])
            period = training & (samples.period == samples.period[n])
            chosen = cell if cell.any() else period if period.any() else training
            assert found[n] == pytest.approx(samples.y[chosen].mean())


def jackknife(product, square, groups):
    slopes = [
        sum(p for p, g in zip(product, groups) if g != one) / sum(s for s, g in zip(square, groups) if g != one)
        for one in sorted(set(groups))
    ]
    n = len(slopes)
    return math.sqrt((n - 1) / n * sum((slope - sum(slopes) / n) ** 2 for slope in slopes))


@pytest.mark.parametrize("noise, seed", [(0.005, 1), (0.05, 2), (0.02, 3), (0.02, 4), (0.02, 5), (0.02, 6)])
def test_detail_gain_against_brute_force(coarse_data, noise, seed):
    data = coarse_data(9, 10, 4, noise=noise, gaps=0.1, seed=seed)
    samples = make_samples(data, Form())
    rng = np.random.default_rng(seed)
    guess = 0.25 + samples.x @ np.array([0.03, -0.02, 0.01]) * 1.3 + rng.normal(0, 0.005, len(samples))
    guess[::11] = np.nan
    gain = ev.detail_gain(samples, samples.y, guess, Form(), 3, 4)
    out = np.isfinite(guess)
    true, shown = contrast(samples, np.where(out, samples.y, np.nan), 3)[out], contrast(samples, guess, 3)[out]
    row, col, period = samples.row[out], samples.col[out], samples.period[out]
    blocks = [(i // 4, j // 4) for i, j in zip(row - row.min(), col - col.min())]
    errors = [jackknife(true * shown, shown**2, groups) for groups in (blocks, list(zip(row, col)), list(period))]
    slope = (true * shown).sum() / (shown**2).sum()
    assert gain.slope == pytest.approx(slope)
    assert gain.standard_error == pytest.approx(max(errors))
    value = min(max(slope * (1 - (max(errors) / slope) ** 2), 0), 1.5)
    assert gain.value == pytest.approx(value) and 0.3 < value < 1
    left = ((true - value * shown) ** 2).sum() / (true**2).sum()
    assert gain.share_explained == pytest.approx(1 - left)


def test_detail_gain_of_nothing_is_nothing(coarse_data):
    samples = make_samples(coarse_data(8, 8, 2), Form())
    zero = np.zeros(len(samples))
    for truth, guess in ((samples.y, zero + 0.3), (zero + 0.2, samples.y), (samples.y, -samples.y)):
        gain = ev.detail_gain(samples, truth, guess, Form(), 3, 4)
        assert gain.value == 0 and gain.share_explained == 0
    alone = zero.copy()
    alone[0] = 1.0  # everything predicted lies in one block: nothing is known of the rest
    gain = ev.detail_gain(samples, samples.y, alone, Form(), 3, 4)
    assert gain.value == 0 and abs(gain.slope) <= gain.standard_error < 100 * abs(gain.slope)


def test_detail_gain_does_not_depend_on_units(coarse_data):
    samples = make_samples(coarse_data(9, 10, 4, noise=0.02), Form())
    guess = samples.x @ np.array([0.03, -0.02, 0.01])
    small, large = (ev.detail_gain(samples, s * samples.y, s * guess, Form(), 3, 4) for s in (1e-7, 1e5))
    assert small.value == pytest.approx(large.value) and 0.5 < small.value < 1.2


@pytest.mark.parametrize("window", [3, 5])
def test_predicted_contrasts_are_compared_as_they_are(coarse_data, window):
    """A second subtraction would make them smaller than the true ones, and a perfect model get a gain above 1."""
    data = coarse_data(14, 15, 4)
    values, form = make_samples(data, Form()), Form(CONTRASTS, window)
    samples = make_samples(data, form)
    gain = ev.detail_gain(values, values.y, samples.y, form, window, 5)
    assert gain.value == pytest.approx(1.0) and gain.share_explained == pytest.approx(1.0)
    for folds in (ds.block_folds(samples, 5, 0), ds.random_folds(samples, 0)):
        guess = np.where(folds.fold >= 0, samples.y, np.nan)
        found = ev.score(samples, folds, guess, "m", ev.Yardstick(values.y, form, window, 5))
        assert found.share_of_contrasts == pytest.approx(1.0) and found.r2 == pytest.approx(1.0)
