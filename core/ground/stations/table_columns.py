"""Which column of a table is what, told from its name; every guess can be set instead."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import InputError

_PARTS = {
    "year": r"(year|yr|yyyy|jahr|ano)",
    "month": r"(month|mo|mm|monat|mes)",
    "day": r"(day|dd|tag|dia)",
    "doy": r"(doy|day of year|day number|julian( day)?|jday)",
}
_DAYS = (("year", "month", "day"), ("year", "doy"))  # which parts make a day
_DOUBTFUL = re.compile(r"\b(theta|mv)\b")  # also angles and voltages: only where nothing else is soil moisture
ROLES = ("date", "clock", "station", "network", "lon", "lat", "depth", "depth_from", "depth_to", "sensor", "flag",
         "unit", "value", "temperature")  # fmt: skip
_NAMES: dict[str, tuple[str, ...]] = {
    "date": (
        r"(reading |utc |local |lst |obs(ervation)? |measurement |sample |sampling )?(date ?time|time ?stamp|date)\b.*",
        r"reading time.*", r"datum.*", r"fecha.*", r"day", r"(date|time) utc", r"utc.*", r"zeit.*", r"time( .*)?",
    ),
    "clock": (r"(utc |local |lst )?(time|hour|hr|hh|clock|uhrzeit|hh ?mm|hora)( .*)?",),
    "minute": (r"min|minutes?",),
    "station": (
        r"(station|site|stn|plot|point|location|probe)( ?(name|id|code|no|number|key))?", r"name", r"id", r"stid",
    ),
    "network": (r"network( ?name)?",),
    "lon": (r"(lon|long|longitude|lng)( .*)?", r"x( coord.*)?", r"easting"),
    "lat": (r"(lat|latitude)( .*)?", r"y( coord.*)?", r"northing"),
    "depth": (r"(sensor |soil )?depth( (cm|m|mm|in))?",),
    "depth_from": (r"depth (from|top|min|upper|start)( .*)?", r"(from|top|upper) ?depth( .*)?"),
    "depth_to": (r"depth (to|bottom|max|lower|end)( .*)?", r"(to|bottom|lower) ?depth( .*)?"),
    "sensor": (r"sensor( ?(name|id|type))?", r"instrument",),
    "flag": (r"((soil moisture|sm|vwc|ismn|quality|qc) )?(flag|qc|quality|qf)s?",),
    "unit": (r"units?",),
}  # fmt: skip
_MOISTURE = re.compile(
    r"\b(soil ?moisture|soil ?water|water content|water fraction|volumetric|moisture|theta|vwc|wfv|swc|ssm|sms?|"
    r"smc|mv|bodenfeuchte|humedad)(?![a-z])"
)
_SOIL_TEMPERATURE = re.compile(
    r"\b(soil|ground|depth)\b.*\b(temp|temperature|temp\w*)\b|\b(ts|tsoil|stemp|sto)(?![a-z])"
)
_OTHER = re.compile(
    r"\b(air|rain|rainfall|precip|precipitation|prep|wind|humidity|rh|radiation|pressure|battery|volt|std|stdev|"
    r"error|uncertainty|flag|qc|quality|conductivity|ec|permittivity|dielectric|count|elevation|altitude|snow|temp|"
    r"temperature|index|record|porosity|degc|celsius|kelvin|deg c|potential|suction|tension|kpa|deficit|relative|"
    r"saturation|storage|anomaly)\b"
)
_TEXTURE = re.compile(r"\b(clay|sand|silt|bulk|organic|carbon|slope|aspect)\b")
_DEPTH_UNIT = {"cm": 0.01, "mm": 0.001, "m": 1.0, "in": 0.0254, "inch": 0.0254}
_FIGURE = r"(\d+(?:[.,]\d+)?)"
_RANGE = re.compile(rf"(?<![\d.]){_FIGURE}\s*(?:cm|m)?\s*(?:-|–|_|to)\s*{_FIGURE}\s*_?(cm|mm|inch|in|m)(?![a-z0-9/³])")
_VOLUME = re.compile(r"c?m\s*\^?[3³]\s*[/.·*]?\s*c?m\s*\^?[-⁻]?\s*[3³]")  # no depth of 3 m
_SINGLE = re.compile(rf"(?<![\d.]){_FIGURE}\s*_?(cm|mm|inch|in|m)(?![a-z0-9/³])")


@dataclass
class Columns:
    """Positions of the columns: one for each role that is known, several for values and soil temperatures."""

    role: dict[str, int] = field(default_factory=dict)
    values: list[int] = field(default_factory=list)
    temperatures: list[int] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)


def find_columns(
    names: Sequence[str], given: Mapping[str, str] | None = None, stations: Collection[str] = ()
) -> Columns:
    """The columns of a table. `given` sets roles by name (`value` may name several, parted by commas).

    Columns named as one of the `stations` (as `same_name` spells them) or that fit no role are in `rest`.
    Raises InputError for a role or a column that does not exist.
    """
    found = Columns()
    taken: set[int] = set()
    for role, wanted in (given or {}).items():
        if role not in ROLES:
            raise InputError(f"Columns can be set for {', '.join(ROLES)}, not for {role!r}.")
        places = [_place(names, name.strip()) for name in (wanted.split(",") if wanted.strip() else [])]
        taken.update(places)
        if role == "value":
            found.values = places
        elif role == "temperature":
            found.temperatures = places
        elif places:
            found.role[role] = places[0]
    said = [spoken(name) for name in names]
    named = {i for i, name in enumerate(names) if same_name(name) in stations}
    closed = taken | named
    if "date" not in found.role:
        parts = {part: next((i for i, n in enumerate(said) if i not in closed and re.fullmatch(pattern, n)), None)
                 for part, pattern in _PARTS.items()}  # fmt: skip
        known = {part: place for part, place in parts.items() if place is not None}
        whole = {part: known[part] for part in next((day for day in _DAYS if known.keys() >= set(day)), ())}
        found.role |= whole
        taken |= set(whole.values())
        closed |= set(whole.values())
    for role, patterns in _NAMES.items():
        if role in found.role or (given or {}).get(role) == "":
            continue
        if (role == "date" and "year" in found.role) or (role == "clock" and not {"date", "year"} & set(found.role)):
            continue
        if role == "minute" and "clock" not in found.role:
            continue
        for pattern in patterns:
            place = next((i for i, name in enumerate(said) if i not in closed and re.fullmatch(pattern, name)), None)
            if place is not None:
                found.role[role] = place
                taken.add(place)
                closed.add(place)
                break
    for i, name in enumerate(said):
        if i in taken:
            continue
        if i in named:
            found.rest.append(i)
        elif _SOIL_TEMPERATURE.search(name) and "air" not in name.split() and not (given or {}).get("temperature"):
            if not re.search(r"\b(min|max|std|flag)\b", name):
                found.temperatures.append(i)
        elif _MOISTURE.search(name) and not _OTHER.search(name):
            if not (given or {}).get("value"):
                found.values.append(i)
        elif name and not _OTHER.search(name) and not _TEXTURE.search(name) and "°" not in names[i]:
            found.rest.append(i)
    sure = [i for i in found.values if not _DOUBTFUL.search(said[i])]
    if sure and "value" not in (given or {}):
        found.values = sure
    return found


def depth_in(name: str) -> tuple[float, float]:
    """Depth from and to in m that a column's name states, NaN where it states none."""
    text = _VOLUME.sub(" ", name.lower())
    if match := _RANGE.search(text):
        unit = _DEPTH_UNIT[match[3]]
        top, bottom = (float(part.replace(",", ".")) * unit for part in match.group(1, 2))
        return min(top, bottom), max(top, bottom)
    if match := _SINGLE.search(text):
        depth = float(match[1].replace(",", ".")) * _DEPTH_UNIT[match[2]]
        return depth, depth
    return math.nan, math.nan


def unit_in(text: str) -> str:
    """`percent`, `m3/m3`, `mm` or nothing, as a column's name or unit says."""
    low = text.lower().replace("³", "3").replace("⁻", "-").replace("^", "").replace(" ", "")
    if re.search(r"%|percent|pct|prozent|vol\.?-?%", low):
        return "percent"
    if re.search(r"[(\[]mm[)\]]|^mm$|kg/?m-?2", low):
        return "mm"
    if re.search(r"c?m3[/.]?c?m-?3|v/v|m3m3", low):
        return "m3/m3"
    return ""


def spoken(name: str) -> str:
    """`DateTime_UTC (h)` as `date time utc h`."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[\W_]+", " ", apart.lower()).strip()


def same_name(text: str) -> str:
    """A name without case, blanks and signs, to be compared."""
    return re.sub(r"[\W_]+", "", text.lower())


def _place(names: Sequence[str], wanted: str) -> int:
    for i, name in enumerate(names):
        if name == wanted or same_name(name) == same_name(wanted):
            return i
    raise InputError(f"There is no column {wanted!r}; the table has {', '.join(name for name in names if name)}.")
