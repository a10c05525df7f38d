"""Small worlds to downscale: FINE and COARSE stacks around a planted truth, and linear models of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from osgeo import osr

from soilmoisture.core.model.form import VALUES, Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.periods import month_of
from soilmoisture.core.raster.stack import TARGET, Band, Stack, StackWriter

MONTHS = [month_of(dt.date(2021, month, 1)) for month in range(6, 10)]
NAMES = ("ndvi", "lst", "dem")
SLOPES = np.array([0.06, -0.04, 0.02])


def block_means(values, k):
    """Mean of the valid pixels of each k x k block."""
    blocks = values.reshape(values.shape[0] // k, k, values.shape[1] // k, k).swapaxes(1, 2)
    blocks = blocks.reshape(*blocks.shape[:2], k * k)
    count = np.isfinite(blocks).sum(axis=2)
    total = np.where(np.isfinite(blocks), blocks, 0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def smooth_noise(rng, rows, cols):
    """A few waves of random direction, mean near 0, deviation near 1."""
    y, x = np.mgrid[0:rows, 0:cols]
    waves = [
        np.sin(x * rng.uniform(0.05, 0.5) + y * rng.uniform(-0.5, 0.5) + rng.uniform(0, 2 * np.pi)) for _ in range(6)
    ]
    return np.sum(waves, axis=0) / np.sqrt(3)


@dataclass
class World:
    """x (factors, periods, rows, cols) and truth (periods, rows, cols) on the fine grid; z the coarse target."""

    folder: Path
    coarse: Grid
    ratio: int
    x: np.ndarray
    truth: np.ndarray
    z: np.ndarray
    units: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    fine: Grid | None = None
    target: str = "soil_moisture"
    target_unit: str = "m3/m3"

    @property
    def periods(self):
        return MONTHS[: len(self.z)]

    @property
    def fine_grid(self):
        return self.fine or self.coarse.subdivide(self.ratio)

    def write(self, names=NAMES, drop=()):
        """Paths of the two stacks; `drop` holds (name, period) that FINE lacks."""
        bands = [
            (Band(name, period, self.units.get(name, "")), NAMES.index(name), t)
            for name in names
            for t, period in enumerate(self.periods)
            if (name, period) not in drop
        ]
        paths = self.folder / "fine.tif", self.folder / "coarse.tif"
        with StackWriter(paths[0], self.fine_grid, [band for band, _, _ in bands]) as out:
            for number, (_, k, t) in enumerate(bands, 1):
                out.write(number, self.x[k, t])
        targets = [Band(self.target, period, self.target_unit, TARGET) for period in self.periods]
        with StackWriter(paths[1], self.coarse, [*targets, *(band for band, _, _ in bands)], self.tags) as out:
            for number, values in enumerate(self.z, 1):
                out.write(number, values)
            if self.fine is None:
                for number, (_, k, t) in enumerate(bands, len(self.z) + 1):
                    out.write(number, block_means(self.x[k, t], self.ratio))
        return paths

    def model(self, kind=VALUES, gain=1.0, slopes=SLOPES, intercept=0.25, window=3, **more):
        x = self.x.reshape(len(NAMES), -1)
        factors = [
            Factor(name, self.units.get(name, ""), np.nanmin(v), np.nanmax(v), np.nanmean(v), np.nanstd(v))
            for name, v in zip(NAMES, x)
        ]
        given = {
            "learner": "linear",
            "title": "Linear",
            "factors": tuple(factors),
            "target": "soil_moisture",
            "target_unit": "m3/m3",
            "target_range": (0.0, 0.5),
            "form": Form(kind, window),
            "trend": None,
            "predictor": LinearPredictor(slopes, intercept if kind == VALUES else 0.0),
            "gain": DetailGain(gain, gain, 0.1, 0.5, 3),
        }
        return Model(**{**given, **more})


@pytest.fixture
def world(tmp_path):
    """world(rows, cols, ratio, periods, seed, gaps, geographic): a truth that is linear in three factors."""

    def make(rows=4, cols=5, ratio=4, periods=2, seed=1, gaps=0.0, geographic=False, level=0.25, slopes=SLOPES):
        rng = np.random.default_rng(seed)
        coarse = ease_grid(9, 300, 3000, rows, cols)
        if geographic:
            reference = osr.SpatialReference()
            reference.ImportFromEPSG(4326)
            coarse = Grid(reference.ExportToWkt(), (10.0, 2.0, 0.0, 68.0, 0.0, -2.0), rows, cols)
        shape = (rows * ratio, cols * ratio)
        x = np.array([[smooth_noise(rng, *shape) for _ in range(periods)] for _ in NAMES]).astype(np.float32)
        x = x.astype(float)
        truth = level + np.tensordot(slopes, x, 1)
        z = np.array([block_means(one, ratio) for one in truth])
        if gaps:
            x[:, rng.random(x.shape[1:]) < gaps] = np.nan
        return World(tmp_path, coarse, ratio, x, truth, z)

    return make


@pytest.fixture
def maps():
    """maps(path): the bands of a stack as an array."""

    def read(path):
        with Stack.open(path) as stack:
            return np.array([stack.read(number) for number in range(1, len(stack.bands) + 1)])

    return read
