"""Model files `*.smdl`: a zip of `model.json` and plain .npy arrays; data only, checked before use."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import whole_file
from ..errors import InputError
from .forest import ForestPredictor
from .form import Form
from .linear import LinearPredictor
from .model import DetailGain, Factor, Model
from .predictor import Predictor
from .svr import SupportVectorPredictor

FORMAT = 1
_KINDS: dict[str, Any] = {kind.kind: kind for kind in (ForestPredictor, LinearPredictor, SupportVectorPredictor)}
_MOST_BYTES = 2 * 2**30
_MOST_JSON = 16 * 2**20
_TYPES = {"<f8", "<f4", "<i8", "<i4", "|u1"}


def save_model(model: Model, path: str | Path) -> None:
    """Write `model`; the file appears whole or not at all."""
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
        "facts": dict(model.facts),
    }
    parts: dict[str, Mapping[str, NDArray[np.generic]]] = {"predictor": model.predictor.arrays()}
    if model.trend is not None:
        parts["trend"] = model.trend.arrays()
    with whole_file(path) as work, zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _add(archive, "model.json", json.dumps(_plain(document), indent=1, allow_nan=False).encode())
        for part, arrays in parts.items():
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
                _add(archive, f"{part}/{name}.npy", buffer.getbuffer())


def load_model(path: str | Path) -> Model:
    """Read and check a model file. Raises InputError for anything that is not one, is damaged, or comes from a newer version."""
    name = Path(path).name
    if not Path(path).is_file():
        raise InputError(f"The model file {path} does not exist.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if sum(info.file_size for info in members.values()) > _MOST_BYTES:
                raise InputError(f"{name} claims to hold more than 2 GiB and is not read.")
            if "model.json" not in members:
                raise InputError(f"{name} is not a soil moisture model: it holds no model.json.")
            if members["model.json"].file_size > _MOST_JSON:
                raise InputError(f"The description in {name} is too large to be one.")
            document = json.loads(archive.read("model.json"))
            if not isinstance(document, dict) or document.get("kind") != "soil moisture model":
                raise InputError(f"{name} is not a soil moisture model.")
            made_for = document.get("format")
            if isinstance(made_for, int) and made_for > FORMAT:
                raise InputError(
                    f"{name} was made by a newer version of the plugin (file format {made_for}, this one reads "
                    f"up to {FORMAT}): update the plugin."
                )
            predictor = _part(archive, members, "predictor", _text(document, "predictor"))
            trend = _part(archive, members, "trend", LinearPredictor.kind) if document["trend"] else None
            return _model(document, predictor, trend)
    except InputError as error:
        raise InputError(str(error) if name in str(error) else f"{name}: {error}") from error
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        RecursionError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        MemoryError,
    ) as error:
        raise InputError(f"{name} is damaged or not a soil moisture model: make it again by training.") from error


def _model(document: Mapping[str, Any], predictor: Predictor, trend: Any) -> Model:
    target, form, gain = document["target"], document["form"], document["gain"]
    factors = tuple(
        Factor(
            _text(f, "name"),
            _text(f, "unit"),
            *(_number(f, key) for key in ("minimum", "maximum", "mean", "deviation")),
        )
        for f in document["factors"]
    )
    if len({factor.name for factor in factors}) != len(factors) or not factors:
        raise ValueError("factor names")
    low, high = (float(v) for v in target["range"])
    footprint, facts, share = document["footprint_km"], document["facts"], _number(document, "min_valid_share")
    if not isinstance(facts, dict) or not 0 <= share <= 1 or not low <= high:
        raise ValueError("facts")
    value = _number(gain, "value")
    if not 0 <= value <= 10:
        raise ValueError("gain")
    return Model(
        learner=_text(document, "learner"),
        title=_text(document, "title"),
        factors=factors,
        target=_text(target, "name"),
        target_unit=_text(target, "unit"),
        target_range=(low, high),
        form=Form(_text(form, "kind"), int(form["window"])),
        trend=trend,
        predictor=predictor,
        footprint_km=None if footprint is None else _number(document, "footprint_km"),
        min_valid_share=share,
        gain=DetailGain(
            value,
            _number(gain, "slope"),
            _number(gain, "standard_error"),
            _number(gain, "share_explained"),
            int(gain["window"]),
        ),
        facts=facts,
    )


def _part(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], part: str, kind: str) -> Any:
    arrays = {}
    for filename, info in members.items():
        if filename.startswith(f"{part}/") and filename.endswith(".npy"):
            arrays[filename[len(part) + 1 : -4]] = _array(archive, info)
    if kind not in _KINDS:
        raise InputError(f"The model is of an unknown kind {kind!r}: update the plugin.")
    return _KINDS[kind].from_arrays(arrays)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[np.generic]:
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError("array version")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.str not in _TYPES or by_columns or len(shape) > 3:
            raise ValueError("array type")
        # The header must agree with the bytes at hand before anything of that size is made.
        if math.prod(shape) * dtype.itemsize > info.file_size:
            raise ValueError("array size")
        data = stream.read()
    return np.frombuffer(data, dtype).reshape(shape)


def _add(archive: zipfile.ZipFile, name: str, data: Any) -> None:
    # A fixed time stamp: the same training gives the same file.
    entry = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    archive.writestr(entry, data, compresslevel=1)


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping[key]
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError(key)
    return value


def _number(mapping: Mapping[str, Any], key: str) -> float:
    value = mapping[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(key)
    return float(value)


def _plain(value: Any) -> Any:
    """Plain JSON values: numpy scalars unpacked, NaN and infinities as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
