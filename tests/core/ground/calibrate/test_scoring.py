"""Folds, choice of the method, and what a choice by its own score is worth."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.ground.calibrate import scoring
from soilmoisture.core.ground.calibrate.boosting import exported, fit_boosting
from soilmoisture.core.ground.calibrate.error_model import fit_error_model
from soilmoisture.core.ground.calibrate.folds import deal, nearest_km, period_folds, station_groups
from soilmoisture.core.progress import Progress

from .conftest import rows_of


def test_neighbours_are_held_out_together_and_no_cluster_swallows_all() -> None:
    random = np.random.default_rng(0)
    centre = random.uniform(0, 200, (10, 2))
    place = np.repeat(centre, 4, axis=0) + random.uniform(-0.5, 0.5, (40, 2))
    group = station_groups(place[:, 0], place[:, 1], 1.0)
    assert len(np.unique(group)) == 10
    fold = deal(group, 5, 0)
    assert all(len(np.unique(fold[group == one])) == 1 for one in np.unique(group))
    assert np.bincount(fold).tolist() == [8] * 5
    # A chain of stations, each near the next, is not one cluster.
    chain = np.arange(40.0)
    assert len(np.unique(station_groups(chain, np.zeros(40), 1.0, 3.0))) >= 10


def test_stations_in_one_pixel_are_one_cluster() -> None:
    group = station_groups(np.array([0.0, 0.3, 50.0, 90.0]), np.array([0.0, 0.3, 0.0, 40.0]), 1.0)
    assert group[0] == group[1] and len(np.unique(group)) == 3


def test_periods_are_held_out_in_runs() -> None:
    assert period_folds(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert nearest_km(np.array([0.0]), np.array([0.0]), np.array([3.0, 9.0]), np.array([4.0, 9.0]))[0] == 5.0


def test_the_gain_and_its_error_are_those_of_resampled_stations() -> None:
    random = np.random.default_rng(1)
    station = np.repeat(np.arange(20), 5)
    y = random.uniform(0.1, 0.4, 100)
    a, b = y + random.normal(0, 0.02, 100), y + random.normal(0, 0.04, 100)
    gain = scoring.rmse_gain(a, b, rows_of(a, y, station=station), 0)
    draws = []
    for _ in range(400):
        at = np.concatenate([np.flatnonzero(station == one) for one in random.integers(0, 20, 20)])
        draws.append(np.sqrt(np.mean((b - y)[at] ** 2)) - np.sqrt(np.mean((a - y)[at] ** 2)))
    assert gain.value == pytest.approx(np.sqrt(np.mean((b - y) ** 2)) - np.sqrt(np.mean((a - y) ** 2)))
    assert gain.error == pytest.approx(np.std(draws), rel=0.2)
    assert gain.low == pytest.approx(np.percentile(draws, 2.5), abs=0.002)


def test_a_gain_within_its_error_is_not_taken() -> None:
    random = np.random.default_rng(2)
    station = np.repeat(np.arange(15), 4)
    y = random.uniform(0.1, 0.4, 60)
    rows = rows_of(y, y, station=station)
    noise = random.normal(0, 0.03, 60)
    none = y + noise + 0.05
    better, hardly, much = y + noise, y + noise * 0.999 + random.normal(0, 1e-3, 60), y + 0.2 * noise
    assert scoring.choose({"none": y + noise, "mean bias": y + noise, "linear": hardly}, rows, 0) == "none"
    assert scoring.choose({"none": none, "mean bias": better, "linear": hardly}, rows, 0) == "mean bias"
    assert scoring.choose({"none": none, "mean bias": better, "linear": much}, rows, 0) == "linear"


def test_the_best_must_beat_the_mean_bias_too() -> None:
    """Better than none beyond chance, but not than the mean bias, which itself is not sure to help."""
    random = np.random.default_rng(6)
    station = np.arange(12)
    y = random.uniform(0.1, 0.4, 12)
    rows = rows_of(y, y, station=station)
    noise = random.normal(0, 0.03, 12)
    none, bias, other = y + noise, y + 0.97 * noise + random.normal(0, 0.004, 12), y + 0.96 * noise
    assert scoring.rmse_gain(other, none, rows, 0).value > scoring.rmse_gain(other, none, rows, 0).error
    assert scoring.rmse_gain(other, bias, rows, 0).value < scoring.rmse_gain(other, bias, rows, 0).error
    assert scoring.choose({"none": none, "mean bias": bias, "linear": other}, rows, 0) != "linear"


def test_many_stations_join_folds_for_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten fits rather than 45, and still no choice by a fold's own stations."""
    station = np.repeat(np.arange(60), 2)
    y = np.random.default_rng(3).uniform(0.1, 0.4, 120)
    rows = rows_of(y + 0.03, y, station=station)
    fold, fits = station % 10, []

    def recorded(name, rows, group, out, wanted, network, seed, progress):  # type: ignore[no-untyped-def]
        fits.append(set(fold[out]))
        return rows.z[wanted] - 0.03

    monkeypatch.setattr(scoring, "predict_without", recorded)
    outer = {"none": rows.z, "mean bias": rows.z - 0.03}
    predicted, chosen = scoring.nested_choice(["mean bias"], rows, station, fold, outer, None, 0, Progress())
    assert len(fits) == 10 and all(len(one) == 4 for one in fits)
    assert chosen == ["mean bias"] * 5 and np.isfinite(predicted).all()


