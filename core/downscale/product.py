"""The second pass: the product with its bounds, quality codes and layers, part by part; and its figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..raster.bounds import hold_bounds
from ..raster.parts import Arrays, kept_part, part_path
from ..raster.periods import Period
from ..raster.support import Array, RunningMean, Support
from ..raster.threads import check_cancelled
from ..raster.tiles import strips
from .fields import Fields, cells_of
from .quality import CLIPPED, MODEL_ONLY, NODATA, OK, OUTSIDE_TRAINING
from .results import PeriodResult, Picture
from .store import DETAIL, FIELD, Rows, Solved
from .trust import DISSIMILARITY, INTERVAL, Layers

VALUES, CODES = "values", "codes"
_PICTURE = 700  # pixels along the longer side
_AT_ONCE = 2**17  # pixels of a part that are worked on at once


@dataclass(frozen=True)
class Finishing:
    """What all parts of a period share. folder, key: where the first pass has left its parts.

    ratio: fine rows of a coarse cell that stay together. held: coarse values are to be kept, by `covered` cells.
    outside: pixels without a coarse value stay. row_weight (fine rows,): on geographic grids the rows of a cell differ
    in area. scale: of the intervals.
    """

    folder: str
    key: str
    ratio: int
    fields: Fields
    wanted: Array
    covered: NDArray[np.bool_]
    row_weight: Array
    exact: bool
    outside: bool
    bounds: tuple[float, float]
    layers: Layers
    scale: float


def product_part(common: Finishing, part: Rows) -> Arrays:
    """Values and quality codes (rows, cols), the layers, and sums for the figures."""
    field = _field(common, part, ("field", "unlike", "trust"))
    done = [_finish(common, part, field, row0, rows) for row0, rows in _blocks(common, part)]
    sums = {name: np.sum([one.pop(name) for one in done], axis=0) for name in ("pixels", "moments")}
    return {name: np.concatenate([one[name] for one in done]) for name in done[0]} | sums


def detail_part(common: Finishing, part: Rows) -> Arrays:
    """Number of pixels with a detail, and the sum of its squares."""
    field = _field(common, part, ("field",))["field"]
    total, count = 0.0, 0
    for row0, rows in _blocks(common, part):
        check_cancelled()
        smooth, product = common.fields.at(part.row0 + row0, rows, field[row0 : row0 + rows].astype(np.float64), None)
        detail = (product - smooth) / common.fields.gain
        known = np.isfinite(detail)
        total, count = total + float((detail[known] ** 2).sum()), count + int(known.sum())
    return {"detail": np.array([count, total])}


def part_bytes(part: Rows, ratio: int, layers: int) -> int:
    """What finishing a part takes."""
    return min(part.pixels, max(_AT_ONCE, ratio * part.cols)) * (160 + 48 * layers) + part.pixels * (16 + 12 * layers)


class Figures:
    """The figures and the picture of a period, gathered from its parts in order."""

    def __init__(self, period: Period | None, solved: Solved, support: Support, layers: Layers) -> None:
        self._period, self._solved, self._support, self._layers = period, solved, support, layers
        self._thin = max(1, -(-max(support.fine.shape) // _PICTURE))
        self._check = RunningMean(support)
        self._pixels, self._moments = np.zeros(6, np.int64), np.zeros(4)
        self._picture: dict[str, list[NDArray[Any]]] = {}

    @property
    def names(self) -> list[str]:
        """The arrays of a part that are looked at."""
        shown = [DISSIMILARITY] * self._layers.index + [INTERVAL[-1]] * self._layers.interval
        return [VALUES, CODES, *shown, "pixels", "moments"]

    def add(self, part: Rows, arrays: Arrays) -> None:
        self._check.add(arrays[VALUES].astype(np.float64), part.row0)
        self._pixels += arrays["pixels"]
        self._moments += arrays["moments"]
        first = -part.row0 % self._thin
        for name in self.names[:-2]:
            # Copies: a view would keep its whole part in memory.
            self._picture.setdefault(name, []).append(arrays[name][first :: self._thin, :: self._thin].copy())

    def result(self) -> PeriodResult:
        wanted, covered = self._solved.wanted, self._solved.covered
        pixels, gaps, model_only, clipped, outside_area, with_interval = (int(count) for count in self._pixels)
        known, total, squares, widths = (float(one) for one in self._moments)
        mean = self._check.result()[0]
        left = (mean - wanted)[covered & np.isfinite(mean)]
        number = max(1.0, known)
        return PeriodResult(
            period=self._period,
            pixels=pixels,
            gaps=gaps,
            model_only=model_only,
            clipped=clipped,
            conserved_cells=int(covered.sum()),
            uncovered_cells=int((np.isfinite(wanted) & ~covered & (self._solved.share > 0)).sum()),
            left_over=float(np.abs(left).max(initial=0.0)),
            left_over_rms=float(np.sqrt((left**2).mean())) if len(left) else 0.0,
            detail=float(np.sqrt(max(0.0, squares / number - (total / number) ** 2))),
            coarse_deviation=float(np.nanstd(wanted)),
            fine_mean=float(np.nanmean(mean)) if np.isfinite(mean).any() else float("nan"),
            outside_area=outside_area if self._layers.index else 0,
            width=widths / with_interval if with_interval else float("nan"),
            interval_pixels=with_interval,
            scale=self._solved.scale,
        )

    def picture(self) -> Picture:
        layers = {name: np.vstack(parts) for name, parts in self._picture.items()}
        nothing = np.full(layers[VALUES].shape, np.nan)
        index, width = (layers.get(name, nothing).astype(np.float64) for name in (DISSIMILARITY, INTERVAL[-1]))
        label = self._period.label if self._period else ""
        return Picture(label, self._solved.wanted, layers[VALUES].astype(np.float64), layers[CODES], index, width)


def _finish(common: Finishing, part: Rows, field: Arrays, row0: int, rows: int) -> Arrays:
    check_cancelled()
    here, start = slice(row0, row0 + rows), part.row0 + row0
    unlike = field["unlike"][here] > 0
    cell = _cells(common.fields, start, rows)
    detail = field["field"][here].astype(np.float64)
    smooth, values = common.fields.at(start, rows, detail, cell if common.exact else None)
    supported = np.append(np.isfinite(common.wanted).ravel(), False)[cell]
    if not common.outside:
        values = np.where(supported, values, np.nan)
    used = np.isfinite(values)
    clipped = np.zeros(values.shape, bool)
    if np.isfinite(common.bounds).any():
        to_hold = np.append(np.where(common.covered & common.exact, common.wanted, np.nan).ravel(), np.nan)
        weight = np.broadcast_to(common.row_weight[start : start + rows, None], values.shape)
        values[used], clipped[used] = hold_bounds(values[used], cell[used], to_hold, *common.bounds, weight[used])
    # Figures are of what the file holds.
    stored = values.astype(np.float32)
    values = stored.astype(np.float64)
    codes = np.where(unlike, OUTSIDE_TRAINING, OK).astype(np.uint8)
    codes[~supported], codes[clipped], codes[~used] = MODEL_ONLY, CLIPPED, NODATA
    layers = common.layers.around(values, supported, field["trust"][:, here], common.scale)
    width = layers.get(INTERVAL[-1], np.zeros(0))
    width = width[np.isfinite(width)].astype(np.float64)
    difference = (values - smooth)[used & np.isfinite(smooth)]
    counts = used, supported & ~used, used & ~supported, clipped, used & unlike
    return {
        VALUES: stored,
        CODES: codes,
        **layers,
        "pixels": np.array([*(int(one.sum()) for one in counts), len(width)], np.int64),
        "moments": np.array([len(difference), difference.sum(), (difference**2).sum(), width.sum()]),
    }


def _field(common: Finishing, part: Rows, only: tuple[str, ...]) -> Arrays:
    return kept_part(part_path(common.folder, replace(part, kind=FIELD)), common.key, only)


def _cells(fields: Fields, row0: int, rows: int) -> NDArray[np.intp]:
    """Number of the coarse cell of every pixel of some rows, one beyond the last outside."""
    row_of, col_of = cells_of(fields.fine, fields.coarse)
    row, col = row_of[row0 : row0 + rows, None], col_of[None, :]
    return np.where((row >= 0) & (col >= 0), row * fields.coarse.cols + col, fields.coarse.rows * fields.coarse.cols)


def _blocks(common: Finishing, part: Rows) -> Iterator[tuple[int, int]]:
    return strips(part.rows, part.cols, common.ratio, _AT_ONCE)


__all__ = ["CODES", "DETAIL", "VALUES", "Figures", "Finishing", "detail_part", "part_bytes", "product_part"]
