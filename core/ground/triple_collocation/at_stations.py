"""Triple collocation of two products and of stations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ..observations import Observations
from ..rasters.common_time import shared_periods
from ..rasters.places import in_periods, place_series, station_periods
from ..rasters.source import opened_sources
from .independence import Origin, dependence
from .preparing import check, collocate, method_of, origins_of, too_few
from .results import TripleOptions, TripleResult, triple


def collocate_stations(
    first: Sequence[str],
    second: Sequence[str],
    observations: Observations,
    options: TripleOptions | None = None,
    band: str | None = None,
    progress: Progress | None = None,
) -> TripleResult:
    """Errors of two products and of stations, at each station and its pixels. Raises InputError where no station has
    enough triplets."""
    options, progress = options or TripleOptions(), progress or Progress()
    given = [("first product", first), ("second product", second)]
    check(given, options, None)
    if observations.undated:
        raise InputError("Triple collocation needs series: the stations carry no date, choose the date field.")
    with opened_sources(given, band) as sources:
        time = shared_periods(sources, options.min_share)
        dated = [period for period in time.periods if period is not None]
        if len(dated) < options.min_triplets:
            raise InputError(too_few(len(dated), options.min_triplets))
        names, x, y, _ = observations.places()
        measured = station_periods(observations, dated, options.min_share)
        products = [
            in_periods(
                place_series(source, x, y, observations.crs_wkt, progress.part(0.45 * s, 0.45 * (s + 1))),
                time.parts[s],
                time.needed,
            )
            for s, source in enumerate(sources)
        ]
        data = np.stack([*products, measured])
        method = method_of(options, time)
        series = []
        for k, name in enumerate(names):
            progress.check()
            progress.set(0.9 + 0.1 * k / len(names), "Intervals by bootstrap")
            series.append(collocate(str(name), data[:, :, k], time, method, options, float(x[k]), float(y[k])))
        if all(one.n < options.min_triplets for one in series):
            most = max(series, key=lambda one: one.n)
            raise InputError(
                f"No station has {options.min_triplets} triplets (the most are {most.n} at {most.name}): check dates "
                "and extents, give longer series, or lower the fewest triplets and trust the result less."
            )
        table = np.array([(one.r, one.snr, one.error_sd) for one in series if np.isfinite(one.r).all()])
        medians = dict(zip(("r", "snr", "error_sd"), np.median(table, axis=0))) if len(table) else {}
        best = np.bincount([one.best for one in series if one.best is not None], minlength=3)
        origins = [*origins_of(sources), Origin("stations", station=True)]
        notes = [*observations.notes, *(note for source in sources for note in source.notes)]
        progress.set(1.0)
        return TripleResult(
            names=(sources[0].name, sources[1].name, "stations"),
            kinds=(sources[0].kind, sources[1].kind, "m3/m3"),
            region=None,
            series=tuple(series),
            what="station",
            counts=None,
            medians=medians,
            best=triple(best.tolist()),
            dependence=tuple(dependence(origins)),
            method=method,
            periods=tuple(time.labels),
            period_days=time.length,
            grid=None,
            output=None,
            crs_wkt=observations.crs_wkt,
            notes=tuple(dict.fromkeys(notes)),
            options=options,
        )
