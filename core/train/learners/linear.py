"""Ridge regression on standardised factors: the baseline that wins on few samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model.linear import LinearPredictor
from .base import Array, Learner, Settings

# Shares of classes are single precision: what is left of their sum by rounding is about 1e-6 of their spread.
_RANK = 1e-5


class Ridge:
    """Ridge with its penalty chosen by generalised cross-validation.

    Golub et al. 1979, doi:10.1080/00401706.1979.10489751. A fixed penalty counts per unit of weight: scikit-learn's
    alpha divided by the number of samples.
    """

    def __init__(self, fixed_penalty: float | None = None) -> None:
        self.fixed_penalty = fixed_penalty

    def fit(self, x: Array, y: Array, sample_weight: Array | None = None) -> Ridge:
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight = weight / weight.sum()
        self.x_mean, self.y_mean = weight @ x, float(weight @ y)
        self.x_scale = _scale(x, weight, self.x_mean)
        root = np.sqrt(weight)[:, None]
        gram_factor = root * ((x - self.x_mean) / self.x_scale)
        observed = root[:, 0] * (y - self.y_mean)
        eigenvalues, vectors = np.linalg.eigh(gram_factor.T @ gram_factor)
        eigenvalues = np.maximum(eigenvalues, 0.0)
        projected = vectors.T @ (gram_factor.T @ observed)
        penalties = [self.fixed_penalty] if self.fixed_penalty is not None else list(np.logspace(-6, 1, 29))
        self.penalty = min(
            penalties, key=lambda p: _generalised_error(eigenvalues, projected, float(observed @ observed), len(y), p)
        )
        self.coefficients = vectors @ (projected / (eigenvalues + self.penalty + 1e-15))
        return self

    def predict(self, x: Array) -> Array:
        return self.y_mean + ((x - self.x_mean) / self.x_scale) @ self.coefficients


class LeastSquares:
    """Multiple linear regression; what factors say of the same is divided among them (least norm), not blown up."""

    def fit(self, x: Array, y: Array, sample_weight: Array | None = None) -> LeastSquares:
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight = weight / weight.sum()
        self.x_mean, self.y_mean = weight @ x, float(weight @ y)
        root = np.sqrt(weight)
        self.x_scale = _scale(x, weight, self.x_mean)
        columns = root[:, None] * ((x - self.x_mean) / self.x_scale)
        self.coefficients = np.linalg.lstsq(columns, root * (y - self.y_mean), rcond=_RANK)[0]
        return self

    def predict(self, x: Array) -> Array:
        return self.y_mean + ((x - self.x_mean) / self.x_scale) @ self.coefficients


def _scale(x: Array, weight: Array, mean: Array) -> Array:
    """Standard deviations of columns; infinite for one that does not vary: its coefficient is 0, nothing is divided."""
    scale = np.sqrt(weight @ (x - mean) ** 2)
    return np.where(scale > 1e-12 * np.maximum(1.0, np.abs(mean)), scale, np.inf)


def _generalised_error(eigenvalues: Array, projected: Array, total: float, n: int, penalty: float) -> float:
    shrunk = 1.0 / (eigenvalues + penalty + 1e-15)
    residual = total - 2 * float(projected**2 @ shrunk) + float((projected**2 * eigenvalues) @ shrunk**2)
    freedom = 1.0 + float((eigenvalues * shrunk).sum())
    return residual / max(1.0 - freedom / n, 1e-3) ** 2


def _build(settings: Settings, seed: int, quick: bool) -> Ridge:
    return Ridge(settings.get("penalty"))


def export(estimator: Ridge) -> LinearPredictor:
    return LinearPredictor(
        estimator.coefficients / estimator.x_scale,
        estimator.y_mean - float((estimator.x_mean / estimator.x_scale) @ estimator.coefficients),
    )


def _importance(estimator: Any) -> Array:
    size = np.abs(estimator.coefficients) * np.isfinite(estimator.x_scale)
    return size / size.sum() if size.sum() > 0 else np.full(len(size), 1.0 / len(size))


LEARNER = Learner("linear", "Linear (ridge)", {"penalty": None}, _build, export, _importance)
