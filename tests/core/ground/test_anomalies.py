"""Anomalies and climatologies, against numbers of pytesmo and plain loops."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest

from soilmoisture.core.ground.anomalies import anomalies, climatology, climatology_anomalies, year_index


def golden_series():
    """Three years with 40 % of the days and every 17th value missing, as given to pytesmo."""
    rng = np.random.default_rng(5)
    days = np.arange(np.datetime64("2019-01-01"), np.datetime64("2022-01-01"))
    days = days[rng.uniform(size=len(days)) < 0.6]
    in_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
    values = 0.25 + 0.1 * np.sin(2 * np.pi * in_year / 365) + np.round(rng.normal(0, 0.03, len(days)), 4)
    values[::17] = np.nan
    return days, values


# pytesmo 0.18.1, numpy 2.2.1: calc_anomaly(s, 35), calc_climatology(s), calc_climatology(s, output_freq="month") and
# calc_anomaly(s, climatology=..., respect_leap_years=False) of the series above as a pandas series s.
AT = [1, 5, 100, 300, 301, 500, 683]
MOVING = [
    0.011244465573196416,
    -0.0317685926811086,
    0.003329581718176544,
    -0.00029995243829405993,
    -0.012342182060950058,
    0.009111978406943888,
    0.029169200018626384,
]
OF_YEAR = {
    0: 0.2514084052631441,
    58: 0.334019120546039,
    59: 0.334765091720642,
    60: 0.33708264692100415,
    200: 0.22604928303246044,
    365: 0.24955447821401944,
}
OF_MONTHS = [
    0.27312207599434074,
    0.31441518158991816,
    0.33638842565233956,
    0.33794867280237,
    0.3153964679335041,
    0.27751302671994266,
    0.22981126378568276,
    0.18715939340242882,
    0.16250842257195264,
    0.16228067777651475,
    0.18619164743305716,
    0.22675281541467332,
]
FROM_YEAR = [
    0.026574447085912445,
    -0.022210278962446428,
    0.0023416749539517667,
    -0.003812253021105938,
    -0.01752931240509109,
    0.011402930104814302,
    0.0063690073780084955,
]


def test_moving_window_equals_pytesmo():
    days, values = golden_series()
    found = anomalies(days, values)
    assert len(found) == 684
    assert found[AT] == pytest.approx(MOVING, abs=1e-12)
    assert np.nansum(found**2) == pytest.approx(0.5083129973485048, abs=1e-12)
    assert (np.isnan(found) == np.isnan(values)).all()


def test_climatologies_equal_pytesmo():
    days, values = golden_series()
    year = climatology(days, values)
    assert year.shape == (366,) and np.nansum(year) == pytest.approx(91.86237832384943, abs=1e-10)
    assert {k: year[k] for k in OF_YEAR} == pytest.approx(OF_YEAR, abs=1e-12)
    assert climatology(days, values, by="month") == pytest.approx(OF_MONTHS, abs=1e-12)
    departures = climatology_anomalies(days, values, year)
    assert departures[AT] == pytest.approx(FROM_YEAR, abs=1e-12)
    assert np.nansum(departures**2) == pytest.approx(0.5230707469664614, abs=1e-12)


def test_moving_window_equals_a_plain_loop_in_any_order_and_for_many_series():
    rng = np.random.default_rng(1)
    days = np.sort(rng.choice(400, 90, replace=False)).astype(float)
    values = rng.normal(size=(90, 3))
    values[rng.uniform(size=values.shape) < 0.2] = np.nan
    expected = np.full(values.shape, np.nan)
    for i in range(90):
        for k in range(3):
            near = [values[j, k] for j in range(90) if abs(days[j] - days[i]) <= 10 and not math.isnan(values[j, k])]
            if not math.isnan(values[i, k]):
                expected[i, k] = values[i, k] - sum(near) / len(near)
    order = rng.permutation(90)
    assert anomalies(days[order], values[order], 20) == pytest.approx(expected[order], abs=1e-12, nan_ok=True)


def test_a_sparse_window_gives_no_anomaly():
    days = np.array([*range(100), 150, 151])
    found = anomalies(days, np.sin(days), 35, min_fraction=0.5)
    assert np.isfinite(found[:100]).all() and np.isnan(found[100:]).all()
    assert np.isfinite(anomalies(days, np.sin(days), 35)).all()


def test_months_are_plain_means_without_smoothing():
    start = [dt.date(2018 + k // 12, k % 12 + 1, 1) for k in range(30)]
    values = np.arange(30.0) ** 1.5
    values[3] = np.nan
    usual = climatology([d.toordinal() for d in start], values, by="month", smooth_days=1, smooth_climatology=1)
    for month in range(12):
        assert usual[month] == pytest.approx(np.nanmean(values[month::12]), abs=1e-12)
    strict = climatology(
        np.array(start, "datetime64[D]"), values, by="month", smooth_days=1, smooth_climatology=1, min_years=3
    )
    # Only January to June come three times, and one April is missing.
    assert np.isfinite(strict).tolist() == [True, True, True, False, True, True] + [False] * 6


def test_dates_have_the_same_number_every_year():
    days = np.array(["2019-02-28", "2019-03-01", "2020-02-29", "2020-03-01", "2021-12-31"], "datetime64[D]")
    assert year_index(days).tolist() == [58, 60, 59, 60, 365]
    assert year_index([d.toordinal() for d in days.astype(object)]).tolist() == [58, 60, 59, 60, 365]
    assert year_index(days, "month").tolist() == [1, 2, 1, 2, 11]


def test_a_season_leaves_no_anomaly_and_a_constant_none():
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2019-01-01"))
    season = np.sin(2 * np.pi * year_index(days) / 366)
    assert np.abs(anomalies(days, season)).max() < 0.16 and np.abs(anomalies(days, season)[20:-20]).max() < 0.02
    assert anomalies(days, np.full(len(days), 0.3)) == pytest.approx(0, abs=1e-15)
