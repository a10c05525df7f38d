"""Rasters as other programs write them: made with GDAL alone."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal, osr

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
