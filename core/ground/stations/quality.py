"""Which readings are kept: the producer's flags, the range, frozen soil, spikes, plateaus."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics import Floats
from .series import Series

GOOD = "good (G)"
# ISMN flags (Dorigo et al. 2013, doi:10.2136/vzj2012.0097): the choice, its codes, why a reading is left out.
FLAG_CLASSES: dict[str, tuple[str, str]] = {
    GOOD: (r"G", "good"),
    "unchecked (U)": (r"U", "flagged as unchecked"),
    "frozen (D01-D03)": (r"D0[1-3]", "flagged as frozen"),
    "rise without rain (D04, D05)": (r"D0[45]", "flagged as rising without rain"),
    "spike (D06)": (r"D06", "flagged as a spike"),
    "break (D07, D08)": (r"D0[78]", "flagged as a break"),
    "plateau (D09, D10)": (r"D(09|10)", "flagged as a plateau"),
    "out of range (C01-C03)": (r"C0?[1-3]?", "flagged as out of range"),
}
FROZEN = "soil temperature below 0 °C"
SPIKE, PLATEAU, RANGE, MISSING = "spike", "constant for long", "outside the valid range", "no value"
ZERO = "exactly 0"
_OTHER = "with another flag"
# A spike stands out from both neighbours by at least 15 % of them (flagit's D06) and 0.02 m3/m3 ...
_SPIKE_SHARE, _SPIKE_STEP = 0.15, 0.02
# ... and by six robust standard deviations of such differences, so that noisy sensors keep their noise ...
_SPIKE_SIGMA = 6 * 1.4826
# ... where the neighbours agree with each other and lie within three hours.
_SPIKE_RETURN, _SPIKE_HOURS = 0.3, 3
_TEMPERATURE_MINUTES = 90


@dataclass(frozen=True)
class Quality:
    """Flag classes to keep, the valid range in m3/m3, and which checks are made; `plateau_days` 0 makes none."""

    keep: frozenset[str] = frozenset({GOOD})
    lowest: float = 0.0
    highest: float = 0.6
    spikes: bool = True
    frozen: bool = True
    plateau_days: float = 0.0


def clean(series: Series, quality: Quality, temperature: Series | None = None) -> tuple[Floats, dict[str, int]]:
    """Values with NaN where a reading is not to be used, and how many were left out, by the first reason.

    `temperature` (degC) is the soil temperature at that depth; a reading counts as frozen where the temperature within
    90 minutes (the same day for daily values) is below 0. Spikes are looked for only where the producer set no flags.
    """
    value, counts = series.value.copy(), dict[str, int]()

    def leave_out(bad: NDArray[np.bool_], reason: str) -> None:
        bad = bad & np.isfinite(value)
        if count := int(bad.sum()):
            counts[reason] = counts.get(reason, 0) + count
            value[bad] = math.nan

    if missing := int(np.isnan(value).sum()):
        counts[MISSING] = missing
    if series.flags is not None:
        # Most are plainly good, and need not be sorted.
        others = np.flatnonzero(series.flags != b"G") if GOOD in quality.keep else np.arange(len(series))
        codes, number = np.unique(series.flags[others], return_inverse=True)
        reasons = [_reason(code.decode("latin-1"), quality.keep) for code in codes.tolist()]
        for reason in dict.fromkeys(one for one in reasons if one):
            bad = np.zeros(len(series), dtype=bool)
            bad[others] = np.array([one == reason for one in reasons])[number]
            leave_out(bad, reason)
    leave_out((value < quality.lowest) | (value > quality.highest), RANGE)
    if series.flags is None:
        # No soil in the field is without water: loggers write 0 for nothing, and frozen soil reads near it.
        leave_out(value == 0, ZERO)
    if quality.frozen and temperature is not None and len(temperature):
        leave_out(_frozen(series, temperature), FROZEN)
    if quality.spikes and series.flags is None and not series.daily:
        leave_out(spikes(series.time, value), SPIKE)
    if quality.plateau_days > 0:
        leave_out(plateaus(series.time, value, quality.plateau_days), PLATEAU)
    return value, counts


def spikes(time: NDArray[np.datetime64], value: Floats) -> NDArray[np.bool_]:
    """Single readings that leave their neighbours and return; rain rises but does not return at once."""
    found = np.zeros(len(value), dtype=bool)
    at = np.flatnonzero(np.isfinite(value))
    if len(at) < 5:
        return found
    x, t = value[at], time[at].astype("datetime64[m]").astype(np.int64)
    around = (x[:-2] + x[2:]) / 2
    jump, disagreement = np.abs(x[1:-1] - around), np.abs(x[2:] - x[:-2])
    size = np.maximum(_SPIKE_STEP, _SPIKE_SHARE * around)
    size = np.maximum(size, _SPIKE_SIGMA * float(np.median(jump)))
    near = (np.diff(t)[:-1] <= 60 * _SPIKE_HOURS) & (np.diff(t)[1:] <= 60 * _SPIKE_HOURS)
    found[at[1:-1]] = near & (jump > size) & (disagreement < _SPIKE_RETURN * jump)
    return found


def plateaus(time: NDArray[np.datetime64], value: Floats, days: float) -> NDArray[np.bool_]:
    """Readings that repeat one value for longer than `days`."""
    found = np.zeros(len(value), dtype=bool)
    at = np.flatnonzero(np.isfinite(value))
    if len(at) == 0:
        return found
    starts = np.flatnonzero(np.diff(value[at], prepend=math.nan) != 0)
    ends = np.append(starts[1:], len(at))
    length = (time[at[ends - 1]] - time[at[starts]]) / np.timedelta64(1, "m") / 1440
    for start, end in zip(starts[length > days], ends[length > days]):
        found[at[start:end]] = True
    return found


def _reason(flag: str, keep: frozenset[str]) -> str:
    """Why a reading with this flag is left out; nothing where it is kept. Several codes are joined by commas."""
    worst = ""
    for code in filter(None, re.split(r"[,;/|]", flag.strip())):
        for choice, (pattern, reason) in FLAG_CLASSES.items():
            if re.fullmatch(pattern, code):
                if choice not in keep:
                    worst = worst or reason
                break
        else:
            return MISSING if code == "M" else _OTHER
    return worst


def _frozen(series: Series, temperature: Series) -> NDArray[np.bool_]:
    known = np.isfinite(temperature.value)
    cold_time, degrees = temperature.time[known].astype(np.int64), temperature.value[known]
    if len(degrees) == 0:
        return np.zeros(len(series), dtype=bool)
    if series.daily or temperature.daily:
        days, number = np.unique(cold_time // 1440, return_inverse=True)
        mean = np.bincount(number, weights=degrees) / np.bincount(number)
        wanted = series.time.astype(np.int64) // 1440
        at = np.minimum(np.searchsorted(days, wanted), len(days) - 1)
        return (days[at] == wanted) & (mean[at] < 0)
    wanted = series.time.astype(np.int64)
    after = np.minimum(np.searchsorted(cold_time, wanted), len(cold_time) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(cold_time[after] - wanted) <= np.abs(cold_time[before] - wanted), after, before)
    return (np.abs(cold_time[nearest] - wanted) <= _TEMPERATURE_MINUTES) & (degrees[nearest] < 0)
