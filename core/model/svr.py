"""A support vector machine with a Gaussian kernel as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .predictor import Array, Arrays, array_of, in_threads

_BLOCK = 1024


class SupportVectorPredictor:
    """y = sum_i a_i exp(-gamma |z - s_i|^2) + intercept with z = (x - mean) / scale.

    vectors s (m, factors), weights a (m,) in target units, mean and scale (factors,). Raises InputError for shapes or
    numbers that do not fit together.
    """

    kind = "support vectors"

    def __init__(
        self, vectors: Array, weights: Array, intercept: float, gamma: float, mean: Array, scale: Array
    ) -> None:
        self.vectors, self.weights = np.ascontiguousarray(vectors, np.float64), np.asarray(weights, np.float64)
        self.intercept, self.gamma = float(intercept), float(gamma)
        self.mean, self.scale = np.asarray(mean, np.float64), np.asarray(scale, np.float64)
        count, factors = self.vectors.shape if self.vectors.ndim == 2 else (-1, -1)
        numbers = (self.vectors, self.weights, self.mean, self.scale, np.array([self.intercept, self.gamma]))
        if (
            self.weights.shape != (count,)
            or self.mean.shape != (factors,)
            or self.scale.shape != (factors,)
            or not all(np.isfinite(array).all() for array in numbers)
            or not (self.scale > 0).all()
            or self.gamma < 0
        ):
            raise InputError("The model file holds support vectors whose shapes or numbers do not fit together.")

    @property
    def factors(self) -> int:
        return self.vectors.shape[1]

    def predict(self, x: Array) -> Array:
        return in_threads(self._predict, x, 2 * _BLOCK)

    def _predict(self, x: Array) -> Array:
        result = np.empty(len(x))
        squares = self.gamma * (self.vectors**2).sum(axis=1)
        transposed = 2 * self.gamma * self.vectors.T
        for start in range(0, len(x), _BLOCK):
            z = (x[start : start + _BLOCK] - self.mean) / self.scale
            exponent = z @ transposed
            exponent -= self.gamma * (z**2).sum(axis=1)[:, None]
            exponent -= squares
            # The distance is never negative; round-off could say otherwise.
            np.minimum(exponent, 0.0, out=exponent)
            np.exp(exponent, out=exponent)
            result[start : start + _BLOCK] = exponent @ self.weights + self.intercept
        return result

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            "vectors": self.vectors,
            "weights": self.weights,
            "mean": self.mean,
            "scale": self.scale,
            "constants": np.array([self.intercept, self.gamma]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> SupportVectorPredictor:
        intercept, gamma = (float(v) for v in array_of(arrays, "constants", "f"))
        vectors, weights, mean, scale = (array_of(arrays, n, "f") for n in ("vectors", "weights", "mean", "scale"))
        return cls(vectors, weights, intercept, gamma, mean, scale)
