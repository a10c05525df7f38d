"""Calibration files `*.smcal`: a zip of `calibration.json` and plain .npy arrays; data only, checked before use."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atomic import whole_file
from ...errors import InputError
from ...plain import plain
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
_KIND = "soil moisture calibration"
_KINDS: dict[str, Any] = {kind.kind: kind for kind in (Line, Curve, LocalLine, DriftKriging, BoostedResidual, Network)}
_MOST_BYTES, _MOST_JSON = 2**29, 2**20
# A bomb packs a thousandfold, trees and weights two- to tenfold.
_MOST_PACKED, _PACKED_COUNTS_FROM = 100, 2**24
_TYPES, _MOST_DIMENSIONS = {"<f8", "<f4", "<i8", "<i4", "|u1"}, 5


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
    arrays = {f"correction/{name}": array for name, array in calibration.correction.arrays().items()}
    arrays["stations"] = calibration.stations
    with whole_file(path) as work, zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "calibration.json", json.dumps(plain(document), indent=1, allow_nan=False).encode())
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            _add(archive, f"{name}.npy", buffer.getbuffer())


def load_calibration(path: str | Path) -> Calibration:
    """Read and check a calibration file.

    Raises InputError, naming the file, for anything that is not one, is damaged, or comes from a newer version.
    """
    name = Path(path).name
    if not Path(path).is_file():
        raise InputError(f"The calibration file {path} does not exist.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            claimed = sum(info.file_size for info in archive.infolist())
            packed = Path(path).stat().st_size
            if claimed > _MOST_BYTES or claimed > max(_PACKED_COUNTS_FROM, _MOST_PACKED * packed):
                raise InputError(f"{name} claims to hold far more data than a calibration does and is not read.")
            if "calibration.json" not in members or members["calibration.json"].file_size > _MOST_JSON:
                raise InputError(f"{name} is not a calibration file.")
            document = json.loads(archive.read("calibration.json"), parse_constant=_no_constant)
            if not isinstance(document, dict) or document.get("kind") != _KIND:
                raise InputError(f"{name} is not a calibration file.")
            if not isinstance(document["format"], int) or document["format"] > FORMAT:
                raise InputError(f"{name} was made by a newer version of the plugin: update the plugin.")
            arrays = {one[:-4]: _array(archive, info) for one, info in members.items() if one.endswith(".npy")}
        return _calibration(document, arrays)
    except InputError as error:
        raise InputError(str(error) if name in str(error) else f"{name}: {error}") from error
    except PermissionError as error:
        raise InputError(f"The calibration file {path} may not be read: check its permissions.") from error
    except Exception as error:
        # zlib, zipfile, json and numpy each have exceptions of their own for bytes that make no sense.
        raise InputError(f"{name} is damaged or not a calibration file: make it again.") from error


def _calibration(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Calibration:
    own = {name[len("correction/") :]: array for name, array in arrays.items() if name.startswith("correction/")}
    correction = _KINDS[document["correction"]].from_arrays(own)
    plane, factors, stations = document["plane"], document["factors"], arrays["stations"]
    errors = ErrorModel(*(_number(document["errors"][name]) for name in ErrorModel.__dataclass_fields__))
    scales = [_number(plane[name]) for name in ("x0", "y0", "km_east", "km_north")]
    value_range, bounds = ([_number(value) for value in document[name]] for name in ("value_range", "bounds"))
    sound = (
        document["method"] in METHODS
        and isinstance(plane["crs_wkt"], str)
        and all(isinstance(name, str) for name in factors)
        and isinstance(document["facts"], dict)
        and min(scales[2:]) > 0
        and stations.ndim == 2
        and stations.shape[1] == 2
        and len(stations) > 0
        and np.isfinite(stations).all()
        and bounds[0] < bounds[1]
        and min(vars(errors).values()) >= 0
    )
    if not sound:
        raise ValueError("parts")
    if isinstance(correction, Network) and len(correction.channels.mean) != 1 + len(factors):
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
        _number(document["pixel_km"]),
        document["facts"],
    )


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("array version")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.str not in _TYPES or by_columns or len(shape) > _MOST_DIMENSIONS:
            raise ValueError("array type")
        # The header must agree with the bytes at hand before anything of that size is made.
        if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > info.file_size:
            raise ValueError("array size")
        return np.frombuffer(stream.read(), dtype).reshape(shape)


def _add(archive: zipfile.ZipFile, name: str, data: Any) -> None:
    # A fixed time stamp: the same calibration gives the same file.
    entry = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
    archive.writestr(entry, data)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("number")
    return float(value)


def _no_constant(name: str) -> float:
    raise ValueError(name)
