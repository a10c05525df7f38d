"""ESTARFM: a fine image between or beyond two dates with fine and coarse images, from the coarse image of its date.

Zhu, Chen, Gao, Masek 2010, doi:10.1016/j.rse.2010.05.032; zero bias as in Yu et al. 2023,
doi:10.1016/j.rse.2023.113784. All thresholds are in standard deviations and all sums of differences: adding a constant
changes nothing (kelvin or degrees Celsius).
"""

from __future__ import annotations

import numpy as np

from ...progress import Progress
from .fused import FUSED, GAP, ONE_PAIR, Fused, WindowChanges, guarded, worst
from .kernel import Array
from .options import FusionOptions
from .similar import SimilarPixels, valid_in_all
from .statistics import PairStatistics
from .window import Part, Window

_FEW = 5  # similar pixels, that one included, on which nothing rests


def fuse_estarfm(
    fine: Array,
    coarse: Array,
    wanted: Array,
    options: FusionOptions,
    statistics: PairStatistics | None = None,
    part: Part | None = None,
    progress: Progress | None = None,
    compiled: bool = True,
) -> Fused:
    """Fuse the `part` (all) of the images; what lies around it is its halo, of half a window where the image goes on.

    fine, coarse (2, bands, rows, cols): the two pairs; wanted (dates, bands, rows, cols): coarse images of the wanted
    dates. All on one grid, NaN where there is no data. A pixel that one pair only has is made from that pair, with a
    coefficient of 1; with few similar pixels it follows the mean change of its window. statistics: of the whole images
    where these are parts. Raises Cancelled.
    """
    progress = progress or Progress()
    statistics = statistics or PairStatistics.of(fine, coarse)
    part = part or Part(0, fine.shape[2], 0, fine.shape[3])
    window = Window(options.window, options.halving)
    inner = part.inner
    both = valid_in_all(fine, coarse)[inner]
    similar_pixels = SimilarPixels(window, fine, coarse, wanted, both, statistics, options, part, progress)
    similar_pixels.run(progress.part(0.0, 0.9), compiled)
    alone = {}
    for pair in (0, 1):
        one = slice(pair, pair + 1)
        here = valid_in_all(fine[one], coarse[one])[inner] & ~both
        if here.any():
            own = PairStatistics(statistics.fine[one], statistics.coarse[one])
            pixels = SimilarPixels(window, fine[one], coarse[one], wanted, here, own, options, part, progress)
            alone[pair] = here, pixels
            pixels.run(progress.part(0.9, 1.0), compiled)
    sd_coarse = statistics.pooled_coarse()[1]
    shape = (*wanted.shape[:2], part.rows, part.cols)
    values, similar, share = np.empty(shape), np.empty(shape), np.empty(shape)
    quality, conversion = np.empty(shape, np.uint8), np.empty(shape[1:])
    for band in range(shape[1]):
        sd = float(sd_coarse[band])
        conversion[band] = similar_pixels.conversion(band, sd)
        base = fine[:, band][inner]
        if options.zero_bias:
            base = base - window.means(window.padded(fine[:, band] - coarse[:, band], part, np.nan), sd)
        for date in range(shape[0]):
            progress.check()
            at = date, band
            seen = np.isfinite(wanted[at][inner])
            changes = WindowChanges(window, coarse[:, band], wanted[at], sd, part)
            share[at] = changes.share(np.isfinite(changes.changes))
            similar[at], steps = similar_pixels.changes(date, band)
            first, last = base + conversion[band] * steps
            value = share[at] * first + (1 - share[at]) * last
            code = np.where(both & seen & (similar[at] > _FEW), FUSED, GAP).astype(np.uint8)
            for pair, (here, pixels) in alone.items():
                number, step = pixels.changes(date, band)
                similar[at], share[at] = np.where(here, number, similar[at]), np.where(here, 1.0 - pair, share[at])
                good = here & seen & (number > _FEW)
                value, code = np.where(good, base[pair] + step[0], value), np.where(good, ONE_PAIR, code)
            fallback = np.where(seen, changes.fallback(base), np.nan)
            values[at], quality[at] = guarded(value, code, fallback, options)
    return Fused(values, worst(quality), similar, conversion, share)
