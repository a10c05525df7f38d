"""Which bands are day and night temperature and albedo, and which of them belong to which period."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...raster.periods import Period
from .checks import sample_values
from .common import Dated, Source, by_period, dated_periods, label_of, listed, over

WHITE, BLACK = "white_sky", "black_sky"
SKIES = (WHITE, BLACK)
_DAY = re.compile(r"lst[_ ]?day", re.I)
_NIGHT = re.compile(r"lst[_ ]?night", re.I)


@dataclass(frozen=True)
class Part:
    """One period: its day band, and night and albedo bands with their days in it."""

    period: Period | None
    day: Source
    night: list[tuple[Source, float]]
    albedo: list[tuple[Source, float]]

    @property
    def sources(self) -> list[Source]:
        return [self.day, *(source for source, _ in (*self.night, *self.albedo))]


def day_temperature(sources: Sequence[Source]) -> Dated:
    """The bands of the day temperature. Raises InputError where none is known as it."""
    return _variable(sources, _DAY, "day temperature", "lst_day", True)


def night_temperature(given: Sequence[Source], others: Sequence[Source]) -> Dated:
    """The bands of the night temperature among those given for it, else among the others."""
    return _variable(given or others, _NIGHT, "night temperature", "lst_night", bool(given))


def shortwave_albedo(given: Sequence[Source], others: Sequence[Source], sky: str, notes: list[str]) -> Dated:
    """The bands of the albedo among those given for it, else among the others; `sky` chooses where there are both.

    Raises InputError where none is known as it, where a choice is open, and for stored integers and percent.
    """
    own, sources = bool(given), given or others
    found = [source for source in sources if "albedo" in source.name.lower() or "sky" in source.name.lower()]
    if not found and own and len({source.name for source in sources}) == 1:
        found = list(sources)
    shortwave = [source for source in found if "shortwave" in source.name.lower()] or found
    names = list(dict.fromkeys(source.name for source in shortwave))
    if len(names) > 1:
        wanted = re.compile("white|wsa" if sky == WHITE else "black|bsa", re.I)
        shortwave = [source for source in shortwave if wanted.search(source.name)]
        chosen = list(dict.fromkeys(source.name for source in shortwave))
        if len(chosen) != 1:
            raise InputError(f"Several albedos are there, {listed(names)}: give a layer with only one of them.")
        notes.append(f"Of {listed(names)} the {sky.replace('_', '-')} albedo was taken.")
    if not shortwave:
        held = listed(list(dict.fromkeys(source.name for source in sources)), 10)
        raise InputError(
            f"No band is an albedo: the layers hold {held or 'no bands'}; give a layer with the shortwave albedo."
        )
    _check_albedo(shortwave)
    return by_period(shortwave, "The albedo")


def match_periods(day: Dated, night: Dated, albedo: Dated) -> tuple[list[Part], list[tuple[Period | None, list[str]]]]:
    """A part for each period of the day temperature, and the periods that lack something.

    Night temperature and albedo are taken by their days of overlap. Raises InputError where day and night come from
    two platforms.
    """
    parts: list[Part] = []
    missing: list[tuple[Period | None, list[str]]] = []
    for period in dated_periods([day]):
        nights, albedos = over(night, period), over(albedo, period)
        lacking = [what for what, found in (("night temperature", nights), ("albedo", albedos)) if not found]
        if lacking:
            missing.append((period, lacking))
            continue
        part = Part(period, day[period], nights, albedos)
        for source, _ in nights:
            names = platform(part.day), platform(source)
            if all(names) and names[0] != names[1]:
                raise InputError(
                    f"The day temperature is of {names[0]} ({part.day.where}) and the night temperature of {names[1]} "
                    f"({source.where}): they pass at other hours, so take both from one platform."
                )
        parts.append(part)
    return parts, missing


def platform(source: Source) -> str:
    """Terra or Aqua, as the product of a band or its layer's name tells; empty for others."""
    text = f"{source.product} {source.stack.name}".upper()
    found = re.search(r"(?<![A-Z0-9])(MOD|MYD)\d\d", text)
    return {"MOD": "Terra", "MYD": "Aqua"}[found.group(1)] if found else ""


def thin_cover(parts: Sequence[Part]) -> list[str]:
    """Periods of which night temperature or albedo cover less than half of the days."""
    notes = []
    for what, days_of in (
        ("night temperature", lambda one: one.night),
        ("albedo", lambda one: one.albedo),
    ):
        thin = [
            one.period.label
            for one in parts
            if one.period is not None and sum(days for _, days in days_of(one)) < 0.5 * one.period.days
        ]
        if thin:
            notes.append(f"The {what} covers less than half of the days of {listed(thin)}.")
    return notes


def dates_of(found: Sequence[tuple[Source, float]]) -> str:
    """The dates of some bands, for tables."""
    labels = [label_of(source.period) for source, _ in found]
    return labels[0] if len(labels) == 1 else f"{len(labels)} dates, {labels[0]} to {labels[-1]}"


def _variable(sources: Sequence[Source], known: re.Pattern[str], what: str, name: str, own: bool = True) -> Dated:
    """The bands of a variable: by its name, or all where the layers were given for it and hold nothing else."""
    found = [source for source in sources if known.search(source.name)]
    if not found and own and len({source.name for source in sources}) == 1 and not _named_otherwise(sources[0], known):
        found = list(sources)
    if not found:
        held = listed(list(dict.fromkeys(source.name for source in sources)), 10)
        raise InputError(
            f"No band is called {name}, the {what}: the layers hold {held or 'no bands'}; give a layer with only the "
            f"{what}, or call its bands {name}."
        )
    return by_period(found, f"The {what}")


def _named_otherwise(source: Source, known: re.Pattern[str]) -> bool:
    other = _NIGHT if known is _DAY else _DAY
    return bool(other.search(source.name))


def _check_albedo(sources: Iterable[Source]) -> None:
    for source in {(id(source.stack), source.name): source for source in sources}.values():
        values = sample_values(source)
        high = float(np.percentile(values, 99)) if values.size else 0.0
        if high > 1:
            scale = "0.001 (stored integers of MODIS)" if high > 100 else "0.01 (percent)"
            raise InputError(
                f"Albedo goes from 0 to 1, but the 99th percentile of {source.where} is {high:.5g}: import the "
                f"product with 'Import product files', or set its scale to {scale}."
            )
