"""Kriging of station values with the product as external drift (Goovaerts 1997, 6.1.3; Wackernagel 2003, ch. 37)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...model.predictor import Arrays, array_of
from ..metrics import Floats
from .gwr import station_sums
from .rows import Rows

FEWEST_FOR_RANGE = 30  # stations; with fewer the range is a third of their extent
_LAGS, _RANGES = 12, 25
_CHUNK = 2**21


@dataclass(frozen=True)
class Variogram:
    """gamma(h) = nugget + sill (1 - exp(-h / reach)); (m3/m3)², km."""

    nugget: float
    sill: float
    reach: float

    def covariance(self, distance: Floats) -> Floats:
        """Of the part that depends on distance; the nugget is what one station has for itself."""
        return self.sill * np.exp(-distance / self.reach)


class DriftKriging:
    """y = b0 + b1 z + e(s): the best linear unbiased prediction, e(s) constant in time with an exponential variogram.

    What a station has for itself (the nugget) and what varies in time at it (`noise`, a variance) is filtered out, not
    carried to its surroundings. places: (stations, 2) km; sums: as `station_sums`.
    """

    kind = "kriging with external drift"

    def __init__(self, places: Floats, sums: Floats, variogram: Variogram, noise: float) -> None:
        self.places, self.sums = np.asarray(places, float), np.asarray(sums, float)
        self.variogram, self.noise = variogram, float(noise)
        numbers = (variogram.nugget, variogram.sill, variogram.reach, self.noise)
        sound = (
            self.places.shape == (len(self.sums), 2)
            and self.sums.shape[1:] == (6,)
            and all(np.isfinite(one).all() for one in (self.places, self.sums, np.array(numbers)))
            and min(numbers) >= 0
            and variogram.reach > 0
        )
        if not sound:
            raise InputError("The calibration holds a kriging whose parts do not fit together.")
        self._solve()

    def surface(self, east: Floats, north: Floats) -> Floats:
        """(n, 1): what is added to the line b0 + b1 z at places (km)."""
        step = max(1, _CHUNK // len(self.places))
        parts = []
        for start in range(0, len(east), step):
            covariance = self._covariance(east[start : start + step], north[start : start + step])
            parts.append(covariance @ self.weights)
        return np.concatenate(parts)[:, None] if parts else np.empty((0, 1))

    def predict(self, rows: Rows, surface: Floats | None = None) -> Floats:
        if surface is None:
            surface = self.surface(rows.east, rows.north)
        return self.line[0] + self.line[1] * rows.z + surface[:, 0]

    def variance(self, rows: Rows) -> Floats:
        """Kriging variance (m3/m3)² of b0 + b1 z + e(s), without the nugget."""
        covariance = self._covariance(rows.east, rows.north)
        left = covariance @ self._inverse
        drift = np.column_stack([np.ones(len(rows)), rows.z]) - left @ self._drift
        return (
            self.variogram.sill
            - np.einsum("ij,ij->i", left, covariance)
            + np.einsum("ij,jk,ik->i", drift, self._line_covariance, drift)
        )

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        model = self.variogram
        return {
            "places": self.places,
            "sums": self.sums,
            "variogram": np.array([model.nugget, model.sill, model.reach, self.noise]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> DriftKriging:
        nugget, sill, reach, noise = (float(value) for value in array_of(arrays, "variogram", "f"))
        return cls(
            array_of(arrays, "places", "f"), array_of(arrays, "sums", "f"), Variogram(nugget, sill, reach), noise
        )

    def _covariance(self, east: Floats, north: Floats) -> Floats:
        return self.variogram.covariance(
            np.hypot(east[:, None] - self.places[:, 0], north[:, None] - self.places[:, 1])
        )

    def _solve(self) -> None:
        """Generalised least squares of all rows, from sums per station.

        Rows of a station differ from its mean by independent noise; the means have the spatial covariance.
        """
        count, z, zz, y, zy, _ = self.sums.T
        mean_z, mean_y = z / count, y / count
        own = self._covariance(*self.places.T) + np.diag(self.variogram.nugget + self.noise / count)
        # A millionth of the variance keeps stations at one place apart.
        own += np.eye(len(count)) * 1e-6 * max(float(np.trace(own)) / len(count), 1e-12)
        self._inverse = np.linalg.inv(own)
        self._drift = np.column_stack([np.ones(len(count)), mean_z])
        normal = self._drift.T @ self._inverse @ self._drift
        right = self._drift.T @ self._inverse @ mean_y
        within_zz, within_zy = float(np.sum(zz - z * mean_z)), float(np.sum(zy - z * mean_y))
        if self.noise > 0:
            normal[1, 1] += within_zz / self.noise
            right[1] += within_zy / self.noise
        # Without any spread of z its slope is that of the product itself, 1.
        flat = normal[0, 0] * normal[1, 1] - normal[0, 1] ** 2 <= 1e-10 * normal[0, 0] * normal[1, 1]
        if flat:
            self.line = np.array([(right[0] - normal[0, 1]) / normal[0, 0], 1.0])
            self._line_covariance = np.array([[1 / normal[0, 0], 0.0], [0.0, 0.0]])
        else:
            self._line_covariance = np.linalg.inv(normal)
            self.line = self._line_covariance @ right
        self.weights = self._inverse @ (mean_y - self._drift @ self.line)


def fit_drift_kriging(rows: Rows) -> DriftKriging:
    """Kriging whose variogram is that of the stations' mean residuals from one line."""
    places, sums = station_sums(rows)
    count, z, zz, y, zy, yy = sums.T
    total = sums.sum(axis=0)
    spread = total[2] - total[1] ** 2 / total[0]
    slope = (total[4] - total[1] * total[3] / total[0]) / spread if spread > 1e-9 * total[2] else 1.0
    residual = (y - slope * z) / count
    residual = residual - (total[3] - slope * total[1]) / total[0]
    within = yy - y * y / count - 2 * slope * (zy - z * y / count) + slope**2 * (zz - z * z / count)
    spare = float(count.sum() - len(count))
    noise = max(float(within.sum()) / spare, 0.0) if spare > 0 else 0.0
    variogram = fit_variogram(places, residual)
    # Means of few rows carry part of that noise; what is left is the station's own.
    mean_noise = noise * float(np.mean(1 / count))
    variogram = Variogram(max(variogram.nugget - mean_noise, 0.0), variogram.sill, variogram.reach)
    if variogram.nugget + variogram.sill + noise <= 0:
        variogram = Variogram(1e-8, 0.0, variogram.reach)
    return DriftKriging(places, sums, variogram, noise)


