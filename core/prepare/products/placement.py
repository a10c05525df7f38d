"""Reading arrays in the orientation of a north-up grid, whatever order the file keeps its cells in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol

import numpy as np
from numpy.typing import NDArray

from ...raster.grid import Grid
from .arrays import ArrayInfo, BadFile
from .container import Container

Values = tuple[NDArray[Any], Optional[NDArray[np.bool_]]]
NOWHERE = -1


class Placement(Protocol):
    """Where an array's cells lie."""

    @property
    def grid(self) -> Grid:
        """North-up, of all cells."""
        ...

    @property
    def duplicates(self) -> int:
        """Values left out because an earlier one of the file lies in the same cell."""
        ...

    def read(
        self, container: Container, array: str, index: Mapping[str, int], row0: int, rows: int, col0: int, cols: int
    ) -> Values:
        """Stored values of a window of `grid`, (rows, cols), and where there are any (None: everywhere).

        index: the position in dimensions that are not space; those of size 1 may be left out. Raises BadFile where
        `array` does not lie on this grid.
        """
        ...


@dataclass(frozen=True)
class AxesPlacement:
    """A grid whose rows and columns are those of the file in another order.

    row_source, col_source: for each row and column of `grid` the file's, NOWHERE where the file has none. dims: names
    of the file's row and column dimension; y_axis < x_axis in `like`, or the other way round.
    """

    grid: Grid
    row_source: NDArray[np.intp]
    col_source: NDArray[np.intp]
    like: ArrayInfo
    y_axis: int
    x_axis: int
    duplicates: int = 0
    _axes: dict[str, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)

    def read(
        self, container: Container, array: str, index: Mapping[str, int], row0: int, rows: int, col0: int, cols: int
    ) -> Values:
        info = container.arrays[array]
        y_axis, x_axis = self._axes_of(container, info)
        start, count = other_dimensions(container, info, index, (y_axis, x_axis))

        def block(top: int, height: int, left: int, width: int) -> NDArray[Any]:
            start[y_axis], count[y_axis], start[x_axis], count[x_axis] = top, height, left, width
            values = container.read(array, start, count)
            plane = values.reshape([n for axis, n in enumerate(values.shape) if axis in (y_axis, x_axis)])
            return plane if y_axis < x_axis else plane.T

        down = _runs(self.row_source[row0 : row0 + rows])
        across = _runs(self.col_source[col0 : col0 + cols])
        if len(down) == len(across) == 1 and down[0].size == rows and across[0].size == cols:
            return _oriented(block, down[0], across[0]), None
        values = np.zeros((rows, cols), info.dtype)
        present = np.zeros((rows, cols), bool)
        for vertical in down:
            for horizontal in across:
                window = vertical.place, horizontal.place
                values[window] = _oriented(block, vertical, horizontal)
                present[window] = True
        return values, None if present.all() else present

    def _axes_of(self, container: Container, info: ArrayInfo) -> tuple[int, int]:
        if info.path == self.like.path:
            return self.y_axis, self.x_axis
        if info.path not in self._axes:
            self._axes[info.path] = self._find_axes(container, info)
        return self._axes[info.path]

    def _find_axes(self, container: Container, info: ArrayInfo) -> tuple[int, int]:
        like, wanted = self.like, (self.y_axis, self.x_axis)
        names = tuple(like.dims[axis] for axis in wanted)
        sizes = tuple(like.shape[axis] for axis in wanted)
        pairs = [
            (y, x)
            for y in range(len(info.shape))
            for x in range(len(info.shape))
            if x != y and (info.shape[y], info.shape[x]) == sizes
        ]
        named = [(y, x) for y, x in pairs if (info.dims[y], info.dims[x]) == names]
        # Without names (plain HDF5), dimensions next to each other in the same order.
        alike = [pair for pair in pairs if pair[0] - pair[1] == wanted[0] - wanted[1]]
        for found in (named, alike, pairs):
            if found:
                return found[-1]
        raise BadFile(
            container.path,
            f"{info.path} ({_shape(info)}) does not lie on the grid of {like.path} ({_shape(like)}).",
        )


