"""From stored numbers to physical values, and the guards against numbers that mean something else."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...raster.bands import is_percent
from .container import ArrayInfo, BadFile
from .recipe import Variable
from .units import has_unit, same_unit

Values = NDArray[np.float32]
Limits = tuple[float, float]

_WATER_PER_SOIL = "m3/m3"
_HIGHEST_WATER = 1.5  # m3/m3; nothing holds more water than its own volume, with room for noise
_NEVER_DATA = 1e15  # fills such as 1e20 and 9.97e36 are beyond, no variable is
_FEW = 2**14  # pixels below which a table of all 16-bit values does not pay


def decode(raw: NDArray[Any], info: ArrayInfo, variable: Variable, path: str = "") -> Values:
    """Stored values as physical ones: (stored * scale + offset) * factor, in float32.

    NaN where the stored value is a fill value of the recipe or the file, lies outside the variable's valid range, is
    no number, or beyond 1e15. Raises BadFile, for the file `path`, where the file declares a unit or a scale that is
    not the recipe's, and where it holds scaled values already.
    """
    scale, offset = scaling(info, variable, path)
    scale, offset = scale * variable.factor, offset * variable.factor
    fills = tuple(value for value in (*variable.fill, *info.fill) if not math.isnan(value))
    if raw.dtype.kind in "iu" and raw.dtype.itemsize <= 2 and raw.size > _FEW:
        # Few values, many pixels: each possible value is converted once, and exactly.
        table = _table(raw.dtype.str, scale, offset, fills, variable.valid)
        return table[raw.view(f"u{raw.dtype.itemsize}")]
    if raw.dtype.kind not in "iuf":
        raise BadFile(path, f"{info.path} holds no numbers, so it cannot be {variable.name}")
    good = _good(raw, fills, variable.valid)
    if raw.dtype.kind == "f":
        _check_not_scaled(raw, good, variable, path)
    return _scaled(raw, scale, offset, good)


def scaling(info: ArrayInfo, variable: Variable, path: str = "") -> Limits:
    """Scale and offset to apply: the recipe's, else the file's own.

    Raises BadFile where the two disagree, where the file's own is known to be misleading, or where the file declares
    another unit than the recipe expects.
    """
    _check_unit(info, variable, path)
    own, shift = info.scale, info.offset or 0.0
    if variable.scale is None:
        _check_hdf4(info, variable, path)
        return (1.0 if own is None else own), (shift if variable.offset is None else variable.offset)
    # MODIS vegetation indices say 10000 and mean: divide by it. A scale of 1 says nothing.
    if own not in (None, 0.0, 1.0) and not (_close(own, variable.scale) or _close(own * variable.scale, 1.0)):
        raise BadFile(
            path,
            f"{info.path} declares the scale {own:g}, but the recipe says {variable.scale:g} for {variable.name}: it "
            "is of another version or was processed; import it as 'generic'",
        )
    offset = shift if variable.offset is None else variable.offset
    if shift and not _close(shift, offset):
        raise BadFile(
            path,
            f"{info.path} declares the offset {shift:g}, but the recipe says {offset:g} for {variable.name}: it is of "
            "another version or was processed; import it as 'generic'",
        )
    return variable.scale, offset


def blank(values: Values, good: NDArray[np.bool_]) -> None:
    """Make all `values` that are not `good` NaN, in place.

    A mask of mixed pixels makes the processor guess; all bits set are a NaN as well, and setting them needs no guess.
    """
    values.view(np.int32)[...] |= good.view(np.int8) - np.int8(1)


def check_soil_moisture(values: NDArray[Any], variable: Variable, path: str = "") -> None:
    """Raise InputError, with what they probably are, for values that are no m3/m3 although the variable says so."""
    if variable.unit != _WATER_PER_SOIL:
        return
    if not ((values > _HIGHEST_WATER).any() or (values < -_HIGHEST_WATER).any()):
        return
    high, low = float(np.nanmax(values)), float(np.nanmin(values))
    where = f" of {path}" if path else ""
    found = f"{variable.name}{where} is said to be in m3/m3, but goes from {low:.4g} to {high:.4g}"
    if low < -_HIGHEST_WATER:
        raise InputError(f"{found}: {low:.4g} is probably a fill value; name it as one.")
    if high <= 100 * _HIGHEST_WATER:
        raise InputError(f"{found}: it is probably in percent; divide by 100 (scale 0.01) if it is percent of volume.")
    if high <= 1000 * _HIGHEST_WATER:
        raise InputError(f"{found}: it is probably stored times 1000 (scale 0.001), or in mm of a layer.")
    raise InputError(f"{found}: it is probably stored times 10000 (scale 0.0001), or holds fill values; name them.")


def as_stored(fill: float, dtype: np.dtype[Any]) -> float:
    """The same bits in the type of the array: 255 in a signed byte is -1."""
    limits, all_values = np.iinfo(dtype), 2.0 ** (8 * dtype.itemsize)
    if fill < limits.min and fill + all_values <= limits.max:
        return fill + all_values
    if fill > limits.max and fill - all_values >= limits.min:
        return fill - all_values
    return fill


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=2e-3)


def _check_unit(info: ArrayInfo, variable: Variable, path: str) -> None:
    if not has_unit(info.unit):
        return
    if variable.stored_unit:
        if not any(same_unit(info.unit, one) for one in variable.stored_unit):
            raise BadFile(
                path,
                f"{info.path} declares the unit {info.unit.strip()!r}, but {variable.name} is expected in "
                f"{' or '.join(variable.stored_unit)}",
            )
    elif variable.unit == _WATER_PER_SOIL and is_percent(info.unit):
        raise BadFile(
            path,
            f"{info.path} is in {info.unit.strip()!r}, which is not m3/m3: percent of saturation needs a porosity, "
            "percent of volume the scale 0.01",
        )


def _check_hdf4(info: ArrayInfo, variable: Variable, path: str) -> None:
    """HDF4 products disagree on whether to multiply or divide, and on whether the offset comes first."""
    if "calibrated_nt" not in info.attributes and "scale_factor_err" not in info.attributes:
        return
    if (info.scale or 1.0) > 1 or (info.offset and variable.offset is None):
        raise BadFile(
            path,
            f"{info.path} declares the scale {info.scale or 1:g} and the offset {info.offset or 0:g}, which HDF4 "
            f"products do not all use in the same way: give scale and offset for {variable.name} (in MODIS vegetation "
            "indices 10000 means scale 0.0001)",
        )


def _check_not_scaled(raw: NDArray[Any], good: NDArray[np.bool_], variable: Variable, path: str) -> None:
    """Integers that someone scaled already would be scaled twice, and NDVI would pass its valid range unnoticed."""
    if variable.scale in (None, 1.0) or variable.stored_unit or (variable.valid is None and not variable.fill):
        return
    sample = raw[good]
    if sample.size and (sample != np.rint(sample)).any():
        raise BadFile(
            path,
            f"it holds fractions such as {float(sample[sample != np.rint(sample)][0]):.4g} for {variable.name}, which "
            "the product stores as whole numbers: it was scaled already; import it as 'generic'",
        )


@lru_cache(maxsize=16)
def _table(dtype: str, scale: float, offset: float, fills: tuple[float, ...], valid: Limits | None) -> Values:
    """The physical value of every bit pattern of an 8-bit or 16-bit type."""
    kind = np.dtype(dtype)
    every = np.arange(2 ** (8 * kind.itemsize)).astype(f"u{kind.itemsize}").view(kind)
    return _scaled(every, scale, offset, _good(every, fills, valid))


def _good(raw: NDArray[Any], fills: tuple[float, ...], valid: Limits | None) -> NDArray[np.bool_]:
    low, high = valid or (-_NEVER_DATA, _NEVER_DATA)
    if raw.dtype.kind == "f" or valid:
        good = raw >= low
        good &= raw <= high
    else:
        good = np.ones(raw.shape, dtype=bool)
    for fill in fills:
        if raw.dtype.kind == "f":
            # Outside the range there is nothing left to take out; -9999.9 in 32 bits is not -9999.9 in 64.
            if low <= fill <= high:
                good &= abs(raw - raw.dtype.type(fill)) > 1e-6 * abs(fill)
        else:
            good &= raw != as_stored(fill, raw.dtype)
    return good


def _scaled(raw: NDArray[Any], scale: float, offset: float, good: NDArray[np.bool_]) -> Values:
    values = np.empty(raw.shape, dtype=np.float32)
    # Fill values may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        if raw.dtype == np.float32:
            np.multiply(raw, np.float32(scale), out=values)
            if offset:
                values += np.float32(offset)
        elif raw.size > _FEW * 4 or not offset:
            # In double precision, piece by piece and without a copy of the whole.
            np.multiply(raw, scale, out=values, dtype=np.float64, casting="same_kind")
            values += np.float32(offset)
        else:
            values[...] = raw * np.float64(scale) + offset
    blank(values, good)
    return values
