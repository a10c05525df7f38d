"""Which variable of which file goes to which band of the stack, decided before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...errors import InputError
from ...progress import Progress
from ...raster.grid import Grid
from ...raster.periods import Period, day
from .container import ArrayInfo, BadFile
from .georeference import Placement, place
from .granules import Granule, OpenGranule
from .layout import cut, offset, union
from .options import ImportOptions
from .recipe import REFUSE, Recipe, Variable
from .times import Step, time_steps


@dataclass(frozen=True)
class Piece:
    """What one granule gives to a band: which step of which array, and where its cells lie on the output grid."""

    granule: Granule
    variable: Variable
    array: str
    info: ArrayInfo
    placement: Placement
    step: Step
    row0: int
    col0: int

    @property
    def grid(self) -> Grid:
        return self.placement.grid


@dataclass
class PlannedBand:
    """One band of the output and the pieces it is made of."""

    variable: Variable
    period: Period | None
    pieces: list[Piece] = field(default_factory=list)


@dataclass
class Plan:
    """Grid and bands of the output; product and version as the files say."""

    recipe: Recipe
    product: str
    version: str
    grid: Grid
    bands: list[PlannedBand]
    granules: list[Granule]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """One variable of one granule at all its times."""

    granule: Granule
    variable: Variable
    array: str
    info: ArrayInfo
    placement: Placement
    steps: list[Step]


def make_plan(granules: Sequence[Granule], options: ImportOptions, bad: list[BadFile], progress: Progress) -> Plan:
    """Look into every granule. Files that cannot be used go to `bad` where the user ticked so, else stop the run.

    Raises BadFile, and InputError for mixed products, versions and grids, and for two files of one place and time.
    """
    recipe = granules[0].recipe
    variables = _variables(recipe, options.variables)
    found: list[_Found] = []
    versions: dict[str, str] = {}
    products: dict[str, str] = {}
    for number, granule in enumerate(granules):
        progress.check()
        progress.set(number / len(granules), f"Looking into {granule.name}")
        try:
            with granule.open() as opened:
                products.setdefault(_product(opened), granule.name)
                versions.setdefault(_version(opened), granule.name)
                found += _find_all(opened, variables)
        except BadFile as error:
            if not options.skip_bad:
                raise
            bad.append(error)
    if not found:
        raise InputError(f"None of the {len(granules)} files can be used; the first: {bad[0]}")
    notes = _check_found(granules, found, variables, options)
    if recipe.merge == REFUSE:
        _check_alike(products, "products")
    _check_alike(versions, "versions")
    named = [(f"{one.variable.name} of {one.granule.name}", one.placement.grid) for one in found]
    whole = union(named)
    grid = cut(whole, options.extent, options.extent_crs, notes)
    bands = _bands(recipe, found, grid, options, bad)
    return Plan(
        recipe,
        ", ".join(product for product in products if product) or recipe.id,
        next(iter(versions)),
        grid,
        bands,
        list({id(piece.granule): piece.granule for band in bands for piece in band.pieces}.values()),
        notes,
    )


def _variables(recipe: Recipe, names: Sequence[str]) -> list[Variable]:
    unknown = [name for name in names if name not in recipe.variables]
    if unknown:
        raise InputError(f"{recipe.title} has no variable {unknown[0]!r}; it has {', '.join(recipe.variables)}.")
    return [recipe.variables[name] for name in names or recipe.default]


def _find_all(opened: OpenGranule, variables: Sequence[Variable]) -> list[_Found]:
    """The variables that one granule holds; files of one variable each are imported together."""
    there = [variable for variable in variables if opened.find(variable.array)]
    return [_find(opened, variable) for variable in there or variables]


def _find(opened: OpenGranule, variable: Variable) -> _Found:
    granule = opened.granule
    where = opened.find(variable.array)
    if where is None:
        listed = ", ".join(opened.known[:12]) + (" ..." if len(opened.known) > 12 else "")
        raise BadFile(
            granule.first,
            f"it has no array {variable.array.replace('|', ' or ')} for {variable.name!r}; it has {listed}",
        )
    container, array = where
    info = container.arrays[array]
    placement = place(container, array, granule.recipe.grid)
    steps = time_steps(container, info, granule.recipe, granule.parts, variable)
    return _Found(granule, variable, array, info, placement, steps)


def _check_found(
    granules: Sequence[Granule], found: Sequence[_Found], variables: Sequence[Variable], options: ImportOptions
) -> list[str]:
    """Notes on what only some files hold. Raises InputError for a variable asked for that none has."""
    notes = []
    for variable in variables:
        count = sum(one.variable is variable for one in found)
        if count == 0 and options.variables:
            raise InputError(
                f"No file holds the variable {variable.name!r} (array {variable.array.replace('|', ' or ')}): take it "
                "off the list, or give the files that have it."
            )
        if 0 < count < len(granules):
            notes.append(f"{variable.name} is in {count} of the {len(granules)} granules.")
    return notes


def _product(opened: OpenGranule) -> str:
    return opened.granule.parts.get("product") or ""


def _version(opened: OpenGranule) -> str:
    named = opened.granule.parts.get("version")
    wanted = opened.granule.recipe.version
    return named or (str(opened.container().attributes.get(wanted, "")) if wanted else "")


def _check_alike(seen: dict[str, str], what: str) -> None:
    named = {key: name for key, name in seen.items() if key}
    if len(named) > 1:
        (one, first), (two, second) = list(named.items())[:2]
        raise InputError(
            f"The files mix {what}: {first} is {one}, {second} is {two}; import each on its own, so that a step "
            "between them is not taken for a change of the land."
        )


def _bands(
    recipe: Recipe, found: Sequence[_Found], grid: Grid, options: ImportOptions, bad: list[BadFile]
) -> list[PlannedBand]:
    bands: dict[tuple[str, Period | None], PlannedBand] = {}
    dropped: set[int] = set()
    dates: list[Period] = []
    for one in found:
        row, col = (round(part) for part in offset(grid, one.placement.grid))
        for step in one.steps:
            if step.period is not None:
                dates.append(step.period)
                if not _asked(step.period, options):
                    continue
            if id(one.granule) in dropped or not _touches(one.placement.grid, row, col, grid):
                continue
            piece = Piece(one.granule, one.variable, one.array, one.info, one.placement, step, row, col)
            band = bands.setdefault((one.variable.name, step.period), PlannedBand(one.variable, step.period))
            twin = next((other for other in band.pieces if recipe.merge == REFUSE and _overlap(other, piece)), None)
            if twin is None:
                band.pieces.append(piece)
                continue
            when = f" for {step.period.label}" if step.period else ""
            error = BadFile(
                piece.granule.first,
                f"it holds {one.variable.name}{when} at the same place as {twin.granule.name}: keep one of the two",
            )
            if not options.skip_bad or twin.granule is piece.granule:
                raise error
            bad.append(error)
            dropped.add(id(one.granule))
    for key, band in list(bands.items()):
        band.pieces = [piece for piece in band.pieces if id(piece.granule) not in dropped]
        if not band.pieces:
            del bands[key]
    if not bands:
        span = f" ({min(dates).label} to {max(dates).label})" if dates else ""
        raise InputError(f"No file holds a date{span} and place that were asked for: widen the extent or the days.")
    names = list(dict.fromkeys(one.variable.name for one in found))
    return sorted(bands.values(), key=lambda band: (names.index(band.variable.name), *_order(band.period)))


def _order(period: Period | None) -> tuple[float, float]:
    return (0.0, 0.0) if period is None else period.ordinals()


def _asked(period: Period, options: ImportOptions) -> bool:
    """Whether any part of `period` lies in the days asked for."""
    starts_late = options.last is not None and period.first >= day(options.last).last
    ends_early = options.first is not None and period.last <= day(options.first).first
    return not starts_late and not ends_early


def _touches(grid: Grid, row: int, col: int, wanted: Grid) -> bool:
    return row < wanted.rows and col < wanted.cols and row + grid.rows > 0 and col + grid.cols > 0


def _overlap(a: Piece, b: Piece) -> bool:
    return (
        a.row0 < b.row0 + b.grid.rows
        and b.row0 < a.row0 + a.grid.rows
        and a.col0 < b.col0 + b.grid.cols
        and b.col0 < a.col0 + a.grid.cols
    )
