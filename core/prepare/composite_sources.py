"""The dated layers that are composited: gathered by variable, checked, and laid on the clock."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..raster.bands import CLASS_UNIT, Band
from ..raster.grid import Grid, open_raster
from ..raster.periods import Period
from ..raster.stack import Stack
from .composite_methods import SUM, choose_method, per_day, split_rate
from .composite_periods import Clock
from .matching import CLASS_WORDS

CARRIED_TAGS = ("SOURCE_PRODUCT", "SOURCE_VERSION", "DEPTH", "LONG_NAME")

_CLASS_UNITS = (CLASS_UNIT, "classes", "category", "code")


@dataclass(frozen=True)
class Source:
    """One band of one layer: its span and real length in seconds of the clock (see Clock.layer_span)."""

    stack: Stack
    index: int
    period: Period
    start: int
    end: int
    length: int

    @property
    def text(self) -> str:
        return f"{self.period.label} in {self.stack.name}"


@dataclass
class Variable:
    """All sources of one variable in order of time, how it is composited, and what its bands carry on.

    rate_seconds: of the rates that are summed. per_day: whether amounts are averaged, which gives their rate per day.
    """

    name: str
    unit: str
    role: str
    method: str = ""
    sources: list[Source] = field(default_factory=list)
    carried: dict[str, list[str]] = field(default_factory=dict)
    unselected: int = 0
    rate_seconds: int = 0
    per_day: bool = False

    @property
    def output_unit(self) -> str:
        """The unit of the composites: a rate that is summed becomes an amount, an amount that is averaged a rate."""
        if self.per_day:
            return per_day(self.unit)
        return split_rate(self.unit)[0] if self.rate_seconds else self.unit

    @property
    def tags(self) -> dict[str, str]:
        """What the layers say of themselves; where they differ, all that was seen."""
        return {key: ("; " if key == "LONG_NAME" else ", ").join(seen) for key, seen in self.carried.items()}


@dataclass(frozen=True)
class FileFacts:
    """What a file tells beside its stack: tags of each band, block size, and whether all bands lie in one block."""

    tags: list[dict[str, str]]
    block: tuple[int, int]
    interleaved: bool


def file_facts(path: str) -> FileFacts:
    """Read what `Stack` does not hold. Raises InputError where the file cannot be opened."""
    dataset = open_raster(path)
    tags = []
    for number in range(dataset.RasterCount):
        metadata = dataset.GetRasterBand(number + 1).GetMetadata() or {}
        tags.append({key: metadata[key] for key in CARRIED_TAGS if metadata.get(key)})
    cols, rows = dataset.GetRasterBand(1).GetBlockSize()
    kind = dataset.GetMetadataItem("INTERLEAVE", "IMAGE_STRUCTURE")
    return FileFacts(tags, (rows, cols), kind == "PIXEL" and dataset.RasterCount > 1)


def gather(
    stacks: Sequence[Stack],
    facts: Sequence[FileFacts],
    clock: Clock,
    method: str,
    wanted: Sequence[str],
    source_days: int,
    notes: list[str],
) -> list[Variable]:
    """The variables in the layers, in order of first appearance, each with its sources in order of time.

    Raises InputError for undated bands, classes, mixed units and grids, two layers of one variable and time, and for
    names in `wanted` that are in no layer.
    """
    _check_grids(stacks)
    variables: dict[str, Variable] = {}
    units: dict[str, str] = {}
    for stack, fact in zip(stacks, facts):
        for index, band in enumerate(stack.bands, 1):
            if wanted and band.name not in wanted:
                continue
            one = variables.setdefault(band.name, Variable(band.name, band.unit, band.role))
            one.sources.append(_source(stack, index, band, clock, source_days))
            if band.unit and units.setdefault(band.name, band.unit) != band.unit:
                raise InputError(
                    f"{band.name!r} comes in {units[band.name]} and, in {stack.name}, in {band.unit}: bring it to one "
                    "unit."
                )
            one.unit = units.get(band.name, "")
            _carry(one, fact.tags[index - 1])
    unknown = sorted(set(wanted) - set(variables))
    if unknown:
        known = dict.fromkeys(band.name for stack in stacks for band in stack.bands)
        raise InputError(f"No layer holds {', '.join(unknown)}; the layers hold {', '.join(known)}.")
    for one in variables.values():
        choose_method(one, method, notes)
        _settle(one, clock, notes)
        if one.method == SUM and clock.hours is not None and clock.hours.moment:
            raise InputError(
                f"{one.name!r} is to be summed, but the layers of {clock.hours.text} alone do not hold a day's amount: "
                "leave the hours empty, or choose another method."
            )
    return list(variables.values())


def _check_grids(stacks: Sequence[Stack]) -> None:
    first = stacks[0]
    for stack in stacks[1:]:
        if stack.grid == first.grid or stack.grid.same_as(first.grid):
            continue
        raise InputError(
            f"{stack.name} ({_size(stack.grid)}) lies on another grid than {first.name} ({_size(first.grid)}): "
            "composite each grid in a run of its own, or resample the layers to one grid first."
        )


def _size(grid: Grid) -> str:
    return f"{grid.cols} x {grid.rows} cells of {grid.cell_width:g} in {grid.crs_name}"


def _source(stack: Stack, index: int, band: Band, clock: Clock, source_days: int) -> Source:
    lower = band.name.lower()
    whole_numbers = "Float" not in stack.data_types[index - 1]
    if band.unit.strip().lower() in _CLASS_UNITS or (
        any(word in lower for word in CLASS_WORDS) and (whole_numbers or not band.unit)
    ):
        raise InputError(
            f"{band.name!r} in {stack.name} holds classes, which have no mean, sum or order: take it out and give its "
            "layers to 'Resample to a common grid', which turns classes into shares."
        )
    if band.period is None:
        raise InputError(
            f"{band.name!r} in {stack.name} has no date: put one into the file name, such as 2021-08-03 or A2021215, "
            "or, if it holds for all time, leave it out with 'Only these variables'."
        )
    period = band.period
    if source_days > 1 and period.whole_days and period.days == 1:
        # Products of several days start again each 1 January: the last one of a year is shorter.
        end = min(period.start + dt.timedelta(days=source_days), dt.date(period.start.year + 1, 1, 1))
        period = Period(period.start, end)
    if clock.hours is not None and (period.whole_days or period.days > 1):
        raise InputError(
            f"Hours of the day need layers of parts of a day, but {band.name!r} in {stack.name} stands for "
            f"{period.label}: leave the hours empty."
        )
    return Source(stack, index, period, *clock.layer_span(clock.local(period)))


def _carry(one: Variable, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        seen = one.carried.setdefault(key, [])
        # Whole, since titles hold commas.
        if value not in seen:
            seen.append(value)


def _settle(one: Variable, clock: Clock, notes: list[str]) -> None:
    """Sort by time, leave out layers outside the hours, refuse sums of duplicates, and say what looks odd."""
    selected = sorted((s for s in one.sources if s.end > s.start), key=lambda s: (s.start, s.end))
    one.unselected = len(one.sources) - len(selected)
    if not selected:
        assert clock.hours is not None
        raise InputError(
            f"No layer of {one.name!r} holds {clock.hours.text} ({clock.name}): check the hours and the offset."
        )
    one.sources = selected
    twice = [
        (before, after)
        for before, after in zip(selected, selected[1:])
        if (before.start, before.end) == (after.start, after.end)
    ]
    if twice:
        before, after = twice[0]
        where = f"(in {before.stack.name} and {after.stack.name})"
        if one.method == SUM:
            raise InputError(
                f"{one.name!r} is there twice for {after.period.label} {where}, which a sum would count twice: take "
                "one out, rename it if it is another variable, or choose the mean."
            )
        times = len({(after.start, after.end) for _, after in twice})
        more = f" and {times - 1} more times" if times > 1 else ""
        notes.append(
            f"{one.name!r} is there more than once for {after.period.label} {where}{more}, as morning and evening "
            "overpasses are: each of these layers counts, and their time is covered once."
        )
    for key, what in (("SOURCE_VERSION", "versions"), ("SOURCE_PRODUCT", "products"), ("DEPTH", "depths")):
        if len(one.carried.get(key, ())) > 1:
            notes.append(f"{one.name!r} mixes {what} {one.tags[key]}: their values may not fit together.")
    whole = [source for source in selected if "Float" not in source.stack.data_types[source.index - 1]]
    if not one.unit and 0 < len(whole) < len(selected):
        notes.append(
            f"{len(whole)} of {len(selected)} layers of {one.name!r} hold whole numbers, the others fractions, none "
            "has a unit: check that all are scaled alike."
        )
    starts = Counter(after.period.first - before.period.first for before, after in zip(selected, selected[1:]))
    if starts and all(source.period.days == 1 for source in selected):
        step, count = starts.most_common(1)[0]
        if step.days >= 4 and 2 * count > len(selected) - 1:
            notes.append(
                f"Every layer of {one.name!r} is dated one day, but they come every {step.days} days: if each stands "
                f"for {step.days} days, set 'Days that a layer stands for'."
            )
