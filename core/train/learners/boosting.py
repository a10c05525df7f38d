"""What gradient-boosted trees of any library share: scaling, and a number of trees found on held-out blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.boosted import BoostedPredictor, RegressionTree
from ...model.forest import single_precision
from ...progress import Progress
from .base import Array
from .rows import Mask, Rows, hold_outs, level_and_spread

_HOLD_OUT = 5  # a fifth of the blocks at a time
_TRIALS = 3
_PATIENCE = 50  # trees without gain after which a trial stops

_ROWS_PER_THREAD = 100_000  # with fewer, threads wait for each other longer than they work

Check = Callable[[], None]


def threads(rows: Rows) -> int:
    """As many as the rows are worth, the same on every machine with that many cores."""
    return int(np.clip(len(rows.y) // _ROWS_PER_THREAD, 1, os.cpu_count() or 1))


class BoostedTrees:
    """Boosted trees on a standardised target, of which as many are grown as held-out blocks ask for.

    A fifth of the blocks is held out three times and the median of the best numbers is taken; the model is then grown
    to that number on all rows. Rows of neighbouring cells and other dates of a cell would say that ever more trees are
    better. Without blocks (or with a single one) all trees are grown.

    Subclasses: `train` fits the library's model, `best` is its best number of trees, `trees` are those it holds.
    """

    def __init__(self, settings: dict[str, Any], seed: int) -> None:
        self.settings, self.seed = settings, seed

    def train(self, rows: Rows, held: Rows | None, count: int, patience: int, check: Check) -> Any:
        raise NotImplementedError

    def best(self, model: Any) -> int:
        raise NotImplementedError

    def trees(self, model: Any) -> Sequence[RegressionTree]:
        raise NotImplementedError

    def raw(self, model: Any, x: NDArray[np.float32]) -> Array:
        """The library's own prediction of the standardised target (n,)."""
        raise NotImplementedError

    def gains(self, model: Any) -> Array:
        """What splits on each factor gained in total (factors,)."""
        raise NotImplementedError

    def fit(
        self,
        x: Array,
        y: Array,
        sample_weight: Array | None = None,
        block: NDArray[np.intp] | None = None,
        progress: Progress | None = None,
    ) -> BoostedTrees:
        progress = progress or Progress()
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight = weight / weight.mean()
        self.n_features_in_ = x.shape[1]
        self.y_mean, self.y_scale = level_and_spread(y, weight)
        none = np.zeros(len(y), np.intp)
        # As trees are applied: what is compared in training is what is compared later.
        rows = Rows(
            single_precision(x).astype(np.float64),
            (y - self.y_mean) / (self.y_scale or 1.0),
            weight,
            none if block is None else block,
        )
        trials = hold_outs(rows.block, _HOLD_OUT, self.seed)[:_TRIALS]
        self.count = self._best_count(rows, trials, progress) if trials else int(self.settings["trees"])
        self.model = self.train(rows, None, self.count, 0, progress.check)
        progress.set(1.0)
        return self

    def predict(self, x: Array) -> Array:
        return self.y_mean + self.y_scale * self.raw(self.model, single_precision(x))

    def export(self) -> BoostedPredictor:
        return BoostedPredictor.from_trees(self.trees(self.model), self.y_mean, self.y_scale, self.n_features_in_)

    def importance(self) -> Array:
        gains = np.maximum(self.gains(self.model), 0.0)
        return gains / gains.sum() if gains.sum() > 0 else np.full(len(gains), 1.0 / len(gains))

    def _best_count(self, rows: Rows, trials: Sequence[Mask], progress: Progress) -> int:
        counts = []
        for number, out in enumerate(trials):
            model = self.train(
                rows.select(~out), rows.select(out), int(self.settings["trees"]), _PATIENCE, progress.check
            )
            counts.append(self.best(model))
            progress.set((number + 1) / (len(trials) + 1))
        return max(1, int(np.median(counts)))
