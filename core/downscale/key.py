"""What a downscaling run rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.model import Model
from ..plain import plain
from ..raster.fingerprint import digest, run_key
from ..raster.stack import Stack
from .options import DownscaleOptions

_VERSION = "downscale 1"  # another number where the same options give other results


def downscaling_key(
    model: Model, fine: Stack, coarse: Stack, options: DownscaleOptions, index: bool, interval: bool
) -> str:
    """Equal for calls whose results are: whatever the outputs are called and however the run is done."""
    content = {"model": model_content(model), "options": options, "index": index, "interval": interval}
    return run_key(_VERSION, content, [fine.path, coarse.path])


def model_content(model: Model) -> Mapping[str, Any]:
    """Everything that `model` is made of, for a key."""
    parts: dict[str, Any] = {
        "predictor": model.predictor,
        "trend": model.trend,
        "applicability": model.applicability,
        "uncertainty": model.uncertainty,
    }
    numbers = {
        "factors": [vars(factor) for factor in model.factors],
        "target": [model.target, model.target_unit, *model.target_range],
        "form": vars(model.form),
        "gain": vars(model.gain),
        "footprint_km": model.footprint_km,
        "min_valid_share": model.min_valid_share,
        "facts": plain(dict(model.facts)),
        "kind": model.predictor.kind,
        "method": model.uncertainty.method if model.uncertainty else None,
    }
    return numbers | {name: digest(part.arrays()) for name, part in parts.items() if part is not None}
