"""Rain of a period and of the period before, from bands of any length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...raster.blocks import Array, Job
from ...raster.grid import Grid
from ...raster.periods import Period
from .common import OnGrid
from .rain_series import Millimetres, RainSeries

Compute = Callable[[list[Array]], list[Array]]


def previous_jobs(
    series: RainSeries,
    grid: Grid,
    spans: Mapping[tuple[str, Period], Period],
    place: Mapping[tuple[str, Period | None], int],
    checks: Mapping[Period, Millimetres],
    min_coverage: float,
) -> list[Job]:
    """A job for each band of the result: the rain in its span, each band by the share of its days that fall in it.

    spans: the time that each name and period of the result adds up.
    """
    jobs = []
    for (name, period), span in spans.items():
        index = place.get((name, period))
        if index is None:
            continue
        parts = [(one, float(one.overlap_days(span))) for one in series.periods if one.overlap_days(span) > 0]
        readers = [OnGrid(series.sources[one], grid, checks[one]) for one, _ in parts]
        days = [overlap for _, overlap in parts]
        lengths = [float(one.days) for one, _ in parts]
        jobs.append(
            Job([index], readers, _sum(days, lengths, float(span.days), min_coverage), f"{name} {period.label}")
        )
    return jobs


def _sum(days: Sequence[float], lengths: Sequence[float], whole: float, min_coverage: float) -> Compute:
    def compute(arrays: list[Array]) -> list[Array]:
        total, known = np.zeros(arrays[0].shape), np.zeros(arrays[0].shape)
        for values, overlap, length in zip(arrays, days, lengths):
            valid = np.isfinite(values)
            total += np.where(valid, values, 0.0) * (overlap / length)
            known += valid * overlap
        coverage = known / whole
        return [np.divide(total, coverage, out=np.full(total.shape, np.nan), where=coverage >= min_coverage - 1e-9)]

    return compute
