"""Ascending and descending passes look at the ground from two sides: which scenes belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import InputError
from .common import Dated, Source, by_period, listed

VV, VH, ANGLE = "vv", "vh", "incidence_angle"
APART, TOGETHER, ASCENDING, DESCENDING = "apart", "together", "ascending", "descending"
ORBITS = (APART, TOGETHER, ASCENDING, DESCENDING)

_PASS = re.compile(r"(?<![A-Za-z])(ASC|DES|DESC|ASCENDING|DESCENDING)(?![A-Za-z])", re.I)
_ORBIT_TAGS = ("orbitProperties_pass", "ORBIT_PASS", "PASS", "ORBIT_DIRECTION", "orbit_pass", "orbit_direction")
_TRACK_TAGS = ("relativeOrbitNumber_start", "RELATIVE_ORBIT", "REL_ORBIT", "relative_orbit", "relativeOrbitNumber")
# Mission, absolute orbit: S1A_IW_GRDH_1SDV_20210803T170512_20210803T170537_039068_049C1F_0A1B
_SCENE = re.compile(r"S1([AB])_\w{2}_\w{4}_\w{4}_\d{8}T\d{6}_\d{8}T\d{6}_(\d{6})")
_TRACK = re.compile(r"(?<![A-Za-z0-9])(?:rel_?orb(?:it)?|relorb|orbit|track|T)[_-]?(\d{1,3})(?![0-9A-Za-z])", re.I)
_FIRST_TRACK = {"A": 73, "B": 27}


@dataclass(frozen=True)
class Orbit:
    """direction: `ascending`, `descending` or empty where unknown; track: the relative orbit, 0 where unknown."""

    direction: str = ""
    track: int = 0

    @property
    def label(self) -> str:
        return " ".join(part for part in (self.direction, f"orbit {self.track}" if self.track else "") if part)


@dataclass(frozen=True)
class Group:
    """The bands of one factor name suffix: `_ascending`, `_descending` or none."""

    suffix: str
    vv: Dated
    vh: Dated
    angle: Dated


def orbit_of(source: Source) -> Orbit:
    """What metadata or names tell about the orbit of a band."""
    names = (source.name, source.stack.name, source.tags.get("SOURCE_FILE", ""))
    told = next((source.tags[tag] for tag in _ORBIT_TAGS if source.tags.get(tag)), "")
    direction = told or next((found.group(1) for name in names if (found := _PASS.search(spaced(name)))), "")
    number = next((source.tags[tag] for tag in _TRACK_TAGS if source.tags.get(tag, "").split(".")[0].isdigit()), "")
    track = int(number.split(".")[0]) if number else 0
    for name in names if not track else ():
        scene, written = _SCENE.search(name), _TRACK.search(spaced(name))
        if scene:
            track = (int(scene.group(2)) - _FIRST_TRACK[scene.group(1)]) % 175 + 1
        elif written and 1 <= int(written.group(1)) <= 175:
            track = int(written.group(1))
    kind = direction.strip().upper()
    return Orbit(ASCENDING if kind.startswith("A") else DESCENDING if kind.startswith("D") else "", track)


def by_orbit(roles: Mapping[str, list[Source]], orbits: str, notes: list[str]) -> list[Group]:
    """The bands that belong together, by what `orbits` asks for (one of ORBITS). notes: grows by what was mixed.

    Raises InputError where the passes asked for, or those to be kept apart, are not told by names or metadata.
    """
    known: dict[int, Orbit] = {id(source): orbit_of(source) for own in roles.values() for source in own}
    scenes = [*roles[VV], *roles[VH]]
    directions = {known[id(source)].direction for source in scenes}
    tracks = sorted({known[id(source)].track for source in scenes if known[id(source)].track})
    if len(tracks) > 1 and orbits != TOGETHER:
        notes.append(
            f"The scenes come from the relative orbits {listed([str(track) for track in tracks])}, which look at the "
            "ground from different angles: normalise the incidence angle, or give one orbit at a time."
        )
    if orbits == TOGETHER:
        if len(directions - {""}) > 1 or len(tracks) > 1:
            notes.append(
                "Scenes of different orbits are mixed: differences of a few dB between dates may come from the viewing "
                "angle rather than from the soil."
            )
        return [_group("", roles, known, None)]
    if orbits in (ASCENDING, DESCENDING):
        if orbits not in directions:
            raise InputError(
                f"No scene is known to be {orbits}: neither names nor metadata say so (orbitProperties_pass, ASC)."
            )
        return [_group("", roles, known, {orbits})]
    if {ASCENDING, DESCENDING} <= directions:
        if "" in directions:
            raise InputError(
                "Some scenes are ascending, some descending, and of others neither names nor metadata say what they "
                "are: name them (ASC, DESC), or choose to take all together."
            )
        notes.append("Ascending and descending passes were kept apart, as factors of their own.")
        return [_group(f"_{one}", roles, known, {one}) for one in (ASCENDING, DESCENDING)]
    if directions == {""}:
        notes.append(
            "Neither names nor metadata tell ascending from descending passes: make sure that they are not mixed."
        )
    elif "" in directions:
        notes.append("Some scenes do not tell their pass: make sure that ascending and descending are not mixed.")
    return [_group("", roles, known, None)]


def _group(
    suffix: str, roles: Mapping[str, list[Source]], orbits: Mapping[int, Orbit], wanted: set[str] | None
) -> Group:
    def of(role: str, what: str) -> Dated:
        own = [one for one in roles[role] if wanted is None or orbits[id(one)].direction in wanted]
        return by_period(own, f"{what}{suffix.replace('_', ', ')}")

    angle = of(ANGLE, "The incidence angle")
    if not angle and roles[ANGLE] and wanted is not None:
        # An angle that does not tell its pass serves all.
        angle = by_period([one for one in roles[ANGLE] if not orbits[id(one)].direction], "The incidence angle")
    return Group(suffix, of(VV, "VV"), of(VH, "VH"), angle)


def spaced(name: str) -> str:
    """Underscores and digits would hide where a word ends."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")
