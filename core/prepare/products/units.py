"""Spellings of units: whether two of them mean the same."""

from __future__ import annotations

import re

_WORDS = {
    "kelvin": "K", "degk": "K", "deg_k": "K", "degrees_kelvin": "K", "celsius": "degC", "degc": "degC", "deg_c": "degC",
    "degree_celsius": "degC", "degrees_celsius": "degC", "°c": "degC", "c": "degC", "percent": "%", "pct": "%",
    "metre": "m", "meter": "m", "metres": "m", "meters": "m", "millimetre": "mm", "millimeter": "mm",
    "millimetres": "mm", "millimeters": "mm", "days": "day", "d": "day", "hours": "hour", "hr": "hour", "h": "hour",
    "second": "s", "seconds": "s", "sec": "s", "watt": "W", "watts": "W", "decibel": "dB", "decibels": "dB",
    "degree": "degree", "degrees": "degree", "deg": "degree",
}  # fmt: skip
_NOTHING = ("", "1", "-", "none", "n/a", "unitless", "dimensionless", "no unit", "nounits", "unknown")


def same_unit(one: str, other: str) -> bool:
    """Whether two spellings mean the same unit: `kg m-2`, `kg m^-2` and `kg/m2`; `m**3 m**-3` and `cm3/cm3`."""
    return _parts(one) == _parts(other)


def has_unit(text: str) -> bool:
    """Whether a declared unit says anything; `1`, `-`, `unitless` and the like do not."""
    return text.strip().lower() not in _NOTHING


def _parts(text: str) -> tuple[tuple[str, int], ...]:
    """Unit words with their exponents; numerator and denominator are kept apart, so that m3/m3 is not a pure number."""
    if not has_unit(text):
        return ()
    text = re.sub(r"[\[\]()]|\s*\bof\b.*$", " ", text.strip())
    text = text.replace("**", "^").replace("·", " ").replace("⁻", "-").translate(str.maketrans("²³¹", "231"))
    parts: list[tuple[str, int]] = []
    for number, part in enumerate(re.split(r"\s*/\s*", text)):
        # As UDUNITS reads them: only the first word after a stroke is divided by.
        for place, word in enumerate(re.split(r"[\s*.]+(?![\d])", part.strip())):
            match = re.fullmatch(r"(.*?[^\d^+\-])\^?([+-]?\d+)?", word) if word else None
            if match is None:
                parts += [(word, 1)] if word else []
                continue
            exponent = int(match[2] or 1)
            divided = number > 0 and place == 0
            parts.append((_WORDS.get(match[1].lower(), match[1]), -exponent if divided else exponent))
    volume = {("m", 3), ("m", -3)}, {("cm", 3), ("cm", -3)}, {("mm", 3), ("mm", -3)}
    if len(parts) == 2 and set(parts) in volume:
        return (("m", -3), ("m", 3))
    return tuple(sorted(parts))
