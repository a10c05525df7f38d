"""Whether one product agrees better with a reference than another does: arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..statistics import correlation
from .metrics import NAN, Agreement, Floats, complete, rows_by

REPEATS = 2000
FEWEST_UNITS = 5  # stations, cells or blocks that resamples can say anything about


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval."""

    value: float
    low: float = NAN
    high: float = NAN

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class PairedTest:
    """Williams' test of r(a, reference) = r(b, reference); two-sided `p` for `n_effective` pairs."""

    difference: float
    t: float
    p: float
    n: int
    n_effective: float


@dataclass(frozen=True)
class StationBootstrap:
    """Product minus baseline with 95 % intervals over resamples of whole stations; NaN below 5 stations."""

    stations: int
    repeats: int
    product_r: Interval
    pooled_r: Interval
    station_mean_r: Interval
    rmse: Interval
    ubrmse: Interval


def williams_t(r_ya: float, r_yb: float, r_ab: float, n: float) -> float:
    """Williams' t for two correlations that share the variable y, n - 3 degrees of freedom (Steiger 1980, eq.
    7, doi:10.1037/0033-2909.87.2.245). NaN for n <= 3; 0 where a and b are the same series."""
    if not n > 3 or math.isnan(r_ya + r_yb + r_ab):
        return NAN
    determinant = max(0.0, 1 - r_ya**2 - r_yb**2 - r_ab**2 + 2 * r_ya * r_yb * r_ab)
    below = 2 * determinant * (n - 1) / (n - 3) + ((r_ya + r_yb) / 2) ** 2 * (1 - r_ab) ** 3
    if below < 1e-15:
        return 0.0 if math.isclose(r_ya, r_yb, abs_tol=1e-9) else math.copysign(math.inf, r_ya - r_yb)
    return (r_ya - r_yb) * math.sqrt((n - 1) * (1 + r_ab) / below)


def paired_r_difference(
    a: ArrayLike, b: ArrayLike, reference: ArrayLike, n_effective: float | None = None
) -> PairedTest:
    """Is r(a, reference) different from r(b, reference)? Over the pairs in which all three are finite."""
    from scipy.stats import t as student

    a, b, y = complete(a, b, reference)
    n = len(y)
    size = float(n) if n_effective is None or math.isnan(n_effective) else min(float(n_effective), n)
    r_ya, r_yb = correlation(a, y), correlation(b, y)
    t = williams_t(r_ya, r_yb, correlation(a, b), size)
    return PairedTest(r_ya - r_yb, t, float(2 * student.sf(abs(t), size - 3)) if size > 3 else NAN, n, size)


