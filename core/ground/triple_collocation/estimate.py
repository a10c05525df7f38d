"""Triple collocation: the errors of three products without knowing the truth.

Stoffelen 1998 (doi:10.1029/97JC03180); signal-to-noise ratio and R against the truth after Gruber et al. 2016
(doi:10.1016/j.jag.2015.09.002). Assumed: each product is linear in the truth, errors do not depend on the truth nor on
each other. Related errors of two products make both look better than they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..metrics import Floats, n_effective

PRODUCTS = 3


@dataclass(frozen=True)
class Triple:
    """Estimates for three products, each (3, ...): `error_sd` in the unit of the first (scaled by `beta`), `own_sd` in
    their own, `snr` in dB, `r` with the truth, `beta` from each to the first. `n` triplets.

    `no_signal`: a covariance is not positive, so all is NaN; `negative` (3, ...): the error variance came out below
    zero, so that product is NaN.
    """

    n: Floats
    error_sd: Floats
    own_sd: Floats
    snr: Floats
    r: Floats
    beta: Floats
    no_signal: Floats
    negative: Floats


def triple_collocation(series: Floats, min_triplets: int = 3) -> Triple:
    """Estimates from series (3, periods, ...), over the periods in which all three are finite.

    NaN below `min_triplets`.
    """
    known = np.isfinite(series).all(axis=0)
    n = known.sum(axis=0).astype(np.float64)
    values = np.where(known, series, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=1) / n
        centred = np.where(known, series - mean[:, None], 0.0)
        pairs = [(centred[i] * centred[j]).sum(axis=0) / (n - 1) for i, j in _PAIRS]
    return from_covariances(np.stack(pairs), np.where(n >= max(3, min_triplets), n, np.nan))


_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def from_covariances(covariances: Floats, n: Floats) -> Triple:
    """Estimates from Sxx, Syy, Szz, Sxy, Sxz, Syz stacked as (6, ...); NaN where `n` is."""
    xx, yy, zz, xy, xz, yz = covariances
    counted = np.isfinite(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        signal = (xy > 0) & (xz > 0) & (yz > 0) & counted
        variance = np.stack([xx, yy, zz])
        truth = np.where(signal, np.stack([xy * xz / yz, xy * yz / xz, xz * yz / xy]), np.nan)
        error = variance - truth
        negative = np.where(signal, error < 0, False)
        # Rounding leaves errors of about 1e-17 where there are none.
        error = np.where(error > 1e-12 * variance, error, np.nan)
        share = np.where(np.isfinite(error), truth / variance, np.nan)
        own = np.sqrt(error)
        beta = np.where(signal, np.stack([np.ones_like(yz), xz / yz, xy / yz]), np.nan)
        snr = 10 * np.log10(truth / error)
    return Triple(
        np.where(counted, n, np.nan),
        own * beta,
        own,
        snr,
        np.sqrt(share),
        beta,
        np.asarray(counted & ~signal),
        np.asarray(negative),
    )


@dataclass(frozen=True)
class TripleSeries:
    """One triple of series with 95 % intervals (3, 2) from a moving-block bootstrap; `n_effective` of n triplets."""

    name: str
    n: int
    n_effective: float
    error_sd: Floats
    own_sd: Floats
    snr: Floats
    r: Floats
    beta: Floats
    error_sd_interval: Floats
    snr_interval: Floats
    r_interval: Floats
    failed: float  # share of resamples without an estimate
    x: float = math.nan
    y: float = math.nan
    note: str = ""

    @property
    def usable(self) -> bool:
        return bool(np.isfinite(self.r).any())

    @property
    def best(self) -> int | None:
        """Number of the product with the highest R, where all have one."""
        return int(np.argmax(self.r)) if np.isfinite(self.r).all() else None


def collocate_series(
    name: str,
    series: Floats,
    days: Floats,
    min_triplets: int,
    seed: int = 0,
    repeats: int = 500,
    x: float = math.nan,
    y: float = math.nan,
) -> TripleSeries:
    """Estimates of series (3, periods) at `days` with intervals; NaN below `min_triplets`."""
    known = np.isfinite(series).all(axis=0)
    values, time = series[:, known], days[known]
    count = int(known.sum())
    found = triple_collocation(values, min_triplets)
    sizes = [n_effective(values[i], values[j], time) for i, j in ((0, 1), (0, 2), (1, 2))] if count >= 5 else []
    finite = [size for size in sizes if math.isfinite(size)]
    effective = min(finite) if finite else float(count)
    nothing = np.full((PRODUCTS, 2), np.nan)
    intervals, failed = [nothing, nothing, nothing], math.nan
    note = ""
    if count < max(3, min_triplets):
        note = f"{count} triplets, fewer than {min_triplets}"
    elif bool(found.no_signal):
        note = "no common signal: a covariance is not positive"
    else:
        if found.negative.any():
            which = " and ".join(("first", "second", "third")[k] for k in np.flatnonzero(found.negative))
            note = f"negative error variance of the {which} product"
        drawn = _resampled(values, effective, repeats, seed)
        intervals = [_interval(one) for one in (drawn.error_sd, drawn.snr, drawn.r)]
        failed = float(1 - np.isfinite(drawn.r).all(axis=0).mean())
    return TripleSeries(
        name,
        count,
        effective,
        found.error_sd,
        found.own_sd,
        found.snr,
        found.r,
        found.beta,
        intervals[0],
        intervals[1],
        intervals[2],
        failed,
        x,
        y,
        note,
    )


def _resampled(values: Floats, effective: float, repeats: int, seed: int) -> Triple:
    """Estimates (3, repeats) from resamples of blocks as long as the series remembers."""
    n = values.shape[1]
    length = int(np.clip(math.ceil(n / effective), 1, max(1, n // 5)))
    random = np.random.default_rng(seed)
    starts = random.integers(0, n, size=(repeats, -(-n // length)))
    index = ((starts[:, :, None] + np.arange(length)) % n).reshape(repeats, -1)[:, :n]
    return triple_collocation(np.moveaxis(values[:, index], 1, 2))


def _interval(drawn: Floats) -> Floats:
    """(3, 2) quantiles; NaN for a product that fails in more than half of the resamples."""
    result = np.full((PRODUCTS, 2), np.nan)
    for k, values in enumerate(drawn):
        known = values[np.isfinite(values)]
        if 2 * len(known) >= len(values):
            result[k] = np.quantile(known, (0.025, 0.975))
    return result
