"""Radar factors: VV and VH, their ratio and RVI, from sigma0 in dB or linear power; all means are taken in power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import Band
from ...raster.blocks import Array, Job, Reader
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import opened
from .common import OnGrid, Source, at, dated_periods, label_of, listed, over, provenance, sources_of
from .incidence import NONE, SLOPE, Correction, fit_slope
from .output import FactorBand, Written, write_factors
from .radar_bands import check_angle, radar_roles, unit_of
from .radar_options import FACTORS, RadarOptions
from .radar_orbits import ANGLE, ASCENDING, DESCENDING, VH, VV, Group, by_orbit, orbit_of
from .radar_power import DB, local_mean, to_db, to_power, with_halo

_NOTHING = (
    "No factor has a valid pixel: the backscatter is nodata everywhere, 0 or less in linear power, or without a valid "
    "incidence angle; check the unit, the nodata values and the extents of the layers."
)
_LONG_NAMES = {
    "vv": "backscatter sigma0 VV",
    "vh": "backscatter sigma0 VH",
    "ratio": "VH / VV",
    "rvi": "radar vegetation index 4 VH / (VV + VH)",
    "incidence_angle": "incidence angle",
}


@dataclass(frozen=True)
class Radar:
    """What was made. unit: of the layers; orbits: how many dates each has; correction: of the incidence angle."""

    written: Written
    unit: str
    options: RadarOptions
    orbits: dict[str, int]
    correction: Correction
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def radar_factors(
    layers: Sequence[str], output: str | Path, options: RadarOptions | None = None, progress: Progress | None = None
) -> Radar:
    """Write the factors of every date, on the grid of the backscatter.

    Powers of 0 or less have no dB and count as nodata. Raises InputError for units that cannot be told, missing bands,
    layers on different grids, and two scenes of one date and orbit direction.
    """
    options, progress = options or RadarOptions(), progress or Progress()
    options.check()
    if not layers:
        raise InputError("Give at least one layer of radar backscatter.")
    if Path(output).resolve() in {Path(layer).resolve() for layer in layers}:
        raise InputError(f"The output {output} is also an input: give the output another name.")
    with opened(layers) as stacks:
        notes: list[str] = []
        roles = radar_roles(sources_of(stacks), options.names)
        backscatter = [*roles[VV], *roles[VH]]
        if not backscatter:
            known = list(dict.fromkeys(band.name for stack in stacks for band in stack.bands))
            raise InputError(
                f"No band of the layers is called VV or VH (they hold {listed(known)}): name them in the dialog."
            )
        grid = _one_grid(backscatter)
        unit = unit_of(backscatter, options.unit)
        for source in roles[ANGLE]:
            check_angle(source)
        groups = by_orbit(roles, options.orbits, notes)
        _need(roles, options)
        correction = _correction(groups, unit, options, notes)
        outputs, jobs, missing = _plan(groups, grid, unit, options, correction)
        if not outputs:
            raise InputError(f"Nothing can be made of these layers: {missing[0]}.")
        written = write_factors(output, grid, outputs, jobs, progress, lambda: _NOTHING)
        orbits: dict[str, int] = {}
        for source in roles[VV] or roles[VH]:
            label = orbit_of(source).label or "unknown"
            orbits[label] = orbits.get(label, 0) + 1
    notes += _plausible(written, options)
    return Radar(written, unit, options, orbits, correction, missing, notes)


def _one_grid(sources: Sequence[Source]) -> Grid:
    first = sources[0]
    for other in sources[1:]:
        if not other.stack.grid.same_as(first.stack.grid):
            raise InputError(
                f"{first.stack.name} and {other.stack.name} are on different grids: bring the scenes to one grid first "
                "(GDAL 'Warp', of linear power rather than dB)."
            )
    return first.stack.grid


def _need(roles: Mapping[str, list[Source]], options: RadarOptions) -> None:
    needs = {"vv": (VV,), "vh": (VH,), "ratio": (VV, VH), "rvi": (VV, VH), "incidence_angle": (ANGLE,)}
    for name in options.factors:
        lacking = [role for role in needs[name] if not roles[role]]
        if lacking:
            raise InputError(f"{name!r} needs a band {lacking[0]}, which the layers do not have: leave {name!r} out.")
    if options.incidence != NONE and not roles[ANGLE]:
        raise InputError(
            "The incidence angle cannot be normalised, since no layer holds it: add its layer, or "
            "choose no normalisation."
        )


def _angle_at(group: Group, period: Period | None) -> Source | None:
    return at(group.angle, period) or next((source for source, _ in over(group.angle, period)), None)


def _correction(groups: Sequence[Group], unit: str, options: RadarOptions, notes: list[str]) -> Correction:
    if options.incidence != SLOPE or options.slope is not None:
        slopes = {} if options.slope is None else {VV: options.slope, VH: options.slope}
        return Correction(options.incidence, options.reference, slopes)
    slopes, fits = {}, {}
    for role in (VV, VH):
        pairs = []
        for group in groups:
            for period, source in (group.vv if role == VV else group.vh).items():
                angle = _angle_at(group, period)
                if angle is not None:
                    pairs.append((source, angle))
        if pairs:
            fits[role] = fit_slope(pairs, lambda values: to_db(to_power(values, unit)), role)
            slopes[role] = fits[role].slope
    notes.append(
        "The slope of dB on the incidence angle was fitted over the whole scene: where land cover changes from near to "
        "far range, that is in the slope too. Compare it with about -0.1 to -0.2 dB per degree, or give one."
    )
    return Correction(options.incidence, options.reference, slopes, fits)


def _plan(
    groups: Sequence[Group], grid: Grid, unit: str, options: RadarOptions, correction: Correction
) -> tuple[list[FactorBand], list[Job], list[str]]:
    made: list[tuple[FactorBand, Group, Period | None, str]] = []
    missing: list[str] = []
    for group in groups:
        periods = dated_periods([group.vv, group.vh])
        for name in (name for name in FACTORS if name in options.factors):
            for period in periods:
                used = _used(group, period, name, correction)
                label = f"{name}{group.suffix} {label_of(period)}"
                if isinstance(used, str):
                    missing.append(f"{label}: {used}")
                    continue
                tags = {
                    "LONG_NAME": _long_name(name, options, correction),
                    **provenance(used),
                    **({"ORBIT": orbit_of(used[0]).label} if orbit_of(used[0]).label else {}),
                }
                band = Band(f"{name}{group.suffix}", period, _unit(name, options))
                made.append((FactorBand(band, tags), group, period, name))
    jobs = []
    scenes: dict[tuple[str, Period | None], tuple[Group, list[tuple[int, str]]]] = {}
    for number, (_, group, period, name) in enumerate(made, 1):
        scenes.setdefault((group.suffix, period), (group, []))[1].append((number, name))
    for (_, period), (group, own) in scenes.items():
        jobs.append(_job(group, period, own, grid, unit, options, correction))
    return [one for one, *_ in made], jobs, missing


def _used(group: Group, period: Period | None, name: str, correction: Correction) -> list[Source] | str:
    """The bands behind a factor, or the sentence why there are none."""
    angle = _angle_at(group, period)
    if name == "incidence_angle":
        return [angle] if angle else "no incidence angle"
    used = []
    for role, dated in ((VV, group.vv), (VH, group.vh)):
        if name in (role, "ratio", "rvi"):
            source = at(dated, period)
            if source is None:
                return f"no {role.upper()} of this date"
            used.append(source)
    if correction.kind != NONE and angle is None:
        return "no incidence angle of this date"
    return used


def _job(
    group: Group,
    period: Period | None,
    own: Sequence[tuple[int, str]],
    grid: Grid,
    unit: str,
    options: RadarOptions,
    correction: Correction,
) -> Job:
    names = {name for _, name in own}
    half = options.window // 2
    roles: list[str] = []
    readers: list[Reader] = []
    for role, dated in ((VV, group.vv), (VH, group.vh)):
        source = at(dated, period)
        if source is not None and names & {role, "ratio", "rvi"}:
            roles.append(role)
            readers.append(with_halo(OnGrid(source, grid), grid, half))
    angle = _angle_at(group, period)
    if angle is not None and (correction.kind != NONE or "incidence_angle" in names):
        roles.append(ANGLE)
        readers.append(with_halo(OnGrid(angle, grid), grid, half))

    def compute(arrays: list[Array]) -> list[Array]:
        given = dict(zip(roles, arrays))
        power = {}
        for role in (VV, VH):
            if role in given:
                linear = to_power(given[role], unit)
                linear = correction.apply(linear, given[ANGLE], role) if correction.kind != NONE else linear
                power[role] = local_mean(linear, options.window, options.min_valid_share) if half else linear
        if ANGLE in given:
            inner = given[ANGLE].shape[0] - 2 * half
            power[ANGLE] = given[ANGLE][half : half + inner]
        return [_factor(name, power, options.scale) for _, name in own]

    return Job([number for number, _ in own], readers, compute, f"Radar factors, {label_of(period)}{group.suffix}")


def _factor(name: str, power: Mapping[str, Array], scale: str) -> Array:
    if name == "rvi":
        return 4 * power[VH] / (power[VV] + power[VH])
    if name == "incidence_angle":
        return power[ANGLE]
    value = power[VH] / power[VV] if name == "ratio" else power[name]
    return to_db(value) if scale == DB else value


def _long_name(name: str, options: RadarOptions, correction: Correction) -> str:
    text = _LONG_NAMES[name]
    if name in ("vv", "vh") and correction.kind != NONE:
        text += f", normalised to {correction.reference:g} degrees"
    if name != "incidence_angle" and options.window > 1:
        text += f", mean power of {options.window} x {options.window} pixels"
    return text


def _unit(name: str, options: RadarOptions) -> str:
    if name == "incidence_angle":
        return "degrees"
    return "dB" if name != "rvi" and options.scale == DB else "1"


def _plausible(written: Written, options: RadarOptions) -> list[str]:
    notes = []
    for suffix in ("", f"_{ASCENDING}", f"_{DESCENDING}"):
        vv, vh = written.of(f"vv{suffix}"), written.of(f"vh{suffix}")
        if vv and vh and np.median([one.median for one in vh]) > np.median([one.median for one in vv]):
            notes.append("VH is stronger than VV, which natural ground hardly shows: check that they are not swapped.")
    if options.scale == DB and len(written.periods) > 1:
        notes.append(
            "The result is in dB, whose mean over dates would be too low: to make composites, choose linear power "
            "here, composite, and run this step again on the composite for dB, ratio and RVI."
        )
    return notes
