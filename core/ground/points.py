"""Validation of maps against stations: a product and its coarse source on the same pairs, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from osgeo import osr

from ..errors import InputError
from ..progress import Progress
from .baseline import Smooth
from .comparison import gdown, paired_r_difference, station_bootstrap
from .matching import Pairs, sample_products
from .metrics import (
    METRICS,
    NAN,
    Agreement,
    Floats,
    agreement,
    n_effective,
    n_effective_in_space,
    r_class_counts,
    summary_identity_check,
)
from .observations import Observations
from .results import Comparison, PointValidation, ProductValidation, StationRow, StationSummary
from .spatial import inside_cells, spatial_agreement
from .verdict import design, verdict


def validate_points(
    products: Iterable[str | Path],
    observations: Observations,
    baseline: str | Path | Iterable[str | Path] | None = None,
    *,
    min_pairs: int = 3,
    seed: int = 0,
    band_name: str | None = None,
    baseline_band: str | None = None,
    smooth: Smooth | None = None,
    progress: Progress | None = None,
) -> PointValidation:
    """Score products (m3/m3) and their coarse source against stations, on the same pairs.

    `min_pairs` (at least 3) is the least number of pairs of a station that enters means over stations, of stations in a
    period that enters spatial means, and of pairs in all. Raises InputError where too few are left, with why.
    """
    if min_pairs < 3:
        raise InputError(f"At least 3 pairs are needed for a correlation, not {min_pairs}: raise that minimum.")
    progress = progress or Progress()
    # First, since they may tell why too few pairs are left.
    for note in observations.notes:
        progress.info(note)
    sampled = sample_products(
        products,
        observations,
        baseline,
        band_name=band_name,
        baseline_band=baseline_band,
        smooth=smooth,
        progress=progress.part(0, 0.7),
    )
    results = []
    for number, pairs in enumerate(sampled):
        progress.check()
        progress.set(0.7 + 0.3 * number / len(sampled), f"Scoring {pairs.product}")
        results.append(score_pairs(pairs, observations.crs_wkt, min_pairs=min_pairs, seed=seed))
    for note in dict.fromkeys(note for result in results for note in result.notes):
        progress.info(note)
    known = observations.date[~np.isnat(observations.date)]
    first, last = (str(known.min()), str(known.max())) if len(known) else ("", "")
    progress.set(1.0)
    return PointValidation(
        products=tuple(results),
        observation_count=len(observations),
        station_count=len(observations.places()[0]),
        first_date=first,
        last_date=last,
        crs_wkt=observations.crs_wkt,
        dropped=observations.dropped,
        notes=observations.notes,
        min_pairs=min_pairs,
        seed=seed,
        design=design(bool(results[0].comparison)),
    )


def score_pairs(pairs: Pairs, crs_wkt: str, *, min_pairs: int = 3, seed: int = 0) -> ProductValidation:
    """All scores of one product's pairs. Raises InputError below `min_pairs` pairs."""
    if len(pairs) < min_pairs:
        why = ", ".join(f"{count} observations {reason}" for reason, count in pairs.dropped.items())
        raise InputError(
            f"Only {len(pairs)} pairs of {pairs.product} and the stations are left, "
            f"at least {min_pairs} are needed{': ' + why if why else ''}{_what_to_check(pairs)}."
        )
    series = {"product": pairs.predicted}
    if pairs.has_baseline:
        series |= {"smooth": pairs.smooth, "coarse": pairs.coarse}
    rows = _station_rows(pairs, series, min_pairs)
    used = [row for row in rows if row.used]
    size = _pooled_n_effective(pairs, series, rows, crs_wkt)
    pooled = {source: agreement(values, pairs.observed, size) for source, values in series.items()}
    comparison = {
        source: _compare(pairs, source, series[source], pooled, used, size, min_pairs, seed)
        for source in series
        if source != "product"
    }
    cell_size = pairs.grid.cell_label
    return ProductValidation(
        product=pairs.product,
        cell_size=cell_size,
        pairs=pairs,
        periods=tuple("undated" if period is None else period.label for period in pairs.periods),
        station_count=len(rows),
        n_effective=size,
        pooled=pooled,
        stations=rows,
        station_summary={source: _summary([row.scores[source] for row in used]) for source in series},
        r_classes={source: r_class_counts(row.scores[source].r for row in used) for source in series},
        identity={source: summary_identity_check(row.scores[source] for row in used) for source in series},
        spatial=spatial_agreement(pairs, series, min_pairs),
        inside_cell=inside_cells(pairs, seed) if pairs.has_baseline else None,
        comparison=comparison,
        verdict=verdict(cell_size, pooled, comparison, rows),
        dropped=pairs.dropped,
        notes=pairs.notes,
    )


