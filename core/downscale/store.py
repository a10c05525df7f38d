"""Parts of a downscaling run: rows of a period after each pass, and what the coarse solution gave in between."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..raster.grid import Grid
from ..raster.parts import Arrays
from ..raster.periods import Period
from ..raster.support import Array
from ..raster.tiles import part_rows
from .fields import Fields

FIELD, DETAIL, PRODUCT, SOLVED = "field", "detail", "product", "solved"


@dataclass(frozen=True)
class Rows:
    """`rows` full rows of the fine grid from `row0` on, of the period with `number`; `kind` says after which step."""

    kind: str
    number: int
    period: Period | None
    row0: int
    rows: int
    cols: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number:05d}-{self.row0:08d}"

    @property
    def pixels(self) -> int:
        return self.rows * self.cols


def rows_of(kind: str, number: int, period: Period | None, grid: Grid, multiple: int) -> list[Rows]:
    """All rows, whole coarse cells together: their bounds and means can then be held at once."""
    return [
        Rows(kind, number, period, row0, rows, grid.cols) for row0, rows in part_rows(grid.rows, grid.cols, multiple)
    ]


@dataclass(frozen=True)
class Counts:
    """Pixels of the first pass. seen, outside (factors,): valid, and beyond the training range; unknown (maps,): of
    classes that training has not seen; valid: those with all factors."""

    seen: NDArray[np.int64]
    outside: NDArray[np.int64]
    unknown: NDArray[np.int64]
    valid: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.seen + other.seen,
            self.outside + other.outside,
            self.unknown + other.unknown,
            self.valid + other.valid,
        )

    @classmethod
    def none(cls, factors: int, maps: int) -> Counts:
        return cls(np.zeros(factors, np.int64), np.zeros(factors, np.int64), np.zeros(maps, np.int64), 0)

    @property
    def arrays(self) -> Arrays:
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: np.atleast_1d(np.asarray(value, np.int64)) for name, value in held.items()}

    @classmethod
    def of(cls, arrays: Arrays) -> Counts:
        return cls(arrays["seen"], arrays["outside"], arrays["unknown"], int(arrays["valid"][0]))


COUNTED = tuple(field.name for field in fields(Counts))


@dataclass(frozen=True)
class Solved:
    """A period after the first pass, on the coarse grid.

    wanted: values to keep. covered: which cells hold them. share: of valid pixels. fields: node values. scale: what the
    intervals are widened by on the way to the fine support. counts: of the first pass.
    """

    wanted: Array
    covered: NDArray[np.bool_]
    share: Array
    fields: Fields
    scale: float
    counts: Counts

    @property
    def arrays(self) -> Arrays:
        nodes = {f"nodes_{name}": values for name, values in self.fields.nodes.items() if values is not None}
        numbers = np.array([self.scale, self.fields.gain, self.fields.everywhere], np.float64)
        return {
            "wanted": self.wanted,
            "covered": self.covered,
            "share": self.share,
            "numbers": numbers,
            **nodes,
            **self.counts.arrays,
        }

    @classmethod
    def of(cls, arrays: Arrays, fine: Grid, coarse: Grid) -> Solved:
        wanted = arrays["wanted"]
        scale, gain, everywhere = (float(number) for number in arrays["numbers"])
        nodes: dict[str, Any] = {name[6:]: values for name, values in arrays.items() if name.startswith("nodes_")}
        field = Fields(fine, coarse, np.isfinite(wanted), bool(everywhere), gain=gain, **nodes)
        return cls(wanted, arrays["covered"], arrays["share"], field, scale, Counts.of(arrays))


@dataclass(frozen=True)
class SolvedPart:
    """Where `Solved` of the period with `number` is kept."""

    number: int
    pixels: int = 1

    @property
    def name(self) -> str:
        return f"{SOLVED}-{self.number:05d}"
