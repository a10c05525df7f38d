"""Correlation coefficients with the p values and intervals that an effective sample size gives them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..statistics import correlation

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_ROWS_INFORMATION = 5000


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's r over the elements where both arrays (any equal shape) are finite; NaN if either is constant
    or fewer than 3 are left."""
    valid = np.isfinite(x) & np.isfinite(y)
    return correlation(x[valid], y[valid])


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Spearman's rho (Pearson's r of mid-ranks), missing values as in `pearson`."""
    return pearson(*mid_ranks(x, y))


def mid_ranks(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both arrays with values replaced by their ranks (ties: the mean rank) among the elements where both are
    finite; NaN elsewhere."""
    from scipy.stats import rankdata

    valid = np.isfinite(x) & np.isfinite(y)
    ranked_x, ranked_y = np.full(x.shape, np.nan), np.full(y.shape, np.nan)
    ranked_x[valid], ranked_y[valid] = rankdata(x[valid]), rankdata(y[valid])
    return ranked_x, ranked_y


def corrected_p(r: float, samples: float) -> float:
    """Two-sided p of r under independence, from F = (ESS - 2) r^2 / (1 - r^2) ~ F(1, ESS - 2).

    `samples` is the effective sample size (Dutilleul 1993, Biometrics 49:305-314); with the plain count it is
    the naive p of the t test. NaN if either is NaN or samples <= 2.
    """
    from scipy.special import fdtrc

    if not samples > 2 or math.isnan(r):
        return math.nan
    if abs(r) >= 1:
        return 0.0
    freedom = samples - 2
    return float(fdtrc(1, freedom, freedom * r * r / (1 - r * r)))


def fisher_interval(r: float, samples: float, *, ranks: bool = False, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval tanh(atanh r +- z se), se = 1 / sqrt(ESS - 3); for Spearman's rho (`ranks`) se =
    sqrt((1 + rho^2 / 2) / (ESS - 3)) (Bonett & Wright 2000, Psychometrika 65:23-28). (-1, 1) if ESS <= 3."""
    from scipy.special import ndtri

    if math.isnan(r) or math.isnan(samples):
        return math.nan, math.nan
    if samples <= 3:
        return -1.0, 1.0
    if abs(r) >= 1:
        return r, r
    half = float(ndtri(0.5 + level / 2)) * math.sqrt((1 + r * r / 2 if ranks else 1.0) / (samples - 3))
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p values (Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57:289-300); NaN stays NaN and is not
    counted as a test."""
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(np.isfinite(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    raised = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return adjusted


def mutual_information(
    factors: NDArray[np.float64], target: NDArray[np.float64], *, seed: int = 0
) -> NDArray[np.float64]:
    """Mutual information in nats of every column of `factors` (n, p) with `target` (n,), all finite, from at most 5000
    rows drawn with `seed` (nearest neighbours, k = 3: Kraskov et al. 2004, 10.1103/PhysRevE.69.066138)."""
    from sklearn.feature_selection import mutual_info_regression

    if len(target) > _MAX_ROWS_INFORMATION:
        rows = np.sort(np.random.default_rng(seed).choice(len(target), _MAX_ROWS_INFORMATION, replace=False))
        factors, target = factors[rows], target[rows]
    # scikit-learn breaks ties by a jitter of 1e-10; standardised, that is as small for one unit as for another.
    information = mutual_info_regression(
        _standardised(factors), _standardised(target), n_neighbors=3, random_state=seed
    )
    return np.asarray(information, dtype=np.float64)


def _standardised(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = columns.std(axis=0)
    return np.asarray((columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
