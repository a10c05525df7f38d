"""Validation of maps against stations: a product and its coarse source on the same pairs, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from osgeo import osr

from ..errors import InputError
from ..progress import Progress
from ..raster.grid import Grid
from .matching import Observations, Pairs, Smooth, sample_products
from .metrics import (
    METRICS,
    Agreement,
    IdentityCheck,
    Interval,
    PairedTest,
    StationBootstrap,
    agreement,
    correlation,
    gdown,
    n_effective,
    n_effective_in_space,
    paired_r_difference,
    r_class_counts,
    station_bootstrap,
    summary_identity_check,
)

Floats = NDArray[np.float64]
NAN = math.nan
# The fields that are scored: the product and its coarse source, as it is and smoothly interpolated.
LABELS = {
    "product": "product",
    "smooth": "coarse source, smoothly interpolated",
    "coarse": "coarse source, replicated cell",
}
REPEATS = 2000
_STATIONS_FOR_A_VERDICT = 5
_MIN_CELLS = 3
# The tone by R and whether ubRMSE grew, and how the two are joined: an error that contradicts R makes the
# verdict milder, a larger error without a better R is harm.
_WITH_ERROR = {
    ("good", True): ("neutral", "but"),
    ("good", False): ("good", "and"),
    ("neutral", True): ("bad", "and"),
    ("neutral", False): ("neutral", "but"),
    ("bad", True): ("bad", "and"),
    ("bad", False): ("neutral", "but"),
}


@dataclass(frozen=True)
class StationRow:
    """One station; x, y in the CRS of the observations. `gain` is r of the product minus r of each baseline.

    `used` stations (enough pairs, every r exists) enter the summaries over stations.
    """

    station: str
    x: float
    y: float
    n: int
    n_effective: float
    used: bool
    scores: dict[str, Agreement]
    gain: dict[str, float]

    def flat(self) -> dict[str, str | int | float]:
        """Columns by the names of QA4SM; baselines carry the suffix _smooth or _coarse."""
        row: dict[str, str | int | float] = {
            "station": self.station,
            "x": self.x,
            "y": self.y,
            "n_obs": self.n,
            "n_eff": self.n_effective,
            "used": int(self.used),
        }
        for source, score in self.scores.items():
            suffix = "" if source == "product" else f"_{source}"
            columns = {
                "R": score.r,
                "R_low": score.r_ci[0],
                "R_high": score.r_ci[1],
                "rho": score.spearman,
                "BIAS": score.bias,
                "RMSD": score.rmse,
                "urmsd": score.ubrmse,
                "MAE": score.mae,
                "KGE": score.kge,
                "slope": score.slope,
            }
            row.update({name + suffix: value for name, value in columns.items()})
        row.update({f"dR_{source}": value for source, value in self.gain.items()})
        return row


@dataclass(frozen=True)
class StationSummary:
    """Scores over the used stations, by metric: a mean over stations is not the pooled score."""

    stations: int
    mean: dict[str, float]
    median: dict[str, float]
    lower_quartile: dict[str, float]
    upper_quartile: dict[str, float]


@dataclass(frozen=True)
class SpatialAgreement:
    """Correlation over the stations within each period, and its mean over the periods in which every source
    has one.
    """

    periods: int
    mean: dict[str, float]
    median: dict[str, float]
    rows: tuple[tuple[str, int, dict[str, float]], ...]  # period, stations, r by source


@dataclass(frozen=True)
class InsideCell:
    """Correlation of differences from the mean of the stations that share a coarse cell and a period.

    The replicated coarse cell has none by construction: only detail inside the cells scores here.
    """

    cells: int
    stations: int
    n: int
    r: dict[str, float]
    product_r: Interval
    gain_over_smooth: Interval


@dataclass(frozen=True)
class Comparison:
    """Product against one baseline on the same pairs; `wilcoxon_p` is of the stations' differences in r."""

    paired: PairedTest
    bootstrap: StationBootstrap
    median_station_gain: float
    wilcoxon_p: float
    gdown: float


@dataclass(frozen=True)
class Verdict:
    """`tone` is good, neutral or bad; `sentence` says whether downscaling helped."""

    tone: str
    sentence: str


