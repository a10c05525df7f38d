"""Corrections by the product's value alone: none, mean bias, linear, mean and standard deviation, CDF matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...model.predictor import Arrays, array_of
from ..metrics import Floats
from .rows import Rows

_BINS, _FEWEST_PER_BIN = 100, 20


class Line:
    """y = intercept + slope * z."""

    kind = "line"

    def __init__(self, intercept: float, slope: float) -> None:
        self.intercept, self.slope = float(intercept), float(slope)
        if not np.isfinite([self.intercept, self.slope]).all():
            raise InputError("The calibration holds a line without plain numbers.")

    def surface(self, east: Floats, north: Floats) -> Floats | None:
        return None

    def predict(self, rows: Rows, surface: Floats | None = None) -> Floats:
        return self.intercept + self.slope * rows.z

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"line": np.array([self.intercept, self.slope])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Line:
        intercept, slope = array_of(arrays, "line", "f")
        return cls(intercept, slope)


class Curve:
    """A rising line through nodes, continued beyond the outer ones."""

    kind = "curve"

    def __init__(self, x: Floats, y: Floats) -> None:
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)
        if self.x.shape != self.y.shape or len(self.x) < 2 or not (np.diff(self.x) > 0).all():
            raise InputError("The calibration holds a curve whose nodes do not ascend.")
        if not np.isfinite(self.y).all():
            raise InputError("The calibration holds a curve without plain numbers.")

    def surface(self, east: Floats, north: Floats) -> Floats | None:
        return None

    def predict(self, rows: Rows, surface: Floats | None = None) -> Floats:
        segment = np.clip(np.searchsorted(self.x, rows.z, side="right") - 1, 0, len(self.x) - 2)
        slope = np.diff(self.y) / np.diff(self.x)
        return self.y[segment] + slope[segment] * (rows.z - self.x[segment])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"x": self.x, "y": self.y}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Curve:
        return cls(array_of(arrays, "x", "f"), array_of(arrays, "y", "f"))


def unchanged(rows: Rows) -> Line:
    return Line(0.0, 1.0)


def mean_bias(rows: Rows) -> Line:
    return Line(float(np.mean(rows.y - rows.z)), 1.0)


def linear(rows: Rows) -> Line:
    """Least squares of station on product; as pytesmo's `linreg` from 0.18.1 on (older ones took the slope without
    its sign)."""
    slope, intercept = _least_squares(rows.z, rows.y)
    return Line(intercept, slope)


def mean_and_deviation(rows: Rows) -> Line:
    """The stations' mean and standard deviation (population form), as pytesmo's `mean_std`."""
    spread = float(rows.z.std())
    slope = float(rows.y.std()) / spread if spread > 1e-12 else 1.0
    return Line(float(rows.y.mean()) - slope * float(rows.z.mean()), slope)


def match_cdf(rows: Rows) -> Line | Curve:
    """The stations' distribution, through up to 100 bins of at least 20 values; as pytesmo's `cdf_match`.

    The outer bins are lines through their inner edge (Moesinger et al. 2020, doi:10.5194/essd-12-177-2020).
    """
    bins = int(min(_BINS, max(1, len(rows) // _FEWEST_PER_BIN)))
    x, y = np.sort(rows.z), np.sort(rows.y)
    if bins == 1 or np.ptp(x) < 1e-9:
        return linear(rows)
    at = np.arange(bins + 1) / bins * 100
    x_nodes, y_nodes = _percentiles(x, at), _percentiles(y, at)
    low = _edge_slope(x[x <= x_nodes[1]] - x_nodes[1], y[y <= y_nodes[1]] - y_nodes[1])
    high = _edge_slope(x[x >= x_nodes[-2]] - x_nodes[-2], y[y >= y_nodes[-2]] - y_nodes[-2])
    y_nodes[0] = y_nodes[1] + low * (x_nodes[0] - x_nodes[1])
    y_nodes[-1] = y_nodes[-2] + high * (x_nodes[-1] - x_nodes[-2])
    return Curve(x_nodes, y_nodes)


def _least_squares(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and intercept; slope 1 where x does not vary."""
    centred = x - x.mean()
    total = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / total if total > 1e-12 * max(1.0, float(x @ x)) else 1.0
    return slope, float(y.mean()) - slope * float(x.mean())


def _percentiles(ordered: Floats, at: Floats) -> Floats:
    """Percentiles by plotting positions (i - 0.5) / n; of equal ones only the outer are kept, those between follow a
    line."""
    positions = (np.arange(len(ordered)) + 0.5) / len(ordered) * 100
    values = np.interp(at, positions, ordered)
    _, first, count = np.unique(values, return_index=True, return_counts=True)
    if (count == 1).all():
        return values
    if len(first) == 1:
        return values + np.arange(len(values)) * 1e-9
    # The first of equal values stands for them, but at the upper end the last.
    first[-1] = len(values) - 1 if count[-1] > 1 else first[-1]
    return np.interp(at, at[first], values[first])


def _edge_slope(x: Floats, y: Floats) -> float:
    """Slope of a line through the origin from the i-th lowest x to the i-th lowest y."""
    if len(x) != len(y):
        wanted = np.arange(len(y)) / max(1, len(y) - 1) * 100
        x = _percentiles(x, wanted) if len(x) > 1 else np.zeros(len(y))
    total = float(x @ x)
    return float(x @ y) / total if total > 0 else 1.0
