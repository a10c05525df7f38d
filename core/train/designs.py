"""Validation designs: which samples are held out together, and which the model may not see then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..raster.periods import Period
from .samples import Samples

RANDOM, KFOLD, BLOCKS, PERIODS, SEASONS, YEARS = "random", "kfold", "blocks", "periods", "seasons", "years"
BLOCKS_AND_PERIODS = "blocks_and_periods"
DESIGNS = (RANDOM, KFOLD, BLOCKS, PERIODS, SEASONS, YEARS, BLOCKS_AND_PERIODS)
DEFAULT_DESIGNS = (RANDOM, BLOCKS, PERIODS)
OPTIMISTIC = (RANDOM, KFOLD)
LABELS = {
    RANDOM: "Random 80/20 (as in the papers; optimistic)",
    KFOLD: "Random folds (optimistic)",
    BLOCKS: "Spatial blocks",
    PERIODS: "Leave periods out",
    SEASONS: "Leave seasons out",
    YEARS: "Leave years out",
    BLOCKS_AND_PERIODS: "Blocks and periods together",
}
_FOLDS = 5
_PERIOD_FOLDS = 6
_SEASONS = ("December to February", "March to May", "June to August", "September to November")


@dataclass(frozen=True)
class Folds:
    """A validation design on given samples.

    fold (n,): number of the fold that holds a sample out, -1 for never. barred (folds, n): samples that are neither
    held out by a fold nor seen by its model (a buffer; other dates of held-out cells), None for none.
    """

    design: str
    fold: NDArray[np.intp]
    note: str = ""
    barred: NDArray[np.bool_] | None = None

    @property
    def count(self) -> int:
        return int(self.fold.max()) + 1

    def training(self, number: int) -> NDArray[np.bool_]:
        """(n,): the samples that the model of fold `number` may see."""
        seen = self.fold != number
        return seen if self.barred is None else seen & ~self.barred[number]


def designs(
    samples: Samples,
    wanted: Sequence[str],
    edge: int,
    seed: int,
    periods: Sequence[Period | None] = (),
    buffer: int = 0,
) -> tuple[list[Folds], list[str]]:
    """Folds of the designs asked for that the samples allow, and a sentence for each that they do not.

    periods: the dates that `samples.period` counts; edge and buffer of the blocks in cells. Raises InputError where
    none is possible.
    """
    possible, notes = [], []
    makers: dict[str, Callable[[], Folds]] = {
        RANDOM: lambda: random_folds(samples, seed),
        KFOLD: lambda: random_kfolds(samples, seed),
        BLOCKS: lambda: block_folds(samples, edge, seed, buffer),
        PERIODS: lambda: period_folds(samples),
        SEASONS: lambda: season_folds(samples, periods),
        YEARS: lambda: year_folds(samples, periods),
        BLOCKS_AND_PERIODS: lambda: block_and_period_folds(samples, edge, seed, buffer),
    }
    for design in dict.fromkeys(wanted):
        if design not in makers:
            raise InputError(f"Unknown validation design {design!r}: choose among {', '.join(DESIGNS)}.")
        try:
            possible.append(makers[design]())
        except InputError as error:
            notes.append(f"{LABELS[design]}: not possible. {error}")
    if not possible:
        raise InputError(" ".join(notes) or "Choose at least one validation design.")
    return possible, notes


def random_folds(samples: Samples, seed: int) -> Folds:
    """One random fifth held out, once: neighbours and other dates of the same cell stay in training."""
    order = np.random.default_rng(seed).permutation(len(samples))
    fold = np.full(len(samples), -1, np.intp)
    fold[order[: max(1, round(0.2 * len(samples)))]] = 0
    return Folds(RANDOM, fold)


def random_kfolds(samples: Samples, seed: int) -> Folds:
    """Five random folds of equal size, each held out once."""
    folds = min(_FOLDS, len(samples))
    if folds < 2:
        raise InputError("Random folds need at least two samples.")
    fold = np.empty(len(samples), np.intp)
    fold[np.random.default_rng(seed).permutation(len(samples))] = np.arange(len(samples)) % folds
    return Folds(KFOLD, fold, f"{folds} folds")


def block_folds(samples: Samples, edge: int, seed: int, buffer: int = 0) -> Folds:
    """Square blocks of `edge` cells, dealt to at most five folds of about equal size.

    Every period of a block is held out together; cells within `buffer` cells of it are not seen either. Raises
    InputError where the samples fill a single block.
    """
    block = block_of(samples, edge)
    count = len(np.unique(block))
    if count < 2:
        raise InputError(
            f"The {samples.cells} coarse cells with data lie within one block of {edge} x {edge}: a larger region is "
            "needed to hold blocks out."
        )
    fold = dealt(block, _FOLDS, seed)
    folds = int(fold.max()) + 1
    note = f"{count} blocks of {edge} x {edge} cells in {folds} folds"
    if folds < _FOLDS:
        note += f" (fewer blocks than the usual {_FOLDS} folds)"
    if not buffer:
        return Folds(BLOCKS, fold, note)
    barred = _near(samples, fold, buffer)
    for number in range(folds):
        if not ((fold != number) & ~barred[number]).any():
            # Blocks of a few cells would have nothing left: without the buffer they can still be held out.
            return Folds(BLOCKS, fold, f"{note}; no buffer, which would leave nothing to train on")
    return Folds(BLOCKS, fold, f"{note}, a buffer of {buffer} cell{'s' if buffer > 1 else ''} around them", barred)


def period_folds(samples: Samples) -> Folds:
    """Neighbouring periods held out together, in at most six folds. Raises InputError for a single period."""
    fold, periods, folds = _period_groups(samples, _PERIOD_FOLDS)
    return Folds(PERIODS, fold, f"{periods} periods in {folds} folds of neighbours in time")


def season_folds(samples: Samples, periods: Sequence[Period | None]) -> Folds:
    """The periods of a season of any year held out together. Raises InputError for fewer than two seasons."""
    return _by_date(samples, periods, SEASONS, "season", lambda day: day.month % 12 // 3, lambda key: _SEASONS[key])


def year_folds(samples: Samples, periods: Sequence[Period | None]) -> Folds:
    """The periods of a calendar year held out together. Raises InputError for fewer than two years."""
    return _by_date(samples, periods, YEARS, "year", lambda day: day.year, str)


def block_and_period_folds(samples: Samples, edge: int, seed: int, buffer: int = 0) -> Folds:
    """Blocks at dates, where neither the blocks at other dates nor other blocks at these dates were seen.

    Each fold of blocks meets one group of periods, in turn: every block and every period is held out with some of its
    samples. Raises InputError for a single block or period.
    """
    blocks = block_folds(samples, edge, seed, buffer)
    group, _, groups = _period_groups(samples, _FOLDS)
    folds = max(blocks.count, groups)
    fold = np.full(len(samples), -1, np.intp)
    barred = np.zeros((folds, len(samples)), bool)
    for number in range(folds):
        place = ~blocks.training(number % blocks.count)
        here, then = blocks.fold == number % blocks.count, group == number % groups
        fold[here & then] = number
        barred[number] = (place | then) & ~(here & then)
    if len(np.unique(fold[fold >= 0])) < folds or not all(((fold != k) & ~barred[k]).any() for k in range(folds)):
        raise InputError("Some blocks have no sample in the periods they would be held out with.")
    share = (fold >= 0).mean()
    return Folds(
        BLOCKS_AND_PERIODS, fold, f"{blocks.note}, at {groups} groups of periods; {share:.0%} held out", barred
    )


def block_of(samples: Samples, edge: int) -> NDArray[np.intp]:
    """Number of the square block each sample lies in; blocks begin at the first row and column with data."""
    row, col = (samples.row - samples.row.min()) // edge, (samples.col - samples.col.min()) // edge
    return row * (col.max() + 1) + col


def dealt(group: NDArray[np.intp], most: int, seed: int) -> NDArray[np.intp]:
    """Whole groups (n,) dealt to at most `most` folds, the largest first, each to the fold with the fewest samples."""
    number, counts = np.unique(group, return_inverse=True, return_counts=True)[1:]
    folds = min(most, len(counts))
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    load, assigned = np.zeros(folds), np.zeros(len(counts), np.intp)
    for one in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        assigned[one] = load.argmin()
        load[load.argmin()] += counts[one]
    return assigned[number]


def _near(samples: Samples, fold: NDArray[np.intp], buffer: int) -> NDArray[np.bool_]:
    """(folds, n): samples of other folds within `buffer` cells (diagonals too) of a cell that the fold holds out."""
    from scipy.ndimage import binary_dilation

    square = np.ones((2 * buffer + 1, 2 * buffer + 1), bool)
    near = np.zeros((int(fold.max()) + 1, len(samples)), bool)
    for number in range(len(near)):
        held = np.zeros(samples.shape[1:], bool)
        out = fold == number
        held[samples.row[out], samples.col[out]] = True
        near[number] = binary_dilation(held, square)[samples.row, samples.col] & ~out
    return near


def _period_groups(samples: Samples, most: int) -> tuple[NDArray[np.intp], int, int]:
    """Group of neighbouring periods of each sample (n,), the number of periods and that of groups."""
    periods, number = np.unique(samples.period, return_inverse=True)
    if len(periods) < 2:
        raise InputError(
            "Leaving periods out needs at least two periods and the COARSE stack has one: validate by blocks."
        )
    groups = min(most, len(periods))
    return (number * groups // len(periods)).astype(np.intp), len(periods), groups


def _by_date(
    samples: Samples,
    periods: Sequence[Period | None],
    design: str,
    word: str,
    key: Callable[[dt.datetime], int],
    name: Callable[[int], str],
) -> Folds:
    found: dict[int, int] = {}
    for number in np.unique(samples.period):
        period = periods[number] if number < len(periods) else None
        if period is None:
            raise InputError(f"Leaving {word}s out needs dated periods, and the COARSE stack has none.")
        found[int(number)] = key(period.first + (period.last - period.first) / 2)
    keys = sorted(set(found.values()))
    if len(keys) < 2:
        instead = "leave periods out instead" if len(found) > 1 else "validate by blocks"
        raise InputError(f"All periods lie in one {word} ({name(keys[0])}): {instead}.")
    of_period = np.zeros(samples.shape[0], np.intp)
    for number, one in found.items():
        of_period[number] = keys.index(one)
    # A seldom long archive is held out several years at a time, so that the fits stay few.
    folds = min(_PERIOD_FOLDS, len(keys))
    fold = (of_period * folds // len(keys)).astype(np.intp)[samples.period]
    names = ", ".join(name(one) for one in keys) if len(keys) <= 8 else f"{len(keys)} {word}s"
    return Folds(design, fold, f"{names} in {folds} folds")
