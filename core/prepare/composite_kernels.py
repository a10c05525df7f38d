"""Running composites of one period in one window: each source is added once and then forgotten, but for the median."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from .composite_methods import MAX, MEAN, MEDIAN, MIN, SUM
from .composite_plan import TOLERANCE, Recipe, Share

Array = NDArray[np.float64]
Mask = Optional[NDArray[np.bool_]]

_CHUNK = 2**15


def prepare(values: Array, method: str) -> tuple[Array, Mask]:
    """Flat values as `Accumulator.add` wants them, and where they are valid; None where they are everywhere.

    Means and sums get 0 in place of NaN. `values` is changed.
    """
    flat = values.reshape(-1)
    missing = np.isnan(flat)
    if not missing.any():
        return flat, None
    if method in (MEAN, SUM):
        np.copyto(flat, 0.0, where=missing)
    return flat, np.logical_not(missing, out=missing)


def chunks(size: int, step: int = _CHUNK) -> Iterator[slice]:
    """Parts of a window that stay in the processor's cache while they are worked on."""
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


def arrays_held(recipe: Recipe) -> int:
    """How many float64 arrays of a window a running composite holds, about."""
    if recipe.method == MEDIAN:
        return 2 + 2 * len(recipe.uses)
    return 5 if recipe.overlapping else 2


class Accumulator:
    """The composite of one period in a window of `size` pixels, fed with its uses in order of time."""

    def __init__(self, recipe: Recipe, size: int, min_coverage: float, rescale_sums: bool) -> None:
        self._method, self._single = recipe.method, len(recipe.uses) == 1
        self._rescale = rescale_sums and self._method == SUM
        self._covered = _Unions(recipe, size) if recipe.overlapping else _Counts(recipe, size)
        self._whole = recipe.seconds / self._covered.unit
        self._least = (min_coverage - TOLERANCE) * self._whole
        self._total: Array | None = None
        self._kept: list[Array] = []
        # Where sources overlap in time, their weights add up to more than the time they cover.
        self._weights = np.zeros(size) if recipe.overlapping and self._method == MEAN else None

    def add(self, values: Array, valid: Mask, use: Share) -> None:
        """Take one source, as `prepare` gives it."""
        self._covered.add(valid, use)
        if self._method == MEDIAN:
            self._kept.append(values)
        elif self._method in (MAX, MIN):
            extreme = np.fmax if self._method == MAX else np.fmin
            self._total = values.copy() if self._total is None else extreme(self._total, values, out=self._total)
        else:
            # A value that stands alone is its own mean.
            weight = 1.0 if self._method == SUM or self._single else use.seconds / self._covered.unit
            scale = weight * use.factor
            self._total = values * scale if self._total is None else _add_scaled(self._total, values, scale)
            if self._weights is not None:
                self._weights += weight if valid is None else valid * weight

    def result(self) -> tuple[Array, Array]:
        """Values, NaN below the minimum coverage, and the share of the period that is covered."""
        covered = self._covered.units()
        values = _median(self._kept) if self._method == MEDIAN else self._total
        assert values is not None
        with np.errstate(divide="ignore", invalid="ignore"):
            if self._method == MEAN and not self._single:
                values /= covered if self._weights is None else self._weights
            elif self._rescale:
                values *= self._whole / covered
        values[(covered < self._least) | (covered == 0)] = np.nan
        return values, covered / self._whole


class _Counts:
    """The time that valid sources cover per pixel, counted in the longest unit that measures all of them."""

    def __init__(self, recipe: Recipe, size: int) -> None:
        self.unit = math.gcd(*(use.seconds for use in recipe.uses))
        self._size = size
        self._type = np.min_scalar_type(sum(use.seconds for use in recipe.uses) // self.unit)
        self._everywhere = 0  # counted in all pixels alike
        self._counts: NDArray[np.unsignedinteger] | None = None

    def add(self, valid: Mask, use: Share) -> None:
        count = use.seconds // self.unit
        if valid is None:
            self._everywhere += count
            return
        seen = valid.view(np.uint8) if count == 1 else np.multiply(valid, count, dtype=self._type)
        if self._counts is None:
            self._counts = seen.astype(self._type)
        else:
            self._counts += seen

    def units(self) -> NDArray[Any]:
        if self._counts is None:
            return np.full(self._size, self._everywhere, dtype=self._type)
        self._counts += self._type.type(self._everywhere)
        return self._counts


class _Unions:
    """The same where sources overlap in time: what two of them cover counts once. In seconds."""

    unit = 1

    def __init__(self, recipe: Recipe, size: int) -> None:
        self._covered, self._reach = np.zeros(size), np.full(size, float(recipe.start))

    def add(self, valid: Mask, use: Share) -> None:
        fresh = np.maximum(use.end - np.maximum(self._reach, use.start), 0.0)
        if valid is None:
            self._covered += fresh
            np.maximum(self._reach, use.end, out=self._reach)
        else:
            np.add(self._covered, fresh, out=self._covered, where=valid)
            np.maximum(self._reach, use.end, out=self._reach, where=valid)

    def units(self) -> NDArray[Any]:
        return self._covered


def _add_scaled(total: Array, values: Array, weight: float) -> Array:
    if weight == 1.0:
        total += values
    else:
        for part in chunks(total.size):
            total[part] += values[part] * weight
    return total


def _median(kept: list[Array]) -> Array:
    """Median over the arrays, NaN apart; the mean of the two in the middle where their number is even."""
    median = np.empty(kept[0].size)
    network = _sorting_network(len(kept))
    for part in chunks(median.size, _CHUNK // 4):
        rows = [np.fmin(values[part], np.inf) for values in kept]  # NaN becomes infinite and sorts last
        count = np.zeros(rows[0].size, dtype=np.intp)
        for row in rows:
            count += row < np.inf
        spare = np.empty(count.size)
        for low, high in network:
            np.minimum(rows[low], rows[high], out=spare)
            np.maximum(rows[low], rows[high], out=rows[high])
            rows[low], spare = spare, rows[low]
        block, pixel = np.stack(rows), np.arange(count.size)
        upper = block[np.minimum(count // 2, len(rows) - 1), pixel]
        median[part] = 0.5 * (block[np.maximum(count - 1, 0) // 2, pixel] + upper)
    return median


@lru_cache(maxsize=64)
def _sorting_network(size: int) -> list[tuple[int, int]]:
    """Pairs to compare and swap, in order, that sort `size` rows: Batcher's odd-even merge sort.

    Batcher 1968, doi:10.1145/1468075.1468121. Over whole rows it takes a third of the time of sorting each pixel.
    """
    pairs = []
    merged = 1
    while merged < size:
        step = merged
        while step >= 1:
            for start in range(step % merged, size - step, 2 * step):
                for low in range(start, min(start + step, size - step)):
                    if low // (2 * merged) == (low + step) // (2 * merged):
                        pairs.append((low, low + step))
            step //= 2
        merged *= 2
    return pairs
