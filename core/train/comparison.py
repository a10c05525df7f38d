"""Learners on the same folds, each in its best training form, ranked by what they explain of held-out contrasts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..model.form import VALUES, Form
from ..packages import missing
from ..progress import Progress
from . import evaluation as ev
from .choice import Choice, Ground, choose, ground
from .designs import block_of
from .fitting import Fitted
from .learners import Learner
from .result import Options, Training
from .samples import Array, CoarseData
from .training import finish, forms_of, known, learning_of

# From the simplest to the most involved; what is not in the list counts as more involved still.
SIMPLICITY = ("linear", "cart", "svr", "randomforest", "lightgbm", "xgboost", "neuralnetwork", "stacking")
_DRAWS = 2000
_LEVEL = 0.95
_TIMED_ROWS = 20_000


@dataclass(frozen=True)
class Entry:
    """One learner: its choice and what it is worth on held-out blocks.

    score: in its training form; pooled: of plain values, None where that form was not tried. fold_shares: share
    explained in each fold. difference: share explained by the best learner less its own, with low and high end of the
    95 % interval over blocks; 0 for the best. r and deviation: correlation of its gained contrasts with the true ones
    and their standard deviation as a multiple of the true one. Seconds: a fit on all samples, predictions per million.
    """

    choice: Choice
    score: ev.Score
    pooled: ev.Score | None
    fold_shares: list[float]
    difference: tuple[float, float, float]
    r: float
    deviation: float
    fit_seconds: float
    predict_seconds: float

    @property
    def learner(self) -> Learner:
        return self.choice.learning.learner

    @property
    def share(self) -> float:
        return self.choice.chosen.gain.share_explained


@dataclass(frozen=True)
class Comparison:
    """Entries, best first; training: of the best; simpler: a simpler learner within noise of it; blocks: how many.

    left_out: titles of the learners that could not run, for which `notes` has the reasons.
    """

    entries: list[Entry]
    training: Training
    simpler: Entry | None
    blocks: int
    notes: list[str]
    left_out: list[str] = field(default_factory=list)


def compare(
    data: CoarseData,
    learners: Sequence[str],
    options: Options,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare `learners` (names in the registry, with `settings` of their own) under `options`, of which the learner
    does not count.

    One that cannot run (its package is not installed) is left out with a note. Raises InputError where fewer than two
    are asked for or can run, or the data cannot carry them.
    """
    progress = progress or Progress()
    chosen = [known(name) for name in dict.fromkeys(learners)]
    if len(chosen) < 2:
        raise InputError("Comparing needs at least two learners: choose more.")
    left_out: list[tuple[Learner, str]] = []
    for learner in chosen:
        reason = missing([learner.package]) if learner.package else ""
        if reason:
            left_out.append((learner, reason))
    chosen = _still_enough(chosen, left_out)
    where = ground(data, chosen, options)
    found: list[tuple[Choice, Fitted, float, float]] = []
    for number, learner in enumerate(chosen):
        step = progress.part(0.75 * number / len(chosen), 0.75 * (number + 1) / len(chosen))
        step.set(0.0, f"Comparing: {learner.title}")
        own = replace(options, learner=learner.id, settings=(settings or {}).get(learner.id, {}))
        try:
            found.append(_one(where, learner, own, step))
        except InputError as error:
            left_out.append((learner, str(error)))
            _still_enough(chosen, left_out)
    found.sort(key=lambda one: (-one[0].chosen.gain.share_explained, _rank(one[0].learning.learner)))
    errors = [_errors(where, one[0]) for one in found]
    total = errors[0][1]
    entries = [
        _entry(where, *one, _difference(where, errors[0][0], left, total, options.seed) if k else (0.0, 0.0, 0.0))
        for k, (one, (left, _)) in enumerate(zip(found, errors))
    ]
    best, fitted = entries[0], found[0][1]
    finished = finish(where, best.choice, replace(options, learner=best.learner.id), progress.part(0.75, 1.0), fitted)
    blocks = len(np.unique(block_of(where.values, where.size.edge)))
    titles = [learner.title for learner, _ in left_out]
    return Comparison(entries, finished, simpler_than(entries), blocks, _notes(left_out), titles)


def simpler_than(entries: Sequence[Entry]) -> Entry | None:
    """The simplest learner that is simpler than the best and not worse beyond noise."""
    best = entries[0]
    candidates = [one for one in entries[1:] if _rank(one.learner) < _rank(best.learner) and one.difference[1] <= 0]
    return min(candidates, key=lambda one: _rank(one.learner), default=None)


