"""Granules with the layout that their producers document: small, but true in groups, types, fills, flags and axes.

Grids that are always global are written as such; chunks that nobody writes to take no space.
"""

from __future__ import annotations

import datetime as dt

import h5py
import netCDF4
import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()

# EASE-Grid 2.0 global, Brodzik et al. 2012: half the width and height in metres, columns and rows by cell size.
EASE_X, EASE_Y = 17367530.44516138, 7314540.83063855
EASE_SHAPE = {36: (406, 964), 9: (1624, 3856), 3: (4872, 11568), 1: (14616, 34704)}


def ease_axes(km):
    """Latitudes of the rows and longitudes of the columns, in degrees."""
    rows, cols = EASE_SHAPE[km]
    x = -EASE_X + (np.arange(cols) + 0.5) * 2 * EASE_X / cols
    y = EASE_Y - (np.arange(rows) + 0.5) * 2 * EASE_Y / rows
    there = osr.SpatialReference()
    there.ImportFromEPSG(4326)
    here = osr.SpatialReference()
    here.ImportFromEPSG(6933)
    for one in (there, here):
        one.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    to_degrees = osr.CoordinateTransformation(here, there)
    lon = np.array([p[0] for p in to_degrees.TransformPoints([(one, 0.0) for one in x])])
    lat = np.array([p[1] for p in to_degrees.TransformPoints([(0.0, one) for one in y])])
    return lat, lon


def ease_extent(km, row0, col0, rows, cols):
    """xmin, ymin, xmax, ymax of cells, a little inside so that rounding adds none."""
    width, height = 2 * EASE_X / EASE_SHAPE[km][1], 2 * EASE_Y / EASE_SHAPE[km][0]
    inside = 0.1 * width
    return (
        -EASE_X + col0 * width + inside,
        EASE_Y - (row0 + rows) * height + inside,
        -EASE_X + (col0 + cols) * width - inside,
        EASE_Y - row0 * height - inside,
    )


def _hdf5(path, arrays, attributes=()):
    """arrays: path -> (values, attributes); attributes: path of a group -> attributes."""
    with h5py.File(path, "w") as file:
        for name, (values, own) in arrays.items():
            dataset = file.create_dataset(name, data=values)
            dataset.attrs.update(own)
        for group, own in dict(attributes).items():
            file.require_group(group).attrs.update(own)
    return str(path)


def _smap_metadata(start, end, version):
    return {
        "Metadata/Extent": {"rangeBeginningDateTime": np.bytes_(start), "rangeEndingDateTime": np.bytes_(end)},
        "Metadata/DatasetIdentification": {"ECSVersionID": np.bytes_(version), "VersionID": np.bytes_("R18290")},
    }


def smap_l4(folder, planted, stamp="20190601T013000", kind="gph", corner=(300, 2000)):
    """A global granule of SPL4SMGP (gph) or SPL4SMAU (aup), with values at `corner` (row, column) alone.

    planted: array (with its group) -> (values of a window, unit).
    """
    path = folder / f"SMAP_L4_SM_{kind}_{stamp}_Vv7032_001.h5"
    lat, lon = ease_axes(9)
    rows, cols = EASE_SHAPE[9]
    with h5py.File(path, "w") as file:
        for name, values, along in (("cell_lat", lat, 0), ("cell_lon", lon, 1)):
            whole = np.broadcast_to(values[:, None] if along == 0 else values, (rows, cols)).astype("f4")
            dataset = file.create_dataset(name, data=whole, chunks=(203, 482))
            dataset.attrs.update({"_FillValue": np.float32(-9999), "units": np.bytes_("degrees")})
        for name, (values, unit) in planted.items():
            values = np.asarray(values, "f4")
            dataset = file.create_dataset(name, (rows, cols), "f4", chunks=(203, 482), fillvalue=np.float32(-9999))
            dataset[corner[0] : corner[0] + values.shape[0], corner[1] : corner[1] + values.shape[1]] = values
            dataset.attrs.update(
                {"_FillValue": np.float32(-9999), "fmissing_value": np.float32(-9999), "units": np.bytes_(unit)}
            )
    return str(path)


