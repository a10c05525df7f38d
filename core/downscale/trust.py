"""What is written beside the product where it is asked for: unlikeness to training, and intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.conformal import Calibration
from ..model.model import Model
from ..progress import Progress
from ..raster.bands import Band
from ..raster.stack import StackWriter
from ..raster.support import Array, Support
from .fields import Fields
from .store import Strip

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
    """Computes the layers in the first pass, from factors in training form, and writes them in the second.

    gain: the detail gain of the product, None where the model's values are written as they are; level: of the
    intervals. Raises InputError where `model` lacks the part behind a layer that is asked for.
    """

    def __init__(
        self, model: Model, gain: float | None, level: float, index: bool, interval: bool, progress: Progress
    ) -> None:
        self._model, self._index, self._interval, self._gain = model, index, interval, gain
        self._progress = progress
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
        self.scale = 1.0
        self._index_out: StackWriter | None = None
        self._interval_out: StackWriter | None = None

    @property
    def count(self) -> int:
        """How many numbers a pixel has between the passes: the index, then three ends of the interval."""
        return int(self._index) + 3 * int(self._interval)

    @property
    def scales(self) -> bool:
        """Whether the intervals grow from the coarse to the fine support."""
        return self._interval and self._gain is not None

    def measure(self, strips: Iterable[Strip], fields: Fields, gain: float, support: Support) -> float:
        """How much larger a period's detail is on the fine grid than among held-out coarse cells.

        fields: of the product with detail gain `gain`, not 0. The error of the detail is taken to grow as much: by at
        least 1, at most by what independent pixels would give (the square root of their number in the support).
        """
        held = self._model.uncertainty.held_out.predicted if self._model.uncertainty else np.zeros(1)
        total, count = 0.0, 0
        for strip in strips:
            self._progress.check()
            smooth, product = fields.at(strip.row0, strip.rows, strip.field.astype(np.float64), None)
            detail = (product - smooth) / gain
            known = np.isfinite(detail)
            total, count = total + float((detail[known] ** 2).sum()), count + int(known.sum())
        coarse = float(np.sqrt((held**2).mean()))
        side = np.sqrt(np.prod(support.coarse.ground_cell_size()))
        if support.footprint_km is not None:
            side = max(side, 1000.0 * support.footprint_km)
        most = max(1.0, float(side / np.sqrt(np.prod(support.fine.ground_cell_size()))))
        ratio = float(np.sqrt(total / count)) / coarse if count and coarse > 0 else 1.0
        self.scale = min(max(1.0, ratio), most)
        return self.scale

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

    def write_to(self, index: StackWriter | None, interval: StackWriter | None) -> None:
        self._index_out, self._interval_out = index, interval

    def at(self, x: Array) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """The numbers (count, n) of pixels with factors X (n, factors); which lie outside the area, None if unknown."""
        numbers = np.empty((self.count, len(x)), np.float32)
        outside = np.zeros(len(x), bool) if self._index else None
        for start in range(0, len(x) if self.count else 0, _PIXELS):
            # The slowest part of a strip: one that is not to be waited for when the run is stopped.
            self._progress.check()
            part = slice(start, start + _PIXELS)
            numbers[:, part], beyond = self._at(x[part])
            if outside is not None:
                outside[part] = beyond
        return numbers, outside

    def write(
        self,
        number: int,
        row0: int,
        values: Array,
        supported: NDArray[np.bool_],
        trust: NDArray[np.float32],
        bounds: tuple[float, float],
    ) -> tuple[Array, Array]:
        """Write the rows of period `number` (from 1 on) around the product `values`; index and width (rows, cols).

        Around pixels without a coarse value there is no interval, unless the product does without any: nothing held
        out tells how far their level is off. Intervals end at the bounds of the product.
        """
        nothing = np.full(values.shape, np.nan)
        index = width = nothing
        if self._index:
            index = np.where(np.isfinite(values), trust[0].astype(np.float64), np.nan)
            if self._index_out is not None:
                self._index_out.write(number, index, row0)
        if self._interval:
            level = values if self._gain is None else np.where(supported, values, np.nan)
            low, middle, high = (level + self.scale * part.astype(np.float64) for part in trust[-3:])
            # A product that lies beyond a bound to keep its coarse value stays inside its interval.
            low, high = np.maximum(low, np.minimum(bounds[0], level)), np.minimum(high, np.maximum(bounds[1], level))
            width = high - low
            if self._interval_out is not None:
                bands = (low, np.clip(middle, low, high), high, width)
                for k, band in enumerate(bands):
                    self._interval_out.write(len(INTERVAL) * (number - 1) + k + 1, band, row0)
        return index, width

    def _at(self, x: Array) -> tuple[Array, NDArray[np.bool_] | None]:
        area, uncertainty = self._model.applicability, self._model.uncertainty
        parts, outside, index = [], None, None
        if area is not None and (self._index or (self._interval and uncertainty and uncertainty.needs_dissimilarity)):
            index = area.index(x)
        if self._index and area is not None and index is not None:
            parts.append(index[:, None])
            outside = index > area.threshold
        if uncertainty is not None and self.facts.calibration is not None:
            parts.append(uncertainty.offsets(x, index, self.facts.calibration))
        return np.concatenate(parts, axis=1).T, outside


def index_bands(product: list[Band]) -> list[Band]:
    return [Band(DISSIMILARITY, band.period, "1") for band in product]


def interval_bands(product: list[Band]) -> list[Band]:
    """Four bands for each of the product's."""
    return [Band(f"{band.name}_{what}", band.period, band.unit) for band in product for what in INTERVAL]
