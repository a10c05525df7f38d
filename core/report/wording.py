"""Numbers and units in the sentences of reports."""

from __future__ import annotations

import math
import re

from .tables import MINUS, fmt

GAP = "\u00a0"  # a line does not break here


def plural(count: int, word: str) -> str:
    """Such as `1 cell` or `1,200 cells`."""
    return f"{fmt(count)} {word}{'' if count == 1 else 's'}"


def inside(title: str) -> str:
    """A title within a sentence: `random forest`, but LightGBM and SVR keep their capitals."""
    first = title.split(" ")[0]
    return title if any(letter.isupper() for letter in first[1:]) else title[:1].lower() + title[1:]


def percent(share: float) -> str:
    """A share of 1 as a whole percentage, a dash where there is none; hardly any is not none, nearly all not all."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1 - 1e-9:
        return ">99 %"
    return f"{fmt(100 * share, 0)} %" if math.isfinite(share) else fmt(None)


def typeset(text: str) -> str:
    """Units, sizes, minus signs and percentages as a page shows them."""
    text = text.replace("m3/m3", "m³/m³").replace(" %", f"{GAP}%")
    text = re.sub(r"(?<=\d) x (?=\d)", f"{GAP}×{GAP}", text)
    text = re.sub(r"(?<![\w.])-(?=0\.0+(?!\d))", "", text)
    return re.sub(r"(?<![\w.])-(?=\d)", MINUS, text)
