"""Scores from sums, so that maps of any size are scored strip by strip."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics import Floats

SUMS = 6  # n, sum x, sum y, sum x2, sum y2, sum xy


def sums_of(x: Floats, y: Floats, group: NDArray[np.intp], size: int) -> Floats:
    """(size, 6): n and sums of x, y, x2, y2 and xy by `group`, over complete pairs; negative groups are left out."""
    keep = np.isfinite(x) & np.isfinite(y) & (group >= 0)
    a, b, where = x[keep], y[keep], group[keep]
    columns = (None, a, b, a * a, b * b, a * b)
    return np.stack([np.bincount(where, weights=one, minlength=size) for one in columns], axis=-1)


@dataclass(frozen=True)
class Scores:
    """Scores of x against y, scalars or arrays; NaN where undefined. Differences are x minus y."""

    n: Floats
    bias: Floats
    rmse: Floats
    ubrmse: Floats
    r: Floats
    slope: Floats  # of y on x


def scores_of(sums: Floats) -> Scores:
    """Scores from sums (..., 6)."""
    n, sx, sy, sxx, syy, sxy = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mx, my = sx / n, sy / n
        vx, vy = sxx / n - mx**2, syy / n - my**2
        # Sums of squares keep about 12 digits: what is left of a constant is rounding.
        vx, vy = (np.where(v > 1e-11 * (m**2 + 1e-300), v, np.nan) for v, m in ((vx, mx), (vy, my)))
        cxy = sxy / n - mx * my
        r = np.where(n >= 3, np.clip(cxy / np.sqrt(vx * vy), -1.0, 1.0), np.nan)
        mse = np.maximum((sxx + syy - 2 * sxy) / n, 0.0)
        ubrmse = np.where(n >= 3, np.sqrt(np.maximum(mse - (mx - my) ** 2, 0.0)), np.nan)
        return Scores(n, mx - my, np.sqrt(mse), ubrmse, r, np.where(n >= 3, cxy / vx, np.nan))


def series_scores(x: Floats, y: Floats, min_pairs: int) -> Scores:
    """Scores along the first axis (time) of x and y (periods, ...); R and ubRMSE from `min_pairs` pairs on."""
    both = np.isfinite(x) & np.isfinite(y)
    n = both.sum(axis=0).astype(np.float64)
    a, b = np.where(both, x, 0.0), np.where(both, y, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mx, my = a.sum(axis=0) / n, b.sum(axis=0) / n
        da, db = np.where(both, a - mx, 0.0), np.where(both, b - my, 0.0)
        vx, vy, cxy = (da**2).sum(axis=0), (db**2).sum(axis=0), (da * db).sum(axis=0)
        floor = 1e-24 * n * np.maximum(np.maximum(mx**2, my**2), 1e-300)
        enough = n >= max(3, min_pairs)
        fine = enough & (vx > floor) & (vy > floor)
        r = np.where(fine, np.clip(cxy / np.sqrt(vx * vy), -1.0, 1.0), np.nan)
        bias = mx - my
        ub2 = np.maximum(vx + vy - 2 * cxy, 0.0) / n
        return Scores(
            n,
            bias,
            np.sqrt(bias**2 + ub2),
            np.where(enough, np.sqrt(ub2), np.nan),
            r,
            np.where(fine, cxy / vx, np.nan),
        )


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


def resampled(
    tables: dict[str, Floats],
    statistic: Callable[[dict[str, Floats]], dict[str, Floats]],
    repeats: int = 500,
    seed: int = 0,
) -> dict[str, Interval]:
    """Intervals of what `statistic` (dict of sums (repeats, 6) -> dict of values (repeats,)) makes of resampled sums.

    `tables` hold sums (places, times, 6). Places and times are drawn with replacement, each on its own: neighbours in
    space and time share their errors, so single pixels would give intervals that are far too narrow.
    """
    first = next(iter(tables.values()))
    places, times = first.shape[:2]
    random = np.random.default_rng(seed)
    used = np.flatnonzero(first[..., 0].sum(axis=1) > 0), np.flatnonzero(first[..., 0].sum(axis=0) > 0)
    value = {
        name: float(v[0]) for name, v in statistic({k: t.sum(axis=(0, 1))[None] for k, t in tables.items()}).items()
    }
    if max(len(one) for one in used) < 5:
        return {name: Interval(v, math.nan, math.nan) for name, v in value.items()}
    draws = []
    for own, size in zip(used, (places, times)):
        counts = np.zeros((repeats, size))
        if len(own) < 3:  # one date, or one place, cannot be drawn anew
            counts[:, own] = 1.0
        else:
            counts[:, own] = random.multinomial(len(own), np.full(len(own), 1 / len(own)), size=repeats)
        draws.append(counts)
    # Places first: (repeats, times, 6) is all that is held.
    drawn = {
        name: np.einsum("rt,rtk->rk", draws[1], np.tensordot(draws[0], table, axes=(1, 0)))
        for name, table in tables.items()
    }
    result = {}
    for name, values in statistic(drawn).items():
        known = values[np.isfinite(values)]
        low, high = np.quantile(known, (0.025, 0.975)) if len(known) >= repeats // 2 else (math.nan, math.nan)
        result[name] = Interval(value[name], float(low), float(high))
    return result
