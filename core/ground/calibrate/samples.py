"""Rows of stations for the methods: read, checked, and dealt to folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...statistics import is_constant
from ..matching import Pairs
from ..observations import Observations, project
from .convolution import HALO, Network, with_features
from .folds import deal, nearest_km, station_groups
from .inputs import Inputs
from .rows import Plane, Rows, seasons

Numbers = NDArray[np.intp]

_ROWS_AT_ONCE = 4096


def station_rows(
    pairs: Pairs, observations: Observations, inputs: Inputs, progress: Progress
) -> tuple[Rows, list[str]]:
    """Rows of all pairs; where a factor has a gap a pair is left out, for every method."""
    if not len(pairs):
        why = ", ".join(f"{count} observations {reason}" for reason, count in pairs.dropped.items())
        raise InputError(
            f"No station has a value together with {pairs.product}: {why or 'there are no observations'}. Check "
            "coordinates, reference system and dates of the stations."
        )
    x, y = project(pairs.x, pairs.y, observations.crs_wkt, inputs.grid)
    row, col = inputs.grid.cell_of(x, y)
    east, north = Plane.of(inputs.grid).km(x, y)
    who = pairs.station
    values = inputs.patches(row[who], col[who], pairs.period, 0, progress)[:, 0, 0]
    rows = Rows(
        pairs.predicted,
        values[:, 1:].astype(float),
        seasons(pairs.periods, pairs.period),
        east[who],
        north[who],
        pairs.observed,
        who,
        pairs.period,
    )
    known = np.isfinite(rows.factors).all(axis=1)
    notes = []
    if not known.all():
        if known.mean() < 0.5:
            gaps = dict(zip(inputs.factors, (~np.isfinite(rows.factors)).sum(axis=0)))
            worst = max(gaps, key=lambda name: gaps[name])
            raise InputError(
                f"At {(~known).sum()} of {len(rows)} pairs a factor has no value ({worst} at {gaps[worst]}): leave "
                "that factor out, or fill its gaps first."
            )
        notes.append(
            f"{(~known).sum()} of {len(rows)} pairs lie where a factor has no value: left out for all methods."
        )
    return rows.take(known), notes


def check_rows(rows: Rows, pairs: Pairs) -> None:
    if rows.stations < 2:
        raise InputError(
            "Only one station has values together with the product: a calibration could not be tested on a station "
            "that it has not seen. Give at least two, better fifteen or more."
        )
    if is_constant(rows.y):
        raise InputError(
            f"All stations measure the same value, {rows.y[0]:g} m3/m3, at all times: check the field with soil "
            "moisture."
        )
    if is_constant(rows.z) and len(rows) > 2:
        raise InputError(
            f"{pairs.product} has the same value, {rows.z[0]:g} m3/m3, at all stations and dates: there is nothing to "
            "calibrate."
        )
    if np.ptp(rows.east) == 0 and np.ptp(rows.north) == 0:
        raise InputError("All stations stand at one place: a calibration could not be tested elsewhere.")


def featured(
    rows: Rows, inputs: Inputs, pairs: Pairs, observations: Observations, network: Network, progress: Progress
) -> Rows:
    """Rows with what the network's convolutions make of their surroundings."""
    x, y = project(pairs.x, pairs.y, observations.crs_wkt, inputs.grid)
    row, col = inputs.grid.cell_of(x, y)
    order = np.lexsort((col[rows.station], row[rows.station], rows.period))
    features = np.empty((network.members, len(rows), network.hidden.shape[1]), np.float32)
    for start in range(0, len(order), _ROWS_AT_ONCE):
        some = order[start : start + _ROWS_AT_ONCE]
        who = rows.station[some]
        patches = inputs.patches(row[who], col[who], rows.period[some], HALO, progress)
        made = with_features(rows.take(some), network, patches.astype(float)).features
        assert made is not None
        features[:, some] = made
    return replace(rows, features=features)


def design_folds(
    rows: Rows, inputs: Inputs, folds: int, separation_km: float | None, seed: int
) -> tuple[Numbers, Numbers]:
    """(n,) cluster and fold of each row's station. Raises InputError where all would be held out at once."""
    stations, first, number = np.unique(rows.station, return_index=True, return_inverse=True)
    pixel_km = float(np.sqrt(np.prod(inputs.grid.ground_cell_size()))) / 1000
    group = station_groups(rows.east[first], rows.north[first], pixel_km, separation_km)
    fold = deal(group, folds, seed)
    if len(np.unique(fold)) < 2:
        raise InputError(
            "All stations lie so close together that none can be held out: nothing would show whether the calibration "
            "helps. Lower the distance of stations that are held out together, or add stations."
        )
    return group[number], fold[number]


def tested_km(rows: Rows, fold: Numbers) -> NDArray[np.float64]:
    """(n,) km from each row's station to the nearest one outside its fold."""
    result = np.empty(len(rows))
    for one in np.unique(fold):
        out = fold == one
        result[out] = nearest_km(rows.east[out], rows.north[out], rows.east[~out], rows.north[~out])
    return result
