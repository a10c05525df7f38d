"""The scores of every station of a product, and their summary."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from ..progress import Progress
from ..statistics import is_constant
from .anomaly_scores import AnomalyScores
from .bootstrap import block_bootstrap, block_length
from .matching import NO_DATE, Pairs
from .metrics import METRICS, NAN, Agreement, Floats, agreement, n_effective, rows_by
from .qa4sm import NO_METRIC, NO_OVERLAP, NO_PLACE, OK, TOO_FEW
from .results import StationRow, StationSummary
from .significance import significance


def station_rows(
    pairs: Pairs,
    series: dict[str, Floats],
    anomaly: AnomalyScores,
    min_pairs: int,
    seed: int,
    classes: Mapping[str, Sequence[str]],
    progress: Progress,
) -> tuple[StationRow, ...]:
    """One row per station with pairs; `classes` hold a label per station of `pairs.stations`."""
    time = np.array([0 if p is None else p.ordinals()[0] for p in pairs.periods], dtype=float)
    rows = []
    for at in rows_by(pairs.station):
        progress.check()
        k, observed = int(pairs.station[at[0]]), pairs.observed[at]
        when = time[pairs.period[at]]
        size = n_effective(pairs.predicted[at], observed, when)
        scores = {
            source: agreement(values[at], observed, None if math.isnan(size) else size)
            for source, values in series.items()
        }
        r = scores["product"].r
        used = len(at) >= min_pairs and all(not math.isnan(score.r) for score in scores.values())
        status, why = _status(len(at), min_pairs, observed, {source: values[at] for source, values in series.items()})
        name = str(pairs.stations[k])
        # Its own seed, so that a station's intervals do not depend on which others are there.
        own_seed = (seed + zlib.crc32(name.encode())) % 2**32
        length = block_length(len(at), size)
        rows.append(
            StationRow(
                name,
                float(pairs.x[k]),
                float(pairs.y[k]),
                len(at),
                size,
                used,
                scores,
                {source: r - score.r for source, score in scores.items() if source != "product"},
                status,
                why,
                significance(pairs.predicted[at], observed, scores["product"], size, when),
                block_bootstrap(pairs.predicted[at], observed, pairs.period[at], length, seed=own_seed),
                {source: float(own[k]) for source, own in anomaly.station_r.items()},
                {kind: str(labels[k]) for kind, labels in classes.items()},
            )
        )
    return tuple(rows)


def missing_rows(pairs: Pairs) -> tuple[StationRow, ...]:
    """Rows of the stations without any pair, with why."""
    number = {str(name): k for k, name in enumerate(pairs.stations)}
    return tuple(
        StationRow(
            name,
            float(pairs.x[number[name]]),
            float(pairs.y[number[name]]),
            0,
            NAN,
            False,
            {"product": Agreement(0)},
            {},
            NO_OVERLAP if why == NO_DATE else NO_PLACE,
            why,
        )
        for name, why in pairs.unpaired.items()
    )


def summary(scores: list[Agreement]) -> StationSummary:
    if not scores:
        nothing = dict.fromkeys(METRICS, NAN)
        return StationSummary(0, nothing, nothing, nothing, nothing)
    table = {metric: np.array([getattr(score, metric) for score in scores]) for metric in METRICS}
    known = {
        metric: values[np.isfinite(values)] if np.isfinite(values).any() else np.array([NAN])
        for metric, values in table.items()
    }
    return StationSummary(
        len(scores),
        {m: float(v.mean()) for m, v in known.items()},
        *({m: float(np.quantile(v, q)) for m, v in known.items()} for q in (0.5, 0.25, 0.75)),
    )


def _status(n: int, min_pairs: int, observed: Floats, series: dict[str, Floats]) -> tuple[int, str]:
    if n < min_pairs:
        return TOO_FEW, "one pair only" if n == 1 else f"{n} pairs, fewer than {min_pairs}"
    if is_constant(observed):
        return NO_METRIC, "the station always measures the same"
    if is_constant(series["product"]):
        return NO_METRIC, "the map always has the same value here"
    if any(is_constant(values) for values in series.values()):
        return NO_METRIC, "the coarse source always has the same value here"
    return OK, ""
