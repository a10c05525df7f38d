"""Backscatter falls with the incidence angle: brought to one reference angle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError
from ...raster.blocks import Array
from .common import OnGrid, Source

NONE, COSINE, SLOPE = "none", "cosine", "slope"
CORRECTIONS = (NONE, COSINE, SLOPE)
_ENOUGH = 200_000  # pixels of a fit
_LEAST, _LEAST_SPREAD = 100, 2.0  # pixels, and degrees between the 5th and 95th percentile


@dataclass(frozen=True)
class Fit:
    """Least squares of dB on the angle: dB per degree, share of variance explained, pixels."""

    slope: float
    r2: float
    pixels: int


@dataclass(frozen=True)
class Correction:
    """kind: one of CORRECTIONS; reference: degrees; slopes: dB per degree for `vv` and `vh`; fits: where fitted."""

    kind: str
    reference: float
    slopes: Mapping[str, float] = field(default_factory=dict)
    fits: Mapping[str, Fit] = field(default_factory=dict)

    def apply(self, power: Array, angle: Array, role: str) -> Array:
        """Linear power at the reference angle; NaN where the angle is missing.

        cosine: times cos2(reference) / cos2(angle), as for Lambertian scattering (Ulaby et al. 1982); slope: minus
        slope times (angle - reference) in dB.
        """
        if self.kind == COSINE:
            return power * (math.cos(math.radians(self.reference)) / np.cos(np.radians(angle))) ** 2
        return power * 10 ** (-self.slopes[role] * (angle - self.reference) / 10)


def fit_slope(pairs: Sequence[tuple[Source, Source]], to_db: Callable[[Array], Array], role: str) -> Fit:
    """The slope of dB on the angle over pixels of all scenes, each about its own mean, so that wet and dry dates do not
    matter.

    pairs: backscatter and angle of each scene. Raises InputError for too few pixels or too narrow a range of angles.
    """
    xs: list[Array] = []
    ys: list[Array] = []
    spreads: list[float] = []
    for source, angle in pairs:
        x, y = _sample(source, angle, to_db, max(1000, _ENOUGH // len(pairs)))
        if x.size > 1:
            xs.append(x - x.mean())
            ys.append(y - y.mean())
            low, high = np.percentile(x, (5, 95))
            spreads.append(float(high - low))
    pixels = sum(one.size for one in xs)
    if pixels < _LEAST or max(spreads, default=0.0) < _LEAST_SPREAD:
        raise InputError(
            f"A slope of {role.upper()} on the incidence angle cannot be fitted to {pixels} pixels that span "
            f"{max(spreads, default=0.0):.1f} degrees (at least {_LEAST} and {_LEAST_SPREAD:g}): give the slope, or "
            "choose the cosine."
        )
    x, y = np.concatenate(xs), np.concatenate(ys)
    xx, yy = float(x @ x), float(y @ y)
    slope = float(x @ y) / xx
    return Fit(slope, slope**2 * xx / max(yy, 1e-30), pixels)


def _sample(source: Source, angle: Source, to_db: Callable[[Array], Array], most: int) -> tuple[Array, Array]:
    """Regularly spaced pixels that have both."""
    grid = source.stack.grid
    step = max(1, math.ceil(math.sqrt(grid.rows * grid.cols / most)))
    angles = OnGrid(angle, grid)
    xs, ys = [], []
    for row in range(step // 2, grid.rows, step):
        x = angles(row, 1)[0, ::step]
        y = to_db(source.stack.read(source.index, row, 1)[0, ::step])
        both = np.isfinite(x) & np.isfinite(y)
        xs.append(x[both])
        ys.append(y[both])
    return np.concatenate(xs), np.concatenate(ys)