def fit_variogram(places: Floats, values: Floats) -> Variogram:
    """Exponential variogram by least squares weighted with pairs over squared lag (Cressie 1985), of values at places.

    The range is searched with 30 or more places, else a third of the extent; nugget and sill are never negative.
    """
    from scipy.optimize import nnls

    i, j = np.triu_indices(len(places), 1)
    distance = np.hypot(*(places[i] - places[j]).T)
    half_square = 0.5 * (values[i] - values[j]) ** 2
    extent = max(float(np.hypot(*np.ptp(places, axis=0))), 1e-6)
    edges = np.linspace(0, extent / 2, _LAGS + 1)
    lag = np.clip(np.searchsorted(edges, distance) - 1, 0, _LAGS)
    pairs = np.bincount(lag, minlength=_LAGS + 1)[:_LAGS]
    used = pairs > 0
    if used.sum() < 2:
        return Variogram(float(values.var()), 0.0, extent / 3)
    middle = np.bincount(lag, distance, _LAGS + 1)[:_LAGS][used] / pairs[used]
    gamma = np.bincount(lag, half_square, _LAGS + 1)[:_LAGS][used] / pairs[used]
    weight = np.sqrt(pairs[used]) / np.maximum(middle, 1e-3 * extent)
    ranges = (
        np.geomspace(extent / 50, extent / 1.5, _RANGES) if len(places) >= FEWEST_FOR_RANGE else np.array([extent / 3])
    )
    best, lowest = Variogram(float(values.var()), 0.0, extent / 3), np.inf
    for reach in ranges:
        design = np.column_stack([np.ones(len(middle)), 1 - np.exp(-middle / reach)])
        (nugget, sill), error = nnls(design * weight[:, None], gamma * weight)
        if error < lowest:
            best, lowest = Variogram(float(nugget), float(sill), float(reach)), float(error)
    return best
