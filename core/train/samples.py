"""The table a model is trained on: one row per coarse cell and period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.form import Form
from ..raster.grid import Grid
from ..raster.periods import Period
from ..raster.stack import Stack

Array = NDArray[np.float64]
SHARE = "share"


@dataclass(frozen=True)
class CoarseData:
    """A COARSE stack in memory: target (periods, rows, cols), factors (factors, periods, rows, cols), share likewise; NaN where none."""

    grid: Grid
    periods: list[Period | None]
    target_name: str
    target_unit: str
    target: Array
    names: list[str]
    units: list[str]
    static: list[bool]
    factors: Array
    share: Array
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def footprint_km(self) -> float | None:
        return float(self.tags["FOOTPRINT_KM"]) if "FOOTPRINT_KM" in self.tags else None


@dataclass(frozen=True)
class Samples:
    """X (n, factors) and y (n,) in the form they are trained in; period, row, col (n,) tell where each comes from; weight (n,)."""

    x: Array
    y: Array
    period: NDArray[np.intp]
    row: NDArray[np.intp]
    col: NDArray[np.intp]
    weight: Array
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.y)

    def select(self, keep: NDArray[np.generic]) -> Samples:
        return Samples(
            self.x[keep], self.y[keep], self.period[keep], self.row[keep], self.col[keep], self.weight[keep], self.shape
        )

    def on_grid(self, values: Array) -> Array:
        """Values (n,) of the samples as (periods, rows, cols) maps, NaN elsewhere."""
        maps = np.full(self.shape, np.nan)
        maps[self.period, self.row, self.col] = values
        return maps


def read_coarse(path: str | Path, factors: Sequence[str] | None = None) -> CoarseData:
    """Read a COARSE stack. `factors` limits and orders the factors; InputError names those that the stack lacks."""
    with Stack.open(path) as stack:
        target = stack.target_name
        if target is None:
            raise InputError(
                f"{stack.name} has no band marked as the target: give the COARSE stack made by 'Resample to a common grid'."
            )
        known = stack.factor_names
        names = list(dict.fromkeys(factors)) if factors is not None else known
        missing = [name for name in names if name not in known]
        if missing:
            raise InputError(
                f"{stack.name} has no factor {', '.join(map(repr, missing))}; it has {', '.join(known) or 'none'}."
            )
        if not names:
            raise InputError(f"{stack.name} holds the target but no factor to learn from.")
        periods = stack.target_periods
        shape = (len(periods), *stack.grid.shape)
        y = np.stack([stack.read(stack.index(target, period)) for period in periods])
        x = np.full((len(names), *shape), np.nan)
        share = np.ones(shape)
        for t, period in enumerate(periods):
            for k, name in enumerate(names):
                if stack.has(name, period):
                    x[k, t] = stack.read(stack.index(name, period))
            if stack.has("valid_share", period):
                share[t] = np.nan_to_num(stack.read(stack.index("valid_share", period)))
        static = [all(band.period is None for band in stack.bands if band.name == name) for name in names]
        return CoarseData(
            stack.grid,
            periods,
            target,
            stack.unit(target),
            y,
            names,
            [stack.unit(n) for n in names],
            static,
            x,
            share,
            stack.tags,
        )


def make_samples(data: CoarseData, form: Form) -> Samples:
    """Rows for every cell and period in which target and all factors are valid, in training form `form`.

    Raises InputError where none is left, naming the factor that costs most.
    """
    valid = np.isfinite(data.target) & np.isfinite(data.factors).all(axis=0)
    if not valid.any():
        with_target = np.isfinite(data.target)
        if not with_target.any():
            raise InputError(f"The target {data.target_name!r} has no valid cell.")
        counts = {name: int((np.isfinite(x) & with_target).sum()) for name, x in zip(data.names, data.factors)}
        worst = min(counts, key=lambda name: counts[name])
        raise InputError(
            f"No coarse cell has the target and all factors at once; factor {worst!r} is valid in the fewest "
            f"({counts[worst]} of {int(with_target.sum())} cells with a target): check its extent, dates and nodata."
        )
    y, x = np.empty_like(data.target), np.empty_like(data.factors)
    for t in range(len(data.periods)):
        hidden = ~valid[t]
        for source, result in [
            (data.target[t], y[t]),
            *((data.factors[k, t], x[k, t]) for k in range(len(data.names))),
        ]:
            masked = np.where(hidden, np.nan, source)
            result[...] = masked - form.reference(masked)
    period, row, col = np.nonzero(valid)
    return Samples(
        np.ascontiguousarray(x[:, period, row, col].T),
        y[period, row, col],
        period,
        row,
        col,
        data.share[period, row, col],
        data.target.shape,
    )