def smap_l3(folder, planted, name, km, corner):
    """A global granule of SPL3SMP or SPL3SMP_E. planted: array with its group -> values of a window at `corner`.

    Latitude and longitude are filled in where a value is, as in the product, and -9999 elsewhere.
    """
    lat, lon = ease_axes(km)
    rows, cols = EASE_SHAPE[km]
    with h5py.File(folder / name, "w") as file:
        for group in {one.rsplit("/", 1)[0] for one in planted}:
            suffix = "_pm" if group.endswith("PM") else ""
            size = next(np.shape(values) for one, values in planted.items() if one.startswith(group))
            window = tuple(slice(start, start + count) for start, count in zip(corner, size))
            for coordinate in ("latitude", "longitude"):
                whole = file.create_dataset(
                    f"{group}/{coordinate}{suffix}", (rows, cols), "f4", chunks=(203, 241), fillvalue=-9999
                )
                part = lat[window[0], None] if coordinate == "latitude" else lon[window[1]]
                whole[window] = np.broadcast_to(part, size)
                whole.attrs["_FillValue"] = np.float32(-9999)
            file.create_dataset(f"{group}/tb_time_utc{suffix}", (rows, cols), "S24", chunks=(203, 241))
        for one, values in planted.items():
            values = np.asarray(values)
            kind, fill = ("u2", 65534) if "flag" in one else ("f4", -9999)
            dataset = file.create_dataset(one, (rows, cols), kind, chunks=(203, 241), fillvalue=fill)
            dataset[corner[0] : corner[0] + values.shape[0], corner[1] : corner[1] + values.shape[1]] = values
            dataset.attrs["_FillValue"] = np.array(fill, kind)
        date = f"{name.split('_')[-3][:4]}-{name.split('_')[-3][4:6]}-{name.split('_')[-3][6:]}"
        for group, own in _smap_metadata(f"{date}T00:07:02.000Z", f"{date}T23:59:02.000Z", "008").items():
            file.require_group(group).attrs.update(own)
    return str(folder / name)


def smap_l2(folder, name, rows, cols, arrays, km, start, end):
    """A half orbit of SPL2SMP or SPL2SMP_E: lists of values with their row and column on the EASE-Grid."""
    lat, lon = ease_axes(km)
    group = "Soil_Moisture_Retrieval_Data/"
    rows, cols = np.asarray(rows, "u2"), np.asarray(cols, "u2")
    content = {
        group + "EASE_row_index": (rows, {"_FillValue": np.uint16(65534)}),
        group + "EASE_column_index": (cols, {"_FillValue": np.uint16(65534)}),
        group + "latitude": (lat[np.minimum(rows, len(lat) - 1)].astype("f4"), {}),
        group + "longitude": (lon[np.minimum(cols, len(lon) - 1)].astype("f4"), {}),
    }
    for one, values in arrays.items():
        kind, fill = ("u2", 65534) if "flag" in one else ("f4", -9999)
        content[group + one] = (np.asarray(values, kind), {"_FillValue": np.array(fill, kind)})
    return _hdf5(folder / name, content, _smap_metadata(start, end, "008"))


def smap_sentinel(folder, name, windows, start="2019-05-01T13:13:32.000Z", end="2019-05-01T13:20:00.000Z"):
    """A granule of SPL2SMAP_S: two-dimensional windows of 1 and 3 km. windows: km -> (row0, col0, arrays)."""
    content = {}
    for km, (row0, col0, arrays) in windows.items():
        lat, lon = ease_axes(km)
        group, suffix = f"Soil_Moisture_Retrieval_Data_{km}km/", f"_{km}km"
        shape = np.shape(next(iter(arrays.values())))
        rows, cols = np.meshgrid(row0 + np.arange(shape[0]), col0 + np.arange(shape[1]), indexing="ij")
        content[f"{group}EASE_row_index{suffix}"] = (rows.astype("u2"), {"_FillValue": np.uint16(65534)})
        content[f"{group}EASE_column_index{suffix}"] = (cols.astype("u2"), {"_FillValue": np.uint16(65534)})
        content[f"{group}latitude{suffix}"] = (lat[rows].astype("f4"), {})
        content[f"{group}longitude{suffix}"] = (lon[cols].astype("f4"), {})
        for one, values in arrays.items():
            kind, fill = ("u2", 65534) if "flag" in one else ("f4", -9999)
            content[f"{group}{one}{suffix}"] = (np.asarray(values, kind), {"_FillValue": np.array(fill, kind)})
    return _hdf5(folder / name, content, _smap_metadata(start, end, "003"))


