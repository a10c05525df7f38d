"""netCDF and HDF5 files through GDAL's multidimensional API: arrays as stored, with their dimensions and attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, gdal_array

from .arrays import ArrayInfo, Attribute, as_number, as_text, clean_attribute, clean_text, declared_fill

Opener = Callable[[], Optional[gdal.Dataset]]


def open_multidim(path: str, driver: str) -> gdal.Dataset:
    """Open with one driver. Raises RuntimeError where it cannot."""
    names = [path]
    # By the plain name each refuses what looks like the other's.
    names.append(f'NETCDF:"{path}"' if driver == "netCDF" else f"HDF5:{path}")
    for name in names:
        try:
            dataset = gdal.OpenEx(name, gdal.OF_MULTIDIM_RASTER, allowed_drivers=[driver])
        except RuntimeError as error:
            failure = error
            continue
        if dataset is not None and dataset.GetRootGroup() is not None:
            return dataset
        failure = RuntimeError(f"{driver} does not open it")
    raise failure


class MultidimSource:
    """The arrays of one netCDF or HDF5 file; `other` opens it with the other of the two drivers, or gives None."""

    blocks_kept_by_gdal = False

    def __init__(self, dataset: gdal.Dataset, other: Opener) -> None:
        self.format: str = dataset.GetDriver().ShortName
        self._dataset: Any = dataset
        self._root = dataset.GetRootGroup()
        self._open_other = other
        self._opened: dict[str, Any] = {}
        self.names: tuple[str, ...] = tuple(name for name, _ in self._walk())

    @cached_property
    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        seen: set[str] = set()
        for name, group in self._groups(self._root, ""):
            if name not in seen:
                seen.add(name)
                found.update({name + key: as_text(value) for key, value in _attributes(group).items()})
        return found

    def info(self, name: str) -> ArrayInfo:
        array = self._array(name)
        attributes = _attributes(array)
        dimensions = array.GetDimensions()
        kind = array.GetDataType()
        dtype = _dtype(kind)
        scale, offset = array.GetScale(), array.GetOffset()
        reference = array.GetSpatialRef()
        return ArrayInfo(
            path=name,
            shape=tuple(int(d.GetSize()) for d in dimensions),
            dims=_unique([d.GetName() for d in dimensions]),
            dtype=dtype,
            chunk=self._chunk(name, array),
            attributes=attributes,
            unit=str(array.GetUnit() or as_text(attributes.get("units", ""))),
            fill=declared_fill(array.GetNoDataValue() if dtype != "str" else None, attributes, dtype),
            scale=as_number(attributes.get("scale_factor")) if scale is None else float(scale),
            offset=as_number(attributes.get("add_offset")) if offset is None else float(offset),
            crs_wkt=reference.ExportToWkt() if reference is not None else "",
        )

    def read(self, name: str, start: tuple[int, ...], count: tuple[int, ...]) -> NDArray[Any]:
        array = self._array(name)
        if array.GetDataType().GetClass() == gdal.GEDTC_STRING:
            if not start and self.format == "netCDF":
                # The netCDF driver returns arbitrary bytes for a single text.
                array = self._array_of_other(name)
            values = array.Read() if not start else array.Read(list(start), list(count))
            return np.array([_text(one) for one in values], dtype=str).reshape(count)
        values = array.ReadAsArray(list(start), list(count)) if start else array.ReadAsArray()
        return np.asarray(values).reshape(count)

    def close(self) -> None:
        self._opened.clear()
        self._root = self._dataset = None
        self.__dict__.pop("_other", None)

    @cached_property
    def _other(self) -> gdal.Dataset | None:
        return self._open_other()

    def _array(self, name: str) -> Any:
        if name not in self._opened:
            self._opened[name] = self._root.OpenMDArrayFromFullname("/" + name)
        return self._opened[name]

    def _array_of_other(self, name: str) -> Any:
        if self._other is None:
            raise RuntimeError(f"the text {name} cannot be read without GDAL's HDF5 driver")
        return self._other.GetRootGroup().OpenMDArrayFromFullname("/" + name)

    def _chunk(self, name: str, array: Any) -> tuple[int, ...] | None:
        sizes = tuple(int(size) for size in array.GetBlockSize() or ())
        if self.format == "HDF5" and not any(sizes) and len(sizes) > 1 and self._other is not None:
            # The HDF5 driver does not tell chunks before GDAL 3.9; the netCDF driver does.
            try:
                sizes = tuple(int(size) for size in self._array_of_other(name).GetBlockSize())
            except RuntimeError:
                return None
        return sizes if sizes and all(sizes) else None

    def _walk(self) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for prefix, group in self._groups(self._root, ""):
            for name in group.GetMDArrayNames(["SHOW_ALL=YES"]) or []:
                if prefix + name not in seen:
                    seen.add(prefix + name)
                    yield prefix + name, group

    def _groups(self, group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        yield prefix, group
        for name in group.GetGroupNames() or []:
            inner = group.OpenGroup(name)
            if inner is not None:
                yield from self._groups(inner, f"{prefix}{name}/")


def _attributes(holder: Any) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    # Without the option, arrays keep _FillValue and units to themselves.
    for attribute in holder.GetAttributes(["SHOW_ALL=YES"]) or []:
        try:
            value = clean_attribute(attribute.Read())
        except (RuntimeError, UnicodeDecodeError, ValueError):
            continue  # references and compounds tell nothing about the values
        if value is not None:
            found[clean_text(attribute.GetName())] = value
    return found


def _dtype(kind: Any) -> str:
    if kind.GetClass() == gdal.GEDTC_STRING:
        return "str"
    if kind.GetClass() != gdal.GEDTC_NUMERIC:
        return "void"
    return np.dtype(gdal_array.GDALTypeCodeToNumericTypeCode(kind.GetNumericDataType())).name


def _text(value: Any) -> str:
    return clean_text(value) if isinstance(value, str) else bytes(value).decode("latin-1")


def _unique(names: list[str]) -> tuple[str, ...]:
    """Square arrays without named dimensions may have the same name twice."""
    return tuple(
        name if name and names.index(name) == i else f"{re.sub('^$', 'dim', name)}_{i}" for i, name in enumerate(names)
    )
