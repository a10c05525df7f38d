"""Stacking (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1; Breiman 1996, doi:10.1007/BF00117832): a weighted sum of
learners, whose weights are found on blocks that the learners had not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...model.linear import LinearPredictor
from ...model.predictor import Predictor
from ...model.stacked import StackedPredictor
from ...packages import required
from ...progress import Progress
from .base import Array, Learner, Settings
from .growing import grown
from .linear import Ridge
from .linear import export as export_ridge
from .rows import Rows, hold_outs, thinned

NONNEGATIVE, RIDGE = "nonnegative", "ridge"
METAS = (NONNEGATIVE, RIDGE)
_FOLDS = 5
_LINEAR = "linear"
_OUTWEIGHS = 1e4


class Stack:
    """Base learners and the weights of their predictions.

    With `trend` a ridge goes first and each learner but the linear one explains what it leaves, in every fold anew.
    Weights: least squares on out-of-fold predictions, none below zero and one in sum (van der Laan et al. 2007,
    doi:10.2202/1544-6115.1309), so that no fold shrinks the detail, which the detail gain does later; or ridge. A
    single block leaves nothing to hold out: the learners are averaged.
    """

    def __init__(
        self, bases: Sequence[tuple[Learner, Settings]], meta: str, trend: bool, seed: int, quick: bool
    ) -> None:
        self.bases, self.meta, self.trend_first, self.seed, self.quick = list(bases), meta, trend, seed, quick

    def fit(
        self,
        x: Array,
        y: Array,
        sample_weight: Array | None = None,
        block: NDArray[np.intp] | None = None,
        progress: Progress | None = None,
    ) -> Stack:
        progress = progress or Progress()
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        rows = Rows(x, y, weight, np.zeros(len(y), np.intp) if block is None else block)
        folds = hold_outs(rows.block, _FOLDS, self.seed)
        guesses = np.full((len(y), len(self.bases)), np.nan)
        for number, out in enumerate(folds):
            step = progress.part(number / (len(folds) + 1), (number + 1) / (len(folds) + 1))
            trend, parts = self._parts(rows.select(~out), True, step)
            level = np.zeros(int(out.sum())) if trend is None else trend.predict(x[out])
            guesses[out] = np.column_stack([level if part is None else level + part.predict(x[out]) for part in parts])
        even: Array = np.full(len(self.bases), 1 / len(self.bases))
        self.weights, self.intercept = _meta(guesses, y, weight, self.meta) if folds else (even, 0.0)
        last = progress.part(len(folds) / (len(folds) + 1), 1.0)
        self.trend, self.parts = self._parts(rows, self.quick, last)
        self.factors = x.shape[1]
        return self

    def predict(self, x: Array) -> Array:
        return self.export().predict(x)

    def export(self) -> StackedPredictor:
        parts = [(weight, part) for weight, part in zip(self.weights, self.parts) if part is not None and weight != 0]
        if self.trend is not None:
            # Every learner stands on the trend, which so counts as often as all of them together.
            parts.append((float(self.weights.sum()), self.trend))
        if not parts:
            parts.append((1.0, LinearPredictor(np.zeros(self.factors), 0.0)))
        return StackedPredictor([part for _, part in parts], np.array([weight for weight, _ in parts]), self.intercept)

    def _parts(
        self, rows: Rows, quick: bool, progress: Progress
    ) -> tuple[LinearPredictor | None, list[Predictor | None]]:
        """The trend and, on what it leaves, every base learner, fitted to `rows`; None for the trend's own place."""
        trend = export_ridge(Ridge().fit(rows.x, rows.y, rows.weight)) if self.trend_first else None
        left = rows if trend is None else Rows(rows.x, rows.y - trend.predict(rows.x), rows.weight, rows.block)
        parts: list[Predictor | None] = []
        for number, (learner, settings) in enumerate(self.bases):
            step = progress.part(number / len(self.bases), (number + 1) / len(self.bases))
            if learner.id == _LINEAR and trend is not None:
                parts.append(None)
                continue
            most = learner.most_samples(settings)
            own = left.select(thinned(left.block, most, self.seed)) if most and len(left.y) > most else left
            parts.append(learner.export(grown(learner, settings, self.seed, quick, own, step)))
        return trend, parts


def _meta(guesses: Array, y: Array, weight: Array, kind: str) -> tuple[Array, float]:
    """Weights of the learners and the intercept, from out-of-fold predictions (n, learners)."""
    if kind == RIDGE:
        plain = export_ridge(Ridge().fit(guesses, y, weight))
        return plain.coefficients, plain.intercept
    from scipy.optimize import nnls

    # With weights that sum to one the error of the sum is the sum of errors; the sum is held by a row that outweighs
    # all others.
    errors = np.sqrt(weight / weight.sum())[:, None] * (guesses - y[:, None])
    errors /= np.sqrt((errors**2).sum(axis=0).mean()) or 1.0
    system = np.vstack([errors, np.full(errors.shape[1], _OUTWEIGHS)])
    weights = nnls(system, np.append(np.zeros(len(errors)), _OUTWEIGHS))[0]
    return weights / weights.sum(), 0.0


def _build(settings: Settings, seed: int, quick: bool) -> Stack:
    from . import REGISTRY

    given = settings["learners"]
    names = list(dict.fromkeys(part.strip() for part in (given.split(",") if isinstance(given, str) else given)))
    possible = [name for name in REGISTRY if name != LEARNER.id]
    unknown = [name for name in names if name not in possible]
    if unknown:
        raise InputError(f"{unknown[0]!r} cannot be stacked: choose among {', '.join(possible)}.")
    if len(names) < 2:
        raise InputError("Stacking combines learners: choose at least two.")
    if settings["meta"] not in METAS:
        raise InputError(f"Unknown way to weight learners {settings['meta']!r}: choose among {', '.join(METAS)}.")
    for package in filter(None, (REGISTRY[name].package for name in names)):
        required(package)  # now, not after the other learners have been trained
    bases = [(REGISTRY[name], REGISTRY[name].defaults) for name in names]
    return Stack(bases, settings["meta"], bool(settings.get("linear_trend", False)), seed, quick)


LEARNER = Learner(
    "stacking",
    "Stacking",
    {"learners": "linear, randomforest, svr", "meta": NONNEGATIVE},
    _build,
    Stack.export,
    uses_blocks=True,
    own_trend=True,
)
