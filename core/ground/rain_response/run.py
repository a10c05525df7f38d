"""Soil moisture of stations, cells or zones against rain at the same places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.periods import Period
from ..metrics import Floats
from ..observations import Observations
from ..rasters.common_time import parts_of
from ..rasters.departures import ANOMALIES, NONE, anomaly_method, departures
from ..rasters.places import in_periods, station_periods
from ..rasters.source import RasterSource, opened_sources
from ..rasters.zones import Zones
from .rain import NAMES, UNITS, antecedent, rain_rates, rain_unit
from .response import DAYS, LagCurve, change_curve, event_response, find_events, lag_curve
from .results import CURVES, ExampleSeries, PlaceResponse, RainOptions, RainResponse
from .sites import Places, centres, coverage, series_at
from .steps import check_dates, common_steps, even_axis, spread

_RAIN_KNOWN = 0.9  # share of a step's days whose rain must be known
_DAY_LAGS, _STEP_LAGS = 10, 3


def rain_response(
    rain: Sequence[str],
    maps: Sequence[str] = (),
    observations: Observations | None = None,
    where: Places | Zones | None = None,
    options: RainOptions | None = None,
    band: str | None = None,
    rain_band: str | None = None,
    progress: Progress | None = None,
) -> RainResponse:
    """Response of soil moisture to `rain` (dated layers) at stations (`observations`), or of `maps` at places or zones.

    With both, the maps are read at the stations. Raises InputError where there is no soil moisture, or dates or places
    of rain and soil moisture do not meet.
    """
    options, progress = options or RainOptions(), progress or Progress()
    _check(options, maps, observations, where)
    places: Places | Zones
    if observations is not None:
        if observations.undated:
            raise InputError("The response to rain needs series: the stations carry no date, choose the date field.")
        names, x, y, _ = observations.places()
        places = Places(tuple(str(name) for name in names), x, y, observations.crs_wkt)
    else:
        assert where is not None
        places = where
    with opened_sources([("rain", rain)], rain_band, moisture=False, prefer=NAMES) as (rainfall,):
        with opened_sources([("soil moisture", maps)] if maps else [], band) as moisture:
            if not rainfall.dated or len(rainfall.dated) < 3:
                raise InputError("The rain needs at least 3 dated layers: write dates into names or metadata.")
            unit = rain_unit(rainfall, options.unit)
            steps, kind = common_steps(rainfall, moisture, observations)
            check_dates(rainfall, moisture, observations)
            rates = rain_rates(rainfall, series_at(rainfall, places, progress.part(0, 0.4)), unit)
            amounts = _on_steps(rates, rainfall, steps, _RAIN_KNOWN) * np.array([p.days for p in steps])[:, None]
            series: dict[str, Floats] = {}
            if observations is not None:
                series["stations"] = station_periods(observations, steps, options.min_share)
            for source in moisture:
                values = series_at(source, places, progress.part(0.4, 0.8))
                series[source.name] = _on_steps(values, source, steps, options.min_share)
            if not any(np.isfinite(values).any() for values in series.values()):
                raise InputError(
                    "No soil moisture falls in the steps of the rain at these places: check extents, nodata and dates."
                )
            return _assemble(
                rainfall,
                moisture,
                places,
                observations,
                steps,
                kind,
                unit,
                amounts,
                series,
                options,
                progress.part(0.8, 1.0),
            )


def _assemble(
    rainfall: RasterSource,
    moisture: Sequence[RasterSource],
    places: Places | Zones,
    observations: Observations | None,
    steps: list[Period],
    kind: str,
    unit: str,
    amounts: Floats,
    series: dict[str, Floats],
    options: RainOptions,
    progress: Progress,
) -> RainResponse:
    daily = kind == "day"
    axis, index = even_axis(steps)
    days = np.array([sum(period.ordinals()) / 2 for period in steps])
    method = anomaly_method(options.anomalies, days, float(np.median([period.days for period in steps])))
    lags = options.lags or (_DAY_LAGS if daily else _STEP_LAGS)
    x, y = centres(places)
    found: list[PlaceResponse] = []
    composites: dict[str, list[Floats]] = {name: [] for name in series}
    without = []
    rain_axis = spread(amounts, index, axis)
    index_axis = antecedent(rain_axis, options.decay) if daily else None
    departed_rain = spread(departures(days, amounts, method), index, axis)
    departed_api = None
    if index_axis is not None and method != NONE:
        departed_api = spread(departures(days, index_axis[index], method), index, axis)
    moved = {
        name: (spread(values, index, axis), spread(departures(days, values, method), index, axis))
        for name, values in series.items()
    }
    for k, place in enumerate(places.names):
        progress.check()
        progress.set(k / len(places), "Correlating with rain")
        if not np.isfinite(amounts[:, k]).any():
            without.append(place)
            continue
        events = find_events(rain_axis[:, k], options.threshold, options.dry_days) if daily else []
        for name, (values, departed) in moved.items():
            own = values[:, k]
            known = int((np.isfinite(own) & np.isfinite(rain_axis[:, k])).sum())
            if not np.isfinite(own).any():
                continue
            raw = _curves(own, rain_axis[:, k], None if index_axis is None else index_axis[:, k], lags, options)
            anomaly = {}
            if method != NONE:
                api = None if departed_api is None else departed_api[:, k]
                anomaly = _curves(departed[:, k], departed_rain[:, k], api, lags, options)
            response = event_response(own, events, rain_axis[:, k], options.threshold) if daily else None
            if response is not None and response.events:
                composites[name].append(response.curves)
            found.append(
                PlaceResponse(
                    name,
                    place,
                    float(x[k]),
                    float(y[k]),
                    known,
                    int(np.isfinite(rain_axis[:, k]).sum()),
                    raw,
                    anomaly,
                    response,
                )
            )
    sentence = coverage(rainfall, places, without)
    if not found:
        raise InputError(f"There is rain at none of the places with soil moisture. {sentence}".strip())
    if all(place.n < options.min_pairs for place in found):
        most = max(place.n for place in found)
        raise InputError(
            f"No place has {options.min_pairs} steps with both rain and soil moisture (the most are {most}): give "
            "longer series, or lower the fewest pairs and trust the result less."
        )
    notes = [*(observations.notes if observations else ()), *rainfall.notes]
    notes += [note for source in moisture for note in source.notes]
    progress.set(1.0)
    return RainResponse(
        sources=tuple(series),
        rain=rainfall.name,
        unit=unit,
        step=kind,
        step_days=float(np.median([period.days for period in steps])),
        span=(steps[0].label, steps[-1].label),
        what="zone" if isinstance(places, Zones) else "station" if observations is not None else "place",
        method=method,
        places=tuple(found),
        composites={name: np.concatenate(c) if c else np.empty((0, len(DAYS))) for name, c in composites.items()},
        example=_example(places, steps, amounts, series, found),
        without_rain=tuple(without),
        rain_sentence=sentence,
        crs_wkt=places.crs_wkt,
        notes=tuple(dict.fromkeys(notes)),
        options=options,
        kinds={source.name: source.kind for source in moisture},
    )


def _curves(moisture: Floats, rain: Floats, api: Floats | None, lags: int, options: RainOptions) -> dict[str, LagCurve]:
    least = options.min_pairs
    curves = {
        CURVES[0]: lag_curve(CURVES[0], moisture, rain, lags, least),
        CURVES[1]: change_curve(CURVES[1], moisture, rain, lags, least),
    }
    if api is not None:
        curves[CURVES[2]] = lag_curve(CURVES[2], moisture, api, lags, least)
    return curves


def _on_steps(values: Floats, source: RasterSource, steps: Sequence[Period], min_share: float) -> Floats:
    needed = np.array([min_share * period.days for period in steps])
    means = in_periods(values, parts_of(source, steps), needed)
    return means


def _example(
    places: Places | Zones,
    steps: Sequence[Period],
    amounts: Floats,
    series: dict[str, Floats],
    found: Sequence[PlaceResponse],
) -> ExampleSeries | None:
    """The place with most values."""
    best = max(found, key=lambda place: place.n, default=None)
    if best is None:
        return None
    k = places.names.index(best.place)
    dates = tuple(period.first.date().isoformat() for period in steps)
    return ExampleSeries(best.place, dates, amounts[:, k], {name: values[:, k] for name, values in series.items()})


def _check(
    options: RainOptions, maps: Sequence[str], observations: Observations | None, where: Places | Zones | None
) -> None:
    if not maps and observations is None:
        raise InputError("Give soil moisture: stations, maps, or both.")
    if observations is None and where is None:
        raise InputError("Say where the maps are to be compared with rain: give stations, points or zones.")
    if where is not None and not len(where):
        raise InputError("The layer of places holds no feature.")
    if options.threshold <= 0:
        raise InputError(f"An event needs a rain above 0 mm, not {options.threshold:g}.")
    if not 0 < options.decay < 1:
        raise InputError(f"The decay of the API lies between 0 and 1, not at {options.decay:g}.")
    if options.min_pairs < 3:
        raise InputError(f"A correlation needs at least 3 pairs, not {options.min_pairs}.")
    if options.anomalies not in ANOMALIES:
        raise InputError(f"Anomalies are one of {', '.join(ANOMALIES)}, not {options.anomalies!r}.")
    if options.unit not in UNITS:
        raise InputError(f"The unit of rain is one of {', '.join(UNITS)}, not {options.unit!r}.")
