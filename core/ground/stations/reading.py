"""One station's sensors as means per period of the chosen layer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ...progress import Progress
from ...raster.periods import Period
from .averaging import Means, averaged, combined, day_means, offset_minutes, period_means, readings_of
from .catalogue import Catalogue
from .depths import covered, same_depth, thicknesses
from .options import StationOptions
from .quality import clean
from .series import Sensor, Series, Station, in_order
from .sources import BadStationFile, refusal

_NEAR = 0.05  # m between a soil moisture sensor and the thermometer that tells whether it is frozen
NO_DEPTH = "depth unknown: taken as the chosen layer"
NO_DEPTHS = "several sensors of unknown depth: their mean is taken as the chosen layer"
NO_DATES = "readings without a date: averaged"


@dataclass
class StationReadings:
    """Means of one station. `reason` says why it has none; `left_out` counts readings, `sparse` periods by reason.

    `depth_from` and `depth_to` (m) are what the used sensors measure, `cover` the share of the layer they stand for.
    `daily` stations have one value per day of their own.
    """

    name: str
    network: str
    x: float
    y: float
    means: Means
    sensors: tuple[str, ...] = ()
    depth_from: float = math.nan
    depth_to: float = math.nan
    cover: float = math.nan
    readings: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    sparse: Counter[str] = field(default_factory=Counter)
    daily: bool = False
    notes: tuple[str, ...] = ()
    reason: str = ""


def read_stations(
    found: Catalogue, options: StationOptions, progress: Progress, on_bad: Callable[[str], None] | None = None
) -> Iterator[StationReadings]:
    """The stations one after the other, each read only when asked for; `on_bad` hears of files left out.

    Raises InputError for a file that cannot be used, unless `skip_bad`.
    """

    def bad(name: str, error: BadStationFile) -> None:
        if not options.skip_bad:
            raise refusal(name, error)
        found.bad.append(f"{name} {error}")
        if on_bad is not None:
            on_bad(f"{name} {error}")

    for number, station in enumerate(found.stations):
        progress.set(number / len(found.stations), "Reading stations")
        progress.check()
        yield read_station(station, options, bad)
        # Tables keep what they hold; nothing else of a station outlives it.
    progress.set(1.0)


def read_station(
    station: Station, options: StationOptions, on_bad: Callable[[str, BadStationFile], None]
) -> StationReadings:
    """Means of a station's layer: sensors checked, averaged by day, weighted by thickness, averaged by period."""
    result = StationReadings(station.name, station.network, station.x, station.y, _nothing())
    chosen = _chosen(station, options, result)
    temperatures: dict[Sensor, Series | None] = {}
    parts, weights, used = [], [], []
    for sensors, thickness in chosen:
        here = []
        for sensor in sensors:
            series = _read(station, sensor, on_bad, result)
            if series is None:
                continue
            near = _thermometer(station, sensor) if options.quality.frozen else None
            if near is not None and near not in temperatures:
                temperatures[near] = _read(station, near, on_bad, None)
            here.append(_means(series, temperatures.get(near) if near else None, station.x, options, result))
            used.append(sensor)
        if here:
            parts.append(averaged(here))
            weights.append(thickness)
    if chosen:
        _combine(result, parts, np.array(weights), used, options)
    return result


def _means(
    series: Series, temperature: Series | None, longitude: float, options: StationOptions, result: StationReadings
) -> Means:
    """Days (or readings) of one sensor; what is left out is counted in `result`."""
    offset = offset_minutes(options.clock, longitude, options.offset_hours)
    if options.span is not None and not np.isnat(series.time).all():
        # By the clock of the days; single readings are asked for in UTC.
        series = _within(series, options.span, 0 if series.daily or options.period == "reading" else offset)
        if len(series) == 0:
            result.reason = "no reading within the dates"
            return _nothing()
    value, counts = clean(series, options.quality, temperature)
    result.readings += len(series)
    result.daily = series.daily
    result.left_out.update(counts)
    result.notes = tuple(dict.fromkeys((*result.notes, *series.notes)))
    if np.isnat(series.time).all():
        result.notes += (NO_DATES,) if len(series) > 1 and NO_DATES not in result.notes else ()
        return _undated(value)
    if options.period == "reading":
        return readings_of(series, value, offset, options.hours)
    means, sparse = day_means(series, value, offset, options.hours, options.min_share)
    result.sparse.update({"days with too few readings": sparse} if sparse else {})
    return means


