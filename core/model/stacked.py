"""A weighted sum of predictors of any kind, kept flat: named arrays and a code for the kind of each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .boosted import BoostedPredictor
from .forest import ForestPredictor
from .linear import LinearPredictor
from .network import NetworkPredictor
from .predictor import Array, Arrays, Predictor, array_of
from .svr import SupportVectorPredictor

# The place in this list is the code in model files: add at the end only. A stack holds no stacks.
_KINDS: tuple[Any, ...] = (
    LinearPredictor,
    ForestPredictor,
    SupportVectorPredictor,
    BoostedPredictor,
    NetworkPredictor,
)
_MOST_PARTS = 100


class StackedPredictor:
    """y = intercept + sum_k weights_k parts_k(X). Raises InputError for parts that do not fit together."""

    kind = "stacked"

    def __init__(self, parts: Sequence[Predictor], weights: Array, intercept: float) -> None:
        self.parts, self.weights, self.intercept = list(parts), np.asarray(weights, np.float64), float(intercept)
        if (
            not self.parts
            or self.weights.shape != (len(self.parts),)
            or not np.isfinite([*self.weights, self.intercept]).all()
            or len({part.factors for part in self.parts}) != 1
            or not all(type(part) in _KINDS for part in self.parts)
        ):
            raise InputError("The model file holds stacked models that do not fit together.")

    @property
    def factors(self) -> int:
        return self.parts[0].factors

    def predict(self, x: Array) -> Array:
        y = np.full(len(x), self.intercept)
        for part, weight in zip(self.parts, self.weights):
            if weight != 0:
                y += weight * part.predict(x)
        return y

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        flat: dict[str, NDArray[np.generic]] = {
            "kinds": np.array([_KINDS.index(type(part)) for part in self.parts], np.int64),
            "weights": self.weights,
            "intercept": np.array([self.intercept]),
        }
        for number, part in enumerate(self.parts):
            flat.update({f"{number}/{name}": array for name, array in part.arrays().items()})
        return flat

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> StackedPredictor:
        kinds = array_of(arrays, "kinds", "i")
        if kinds.ndim != 1 or len(kinds) > _MOST_PARTS:
            raise ValueError("kinds")
        if ((kinds < 0) | (kinds >= len(_KINDS))).any():
            raise InputError("The model stacks a kind of model that is unknown here: update the plugin.")
        parts = []
        for number, kind in enumerate(kinds):
            start = f"{number}/"
            own = {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
            parts.append(_KINDS[kind].from_arrays(own))
        return cls(parts, array_of(arrays, "weights", "f"), float(array_of(arrays, "intercept", "f")[0]))
