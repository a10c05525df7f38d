"""Gradient-boosted trees (Friedman 2001, doi:10.1214/aos/1013203451) of what stations differ from the product by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.boosted import BoostedPredictor, RegressionTree
from ...model.forest import round_down, single_precision
from ...model.predictor import Arrays
from ...progress import Progress
from ..metrics import Floats
from .rows import Rows

_MOST_TREES = 200
MOST_ROWS = 6000  # drawn at random from more: exact splits sort every factor
_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_depth": 3,
    "min_samples_leaf": 5,
    "subsample": 0.8,
    "max_features": 0.5,
}


class BoostedResidual:
    """y = z + boosted trees of z, factors and season."""

    kind = "boosted residual"

    def __init__(self, trees: BoostedPredictor) -> None:
        self.trees = trees

    @property
    def columns(self) -> int:
        """Of predictors: the product, factors, and sine and cosine of the season or neither."""
        return self.trees.factors

    def surface(self, east: Floats, north: Floats) -> Floats | None:
        return None

    def predict(self, rows: Rows, surface: Floats | None = None) -> Floats:
        """NaN where a factor has a gap."""
        predictors = rows.predictors[:, : self.columns]  # the season comes last
        known = np.isfinite(predictors).all(axis=1)
        result = np.full(len(rows), np.nan)
        if known.any():
            result[known] = rows.z[known] + self.trees.predict(predictors[known])
        return result

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return self.trees.arrays()

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> BoostedResidual:
        return cls(BoostedPredictor.from_arrays(arrays))


def fit_boosting(rows: Rows, group: NDArray[np.intp], seed: int, progress: Progress) -> BoostedResidual:
    """As many trees as a held-out fifth of the groups of stations asks for, grown again on all rows."""
    from sklearn.ensemble import GradientBoostingRegressor

    known = np.flatnonzero(np.isfinite(rows.predictors).all(axis=1))
    random = np.random.default_rng(seed)
    if len(known) > MOST_ROWS:
        known = np.sort(random.choice(known, MOST_ROWS, replace=False))
    x, y = single_precision(rows.predictors[known]), (rows.y - rows.z)[known]
    names, member = np.unique(group[known], return_inverse=True)

    def check(*_: Any) -> bool:
        progress.check()
        return False

    counts = []
    dealt = random.permutation(len(names)) % 5
    for out in range(3):
        held = dealt[member] == out
        if not held.any() or held.all():
            continue
        model = GradientBoostingRegressor(n_estimators=_MOST_TREES, random_state=seed, **_SETTINGS)
        model.fit(x[~held], y[~held], monitor=check)
        start = np.mean((y[held] - y[~held].mean()) ** 2)
        errors = [start, *(float(np.mean((y[held] - one) ** 2)) for one in model.staged_predict(x[held]))]
        counts.append(int(np.argmin(errors)))
    wanted = int(np.median(counts)) if counts else 50
    model = GradientBoostingRegressor(n_estimators=max(1, wanted), random_state=seed, **_SETTINGS)
    if wanted == 0:
        model.set_params(learning_rate=1e-12)  # unseen stations ask for no tree: the mean alone is left
    model.fit(x, y, monitor=check)
    return BoostedResidual(exported(model, float(y.mean()), x.shape[1]))


def exported(model: Any, base: float, factors: int) -> BoostedPredictor:
    """The trees of a scikit-learn GradientBoostingRegressor (squared error, which starts at the mean)."""
    trees = []
    for estimator in model.estimators_[:, 0]:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        trees.append(
            RegressionTree(
                np.where(leaf, -1, tree.feature).astype(np.int64),
                round_down(np.where(leaf, 0.0, tree.threshold)),
                tree.children_left.astype(np.int64),
                tree.children_right.astype(np.int64),
                tree.value[:, 0, 0].astype(np.float64),
            )
        )
    return BoostedPredictor.from_trees(trees, base, float(model.learning_rate), factors)
