"""Words and numbers that the verdict and the report share."""

from __future__ import annotations

import math
import re

from ..report import fmt
from .comparison import Interval
from .results import ProductValidation

SOURCES = {"smooth": "smooth", "coarse": "cell value"}
_FIELDS = {"smooth": "Coarse source, smooth", "coarse": "Coarse source, cell value"}


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def typeset(text: str) -> str:
    """Units, minus signs and percentages as a page shows them."""
    text = text.replace("m3/m3", "m³/m³").replace(" %", "\u00a0%")
    text = re.sub(r"(?<![\w.])-(?=0\.0+(?!\d))", "", text)
    return re.sub(r"(?<![\w.])-(?=\d)", "\u2212", text)


def field_names(product: ProductValidation) -> dict[str, str]:
    """What the scored fields are called on a page, the product first."""
    return {source: _FIELDS.get(source, f"{product.cell_size} map") for source in product.pooled}


def interval_text(interval: Interval, digits: int = 2) -> str:
    if math.isnan(interval.low):
        return "no interval from so few stations"
    return f"95\u00a0% interval {fmt(interval.low, digits)} to {fmt(interval.high, digits)}"
