"""Validation designs: which samples are held out together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .samples import Array, Samples

RANDOM, BLOCKS, PERIODS = "random", "blocks", "periods"
DESIGNS = (RANDOM, BLOCKS, PERIODS)
LABELS = {
    RANDOM: "Random 80/20 (as in the papers; optimistic)",
    BLOCKS: "Spatial blocks",
    PERIODS: "Leave periods out",
}
_FOLDS = 5
_PERIOD_FOLDS = 6
_STRUCTURE = 0.1  # smallest share of the variogram that must rise with distance to speak of a range


@dataclass(frozen=True)
class Folds:
    """A validation design on given samples; fold (n,): number of the fold that holds a sample out, -1 for never."""

    design: str
    fold: NDArray[np.intp]
    note: str = ""

    @property
    def count(self) -> int:
        return int(self.fold.max()) + 1


def random_folds(samples: Samples, seed: int) -> Folds:
    """One random fifth held out, once: neighbours and other dates of the same cell stay in training."""
    order = np.random.default_rng(seed).permutation(len(samples))
    fold = np.full(len(samples), -1, np.intp)
    fold[order[: max(1, round(0.2 * len(samples)))]] = 0
    return Folds(RANDOM, fold)


def block_folds(samples: Samples, edge: int, seed: int) -> Folds:
    """Square blocks of `edge` cells, dealt to at most five folds of about equal size.

    Every period of a block is held out together. Raises InputError where the samples fill a single block.
    """
    block, counts = np.unique(block_of(samples, edge), return_inverse=True, return_counts=True)[1:]
    if len(counts) < 2:
        raise InputError(
            f"The {samples.cells} coarse cells with data lie within one block of {edge} x {edge}: a larger region is "
            "needed to hold blocks out."
        )
    folds = min(_FOLDS, len(counts))
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    load, assigned = np.zeros(folds), np.zeros(len(counts), np.intp)
    for number in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        assigned[number] = load.argmin()
        load[load.argmin()] += counts[number]
    return Folds(BLOCKS, assigned[block], f"{len(counts)} blocks of {edge} x {edge} cells in {folds} folds")


def period_folds(samples: Samples) -> Folds:
    """Neighbouring periods held out together, in at most six folds. Raises InputError for a single period."""
    periods, number = np.unique(samples.period, return_inverse=True)
    if len(periods) < 2:
        raise InputError(
            "Leaving periods out needs at least two periods and the COARSE stack has one: validate by blocks."
        )
    folds = min(_PERIOD_FOLDS, len(periods))
    return Folds(
        PERIODS,
        (number * folds // len(periods)).astype(np.intp),
        f"{len(periods)} periods in {folds} folds of neighbours in time",
    )


def block_of(samples: Samples, edge: int) -> NDArray[np.intp]:
    """Number of the square block each sample lies in; blocks begin at the first row and column with data."""
    row, col = (samples.row - samples.row.min()) // edge, (samples.col - samples.col.min()) // edge
    return row * (col.max() + 1) + col


def block_edge(samples: Samples, residuals: Array) -> int:
    """Edge of the blocks in cells: the range of the residuals' variogram; residuals: (n,).

    At least 5 cells (half of the longer side in regions of fewer than ten cells), at most a third of the longer side.
    """
    height, width = int(np.ptp(samples.row)) + 1, int(np.ptp(samples.col)) + 1
    lowest = min(5, max(1, max(height, width) // 2))
    highest = max(lowest, max(height, width) // 3)
    return int(np.clip(round(practical_range(samples.on_grid(residuals))), lowest, highest))


def practical_range(maps: Array) -> float:
    """Distance in cells at which an exponential variogram of `maps` (periods, rows, cols) reaches 95 % of its sill.

    0 where the variogram hardly rises: noise has no range.
    """
    reach = max(2, max(maps.shape[1:]) // 2)
    lags, gamma, pairs = [], [], []
    for lag in range(1, reach + 1):
        steps = [maps[:, lag:] - maps[:, :-lag], maps[:, :, lag:] - maps[:, :, :-lag]]
        squares = np.concatenate([step[np.isfinite(step)] ** 2 for step in steps])
        if len(squares) >= 10:
            lags.append(lag)
            gamma.append(squares.mean() / 2)
            pairs.append(len(squares))
    if len(lags) < 3:
        return 0.0
    distance, value, weight = np.array(lags, float), np.array(gamma), np.sqrt(pairs)
    best, best_error = 0.0, np.inf
    for length in np.geomspace(0.2, 2.0 * reach, 60):
        shape = np.column_stack([np.ones(len(distance)), 1 - np.exp(-distance / length)])
        coefficients = np.linalg.lstsq(shape * weight[:, None], value * weight, rcond=None)[0]
        fitted = shape @ coefficients
        error = float((((fitted - value) * weight) ** 2).sum())
        if error < best_error:
            rises = fitted[-1] - fitted[0] > _STRUCTURE * abs(fitted[-1])
            best, best_error = 3.0 * length if rises else 0.0, error
    return best


def designs(samples: Samples, wanted: Sequence[str], edge: int, seed: int) -> tuple[list[Folds], list[str]]:
    """Folds of the designs asked for that the samples allow, and a sentence for each that they do not.

    Raises InputError where none is possible.
    """
    possible, notes = [], []
    makers: dict[str, Callable[[], Folds]] = {
        RANDOM: lambda: random_folds(samples, seed),
        BLOCKS: lambda: block_folds(samples, edge, seed),
        PERIODS: lambda: period_folds(samples),
    }
    for design in wanted:
        if design not in makers:
            raise InputError(f"Unknown validation design {design!r}: choose among {', '.join(DESIGNS)}.")
        try:
            possible.append(makers[design]())
        except InputError as error:
            notes.append(f"{LABELS[design]}: not possible. {error}")
    if not possible:
        raise InputError(" ".join(notes) or "Choose at least one validation design.")
    return possible, notes
