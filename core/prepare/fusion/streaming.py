"""Fuses the dates of one group strip by strip, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...progress import Progress
from ...raster.grid import Grid
from ...raster.tiles import PIXELS
from .bands import Image
from .estarfm import fuse_estarfm
from .fused import Fused
from .images import ImageReader
from .kernel import Array
from .options import ESTARFM, FusionOptions
from .plan import Group
from .starfm import fuse_starfm
from .statistics import PairStatistics
from .window import Part

_ROWS, _COLUMNS = 2048, 1024  # of the pieces that are computed at once, at most
_LEAST = 64  # rows and columns of a piece: with fewer most of the work is its halo
_MOST_DATES = 64  # of a pass
_STRIP_MEMORY, _PIECE_MEMORY = 128e6, 320e6  # bytes that the images of a strip and the fields of a piece may take
_BLOCK, _BLOCK_CACHE = 256, 128 * 2**20  # rows of a file's blocks, bytes of them


@dataclass(frozen=True)
class Source:
    """Where images come from: the fine grid, the resampling of others, and the factor of the coarse values."""

    grid: Grid
    method: str
    factor: float

    def fine(self, image: Image) -> ImageReader:
        return ImageReader(image, self.grid, self.method)

    def coarse(self, image: Image) -> ImageReader:
        return ImageReader(image, self.grid, self.method, self.factor)


def passes(
    group: Group, names: Sequence[str], grid: Grid, options: FusionOptions, details: bool = False
) -> list[list[Image]]:
    """The wanted images of a group in batches that are fused together: the search for similar pixels serves all.

    As many as leave pieces of a fair size, and as many as GDAL's cache holds rows of blocks of: else it would read and
    write blocks again and again.
    """
    if not group.wanted:
        return []
    bands = len(names)
    blocks = _BLOCK_CACHE // (4 * _BLOCK * grid.cols) - _on_grid([pair.fine for pair in group.pairs], grid)
    blocks -= _on_grid([pair.coarse for pair in group.pairs], grid)
    each = bands + 1 + (1 + 2 * bands if details else 0) + _on_grid(group.wanted[:1], grid)
    number = max(1, min(_MOST_DATES, blocks // each, len(group.wanted)))
    least = max(_LEAST, options.window - 1)
    while number > 1 and any(
        size < min(least, whole) for size, whole in zip(piece_size(bands, number, grid, options), grid.shape)
    ):
        number -= 1
    return [group.wanted[start : start + number] for start in range(0, len(group.wanted), number)]


def piece_size(bands: int, dates: int, grid: Grid, options: FusionOptions) -> tuple[int, int]:
    """Rows and columns that are computed at once, so that memory is the same whatever there is to fuse."""
    halo = options.window - 1
    strip = 8 * bands * (4 + dates) * grid.cols  # of a row
    height = min(_ROWS, max(1, PIXELS // grid.cols), max(_LEAST // 4, int(_STRIP_MEMORY / strip) - halo))
    # Doubles of a pixel: the tests with both their limits; fields as they are made, laid out and summed up, with four
    # of each date where its gaps are its own; what comes out.
    pixel = 8 * (6 * bands + 3 * (2 + bands * (5 + 4 * dates)) + 5 * bands * dates)
    width = min(_COLUMNS, max(_LEAST // 4, int(_PIECE_MEMORY / pixel) // (height + halo) - halo))
    return min(height, grid.rows), min(width, grid.cols)


def fuse_rows(
    group: Group,
    images: Sequence[Image],
    source: Source,
    statistics: PairStatistics,
    options: FusionOptions,
    write: Callable[[int, int, Fused], None],
    progress: Progress,
    row0: int = 0,
    rows: int | None = None,
) -> None:
    """Fuse rows row0 … row0+rows (all) of the grid and hand them to `write` piece by piece. Raises Cancelled."""
    grid, half = source.grid, options.window // 2
    rows = grid.rows - row0 if rows is None else rows
    height, width = piece_size(len(images[0].bands), len(images), grid, options)
    fine = [source.fine(pair.fine) for pair in group.pairs]
    coarse = [source.coarse(pair.coarse) for pair in group.pairs]
    wanted = []
    for image in images:
        progress.check()
        wanted.append(source.coarse(image))
    fuse = fuse_estarfm if options.method == ESTARFM and len(group.pairs) == 2 else fuse_starfm
    for start in range(0, rows, height):
        count = min(height, rows - start)
        first, last = max(0, row0 + start - half), min(grid.rows, row0 + start + count + half)

        def read(readers: Sequence[ImageReader], first: int = first, last: int = last) -> Array:
            out = np.empty((len(readers), len(images[0].bands), last - first, grid.cols))
            for values, reader in zip(out, readers):
                progress.check()
                values[:] = reader.read(first, last - first)
            return out

        stacks = read(fine), read(coarse), read(wanted)
        for col0 in range(0, grid.cols, width):
            across = min(width, grid.cols - col0)
            left, right = max(0, col0 - half), min(grid.cols, col0 + across + half)
            begin = (start + count * col0 / grid.cols) / rows
            step = progress.part(begin, begin + count * across / grid.cols / rows)
            one, other, now = (stack[..., left:right] for stack in stacks)
            part = Part(row0 + start - first, count, col0 - left, across)
            write(row0 + start, col0, fuse(one, other, now, options, statistics, part, step))


def _on_grid(images: Sequence[Image], grid: Grid) -> int:
    """Bands that are as large as the fused ones."""
    return sum(stack.grid.same_as(grid) for image in images for stack, _ in image.bands.values())
