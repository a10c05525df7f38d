"""The residual step against dense matrices built pixel by pixel, and what a smooth conserving field must be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from osgeo import osr
from scipy.ndimage import gaussian_filter

from soilmoisture.core.errors import InputError
from soilmoisture.core.raster.conserve import Conservation, Interpolation, smooth_at_points, smooth_field
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.support import Support

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def utm(x: float, y: float, cell: float, rows: int, cols: int) -> Grid:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32648)
    return Grid(reference.ExportToWkt(), (x, cell, 0.0, y, 0.0, -cell), rows, cols)


def lonlat(x: float, y: float, cell: float, rows: int, cols: int) -> Grid:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(4326)
    return Grid(reference.ExportToWkt(), (x, cell, 0.0, y, 0.0, -cell), rows, cols)


def dense_interpolation(fine: Grid, coarse: Grid, valid: Mask) -> Array:
    """U (pixels, cells), pixel by pixel: bilinear between cell centres, held at borders, shared among valid ones."""
    u = np.zeros((fine.rows * fine.cols, valid.size))
    for r in range(fine.rows):
        for c in range(fine.cols):
            row = (fine.y_centres()[r] - coarse.transform[3]) / coarse.transform[5] - 0.5
            col = (fine.x_centres()[c] - coarse.transform[0]) / coarse.transform[1] - 0.5
            row, col = min(max(row, 0.0), coarse.rows - 1.0), min(max(col, 0.0), coarse.cols - 1.0)
            for i in range(coarse.rows):
                for j in range(coarse.cols):
                    weight = max(0.0, 1 - abs(i - row)) * max(0.0, 1 - abs(j - col))
                    if valid[i, j]:
                        u[r * fine.cols + c, i * coarse.cols + j] = weight
    total = u.sum(axis=1, keepdims=True)
    return np.divide(u, total, out=np.zeros_like(u), where=total > 1e-9)


def dense_support(support: Support, in_use: Array, reach: Mask) -> Array:
    """A (cells, pixels) over the pixels in use: rows sum to one."""
    weights = np.kron(support.row_weights.toarray(), support.col_weights.toarray()) * (in_use * reach).ravel()
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 1e-12)


CASES = {
    "nested": (utm(0, 0, 1000, 30, 35), utm(0, 0, 5000, 6, 7)),
    "one fine pixel per cell": (utm(0, 0, 5000, 6, 7), utm(0, 0, 5000, 6, 7)),
    "not nested": (utm(-700, 300, 1300, 25, 28), utm(0, 0, 5000, 6, 7)),
    "part of the coarse grid": (utm(6000, -7000, 1000, 17, 19), utm(0, 0, 5000, 6, 7)),
    "one row": (utm(0, 0, 1000, 5, 35), utm(0, 0, 5000, 1, 7)),
    "one cell": (utm(0, 0, 1000, 5, 5), utm(0, 0, 5000, 1, 1)),
    "lat/lon": (lonlat(100, 60, 0.4, 30, 35), lonlat(100, 60, 2, 6, 7)),
}


def system_of(support: Support, in_use: Array, valid: Mask, height: int = 7) -> Conservation:
    system = Conservation(support, valid)
    for row0 in range(0, support.fine.rows, height):
        system.add(in_use[row0 : row0 + height], row0)
    return system


@pytest.mark.parametrize("gaps", [0.0, 0.25])
@pytest.mark.parametrize("holes", [0.0, 0.3])
@pytest.mark.parametrize("name", CASES)
def test_means_are_those_of_dense_matrices(name: str, holes: float, gaps: float) -> None:
    fine, coarse = CASES[name]
    support = Support(fine, coarse)
    rng = np.random.default_rng(len(name))
    in_use = (rng.random(fine.shape) >= holes).astype(float)
    valid = rng.random(coarse.shape) >= gaps
    valid.flat[0] = True
    u = dense_interpolation(fine, coarse, valid)
    a = dense_support(support, in_use, (u.sum(axis=1) > 0).reshape(fine.shape))
    nodes = rng.standard_normal(coarse.shape)
    system = system_of(support, in_use, valid)
    expected = np.where(a.sum(axis=1) > 0, a @ u @ nodes.ravel(), np.nan).reshape(coarse.shape)
    np.testing.assert_allclose(system.means(nodes), expected, atol=1e-12)
    field = system.interpolate(nodes)
    np.testing.assert_allclose(
        field, np.where(u.sum(axis=1) > 0, u @ nodes.ravel(), np.nan).reshape(fine.shape), atol=1e-12
    )
    for row0, count in ((0, 2), (3, 2)):
        np.testing.assert_array_equal(system.interpolate(nodes, row0, count), field[row0 : row0 + count])


@pytest.mark.parametrize("gaps", [0.0, 0.25])
@pytest.mark.parametrize("holes", [0.0, 0.3])
@pytest.mark.parametrize("name", CASES)
def test_solution_is_that_of_a_dense_solve(name: str, holes: float, gaps: float) -> None:
    fine, coarse = CASES[name]
    support = Support(fine, coarse)
    rng = np.random.default_rng(7 + len(name))
    in_use = (rng.random(fine.shape) >= holes).astype(float)
    wanted = rng.standard_normal(coarse.shape)
    wanted[rng.random(coarse.shape) < gaps] = np.nan
    wanted.flat[0] = 0.5
    valid = np.isfinite(wanted)
    u = dense_interpolation(fine, coarse, valid)
    a = dense_support(support, in_use, (u.sum(axis=1) > 0).reshape(fine.shape))
    # Cells with less than half of their pixels in use do not bind: they keep their own value as the node.
    seen = dense_support(support, np.ones(fine.shape), np.ones(fine.shape, bool)) @ in_use.ravel()
    binding = valid & (seen >= 0.5).reshape(coarse.shape)
    index = np.flatnonzero(binding)
    nodes = np.where(valid, wanted, 0.0).ravel()
    matrix = a[index] @ u
    nodes[index] += np.linalg.solve(matrix[:, index], wanted.flat[index] - matrix @ nodes)
    found, left = system_of(support, in_use, valid).solve(wanted, binding)
    assert np.abs(left).max() < 1e-8
    np.testing.assert_allclose(found.ravel()[valid.ravel()], nodes[valid.ravel()], atol=1e-7)


@pytest.mark.parametrize("ratio", [2, 9, 25])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.2])
@pytest.mark.parametrize("clumped", [False, True])
def test_conservation_is_exact_with_holes_and_gaps(ratio: int, share: float, clumped: bool) -> None:
    """The field itself is checked: its mean over the pixels in use, by a plain block mean."""
    coarse = ease_grid(9, 100, 100, 14, 15)
    fine = coarse.subdivide(ratio)
    rng = np.random.default_rng(ratio)
    noise = rng.standard_normal(fine.shape)
    noise = gaussian_filter(noise, ratio / 2) if clumped else noise
    in_use = (noise >= np.quantile(noise, 1 - share)).astype(float)
    wanted = rng.standard_normal(coarse.shape)
    wanted[rng.random(coarse.shape) < 0.2] = np.nan
    valid = np.isfinite(wanted)
    system = system_of(Support(fine, coarse), in_use, valid, 3 * ratio)
    nodes, left = system.solve(wanted, valid)
    blocks = (14, ratio, 15, ratio)
    used = in_use.reshape(blocks).sum(axis=(1, 3))
    field = np.nan_to_num(system.interpolate(nodes))
    mean = (field * in_use).reshape(blocks).sum(axis=(1, 3)) / np.maximum(used, 1)
    held = valid & (used > 0)
    assert np.abs(mean + left - wanted)[held].max() < 1e-8
    # Where only few pixels in corners are in use nothing smooth can be exact; elsewhere it is.
    assert np.abs(left)[held & (used >= 0.25 * ratio**2)].max(initial=0.0) < 1e-8
    assert (left[~held] == 0).all()


def test_scale_and_offset_of_the_wanted_values_do_not_matter() -> None:
    coarse = ease_grid(9, 100, 100, 10, 10)
    fine = coarse.subdivide(5)
    wanted = np.random.default_rng(1).standard_normal(coarse.shape)
    valid = np.ones(coarse.shape, bool)
    system = system_of(Support(fine, coarse), np.ones(fine.shape), valid)
    nodes, _ = system.solve(wanted, valid)
    for scale, offset in ((1e-6, 0.0), (1e6, 0.0), (1.0, 300.0)):
        scaled, left = system.solve(scale * wanted + offset, valid)
        np.testing.assert_allclose((scaled - offset) / scale, nodes, atol=1e-7)
        assert np.abs(left).max() < 1e-9 * (scale + offset)


def test_weights_of_pixels_in_use_count() -> None:
    """Multiplicative conservation: the mean of weight x field is the wanted share of the mean weight."""
    coarse = ease_grid(9, 100, 100, 8, 8)
    fine = coarse.subdivide(4)
    rng = np.random.default_rng(4)
    weight = rng.uniform(0.1, 2.0, fine.shape) * (rng.random(fine.shape) < 0.8)
    wanted = rng.uniform(0.5, 1.5, coarse.shape)
    valid = np.ones(coarse.shape, bool)
    system = system_of(Support(fine, coarse), weight, valid)
    nodes, _ = system.solve(wanted, valid)
    blocks = (8, 4, 8, 4)
    total = (weight * system.interpolate(nodes)).reshape(blocks).sum(axis=(1, 3))
    np.testing.assert_allclose(total / weight.reshape(blocks).sum(axis=(1, 3)), wanted, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("footprint", [None, 12.0])
def test_a_constant_stays_that_constant(name: str, footprint: float | None) -> None:
    fine, coarse = CASES[name]
    if footprint and coarse.is_geographic:
        footprint = 400.0
    field = smooth_field(np.full(coarse.shape, 0.237), Support(fine, coarse, footprint))
    np.testing.assert_allclose(field, 0.237, atol=1e-12)


def test_smooth_field_bridges_gaps_only_where_a_neighbour_is_near() -> None:
    coarse = ease_grid(9, 100, 100, 5, 5)
    values = np.full(coarse.shape, np.nan)
    values[2, 2] = 0.3
    field = smooth_field(values, Support(coarse.subdivide(4), coarse))
    near = np.zeros(field.shape, bool)
    near[6:14, 6:14] = True  # within one cell of the centre
    np.testing.assert_allclose(field[near], 0.3, atol=1e-12)
    assert np.isnan(field[~near]).all()


@pytest.mark.parametrize("ratio", [4, 9])
def test_block_edges_are_not_visible(ratio: int) -> None:
    """Steps across the edges of coarse cells are no larger than those inside; replicated cells step only there."""
    coarse = ease_grid(9, 100, 100, 20, 20)
    values = np.random.default_rng(0).standard_normal(coarse.shape)
    field = smooth_field(values, Support(coarse.subdivide(ratio), coarse))
    steps = np.abs(np.diff(field, axis=1))
    edge = np.arange(1, field.shape[1]) % ratio == 0
    assert steps[:, edge].max() <= steps[:, ~edge].max() * 1.0001
    assert steps[:, edge].mean() <= steps[:, ~edge].mean() * 1.35
    np.testing.assert_allclose(field.reshape(20, ratio, 20, ratio).mean(axis=(1, 3)), values, atol=1e-8)


def test_footprint_left_over_shrinks_and_is_what_remains() -> None:
    coarse = ease_grid(9, 188, 876, 16, 16)
    fine = coarse.subdivide(4)
    support = Support(fine, coarse, 20.0)
    wanted = gaussian_filter(np.random.default_rng(2).standard_normal(coarse.shape), 1.5)
    valid = np.ones(coarse.shape, bool)
    system = system_of(support, np.ones(fine.shape), valid)
    nodes, left = system.solve(wanted, valid)
    mean = support.mean(system.interpolate(nodes))[0]
    np.testing.assert_allclose(wanted - mean, left, atol=1e-5 * np.abs(wanted).max())
    first = wanted - support.mean(system.interpolate(wanted))[0]
    assert np.sqrt((left**2).mean()) < 0.5 * np.sqrt((first**2).mean())
    # Stopping early keeps the noise of the sensor from being sharpened.
    assert np.abs(nodes).max() < 3 * np.abs(wanted).max()


def test_no_valid_cell_is_a_sentence() -> None:
    coarse = ease_grid(9, 100, 100, 3, 3)
    support = Support(coarse.subdivide(3), coarse)
    with pytest.raises(InputError, match="no valid cell"):
        smooth_field(np.full(coarse.shape, np.nan), support)


def test_filling_gaps_of_an_interpolation() -> None:
    coarse = ease_grid(9, 100, 100, 4, 4)
    fine = coarse.subdivide(3)
    valid = np.zeros(coarse.shape, bool)
    valid[0, 0] = True
    nodes = np.random.default_rng(0).standard_normal(coarse.shape)
    gappy = Interpolation(fine, coarse, valid)
    assert np.isnan(gappy(nodes)).any()
    np.testing.assert_array_equal(
        gappy.without_gaps()(nodes), Interpolation(fine, coarse, np.ones(coarse.shape, bool))(nodes)
    )
    assert gappy.valid.sum() == 1


def test_points_see_the_smooth_field() -> None:
    coarse = ease_grid(9, 100, 100, 9, 10)
    rng = np.random.default_rng(3)
    values = rng.standard_normal(coarse.shape)
    values[rng.random(coarse.shape) < 0.2] = np.nan
    fine = coarse.subdivide(8)
    field = smooth_field(values, Support(fine, coarse))
    row, col = rng.integers(0, fine.rows, 300), rng.integers(0, fine.cols, 300)
    found = smooth_at_points(values, coarse, fine.x_centres()[col], fine.y_centres()[row])
    expected = np.where(np.isfinite(values[row // 8, col // 8]), field[row, col], np.nan)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_points_outside_or_without_any_value_are_nan() -> None:
    coarse = ease_grid(9, 100, 100, 3, 3)
    x, y = coarse.x_centres()[[0, 1]], coarse.y_centres()[[0, 1]]
    far = np.array([x[0], x[0] - 1e6]), np.array([y[0], y[0]])
    assert np.isfinite(smooth_at_points(np.ones((3, 3)), coarse, *far)).tolist() == [True, False]
    assert np.isnan(smooth_at_points(np.full((3, 3), np.nan), coarse, x, y)).all()
    assert smooth_at_points(np.ones((3, 3)), coarse, np.array([]), np.array([])).shape == (0,)


def test_tamed_nodes_make_no_spikes_and_conserve_with_what_is_left_over():
    """A cell that keeps only the pixels of one corner asks for a far node; held back, it still conserves."""
    random = np.random.default_rng(4)
    coarse = ease_grid(9, 200, 1900, 8, 9)
    support = Support(coarse.subdivide(9), coarse)
    wanted = 0.2 + 0.02 * random.normal(size=coarse.shape)
    wanted[4, 4] = 0.3
    used = np.ones(support.fine.shape)
    used[36:45, 36:45] = 0.0
    used[36:38, 36:38] = 1.0
    system = Conservation(support, np.isfinite(wanted))
    system.add(used, 0)
    everywhere = np.ones(coarse.shape, bool)
    nodes, _ = system.solve(wanted, everywhere)
    held, left = system.tamed(wanted, everywhere, nodes)
    near = wanted[3:6, 3:6]
    limit = near.max() + np.ptp(near)
    assert nodes[4, 4] > limit + 0.05 and held[4, 4] == pytest.approx(limit)
    field = system.interpolate(held) + np.repeat(np.repeat(left, 9, axis=0), 9, axis=1)
    mean, _ = support.mean(np.where(used > 0, field, np.nan))
    assert np.abs(mean - wanted).max() < 1e-9
