"""A neural network, or several whose predictions are averaged, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .predictor import Array, Arrays, array_of, in_threads

Single = NDArray[np.float32]

_BLOCK = 4096
_WIDEST = 10_000  # units of a layer, for memory
_FARTHEST = 1e6  # standard deviations: beyond it lies no factor, and single precision would overflow


class NetworkPredictor:
    """The mean over members of y = mean + scale * f((x - x_mean) / x_scale), f with rectified linear hidden layers.

    weights: per layer (members, inputs, outputs), biases: per layer (members, outputs), the last with a single output.
    x_mean, x_scale (factors,); y_mean, y_scale in target units. Raises InputError for what does not fit together.
    """

    kind = "neural network"

    def __init__(
        self,
        weights: Sequence[NDArray[np.floating]],
        biases: Sequence[NDArray[np.floating]],
        x_mean: Array,
        x_scale: Array,
        y_mean: float,
        y_scale: float,
    ) -> None:
        self.weights = [np.ascontiguousarray(one, np.float32) for one in weights]
        self.biases = [np.ascontiguousarray(one, np.float32) for one in biases]
        self.x_mean, self.x_scale = np.asarray(x_mean, np.float64), np.asarray(x_scale, np.float64)
        self.y_mean, self.y_scale = float(y_mean), float(y_scale)
        if not self._fits_together():
            raise InputError("The model file holds a neural network whose shapes or numbers do not fit together.")

    @property
    def factors(self) -> int:
        return len(self.x_mean)

    def predict(self, x: Array) -> Array:
        return in_threads(self._predict, x, _BLOCK)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        layers: dict[str, NDArray[np.generic]] = {}
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            layers[f"weights{number}"], layers[f"biases{number}"] = weight, bias
        return {
            **layers,
            "x_mean": self.x_mean,
            "x_scale": self.x_scale,
            "y": np.array([self.y_mean, self.y_scale]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> NetworkPredictor:
        depth = sum(name.startswith("weights") for name in arrays)
        weights, biases = (
            [array_of(arrays, f"{name}{k}", "f") for k in range(depth)] for name in ("weights", "biases")
        )
        y_mean, y_scale = (float(value) for value in array_of(arrays, "y", "f"))
        return cls(weights, biases, array_of(arrays, "x_mean", "f"), array_of(arrays, "x_scale", "f"), y_mean, y_scale)

    def _predict(self, x: Array) -> Array:
        with np.errstate(over="ignore"):
            standardised: Array = (x - self.x_mean) / self.x_scale
        z = np.clip(standardised, -_FARTHEST, _FARTHEST).astype(np.float32)
        total = np.zeros(len(x))
        members = len(self.weights[0])
        for member in range(members):
            layer: Single = z
            for number, (weight, bias) in enumerate(zip(self.weights, self.biases)):
                layer = layer @ weight[member]
                layer += bias[member]
                if number < len(self.weights) - 1:
                    np.maximum(layer, 0.0, out=layer)
            total += layer[:, 0]
        return self.y_mean + self.y_scale / members * total

    def _fits_together(self) -> bool:
        if not self.weights or len(self.weights) != len(self.biases) or self.x_mean.ndim != 1:
            return False
        inputs, members = len(self.x_mean), len(self.weights[0]) if self.weights[0].ndim == 3 else 0
        for weight, bias in zip(self.weights, self.biases):
            if weight.ndim != 3 or weight.shape[:2] != (members, inputs) or bias.shape != (members, weight.shape[2]):
                return False
            inputs = weight.shape[2]
            if inputs > _WIDEST:
                return False
        others = [self.x_mean, self.x_scale, np.array([self.y_mean, self.y_scale])]
        numbers: list[NDArray[Any]] = [*self.weights, *self.biases, *others]
        return (
            members > 0
            and len(self.x_mean) > 0
            and inputs == 1
            and self.x_scale.shape == self.x_mean.shape
            and all(np.isfinite(array).all() for array in numbers)
            and bool((self.x_scale > 0).all())
        )
