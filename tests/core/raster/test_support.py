"""Support means against plain loops over overlaps, GDAL, and a numerical integral of the footprint."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from osgeo import gdal, osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.support import RunningMean, Support

Array = NDArray[np.float64]


def grid(epsg: int, x: float, y: float, cell: tuple[float, float], rows: int, cols: int) -> Grid:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return Grid(reference.ExportToWkt(), (x, cell[0], 0.0, y, 0.0, -cell[1]), rows, cols)


def loop_means(fine: Grid, coarse: Grid, values: Array) -> tuple[Array, Array]:
    """Mean and share by looping over every pair of pixel and cell; areas on a sphere where the grid is geographic."""

    def overlap(a0: float, a1: float, b0: float, b1: float) -> float:
        return max(0.0, min(a1, b1) - max(a0, b0))

    def along_y(edges: Array) -> list[float]:
        return [math.sin(math.radians(e)) if coarse.is_geographic else float(e) for e in edges]

    fx, fy, cx, cy = fine.x_edges(), along_y(fine.y_edges()), coarse.x_edges(), along_y(coarse.y_edges())
    mean, share = np.full(coarse.shape, np.nan), np.zeros(coarse.shape)
    for i in range(coarse.rows):
        for j in range(coarse.cols):
            total = weight = 0.0
            for r in range(fine.rows):
                height = overlap(fy[r + 1], fy[r], cy[i + 1], cy[i])
                for c in range(fine.cols) if height > 0 else ():
                    area = height * overlap(fx[c], fx[c + 1], cx[j], cx[j + 1])
                    if area > 0 and math.isfinite(values[r, c]):
                        total += area * values[r, c]
                        weight += area
            if weight > 0:
                mean[i, j] = total / weight
                share[i, j] = weight / ((cy[i] - cy[i + 1]) * (cx[j + 1] - cx[j]))
    return mean, share


def field(fine: Grid, seed: int, holes: float) -> Array:
    rng = np.random.default_rng(seed)
    values = rng.normal(0.3, 0.1, fine.shape) + np.linspace(0, 5, fine.rows)[:, None]
    values[rng.random(fine.shape) < holes] = np.nan
    return values


PAIRS = {
    "nested": (grid(6933, 0, 9000, (1000, 1000), 9, 12), grid(6933, 0, 9000, (3000, 3000), 3, 4)),
    "shifted": (grid(6933, 370, 8700, (1000, 1000), 9, 12), grid(6933, 0, 9000, (3000, 3000), 3, 4)),
    "odd ratio": (grid(6933, -500, 9900, (730, 1110), 12, 17), grid(6933, 0, 9000, (3000, 2000), 4, 3)),
    "fine inside one corner": (grid(6933, 4000, 5000, (700, 700), 4, 4), grid(6933, 0, 9000, (3000, 3000), 3, 3)),
    "coarse inside fine": (grid(6933, -9000, 20000, (1000, 1000), 30, 30), grid(6933, 0, 9000, (3100, 3100), 2, 2)),
    "finer coarse": (grid(6933, 0, 9000, (3000, 3000), 3, 3), grid(6933, 500, 8500, (700, 700), 8, 8)),
    "lat/lon nested": (grid(4326, 100, 50, (0.5, 0.5), 12, 8), grid(4326, 100, 50, (2, 2), 3, 2)),
    "lat/lon shifted": (grid(4326, 99.8, 50.3, (0.3, 0.3), 14, 14), grid(4326, 100, 50, (2, 2), 2, 2)),
    "to the pole": (grid(4326, 0, 90, (5, 5), 6, 4), grid(4326, 0, 90, (10, 10), 3, 2)),
    "beyond the pole": (grid(4326, 0, 95, (5, 5), 6, 4), grid(4326, 0, 90, (10, 10), 2, 2)),
}


@pytest.mark.parametrize("holes", [0.0, 0.4])
@pytest.mark.parametrize("name", PAIRS)
def test_means_and_shares_are_those_of_a_loop_over_overlaps(name: str, holes: float) -> None:
    fine, coarse = PAIRS[name]
    values = field(fine, len(name), holes)
    if name == "beyond the pole":
        values[0] = np.nan  # pixels that are nowhere; the loop would give them area
    mean, share = Support(fine, coarse).mean(values)
    expected_mean, expected_share = loop_means(fine, coarse, values)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12)
    np.testing.assert_allclose(share, expected_share, atol=1e-9)


def test_latitude_weights_matter_and_are_right() -> None:
    """Two rows, 60-70 and 70-80 N: areas in the proportion of the differences of the sines."""
    coarse = grid(4326, 0, 80, (20, 20), 1, 1)
    mean, share = Support(coarse.subdivide(2), coarse).mean(np.array([[0.0, 0.0], [1.0, 1.0]]))
    sines = [math.sin(math.radians(v)) for v in (60, 70, 80)]
    assert mean[0, 0] == pytest.approx((sines[1] - sines[0]) / (sines[2] - sines[0]), rel=1e-12)
    assert share[0, 0] == pytest.approx(1.0)


def test_means_are_gdal_averages_on_covered_tagged_data() -> None:
    fine, coarse = PAIRS["nested"]
    values = field(fine, 3, 0.3)
    source = gdal.GetDriverByName("MEM").Create("", fine.cols, fine.rows, 1, gdal.GDT_Float64)
    source.SetGeoTransform(fine.transform)
    source.SetProjection(fine.crs_wkt)
    source.GetRasterBand(1).SetNoDataValue(-9999)
    source.GetRasterBand(1).WriteArray(np.where(np.isfinite(values), values, -9999))
    xmin, ymin, xmax, ymax = coarse.extent()
    warped = gdal.Warp(
        "",
        source,
        format="MEM",
        resampleAlg="average",
        outputBounds=(xmin, ymin, xmax, ymax),
        width=coarse.cols,
        height=coarse.rows,
    )
    np.testing.assert_allclose(Support(fine, coarse).mean(values)[0], warped.ReadAsArray(), rtol=1e-12)


@pytest.mark.parametrize("footprint", [None, 25.0])
@pytest.mark.parametrize("name", ["nested", "shifted", "lat/lon shifted"])
def test_strips_of_any_height_give_the_whole(name: str, footprint: float | None) -> None:
    fine, coarse = PAIRS[name]
    support = Support(fine, coarse, None if footprint is None else 3.0 if "lat" not in name else 200.0)
    values = field(fine, 1, 0.3)
    whole = support.mean(values)
    for height in (1, 2, 5, fine.rows):
        running = RunningMean(support)
        for row0 in range(0, fine.rows, height):
            running.add(values[row0 : row0 + height], row0)
        for part, expected in zip(running.result(), whole):
            np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-15)


def test_infinite_values_count_as_invalid_and_unseen_cells_are_empty() -> None:
    coarse = grid(6933, 0, 9000, (3000, 3000), 3, 3)
    values = np.full((9, 9), np.nan)
    values[0, 0], values[0, 1] = 7.0, np.inf
    mean, share = Support(coarse.subdivide(3), coarse).mean(values)
    assert mean[0, 0] == pytest.approx(7.0, rel=1e-14) and share[0, 0] == pytest.approx(1 / 9)
    assert np.isnan(mean.ravel()[1:]).all() and (share.ravel()[1:] == 0).all()


def test_grids_that_nest_but_for_rounded_corners_take_whole_pixels() -> None:
    coarse = grid(6933, 0, 9000, (3000, 3000), 3, 3)
    fine = coarse.subdivide(3)
    rounded = Grid(fine.crs_wkt, (4.0, 1000.0, 0.0, 9003.0, 0.0, -1000.0), *fine.shape)
    assert rounded.transform != fine.transform
    support = Support(rounded, coarse)
    assert support.ratio == 3
    assert np.diff(support.row_weights.indptr).tolist() == [3, 3, 3]
    values = field(fine, 0, 0.0)
    np.testing.assert_allclose(support.mean(values)[0], values.reshape(3, 3, 3, 3).mean(axis=(1, 3)), rtol=1e-13)


def footprint_by_integral(fine: Grid, coarse: Grid, values: Array, sigma: tuple[float, float]) -> tuple[Array, Array]:
    """Mean under a Gaussian, cut at 3 sigma per axis, by a midpoint sum over 40 points per pixel and axis."""
    n = 40
    x = (fine.x_edges()[:-1, None] + fine.cell_width * (np.arange(n) + 0.5) / n).ravel()
    y = (fine.y_edges()[:-1, None] - fine.cell_height * (np.arange(n) + 0.5) / n).ravel()
    dense = np.repeat(np.repeat(values, n, 0), n, 1)
    valid = np.isfinite(dense)
    mean, share = np.zeros(coarse.shape), np.zeros(coarse.shape)
    norm = math.erf(3 / math.sqrt(2))
    for i, cy in enumerate(coarse.y_centres()):
        for j, cx in enumerate(coarse.x_centres()):
            wx = np.exp(-0.5 * ((x - cx) / sigma[0]) ** 2) * (np.abs(x - cx) <= 3 * sigma[0])
            wy = np.exp(-0.5 * ((y - cy) / sigma[1]) ** 2) * (np.abs(y - cy) <= 3 * sigma[1])
            weight = wy[:, None] * wx * valid
            mean[i, j] = (weight * np.where(valid, dense, 0)).sum() / weight.sum()
            area = fine.cell_width * fine.cell_height / n**2
            share[i, j] = weight.sum() * area / (2 * math.pi * sigma[0] * sigma[1] * norm**2)
    return mean, share


def test_footprint_means_are_integrals_of_the_gaussian() -> None:
    coarse = ease_grid(9, 188, 876, 3, 3)
    fine = coarse.subdivide(3)
    values = field(fine, 5, 0.2)
    kilometres = 14.0
    east, north = coarse.ground_cell_size()
    # Half the power at half the width; on the map, as many cells as on the ground.
    on_ground = kilometres * 1000 / 2 / math.sqrt(2 * math.log(2))
    sigma = (on_ground * coarse.cell_width / east, on_ground * coarse.cell_height / north)
    mean, share = Support(fine, coarse, kilometres).mean(values)
    expected_mean, expected_share = footprint_by_integral(fine, coarse, values, sigma)
    np.testing.assert_allclose(mean, expected_mean, rtol=2e-4)
    np.testing.assert_allclose(share, expected_share, atol=2e-3)
    assert share[1, 1] < 1.0  # part of the footprint lies beyond the fine grid


def test_half_of_the_power_lies_where_the_width_says() -> None:
    """The weight at half the width from the centre is half the weight at the centre."""
    coarse = grid(32648, 400000, 5300000, (9000, 9000), 41, 41)
    weights = Support(coarse.subdivide(9), coarse, 30.0).col_weights[20].toarray().ravel()
    centres = coarse.subdivide(9).x_centres() - coarse.x_centres()[20]
    on_map = 15000.0 * coarse.cell_width / coarse.ground_cell_size()[0]
    assert np.interp(on_map, centres, weights) / weights.max() == pytest.approx(0.5, abs=1e-3)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_narrow_footprint_is_the_pixel_at_the_centre() -> None:
    coarse = grid(32648, 400000, 5300000, (9000, 9000), 3, 3)
    fine = coarse.subdivide(9)
    values = field(fine, 2, 0.0)
    np.testing.assert_allclose(Support(fine, coarse, 0.2).mean(values)[0], values[4::9, 4::9], rtol=1e-12)


@pytest.mark.parametrize("footprint", [0.0, -3.0, math.nan, math.inf])
def test_impossible_footprints_are_refused(footprint: float) -> None:
    coarse = ease_grid(9, 0, 0, 2, 2)
    with pytest.raises(InputError, match="positive width in kilometres"):
        Support(coarse.subdivide(2), coarse, footprint)


def test_grids_apart_or_in_other_crs_are_refused() -> None:
    coarse = ease_grid(9, 100, 100, 2, 2)
    with pytest.raises(InputError, match="do not overlap"):
        Support(ease_grid(1, 0, 0, 20, 20), coarse)
    with pytest.raises(InputError, match="fine grid is in EPSG:32648 and the coarse grid in EPSG:6933"):
        Support(grid(32648, 400000, 5300000, (1000, 1000), 9, 9), coarse)


def test_a_large_grid_is_set_up_at_once() -> None:
    coarse = ease_grid(9, 100, 100, 1111, 1111)
    support = Support(coarse.subdivide(9), coarse)
    started = time.perf_counter()
    weights = (support.row_weights, support.col_weights)
    assert time.perf_counter() - started < 1.0
    assert sum(w.data.nbytes + w.indices.nbytes + w.indptr.nbytes for w in weights) < 2**20
    strip = np.random.default_rng(0).random((54, 9999))
    running = RunningMean(support)
    running.add(strip, 0)
    expected = strip.reshape(6, 9, 1111, 9).mean(axis=(1, 3))
    np.testing.assert_allclose(running.result()[0][:6], expected, rtol=1e-12)
