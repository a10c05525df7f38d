"""Where the two grids of a run lie: shared regions, fine grids of any kind, other reference systems."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.common_grid import about_one_kilometre
from soilmoisture.core.prepare.extents import extent_in, window_of
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.stack import Stack

X0, Y0, CELL = 500000.0, 5300000.0, 9000.0
ROWS, COLS = 4, 5


def test_only_the_shared_region_is_kept(tmp_path, raster, layers, make_grids):
    factor = raster("part", np.ones((20, 20)), (X0 + CELL * 1.5, Y0 - CELL * 0.5), 500.0)
    result, _, _ = make_grids(tmp_path, layers[0], factor)
    assert (result.coarse.rows, result.coarse.cols) == (2, 2)
    assert result.coarse.transform[0] == X0 + CELL and result.coarse.transform[3] == Y0
    result, _, _ = make_grids(
        tmp_path, layers[0], layers[1], extent=(X0 + 10, Y0 - 2 * CELL, X0 + CELL, Y0 - CELL - 10)
    )
    assert result.coarse.shape == (1, 1)
    far = raster("far", np.ones((20, 20)), (X0 + 1e6, Y0), 500.0)
    with pytest.raises(InputError, match="no overlap between the target and factor 'far'"):
        make_grids(tmp_path, layers[0], far)
    with pytest.raises(InputError, match="no overlap between the target and the extent"):
        make_grids(tmp_path, layers[0], layers[1], extent=(0, 0, 1, 1))
    with pytest.raises(InputError, match="extent asked for is empty"):
        make_grids(tmp_path, layers[0], layers[1], extent=(X0 + CELL, Y0 - CELL, X0, Y0))


def test_a_fine_grid_that_does_not_nest(tmp_path, raster, layers, make_grids, bands):
    template = raster("template", np.zeros((40, 50)), (X0 + 400, Y0 - 300), 1100.0)
    result, fine, coarse = make_grids(tmp_path, layers[0], layers[1], fine_grid=template)
    values, grid = bands(fine)["ndvi", None], result.fine
    assert grid.cell_width == 1100.0 and (grid.transform[0] - X0 - 400) % 1100 == 0
    with Stack.open(coarse) as stack:
        assert stack.tags["RATIO"] == "0"
    mean, share = bands(coarse)["ndvi", None], bands(coarse)["valid_share", None]
    for i in range(ROWS):
        for j in range(COLS):
            total = seen = 0.0
            for r in range(grid.rows):
                for c in range(grid.cols):
                    top, left = grid.transform[3] - 1100 * r, grid.transform[0] + 1100 * c
                    y = max(0.0, min(top, Y0 - CELL * i) - max(top - 1100, Y0 - CELL * (i + 1)))
                    x = max(0.0, min(left + 1100, X0 + CELL * (j + 1)) - max(left, X0 + CELL * j))
                    if np.isfinite(values[r, c]):
                        total, seen = total + x * y * values[r, c], seen + x * y
            assert share[i, j] == pytest.approx(seen / CELL**2, abs=1e-6)
            if seen / CELL**2 > 0.501:
                assert mean[i, j] == pytest.approx(total / seen, abs=1e-6)


def test_fine_grids_that_cannot_be_used(tmp_path, raster, layers, make_grids):
    with pytest.raises(InputError, match="reference system"):
        make_grids(tmp_path, layers[0], layers[1], fine_grid=raster("t", np.zeros((9, 9)), (105, 47.8), 0.01, 4326))
    with pytest.raises(InputError, match="not finer than the target"):
        make_grids(tmp_path, layers[0], layers[1], fine_grid=layers[0])


def test_factors_in_degrees_under_a_target_in_metres(tmp_path, raster, make_grids, bands):
    """The axis-order trap: a field of longitude must vary along x; a layer of the whole globe must not cut the zone."""
    target = raster("soil_moisture", np.full((6, 6), 0.2), (X0 - 27000, Y0), CELL)
    step = 0.02
    lon = 104.0 + step * (np.arange(120) + 0.5)
    local = raster("lonlat", np.broadcast_to(lon, (80, 120)), (104.0, 48.4), step, 4326)
    globe = raster("globe", np.broadcast_to(89.5 - np.arange(180)[:, None], (180, 360)), (-180, 90), 1.0, 4326)
    result, fine, _ = make_grids(tmp_path, target, [local, globe])
    assert result.coarse.shape == (6, 6)
    made, back = bands(fine), osr.CoordinateTransformation(result.fine.crs, Grid.of(local).crs)
    points = np.array(
        [[back.TransformPoint(x, y)[:2] for x in result.fine.x_centres()] for y in result.fine.y_centres()]
    )
    np.testing.assert_allclose(made["lonlat", None], points[..., 0], atol=2e-3)
    np.testing.assert_allclose(made["globe", None], points[..., 1], atol=2e-3)


def test_a_target_in_degrees_is_weighted_by_area(tmp_path, raster, make_grids, bands, block_means):
    target = raster("soil_moisture", np.full((2, 2), 0.2), (10.0, 70.0), 4.0, 4326)
    values = np.random.default_rng(4).normal(size=(8, 8))
    _, _, coarse = make_grids(tmp_path, target, raster("ndvi", values, (10.0, 70.0), 1.0, 4326), ratio=4)
    edges = np.sin(np.radians(70.0 - np.arange(9)))
    weight = (edges[:-1] - edges[1:])[:, None] * np.ones(8)
    wanted = [
        [np.average(values[r : r + 4, c : c + 4], weights=weight[r : r + 4, c : c + 4]) for c in (0, 4)] for r in (0, 4)
    ]
    np.testing.assert_allclose(bands(coarse)["ndvi", None], wanted, atol=1e-6)
    assert np.abs(np.array(wanted) - block_means(values, 4)[0]).max() > 1e-3


def test_a_large_target_is_read_only_where_the_factors_are(tmp_path, raster, make_grids):
    """Elsewhere it may hold what it likes."""
    values = np.full((40, 40), 55.0)
    values[10:14, 20:25] = 0.2
    path = raster("soil_moisture", values, (X0, Y0), CELL)
    factor = raster("ndvi", np.ones((12, 15)), (X0 + 20 * CELL, Y0 - 10 * CELL), CELL / 3)
    result, _, _ = make_grids(tmp_path, path, factor)
    assert result.coarse.shape == (4, 5) and result.target_range == pytest.approx((0.2, 0.2))


def test_about_one_kilometre():
    assert about_one_kilometre(ease_grid(9, 200, 3000, 4, 4)) == 9
    assert about_one_kilometre(ease_grid(36, 50, 700, 4, 4)) == 36
    assert about_one_kilometre(Grid(_wkt(4326), (0.0, 0.25, 0.0, 50.0, 0.0, -0.25), 4, 4)) == 25


def test_extents_across_reference_systems():
    lonlat = Grid(_wkt(4326), (100.0, 0.1, 0.0, 50.0, 0.0, -0.1), 100, 150)
    utm = Grid(_wkt(32648), (X0, 1000.0, 0.0, Y0, 0.0, -1000.0), 100, 100)
    box = extent_in(utm, lonlat)
    there = osr.CoordinateTransformation(lonlat.crs, utm.crs)
    edge = [there.TransformPoint(100 + 15 * s, lat)[:2] for s in np.linspace(0, 1, 400) for lat in (40.0, 50.0)]
    edge += [there.TransformPoint(lon, 40 + 10 * s)[:2] for s in np.linspace(0, 1, 400) for lon in (100.0, 115.0)]
    wanted = [*np.min(edge, axis=0), *np.max(edge, axis=0)]
    np.testing.assert_allclose(box, wanted, atol=500)
    # Beyond the edge of the world the inverse projection comes back from the other side.
    sinusoidal = "+proj=sinu +R=6371007.181 +units=m +no_defs"
    world = Grid(_wkt(sinusoidal), (1.9e7, 5e4, 0.0, 1e6, 0.0, -5e4), 20, 40)
    west, _, east, _ = extent_in(lonlat, world)
    assert west == pytest.approx(1.9e7 / 6371007.181 * 180 / np.pi, abs=0.1) and 178 < east <= 180
    assert window_of(utm, (X0 - 5, Y0 - 2000, X0 + 1000, Y0 - 1000)) == (1, 0, 1, 1)


def test_a_layer_beyond_the_projection_is_named():
    utm = Grid(_wkt(32648), (X0, 1000.0, 0.0, Y0, 0.0, -1000.0), 100, 100)
    nowhere = Grid(_wkt(4326), (3e6, 0.1, 0.0, 50.0, 0.0, -0.1), 10, 10)
    with pytest.raises(InputError, match="The extent of factor 'dem' in EPSG:4326 cannot be expressed in EPSG:32648"):
        extent_in(utm, nowhere, "factor 'dem'")


def _wkt(definition):
    reference = osr.SpatialReference()
    reference.SetFromUserInput(f"EPSG:{definition}" if isinstance(definition, int) else definition)
    return reference.ExportToWkt()
