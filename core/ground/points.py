"""Validation of maps against stations: a product and its coarse source on the same pairs, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from osgeo import osr

from ..errors import InputError
from ..progress import Progress
from .anomaly_scores import anomaly_scores
from .baseline import Smooth
from .checks import station_notes, too_few
from .comparison import gdown, paired_r_difference, station_bootstrap
from .groups import group_scores, usable_classes
from .kinds_of_r import kinds_of_r, over_periods
from .matching import Pairs, sample_products
from .metrics import (
    NAN,
    Agreement,
    Floats,
    agreement,
    n_effective_in_space,
    r_class_counts,
)
from .observations import Observations
from .product_comparison import compare_products
from .results import Comparison, PointValidation, ProductValidation, StationRow
from .significance import p_of_correlation
from .spatial import inside_cells, spatial_agreement
from .station_rows import missing_rows, station_rows, summary
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
    station_classes: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> PointValidation:
    """Score products (m3/m3) and their coarse source against stations, on the same pairs.

    `min_pairs` (at least 3) is the least number of pairs of a station that enters means over stations, of stations in a
    period that enters spatial means, and of pairs in all. `station_classes` are kinds of groups (land cover ...)
    beside those of the observations, with a label per station in the order of `observations.places()`. Raises
    InputError for too few pairs.
    """
    if min_pairs < 3:
        raise InputError(f"At least 3 pairs are needed for a correlation, not {min_pairs}: raise that minimum.")
    products = [str(path) for path in products]
    sources = [baseline] if isinstance(baseline, (str, Path)) else list(baseline or [])
    if products and sources and set(products) <= {str(path) for path in sources}:
        raise InputError(
            f"{Path(products[0]).name} is given as the map and as its own coarse source: give the coarse product that "
            "the map was made from, or none."
        )
    progress = progress or Progress()
    # First, since they may tell why too few pairs are left.
    classes, about_classes = usable_classes({**observations.classes, **(station_classes or {})})
    notes = (*observations.notes, *station_notes(observations), *about_classes)
    for note in notes:
        progress.info(note)
    sampled = sample_products(
        products,
        observations,
        sources,
        band_name=band_name,
        baseline_band=baseline_band,
        smooth=smooth,
        progress=progress.part(0, 0.6),
    )
    results = []
    for number, pairs in enumerate(sampled):
        part = progress.part(0.6 + 0.4 * number / len(sampled), 0.6 + 0.4 * (number + 1) / len(sampled))
        part.set(0, f"Scoring {pairs.product}")
        results.append(
            score_pairs(
                pairs,
                observations.crs_wkt,
                min_pairs=min_pairs,
                seed=seed,
                station_classes=classes,
                progress=part,
            )
        )
    for note in dict.fromkeys(note for result in results for note in result.notes):
        progress.info(note)
    comparison = compare_products(sampled, min_pairs=min_pairs, seed=seed) if len(sampled) > 1 else None
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
        notes=notes,
        min_pairs=min_pairs,
        seed=seed,
        design=design(bool(results[0].comparison)),
        comparison=comparison,
    )


def score_pairs(
    pairs: Pairs,
    crs_wkt: str,
    *,
    min_pairs: int = 3,
    seed: int = 0,
    station_classes: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> ProductValidation:
    """All scores of one product's pairs. Raises InputError below `min_pairs` pairs."""
    if len(pairs) < min_pairs:
        raise too_few(pairs, min_pairs)
    progress = progress or Progress()
    series = {"product": pairs.predicted}
    if pairs.has_baseline:
        series |= {"smooth": pairs.smooth, "coarse": pairs.coarse}
    classes = station_classes or {}
    anomaly = anomaly_scores(pairs, series, min_pairs, seed)
    progress.set(0.2)
    rows = station_rows(pairs, series, anomaly, min_pairs, seed, classes, progress)
    progress.set(0.6)
    used = [row for row in rows if row.used]
    size = _pooled_n_effective(pairs, series, rows, crs_wkt)
    pooled = {source: agreement(values, pairs.observed, size) for source, values in series.items()}
    comparison = {
        source: _compare(pairs, source, series[source], pooled, used, size, min_pairs, seed)
        for source in series
        if source != "product"
    }
    spatial = spatial_agreement(pairs, series, min_pairs, seed)
    inside = inside_cells(pairs, seed) if pairs.has_baseline else None
    blocks = over_periods(pairs, series, size, seed)
    progress.set(0.8)
    station_r = {source: [row.scores[source].r for row in used] for source in series}
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
        missing=missing_rows(pairs),
        station_summary={source: summary([row.scores[source] for row in used]) for source in series},
        r_classes={source: r_class_counts(row.scores[source].r for row in used) for source in series},
        spatial=spatial,
        inside_cell=inside,
        comparison=comparison,
        verdict=verdict(cell_size, pooled, comparison, rows),
        dropped=pairs.dropped,
        notes=pairs.notes,
        kinds=kinds_of_r(len(pairs), blocks, pooled, station_r, spatial, anomaly, inside, seed),
        anomaly=anomaly,
        blocks=blocks,
        p_r=p_of_correlation(pooled["product"].r, size),
        groups=group_scores(pairs, series, classes, min_pairs=min_pairs, seed=seed),
        depth=pairs.depth,
    )


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
