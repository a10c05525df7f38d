"""What the scored fields and their intervals are called on a page."""

from __future__ import annotations

import math

from ..report import fmt
from .comparison import Interval
from .results import ProductValidation

SOURCES = {"smooth": "smooth", "coarse": "cell value"}
_FIELDS = {"smooth": "Coarse source, smooth", "coarse": "Coarse source, cell value"}


def field_names(product: ProductValidation) -> dict[str, str]:
    """What the scored fields are called on a page, the product first."""
    return {source: _FIELDS.get(source, f"{product.cell_size} map") for source in product.pooled}


def interval_text(interval: Interval, digits: int = 2) -> str:
    if math.isnan(interval.low):
        return "no interval from so few stations"
    return f"95\u00a0% interval {fmt(interval.low, digits)} to {fmt(interval.high, digits)}"
