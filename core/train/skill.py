"""Held-out predictions of a model scored beside those of the baselines that it should beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model.form import VALUES, Form
from ..progress import Progress
from . import evaluation as ev
from .designs import Folds, random_folds
from .learners.linear import LeastSquares
from .learning import Learning
from .samples import Array, Samples

LINEAR = "Multiple linear regression"


def scored(
    samples: Samples, folds: Folds, predicted: Mapping[str, Array], yardstick: ev.Yardstick, linear: bool = True
) -> list[ev.Score]:
    """Scores of `predicted` (n,) by name, then of multiple linear regression (unless told not to) and of no factors."""
    baseline = ev.mean_baseline(samples, folds)
    rows = dict(predicted)
    if linear:
        rows[LINEAR] = ev.held_out(samples, folds, lambda part: LeastSquares().fit(part.x, part.y, part.weight).predict)
    scores = [ev.score(samples, folds, guess, name, yardstick, baseline) for name, guess in rows.items()]
    return [*scores, ev.score(samples, folds, baseline, ev.NO_FACTORS, yardstick, baseline)]


def pooled_values(
    values: Samples, blocks: Folds, on_blocks: Array, learning: Learning, window: int, progress: Progress
) -> list[ev.Score]:
    """Scores of the model on plain values of all dates together, split at random and by blocks, as papers report them.

    on_blocks (n,): its held-out predictions by blocks.
    """
    yardstick = ev.Yardstick(values.y, Form(VALUES), window, learning.edge)
    at_random = random_folds(values, learning.seed)
    guesses = [(at_random, learning.held_out(values, at_random, progress)), (blocks, on_blocks)]
    return [ev.score(values, folds, guess, learning.learner.title, yardstick) for folds, guess in guesses]


def own(scores: Sequence[ev.Score], design: str, model: str) -> ev.Score | None:
    """The score of `model` under `design`."""
    return next((one for one in scores if one.design == design and one.model == model), None)
