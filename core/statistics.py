"""Statistics that screening and validation share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def is_constant(values: NDArray[np.float64]) -> bool:
    """Whether finite values vary by no more than rounding error."""
    return values.size == 0 or bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's r of two finite series (n,); NaN below 3 pairs or where one does not vary."""
    if len(x) < 3 or is_constant(x) or is_constant(y):
        return math.nan
    a, b = x - x.mean(), y - y.mean()
    return float(np.clip(a @ b / math.sqrt(float(a @ a) * float(b @ b)), -1.0, 1.0))
