"""The several meanings of one R, kept apart: in time, in space, both mixed, without the season, inside coarse cells."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .anomaly_scores import AnomalyScores
from .bootstrap import block_bootstrap, block_length, mean_bootstrap
from .comparison import Interval
from .matching import Pairs
from .metrics import Agreement, Floats
from .spatial import InsideCell, SpatialAgreement


@dataclass(frozen=True)
class KindOfR:
    """One way to correlate: R by source with a 95 % interval, `n` of `unit` behind it; `drawn` tells how it is made."""

    key: str
    r: dict[str, Interval]
    n: int
    unit: str
    drawn: str


@dataclass(frozen=True)
class PeriodBlocks:
    """Pooled scores by source with intervals from resamples of blocks of `length` periods, all stations together."""

    length: int = 0
    scores: dict[str, dict[str, Interval]] = field(default_factory=dict)


def over_periods(pairs: Pairs, series: dict[str, Floats], size: float, seed: int) -> PeriodBlocks:
    """Blocks are long enough for pairs that are worth `size` independent ones."""
    periods = len(np.unique(pairs.period))
    length = block_length(periods, periods * min(1.0, size / max(len(pairs), 1)))
    drawn = {
        source: block_bootstrap(values, pairs.observed, pairs.period, length, seed=seed)
        for source, values in series.items()
    }
    return PeriodBlocks(length, drawn)


def kinds_of_r(
    n: int,
    blocks: PeriodBlocks,
    pooled: dict[str, Agreement],
    station_r: dict[str, list[float]],
    spatial: SpatialAgreement | None,
    anomaly: AnomalyScores,
    inside: InsideCell | None,
    seed: int,
) -> tuple[KindOfR, ...]:
    """Kinds that exist for `n` pairs: "pooled", "time", "anomaly", "space" and "inside"."""
    formula = "Fisher, with the effective number of pairs"
    r = {source: own["r"] for source, own in blocks.scores.items()}
    kinds = [KindOfR("pooled", r, n, "pairs", f"resamples of blocks of {blocks.length} periods")]
    if all(np.isnan(interval.low) for interval in r.values()):
        fisher = {source: Interval(score.r, *score.r_ci) for source, score in pooled.items()}
        kinds = [KindOfR("pooled", fisher, n, "pairs", formula)]
    stations = len(station_r["product"])
    if stations:
        means = {source: mean_bootstrap(values, seed=seed) for source, values in station_r.items()}
        kinds.append(KindOfR("time", means, stations, "stations", "resamples of stations"))
    if anomaly.n:
        kinds.append(KindOfR("anomaly", anomaly.pooled_r, anomaly.n, "pairs", formula))
    if spatial is not None and spatial.periods > 1:  # on a single date it is that over all pairs
        kinds.append(KindOfR("space", spatial.drawn, spatial.periods, "periods", "resamples of stations"))
    if inside is not None:
        shown = {source: Interval(value) for source, value in inside.r.items()}
        kinds.append(KindOfR("inside", {**shown, "product": inside.product_r}, inside.n, "pairs", "resamples of cells"))
    return tuple(kinds)
