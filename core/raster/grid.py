"""A raster's geometry: CRS, geotransform and shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, osr

from ..errors import InputError

gdal.UseExceptions()
osr.UseExceptions()

Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """A north-up grid of `rows` x `cols` cells; `transform` in GDAL's order, in units of the CRS."""

    crs_wkt: str
    transform: Transform
    rows: int
    cols: int

    @classmethod
    def of(cls, source: gdal.Dataset | str | Path) -> Grid:
        """The grid of a dataset or file.

        Raises InputError where it has no georeference, no CRS, is rotated, or is a container of several variables.
        """
        dataset = source if isinstance(source, gdal.Dataset) else open_raster(source)
        name = Path(dataset.GetDescription()).name or "The raster"
        if dataset.RasterCount == 0:
            inside = [key.rsplit(":", 1)[-1].strip("/") for key, _ in dataset.GetSubDatasets()]
            listed = f" ({', '.join(inside[:12])}{', ...' if len(inside) > 12 else ''})" if inside else ""
            raise InputError(f"{name} is a container of variables{listed}, not one raster: choose one of them.")
        transform = dataset.GetGeoTransform(can_return_null=True)
        if transform is None:
            raise InputError(f"{name} has no georeference: assign its extent first, or import it as a product file.")
        if not dataset.GetProjection():
            raise InputError(f"{name} has no coordinate reference system: assign one first.")
        if transform[2] != 0 or transform[4] != 0 or transform[1] <= 0 or transform[5] >= 0:
            raise InputError(f"{name} is rotated or not north-up: warp it to a north-up grid first.")
        return cls(dataset.GetProjection(), tuple(transform), dataset.RasterYSize, dataset.RasterXSize)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.cols

    @property
    def cell_width(self) -> float:
        return self.transform[1]

    @property
    def cell_height(self) -> float:
        return -self.transform[5]

    def x_edges(self) -> NDArray[np.float64]:
        return self.transform[0] + self.transform[1] * np.arange(self.cols + 1)

    def y_edges(self) -> NDArray[np.float64]:
        """From north to south: descending."""
        return self.transform[3] + self.transform[5] * np.arange(self.rows + 1)

    def x_centres(self) -> NDArray[np.float64]:
        return self.transform[0] + self.transform[1] * (np.arange(self.cols) + 0.5)

    def y_centres(self) -> NDArray[np.float64]:
        return self.transform[3] + self.transform[5] * (np.arange(self.rows) + 0.5)

    @cached_property
    def crs(self) -> osr.SpatialReference:
        reference = osr.SpatialReference()
        reference.ImportFromWkt(self.crs_wkt)
        # Always x, y: geographic systems would otherwise hand over latitude first.
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        return reference

    @property
    def is_geographic(self) -> bool:
        return bool(self.crs.IsGeographic())

    @property
    def crs_name(self) -> str:
        """Such as `EPSG:6933`, or the name in the definition."""
        code = self.crs.GetAuthorityCode(None)
        return f"{self.crs.GetAuthorityName(None)}:{code}" if code else str(self.crs.GetName())

    @property
    def cell_label(self) -> str:
        """Mean side of the middle cell on the ground, such as `9 km`, `1 km` or `250 m`."""
        metres = float(f"{math.sqrt(math.prod(self.ground_cell_size())):.2g}")
        return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"

    def same_crs(self, other: Grid) -> bool:
        """Whether coordinates mean the same place; the order in which a definition lists its axes does not count."""
        if self.crs_wkt == other.crs_wkt:
            return True
        return bool(self.crs.IsSame(other.crs, ["IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES"]))

    def same_as(self, other: Grid) -> bool:
        """Equal shape and CRS, and corners within a hundredth of a cell."""
        if self.shape != other.shape or not self.same_crs(other):
            return False
        far = self.transform[0] + self.cols * self.transform[1] - other.transform[0] - other.cols * other.transform[1]
        low = self.transform[3] + self.rows * self.transform[5] - other.transform[3] - other.rows * other.transform[5]
        near, top = self.transform[0] - other.transform[0], self.transform[3] - other.transform[3]
        return max(abs(far), abs(near)) < 0.01 * self.cell_width and max(abs(low), abs(top)) < 0.01 * self.cell_height

    def subdivide(self, ratio: int) -> Grid:
        """Each cell cut into `ratio` x `ratio`."""
        x, width, _, y, _, height = self.transform
        return Grid(self.crs_wkt, (x, width / ratio, 0.0, y, 0.0, height / ratio), self.rows * ratio, self.cols * ratio)

    def window(self, row0: int, col0: int, rows: int, cols: int) -> Grid:
        """`rows` x `cols` cells from row `row0` and column `col0`."""
        x, width, _, y, _, height = self.transform
        return Grid(self.crs_wkt, (x + col0 * width, width, 0.0, y + row0 * height, 0.0, height), rows, cols)

    def nesting_ratio(self, fine: Grid) -> int | None:
        """The k for which `fine` is exactly `self.subdivide(k)`, else None."""
        if self.rows == 0 or fine.rows % self.rows or fine.cols % self.cols:
            return None
        ratio = fine.rows // self.rows
        return ratio if ratio * self.cols == fine.cols and self.subdivide(ratio).same_as(fine) else None

    def cell_of(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Row and column of the cells that hold the points, -1 in both outside; points in the grid's CRS."""
        col = np.floor((np.asarray(x, float) - self.transform[0]) / self.transform[1])
        row = np.floor((np.asarray(y, float) - self.transform[3]) / self.transform[5])
        inside = (col >= 0) & (col < self.cols) & (row >= 0) & (row < self.rows)
        return np.where(inside, row, -1).astype(np.intp), np.where(inside, col, -1).astype(np.intp)

    def extent(self) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax."""
        return (
            self.transform[0],
            self.transform[3] + self.rows * self.transform[5],
            self.transform[0] + self.cols * self.transform[1],
            self.transform[3],
        )

    def ground_cell_size(self) -> tuple[float, float]:
        """Width and height of the middle cell on the ground, in metres.

        Maps stretch, the sensor's footprint does not: at 45 degrees a 9 km EASE-Grid cell is 7.4 by 11 km.
        """
        x = self.transform[0] + self.transform[1] * (self.cols / 2 + np.array([-0.5, 0.5, 0.0, 0.0]))
        y = self.transform[3] + self.transform[5] * (self.rows / 2 + np.array([0.0, 0.0, -0.5, 0.5]))
        geographic = self.crs if self.is_geographic else self.crs.CloneGeogCS()
        geographic.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        transformation = osr.CoordinateTransformation(self.crs, geographic)
        lon, lat = np.radians([transformation.TransformPoint(a, b)[:2] for a, b in zip(x, y)]).T
        radius = 6371007.2
        east = radius * np.cos(lat[:2].mean()) * abs((lon[1] - lon[0] + np.pi) % (2 * np.pi) - np.pi)
        north = radius * abs(lat[3] - lat[2])
        # Off-axis parts vanish on the cylindrical and geographic grids in use here and are small on UTM.
        return float(np.hypot(east, radius * (lat[1] - lat[0]))), float(
            np.hypot(north, radius * np.cos(lat[2:].mean()) * (lon[3] - lon[2]))
        )


EASE_COLUMNS = {36: 964, 9: 3856, 3: 11568, 1: 34704}
_EASE_X, _EASE_Y = 17367530.4451615, 7314540.8306386


def ease_grid(cell_km: int, row0: int, col0: int, rows: int, cols: int) -> Grid:
    """A window of the global EASE-Grid 2.0 (EPSG:6933) with cells of `cell_km`; row and column counted from 0.

    Brodzik et al. 2012, doi:10.3390/ijgi1010032. Raises InputError for other cell sizes.
    """
    if cell_km not in EASE_COLUMNS:
        raise InputError(f"EASE-Grid 2.0 has cells of 1, 3, 9 and 36 km, not {cell_km} km.")
    size = 2 * _EASE_X / EASE_COLUMNS[cell_km]
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(6933)
    return Grid(
        reference.ExportToWkt(), (-_EASE_X + col0 * size, size, 0.0, _EASE_Y - row0 * size, 0.0, -size), rows, cols
    )


def wkt_of(definition: str) -> str:
    """The WKT of a reference system given as EPSG:4326, WKT or PROJ text. Raises InputError for an unknown one."""
    reference = osr.SpatialReference()
    try:
        reference.SetFromUserInput(definition)
    except RuntimeError as error:
        raise InputError(f"The reference system {definition!r} is not known: write it such as EPSG:4326.") from error
    return str(reference.ExportToWkt())


def open_raster(path: str | Path) -> gdal.Dataset:
    """Open for reading; InputError in one sentence where GDAL cannot."""
    try:
        return gdal.Open(str(path), gdal.GA_ReadOnly)
    except RuntimeError as error:
        raise InputError(f"{path} cannot be opened as a raster: {str(error).splitlines()[0]}") from error