def _station_rows(pairs: Pairs, series: dict[str, Floats], min_pairs: int) -> tuple[StationRow, ...]:
    time = np.array([0 if p is None else p.ordinals()[0] for p in pairs.periods], dtype=float)
    rows = []
    order = np.argsort(pairs.station, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(pairs.station[order])) + 1):
        k, observed = int(pairs.station[at[0]]), pairs.observed[at]
        size = n_effective(pairs.predicted[at], observed, time[pairs.period[at]])
        scores = {
            source: agreement(values[at], observed, None if math.isnan(size) else size)
            for source, values in series.items()
        }
        r = scores["product"].r
        gain = {source: r - score.r for source, score in scores.items() if source != "product"}
        used = len(at) >= min_pairs and all(not math.isnan(score.r) for score in scores.values())
        rows.append(
            StationRow(
                str(pairs.stations[k]),
                float(pairs.x[k]),
                float(pairs.y[k]),
                len(at),
                size,
                used,
                scores,
                gain,
            )
        )
    return tuple(rows)


def _pooled_n_effective(pairs: Pairs, series: dict[str, Floats], rows: tuple[StationRow, ...], crs_wkt: str) -> float:
    """Over one map: from dependence in space; over series: the stations' effective numbers together."""
    if len(np.unique(pairs.period)) > 1:
        return float(sum(row.n if math.isnan(row.n_effective) else row.n_effective for row in rows))
    x, y = pairs.x[pairs.station], pairs.y[pairs.station]
    reference = osr.SpatialReference()
    reference.ImportFromWkt(crs_wkt)
    if reference.IsGeographic():
        x = x * math.cos(math.radians(float(y.mean())))
    sizes = [n_effective_in_space(values, pairs.observed, x, y) for values in series.values()]
    known = [size for size in sizes if not math.isnan(size)]
    return min(known) if known else float(len(pairs))


def _summary(scores: list[Agreement]) -> StationSummary:
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


def _compare(
    pairs: Pairs,
    source: str,
    values: Floats,
    pooled: dict[str, Agreement],
    used: list[StationRow],
    size: float,
    min_pairs: int,
    seed: int,
) -> Comparison:
    gains = np.array([row.gain[source] for row in used])
    return Comparison(
        paired_r_difference(pairs.predicted, values, pairs.observed, size),
        station_bootstrap(
            pairs.predicted,
            values,
            pairs.observed,
            pairs.station,
            min_pairs=min_pairs,
            seed=seed,
        ),
        float(np.median(gains)) if len(gains) else NAN,
        _wilcoxon(gains),
        gdown(pooled["product"], pooled[source]),
    )


def _wilcoxon(gains: Floats) -> float:
    from scipy.stats import wilcoxon

    # Fewer than 6 differences can never be significant at 5 %.
    return float(wilcoxon(gains).pvalue) if np.count_nonzero(gains) >= 6 else NAN


def _what_to_check(pairs: Pairs) -> str:
    """For the reason that cost most observations."""
    worst = max(pairs.dropped, key=lambda reason: pairs.dropped[reason], default="")
    dated = [period.label for period in pairs.periods if period is not None]
    return {
        "on no date of the product": f"; its dates are {dated[0]} to {dated[-1]}" if dated else "",
        "outside the product": "; check coordinates and reference system of the points",
        "without a product value": "; check the nodata of the map",
        "without a coarse value": "; check dates and extent of the coarse source",
    }.get(worst, "")
