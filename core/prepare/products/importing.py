"""Product files as downloaded become one dated stack in physical units, with bad pixels taken out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import SATURATION_UNIT
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import Band, StackWriter, small_block_cache
from .archives import expand
from .container import BadFile, Container
from .decode import check_soil_moisture
from .generic import generic_recipe
from .granules import Granule, granules_of
from .options import AUTO, GENERIC, ImportOptions
from .planning import Plan, PlannedBand, make_plan
from .porosity import Porosity
from .reading import Block, Removed, blocks
from .recipe import Recipe
from .registry import detect, load_recipes, match

__all__ = ["BandSummary", "ImportOptions", "ImportResult", "import_product"]

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


@dataclass(frozen=True)
class ImportResult:
    """What was imported: bands in order, what each quality rule removed (by variable), files that were left out."""

    recipe: Recipe
    product: str
    version: str
    quality: str
    grid: Grid
    bands: list[BandSummary]
    removed: dict[str, Removed]
    files: int
    skipped: list[BadFile]
    notes: list[str]

    @property
    def periods(self) -> list[Period]:
        return sorted({one.band.period for one in self.bands if one.band.period is not None})

    @property
    def valid_share(self) -> float:
        """Of all pixels of all bands."""
        return sum(one.valid for one in self.bands) / (len(self.bands) * self.grid.rows * self.grid.cols)


def import_product(
    inputs: Sequence[str | Path],
    output: str | Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> ImportResult:
    """Write the variables of product files as one stack: a band per variable and period, north-up, physical units.

    `inputs` are files, folders, wildcards and archives. Raises InputError (BadFile for one file among many) for what
    cannot be used; nothing is written then.
    """
    options, progress = options or ImportOptions(), progress or Progress()
    options.check()
    with ExitStack() as stack:
        stack.enter_context(small_block_cache())
        skipped: list[BadFile] = []
        files = stack.enter_context(expand(inputs, skipped.append if options.skip_bad else None))
        if any(Path(output).resolve() == Path(path).resolve() for path in files):
            raise InputError(f"The output {output} is also an input: give the output another name.")
        granules = _recognised(files, options, skipped, progress.part(0.0, 0.05))
        while True:
            plan = make_plan(granules, options, skipped, progress.part(0.05, 0.2))
            try:
                summaries, removed = _write(plan, output, options, progress.part(0.2, 1.0))
            except BadFile as error:
                # A file may open and still break off within its data.
                if not options.skip_bad:
                    raise
                skipped.append(error)
                granules = [one for one in granules if error.path not in one.members.values()]
                if not granules:
                    raise _none_left(files, skipped) from error
                continue
            break
    return ImportResult(
        plan.recipe, plan.product, plan.version, options.quality, plan.grid, summaries, removed, len(files), skipped,
        [*plan.recipe.notes, *_notes(plan, removed, summaries, options)],
    )  # fmt: skip


def _recognised(
    files: Sequence[str], options: ImportOptions, skipped: list[BadFile], progress: Progress
) -> list[Granule]:
    """The granules that the files make up, all of one product family."""
    if not files and not skipped:
        raise InputError("Give at least one product file: none was found in what was given.")
    recipes = load_recipes(options.recipes)
    if options.product not in (AUTO, GENERIC, *recipes):
        raise InputError(f"There is no product {options.product!r}; known are {', '.join(recipes)}.")
    found: list[tuple[str, Recipe, dict[str, str]]] = []
    for number, path in enumerate(files):
        progress.check()
        progress.set(number / len(files), f"Recognising {Path(path).name}")
        try:
            with Container.open(path) as container:
                if options.product == GENERIC:
                    recipe, parts = generic_recipe(container, options.variables, options.generic), dict[str, str]()
                elif options.product == AUTO:
                    recipe, parts = detect(container, recipes)
                else:
                    recipe = recipes[options.product]
                    parts = match(container, recipe)
            if found and recipe.id != found[0][1].id:
                raise BadFile(path, f"it is of {recipe.title}, but {Path(found[0][0]).name} is of {found[0][1].title}")
        except BadFile as error:
            if not options.skip_bad:
                raise
            skipped.append(error)
            continue
        found.append((path, recipe, dict(parts)))
    if not found:
        raise _none_left(files, skipped)
    return granules_of(found)


def _none_left(files: Sequence[str], skipped: Sequence[BadFile]) -> InputError:
    return InputError(f"None of the {len(files)} files can be used; the first: {skipped[0]}")


def _write(
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
    advice = "try quality 'all'" if options.quality != "all" else "check that the files cover the region"
    return f"No valid pixel is left of {plan.recipe.title} ({'; '.join(parts)}): {advice}, or take other dates."


def _notes(
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
    if options.porosity is not None and not any(band.variable.unit == SATURATION_UNIT for band in plan.bands):
        notes.append("The porosity was not used: no variable is in percent of saturation.")
    return notes
