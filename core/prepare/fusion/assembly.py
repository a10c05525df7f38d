"""The last step: fused dates from all parts into the output, with the figures of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...raster.periods import Period
from ...raster.stack import Band, StackWriter
from ...raster.tiles import strips
from ...raster.work import Work
from ...statistics import correlation
from .bands import Image
from .finished import Finished
from .fused import GAP
from .images import ImageReader
from .kept import CONVERSION_MEAN, COUNTS, KEY, PAIRS, QUALITY_BAND, SIMILAR_MEAN, detail_bands
from .kernel import Array
from .options import FusionOptions
from .plan import Group, Plan, middle
from .statistics import Moments
from .streaming import Source

_BLOCK = 16  # fine pixels along the blocks of the comparison where the coarse layer is on the fine grid itself
_PICTURE = 500  # pixels along the longer side
_PICTURES = 3
LEAST_BLOCKS = 10  # below these a correlation says nothing


@dataclass(frozen=True)
class DateResult:
    """One fused date. Shares of all pixels: fallback for want of similar pixels, beyond_range where the fused value was
    beyond the valid range. Per band (in the plan's order) mean, and of blocks of the fused image against the coarse
    one: r (NaN of fewer than LEAST_BLOCKS) and mean difference. similar, conversion: means over fused pixels.
    """

    period: Period
    pairs: tuple[Period, ...]
    enclosed: bool
    kept: bool
    fused: float
    one_pair: float
    fallback: float
    beyond_range: float
    gaps: float
    mean: list[float]
    blocks: int
    r_coarse: list[float]
    bias_coarse: list[float]
    similar: list[float]
    conversion: list[float]


@dataclass(frozen=True)
class Picture:
    """Thinned maps of one band: coarse, fused, and the fine image nearest in time. quality: None where a date of an
    earlier run came without.
    """

    period: Period
    nearest: Period
    coarse: Array
    fused: Array
    fine: Array
    quality: NDArray[np.uint8] | None


def assemble(
    plan: Plan,
    source: Source,
    options: FusionOptions,
    finished: Finished,
    keys: Mapping[Period, str],
    old: set[Period],
    output: str | Path,
    quality: str | Path | None,
    details: str | Path | None,
    mapped: int,
    work: Work,
) -> tuple[list[DateResult], list[Picture]]:
    """Copy each date's bands into the outputs, in order of time. mapped: the band of the pictures. Raises Cancelled."""
    images, names = plan.wanted, plan.names
    progress = work.progress.part(0.9, 1.0)
    extra = detail_bands(names)
    tags = {"FUSION_METHOD": options.method}
    with ExitStack() as stack:

        def writer(path: str | Path, bands: list[Band], dtype: str = "float32", nodata: float = -9999.0) -> StackWriter:
            how = work.running.output_format, work.key, progress
            return stack.enter_context(StackWriter(path, source.grid, bands, tags, dtype, nodata, *how))

        out = writer(output, [Band(name, image.period, u) for image in images for name, u in zip(names, plan.units)])
        codes = more = None
        if quality:
            codes = writer(quality, [Band(QUALITY_BAND, image.period) for image in images], "uint8", GAP)
        if details:
            more = writer(details, [Band(name, image.period, "1") for image in images for name in extra])
        results, pictures = [], []
        shown = _shown(len(images))
        groups = {image.period: group for group in plan.groups for image in group.wanted}
        # Closed before the outputs are moved into place: one of them may be a source.
        with finished:
            for number, image in enumerate(images):
                progress.check()
                progress.set(number / len(images), f"Writing {image.period.label}")
                key = keys[image.period]
                copy = _Copy(plan, source, groups[image.period], image, image.period in old)
                if number in shown:
                    copy.take_picture(mapped)
                coded = finished.coded(key)
                for band, name in enumerate(names):
                    copy.tags.append(finished.tags(key, name))
                    _tag(out, number * len(names) + band + 1, copy.tags[-1])
                for row0, rows in strips(source.grid.rows, source.grid.cols, copy.block):
                    progress.check()
                    fused = np.stack([finished.read(key, name, row0, rows) for name in names])
                    code = finished.codes(key, row0, rows) if coded else None
                    for band, layer in enumerate(fused):
                        out.write(number * len(names) + band + 1, layer, row0)
                    if codes is not None and code is not None:
                        codes.write(number + 1, code, row0)
                    for k, name in enumerate(extra if more is not None else []):
                        assert more is not None
                        more.write(number * len(extra) + k + 1, finished.read(key, name, row0, rows), row0)
                    copy.add(row0, rows, fused, code)
                if codes is not None:
                    _tag(codes, number + 1, finished.tags(key, QUALITY_BAND))
                for k, name in enumerate(extra if more is not None else []):
                    assert more is not None
                    _tag(more, number * len(extra) + k + 1, finished.tags(key, name))
                _flush([(out, len(names)), (codes, 1), (more, len(extra))], number)
                results.append(copy.result())
                pictures += [copy.picture()] if number in shown else []
    return results, pictures


def _flush(writers: Sequence[tuple[StackWriter | None, int]], date: int) -> None:
    """Write out the bands of a date: in which order they come to lie in the file must not depend on chance."""
    for out, bands in writers:
        for band in range(bands if out is not None else 0):
            assert out is not None
            out.flush(date * bands + band + 1)


class _Copy:
    """Gathers the figures and the picture of one date while its strips go by."""

    def __init__(self, plan: Plan, source: Source, group: Group, image: Image, old: bool) -> None:
        self._source, self._group, self._image, self._old = source, group, image, old
        self._coarse = source.coarse(image)
        self.block = _block_size(image, source)
        self._thin = max(1, -(-max(source.grid.shape) // _PICTURE))
        self._near = min(plan.pairs, key=lambda pair: abs(middle(pair.period) - middle(image.period)))
        self._fine: ImageReader | None = None
        self._mapped = 0
        self._moments = [Moments() for _ in plan.names]
        self._blocks: list[tuple[Array, Array]] = []
        self._thinned: list[tuple[NDArray[Any] | None, ...]] = []
        self.tags: list[Mapping[str, str]] = []

    def take_picture(self, band: int) -> None:
        self._fine, self._mapped = self._source.fine(self._near.fine), band

    def add(self, row0: int, rows: int, fused: Array, code: NDArray[np.uint8] | None) -> None:
        coarse = self._coarse.read(row0, rows)
        both = np.isfinite(fused) & np.isfinite(coarse)
        self._blocks.append(
            tuple(_block_means(np.where(both, values, np.nan), self.block) for values in (fused, coarse))  # type: ignore
        )
        for one, values in zip(self._moments, fused):
            one.add(values)
        if self._fine is not None:
            first = -row0 % self._thin
            k = self._mapped
            near = self._fine.read(row0, rows)[k]
            # Copies: a view would keep its whole strip in memory.
            self._thinned.append(
                tuple(
                    None if each is None else each[first :: self._thin, :: self._thin].copy()
                    for each in (coarse[k], fused[k], near, code)
                )
            )

    def result(self) -> DateResult:
        fused, coarse = (np.concatenate([pair[k] for pair in self._blocks], axis=1) for k in (0, 1))
        counts = np.array([int(count) for count in self.tags[0][COUNTS].split()])
        shares = counts / counts.sum()
        r, bias, blocks = [], [], []
        for one, other in zip(fused, coarse):
            here = np.isfinite(one) & np.isfinite(other)
            blocks.append(int(here.sum()))
            r.append(correlation(one[here], other[here]) if blocks[-1] >= LEAST_BLOCKS else math.nan)
            bias.append(float((one - other)[here].mean()) if here.any() else math.nan)
        return DateResult(
            period=self._image.period,
            pairs=tuple(pair.period for pair in self._group.pairs),
            enclosed=self._group.encloses(self._image.period),
            kept=self._old,
            fused=float(shares[0]),
            one_pair=float(shares[1]),
            fallback=float(shares[2]),
            beyond_range=float(shares[3]),
            gaps=float(shares[4]),
            mean=[one.mean if one.count else math.nan for one in self._moments],
            blocks=min(blocks),
            r_coarse=r,
            bias_coarse=bias,
            similar=[float(tags.get(SIMILAR_MEAN, "nan")) for tags in self.tags],
            conversion=[float(tags.get(CONVERSION_MEAN, "nan")) for tags in self.tags],
        )

    def picture(self) -> Picture:
        columns = list(zip(*self._thinned))
        coarse, fused, fine = (np.vstack(parts) for parts in columns[:3])
        code = None if any(part is None for part in columns[3]) else np.vstack(columns[3])
        return Picture(self._image.period, self._near.period, coarse, fused, fine, code)


def _tag(out: StackWriter, number: int, metadata: Mapping[str, str]) -> None:
    out.tag(number, {k: metadata[k] for k in (KEY, COUNTS, PAIRS, SIMILAR_MEAN, CONVERSION_MEAN) if k in metadata})


def _block_size(image: Image, source: Source) -> int:
    """Fine pixels along the cells of the coarse layer, or along blocks where that is on the fine grid."""
    own = next(iter(image.bands.values()))[0].grid
    if own.same_as(source.grid):
        return min(_BLOCK, *source.grid.shape)
    sizes = [math.sqrt(math.prod(grid.ground_cell_size())) for grid in (own, source.grid)]
    return max(1, min(round(sizes[0] / sizes[1]), *source.grid.shape))


def _block_means(values: Array, size: int) -> Array:
    """(bands, row blocks x column blocks): means of blocks at least half of which are valid, else NaN."""
    bands, rows, cols = values.shape
    values = values[:, : rows - rows % size, : cols - cols % size]
    blocks = values.reshape(bands, values.shape[1] // size, size, values.shape[2] // size, size)
    count = np.isfinite(blocks).sum(axis=(2, 4))
    total = np.nansum(blocks, axis=(2, 4))
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=2 * count >= size * size)
    return means.reshape(bands, -1)


def _shown(number: int) -> set[int]:
    return {round(k * (number - 1) / max(1, _PICTURES - 1)) for k in range(_PICTURES)}
