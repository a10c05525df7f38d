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
from ..raster.support import Array


@dataclass(frozen=True)
class CoarseData:
    """A COARSE stack in memory: target and share (periods, rows, cols), factors (factors, periods, rows, cols).

    NaN where none. names, units and static (the same for all periods) go with the factors. class_maps: the classes seen
    of every map whose reference class was left out of the factors, that class first.
    """

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
    class_maps: dict[str, list[str]] = field(default_factory=dict)

    @property
    def footprint_km(self) -> float | None:
        return float(self.tags["FOOTPRINT_KM"]) if "FOOTPRINT_KM" in self.tags else None


@dataclass(frozen=True)
class Samples:
    """X (n, factors) and y (n,) in the form they are trained in.

    period, row, col (n,): where each comes from; weight (n,): valid share of its cell; shape: periods, rows, cols.
    """

    x: Array
    y: Array
    period: NDArray[np.intp]
    row: NDArray[np.intp]
    col: NDArray[np.intp]
    weight: Array
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def cells(self) -> int:
        """How many different coarse cells there are."""
        return len(np.unique(self.row * self.shape[2] + self.col))

    def select(self, keep: NDArray[np.generic]) -> Samples:
        return Samples(
            self.x[keep],
            self.y[keep],
            self.period[keep],
            self.row[keep],
            self.col[keep],
            self.weight[keep],
            self.shape,
        )

    def on_grid(self, values: Array) -> Array:
        """Values (n,) of the samples as (periods, rows, cols) maps, NaN elsewhere."""
        maps = np.full(self.shape, np.nan)
        maps[self.period, self.row, self.col] = values
        return maps


def read_coarse(path: str | Path, factors: Sequence[str] | None = None) -> CoarseData:
    """Read a COARSE stack. `factors` limits and orders the factors; InputError names those that the stack lacks."""
    with Stack.open(path) as stack:
        target = stack.required_target()
        for tag in ("FOOTPRINT_KM", "MIN_VALID_SHARE"):
            stack.number(tag)
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
        return CoarseData(
            grid=stack.grid,
            periods=periods,
            target_name=target,
            target_unit=stack.unit(target),
            target=y,
            names=names,
            units=[stack.unit(name) for name in names],
            static=[all(band.period is None for band in stack.bands if band.name == name) for name in names],
            factors=x,
            share=share,
            tags=stack.tags,
        )


def make_samples(data: CoarseData, form: Form) -> Samples:
    """Rows for every cell and period in which target and all factors are valid, in training form `form`.

    Raises InputError where none is left, naming the factor that costs most.
    """
    valid = np.isfinite(data.target) & np.isfinite(data.factors).all(axis=0) & (data.share > 0)
    if not valid.any():
        raise InputError(_why_none(data))
    y, x = np.empty_like(data.target), np.empty_like(data.factors)
    for t, kept in enumerate(valid):
        for source, result in [(data.target[t], y[t]), *zip(data.factors[:, t], x[:, t])]:
            masked = np.where(kept, source, np.nan)
            result[...] = masked - form.reference(masked)
    period, row, col = np.nonzero(valid)
    periods, rows, cols = valid.shape
    return Samples(
        x=np.ascontiguousarray(x[:, period, row, col].T),
        y=y[period, row, col],
        period=period,
        row=row,
        col=col,
        weight=data.share[period, row, col],
        shape=(periods, rows, cols),
    )


def _why_none(data: CoarseData) -> str:
    with_target = np.isfinite(data.target)
    if not with_target.any():
        return f"The target {data.target_name!r} has no valid cell."
    counts = {name: int((np.isfinite(x) & with_target).sum()) for name, x in zip(data.names, data.factors)}
    worst = min(counts, key=lambda name: counts[name])
    return (
        f"No coarse cell has the target and all factors at once; factor {worst!r} is valid in the fewest "
        f"({counts[worst]} of {int(with_target.sum())} cells with a target): check its extent, dates and nodata."
    )
