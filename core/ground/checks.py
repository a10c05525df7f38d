"""What is odd about stations, and why no scores can be given: in sentences that say what to do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import InputError
from ..report import plural
from ..statistics import is_constant
from .matching import NO_COARSE, NO_DATE, NO_VALUE, OUTSIDE, Pairs
from .metrics import rows_by
from .observations import Observations


def station_notes(observations: Observations) -> tuple[str, ...]:
    """Repeated readings, stations at one place, and stations that never change."""
    names, x, y, number = observations.places()
    notes = []
    order = np.lexsort((observations.value, observations.date, number))
    twice = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (number, observations.date, observations.value):
        twice &= column[order][1:] == column[order][:-1]
    if twice.any():
        notes.append(
            f"{plural(int(twice.sum()), 'row')} repeat another row with the same station, date and value "
            f"(such as {names[number[order][1:][twice][0]]!r}): they count again in the mean."
        )
    _, place, count = np.unique(np.stack([x, y]), axis=1, return_inverse=True, return_counts=True)
    same = np.flatnonzero(count[place.ravel()] > 1)
    if len(same):
        notes.append(
            f"{_listed(names[same])} lie at exactly the same places: if these are depths or copies of one station, "
            "give them one at a time."
        )
    still = [
        str(name) for name, at in zip(names, rows_by(number)) if len(at) >= 5 and is_constant(observations.value[at])
    ]
    if still:
        notes.append(f"{_listed(still)} always report the same value: they have no R of their own.")
    return tuple(notes)


def too_few(pairs: Pairs, min_pairs: int) -> InputError:
    """The error for a product with fewer than `min_pairs` pairs."""
    why = ", ".join(f"{plural(count, 'observation')} {reason}" for reason, count in pairs.dropped.items())
    left = f"Only {plural(len(pairs), 'pair')}" if len(pairs) else "No pairs"
    lower = "; or lower the fewest pairs of a station" if len(pairs) >= 3 else ""
    return InputError(
        f"{left} of {pairs.product} and the stations are left, at least {min_pairs} are needed"
        f"{': ' + why if why else ''}{_what_to_check(pairs)}{lower}."
    )


def _what_to_check(pairs: Pairs) -> str:
    """For the reason that cost most observations."""
    worst = max(pairs.dropped, key=lambda reason: pairs.dropped[reason], default="")
    dated = [period.label for period in pairs.periods if period is not None]
    hint = next((f". {note.rstrip('.')}" for note in pairs.notes if note.startswith("With ")), "")
    return {
        NO_DATE: f"; its dates are {dated[0]} to {dated[-1]}{_dates(pairs)}" if dated else "",
        OUTSIDE: f"; check coordinates and reference system of the points{hint}",
        NO_VALUE: "; check the nodata of the map, and whether the points lie in water or clouds",
        NO_COARSE: "; check dates and extent of the coarse source",
    }.get(worst, "")


def _dates(pairs: Pairs) -> str:
    return f", those of the observations {pairs.dates[0]} to {pairs.dates[1]}" if pairs.dates else ""


def _listed(names: Iterable[str]) -> str:
    """Up to four names, and how many more."""
    given = [str(name) for name in names]
    more = f" and {len(given) - 4} more" if len(given) > 4 else ""
    if len(given) == 1:
        return f"Station {given[0]!r}"
    return f"Stations {', '.join(repr(name) for name in given[:4])}{more}"
