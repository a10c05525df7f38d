"""How far the truth may lie from the product: intervals that held-out blocks have been used to calibrate.

The product is a smooth conserving interpolation plus the detail gain times the model's detail. Its level is given, so
what is uncertain is the detail. Training holds blocks of coarse cells out and compares the true differences between
neighbouring cells with gain times the predicted ones: that is the error the product makes within a cell, seen one scale
up. Coverage is therefore known for the coarse support; what varies below it and follows no factor is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .conformal import Calibration, calibrate, held_apart
from .forest import ForestPredictor
from .predictor import Array, Arrays, Predictor, array_of
from .quantiles import LeafValues

QUANTILES, SCALED, CONSTANT = "quantile forest", "scaled by dissimilarity", "constant"
LOWEST_LEVEL, HIGHEST_LEVEL = 0.5, 0.99
# Those from which the reach of any level between the two above can be had.
PROBABILITIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995)
MOST_HELD_OUT = 10_000


@dataclass(frozen=True)
class HeldOut:
    """What the calibration rests on; all of held-out samples (n,), except spread.

    true, predicted: differences to the neighbouring cells. error: observed less predicted in training form. fold: which
    were held out together. spread: (n, 16) quantiles less mean at PROBABILITIES for a quantile forest, else (n, 1) the
    relative width of each sample's interval.
    """

    true: Array
    predicted: Array
    error: Array
    fold: NDArray[np.int32]
    spread: NDArray[np.float32]

    def residual(self, gain: float | None) -> Array:
        """True less predicted; gain None: of the model's values themselves, for products that conserve nothing."""
        return self.error if gain is None else self.true - gain * self.predicted

    def reach(self, level: float) -> Array:
        """Reach (n, 2) of the intervals down and up, before any calibration."""
        spread = self.spread.astype(np.float64)
        if spread.shape[1] == 1:
            return spread * np.array([-1.0, 1.0])
        tails = ((1 - level) / 2, (1 + level) / 2)
        sides = [_between(spread, probability) for probability in tails]
        return np.column_stack([np.minimum(sides[0], 0.0), np.maximum(sides[1], 0.0)])


class Uncertainty:
    """method: QUANTILES (`leaves` given), SCALED (width 1 + slope * dissimilarity, up to `highest`) or CONSTANT.

    Raises InputError for parts that do not fit together.
    """

    def __init__(
        self,
        method: str,
        held_out: HeldOut,
        leaves: LeafValues | None = None,
        slope: float = 0.0,
        highest: float = 0.0,
    ) -> None:
        self.method, self.held_out, self.leaves = method, held_out, leaves
        self.slope, self.highest = float(slope), float(highest)
        self._check()

    @property
    def needs_dissimilarity(self) -> bool:
        return self.method == SCALED

    def calibration(self, level: float, gain: float | None) -> Calibration:
        """How intervals of `level` behave around held-out predictions taken times `gain` (None: whole values)."""
        if not LOWEST_LEVEL <= level <= HIGHEST_LEVEL:
            raise InputError(
                f"The level of intervals lies between {LOWEST_LEVEL:g} and {HIGHEST_LEVEL:g}, not {level}."
            )
        held = self.held_out
        return calibrate(held.residual(gain), held.reach(level), held.fold, level)

    def offsets(self, x: Array, dissimilarity: Array | None, calibration: Calibration) -> Array:
        """Lower end, median and upper end (n, 3) of the interval less the product, for X (n, factors).

        dissimilarity (n,): where `needs_dissimilarity`. The lower end is never above 0, the upper one never below.
        """
        if self.leaves is None:
            width = np.ones(len(x)) if dissimilarity is None else self.width(dissimilarity)
            sides, middle = np.column_stack([-width, width]), np.zeros(len(x))
        else:
            level = calibration.level
            found = self.leaves.offsets(x, ((1 - level) / 2, 0.5, (1 + level) / 2))
            sides = np.column_stack([np.minimum(found[:, 0], 0.0), np.maximum(found[:, 2], 0.0)])
            middle = found[:, 1]
        sides = held_apart(sides, calibration.floor) * calibration.factor
        middle = np.clip(middle * calibration.factor, sides[:, 0], sides[:, 1])
        return np.column_stack([sides[:, 0], middle, sides[:, 1]])

    def width(self, dissimilarity: Array) -> Array:
        """Relative width (n,) where it follows the dissimilarity, which counts as far as held-out samples went."""
        return 1.0 + self.slope * np.minimum(dissimilarity, self.highest)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        held = self.held_out
        return {
            "true": held.true,
            "predicted": held.predicted,
            "error": held.error,
            "fold": held.fold,
            "spread": held.spread,
            "numbers": np.array([self.slope, self.highest]),
            **({} if self.leaves is None else self.leaves.arrays()),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, method: str, predictor: Predictor) -> Uncertainty:
        leaves = None
        if method == QUANTILES:
            if not isinstance(predictor, ForestPredictor):
                raise InputError("The model file holds leaf values, but its predictor has no leaves.")
            leaves = LeafValues.from_arrays(arrays, predictor)
        true, predicted, error = (array_of(arrays, n, "f").astype(np.float64) for n in ("true", "predicted", "error"))
        fold, spread = array_of(arrays, "fold", "i").astype(np.int32), array_of(arrays, "spread", "f")
        held = HeldOut(true, predicted, error, fold, spread.astype(np.float32))
        slope, highest = (float(v) for v in array_of(arrays, "numbers", "f"))
        return cls(method, held, leaves, slope, highest)

    def _check(self) -> None:
        held = self.held_out
        count = len(held.true) if held.true.ndim == 1 else 0
        columns = (len(PROBABILITIES) if self.method == QUANTILES else 1,)
        parts = (held.true, held.predicted, held.error, held.spread, np.array([self.slope, self.highest]))
        if (
            self.method not in (QUANTILES, SCALED, CONSTANT)
            or (self.leaves is not None) != (self.method == QUANTILES)
            or not 2 <= count <= MOST_HELD_OUT
            or not held.predicted.shape == held.error.shape == held.fold.shape == (count,)
            or held.spread.shape != (count, *columns)
            or not all(np.isfinite(part).all() and (np.abs(part) < 1e30).all() for part in parts)
            or (columns == (1,) and not (held.spread > 0).all())
            or self.slope < 0
            or self.highest < 0
        ):
            raise InputError("The model file holds an uncertainty whose shapes or numbers do not fit together.")


def _between(spread: Array, probability: float) -> Array:
    """The column of `spread` at `probability`, between two columns in proportion."""
    at = int(np.clip(np.searchsorted(PROBABILITIES, probability), 1, len(PROBABILITIES) - 1))
    low, high = PROBABILITIES[at - 1], PROBABILITIES[at]
    share = float(np.clip((probability - low) / (high - low), 0.0, 1.0))
    return (1 - share) * spread[:, at - 1] + share * spread[:, at]
