"""Counts of pixels by the outcome of their estimates, and the spread of these."""

from __future__ import annotations

import numpy as np

from ..metrics import Floats
from .estimate import Triple
from .results import MapCounts, triple

_BINS = 5000  # of the histograms that medians are read from
_RANGES = {"r": (0.0, 1.0), "snr": (-40.0, 40.0), "error_sd": (0.0, 0.5)}


class Tally:
    """Counts of pixels by outcome, and the spread of the estimates."""

    def __init__(self) -> None:
        self.seen = self.few = self.no_signal = self.estimated = self.most = 0
        self.negative = [0, 0, 0]
        self._best = np.zeros(3, dtype=np.int64)
        self._histogram = {name: np.zeros((3, _BINS)) for name in _RANGES}

    def add(self, found: Triple, n: Floats) -> None:
        self.seen += int((n > 0).sum())
        self.most = max(self.most, int(n.max(initial=0)))
        self.few += int(((n > 0) & ~np.isfinite(found.n)).sum())
        self.no_signal += int(found.no_signal.sum())
        for k in range(3):
            self.negative[k] += int(found.negative[k].sum())
        whole = np.isfinite(found.r).all(axis=0)
        self.estimated += int(whole.sum())
        self._best += np.bincount(found.r[:, whole].argmax(axis=0), minlength=3)
        for name, (low, high) in _RANGES.items():
            values = getattr(found, name)[:, whole]
            place = np.clip((values - low) / (high - low) * _BINS, 0, _BINS - 1).astype(np.intp)
            for k in range(3):
                self._histogram[name][k] += np.bincount(place[k], minlength=_BINS)

    @property
    def best(self) -> tuple[int, int, int]:
        return triple(self._best.tolist())

    @property
    def counts(self) -> MapCounts:
        return MapCounts(self.seen, self.few, self.no_signal, triple(self.negative), self.estimated)

    def medians(self) -> dict[str, Floats]:
        """Median of each estimate over the pixels with all three."""
        if not self.estimated:
            return {}
        result = {}
        for name, (low, high) in _RANGES.items():
            place = [np.searchsorted(np.cumsum(h), self.estimated / 2) for h in self._histogram[name]]
            result[name] = low + (np.array(place) + 0.5) * (high - low) / _BINS
        return result
