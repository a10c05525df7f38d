"""The product, its factors and its patches, read where stations stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import CLASS_UNIT, TARGET
from ...raster.grid import Grid
from ...raster.periods import Period
from ...raster.stack import Stack
from ..layers import Product, as_moisture, find_products
from ..metrics import Floats

_TILE = 256
_MOST_OPEN = 100


@dataclass(frozen=True)
class Reading:
    """One period of the product: where its bands are, the product first, then the factors."""

    period: Period | None
    unit: str
    bands: tuple[tuple[Stack, int], ...]


class Inputs:
    """The product and its factors, open; all on one grid. Use as a context; `readings` is in order of time."""

    def __init__(
        self,
        product: Iterable[str | Path],
        factors: Iterable[str | Path] = (),
        band_name: str | None = None,
        wanted: Sequence[str] | None = None,
    ) -> None:
        """`wanted`: names of the factors to use, in order; all that can be used by default.

        Raises InputError where layers differ in grid, or factors lack a date of the product.
        """
        found = find_products(product, band_name)
        if len(found) != 1:
            names = ", ".join(one.name for one in found)
            raise InputError(f"Give the layers of one product: these are {names}.")
        self.product: Product = found[0]
        self.grid: Grid = self.product.layers[0].grid
        self.notes: list[str] = []
        with ExitStack() as files:
            opened: dict[str, Stack] = {}
            for layer in self.product.layers:
                if not layer.grid.same_as(self.grid):
                    raise InputError(
                        f"{Path(layer.path).name} is on another grid than {Path(self.product.layers[0].path).name}: "
                        "the layers of a product must share one."
                    )
                if layer.path not in opened:
                    opened[layer.path] = files.enter_context(Stack.open(layer.path))
                    if len(opened) > _MOST_OPEN:
                        opened[layer.path].open_on_demand()
            stacks = [files.enter_context(Stack.open(path)) for path in factors]
            where = self._factors(stacks, wanted)
            self.factors: tuple[str, ...] = tuple(where)
            self.readings = [
                Reading(
                    layer.period,
                    layer.unit,
                    (
                        (opened[layer.path], layer.index),
                        *((stack, self._band(stack, name, layer.period)) for name, stack in where.items()),
                    ),
                )
                for layer in self.product.layers
            ]
            self._files = files.pop_all()

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def using(self, names: Sequence[str]) -> Inputs:
        """The same files with fewer factors, closed with the first."""
        other = copy(self)
        kept = [0, *(1 + self.factors.index(name) for name in names)]
        other.factors = tuple(names)
        other.readings = [replace(one, bands=tuple(one.bands[k] for k in kept)) for one in self.readings]
        return other

    def values(self, reading: Reading, row0: int, rows: int, col0: int, cols: int) -> Floats:
        """(rows, cols, 1 + factors) of a window that may reach beyond the raster, NaN there; the product in m3/m3."""
        result = np.full((rows, cols, len(reading.bands)), np.nan)
        top, left = max(row0, 0), max(col0, 0)
        bottom, right = min(row0 + rows, self.grid.rows), min(col0 + cols, self.grid.cols)
        if bottom <= top or right <= left:
            return result
        for k, (stack, index) in enumerate(reading.bands):
            part = stack.read(index, top, bottom - top, left, right - left)
            if k == 0:
                part, notes = as_moisture(part, reading.unit, self.product.name)
                self.notes.extend(note for note in notes if note not in self.notes)
            result[top - row0 : bottom - row0, left - col0 : right - col0, k] = part
        return result

    def patches(
        self,
        row: NDArray[np.intp],
        col: NDArray[np.intp],
        reading: NDArray[np.intp],
        half: int,
        progress: Progress,
    ) -> NDArray[np.float32]:
        """(n, side, side, 1 + factors) around pixels of readings; side is 2 half + 1. Read tile by tile."""
        side = 2 * half + 1
        result = np.full((len(row), side, side, 1 + len(self.factors)), np.nan, np.float32)
        tile = (reading, row // _TILE, col // _TILE)
        order = np.lexsort(tile[::-1])
        changes = np.any([np.diff(one[order]) != 0 for one in tile], axis=0)
        groups = np.split(order, np.flatnonzero(changes) + 1) if len(order) else []
        for done, group in enumerate(groups):
            progress.check()
            progress.set(done / len(groups), "Reading surroundings of stations")
            r, c = row[group], col[group]
            row0, col0 = int(r.min()) - half, int(c.min()) - half
            values = self.values(
                self.readings[int(reading[group[0]])], row0, int(np.ptp(r)) + side, col0, int(np.ptp(c)) + side
            )
            for k, i, j in zip(group, r - half - row0, c - half - col0):
                result[k] = values[i : i + side, j : j + side]
        return result

    def _factors(self, stacks: Sequence[Stack], wanted: Sequence[str] | None) -> dict[str, Stack]:
        where: dict[str, Stack] = {}
        for stack in stacks:
            if not stack.grid.same_as(self.grid):
                raise InputError(
                    f"The factors in {stack.name} are not on the grid of the product ({self.grid.cell_label} cells): "
                    "give the FINE stack that the product was made from, or bring them to its grid with "
                    "'Resample to a common grid'."
                )
            for band in stack.bands:
                if band.unit == CLASS_UNIT:
                    note = f"{band.name} in {stack.name} holds classes, which are no amounts: left out."
                    self.notes.extend([] if note in self.notes else [note])
                elif band.role != TARGET and band.name not in where:
                    where[band.name] = stack
        if wanted is None:
            return where
        absent = [name for name in wanted if name not in where]
        if absent:
            raise InputError(f"The calibration needs the factors {', '.join(absent)}: give the stack that holds them.")
        return {name: where[name] for name in wanted}

    def _band(self, stack: Stack, name: str, period: Period | None) -> int:
        if not stack.has(name, period):
            if period is None:
                raise InputError(
                    f"The factor {name} in {stack.name} has dates but {self.product.name} has none: write its date "
                    "into the layer's name (such as _2021-08)."
                )
            raise InputError(
                f"The factor {name} in {stack.name} has no band for {period.label}, a date of the product: give "
                "factors for all dates of the product, or none."
            )
        return stack.index(name, period)
