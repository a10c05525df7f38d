"""Which band is red and which near infrared: from the names of bands, their product, or the user."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...errors import InputError
from .common import Dated, Source, by_period, listed

REFLECTANCE = ("blue", "green", "red", "nir", "nir2", "swir1", "swir2")
ROLES = (*REFLECTANCE, "ndvi", "lst_day", "elevation")

# What bands are called by products whose names need no product to be known.
_NAMES = {
    "nir08": "nir",
    "nir_1240": "nir2",
    "swir16": "swir1",
    "swir_1": "swir1",
    "swir22": "swir2",
    "swir_2": "swir2",
    "lst": "lst_day",
    "lst_day_1km": "lst_day",
    "dem": "elevation",
    "dtm": "elevation",
    "height": "elevation",
}
_MODIS = ("red", "nir", "blue", "green", "nir2", "swir1", "swir2")
_MODIS_BAND = re.compile(r"(?:sur_refl_b0?|Nadir_Reflectance_Band)([1-7])(?!\d)", re.I)
_BAND = re.compile(r"(?<![A-Za-z0-9])(?:SR_)?B(?:and)?[ _]?(0?\d|1[0-2]|8A)(?![A-Za-z0-9])", re.I)
_OLI = {"2": "blue", "3": "green", "4": "red", "5": "nir", "6": "swir1", "7": "swir2"}
_TM = {"1": "blue", "2": "green", "3": "red", "4": "nir", "5": "swir1", "7": "swir2"}
_S2 = {"2": "blue", "3": "green", "4": "red", "8": "nir", "8A": "nir", "11": "swir1", "12": "swir2"}
_SENSORS = (
    (re.compile(r"(?<![A-Z0-9])L[COT]0?[89](?!\d)|LANDSAT[ _-]?[89]|HLS[._]?L30", re.I), _OLI),
    (re.compile(r"(?<![A-Z0-9])L[TE]0?[457](?!\d)|LANDSAT[ _-]?[457]", re.I), _TM),
    (
        re.compile(
            r"(?<![A-Z0-9])S2[ABC]?(?![A-Z0-9])|MSI_?L[12][AC]|SENTINEL[ _-]?2|CENTRAL[ _]*WAVELENGTH|HLS[._]?S30", re.I
        ),
        _S2,
    ),
    (re.compile(r"(?<![A-Z0-9])T\d\d[A-Z]{3}(?![A-Z0-9])"), _S2),
    (re.compile(r"(?<![A-Z0-9])(?:MOD|MYD)09|MCD43A4", re.I), {str(n): role for n, role in enumerate(_MODIS, 1)}),
)


def assign_roles(sources: Sequence[Source], chosen: str = "", notes: list[str] | None = None) -> dict[str, Dated]:
    """The bands of each role by period; roles without a band are left out.

    chosen: the user's text such as `red=B4, nir=B5`, which goes before what the names tell. A name is the whole name
    of a band or a part of it between separators. Raises InputError for unknown roles and names, and for two bands of
    one role and period.
    """
    named = parse_roles(chosen)
    found: dict[str, list[Source]] = {}
    for role, name in named.items():
        found[role] = _named(sources, name)
        if not found[role]:
            raise InputError(
                f"No band is called {name!r}, given as {role}: the layers hold "
                f"{listed(list(dict.fromkeys(source.name for source in sources)), 14)}."
            )
    taken = {id(source) for own in found.values() for source in own}
    for source in sources:
        role = known_role(source)
        if role and role not in named and id(source) not in taken:
            found.setdefault(role, []).append(source)
    if "nir" in found and "nir" not in named:
        found["nir"] = _broad_nir(found["nir"])
    if notes is not None:
        for role in (role for role in ROLES if role in found):
            names = list(dict.fromkeys(source.name for source in found[role]))
            if names != [role]:
                notes.append(f"{role} is {listed(names)}.")
    return {role: by_period(own, f"The {role} band") for role, own in found.items()}


def parse_roles(text: str) -> dict[str, str]:
    """`red=B4, nir=B5` as a mapping. Raises InputError for what cannot be read, unknown roles and repeated ones."""
    found: dict[str, str] = {}
    for part in (part.strip() for part in re.split(r"[,;\n]", text)):
        if not part:
            continue
        role, sign, name = (piece.strip() for piece in part.partition("="))
        role = _NAMES.get(role.lower(), role.lower())
        if not sign or not name:
            raise InputError(f"The band roles hold {part!r}: write pairs such as red=B4, nir=B5.")
        if role not in ROLES:
            raise InputError(f"The band role {role!r} is unknown: the roles are {', '.join(ROLES)}.")
        if role in found:
            raise InputError(f"The band role {role!r} is given twice, as {found[role]} and as {name}: keep one.")
        found[role] = name
    return found


def known_role(source: Source) -> str:
    """The role that a band's name or its product tells, empty for none."""
    name = source.name.strip().lower()
    if name in ROLES:
        return name
    if name in _NAMES:
        return _NAMES[name]
    modis = _MODIS_BAND.search(source.name)
    if modis:
        return _MODIS[int(modis.group(1)) - 1]
    # B4 is red on Landsat 8, near infrared on Landsat 5 and green on MODIS.
    band = _BAND.search(source.name)
    if not band:
        return ""
    clues = " ".join((source.product, source.tags.get("SPACECRAFT_ID", ""), source.stack.name, source.name))
    table = next((table for sensor, table in _SENSORS if sensor.search(clues.replace("_", " _ "))), {})
    return table.get(band.group(1).upper().lstrip("0"), "")


def _named(sources: Sequence[Source], name: str) -> list[Source]:
    wanted = name.lower()
    whole = [source for source in sources if source.name.lower() == wanted]
    if whole:
        return whole
    part = re.compile(rf"(?<![a-z0-9]){re.escape(wanted.replace('_', ' '))}(?![a-z0-9])")
    return [source for source in sources if part.search(source.name.lower().replace("_", " "))]


def _broad_nir(sources: list[Source]) -> list[Source]:
    """Sentinel-2 has two near infrared bands: B8A only stands in where B8 is not there."""
    narrow = [source for source in sources if re.search(r"(?<![A-Z0-9])B8A(?![A-Z0-9])", source.name.upper())]
    others = [source for source in sources if source not in narrow]
    known = {source.period for source in others}
    return others + [source for source in narrow if source.period not in known]
