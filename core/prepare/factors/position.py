"""Topographic position: the height of a cell against the mean of a circle or ring around it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...raster.blocks import Array
from .cell_sizes import CellSizes

_RADIUS = 1000.0  # m
_MOST_CELLS = 300  # along the radius
_LEAST_SHARE = 0.75  # of the neighbourhood that must have heights: one-sided means are biased on slopes


@dataclass(frozen=True)
class Neighbourhood:
    """The cells farther than `inner` and not farther than `outer` metres; `reach`: rows it extends to either side."""

    sizes: CellSizes
    outer: float
    inner: float
    standardised: bool
    reach: int

    @classmethod
    def of(cls, sizes: CellSizes, radius: float | None, inner: float, standardised: bool) -> Neighbourhood:
        """radius None: 1000 m, or three cells where those are larger.

        Raises InputError for a radius of less than a cell or of more than 300, and for a ring without width.
        """
        side = float(max(sizes.width.max(), sizes.height.max()))
        outer = max(_RADIUS, float(math.ceil(3 * side)), 2 * inner) if radius is None else radius
        if outer < side:
            raise InputError(
                f"The radius of {outer:g} m of the topographic position reaches no neighbour of cells of {side:.0f} m: "
                "give a larger one."
            )
        if not 0 <= inner < outer:
            raise InputError(
                f"The ring of the topographic position from {inner:g} to {outer:g} m is empty: let the inner radius be "
                "smaller than the radius."
            )
        least = float(min(sizes.width.min(), sizes.height.min()))
        if outer > _MOST_CELLS * least:
            raise InputError(
                f"The radius of {outer:g} m of the topographic position spans {outer / least:.0f} cells of {least:.1f} "
                f"m ({_MOST_CELLS} at most): give a smaller radius, or a DEM with larger cells."
            )
        return cls(sizes, outer, inner, standardised, int(outer / sizes.height.min() + 1e-6))

    def position(self, heights: Array, row0: int) -> Array:
        """Height minus the mean around (rows, cols), for heights (rows + 2 reach, cols) from row `row0 - reach`.

        In standard deviations of the heights around where so chosen. NaN where less than three quarters of the
        neighbourhood has heights. Weiss 2001; De Reu et al. 2013, doi:10.1016/j.geomorph.2012.12.015.
        """
        rows, cols = heights.shape[0] - 2 * self.reach, heights.shape[1]
        valid = np.isfinite(heights)
        if not valid.any():
            return np.full((rows, cols), np.nan)
        # Near zero, squares keep their digits.
        level = float(heights[valid].mean())
        centred = np.where(valid, heights - level, 0.0)
        layers = [valid.astype(np.float64), centred, *([centred**2] if self.standardised else [])]
        widest = max(int(w.max()) for _, _, w, _ in self._kernels(row0, rows))
        running = [_running(one, widest) for one in layers]
        result = np.empty((rows, cols))
        for start, end, outer, inner in self._kernels(row0, rows):
            sums = [np.zeros((end - start, cols)) for _ in running]
            cells = 0
            for k, (far, near) in enumerate(zip(outer, inner)):
                cells += (2 * far + 1 if far >= 0 else 0) - (2 * near + 1 if near >= 0 else 0)
                for total, one in zip(sums, running):
                    part = one[start + k : end + k]
                    for half, sign in ((far, 1), (near, -1)):
                        if half >= 0:
                            right = part[:, widest + half + 1 : widest + half + 1 + cols]
                            total += sign * (right - part[:, widest - half : widest - half + cols])
            count = np.where(sums[0] >= _LEAST_SHARE * cells, np.maximum(sums[0], 1), np.nan)
            mean = sums[1] / count
            own = heights[self.reach + start : self.reach + end] - level
            found = own - mean
            if self.standardised:
                spread = np.sqrt(np.maximum(sums[2] / count - mean**2, 0.0))
                # On a plain of equal heights nothing stands out.
                level_ground = spread <= 1e-6
                found = np.where(level_ground, found * 0.0, found / np.where(level_ground, 1.0, spread))
            result[start:end] = found
        return result

    def _kernels(self, row0: int, rows: int) -> Iterator[tuple[int, int, Array, Array]]:
        """Rows (from, to) that share a neighbourhood: cells to either side in each of its rows, without and with it.

        -1 where a row has none.
        """
        offsets = np.arange(-self.reach, self.reach + 1)
        width = self.sizes.width[row0 : row0 + rows, None]
        away = offsets * self.sizes.height[row0 : row0 + rows, None]
        outer, inner = (
            np.where(
                np.abs(away) <= radius * (1 + 1e-9),
                np.floor(np.sqrt(np.maximum(radius**2 - away**2, 0.0)) / width + 1e-6),
                -1,
            ).astype(int)
            for radius in (self.outer, self.inner)
        )
        changes = np.flatnonzero((np.diff(outer, axis=0) != 0).any(axis=1) | (np.diff(inner, axis=0) != 0).any(axis=1))
        bounds = [0, *(changes + 1).tolist(), rows]
        for start, end in zip(bounds[:-1], bounds[1:]):
            yield start, end, outer[start], inner[start]


def _running(values: Array, margin: int) -> Array:
    """Sums from the left, with `margin` columns of nothing on both sides and a zero in front."""
    padded = np.pad(values, ((0, 0), (margin + 1, margin)))
    return np.cumsum(padded, axis=1, out=padded)
