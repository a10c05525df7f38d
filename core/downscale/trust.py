"""What is written beside the product where it is asked for: unlikeness to training, and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.conformal import Calibration
from ..model.model import Model
from ..raster.bands import Band
from ..raster.support import Array, Support
from ..raster.threads import check_cancelled

DISSIMILARITY = "dissimilarity"
_PIXELS = 2**16
INTERVAL = ("lower", "median", "upper", "width")  # bands of a period


@dataclass(frozen=True)
class TrustFacts:
    """What holds for all periods.

    threshold: of the dissimilarity index, None where it was not asked for. method and calibration: of the intervals,
    None likewise.
    """

    threshold: float | None = None
    method: str | None = None
    calibration: Calibration | None = None

    @property
    def data(self) -> dict[str, Any]:
        """Numbers for the report's JSON."""
        return {
            "applicability_threshold": self.threshold,
            "uncertainty": self.method,
            "level": None if self.calibration is None else self.calibration.level,
            "held_out_coverage": None if self.calibration is None else self.calibration.coverage,
        }


class TrustLayers:
    """Computes the layers in the first pass, from factors in training form.

    gain: the detail gain of the product, None where the model's values are written as they are; level: of the
    intervals. Raises InputError where `model` lacks the part behind a layer that is asked for.
    """

    def __init__(self, model: Model, gain: float | None, level: float, index: bool, interval: bool) -> None:
        self._model, self._gain = model, gain
        self.index, self.interval = index, interval
        area, uncertainty = model.applicability, model.uncertainty
        if index and area is None:
            raise InputError(
                "The model holds no area of applicability: train it again with this version, on samples that are not "
                "all alike."
            )
        self.facts = TrustFacts(area.threshold if index and area else None)
        if interval:
            if uncertainty is None:
                raise InputError(
                    "The model holds no uncertainty: train it again with this version, on enough cells that blocks "
                    "of them can be held out."
                )
            self.facts = TrustFacts(self.facts.threshold, uncertainty.method, uncertainty.calibration(level, gain))

    @property
    def count(self) -> int:
        """How many numbers a pixel has between the passes: the index, then three ends of the interval."""
        return int(self.index) + 3 * int(self.interval)

    @property
    def scales(self) -> bool:
        """Whether the intervals grow from the coarse to the fine support."""
        return self.interval and self._gain is not None

    def scale(self, detail: float, support: Support) -> float:
        """How much larger a period's detail is on the fine grid than among held-out coarse cells.

        detail: root mean square of the model's detail over fine pixels, NaN without any. The error of the detail is
        taken to grow as much: by at least 1, at most by what independent pixels would give (the square root of their
        number in the support).
        """
        held = self._model.uncertainty.held_out.predicted if self._model.uncertainty else np.zeros(1)
        coarse = float(np.sqrt((held**2).mean()))
        side = np.sqrt(np.prod(support.coarse.ground_cell_size()))
        if support.footprint_km is not None:
            side = max(side, 1000.0 * support.footprint_km)
        most = max(1.0, float(side / np.sqrt(np.prod(support.fine.ground_cell_size()))))
        ratio = detail / coarse if math.isfinite(detail) and coarse > 0 else 1.0
        return min(max(1.0, ratio), most)

    @property
    def tags(self) -> dict[str, str]:
        """Metadata of the layers' files."""
        tags = {} if self.facts.threshold is None else {"THRESHOLD": f"{self.facts.threshold:.6g}"}
        if self.facts.calibration is not None and self.facts.method is not None:
            calibration = self.facts.calibration
            tags |= {
                "LEVEL": f"{calibration.level:g}",
                "METHOD": self.facts.method,
                "HELD_OUT_COVERAGE": f"{calibration.coverage:.4g}",
            }
        return tags

    def at(self, x: Array) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """The numbers (count, n) of pixels with factors X (n, factors); which lie outside the area, None if unknown."""
        numbers = np.empty((self.count, len(x)), np.float32)
        outside = np.zeros(len(x), bool) if self.index else None
        for start in range(0, len(x) if self.count else 0, _PIXELS):
            # The slowest part of a strip: one that is not to be waited for when the run is stopped.
            check_cancelled()
            part = slice(start, start + _PIXELS)
            numbers[:, part], beyond = self._at(x[part])
            if outside is not None:
                outside[part] = beyond
        return numbers, outside

    def _at(self, x: Array) -> tuple[Array, NDArray[np.bool_] | None]:
        area, uncertainty = self._model.applicability, self._model.uncertainty
        parts, outside, index = [], None, None
        if area is not None and (self.index or (self.interval and uncertainty and uncertainty.needs_dissimilarity)):
            # Intervals stop growing at some dissimilarity; the layer itself has no end.
            index = area.index(x, np.inf if self.index or uncertainty is None else uncertainty.highest)
        if self.index and area is not None and index is not None:
            parts.append(index[:, None])
            outside = index > area.threshold
        if uncertainty is not None and self.facts.calibration is not None:
            parts.append(uncertainty.offsets(x, index, self.facts.calibration))
        return np.concatenate(parts, axis=1).T, outside


@dataclass(frozen=True)
class Layers:
    """Which layers the second pass makes around the product. whole: the model's values are written as they are."""

    index: bool
    interval: bool
    whole: bool
    bounds: tuple[float, float]

    def around(
        self, values: Array, supported: NDArray[np.bool_], trust: NDArray[np.float32], scale: float
    ) -> dict[str, NDArray[np.float32]]:
        """The layers (rows, cols) by band name, from the product `values` and what the first pass left in `trust`.

        Around pixels without a coarse value there is no interval, unless the product does without any: nothing held
        out tells how far their level is off. Intervals end at the bounds of the product.
        """
        layers: dict[str, Array] = {}
        if self.index:
            layers[DISSIMILARITY] = np.where(np.isfinite(values), trust[0].astype(np.float64), np.nan)
        if self.interval:
            level = values if self.whole else np.where(supported, values, np.nan)
            low, middle, high = (level + scale * part.astype(np.float64) for part in trust[-3:])
            # A product that lies beyond a bound to keep its coarse value stays inside its interval.
            low = np.maximum(low, np.minimum(self.bounds[0], level))
            high = np.minimum(high, np.maximum(self.bounds[1], level))
            layers |= dict(zip(INTERVAL, (low, np.clip(middle, low, high), high, high - low)))
        return {name: layer.astype(np.float32) for name, layer in layers.items()}


def index_bands(product: list[Band]) -> list[Band]:
    return [Band(DISSIMILARITY, band.period, "1") for band in product]


def interval_bands(product: list[Band]) -> list[Band]:
    """Four bands for each of the product's."""
    return [Band(f"{band.name}_{what}", band.period, band.unit) for band in product for what in INTERVAL]
