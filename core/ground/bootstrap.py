"""Intervals of scores from resamples of blocks of time: neighbouring days resemble each other and stay together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .comparison import Interval, percentile_interval
from .metrics import NAN, Floats, complete

REPEATS = 1000
SCORES = ("r", "bias", "rmse", "ubrmse")
_FEWEST_BLOCKS = 8
_AT_ONCE = 2_000_000  # sums gathered at once


def block_length(n: int, n_effective: float = NAN) -> int:
    """Length of the blocks for `n` times that are worth `n_effective` independent ones.

    At least the cube root of n (Kunsch 1989, doi:10.1214/aos/1176347265), and three times the span that one independent
    value takes where that leaves enough blocks.
    """
    root = math.ceil(n ** (1 / 3))
    memory = 1.0 if math.isnan(n_effective) else 3 * n / max(n_effective, 1.0)
    return max(root, min(math.ceil(memory), n // _FEWEST_BLOCKS), 1)


def block_bootstrap(
    product: ArrayLike,
    reference: ArrayLike,
    time: ArrayLike,
    length: int,
    *,
    repeats: int = REPEATS,
    seed: int = 0,
) -> dict[str, Interval]:
    """R, bias, RMSE and ubRMSE with 95 % percentile intervals from `repeats` circular block resamples.

    Pairs of the same `time` (whole numbers, such as those of periods) stay together, whatever their stations; a block
    is `length` times that follow each other among those present. Few blocks give no interval.
    """
    x, y, when = complete(product, reference, time)
    _, number = np.unique(when, return_inverse=True)
    if len(x) == 0:
        return {score: Interval(NAN) for score in SCORES}
    cx, cy = x.mean(), y.mean()
    # About their means, so that sums of squares keep their digits.
    a, b = x - cx, y - cy
    terms = (np.ones(len(a)), a, b, a * a, a * b, b * b)
    sums = np.stack([np.bincount(number, weights=w).astype(np.float64) for w in terms], axis=1)
    values = _scores(sums.sum(axis=0, keepdims=True), cx - cy)[:, 0]
    if len(sums) // max(length, 1) < _FEWEST_BLOCKS:
        return {score: Interval(float(value)) for score, value in zip(SCORES, values)}
    drawn = _scores(_resampled(sums, length, repeats, np.random.default_rng(seed)), cx - cy)
    blocks = len(sums) // length
    return {score: percentile_interval(float(v), row, blocks) for score, v, row in zip(SCORES, values, drawn)}


def mean_bootstrap(values: ArrayLike, length: int = 1, *, repeats: int = REPEATS, seed: int = 0) -> Interval:
    """Mean of values in order of time (or of stations, `length` 1) with its 95 % interval, as `block_bootstrap`."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return Interval(NAN)
    mean, blocks = float(known.mean()), len(known) // max(length, 1)
    if blocks < _FEWEST_BLOCKS:
        return Interval(mean)
    sums = np.stack([np.ones(len(known)), known - mean], axis=1)
    n, total = _resampled(sums, length, repeats, np.random.default_rng(seed)).T
    return percentile_interval(mean, mean + total / n, blocks)


def _resampled(sums: Floats, length: int, repeats: int, rng: np.random.Generator) -> Floats:
    """Sums (repeats, k) over resamples of as many times as there are, in blocks that may run over the end."""
    n = len(sums)
    blocks, rest = divmod(n, length)
    whole = _windows(sums, length)
    part = _windows(sums, rest) if rest else None
    result = np.empty((repeats, sums.shape[1]))
    chunk = max(1, _AT_ONCE // max(1, blocks * sums.shape[1]))
    for first in range(0, repeats, chunk):
        size = min(chunk, repeats - first)
        total = whole[rng.integers(0, n, (size, blocks))].sum(axis=1)
        if part is not None:
            total += part[rng.integers(0, n, size)]
        result[first : first + size] = total
    return result


def _windows(sums: Floats, length: int) -> Floats:
    """Sums over `length` rows from every row on, round the end."""
    running = np.concatenate([np.zeros((1, sums.shape[1])), np.cumsum(np.concatenate([sums, sums[:length]]), axis=0)])
    return np.asarray(running[length : length + len(sums)] - running[: len(sums)])


def _scores(sums: Floats, shift: float) -> Floats:
    """(4, resamples) from sums about the means of the whole series, whose difference is `shift`."""
    n, a, b, aa, ab, bb = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        va, vb = aa - a * a / n, bb - b * b / n
        r = np.where((va > 1e-12 * aa) & (vb > 1e-12 * bb), (ab - a * b / n) / np.sqrt(va * vb), NAN)
        error = (a - b) / n
        variance = np.maximum((aa - 2 * ab + bb) / n - error**2, 0.0)
    bias = error + shift
    return np.stack([np.clip(r, -1, 1), bias, np.sqrt(bias**2 + variance), np.sqrt(variance)])
