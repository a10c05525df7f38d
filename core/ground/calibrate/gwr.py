"""Geographically weighted regression (Fotheringham et al. 2002) of station values on the product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...model.predictor import Arrays, array_of
from ..metrics import Floats
from .rows import Rows

_FEWEST_NEIGHBOURS = 7  # stations in a local fit: two coefficients and five more
_TRIED = 24  # numbers of neighbours that the search compares
_CHUNK = 2**21  # distances held at once
_EDGE = 1.0000001  # the farthest neighbour keeps a weight above 0, as in mgwr


class LocalLine:
    """y = b0(s) + b1(s) z: at each place the line of its `neighbours` nearest stations, weighted by a bisquare kernel.

    places: (stations, 2) km. sums: (stations, 6), per station of 1, z, z², y, zy, y²; `line` is the line of all rows,
    to which local fits fall back where their stations hardly differ in z.
    """

    kind = "local lines"

    def __init__(self, places: Floats, sums: Floats, neighbours: int, line: Floats) -> None:
        self.places, self.sums = np.asarray(places, float), np.asarray(sums, float)
        self.neighbours, self.line = int(neighbours), np.asarray(line, float)
        fits = (
            self.places.shape == (len(self.sums), 2)
            and self.sums.shape[1:] == (6,)
            and self.line.shape == (2,)
            and 1 <= self.neighbours <= len(self.sums)
            and all(np.isfinite(one).all() for one in (self.places, self.sums, self.line))
        )
        if not fits:
            raise InputError("The calibration holds local lines whose parts do not fit together.")

    def surface(self, east: Floats, north: Floats) -> Floats:
        """(n, 2) intercept and slope at places (km)."""
        step = max(1, _CHUNK // len(self.places))
        parts = [
            self._coefficients(east[start : start + step], north[start : start + step])
            for start in range(0, len(east), step)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 2))

    def predict(self, rows: Rows, surface: Floats | None = None) -> Floats:
        if surface is None:
            surface = self.surface(rows.east, rows.north)
        return surface[:, 0] + surface[:, 1] * rows.z

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return {
            "places": self.places,
            "sums": self.sums,
            "neighbours": np.array([self.neighbours], np.int64),
            "line": self.line,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> LocalLine:
        return cls(
            array_of(arrays, "places", "f"),
            array_of(arrays, "sums", "f"),
            int(array_of(arrays, "neighbours", "i")[0]),
            array_of(arrays, "line", "f"),
        )

    def _coefficients(self, east: Floats, north: Floats) -> Floats:
        weights = self._weights(east, north)
        return solve_local(weights @ self.sums, self.line)

    def _weights(self, east: Floats, north: Floats) -> Floats:
        distance = np.hypot(east[:, None] - self.places[:, 0], north[:, None] - self.places[:, 1])
        reach = np.partition(distance, self.neighbours - 1, axis=1)[:, self.neighbours - 1] * _EDGE
        share = distance / np.maximum(reach, 1e-9)[:, None]
        return np.where(share < 1, (1 - share**2) ** 2, 0.0)


def fit_local_lines(rows: Rows, neighbours: int | None = None) -> LocalLine:
    """Local lines, the number of neighbours (stations) by the corrected Akaike criterion unless given."""
    places, sums = station_sums(rows)
    everything = np.array([1.0, 0.0])
    line = solve_local(sums.sum(axis=0)[None], everything)[0]
    if neighbours is not None:
        return LocalLine(places, sums, min(neighbours, len(places)), line)
    fewest = min(_FEWEST_NEIGHBOURS, len(places))
    tried = np.unique(np.linspace(fewest, len(places), min(_TRIED, len(places) - fewest + 1)).round().astype(int))
    models = [LocalLine(places, sums, int(count), line) for count in tried]
    scores = [corrected_akaike(model) for model in models]
    return models[int(np.nanargmin(scores))] if np.isfinite(scores).any() else models[-1]


def corrected_akaike(model: LocalLine) -> float:
    """AICc of a model at its own stations, inf where it has as many parameters as rows.

    n ln(RSS/n) + n ln(2 pi) + n (n + tr S) / (n - 2 - tr S), S the matrix from y to its fit.
    """
    sums = model.sums
    weights = model._weights(model.places[:, 0], model.places[:, 1])
    local = weights @ sums
    coefficients = solve_local(local, model.line)
    b0, b1 = coefficients.T
    count, z, zz, y, zy, yy = sums.T
    squares = yy - 2 * (b0 * y + b1 * zy) + b0 * b0 * count + 2 * b0 * b1 * z + b1 * b1 * zz
    # x' (X'WX)^-1 x w at the row's own weight, which is 1, summed over the rows of a station.
    determinant = local[:, 0] * local[:, 2] - local[:, 1] ** 2
    sound = determinant > 1e-9 * local[:, 0] * local[:, 2]
    own = np.where(
        sound,
        (local[:, 2] * count - 2 * local[:, 1] * z + local[:, 0] * zz) / np.where(sound, determinant, 1.0),
        count / local[:, 0],
    )
    n, trace, total = float(count.sum()), float(own.sum()), float(np.maximum(squares, 0).sum())
    if n - 2 - trace <= 0 or total <= 0:
        return float("inf")
    return n * np.log(total / n) + n * np.log(2 * np.pi) + n * (n + trace) / (n - 2 - trace)


def station_sums(rows: Rows) -> tuple[Floats, Floats]:
    """(stations, 2) places in km and (stations, 6) sums of 1, z, z², y, zy, y²."""
    _, first, number = np.unique(rows.station, return_index=True, return_inverse=True)
    z, y = rows.z, rows.y
    sums = [np.bincount(number, weights) for weights in (np.ones(len(z)), z, z * z, y, z * y, y * y)]
    return np.column_stack([rows.east[first], rows.north[first]]), np.column_stack(sums)


def solve_local(sums: Floats, line: Floats) -> Floats:
    """(n, 2) weighted least squares from (n, 6) sums; without spread in z the slope of `line` and the local mean."""
    weight, z, zz, y, zy = sums[:, :5].T
    determinant = weight * zz - z * z
    sound = determinant > 1e-9 * weight * zz
    slope = np.where(sound, (weight * zy - z * y) / np.where(sound, determinant, 1.0), line[1])
    return np.column_stack([(y - slope * z) / weight, slope])
