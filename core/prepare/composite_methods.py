"""How variables are composited: amounts are added up, states and rates averaged; and what that makes of their units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .composite_sources import Variable

AUTO, MEAN, SUM, MAX, MIN, MEDIAN = "auto", "mean", "sum", "max", "min", "median"
METHODS = (AUTO, MEAN, SUM, MAX, MIN, MEDIAN)

_AMOUNT_WORDS = {"precipitation", "rain", "rainfall", "precip", "snowfall", "et", "pet", "evapotranspiration", "runoff"}
_AMOUNT_WORDS |= {"evaporation", "transpiration"}
_AMOUNT_UNITS = ("mm", "kg/m2", "kg m-2", "kg m**-2", "kg/m^2", "m", "cm")
_SECONDS = {"day": 86400, "d": 86400, "hour": 3600, "hr": 3600, "h": 3600, "second": 1, "sec": 1, "s": 1}


def choose_method(one: Variable, method: str, notes: list[str]) -> None:
    """Amounts (rain, evapotranspiration in mm) are added up, states and rates averaged, unless the user says how."""
    words = set(re.split(r"[^a-z]+", one.name.lower()))
    amount = one.unit.strip().lower() in _AMOUNT_UNITS
    named = bool(words & _AMOUNT_WORDS)
    _, seconds = split_rate(one.unit)
    one.method = method if method != AUTO else SUM if amount and named else MEAN
    one.rate_seconds = seconds if one.method == SUM else 0
    one.per_day = one.method == MEAN and amount and named
    if method == AUTO and amount and not named and one.unit.strip().lower() not in ("m", "cm"):
        notes.append(
            f"{one.name!r} in {one.unit} is averaged, as a store of water would be: choose the sum if its layers hold "
            "amounts."
        )
    elif method == AUTO and named and not one.unit:
        notes.append(f"{one.name!r} has no unit and is averaged: choose the sum if its layers hold amounts.")
    elif one.per_day:
        notes.append(
            f"The mean of the amounts of {one.name!r} is their rate in {one.output_unit}: each layer is divided by its "
            "days. Choose the sum for amounts per period."
        )
    elif one.method in (MAX, MIN, MEDIAN) and amount and named:
        notes.append(
            f"The {one.method} of {one.name!r} is {one.unit} per layer, not per period: choose the sum for amounts per "
            "period."
        )
    elif one.method == SUM and not amount and not seconds:
        unit = f" in {one.unit}" if one.unit else ", which has no unit,"
        notes.append(f"The sum of {one.name!r}{unit} adds up its layers: sums are meant for amounts such as mm.")


def per_day(unit: str) -> str:
    """The unit of an amount per day, spelt alike: `mm/day`, `kg m-2 day-1`, `kg m**-2 day**-1`."""
    power = re.search(r"(\*\*)?-\d", unit)
    return f"{unit.strip()} day{power[1] or ''}-1" if power else f"{unit.strip()}/day"


def split_rate(unit: str) -> tuple[str, int]:
    """The amount and the seconds of a rate (`mm/day`, `kg m-2 s-1`); the unit itself and 0 for what is none."""
    times = "|".join(_SECONDS)
    found = re.fullmatch(rf"(.+?)(?:\s*/\s*({times})|\s+({times})(?:\*\*|\^)?-1)", unit.strip())
    return (found[1].strip(), _SECONDS[found[2] or found[3]]) if found else (unit, 0)
