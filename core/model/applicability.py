"""Area of applicability: how unlike anything seen in training a place is (Meyer & Pebesma 2021).

doi:10.1111/2041-210X.13650. Distances are taken between factors as the model sees them (in training form), each
divided by its standard deviation in training and multiplied by its importance.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .predictor import Array, Arrays, array_of, in_threads

MOST_POINTS = 50_000  # in a model file; more are thinned before they come here
_DISTANCE_SAMPLE = 2000
_ROWS = 8192  # queries at a time
_LEAF = 32  # points of a leaf of the search tree: half again as fast as scipy's 10 for several factors
_HUGE = 1e150  # standardised values beyond it would overflow when squared


class Applicability:
    """Training points and what turns distances to them into a dissimilarity index.

    centre, scale, weight (factors,): x becomes (x - centre) / scale * weight. points (n, factors): training samples, so
    transformed. mean_distance: between training points. threshold: the largest index inside the area. Raises InputError
    for arrays that do not fit together.
    """

    def __init__(
        self, centre: Array, scale: Array, weight: Array, points: Array, mean_distance: float, threshold: float
    ) -> None:
        self.centre, self.scale, self.weight = (np.asarray(one, np.float64) for one in (centre, scale, weight))
        self.points = np.ascontiguousarray(points, np.float64)
        self.mean_distance, self.threshold = float(mean_distance), float(threshold)
        self._check()
        self._tree: Any = None
        self._lock = threading.Lock()

    @property
    def factors(self) -> int:
        return len(self.centre)

    @classmethod
    def from_training(
        cls, x: Array, fold: NDArray[np.intp], importance: Array, seed: int = 0
    ) -> tuple[Applicability, Array]:
        """The area of training samples X (n, factors), and the index (n,) of each one to the other folds.

        fold (n,): of cross-validation. importance (factors,): negative ones count as 0; where none is positive all
        factors count alike. The threshold is the upper quartile plus 1.5 interquartile ranges of the samples' own
        indices, but not more than the largest of them. The mean distance between samples is that of a random 2000 to
        all others where there are more. Raises InputError where all samples are alike, or in a single fold.
        """
        centre, deviation = x.mean(axis=0), x.std(axis=0, ddof=1) if len(x) > 1 else np.zeros(x.shape[1])
        varies = deviation > 1e-12 * np.maximum(1.0, np.abs(centre))
        weight = np.where(varies, np.maximum(np.nan_to_num(np.asarray(importance, np.float64)), 0.0), 0.0)
        if not (weight > 0).any():
            weight = varies.astype(np.float64)
        # The scale of the weights cancels; their sum is kept at 1 for plain numbers.
        weight = weight / max(float(weight.sum()), 1e-300)
        scale = np.where(varies, deviation, 1.0)
        points = (x - centre) / scale * weight
        mean_distance = _mean_distance(points, seed)
        if not mean_distance > 0 or len(np.unique(fold)) < 2:
            raise InputError("All training samples have the same factors, or lie in one fold: no distance tells more.")
        own = _nearest_in_other_folds(points, fold) / mean_distance
        low, high = np.quantile(own, [0.25, 0.75])
        threshold = min(float(high + 1.5 * (high - low)), float(own.max()))
        return cls(centre, scale, weight, points, mean_distance, threshold), own

    def index(self, x: Array, most: float = np.inf) -> Array:
        """Dissimilarity index (n,) of X (n, factors) without NaN: distance to the nearest training point over the mean
        distance between training points; 0 at a training point. From `most` on it is infinite, which is found sooner.
        """
        tree, far = self._nearest(), most * self.mean_distance

        def block(rows: Array) -> Array:
            with np.errstate(over="ignore"):
                z = np.clip((rows - self.centre) / self.scale, -_HUGE, _HUGE) * self.weight
            distance: Array = tree.query(z[:, self.weight > 0], distance_upper_bound=far)[0]
            return distance / self.mean_distance

        return in_threads(block, x, _ROWS)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        return {
            "centre": self.centre,
            "scale": self.scale,
            "weight": self.weight,
            "points": self.points,
            "numbers": np.array([self.mean_distance, self.threshold]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Applicability:
        centre, scale, weight, points = (array_of(arrays, n, "f") for n in ("centre", "scale", "weight", "points"))
        mean_distance, threshold = (float(v) for v in array_of(arrays, "numbers", "f"))
        return cls(centre, scale, weight, points, mean_distance, threshold)

    def _nearest(self) -> Any:
        with self._lock:
            if self._tree is None:
                from scipy.spatial import cKDTree

                self._tree = cKDTree(self.points[:, self.weight > 0], _LEAF)
            return self._tree

    def _check(self) -> None:
        factors = len(self.centre) if self.centre.ndim == 1 else 0
        numbers = (self.centre, self.scale, self.weight, self.points, np.array([self.mean_distance, self.threshold]))
        if (
            not factors
            or self.scale.shape != (factors,)
            or self.weight.shape != (factors,)
            or self.points.ndim != 2
            or self.points.shape[1] != factors
            or not 1 <= len(self.points) <= MOST_POINTS
            or not all(np.isfinite(array).all() and (np.abs(array) < _HUGE).all() for array in numbers)
            or not (self.scale > 0).all()
            or (self.weight < 0).any()
            or not (self.weight > 0).any()
            or self.mean_distance <= 0
            or self.threshold < 0
        ):
            raise InputError("The model file holds an area of applicability whose shapes or numbers do not fit.")


def _mean_distance(points: Array, seed: int) -> float:
    """Mean over training points of the mean distance to all others."""
    from scipy.spatial.distance import cdist

    rows = points
    if len(points) > _DISTANCE_SAMPLE:
        rows = points[np.random.default_rng(seed).choice(len(points), _DISTANCE_SAMPLE, replace=False)]
    total = sum(float(cdist(rows[i : i + 100], points).sum()) for i in range(0, len(rows), 100))
    # The distance of a point to itself is 0 and does not count.
    return total / (len(rows) * max(1, len(points) - 1))


def _nearest_in_other_folds(points: Array, fold: NDArray[np.intp]) -> Array:
    from scipy.spatial import cKDTree

    result = np.empty(len(points))
    for number in np.unique(fold):
        rows = fold == number
        result[rows] = cKDTree(points[~rows]).query(points[rows], workers=os.cpu_count() or 1)[0]
    return result
