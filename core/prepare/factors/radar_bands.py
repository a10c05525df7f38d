"""Backscatter layers: which band is VV, VH or the incidence angle, in dB or linear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...errors import InputError
from ...raster.blocks import Array
from .checks import sample_values
from .common import Source, listed
from .radar_orbits import ANGLE, VH, VV, spaced
from .radar_power import DB, LINEAR

AUTO = "auto"
UNITS = (AUTO, DB, LINEAR)

_POLARISATION = re.compile(r"(?<![A-Za-z])(VV|VH)(?![A-Za-z])", re.I)
_ANGLE = re.compile(r"(?<![a-z])(angle|incidence)(?![a-z])", re.I)


def radar_roles(sources: Sequence[Source], names: Mapping[str, str]) -> dict[str, list[Source]]:
    """The bands of VV, VH and the incidence angle. names: what the user calls them, which goes before what names tell.

    Raises InputError for names that no band has.
    """
    found: dict[str, list[Source]] = {VV: [], VH: [], ANGLE: []}
    for role, name in names.items():
        found[role] = [source for source in sources if source.name.lower() == name.lower()]
        if not found[role]:
            known = list(dict.fromkeys(source.name for source in sources))
            raise InputError(f"No band is called {name!r}, given as {role}: the layers hold {listed(known, 14)}.")
    taken = {id(source) for own in found.values() for source in own}
    for source in sources:
        role = _role(source)
        if role and not names.get(role) and id(source) not in taken:
            found[role].append(source)
    return found


def unit_of(sources: Iterable[Source], asked: str) -> str:
    """`dB` or `linear`, the same for all bands of backscatter.

    asked: `auto` takes what is declared, else what the values show. Raises InputError where values are neither, could
    be both, contradict what was asked or declared, or where bands differ.
    """
    if asked not in UNITS:
        raise InputError(f"The unit of backscatter is one of {', '.join(UNITS)}, not {asked!r}.")
    found: dict[str, Source] = {}
    for source in sources:
        values = sample_values(source)
        if not values.size:
            continue
        told = asked if asked != AUTO else _declared(source)
        seen = _seen(values)
        if told and seen and told != seen:
            raise InputError(
                f"The backscatter in {source.where} is said to be {_name(told)}, but its values ({_range(values)}) are "
                f"{_name(seen)}: correct the unit."
            )
        unit = told or seen
        if not unit:
            raise InputError(
                f"The backscatter in {source.where} ({_range(values)}) may be {_hint(values)}: choose its unit, or "
                "give sigma0 in dB or as linear power."
            )
        if values.size and told and _impossible(values, unit):
            raise InputError(
                f"The values in {source.where} ({_range(values)}) are no sigma0 in {_name(unit)}: calibrate the "
                "product first."
            )
        found.setdefault(unit, source)
    if len(found) > 1:
        raise InputError(
            f"Backscatter comes in dB ({found[DB].where}) and in linear power ({found[LINEAR].where}): bring the "
            "layers to one unit."
        )
    return next(iter(found), DB if asked == AUTO else asked)


def check_angle(source: Source) -> None:
    """Raise InputError for incidence angles that are no degrees between 0 and 90."""
    values = sample_values(source)
    if values.size and (values.min() < 0 or values.max() > 90 or values.max() <= np.pi / 2):
        raise InputError(
            f"The incidence angle in {source.where} ({_range(values)}) is not in degrees: radar angles lie between "
            "about 15 and 60 degrees."
        )


def _role(source: Source) -> str:
    name = spaced(source.name)
    polarisation = _POLARISATION.search(name)
    if _ANGLE.search(name):
        return ANGLE
    if polarisation and "ratio" not in name.lower() and len(set(map(str.lower, _POLARISATION.findall(name)))) == 1:
        return polarisation.group(1).lower()
    return ""


def _declared(source: Source) -> str:
    unit = source.unit.strip().lower()
    if unit in ("db", "decibel"):
        return DB
    if unit in ("1", "linear", "power", "m2/m2", "m2 m-2", "intensity"):
        return LINEAR
    if re.search(r"(?<![a-z])db(?![a-z])", spaced(source.name), re.I):
        return DB
    return ""


def _seen(values: Array) -> str:
    """What values can only be: backscatter in dB is mostly negative, as linear power it is small and not negative."""
    low, middle, high = np.percentile(values, (2, 50, 98))
    if low > -60 and high < 25 and middle < -1 and (values < 0).mean() > 0.75:
        return DB
    # Removal of thermal noise leaves some powers a little below 0.
    if low >= -0.02 and 0 <= middle < 1 and high < 20:
        return LINEAR
    return ""


def _impossible(values: Array, unit: str) -> bool:
    low, middle, high = np.percentile(values, (2, 50, 98))
    return bool(low < -80 or high > 40) if unit == DB else bool(middle < 0 or high > 100)


def _name(unit: str) -> str:
    return "dB" if unit == DB else "linear power"


def _range(values: Array) -> str:
    low, middle, high = np.percentile(values, (2, 50, 98))
    return f"mostly {low:.3g} to {high:.3g}, median {middle:.3g}"


def _hint(values: Array) -> str:
    return "uncalibrated digital numbers" if np.median(values) > 20 else "dB or linear power"
