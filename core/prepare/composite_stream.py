"""Layers read window by window and added to the composites they belong to, as parts of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from ..raster.blocks import windows
from ..raster.grid import Grid
from ..raster.readers import borrowed
from ..raster.stack import StackWriter
from ..raster.work import Work, check_cancelled
from .composite_kernels import Accumulator, Array, arrays_held, chunks, prepare
from .composite_plan import Composite, Recipe, Share
from .composite_sources import FileFacts

CACHE = 192  # MiB of GDAL's blocks

_BYTES = 96 * 2**20  # of running composites in a part
_RESULT_BYTES = 64 * 2**20  # of finished ones
_PIXELS = 2**19
_FEWEST_PARTS = 16  # for work to be shared evenly
_TILE = 256
_READ = 3  # arrays of a window: as read, its mask, scaled


@dataclass(frozen=True)
class Shared:
    """What all parts have in common: sources (layer and 1-based band), recipes, see composite.CompositeOptions."""

    sources: tuple[tuple[str, int], ...]
    recipes: tuple[Recipe, ...]
    min_coverage: float
    rescale_sums: bool
    coverage: bool

    @property
    def inputs(self) -> list[str]:
        """The layers that are read."""
        return list(dict.fromkeys(path for path, _ in self.sources))


@dataclass(frozen=True)
class Block:
    """Recipes first … last - 1 of one variable in a window."""

    number: int
    first: int
    last: int
    row0: int
    rows: int
    col0: int
    cols: int
    pixels: int  # that are read

    @property
    def name(self) -> str:
        return f"{self.number:06d}"


@dataclass
class Sums:
    """Statistics of one composite over windows: pixels with a value, those with too few valid layers, and sums."""

    valid: int = 0
    thin: int = 0
    total: float = 0.0
    covered: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: Array, share: Array) -> None:
        for part in chunks(values.size):
            self._add(values[part], share[part])

    def take(self, other: NDArray[np.float64]) -> None:
        """Those of another window, as `row` gives them."""
        self.valid += int(other[0])
        self.thin += int(other[1])
        self.total += float(other[2])
        self.covered += float(other[3])
        self.low, self.high = min(self.low, float(other[4])), max(self.high, float(other[5]))

    @property
    def row(self) -> list[float]:
        return [self.valid, self.thin, self.total, self.covered, self.low, self.high]

    def _add(self, values: Array, share: Array) -> None:
        valid = np.equal(values, values)  # not NaN
        count = int(np.count_nonzero(valid))
        self.thin += int(np.count_nonzero(share > 0)) - count
        if count:
            whole = count == values.size
            self.valid += count
            self.total += float(np.sum(values if whole else np.where(valid, values, 0.0)))
            self.covered += float(np.sum(share if whole else np.where(valid, share, 0.0)))
            # Unlike nanmin, these do not copy.
            self.low = min(self.low, float(np.fmin.reduce(values)))
            self.high = max(self.high, float(np.fmax.reduce(values)))


def composite_block(shared: Shared, block: Block) -> dict[str, NDArray[Any]]:
    """`values` and, if asked for, `coverage` (recipes, rows, cols), `sums` (recipes, 6, see Sums.row).

    Memory holds the composites that are open at one time.
    """
    recipes = shared.recipes[block.first : block.last]
    shape = block.rows, block.cols
    values = np.empty((len(recipes), *shape), np.float32)
    coverage = np.empty((len(recipes) if shared.coverage else 0, *shape), np.float32)
    sums = np.empty((len(recipes), 6))
    uses: dict[int, list[tuple[int, Share]]] = {}
    for number, recipe in enumerate(recipes):
        for use in recipe.uses:
            uses.setdefault(use.source, []).append((number, use))
    running: dict[int, Accumulator] = {}
    for source in sorted(uses):
        check_cancelled()
        path, band = shared.sources[source]
        with borrowed(path) as stack:
            read = stack.read(band, block.row0, block.rows, block.col0, block.cols)
        layer, valid = prepare(read, recipes[0].method)
        for number, use in uses[source]:
            recipe = recipes[number]
            if number not in running:
                running[number] = Accumulator(recipe, layer.size, shared.min_coverage, shared.rescale_sums)
            running[number].add(layer, valid, use)
            if use is recipe.uses[-1]:
                made, share = running.pop(number).result()
                total = Sums()
                total.add(made, share)
                sums[number] = total.row
                values[number] = made.reshape(shape)
                if shared.coverage:
                    coverage[number] = share.reshape(shape)
    return {"values": values, "sums": sums, **({"coverage": coverage} if shared.coverage else {})}


def share_out(
    written: Sequence[Composite], facts: Sequence[FileFacts], grid: Grid, shared: Shared
) -> tuple[list[Block], int]:
    """The parts, in order: variable by variable, period by period; and the bytes that computing one takes at most.

    They follow from layers and options alone, so that sums over them depend on neither threads nor memory. shared: its
    recipes are those of `written` that are no gaps.
    """
    made = [one for one in written if not one.gap]
    block = max(fact.block[0] for fact in facts), max(fact.block[1] for fact in facts)
    # Where all bands lie in one block, reading one band decodes all: they must stay until the last is read.
    together = max((len(fact.tags) for fact in facts if fact.interleaved), default=0)
    cached = CACHE * 2**20 // (16 * together) if together else _PIXELS
    parts: list[Block] = []
    most_bytes = first = 0
    for variable in {id(one.variable): one.variable for one in made}.values():
        last = first + sum(one.variable is variable for one in made)
        held = _arrays_held(shared.recipes[first:last])
        fitting = _BYTES // (8 * held)
        pixels = max(1, min(_PIXELS, cached, fitting))
        places = windows(grid, pixels, block, most=2 * fitting, tile=1 if together else _TILE)
        largest = max(rows * cols for _, rows, _, cols in places)
        most = last - first
        if not together:
            most = min(
                _RESULT_BYTES // (4 * largest * (2 if shared.coverage else 1)), most * len(places) // _FEWEST_PARTS
            )
        length = max(1, most)
        # All windows of some layers before the next ones: their files are still open.
        for start in range(first, last, length):
            end = min(last, start + length)
            reads = sum(len(recipe.uses) for recipe in shared.recipes[start:end])
            for row0, rows, col0, cols in places:
                parts.append(Block(len(parts), start, end, row0, rows, col0, cols, rows * cols * reads))
        most_bytes = max(most_bytes, largest * (8 * held + 8 * min(length, last - first)))
        first = last
    return parts, most_bytes


def stream(
    written: Sequence[Composite],
    shared: Shared,
    parts: Sequence[Block],
    part_bytes: int,
    work: Work,
    out: StackWriter,
    shares: StackWriter | None,
    progress: Progress,
) -> dict[int, Sums]:
    """Write the composites that are no gaps, in their order, to `out` and their coverage to `shares`.

    Returns statistics by `id` of the composite.
    """
    made = [(number, one) for number, one in enumerate(written, 1) if not one.gap]
    sums = {id(one): Sums() for _, one in made}
    for block, arrays in work.run(composite_block, shared, parts, progress, "Compositing", part_bytes=part_bytes):
        progress.check()
        for k, (number, one) in enumerate(made[block.first : block.last]):
            sums[id(one)].take(arrays["sums"][k])
            for writer, name in ((out, "values"), (shares, "coverage")):
                if writer is not None:
                    writer.write(number, arrays[name][k], block.row0, block.col0)
                    if _whole_tiles(block, out.grid):
                        writer.flush(number)
    return sums


def _whole_tiles(block: Block, grid: Grid) -> bool:
    """Whether the window ends where tiles of the output do, so that they can be written at once, in a fixed order."""
    last_row, last_col = block.row0 + block.rows, block.col0 + block.cols
    return (last_row % _TILE == 0 or last_row == grid.rows) and (last_col % _TILE == 0 or last_col == grid.cols)


def _arrays_held(recipes: Sequence[Recipe]) -> int:
    """Arrays of a window that the composites which are open at once hold."""
    events = []
    for recipe in recipes:
        held = arrays_held(recipe)
        # A composite opens with its first source and closes with its last, after others that open with it.
        events += [((recipe.uses[0].source, 0), held), ((recipe.uses[-1].source, 1), -held)]
    most = now = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most + _READ
