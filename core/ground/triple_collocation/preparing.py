"""What maps and stations share before and around the estimates: checks, anomalies, origins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..metrics import Floats
from ..rasters.common_time import Shared
from ..rasters.departures import ANOMALIES, NONE, anomaly_method, departures
from ..rasters.source import RasterSource
from .estimate import TripleSeries, collocate_series
from .independence import Origin
from .results import TripleOptions


def check(given: Sequence[tuple[str, Sequence[str]]], options: TripleOptions, output: str | Path | None) -> None:
    """Raise InputError for products given twice, an output that is an input, and options that mean nothing."""
    seen: dict[str, str] = {}
    for role, paths in given:
        for path in paths:
            key = str(Path(path).resolve())
            if seen.get(key, role) != role:
                raise InputError(
                    f"{Path(path).name} is given as {seen[key]} and as {role}: triple collocation needs three "
                    "different products."
                )
            seen[key] = role
    if output is not None and str(Path(output).resolve()) in seen:
        raise InputError(f"The output {output} is also an input: give the output another name.")
    if options.min_triplets < 10:
        raise InputError(
            f"Fewer than 10 triplets say nothing about errors: raise the fewest triplets from {options.min_triplets}."
        )
    if options.anomalies not in ANOMALIES:
        raise InputError(f"Anomalies are one of {', '.join(ANOMALIES)}, not {options.anomalies!r}.")


def too_few(count: int, least: int) -> str:
    """The sentence for series that are too short."""
    return (
        f"The series share {count} periods, but triple collocation needs at least {least} triplets: give longer "
        "series, or lower the fewest triplets and trust the result less."
    )


def collocate(
    name: str,
    series: Floats,
    time: Shared,
    method: str,
    options: TripleOptions,
    x: float = math.nan,
    y: float = math.nan,
) -> TripleSeries:
    """Estimates with intervals of series (3, periods), as anomalies by `method`."""
    series = np.where(np.isfinite(series).all(axis=0), series, np.nan)
    values = departed(series, time, method)
    return collocate_series(name, values, time.days, options.min_triplets, options.seed, x=x, y=y)


def departed(data: Floats, time: Shared, method: str) -> Floats:
    """(3, periods, ...) as anomalies, or as it is."""
    return data if method == NONE else np.stack([departures(time.days, one, method) for one in data])


def method_of(options: TripleOptions, time: Shared) -> str:
    """How anomalies are taken in these periods."""
    return anomaly_method(options.anomalies, time.days, time.length)


def origins_of(sources: Sequence[RasterSource]) -> list[Origin]:
    """What the files say about where each product comes from."""
    return [
        Origin(
            source.name, source.tags.get("SOURCE_PRODUCT", ()), "MODEL" in source.tags or "DETAIL_GAIN" in source.tags
        )
        for source in sources
    ]
