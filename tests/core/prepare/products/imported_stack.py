"""What tests of recipes share: an import run as a whole, and the stack it wrote read with GDAL alone."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.prepare.products.importing import import_product
from soilmoisture.core.prepare.products.options import ImportOptions

gdal.UseExceptions()


class Imported:
    """An import and the stack it wrote, read with GDAL."""

    def __init__(self, result, path):
        self.result = result
        self.labels = [one.band.period.label if one.band.period else "" for one in result.bands]
        stack = gdal.Open(str(path))
        self.transform = stack.GetGeoTransform()
        self.crs_wkt = stack.GetProjection()
        bands = [stack.GetRasterBand(number + 1) for number in range(stack.RasterCount)]
        self.names = [band.GetDescription() for band in bands]
        self._units = [band.GetUnitType() for band in bands]
        self._tags = [band.GetMetadata() for band in bands]
        self._values = [band.ReadAsArray().astype(float) for band in bands]
        self._nodata = [band.GetNoDataValue() for band in bands]

    @property
    def crs(self):
        reference = osr.SpatialReference()
        reference.ImportFromWkt(self.crs_wkt)
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        return reference

    def array(self, number=0):
        values, nodata = self._values[number], self._nodata[number]
        return values if nodata is None or np.isnan(nodata) else np.where(values == nodata, np.nan, values)

    def valid(self, number=0):
        return int(np.isfinite(self.array(number)).sum())

    def at(self, lon, lat, number=0):
        """The value of the cell around a point."""
        degrees = osr.SpatialReference()
        degrees.ImportFromEPSG(4326)
        degrees.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        x, y = float(lon), float(lat)
        if not self.crs.IsGeographic():
            x, y, _ = osr.CoordinateTransformation(degrees, self.crs).TransformPoint(x, y)
        left, width, _, top, _, height = self.transform
        return self.array(number)[int(np.floor((y - top) / height)), int(np.floor((x - left) / width))]

    def tag(self, key, number=0):
        return self._tags[number].get(key)

    def unit(self, number=0):
        return self._units[number]


@pytest.fixture
def imported(tmp_path):
    """imported(files, *variables, **options) imports and opens the stack."""
    runs = iter(range(99))

    def run(files, *variables, **options):
        path = tmp_path / f"out_{next(runs)}.tif"
        files = files if isinstance(files, list) else [files]
        return Imported(import_product(files, path, ImportOptions(variables=variables, **options)), path)

    return run
