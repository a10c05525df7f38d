"""Reads the pieces of a band in physical units, without the pixels that fill values and quality rules take out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...raster.grid import Grid
from ...raster.tiles import strips
from .container import BadFile, Container
from .decode import decode
from .georeference import Placement, place
from .granules import Granule, OpenGranule
from .planning import Piece, PlannedBand
from .quality import kept
from .recipe import MEAN, REFUSE, QualityRule
from .times import Step

Array = NDArray[np.float32]
Window = tuple[int, int, int, int]  # first row, rows, first column, columns
_PIXELS = 2**22  # whole planes of most products: their chunks are then decompressed once


@dataclass
class Removed:
    """Pixels of one variable by what took them out; `rules` in the order they were applied."""

    pixels: int = 0
    empty: int = 0
    valid: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Block:
    """Values of one band in a window of the output grid."""

    band: int
    row0: int
    col0: int
    values: Array


def blocks(
    bands: Sequence[tuple[int, PlannedBand]], grid: Grid, strictness: str, merge: str, counts: Mapping[str, Removed]
) -> Iterator[Block]:
    """All windows of bands that come from the same granules; `counts` is added to, by variable.

    Bands are the inner loop: a chunk of a file may span many time steps.
    """
    reader = _Reader(strictness, counts)
    try:
        for parts in _windows(bands, merge):
            for row0, rows, col0, cols in _strips(parts, grid):
                for number, band in bands:
                    pieces = [piece for piece in band.pieces if id(piece.granule) in parts.granules]
                    found = [reader.read(piece, row0, rows, col0, cols) for piece in pieces]
                    if found:
                        yield Block(number, row0, col0, found[0] if len(found) == 1 else _merged(found, merge))
    finally:
        reader.close()


@dataclass(frozen=True)
class _Window:
    """A part of the output grid (unclipped) and the granules read there together."""

    granules: frozenset[int]
    row0: int
    col0: int
    rows: int
    cols: int
    chunk_rows: int = 1  # rows that the file stores together


def _windows(bands: Sequence[tuple[int, PlannedBand]], merge: str) -> list[_Window]:
    pieces = list({(id(p.granule), p.row0, p.col0, p.grid.rows, p.grid.cols) for _, b in bands for p in b.pieces})
    if merge == REFUSE:
        windows: dict[tuple[int, int, int, int], set[int]] = {}
        for granule, *where in sorted(pieces, key=lambda one: one[1:]):
            windows.setdefault(tuple(where), set()).add(granule)  # type: ignore[arg-type]
        chunk = bands[0][1].pieces[0].info.chunk
        chunk_rows = max(1, chunk[-2]) if chunk and len(chunk) > 1 else 1
        return [
            _Window(frozenset(group), *where, chunk_rows if chunk_rows * where[3] <= _PIXELS else 1)
            for where, group in windows.items()
        ]
    row0, col0 = min(one[1] for one in pieces), min(one[2] for one in pieces)
    rows, cols = max(one[1] + one[3] for one in pieces) - row0, max(one[2] + one[4] for one in pieces) - col0
    return [_Window(frozenset(one[0] for one in pieces), row0, col0, rows, cols)]


def _strips(window: _Window, grid: Grid) -> Iterator[tuple[int, int, int, int]]:
    row0, col0 = max(0, window.row0), max(0, window.col0)
    row1 = min(grid.rows, window.row0 + window.rows)
    col1 = min(grid.cols, window.col0 + window.cols)
    for start, rows in strips(row1 - row0, col1 - col0, window.chunk_rows, _PIXELS):
        yield row0 + start, rows, col0, col1 - col0


def _merged(found: Sequence[Array], merge: str) -> Array:
    if merge == MEAN:
        valid = np.isfinite(found[0]).astype(np.float32)
        total = np.nan_to_num(found[0])
        for values in found[1:]:
            finite = np.isfinite(values)
            valid += finite
            total += np.where(finite, values, np.float32(0))
        return np.divide(total, valid, out=np.full_like(total, np.nan), where=valid > 0)
    values = found[0]
    for other in found[1:]:
        values = np.where(np.isfinite(values), values, other)
    return values


class _Reader:
    """Keeps the granules of a group open, and the places of their quality arrays."""

    def __init__(self, strictness: str, counts: Mapping[str, Removed]) -> None:
        self._strictness, self._counts = strictness, counts
        self._open: dict[int, OpenGranule] = {}
        self._placed: dict[tuple[str, str], Placement] = {}

    def read(self, piece: Piece, row0: int, rows: int, col0: int, cols: int) -> Array:
        """The window of the output grid in physical units; NaN outside the piece and where nothing good is."""
        top, left = max(row0, piece.row0), max(col0, piece.col0)
        height = min(row0 + rows, piece.row0 + piece.grid.rows) - top
        width = min(col0 + cols, piece.col0 + piece.grid.cols) - left
        if height <= 0 or width <= 0:
            return np.full((rows, cols), np.nan, np.float32)
        window = (top - piece.row0, height, left - piece.col0, width)
        try:
            values = self._values(piece, window)
        except RuntimeError as error:
            raise BadFile(piece.granule.first, f"it cannot be read ({str(error).splitlines()[0]})") from error
        if (height, width) == (rows, cols):
            return values
        whole = np.full((rows, cols), np.nan, np.float32)
        whole[top - row0 : top - row0 + height, left - col0 : left - col0 + width] = values
        return whole

    def close(self) -> None:
        for granule in self._open.values():
            granule.close()

    def _values(self, piece: Piece, window: Window) -> Array:
        if piece.step.cut:
            return np.full((window[1], window[3]), np.nan, np.float32)
        values = self._step(piece, piece.step, window, counted=True)
        before = piece.step.minus
        return values if before is None else values - self._step(piece, before, window, counted=False)

    def _step(self, piece: Piece, step: Step, window: Window, counted: bool) -> Array:
        """Values of one time step; pixels are counted unless they only serve to be subtracted."""
        opened = self._granule(piece.granule)
        found = opened.find(piece.variable.array)
        assert found is not None
        container, array = found
        raw, present = piece.placement.read(container, array, step.index, *window)
        values = decode(raw, piece.info, piece.variable, container.path)
        for index in step.others:
            other, _ = piece.placement.read(container, array, index, *window)
            values = np.where(np.isfinite(values), values, decode(other, piece.info, piece.variable, container.path))
        if present is not None:
            values[~present] = np.nan
        count = self._counts[piece.variable.name] if counted else Removed()
        pixels = values.size if present is None else int(present.sum())
        left = int(np.isfinite(values).sum())
        count.pixels += pixels
        count.empty += pixels - left
        for rule in piece.variable.quality:
            good = self._good(opened, rule, piece, step, window, count)
            if good is None:
                continue
            values[~good] = np.nan
            now = int(np.isfinite(values).sum())
            count.rules[rule.name] = count.rules.get(rule.name, 0) + left - now
            left = now
        count.valid += left
        return values

    def _good(
        self, opened: OpenGranule, rule: QualityRule, piece: Piece, step: Step, window: Window, count: Removed
    ) -> NDArray[np.bool_] | None:
        """Which pixels of the window `rule` lets through; None where it does not look or cannot."""
        if self._strictness not in rule.keep:
            return None
        found = opened.find(rule.array)
        if found is None:
            count.absent.add(rule.name)
            return None
        container, array = found
        info = container.arrays[array]
        key = (container.path, array)
        if key not in self._placed:
            self._placed[key] = place(container, array, opened.granule.recipe.grid)
        placement = self._placed[key]
        index = {name: number for name, number in step.index.items() if name in info.dims}
        if placement.grid.same_as(piece.grid):
            raw, _ = placement.read(container, array, index, *window)
        else:
            raw = _nearest(placement, container, array, index, piece.grid, window)
        return kept(rule, self._strictness, raw, info)

    def _granule(self, granule: Granule) -> OpenGranule:
        if id(granule) not in self._open:
            self._open[id(granule)] = OpenGranule(granule)
        return self._open[id(granule)]


def _nearest(
    placement: Placement, container: Container, array: str, index: Mapping[str, int], grid: Grid, window: Window
) -> NDArray[np.generic]:
    """A coarser quality layer (1 km flags of 500 m reflectances) at the pixels of `grid`."""
    row0, rows, col0, cols = window
    own = placement.grid
    row = np.floor((own.transform[3] - grid.y_centres()[row0 : row0 + rows]) / own.cell_height).astype(int)
    col = np.floor((grid.x_centres()[col0 : col0 + cols] - own.transform[0]) / own.cell_width).astype(int)
    row, col = np.clip(row, 0, own.rows - 1), np.clip(col, 0, own.cols - 1)
    raw, _ = placement.read(
        container, array, index, int(row[0]), int(row[-1] - row[0]) + 1, int(col[0]), int(col[-1] - col[0]) + 1
    )
    return raw[np.ix_(row - row[0], col - col[0])]