@dataclass(frozen=True)
class CellsPlacement:
    """Values listed one by one, each with its cell. cells: flat indices in `grid`, ascending; sources: flat indices in
    the file's arrays of `shape`."""

    grid: Grid
    cells: NDArray[np.int64]
    sources: NDArray[np.int64]
    shape: tuple[int, ...]
    duplicates: int = 0

    def read(
        self, container: Container, array: str, index: Mapping[str, int], row0: int, rows: int, col0: int, cols: int
    ) -> Values:
        info = container.arrays[array]
        axes = self.axes_of(container, info)
        start, count = other_dimensions(container, info, index, axes)
        values = np.zeros((rows, cols), info.dtype)
        present = np.zeros((rows, cols), bool)
        first, last = np.searchsorted(self.cells, [row0 * self.grid.cols, (row0 + rows) * self.grid.cols])
        row, col = np.divmod(self.cells[first:last], self.grid.cols)
        inside = (col >= col0) & (col < col0 + cols)
        sources = self.sources[first:last][inside]
        if sources.size == 0:
            return values, present
        # Windows keep rows together: read only the file's rows that are needed.
        per_row = int(np.prod(self.shape[1:], dtype=np.int64))
        top, bottom = int(sources.min()) // per_row, int(sources.max()) // per_row + 1
        for axis, size in zip(axes, self.shape):
            start[axis], count[axis] = 0, size
        start[axes[0]], count[axes[0]] = top, bottom - top
        listed = container.read(array, start, count).reshape(-1)
        place = row[inside] - row0, col[inside] - col0
        values[place] = listed[sources - top * per_row]
        present[place] = True
        return values, present

    def axes_of(self, container: Container, info: ArrayInfo) -> tuple[int, ...]:
        """Which dimensions of an array list the cells. Raises BadFile where none do."""
        length = len(self.shape)
        for first in range(len(info.shape) - length + 1):
            if info.shape[first : first + length] == self.shape:
                return tuple(range(first, first + length))
        raise BadFile(
            container.path,
            f"{info.path} ({_shape(info)}) does not have the shape of the cell indices "
            f"({' x '.join(str(n) for n in self.shape)}).",
        )


def other_dimensions(
    container: Container, info: ArrayInfo, index: Mapping[str, int], spatial: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """Start and count for one plane: `index` where it names a dimension, the only position where there is one."""
    start, count = [0] * len(info.shape), [1] * len(info.shape)
    for axis, (name, size) in enumerate(zip(info.dims, info.shape)):
        if axis in spatial:
            continue
        if name in index:
            start[axis] = int(index[name])
            if not 0 <= start[axis] < size:
                raise BadFile(container.path, f"{info.path} has {size} positions along {name}, not {start[axis] + 1}.")
        elif size != 1:
            raise BadFile(
                container.path,
                f"{info.path} has {size} positions along its dimension {name}; say in the recipe which one to take.",
            )
    return start, count


@dataclass(frozen=True)
class _Run:
    """Neighbours in the grid that are neighbours in the file."""

    place: slice
    source: int
    size: int
    backwards: bool


def _runs(source: NDArray[np.intp]) -> list[_Run]:
    runs = []
    begin = 0
    while begin < source.size:
        if source[begin] == NOWHERE:
            held = np.flatnonzero(source[begin:] != NOWHERE)
            begin = source.size if held.size == 0 else begin + int(held[0])
            continue
        steps = np.diff(source[begin:])
        step = int(steps[0]) if steps.size and abs(int(steps[0])) == 1 else 1
        # A step of -1 onto NOWHERE is the end of the file's cells, not a cell.
        broken = np.flatnonzero((steps != step) | (source[begin + 1 :] == NOWHERE))
        size = int(broken[0]) + 1 if broken.size else source.size - begin
        lowest = int(min(source[begin], source[begin + size - 1]))
        runs.append(_Run(slice(begin, begin + size), lowest, size, step < 0 and size > 1))
        begin += size
    return runs


def _oriented(block: Any, down: _Run, across: _Run) -> NDArray[Any]:
    values = block(down.source, down.size, across.source, across.size)
    return values[:: -1 if down.backwards else 1, :: -1 if across.backwards else 1]


def _shape(info: ArrayInfo) -> str:
    return " x ".join(str(n) for n in info.shape) or "one value"
