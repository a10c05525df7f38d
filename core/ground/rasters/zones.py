"""Polygons on grids: which cells belong to which zone, and means over zones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, ogr, osr

from ...errors import InputError
from ...progress import Progress
from ...raster.blocks import windows
from ...raster.grid import Grid
from ..metrics import Floats
from .source import RasterSource

ogr.UseExceptions()
_PARTS = 8  # a cell is cut into 8 x 8 parts to find its share in a zone
_PIXELS = 2**19


@dataclass(frozen=True)
class Zones:
    """Polygons `wkb` with a name each, in `crs_wkt`."""

    names: tuple[str, ...]
    wkb: tuple[bytes, ...]
    crs_wkt: str

    def __post_init__(self) -> None:
        if not self.crs_wkt:
            raise InputError("The zone layer has no coordinate reference system: assign one first.")
        if not self.names:
            raise InputError("The zone layer holds no polygon.")

    def __len__(self) -> int:
        return len(self.names)

    def on(self, grid: Grid) -> ZonesOnGrid:
        """The zones in the reference system of `grid`."""
        source = osr.SpatialReference()
        source.ImportFromWkt(self.crs_wkt)
        source.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        transformation = None if source.IsSame(grid.crs) else osr.CoordinateTransformation(source, grid.crs)
        shapes = []
        for name, wkb in zip(self.names, self.wkb):
            shape = ogr.CreateGeometryFromWkb(wkb)
            try:
                if transformation is not None:
                    # Long edges bend between systems.
                    shape.Segmentize(_longest_edge(shape) / 50)
                    shape.Transform(transformation)
            except RuntimeError as error:
                raise InputError(
                    f"Zone {name!r} cannot be brought to {grid.crs_name}: check its coordinates."
                ) from error
            shapes.append(shape)
        return ZonesOnGrid(tuple(shapes), grid)


@dataclass(frozen=True)
class ZonesOnGrid:
    """Zones as shapes in the reference system of `grid`."""

    shapes: tuple[ogr.Geometry, ...]
    grid: Grid

    @cached_property
    def boxes(self) -> Floats:
        """(zones, 4): xmin, xmax, ymin, ymax."""
        return np.array([shape.GetEnvelope() for shape in self.shapes], dtype=np.float64).reshape(-1, 4)

    def inside(self, row0: int, rows: int, col0: int, cols: int) -> list[int]:
        """Zones whose boxes touch a window."""
        xmin, ymin, xmax, ymax = self.grid.window(row0, col0, rows, cols).extent()
        b = self.boxes
        return np.flatnonzero((b[:, 0] < xmax) & (b[:, 1] > xmin) & (b[:, 2] < ymax) & (b[:, 3] > ymin)).tolist()

    def labels(self, row0: int, rows: int, col0: int, cols: int) -> NDArray[np.intp]:
        """(rows, cols): number of the zone that holds the centre of each cell, -1 in none; of several the first."""
        result = np.full((rows, cols), -1, dtype=np.intp)
        for zone in reversed(self.inside(row0, rows, col0, cols)):
            result[_burn(self.shapes[zone], self.grid.window(row0, col0, rows, cols))] = zone
        return result

    def shares(self, zone: int, row0: int, rows: int, col0: int, cols: int) -> Floats:
        """(rows, cols): share of each cell in `zone`; by centres where the window is large."""
        cells = self.grid.window(row0, col0, rows, cols)
        parts = _PARTS if rows * cols <= 10_000 else 1
        burnt = _burn(self.shapes[zone], cells.subdivide(parts)).astype(np.float64)
        return np.asarray(burnt.reshape(rows, parts, cols, parts).mean(axis=(1, 3)))


def zone_means(source: RasterSource, zones: Zones, progress: Progress, min_valid: float = 0.0) -> tuple[Floats, Floats]:
    """Means (layers, zones) of `source` over zones by area, and the share of each zone that is valid.

    NaN below `min_valid`. The file is read window by window, each layer of a window once.
    """
    shape = (len(source.layers), len(zones))
    total, weight, whole = np.zeros(shape), np.zeros(shape), np.zeros(len(zones))
    placed = zones.on(source.grid)
    area = _row_area(source.grid)
    # Zones lie where they lie: windows without one are not read.
    every = [(w, inside) for w in _windows(source.grid) if (inside := placed.inside(w[0], w[1], w[2], w[3]))]
    for number, (window, inside) in enumerate(every):
        row0, rows, col0, cols = window
        used = []
        for zone in inside:
            share = _zone_share(placed, zone, window) * area[row0 : row0 + rows, None]
            if share.any():
                down, along = np.flatnonzero(share.any(axis=1)), np.flatnonzero(share.any(axis=0))
                box = (slice(int(down[0]), int(down[-1]) + 1), slice(int(along[0]), int(along[-1]) + 1))
                used.append((zone, box, share[box]))
                whole[zone] += share.sum()
        if not used:
            continue
        top, bottom = min(b[0].start for _, b, _ in used), max(b[0].stop for _, b, _ in used)
        left, right = min(b[1].start for _, b, _ in used), max(b[1].stop for _, b, _ in used)
        for layer in range(len(source.layers)):
            progress.check()
            progress.set((number + layer / len(source.layers)) / len(every), f"Means of {source.name} over zones")
            values = source.read(layer, row0 + top, bottom - top, col0 + left, right - left)
            for zone, (r, c), share in used:
                part = values[r.start - top : r.stop - top, c.start - left : c.stop - left]
                valid = np.isfinite(part)
                total[layer, zone] += float((share * np.where(valid, part, 0.0)).sum())
                weight[layer, zone] += float(share[valid].sum())
    mean = np.full(shape, np.nan)
    np.divide(total, weight, out=mean, where=weight > 0)
    covered = np.divide(weight, whole, out=np.zeros(shape), where=whole > 0)
    return np.where(covered >= min_valid, mean, np.nan), covered


def _windows(grid: Grid) -> list[tuple[int, int, int, int]]:
    return windows(grid, _PIXELS)


def _zone_share(placed: ZonesOnGrid, zone: int, window: tuple[int, int, int, int]) -> Floats:
    """Shares of the cells of a window in a zone; small zones by parts of cells also within large windows."""
    row0, rows, col0, cols = window
    cells = placed.grid.window(row0, col0, rows, cols)
    xmin, xmax, ymin, ymax = placed.boxes[zone]
    c = np.clip(np.floor((np.array([xmin, xmax]) - cells.transform[0]) / cells.cell_width).astype(int), 0, cols - 1)
    r = np.clip(np.floor((cells.transform[3] - np.array([ymax, ymin])) / cells.cell_height).astype(int), 0, rows - 1)
    result = np.zeros((rows, cols))
    height, width = int(r[1] - r[0]) + 1, int(c[1] - c[0]) + 1
    share = placed.shares(zone, row0 + int(r[0]), height, col0 + int(c[0]), width)
    result[r[0] : r[1] + 1, c[0] : c[1] + 1] = share
    return result


def _row_area(grid: Grid) -> Floats:
    return np.cos(np.radians(np.clip(grid.y_centres(), -90, 90))) if grid.is_geographic else np.ones(grid.rows)


def _burn(shape: ogr.Geometry, cells: Grid) -> NDArray[np.bool_]:
    """Cells whose centre lies in `shape`."""
    raster = gdal.GetDriverByName("MEM").Create("", cells.cols, cells.rows, 1, gdal.GDT_Byte)
    raster.SetGeoTransform(cells.transform)
    raster.SetProjection(cells.crs_wkt)
    holder = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = holder.CreateLayer("", cells.crs, ogr.wkbUnknown)
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(shape)
    layer.CreateFeature(feature)
    gdal.RasterizeLayer(raster, [1], layer, burn_values=[1])
    return np.asarray(raster.ReadAsArray() > 0)


def _longest_edge(shape: ogr.Geometry) -> float:
    xmin, xmax, ymin, ymax = shape.GetEnvelope()
    return max(xmax - xmin, ymax - ymin) or 1.0


def names_of(values: Sequence[object], what: str = "zone") -> tuple[str, ...]:
    """Names that differ: empty ones are numbered, repeated ones too."""
    seen: dict[str, int] = {}
    result = []
    for number, value in enumerate(values, 1):
        name = str(value).strip() if value not in (None, "") else f"{what} {number}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)
