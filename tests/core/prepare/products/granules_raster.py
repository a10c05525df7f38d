"""Makes granules of raster products with the layout that their specifications document, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, osr

gdal.UseExceptions()
osr.UseExceptions()

Array = NDArray[Any]
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
HOMOLOSINE = "+proj=igh +lon_0=0 +datum=WGS84 +units=m +no_defs"
MODIS_500M = (711648.332586881, 463.3127165279, 0.0, 5132578.273691645, 0.0, -463.3127165279)
DEGREES = "EPSG:4326"


def wkt(crs: str) -> str:
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    return str(reference.ExportToWkt())


def geotiff(
    path: Path,
    bands: Array | Mapping[str, Array],
    transform: Sequence[float],
    crs: str,
    nodata: float | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """One band without a name, or several with their names as descriptions; the type is that of the arrays."""
    named = bands if isinstance(bands, Mapping) else {"": bands}
    first = next(iter(named.values()))
    kinds = {
        "uint8": gdal.GDT_Byte,
        "int16": gdal.GDT_Int16,
        "uint16": gdal.GDT_UInt16,
        "uint32": gdal.GDT_UInt32,
        "float32": gdal.GDT_Float32,
    }
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), first.shape[1], first.shape[0], len(named), kinds[first.dtype.name]
    )
    dataset.SetProjection(wkt(crs))
    dataset.SetGeoTransform(list(transform))
    for key, text in (metadata or {}).items():
        dataset.SetMetadataItem(key, text)
    for number, (name, values) in enumerate(named.items(), 1):
        band = dataset.GetRasterBand(number)
        if name:
            band.SetDescription(name)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        band.WriteArray(values)
    return path


def modis_set(
    folder: Path,
    name: str,
    arrays: Mapping[str, Array],
    nodata: Mapping[str, float] | None = None,
    transforms: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Path]:
    """A MODIS granule as GeoTIFFs of one array each; `{}` in `name` stands for the array."""
    return {
        array: geotiff(
            folder / name.format(array),
            values,
            (transforms or {}).get(array, MODIS_500M),
            SINUSOIDAL,
            (nodata or {}).get(array),
        )
        for array, values in arrays.items()
    }


def words(rng: np.random.Generator, shape: tuple[int, int], fields: Mapping[tuple[int, int], int], dtype: str) -> Array:
    """Quality words: each field (first and last bit) at its best code, but for up to two that hold any code."""
    result = np.zeros(shape, np.uint64)
    spoiled = rng.integers(-len(fields), len(fields), (2, *shape))  # negative: nothing is spoiled
    for number, ((first, last), best) in enumerate(fields.items()):
        anything = rng.integers(0, 2 ** (last - first + 1), shape)
        codes = np.where((spoiled == number).any(axis=0), anything, best)
        result |= codes.astype(np.uint64) << np.uint64(first)
    return result.astype(dtype)


def chirps_netcdf(path: Path, values: Array, days: Sequence[int], west: float, south: float) -> Path:
    """`precip` (time, latitude, longitude), south first, as the Climate Hazards Center writes it."""
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("longitude", values.shape[2]), ("latitude", values.shape[1]), ("time", None)):
            file.createDimension(name, size)
        x = file.createVariable("longitude", "f4", ("longitude",))
        y = file.createVariable("latitude", "f4", ("latitude",))
        x.units, y.units = "degrees_east", "degrees_north"
        x[:] = west + 0.05 * (np.arange(values.shape[2]) + 0.5)
        y[:] = south + 0.05 * (np.arange(values.shape[1]) + 0.5)
        time = file.createVariable("time", "f4", ("time",))
        time.units, time.calendar = "days since 1980-1-1 0:0:0", "gregorian"
        time[:] = days
        precip = file.createVariable("precip", "f4", ("time", "latitude", "longitude"), fill_value=-9999.0)
        precip.units, precip.long_name = "mm/day", "Climate Hazards group InfraRed Precipitation with Stations"
        precip[:] = values
    return path


def snap_netcdf(path: Path, bands: Mapping[str, Array], west: float, north: float, step: float) -> Path:
    """Terrain-corrected bands on latitude and longitude, as SNAP's netCDF writer has them."""
    import netCDF4

    rows, cols = next(iter(bands.values())).shape
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("lat", rows)
        file.createDimension("lon", cols)
        y = file.createVariable("lat", "f8", ("lat",))
        x = file.createVariable("lon", "f8", ("lon",))
        x.units, y.units = "degrees_east", "degrees_north"
        x.standard_name, y.standard_name = "longitude", "latitude"
        x[:] = west + step * (np.arange(cols) + 0.5)
        y[:] = north - step * (np.arange(rows) + 0.5)
        for name, values in bands.items():
            file.createVariable(name, "f4", ("lat", "lon"))[:] = values
    return path


def srtm_tile(path: Path, heights: Array) -> Path:
    """An .hgt tile: 1201 x 1201 big-endian integers without any header; the name says where it lies."""
    assert heights.shape == (1201, 1201)
    path.write_bytes(heights.astype(">i2").tobytes())
    return path
