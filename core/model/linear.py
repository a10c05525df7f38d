"""A linear model as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .predictor import Array, Arrays, array_of


class LinearPredictor:
    """y = X coefficients + intercept, in the units of factors and target. Raises InputError for what is not finite."""

    kind = "linear"

    def __init__(self, coefficients: Array, intercept: float) -> None:
        self.coefficients, self.intercept = np.asarray(coefficients, np.float64), float(intercept)
        if self.coefficients.ndim != 1 or not np.isfinite(self.coefficients).all() or not np.isfinite(self.intercept):
            raise InputError("The model file holds a linear part whose coefficients are not plain numbers.")

    @property
    def factors(self) -> int:
        return len(self.coefficients)

    def predict(self, x: Array) -> Array:
        return x @ self.coefficients + self.intercept

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {"coefficients": self.coefficients, "intercept": np.array([self.intercept])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> LinearPredictor:
        return cls(array_of(arrays, "coefficients", "f"), float(array_of(arrays, "intercept", "f")[0]))
