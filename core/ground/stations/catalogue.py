"""All stations in a set of files: what is there, before the readings are read."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...progress import Progress
from ...report.wording import plural
from .ismn import ismn_sensor
from .options import StationOptions
from .series import SensorFile, Station
from .sources import BadStationFile, SourceFile, refusal, source_files
from .tables import TableReader

_ONE_PLACE = 0.01  # degrees; sensors of a station further apart are several stations
_PLACE_FILE = ("station", "site", "coord", "location", "place", "meta", "stn")


@dataclass
class Catalogue:
    """Stations in order of their names; `bad` names the files that cannot be used and says why."""

    stations: list[Station] = field(default_factory=list)
    files: int = 0
    passed_over: int = 0
    bad: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    placeless: list[str] = field(default_factory=list)


def catalogue(inputs: Iterable[str | Path], options: StationOptions, progress: Progress) -> Catalogue:
    """Look into every file. Raises InputError where one cannot be used (unless `skip_bad`), or where none can."""
    found = Catalogue()

    def on_bad(name: str, error: BadStationFile) -> None:
        if not options.skip_bad:
            raise refusal(name, error)
        found.bad.append(f"{name} {error}")

    given = [str(one) for one in inputs]
    progress.set(0.0, "Looking for stations")
    files = source_files(given, on_bad, progress)
    reader = TableReader(options.table)
    tables = [one for one in files if not one.is_ismn]
    places = _take_places(reader, tables, options.table.places, progress)
    stations: dict[tuple[str, str], list[Station]] = {}
    for number, file in enumerate(files):
        progress.set(number / len(files), "Looking for stations")
        progress.check()
        if file.label in places:
            continue
        try:
            if file.is_ismn:
                one = ismn_sensor(file)
                sensors = [one] if one else []
            else:
                sensors, told = reader.sensors(file)
                found.notes.update(told)
        except BadStationFile as error:
            on_bad(file.label, error)
            continue
        found.files += 1
        found.passed_over += not sensors
        for sensor in sensors:
            _enter(stations, sensor, found)
    for source in reader.places.sources:
        found.notes[f"coordinates from {os.path.basename(source)}"] += 1
    found.stations = _named(stations)
    found.placeless = sorted(set(found.placeless))
    if not found.stations:
        raise InputError(_why_none(found, given))
    return found


def _take_places(reader: TableReader, tables: list[SourceFile], chosen: str, progress: Progress) -> set[str]:
    """Read the tables of places: the chosen one, those among the files, else those beside a single file."""
    if chosen:
        files = source_files([chosen], _refuse, progress)
        if not any(reader.take_places(file) for file in files):
            raise InputError(f"{chosen} is no table with a station, a longitude and a latitude column.")
        return {os.path.abspath(chosen)} | {file.label for file in files}
    taken = set()
    for file in tables:
        progress.check()
        if reader.take_places(file):
            taken.add(file.label)
    if tables and not taken:
        known = {file.label for file in tables}
        for folder in dict.fromkeys(file.folder for file in tables):
            if not os.path.isdir(folder):
                continue
            for name in sorted(os.listdir(folder)):
                path = os.path.join(folder, name)
                if (
                    name.lower().startswith(_PLACE_FILE)
                    and path not in known
                    and name.lower().endswith((".csv", ".txt"))
                ):
                    for file in source_files([path], _refuse, progress):
                        reader.take_places(file)
    return taken


def _refuse(name: str, error: BadStationFile) -> None:
    raise InputError(f"{name} {error}.")


def _enter(stations: dict[tuple[str, str], list[Station]], one: SensorFile, found: Catalogue) -> None:
    sensor = one.sensor
    if not (math.isfinite(one.x) and math.isfinite(one.y)) or (one.x == 0 and one.y == 0):
        found.placeless.append(sensor.station)
        return
    if abs(one.y) > 90 or abs(one.x) > 360:
        swapped = " and seem to be swapped" if abs(one.x) <= 90 and abs(one.y) <= 180 else ""
        raise InputError(
            f"The coordinates of station {sensor.station} (longitude {one.x:g}, latitude {one.y:g}) are not degrees"
            f"{swapped}: see {one.source}."
        )
    x = one.x - 360 if one.x > 180 else one.x
    here = stations.setdefault((sensor.network, sensor.station), [])
    station = next((s for s in here if max(abs(s.x - x), abs(s.y - one.y)) <= _ONE_PLACE), None)
    if station is None:
        station = Station(sensor.station, sensor.network, x, one.y)
        here.append(station)
    same = next((known for known in station.sensors if known.key == sensor.key), sensor)
    station.sensors.setdefault(same, []).append(one)


def _named(stations: dict[tuple[str, str], list[Station]]) -> list[Station]:
    """Stations with names that differ: by network, and by number where one name stands for several places."""
    networks = Counter(name for _, name in stations)
    result = []
    for (network, name), here in sorted(stations.items(), key=lambda item: (item[0][0], _natural(item[0][1]))):
        for number, station in enumerate(here, 1):
            station.name = f"{network} {name}".strip() if networks[name] > 1 else name
            if len(here) > 1:
                station.name += f" ({number})"
            result.append(station)
    return result


def _natural(name: str) -> list[tuple[int, str]]:
    """Orders `site 2` before `site 10`."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name.lower())]


def _why_none(found: Catalogue, given: list[str]) -> str:
    where = given[0] if len(given) == 1 else f"{len(given)} inputs"
    if found.placeless:
        some = ", ".join(found.placeless[:3])
        return (
            f"No station in {where} has coordinates, such as {some}: add longitude and latitude columns, or a table "
            "stations.csv (station, longitude, latitude) beside the files."
        )
    if found.bad:
        return f"No file in {where} can be used; the first: {found.bad[0]}."
    if not found.files:
        return (
            f"{where} holds places of stations but no readings: add the files with readings, or set the column of soil "
            "moisture, such as value=NAME. Columns named by date end in it, the year first, such as sm_2019-04-15."
        )
    return f"{where} holds no soil moisture: {plural(found.passed_over, 'file')} with other variables only."
