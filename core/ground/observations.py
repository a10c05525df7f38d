"""Station observations: one row per reading, one place per station, soil moisture in m3/m3."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ..errors import InputError
from ..raster.grid import Grid
from .columns import dates, numbers, volumetric
from .metrics import Floats

METRES_PER_DEGREE = 111_000.0


@dataclass(frozen=True)
class Observations:
    """Measured soil moisture (m3/m3), one row per reading; x, y in `crs_wkt`, one place per station.

    `date` (days, or minutes where single readings are wanted) is NaT where undated; `dropped` counts rows of the table
    that could not be used, by reason. `classes` are kinds of groups known from the files (network, depth), with a label
    per station in the order of `places`.
    """

    station: NDArray[np.str_]
    x: Floats
    y: Floats
    date: NDArray[np.datetime64]
    value: Floats
    crs_wkt: str
    notes: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.value)

    @property
    def undated(self) -> bool:
        return bool(np.isnat(self.date).all())

    def places(self) -> tuple[NDArray[np.str_], Floats, Floats, NDArray[np.intp]]:
        """Stations in order of name, their x and y, and each row's station number."""
        # Rows of a station mostly follow each other: only the first of each run is sorted.
        runs = np.flatnonzero(np.append(True, self.station[1:] != self.station[:-1]))[: len(self)]
        names, first, number = np.unique(self.station[runs], return_index=True, return_inverse=True)
        rows = np.repeat(number, np.diff(np.append(runs, len(self))))
        return names, self.x[runs[first]], self.y[runs[first]], rows.astype(np.intp)


def clean_observations(
    station: Iterable[object] | None,
    x: Sequence[float] | Floats,
    y: Sequence[float] | Floats,
    date: Iterable[object] | None,
    value: Iterable[object],
    crs_wkt: str,
    *,
    unit: str = "auto",
    order: str = "auto",
) -> Observations:
    """Observations from the columns of a table, one entry per row; `station` or `date` None where there is no
    such field.

    See `numbers`, `dates` and `volumetric` for missing words, orders of dates and units. Without names every place is a
    station; a name at places more than about 100 m apart becomes several. Raises InputError.
    """
    if not crs_wkt:
        raise InputError("The station layer has no coordinate reference system: assign one first.")
    value_column = numbers(value)
    raw = value_column.values
    if len(raw) == 0:
        raise InputError("The station layer has no rows.")
    moisture = volumetric(raw, unit)
    when = dates(date, order, len(raw))
    east, north = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    missing, placeless = ~np.isfinite(moisture.values), ~(np.isfinite(east) & np.isfinite(north))
    keep = ~missing & ~placeless
    dropped = {"no value": int(missing.sum()), "no place": int((placeless & ~missing).sum())}
    if not keep.any():
        raise InputError("No station row has both a place and a value.")
    scale = metres_per_unit(crs_wkt, east[keep], north[keep])
    names = None if station is None else np.array(["" if s is None else str(s).strip() for s in station])[keep]
    name, east, north, notes = split_by_place(names, east[keep], north[keep], scale)
    return Observations(
        name,
        east,
        north,
        when.values[keep],
        moisture.values[keep],
        crs_wkt,
        (*value_column.notes, *moisture.notes, *when.notes, *notes),
        {k: v for k, v in dropped.items() if v},
    )


def project(x: Floats, y: Floats, from_wkt: str, to: Grid) -> tuple[Floats, Floats]:
    """Points in the CRS of `to`, x before y; NaN where the transformation has no answer."""
    source = osr.SpatialReference()
    source.ImportFromWkt(from_wkt)
    source.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    if len(x) == 0 or source.IsSame(to.crs):
        return x, y
    transformation = osr.CoordinateTransformation(source, to.crs)
    moved = np.full((len(x), 2), math.nan)
    for i, point in enumerate(zip(x.tolist(), y.tolist())):
        try:
            moved[i] = transformation.TransformPoint(*point)[:2]
        except RuntimeError:
            continue
    moved[~np.isfinite(moved).all(axis=1)] = math.nan
    return moved[:, 0], moved[:, 1]


def split_by_place(
    names: NDArray[np.str_] | None, x: Floats, y: Floats, scale: float
) -> tuple[NDArray[np.str_], Floats, Floats, list[str]]:
    """Station names that stand for one place each, that place for every row, and what was split.

    `scale` is metres per unit of x and y; without `names` every place is a station.
    """
    if names is None or not (names != "").any():
        _, place = np.unique(np.stack([x, y]), axis=1, return_inverse=True)
        place = place.ravel()
        # Numbered as they appear, so that they can be found again in the table.
        first = np.unique(place, return_index=True)[1]
        rank = np.argsort(np.argsort(first))
        width = len(str(len(first)))
        return np.array([f"point {k + 1:0{width}d}" for k in rank])[place], x, y, []
    label, number = np.unique(names, return_inverse=True)
    x, y = x.copy(), y.copy()
    result = names.astype(object)
    split = []
    order = np.argsort(number, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
        name = str(label[number[rows[0]]]) or "unnamed"
        if max(np.ptp(x[rows]), np.ptp(y[rows])) * scale <= 100:
            x[rows], y[rows], result[rows] = np.median(x[rows]), np.median(y[rows]), name
            continue
        split.append(name)
        places, own = np.unique(np.round(np.stack([x[rows], y[rows]]) * scale / 100), axis=1, return_inverse=True)
        own = own.ravel()
        for k in range(places.shape[1]):
            here = rows[own == k]
            x[here], y[here], result[here] = np.median(x[here]), np.median(y[here]), f"{name} ({k + 1})"
    notes = (
        [f"Station names that stand for several places: {len(split)} (such as {split[0]!r}); each place is a station."]
        if split
        else []
    )
    return result.astype(str), x, y, notes


def metres_per_unit(crs_wkt: str, x: Floats, y: Floats) -> float:
    """Of the coordinates x, y. Raises InputError where they cannot be the degrees that the CRS says they are."""
    reference = osr.SpatialReference()
    reference.ImportFromWkt(crs_wkt)
    if not reference.IsGeographic():
        return float(reference.GetLinearUnits()) or 1.0
    if np.abs(y).max() > 90 or np.abs(x).max() > 360:
        raise InputError(
            "Station coordinates are not degrees: check that x is longitude, y latitude, "
            "and that the layer's coordinate reference system is right."
        )
    return METRES_PER_DEGREE
