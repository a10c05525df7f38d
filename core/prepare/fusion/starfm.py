"""STARFM: the fine image of one date, or of two, moved by the coarse change of similar pixels.

Gao, Masek, Schwaller, Hall 2006, doi:10.1109/TGRS.2006.872081, with all differences in standard deviations.
"""

from __future__ import annotations

import numpy as np

from ...progress import Progress
from .fused import FUSED, GAP, Fused, WindowChanges, guarded, worst
from .kernel import Array
from .options import FusionOptions
from .statistics import PairStatistics
from .window import Part, Window

_FLOOR = 1e-3  # of a difference: no pixel may outweigh all others


def fuse_starfm(
    fine: Array,
    coarse: Array,
    wanted: Array,
    options: FusionOptions,
    statistics: PairStatistics | None = None,
    part: Part | None = None,
    progress: Progress | None = None,
    compiled: bool = True,
) -> Fused:
    """As `fuse_estarfm`, from one pair or two: fine, coarse (1 or 2, bands, rows, cols). Raises Cancelled."""
    progress = progress or Progress()
    statistics = statistics or PairStatistics.of(fine, coarse)
    part = part or Part(0, fine.shape[2], 0, fine.shape[3])
    inner = part.inner
    window = Window(options.window, options.halving)
    dates, bands = wanted.shape[:2]
    shape = (dates, bands, part.rows, part.cols)
    values, share, similar = np.empty(shape), np.empty(shape), np.empty(shape)
    quality = np.empty(shape, np.uint8)
    sd_fine, sd_coarse = statistics.fine_sd(), statistics.pooled_coarse()[1]
    own = fine
    if options.zero_bias:
        bias = window.means(window.padded(fine - coarse, part, np.nan), float(sd_coarse.max()))
    for date in range(dates):
        for band in range(bands):
            step = progress.part((date * bands + band) / (dates * bands), (date * bands + band + 1) / (dates * bands))
            sums = np.zeros((3, len(fine), part.rows, part.cols))
            for pair in range(len(fine)):
                usable = np.isfinite(fine[pair]).all(axis=0) & np.isfinite(coarse[pair]).all(axis=0)
                usable &= np.isfinite(wanted[date, band])
                spectral = np.abs(own[pair, band] - coarse[pair, band]) / (sd_fine[pair, band] or 1.0)
                temporal = np.abs(wanted[date, band] - coarse[pair, band]) / (sd_coarse[band] or 1.0)
                tested = np.where(usable, np.stack([*fine[pair], spectral, temporal]), np.nan)
                limits = [*(2.0 * sd_fine[pair] / options.classes), options.uncertainty, options.uncertainty]
                low = tested[inner] - np.array(limits)[:, None, None]
                low[-2:][np.isfinite(low[-2:])] = -np.inf
                high = tested[inner] + np.array(limits)[:, None, None]
                with np.errstate(invalid="ignore"):
                    weight = np.where(usable, 1.0 / ((spectral + _FLOOR) * (temporal + _FLOOR)), 0.0)
                moved = np.where(usable, fine[pair, band] + wanted[date, band] - coarse[pair, band], 0.0)
                level = statistics.fine[pair][band].mean
                fields = [window.padded(each, part, 0.0) for each in (weight, weight * (moved - level))]
                one = window.padded(usable.astype(float), part, 0.0)
                padded = window.padded(tested, part, np.nan)
                (weights, moves), (count,) = window.similar_sums(padded, low, high, fields, [one], step, compiled)
                if options.zero_bias:
                    moves = moves - weights * np.nan_to_num(bias[pair, band])
                sums[:, pair] = weights, moves + weights * level, count
            total = sums[0].sum(axis=0)
            found = total > 0
            safe = np.where(found, total, 1.0)
            share[date, band] = np.where(found, sums[0, 0] / safe, np.nan)
            similar[date, band] = sums[2].sum(axis=0)
            changes = WindowChanges(window, coarse[:, band], wanted[date, band], float(sd_coarse[band]), part)
            here = np.isfinite(wanted[date, band][inner])
            values[date, band], quality[date, band] = guarded(
                np.where(found, sums[1].sum(axis=0) / safe, np.nan),
                np.where(found & here, FUSED, GAP).astype(np.uint8),
                np.where(here, changes.fallback(fine[:, band][inner]), np.nan),
                options,
            )
    return Fused(values, worst(quality), similar, np.ones(shape[1:]), share)
