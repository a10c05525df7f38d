"""Writes the planned bands, counts what they hold, and says what is worth knowing of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import CLASS_UNIT, SATURATION_UNIT
from ...raster.stack import Band, StackWriter
from .decode import check_soil_moisture
from .options import GENERIC, ImportOptions
from .planning import Plan, PlannedBand
from .porosity import Porosity
from .reading import Block, Removed, blocks

_WATER_PER_SOIL = "m3/m3"


@dataclass
class BandSummary:
    """What one band of the output holds; minimum, mean and maximum are NaN where nothing is valid."""

    band: Band
    valid: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    total: float = 0.0
    files: list[str] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return self.total / self.valid if self.valid else np.nan

    def add(self, values: NDArray[np.float32]) -> None:
        finite = values[np.isfinite(values)]
        if finite.size:
            self.valid += finite.size
            self.total += float(finite.sum(dtype=np.float64))
            self.minimum = min(self.minimum, float(finite.min()))
            self.maximum = max(self.maximum, float(finite.max()))


def write_bands(
    plan: Plan, output: str | Path, options: ImportOptions, progress: Progress
) -> tuple[list[BandSummary], dict[str, Removed]]:
    removed = {band.variable.name: Removed() for band in plan.bands}
    porosity = Porosity(options.porosity, plan.grid) if options.porosity is not None else None
    units = [_unit(band, porosity) for band in plan.bands]
    summaries = [
        BandSummary(
            Band(band.variable.name, band.period, unit),
            files=list(dict.fromkeys(piece.granule.name for piece in band.pieces)),
        )
        for band, unit in zip(plan.bands, units)
    ]
    with StackWriter(output, plan.grid, [one.band for one in summaries]) as out:
        for number, band in enumerate(plan.bands, 1):
            out.tag(number, _tags(plan, band))
        done, all_pieces = 0, sum(len(band.pieces) for band in plan.bands)
        for group in _groups(plan.bands):
            label = f"Importing {group[0][1].pieces[0].granule.name}"
            total = sum(len(band.pieces) for _, band in group)
            for seen, block in enumerate(_behind(_converted(plan, group, options, porosity, removed), out)):
                progress.check()
                summaries[block.band - 1].add(block.values)
                progress.set((done + min(seen + 1, total)) / all_pieces, label)
            done += total
        if not any(one.valid for one in summaries):
            if porosity is not None and not porosity.covers and any(one.valid for one in removed.values()):
                raise InputError(
                    "The porosity map has no value where the product has: check its extent and reference system."
                )
            raise InputError(_nothing_left(plan, removed, options))
        for one in summaries:
            if one.band.unit == "dB" and one.valid and one.minimum >= 0:
                raise InputError(
                    f"{one.band.label} has no negative value, so it is linear power rather than dB: choose the product "
                    "of linear backscatter."
                )
    return summaries, removed


def _behind(ready: Iterable[Block], out: StackWriter) -> Iterator[Block]:
    """The blocks as they come, each written while the next one is read.

    Reading stays in the calling thread: the libraries of netCDF and HDF5 are silent only in the one they started in.
    """
    with ThreadPoolExecutor(1) as pool:
        pending: deque[Future[None]] = deque()
        for block in ready:
            pending.append(pool.submit(out.write, block.band, block.values, block.row0, block.col0))
            if len(pending) > 2:
                pending.popleft().result()
            yield block
        for one in pending:
            one.result()


def _converted(
    plan: Plan,
    group: Sequence[tuple[int, PlannedBand]],
    options: ImportOptions,
    porosity: Porosity | None,
    removed: dict[str, Removed],
) -> Iterator[Block]:
    """Blocks of a group of bands in the units of the output; InputError for values that the unit cannot have."""
    for block in blocks(group, plan.grid, options.quality, plan.recipe.merge, removed):
        band = plan.bands[block.band - 1]
        values = block.values
        if band.variable.unit == _WATER_PER_SOIL:
            check_soil_moisture(values, band.variable, band.pieces[0].granule.first)
        elif porosity is not None and band.variable.unit == SATURATION_UNIT:
            values = porosity.volumetric(values, block.row0, block.col0)
        yield Block(block.band, block.row0, block.col0, values)


def _groups(bands: Sequence[PlannedBand]) -> Iterable[list[tuple[int, PlannedBand]]]:
    """Bands (with their numbers) that are made of the same granules, so that each is opened once."""
    groups: dict[frozenset[int], list[tuple[int, PlannedBand]]] = {}
    for number, band in enumerate(bands, 1):
        groups.setdefault(frozenset(id(piece.granule) for piece in band.pieces), []).append((number, band))
    return groups.values()


def _unit(band: PlannedBand, porosity: Porosity | None) -> str:
    if band.variable.categorical:
        return CLASS_UNIT
    return _WATER_PER_SOIL if porosity is not None and band.variable.unit == SATURATION_UNIT else band.variable.unit


def _tags(plan: Plan, band: PlannedBand) -> dict[str, str]:
    tags = {
        "SOURCE_PRODUCT": plan.product,
        "SOURCE_VERSION": plan.version,
        "SOURCE_FILE": band.pieces[0].granule.name if len(band.pieces) == 1 else "",
        "LONG_NAME": band.variable.title,
        "DEPTH": band.variable.depth,
    }
    return {key: text for key, text in tags.items() if text}


def _nothing_left(plan: Plan, removed: dict[str, Removed], options: ImportOptions) -> str:
    parts = []
    for name, one in removed.items():
        rules = [f"{rule} {count}" for rule, count in one.rules.items() if count]
        parts.append(
            f"{name}: {one.pixels} pixels, of them {one.empty} without a value" + "".join(f", {r}" for r in rules)
        )
    taken = any(count for one in removed.values() for count in one.rules.values())
    advice = "try quality 'all'" if taken and options.quality != "all" else "take another extent"
    return f"No valid pixel is left of {plan.recipe.title} ({'; '.join(parts)}): {advice}, or other dates."


def notes_on(
    plan: Plan, removed: dict[str, Removed], summaries: Sequence[BandSummary], options: ImportOptions
) -> list[str]:
    notes = list(plan.notes)
    for name, one in removed.items():
        for rule in sorted(one.absent):
            notes.append(
                f"{name}: the quality layer for '{rule}' is not among the files, so this rule was not applied."
            )
    cut = [band for band in plan.bands if any(piece.step.cut for piece in band.pieces)]
    if cut:
        notes.append(
            f"{cut[0].variable.name} adds up from midnight, and the step before is not in the file for "
            f"{len(cut)} of its bands (the first: {cut[0].period.label if cut[0].period else 'undated'}): they are "
            "empty. Import whole days."
        )
    empty = [one.band.label for one in summaries if not one.valid]
    if empty:
        listed = ", ".join(empty[:8]) + (f" and {len(empty) - 8} more" if len(empty) > 8 else "")
        notes.append(f"No valid pixel in {listed}.")
    saturation = [one.band.name for one in summaries if one.band.unit == SATURATION_UNIT]
    if saturation:
        notes.append(
            f"{', '.join(dict.fromkeys(saturation))} is in percent of saturation: with a porosity it becomes m3/m3."
        )
    if options.generic.given and plan.recipe.id != GENERIC:
        notes.append("Scale, offset, fill values, unit, date and reference system are for 'generic' files: not used.")
    if options.porosity is not None and not any(band.variable.unit == SATURATION_UNIT for band in plan.bands):
        notes.append("The porosity was not used: no variable is in percent of saturation.")
    return notes
