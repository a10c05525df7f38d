"""Looks through all layers before anything is computed: fill values, images without a value, what they contain."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.grid import Grid, open_raster
from ...raster.stack import Stack
from ...raster.tiles import strips
from ..extents import pixels_within
from .bands import Image
from .kernel import Array
from .statistics import Moments

_FILLS = (-9999.0, -32768.0, -99999.0, -28672.0)  # as the lowest value they are never meant
_INTEGER_FILLS = (-3000.0, 32767.0, 65535.0)  # where they stand apart from all other values
_APART = 0.05  # of the range of the other values


@dataclass(frozen=True)
class Content:
    """digest: of all values that the fine grid needs, and of where they lie. valid: whether there is any."""

    digest: str
    valid: bool


Contents = dict[tuple[str, int], Content]  # by path and 1-based band


def inspect(images: Sequence[Image], grid: Grid, progress: Progress) -> Contents:
    """Read the bands of all images once, as far as `grid` needs them.

    Raises InputError for a fill value that is not declared as nodata and for files that cannot be read; Cancelled.
    """
    found: Contents = {}
    bands = [(image, stack, number) for image in images for stack, number in image.bands.values()]
    for done, (image, stack, number) in enumerate(bands):
        progress.set(done / len(bands), f"Looking at {image.period.label}")
        found[stack.path, number] = _content(stack, number, grid, progress)
    return found


def is_empty(image: Image, contents: Contents) -> bool:
    """Whether a band of the image has no value at all."""
    return not all(contents[stack.path, number].valid for stack, number in image.bands.values())


def _content(stack: Stack, number: int, grid: Grid, progress: Progress) -> Content:
    own = stack.grid
    row0, col0, rows, cols = (0, 0, *own.shape) if own.same_as(grid) else pixels_within(own, grid)
    where = own.crs_wkt, own.transform, own.shape, (row0, col0, rows, cols)
    digest = hashlib.blake2b(repr(where).encode(), digest_size=16)
    fills = _FillCheck(stack, number) if stack.nodata(number) is None else None
    valid = False
    for start, height in strips(rows, cols) if rows > 0 and cols > 0 else ():
        progress.check()
        values = stack.read(number, row0 + start, height, col0, cols)
        digest.update(np.ascontiguousarray(values).data)
        valid = valid or bool(np.isfinite(values).any())
        if fills is not None:
            fills.add(values)
    if fills is not None:
        fills.check()
    return Content(digest.hexdigest(), valid)


class _FillCheck:
    """Looks for usual fill values in a band that declares no nodata value."""

    def __init__(self, stack: Stack, number: int) -> None:
        dataset = open_raster(stack.path)  # a band does not outlive it
        band = dataset.GetRasterBand(number)
        scale, offset = band.GetScale() or 1.0, band.GetOffset() or 0.0
        self._stack = stack
        self._band = f" (band {number})" if len(stack.bands) > 1 else ""
        whole = "Int" in stack.data_types[number - 1] or stack.data_types[number - 1] == "Byte"
        # As stored, and in physical units.
        self._always = [(fill, fill * scale + offset) for fill in _FILLS]
        self._apart = [(fill, fill * scale + offset) for fill in (*(_INTEGER_FILLS if whole else ()), 0.0)]
        self._all, self._rest = Moments(), Moments()

    def add(self, values: Array) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            self._all.add(values)
            rest = values.copy()
            for _, shown in self._apart:
                rest[rest == shown] = np.nan
            self._rest.add(rest)

    def check(self) -> None:
        """Raise InputError where a fill value is found."""
        seen, rest = self._all, self._rest
        if not seen.count:
            return
        huge = next((value for value in (seen.low, seen.high) if abs(value) > 1e30), None)
        if huge is not None:
            raise self._error(f"{huge:g}")
        for stored, shown in self._always:
            if math.isclose(seen.low, shown, rel_tol=1e-6):
                raise self._error(f"{stored:g}")
        if not rest.count:
            return
        for stored, shown in self._apart[:-1]:
            gap = rest.low - shown if seen.low == shown else shown - rest.high if seen.high == shown else 0.0
            if gap > _APART * (rest.high - rest.low):
                raise self._error(f"{stored:g}", apart=True)
        # Zero is a value of most variables: only far below all others, as in surface temperature, it is none.
        zero = self._apart[-1][1]
        if seen.low == zero and rest.low - zero > max(0.5 * (rest.mean - zero), 5.0 * rest.sd):
            raise self._error("0", apart=True)

    def _error(self, value: str, apart: bool = False) -> InputError:
        others = f", far from all others ({self._rest.low:g} to {self._rest.high:g})," if apart else ""
        meant = " (if it is meant, declare any other value)" if apart else ""
        return InputError(
            f"{self._stack.name}{self._band} holds the value {value}{others} but declares no nodata value: set {value} "
            f"as nodata in its layer (GDAL 'Translate', or gdal_edit -a_nodata) and run again{meant}."
        )
