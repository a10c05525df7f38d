"""Scenes to fuse, and the plain loops they are checked with."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

sys.path.insert(0, str(Path(__file__).parent))
from fusion_layers import COARSE, FINE

gdal.UseExceptions()


def _smooth(values, times):
    """Means of each pixel and its four neighbours, again and again."""
    for _ in range(times):
        around = [np.roll(values, step, axis) for axis in (-2, -1) for step in (-1, 1)]
        values = (values + sum(around)) / 5
    return values


@pytest.fixture(scope="session")
def scene():
    """scene(bands, gaps, dates): fine, coarse (2, bands, 24, 26) and wanted (dates, bands, 24, 26) without a law that
    ties them: an oracle's arithmetic is checked, not skill."""

    def make(bands=1, gaps=0.0, dates=1, seed=1, shape=(24, 26)):
        random = np.random.default_rng(seed)
        base = _smooth(random.normal(size=(1, *shape)), 3) + 0.1 * _smooth(random.normal(size=(bands, *shape)), 2)
        base = base / base.std()
        first = base + 0.02 * random.normal(size=base.shape)
        fine = np.stack([first, 1.4 * base + 0.4])
        coarse = _smooth(fine, 6) + 0.02 * random.normal(size=fine.shape)
        wanted = np.stack([_smooth(1.8 * base + 0.3 * k, 6) for k in range(1, dates + 1)])
        wanted = wanted + 0.02 * random.normal(size=wanted.shape)
        for values in (fine, coarse, wanted) if gaps else ():
            values[random.random(values.shape) < gaps] = np.nan
        return fine, coarse, wanted

    return make


@pytest.fixture(scope="session")
def seasons():
    """seasons(days): fine (days, 1, 64, 64) of a crop and a forest with seasons of their own, coarse means of 8 x 8
    pixels on the fine grid, and where the crop grows."""

    def make(days, noise=0.003, seed=0, size=64, cell=8):
        random = np.random.default_rng(seed)
        field = _smooth(random.normal(size=(size, size)), 25)
        crop = field > np.median(field)
        texture = 0.02 * random.normal(size=(size, size))
        fine, coarse = [], []
        for day in days:
            season = np.exp(-(((day - 200) / 60) ** 2))
            now = np.where(crop, 0.2 + 0.6 * season, 0.6 + 0.15 * season) + texture
            blocks = now.reshape(size // cell, cell, size // cell, cell).mean(axis=(1, 3))
            fine.append(now)
            coarse.append(np.kron(blocks + noise * random.normal(size=blocks.shape), np.ones((cell, cell))))
        return np.array(fine)[:, None], np.array(coarse)[:, None], crop

    return make


@pytest.fixture
def layer(tmp_path):
    """layer(name, values, ...) writes (bands, rows, cols) as a GeoTIFF of 30 m pixels and returns its path."""

    def write(name, values, names=(), pixel=30.0, corner=(500000.0, 5300000.0), nodata=np.nan, kind=gdal.GDT_Float64):
        values = np.asarray(values)
        values = values[None] if values.ndim == 2 else values
        path = tmp_path / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = gdal.GetDriverByName("GTiff").Create(str(path), values.shape[2], values.shape[1], len(values), kind)
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(32633)
        made.SetProjection(reference.ExportToWkt())
        made.SetGeoTransform((corner[0], pixel, 0, corner[1], 0, -pixel))
        for number, band in enumerate(values, 1):
            out = made.GetRasterBand(number)
            if nodata is not None:
                out.SetNoDataValue(nodata)
                band = np.where(np.isnan(band), nodata, band)
            out.WriteArray(np.ascontiguousarray(band))
            if names:
                out.SetDescription(names[number - 1])
        made = None
        return str(path)

    return write


@pytest.fixture
def layers(scene, layer):
    """layers(...): paths of two fine and four coarse layers, and their values."""

    def make(bands=1, gaps=0.0, names=None, other=None, **options):
        fine, coarse, wanted = scene(bands, gaps, dates=2)
        names = names or ["red", "nir", "swir"][:bands]
        coarse = [coarse[0], *wanted, coarse[1]]
        return (
            [layer(f"fine/f_{day}", values, names, **options) for day, values in zip(FINE, fine)],
            [layer(f"coarse/c_{day}", values, other or names, **options) for day, values in zip(COARSE, coarse)],
            (fine, np.stack([coarse[0], coarse[3]]), wanted),
        )

    return make
