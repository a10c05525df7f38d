"""Backscatter as linear power and in dB: means are taken in power, since the mean of dB is a geometric one."""

from __future__ import annotations

import math

import numpy as np

from ...raster.blocks import Array, Reader
from ...raster.grid import Grid

DB, LINEAR = "dB", "linear"


def to_power(values: Array, unit: str) -> Array:
    """Linear power, NaN where it is not above 0."""
    power = np.exp(values * (math.log(10) / 10)) if unit == DB else values.copy()
    power[~(power > 0)] = np.nan
    return power


def to_db(power: Array) -> Array:
    """10 log10(power)."""
    return np.log10(power) * 10.0


def local_mean(power: Array, window: int, min_valid_share: float) -> Array:
    """Mean of the valid pixels in a square of `window` pixels (rows - window + 1, cols), NaN where too few are valid.

    power: (rows, cols), with window // 2 rows more on both sides; beyond the left and right border nothing is valid.
    """
    half = window // 2
    valid = np.isfinite(power)
    sums = []
    for one in (np.where(valid, power, 0.0), valid.astype(np.float64)):
        wide = np.pad(one, ((0, 0), (half, half)))
        across, both = np.zeros(power.shape), np.zeros((power.shape[0] - window + 1, power.shape[1]))
        for k in range(window):
            across += wide[:, k : k + power.shape[1]]
        for k in range(window):
            both += across[k : k + len(both)]
        sums.append(both)
    total, count = sums
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count >= min_valid_share * window**2 - 1e-9)


def with_halo(reader: Reader, grid: Grid, half: int) -> Reader:
    """A reader of `half` rows more on both sides, NaN beyond the border."""
    if not half:
        return reader

    def read(row0: int, rows: int) -> Array:
        first, last = max(0, row0 - half), min(grid.rows, row0 + rows + half)
        missing = (first - (row0 - half), row0 + rows + half - last)
        return np.pad(reader(first, last - first), (missing, (0, 0)), constant_values=np.nan)

    return read
