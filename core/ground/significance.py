"""How sure a score is: p values and intervals by formula, for the number of values that a series is really worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .comparison import Interval
from .metrics import NAN, Agreement, complete, lag_one, n_effective, r_interval

LEVEL = 0.95


@dataclass(frozen=True)
class Significance:
    """Kendall's tau, two-sided p values of the three correlations, and 95 % intervals by formula.

    Correlations are tested with the effective number of pairs, `bias` and `ubrmse` with those of the series of errors.
    """

    p_r: float = NAN
    p_spearman: float = NAN
    tau: float = NAN
    p_tau: float = NAN
    spearman_ci: tuple[float, float] = (NAN, NAN)
    bias: Interval = Interval(NAN)
    ubrmse: Interval = Interval(NAN)


def significance(
    product: ArrayLike, reference: ArrayLike, scores: Agreement, size: float, time: ArrayLike | None = None
) -> Significance:
    """Significance of the `scores` of a series against a reference with `size` effective pairs; `time` orders them."""
    from scipy.stats import kendalltau

    step = np.arange(np.size(product), dtype=float) if time is None else time
    x, y, step = complete(product, reference, step)
    if len(x) < 3:
        return Significance()
    if math.isnan(size):
        size = float(len(x))
    tau = float(kendalltau(x, y).statistic) if not math.isnan(scores.r) else NAN
    error = x - y
    return Significance(
        p_of_correlation(scores.r, size),
        p_of_correlation(scores.spearman, size),
        tau,
        p_of_tau(tau, size),
        spearman_interval(scores.spearman, size),
        bias_interval(error, n_effective_of_mean(error, step)),
        ubrmse_interval(scores.ubrmse, n_effective(error, error, step), len(error)),
    )


def p_of_correlation(r: float, n: float) -> float:
    """Two-sided p of Pearson's or Spearman's correlation of `n` independent pairs (Student's t)."""
    from scipy.stats import t

    if math.isnan(r) or not n > 2:
        return NAN
    if abs(r) >= 1:
        return 0.0
    return float(2 * t.sf(abs(r) * math.sqrt((n - 2) / (1 - r * r)), n - 2))


def p_of_tau(tau: float, n: float) -> float:
    """Two-sided p of Kendall's tau of `n` independent pairs (normal approximation, no correction for ties)."""
    from scipy.stats import norm

    if math.isnan(tau) or not n > 2:
        return NAN
    return float(2 * norm.sf(abs(tau) / math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))))


def spearman_interval(rho: float, n: float) -> tuple[float, float]:
    """Bonett and Wright 2000 (doi:10.1007/BF02294183); NaN for n <= 3."""
    from scipy.stats import norm

    if not (n > 3 and abs(rho) < 1):
        return r_interval(rho, n)
    half = float(norm.ppf(0.5 + LEVEL / 2)) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def bias_interval(error: ArrayLike, n: float) -> Interval:
    """Of the mean of `error`, worth `n` independent values (Student's t)."""
    from scipy.stats import t

    values = np.asarray(error, dtype=np.float64)
    mean = float(values.mean())
    if not n > 1:
        return Interval(mean)
    half = float(values.std(ddof=1)) / math.sqrt(n) * float(t.ppf(0.5 + LEVEL / 2, n - 1))
    return Interval(mean, mean - half, mean + half)


def ubrmse_interval(ubrmse: float, n: float, pairs: int) -> Interval:
    """Of a standard deviation of `pairs` errors worth `n` independent ones (chi squared); `n` NaN takes them all."""
    from scipy.stats import chi2

    if math.isnan(n):
        n = float(pairs)
    if math.isnan(ubrmse) or not n > 1:
        return Interval(ubrmse)
    low, high = (math.sqrt(n * ubrmse**2 / float(chi2.ppf(0.5 + side * LEVEL / 2, n - 1))) for side in (1, -1))
    return Interval(ubrmse, low, high)


def n_effective_of_mean(values: ArrayLike, time: ArrayLike | None = None) -> float:
    """Effective number of values for a mean, n (1 - r1)/(1 + r1) in [2, n]; n where r1 is unknown."""
    series = np.asarray(values, dtype=np.float64)
    n = len(series)
    r1 = lag_one(series, np.arange(n, dtype=float) if time is None else np.asarray(time, dtype=np.float64))
    if math.isnan(r1) or r1 <= 0:
        return float(n)
    return float(np.clip(n * (1 - r1) / (1 + r1), min(n, 2), n))
