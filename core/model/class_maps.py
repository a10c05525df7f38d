"""Classes of one map: factors such as `landcover_1` and `landcover_7` that hold the share of each class."""

from __future__ import annotations

from collections.abc import Sequence

from ..raster.bands import SHARE_UNIT


def map_of(name: str) -> str:
    """`landcover` of `landcover_12`; empty for what has no number of a class."""
    stem, _, code = name.rpartition("_")
    return stem if code.isdigit() else ""


def classes_by_map(names: Sequence[str], units: Sequence[str]) -> dict[str, list[str]]:
    """Names of the factors that are shares of classes, by map."""
    found: dict[str, list[str]] = {}
    for name, unit in zip(names, units):
        if unit == SHARE_UNIT and map_of(name):
            found.setdefault(map_of(name), []).append(name)
    return found
