"""Which anomalies fit a series, and how they are taken."""

from __future__ import annotations

import math

import numpy as np

from ...errors import InputError
from ..anomalies import anomalies, climatology, climatology_anomalies
from ..metrics import Floats

AUTO, WINDOW, MONTHS, NONE = "auto", "35-day window", "months", "none"
ANOMALIES = (AUTO, WINDOW, MONTHS, NONE)


def anomaly_method(wanted: str, days: Floats, length: float) -> str:
    """How anomalies are taken: months need two years, the 35-day window ten periods of at most 10 days.

    Raises InputError where another than `auto` is wanted that the dates do not allow.
    """
    span = float(np.ptp(days)) if len(days) else 0.0
    fits = {MONTHS: span >= 700, WINDOW: length <= 10 and len(days) >= 10 and span >= 35}
    if wanted == AUTO:
        usual = MONTHS if length > 10 else WINDOW
        return usual if fits[usual] else NONE
    if not fits.get(wanted, True):
        need = {MONTHS: "two years of dates", WINDOW: "ten periods of at most 10 days each over more than 35 days"}
        raise InputError(
            f"Anomalies by {wanted} need {need[wanted]}, but the {len(days)} periods of {length:g} days lie "
            f"within {span + length:.0f} days: choose 'auto' or 'none'."
        )
    return wanted


def departures(days: Floats, values: Floats, method: str) -> Floats:
    """Anomalies of series (periods, ...) by `method`; all NaN for `none`."""
    if method == WINDOW:
        return anomalies(days, values, min_fraction=0.3)
    if method == MONTHS:
        usual = climatology(days, values, by="month", smooth_days=1.0, smooth_climatology=1.0, min_years=2)
        return climatology_anomalies(days, values, usual)
    return np.full(values.shape, math.nan)
