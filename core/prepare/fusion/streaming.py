"""Fuses the dates of one group strip by strip into a stack, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...progress import Progress
from ...raster.grid import Grid
from ...raster.stack import Band, StackWriter
from ...raster.tiles import PIXELS, strips
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

QUALITY_BAND, SIMILAR_BAND = "fusion_quality", "similar_pixels"
CONVERSION, SHARE = "_conversion", "_first_pair"
_COLUMNS = 1024  # of the pieces that are computed at once
_MEMORY = 192e6  # bytes that the wanted dates of one pass may take
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

    As many as memory holds, and as many as GDAL's cache holds rows of blocks of: else it would read and write blocks
    again and again.
    """
    halo, bands = options.window - 1, len(names)
    height = min(grid.rows, max(1, PIXELS // grid.cols))
    width = min(grid.cols, _COLUMNS)
    each = 8 * bands * ((height + halo) * grid.cols + 9 * (height + halo) * (width + halo))
    blocks = _BLOCK_CACHE // (4 * _BLOCK * grid.cols) - 4 * bands
    written = bands + 1 + (1 + 2 * bands if details else 0)
    number = max(1, min(int(_MEMORY / each), blocks // (bands + written)))
    return [group.wanted[start : start + number] for start in range(0, len(group.wanted), number)]


def part_bands(images: Sequence[Image], names: Sequence[str], units: Sequence[str], details: bool) -> list[Band]:
    """What a part holds: per date the fused bands, the quality and, if asked for, the details."""
    bands = []
    for image in images:
        bands += [Band(name, image.period, unit) for name, unit in zip(names, units)]
        bands.append(Band(QUALITY_BAND, image.period, "", "quality"))
        if details:
            bands.append(Band(SIMILAR_BAND, image.period, "1", "detail"))
            bands += [Band(name + kind, image.period, "1", "detail") for name in names for kind in (CONVERSION, SHARE)]
    return bands


def fuse_part(
    path: Path,
    group: Group,
    images: Sequence[Image],
    bands: Sequence[Band],
    source: Source,
    statistics: PairStatistics,
    options: FusionOptions,
    tags: Sequence[Mapping[str, str]],
    progress: Progress,
) -> None:
    """Write the part of some dates. tags: for each date, on its bands. Raises Cancelled."""
    per_date = len(bands) // len(images)
    names = list(images[0].bands)
    totals = np.zeros((len(images), len(names), 3))
    with StackWriter(path, source.grid, bands) as out:

        def write(row0: int, col0: int, fused: Fused) -> None:
            for date in range(len(images)):
                progress.check()
                first = date * per_date + 1
                layers = [*fused.values[date], fused.quality[date].astype(np.float32)]
                if per_date > len(names) + 1:
                    layers.append(fused.similar[date].min(axis=0))
                    for band in range(len(names)):
                        layers += [fused.conversion[band], fused.share[date, band]]
                for number, values in enumerate(layers, first):
                    out.write(number, values, row0, col0)
                seen = fused.quality[date] == 0
                for band in range(len(names)):
                    totals[date, band] += (
                        seen.sum(),
                        fused.similar[date, band][seen].sum(),
                        fused.conversion[band][seen].sum(),
                    )

        fuse_rows(group, images, source, statistics, options, write, progress)
        for date, own in enumerate(tags):
            for band in range(per_date):
                number = date * per_date + band + 1
                out.tag(number, own)
                if band < len(names) and totals[date, band, 0]:
                    count, similar, conversion = totals[date, band]
                    means = {"SIMILAR_MEAN": similar / count, "CONVERSION_MEAN": conversion / count}
                    out.tag(number, {name: f"{value:.6g}" for name, value in means.items()})


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
    fine = [source.fine(pair.fine) for pair in group.pairs]
    coarse = [source.coarse(pair.coarse) for pair in group.pairs]
    wanted = [source.coarse(image) for image in images]
    fuse = fuse_estarfm if options.method == ESTARFM and len(group.pairs) == 2 else fuse_starfm
    for start, height in strips(rows, grid.cols):
        first, last = max(0, row0 + start - half), min(grid.rows, row0 + start + height + half)

        def read(readers: Sequence[ImageReader], first: int = first, last: int = last) -> Array:
            out = np.empty((len(readers), len(images[0].bands), last - first, grid.cols))
            for values, reader in zip(out, readers):
                progress.check()
                values[:] = reader.read(first, last - first)
            return out

        stacks = read(fine), read(coarse), read(wanted)
        for col0 in range(0, grid.cols, _COLUMNS):
            width = min(_COLUMNS, grid.cols - col0)
            left, right = max(0, col0 - half), min(grid.cols, col0 + width + half)
            begin = (start + height * col0 / grid.cols) / rows
            step = progress.part(begin, begin + height * width / grid.cols / rows)
            one, other, now = (stack[..., left:right] for stack in stacks)
            part = Part(row0 + start - first, height, col0 - left, width)
            write(row0 + start, col0, fuse(one, other, now, options, statistics, part, step))
