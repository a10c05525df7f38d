"""What a comparison of two products found."""

from __future__ import annotations

from dataclasses import dataclass

from ...raster.grid import Grid
from .area_mean import cell_side
from .detail import DetailAgreement, Texture
from .moments import Interval

_SAME = 0.99
AS_FINE = 1.5  # a reference is as fine as the product if its cells are no larger than this many of the product's
BANDS = {
    "r": ("1", "Temporal correlation with the reference"),
    "bias": ("m3/m3", "Mean difference, product minus reference"),
    "ubrmse": ("m3/m3", "Root mean square difference without the bias"),
    "rmse": ("m3/m3", "Root mean square difference"),
    "anomaly_r": ("1", "Temporal correlation of the anomalies"),
    "n": ("1", "Common periods"),
}
BASELINE_BANDS = {
    "r_baseline": ("1", "Temporal correlation of the coarse source with the reference"),
    "r_gain": ("1", "R of the product minus R of its coarse source"),
}


@dataclass(frozen=True)
class RasterOptions:
    """`min_share` of a period's days and `min_valid` of a cell's area must be known; `min_periods` for an R of its own.

    `anomalies`: auto, 35-day window, months or none.
    """

    min_share: float = 0.3
    min_valid: float = 0.5
    min_periods: int = 10
    anomalies: str = "auto"
    seed: int = 0


@dataclass(frozen=True)
class Pooled:
    """Scores over many pairs; `r_baseline` on the same pairs, NaN without a baseline."""

    n: int
    r: float
    bias: float
    rmse: float
    ubrmse: float
    r_baseline: float


@dataclass(frozen=True)
class PixelSummary:
    """Of the pixels with enough periods: quantiles of a score over the map."""

    pixels: int
    mean: float
    median: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ZoneRow:
    """One zone: over all its pairs, the mean of its pixels' scores, and R of its mean series."""

    name: str
    cells: int
    pooled: Pooled
    pixel_r: float
    pixel_ubrmse: float
    series_r: float
    series_n: int

    def flat(self) -> dict[str, str | int | float]:
        row: dict[str, str | int | float] = {
            "zone": self.name,
            "cells": self.cells,
            "n_obs": self.pooled.n,
            "R": self.pooled.r,
            "BIAS": self.pooled.bias,
            "RMSD": self.pooled.rmse,
            "urmsd": self.pooled.ubrmse,
            "R_pixels": self.pixel_r,
            "urmsd_pixels": self.pixel_ubrmse,
            "R_series": self.series_r,
            "n_series": self.series_n,
            "R_baseline": self.pooled.r_baseline,
        }
        return row


@dataclass(frozen=True)
class RasterValidation:
    """`periods` holds (label, n, R, R of the baseline, bias, ubRMSE) over the pixels of each date.

    `smooth`: the baseline was interpolated; else it came by area means. `comparable`: differences make sense (units).
    """

    product: str
    reference: str
    baseline: str | None
    grids: dict[str, Grid]
    grid: Grid
    periods: tuple[tuple[str, int, float, float, float, float], ...]
    dropped_periods: int
    pooled: Pooled
    r: Interval
    gain: Interval | None
    spatial_r: float
    spatial_r_baseline: float
    pixels: dict[str, PixelSummary]
    r_classes: tuple[int, ...]
    anomaly_method: str
    smooth: bool
    comparable: bool
    zones: tuple[ZoneRow, ...]
    zones_without_cells: tuple[str, ...]
    textures: tuple[Texture, ...]
    detail: DetailAgreement | None
    notes: tuple[str, ...]
    options: RasterOptions
    output: str
    period_days: float

    @property
    def fine_reference(self) -> bool:
        """Whether the reference is about as fine as the product."""
        return cell_side(self.grids["reference"]) <= AS_FINE * cell_side(self.grids["product"])

    @property
    def same(self) -> bool:
        """Whether product and reference agree as only copies do."""
        return self.pooled.r > _SAME

    @property
    def tone(self) -> str:
        if self.same or self.gain is None or not self.gain.known:
            return "neutral"
        if self.gain.high < 0:
            return "bad"
        # Better over all pairs, but worse in time: not simply good.
        worse_in_time = "r_gain" in self.pixels and self.pixels["r_gain"].median < -0.01
        return "good" if self.gain.low > 0 and not worse_in_time else "neutral"
