"""A learner with its settings, as it is fitted again and again: on all samples, and on all but those held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from . import evaluation as ev
from .designs import Folds
from .fitting import Fitted, fit
from .learners import Learner
from .samples import Array, Samples

_FEWEST_IN_FOLD = 5

Visit = tuple[int, ev.Predict, NDArray[np.intp]]  # fold, its model, the rows it holds out


@dataclass(frozen=True)
class Learning:
    """A learner, its settings, and whether a linear trend goes first.

    edge: of the blocks, in cells, that some learners hold out of their own training samples.
    """

    learner: Learner
    settings: Mapping[str, Any]
    trend: bool
    seed: int
    edge: int

    def fit(self, samples: Samples, progress: Progress | None = None, quick: bool = False) -> Fitted:
        trend = self.trend and self.learner.id != "linear"
        return fit(samples, self.learner, self.settings, trend, self.seed, progress, quick, self.edge)

    def held_out(
        self,
        samples: Samples,
        folds: Folds,
        progress: Progress,
        visits: list[Visit] | None = None,
        chosen: Callable[[Samples, Progress], Learning] | None = None,
    ) -> Array:
        """Predictions (n,) of the samples held out; the folds' models are added to `visits`.

        chosen(training samples): the settings to fit a fold with, found without what the fold holds out; None: those at
        hand. Raises InputError where too few samples are left to train on.
        """
        done = 0

        def checked(part: Samples) -> ev.Predict:
            nonlocal done
            progress.check()
            if len(part) < _FEWEST_IN_FOLD:
                raise InputError(
                    f"Only {len(part)} samples are left to train on when a fold is held out: more coarse cells are "
                    "needed."
                )
            step = progress.part(done / folds.count, (done + 1) / folds.count)
            done += 1
            if chosen is None:
                return self.fit(part, step, quick=True).predict
            return chosen(part, step.part(0.0, 0.9)).fit(part, step.part(0.9, 1.0), quick=True).predict

        return ev.held_out(samples, folds, checked, None if visits is None else lambda *one: visits.append(one))
