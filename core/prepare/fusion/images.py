"""Reads images on the fine grid, and looks through all of them once for what fusing needs to know beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import Stack
from ...raster.tiles import strips
from ..resampling import Resampler, resampling_method
from .bands import Image
from .kernel import Array
from .options import range_label
from .plan import Group, Plan
from .statistics import Moments, PairStatistics, pooled

_KELVIN = 273.15


class ImageReader:
    """All bands of an image on `grid`, multiplied by `factor`; images on another grid are resampled by `method`."""

    def __init__(self, image: Image, grid: Grid, method: str, factor: float = 1.0) -> None:
        self._grid, self._factor = grid, factor
        self._sources: list[tuple[Stack, int, Resampler | None]] = [
            (stack, band, None if stack.grid.same_as(grid) else Resampler(stack, band, grid, method))
            for stack, band in image.bands.values()
        ]

    def read(self, row0: int, rows: int) -> Array:
        """(bands, rows, cols)."""
        out = np.empty((len(self._sources), rows, self._grid.cols))
        for values, (stack, band, resampler) in zip(out, self._sources):
            values[:] = stack.read(band, row0, rows) if resampler is None else resampler.read(row0, rows)
        return out if self._factor == 1.0 else out * self._factor


def how_resampled(images: Sequence[Image], grid: Grid, method: str) -> str:
    """How the images come to the fine grid, for the report."""
    grids = {stack.grid for image in images for stack, _ in image.bands.values()}
    how = {"as they are" if one.same_as(grid) else resampling_method(one, grid, method) for one in grids}
    return ", ".join(sorted(how))


def check_grids(plan: Plan, grid: Grid) -> None:
    """Raise InputError where coarse pixels are smaller than fine ones."""
    fine = math.sqrt(math.prod(grid.ground_cell_size()))
    images = [pair.coarse for pair in plan.pairs] + plan.wanted
    for own, stack in {s.grid: s for image in images for s, _ in image.bands.values()}.items():
        if math.sqrt(math.prod(own.ground_cell_size())) < 0.95 * fine:
            raise InputError(
                f"The coarse layer {stack.name} ({own.cell_label}) is finer than the fine layers ({grid.cell_label}): "
                "check that fine and coarse layers are not exchanged."
            )


@dataclass(frozen=True)
class Survey:
    """What was found in the pairs' images: their moments (bands) by date, on which all strips agree."""

    fine: dict[Period, list[Moments]]
    coarse: dict[Period, list[Moments]]

    def of(self, group: Group) -> PairStatistics:
        return PairStatistics(
            [self.fine[pair.period] for pair in group.pairs], [self.coarse[pair.period] for pair in group.pairs]
        )


def survey(
    plan: Plan,
    grid: Grid,
    method: str,
    factor: float,
    valid_range: tuple[float, float] | None,
    two: bool,
    progress: Progress,
) -> Survey:
    """Read the images of all pairs once.

    two: both pairs of a group must be valid in the same pixels (ESTARFM). Raises InputError for images without a common
    valid pixel, scales that differ, and values beyond the valid range.
    """
    result = Survey({}, {})
    usable: dict[Period, NDArray[np.uint8]] = {}
    outside = np.zeros(2)
    for number, pair in enumerate(plan.pairs):
        step = progress.part(number / len(plan.pairs), (number + 1) / len(plan.pairs))
        readers = ImageReader(pair.fine, grid, method), ImageReader(pair.coarse, grid, method, factor)
        moments = [[Moments() for _ in plan.names] for _ in readers]
        bits = []
        for row0, rows in strips(grid.rows, grid.cols):
            step.check()
            step.set(row0 / grid.rows, f"Reading the pair of {pair.period.label}")
            images = []
            for own, reader in zip(moments, readers):
                images.append(reader.read(row0, rows))
                for band, values in zip(own, images[-1]):
                    step.check()
                    band.add(values)
            if valid_range is not None:
                seen = images[0][np.isfinite(images[0])]
                outside += len(seen), np.count_nonzero((seen < valid_range[0]) | (seen > valid_range[1]))
            bits.append(np.packbits(np.isfinite(images[0]).all(axis=0) & np.isfinite(images[1]).all(axis=0)))
        result.fine[pair.period], result.coarse[pair.period] = moments
        usable[pair.period] = np.concatenate(bits)
        if not usable[pair.period].any():
            raise InputError(
                f"The fine and the coarse image of {pair.period.label} ({pair.fine.layer}, {pair.coarse.layer}) have "
                "no valid pixel in common: check extents, reference systems and nodata."
            )
    _check_scale(plan, result)
    if valid_range is not None and outside[1] > 0.01 * outside[0]:
        raise InputError(
            f"{outside[1] / outside[0]:.0%} of the fine values lie outside the valid range "
            f"({range_label(valid_range)}): check the scale of the layers, or give another range."
        )
    for group in plan.groups if two else []:
        if len(group.pairs) == 2 and not (usable[group.pairs[0].period] & usable[group.pairs[1].period]).any():
            one, other = (pair.period.label for pair in group.pairs)
            raise InputError(
                f"The pairs of {one} and {other} have no valid pixel in common: take one of them out, or choose STARFM."
            )
    return result


def _check_scale(plan: Plan, found: Survey) -> None:
    for band, name in enumerate(plan.names):
        fine = pooled([images[band] for images in found.fine.values()])
        coarse = pooled([images[band] for images in found.coarse.values()])
        large, small = (math.hypot(one.mean, one.sd) for one in (fine, coarse))
        if not large or not small:
            continue
        ratio = large / small
        if not 1 / 30 < ratio < 30:
            steps = [10.0**k for k in range(-6, 7)] + [0.02, 50.0]
            factor = min(steps, key=lambda step: abs(math.log(step / ratio)))
            raise InputError(
                f"Fine and coarse values of {name!r} differ in scale (mean {fine.mean:.4g} and {coarse.mean:.4g}): "
                f"set the factor of the coarse values to {factor:g}."
            )
        if abs(abs(fine.mean - coarse.mean) - _KELVIN) < 15 and max(fine.sd, coarse.sd) < 40:
            plan.notes.append(
                f"Fine and coarse values of {name!r} differ by about 273: one side seems to be in degrees Celsius and "
                "the other in kelvin; bring both to one unit."
            )
