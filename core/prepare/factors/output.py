"""Factor stacks: written, and summed up on the way for the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.blocks import Array, Job, run_jobs
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import Band, StackWriter, small_block_cache

_SAMPLED = 2**22  # values kept for the medians of all bands together
_FEWEST = 256  # values kept of each band at least
_MAP = 400  # pixels of a side of a map kept for the report
_MOST_MAPS = 12


@dataclass(frozen=True)
class FactorBand:
    """A band of the result: what it holds and its tags (LONG_NAME, SOURCE_PRODUCT ...)."""

    band: Band
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass
class BandSummary:
    """What one band of the result holds; `sample` are regularly spaced valid values (n,)."""

    band: Band
    pixels: int
    valid: int = 0
    minimum: float = math.nan
    maximum: float = math.nan
    total: float = 0.0
    sample: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def valid_share(self) -> float:
        return self.valid / self.pixels if self.pixels else math.nan

    @property
    def mean(self) -> float:
        return self.total / self.valid if self.valid else math.nan

    @property
    def median(self) -> float:
        return float(np.median(self.sample)) if self.sample.size else math.nan


@dataclass(frozen=True)
class Written:
    """A finished factor stack: a summary of each band, and maps (values every n-th pixel) of some bands."""

    path: str
    grid: Grid
    bands: list[BandSummary]
    maps: list[tuple[Band, Array]]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(one.band.name for one in self.bands))

    @property
    def periods(self) -> list[Period | None]:
        """The periods of the bands, each once, in order of time."""
        found = {one.band.period for one in self.bands}
        dated = sorted(period for period in found if period is not None)
        return [*dated] or [None]

    def of(self, name: str) -> list[BandSummary]:
        return [one for one in self.bands if one.band.name == name]

    def range_of(self, name: str, low: float = 2.0, high: float = 98.0) -> tuple[float, float]:
        """Percentiles of all sampled values of a factor, NaN without any."""
        values = np.concatenate([one.sample for one in self.of(name)])
        if not values.size:
            return math.nan, math.nan
        ends = np.percentile(values, (low, high))
        return float(ends[0]), float(ends[1])


def write_factors(
    path: str | Path,
    grid: Grid,
    outputs: Sequence[FactorBand],
    jobs: Sequence[Job],
    progress: Progress,
    why_empty: Callable[[], str],
) -> Written:
    """Run the jobs and write their bands; the whole file or none.

    Raises InputError with the sentence of `why_empty` where no band has a valid pixel.
    """
    with small_block_cache(), FactorWriter(path, grid, outputs) as out:
        run_jobs(jobs, grid, out, progress)
        out.check_values(why_empty)
    return out.written()


class FactorWriter(StackWriter):
    """A StackWriter of float32 factors that sums up what it writes."""

    def __init__(self, path: str | Path, grid: Grid, outputs: Sequence[FactorBand]) -> None:
        super().__init__(path, grid, [one.band for one in outputs])
        self._band_tags = [one.tags for one in outputs]
        pixels = grid.rows * grid.cols
        self._summaries = [BandSummary(one.band, pixels) for one in outputs]
        self._samples: list[list[Array]] = [[] for _ in outputs]
        kept = max(_FEWEST, _SAMPLED // max(1, len(outputs)))
        self._step = max(1, math.ceil(math.sqrt(pixels / kept)))
        self._map_step = max(1, math.ceil(max(grid.shape) / _MAP))
        self._maps: dict[int, list[NDArray[Any]]] = {index: [] for index in _shown([one.band for one in outputs])}

    def __enter__(self) -> FactorWriter:
        super().__enter__()
        for index, tags in enumerate(self._band_tags, 1):
            if tags:
                self.tag(index, tags)
        return self

    def write(self, index: int, values: NDArray[np.generic], row0: int = 0, col0: int = 0) -> None:
        """As `StackWriter.write`, for full-width strips in order of rows."""
        # What the file holds is what the report speaks of.
        stored = np.asarray(values, dtype=np.float32)
        super().write(index, stored, row0, col0)
        one = self._summaries[index - 1]
        known = stored[np.isfinite(stored)]
        if known.size:
            one.valid += known.size
            one.total += float(known.sum(dtype=np.float64))
            one.minimum = float(np.fmin(one.minimum, known.min()))
            one.maximum = float(np.fmax(one.maximum, known.max()))
        few = stored[-row0 % self._step :: self._step, :: self._step].ravel()
        self._samples[index - 1].append(few[np.isfinite(few)].astype(np.float64))
        if index in self._maps:
            # A view would hold on to the whole strip.
            self._maps[index].append(stored[-row0 % self._map_step :: self._map_step, :: self._map_step].copy())

    def check_values(self, why_empty: Callable[[], str]) -> None:
        """Raise InputError with that sentence where no band has a valid pixel."""
        if not any(one.valid for one in self._summaries):
            raise InputError(why_empty())

    def written(self) -> Written:
        """What was written, once it is complete."""
        for one, parts in zip(self._summaries, self._samples):
            one.sample = np.concatenate(parts) if parts else np.zeros(0)
        maps = [
            (self.bands[index - 1], np.vstack(parts).astype(np.float64)) for index, parts in self._maps.items() if parts
        ]
        return Written(str(self.path), self.grid, self._summaries, maps)


def _shown(bands: Sequence[Band]) -> list[int]:
    """Bands (1-based) that get a map: of each factor the one in the middle of its time."""
    names = list(dict.fromkeys(band.name for band in bands))
    chosen = []
    for name in names[:_MOST_MAPS]:
        own = [index for index, band in enumerate(bands, 1) if band.name == name]
        chosen.append(own[len(own) // 2])
    return chosen
