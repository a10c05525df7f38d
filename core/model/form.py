"""What a model is trained on: values, anomalies within each period, or contrasts to a neighbourhood.

Downscaling predicts what varies inside a coarse cell. Subtracting a reference (the period's mean, or the mean over a
window of coarse cells) from target and factors leaves the part of the relation that a fine map can use; the same
reference, interpolated, is subtracted from the fine factors when the model is applied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .predictor import Array

VALUES, ANOMALIES, CONTRASTS = "values", "anomalies", "contrasts"


@dataclass(frozen=True)
class Form:
    """A training form; `window` (coarse cells, odd, from 3 on) counts for contrasts only. Raises InputError."""

    kind: str = VALUES
    window: int = 3

    def __post_init__(self) -> None:
        if self.kind not in (VALUES, ANOMALIES, CONTRASTS):
            raise InputError(f"A model is trained on values, anomalies or contrasts, not on {self.kind!r}.")
        if self.kind == CONTRASTS and (self.window < 3 or self.window % 2 == 0):
            raise InputError(f"The window of contrasts is an odd number of coarse cells from 3 on, not {self.window}.")

    @property
    def label(self) -> str:
        if self.kind == CONTRASTS:
            return f"contrasts to {self.window} x {self.window} cells"
        return "anomalies within each period" if self.kind == ANOMALIES else "values"

    def reference(self, field: Array) -> Array:
        """What is subtracted from `field` (rows, cols) of one period: same shape, NaN where no valid cell is near."""
        if self.kind == VALUES:
            return np.zeros(field.shape)
        if self.kind == ANOMALIES:
            valid = np.isfinite(field)
            return np.full(field.shape, field[valid].mean() if valid.any() else np.nan)
        return window_mean(field, self.window)


def map_contrasts(maps: Array, window: int) -> Array:
    """(periods, rows, cols) minus the mean of the valid cells in the `window` x `window` cells around each cell."""
    return np.stack([one - window_mean(one, window) for one in maps])


def window_mean(field: Array, window: int) -> Array:
    """Mean of the valid cells in the `window` x `window` cells around each cell; NaN where there is none."""
    from scipy.ndimage import uniform_filter

    valid = np.isfinite(field)
    # Centring first keeps the running sums of the filter from eating digits of fields far from zero.
    centre = field[valid].mean() if valid.any() else 0.0
    total = uniform_filter(np.where(valid, field - centre, 0.0), window, mode="constant")
    share = uniform_filter(valid.astype(np.float64), window, mode="constant")
    seen = share > 0.5 / window**2
    mean = np.full(field.shape, np.nan)
    np.divide(total, share, out=mean, where=seen)
    return mean + centre
