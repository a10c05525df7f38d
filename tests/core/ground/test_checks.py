"""Bad stations and maps end in sentences that say what to do."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from osgeo import osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.checks import station_notes
from soilmoisture.core.ground.layers import find_products, product_periods
from soilmoisture.core.ground.observations import clean_observations
from soilmoisture.core.ground.points import validate_points
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.stack import Band, StackWriter

GRID = ease_grid(9, 190, 880, 4, 5)
DAYS = [day(dt.date(2019, 5, 1) + dt.timedelta(days=k)) for k in range(8)]


def wkt_of(code):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(code)
    return reference.ExportToWkt()


def write(path, grid=GRID, days=DAYS, sea=False):
    rng = np.random.default_rng(1)
    with StackWriter(path, grid, [Band("soil_moisture", period, "m3/m3") for period in days]) as writer:
        for number in range(1, len(days) + 1):
            values = rng.uniform(0.1, 0.4, grid.shape)
            if sea:
                values[:, 0] = np.nan
            writer.write(number, values)
    return path


def observed(x, y, wkt, days=DAYS, names=None):
    rng = np.random.default_rng(2)
    names = names or [f"s{k}" for k in range(len(x))]
    rows = [(n, a, b, d.start, rng.uniform(0.1, 0.4)) for n, a, b in zip(names, x, y) for d in days]
    station, east, north, date, value = zip(*rows)
    return clean_observations(station, east, north, date, value, wkt)


@pytest.fixture
def degrees():
    """A map in degrees around 30 E, 40 N, so that swapped coordinates are degrees, too."""
    return Grid(wkt_of(4326), (29.0, 0.5, 0.0, 42.0, 0.0, -0.5), 8, 8)


def test_swapped_coordinates_are_recognised(tmp_path, degrees):
    path = write(tmp_path / "map.tif", degrees)
    x, y = [30.2, 31.3, 32.1], [40.1, 40.8, 39.2]
    assert validate_points([path], observed(x, y, degrees.crs_wkt)).products[0].station_count == 3
    with pytest.raises(InputError, match=r"x and y \(longitude and latitude\) exchanged, 3 of 3 stations would lie"):
        validate_points([path], observed(y, x, degrees.crs_wkt))
    with pytest.raises(InputError, match="the sign of x .* changed, 3 of 3"):
        validate_points([path], observed([-v for v in x], y, degrees.crs_wkt))
    with pytest.raises(InputError, match="check coordinates and reference system of the points.$"):
        validate_points([path], observed([100.0, 101.0], [10.0, 11.0], degrees.crs_wkt))


def test_stations_outside_and_in_the_sea_are_listed(tmp_path):
    path = write(tmp_path / "map.tif", sea=True)
    x = [*GRID.x_centres()[[0, 1, 2, 3]], GRID.x_centres()[0] - 5e5]
    y = [*GRID.y_centres()[[1, 1, 2, 3]], GRID.y_centres()[0]]
    result = validate_points([path], observed(x, y, GRID.crs_wkt)).products[0]
    why = {row.station: (row.status, row.why) for row in result.missing}
    assert why == {"s0": (7, "without a product value"), "s4": (7, "outside the product")}
    flat = result.missing[0].flat()
    assert flat["n_obs"] == 0 and flat["status"] == 7 and "p_R" in flat


def test_dates_without_overlap_name_both_spans(tmp_path):
    path = write(tmp_path / "map.tif")
    late = [day(dt.date(2021, 7, 1) + dt.timedelta(days=k)) for k in range(4)]
    points = observed(GRID.x_centres()[:3], GRID.y_centres()[:3], GRID.crs_wkt, days=late)
    with pytest.raises(
        InputError, match="its dates are 2019-05-01 to 2019-05-08, those of the observations 2021-07-01 to 2021-07-04"
    ):
        validate_points([path], points)


def test_one_value_constant_series_and_late_stations_get_a_status(tmp_path):
    path = write(tmp_path / "map.tif")
    x, y = GRID.x_centres()[[0, 1, 2, 3]], GRID.y_centres()[[0, 1, 2, 3]]
    rows = [("good", x[0], y[0], d.start, 0.1 + 0.02 * k) for k, d in enumerate(DAYS)]
    rows += [("still", x[1], y[1], d.start, 0.2) for d in DAYS]
    rows += [("once", x[2], y[2], DAYS[3].start, 0.3), ("late", x[3], y[3], dt.date(2022, 1, 1), 0.3)]
    points = clean_observations(*map(list, zip(*rows)), GRID.crs_wkt)
    assert any("'still'" in note and "always report the same value" in note for note in station_notes(points))
    product = validate_points([path], points).products[0]
    status = {row.station: (row.status, row.why) for row in (*product.stations, *product.missing)}
    assert status["good"] == (0, "")
    assert status["still"] == (2, "the station always measures the same")
    assert status["once"] == (1, "one pair only")
    assert status["late"] == (4, "on no date of the product")


def test_repeated_rows_and_shared_places_are_told():
    rows = [("a", 1.0, 2.0, "2020-01-01", 0.2), ("a", 1.0, 2.0, "2020-01-01", 0.2), ("b", 1.0, 2.0, "2020-01-01", 0.3)]
    rows.append(("c", 5.0, 6.0, "2020-01-01", 0.3))
    notes = station_notes(clean_observations(*map(list, zip(*rows)), wkt_of(32633)))
    assert any("1 row repeat another row" in note and "'a'" in note for note in notes)
    assert any("Stations 'a', 'b' lie at exactly the same places" in note for note in notes)
    assert station_notes(clean_observations(*map(list, zip(*rows[2:])), wkt_of(32633))) == ()


def test_odd_products_and_sources_are_told(tmp_path, degrees):
    path = write(tmp_path / "map.tif", degrees)
    points = observed([30.2, 31.3, 32.1], [40.1, 40.8, 39.2], degrees.crs_wkt)
    with pytest.raises(InputError, match="map.tif is given as the map and as its own coarse source"):
        validate_points([path], points, [path])
    assert len(validate_points([path, path], points).products) == 1
    for folder in ("a", "b"):
        (tmp_path / folder / "out").mkdir(parents=True)
        write(tmp_path / folder / "out" / "map.tif", degrees)
    both = [tmp_path / folder / "out" / "map.tif" for folder in ("a", "b")]
    assert [product.name for product in find_products(both)] == ["map", "map (2)"]
    with pytest.raises(InputError, match="Only 24 pairs of map .* or lower the fewest pairs of a station"):
        validate_points([path], points, min_pairs=30)
    with pytest.raises(InputError, match="No pairs of map"):
        validate_points([path], observed([0.0], [0.0], degrees.crs_wkt))


def test_values_that_are_no_classes_are_told(tmp_path):
    path = write(tmp_path / "map.tif")
    x, y = GRID.x_centres()[[0, 1, 2, 3]], GRID.y_centres()[[0, 1, 2, 3]]
    x, y = np.repeat(x, 4) + np.tile(np.arange(4) * 200.0, 4), np.repeat(y, 4)
    labels = {"Cover": ["wet"] * 6 + ["dry"] * 6 + [""] * 4, "Name": [f"n{k}" for k in range(16)]}
    result = validate_points([path], observed(x, y, GRID.crs_wkt), station_classes=labels)
    assert {group.kind for group in result.products[0].groups} == {"Cover"}
    assert "Cover is unknown at 4 of 16 stations." in result.notes
    assert any(note.startswith("Name has 16 different values at 16 stations") for note in result.notes)


def test_several_variables_of_a_stack_are_products_with_their_depths(tmp_path):
    bands = [Band(name, period, "m3/m3") for name in ("sm_surface", "sm_rootzone") for period in DAYS]
    with StackWriter(tmp_path / "l4.tif", GRID, bands) as writer:
        for number, band in enumerate(bands, 1):
            writer.write(number, np.full(GRID.shape, 0.2))
            writer.tag(number, {"DEPTH": "0-5 cm" if band.name == "sm_surface" else "0-100 cm"})
    surface, root = find_products([tmp_path / "l4.tif"], "sm_surface, sm_rootzone")
    assert (surface.name, surface.depth) == ("l4 sm_surface", "0-5 cm")
    assert (root.name, root.depth) == ("l4 sm_rootzone", "0-100 cm")
    assert product_periods([tmp_path / "l4.tif"], "sm_surface, sm_rootzone") == DAYS
    with pytest.raises(InputError, match="no band 'sm_deep'"):
        find_products([tmp_path / "l4.tif"], "sm_surface,sm_deep")
