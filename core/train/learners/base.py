"""What every learner offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    most_samples caps the rows a learner with quadratic cost is given. uses_blocks: the estimator holds rows out itself,
    and its `fit` takes `block` (n,), the number of the spatial block each row lies in, and `progress` as well. package:
    what must be installed beside scikit-learn. own_trend: the estimator takes the linear trend into its own hands, told
    by the setting `linear_trend`. space: what a search for better settings tries, per setting a list of values or
    (low, high, by ratio); settings that are not in it stay as given.
    """

    id: str
    title: str
    defaults: Settings
    build: Callable[[Settings, int, bool], Estimator]
    export: Callable[[Any], Predictor]
    importance: Callable[[Any], Array | None] = lambda estimator: None
    fewest_samples: int = 10
    most_samples: Callable[[Settings], int | None] = lambda settings: None
    uses_blocks: bool = False
    package: str = ""
    own_trend: bool = False
    space: Mapping[str, Any] = field(default_factory=dict)
