"""How well two series agree: arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..statistics import correlation, is_constant

Floats = NDArray[np.float64]
NAN = math.nan
R_CLASSES = ("below 0", "0 to 0.2", "0.2 to 0.4", "0.4 to 0.6", "0.6 to 0.8", "0.8 to 1")


@dataclass(frozen=True)
class Agreement:
    """Scores of a product against a reference over `n` pairs; differences are product minus reference.

    Below 3 pairs only `n`, `bias`, `rmse` and `mae` are given; correlations are NaN where a series does not
    vary. `r2_correlation` is r squared (blind to bias); `r2_efficiency` is 1 - SSE/SST, the Nash-Sutcliffe
    efficiency. `slope` is that of the product on the reference. `kge` is Gupta et al. 2009
    (doi:10.1016/j.jhydrol.2009.08.003) from `r`, the ratio of standard deviations and the ratio of means. `mse`, the
    square of `rmse`, is the sum of `mse_bias` (means), `mse_variance` (amplitudes) and `mse_correlation` (timing and
    noise) (Gupta et al. 2009).
    """

    n: int
    bias: float = NAN
    rmse: float = NAN
    ubrmse: float = NAN
    mae: float = NAN
    r: float = NAN
    r_ci: tuple[float, float] = (NAN, NAN)
    spearman: float = NAN
    r2_correlation: float = NAN
    r2_efficiency: float = NAN
    slope: float = NAN
    kge: float = NAN
    kge_variability: float = NAN
    kge_bias: float = NAN
    mse: float = NAN
    mse_bias: float = NAN
    mse_variance: float = NAN
    mse_correlation: float = NAN


METRICS = (
    "bias rmse ubrmse mae r spearman r2_correlation r2_efficiency slope kge kge_variability kge_bias "
    "mse mse_bias mse_variance mse_correlation"
).split()


def agreement(product: ArrayLike, reference: ArrayLike, n_effective: float | None = None) -> Agreement:
    """Scores over the pairs in which both are finite; `n_effective` widens Fisher's interval of r."""
    x, y = complete(product, reference)
    n = len(x)
    if n == 0:
        return Agreement(0)
    error = x - y
    bias, rmse, mae = float(error.mean()), math.sqrt(float(np.mean(error**2))), float(np.abs(error).mean())
    if n < 3:
        return Agreement(n, bias, rmse, mae=mae)
    ubrmse = math.sqrt(float(np.mean((error - bias) ** 2)))
    if not math.isclose(rmse**2, bias**2 + ubrmse**2, rel_tol=1e-9, abs_tol=1e-12):
        raise ArithmeticError("rmse^2 is not bias^2 + ubrmse^2: the values are too large for double precision")
    sx, sy, r = float(x.std()), float(y.std()), correlation(x, y)
    varies = not is_constant(y)
    variability = sx / sy if varies else NAN
    ratio = float(x.mean() / y.mean()) if y.mean() != 0 else NAN
    covariance = float(np.mean((x - x.mean()) * (y - y.mean())))
    return Agreement(
        n,
        bias,
        rmse,
        ubrmse,
        mae,
        r,
        r_interval(r, n if n_effective is None else n_effective),
        correlation(_ranks(x), _ranks(y)),
        r * r,
        1 - (rmse / sy) ** 2 if varies else NAN,
        covariance / sy**2 if varies else NAN,
        1 - math.sqrt((r - 1) ** 2 + (variability - 1) ** 2 + (ratio - 1) ** 2),
        variability,
        ratio,
        rmse**2,
        bias**2,
        (sx - sy) ** 2,
        max(2 * (sx * sy - covariance), 0.0),
    )


