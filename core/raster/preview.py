"""A small picture's worth of a large band."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from .grid import open_raster


def preview(path: str | Path, band: int = 1, side: int = 600) -> NDArray[np.float64]:
    """Band `band` (1-based) thinned to at most `side` rows and columns, NaN where there is no data."""
    dataset = open_raster(path)
    source = dataset.GetRasterBand(band)
    shrink = max(1.0, max(dataset.RasterXSize, dataset.RasterYSize) / side)
    cols, rows = (max(1, int(size / shrink)) for size in (dataset.RasterXSize, dataset.RasterYSize))
    values = source.ReadAsArray(buf_xsize=cols, buf_ysize=rows, resample_alg=gdal.GRIORA_NearestNeighbour)
    values = values.astype(np.float64)
    nodata = source.GetNoDataValue()
    values[~np.isfinite(values) | (values == nodata)] = np.nan
    return values
