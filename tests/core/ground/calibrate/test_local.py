"""Local regression against mgwr, kriging against gstools and pykrige, and against their textbook equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soilmoisture.core.ground.calibrate.drift_kriging import (
    DriftKriging,
    Variogram,
    fit_drift_kriging,
    fit_variogram,
)
from soilmoisture.core.ground.calibrate.gwr import corrected_akaike, fit_local_lines, station_sums

from .conftest import rows_of


def test_local_lines_as_mgwr(golden: dict[str, Any]) -> None:
    numbers = golden["local"]
    rows = rows_of(numbers["z"], numbers["y"], numbers["c"])
    model = fit_local_lines(rows, 25)
    np.testing.assert_allclose(model.surface(rows.east, rows.north), numbers["params25"], atol=1e-10)
    for q, expected in numbers["aicc"].items():
        assert corrected_akaike(fit_local_lines(rows, int(q))) == pytest.approx(expected, abs=1e-6)
    assert fit_local_lines(rows).neighbours == numbers["best"]


def test_local_lines_of_many_rows_per_station_by_plain_least_squares() -> None:
    random = np.random.default_rng(1)
    place = np.repeat(random.uniform(0, 50, (12, 2)), 4, axis=0)
    station = np.repeat(np.arange(12), 4)
    z = random.uniform(0.1, 0.4, 48)
    y = 0.1 + 0.5 * z + random.normal(0, 0.02, 48)
    model = fit_local_lines(rows_of(z, y, place, station), 8)
    at = np.array([20.0, 30.0])
    distance = np.hypot(*(place - at).T)
    reach = np.sort(np.hypot(*(place[::4] - at).T))[7] * 1.0000001
    weight = np.where(distance < reach, (1 - (distance / reach) ** 2) ** 2, 0)
    design = np.column_stack([np.ones(48), z])
    expected = np.linalg.solve(design.T @ (weight[:, None] * design), design.T @ (weight * y))
    np.testing.assert_allclose(model.surface(at[:1], at[1:])[0], expected, atol=1e-10)


def test_where_stations_share_a_value_the_slope_is_that_of_all() -> None:
    place = np.column_stack([np.arange(14.0) * 10, np.zeros(14)])
    z = np.array([0.2] * 7 + [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4])
    model = fit_local_lines(rows_of(z, 0.05 + 0.8 * z, place), 5)
    surface = model.surface(np.array([10.0]), np.array([0.0]))[0]
    assert surface[0] + surface[1] * 0.2 == pytest.approx(0.21, abs=1e-9)
    assert surface[1] == pytest.approx(0.8, abs=1e-6)


def test_kriging_with_drift_as_gstools_and_pykrige(golden: dict[str, Any]) -> None:
    numbers = golden["kriging"]
    rows = rows_of(numbers["z"], numbers["v"], np.column_stack([numbers["x"], numbers["y"]]))
    model = DriftKriging(*station_sums(rows), Variogram(1e-4, 4e-4, 30.0), 0.0)
    at = rows_of([0.2, 0.3, 0.15], np.zeros(3), [[50, 50], [12, 80], [90, 5]])
    np.testing.assert_allclose(model.predict(at), numbers["predicted"], atol=1e-6)
    np.testing.assert_allclose(model.predict(at), numbers["pykrige"], atol=1e-6)
    # The packages add the nugget: theirs is the variance of a new reading.
    np.testing.assert_allclose(model.variance(at) + 1e-4, numbers["variance"], atol=1e-8)


def test_kriging_of_series_is_that_of_all_rows_with_their_full_covariance() -> None:
    random = np.random.default_rng(3)
    count = np.array([3, 1, 4, 2, 5, 3, 2])
    station = np.repeat(np.arange(7), count)
    place = random.uniform(0, 60, (7, 2))[station]
    z = random.uniform(0.1, 0.4, len(station))
    y = 0.03 + 0.9 * z + random.normal(0, 0.02, 7)[station] + random.normal(0, 0.01, len(station))
    nugget, sill, reach, noise = 1e-4, 3e-4, 25.0, 1.5e-4
    rows = rows_of(z, y, place, station)
    model = DriftKriging(*station_sums(rows), Variogram(nugget, sill, reach), noise)

    distance = np.hypot(place[:, None, 0] - place[:, 0], place[:, None, 1] - place[:, 1])
    same = station[:, None] == station
    full = sill * np.exp(-distance / reach) + nugget * same + noise * np.eye(len(y))
    inverse = np.linalg.inv(full)
    design = np.column_stack([np.ones(len(y)), z])
    line = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ y)
    towards = sill * np.exp(-np.hypot(place[:, 0] - 30, place[:, 1] - 20) / reach)
    expected = line @ [1, 0.25] + towards @ inverse @ (y - design @ line)
    at = rows_of([0.25], [0.0], [[30, 20]])
    assert model.predict(at)[0] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(model.line, line, atol=1e-5)


def test_the_variogram_of_a_smooth_field_has_little_nugget_and_that_of_noise_no_sill() -> None:
    random = np.random.default_rng(0)
    place = random.uniform(0, 100, (80, 2))
    smooth = fit_variogram(place, 0.05 * np.sin(place[:, 0] / 20))
    noise = fit_variogram(place, random.normal(0, 0.05, 80))
    assert smooth.nugget < 0.1 * smooth.sill
    assert noise.nugget > 2 * noise.sill * (1 - np.exp(-10 / noise.reach))
    few = fit_variogram(place[:20], 0.05 * np.sin(place[:20, 0] / 20))
    extent = np.hypot(*np.ptp(place[:20], axis=0))
    assert few.reach == pytest.approx(extent / 3)


def test_two_stations_at_one_place_do_no_harm() -> None:
    place = np.array([[0, 0], [0, 0], [10, 0], [0, 10], [20, 20], [30, 5]], float)
    z = np.array([0.1, 0.12, 0.2, 0.3, 0.25, 0.15])
    rows = rows_of(z, z + 0.02, place)
    np.testing.assert_allclose(fit_drift_kriging(rows).predict(rows), z + 0.02, atol=1e-6)
