"""Several products against each other, on the pairs that all of them have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ..raster.periods import Period
from ..report import plural
from ..statistics import correlation
from .comparison import FEWEST_UNITS, PairedTest, StationBootstrap, paired_r_difference, station_bootstrap
from .matching import Pairs
from .metrics import NAN, Agreement, Floats, agreement, n_effective, rows_by


@dataclass(frozen=True)
class CommonScores:
    """One product on the common pairs; `r_in_time` is the mean of the stations' R, `r_in_space` that of the periods."""

    product: str
    depth: str
    cell_size: str
    pooled: Agreement
    r_in_time: float
    r_in_space: float


@dataclass(frozen=True)
class Duel:
    """The best product against another one: differences are best minus other."""

    other: str
    paired: PairedTest
    bootstrap: StationBootstrap

    @property
    def better(self) -> bool:
        """Whether the larger R cannot be put down to the choice of stations."""
        return self.bootstrap.pooled_r.low > 0


@dataclass(frozen=True)
class ProductComparison:
    """Products on the `n` pairs common to all; `best` has the largest pooled R. Empty where they share too few."""

    n: int
    stations: int
    products: tuple[CommonScores, ...]
    best: str
    duels: tuple[Duel, ...]
    sentence: str


def compare_products(several: Sequence[Pairs], *, min_pairs: int = 3, seed: int = 0) -> ProductComparison:
    """Scores on common pairs, and paired tests of the best product against every other."""
    rows = _common(several)
    n = len(rows[0])
    if n < max(min_pairs, 3):
        why = f"The products share {plural(n, 'pair')} of station and period: they cannot be compared with each other."
        return ProductComparison(n, 0, (), "", (), why)
    first = several[0]
    observed, station, period = first.observed[rows[0]], first.station[rows[0]], first.period[rows[0]]
    values = [pairs.predicted[at] for pairs, at in zip(several, rows)]
    size = _worth(values, observed, station, period)
    scores = tuple(
        CommonScores(
            pairs.product,
            pairs.depth,
            pairs.grid.cell_label,
            agreement(own, observed, size),
            _mean_r(own, observed, station, min_pairs),
            _mean_r(own, observed, period, min_pairs),
        )
        for pairs, own in zip(several, values)
    )
    ranked = [score.pooled.r if not math.isnan(score.pooled.r) else -math.inf for score in scores]
    best = int(np.argmax(ranked))
    duels = tuple(
        Duel(
            scores[k].product,
            paired_r_difference(values[best], values[k], observed, size),
            station_bootstrap(values[best], values[k], observed, station, min_pairs=min_pairs, seed=seed),
        )
        for k in range(len(scores))
        if k != best
    )
    stations = len(np.unique(station))
    return ProductComparison(n, stations, scores, scores[best].product, duels, _sentence(scores, best, duels, n))


def _common(several: Sequence[Pairs]) -> list[NDArray[np.intp]]:
    """Rows of each product's pairs that have a partner in all others, in the same order."""
    number: dict[Period | None, int] = {}
    for pairs in several:
        for period in pairs.periods:
            number.setdefault(period, len(number))
    keys = []
    for pairs in several:
        code = np.array([number[period] for period in pairs.periods], dtype=np.int64)
        keys.append(code[pairs.period] * len(pairs.stations) + pairs.station)
    shared = reduce(np.intersect1d, keys)
    rows = []
    for key in keys:
        order = np.argsort(key, kind="stable")
        rows.append(order[np.searchsorted(key[order], shared)])
    return rows


def _worth(values: Sequence[Floats], observed: Floats, station: NDArray[np.intp], period: NDArray[np.intp]) -> float:
    """Effective number of pairs: the stations' together, the smallest of all products'."""
    sizes = np.zeros(len(values))
    for at in rows_by(station):
        own = [n_effective(product[at], observed[at], period[at]) for product in values]
        sizes += [len(at) if math.isnan(size) else size for size in own]
    return float(sizes.min())


def _mean_r(values: Floats, observed: Floats, group: NDArray[np.intp], min_pairs: int) -> float:
    """Mean of the R within each group of at least `min_pairs` pairs."""
    r = [correlation(values[at], observed[at]) for at in rows_by(group) if len(at) >= min_pairs]
    known = [value for value in r if not math.isnan(value)]
    return float(np.mean(known)) if known else NAN


def _sentence(scores: Sequence[CommonScores], best: int, duels: Sequence[Duel], n: int) -> str:
    top = scores[best]
    if math.isnan(top.pooled.r):
        return f"On their {n:,} common pairs none of the products can be correlated with the stations."
    stations = duels[0].bootstrap.stations if duels else 0
    on = f"on the {n:,} pairs that all products share"
    start = f"{top.product} has the highest R, {top.pooled.r:.2f} {on}"
    if stations < FEWEST_UNITS:
        return f"{start}; {plural(stations, 'station')} cannot tell whether that is more than chance."
    beaten = [duel.other for duel in duels if duel.better]
    open_ = [duel.other for duel in duels if not duel.better]
    if not beaten:
        return f"{start}, but no other product is worse beyond chance: the stations name no best product."
    if not open_:
        return f"{start}, better than {_and(beaten)} beyond chance."
    return f"{start}, better than {_and(beaten)} beyond chance, but not than {_and(open_)}."


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
