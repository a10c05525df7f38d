"""What the factor calculators share: bands by period, grids, means by days, summaries of what is written, strips."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.factors.common import (
    OnGrid,
    by_period,
    check_layers,
    finest_grid,
    mean_of,
    over,
    ratio,
    sources_of,
)
from soilmoisture.core.prepare.factors.output import FactorBand, FactorWriter
from soilmoisture.core.prepare.factors.spectral import SpectralOptions, make_indices
from soilmoisture.core.prepare.factors.thermal import make_thermal_inertia
from soilmoisture.core.raster import blocks, tiles
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period
from soilmoisture.core.raster.stack import Band, Stack, opened

CORNER, SIZE = (400000.0, 5000000.0), 1000.0


def days(first, last):
    return Period(dt.date(2021, 8, first), dt.date(2021, 8, last))


@pytest.fixture
def series(raster):
    """series(periods, name): sources of single-band layers, one per period (None: undated)."""

    def open_(periods, stack, name="ndvi"):
        paths = []
        for number, period in enumerate(periods):
            dates = [(period.start.isoformat(), period.end.isoformat())] if period else ()
            paths.append(raster(f"{name}{number}x", np.full((2, 3), number), CORNER, SIZE, names=[name], periods=dates))
        return sources_of(stack.enter_context(opened(paths)))

    return open_


@pytest.fixture
def kept_open():
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield stack


def test_bands_of_a_period(series, kept_open):
    a, b, c = days(1, 9), days(9, 17), days(17, 25)
    dated = by_period(series([b, a, c], kept_open), "NDVI")
    assert [(one.period, length) for one, length in over(dated, days(5, 11))] == [(a, 4), (b, 2)]
    # A band of exactly this period stands alone.
    assert [(one.period, length) for one, length in over(dated, b)] == [(b, 8)]
    assert over(dated, days(26, 28)) == []
    static = by_period(series([None], kept_open, "static"), "NDVI")
    assert [length for _, length in over(static, days(5, 11))] == [6]
    assert len(over(static, None)) == 1 and over(dated, None) == []


def test_bands_with_a_role_are_no_factors(raster):
    path = raster("coarse", np.ones((2, 2, 2)), CORNER, SIZE, names=["soil_moisture", "ndvi"], roles=["target", ""])
    with opened([path]) as stacks:
        assert [source.name for source in sources_of(stacks)] == ["ndvi"]


def test_two_bands_of_a_period_and_undated_ones_are_refused(series, kept_open):
    with pytest.raises(InputError, match="NDVI is there twice for 2021-08-01/2021-08-09, as band .* of ndvi0x and"):
        by_period(series([days(1, 9), days(1, 9)], kept_open), "NDVI")
    with pytest.raises(InputError, match="twice without a date"):
        by_period(series([None, None], kept_open, "a"), "NDVI")
    with pytest.raises(InputError, match="dated and undated"):
        by_period(series([None, days(1, 9)], kept_open, "b"), "NDVI")
    with pytest.raises(InputError, match="at least one layer"):
        check_layers([], "out.tif")


def test_means_of_readers_by_days():
    first = np.array([[1.0, np.nan, np.nan]])
    second = np.array([[4.0, 4.0, np.nan]])
    read = mean_of([(lambda row0, rows: first, 1.0), (lambda row0, rows: second, 3.0)])
    np.testing.assert_array_equal(read(0, 1), [[3.25, 4.0, np.nan]])


def test_ratio_of_nothing():
    found = ratio(np.array([1.0, 1.0, 1.0, np.nan]), np.array([0.0, 1e-6, -9e-7, 1.0]))
    np.testing.assert_array_equal(found, [np.nan, 1 / 1e-6, np.nan, np.nan])


def test_finest_grid_is_the_first_of_about_equals(raster):
    wide = raster("wide", np.ones((4, 4)), CORNER, 1000.0)
    near = raster("near", np.ones((4, 4)), (300000.0, 5000000.0), 500.0)
    same = raster("same", np.ones((4, 4)), (600000.0, 5000000.0), 490.0)
    with opened([wide, near, same]) as stacks:
        assert finest_grid(sources_of(stacks)) == stacks[1].grid
        assert finest_grid(sources_of(stacks[:1])) == stacks[0].grid


def test_undeclared_fills_are_refused_whatever_the_grid(raster):
    values = np.full((8, 8), 0.3)
    values[3, 3] = -9999
    path = raster("fill", values, CORNER, SIZE)
    with opened([path]) as stacks:
        source = sources_of(stacks)[0]
        for grid in (stacks[0].grid, stacks[0].grid.subdivide(2)):
            with pytest.raises(InputError, match="-9999 but declares no nodata value"):
                OnGrid(source, grid)(0, grid.rows)


@pytest.mark.parametrize("heights", [[100], [1, 7, 30, 62], [33, 33, 34]])
def test_summaries_do_not_depend_on_the_strips(tmp_path, heights, monkeypatch):
    """Every n-th pixel of the whole layer is sampled and mapped, wherever a strip starts."""
    from soilmoisture.core.prepare.factors import output

    monkeypatch.setattr(output, "_SAMPLED", 600)
    monkeypatch.setattr(output, "_MAP", 40)
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 100, 90))
    values[0, rng.uniform(size=(100, 90)) < 0.2] = np.nan
    values[1] = np.nan
    grid = ease_grid(1, 0, 0, 100, 90)
    outputs = [FactorBand(Band("a", None, "1"), {"LONG_NAME": "A"}), FactorBand(Band("b"))]
    with FactorWriter(tmp_path / "out.tif", grid, outputs) as out:
        row0 = 0
        for rows in heights:
            for number in (1, 2):
                out.write(number, values[number - 1, row0 : row0 + rows], row0)
            row0 += rows
    written = out.written()
    one, other = written.bands
    stored = values[0].astype(np.float32)
    known = stored[np.isfinite(stored)]
    assert one.valid_share == pytest.approx(known.size / 9000) and one.mean == pytest.approx(known.mean(), abs=1e-6)
    assert (one.minimum, one.maximum) == (known.min(), known.max())
    step = 6  # the root of 9000 pixels over 300 values, rounded up
    every = stored[::step, ::step]
    np.testing.assert_array_equal(np.sort(one.sample), np.sort(every[np.isfinite(every)]))
    assert one.median == pytest.approx(np.nanmedian(every))
    np.testing.assert_array_equal(written.maps[0][1], stored[::3, ::3])
    assert other.valid_share == 0 and np.isnan([other.minimum, other.median, other.mean]).all()
    with Stack.open(tmp_path / "out.tif") as stack:
        np.testing.assert_allclose(stack.read(1), stored)


def test_thin_strips_give_the_same_layers(tmp_path, raster, monkeypatch):
    """Interpolated albedo, latitudes, edges and indices: no seam where a strip ends."""
    rng = np.random.default_rng(4)
    shape = (60, 50)
    ndvi, dryness = rng.uniform(0.1, 0.9, shape), rng.uniform(size=shape)
    day = 290 + dryness * (40 - 36 * ndvi)
    bands = {"red": 0.06 + 0 * ndvi, "nir": 0.06 * (1 + ndvi) / (1 - ndvi), "lst_day": day, "lst_night": day - 12}
    period = ("2021-08-05", "2021-08-13")
    layers = [raster(name, values, CORNER, SIZE, names=[name], periods=[period]) for name, values in bands.items()] + [
        raster("albedo", rng.uniform(0.1, 0.3, (12, 10)), CORNER, 5 * SIZE, names=["albedo"], periods=[period])
    ]
    found = []
    for number, pixels in enumerate((tiles.PIXELS, 350)):
        monkeypatch.setattr(tiles, "PIXELS", pixels)
        monkeypatch.setattr(blocks, "PIXELS", pixels)
        paths = [tmp_path / f"{name}{number}.tif" for name in ("indices", "ati")]
        make_indices(layers[:3], paths[0], SpectralOptions(["NDVI", "TVDI"]))
        make_thermal_inertia(layers[2:], paths[1])
        for path in paths:
            with Stack.open(path) as stack:
                found.append([stack.read(k + 1) for k in range(len(stack.bands))])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])
    assert np.isfinite(found[0]).all() and np.isfinite(found[1]).all()
