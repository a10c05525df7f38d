"""What every learner offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ...model.predictor import Array, Predictor

Settings = Mapping[str, Any]


class Estimator(Protocol):
    """The part of scikit-learn's estimators that is used here."""

    def fit(self, x: Array, y: Array, sample_weight: Array | None = None) -> Any: ...

    def predict(self, x: Array) -> Array: ...


@dataclass(frozen=True)
class Learner:
    """A way to learn y from X.

    defaults: plain settings and their safe values. build(settings, seed, quick) makes an unfitted estimator (`quick`
    for the many fits of cross-validation, where fewer trees do). export(estimator) turns a fitted one into arrays that
    need no scikit-learn to be read. importance(estimator): shares that sum to 1 where the learner has some, else None.
    most_samples caps the rows a learner with quadratic cost is given.
    """

    id: str
    title: str
    defaults: Settings
    build: Callable[[Settings, int, bool], Estimator]
    export: Callable[[Any], Predictor]
    importance: Callable[[Any], Array | None] = lambda estimator: None
    fewest_samples: int = 10
    most_samples: Callable[[Settings], int | None] = lambda settings: None
