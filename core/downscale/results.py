"""What a downscaling run reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.support import Array
from .trust import TrustFacts


@dataclass(frozen=True)
class PeriodResult:
    """One period.

    pixels with a value; gaps: pixels with a coarse value but without one; model_only: the other way round.
    left_over: largest |support mean of the product - coarse value| over conserved cells, and its root mean square.
    detail: standard deviation of product - smooth interpolation over pixels. uncovered_cells: cells with a value but
    too few valid pixels. coarse_deviation: standard deviation of the coarse values. fine_mean: mean of the support
    means of the product. outside_area: pixels beyond the area of applicability, width: mean of the intervals, over
    interval_pixels; scale: what they were widened by on the way to the fine support; where asked for.
    """

    period: Period | None
    pixels: int
    gaps: int
    model_only: int
    clipped: int
    conserved_cells: int
    uncovered_cells: int
    left_over: float
    left_over_rms: float
    detail: float
    coarse_deviation: float
    fine_mean: float
    outside_area: int = 0
    width: float = math.nan
    interval_pixels: int = 0
    scale: float = math.nan

    @property
    def label(self) -> str:
        return self.period.label if self.period else "undated"


@dataclass(frozen=True)
class Picture:
    """Coarse and fine map of a period, thinned for a page; quality codes, dissimilarity and width likewise."""

    label: str
    coarse: Array
    fine: Array
    quality: NDArray[np.uint8]
    index: Array | None = None
    width: Array | None = None


@dataclass(frozen=True)
class Downscaling:
    """What was done, per period and over all.

    gain: the detail gain in use. skipped: periods that could not be done, each with its reason. outside_training: share
    of valid pixels beyond the training range, per factor. trust: what the optional layers rest on.
    """

    gain: float
    gain_estimated: bool
    footprint_km: float | None
    fine: Grid
    coarse: Grid
    periods: list[PeriodResult]
    skipped: list[str]
    outside_training: dict[str, float]
    pictures: list[Picture]
    notes: list[str] = field(default_factory=list)
    trust: TrustFacts = field(default_factory=TrustFacts)

    @property
    def totals(self) -> dict[str, Any]:
        """Sums over the periods, and root mean squares weighted by what each period counted."""
        periods = self.periods
        pixels, cells = [p.pixels for p in periods], [p.conserved_cells for p in periods]
        return {
            "pixels": sum(pixels),
            "gaps": sum(p.gaps for p in periods),
            "model_only": sum(p.model_only for p in periods),
            "clipped": sum(p.clipped for p in periods),
            "conserved_cells": sum(cells),
            "uncovered_cells": sum(p.uncovered_cells for p in periods),
            "left_over_max": max((p.left_over for p in periods if math.isfinite(p.left_over)), default=math.nan),
            "left_over_rms": _root_mean_square([p.left_over_rms for p in periods], cells),
            "detail_deviation": _root_mean_square([p.detail for p in periods], pixels),
            "coarse_deviation": _root_mean_square([p.coarse_deviation for p in periods], cells),
            "share_outside": self._share_outside(),
            "mean_width": self._mean_width(),
        }

    def _share_outside(self) -> float | None:
        pixels = sum(p.pixels for p in self.periods)
        if self.trust.threshold is None or not pixels:
            return None
        return sum(p.outside_area for p in self.periods) / pixels

    def _mean_width(self) -> float | None:
        known = [p for p in self.periods if p.interval_pixels]
        total = sum(p.interval_pixels for p in known)
        return sum(p.width * p.interval_pixels for p in known) / total if total else None

    @property
    def display_range(self) -> tuple[float, float]:
        """Values between which a map is coloured: nearly all of those in the pictures."""
        shown = np.concatenate([picture.fine[np.isfinite(picture.fine)] for picture in self.pictures])
        if not len(shown):
            return 0.0, 1.0
        low, high = np.quantile(shown, [0.01, 0.99])
        return float(low), float(max(high, low + 1e-6))


def _root_mean_square(values: Sequence[float], weights: Sequence[int]) -> float:
    known = [(v, w) for v, w in zip(values, weights) if math.isfinite(v) and w > 0]
    total = sum(w for _, w in known)
    return math.sqrt(sum(w * v**2 for v, w in known) / total) if total else math.nan
