"""Sums over windows: by date, by block of the map, by zone, and the spread of pixel scores."""

from __future__ import annotations

import math

import numpy as np

from ..metrics import R_CLASSES, Floats
from .moments import SUMS, Scores, scores_of, sums_of
from .results import PixelSummary, Pooled, ZoneRow
from .together import Together, Window
from .zones import Zones

_BLOCKS = 8  # of the map along each side, which the bootstrap draws
_CHUNKS = 60  # of the series
_BINS = 2000
_RANGES = {"r": (-1.0, 1.0), "anomaly_r": (-1.0, 1.0), "ubrmse": (0.0, 0.4), "bias": (-0.5, 0.5), "r_gain": (-1.0, 1.0)}


class Collector:
    """Gathers what the report needs; memory does not grow with the map."""

    def __init__(self, together: Together, zones: Zones | None, baseline: bool) -> None:
        names = ("product", "baseline") if baseline else ("product",)
        self._grid, self._count = together.grid, len(together.time)
        self.dates = {name: np.zeros((self._count, SUMS)) for name in names}
        self._chunk = np.arange(self._count) * min(_CHUNKS, self._count) // self._count
        self.blocks = {name: np.zeros((_BLOCKS**2, int(self._chunk[-1]) + 1, SUMS)) for name in names}
        self._zones, self._placed = zones, zones.on(together.grid) if zones is not None else None
        size = len(zones) if zones is not None else 0
        self._zone = {name: np.zeros((size, SUMS)) for name in names}
        self._zone_series = np.zeros((size, self._count, 3))
        self._zone_pixels = np.zeros((size, 5))  # cells, sum and count of R, sum and count of ubRMSE
        self._histogram = {name: np.zeros(_BINS) for name in _RANGES}
        self._moments = {name: np.zeros(2) for name in _RANGES}
        self._classes = np.zeros(len(R_CLASSES), dtype=np.int64)

    @property
    def pairs(self) -> int:
        return int(self.dates["product"][:, 0].sum())

    @property
    def fullest_block(self) -> tuple[int, int]:
        """Row and column of the middle of the part of the map with most pairs."""
        block = int(np.argmax(self.blocks["product"][..., 0].sum(axis=1)))
        rows, cols = self._grid.shape
        return int((block // _BLOCKS + 0.5) * rows / _BLOCKS), int((block % _BLOCKS + 0.5) * cols / _BLOCKS)

    def add(
        self, window: Window, product: Floats, reference: Floats, baseline: Floats | None, maps: dict[str, Floats]
    ) -> None:
        """Add a window: (periods, rows, cols) with NaN where a pair is not complete, and its maps of scores."""
        row0, rows, col0, cols = window
        down = (np.arange(row0, row0 + rows) * _BLOCKS // self._grid.rows)[:, None]
        block = down * _BLOCKS + np.arange(col0, col0 + cols) * _BLOCKS // self._grid.cols
        labels = self._placed.labels(row0, rows, col0, cols) if self._placed is not None else None
        for k in range(self._count):
            for name, values in (("product", product), ("baseline", baseline)):
                if values is None:
                    continue
                sums = sums_of(values[k], reference[k], block, _BLOCKS**2)
                self.blocks[name][:, self._chunk[k]] += sums
                self.dates[name][k] += sums.sum(axis=0)
                if labels is not None:
                    own = sums_of(values[k], reference[k], labels, len(self._zone[name]))
                    self._zone[name] += own
                    if name == "product":
                        self._zone_series[:, k] += own[:, :3]
        if labels is not None:
            self._add_zone_pixels(labels, maps)
        for name, histogram in self._histogram.items():
            if name in maps:
                known = maps[name][np.isfinite(maps[name])]
                low, high = _RANGES[name]
                place = np.clip((known - low) / (high - low) * _BINS, 0, _BINS - 1).astype(np.intp)
                histogram += np.bincount(place, minlength=_BINS)
                self._moments[name] += (len(known), known.sum())
        r = maps["r"][np.isfinite(maps["r"])]
        index = np.where(r < 0, 0, np.clip(np.searchsorted([0.2, 0.4, 0.6, 0.8], r, side="right") + 1, 1, 5))
        self._classes += np.bincount(index.astype(np.intp), minlength=6)

    def _add_zone_pixels(self, labels: np.ndarray, maps: dict[str, Floats]) -> None:
        size = len(self._zone_pixels)
        used = (labels >= 0) & (maps["n"] > 0)
        self._zone_pixels[:, 0] += np.bincount(labels[used], minlength=size)
        for column, name in ((1, "r"), (3, "ubrmse")):
            known = used & np.isfinite(maps[name])
            self._zone_pixels[:, column] += np.bincount(labels[known], maps[name][known], minlength=size)
            self._zone_pixels[:, column + 1] += np.bincount(labels[known], minlength=size)

    def pixel_summaries(self) -> dict[str, PixelSummary]:
        return {name: self._summary(name) for name in _RANGES if self._moments[name][0] > 0}

    def r_classes(self) -> tuple[int, ...]:
        """Pixels per class of R."""
        return tuple(int(count) for count in self._classes)

    def zone_rows(self, comparable: bool) -> tuple[ZoneRow, ...]:
        if self._zones is None:
            return ()
        own = scores_of(self._zone["product"])
        other = scores_of(self._zone["baseline"]) if "baseline" in self._zone else None
        rows = []
        for z, name in enumerate(self._zones.names):
            cells, r_sum, r_count, ub_sum, ub_count = self._zone_pixels[z]
            if own.n[z] == 0:
                continue
            series = self._series(z)
            differences = (
                (float(own.bias[z]), float(own.rmse[z]), float(own.ubrmse[z])) if comparable else (math.nan,) * 3
            )
            pooled = Pooled(
                int(own.n[z]), float(own.r[z]), *differences, math.nan if other is None else float(other.r[z])
            )
            pixel = (r_sum / r_count if r_count else math.nan, ub_sum / ub_count if ub_count else math.nan)
            rows.append(ZoneRow(name, int(cells), pooled, *pixel, float(series.r), int(series.n)))
        return tuple(rows)

    def empty_zones(self) -> tuple[str, ...]:
        if self._zones is None:
            return ()
        return tuple(name for z, name in enumerate(self._zones.names) if self._zone["product"][z, 0] == 0)

    def _series(self, zone: int) -> Scores:
        """Scores of the mean series of a zone."""
        n, x, y = self._zone_series[zone].T
        with np.errstate(invalid="ignore", divide="ignore"):
            a, b = x / n, y / n
        return scores_of(sums_of(a, b, np.zeros(len(a), dtype=np.intp), 1)[0])

    def _summary(self, name: str) -> PixelSummary:
        low, high = _RANGES[name]
        count, total = self._moments[name]
        cumulative = np.cumsum(self._histogram[name])
        places = [int(np.searchsorted(cumulative, q * count)) for q in (0.25, 0.5, 0.75)]
        lower, median, upper = (low + (place + 0.5) * (high - low) / _BINS for place in places)
        return PixelSummary(int(count), float(total / count), median, lower, upper)
