"""What is known of a sensor, and its readings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..metrics import Floats

MINUTES = "datetime64[m]"


@dataclass(frozen=True)
class Sensor:
    """One sensor: depths in m (NaN where unknown), `variable` "sm" (soil moisture) or "ts" (soil temperature)."""

    station: str
    network: str = ""
    depth_from: float = math.nan
    depth_to: float = math.nan
    name: str = ""
    variable: str = "sm"

    @property
    def middle(self) -> float:
        """Depth of its middle in m."""
        return (self.depth_from + self.depth_to) / 2

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        """Equal for the files of one sensor, NaN depths included."""
        return self.network, self.station, self.variable, f"{self.depth_from:g}", f"{self.depth_to:g}", self.name


@dataclass(frozen=True)
class Series:
    """Readings in order of time: `time` datetime64[m] UTC, `value` m3/m3 or degC with NaN where missing.

    `flags` are the producer's codes as bytes, None where there are none. `daily` readings stand for the whole day whose
    midnight `time` names, in the station's own time. `bad_lines` could not be read.
    """

    time: NDArray[np.datetime64]
    value: Floats
    flags: NDArray[np.bytes_] | None = None
    daily: bool = False
    bad_lines: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.value)


@dataclass
class SensorFile:
    """A sensor in a file, and how to read it; `source` names the file. `x`, `y` are longitude and latitude."""

    sensor: Sensor
    x: float
    y: float
    source: str
    read: Callable[[], Series]


@dataclass
class Station:
    """All sensors at one place, several files of one sensor under one key."""

    name: str
    network: str
    x: float
    y: float
    sensors: dict[Sensor, list[SensorFile]] = field(default_factory=dict)

    def of(self, variable: str) -> list[Sensor]:
        return [sensor for sensor in self.sensors if sensor.variable == variable]


def in_order(series: list[Series]) -> tuple[Series, int]:
    """Several pieces of one sensor as one series in order of time; of equal times the first counts, undated all do.

    Also returns how many readings were such repetitions.
    """
    flagged = [one for one in series if one.flags is not None]
    time = np.concatenate([one.time for one in series])
    value = np.concatenate([one.value for one in series])
    flags = None
    if flagged:
        flags = np.concatenate([one.flags if one.flags is not None else np.full(len(one), b"G") for one in series])
    repeated = 0
    if len(time) > 1 and not np.isnat(time).all() and not (np.diff(time).astype(np.int64) > 0).all():
        time, first = np.unique(time, return_index=True)
        repeated = len(value) - len(first)
        value, flags = value[first], None if flags is None else flags[first]
    result = Series(
        time,
        value,
        flags,
        all(one.daily for one in series),
        sum(one.bad_lines for one in series),
        tuple(dict.fromkeys(note for one in series for note in one.notes)),
    )
    return result, repeated