def netcdf(path, axes, arrays, attributes=(), form="NETCDF4"):
    """axes: name -> (values, unit), or its size alone; arrays: name -> (dims, stored values, type, attributes)."""
    with netCDF4.Dataset(path, "w", format=form) as file:
        for name, axis in axes.items():
            values, unit = axis if isinstance(axis, tuple) else (None, "")
            file.createDimension(name, axis if values is None else len(values))
            if values is not None:
                kind = str if np.asarray(values).dtype.kind in "UO" else np.asarray(values).dtype
                variable = file.createVariable(name, kind, (name,))
                variable[:] = np.asarray(values, object) if kind is str else values
                if unit:
                    variable.units = unit
        for name, (dims, values, kind, own) in arrays.items():
            own = dict(own)
            fill = own.pop("_FillValue", None)
            variable = file.createVariable(name, kind, dims, fill_value=fill, zlib=form == "NETCDF4")
            variable.set_auto_maskandscale(False)
            variable[...] = np.asarray(values, kind)
            variable.setncatts(own)
        file.setncatts(dict(attributes))
    return str(path)


def soil_moisture_cci(path, title, unit, lat, lon, date, sm, arrays=(), version="07.1"):
    """A file of ESA CCI or C3S soil moisture: north to south, one time. arrays: name -> (values, type, fill)."""
    days = (date - dt.date(1970, 1, 1)).days
    content = {"sm": (np.asarray(sm, "f4"), "f4", -9999.0), **dict(arrays)}
    top = 1.0 if unit == "m3 m-3" else 100.0
    return netcdf(
        path,
        {
            "time": (np.array([float(days)]), "days since 1970-01-01 00:00:00 UTC"),
            "lat": (np.asarray(lat, "f4"), "degrees_north"),
            "lon": (np.asarray(lon, "f4"), "degrees_east"),
        },
        {
            name: (
                ("time", "lat", "lon"),
                np.asarray(values)[None],
                kind,
                {"_FillValue": fill}
                | ({"units": unit, "valid_range": np.array([0, top], "f4")} if name.startswith("sm") else {}),
            )
            for name, (values, kind, fill) in content.items()
        },
        {
            "title": title,
            "product_version": version,
            "time_coverage_start": "19781101T000000Z",
            "time_coverage_end": "20221231T235959Z",
        },
    )


def sinusoidal(path, bands, tile=(25, 4), size=1200, kind=gdal.GDT_Byte, nodata=None):
    """A tile on the MODIS sinusoidal grid as GeoTIFF. bands: array name -> values of its upper left corner."""
    made = gdal.GetDriverByName("GTiff").Create(
        str(path), size, size, len(bands), kind, ["COMPRESS=DEFLATE", "TILED=YES", "SPARSE_OK=TRUE"]
    )
    width = 1111950.5196666666
    reference = osr.SpatialReference()
    reference.ImportFromProj4("+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs")
    made.SetProjection(reference.ExportToWkt())
    made.SetGeoTransform(((tile[0] - 18) * width, width / size, 0, (9 - tile[1]) * width, 0, -width / size))
    for number, (name, values) in enumerate(bands.items(), 1):
        band = made.GetRasterBand(number)
        band.SetDescription(name)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        band.WriteArray(np.asarray(values))
    made = None
    return str(path)