def _chosen(station: Station, options: StationOptions, result: StationReadings) -> list[tuple[list[Sensor], float]]:
    """Sensors by depth with the thickness (m) they stand for; none, and why, where that is too little."""
    sensors = station.of("sm")
    known = [sensor for sensor in sensors if math.isfinite(sensor.middle)]
    if not known and sensors:
        result.notes, result.cover = (NO_DEPTH if len(sensors) == 1 else NO_DEPTHS,), 1.0
        return [(sensors, options.layer[1] - options.layer[0])]
    depths = [(sensor.depth_from, sensor.depth_to) for sensor in known]
    thickness = thicknesses(depths, options.layer)
    result.cover = covered(thickness, options.layer)
    if not sensors:
        result.reason = "no soil moisture sensor"
    elif result.cover < options.min_cover * (1 - 1e-9):
        listed = ", ".join(dict.fromkeys(_depth_text(sensor) for sensor in known))
        result.reason = f"its sensors ({listed}) stand for {100 * result.cover:.0f} % of the layer"
        return []
    return [
        ([known[i] for i in group], float(thickness[group].sum()))
        for group in same_depth(depths)
        if thickness[group].sum() > 0
    ]


def _read(
    station: Station, sensor: Sensor, on_bad: Callable[[str, BadStationFile], None], result: StationReadings | None
) -> Series | None:
    pieces = []
    for file in station.sensors[sensor]:
        try:
            pieces.append(file.read())
        except BadStationFile as error:
            on_bad(file.source, error)
    if not pieces:
        return None
    series, repeated = in_order(pieces)
    if result is not None:
        if repeated:
            result.left_out["the same time again"] += repeated
        if series.bad_lines:
            result.left_out["lines that cannot be read"] += series.bad_lines
    return series


def _thermometer(station: Station, sensor: Sensor) -> Sensor | None:
    """The soil temperature sensor nearest in depth, None where it is too far."""

    def distance(other: Sensor) -> float:
        if math.isnan(other.middle) or math.isnan(sensor.middle):
            return 0.0 if math.isnan(other.middle) and math.isnan(sensor.middle) else math.inf
        return abs(other.middle - sensor.middle)

    nearest = min(station.of("ts"), key=distance, default=None)
    return nearest if nearest is not None and distance(nearest) <= _NEAR + 1e-9 else None


def _combine(
    result: StationReadings, parts: list[Means], thickness: np.ndarray, used: list[Sensor], options: StationOptions
) -> None:
    if not parts or not any(len(part) for part in parts):
        result.reason = result.reason or _why_empty(result)
        return
    result.sensors = tuple(dict.fromkeys(filter(None, (f"{s.name} {_depth_text(s)}".strip() for s in used))))
    if all(math.isfinite(sensor.middle) for sensor in used):
        result.depth_from = min(sensor.depth_from for sensor in used)
        result.depth_to = max(sensor.depth_to for sensor in used)
    deep = [sensor for sensor in used if sensor.depth_to > max(2 * options.layer[1], sensor.depth_from)]
    result.notes += tuple(dict.fromkeys(f"{_depth_text(one)} measured as one, deeper than the layer" for one in deep))
    means, thin = combined(parts, thickness, options.min_cover * (options.layer[1] - options.layer[0]))
    if thin:
        result.sparse[f"{'readings' if options.period == 'reading' else 'days'} with too few depths"] += thin
    if options.period in ("dekad", "month") and not np.isnat(means.key).any():
        means, sparse = period_means(means, options.period, options.min_share)
        result.sparse.update({f"{options.period}s with too few days": sparse} if sparse else {})
    result.means = means
    # One sensor may have ended before the dates while another goes on.
    result.reason = "" if len(means) else result.reason or _why_empty(result)
    if len(means) == 1:
        result.notes = (*result.notes, "only one value")
    elif len(means) > 3 and np.ptp(means.value) == 0:
        result.notes = (*result.notes, f"constant: every value is {means.value[0]:.3f}")


def _within(series: Series, span: Period, offset: int) -> Series:
    """The readings of a span of whole days that begin at midnight of UTC + `offset` minutes."""
    local = series.time + np.timedelta64(offset, "m")
    inside = (local >= np.datetime64(span.start)) & (local < np.datetime64(span.end))
    flags = None if series.flags is None else series.flags[inside]
    return replace(series, time=series.time[inside], value=series.value[inside], flags=flags)


def _why_empty(result: StationReadings) -> str:
    if not result.readings:
        return "no readings"
    reasons = result.left_out.most_common(1)
    if result.sparse and sum(result.left_out.values()) < result.readings:
        return f"too few readings in every period ({result.sparse.most_common(1)[0][0]})"
    return f"no reading is usable: {reasons[0][1]} of {result.readings} {reasons[0][0]}" if reasons else "no readings"


def _undated(value: np.ndarray) -> Means:
    known = value[np.isfinite(value)]
    key = np.full(1 if len(known) else 0, np.datetime64("NaT"), dtype="datetime64[D]")
    return Means(key, known.mean(keepdims=True) if len(known) else known, np.full(len(key), len(known), dtype=np.intp))


def _nothing() -> Means:
    return Means(np.array([], dtype="datetime64[D]"), np.array([]), np.array([], dtype=np.intp))


def _depth_text(sensor: Sensor) -> str:
    if math.isnan(sensor.middle):
        return ""
    top, bottom = 100 * sensor.depth_from, 100 * sensor.depth_to
    return f"{top:g} cm" if top == bottom else f"{top:g}-{bottom:g} cm"
