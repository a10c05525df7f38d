"""How much each factor matters, on samples that the model has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .evaluation import Predict
from .samples import Array, Samples

_REPEATS = 3


@dataclass(frozen=True)
class Importance:
    """Importance of a factor, as shares of 1: within the learner, and by permutation on held-out blocks.

    learner: None where it has none. permutation: all 0 where no factor helps. rise: increase of the held-out RMSE
    (target units) when the factor is shuffled; below 0 where the model does better without it.
    """

    factor: str
    learner: float | None
    permutation: float
    rise: float


class Permutation:
    """Visits the folds of a validation design and shuffles one factor after the other among the samples held out."""

    def __init__(self, samples: Samples, seed: int) -> None:
        self._samples, self._seed = samples, seed
        self._count = 0
        self._error = 0.0
        self._growth = np.zeros(samples.x.shape[1])

    def visit(self, fold: int, predict: Predict, rows: NDArray[np.intp]) -> None:
        x, y = self._samples.x[rows], self._samples.y[rows]
        before = float(((predict(x) - y) ** 2).sum())
        self._error += before
        self._count += len(rows)
        random = np.random.default_rng(self._seed + fold)
        for k in range(x.shape[1]):
            for _ in range(_REPEATS):
                shuffled = x.copy()
                shuffled[:, k] = x[random.permutation(len(x)), k]
                self._growth[k] += (float(((predict(shuffled) - y) ** 2).sum()) - before) / _REPEATS

    def importance(self, names: Sequence[str], own: Array | None) -> list[Importance]:
        """In falling order; `own` is the learner's importance of each factor."""
        positive = np.maximum(self._growth, 0.0)
        share = positive / positive.sum() if positive.sum() > 0 else positive
        count = max(1, self._count)
        rise = np.sqrt(np.maximum(self._error + self._growth, 0.0) / count) - np.sqrt(self._error / count)
        rows = [
            Importance(name, None if own is None else float(own[k]), float(share[k]), float(rise[k]))
            for k, name in enumerate(names)
        ]
        return sorted(rows, key=lambda row: (-row.permutation, -row.rise))
