"""Fusing as parts of a run: some rows of the dates that are fused together, from paths and plain options alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from ...raster.fingerprint import absolute
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.readers import borrowed
from ...raster.stack import Stack
from ...raster.work import check_cancelled
from .bands import Image
from .fused import CODES, FUSED, Fused
from .kernel import Array
from .options import FusionOptions
from .plan import Group, Pair
from .statistics import PairStatistics
from .streaming import Source, fuse_rows, piece_size
from .window import threads_used

Places = tuple[tuple[str, int], ...]  # layer and 1-based number of each band
COUNTS, SUMS = "counts", "sums"


@dataclass(frozen=True)
class Pass:
    """Dates that are fused together, from the same pairs (fine and coarse image).

    exact: values are kept in 64 bits, for comparisons; rows: first and number of those that are fused.
    """

    pairs: tuple[tuple[Period, Places, Places], ...]
    wanted: tuple[tuple[Period, Places], ...]
    statistics: PairStatistics
    rows: tuple[int, int]
    exact: bool = False

    @property
    def paths(self) -> list[str]:
        places = [*(each for _, *both in self.pairs for each in both), *(each for _, each in self.wanted)]
        return list(dict.fromkeys(path for bands in places for path, _ in bands))


@dataclass(frozen=True)
class Shared:
    """What all strips have in common. threads: for the search within a strip."""

    names: tuple[str, ...]
    grid: Grid
    method: str
    factor: float
    options: FusionOptions
    details: bool
    passes: tuple[Pass, ...]
    threads: int

    @property
    def inputs(self) -> list[str]:
        """The layers that are read."""
        return list(dict.fromkeys(path for one in self.passes for path in one.paths))


@dataclass(frozen=True)
class Strip:
    """Rows row0 … row0 + rows of all dates of a pass (its number)."""

    number: int
    row0: int
    rows: int
    pixels: int

    @property
    def name(self) -> str:
        return f"{self.number:04d}-{self.row0:08d}"


def pass_of(
    group: Group,
    images: Sequence[Image],
    statistics: PairStatistics,
    rows: tuple[int, int],
    exact: bool = False,
) -> Pass:
    """Of images whose bands are those to be fused."""
    pairs = tuple((pair.period, _places(pair.fine), _places(pair.coarse)) for pair in group.pairs)
    return Pass(pairs, tuple((image.period, _places(image)) for image in images), statistics, rows, exact)


def strips_of(shared: Shared, number: int) -> list[Strip]:
    """The strips of a pass, each as high as what is computed at once."""
    one = shared.passes[number]
    height, _ = piece_size(len(shared.names), len(one.wanted), shared.grid, shared.options)
    first, count = one.rows
    ends = [*range(first, first + count, height), first + count]
    return [
        Strip(number, row0, end - row0, (end - row0) * shared.grid.cols * len(one.wanted))
        for row0, end in zip(ends, ends[1:])
    ]


def fuse_strip(shared: Shared, strip: Strip) -> dict[str, NDArray[Any]]:
    """Per date k `values_k` (bands, rows, cols), `quality_k` (rows, cols) and, if asked for, `details_k` (similar
    pixels; per band conversion and share of the first pair); `counts` (dates, quality codes) and `sums` over fused
    pixels (dates, bands, rows, 3): their number, similar pixels, conversion.
    """
    with ExitStack() as open_ones:
        return _fused(
            shared, strip, {path: open_ones.enter_context(borrowed(path)) for path in shared.passes[strip.number].paths}
        )


def _fused(shared: Shared, strip: Strip, stacks: Mapping[str, Stack]) -> dict[str, NDArray[Any]]:
    one, names, grid = shared.passes[strip.number], shared.names, shared.grid
    pairs = tuple(
        Pair(_image(day, fine, names, stacks), _image(day, coarse, names, stacks)) for day, fine, coarse in one.pairs
    )
    images = [_image(day, places, names, stacks) for day, places in one.wanted]
    shape = strip.rows, grid.cols
    result: dict[str, NDArray[Any]] = {}
    for date in range(len(images)):
        result[f"values_{date}"] = np.empty((len(names), *shape), np.float64 if one.exact else np.float32)
        result[f"quality_{date}"] = np.empty(shape, np.uint8)
        if shared.details:
            result[f"details_{date}"] = np.empty((1 + 2 * len(names), *shape), np.float32)
    similar = np.zeros((len(images), len(names), strip.rows))
    conversion = np.empty((len(names), *shape))

    def take(row0: int, col0: int, fused: Fused) -> None:
        rows, cols = fused.quality.shape[1:]
        here = ..., slice(row0 - strip.row0, row0 - strip.row0 + rows), slice(col0, col0 + cols)
        conversion[here] = fused.conversion
        for date in range(len(images)):
            check_cancelled()
            similar[date][here[:-1]] += np.where(fused.quality[date] == FUSED, fused.similar[date], 0.0).sum(axis=-1)
            result[f"values_{date}"][here] = fused.values[date]
            result[f"quality_{date}"][here] = fused.quality[date]
            if shared.details:
                layers = [fused.similar[date].min(axis=0)]
                for band in range(len(names)):
                    layers += [fused.conversion[band], fused.share[date, band]]
                result[f"details_{date}"][here] = np.stack(layers)

    source = Source(grid, shared.method, shared.factor)
    with threads_used(shared.threads):
        fuse_rows(
            Group(pairs, images),
            images,
            source,
            one.statistics,
            shared.options,
            take,
            _UntilStopped(),
            strip.row0,
            strip.rows,
        )
    quality = np.stack([result[f"quality_{date}"] for date in range(len(images))])
    result[COUNTS] = np.stack([(quality == code).sum(axis=(1, 2)) for code in CODES], axis=1)
    result[SUMS] = _sums(quality == FUSED, similar, conversion)
    return result


class _UntilStopped(Progress):
    """Of a part, which is too short to say how far it is."""

    def check(self) -> None:
        check_cancelled()


def _sums(fused: NDArray[np.bool_], similar: Array, conversion: Array) -> Array:
    """Row by row, so that they do not depend on the strips."""
    sums = np.empty((*similar.shape, 3))
    for date, seen in enumerate(fused):
        sums[date, ..., 0] = seen.sum(axis=1)
        sums[date, ..., 1] = similar[date]
        for band, values in enumerate(conversion):
            sums[date, band, :, 2] = np.where(seen, values, 0.0).sum(axis=1)
    return sums


def _places(image: Image) -> Places:
    return tuple((absolute(stack.path), number) for stack, number in image.bands.values())


def _image(period: Period, places: Places, names: Iterable[str], stacks: Mapping[str, Stack]) -> Image:
    return Image(period, {name: (stacks[path], number) for name, (path, number) in zip(names, places)})
