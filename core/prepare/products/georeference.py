"""Where the cells of a product lie: a north-up grid, and how to read arrays in its orientation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from osgeo import osr

from ...raster.grid import Grid
from .arrays import ArrayInfo, BadFile
from .axes import Axis, regular_axis, within_180
from .container import Container
from .ease import place_global, place_indices
from .placement import AxesPlacement, CellsPlacement, Placement
from .recipe import GridRule

__all__ = ["AxesPlacement", "CellsPlacement", "Placement", "place"]

# What coordinate arrays are called where a rule does not name them.
_X_NAMES = "lon|longitude|Longitude|Lon|LON|x|X|XDim|easting"
_Y_NAMES = "lat|latitude|Latitude|Lat|LAT|y|Y|YDim|northing"


def place(container: Container, array: str, rule: GridRule) -> Placement:
    """The grid of `array` by `rule`.

    Raises BadFile where coordinates are absent or uneven, or do not agree with the constants of the grid.
    """
    if rule.kind == "own":
        return _own(container, container.arrays[array], rule)
    if rule.kind == "coordinates":
        return _by_coordinates(container, container.arrays[array], rule)
    if rule.kind == "ease2":
        return place_global(container, array, rule)
    if rule.kind == "ease2 indices":
        return place_indices(container, array, rule)
    raise ValueError(f"unknown kind of grid rule: {rule.kind}")


def _own(container: Container, info: ArrayInfo, rule: GridRule) -> Placement:
    grid = info.grid
    if grid is None:
        if container.format in ("netCDF", "HDF5"):
            return _by_coordinates(container, info, rule)
        raise BadFile(container.path, f"{info.path} has no usable georeference; assign its extent and CRS first.")
    rows = np.arange(grid.rows)
    return AxesPlacement(
        grid,
        rows[::-1] if info.south_first else rows,
        np.arange(grid.cols),
        info,
        len(info.shape) - 2,
        len(info.shape) - 1,
    )


def _by_coordinates(container: Container, info: ArrayInfo, rule: GridRule) -> AxesPlacement:
    x_info, x_axis = _coordinate(container, info, rule.x or _X_NAMES, "x")
    y_info, y_axis = _coordinate(container, info, rule.y or _Y_NAMES, "y", taken=x_axis)
    crs_wkt, geographic = _crs(container, info, rule)
    x = y = None
    try:
        if y_info.shape[0] > 1:
            y = _axis(container, y_info, None, False)
        x = _axis(container, x_info, y.step if y else None, geographic)
        y = y or _axis(container, y_info, x.step, False)
        if geographic:
            x = within_180(x)
    except ValueError as error:
        culprit = y_info if y is None and (x is not None or y_info.shape[0] > 1) else x_info
        raise BadFile(container.path, f"the coordinate array {culprit.path} {error}.") from error
    if geographic and max(abs(y.edge), abs(y.end)) > 90.0 + y.step:
        raise BadFile(
            container.path,
            f"{y_info.path} reaches {max(y.end, -y.edge):g}, which is no latitude in degrees; name the CRS of the "
            "coordinates in the recipe.",
        )
    grid = Grid(crs_wkt, (x.edge, x.step, 0.0, y.end, 0.0, -y.step), y.size, x.size)
    return AxesPlacement(grid, y.reversed(), x.source, info, y_axis, x_axis)


def _coordinate(
    container: Container, info: ArrayInfo, pattern: str, which: str, taken: int | None = None
) -> tuple[ArrayInfo, int]:
    """The coordinate array and the axis of `info` that it belongs to: of its name, or else of its size."""
    name = container.find(pattern)
    if name is None:
        raise BadFile(container.path, f"there is no coordinate array {pattern.replace('|', ' or ')} for {info.path}.")
    found = container.arrays[name]
    if len(found.shape) != 1:
        raise BadFile(
            container.path,
            f"the coordinate array {name} has {len(found.shape)} dimensions, not one: only regular grids can be read.",
        )
    of_size = [axis for axis, size in enumerate(info.shape) if size == found.shape[0] and axis != taken]
    named = [axis for axis in of_size if info.dims[axis] in (found.dims[0], name.rsplit("/", 1)[-1])]
    if not of_size:
        raise BadFile(
            container.path, f"{name} has {found.shape[0]} values, which no dimension of {info.path} {info.shape} has."
        )
    if named:
        return found, named[0]
    # Without names: rows come before columns, both last.
    return found, of_size[-1] if which == "x" or len(of_size) == 1 or taken is not None else of_size[-2]


def _axis(container: Container, info: ArrayInfo, step: float | None, around: bool) -> Axis:
    stored = container.read(info.path)
    values = np.where(info.is_fill(stored), np.nan, stored)
    if (info.scale or 1.0) != 1.0 or info.offset:
        values = values * (info.scale or 1.0) + (info.offset or 0.0)
    if info.unit.strip().lower() in ("km", "kilometer", "kilometre", "kilometers", "kilometres"):
        values = values * 1000.0
    return regular_axis(values.astype(np.float32) if stored.dtype == np.float32 else values, step, around)


def _crs(container: Container, info: ArrayInfo, rule: GridRule) -> tuple[str, bool]:
    """Of the rule; a projection that the file names itself goes before degrees, which are the rule's default."""
    crs_wkt, geographic = _definition(rule.crs or "EPSG:4326")
    if info.crs_wkt and geographic:
        own = osr.SpatialReference()
        own.ImportFromWkt(info.crs_wkt)
        if own.IsProjected():
            return info.crs_wkt, False
    return crs_wkt, geographic


@lru_cache(maxsize=16)
def _definition(crs: str) -> tuple[str, bool]:
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    return reference.ExportToWkt(), bool(reference.IsGeographic())
