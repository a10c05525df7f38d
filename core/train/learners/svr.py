"""Support vector regression with a Gaussian kernel (Drucker et al. 1997), on standardised factors and target."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model.precision import in_double
from ...model.svr import SupportVectorPredictor
from .base import Array, Learner, Settings

_HUGE = 1e300  # a factor that does not vary in training is divided by it, and so has no say


class StandardisedSVR:
    """Scales X and y itself: with the target in m3/m3 the library's default tube would be wider than the data."""

    def __init__(self, cost: float, tube: float) -> None:
        self.cost, self.tube = cost, tube

    def fit(self, x: Array, y: Array, sample_weight: Array | None = None) -> StandardisedSVR:
        from sklearn.svm import SVR

        self.x_mean, scale = x.mean(axis=0), x.std(axis=0)
        self.x_scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(self.x_mean)), scale, _HUGE)
        self.y_mean, self.y_scale = float(y.mean()), float(y.std()) or 1.0
        self.machine = SVR(C=self.cost, epsilon=self.tube, gamma=1.0 / x.shape[1], cache_size=500)
        self.machine.fit((x - self.x_mean) / self.x_scale, (y - self.y_mean) / self.y_scale, sample_weight)
        return self

    def predict(self, x: Array) -> Array:
        # Which precision will do is asked once a model is made, not for every trial.
        return in_double(export(self)).predict(x)


def _build(settings: Settings, seed: int, quick: bool) -> StandardisedSVR:
    return StandardisedSVR(settings["cost"], settings["tube"])


def export(estimator: Any) -> SupportVectorPredictor:
    machine = estimator.machine
    return SupportVectorPredictor(
        machine.support_vectors_,
        machine.dual_coef_.ravel() * estimator.y_scale,
        estimator.y_mean + float(machine.intercept_[0]) * estimator.y_scale,
        float(machine.gamma),
        estimator.x_mean,
        estimator.x_scale,
    )


LEARNER = Learner(
    "svr",
    "Support vector regression",
    {"cost": 1.0, "tube": 0.1, "most_samples": 5000},
    _build,
    export,
    most_samples=lambda settings: settings["most_samples"],
    # A larger cost takes minutes instead of seconds, and follows noise.
    space={"cost": (0.05, 20.0, True), "tube": (0.03, 0.5, True)},
)
