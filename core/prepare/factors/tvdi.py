"""Temperature-vegetation dryness index: where a pixel lies between the wet and the dry edge of its scene.

Sandholt, Rasmussen and Andersen 2002, doi:10.1016/S0034-4257(01)00274-7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...raster.blocks import Array, Reader
from ...raster.periods import Period

FLAT, SLOPED = "flat", "sloped"
WET_EDGES = (FLAT, SLOPED)
LAPSE_RATE = 0.0065  # K per metre of the standard atmosphere

_T_LOW, _T_HIGH, _T_STEP = 180.0, 460.0, 0.05  # K; high land is raised by its lapse correction
_FEWEST_PIXELS = 50  # of a bin
_FEWEST_BINS = 8
_LEAST_FALL = 1.0  # K that the dry edge must fall over its range of NDVI
_LEAST_SPREAD = 1.0  # K between the edges, below which TVDI is only noise
_CHART_STEP = 10  # temperature bins that become one in the chart


@dataclass(frozen=True)
class TvdiOptions:
    """bin_width: of NDVI. ndvi_from: bins below are not used for the edges. edge_percent: the warmest (coldest) share
    of a bin, whose percentile is its end. wet_edge: `flat` (Sandholt) or `sloped`."""

    bin_width: float = 0.01
    ndvi_from: float = 0.1
    edge_percent: float = 1.0
    wet_edge: str = FLAT

    def check(self) -> None:
        if not 0.002 <= self.bin_width <= 0.1:
            raise InputError(f"NDVI bins of {self.bin_width:g} cannot be used for TVDI: choose 0.01 to 0.02.")
        if not 0 < self.edge_percent <= 10:
            raise InputError(f"The edges of TVDI are the outer 0.1 to 10 %, not {self.edge_percent:g} %.")
        if self.wet_edge not in WET_EDGES:
            raise InputError(f"The wet edge of TVDI is {' or '.join(WET_EDGES)}, not {self.wet_edge!r}.")


@dataclass(frozen=True)
class Edges:
    """The edges of one period: T = intercept + slope x NDVI in K, or why there are none (`reason`).

    pixels: in the bins that were used. bins: on the dry edge. rmse: of the dry edge at its bins. points: NDVI, warm
    and cold end of each bin and whether it is on the dry edge. density: counts (NDVI bins, temperatures), which span
    `extent` (NDVI from, to, K from, to), for the chart.
    """

    period: Period | None
    reason: str = ""
    pixels: int = 0
    bins: int = 0
    dry: tuple[float, float] = (math.nan, math.nan)
    wet: tuple[float, float] = (math.nan, math.nan)
    rmse: float = math.nan
    points: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    density: NDArray[np.float64] | None = None
    extent: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)

    @property
    def fitted(self) -> bool:
        return not self.reason


class Scatter:
    """Counts of the pixels of one period by NDVI (0 to 1) and temperature: all that the edges need."""

    def __init__(self, options: TvdiOptions) -> None:
        self._width = options.bin_width
        self.shape = math.ceil(1.0 / self._width - 1e-9), round((_T_HIGH - _T_LOW) / _T_STEP)
        self.counts = np.zeros(self.shape, dtype=np.int64)

    def add(self, ndvi: Array, temperature: Array) -> None:
        """Count pixels (any equal shapes); those without a value, and NDVI below 0, do not count."""
        with np.errstate(invalid="ignore"):
            known = (ndvi >= 0) & (ndvi <= 1) & (temperature >= _T_LOW) & (temperature < _T_HIGH)
        # 0.29 / 0.01 is a little less than 29.
        column = np.minimum((ndvi[known] / self._width + 1e-9).astype(np.int64), self.shape[0] - 1)
        row = ((temperature[known] - _T_LOW) / _T_STEP).astype(np.int64)
        counted = np.bincount(column * self.shape[1] + row, minlength=self.counts.size)
        self.counts += counted.reshape(self.shape)

    def centres(self) -> NDArray[np.float64]:
        return self._width * (np.arange(self.shape[0]) + 0.5)


def fit_edges(scatter: Scatter, options: TvdiOptions, period: Period | None = None, density: bool = False) -> Edges:
    """Dry and wet edge of a period.

    Each NDVI bin of 50 pixels or more gives a warm and a cold end (percentiles). The dry edge is the Theil-Sen line
    through the warm ends from the warmest bin on, where they fall; the wet edge the median of the cold ends, or the
    Theil-Sen line through those same bins.
    """
    from scipy.stats import theilslopes

    seen, extent = _chart_counts(scatter) if density else (None, (0.0, 1.0, 0.0, 1.0))

    def none(reason: str, points: NDArray[np.float64] | None = None) -> Edges:
        shown = np.zeros((0, 4)) if points is None else points
        return Edges(period, reason, int(scatter.counts.sum()), points=shown, density=seen, extent=extent)

    inside = scatter.centres() > options.ndvi_from
    kept = np.flatnonzero(inside & (scatter.counts.sum(axis=1) >= _FEWEST_PIXELS))
    if not scatter.counts.any():
        return none("no pixel has both NDVI (0 to 1) and a temperature")
    if len(kept) < _FEWEST_BINS:
        return none(
            f"only {len(kept)} of its NDVI bins above {options.ndvi_from:g} hold {_FEWEST_PIXELS} pixels or more, "
            f"{_FEWEST_BINS} are needed: the scene is too small or too uniform"
        )
    ndvi = scatter.centres()[kept]
    warm = np.array([_percentile(scatter.counts[k], 1 - options.edge_percent / 100) for k in kept])
    cold = np.array([_percentile(scatter.counts[k], options.edge_percent / 100) for k in kept])
    smooth = _running_median(warm)
    peak = int(np.argmax(smooth))
    on_edge = np.arange(len(kept)) >= peak
    points = np.column_stack([ndvi, warm, cold, on_edge])
    if float(np.ptp(smooth)) < _LEAST_FALL:
        return none(f"its warmest pixels differ by only {np.ptp(smooth):.1f} K over NDVI: no dry edge", points)
    if on_edge.sum() < _FEWEST_BINS:
        return none(
            f"it is warmest at NDVI {ndvi[peak]:.2f}, and too few bins lie beyond for a dry edge that falls", points
        )
    slope, intercept = (float(v) for v in theilslopes(warm[on_edge], ndvi[on_edge])[:2])
    rmse = float(np.sqrt(np.mean((warm[on_edge] - intercept - slope * ndvi[on_edge]) ** 2)))
    fall = -slope * float(np.ptp(ndvi[on_edge]))
    if fall < max(_LEAST_FALL, rmse):
        return none(
            f"its warmest pixels cool by only {max(0.0, fall):.1f} K from low to high NDVI: no dry edge", points
        )
    if options.wet_edge == SLOPED:
        wet_slope, wet_intercept = (float(v) for v in theilslopes(cold, ndvi)[:2])
    else:
        wet_slope, wet_intercept = 0.0, float(np.median(cold))
    if intercept + slope * ndvi[peak] - wet_intercept - wet_slope * ndvi[peak] < 2 * _LEAST_SPREAD:
        return none("its warm and cold ends are less than 2 K apart", points)
    return Edges(
        period=period,
        pixels=int(scatter.counts[kept].sum()),
        bins=int(on_edge.sum()),
        dry=(intercept, slope),
        wet=(wet_intercept, wet_slope),
        rmse=rmse,
        points=points,
        density=seen,
        extent=extent,
    )


def tvdi(ndvi: Array, temperature: Array, edges: Edges, clip: bool = False) -> Array:
    """TVDI from NDVI and temperature (K), any equal shapes: 0 at the wet edge, 1 at the dry one.

    NaN below NDVI 0 (water, snow) and where the edges are less than 1 K apart.
    """
    dry, wet = (intercept + slope * ndvi for intercept, slope in (edges.dry, edges.wet))
    with np.errstate(invalid="ignore", divide="ignore"):
        usable = (ndvi >= 0) & (dry - wet >= _LEAST_SPREAD)
        values = np.where(usable, (temperature - wet) / (dry - wet), np.nan)
    return np.clip(values, 0.0, 1.0) if clip else values


def at_sea_level(temperature: Reader, elevation: Reader) -> Reader:
    """The temperature as it would be at sea level: T + 0.0065 K/m x elevation."""
    return lambda row0, rows: temperature(row0, rows) + LAPSE_RATE * elevation(row0, rows)


def _percentile(counts: NDArray[np.int64], share: float) -> float:
    """The temperature below which `share` of the counted pixels lie, spread evenly within a bin."""
    total = np.cumsum(counts)
    wanted = share * total[-1]
    k = int(np.searchsorted(total, wanted))
    before = total[k] - counts[k]
    return _T_LOW + _T_STEP * (k + float(wanted - before) / float(max(1, counts[k])))


def _running_median(values: NDArray[np.float64], half: int = 2) -> NDArray[np.float64]:
    return np.array([np.median(values[max(0, k - half) : k + half + 1]) for k in range(len(values))])


def _chart_counts(scatter: Scatter) -> tuple[NDArray[np.float64] | None, tuple[float, float, float, float]]:
    cols, rows = scatter.shape
    coarse = scatter.counts.reshape(cols, rows // _CHART_STEP, _CHART_STEP).sum(axis=2)
    used = np.flatnonzero(coarse.any(axis=0))
    if not used.size:
        return None, (0.0, 1.0, 0.0, 1.0)
    first, last = int(used[0]), int(used[-1]) + 1
    step = _T_STEP * _CHART_STEP
    extent = (0.0, cols * float(scatter.centres()[0]) * 2, _T_LOW + first * step, _T_LOW + last * step)
    return coarse[:, first:last].astype(np.float64), extent


def chosen_for_charts(count: int, most: int = 4) -> list[int]:
    """Which of `count` periods are drawn: evenly spread over time."""
    return sorted({round(k) for k in np.linspace(0, count - 1, min(most, count))}) if count else []


def gaps(edges: Sequence[Edges]) -> list[str]:
    """The periods without edges, a line each."""
    return [f"tvdi {one.period.label if one.period else 'undated'}: {one.reason}." for one in edges if one.reason]
