"""The second pass: the product with its bounds, quality codes and figures, strip by strip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from ..raster.bounds import hold_bounds
from ..raster.periods import Period
from ..raster.stack import StackWriter
from ..raster.support import Array, RunningMean, Support
from .fields import Fields, cells_of
from .quality import CLIPPED, MODEL_ONLY, NODATA, OK, OUTSIDE_TRAINING
from .results import PeriodResult, Picture
from .store import Strip
from .trust import TrustLayers

_PICTURE = 700  # pixels along the longer side


@dataclass(frozen=True)
class Solved:
    """A period after the first pass, on the coarse grid: values to keep, which cells hold them, valid share, nodes."""

    wanted: Array
    covered: NDArray[np.bool_]
    share: Array
    fields: Fields


class ProductWriter:
    """Writes the bands of the product, and of the quality stack where there is one."""

    def __init__(
        self,
        out: StackWriter,
        flags: StackWriter | None,
        support: Support,
        held: bool,
        outside: bool,
        bounds: tuple[float, float],
        trust: TrustLayers,
    ) -> None:
        """held: coarse values are to be kept. outside: pixels without a coarse value stay."""
        self._out, self._flags, self._support, self._outside, self._bounds = out, flags, support, outside, bounds
        self._trust = trust
        self._exact = held and support.is_cell and support.ratio is not None
        self._row_of, self._col_of = cells_of(support.fine, support.coarse)
        # On geographic grids the rows of a cell differ in area.
        self._row_weight = np.asarray(support.row_weights.sum(axis=0)).ravel()
        self._thin = max(1, -(-max(support.fine.shape) // _PICTURE))

    def write(
        self, period: Period | None, band: int, solved: Solved, strips: Iterable[Strip], progress: Progress
    ) -> tuple[PeriodResult, Picture]:
        """Write one band from the strips of the model's field; its figures and its picture."""
        wanted, covered = solved.wanted, solved.covered
        check = RunningMean(self._support)
        has_value = np.append(np.isfinite(wanted).ravel(), False)
        to_hold = np.append(np.where(covered & self._exact, wanted, np.nan).ravel(), np.nan)
        parts: list[list[NDArray[Any]]] = [[], [], [], []]
        outside_area, widths = 0, np.zeros(2)
        pixels = gaps = model_only = clipped_pixels = 0
        moments = np.zeros(3)
        for strip in strips:
            progress.check()
            row0, rows = strip.row0, strip.rows
            cell = self._cells(row0, rows, wanted.shape)
            smooth, values = solved.fields.at(row0, rows, strip.field.astype(np.float64), cell if self._exact else None)
            supported = has_value[cell]
            if not self._outside:
                values = np.where(supported, values, np.nan)
            used = np.isfinite(values)
            clipped = np.zeros(values.shape, bool)
            if np.isfinite(self._bounds).any():
                values[used], clipped[used] = hold_bounds(
                    values[used], cell[used], to_hold, *self._bounds, self._weights(row0, rows)[used]
                )
            # Figures are of what the file holds.
            values = values.astype(np.float32).astype(np.float64)
            code = np.where(strip.unlike > 0, OUTSIDE_TRAINING, OK).astype(np.uint8)
            code[~supported], code[clipped], code[~used] = MODEL_ONLY, CLIPPED, NODATA
            self._out.write(band, values, row0)
            if self._flags is not None:
                self._flags.write(band, code, row0)
            index, width = self._trust.write(band, row0, values, supported, strip.trust, self._bounds)
            outside_area += int((used & (strip.unlike > 0)).sum())
            known = np.isfinite(width)
            widths += known.sum(), width[known].sum()
            check.add(values, row0)
            difference = (values - smooth)[used & np.isfinite(smooth)]
            moments += len(difference), difference.sum(), (difference**2).sum()
            pixels += int(used.sum())
            gaps += int((supported & ~used).sum())
            model_only += int((used & ~supported).sum())
            clipped_pixels += int(clipped.sum())
            first = -row0 % self._thin
            # Copies: a view would keep its whole strip in memory.
            layers: tuple[NDArray[Any], ...] = (values, code, index, width)
            for part, one in zip(parts, layers):
                part.append(one[first :: self._thin, :: self._thin].copy())
            progress.set((row0 + rows) / self._support.fine.rows)
        mean = check.result()[0]
        left = (mean - wanted)[covered & np.isfinite(mean)]
        number = max(1.0, moments[0])
        result = PeriodResult(
            period=period,
            pixels=pixels,
            gaps=gaps,
            model_only=model_only,
            clipped=clipped_pixels,
            conserved_cells=int(covered.sum()),
            uncovered_cells=int((np.isfinite(wanted) & ~covered & (solved.share > 0)).sum()),
            left_over=float(np.abs(left).max(initial=0.0)),
            left_over_rms=float(np.sqrt((left**2).mean())) if len(left) else 0.0,
            detail=float(np.sqrt(max(0.0, moments[2] / number - (moments[1] / number) ** 2))),
            coarse_deviation=float(np.nanstd(wanted)),
            fine_mean=float(np.nanmean(mean)) if np.isfinite(mean).any() else float("nan"),
            outside_area=outside_area if self._trust.facts.threshold is not None else 0,
            width=float(widths[1] / widths[0]) if widths[0] else float("nan"),
            interval_pixels=int(widths[0]),
            scale=self._trust.scale if self._trust.scales else float("nan"),
        )
        return result, Picture(period.label if period else "", wanted, *(np.vstack(part) for part in parts))

    def _cells(self, row0: int, rows: int, shape: tuple[int, ...]) -> NDArray[np.intp]:
        """Number of the coarse cell of every pixel of a strip, one beyond the last outside."""
        row, col = self._row_of[row0 : row0 + rows, None], self._col_of[None, :]
        return np.where((row >= 0) & (col >= 0), row * shape[1] + col, shape[0] * shape[1])

    def _weights(self, row0: int, rows: int) -> Array:
        return np.broadcast_to(self._row_weight[row0 : row0 + rows, None], (rows, self._support.fine.cols))
