"""Rasters as other programs write them, made with GDAL alone, and stacks made of them."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.prepare.common_grid import GridOptions, make_common_grid
from soilmoisture.core.raster.stack import Stack

gdal.UseExceptions()


@pytest.fixture
def raster(tmp_path):
    """raster(name, values, corner, size, ...) writes a GeoTIFF and returns its path.

    values (rows, cols) or (bands, rows, cols); corner: x and y of the upper left; size: pixel width and height.
    """

    def write(
        name,
        values,
        corner,
        size,
        epsg=32648,
        kind=gdal.GDT_Float64,
        nodata=None,
        names=(),
        periods=(),
        unit="",
        scale=None,
        roles=(),
    ):
        values = np.asarray(values)
        values = values[None] if values.ndim == 2 else values
        path = str(tmp_path / f"{name}.tif")
        rows, cols = values.shape[1:]
        made = gdal.GetDriverByName("GTiff").Create(path, cols, rows, len(values), kind)
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(epsg)
        made.SetProjection(reference.ExportToWkt())
        width, height = size if isinstance(size, tuple) else (size, size)
        made.SetGeoTransform((corner[0], width, 0, corner[1], 0, -height))
        for number in range(len(values)):
            band = made.GetRasterBand(number + 1)
            each = nodata[number] if isinstance(nodata, (list, tuple)) else nodata
            stored = values[number] if each is None else np.where(np.isnan(values[number]), each, values[number])
            band.WriteArray(np.ascontiguousarray(stored))
            if each is not None:
                band.SetNoDataValue(each)
            if names:
                band.SetDescription(names[number])
            if periods:
                start, end = periods[number]
                band.SetMetadataItem("PERIOD_START", start)
                band.SetMetadataItem("PERIOD_END", end)
            if roles and roles[number]:
                band.SetMetadataItem("ROLE", roles[number])
            if unit:
                band.SetUnitType(unit)
            if scale:
                band.SetScale(scale[0])
                band.SetOffset(scale[1])
        made = None
        return path

    return write


X0, Y0, CELL = 500000.0, 5300000.0, 9000.0
ROWS, COLS = 4, 5


@pytest.fixture
def layers(raster):
    """A target of 4 x 5 cells, and a factor of 3 x 3 pixels per cell with gaps."""
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(3 * ROWS, 3 * COLS))
    factor[:3, :3] = np.nan  # a cell without any pixel
    factor[0, 3:6] = np.nan  # a cell with six of nine
    factor[3:5, 0:3] = np.nan  # a cell with three of nine
    target = 0.25 + 0.05 * rng.normal(size=(ROWS, COLS))
    return (
        raster("soil_moisture", target, (X0, Y0), CELL, nodata=-9999.0),
        raster("ndvi", factor, (X0, Y0), CELL / 3, nodata=-9999.0),
        target,
        factor,
    )


@pytest.fixture
def make_grids():
    """make_grids(tmp_path, target, factors, ...) makes FINE and COARSE stacks with three pixels along a cell."""

    def inner(tmp_path, target, factors, progress=None, **options):
        fine, coarse = tmp_path / "out_fine.tif", tmp_path / "out_coarse.tif"
        result = make_common_grid(
            [target] if isinstance(target, str) else target,
            [factors] if isinstance(factors, str) else factors,
            fine,
            coarse,
            GridOptions(**{"ratio": 3, **options}),
            progress,
        )
        return result, fine, coarse

    return inner


@pytest.fixture
def bands():
    """bands(path): what a stack holds, by band name and label of the period."""

    def inner(path):
        with Stack.open(path) as stack:
            return {
                (band.name, band.period.label if band.period else None): stack.read(number)
                for number, band in enumerate(stack.bands, 1)
            }

    return inner


@pytest.fixture
def block_means():
    """block_means(values, k): mean and share of the valid pixels in k x k blocks, by plain loops."""

    def inner(values, k):
        rows, cols = values.shape[0] // k, values.shape[1] // k
        mean, share = np.full((rows, cols), np.nan), np.zeros((rows, cols))
        for i in range(rows):
            for j in range(cols):
                block = values[k * i : k * i + k, k * j : k * j + k]
                share[i, j] = np.isfinite(block).mean()
                if share[i, j]:
                    mean[i, j] = block[np.isfinite(block)].mean()
        return mean, share

    return inner