def station_bootstrap(
    product: ArrayLike,
    baseline: ArrayLike,
    reference: ArrayLike,
    station: Sequence[object] | NDArray,
    *,
    min_pairs: int = 3,
    repeats: int = REPEATS,
    seed: int = 0,
) -> StationBootstrap:
    """Product minus baseline, with percentile intervals from `repeats` resamples of whole stations.

    Pairs within a station depend on each other, stations much less: so stations are drawn, with all their
    pairs. The percentiles are expanded for few stations (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).
    `station_mean_r` uses the stations with at least `min_pairs` pairs whose two correlations exist.
    """
    a, b, y, group = _complete_groups(product, baseline, reference, station)
    if len(y) == 0:
        raise InputError("No complete pairs are left to compare the product with its baseline.")
    # About common centres, so that sums of squares keep their digits.
    columns = (a - a.mean(), b - b.mean(), y - y.mean())
    sums = np.stack(
        [
            np.bincount(group, weights=w)
            for w in (
                np.ones(len(y)),
                *columns,
                *(u * v for i, u in enumerate(columns) for v in columns[i:]),
                a - y,
                (a - y) ** 2,
                b - y,
                (b - y) ** 2,
            )
        ],
        axis=1,
    )
    own = np.array(
        [[correlation(c[at], y[at]) for c in (a, b)] if len(at) >= min_pairs else [NAN, NAN] for at in rows_by(group)]
    )
    both = np.isfinite(own).all(axis=1)
    gain = np.where(both, own[:, 0] - own[:, 1], 0.0)
    sums = np.column_stack([sums, both, gain])
    values = _differences(sums.sum(axis=0, keepdims=True))[:, 0]
    count = len(sums)
    if count < FEWEST_UNITS:
        intervals = [Interval(float(v)) for v in values]
    else:
        rng = np.random.default_rng(seed)
        chunk = max(1, min(repeats, 4_000_000 // count))
        drawn = np.concatenate(
            [_differences(_draws(rng, count, min(chunk, repeats - i)) @ sums) for i in range(0, repeats, chunk)],
            axis=1,
        )
        intervals = [percentile_interval(float(v), row, count) for v, row in zip(values, drawn)]
    return StationBootstrap(count, repeats, *intervals)


def gdown(product: Agreement, baseline: Agreement) -> float:
    """Gain of downscaling in [-1, 1], the mean gain in slope, r and bias (after Merlin et al. 2015,
    doi:10.3390/rs70403783).
    """
    parts = [
        (product.slope, baseline.slope, 1.0),
        (product.r, baseline.r, 1.0),
        (product.bias, baseline.bias, 0.0),
    ]
    gains = []
    for high, low, ideal in parts:
        off_high, off_low = abs(high - ideal), abs(low - ideal)
        gains.append((off_low - off_high) / (off_low + off_high) if off_low + off_high > 0 else 0.0)
    return float(np.mean(gains))


def percentile_interval(value: float, drawn: Floats, units: int) -> Interval:
    """The 95 % interval of an estimate from its resamples of `units` (stations, blocks), as in `station_bootstrap`;
    none from fewer than `FEWEST_UNITS`."""
    from scipy.stats import norm, t

    drawn = drawn[np.isfinite(drawn)]
    if math.isnan(value) or units < FEWEST_UNITS or len(drawn) < 100:
        return Interval(value)
    tail = 100 * float(norm.cdf(math.sqrt(units / (units - 1)) * t.ppf(0.025, units - 1)))
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def _complete_groups(
    a: ArrayLike, b: ArrayLike, y: ArrayLike, station: Sequence[object] | NDArray
) -> tuple[Floats, Floats, Floats, NDArray[np.intp]]:
    arrays = [np.asarray(s, dtype=np.float64) for s in (a, b, y)]
    keep = np.logical_and.reduce([np.isfinite(s) for s in arrays])
    _, group = np.unique(np.asarray(station)[keep], return_inverse=True)
    return arrays[0][keep], arrays[1][keep], arrays[2][keep], group.astype(np.intp)


def _draws(rng: np.random.Generator, count: int, size: int) -> Floats:
    """How often each of `count` stations is drawn, (size, count)."""
    return rng.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)


def _differences(sums: Floats) -> Floats:
    """(5, resamples): r of the product, and product minus baseline in r, mean r of stations, RMSE and ubRMSE."""
    n, a, b, y, aa, ab, ay, bb, by, yy, ea, eea, eb, eeb, stations, gain = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        va, vb, vy = aa - a * a / n, bb - b * b / n, yy - y * y / n
        ra, rb = (ay - a * y / n) / np.sqrt(va * vy), (by - b * y / n) / np.sqrt(vb * vy)
        # A sum of squares that is only rounding stands for no variation.
        ra = np.where((va > 1e-12 * aa) & (vy > 1e-12 * yy), ra, NAN)
        rb = np.where((vb > 1e-12 * bb) & (vy > 1e-12 * yy), rb, NAN)
        spread = np.sqrt(np.maximum(eea / n - (ea / n) ** 2, 0)) - np.sqrt(np.maximum(eeb / n - (eb / n) ** 2, 0))
        return np.stack([ra, ra - rb, gain / stations, np.sqrt(eea / n) - np.sqrt(eeb / n), spread])
