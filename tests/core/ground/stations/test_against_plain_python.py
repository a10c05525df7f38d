"""A made-up network of both layouts, folder and zip, against a reader in plain Python written for this test only."""

from __future__ import annotations

import datetime as dt
import random
import statistics

import pytest
from station_samples import ceop, header_values, zipped

from soilmoisture.core.ground.stations.importing import import_stations
from soilmoisture.core.ground.stations.options import StationOptions

FLAGS = ["G"] * 9 + ["U", "D01", "D02,D03", "C03", "D06", "M", "D04,D05", "D10"]
PROVIDER = ["", " OK,OK", " DLT >= 1.5,OK"]


def random_rows(rng, low, high):
    """Ten days of hours with gaps, missing values and every kind of flag."""
    rows = []
    for hour in range(240):
        if rng.random() < 0.12 or (100 < hour < 150 and rng.random() < 0.8):
            continue
        moment = (dt.datetime(2019, 3, 1) + dt.timedelta(hours=hour)).strftime("%Y/%m/%d %H:%M")
        value = -9999.0 if rng.random() < 0.03 else rng.uniform(low, high)
        rows.append((moment, f"{value:.4f}", rng.choice(FLAGS), rng.choice(PROVIDER)))
    return rows


def daily(rows, temperatures):
    """Means of the good values of days with at least half of the usual readings."""
    warm = [(at(row), float(row[1])) for row in temperatures if float(row[1]) != -9999.0]
    seen, good = {}, {}
    for row in rows:
        moment, value = at(row), float(row[1])
        seen[moment.date()] = seen.get(moment.date(), 0) + 1
        if row[2] != "G" or value == -9999.0 or value > 0.6:
            continue
        if warm:
            time, degrees = min(warm, key=lambda one: (abs(one[0] - moment), one[0] < moment))
            if abs(time - moment) <= dt.timedelta(minutes=90) and degrees < 0:
                continue
        good.setdefault(moment.date(), []).append(value)
    least = 0.5 * statistics.median(seen.values())
    return {day: statistics.fmean(values) for day, values in good.items() if len(values) >= least}


def at(row):
    return dt.datetime.strptime(row[0], "%Y/%m/%d %H:%M")


def mean_of(parts):
    return {day: statistics.fmean(part[day] for part in parts if day in part) for day in set().union(*parts)}


def test_daily_means_of_good_readings_of_the_surface(tmp_path):
    rng = random.Random(11)
    folder = tmp_path / "network"
    expected = {}
    for number, station in enumerate(["Moor-1", "a_b_c", "Two Words", "7001", "S_ts_1", "X(5)"]):

        def write(rows, layout=number % 2, **more):
            # The provider's flag, with blanks or without, stands behind the flag.
            three = [(moment, value, flag + extra) for moment, value, flag, extra in rows]
            (ceop if layout else header_values)(folder, three, station=station, **more)  # noqa: B023
            return rows

        frozen = []
        if number % 3 == 0:
            frozen = write(random_rows(rng, -3, 12), layout=0, variable="ts")
        five = [write(random_rows(rng, 0.02, 0.64), depth=(0.05, 0.05), sensor=name) for name in "AB"[: 1 + number % 2]]
        write(random_rows(rng, 0.02, 0.64), depth=(0.2, 0.2), sensor="A")
        means = mean_of([daily(rows, frozen) for rows in five])
        if number == 2:
            # 0-5 cm has its middle at 2.5 cm: 3.75 of the 5 cm are nearer to it than to the sensor at 5 cm.
            top = daily(write(random_rows(rng, 0.02, 0.64), depth=(0.0, 0.05), sensor="Q"), frozen)
            means = {day: (3 * top[day] + means[day]) / 4 if day in means else top[day] for day in top}
        expected |= {(station, day): value for day, value in means.items()}
    for source in (folder, zipped(folder, tmp_path / "network.zip")):
        found = {}

        def take(one):
            for day, value in zip(one.means.key.tolist(), one.means.value.tolist()):
                found[one.name, day] = value  # noqa: B023

        result = import_stations([source], StationOptions(), take=take)
        assert found == pytest.approx(expected, rel=1e-13) and len(found) > 20
        assert not result.bad and "lines that cannot be read" not in result.left_out