@dataclass(frozen=True)
class ProductValidation:
    """All scores of one product. Dicts keyed by source hold "product" and, with a baseline, "smooth" and
    "coarse".
    """

    product: str
    cell_size: str
    pairs: Pairs
    periods: tuple[str, ...]
    station_count: int
    n_effective: float
    pooled: dict[str, Agreement]
    stations: tuple[StationRow, ...]
    station_summary: dict[str, StationSummary]
    r_classes: dict[str, tuple[int, ...]]
    identity: dict[str, IdentityCheck]
    spatial: SpatialAgreement | None
    inside_cell: InsideCell | None
    comparison: dict[str, Comparison]
    verdict: Verdict
    dropped: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PointValidation:
    """Results of a run, one entry of `products` per product, all against the same observations."""

    products: tuple[ProductValidation, ...]
    observation_count: int
    station_count: int
    first_date: str
    last_date: str
    crs_wkt: str
    dropped: dict[str, int]
    notes: tuple[str, ...]
    min_pairs: int
    seed: int
    design: str

    @property
    def verdict(self) -> Verdict:
        """Of the first product."""
        return self.products[0].verdict

    def metrics(self) -> dict[str, object]:
        """Everything but the single pairs, ready for JSON: NaN becomes None."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return plain


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

    `min_pairs` (at least 3) is the least number of pairs of a station that enters means over stations, of
    stations in a period that enters spatial means, and of pairs in all. Raises InputError where too few are
    left, with why.
    """
    if min_pairs < 3:
        raise InputError(f"At least 3 pairs are needed for a correlation, not {min_pairs}: raise that minimum.")
    progress = progress or Progress()
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
    for note in dict.fromkeys((*observations.notes, *(note for result in results for note in result.notes))):
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
        design=_design(bool(results[0].comparison)),
    )


def score_pairs(pairs: Pairs, crs_wkt: str, *, min_pairs: int = 3, seed: int = 0) -> ProductValidation:
    """All scores of one product's pairs. Raises InputError below `min_pairs` pairs."""
    if len(pairs) < min_pairs:
        why = ", ".join(f"{count} observations {reason}" for reason, count in pairs.dropped.items())
        raise InputError(
            f"Only {len(pairs)} pairs of {pairs.product} and the stations are left, "
            f"at least {min_pairs} are needed{': ' + why if why else ''}."
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
    cell_size = _cell_size(pairs.grid)
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
        spatial=_spatial(pairs, series, min_pairs),
        inside_cell=_inside_cells(pairs, seed) if pairs.has_baseline else None,
        comparison=comparison,
        verdict=_verdict(cell_size, pooled, comparison, rows),
        dropped=pairs.dropped,
        notes=pairs.notes,
    )


def _station_rows(pairs: Pairs, series: dict[str, Floats], min_pairs: int) -> tuple[StationRow, ...]:
    time = np.array([0 if p is None else p.start.toordinal() for p in pairs.periods], dtype=float)
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
            repeats=REPEATS,
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


def _spatial(pairs: Pairs, series: dict[str, Floats], min_pairs: int) -> SpatialAgreement | None:
    rows = []
    for k in np.unique(pairs.period):
        at = pairs.period == k
        if at.sum() >= min_pairs:
            r = {source: correlation(values[at], pairs.observed[at]) for source, values in series.items()}
            period = pairs.periods[k]
            rows.append(("undated" if period is None else period.label, int(at.sum()), r))
    # A source that never has a correlation (all stations in one coarse cell) must not empty the means of the
    # others.
    alive = [source for source in series if any(not math.isnan(r[source]) for _, _, r in rows)]
    common = [r for _, _, r in rows if alive and all(not math.isnan(r[source]) for source in alive)]
    if not common:
        return None
    values = {source: [r[source] for r in common] for source in series}
    return SpatialAgreement(
        len(common),
        {s: float(np.mean(v)) for s, v in values.items()},
        {s: float(np.median(v)) for s, v in values.items()},
        tuple(rows),
    )


