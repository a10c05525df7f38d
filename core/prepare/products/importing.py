"""Product files as downloaded become one dated stack in physical units, with bad pixels taken out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...progress import Progress
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import small_block_cache
from .archives import expand
from .container import BadFile, Container
from .generic import generic_recipe
from .granules import Granule, granules_of
from .options import AUTO, GENERIC, ImportOptions
from .planning import make_plan
from .reading import Removed
from .recipe import Recipe
from .registry import detect, load_recipes, match
from .writing import BandSummary, notes_on, write_bands

__all__ = ["BandSummary", "ImportOptions", "ImportResult", "import_product"]


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
        """Valid pixels of all that the files hold; a half orbit holds a small part of its grid."""
        return sum(one.valid for one in self.removed.values()) / sum(one.pixels for one in self.removed.values())


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
                summaries, removed = write_bands(plan, output, options, progress.part(0.2, 1.0))
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
        [*plan.recipe.notes, *notes_on(plan, removed, summaries, options)],
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
                raise BadFile(
                    path,
                    f"it is of {recipe.title}, but {Path(found[0][0]).name} is of {found[0][1].title}: import each on "
                    "its own",
                )
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
