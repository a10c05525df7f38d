"""Which stations, and which periods, are held out together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..metrics import Floats

Numbers = NDArray[np.intp]


def station_groups(east: Floats, north: Floats, pixel_km: float, separation_km: float | None = None) -> Numbers:
    """(stations,) number of the cluster each station lies in; places in km.

    Stations closer than `separation_km` would give each other's values away. By default that is half of the mean
    distance to the nearest neighbour that stations strewn at random over their extent would have (Clark & Evans 1954,
    0.5 / sqrt(density)), and at least a pixel. No cluster is wider than that.
    """
    n = len(east)
    if n < 2:
        return np.zeros(n, np.intp)
    if separation_km is None:
        area = max(float(np.ptp(east) * np.ptp(north)), pixel_km**2)
        separation_km = 0.25 * math.sqrt(area / n)
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(np.column_stack([east, north]), "complete")
    label = fcluster(tree, max(separation_km, pixel_km), "distance")
    return np.unique(label, return_inverse=True)[1].astype(np.intp)


def deal(group: Numbers, folds: int, seed: int) -> Numbers:
    """(stations,) fold of each station: whole groups, dealt at random to folds of about equal size."""
    size = np.bincount(group)
    random = np.random.default_rng(seed)
    order = random.permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    count = min(folds, len(size))
    load, fold = np.zeros(count), np.empty(len(size), np.intp)
    for one in order:
        fold[one] = int(np.argmin(load))
        load[fold[one]] += size[one]
    return fold[group]


def period_folds(periods: int, folds: int) -> Numbers:
    """(periods,) fold of each period: runs of consecutive ones."""
    return (np.arange(periods) * min(folds, periods) // max(1, periods)).astype(np.intp)


def nearest_km(east: Floats, north: Floats, to_east: Floats, to_north: Floats) -> Floats:
    """Distance from each place to the nearest of others, in km."""
    from scipy.spatial import cKDTree

    if not len(to_east):
        return np.full(len(east), np.nan)
    return np.asarray(cKDTree(np.column_stack([to_east, to_north])).query(np.column_stack([east, north]))[0])