def _still_enough(chosen: Sequence[Learner], left_out: Sequence[tuple[Learner, str]]) -> list[Learner]:
    """The learners that are not left out. Raises InputError where they are fewer than two."""
    gone = {learner.id for learner, _ in left_out}
    rest = [learner for learner in chosen if learner.id not in gone]
    if len(rest) < 2:
        which = f"only {rest[0].title} is left" if rest else "none is left"
        raise InputError(f"Comparing needs at least two learners, and {which}. {' '.join(_notes(left_out))}")
    return rest


def _notes(left_out: Sequence[tuple[Learner, str]]) -> list[str]:
    return [f"{learner.title} was left out. {reason}" for learner, reason in left_out]


def _one(where: Ground, learner: Learner, options: Options, progress: Progress) -> tuple[Choice, Fitted, float, float]:
    learning = learning_of(learner, options, where)
    forms: list[Form] = forms_of(options, where)
    choice = choose(where, learning, forms, options.tuning, progress.part(0.0, 0.8))
    began = time.perf_counter()
    fitted = choice.learning.fit(choice.samples, progress.part(0.8, 1.0))
    fit_seconds = time.perf_counter() - began
    x = np.resize(choice.samples.x, (_TIMED_ROWS, choice.samples.x.shape[1]))
    fitted.predict(x[:10])  # what is made ready once does not count
    began = time.perf_counter()
    fitted.predict(x)
    return choice, fitted, fit_seconds, (time.perf_counter() - began) * 1e6 / _TIMED_ROWS


def _entry(
    where: Ground,
    choice: Choice,
    fitted: Fitted,
    fit_seconds: float,
    predict_seconds: float,
    difference: tuple[float, float, float],
) -> Entry:
    values, blocks, title = where.values, where.blocks, choice.learning.learner.title
    baseline = ev.mean_baseline(choice.samples, blocks)
    left, total = _errors(where, choice)
    true, shown = _contrasts(where, choice)
    shares = []
    for number in range(blocks.count):
        rows = blocks.fold == number
        shares.append(float(1 - left[rows].sum() / total[rows].sum()) if total[rows].sum() > 0 else float("nan"))
    pooled = None
    if choice.pooled is not None:
        yardstick = ev.Yardstick(values.y, Form(VALUES), where.window, where.size.edge)
        pooled = ev.score(values, blocks, choice.pooled, title, yardstick)
    moves = true.std() > 0 and shown.std() > 1e-12 * true.std()
    return Entry(
        choice=choice,
        score=ev.score(choice.samples, blocks, choice.predicted, title, choice.yardstick, baseline),
        pooled=pooled,
        fold_shares=shares,
        difference=difference,
        r=float(np.corrcoef(true, shown)[0, 1]) if moves else float("nan"),
        deviation=float(shown.std() / true.std()) if moves else 0.0,
        fit_seconds=fit_seconds,
        predict_seconds=predict_seconds,
    )


def _contrasts(where: Ground, choice: Choice) -> tuple[Array, Array]:
    """True contrasts and predicted ones times the gain (n,)."""
    true, shown = ev.contrast_pair(where.values, where.values.y, choice.predicted, choice.chosen.form, where.window)
    return true, choice.chosen.gain.value * shown


def _errors(where: Ground, choice: Choice) -> tuple[Array, Array]:
    """Squared error of the contrasts, and their square (n,)."""
    true, shown = _contrasts(where, choice)
    return (true - shown) ** 2, true**2


def _difference(where: Ground, best: Array, other: Array, total: Array, seed: int) -> tuple[float, float, float]:
    """Share explained by the best less that by another, with its interval from drawing blocks with replacement.

    Both are judged on the same blocks in every draw, so that what is hard for both does not blur the difference.
    """
    block = np.unique(block_of(where.values, where.size.edge), return_inverse=True)[1]
    gained, size = (np.bincount(block, one) for one in (other - best, total))
    drawn = np.random.default_rng(seed).integers(len(size), size=(_DRAWS, len(size)))
    below = size[drawn].sum(axis=1)
    shares = gained[drawn].sum(axis=1)[below > 0] / below[below > 0]
    found, tail = float(gained.sum() / size.sum()), (1 - _LEVEL) / 2
    # Drawing from few blocks shows too little spread, by the factor that divides a sample variance.
    wider = float(np.sqrt(len(size) / (len(size) - 1)))
    low, high = found + wider * (np.quantile(shares, [tail, 1 - tail]) - found)
    return found, float(low), float(high)


def _rank(learner: Learner) -> int:
    return SIMPLICITY.index(learner.id) if learner.id in SIMPLICITY else len(SIMPLICITY)
