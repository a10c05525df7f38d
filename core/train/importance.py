"""How much each factor matters, on samples that the model has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..raster.bands import SHARE_UNIT
from .evaluation import Predict, spread
from .samples import Array, Samples

ALIKE = 0.8  # from this rank correlation on, factors say so much of the same that they are shuffled together
_REPEATS = 3
_MOST_ROWS = 20_000  # per fold, and for the correlation of ranks


@dataclass(frozen=True)
class Importance:
    """Importance of a factor, or of factors that say the same (`members`), as shares of 1.

    learner: within the learner, None where it has none. permutation: on held-out blocks; all 0 where no factor helps.
    rise: increase of the held-out RMSE (target units) when it is shuffled; below 0 where the model does better without
    it. rise_spread: its standard deviation over folds.
    """

    factor: str
    learner: float | None
    permutation: float
    rise: float
    rise_spread: float = math.nan
    members: tuple[str, ...] = ()


class Permutation:
    """Visits the folds of a validation design and shuffles one group of factors after the other among the samples held
    out; the factors of a group keep their own relation (Breiman 2001; grouped as in Strobl et al. 2008)."""

    def __init__(self, samples: Samples, seed: int, groups: Sequence[Sequence[int]] | None = None) -> None:
        self._samples, self._seed = samples, seed
        self.groups = correlated_groups(samples.x, seed) if groups is None else [list(group) for group in groups]
        self._count: list[int] = []
        self._error: list[float] = []
        self._growth: list[Array] = []

    def visit(self, fold: int, predict: Predict, rows: NDArray[np.intp]) -> None:
        """Shuffle among the held-out `rows` of a fold, of which at most 20,000 are looked at."""
        random = np.random.default_rng(self._seed + fold)
        if len(rows) > _MOST_ROWS:
            rows = np.sort(random.choice(rows, _MOST_ROWS, replace=False))
        x, y = self._samples.x[rows], self._samples.y[rows]
        before = float(((predict(x) - y) ** 2).sum())
        growth = np.zeros(len(self.groups))
        for k, group in enumerate(self.groups):
            for _ in range(_REPEATS):
                shuffled = x.copy()
                shuffled[:, group] = x[random.permutation(len(x))][:, group]
                growth[k] += (float(((predict(shuffled) - y) ** 2).sum()) - before) / _REPEATS
        self._count.append(len(rows))
        self._error.append(before)
        self._growth.append(growth)

    def importance(self, names: Sequence[str], own: Array | None) -> list[Importance]:
        """In falling order; `own` is the learner's importance of each factor."""
        growth = np.sum(self._growth, axis=0) if self._growth else np.zeros(len(self.groups))
        positive = np.maximum(growth, 0.0)
        share = positive / positive.sum() if positive.sum() > 0 else positive
        rise = _rise(sum(self._error), growth, sum(self._count))
        by_fold = [_rise(*fold) for fold in zip(self._error, self._growth, self._count)]
        rows = [
            Importance(
                _label([names[j] for j in group]),
                None if own is None else float(sum(own[j] for j in group)),
                float(share[k]),
                float(rise[k]),
                spread([float(one[k]) for one in by_fold]),
                tuple(names[j] for j in group),
            )
            for k, group in enumerate(self.groups)
        ]
        return sorted(rows, key=lambda row: (-row.permutation, -row.rise))


def weights_of(importance: Sequence[Importance], names: Sequence[str]) -> Array:
    """Permutation importance of each of `names`, that of a group dealt so that distances count the group once."""
    found = {
        name: row.permutation / math.sqrt(len(row.members) or 1)
        for row in importance
        for name in row.members or (row.factor,)
    }
    return np.array([found.get(name, 0.0) for name in names])


def groups_of(x: Array, names: Sequence[str], units: Sequence[str], seed: int = 0) -> list[list[int]]:
    """Columns of `x` (n, factors) to shuffle together: the classes of one map, and other factors that say the same.

    Shares of classes sum to one, so that a class shuffled alone would ask for covers that cannot be.
    """
    stem = [_stem(name) if unit == SHARE_UNIT else "" for name, unit in zip(names, units)]
    classes: dict[str, list[int]] = {}
    for k, one in enumerate(stem):
        if one and stem.count(one) > 1:
            classes.setdefault(one, []).append(k)
    taken = {k for group in classes.values() for k in group}
    rest = [k for k in range(len(names)) if k not in taken]
    alike = correlated_groups(x[:, rest], seed)
    return sorted([*classes.values(), *([rest[j] for j in group] for group in alike)])


def correlated_groups(x: Array, seed: int = 0) -> list[list[int]]:
    """Columns of `x` (n, factors) in groups within which every pair has a rank correlation of at least 0.8.

    Complete linkage, so that no chain of half-alike factors ends in one group.
    """
    count = x.shape[1]
    if count < 2 or len(x) < 3:
        return [[k] for k in range(count)]
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    if len(x) > _MOST_ROWS:
        x = x[np.random.default_rng(seed).choice(len(x), _MOST_ROWS, replace=False)]
    ranks = rankdata(x, axis=0)
    ranks -= ranks.mean(axis=0)
    size = np.sqrt((ranks**2).sum(axis=0))
    ranks = np.divide(ranks, size, out=np.zeros_like(ranks), where=size > 0)
    distance = np.clip(1 - np.abs(ranks.T @ ranks), 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    number = fcluster(linkage(squareform(distance, checks=False), "complete"), 1 - ALIKE + 1e-12, "distance")
    return sorted([int(k) for k in np.flatnonzero(number == one)] for one in np.unique(number))


def leading(importance: Sequence[Importance]) -> list[str]:
    """The first factor of every group that helps, the strongest group first; classes of a map have no single course."""
    return [row.members[0] for row in importance if row.permutation > 0 and not _classes(row.members)]


def _label(names: Sequence[str]) -> str:
    return f"{_stem(names[0])} ({len(names)} classes)" if _classes(names) else " + ".join(names)


def _classes(names: Sequence[str]) -> bool:
    return len(names) > 1 and len({_stem(name) for name in names}) == 1 and _stem(names[0]) != ""


def _stem(name: str) -> str:
    """`landcover` of `landcover_12`; empty for what has no number of a class."""
    stem, _, code = name.rpartition("_")
    return stem if code.isdigit() else ""


def _rise(error: float, growth: Array, count: int) -> Array:
    count = max(1, count)
    return np.sqrt(np.maximum(error + growth, 0.0) / count) - math.sqrt(error / count)
