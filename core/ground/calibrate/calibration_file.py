"""Calibration files `*.smcal`: a zip of `calibration.json` and plain .npy arrays; data only, checked before use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ...model.arrayfile import number_of, reading_arrays, write_arrays
from ...model.predictor import Arrays
from ..metrics import Floats
from .boosting import BoostedResidual
from .convolution import Network
from .drift_kriging import DriftKriging
from .error_model import ErrorModel
from .gwr import LocalLine
from .methods import METHODS, Correction
from .rows import Plane
from .scaling import Curve, Line

FORMAT = 1
SUFFIX = "smcal"
_MEMBER = "calibration.json"
_KIND = "soil moisture calibration"
_KINDS: dict[str, Any] = {kind.kind: kind for kind in (Line, Curve, LocalLine, DriftKriging, BoostedResidual, Network)}
_MOST_KM_PER_UNIT = 1000.0  # a degree has 111
_MOST_BYTES, _MOST_JSON = 2**29, 2**20


@dataclass(frozen=True)
class Calibration:
    """A fitted correction and what its use needs to know.

    factors: names that it takes, in order. stations: (n, 2) km in `plane`. value_range: of the product at stations.
    facts: plain values for readers, such as scores.
    """

    method: str
    correction: Correction
    factors: tuple[str, ...]
    plane: Plane
    stations: Floats
    errors: ErrorModel
    value_range: tuple[float, float]
    bounds: tuple[float, float]
    pixel_km: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dated(self) -> bool:
        """Whether it goes by the day of the year."""
        if isinstance(self.correction, Network):
            return self.correction.channels.dated
        return isinstance(self.correction, BoostedResidual) and self.correction.columns > 1 + len(self.factors)


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write it; the file appears whole or not at all, and the same calibration gives the same bytes."""
    document = {
        "format": FORMAT,
        "kind": _KIND,
        "method": calibration.method,
        "correction": calibration.correction.kind,
        "factors": list(calibration.factors),
        "plane": vars(calibration.plane),
        "errors": vars(calibration.errors),
        "value_range": list(calibration.value_range),
        "bounds": list(calibration.bounds),
        "pixel_km": calibration.pixel_km,
        "facts": dict(calibration.facts),
    }
    parts = {"correction": calibration.correction.arrays(), "stations": {"places": calibration.stations}}
    write_arrays(path, _MEMBER, document, parts)


def load_calibration(path: str | Path) -> Calibration:
    """Read and check a calibration file.

    Raises InputError, naming the file, for anything that is not one, is damaged, or comes from a newer version.
    """
    with reading_arrays(path, "calibration file", _KIND, _MEMBER, FORMAT, _MOST_BYTES, _MOST_JSON) as file:
        return _calibration(file.document, file.arrays("correction"), file.arrays("stations")["places"])


def _calibration(document: Mapping[str, Any], own: Arrays, stations: NDArray[Any]) -> Calibration:
    correction = _KINDS[document["correction"]].from_arrays(own)
    plane, factors = document["plane"], document["factors"]
    errors = ErrorModel(*(number_of(document["errors"][name]) for name in ErrorModel.__dataclass_fields__))
    scales = [number_of(plane[name]) for name in ("x0", "y0", "km_east", "km_north")]
    value_range, bounds = ([number_of(value) for value in document[name]] for name in ("value_range", "bounds"))
    sound = (
        document["method"] in METHODS
        and all(isinstance(name, str) for name in factors)
        and all(isinstance(fact, (int, float, str)) for fact in document["facts"].values())
        and 0 < min(scales[2:])
        and max(scales[2:]) < _MOST_KM_PER_UNIT
        and stations.ndim == 2
        and stations.shape[1] == 2
        and len(stations) > 0
        and np.isfinite(stations).all()
        and 0 <= bounds[0] < bounds[1] <= 1
        and value_range[0] <= value_range[1]
        and min(vars(errors).values()) >= 0
        and max(errors.base, errors.slope, errors.ceiling, errors.spread) <= 1
        and errors.closest <= errors.near <= errors.farthest
    )
    # As WKT and nothing else: GDAL would also take the address of a file, or of a server.
    if not sound or osr.SpatialReference().ImportFromWkt(plane["crs_wkt"]):
        raise ValueError("parts")
    if isinstance(correction, Network) and len(correction.channels.mean) != 1 + len(factors):
        raise ValueError("factors")
    if isinstance(correction, BoostedResidual) and correction.columns - len(factors) not in (1, 3):
        raise ValueError("factors")
    return Calibration(
        document["method"],
        correction,
        tuple(factors),
        Plane(plane["crs_wkt"], *scales),
        stations.astype(float),
        errors,
        (value_range[0], value_range[1]),
        (bounds[0], bounds[1]),
        number_of(document["pixel_km"]),
        document["facts"],
    )