def _inside_cells(pairs: Pairs, seed: int) -> InsideCell | None:
    _, group = np.unique(np.stack([pairs.cell, pairs.period]), axis=1, return_inverse=True)
    group = group.ravel()
    count = np.bincount(group)
    shared = count[group] > 1
    cells = np.unique(pairs.cell[shared])
    if len(cells) < _MIN_CELLS:
        return None
    contrast = {
        name: (values - (np.bincount(group, values) / count)[group])[shared]
        for name, values in (
            ("observed", pairs.observed),
            ("product", pairs.predicted),
            ("smooth", pairs.smooth),
        )
    }
    # Whole cells are drawn: contrasts within one depend on each other.
    draws = station_bootstrap(
        contrast["product"],
        contrast["smooth"],
        contrast["observed"],
        pairs.cell[shared],
        repeats=REPEATS,
        seed=seed,
    )
    r = {source: correlation(contrast[source], contrast["observed"]) for source in ("product", "smooth")}
    return InsideCell(
        len(cells),
        len(np.unique(pairs.station[shared])),
        int(shared.sum()),
        {**r, "coarse": 0.0},
        draws.product_r,
        draws.pooled_r,
    )


def _verdict(
    cell_size: str,
    pooled: dict[str, Agreement],
    comparison: dict[str, Comparison],
    rows: tuple[StationRow, ...],
) -> Verdict:
    product = pooled["product"]
    place = "point" if all(row.n == 1 for row in rows) else "station"
    where = f"{product.n} pairs at {_plural(len(rows), place)}"
    if math.isnan(product.r):
        return Verdict(
            "neutral",
            f"The {cell_size} map cannot be correlated with the stations: "
            f"map or observations do not vary over the {where}.",
        )
    if not comparison:
        return Verdict(
            "neutral",
            f"The {cell_size} map agrees with the stations with R {product.r:.2f} and ubRMSE "
            f"{product.ubrmse:.3f} m3/m3 on {where}; without its coarse source nothing shows whether "
            "downscaling helped.",
        )
    smooth, draws = pooled["smooth"], comparison["smooth"].bootstrap
    if math.isnan(smooth.r):
        return Verdict(
            "neutral",
            f"The {cell_size} map has R {product.r:.2f} on {where}, where its smooth coarse source "
            "does not vary: there is no R to compare with.",
        )
    gain = draws.pooled_r
    scores = f"R {product.r:.2f} against {smooth.r:.2f} on the same {where}"
    if draws.stations < _STATIONS_FOR_A_VERDICT or math.isnan(gain.low):
        return Verdict(
            "neutral",
            f"{_plural(draws.stations, 'station')} cannot tell whether the {cell_size} map agrees better "
            f"with the ground than its smooth coarse source: {scores} (difference {gain.value:+.2f}).",
        )
    span = f"(difference {gain.value:+.2f}, 95 % interval {gain.low:.2f} to {gain.high:.2f})"
    tone, word = "neutral", "no better"
    if gain.excludes_zero:
        tone, word = ("good", "better") if gain.value > 0 else ("bad", "worse")
    tail = ""
    if draws.ubrmse.excludes_zero:
        larger = draws.ubrmse.value > 0
        tone, joint = _WITH_ERROR[tone, larger]
        tail = (
            f", {joint} its ubRMSE is {'larger' if larger else 'smaller'} "
            f"({product.ubrmse:.3f} against {smooth.ubrmse:.3f} m3/m3)"
        )
    return Verdict(
        tone,
        f"The {cell_size} map agrees {word} with the stations than its smooth coarse source: {scores} {span}{tail}.",
    )


def _design(baseline: bool) -> str:
    same = " Product and coarse source are scored on the same pairs." if baseline else ""
    return (
        "A pair is the mean of a station's observations within a period of the product and the value of the "
        f"pixel that holds the station.{same} Intervals of differences come from {REPEATS} resamples "
        "of whole stations; p values and intervals of R use the effective number of pairs. Scores are "
        "independent only of stations that did not serve to train or calibrate the product."
    )


def _cell_size(grid: Grid) -> str:
    width, height = grid.ground_cell_size()
    metres = float(f"{math.sqrt(width * height):.2g}")
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in ("pairs", "crs_wkt")}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
