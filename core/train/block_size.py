"""How large the blocks of a spatial validation must be: the range over which residuals resemble each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .learners.linear import Ridge
from .samples import Array, Samples

_STRUCTURE = 0.1  # smallest share of the variogram that must rise with distance to speak of a range
_FEWEST_CELLS = 5


@dataclass(frozen=True)
class BlockSize:
    """Edge of the blocks and the variogram range it was taken from, both in cells; range_cells: 0 where there is none.

    limit: the longest edge that the region allows.
    """

    edge: int
    range_cells: float
    limit: int

    @property
    def text(self) -> str:
        """Such as `7 cells: the range of the residuals' variogram (6.8 cells)`."""
        cells = "1 cell" if self.edge == 1 else f"{self.edge} cells"
        if self.range_cells <= 0:
            return f"{cells}: the residuals' variogram shows no range"
        if self.range_cells > 3 * self.limit:
            return (
                f"{cells}: the residuals resemble each other across the whole region, so that scores may still flatter"
            )
        found = f"the range of the residuals' variogram is {self.range_cells:.1f} cells"
        if round(self.range_cells) > self.edge:
            return f"{cells}: {found}, but the region allows no larger blocks, so that scores may still flatter"
        return f"{cells}: {found}" + (
            f", and no block is smaller than {self.edge}" if self.edge > self.range_cells + 0.5 else ""
        )


def residual_blocks(values: Samples) -> BlockSize:
    """Blocks by what a linear model of all factors leaves of plain values."""
    return block_size(values, values.y - Ridge().fit(values.x, values.y, values.weight).predict(values.x))


def block_size(samples: Samples, residuals: Array) -> BlockSize:
    """Blocks as wide as the range of the residuals' variogram; residuals: (n,).

    At least 5 cells (half of the longer side in regions of fewer than ten cells), at most a third of the longer side.
    """
    height, width = int(np.ptp(samples.row)) + 1, int(np.ptp(samples.col)) + 1
    lowest = min(_FEWEST_CELLS, max(1, max(height, width) // 2))
    highest = max(lowest, max(height, width) // 3)
    found = practical_range(samples.on_grid(residuals))
    return BlockSize(int(np.clip(round(found), lowest, highest)), found, highest)


def practical_range(maps: Array) -> float:
    """Distance in cells at which an exponential variogram of `maps` (periods, rows, cols) reaches 95 % of its sill.

    0 where the variogram hardly rises: noise has no range.
    """
    reach = max(2, max(maps.shape[1:]) // 2)
    lags, gamma, pairs = [], [], []
    for lag in range(1, reach + 1):
        steps = [maps[:, lag:] - maps[:, :-lag], maps[:, :, lag:] - maps[:, :, :-lag]]
        squares = np.concatenate([step[np.isfinite(step)] ** 2 for step in steps])
        if len(squares) >= 10:
            lags.append(lag)
            gamma.append(squares.mean() / 2)
            pairs.append(len(squares))
    if len(lags) < 3:
        return 0.0
    distance, value, weight = np.array(lags, float), np.array(gamma), np.sqrt(pairs)
    best, best_error = 0.0, np.inf
    for length in np.geomspace(0.2, 2.0 * reach, 60):
        shape = np.column_stack([np.ones(len(distance)), 1 - np.exp(-distance / length)])
        coefficients = np.linalg.lstsq(shape * weight[:, None], value * weight, rcond=None)[0]
        fitted = shape @ coefficients
        error = float((((fitted - value) * weight) ** 2).sum())
        if error < best_error:
            rises = fitted[-1] - fitted[0] > _STRUCTURE * abs(fitted[-1])
            best, best_error = 3.0 * length if rises else 0.0, error
    return best
