"""Spectral indices of every period in which their bands are there, on the grid of the bands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...errors import InputError
from ...progress import Progress
from ...raster.blocks import Array, Job
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import Band, opened, small_block_cache
from .common import (
    Dated,
    Source,
    at,
    check_layers,
    dated_periods,
    finest_grid,
    label_of,
    listed,
    provenance,
    regridding_notes,
    sources_of,
)
from .indices import INDICES, NAMES, TVDI, Constants, Index, compute_index
from .output import FactorBand, Written, write_factors
from .reflectance import Reflectances
from .roles import assign_roles
from .tvdi import Edges, TvdiOptions, gaps
from .tvdi_layers import TvdiPlan, plan_tvdi, temperature_roles


@dataclass(frozen=True)
class SpectralOptions:
    """indices: of `NAMES`. roles: text such as `red=B4, nir=B5`. scale: stored value to reflectance from 0 to 1."""

    indices: Sequence[str] = ("NDVI", "EVI")
    roles: str = ""
    scale: float = 1.0
    constants: Constants = field(default_factory=Constants)
    tvdi: TvdiOptions = field(default_factory=TvdiOptions)

    def check(self) -> None:
        unknown = [name for name in self.indices if name not in NAMES]
        if unknown:
            raise InputError(f"There is no index {unknown[0]!r}; there are {', '.join(NAMES)}.")
        if not self.indices:
            raise InputError("No index is chosen: tick at least one.")
        if not 0 < self.scale < 1e6:
            raise InputError(f"The scale of the reflectances must be a positive number, not {self.scale:g}.")
        self.tvdi.check()


@dataclass(frozen=True)
class Spectral:
    """What was made. roles: the bands taken for each role. missing: index, period (None: all) and the bands that it
    lacks there. formulas: of each index made. edges: of TVDI by period. warnings: those notes that change values."""

    written: Written
    roles: dict[str, list[str]]
    missing: list[tuple[str, Period | None, list[str]]]
    formulas: dict[str, str]
    edges: list[Edges]
    options: SpectralOptions
    elevation: bool
    notes: list[str]
    warnings: list[str]

    @property
    def missing_lines(self) -> list[str]:
        lines = []
        for name, period, lacking in self.missing:
            when = f" {period.label}" if period else ""
            lines.append(f"{name}{when}: no {' and no '.join(lacking)}.")
        return lines + gaps(self.edges)


def make_indices(
    layers: Sequence[str],
    path: str | Path,
    options: SpectralOptions | None = None,
    temperature_layers: Sequence[str] = (),
    elevation_layer: str | None = None,
    progress: Progress | None = None,
) -> Spectral:
    """Write a stack of indices. Raises InputError for bands that are not known, scales and grids that do not fit, and
    where no index can be made.

    temperature_layers, elevation_layer: for TVDI; `layers` may hold bands lst_day and elevation instead.
    """
    options, progress = options or SpectralOptions(), progress or Progress()
    options.check()
    check_layers([*layers, *temperature_layers, *([elevation_layer] if elevation_layer else [])], path)
    with ExitStack() as stack, small_block_cache():
        notes: list[str] = []
        sources = sources_of(stack.enter_context(opened(layers)))
        hot = sources_of(stack.enter_context(opened(temperature_layers)))
        high = sources_of(stack.enter_context(opened([elevation_layer] if elevation_layer else [])))
        roles = assign_roles(sources, options.roles, notes)
        if TVDI in options.indices:
            roles |= temperature_roles(hot, high)
        plan, missing = _plan(options, roles)
        wanted = TVDI in options.indices
        grid = _grid(plan, roles, sources, wanted)
        used = [source for one in plan for source in one.bands.values()]
        readers = Reflectances(grid, options.scale)
        temperature = None
        if wanted:
            temperature = plan_tvdi(roles, grid, options.tvdi, readers.reader, progress.part(0.0, 0.4))
            missing += temperature.missing
            used += temperature.sources
        outputs, jobs = _jobs(plan, options, readers, temperature)
        edges = temperature.edges if temperature else []
        if not outputs:
            raise InputError(_nothing(missing, edges, sources))
        warnings = regridding_notes(dict.fromkeys(used), grid)
        progress = progress.part(0.4 if wanted else 0.0, 1.0)
        written = write_factors(path, grid, outputs, jobs, progress, lambda: _empty(readers.notes()))
        warnings += readers.notes()
    return Spectral(
        written=written,
        roles={role: list(dict.fromkeys(s.name for s in found.values())) for role, found in roles.items()},
        missing=missing,
        formulas={one.band.name: one.tags["LONG_NAME"] for one in outputs},
        edges=edges,
        options=options,
        elevation="elevation" in roles and wanted,
        notes=[*notes, *warnings],
        warnings=warnings,
    )


@dataclass(frozen=True)
class _Planned:
    """One index in one period and its bands by role."""

    index: Index
    period: Period | None
    bands: dict[str, Source]


def _plan(
    options: SpectralOptions, roles: dict[str, Dated]
) -> tuple[list[_Planned], list[tuple[str, Period | None, list[str]]]]:
    plan: list[_Planned] = []
    missing: list[tuple[str, Period | None, list[str]]] = []
    for index in (INDICES[name] for name in dict.fromkeys(options.indices) if name != TVDI):
        needed = index.needs(options.constants)
        unknown = [role for role in needed if role not in roles]
        if unknown:
            missing.append((index.name, None, unknown))
            continue
        for period in dated_periods(roles[role] for role in needed):
            found = {role: at(roles[role], period) for role in needed}
            lacking = [role for role, source in found.items() if source is None]
            if lacking:
                missing.append((index.name, period, lacking))
            else:
                plan.append(_Planned(index, period, {role: s for role, s in found.items() if s is not None}))
    return plan, missing


def _grid(plan: Sequence[_Planned], roles: dict[str, Dated], sources: Sequence[Source], tvdi: bool) -> Grid:
    """That of the bands, in order of the layers; of the temperature where nothing but TVDI is made."""
    used = {source for one in plan for source in one.bands.values()}
    bands = [source for source in sources if source in used]
    if not bands and tvdi:
        bands = list(roles.get("lst_day", {}).values())
    return finest_grid(bands or [source for found in roles.values() for source in found.values()] or _no_bands())


def _no_bands() -> list[Source]:
    raise InputError("No band is known by its name or product: give the roles of the bands, such as red=B4, nir=B5.")


def _jobs(
    plan: Sequence[_Planned], options: SpectralOptions, readers: Reflectances, temperature: TvdiPlan | None
) -> tuple[list[FactorBand], list[Job]]:
    """Bands in order of index and period; one job per period, so that each of its bands is read once."""
    outputs = [_output(one, options.constants) for one in plan]
    jobs = []
    for period in dict.fromkeys(one.period for one in plan):
        numbers = [number for number, one in enumerate(plan, 1) if one.period == period]
        bands = {role: source for number in numbers for role, source in plan[number - 1].bands.items()}
        jobs.append(
            Job(
                numbers,
                [readers.reader(source, role) for role, source in bands.items()],
                partial(_compute, [plan[number - 1].index for number in numbers], list(bands), options.constants),
                f"Indices {label_of(period)}",
            )
        )
    if temperature is not None:
        more, work = temperature.jobs(len(outputs), options.constants.clip)
        outputs, jobs = outputs + more, jobs + work
    return outputs, jobs


def _compute(indices: Sequence[Index], roles: Sequence[str], constants: Constants, arrays: list[Array]) -> list[Array]:
    bands = dict(zip(roles, arrays))
    return [compute_index(index, bands, constants) for index in indices]


def _output(one: _Planned, constants: Constants) -> FactorBand:
    tags = {
        "LONG_NAME": one.index.described(constants),
        "BANDS": ", ".join(f"{role}={source.name}" for role, source in one.bands.items()),
        **provenance(one.bands.values()),
    }
    return FactorBand(Band(one.index.name, one.period, "1"), tags)


def _empty(left_out: Sequence[str]) -> str:
    return " ".join(
        [
            "No index has a valid pixel: no place has all bands; check their nodata values, masks and extents.",
            *left_out,
        ]
    )


def _nothing(
    missing: Sequence[tuple[str, Period | None, list[str]]], edges: Sequence[Edges], sources: Sequence[Source]
) -> str:
    failed = next((one for one in edges if one.reason), None)
    if failed is not None:
        return f"TVDI has no edges in any period; {label_of(failed.period)}: {failed.reason}."
    name, period, lacking = missing[0]
    if period is not None:
        return (
            f"No index can be made: {name} lacks {', '.join(lacking)} for {period.label}, and no period has all its "
            "bands; check the dates of the layers."
        )
    known = list(dict.fromkeys(source.name for source in sources))
    return (
        f"No index can be made: {name} needs {' and '.join(lacking)}, and no band is known as that (the layers hold "
        f"{listed(known, 14)}): give the roles of the bands, such as red=B4, nir=B5."
    )
