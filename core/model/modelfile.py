"""Model files `*.smdl`: a zip of `model.json` and plain .npy arrays; data only, checked before use."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import whole_file
from ..errors import InputError
from ..plain import plain
from .applicability import Applicability
from .boosted import BoostedPredictor
from .forest import ForestPredictor
from .form import Form
from .linear import LinearPredictor
from .model import DetailGain, Factor, Model
from .network import NetworkPredictor
from .predictor import Arrays, Predictor
from .stacked import StackedPredictor
from .svr import SupportVectorPredictor
from .uncertainty import Uncertainty

FORMAT = 1
_KINDS: dict[str, Any] = {
    kind.kind: kind
    for kind in (
        ForestPredictor,
        LinearPredictor,
        SupportVectorPredictor,
        BoostedPredictor,
        NetworkPredictor,
        StackedPredictor,
    )
}
_MOST_BYTES = 2 * 2**30
_MOST_JSON = 16 * 2**20
# A bomb packs a thousandfold, trees and support vectors two- to tenfold.
_MOST_PACKED, _PACKED_COUNTS_FROM = 100, 2**24
_TYPES = {"<f8", "<f4", "<i8", "<i4", "|u1"}


def save_model(model: Model, path: str | Path) -> None:
    """Write `model`; the file appears whole or not at all, and the same model gives the same bytes."""
    document = {
        "format": FORMAT,
        "kind": "soil moisture model",
        "learner": model.learner,
        "title": model.title,
        "factors": [vars(factor) for factor in model.factors],
        "target": {"name": model.target, "unit": model.target_unit, "range": list(model.target_range)},
        "form": {"kind": model.form.kind, "window": model.form.window},
        "gain": vars(model.gain),
        "footprint_km": model.footprint_km,
        "min_valid_share": model.min_valid_share,
        "predictor": model.predictor.kind,
        "trend": model.trend is not None,
        "applicability": model.applicability is not None,
        "uncertainty": None if model.uncertainty is None else model.uncertainty.method,
        "facts": dict(model.facts),
    }
    parts: dict[str, Mapping[str, NDArray[np.generic]]] = {"predictor": model.predictor.arrays()}
    if model.trend is not None:
        parts["trend"] = model.trend.arrays()
    # A reader that does not know these two leaves them aside: the format stays the same.
    if model.applicability is not None:
        parts["applicability"] = model.applicability.arrays()
    if model.uncertainty is not None:
        parts["uncertainty"] = model.uncertainty.arrays()
    with whole_file(path) as work, zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _add(archive, "model.json", json.dumps(plain(document), indent=1, allow_nan=False).encode())
        for part, arrays in parts.items():
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
                _add(archive, f"{part}/{name}.npy", buffer.getbuffer())


def load_model(path: str | Path) -> Model:
    """Read and check a model file.

    Raises InputError, naming the file, for anything that is not one, is damaged, or comes from a newer version.
    """
    name = Path(path).name
    if not Path(path).is_file():
        raise InputError(f"The model file {path} does not exist.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            claimed = sum(info.file_size for info in archive.infolist())
            packed = Path(path).stat().st_size
            if claimed > _MOST_BYTES or claimed > max(_PACKED_COUNTS_FROM, _MOST_PACKED * packed):
                raise InputError(f"{name} claims to hold far more data than a model does and is not read.")
            if len(members) < len(archive.infolist()):
                raise InputError(f"{name} holds several entries of the same name and is not read.")
            if "model.json" not in members:
                raise InputError(f"{name} is not a soil moisture model: it holds no model.json.")
            if members["model.json"].file_size > _MOST_JSON:
                raise InputError(f"The description in {name} is too large to be one.")
            document = json.loads(archive.read("model.json"), parse_int=_short_int, parse_constant=_no_constant)
            if not isinstance(document, dict) or document.get("kind") != "soil moisture model":
                raise InputError(f"{name} is not a soil moisture model.")
            made_for = document.get("format")
            if isinstance(made_for, bool) or not isinstance(made_for, int) or made_for < 1:
                raise ValueError("format")
            if made_for > FORMAT:
                raise InputError(
                    f"{name} was made by a newer version of the plugin (file format {made_for}, this one reads "
                    f"up to {FORMAT}): update the plugin."
                )
            if not isinstance(document["trend"], bool):
                raise ValueError("trend")
            predictor = _part(archive, members, "predictor", _text(document, "predictor"))
            trend = _part(archive, members, "trend", LinearPredictor.kind) if document["trend"] else None
            return replace(_model(document, predictor, trend), **_trust(archive, members, document, predictor))
    except InputError as error:
        raise InputError(str(error) if name in str(error) else f"{name}: {error}") from error
    except PermissionError as error:
        raise InputError(f"The model file {path} may not be read: check its permissions.") from error
    except Exception as error:
        # zlib, struct, tokenize, zipfile and json each have exceptions of their own for bytes that make no sense.
        raise InputError(f"{name} is damaged or not a soil moisture model: make it again by training.") from error


def _model(document: Mapping[str, Any], predictor: Predictor, trend: Any) -> Model:
    target, form, gain = document["target"], document["form"], document["gain"]
    factors = tuple(
        Factor(
            _text(factor, "name"),
            _text(factor, "unit"),
            *(_number(factor, key) for key in ("minimum", "maximum", "mean", "deviation")),
        )
        for factor in document["factors"]
    )
    if len({factor.name for factor in factors}) != len(factors) or not factors:
        raise ValueError("factor names")
    low, high = (_finite(value) for value in target["range"])
    facts, share, gain_value = document["facts"], _number(document, "min_valid_share"), _number(gain, "value")
    footprint = None if document["footprint_km"] is None else _number(document, "footprint_km")
    windows = [_whole_number(part, "window") for part in (form, gain)]
    if not isinstance(facts, dict) or not 0 <= share <= 1 or not low <= high or not 0 <= gain_value <= 10:
        raise ValueError("facts")
    if footprint is not None and footprint <= 0:
        raise ValueError("footprint")
    return Model(
        learner=_text(document, "learner"),
        title=_text(document, "title"),
        factors=factors,
        target=_text(target, "name"),
        target_unit=_text(target, "unit"),
        target_range=(low, high),
        form=Form(_text(form, "kind"), windows[0]),
        trend=trend,
        predictor=predictor,
        footprint_km=footprint,
        min_valid_share=share,
        gain=DetailGain(
            gain_value,
            _number_or_nan(gain, "slope"),
            _number_or_nan(gain, "standard_error"),
            _number_or_nan(gain, "share_explained"),
            windows[1],
        ),
        facts=facts,
    )


def _part(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], part: str, kind: str) -> Any:
    if kind not in _KINDS:
        raise InputError(f"The model is of an unknown kind {kind!r}: update the plugin.")
    return _KINDS[kind].from_arrays(_arrays(archive, members, part))


def _trust(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], document: Mapping[str, Any], predictor: Predictor
) -> dict[str, Any]:
    """The parts that older files do not have."""
    has_area, method = document.get("applicability", False), document.get("uncertainty")
    if not isinstance(has_area, bool):
        raise ValueError("applicability")
    parts: dict[str, Any] = {}
    if has_area:
        parts["applicability"] = Applicability.from_arrays(_arrays(archive, members, "applicability"))
    if method is not None:
        arrays = _arrays(archive, members, "uncertainty")
        parts["uncertainty"] = Uncertainty.from_arrays(arrays, _text(document, "uncertainty"), predictor)
    return parts


def _arrays(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], part: str) -> Arrays:
    return {
        filename[len(part) + 1 : -4]: _array(archive, info)
        for filename, info in members.items()
        if filename.startswith(f"{part}/") and filename.endswith(".npy")
    }


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[np.generic]:
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError("array version")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.str not in _TYPES or by_columns or len(shape) > 3:
            raise ValueError("array type")
        # The header must agree with the bytes at hand before anything of that size is made.
        if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > info.file_size:
            raise ValueError("array size")
        data = stream.read()
    return np.frombuffer(data, dtype).reshape(shape)


def _add(archive: zipfile.ZipFile, name: str, data: Any) -> None:
    # A fixed time stamp: the same training gives the same file.
    entry = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
    archive.writestr(entry, data, compresslevel=1)


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping[key]
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError(key)
    return value


def _number(mapping: Mapping[str, Any], key: str) -> float:
    return _finite(mapping[key])


def _number_or_nan(mapping: Mapping[str, Any], key: str) -> float:
    return math.nan if mapping[key] is None else _number(mapping, key)


def _whole_number(mapping: Mapping[str, Any], key: str) -> int:
    value = _number(mapping, key)
    if value != int(value) or not 0 <= value <= 9999:
        raise ValueError(key)
    return int(value)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("number")
    return float(value)


def _short_int(digits: str) -> int:
    # Python takes a time that grows with the square of their number.
    if len(digits) > 30:
        raise ValueError("number")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(name)
