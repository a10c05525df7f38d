"""Pairs of stations and products, against plain loops over points."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from osgeo import osr

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.ground.matching import sample_products
from soilmoisture.core.ground.observations import clean_observations
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

COARSE = ease_grid(9, 190, 880, 6, 7)
FINE = COARSE.subdivide(9)
AUGUST = [day(dt.date(2019, 8, d)) for d in range(1, 6)]


def wkt(code: int) -> str:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(code)
    return reference.ExportToWkt()


def nearest_smooth(values, grid, x, y):
    """Stands in for the conserving interpolation where its values do not matter."""
    row, col = grid.cell_of(x, y)
    return values[row, col] + 0.001


def write(path, grid, layers, name="soil_moisture", role="", unit="m3/m3"):
    with StackWriter(path, grid, [Band(name, period, unit, role) for period, _ in layers]) as writer:
        for number, (_, values) in enumerate(layers, 1):
            writer.write(number, values)
    return path


def random_layers(rng, grid, periods):
    return [(period, rng.uniform(0.05, 0.45, grid.shape)) for period in periods]


def station_table(rng, grid, stations=40, readings=300):
    """Stations in longitude and latitude, a few of them outside the grid."""
    xmin, ymin, xmax, ymax = grid.extent()
    pad = 0.1 * (xmax - xmin)
    x, y = rng.uniform(xmin - pad, xmax + pad, stations), rng.uniform(ymin - pad, ymax + pad, stations)
    transformation = osr.CoordinateTransformation(grid.crs, _lonlat())
    lonlat = np.array([transformation.TransformPoint(a, b)[:2] for a, b in zip(x, y)])
    which = rng.integers(0, stations, readings)
    dates = [str(np.datetime64("2019-07-30") + int(k)) for k in rng.integers(0, 9, readings)]
    table = clean_observations(
        [f"s{k:02d}" for k in which],
        lonlat[which, 0],
        lonlat[which, 1],
        dates,
        rng.uniform(0.05, 0.4, readings),
        wkt(4326),
    )
    return table, x, y


def _lonlat():
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(4326)
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_pairs_equal_a_loop_over_points(tmp_path, rng):
    layers, coarse_layers = random_layers(rng, FINE, AUGUST), random_layers(rng, COARSE, AUGUST)
    layers[2][1][20:40] = np.nan
    coarse_layers[1][1][3] = np.nan
    product = write(tmp_path / "fine.tif", FINE, layers)
    baseline = write(tmp_path / "coarse.tif", COARSE, coarse_layers, role="target")
    table, x, y = station_table(rng, FINE)
    (pairs,) = sample_products([product], table, baseline, smooth=nearest_smooth)

    expected, reasons = (
        {},
        {
            "on no date of the product": 0,
            "outside the product": 0,
            "without a product value": 0,
            "without a coarse value": 0,
        },
    )
    for k in range(len(table)):
        if not any(p.start <= table.date[k].item() < p.end for p in AUGUST):
            reasons["on no date of the product"] += 1
    for i, period in enumerate(AUGUST):
        for s in range(40):
            values = [
                table.value[k]
                for k in range(len(table))
                if table.station[k] == f"s{s:02d}" and period.start <= table.date[k].item() < period.end
            ]
            if not values:
                continue
            col, row = (
                int((x[s] - FINE.transform[0]) // FINE.transform[1]),
                int((y[s] - FINE.transform[3]) // FINE.transform[5]),
            )
            if not (0 <= row < FINE.rows and 0 <= col < FINE.cols):
                reasons["outside the product"] += len(values)
            elif np.isnan(layers[i][1][row, col]):
                reasons["without a product value"] += len(values)
            elif np.isnan(coarse_layers[i][1][row // 9, col // 9]):
                reasons["without a coarse value"] += len(values)
            else:
                expected[f"s{s:02d}", period] = (
                    np.mean(values),
                    layers[i][1][row, col],
                    coarse_layers[i][1][row // 9, col // 9],
                    len(values),
                    row // 9 * COARSE.cols + col // 9,
                )
    found = {(str(pairs.stations[s]), pairs.periods[p]): k for k, (s, p) in enumerate(zip(pairs.station, pairs.period))}
    assert found.keys() == expected.keys() and len(pairs) == len(expected) > 50
    for key, (observed, predicted, coarse, count, cell) in expected.items():
        k = found[key]
        assert pairs.observed[k] == pytest.approx(observed, abs=1e-12)
        assert pairs.predicted[k] == pytest.approx(predicted, abs=1e-7)
        assert pairs.coarse[k] == pytest.approx(coarse, abs=1e-7)
        assert pairs.smooth[k] == pytest.approx(coarse + 0.001, abs=1e-7)
        assert (pairs.count[k], pairs.cell[k]) == (count, cell)
    assert pairs.dropped == {reason: n for reason, n in reasons.items() if n}
    assert all(reasons.values())
    assert pairs.has_baseline


def test_dated_layers_of_one_product_equal_its_stack(tmp_path, rng):
    layers = random_layers(rng, FINE, AUGUST)
    stack = write(tmp_path / "stack.tif", FINE, layers)
    single = [write(tmp_path / f"sm_{p.start:%Y%m%d}_D.tif", FINE, [(p, v)]) for p, v in layers]
    table, _, _ = station_table(rng, FINE)
    (one,), (many,) = sample_products([stack], table), sample_products(reversed(single), table)
    assert many.product == "sm_D" and many.periods == one.periods == tuple(AUGUST)
    for name in ("station", "period", "observed", "predicted", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))
    assert not one.has_baseline and np.isnan(one.coarse).all()


def test_undated_points_on_one_map(tmp_path, rng):
    values = rng.uniform(0.1, 0.4, FINE.shape)
    x, y = FINE.x_centres()[[3, 9, 30]], FINE.y_centres()[[5, 7, 41]]
    points = clean_observations(None, x, y, [2021] * 3, [0.2, 0.3, 0.25], FINE.crs_wkt)
    for period in (None, month_of(dt.date(2021, 8, 1))):
        path = write(tmp_path / "map.tif", FINE, [(period, values)])
        coarse = write(tmp_path / "cells.tif", COARSE, [(None, rng.uniform(0.1, 0.4, COARSE.shape))])
        (pairs,) = sample_products([path], points, coarse, smooth=nearest_smooth)
        np.testing.assert_allclose(pairs.predicted, values[[5, 7, 41], [3, 9, 30]], atol=1e-7)


def test_dates_that_do_not_fit_are_refused(tmp_path, rng):
    undated = clean_observations(None, [0.0], [0.0], None, [0.2], FINE.crs_wkt)
    dated = clean_observations(None, [0.0], [0.0], ["2019-08-01"], [0.2], FINE.crs_wkt)
    series = write(tmp_path / "series.tif", COARSE, random_layers(rng, COARSE, AUGUST))
    still = write(tmp_path / "still.tif", COARSE, random_layers(rng, COARSE, [None]))
    with pytest.raises(InputError, match="observations carry no date but series has 5 periods"):
        sample_products([series], undated)
    with pytest.raises(InputError, match="observations carry dates but still has none"):
        sample_products([still], dated)
    with pytest.raises(InputError, match="baseline carries no date but the product has 5"):
        sample_products([series], dated, still)
    with pytest.raises(InputError, match="product carries no date but the coarse baseline has 5"):
        sample_products([still], undated, series)
    with pytest.raises(InputError, match="at least one"):
        sample_products([], dated)


def test_a_daily_baseline_is_averaged_over_the_product_s_month(tmp_path):
    x, y = COARSE.x_centres()[:2], COARSE.y_centres()[:2]
    month = month_of(dt.date(2019, 8, 1))
    product = write(tmp_path / "monthly.tif", COARSE, [(month, np.full(COARSE.shape, 0.3))])
    layers = [(day(dt.date(2019, 8, d)), np.full(COARSE.shape, d / 100)) for d in range(1, 17)]
    for _, values in layers[:4]:
        values[1, 1] = np.nan  # 12 of 31 days are less than half
    baseline = [write(tmp_path / f"c_{p.start}.tif", COARSE, [(p, v)]) for p, v in layers]
    points = clean_observations(["a", "b"], x, y, ["2019-08-20"] * 2, [0.2, 0.2], COARSE.crs_wkt)
    (pairs,) = sample_products([product], points, baseline, smooth=nearest_smooth)
    assert pairs.coarse == pytest.approx([np.mean(np.arange(1, 17)) / 100], abs=1e-7)
    assert pairs.dropped == {"without a coarse value": 1}
    # The other way: a day of the product takes the month it lies in.
    daily = write(
        tmp_path / "daily.tif",
        COARSE,
        [(AUGUST[0], np.full(COARSE.shape, 0.3)), (AUGUST[1], np.full(COARSE.shape, 0.3))],
    )
    points = clean_observations(["a"], x[:1], y[:1], ["2019-08-02"], [0.2], COARSE.crs_wkt)
    monthly = write(tmp_path / "m.tif", COARSE, [(month, np.full(COARSE.shape, 0.25))])
    assert sample_products([daily], points, monthly, smooth=nearest_smooth)[0].coarse == pytest.approx([0.25])


def test_products_of_other_periods_do_not_share_a_baseline(tmp_path):
    """One coarse day is all of a day but too little of a week."""
    week = Period(dt.date(2019, 8, 1), dt.date(2019, 8, 8))
    fields = np.full(COARSE.shape, 0.2)
    products = [
        write(tmp_path / f"{name}.tif", COARSE, [(period, fields)])
        for name, period in (("daily", AUGUST[0]), ("weekly", week))
    ]
    points = clean_observations(
        None, COARSE.x_centres()[:1], COARSE.y_centres()[:1], ["2019-08-01"], [0.2], COARSE.crs_wkt
    )
    coarse = write(tmp_path / "c.tif", COARSE, [(AUGUST[0], fields), (day(dt.date(2019, 9, 1)), fields)])
    daily, weekly = sample_products(products, points, coarse, smooth=nearest_smooth)
    assert len(daily) == 1 and len(weekly) == 0 and weekly.dropped == {"without a coarse value": 1}


def test_the_smooth_baseline_is_that_of_the_whole_coarse_field(tmp_path, rng):
    """Only the cells around the stations are read: far ones must not matter."""
    from soilmoisture.core.raster.conserve import smooth_at_points

    coarse = ease_grid(36, 50, 100, 60, 50)
    values = rng.uniform(0.1, 0.4, coarse.shape)
    x, y = coarse.x_centres()[[25, 26]] + 9000, coarse.y_centres()[[30, 28]] - 9000
    path = write(tmp_path / "c.tif", coarse, [(None, values)])
    points = clean_observations(["a", "b"], x, y, None, [0.2, 0.2], coarse.crs_wkt)
    (pairs,) = sample_products([path], points, path)
    expected = smooth_at_points(values.astype(np.float32).astype(float), coarse, x, y)
    np.testing.assert_allclose(pairs.smooth, expected, atol=1e-7)
    assert np.abs(pairs.smooth - pairs.coarse).max() > 1e-3


def test_units_of_the_product(tmp_path):
    x, y = COARSE.x_centres()[:1], COARSE.y_centres()[:1]
    points = clean_observations(None, x, y, None, [0.2], COARSE.crs_wkt)
    percent = np.full(COARSE.shape, 25.0)
    (pairs,) = sample_products([write(tmp_path / "p.tif", COARSE, [(None, percent)], unit="%")], points)
    assert pairs.predicted == pytest.approx([0.25]) and "percent" in pairs.notes[0]
    with pytest.raises(InputError, match="reach 25, which is not soil moisture"):
        sample_products([write(tmp_path / "p.tif", COARSE, [(None, percent)], unit="")], points)
    with pytest.raises(InputError, match="reach 25 mm"):
        sample_products([write(tmp_path / "p.tif", COARSE, [(None, percent)], unit="mm")], points)
    (pairs,) = sample_products([write(tmp_path / "p.tif", COARSE, [(None, percent * 0 - 9998.0)])], points)
    assert len(pairs) == 0 and "undeclared nodata" in pairs.notes[0] and pairs.dropped == {"without a product value": 1}


def test_rasters_are_read_by_tile_and_not_by_point(tmp_path, rng, monkeypatch):
    grid = Grid(wkt(6933), (0.0, 100.0, 0.0, 100_000.0, 0.0, -100.0), 1000, 1000)
    path = write(tmp_path / "large.tif", grid, [(None, rng.uniform(0.1, 0.4, grid.shape))])
    x, y = rng.uniform(0, 100_000, (2, 2000))
    points = clean_observations(None, x, y, None, np.full(2000, 0.2), grid.crs_wkt)
    calls = []
    read = Stack.read

    def counted(self, *window):
        calls.append(window)
        return read(self, *window)

    monkeypatch.setattr(Stack, "read", counted)
    (pairs,) = sample_products([path], points)
    assert len(pairs) == 2000 and len(calls) <= 16
    assert all(rows <= 256 and cols <= 256 for _, _, rows, _, cols in calls)


def test_a_cancelled_run_stops(tmp_path, rng):
    class Stopped(Progress):
        @property
        def cancelled(self):
            return True

    table, _, _ = station_table(rng, COARSE)
    path = write(tmp_path / "s.tif", COARSE, random_layers(rng, COARSE, AUGUST))
    with pytest.raises(Cancelled):
        sample_products([path], table, progress=Stopped())


def test_overlapping_periods_both_get_the_observation(tmp_path):
    week, first = Period(dt.date(2019, 8, 1), dt.date(2019, 8, 8)), AUGUST[0]
    path = write(tmp_path / "o.tif", COARSE, [(week, np.full(COARSE.shape, 0.2)), (first, np.full(COARSE.shape, 0.3))])
    points = clean_observations(
        None, COARSE.x_centres()[:1], COARSE.y_centres()[:1], ["2019-08-01"], [0.2], COARSE.crs_wkt
    )
    (pairs,) = sample_products([path], points)
    assert sorted(pairs.predicted.round(6)) == [0.2, 0.3]
