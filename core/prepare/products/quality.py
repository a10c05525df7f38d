"""Which pixels a quality array lets through."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .container import ArrayInfo
from .decode import as_stored
from .recipe import QualityRule

Mask = NDArray[np.bool_]


def kept(rule: QualityRule, strictness: str, raw: NDArray[Any], info: ArrayInfo | None = None) -> Mask | None:
    """Whether each pixel is kept, from the stored quality values `raw`; None where `strictness` ignores the rule.

    Quality is missing where `raw` is one of the rule's fill values or, where it names none, of those that the file
    declares in `info`. Bits are those of the stored pattern, whether the file calls it signed or not. Raises InputError
    for bits of fractions.
    """
    keep = rule.keep.get(strictness)
    fill = rule.fill or (info.fill if info else ())
    if keep is None:
        return None
    if isinstance(keep, Mapping):
        good = _in_range(raw, keep, rule.scale, rule.offset)
    elif rule.bits is None:
        good = _is_one_of(raw, keep)
    else:
        good = _is_one_of(_field(_whole(raw) if raw.dtype.kind == "f" else raw, *rule.bits), keep)
    missing = _is_one_of(raw, fill)
    if raw.dtype.kind == "f":
        missing |= np.isnan(raw)
    return good | missing if rule.missing else good & ~missing


def _field(raw: NDArray[Any], first: int, last: int) -> NDArray[Any]:
    unsigned = raw.view(f"u{raw.dtype.itemsize}")
    if first >= 8 * raw.dtype.itemsize:
        return np.zeros_like(unsigned)
    mask = unsigned.dtype.type((2 ** (last - first + 1) - 1) & (2 ** (8 * raw.dtype.itemsize) - 1))
    return (unsigned >> unsigned.dtype.type(first)) & mask


def _is_one_of(values: NDArray[Any], codes: Sequence[float]) -> Mask:
    if values.dtype.kind in "iu":
        codes = [as_stored(code, values.dtype) for code in codes]
    if len(codes) > 8 and values.dtype.kind in "iu":
        return np.isin(values, np.asarray(codes))
    result = np.zeros(values.shape, dtype=bool)
    for code in codes:
        result |= values == code
    return result


def _in_range(raw: NDArray[Any], limits: Mapping[str, float], scale: float, offset: float) -> Mask:
    """Compared as stored, so that nothing is lost in rounding: 0.1 is within a limit of 0.1."""
    edges = [(limits[name] - offset) / scale if name in limits else None for name in ("min", "max")]
    low, high = edges if scale > 0 else edges[::-1]
    result = np.ones(raw.shape, dtype=bool)
    if low is not None:
        result &= raw >= (math.ceil(low - 1e-6) if raw.dtype.kind in "iu" else low - 1e-6 * abs(low))
    if high is not None:
        result &= raw <= (math.floor(high + 1e-6) if raw.dtype.kind in "iu" else high + 1e-6 * abs(high))
    return result


def _whole(raw: NDArray[Any]) -> NDArray[Any]:
    """Bits stored as floating-point numbers (after a resampling, for one) as whole numbers."""
    present = np.isfinite(raw)
    whole = np.where(present, raw, 0).astype(np.int64)
    if not np.array_equal(whole[present], raw[present]):
        raise InputError(
            "A quality layer of bits holds fractions: it was averaged or interpolated, which bits cannot be."
        )
    return whole
