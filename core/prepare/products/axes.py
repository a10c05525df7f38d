"""Regular axes from coordinates that were rounded, kept in 32 bits, written downwards or from 0 to 360 degrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Largest departure from even spacing, and from clean numbers, in cells.
UNEVEN, UNCLEAN = 0.01, 0.001
NOWHERE = -1


@dataclass(frozen=True)
class Axis:
    """Cells of equal size from `edge` upwards; `source` holds for each the index in the file, NOWHERE without."""

    edge: float
    step: float
    source: NDArray[np.intp]

    @property
    def size(self) -> int:
        return int(self.source.size)

    @property
    def end(self) -> float:
        return _clean(self.edge + self.step * self.size)

    def reversed(self) -> NDArray[np.intp]:
        return self.source[::-1]


def regular_axis(coordinates: NDArray[Any], step: float | None = None, around: bool = False) -> Axis:
    """The axis whose cell centres are `coordinates`, ascending or descending, edges and step on clean numbers (1/n or
    short decimals) where those reproduce the coordinates.

    step: the cell size for a single coordinate. around: degrees of longitude, which may pass from 359 to 0.
    Raises ValueError with a clause where they are missing, not even, or alone without `step`.
    """
    values = np.array(coordinates, np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("has missing values")
    if values.size == 1:
        if step is None:
            raise ValueError("has one value only, which does not tell the cell size")
        edge, step = _snapped(values, step, 1e-6 * step)
        return Axis(edge, step, np.zeros(1, np.intp))
    if around:
        values[1:] -= 360.0 * np.cumsum(np.round(np.diff(values) / 360.0))
    source = np.arange(values.size)
    if values[-1] < values[0]:
        values, source = values[::-1], source[::-1]
    fitted = _fitted_step(values)
    noise = float(np.abs(values - values.mean() - fitted * _centred(values.size)).max())
    rounding = 2 * float(np.spacing(np.float32(np.abs(values).max()))) if coordinates.dtype == np.float32 else 0.0
    if fitted <= 0 or noise > max(UNEVEN * fitted, rounding):
        steps = np.diff(values)
        raise ValueError(f"is not evenly spaced (steps from {steps.min():.6g} to {steps.max():.6g})")
    # As exact as the coordinates themselves: what is written with six decimals is not made to fit two.
    tolerance = max(min(2 * noise, UNCLEAN * fitted), 1e-6 * fitted, rounding)
    edge, fitted = _snapped(values, fitted, tolerance)
    return Axis(edge, fitted, source.astype(np.intp))


def within_180(axis: Axis) -> Axis:
    """Longitudes on -180..180: shifted, or rolled where they cross 180 (cell centres count), with NOWHERE in between
    for a window. A repeated meridian is left out. Raises ValueError where they go around more than once."""
    total = round(360.0 / axis.step)
    whole = abs(360.0 / axis.step - total) < 0.01
    source = axis.source
    if source.size * axis.step > 360.0 + axis.step:
        raise ValueError("goes around the Earth more than once")
    edge = axis.edge
    near = 0.01 * axis.step
    half = 0.5 * axis.step
    while edge + half >= 180.0 - near:
        edge -= 360.0
    while edge + half < -180.0 - near:
        edge += 360.0
    passed = int(np.ceil((180.0 - near - edge - half) / axis.step))  # first cell with its centre at 180 or beyond
    if passed >= source.size or not whole:
        return Axis(_clean(edge), axis.step, source)
    rolled = np.full(total, NOWHERE, np.intp)
    rolled[: source.size - passed] = source[passed:]
    rolled[total - passed :] = source[:passed]
    return Axis(_clean(edge + passed * axis.step - 360.0), axis.step, rolled)


def _fitted_step(values: NDArray[np.float64]) -> float:
    """Least squares over all: single steps of rounded coordinates are noise."""
    place = _centred(values.size)
    return float((place * (values - values.mean())).sum() / (place * place).sum())


def _centred(size: int) -> NDArray[np.float64]:
    return np.arange(size) - (size - 1) / 2


def _snapped(values: NDArray[np.float64], step: float, tolerance: float) -> tuple[float, float]:
    """Edge and step on clean numbers where these give all `values` within `tolerance`, else as fitted."""
    place = np.arange(values.size) + 0.5

    def edge_for(step: float) -> float:
        return float((values - place * step).mean())

    parts = round(1.0 / step)
    steps = [1.0 / parts] if parts >= 1 else []
    steps += [round(step, digits) for digits in range(7)]
    for clean in steps:
        if clean <= 0 or abs(clean - step) * values.size / 2 > tolerance:
            continue
        edge = edge_for(clean)
        for candidate in (_clean(round(2 * edge / clean) * clean / 2), *(round(edge, digits) for digits in range(7))):
            if np.abs(candidate + place * clean - values).max() <= tolerance:
                return candidate, clean
    return edge_for(step), step


def _clean(value: float) -> float:
    """Without the last bits that sums leave behind."""
    return float(round(value, 9)) + 0.0 if abs(value - round(value, 9)) < 1e-12 * max(abs(value), 1.0) else value
