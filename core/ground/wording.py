"""What the scored fields and their intervals are called on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..report import fmt
from .comparison import Interval
from .results import ProductValidation

SOURCES = {"smooth": "smooth", "coarse": "cell value"}
_FIELDS = {"smooth": "Coarse source, smooth", "coarse": "Coarse source, cell value"}


def field_names(product: ProductValidation) -> dict[str, str]:
    """What the scored fields are called on a page, the product first."""
    return {source: _FIELDS.get(source, f"{product.cell_size} map") for source in product.pooled}


def difference_text(first: float, second: float, gain: Interval, between: str = "") -> str:
    """Two R and their difference, with as many decimals as it takes for the three to fit and not to look like zero.

    `between` follows the second R.
    """
    ends = (gain.value, gain.low, gain.high)
    fits = math.isclose(round(first, 2) - round(second, 2), round(gain.value, 2), abs_tol=1e-9)
    digits = 2 if fits and all(math.isnan(end) or round(end, 2) != 0 or end == 0 for end in ends) else 3
    span = "" if math.isnan(gain.low) else f", 95 % interval {gain.low:.{digits}f} to {gain.high:.{digits}f}"
    return f"{first:.{digits}f} against {second:.{digits}f}{between} (difference {gain.value:+.{digits}f}{span})"


def interval_text(interval: Interval, digits: int = 2) -> str:
    if math.isnan(interval.low):
        return "no interval from so few stations"
    return f"95\u00a0% interval {fmt(interval.low, digits)} to {fmt(interval.high, digits)}"


def interval_cell(interval: Interval, digits: int = 2) -> str | None:
    """Both ends for a cell of a table, None where there are none."""
    if math.isnan(interval.low):
        return None
    return f"{fmt(interval.low, digits)}\u00a0to\u00a0{fmt(interval.high, digits)}"


def filled(rows: Sequence[Sequence[object]]) -> list[int]:
    """Numbers of the columns that have a value in any row."""
    return [j for j in range(len(rows[0])) if any(not _missing(row[j]) for row in rows)] if rows else []


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
