"""Mean and standard deviation of whole images, gathered strip by strip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .kernel import Array


@dataclass
class Moments:
    """Number, mean and sum of squared deviations of the valid values, with the range they span.

    Rows are taken one by one in their order: how an image is cut into strips changes no bit of the result.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: Array) -> None:
        """Take in whole rows (rows, cols)."""
        valid = np.isfinite(values)
        counts = valid.sum(axis=1)
        if not counts.any():
            return
        filled = np.ascontiguousarray(np.where(valid, values, 0.0))
        means = filled.sum(axis=1) / np.maximum(counts, 1)
        squares = np.where(valid, (filled - means[:, None]) ** 2, 0.0).sum(axis=1)
        for count, mean, square in zip(counts.tolist(), means.tolist(), squares.tolist()):
            self._merge(count, mean, square)
        self.low = min(self.low, float(values[valid].min()))
        self.high = max(self.high, float(values[valid].max()))

    @property
    def sd(self) -> float:
        """Zero for values that differ by rounding only."""
        if self.high - self.low <= 1e-12 * max(abs(self.low), abs(self.high)):
            return 0.0
        return math.sqrt(self.squares / self.count)

    def _merge(self, count: int, mean: float, squares: float) -> None:
        if not count:
            return
        total = self.count + count
        step = mean - self.mean
        self.squares += squares + step * step * self.count * count / total
        self.mean += step * count / total
        self.count = total


def pooled(parts: Sequence[Moments]) -> Moments:
    """Of the values of several images together."""
    whole = Moments()
    for one in parts:
        whole._merge(one.count, one.mean, one.squares)
        whole.low, whole.high = min(whole.low, one.low), max(whole.high, one.high)
    return whole


@dataclass(frozen=True)
class PairStatistics:
    """Of the images of the pairs: fine (pairs, bands), coarse (pairs, bands)."""

    fine: Sequence[Sequence[Moments]]
    coarse: Sequence[Sequence[Moments]]

    @classmethod
    def of(cls, fine: Array, coarse: Array) -> PairStatistics:
        """Of images in memory, (pairs, bands, rows, cols) each."""

        def gathered(images: Array) -> list[list[Moments]]:
            found = [[Moments() for _ in image] for image in images]
            for moments, image in zip(found, images):
                for one, values in zip(moments, image):
                    one.add(values)
            return found

        return cls(gathered(fine), gathered(coarse))

    def fine_sd(self) -> Array:
        """(pairs, bands)."""
        return np.array([[one.sd for one in image] for image in self.fine])

    def pooled_fine(self) -> tuple[Array, Array]:
        """Mean and standard deviation (bands) over the pairs together."""
        return _pooled_bands(self.fine)

    def bias(self) -> Array:
        """(pairs, bands): mean of the fine minus mean of the coarse image."""
        return np.array([[one.mean - other.mean for one, other in zip(*pair)] for pair in zip(self.fine, self.coarse)])

    def pooled_coarse(self) -> tuple[Array, Array]:
        return _pooled_bands(self.coarse)


def _pooled_bands(images: Sequence[Sequence[Moments]]) -> tuple[Array, Array]:
    bands = [pooled(parts) for parts in zip(*images)]
    return np.array([one.mean for one in bands]), np.array([one.sd for one in bands])