def test_the_nested_score_sees_no_station_of_its_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits are recorded: what chooses for a fold never saw that fold, neither in fitting nor in testing."""
    random = np.random.default_rng(3)
    station = np.repeat(np.arange(8), 3)
    y = random.uniform(0.1, 0.4, 24)
    rows = rows_of(y + 0.03, y, station=station)
    fold = station % 4
    fits = []

    def recorded(name, rows, group, out, wanted, network, seed, progress):  # type: ignore[no-untyped-def]
        fits.append((set(fold[~out]), set(fold[wanted])))
        return rows.z[wanted]

    monkeypatch.setattr(scoring, "predict_without", recorded)
    outer = {"none": rows.z, "mean bias": rows.z - 0.03}
    predicted, chosen = scoring.nested_choice(["none", "mean bias"], rows, station, fold, outer, None, 0, Progress())
    assert len(chosen) == 4 and np.isfinite(predicted).all()
    assert all(not seen & tested for seen, tested in fits)
    assert all(len(seen) == 2 for seen, _ in fits)


def test_best_of_noise_looks_good_only_before_nesting() -> None:
    """Station values that have nothing to do with the product: no method may come out ahead of the mean bias."""
    random = np.random.default_rng(4)
    place = random.uniform(0, 100, (30, 2))
    rows = rows_of(random.uniform(0.1, 0.3, 30), random.uniform(0.1, 0.3, 30), place)
    names = ["none", "mean bias", "linear", "geographically weighted regression", "kriging with external drift"]
    fold = np.arange(30) % 6
    outer = scoring.held_out(names, rows, rows.station, fold, None, 0, Progress())
    predicted, _ = scoring.nested_choice(names, rows, rows.station, fold, outer, None, 0, Progress())
    best = min(float(np.sqrt(np.mean((one - rows.y) ** 2))) for one in outer.values())
    assert np.sqrt(np.mean((predicted - rows.y) ** 2)) >= best - 1e-12


def test_boosted_trees_are_those_of_scikit_learn() -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    random = np.random.default_rng(5)
    x = random.normal(size=(200, 3)).astype(np.float32)
    y = np.sin(x[:, 0]) + 0.1 * random.normal(size=200)
    model = GradientBoostingRegressor(n_estimators=30, subsample=0.8, random_state=0).fit(x, y)
    ours = exported(model, float(y.mean()), 3).predict(x.astype(float))
    np.testing.assert_allclose(ours, model.predict(x), atol=1e-9)


def test_boosting_finds_a_step_and_leaves_gaps_empty() -> None:
    random = np.random.default_rng(6)
    factors = random.normal(size=(240, 2))
    z = random.uniform(0.1, 0.3, 240)
    rows = rows_of(z, z + 0.04 * (factors[:, 1] > 0), station=np.repeat(np.arange(40), 6), factors=factors)
    model = fit_boosting(rows, rows.station, 0, Progress())
    assert np.sqrt(np.mean((model.predict(rows) - rows.y) ** 2)) < 0.008
    factors[0, 0] = np.nan
    assert np.isnan(model.predict(rows_of(z[:1], z[:1], factors=factors[:1]))[0])


def test_the_error_grows_with_distance_and_never_shrinks() -> None:
    random = np.random.default_rng(7)
    distance = random.uniform(1, 30, 2000)
    growing = fit_error_model(random.normal(0, np.sqrt(1e-4 + 2e-5 * distance)), distance)
    at = np.array([1.0, 15.0, 30.0])
    np.testing.assert_allclose(growing.deviation(at), np.sqrt(1e-4 + 2e-5 * at), rtol=0.1)
    np.testing.assert_allclose(growing.deviation(np.array([0.0, 99.0])), growing.deviation(at[[0, 2]]), rtol=0.01)
    # Beyond what was tested it grows on, to what the product itself differs by.
    known = fit_error_model(
        random.normal(0, np.sqrt(1e-4 + 2e-5 * distance)), distance, without=random.normal(0, 0.035, 2000)
    )
    beyond = known.deviation(np.array([30.0, 40.0, 500.0]))
    assert beyond[0] < beyond[1] < beyond[2] == pytest.approx(0.035, rel=0.05)
    falling = fit_error_model(random.normal(0, 0.05 / np.sqrt(distance)), distance)
    assert falling.slope == 0.0
