"""Streams bands through a function window by window: the next ones are read while one is computed and written."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .grid import Grid
from .stack import StackWriter
from .tiles import PIXELS, strips
from .writing import BLOCK

Array = NDArray[np.float64]
Reader = Callable[[int, int], Array]
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """Bands that are computed together.

    outputs: 1-based bands of the writer. readers: each gives rows `row0` … `row0 + rows` of the grid. compute: from
    the readers' arrays (rows, cols) to as many arrays as there are outputs. label: for the progress bar.
    """

    outputs: Sequence[int]
    readers: Sequence[Reader]
    compute: Callable[[list[Array]], Sequence[Array]]
    label: str = ""


def run_jobs(jobs: Sequence[Job], grid: Grid, out: StackWriter, progress: Progress) -> None:
    """Compute every job and write its bands. Memory holds two strips of the job with the most readers."""
    tasks = [(number, row0, rows) for number, job in enumerate(jobs) for row0, rows in _strips(job, grid)]

    def read(task: tuple[int, int, int]) -> list[Array]:
        number, row0, rows = task
        return [reader(row0, rows) for reader in jobs[number].readers]

    with closing(read_ahead(tasks, read)) as coming:
        for done, ((number, row0, _), arrays) in enumerate(coming):
            progress.check()
            job = jobs[number]
            progress.set(done / len(tasks), job.label)
            for index, values in zip(job.outputs, job.compute(arrays)):
                out.write(index, values, row0)


def read_ahead(
    tasks: Sequence[Task], read: Callable[[Task], Result], workers: int = 1
) -> Generator[tuple[Task, Result], None, None]:
    """Each task in order with what `read` makes of it, while `workers` threads read the next ones, one each.

    Close the generator where the loop over it may end early, before closing what is read.
    """
    with ThreadPoolExecutor(workers) as pool:
        coming = iter(tasks)
        pending: deque[tuple[Task, Future[Result]]] = deque(
            (task, pool.submit(read, task)) for task in islice(coming, workers)
        )
        try:
            while pending:
                task, future = pending.popleft()
                result = future.result()
                pending.extend((following, pool.submit(read, following)) for following in islice(coming, 1))
                yield task, result
        finally:
            for _, future in pending:
                future.cancel()


def windows(
    grid: Grid, pixels: int, block: tuple[int, int] = (1, 1), most: int | None = None, tile: int = BLOCK
) -> list[tuple[int, int, int, int]]:
    """(row0, rows, col0, cols) of windows of about `pixels` pixels that tile the grid.

    block: rows and columns of the blocks that the sources are stored in; tile: side of those of the output. Where it
    can be had, neither lies in two windows: a compressed one would be decoded, or written, more than once. For that a
    window may grow to `most` pixels (8 x `pixels` by default).
    """
    rows, cols = (_aligned(side, length, tile) for side, length in zip(block, grid.shape))
    if rows * cols > max(pixels, 8 * pixels if most is None else most):
        rows, cols = (min(tile, length) for length in grid.shape)
    width = grid.cols if rows * grid.cols <= pixels else min(grid.cols, max(1, pixels // (rows * cols)) * cols)
    height = max(1, pixels // (width * rows)) * rows
    return [
        (row0, min(height, grid.rows - row0), col0, min(width, grid.cols - col0))
        for row0 in range(0, grid.rows, height)
        for col0 in range(0, grid.cols, width)
    ]


def _aligned(side: int, length: int, tile: int) -> int:
    """A multiple of the source's and the output's blocks, or of the output's alone where that would be large."""
    if side >= length:
        return length
    common = math.lcm(side, tile)
    return min(common if common <= 4 * tile else max(side, tile) // tile * tile, length)


def _strips(job: Job, grid: Grid) -> Iterator[tuple[int, int]]:
    # Many readers (a median of a month, say) take thinner strips.
    return strips(grid.rows, grid.cols, pixels=max(grid.cols, 8 * PIXELS // max(8, len(job.readers))))
