"""Settings of a learner chosen by what they explain of held-out contrasts, never with a look at what is held out.

Random search (Bergstra & Bengio 2012, JMLR 13:281-305) over a small space per learner, nested: inside the training
samples of every outer fold, whole blocks are held out in turn, and the setting is chosen that explains most of the
contrasts between neighbouring cells in them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.form import Form
from ..progress import Progress
from .designs import BLOCKS, Folds, dealt
from .evaluation import detail_gain
from .learning import Learning, Visit
from .samples import Array, Samples

_INNER_FOLDS = 3
Space = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """Settings that were tried and the share of the contrasts in inner held-out blocks that they explain."""

    settings: Mapping[str, Any]
    share: float


@dataclass(frozen=True)
class Tuning:
    """What a search found; searches: the trials of every outer fold, each search with the best one first.

    final: the trials on all samples, best first. before, after: share explained in outer held-out blocks with the
    settings as they were given, and with those chosen inside each outer fold.
    """

    tuned: list[str]
    searches: list[list[Trial]]
    final: list[Trial]
    before: float
    after: float


@dataclass(frozen=True)
class Tuner:
    """Chooses settings for samples in `form`; `budget` settings are tried besides those given.

    truth (periods, rows, cols): the target's values; edge: of the blocks; origin: row and column where they begin.
    """

    learning: Learning
    budget: int
    form: Form
    window: int
    edge: int
    origin: tuple[int, int]
    truth: Array
    searches: list[list[Trial]] = field(default_factory=list)

    def __call__(self, samples: Samples, progress: Progress) -> Learning:
        """`learning` with the settings that do best in held-out blocks of `samples`; its trials join `searches`."""
        block = self._block(samples)
        options = candidates(self.learning.learner.space, self.learning.settings, self.budget, self.learning.seed)
        folds = Folds(BLOCKS, dealt(block, _INNER_FOLDS, self.learning.seed))
        if folds.count < 2 or len(samples) - np.bincount(folds.fold).max() < self.learning.learner.fewest_samples:
            options = options[:1]  # nothing could be held out to choose by
        trials = []
        for number, settings in enumerate(options):
            step = progress.part(number / len(options), (number + 1) / len(options))
            share = math.nan if len(options) == 1 else self._share(samples, folds, settings, step)
            trials.append(Trial(settings, share))
        trials.sort(key=lambda trial: -trial.share)  # stable: on a tie the settings as given stay
        self.searches.append(trials)
        return replace(self.learning, settings=trials[0].settings)

    def _share(self, samples: Samples, folds: Folds, settings: Mapping[str, Any], progress: Progress) -> float:
        guess = replace(self.learning, settings=settings).held_out(samples, folds, progress)
        truth = self.truth[samples.period, samples.row, samples.col]
        return detail_gain(samples, truth, guess, self.form, self.window, self.edge).share_explained

    def _block(self, samples: Samples) -> NDArray[np.intp]:
        # Counted from where the outer blocks begin, so that an inner fold never splits one of them.
        row, col = (samples.row - self.origin[0]) // self.edge, (samples.col - self.origin[1]) // self.edge
        return row * samples.shape[2] + col


@dataclass(frozen=True)
class Tuned:
    """The outcome of a nested search: the learning with its final settings, the report's part, and the predictions
    (n,) and models of the outer folds, each with settings found without what it holds out."""

    learning: Learning
    tuning: Tuning
    tuner: Tuner
    predicted: Array
    visits: list[Visit]


def nested(
    learning: Learning,
    budget: int,
    values: Samples,
    samples: Samples,
    blocks: Folds,
    form: Form,
    window: int,
    before: float,
    progress: Progress,
) -> Tuned:
    """Search inside every outer fold of `blocks`, then on all samples.

    values: the target's own values; samples: in training form; before: the share explained with the given settings.
    """
    origin = int(values.row.min()), int(values.col.min())
    tuner = Tuner(learning, budget, form, window, learning.edge, origin, values.on_grid(values.y))
    visits: list[Visit] = []
    progress.set(0.0, "Tuning inside each fold")
    predicted = learning.held_out(samples, blocks, progress.part(0.0, 0.8), visits, tuner)
    searches = list(tuner.searches)
    progress.set(0.8, "Tuning on all samples")
    if all(len(trials) == 1 for trials in searches):
        # No fold could choose, so that nothing would tell what a choice is worth.
        final = learning
        tuner.searches.append([Trial(learning.settings, math.nan)])
    else:
        final = tuner(samples, progress.part(0.8, 1.0))
    after = detail_gain(values, values.y, predicted, form, window, learning.edge).share_explained
    tuned = list(learning.learner.space)
    return Tuned(final, Tuning(tuned, searches, tuner.searches[-1], before, after), tuner, predicted, visits)


def check_budget(budget: int) -> None:
    """Raise InputError for a negative number of settings."""
    if budget < 0:
        raise InputError(f"The number of settings to try is 0 (no tuning) or more, not {budget}.")


def candidates(space: Space, settings: Mapping[str, Any], budget: int, seed: int) -> list[dict[str, Any]]:
    """`settings` first, then up to `budget` others drawn from `space`, none twice.

    space: a list of values, or (low, high, log) with whole numbers where low and high are whole. All combinations are
    taken where there are no more than `budget`.
    """
    check_budget(budget)
    given = dict(settings)
    found = [given]
    lists = [list(values) if isinstance(values, list) else None for values in space.values()]
    if all(values is not None for values in lists) and math.prod(len(v or ()) for v in lists) <= budget:
        drawn: Any = (dict(zip(space, one)) for one in itertools.product(*(v or () for v in lists)))
    else:
        random = np.random.default_rng(seed)
        drawn = ({name: _draw(values, random) for name, values in space.items()} for _ in range(20 * budget))
    for one in drawn:
        setting = {**given, **one}
        if len(found) > budget:
            break
        if setting not in found:
            found.append(setting)
    return found


def _draw(values: Any, random: np.random.Generator) -> Any:
    if isinstance(values, list):
        return values[int(random.integers(len(values)))]
    low, high, by_ratio = values
    if by_ratio:
        found = float(np.exp(random.uniform(math.log(low), math.log(high))))
    else:
        found = float(random.uniform(low, high))
    return round(found) if isinstance(low, int) and isinstance(high, int) else float(f"{found:.3g}")
