"""Model files `*.smdl`: a zip of `model.json` and plain .npy arrays; data only, checked before use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .applicability import Applicability
from .arrayfile import ArrayFile, number_of, reading_arrays, write_arrays
from .boosted import BoostedPredictor
from .forest import ForestPredictor
from .form import Form
from .linear import LinearPredictor
from .model import DetailGain, Factor, Model
from .network import NetworkPredictor
from .predictor import Predictor
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
_KIND, _MEMBER = "soil moisture model", "model.json"
_MOST_BYTES = 2 * 2**30
_MOST_JSON = 16 * 2**20


def save_model(model: Model, path: str | Path) -> None:
    """Write `model`; the file appears whole or not at all, and the same model gives the same bytes."""
    document = {
        "format": FORMAT,
        "kind": _KIND,
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
    write_arrays(path, _MEMBER, document, parts)


def load_model(path: str | Path) -> Model:
    """Read and check a model file.

    Raises InputError, naming the file, for anything that is not one, is damaged, or comes from a newer version.
    """
    with reading_arrays(path, _KIND, _KIND, _MEMBER, FORMAT, _MOST_BYTES, _MOST_JSON) as file:
        document = file.document
        if not isinstance(document["trend"], bool):
            raise ValueError("trend")
        predictor = _part(file, "predictor", _text(document, "predictor"))
        trend = _part(file, "trend", LinearPredictor.kind) if document["trend"] else None
        return replace(_model(document, predictor, trend), **_trust(file, predictor))


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
    low, high = (number_of(value) for value in target["range"])
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


def _part(file: ArrayFile, part: str, kind: str) -> Any:
    if kind not in _KINDS:
        raise InputError(f"The model is of an unknown kind {kind!r}: update the plugin.")
    return _KINDS[kind].from_arrays(file.arrays(part))


def _trust(file: ArrayFile, predictor: Predictor) -> dict[str, Any]:
    """The parts that older files do not have."""
    has_area, method = file.document.get("applicability", False), file.document.get("uncertainty")
    if not isinstance(has_area, bool):
        raise ValueError("applicability")
    parts: dict[str, Any] = {}
    if has_area:
        parts["applicability"] = Applicability.from_arrays(file.arrays("applicability"))
    if method is not None:
        arrays = file.arrays("uncertainty")
        parts["uncertainty"] = Uncertainty.from_arrays(arrays, _text(file.document, "uncertainty"), predictor)
    return parts


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping[key]
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError(key)
    return value


def _number(mapping: Mapping[str, Any], key: str) -> float:
    return number_of(mapping[key])


def _number_or_nan(mapping: Mapping[str, Any], key: str) -> float:
    return math.nan if mapping[key] is None else _number(mapping, key)


def _whole_number(mapping: Mapping[str, Any], key: str) -> int:
    value = _number(mapping, key)
    if value != int(value) or not 0 <= value <= 9999:
        raise ValueError(key)
    return int(value)
