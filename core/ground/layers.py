"""Layers of soil moisture, found in files and sorted into products."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..raster.bands import is_percent, is_saturation
from ..raster.grid import Grid, open_raster
from ..raster.periods import Period, without_date
from ..raster.stack import Stack
from .metrics import Floats

_NOT_MOISTURE = re.compile(
    r"uncert|quality|flag|error|std|stdev|\bsd\b|_sd$|count|share|mask|weight|valid", re.IGNORECASE
)
_MOISTURE = re.compile(r"soil.?moisture|(^|_)(sm|ssm)(_|$)", re.IGNORECASE)
_OTHER_VARIABLES = frozenset(
    "ndvi evi lai fpar lst_day lst_night et pet precipitation elevation slope landcover clay sand silt sif".split()
)


@dataclass(frozen=True)
class Layer:
    """A band of soil moisture in a file."""

    path: str
    index: int
    period: Period | None
    unit: str
    grid: Grid


@dataclass(frozen=True)
class Product:
    """The layers of one product in order of time; undated products have a single layer.

    `depth` is what its file says, such as "0-5 cm"; empty where it says nothing.
    """

    name: str
    layers: tuple[Layer, ...]
    depth: str = ""


def find_products(paths: Iterable[str | Path], band_name: str | None = None) -> list[Product]:
    """Layers sorted into products: files whose names differ only in dates are one. Raises InputError.

    In each file the target band (role), the band `soil_moisture` or the only band that may be soil moisture
    is taken, unless `band_name` says which. Several band names, parted by commas, make a product each.
    """
    given = list(dict.fromkeys(map(str, paths)))  # the same file given twice is one
    names = [name.strip() for name in (band_name or "").split(",") if name.strip()]
    if len(names) < 2:
        return _find(given, names[0] if names else None)
    return [replace(product, name=f"{product.name} {name}") for name in names for product in _find(given, name)]


def product_periods(paths: Iterable[str | Path], band_name: str | None = None) -> list[Period | None]:
    """The periods of all products together in order of time, and None for undated ones."""
    found = {layer.period for product in find_products(paths, band_name) for layer in product.layers}
    return [*sorted(period for period in found if period is not None), *([None] if None in found else [])]


def target_band(stack: Stack, band_name: str | None = None) -> str:
    """The name of the soil moisture bands of a stack. Raises InputError where that is not clear."""
    names = list(dict.fromkeys(band.name for band in stack.bands))
    if band_name:
        if band_name not in names:
            raise InputError(f"{stack.name} has no band {band_name!r}; it has {', '.join(names)}.")
        return band_name
    if stack.target_name:
        return stack.target_name
    if "soil_moisture" in names:
        return "soil_moisture"
    if names == ["quality"]:
        raise InputError(f"{stack.name} holds quality codes, not soil moisture: give the map that they belong to.")
    if names[0] in _OTHER_VARIABLES and len(names) == 1:
        raise InputError(f"{stack.name} holds {names[0]}, not soil moisture: give the soil moisture map.")
    likely = [name for name in names if not _NOT_MOISTURE.search(name)] if len(names) > 1 else names
    named = [name for name in likely if _MOISTURE.search(name)]
    for found in (named, likely):
        if len(found) == 1:
            return found[0]
    raise InputError(f"{stack.name} has the bands {', '.join(names)}: say which one is soil moisture.")


def as_moisture(values: Floats, unit: str, name: str) -> tuple[Floats, list[str]]:
    """Percent to m3/m3, and a stop where values cannot be m3/m3."""
    notes = []
    if is_saturation(unit):
        values = values / 100 if "%" in unit else values
        notes.append(
            f"{name} is relative to saturation, not m3/m3: against soil moisture by volume only its correlations count."
        )
    elif is_percent(unit):
        values = values / 100
        notes.append(f"{name} is in percent: taken as percent by volume and divided by 100.")
    with np.errstate(invalid="ignore"):
        if (values < -0.5).any():
            values = np.where(values < -0.5, math.nan, values)
            notes.append(f"{name} holds values below -0.5, taken as undeclared nodata.")
    largest = float(np.max(values, initial=-math.inf, where=np.isfinite(values)))
    if largest > 1.5:
        raise InputError(
            f"Values of {name} reach {largest:g}{' ' + unit if unit else ''}, which is not soil moisture in "
            "m3/m3: convert the layer first (percent / 100, scaled integers by their factor)."
        )
    return values, notes


def _find(paths: Sequence[str], band_name: str | None) -> list[Product]:
    groups: dict[str, list[tuple[str, list[Layer]]]] = {}
    for path in paths:
        with Stack.open(path) as stack:
            chosen = target_band(stack, band_name)
            layers = [
                Layer(path, number, band.period, band.unit, stack.grid)
                for number, band in enumerate(stack.bands, 1)
                if band.name == chosen
            ]
            bare = re.sub(r"(^|_)T\d{4,6}(?=_|$)", "", without_date(stack.name)).strip("_")
            name = bare or Path(path).parent.name or stack.name
            groups.setdefault(name, []).append((stack.name, layers))
    if not groups:
        raise InputError("Choose at least one soil moisture product to validate.")
    products: list[Product] = []
    for name, files in groups.items():
        products.extend(_without_clashes(name, files))
    return _with_own_names(products)


def _without_clashes(name: str, files: list[tuple[str, list[Layer]]]) -> list[Product]:
    """One product, or one per folder or file where layers of the same period would clash."""
    layers = [layer for _, own in files for layer in own]
    if _distinct(layers):
        return [_product(name, layers)]
    by_folder: dict[str, list[Layer]] = {}
    for _, own in files:
        by_folder.setdefault(Path(own[0].path).parent.name, []).extend(own)
    if len(by_folder) > 1 and all(_distinct(own) for own in by_folder.values()):
        return [_product(f"{folder}/{name}", own) for folder, own in by_folder.items()]
    for stem, own in files:
        if not _distinct(own):
            raise InputError(f"{stem} has two soil moisture bands of the same period: name the band to use.")
    return [_product(stem, own) for stem, own in files]


def _with_own_names(products: list[Product]) -> list[Product]:
    """Products of the same name are numbered."""
    seen: dict[str, int] = {}
    result = []
    for product in products:
        seen[product.name] = number = seen.get(product.name, 0) + 1
        result.append(product if number == 1 else replace(product, name=f"{product.name} ({number})"))
    return result


def _distinct(layers: Sequence[Layer]) -> bool:
    periods = [layer.period for layer in layers]
    return len(set(periods)) == len(periods) and (None not in periods or len(periods) == 1)


def _product(name: str, layers: Sequence[Layer]) -> Product:
    def time(layer: Layer) -> str:
        return f"{layer.period.start} {layer.period.end}" if layer.period else ""

    ordered = tuple(sorted(layers, key=time))
    dataset = open_raster(ordered[0].path)
    depth = dataset.GetRasterBand(ordered[0].index).GetMetadataItem("DEPTH") or ""
    return Product(name, ordered, depth.strip())
