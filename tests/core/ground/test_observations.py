"""Station observations: complete rows, one place per station, and points in another CRS."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.observations import Observations, clean_observations, project
from soilmoisture.core.raster.grid import ease_grid

WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]'
)


def test_observations_keep_complete_rows():
    found = clean_observations(
        ["a", "b", "b", "c"],
        [10.0, 11.0, 11.0, np.nan],
        [50.0, 51.0, 51.0, 50.0],
        ["2019-04-15", "2019-04-15", "", "2019-04-15"],
        ["0.2", "No Data", "0.3", "0.3"],
        WGS84,
    )
    assert found.station.tolist() == ["a", "b"] and found.value.tolist() == [0.2, 0.3]
    assert found.dropped == {"no value": 1, "no place": 1} and not found.undated
    assert found.places()[0].tolist() == ["a", "b"]


def test_without_names_every_place_is_a_station():
    found = clean_observations(None, [11.0, 10.0, 11.0], [50.0, 50.0, 50.0], None, [0.1, 0.2, 0.3], WGS84)
    assert found.station.tolist() == ["point 1", "point 2", "point 1"] and found.undated


def test_a_name_at_several_places_becomes_several_stations():
    found = clean_observations(
        ["s", "s", "s", "t", "t"], [10.0, 10.0, 10.5, 11.0, 11.0002], [50.0] * 5, None, [0.1] * 5, WGS84
    )
    assert found.station.tolist() == ["s (1)", "s (1)", "s (2)", "t", "t"]
    assert found.x[3] == found.x[4] == pytest.approx(11.0001)
    assert "several places" in found.notes[-1]


def test_coordinates_that_are_not_degrees_are_refused():
    with pytest.raises(InputError, match="not degrees"):
        clean_observations(["a"], [600000.0], [5500000.0], None, [0.1], WGS84)
    with pytest.raises(InputError, match="no coordinate reference"):
        clean_observations(["a"], [10.0], [50.0], None, [0.1], "")
    with pytest.raises(InputError, match="no rows"):
        clean_observations([], [], [], [], [], WGS84)


def test_axis_order_and_points_that_cannot_be_projected():
    grid = ease_grid(9, 0, 0, 1624, 3856)
    x, y = project(np.array([-98.0, np.inf]), np.array([49.7, 49.7]), WGS84, grid)
    # EASE-Grid 2.0: x = a k0 lambda, with k0 = cos 30 / sqrt(1 - e^2 sin^2 30).
    e2 = 0.00669437999014
    k0 = np.cos(np.pi / 6) / np.sqrt(1 - e2 * 0.25)
    assert x[0] == pytest.approx(6378137 * k0 * np.radians(-98.0), abs=0.01)
    sine, e = np.sin(np.radians(49.7)), np.sqrt(e2)
    q = (1 - e2) * (sine / (1 - e2 * sine**2) - np.log((1 - e * sine) / (1 + e * sine)) / (2 * e))
    assert y[0] == pytest.approx(6378137 * q / (2 * k0), abs=0.01)
    assert np.isnan(x[1]) and np.isnan(y[1])


def test_places_of_rows_in_any_order():
    rng = np.random.default_rng(3)
    for names in (["b"], list("aabbca"), [], [str(k) for k in rng.integers(0, 12, 200)]):
        x = [float(ord(name[0])) for name in names]
        found = Observations(np.array(names, dtype=str), np.array(x), np.array(x), np.zeros(0), np.array(x), WGS84)
        stations, east, _, number = found.places()
        assert stations.tolist() == sorted(set(names)) and east.tolist() == [float(ord(s[0])) for s in stations]
        assert [stations[k] for k in number] == names
