"""A support vector machine with a Gaussian kernel as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .gaussian_sums import compiled_loops, gaussian_sums
from .predictor import Array, Arrays, array_of, in_threads, single_blas_thread

_PIXELS, _VECTORS = 512, 1024  # at a time: what the processor keeps near
_BLOCK = 4 * _PIXELS
_SILENT: dict[np.dtype[Any], float] = {
    np.dtype(np.float32): 104.0,
    np.dtype(np.float64): 746.0,
}  # exp(-x) is 0 from here on
_TRIED = 500  # points at which the two precisions are compared
_LARGEST_PARTS, _FARTHEST = 4000.0, 1e6
_ALLOWED, _MARGIN = 1e-4, 2.0  # standard deviations of y; the largest of millions of errors over that of 500


class SupportVectorPredictor:
    """y = sum_i a_i exp(-gamma |z - s_i|^2) + intercept with z = (x - mean) / scale.

    vectors s (m, factors), weights a (m,) in target units, mean and scale (factors,). Single precision is used where
    that stays within 1e-4 standard deviations of y, see `single`; double: never. Raises InputError for shapes or
    numbers that do not fit together.
    """

    kind = "support vectors"

    def __init__(
        self,
        vectors: Array,
        weights: Array,
        intercept: float,
        gamma: float,
        mean: Array,
        scale: Array,
        double: bool = False,
    ) -> None:
        self.vectors, self.weights = np.ascontiguousarray(vectors, np.float64), np.asarray(weights, np.float64)
        self.intercept, self.gamma, self.double = float(intercept), float(gamma), double
        self.mean, self.scale = np.asarray(mean, np.float64), np.asarray(scale, np.float64)
        count, factors = self.vectors.shape if self.vectors.ndim == 2 else (-1, -1)
        numbers = (self.vectors, self.weights, self.mean, self.scale, np.array([self.intercept, self.gamma]))
        if (
            self.weights.shape != (count,)
            or self.mean.shape != (factors,)
            or self.scale.shape != (factors,)
            or not all((np.abs(array) < 1e305).all() for array in numbers)
            or not (self.scale > 0).all()
            or self.gamma < 0
            or not (self.gamma + 1) * factors * _largest(self.vectors) ** 2 < 1e30
        ):
            raise InputError("The model file holds support vectors whose shapes or numbers do not fit together.")

    @property
    def factors(self) -> int:
        return self.vectors.shape[1]

    def predict(self, x: Array) -> Array:
        dtype = np.dtype(np.float32 if self.single and not self.double else np.float64)
        parts = self._parts_in(dtype)
        with nullcontext() if dtype == np.float32 and compiled_loops() else single_blas_thread():
            return in_threads(lambda rows: self._predict(rows, dtype, parts), x, _BLOCK)

    @cached_property
    def single(self) -> bool:
        """Whether single precision is good enough, tried at up to 500 support vectors and halfway between them."""
        # What exponents are made of cancels: with larger parts their round-off is no longer small.
        parts = (2 * np.sqrt(self.gamma * (self.vectors**2).sum(axis=1).max(initial=0.0)) + 10) ** 2
        if parts > _LARGEST_PARTS or self._reach(np.dtype(np.float32)) > _FARTHEST:
            return False
        tried = self.vectors[:: max(1, 2 * len(self.vectors) // _TRIED)]
        x = np.concatenate([tried, (tried + np.roll(tried, 1, axis=0)) / 2]) * self.scale + self.mean
        single, double = (self._predict(x, one, self._parts_in(one)) for one in _SILENT)
        return bool(_MARGIN * np.abs(single - double).max(initial=0.0) <= _ALLOWED * double.std()) if len(x) else True

    def _parts_in(self, dtype: np.dtype[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Per some vectors the matrix that turns `_augmented` pixels to exponents, and the weights."""
        squares = -self.gamma * (self.vectors**2).sum(axis=1)
        matrix = np.vstack([2 * self.gamma * self.vectors.T, np.ones(len(squares)), squares]).astype(dtype)
        weights = self.weights.astype(dtype)
        parts = [slice(start, start + _VECTORS) for start in range(0, len(weights), _VECTORS)]
        return [(np.ascontiguousarray(matrix[:, part]), weights[part]) for part in parts]

    def _predict(self, x: Array, dtype: np.dtype[Any], parts: list[tuple[NDArray[Any], NDArray[Any]]]) -> Array:
        result = np.full(len(x), self.intercept)
        if not parts:
            return result
        if dtype == np.float32:
            found = gaussian_sums(self._standardised(x, dtype), self.vectors, self.weights, self.gamma)
            if found is not None:
                return result + found
        space = np.empty((_PIXELS, _VECTORS), dtype)
        for start in range(0, len(x), _PIXELS):
            own = slice(start, start + _PIXELS)
            pixels = self._augmented(x[own], dtype)
            for matrix, weights in parts:
                exponent = space.ravel()[: len(pixels) * len(weights)].reshape(len(pixels), len(weights))
                np.matmul(pixels, matrix, out=exponent)
                if dtype == np.float64:
                    # The distance is never negative; round-off of a very narrow kernel could say otherwise.
                    np.minimum(exponent, 0.0, out=exponent)
                np.exp(exponent, out=exponent)
                result[own] += exponent @ weights
        return result

    def _augmented(self, x: Array, dtype: np.dtype[Any]) -> NDArray[Any]:
        """(n, factors + 2): z, -gamma |z|^2 and 1."""
        z = self._standardised(x, dtype)
        squares = -self.gamma * (z**2).sum(axis=1)
        return np.column_stack([z, squares, np.ones(len(z))]).astype(dtype)

    def _standardised(self, x: Array, dtype: np.dtype[Any]) -> Array:
        # Where the kernel is silent it stays so farther away; there squares would overflow.
        reach = self._reach(dtype)
        with np.errstate(over="ignore"):
            return np.clip((x - self.mean) / self.scale, self._low - reach, self._high + reach)

    def _reach(self, dtype: np.dtype[Any]) -> float:
        """How far from a vector, along one factor, its kernel is not yet 0."""
        with np.errstate(over="ignore"):
            return float(min(1e150, np.sqrt(_SILENT[dtype] / np.float64(self.gamma)))) if self.gamma > 0 else 0.0

    @cached_property
    def _low(self) -> Array:
        return self.vectors.min(axis=0)

    @cached_property
    def _high(self) -> Array:
        return self.vectors.max(axis=0)

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


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))
