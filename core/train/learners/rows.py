"""The rows that a learner is given, those it holds out itself, and those that it can afford."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...model.predictor import Array
from ..designs import dealt

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """X (n, factors), y and weight (n,); block (n,): number of the spatial block each row lies in."""

    x: Array
    y: Array
    weight: Array
    block: NDArray[np.intp]

    def select(self, keep: NDArray[np.generic]) -> Rows:
        return Rows(self.x[keep], self.y[keep], self.weight[keep], self.block[keep])


def hold_outs(block: NDArray[np.intp], count: int, seed: int) -> list[Mask]:
    """Masks (n,) of whole blocks to hold out, each row in one of them, of about equal size.

    At most `count`, as many as there are blocks, none for a single block.
    """
    fold = dealt(block, count, seed)
    count = int(fold.max()) + 1
    if count < 2:
        return []
    return [fold == one for one in range(count)]


def thinned(group: NDArray[np.intp], most: int, seed: int) -> NDArray[np.intp]:
    """Numbers of `most` rows, the same share of every group; group: (n,)."""
    shuffled = np.random.default_rng(seed).permutation(len(group))
    rank = np.empty(len(group))
    for one in np.unique(group):
        rows = shuffled[group[shuffled] == one]
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(rank, kind="stable")[:most])


def level_and_spread(y: Array, weight: Array) -> tuple[float, float]:
    """Weighted mean and standard deviation, which is 0 for what varies by round-off only."""
    mean = float(np.average(y, weights=weight))
    spread = float(np.sqrt(np.average((y - mean) ** 2, weights=weight)))
    return mean, spread if spread > 1e-12 * max(1.0, abs(mean)) else 0.0
