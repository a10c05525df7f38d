"""What the prediction does as one factor rises, the others left as they come: accumulated local effects.

Apley & Zhu 2020, doi:10.1111/rssb.12377. Unlike partial dependence they never ask the model about combinations of
factors that do not occur, such as dense vegetation on a hot bare surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..progress import Progress
from .learning import Visit
from .samples import Array, Samples

_BINS = 16
_MOST_ROWS = 10_000  # per fold


@dataclass(frozen=True)
class Effect:
    """Effect (bins + 1,) of a factor at `x` (bins + 1,), in training form and target units, with mean 0 over samples.

    by_fold (folds, bins + 1): that of each fold's model on its held-out samples; deciles (11,) of the factor and
    `middle`, between which 96 % of the samples lie.
    """

    factor: str
    x: Array
    effect: Array
    by_fold: Array
    deciles: Array
    middle: tuple[float, float]


def effects(
    samples: Samples, visits: Sequence[Visit], names: Sequence[str], factors: Sequence[str], progress: Progress
) -> list[Effect]:
    """Effects of `factors` (some of `names`) by the folds' models, each on the samples it has not seen."""
    found = []
    for number, name in enumerate(factors):
        progress.set(number / len(factors))
        k = names.index(name)
        edges = np.unique(np.quantile(samples.x[:, k], np.linspace(0, 1, _BINS + 1)))
        if len(edges) < 2:
            continue
        bins = len(edges) - 1
        total, count = np.zeros((len(visits), bins)), np.zeros((len(visits), bins))
        for fold, (_, predict, rows) in enumerate(visits):
            progress.check()
            if len(rows) > _MOST_ROWS:
                rows = rows[:: -(-len(rows) // _MOST_ROWS)]
            x = samples.x[rows]
            # As a value on an edge closes its bin, the smallest one would be left over.
            place = np.clip(np.searchsorted(edges, x[:, k], side="left") - 1, 0, bins - 1)
            low, high = x.copy(), x.copy()
            low[:, k], high[:, k] = edges[place], edges[place + 1]
            step = predict(high) - predict(low)
            total[fold], count[fold] = np.bincount(place, step, bins), np.bincount(place, minlength=bins)
        weight = count.sum(axis=0)
        local = np.divide(total.sum(axis=0), weight, out=np.zeros(bins), where=weight > 0)
        # Where a fold holds no sample in a bin, that of all folds stands in.
        by_fold = np.divide(total, count, out=np.broadcast_to(local, total.shape).copy(), where=count > 0)
        found.append(
            Effect(
                name,
                edges,
                _accumulated(local, edges, samples.x[:, k]),
                np.stack([_accumulated(one, edges, samples.x[:, k]) for one in by_fold]),
                np.quantile(samples.x[:, k], np.linspace(0, 1, 11)),
                (float(np.quantile(samples.x[:, k], 0.02)), float(np.quantile(samples.x[:, k], 0.98))),
            )
        )
    return found


def _accumulated(local: Array, edges: Array, values: Array) -> Array:
    """Sum of the local effects (bins,) at the edges (bins + 1,), with mean 0 over the values (n,) of the factor."""
    curve = np.concatenate([[0.0], np.cumsum(local)])
    return curve - float(np.interp(values, edges, curve).mean())
