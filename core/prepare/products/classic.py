"""GeoTIFF and other plain rasters, and HDF4 files, through GDAL's classic API."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, gdal_array, osr

from ...errors import InputError
from ...raster.grid import Grid
from .arrays import ArrayInfo, Attribute, as_number, clean_text, declared_fill

_MODIS_RADIUS = 6371007.181


class RasterSource:
    """The bands of one raster, each an array named by its description, else `band_1`, `band_2` ..."""

    blocks_kept_by_gdal = True

    def __init__(self, dataset: gdal.Dataset) -> None:
        self.format: str = dataset.GetDriver().ShortName
        self._dataset: Any = dataset
        names: list[str] = []
        for number in range(1, dataset.RasterCount + 1):
            name = clean_text(dataset.GetRasterBand(number).GetDescription().strip()) or f"band_{number}"
            names.append(name if name not in names else f"{name}_{number}")
        self.names: tuple[str, ...] = tuple(names)

    @cached_property
    def attributes(self) -> dict[str, str]:
        return {key: clean_text(value) for key, value in (self._dataset.GetMetadata() or {}).items()}

    def info(self, name: str) -> ArrayInfo:
        band = self._band(name)
        attributes: dict[str, Attribute] = {k: clean_text(v) for k, v in (band.GetMetadata() or {}).items()}
        signed = band.GetMetadataItem("PIXELTYPE", "IMAGE_STRUCTURE") == "SIGNEDBYTE"
        return describe(name, self._dataset, [band], attributes, signed)

    def read(self, name: str, start: tuple[int, ...], count: tuple[int, ...]) -> NDArray[Any]:
        return self._band(name).ReadAsArray(start[1], start[0], count[1], count[0])

    def close(self) -> None:
        self._dataset = None

    def _band(self, name: str) -> gdal.Band:
        return self._dataset.GetRasterBand(self.names.index(name) + 1)


class Hdf4Source:
    """The fields of an HDF4 file: `grid/field` in HDF-EOS, else the name of the data set."""

    format = "HDF4"
    blocks_kept_by_gdal = True

    def __init__(self, dataset: gdal.Dataset) -> None:
        self._dataset: Any = dataset
        # A file with one field is opened as that field.
        listed = dataset.GetSubDatasets() or [(dataset.GetDescription(), "")]
        self._keys = {_field_name(key, text): (key, text) for key, text in listed}
        self._opened: dict[str, gdal.Dataset] = {}
        self.names: tuple[str, ...] = tuple(self._keys)

    @cached_property
    def attributes(self) -> dict[str, str]:
        found = {key: clean_text(value) for key, value in (self._dataset.GetMetadata() or {}).items()}
        for text in list(found.values()):
            for key, value in _odl_values(text).items():
                found.setdefault(key, value)
        return found

    def info(self, name: str) -> ArrayInfo:
        dataset = self._field(name)
        # GDAL repeats the attributes of the file on each field.
        own: dict[str, Attribute] = {
            key: clean_text(value)
            for key, value in (dataset.GetMetadata() or {}).items()
            if key not in self.attributes or key in _FIELD_ATTRIBUTES
        }
        bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
        return describe(name, dataset, bands, own, self._signed(name))

    def read(self, name: str, start: tuple[int, ...], count: tuple[int, ...]) -> NDArray[Any]:
        dataset = self._field(name)
        row, column = len(start) - 2, len(start) - 1
        window = (start[column], start[row], count[column], count[row])
        if row == 0:
            values = dataset.GetRasterBand(1).ReadAsArray(*window)
        else:
            bands = range(start[0] + 1, start[0] + count[0] + 1)
            values = np.stack([dataset.GetRasterBand(number).ReadAsArray(*window) for number in bands])
        return values.view(np.int8) if values.dtype == np.uint8 and self._signed(name) else values

    def close(self) -> None:
        self._opened.clear()
        self._dataset = None

    def _field(self, name: str) -> gdal.Dataset:
        if name not in self._opened:
            key, text = self._keys[name]
            self._opened[name] = gdal.Open(key) if text else self._dataset
        return self._opened[name]

    def _signed(self, name: str) -> bool:
        # Before GDAL 3.7 signed bytes come as unsigned ones.
        return self._keys[name][1].endswith("(8-bit integer)")


_FIELD_ATTRIBUTES = ("_FillValue", "scale_factor", "add_offset", "units", "long_name", "valid_range")


def describe(
    name: str, dataset: gdal.Dataset, bands: list[gdal.Band], attributes: dict[str, Attribute], signed: bool
) -> ArrayInfo:
    """The ArrayInfo of bands of one dataset: two dimensions, or `band` before them where there are several."""
    first = bands[0]
    width, height = first.GetBlockSize()
    dtype = np.dtype(gdal_array.GDALTypeCodeToNumericTypeCode(first.DataType))
    nodata = first.GetNoDataValue()
    if signed and dtype == np.uint8:
        dtype = np.dtype(np.int8)
        nodata = None if nodata is None else float(np.uint8(nodata).astype(np.int8))
        attributes = {
            k: v for k, v in attributes.items() if k != "_FillValue" or (as_number(v) or 0) <= np.iinfo(np.int8).max
        }
    shape: tuple[int, ...] = (dataset.RasterYSize, dataset.RasterXSize)
    dims: tuple[str, ...] = ("y", "x")
    chunk: tuple[int, ...] = (min(height, shape[0]), min(width, shape[1]))
    if len(bands) > 1:
        shape, dims, chunk = (len(bands), *shape), ("band", *dims), (1, *chunk)
    grid, south_first = _north_up(dataset)
    scale, offset = first.GetScale(), first.GetOffset()
    return ArrayInfo(
        path=name,
        shape=shape,
        dims=dims,
        dtype=dtype.name,
        chunk=chunk,
        attributes=attributes,
        unit=str(first.GetUnitType() or attributes.get("units", "")),
        fill=declared_fill(nodata, attributes, dtype.name),
        scale=as_number(attributes.get("scale_factor")) if scale is None else float(scale),
        offset=as_number(attributes.get("add_offset")) if offset is None else float(offset),
        grid=grid,
        crs_wkt=_named(dataset.GetProjection()),
        south_first=south_first,
    )


def _north_up(dataset: gdal.Dataset) -> tuple[Grid | None, bool]:
    """The dataset's grid turned north-up, and whether that turned it; None without a usable georeference."""
    transform = dataset.GetGeoTransform(can_return_null=True)
    if transform is not None and transform[5] > 0 and transform[2] == transform[4] == 0 and dataset.GetProjection():
        x, width, _, y, _, height = transform
        rows = dataset.RasterYSize
        return Grid(
            _named(dataset.GetProjection()), (x, width, 0.0, y + rows * height, 0.0, -height), rows, dataset.RasterXSize
        ), True
    try:
        grid = Grid.of(dataset)
    except InputError:
        return None, False
    return replace(grid, crs_wkt=_named(grid.crs_wkt)), False


