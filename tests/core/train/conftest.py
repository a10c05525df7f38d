"""Coarse data with a planted relation, held in memory."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import month_of
from soilmoisture.core.train.samples import CoarseData


def smooth_maps(rng, count, rows, cols, sigma=1.2):
    """(count, rows, cols): smooth noise of deviation about 1."""
    noise = gaussian_filter(rng.normal(size=(count, rows + 8, cols + 8)), (0, sigma, sigma))[:, 4:-4, 4:-4]
    return noise * 2 * np.sqrt(np.pi) * sigma


@pytest.fixture
def coarse_data():
    """coarse_data(...): y = level of the period + x slopes + noise; two dated factors and a static one."""

    def make(rows=14, cols=16, periods=4, seed=0, noise=0.0, slopes=(0.03, -0.02, 0.01), season=0.03, gaps=0.0, **more):
        rng = np.random.default_rng(seed)
        x = np.stack(
            [
                smooth_maps(rng, periods, rows, cols),
                smooth_maps(rng, periods, rows, cols),
                np.empty((periods, rows, cols)),
            ]
        )
        x[2] = smooth_maps(rng, 1, rows, cols)
        level = season * np.sin(np.arange(periods))[:, None, None]
        y = 0.25 + level + np.tensordot(slopes, x, 1) + noise * rng.normal(size=(periods, rows, cols))
        if gaps:
            y[rng.random(y.shape) < gaps] = np.nan
            x[1][rng.random(y.shape) < gaps] = np.nan
        given = {
            "grid": ease_grid(9, 200, 3000, rows, cols),
            "periods": [month_of(dt.date(2020 + t // 12, t % 12 + 1, 1)) for t in range(periods)],
            "target_name": "soil_moisture",
            "target_unit": "m3/m3",
            "target": y,
            "names": ["ndvi", "lst", "dem"],
            "units": ["1", "K", "m"],
            "static": [False, False, True],
            "factors": x,
            "share": np.ones(y.shape),
        }
        return CoarseData(**{**given, **more})

    return make
