"""Layers read once, window by window, and added to the composites they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from ..progress import Progress
from ..raster.blocks import read_ahead, windows
from ..raster.grid import Grid
from ..raster.stack import Stack, StackWriter, opened
from .composite_kernels import Array, Mask, Running, arrays_held, chunks, prepare
from .composite_plan import Composite, Use
from .composite_sources import FileFacts, Source, Variable

CACHE = 192  # MiB of GDAL's blocks

_BYTES = 192 * 2**20  # of running composites and of what is read ahead
_PIXELS = 2**19
_WORKERS = max(2, min(4, os.cpu_count() or 1))

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Settings:
    """See composite.CompositeOptions."""

    min_coverage: float
    rescale_sums: bool


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


def stream(
    written: Sequence[Composite],
    stacks: Sequence[Stack],
    facts: Sequence[FileFacts],
    grid: Grid,
    out: StackWriter,
    shares: StackWriter | None,
    settings: Settings,
    progress: Progress,
) -> dict[int, Sums]:
    """Write the composites that are no gaps, in their order, to `out` and their coverage to `shares`.

    Memory holds the composites that are open at one time, in one window. Returns statistics by `id` of the composite.
    """
    numbers = {id(one): number for number, one in enumerate(written, 1)}
    sums = {id(one): Sums() for one in written if not one.gap}
    uses: dict[int, list[tuple[Composite, Use]]] = {}
    for one in written:
        for use in [] if one.gap else one.uses:
            uses.setdefault(id(use.source), []).append((one, use))
    tasks = _tasks(written, facts, grid, uses)

    def read(task: tuple[Variable, Window, Source]) -> tuple[Array, Mask]:
        variable, (row0, rows, col0, cols), source = task
        values = next(handles[id(source.stack)]).read(source.index, row0, rows, col0, cols)
        return prepare(values, variable.method)

    def finish(one: Composite, made: Running, window: Window) -> None:
        row0, rows, col0, cols = window
        values, share = made.result()
        sums[id(one)].add(values, share)
        out.write(numbers[id(one)], values.reshape(rows, cols), row0, col0)
        if shares is not None:
            shares.write(numbers[id(one)], share.reshape(rows, cols), row0, col0)

    running: dict[int, Running] = {}
    finishing: Future[None] | None = None
    # One thread finishes and writes a composite while the next one takes its sources.
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        handles = _handles(stacks, stack)
        coming = stack.enter_context(closing(read_ahead(tasks, read, _WORKERS)))
        for done, ((variable, window, source), (values, valid)) in enumerate(coming):
            progress.check()
            progress.set(done / len(tasks), f"Compositing {variable.name}")
            for one, use in uses[id(source)]:
                if id(one) not in running:
                    running[id(one)] = Running(one, values.size, settings.min_coverage, settings.rescale_sums)
                running[id(one)].add(values, valid, use)
                if use is one.uses[-1]:
                    if finishing is not None:
                        finishing.result()
                    finishing = pool.submit(finish, one, running.pop(id(one)), window)
        if finishing is not None:
            finishing.result()
    return sums


def _tasks(
    written: Sequence[Composite], facts: Sequence[FileFacts], grid: Grid, used: Mapping[int, object]
) -> list[tuple[Variable, Window, Source]]:
    """What is read, in order: variable by variable, window by window, source by source."""
    block = max(fact.block[0] for fact in facts), max(fact.block[1] for fact in facts)
    # Where all bands lie in one block, reading one band decodes all: they must stay until the last is read.
    together = max((len(fact.tags) for fact in facts if fact.interleaved), default=0)
    cached = CACHE * 2**20 // (16 * together) if together else _PIXELS
    tasks = []
    for variable in {id(one.variable): one.variable for one in written}.values():
        fitting = _fitting_pixels(variable, written)
        pixels = max(1, min(_PIXELS, cached, fitting))
        for window in windows(grid, pixels, block, most=2 * fitting, tile=1 if together else 256):
            tasks += [(variable, window, source) for source in variable.sources if id(source) in used]
    return tasks


def _handles(stacks: Sequence[Stack], stack: ExitStack) -> dict[int, Iterator[Stack]]:
    """Readers of each layer, in turn: where there are few layers, each is opened once per thread."""
    handles: dict[int, Iterator[Stack]] = {}
    for one in stacks:
        more = [one.path] * (_WORKERS - 1) if len(stacks) < _WORKERS else []
        handles[id(one)] = cycle([one, *stack.enter_context(opened(more))])
    return handles


def _fitting_pixels(variable: Variable, written: Sequence[Composite]) -> int:
    """Pixels of a window for which the composites that are open at once fit into memory."""
    events = []
    for one in written:
        if one.variable is variable and not one.gap:
            held = arrays_held(one)
            # A composite opens with its first source and closes with its last: ends after starts at one time.
            events += [((one.uses[0].source.start, 0), held), ((one.uses[-1].source.start, 1), -held)]
    most = now = 0
    largest = max((change for _, change in events), default=0)  # the one that is being finished
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return _BYTES // (8 * (most + largest + 2 * _WORKERS))
