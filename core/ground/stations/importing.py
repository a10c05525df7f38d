"""Station files to observations, and to a summary of what was read and what was left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...report.wording import plural
from ..metrics import Floats
from .catalogue import Catalogue, catalogue
from .options import StationOptions
from .reading import StationReadings, read_stations

CLASSES = np.linspace(0.0, 1.0, 51)  # m3/m3, of the histogram


@dataclass(frozen=True)
class StationSummary:
    """What became of one station; `months` (datetime64[M]) with the number of its values in each."""

    name: str
    network: str
    x: float
    y: float
    sensors: tuple[str, ...]
    depth_from: float
    depth_to: float
    cover: float
    readings: int
    used: int
    values: int
    first: str
    last: str
    mean: float
    lowest: float
    highest: float
    left_out: dict[str, int]
    sparse: dict[str, int]
    notes: tuple[str, ...]
    reason: str
    months: NDArray[np.datetime64]
    per_month: NDArray[np.intp]


@dataclass
class StationImport:
    """All stations of a run. `sums` and `counts` are of the values by day since `origin`, over all stations."""

    stations: list[StationSummary]
    options: StationOptions
    files: int
    passed_over: int
    bad: list[str]
    guesses: dict[str, int]
    placeless: list[str]
    histogram: NDArray[np.intp]
    origin: np.datetime64
    sums: Floats
    counts: NDArray[np.intp]
    left_out: Counter[str] = field(default_factory=Counter)
    sparse: Counter[str] = field(default_factory=Counter)

    @property
    def used(self) -> list[StationSummary]:
        """Stations that gave a value."""
        return [station for station in self.stations if station.values]

    @property
    def readings(self) -> int:
        """Readings read, used or not."""
        return sum(station.readings for station in self.stations)


def import_stations(
    inputs: Iterable[str | Path],
    options: StationOptions,
    progress: Progress | None = None,
    take: Callable[[StationReadings], None] | None = None,
    tell_notes: bool = True,
) -> StationImport:
    """Read station files; `take` gets every station's means in turn, and only a summary stays in memory.

    `tell_notes` False leaves `notes_of` to the caller's log.

    Raises InputError where nothing can be used, with why.
    """
    progress = progress or Progress()
    found = catalogue(inputs, options, progress.part(0.0, 0.15))
    for guess, count in found.notes.most_common():
        progress.info(f"{guess} ({plural(count, 'file')})")
    origin = np.datetime64("1900-01-01", "D")
    days = 75_000  # to the year 2105
    result = StationImport(
        [], options, found.files, found.passed_over, found.bad, dict(found.notes), found.placeless,
        np.zeros(len(CLASSES) - 1, dtype=np.intp), origin, np.zeros(days), np.zeros(days, dtype=np.intp),
    )  # fmt: skip
    for station in read_stations(found, options, progress.part(0.15, 1.0)):
        if take is not None and len(station.means):
            take(station)
        _add(result, station)
    _tell(result, found, progress, tell_notes)
    if not result.used:
        reasons = Counter(station.reason for station in result.stations)
        count = len(result.stations)
        whole = "The only station cannot" if count == 1 else f"None of {count} stations can"
        raise InputError(f"{whole} be used: {_joined(reasons, 3)}.{_hint(result)}")
    return result


def notes_of(result: StationImport) -> list[str]:
    """Sentences on units, depths, constant series and stations left out, each said once."""
    told: Counter[str] = Counter(note.split(":")[0] if note.startswith("constant") else note
                                 for station in result.stations for note in station.notes)  # fmt: skip
    notes = [f"{plural(count, 'station')}: {note}." for note, count in told.most_common()]
    reasons = Counter(station.reason for station in result.stations if station.reason)
    if reasons:
        notes.append(f"{plural(sum(reasons.values()), 'station')} left out: {_joined(reasons, 4)}.")
    if result.placeless:
        count = plural(len(result.placeless), "station")
        notes.append(f"{count} without coordinates left out, such as {result.placeless[0]}.")
    if result.bad:
        notes.append(f"{plural(len(result.bad), 'file')} left out as unusable; the first: {result.bad[0]}.")
    notes += _together(result.used)
    far = _far(result.used)
    if far:
        notes.append(f"Far from all other stations: {', '.join(far[:5])}; check their coordinates.")
    return notes


def _add(result: StationImport, station: StationReadings) -> None:
    means = station.means
    dated = len(means) > 0 and not np.isnat(means.key).any()
    months, per_month = np.unique(means.key.astype("datetime64[M]"), return_counts=True) if dated else ([], [])
    if dated:
        day = (means.key.astype("datetime64[D]") - result.origin).astype(np.int64)
        inside = (day >= 0) & (day < len(result.sums))
        result.sums += np.bincount(day[inside], weights=means.value[inside], minlength=len(result.sums))
        result.counts += np.bincount(day[inside], minlength=len(result.sums))
    result.histogram += np.histogram(means.value, CLASSES)[0]
    result.left_out.update(station.left_out)
    result.sparse.update(station.sparse)
    some = len(means) > 0
    result.stations.append(
        StationSummary(
            station.name, station.network, station.x, station.y, station.sensors, station.depth_from, station.depth_to,
            station.cover, station.readings, int(means.readings.sum()), len(means),
            str(means.key[0].astype("datetime64[D]")) if dated else "",
            str(means.key[-1].astype("datetime64[D]")) if dated else "",
            float(means.value.mean()) if some else math.nan, float(means.value.min()) if some else math.nan,
            float(means.value.max()) if some else math.nan, dict(station.left_out), dict(station.sparse),
            station.notes, station.reason, np.array(months, dtype="datetime64[M]"), np.array(per_month, dtype=np.intp),
        )
    )  # fmt: skip


def _tell(result: StationImport, found: Catalogue, progress: Progress, notes: bool) -> None:
    for error in found.bad:
        progress.warn(f"Left out: {error}.")
    for note in notes_of(result) if notes else ():
        progress.info(note)
    for reason, count in result.left_out.most_common():
        progress.info(f"{plural(count, 'reading')} left out: {reason}")
    for reason, count in result.sparse.most_common():
        progress.info(f"{count} left out: {reason}")


def _far(stations: Sequence[StationSummary]) -> list[str]:
    """Stations more than 20 degrees and ten times the usual distance away from the middle of the others."""
    if len(stations) < 5:
        return []
    x, y = np.array([s.x for s in stations]), np.array([s.y for s in stations])
    distance = np.hypot(x - np.median(x), y - np.median(y))
    return [s.name for s, d in zip(stations, distance) if d > max(20.0, 10 * float(np.median(distance)))]


def _together(stations: Sequence[StationSummary]) -> list[str]:
    """A sentence on stations that stand at one and the same place."""
    places: dict[tuple[float, float], list[str]] = {}
    for station in stations:
        places.setdefault((station.x, station.y), []).append(station.name)
    shared = [names for names in places.values() if len(names) > 1]
    if not shared:
        return []
    return [
        f"{plural(sum(map(len, shared)), 'station')} share a place with another, such as {', '.join(shared[0][:3])}."
    ]


def _hint(result: StationImport) -> str:
    unchecked = result.left_out.get("flagged as unchecked", 0)
    if unchecked > 0.5 * result.readings:
        return " Most readings are flagged U (unchecked): keep 'unchecked (U)' to use them."
    return ""


def _joined(reasons: Counter[str], most: int) -> str:
    parts = [reason if count == 1 else f"{reason} ({count})" for reason, count in reasons.most_common(most)]
    return "; ".join(parts) + (f"; and {len(reasons) - most} other reasons" if len(reasons) > most else "")
