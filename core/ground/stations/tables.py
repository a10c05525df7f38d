"""Tables of readings (CSV and the like): long, wide by station, wide by date, one file per station or one for all."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..metrics import Floats
from .options import TableOptions
from .places import Places, check_degrees, coordinates, one_place_each
from .series import Sensor, SensorFile, Series
from .sources import BadStationFile, SourceFile
from .table_cells import celsius, ismn_flags, mostly_numbers, numbers_or_none, row_depths, unit_divisor, unit_said
from .table_columns import Columns, depth_in, find_columns, same_name, spoken
from .table_text import TextTable, read_table
from .table_times import times_of
from .table_wide import date_columns, melted
from .times import Times

# Names of a column that may hold anything; others are not guessed to be soil moisture.
_ANYTHING = re.compile(r"(mean |daily )?(value|val|v|reading|measurement|observation|obs|data|wert|valor|valeur)s?")
_CACHED = 1 << 28  # bytes of readings kept between the look at a file and its reading


@dataclass(frozen=True)
class Found:
    """The series of one table by sensor, and the place of each sensor (NaN where the table has none)."""

    series: dict[Sensor, Series]
    place: dict[Sensor, tuple[float, float]]
    told: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(len(one) * 24 for one in self.series.values())


class TableReader:
    """Reads tables with one set of options; remembers readings up to a bound, reads again beyond it."""

    def __init__(self, options: TableOptions) -> None:
        self.options = options
        self.places = Places()
        self._memory: OrderedDict[str, Found] = OrderedDict()
        self._stations: dict[str, set[str]] = {}

    def take_places(self, file: SourceFile) -> bool:
        """Whether the file is a table of places (then taken): a station and coordinates, but no dates and readings."""
        try:
            table = read_table(file.head())
        except BadStationFile:
            return False
        given = {k: v for k, v in self.options.columns.items() if same_name(v) in map(same_name, table.names)}
        columns = find_columns(table.names, given)
        if not {"station", "lon", "lat"} <= set(columns.role) or "date" in columns.role or columns.values:
            return False
        if date_columns(table.names, columns):
            return False
        self.places.add(read_table(file.read()), columns, file.label, self.options.crs_wkt)
        return True

    def sensors(self, file: SourceFile) -> tuple[list[SensorFile], tuple[str, ...]]:
        """The sensors in a table, and what was guessed of it. Raises BadStationFile."""
        found = self._read(file)
        result = []
        for sensor in found.series:
            x, y = found.place[sensor]
            if not math.isfinite(x):
                x, y = self.places.of(sensor.station)
            name = self.places.names.get(same_name(sensor.station), sensor.station)
            result.append(
                SensorFile(
                    replace(sensor, station=name),
                    x,
                    y,
                    file.label,
                    lambda key=sensor: self._read(file).series[key],  # type: ignore[misc]
                )
            )
        return result, found.told

    def _read(self, file: SourceFile) -> Found:
        if file.label in self._memory:
            self._memory.move_to_end(file.label)
            return self._memory[file.label]
        try:
            found = self._parse(read_table(file.read()), file)
        except InputError as error:
            raise BadStationFile(f"cannot be used: {error}") from error
        self._memory[file.label] = found
        while len(self._memory) > 1 and sum(one.size for one in self._memory.values()) > _CACHED:
            self._memory.popitem(last=False)
        return found

    def _parse(self, table: TextTable, file: SourceFile) -> Found:
        columns = find_columns(table.names, self.options.columns, self.places.names)
        told = [f"columns parted by {table.separator}", *table.notes]
        dated = [] if columns.values and {"date", "year"} & set(columns.role) else date_columns(table.names, columns)
        if dated and "date" not in columns.role:
            table, columns = melted(table, columns, dated)
            told.append(f"one column per date ({dated[0][1]} to {dated[-1][1]})")
        by_station = [] if columns.values else self._value_columns(table, columns)
        if not columns.values:
            columns.values = by_station
        wide = len(by_station) > 1
        times, when = times_of(table, columns, self.options)
        told += when
        rows = self._stations_of(table, columns, file)
        if "station" in columns.role:
            told.append(f"station: {table.names[columns.role['station']]!r}")
        if "flag" in columns.role and ismn_flags(table, columns, np.arange(len(table))) is None:
            told.append(f"{table.names[columns.role['flag']]!r} holds no ISMN flags and is not used")
        told.append("soil moisture: " + _listed([table.names[i] for i in columns.values]))
        place = None
        if {"lon", "lat"} <= set(columns.role):
            place = coordinates(table, columns, self.options.crs_wkt)
            if not wide:
                networks = np.array(_texts(table, columns, "network"))
                rows, place, split = one_place_each(rows, networks, place, "station" in columns.role)
                told += split
        series: dict[Sensor, Series] = {}
        where: dict[Sensor, tuple[float, float]] = {}
        for variable, positions in (("sm", columns.values), ("ts", columns.temperatures)):
            for position in positions:
                values = numbers_or_none(table.columns[position])
                if values is None:
                    continue
                for sensor, at in self._sensors_of(table, columns, file, rows, position, variable, wide):
                    one = self._series(table, columns, times, values, at, position, sensor, file)
                    if one is not None:
                        if sensor in series:
                            # Two columns of one depth are two sensors.
                            sensor = replace(sensor, name=f"{table.names[position]} (column {position + 1})")
                        series[sensor] = one
                        where[sensor] = _place_of(place, at)
        if not any(sensor.variable == "sm" for sensor in series):
            raise BadStationFile(
                f"holds no reading of soil moisture in {_listed([table.names[i] for i in columns.values])}"
            )
        check_degrees((x, y) for x, y in where.values() if math.isfinite(x))
        return Found(series, where, tuple(told))

    def _value_columns(self, table: TextTable, columns: Columns) -> list[int]:
        """Columns of soil moisture where no name says so: named as stations are, or the only numbers there are."""
        numeric = [i for i in columns.rest if mostly_numbers(table.columns[i])]
        stations = [i for i in numeric if same_name(table.names[i]) in self.places.names]
        if stations or (len(numeric) == 1 and _ANYTHING.fullmatch(spoken(table.names[numeric[0]]))):
            return stations or numeric
        if len(numeric) > 1 and "station" not in columns.role and {"date", "year"} & set(columns.role):
            return numeric
        raise BadStationFile(
            f"has no column known as soil moisture among {_listed([name for name in table.names if name])}: "
            "set the columns, such as value=NAME"
        )

    def _stations_of(self, table: TextTable, columns: Columns, file: SourceFile) -> NDArray[np.str_]:
        if "station" in columns.role:
            return np.array([name.strip() or "unnamed" for name in table.columns[columns.role["station"]]])
        return np.full(len(table), file.stem)

    def _sensors_of(
        self,
        table: TextTable,
        columns: Columns,
        file: SourceFile,
        rows: NDArray[np.str_],
        position: int,
        variable: str,
        wide: bool,
    ) -> list[tuple[Sensor, NDArray[np.intp]]]:
        """The sensors of one column, and the rows of each."""
        top, bottom = depth_in(f"{table.names[position]} {table.units[position]}")
        if math.isnan(top) and not wide:
            top, bottom = depth_in(file.stem)
        if wide:
            return [(Sensor(table.names[position], depth_from=top, depth_to=bottom), np.arange(len(table)))]
        keys: list[list[str]] = [
            rows.tolist(),
            *(_texts(table, columns, role) for role in ("network", "sensor", "depth", "depth_from", "depth_to")),
        ]
        _, first, number = np.unique(np.array(keys).T, axis=0, return_index=True, return_inverse=True)
        number = number.ravel()
        order = np.argsort(number, kind="stable")
        result = []
        for at in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            station, network, name, depth, deep_from, deep_to = (str(key[at[0]]) for key in keys)
            own = row_depths(table, columns, depth, deep_from, deep_to) or (top, bottom)
            label = name or (table.names[position] if len(columns.values) > 1 and math.isnan(own[0]) else "")
            result.append((Sensor(station, network, *own, label, variable), at))
        return result

    def _series(
        self,
        table: TextTable,
        columns: Columns,
        times: Times,
        values: Floats,
        at: NDArray[np.intp],
        position: int,
        sensor: Sensor,
        file: SourceFile,
    ) -> Series | None:
        value, time = values[at], times.time[at]
        if not np.isfinite(value).any():
            return None
        notes: tuple[str, ...] = ()
        if sensor.variable == "sm":
            divisor, note = unit_divisor(value, self.options.unit, unit_said(table, columns, position, at))
            value, notes = value / divisor, (note,) if note else ()
        else:
            value = celsius(value, f"{table.names[position]} {table.units[position]}")
        flags = ismn_flags(table, columns, at) if sensor.variable == "sm" else None
        dated = ~np.isnat(time) | np.isnat(time).all()
        order = np.flatnonzero(dated)[np.argsort(time[dated], kind="stable")]
        return Series(
            time[order],
            value[order],
            None if flags is None else flags[order],
            times.daily,
            int((~dated).sum()),
            notes,
        )


def _texts(table: TextTable, columns: Columns, role: str) -> list[str]:
    at = columns.role.get(role)
    return [""] * len(table) if at is None else [text.strip() for text in table.columns[at]]


def _place_of(place: tuple[Floats, Floats] | None, at: NDArray[np.intp]) -> tuple[float, float]:
    """Where the first of the rows with a place is."""
    if place is None:
        return math.nan, math.nan
    x, y = (part[at] for part in place)
    known = np.flatnonzero(np.isfinite(x))[:1]
    return (float(x[known[0]]), float(y[known[0]])) if len(known) else (math.nan, math.nan)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:6])
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "")
