"""Effective sample size of a correlation over many cells and periods."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .autocorrelation import Correlograms, EffectiveSample

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_DATES = 60  # dates whose spatial autocorrelation is estimated; the dates between take the nearest one's
_MAX_PRODUCTS = 2e10  # multiplications spent on comparing the maps of all dates with each other


def space_time_sample(
    x: NDArray[np.float64], y: NDArray[np.float64], correlograms: Correlograms, *, static: bool = False
) -> EffectiveSample:
    """ESS of the correlation of x and y (T, rows, cols) pooled over all cells and periods, pairs where both
    are finite; `static` says that x is one map repeated.

    The product sum has two independent parts, one from the period means and one from the maps of anomalies
    from them, and their variances under independence add up:

        1 / (ESS - 1) = bx by / (ESSb - 1) + sum_ts u_t u_s Px_ts Py_ts / (SSx SSy)

    bx, by are the shares of variance between periods; ESSb = T (1 - r1x r1y) / (1 + r1x r1y) for the series
    of period means with lag-1 autocorrelation r1 (Bartlett 1935). u_t^2 = ssx_t ssy_t / (ESS_t - 1) with the
    spatial ESS and the sums of squares of date t, P the correlation of the maps of two dates. Maps that do
    not resemble each other make the second part the sum of ESS_t over the dates, maps that stay the same make
    it one ESS_t. A static x counts as the spatial ESS of one map against the mean map of y, however many
    dates repeat it. T = 1 gives the spatial ESS. Clamped to [3, n]; NaN if x or y is constant.
    """
    # Why not simply the sum of ESS_t times the lag-1 factor: soil moisture keeps its pattern (dry ridges, wet
    # valleys) under passing weather, which an AR(1) rule forgets, and its season moves all cells at once. Of
    # unrelated series with either, that rule calls 19 to 47 % significant at .05, this one about 5 %.
    valid = np.isfinite(x) & np.isfinite(y)
    n = int(valid.sum())
    if n < 3:
        return EffectiveSample(math.nan, n)
    if static and x.shape[0] > 1:
        # Cautious: where the target's maps fade from date to date, they would be worth more than one.
        return EffectiveSample(*_one_map(x, y, valid, correlograms))
    periods = valid.any(axis=(1, 2))
    x, y, valid = x[periods], y[periods], valid[periods]

    maps_x, means_x = _split(x, valid)
    maps_y, means_y = _split(y, valid)
    counts = valid.reshape(len(valid), -1).sum(axis=1)
    squares_x, squares_y = np.sum(maps_x**2, axis=1), np.sum(maps_y**2, axis=1)
    between_x, between_y = _between(means_x, counts), _between(means_y, counts)
    total = (squares_x.sum() + between_x) * (squares_y.sum() + between_y)

    freedom = _spatial_freedom(x, y, counts, correlograms)
    u = np.sqrt(squares_x * squares_y / freedom)
    alike = _pattern_correlation(maps_x, valid) * _pattern_correlation(maps_y, valid)
    # Opposite patterns of persistence would promise more than all dates together: the sum over dates is the limit.
    variance = max(float(u @ alike @ u), float(u @ u))
    variance += between_x * between_y / (lag_one_samples(means_x, means_y) - 1)
    if not total > 0 or not variance > 0:
        return EffectiveSample(math.nan, n)
    value = float(1 + total / variance)
    inside = min(max(value, 3.0), float(n))
    return EffectiveSample(inside, n, clamped=inside != value)


def lag_one_samples(series_x: NDArray[np.float64], series_y: NDArray[np.float64]) -> float:
    """Effective length of two series (T,): T (1 - r1x r1y) / (1 + r1x r1y), clamped to [2, T] (2: one degree
    of freedom, all that two dates have). Bartlett 1935, J. R. Stat. Soc. 98:536-543."""
    length = series_x.size
    product = _lag_one(series_x) * _lag_one(series_y)
    return min(max(length * (1 - product) / (1 + product), 2.0), float(max(length, 2)))


def period_anomalies(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, rows, cols) minus the mean of each period: what differs in space."""
    return _anomalies(stack, axis=(1, 2))


def cell_anomalies(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, rows, cols) minus the mean of each cell: what differs in time."""
    return _anomalies(stack, axis=(0,))


def _anomalies(stack: NDArray[np.float64], axis: tuple[int, ...]) -> NDArray[np.float64]:
    means = _nanmean(stack, axis)
    anomalies = stack - means
    # What is constant along the axes is left with rounding errors, which must not correlate with anything.
    anomalies[np.abs(anomalies) <= 1e-12 * np.abs(means)] = 0.0
    return anomalies


def _one_map(
    x: NDArray[np.float64], y: NDArray[np.float64], valid: NDArray[np.bool_], correlograms: Correlograms
) -> tuple[float, int, bool]:
    mean_x = _nanmean(np.where(valid, x, np.nan), axis=(0,))[0]
    mean_y = _nanmean(np.where(valid, y, np.nan), axis=(0,))[0]
    sample = correlograms.effective_sample(mean_x, mean_y)
    return sample.value, int(valid.sum()), sample.clamped


def _split(stack: NDArray[np.float64], valid: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Anomalies from the period mean (T, cells), 0 where missing, and the period means (T,)."""
    flat, mask = stack.reshape(len(stack), -1), valid.reshape(len(stack), -1)
    means = np.sum(flat, axis=1, where=mask) / mask.sum(axis=1)
    return np.where(mask, flat - means[:, None], 0.0), means


def _between(means: NDArray[np.float64], counts: NDArray[np.int_]) -> float:
    centre = float(np.average(means, weights=counts))
    return float(np.sum(counts * (means - centre) ** 2))


def _spatial_freedom(
    x: NDArray[np.float64], y: NDArray[np.float64], counts: NDArray[np.int_], correlograms: Correlograms
) -> NDArray[np.float64]:
    """ESS - 1 of every date (T,), at least 1."""
    dates = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MAX_DATES)).round().astype(int))
    sizes = np.array([correlograms.effective_sample(x[date], y[date]).value for date in dates])
    nearest = np.abs(np.arange(len(x))[:, None] - dates[None, :]).argmin(axis=1)
    # NaN: fewer than 3 cells, or a constant map, whose sum of squares is 0 and drops out.
    return np.maximum(np.fmin(np.nan_to_num(sizes, nan=2.0)[nearest], counts) - 1, 1.0)


def _pattern_correlation(maps: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Correlation (T, T) of the maps of anomalies (T, cells) of every two dates over the cells both have."""
    step = max(1, math.ceil(len(maps) ** 2 * maps.shape[1] / _MAX_PRODUCTS))
    some, mask = maps[:, ::step], valid.reshape(len(maps), -1)[:, ::step].astype(np.float64)
    squares = some**2 @ mask.T
    scale = np.sqrt(squares * squares.T)
    alike = np.divide(some @ some.T, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(alike, 1.0)
    return alike


def _lag_one(series: NDArray[np.float64]) -> float:
    anomalies = series - series.mean()
    variance = float(np.sum(anomalies**2))
    return float(np.sum(anomalies[1:] * anomalies[:-1])) / variance if variance > 0 else 0.0


def _nanmean(stack: NDArray[np.float64], axis: tuple[int, ...]) -> NDArray[np.float64]:
    """Mean of the finite values with the axes kept; NaN where there are none."""
    finite = np.isfinite(stack)
    counts = finite.sum(axis=axis, keepdims=True)
    sums = np.sum(stack, axis=axis, keepdims=True, where=finite)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