def _named(wkt: str) -> str:
    """The sinusoidal system of MODIS has no code, and files call it `unnamed`: people should see what it is."""
    reference = osr.SpatialReference()
    if not wkt or reference.ImportFromWkt(wkt) != 0:
        return wkt
    name = str(reference.GetName() or "").lower()
    sphere = abs(reference.GetSemiMajor() - _MODIS_RADIUS) < 1 and reference.GetInvFlattening() == 0
    if name in ("", "unnamed", "unknown") and sphere and reference.GetAttrValue("PROJECTION") == "Sinusoidal":
        reference.SetProjCS("MODIS Sinusoidal")
        return str(reference.ExportToWkt())
    return wkt


def _field_name(key: str, text: str) -> str:
    """`grid/field` from HDF4_EOS:EOS_GRID:"file":grid:field, the name in the text of other data sets."""
    eos = re.match(r'HDF4_EOS:\w+:(?:"[^"]*"|[^:]*):(.*)$', key)
    if eos:
        return "/".join(part.strip('"') for part in re.findall(r'"[^"]*"|[^:]+', eos.group(1)))
    named = re.match(r"\[[\dx]+\] (.*) \([^()]*\)$", text)
    return named.group(1) if named else "band_1"


def _odl_values(text: str) -> dict[str, str]:
    """OBJECT ... VALUE pairs of metadata written in NASA's Object Description Language."""
    if "END_OBJECT" not in text:
        return {}
    pairs = re.findall(r"\bOBJECT\s*=\s*(\w+)((?:(?!\bOBJECT\b).)*?)\bVALUE\s*=\s*(.*?)\s*END_OBJECT", text, re.DOTALL)
    return {name: ", ".join(re.findall(r'"([^"]*)"', value)) or value.strip() for name, _, value in pairs}
