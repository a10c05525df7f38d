"""Which bands the FINE and COARSE stacks get, and how each is made from the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..progress import Progress
from ..raster.bands import SHARE_UNIT
from ..raster.grid import Grid
from ..raster.stack import Band, Stack
from ..raster.support import Array
from ..raster.tiles import strips
from .matching import FactorSeries, Match
from .resampling import NEAREST, Resampler, Select, resampling_method

_MOST_CLASSES = 40
_RARE = 0.005


@dataclass(frozen=True)
class PlannedBand:
    """The mean of some source bands by their days of overlap, or the share of a class in them.

    sources: stack, band number, days. code: the class, None for values. how: for the log.
    """

    band: Band
    sources: list[tuple[Stack, int, float]]
    code: int | None
    method: str
    how: str

    def reader(self, fine: Grid) -> BandReader:
        return BandReader(self, fine)


class BandReader:
    """Reads a planned band strip by strip. Opened for one band at a time: a long series has thousands of sources."""

    def __init__(self, planned: PlannedBand, fine: Grid) -> None:
        self._sources = [(Resampler(stack, band, fine, planned.method), days) for stack, band, days in planned.sources]
        self._select = None if planned.code is None else _is_class(planned.code)

    def read(self, row0: int, rows: int) -> Array:
        """Rows row0 … row0+rows of the fine grid; each pixel takes the mean of the dates that see it."""
        if len(self._sources) == 1:
            return self._sources[0][0].read(row0, rows, self._select)
        total = weight = np.zeros(1)
        for resampler, days in self._sources:
            values = resampler.read(row0, rows, self._select)
            valid = np.isfinite(values)
            total = total + np.where(valid, values * days, 0.0)
            weight = weight + valid * days
        return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)


def plan_bands(
    matches: Sequence[Match],
    series: Sequence[FactorSeries],
    fine: Grid,
    method: str,
    notes: list[str],
    progress: Progress,
) -> list[PlannedBand]:
    """One band per factor and period that has a source; a factor of classes gets one per class."""
    plan: list[PlannedBand] = []
    for factor in series:
        found = [one for one in matches if one.factor == factor.name and one.sources]
        chosen = NEAREST if factor.categorical else method
        codes = _classes(factor.name, found, fine, notes, progress) if factor.categorical else []
        for one in found:
            how = resampling_method(one.sources[0][0].grid, fine, chosen)
            if factor.categorical:
                plan += [
                    PlannedBand(
                        Band(f"{factor.name}_{code}", one.period, SHARE_UNIT),
                        one.sources,
                        code,
                        chosen,
                        f"class share by {how}",
                    )
                    for code in codes
                ]
            else:
                plan.append(PlannedBand(Band(factor.name, one.period, factor.unit), one.sources, None, chosen, how))
    return plan


def _is_class(code: int) -> Select:
    return lambda values: np.where(np.isfinite(values), values == code, np.nan)


def _classes(name: str, matches: Sequence[Match], fine: Grid, notes: list[str], progress: Progress) -> list[int]:
    """The classes found in the region at any date, without the rare ones."""
    counts: dict[int, int] = {}

    def count(values: Array) -> Array:
        found, times = np.unique(values[np.isfinite(values)], return_counts=True)
        if len(found) > 4 * _MOST_CLASSES or not np.array_equal(found, np.round(found)):
            raise InputError(
                f"Factor {name!r} is marked as classes but does not hold a few whole numbers: take it off the list of "
                "categorical factors."
            )
        for code, number in zip(found.astype(int), times):
            counts[int(code)] = counts.get(int(code), 0) + int(number)
        return values

    for stack, band in dict.fromkeys((stack, band) for one in matches for stack, band, _ in one.sources):
        resampler = Resampler(stack, band, fine, NEAREST)
        for row0, rows in strips(fine.rows, fine.cols):
            progress.check()
            resampler.read(row0, rows, count)
    total = sum(counts.values())
    if not total:
        raise InputError(f"Factor {name!r} has no valid pixel in the region.")
    kept = sorted(code for code, number in counts.items() if number >= _RARE * total)
    if len(kept) > _MOST_CLASSES:
        raise InputError(
            f"Factor {name!r} has {len(kept)} classes; at most {_MOST_CLASSES} can be used: merge some first."
        )
    rare = sorted(set(counts) - set(kept))
    if rare:
        notes.append(
            f"Classes {', '.join(map(str, rare))} of {name!r} cover less than {_RARE:.1%} of the region each and were "
            "left out."
        )
    return kept
