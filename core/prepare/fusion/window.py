"""The moving window: its pixels and their distances, sums over similar pixels on threads, means over all pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from .kernel import Array, fastest, numpy_sums

_LANES = 8  # doubles in a cache line and a wide register
_VISITS = 8_000_000  # neighbours looked at in one task: some ten milliseconds compiled
_POLL = 0.1  # seconds between looks at the cancel button
_threads: ContextVar[int] = ContextVar("threads", default=os.cpu_count() or 1)


@contextmanager
def threads_used(threads: int) -> Iterator[None]:
    """The search uses `threads` threads within the block."""
    before = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(before)


@dataclass(frozen=True)
class Part:
    """The rows and columns of an array that are to be computed; around them lies their halo."""

    row0: int
    rows: int
    col0: int
    cols: int

    @property
    def inner(self) -> tuple[Any, slice, slice]:
        """The index that cuts it out of the last two axes."""
        return ..., slice(self.row0, self.row0 + self.rows), slice(self.col0, self.col0 + self.cols)


class Window:
    """A square of `size` (odd) pixels; a neighbour at `halving` pixels counts half as much as the pixel itself."""

    def __init__(self, size: int, halving: float = 0.0) -> None:
        self.half = size // 2
        steps = np.arange(size, dtype=np.int64)
        self.shifts: NDArray[np.int64] = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
        distance = np.hypot(*(self.shifts - self.half).T)
        self.nearness: Array = 1.0 / (1.0 + distance / (halving or max(1, self.half)))

    def padded(self, values: Array, part: Part, fill: float) -> Array:
        """(..., rows + 2 half, cols + 2 half): `part` of `values` (..., rows, cols) with its halo, `fill` beyond."""
        half = self.half
        row, col = part.row0 - half, part.col0 - half
        inside = values[..., max(0, row) : part.row0 + part.rows + half, max(0, col) : part.col0 + part.cols + half]
        out = np.full((*values.shape[:-2], part.rows + 2 * half, part.cols + 2 * half), fill)
        row, col = max(0, -row), max(0, -col)
        out[..., row : row + inside.shape[-2], col : col + inside.shape[-1]] = inside
        return out

    def similar_sums(
        self,
        tested: Array,
        low: Array,
        high: Array,
        weighted: list[Array],
        counted: list[Array],
        progress: Progress,
        compiled: bool = True,
    ) -> tuple[Array, Array]:
        """Sums over similar neighbours: of `weighted` times their nearness, and of `counted` as they are.

        tested (tests, rows + 2 half, cols + 2 half), NaN in pixels that may not be used; low, high (tests, rows, cols);
        fields (rows + 2 half, cols + 2 half) without NaN. Returns (fields, rows, cols) of both. Raises Cancelled.
        """
        rows, cols = low.shape[1:]
        count = len(weighted) + len(counted)
        room = -(-count // _LANES) * _LANES
        fields = np.zeros((*tested.shape[1:], room))
        for k, values in enumerate([*weighted, *counted]):
            progress.check()
            fields[..., k] = values
        factors = np.ones((len(self.shifts), room))
        factors[:, : len(weighted)] = self.nearness[:, None]
        total = np.empty((rows, cols, room))
        kernel = fastest() if compiled else numpy_sums
        step = max(1, _VISITS * 16 // (max(16, room) * cols * len(self.shifts)))
        stop = Event()

        def work(row0: int) -> None:
            if not stop.is_set():
                kernel(tested, low, high, fields, self.shifts, factors, total, row0, min(rows, row0 + step))

        with ThreadPoolExecutor(_threads.get()) as pool:
            tasks = [pool.submit(work, row0) for row0 in range(0, rows, step)]
            waiting = set(tasks)
            try:
                while waiting:
                    done, waiting = wait(waiting, _POLL, FIRST_EXCEPTION)
                    for task in done:
                        task.result()
                    progress.check()
                    progress.set(1 - len(waiting) / len(tasks))
            finally:
                stop.set()
        sums = np.moveaxis(total, -1, 0)
        return sums[: len(weighted)], sums[len(weighted) : count]

    def means(self, padded: Array, scale: float) -> Array:
        """(..., rows, cols): mean of all valid pixels of the window; NaN where there is none.

        Running sums of whole numbers (of `scale` / 2**38) are exact: the result depends neither on the part of the
        image that is looked at nor on the order of summation, and no change stays exactly none.
        """
        valid = np.isfinite(padded)
        unit = 2.0**-38 * (scale or 1.0)
        most = 2.0**62 / (2 * self.half + 1) ** 2  # some thousand standard deviations: more could leave 64 bits
        whole = np.rint(np.clip(np.where(valid, padded, 0.0) / unit, -most, most)).astype(np.int64)
        count = self._box(valid.astype(np.int64))
        total = self._box(whole) * unit
        return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)

    def _box(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        size = 2 * self.half + 1
        for axis in (-2, -1):
            sums = np.cumsum(np.moveaxis(values, axis, 0), axis=0)
            # Sums that have wrapped around 64 bits still differ by the right number.
            sums[size:] -= sums[:-size].copy()
            values = np.moveaxis(sums[size - 1 :], 0, axis)
        return values
