"""Which readings are kept, how sensors share a layer, and means of days and periods; against plain loops."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.stations.averaging import (
    Means,
    combined,
    day_means,
    offset_minutes,
    period_means,
)
from soilmoisture.core.ground.stations.depths import covered, thicknesses
from soilmoisture.core.ground.stations.options import parse_columns, parse_hours, parse_layer
from soilmoisture.core.ground.stations.quality import FLAG_CLASSES, GOOD, Quality, clean, plateaus, spikes
from soilmoisture.core.ground.stations.series import Series, in_order


def hourly(count, start="2019-04-15T00:00"):
    return np.datetime64(start, "m") + np.arange(count) * np.timedelta64(60, "m")


def test_flags_are_kept_by_class_and_counted_by_the_first_reason():
    flags = [b"G", b"C02", b"D02,D03", b"D01,D06", b"D06", b"D08", b"D10", b"D04,D05", b"U", b"M", b"X", b"G"]
    value = np.full(len(flags), 0.2)
    value[-1] = np.nan
    series = Series(hourly(len(flags)), value, np.array(flags))
    kept, counts = clean(series, Quality())
    assert np.flatnonzero(np.isfinite(kept)).tolist() == [0]
    assert counts == {
        "no value": 2, "flagged as out of range": 1, "flagged as frozen": 2, "flagged as a spike": 1,
        "flagged as a break": 1, "flagged as a plateau": 1, "flagged as rising without rain": 1,
        "flagged as unchecked": 1, "with another flag": 1,
    }  # fmt: skip
    kept, _ = clean(series, Quality(keep=frozenset({GOOD, "frozen (D01-D03)", "unchecked (U)"})))
    # D01,D06 is frozen and a spike: the spike still counts.
    assert np.flatnonzero(np.isfinite(kept)).tolist() == [0, 2, 8]
    kept, _ = clean(series, Quality(keep=frozenset(FLAG_CLASSES)))
    assert np.flatnonzero(np.isfinite(kept)).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_range_and_zero():
    series = Series(hourly(5), np.array([-0.01, 0.0, 0.3, 0.61, 0.6]))
    kept, counts = clean(series, Quality(spikes=False))
    np.testing.assert_array_equal(kept, [np.nan, np.nan, 0.3, np.nan, 0.6])
    assert counts == {"outside the valid range": 2, "exactly 0": 1}
    flagged = Series(series.time, series.value, np.full(5, b"G"))
    assert np.isfinite(clean(flagged, Quality())[0][1])


def test_frozen_by_the_nearest_soil_temperature():
    series = Series(hourly(6), np.full(6, 0.2), np.full(6, b"G"))
    warm = Series(hourly(3) + np.timedelta64(30, "m"), np.array([1.0, -0.5, -1.0]))
    kept, counts = clean(series, Quality(), warm)
    # Nearest in time: 00:30 for 00:00 and 01:00 (ties go to the later), ... and none within 90 minutes after 04:00.
    expected = []
    for moment in series.time:
        gaps = np.abs((warm.time - moment).astype(int))
        near = [k for k in range(3) if gaps[k] == gaps.min()]
        expected.append(bool(gaps.min() <= 90 and warm.value[near[-1]] < 0))
    assert np.isnan(kept).tolist() == expected and sum(expected) == counts["soil temperature below 0 °C"]
    assert np.isfinite(clean(series, Quality(frozen=False), warm)[0]).all()
    daily = Series(np.array(["2019-04-15", "2019-04-16"], "datetime64[m]"), np.array([0.2, 0.2]), daily=True)
    assert np.isnan(clean(daily, Quality(), warm)[0]).tolist() == [True, False]


def test_spikes_return_at_once_and_rain_does_not():
    rng = np.random.default_rng(3)
    value = 0.25 + rng.normal(0, 0.002, 200)
    value[50] += 0.1  # a spike up
    value[80] -= 0.08  # a spike down
    value[120:] += 0.08 * np.exp(-np.arange(80) / 20)  # rain
    value[160:162] += 0.1  # two readings: not a single one
    assert np.flatnonzero(spikes(hourly(200), value)).tolist() == [50, 80]
    # The same readings a day apart may well be rain and drying.
    assert not spikes(np.datetime64("2019-04-15", "m") + np.arange(200) * np.timedelta64(1440, "m"), value).any()
    noisy = 0.25 + rng.normal(0, 0.05, 400)
    assert spikes(hourly(400), noisy).sum() == 0
    series = Series(hourly(200), value)
    assert clean(series, Quality())[1] == {"spike": 2} and clean(series, Quality(spikes=False))[1] == {}


def test_plateaus():
    value = np.array([0.2] * 30 + [0.3, 0.31] + [0.25] * 10)
    assert np.flatnonzero(plateaus(hourly(42), value, 1.0)).tolist() == list(range(30))
    assert not plateaus(hourly(42), value, 2.0).any()
    assert clean(Series(hourly(42), value), Quality(plateau_days=1.0))[1] == {"constant for long": 30}


LAYER5, LAYER10, LAYER100 = (0.0, 0.05), (0.0, 0.10), (0.0, 1.0)


@pytest.mark.parametrize(
    ("depths", "layer", "expected"),
    [
        ([0.05, 0.10, 0.20, 0.50, 1.00], LAYER100, [0.075, 0.075, 0.20, 0.40, 0.25]),
        ([0.05, 0.10, 0.20, 0.50, 1.00], LAYER5, [0.05, 0, 0, 0, 0]),
        ([0.05, 0.10, 0.20], LAYER10, [0.075, 0.025, 0]),
        ([0.05], LAYER10, [0.10]),
        ([0.05], LAYER100, [0.10]),
        ([0.10], LAYER5, [0.05]),
        ([0.20], LAYER5, [0]),
        ([0.05, 0.05, 0.20], LAYER5, [0.025, 0.025, 0]),
        ([0.50, 0.05], LAYER100, [0.45, 0.275]),
    ],
)
def test_sensors_share_the_layer_by_thickness(depths, layer, expected):
    found = thicknesses([(d, d) for d in depths], layer)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # Independently: every millimetre belongs to the nearest sensor, if one reaches it.
    if len(set(depths)) == len(depths) > 2:
        counted = np.zeros(len(depths))
        for mm in range(round(1000 * layer[0]), round(1000 * layer[1])):
            counted[int(np.argmin(np.abs(np.array(depths) - (mm + 0.5) / 1000)))] += 0.001
        np.testing.assert_allclose(found, counted, atol=1e-9)


def test_what_a_sensor_measures_is_its_own():
    assert thicknesses([(0.0, 0.3)], (0.0, 0.3)).tolist() == pytest.approx([0.3])
    assert covered(thicknesses([(0.0, 0.05)], LAYER100), LAYER100) == pytest.approx(0.05)
    assert thicknesses([(np.nan, np.nan), (0.05, 0.05)], LAYER5).tolist() == pytest.approx([0, 0.05])


def test_days_in_utc_local_solar_time_and_fixed_offsets():
    rng = np.random.default_rng(1)
    time = hourly(24 * 6)
    value = rng.uniform(0.1, 0.4, len(time))
    value[rng.random(len(time)) < 0.3] = np.nan
    series = Series(time, value)
    for clock, longitude, hours in (
        ("UTC", -98.0, 5.0),
        ("local solar time", -98.0, 0.0),
        ("hours from UTC", 10.0, 5.5),
    ):
        offset = offset_minutes(clock, longitude, hours)
        assert offset == {"UTC": 0, "local solar time": -392, "hours from UTC": 330}[clock]
        means, sparse = day_means(series, value, offset, (0.0, 24.0), 0.7)
        logged, kept = {}, {}
        for moment, one in zip(time.tolist(), value.tolist()):
            day = (moment + dt.timedelta(minutes=offset)).date()
            logged.setdefault(day, []).append(one)
            if one == one:
                kept.setdefault(day, []).append(one)
        usual = float(np.median([len(v) for v in logged.values()]))
        expected = {day: np.mean(v) for day, v in kept.items() if len(v) >= 0.7 * usual}
        assert means.key.tolist() == list(expected)
        np.testing.assert_allclose(means.value, list(expected.values()), rtol=1e-12)
        assert means.readings.tolist() == [len(kept[day]) for day in expected]
        assert sparse == len(kept) - len(expected)


def test_hours_of_the_day():
    series = Series(hourly(48), np.arange(48.0))
    means, _ = day_means(series, series.value, 0, (5.0, 7.0), 0.5)
    assert means.value.tolist() == [5.5, 29.5]
    over_midnight, _ = day_means(series, series.value, 0, (22.0, 2.0), 0.5)
    assert over_midnight.value.tolist() == [np.mean([0, 1, 22, 23]), np.mean([24, 25, 46, 47])]


def test_daily_values_keep_their_day_whatever_the_clock():
    series = Series(np.array(["2019-04-15", "2019-04-16"], "datetime64[m]"), np.array([0.1, 0.2]), daily=True)
    means, _ = day_means(series, series.value, -600, (5.0, 7.0), 1.0)
    assert means.key.astype(str).tolist() == ["2019-04-15", "2019-04-16"]


@pytest.mark.parametrize("period", ["dekad", "month"])
def test_dekads_and_months(period):
    rng = np.random.default_rng(2)
    days = np.arange("2019-01-20", "2019-04-08", dtype="datetime64[D]")
    days = days[rng.random(len(days)) < 0.6]
    daily = Means(days, rng.uniform(0.1, 0.4, len(days)), np.full(len(days), 24))
    found, sparse = period_means(daily, period, 0.5)
    groups = {}
    for day, value in zip(days.tolist(), daily.value.tolist()):
        start = day.replace(day=1 if period == "month" else 1 + 10 * min((day.day - 1) // 10, 2))
        groups.setdefault(start, []).append(value)
    gap = float(np.median(np.diff(days).astype(int)))
    expected = {}
    for start, values in groups.items():
        following = (start.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
        end = following if period == "month" or start.day == 21 else start + dt.timedelta(days=10)
        if len(values) >= 0.5 * max(1, (end - start).days / gap):
            expected[start] = np.mean(values)
    assert found.key.tolist() == list(expected) and sparse == len(groups) - len(expected)
    np.testing.assert_allclose(found.value, list(expected.values()), rtol=1e-12)
    assert found.readings.sum() == 24 * sum(len(groups[start]) for start in expected)


def test_depths_are_weighted_where_enough_of_the_layer_is_measured():
    days = np.array(["2019-04-15", "2019-04-16", "2019-04-17"], "datetime64[D]")
    upper = Means(days, np.array([0.1, 0.2, 0.3]), np.array([24, 24, 24]))
    lower = Means(days[[0, 2]], np.array([0.4, 0.4]), np.array([12, 12]))
    means, thin = combined([upper, lower], np.array([0.25, 0.75]), 0.7)
    assert thin == 1 and means.key.tolist() == days[[0, 2]].tolist()
    np.testing.assert_allclose(means.value, [0.25 * 0.1 + 0.75 * 0.4, 0.25 * 0.3 + 0.75 * 0.4])
    assert means.readings.tolist() == [36, 36]


def test_pieces_of_a_series_in_order_of_time():
    one = Series(hourly(3), np.array([1.0, 2.0, 3.0]), np.array([b"G", b"D06", b"G"]))
    two = Series(hourly(3, "2019-04-14T23:00"), np.array([7.0, 8.0, 9.0]))
    both, repeated = in_order([one, two])
    assert both.value.tolist() == [7.0, 1.0, 2.0, 3.0] and repeated == 2
    assert both.flags.tolist() == [b"G", b"G", b"D06", b"G"]


def test_layers_hours_and_columns_in_words():
    assert parse_layer("0-5") == (0.0, 0.05) and parse_layer(" 0 – 100 cm") == (0.0, 1.0)
    assert parse_layer("0,5-2.5") == pytest.approx((0.005, 0.025))
    assert parse_hours("") == (0, 24) and parse_hours("5-7") == (5, 7)
    assert parse_columns("date=Time; value=VWC 5 cm, VWC 20 cm") == {"date": "Time", "value": "VWC 5 cm, VWC 20 cm"}
    for wrong in ("5", "5-5", "10-5", "surface", ""):
        with pytest.raises(InputError, match="not a layer"):
            parse_layer(wrong)
    for wrong in ("7", "5-25", "6-6"):
        with pytest.raises(InputError, match="not a part of the day"):
            parse_hours(wrong)
    with pytest.raises(InputError, match="role=name"):
        parse_columns("Time")
