"""Files of the International Soil Moisture Network (ISMN) as downloaded.

Two layouts of `NETWORK_NETWORK_STATION_variable_from_to_SENSOR_start_end.stm`: "header and values" (line 1 describes
the sensor, then date, time, value, flag, the provider's flag) and "CEOP in separate files" (sensor and reading in every
line). Provider's flags may hold blanks, so words are counted from the left. Times are UTC, values m3/m3 or degC.
Dorigo et al. (2021), doi:10.5194/hess-25-5749-2021.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from .series import Sensor, SensorFile, Series
from .sources import BadStationFile, SourceFile
from .text_rows import TextRows, moments_of, numbers_of

_NUMBER = r"-?\d+(?:\.\d+)?"
# Names of networks, stations and sensors may hold "_": the network stands twice, the rest is told from both ends.
_NAMES = tuple(
    re.compile(rf"{networks}_(?P<station>.+)_(?P<variable>[a-z]{{1,5}}(?:_h)?)"
               rf"_(?P<top>{_NUMBER})_(?P<bottom>{_NUMBER})_(?P<sensor>.+)_\d{{8}}_\d{{8}}\.stm$", re.I)
    for networks in (r"(?P<network>.+?)_(?P=network)", r"[^_]+_(?P<network>[^_]+)")
)  # fmt: skip
_PLACE_WORDS = 5  # latitude, longitude, elevation, depth from and to
_SAME_DEPTH = 0.006  # m between a name and a line, which rounds to cm
_MISSING = (-9999.0, -9999.9, -999.0, -99.0)
_SHARE_OF_BAD_LINES = 0.5


@dataclass(frozen=True)
class IsmnName:
    network: str
    station: str
    variable: str
    depth_from: float
    depth_to: float
    sensor: str


def parse_name(name: str) -> IsmnName | None:
    """What a file's name says, None where it is not an ISMN name."""
    for pattern in _NAMES:
        if match := pattern.match(name):
            return IsmnName(
                match["network"],
                match["station"],
                match["variable"].lower(),
                float(match["top"]),
                float(match["bottom"]),
                match["sensor"],
            )
    return None


def ismn_sensor(file: SourceFile) -> SensorFile | None:
    """The sensor of a file, None for other variables than soil moisture and soil temperature.

    Reads only the file's first line. Raises BadStationFile.
    """
    name = parse_name(file.name)
    if name is None:
        raise BadStationFile(
            "has a name unlike NETWORK_NETWORK_STATION_sm_from_to_SENSOR_start_end.stm: keep the names of the download"
        )
    if name.variable not in ("sm", "ts"):
        return None
    first = file.head().split(b"\n", 1)[0].decode("latin-1").split()
    if not first:
        raise BadStationFile("is empty")
    at = _place_at(first, name)
    lat, lon, _, top, bottom = map(float, first[at : at + _PLACE_WORDS])
    sensor = Sensor(name.station, name.network, min(top, bottom), max(top, bottom), name.sensor, name.variable)
    # Every line of the CEOP layout holds the place, with the reading behind it.
    value_at = at + _PLACE_WORDS if _is_day(first[0]) else None
    return SensorFile(sensor, lon, lat, file.label, lambda: read_ismn(file, value_at))


def read_ismn(file: SourceFile, value_at: int | None = None) -> Series:
    """All readings of a file: of the CEOP layout with the value as word `value_at`, else with a header.

    Raises BadStationFile where less than half of its lines can be read.
    """
    data = file.read()
    if value_at is None:
        data, value_at = data.partition(b"\n")[2], 2
    rows = TextRows(data)
    if len(rows) == 0:
        return Series(np.array([], dtype="datetime64[m]"), np.array([]), np.array([], dtype="S1"))
    fit = rows.count > value_at + 1
    if fit.sum() < _SHARE_OF_BAD_LINES * len(rows):
        raise BadStationFile(f"has {len(rows) - int(fit.sum())} of {len(rows)} lines that are no readings")
    at = np.flatnonzero(fit)
    time, no_time = moments_of(rows.words(at, 0), rows.words(at, 1))
    value, no_value = numbers_of(rows.words(at, value_at))
    flags = rows.words(at, value_at + 1)
    value[np.isin(value, _MISSING) | ~np.isfinite(value)] = math.nan
    good = ~(no_time | no_value)
    bad = len(rows) - int(good.sum())
    if bad > _SHARE_OF_BAD_LINES * len(rows):
        raise BadStationFile(f"has {bad} of {len(rows)} lines that are no readings")
    if not good.all():
        time, value, flags = time[good], value[good], flags[good]
    return Series(time, value, flags, bad_lines=bad)


def _is_day(word: str) -> bool:
    return re.match(r"\d{4}[/-]\d\d[/-]\d\d$", word) is not None


def _place_at(words: list[str], name: IsmnName) -> int:
    """Which word is the latitude; the depths behind it are those of the name. Names may hold blanks and numbers."""
    starts = [
        i for i in range(len(words) - _PLACE_WORDS + 1) if all(_is_number(word) for word in words[i : i + _PLACE_WORDS])
    ]
    for i in starts:
        top, bottom = map(float, words[i + 3 : i + _PLACE_WORDS])
        if abs(top - name.depth_from) < _SAME_DEPTH and abs(bottom - name.depth_to) < _SAME_DEPTH:
            return i
    if not starts:
        raise BadStationFile("has no latitude, longitude, elevation and depths in its first line")
    return starts[0]


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", word) is not None
