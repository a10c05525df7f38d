"""Where stations are: coordinates in a second table, and checks of what is given."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ...errors import InputError
from ..columns import numbers
from ..metrics import Floats
from ..observations import METRES_PER_DEGREE, split_by_place
from .table_columns import Columns, same_name
from .table_text import TextTable

WGS84 = osr.SRS_WKT_WGS84_LAT_LONG


class Places:
    """Longitude and latitude by the name of a station or of its file."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, float]] = {}
        self.names: dict[str, str] = {}
        self.sources: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def add(self, table: TextTable, columns: Columns, source: str, crs_wkt: str) -> None:
        """Take the places of a table with a station, a longitude and a latitude column."""
        x, y = coordinates(table, columns, crs_wkt)
        names = table.columns[columns.role["station"]]
        files = next((i for i, name in enumerate(table.names) if same_name(name) in ("file", "filename")), None)
        for i, name in enumerate(names):
            if not name.strip() or not math.isfinite(x[i]):
                continue
            self.names[same_name(name)] = name.strip()
            self._known[same_name(name)] = float(x[i]), float(y[i])
            if files is not None:
                stem = table.columns[files][i].strip().rsplit(".", 1)[0]
                self._known.setdefault(same_name(stem), (float(x[i]), float(y[i])))
                self.names.setdefault(same_name(stem), name.strip())
        self.sources.append(source)

    def of(self, name: str) -> tuple[float, float]:
        """Place of a station, NaN where it is not in any table."""
        return self._known.get(same_name(name), (math.nan, math.nan))


def coordinates(table: TextTable, columns: Columns, crs_wkt: str) -> tuple[Floats, Floats]:
    """Longitude and latitude of each row; `crs_wkt` is the system of the columns, empty for degrees.

    Raises InputError where they are no numbers, or degrees that cannot be longitude and latitude.
    """
    x, y = (_numbers(table, columns.role[role]) for role in ("lon", "lat"))
    known = np.isfinite(x) & np.isfinite(y)
    x[~known], y[~known] = math.nan, math.nan
    source = osr.SpatialReference()
    if crs_wkt:
        source.ImportFromWkt(crs_wkt)
    if crs_wkt and not source.IsGeographic():
        source.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        target = osr.SpatialReference()
        target.ImportFromEPSG(4326)
        target.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        transformation = osr.CoordinateTransformation(source, target)
        for i in np.flatnonzero(known):
            try:
                x[i], y[i] = transformation.TransformPoint(float(x[i]), float(y[i]))[:2]
            except RuntimeError as error:
                raise InputError(
                    f"The place {x[i]:.12g}, {y[i]:.12g} lies outside the reference system given for tables "
                    f"({source.GetName()}): give the one of the coordinates."
                ) from error
    check_degrees(zip(x[known].tolist(), y[known].tolist()))
    return x, y


def one_place_each(
    names: NDArray[np.str_], networks: NDArray[np.str_], place: tuple[Floats, Floats], named: bool
) -> tuple[NDArray[np.str_], tuple[Floats, Floats], list[str]]:
    """Names that stand for one place each, that place for every row, and what was split.

    Names of a network whose rows lie more than about 100 m apart become several stations. Without a column of
    stations (`named` False) every place is one, unless all rows lie together.
    """
    own, x, y, told = names.astype(object), place[0].copy(), place[1].copy(), list[str]()
    known = np.isfinite(x) & np.isfinite(y)
    for network in dict.fromkeys(networks[known].tolist()):
        rows = known & (networks == network)
        together = max(np.ptp(x[rows]), np.ptp(y[rows])) * METRES_PER_DEGREE <= 100
        given = names[rows] if named or together else None
        new, x[rows], y[rows], notes = split_by_place(given, x[rows], y[rows], METRES_PER_DEGREE)
        own[rows] = new if given is not None else [f"{stem} {one}" for stem, one in zip(names[rows], new)]
        told += notes
    return own.astype(str), (x, y), told


def _numbers(table: TextTable, column: int) -> Floats:
    try:
        return numbers(table.columns[column]).values
    except InputError as error:
        first = next((text for text in table.columns[column] if text.strip()), "nothing")
        raise InputError(
            f"The column {table.names[column]!r} holds {first!r}: write coordinates as numbers, such as -97.25."
        ) from error


def check_degrees(places: Iterable[tuple[float, float]]) -> None:
    """Raise InputError where a place is no longitude and latitude."""
    for x, y in places:
        if abs(y) > 90 and abs(x) <= 90 and abs(y) <= 180:
            raise InputError(
                f"Latitude {y:g} with longitude {x:g} is beyond the poles: longitude and latitude seem to be swapped; "
                "set the columns 'lon' and 'lat'."
            )
        if abs(y) > 90 or abs(x) > 360:
            raise InputError(
                f"Coordinates {x:.12g}, {y:.12g} are not degrees: give the reference system of the tables' coordinates."
            )
