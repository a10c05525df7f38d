"""Layers of different grids, reference systems and periods brought together, against plain loops and GDAL."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.observations import clean_observations
from soilmoisture.core.ground.rasters.area_mean import AreaMean, project_axes
from soilmoisture.core.ground.rasters.common_time import shared_periods
from soilmoisture.core.ground.rasters.places import station_periods
from soilmoisture.core.ground.rasters.source import opened_sources
from soilmoisture.core.ground.rasters.together import bring_together
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.grid import Grid, ease_grid, wkt_of
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Band, StackWriter

RNG = np.random.default_rng(5)
FIRST = dt.date(2021, 6, 1)
UTM = wkt_of("EPSG:32614")


def write(path, grid, fields, periods, unit="m3/m3", name="soil_moisture"):
    with StackWriter(path, grid, [Band(name, period, unit) for period in periods], dtype="float64") as out:
        for number, values in enumerate(fields, 1):
            out.write(number, np.broadcast_to(values, grid.shape))
    return str(path)


def days(count):
    return [day(FIRST + dt.timedelta(days=k)) for k in range(count)]


@pytest.fixture
def opened_pair(tmp_path):
    """opened_pair(first periods, second periods, ...): sources of constant layers on one grid."""

    def make(*many):
        grid = Grid(UTM, (500000.0, 1000.0, 0.0, 5500000.0, 0.0, -1000.0), 3, 3)
        given = []
        for k, periods in enumerate(many):
            path = write(tmp_path / f"p{k}.tif", grid, [0.1 + 0.01 * i for i in range(len(periods))], periods)
            given.append((f"product {k}", [path]))
        return opened_sources(given)

    return make


def test_means_over_area_are_those_of_gdal_where_grids_nest():
    fine = Grid(UTM, (500000.0, 250.0, 0.0, 5500000.0, 0.0, -250.0), 48, 64)
    coarse = Grid(UTM, (500000.0, 2000.0, 0.0, 5500000.0, 0.0, -2000.0), 6, 8)
    values = RNG.random(fine.shape)
    memory = gdal.GetDriverByName("MEM").Create("", 64, 48, 1, gdal.GDT_Float64)
    memory.SetGeoTransform(fine.transform)
    memory.SetProjection(UTM)
    memory.GetRasterBand(1).WriteArray(values)
    xmin, ymin, xmax, ymax = coarse.extent()
    bounds = (xmin, ymin, xmax, ymax)
    expected = gdal.Warp("", memory, format="MEM", outputBounds=bounds, width=8, height=6, resampleAlg="average")
    mean = AreaMean(fine, coarse)
    got, share = mean(values)
    assert got == pytest.approx(expected.ReadAsArray(), abs=1e-12) and share == pytest.approx(1.0)


def test_windows_of_grids_that_do_not_nest_give_the_same_means_as_the_whole():
    fine = Grid(UTM, (500130.0, 300.0, 0.0, 5499900.0, 0.0, -300.0), 40, 50)
    coarse = Grid(UTM, (500000.0, 1700.0, 0.0, 5500000.0, 0.0, -1700.0), 7, 9)
    values = np.where(RNG.random(fine.shape) < 0.2, np.nan, RNG.random(fine.shape))
    whole = AreaMean(fine, coarse)
    expected, expected_share = whole(values[_box(whole)])
    for row0, rows, col0, cols in ((0, 3, 0, 4), (3, 4, 4, 5), (2, 1, 8, 1)):
        part = AreaMean(fine, coarse.window(row0, col0, rows, cols))
        got, share = part(values[_box(part)])
        assert got == pytest.approx(expected[row0 : row0 + rows, col0 : col0 + cols], nan_ok=True, abs=1e-12)
        assert share == pytest.approx(expected_share[row0 : row0 + rows, col0 : col0 + cols], abs=1e-12)


def test_means_across_reference_systems_against_projected_parts_of_pixels():
    """The oracle cuts every fine pixel into 20 x 20 points and projects them one by one."""
    fine = Grid(UTM, (560000.0, 1000.0, 0.0, 5500000.0, 0.0, -1000.0), 30, 30)
    lon, lat = (np.array(a) for a in ([-98.0, 0.05], [49.6, -0.05]))
    coarse = Grid(wkt_of("EPSG:4326"), (lon[0], lon[1], 0.0, lat[0], 0.0, lat[1]), 4, 5)
    values = RNG.random(fine.shape)
    values[:5] = np.nan
    transformation = osr.CoordinateTransformation(fine.crs, coarse.crs)
    x, y = np.meshgrid(560000 + (np.arange(600) + 0.5) * 50, 5500000 - (np.arange(600) + 0.5) * 50)
    moved = np.array(transformation.TransformPoints(np.column_stack([x.ravel(), y.ravel()]).tolist()))
    row, col = np.floor((lat[0] - moved[:, 1]) / 0.05), np.floor((moved[:, 0] - lon[0]) / 0.05)
    inside = (row >= 0) & (row < 4) & (col >= 0) & (col < 5)
    cell = (row * 5 + col)[inside].astype(int)
    at = np.repeat(np.repeat(values, 20, axis=0), 20, axis=1).ravel()[inside]
    known = np.isfinite(at)
    count = np.bincount(cell, minlength=20).reshape(4, 5)
    weight = np.bincount(cell, known, minlength=20).reshape(4, 5)
    total = np.bincount(cell, np.where(known, at, 0.0), minlength=20).reshape(4, 5)
    mean = AreaMean(fine, coarse)
    got, share = mean(values[_box(mean)])
    full = count > 0.999 * count.max()
    assert full.sum() >= 4
    assert got[full] == pytest.approx((total / np.maximum(weight, 1))[full], abs=0.004)
    assert share[full] == pytest.approx((weight / count.max())[full], abs=0.01)
    # A cell that the fine grid only touches says so.
    partly = (count > 0) & (count < 0.6 * count.max())
    assert (share[partly] < 0.75).all()


def test_large_lattices_are_projected_as_exactly_as_small_ones():
    fine = Grid(UTM, (560000.0, 100.0, 0.0, 5500000.0, 0.0, -100.0), 500, 600)
    lonlat = Grid(wkt_of("EPSG:4326"), (-98.2, 0.01, 0.0, 49.7, 0.0, -0.01), 50, 50)
    x, y = project_axes(fine.x_centres(), fine.y_centres(), fine, lonlat)
    transformation = osr.CoordinateTransformation(fine.crs, lonlat.crs)
    for r, c in ((0, 0), (250, 301), (499, 599), (17, 431)):
        lon, lat, _ = transformation.TransformPoint(float(fine.x_centres()[c]), float(fine.y_centres()[r]))
        assert (x[r, c], y[r, c]) == pytest.approx((lon, lat), abs=2e-6)


def test_the_longer_periods_are_the_common_ones_and_layers_count_by_their_days(opened_pair):
    june, july = month_of(FIRST), month_of(dt.date(2021, 7, 1))
    eight = [Period(FIRST + dt.timedelta(days=8 * k), FIRST + dt.timedelta(days=8 * k + 8)) for k in range(5)]
    with opened_pair([june, july], eight) as sources:
        time = shared_periods(sources, 0.3)
        assert list(time.periods) == [june, july]
        # 25 June to 3 July gives June six days and July two.
        assert time.parts[1][0] == ((0, 8.0), (1, 8.0), (2, 8.0), (3, 6.0))
        assert time.parts[1][1] == ((3, 2.0), (4, 8.0))
        assert time.parts[0] == (((0, 30.0),), ((1, 31.0),))
    with opened_pair([june, july], eight) as sources:
        assert list(shared_periods(sources, 0.5).periods) == [june]


def test_parts_of_a_day_stand_for_the_day(opened_pair):
    first = dt.datetime(2021, 6, 1)
    passes = [
        Period(first + dt.timedelta(days=k, hours=h), first + dt.timedelta(days=k, hours=h + 1))
        for k, h in ((0, 6), (0, 18), (2, 6))
    ]
    with opened_pair(days(3), passes) as sources:
        time = shared_periods(sources, 0.5)
        assert [p.label for p in time.periods] == ["2021-06-01", "2021-06-03"]
        assert time.parts[1] == (((0, 0.5), (1, 0.5)), ((2, 1.0),))
    later = [one.shifted(0.5) for one in passes]
    with opened_pair(passes, later) as sources:
        # Overpasses that never coincide meet in their days.
        assert [p.label for p in shared_periods(sources, 0.5).periods] == ["2021-06-01", "2021-06-03"]


def test_dates_that_do_not_meet_are_told(opened_pair):
    with opened_pair(days(3), [one.shifted(24 * 30) for one in days(3)]) as sources:
        with pytest.raises(InputError, match="no common period.*2021-06-01 to 2021-06-03.*2021-07-01"):
            shared_periods(sources, 0.3)
    with opened_pair([None], days(2)) as sources:
        with pytest.raises(InputError, match="carries no date but the product 1 has 2"):
            shared_periods(sources, 0.3)
    with opened_pair([month_of(FIRST)], days(4)) as sources:
        with pytest.raises(InputError, match="less than 30% of their days: lower the smallest share"):
            shared_periods(sources, 0.3)


def test_windows_read_what_a_plain_loop_gives(tmp_path):
    """Months from 8-day layers with gaps, fine pixels from another origin: area first, then time, both with shares."""
    coarse = ease_grid(9, 200, 2700, 3, 4)
    fine = coarse.subdivide(3)
    months = [month_of(FIRST), month_of(dt.date(2021, 7, 1))]
    eight = [Period(FIRST + dt.timedelta(days=8 * k), FIRST + dt.timedelta(days=8 * k + 8)) for k in range(7)]
    fields = np.where(RNG.random((7, *fine.shape)) < 0.35, np.nan, RNG.uniform(0.1, 0.4, (7, *fine.shape)))
    slow = RNG.uniform(0.1, 0.4, (2, *coarse.shape))
    given = [
        ("product", [write(tmp_path / "fine.tif", fine, fields, eight)]),
        ("reference", [write(tmp_path / "coarse.tif", coarse, slow, months)]),
    ]
    with opened_sources(given) as sources:
        together = bring_together(sources, 0.4, 0.6)
        assert together.grid.same_as(coarse)
        got = together.read((0, 3, 0, 4), Progress())
        parts = np.concatenate([together.read((r, 1, 0, 4), Progress()) for r in range(3)], axis=2)
    assert got == pytest.approx(parts, nan_ok=True, abs=1e-7)
    for k, month in enumerate(months):
        for r in range(3):
            for c in range(4):
                total = weight = 0.0
                for layer, period in enumerate(eight):
                    block = fields[layer, 3 * r : 3 * r + 3, 3 * c : 3 * c + 3]
                    known = block[np.isfinite(block)]
                    if len(known) / 9 >= 0.6 and month.overlap_days(period):
                        total += month.overlap_days(period) * known.mean()
                        weight += month.overlap_days(period)
                expected = total / weight if weight >= 0.4 * month.days else np.nan
                assert got[0, k, r, c] == pytest.approx(expected, nan_ok=True, abs=1e-7)
                assert got[1, k, r, c] == pytest.approx(slow[k, r, c], abs=1e-7)


def test_units_and_grids_of_one_source_must_agree(tmp_path):
    grid = ease_grid(9, 200, 2700, 3, 4)
    a = write(tmp_path / "a_20210601.tif", grid, [20.0], [days(1)[0]], "%")
    b = write(tmp_path / "a_20210602.tif", grid, [0.2], [days(2)[1]], "m3/m3")
    c = write(tmp_path / "a_20210603.tif", grid.window(0, 0, 2, 2), [0.2], [days(3)[2]])
    with pytest.raises(InputError, match="come in several units"), opened_sources([("product", [a, b])]):
        pass
    with pytest.raises(InputError, match="are on different grids"), opened_sources([("product", [b, c])]):
        pass
    with pytest.raises(InputError, match="No layer has a band 'moisture'"), opened_sources([("x", [b])], "moisture"):
        pass
    with opened_sources([("product", [a])]) as (source,):
        assert source.read(0, 0, 1, 0, 1) == pytest.approx(0.2) and "percent" in next(iter(source.notes))


def test_a_reading_stands_for_the_days_until_the_next():
    """Means of months with one date each fill their months; three days of daily readings do not fill one."""
    months = [month_of(dt.date(2021, m, 1)) for m in range(1, 7)]
    rows = [("monthly", dt.date(2021, m, 15), 0.1 * m) for m in range(1, 6)]
    rows += [("daily", dt.date(2021, m, d), 0.2) for m in (1, 2) for d in range(1, 21 if m == 1 else 4)]
    rows += [("single", dt.date(2021, 3, 3), 0.3)]
    names, dates, values = zip(*rows)
    observations = clean_observations(names, [0.0] * len(rows), [0.0] * len(rows), dates, values, UTM, unit="m3/m3")
    got = station_periods(observations, months, 0.3)
    nan = np.nan
    assert observations.places()[0].tolist() == ["daily", "monthly", "single"]
    assert got[:, 0] == pytest.approx([0.2, nan, nan, nan, nan, nan], nan_ok=True)
    assert got[:, 1] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, nan], nan_ok=True)
    assert np.isnan(got[:, 2]).all()


def test_places_that_do_not_overlap_are_told(tmp_path):
    here, there = ease_grid(9, 200, 2700, 3, 4), ease_grid(9, 400, 100, 3, 4)
    given = [
        ("product", [write(tmp_path / "here.tif", here, [0.2], days(1))]),
        ("reference", [write(tmp_path / "there.tif", there, [0.2], days(1))]),
    ]
    with (
        opened_sources(given) as sources,
        pytest.raises(InputError, match=r"The product \(here\) and the reference \(there\) do not overlap"),
    ):
        bring_together(sources, 0.3, 0.5)


def _box(mean):
    row0, rows, col0, cols = mean.box
    return slice(row0, row0 + rows), slice(col0, col0 + cols)
