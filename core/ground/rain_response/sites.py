"""Where rain and soil moisture are compared: points or zones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...progress import Progress
from ..metrics import Floats
from ..observations import project
from ..rasters.places import place_series
from ..rasters.source import RasterSource
from ..rasters.zones import Zones, zone_means


@dataclass(frozen=True)
class Places:
    """Points with a name each, in `crs_wkt`."""

    names: tuple[str, ...]
    x: Floats
    y: Floats
    crs_wkt: str

    def __len__(self) -> int:
        return len(self.names)


def series_at(source: RasterSource, places: Places | Zones, progress: Progress) -> Floats:
    """(layers, places) of a source at points, or as means over zones."""
    if isinstance(places, Zones):
        return zone_means(source, places, progress)[0]
    return place_series(source, places.x, places.y, places.crs_wkt, progress)


def centres(places: Places | Zones) -> tuple[Floats, Floats]:
    """x and y of points, or of the middles of zones."""
    if isinstance(places, Places):
        return places.x, places.y
    from osgeo import ogr

    points = [ogr.CreateGeometryFromWkb(wkb).Centroid() for wkb in places.wkb]
    return np.array([p.GetX() for p in points]), np.array([p.GetY() for p in points])


def coverage(rainfall: RasterSource, places: Places | Zones, without: Sequence[str]) -> str:
    """A sentence where rain is missing at places; CHIRPS is known to end at 50 degrees."""
    if not without:
        return ""
    named = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
    sentence = f"The rain layer {rainfall.name} has no value at {len(without)} of {len(places)} places ({named})."
    x, y = centres(places)
    grid = rainfall.grid
    inside = grid.cell_of(*project(x, y, places.crs_wkt, grid))[0] >= 0
    north = grid.extent()[3]
    text = " ".join((rainfall.name, *(v for values in rainfall.tags.values() for v in values)))
    if grid.is_geographic and (re.search("chirps", text, re.I) or abs(north - 50) < 0.06) and not inside.all():
        sentence += " CHIRPS ends at 50 degrees north and south: take ERA5-Land, GPM IMERG or gauges beyond."
    return sentence
