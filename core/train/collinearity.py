"""Factors that say the same thing: variance inflation, its greedy removal, partial correlation."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

VIF_LIMIT = 1e6  # stands for an exact linear combination of the others, where rounding decides the digits
_NULL = 1e-9  # eigenvalues of a correlation matrix below this (times its size) count as zero


@dataclass(frozen=True)
class Removal:
    """Factor `index` was dropped at variance inflation `vif`, in favour of `partner` (-1: of all the others)."""

    index: int
    vif: float
    partner: int


def variance_inflation(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """VIF_j = 1 / (1 - R2_j) = [inv(R)]_jj from the factors' correlation matrix (p, p), at most `VIF_LIMIT`.

    Near-singular matrices are inverted without their null space, and the factors that lie in it get the
    limit: the plain pseudo-inverse would call two copies of one factor harmless (VIF 1/4).
    """
    if correlation.size == 0:
        return np.empty(0)
    values, vectors = np.linalg.eigh(correlation)
    null = values < _NULL * len(values)
    inverse = (vectors[:, ~null] ** 2 / values[~null]).sum(axis=1)
    involved = (vectors[:, null] ** 2).sum(axis=1) > 1e-6
    return np.where(involved, VIF_LIMIT, np.clip(inverse, 1.0, VIF_LIMIT))


def condition_number(correlation: NDArray[np.float64]) -> float:
    """Largest over smallest eigenvalue of a correlation matrix; about 1e16 means singular."""
    if correlation.size == 0:
        return math.nan
    values = np.linalg.eigvalsh(correlation)
    return float(values[-1] / max(values[0], values[-1] * np.finfo(float).eps))


def remove_collinear(
    correlation: NDArray[np.float64],
    strength: Sequence[float],
    max_vif: float,
    protected: Collection[int] = (),
) -> tuple[list[int], list[Removal]]:
    """Drop factors one by one until every VIF is <= `max_vif`.

    Each time, of the factors whose VIF is too high, the two most correlated with each other are taken and the one with
    the smaller `strength` (|r| with the target; on a tie the later one) goes. A `protected` factor never goes: its
    partner does, and a pair of protected ones is passed over. Returns the indices kept and what was dropped.
    """
    kept, removed = list(range(len(correlation))), list[Removal]()
    while kept:
        vif = dict(zip(kept, variance_inflation(correlation[np.ix_(kept, kept)])))
        high = [index for index in kept if vif[index] > max_vif]
        pairs = [(i, j) for i in high for j in high if i < j and not (i in protected and j in protected)]
        alone = [index for index in high if index not in protected]
        if pairs:
            first, second = max(pairs, key=lambda pair: abs(correlation[pair]))
            if second in protected or (first not in protected and strength[first] < strength[second]):
                first, second = second, first
            drop, partner = second, first
        elif alone:
            drop, partner = alone[0], -1
        else:
            break
        removed.append(Removal(drop, float(vif[drop]), partner))
        kept.remove(drop)
    return kept, removed


def partial_correlation(correlation: NDArray[np.float64], first: int, second: int, given: Sequence[int]) -> float:
    """Correlation of two variables after removing what is linear in the `given` ones, from the correlation
    matrix of all; NaN if one of the two is a linear combination of the given ones."""
    pair, others = [first, second], list(given)
    rest = correlation[np.ix_(pair, pair)]
    if others:
        cross = correlation[np.ix_(pair, others)]
        rest = rest - cross @ np.linalg.pinv(correlation[np.ix_(others, others)], rcond=1e-12, hermitian=True) @ cross.T
    if rest[0, 0] < _NULL or rest[1, 1] < _NULL:
        return math.nan
    return float(np.clip(rest[0, 1] / math.sqrt(rest[0, 0] * rest[1, 1]), -1.0, 1.0))
