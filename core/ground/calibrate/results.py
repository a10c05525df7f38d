"""What a calibration found: every method on unseen stations, what was chosen, and what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import Floats
from .application import Applied
from .calibration_file import Calibration
from .methods import BEST, NONE
from .network_training import Curves
from .rows import Rows
from .scoring import MethodScore


@dataclass(frozen=True)
class CalibrationResult:
    """scores: the table, none first. refused: methods that were not tried, with why. chosen: the method applied;
    wanted: what was asked for. nested: what "best" chose in each fold. test_km: distance of each row's station to the
    nearest one of the fit; map_km: median distance of the map's pixels. names, x, y: of the stations.
    """

    calibration: Calibration
    applied: Applied
    scores: tuple[MethodScore, ...]
    refused: Mapping[str, str]
    wanted: str
    chosen: str
    nested: tuple[str, ...]
    rows: Rows
    names: NDArray[np.str_]
    x: Floats
    y: Floats
    crs_wkt: str
    groups: int
    folds: int
    periods: tuple[str, ...]
    test_km: Floats
    map_km: float
    product: str
    cell_size: str
    cell_km: tuple[float, float]
    importance: Mapping[str, float] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> MethodScore:
        return next(one for one in self.scores if one.name == name)

    @property
    def headline(self) -> MethodScore:
        """The honest score of what is applied: nested where the method was chosen by its own score. A map that is left
        as it is has the score that it had."""
        nested = self.wanted == BEST and self.chosen != NONE and any(one.nested for one in self.scores)
        return self.of(BEST if nested else self.chosen)

    @property
    def better(self) -> bool:
        """Whether the gain over the product on unseen stations exceeds its standard error."""
        gain = self.headline.gain
        return self.chosen != NONE and gain.value > gain.error

    def metrics(self) -> dict[str, Any]:
        """For programs: everything in plain values."""
        return {
            "wanted": self.wanted,
            "chosen": self.chosen,
            "better_on_unseen_stations": self.better,
            "stations": self.rows.stations,
            "pairs": len(self.rows),
            "folds": self.folds,
            "clusters": self.groups,
            "methods": {one.name: score_values(one) for one in self.scores},
            "refused": dict(self.refused),
            "nested_choices": list(self.nested),
            "tested_km": {"median": float(np.median(self.test_km)), "largest": float(self.test_km.max())},
            "map_km_median": self.map_km,
            "error_model": vars(self.calibration.errors),
            "clipped": self.applied.clipped,
            "pixels": self.applied.pixels,
            "without_factor": self.applied.without_factor,
            "quality": {str(code): count for code, count in self.applied.codes.items()},
            "settings": dict(self.settings),
        }


def score_values(one: MethodScore) -> dict[str, Any]:
    """The columns of the table of methods."""
    return {
        "n": one.score.n,
        "rmse": one.score.rmse,
        "ubrmse": one.score.ubrmse,
        "bias": one.score.bias,
        "r": one.score.r,
        "r_station_mean": one.r_station,
        "r_space_mean": one.r_space,
        "rmse_periods_out": one.period_rmse,
        "gain_rmse": one.gain.value,
        "gain_standard_error": one.gain.error,
        "gain_low": one.gain.low,
        "gain_high": one.gain.high,
        "gain_over_mean_bias": one.gain_over_bias.value,
        "gain_over_mean_bias_standard_error": one.gain_over_bias.error,
        "nested": one.nested,
    }
