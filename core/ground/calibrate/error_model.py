"""How far the calibrated product is from a station, by the distance to the nearest one it was calibrated with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics import Floats

_BINS = 5


@dataclass(frozen=True)
class ErrorModel:
    """Standard deviation of differences from unseen stations: sqrt(base + slope * distance).

    base: (m3/m3)², slope per km, never negative. closest, near, farthest: smallest, median and largest distance (km)
    that was tested; what lies nearer counts as the smallest. Beyond the largest the line goes on, up to `ceiling`: the
    mean square of what the product itself differs by, since a correction fades to what it was without stations.
    spread: mean square of the spread of ensemble members at the tested rows, 0 without members.
    """

    base: float
    slope: float
    closest: float
    near: float
    farthest: float
    ceiling: float
    spread: float = 0.0

    def deviation(self, distance: Floats, spread: Floats | None = None) -> Floats:
        """(n,) m3/m3 at distances (km); `spread` of ensemble members there widens what does not come from them."""
        variance = self.base + self.slope * np.maximum(distance, self.closest)
        variance = np.minimum(variance, max(self.base + self.slope * self.farthest, self.ceiling))
        if spread is not None:
            variance = np.maximum(variance - self.spread, 0.25 * variance) + spread**2
        return np.sqrt(variance)


def fit_error_model(
    error: Floats, distance: Floats, spread: Floats | None = None, without: Floats | None = None
) -> ErrorModel:
    """From held-out errors (n,) and distances to the nearest station of the fit: squares on distance, by classes of
    equal number; a slope downwards becomes none. `without`: errors (n,) of the product as it is."""
    squares = error**2
    order = np.argsort(distance, kind="stable")
    classes = [part for part in np.array_split(order, _BINS) if len(part)]
    at = np.array([distance[part].mean() for part in classes])
    mean = np.array([squares[part].mean() for part in classes])
    centred = at - at.mean()
    total = float(centred @ centred)
    slope = max(0.0, float(centred @ mean) / total) if total > 1e-9 else 0.0
    base = float(squares.mean()) - slope * float(distance.mean())
    if base < 0.1 * float(squares.mean()):
        # A line that falls through 0 near stations would promise too much there.
        base = 0.1 * float(squares.mean())
        slope = 0.9 * float(squares.mean()) / max(float(distance.mean()), 1e-9)
    return ErrorModel(
        base,
        slope,
        float(distance.min()),
        float(np.median(distance)),
        float(distance.max()),
        0.0 if without is None else float(np.mean(without**2)),
        0.0 if spread is None else float(np.mean(spread**2)),
    )