def r_interval(r: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Fisher's interval of a correlation of `n` independent pairs; NaN for n <= 3."""
    from scipy.stats import norm

    if not (n > 3 and abs(r) <= 1):
        return NAN, NAN
    if abs(r) == 1:
        return r, r
    half = float(norm.ppf(0.5 + level / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def n_effective(x: ArrayLike, y: ArrayLike, time: ArrayLike | None = None) -> float:
    """Effective number of pairs of two series with lag-1 autocorrelation (Bartlett): n (1 - rx ry)/(1 + rx
    ry), in [3, n].

    `time` (any unit; default one step apart) orders the pairs. Only neighbours about one median step apart (half to one
    and a half) enter rx and ry, so gaps do no harm. NaN below 5 pairs or 3 such neighbours, or without variation.
    """
    step = np.arange(np.size(x), dtype=float) if time is None else np.asarray(time).astype(float)
    a, b, step = complete(x, y, step)
    product = lag_one(a, step) * lag_one(b, step)
    if math.isnan(product):
        return NAN
    n = len(a)
    return float(np.clip(n * (1 - product) / (1 + product), 3, n)) if product > -1 else float(n)


def lag_one(values: Floats, time: Floats) -> float:
    """Lag-1 autocorrelation of finite values, over neighbours about one median step of `time` apart; NaN as above."""
    order = np.argsort(time, kind="stable")
    x, gaps = values[order], np.diff(time[order])
    if len(x) < 5 or is_constant(x):
        return NAN
    usual = np.median(gaps)
    near = (gaps >= 0.5 * usual) & (gaps <= 1.5 * usual)
    if near.sum() < 3:
        return NAN
    z = x - x.mean()
    return float(np.clip(np.mean((z[:-1] * z[1:])[near]) / np.mean(z * z), -1, 1))


def n_effective_in_space(x: ArrayLike, y: ArrayLike, east: ArrayLike, north: ArrayLike, classes: int = 13) -> float:
    """Effective number of pairs of two fields seen at points, in [3, n]; coordinates in metres or any one unit.

    Dutilleul 1993 (doi:10.2307/2532625): 1 + tr(B Rx) tr(B Ry) / tr(B Rx B Ry), with R from Moran's I in `classes`
    classes of distance of equal width. More than 2000 points are thinned evenly, since all pairs of distances are held.
    """
    columns = np.stack([np.asarray(v, float) for v in (x, y, east, north)])
    columns = columns[:, np.isfinite(columns).all(axis=0)]
    n = columns.shape[1]
    if n < 5 or is_constant(columns[0]) or is_constant(columns[1]):
        return NAN
    # Ordered along one axis first, so that the thinned points still cover the region.
    columns = columns[:, np.argsort(columns[2], kind="stable")][:, :: -(-n // 2000)]
    distance = np.hypot(*(columns[2:, :, None] - columns[2:, None, :]))
    width = distance.max() / classes
    if width == 0:
        return 3.0
    index = np.clip(np.ceil(distance / width).astype(np.intp) - 1, 0, classes - 1)
    np.fill_diagonal(index, classes)
    rx, ry = (_moran_matrix(values, index, classes) for values in columns[:2])
    bx, by = (matrix - matrix.mean(axis=0) for matrix in (rx, ry))
    shared = float(np.sum(bx * by.T))
    size = 1 + float(np.trace(bx) * np.trace(by)) / shared if shared > 0 else float(n)
    return float(np.clip(size, 3, n))


def r_class_counts(r: Iterable[float]) -> tuple[int, ...]:
    """Stations per class of `R_CLASSES`; classes hold their lower limit, the last also 1; NaN is not counted."""
    values = np.array([v for v in r if not math.isnan(v)], dtype=float)
    index = np.where(values < 0, 0, np.clip(np.searchsorted([0.2, 0.4, 0.6, 0.8], values, side="right") + 1, 1, 5))
    return tuple(int(c) for c in np.bincount(index.astype(np.intp), minlength=6))


def rows_by(group: NDArray[np.generic]) -> list[NDArray[np.intp]]:
    """The rows of each group, groups in order of their number or name, rows in order."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(group[order][1:] != group[order][:-1]) + 1) if len(order) else []


def complete(*series: ArrayLike) -> tuple[Floats, ...]:
    arrays = [np.asarray(s, dtype=np.float64).ravel() for s in series]
    if len({len(a) for a in arrays}) > 1:
        raise ValueError("series to compare differ in length")
    keep = np.logical_and.reduce([np.isfinite(a) for a in arrays])
    return tuple(a[keep] for a in arrays)


def _ranks(x: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(x), dtype=np.float64)


def _moran_matrix(values: Floats, index: NDArray[np.intp], classes: int) -> Floats:
    """Correlation by class of distance, laid out for every pair of points; `index` holds `classes` on the diagonal."""
    z = values - values.mean()
    flat = index.ravel()
    pairs = np.bincount(flat, minlength=classes + 1)
    moran = (
        np.bincount(flat, weights=np.outer(z, z).ravel(), minlength=classes + 1) / np.maximum(pairs, 1) / np.mean(z * z)
    )
    moran[classes] = 1.0
    return np.asarray(moran[index])
