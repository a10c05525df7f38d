"""Bounds that hold the means of cells, against a slow search for the shift."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soilmoisture.core.raster.bounds import hold_bounds

Array = NDArray[np.float64]


def cells(seed: int, cells: int = 60, spread: float = 0.2) -> tuple[Array, NDArray[np.intp], Array]:
    rng = np.random.default_rng(seed)
    cell = np.sort(rng.integers(0, cells, 40 * cells))
    values = rng.normal(0.3, 0.12, cells)[cell] + rng.normal(0, spread, len(cell))
    wanted = np.array([values[cell == c].mean() if (cell == c).any() else np.nan for c in range(cells)])
    order = rng.permutation(len(cell))
    return values[order], cell[order], wanted


def slow(values: Array, weight: Array, wanted: float, lower: float, upper: float) -> Array:
    """One cell: bisection of the shift."""
    low, high = -1e3, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        mean = (np.clip(values + middle, lower, upper) * weight).sum() / weight.sum()
        low, high = (low, middle) if mean > wanted else (middle, high)
    return np.clip(values + (low + high) / 2, lower, upper)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("lower", "upper"), [(0.0, 0.6), (0.1, 0.35), (0.0, np.inf), (-np.inf, 0.4), (0.29, 0.31)])
def test_bounds_hold_and_means_too(lower: float, upper: float, weighted: bool) -> None:
    values, cell, wanted = cells(1)
    weight = np.random.default_rng(2).uniform(0.5, 1.5, len(values)) if weighted else np.ones(len(values))
    if weighted:
        wanted = np.bincount(cell, weight * values, len(wanted)) / np.bincount(cell, weight, len(wanted))
    result, clipped = hold_bounds(values, cell, wanted, lower, upper, weight if weighted else None)
    seen = 0
    for c, mean in enumerate(wanted):
        own = cell == c
        inside = (values[own] >= lower) & (values[own] <= upper)
        if inside.all() or not lower <= mean <= upper:
            assert (result[own] == values[own]).all() and not clipped[own].any()
            continue
        seen += 1
        assert result[own].min() >= lower and result[own].max() <= upper
        assert (result[own] * weight[own]).sum() / weight[own].sum() == pytest.approx(mean, abs=1e-12)
        np.testing.assert_allclose(result[own], slow(values[own], weight[own], mean, lower, upper), atol=1e-9)
        at_bound = (result[own] == lower) | (result[own] == upper)
        assert (clipped[own] <= at_bound).all() and at_bound.any()
        # One shift for all that are not clipped.
        assert np.ptp((result - values)[own & ~clipped]) < 1e-12
    assert seen >= 2


def test_values_within_bounds_are_returned_as_they_are() -> None:
    values, cell, wanted = cells(3, spread=0.01)
    result, clipped = hold_bounds(values, cell, wanted, -10.0, 10.0)
    assert result is values and not clipped.any()


def test_cells_that_do_not_bind_are_clipped_only() -> None:
    values = np.array([-0.1, 0.5, 0.9, 0.2])
    result, clipped = hold_bounds(values, np.array([0, 0, 0, 1]), np.array([np.nan, 0.2]), 0.0, 0.6)
    assert result.tolist() == [0.0, 0.5, 0.6, 0.2] and clipped.tolist() == [True, False, True, False]
    assert values[0] == -0.1


@pytest.mark.parametrize("mean", [0.0, 0.6])
def test_a_mean_at_a_bound_makes_the_cell_constant(mean: float) -> None:
    values = np.array([-0.3, 0.1, 0.2, 0.9])
    result, _ = hold_bounds(values, np.zeros(4, np.intp), np.array([mean]), 0.0, 0.6)
    np.testing.assert_allclose(result, mean, atol=1e-12)


def test_far_outliers_and_single_pixels_converge() -> None:
    values = np.array([1e9, 0.1, 0.2, -1e9, -0.5])
    cell = np.array([0, 0, 0, 0, 1])
    result, clipped = hold_bounds(values, cell, np.array([0.3, 0.25]), 0.0, 0.6)
    assert result[:4].mean() == pytest.approx(0.3, abs=1e-6) and result[4] == pytest.approx(0.25)
    assert result.min() >= 0.0 and result.max() <= 0.6
    assert clipped.tolist() == [True, False, False, True, False]


def test_two_clusters_with_a_flat_stretch_between() -> None:
    """Where every pixel is clipped the mean does not react to small shifts: a plain Newton step would divide by 0."""
    values = np.concatenate([np.full(50, -5.0), np.full(50, 5.0)])
    wanted = np.array([0.45])
    result, _ = hold_bounds(values, np.zeros(100, np.intp), wanted, 0.0, 0.6)
    assert result.mean() == pytest.approx(0.45, abs=1e-12)
