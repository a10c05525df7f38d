"""Similar pixels and what they say: weighted coarse changes, and the coefficient from coarse to fine change."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from .kernel import Array
from .options import CHANGES, NO_CONVERSION, FusionOptions
from .statistics import PairStatistics
from .window import Part, Window

_LARGEST = 5.0  # conversion coefficient
_FLOOR = 1e-3  # of the dissimilarity: no pixel may outweigh all others


class SimilarPixels:
    """The sums over similar pixels of all bands and dates, from one search: it does not depend on the wanted date."""

    def __init__(
        self,
        window: Window,
        fine: Array,
        coarse: Array,
        wanted: Array,
        centres: NDArray[np.bool_],
        statistics: PairStatistics,
        options: FusionOptions,
        part: Part,
        progress: Progress,
    ) -> None:
        """fine, coarse (1 or 2 pairs, bands, rows, cols), wanted (dates, bands, rows, cols) with the halo of `part`.

        centres (rows, cols of the part): the pixels whose neighbours are looked for. Raises Cancelled.
        """
        usable = valid_in_all(fine, coarse)
        self._window, self._options, self._pairs = window, options, len(fine)
        # Another coefficient than 1 would leave the level of the coarse images again.
        self._conversion = NO_CONVERSION if options.zero_bias or len(fine) < 2 else options.conversion

        def padded(values: Array, fill: float = 0.0) -> Array:
            return window.padded(np.where(usable, values, fill), part, fill)

        limits = 2.0 * statistics.fine_sd() / options.classes
        own = np.where(centres, fine[part.inner], np.nan)
        self._low = (own - limits[:, :, None, None]).reshape(-1, *own.shape[2:])
        self._high = (own + limits[:, :, None, None]).reshape(-1, *own.shape[2:])
        self._tested = padded(fine, np.nan).reshape(len(self._low), *padded(fine[0, 0]).shape)
        self._weighted: list[Array] = []
        self._counted: list[Array] = []
        # The level that zero bias takes away must not count as a difference.
        level = statistics.bias()[:, :, None, None] if options.zero_bias else 0.0
        weight = padded(1.0 / _dissimilarity(fine - level, coarse, statistics))
        one = padded(np.ones(usable.shape))
        self._weight, self._count = self._weigh(weight), self._add(one)
        self._between: list[int] = []
        self._apart: list[Array] = []
        self._regression: list[list[int]] = []
        self._wanted: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        for band in range(fine.shape[1]):
            progress.check()
            x = padded(coarse[-1, band] - coarse[0, band])
            self._between.append(self._weigh(weight * x))
            if self._conversion == CHANGES:
                y = padded(fine[1, band] - fine[0, band])
                # Fine and coarse change of a whole window should be the same: where they are not, sensors disagree.
                apart = window.padded(fine[1, band] - fine[0, band] - coarse[1, band] + coarse[0, band], part, np.nan)
                self._apart.append(window.means(apart, float(statistics.pooled_coarse()[1][band])))
                self._regression.append([self._weigh(weight * y), *(self._add(v) for v in (x * x, x * y, y * y))])
            elif self._conversion != NO_CONVERSION:
                # Centred, so that sums of squares keep their digits.
                c = padded(coarse[:, band] - statistics.pooled_coarse()[0][band])
                f = padded(fine[:, band] - statistics.pooled_fine()[0][band])
                fields = (c.sum(0), f.sum(0), (c * c).sum(0), (c * f).sum(0), (f * f).sum(0))
                self._regression.append([self._add(v) for v in fields])
            for date, image in enumerate(wanted[:, band]):
                progress.check()
                known = padded(np.isfinite(image).astype(float))
                since_first = np.where(known > 0, padded(image - coarse[0, band]), 0.0)
                if np.array_equal(known, one):
                    what = (self._weight, self._count, self._between[band])
                else:
                    what = (self._weigh(weight * known), self._add(known), self._weigh(weight * known * x))
                self._wanted[date, band] = (*what, self._weigh(weight * since_first))

    def run(self, progress: Progress, compiled: bool) -> None:
        window = self._window
        found = window.similar_sums(
            self._tested, self._low, self._high, self._weighted, self._counted, progress, compiled
        )
        self._sums, self._counts = found
        self._weighted, self._counted = [], []

    def changes(self, date: int, band: int) -> tuple[Array, Array]:
        """Number of similar pixels with a wanted value, and the weighted coarse change since each pair (pairs, ...)."""
        weight, count, between, since_first = self._wanted[date, band]
        known = self._sums[weight] > 0
        total = np.where(known, self._sums[weight], 1.0)
        first = self._sums[since_first]
        steps = np.stack([first, first - self._sums[between]][: self._pairs]) / total
        return self._counts[count], np.where(known, steps, np.nan)

    def conversion(self, band: int, sd: float) -> Array:
        """The coefficient from coarse to fine change where it is significant, positive and not above 5, else 1."""
        number = self._counts[self._count]
        if not self._regression:
            return np.ones(number.shape)
        noise = max(self._options.uncertainty, 1e-6) * sd
        places = self._regression[band]
        if self._conversion == CHANGES:
            xx, xy, yy = (self._counts[k] for k in places[1:])
            points, lost = number, 1
            known = (xx > 0) & (yy > 0)
            # The ratio of the weighted changes, drawn to 1 where the coarse one is small beside its errors. A slope
            # would be drawn down by coarse changes that differ while the fine ones are the same.
            weight, fine = self._sums[self._weight], self._sums[places[0]]
            coarse, prior = self._sums[self._between[band]], (noise**2 + self._apart[band] ** 2) * weight**2
            above, below = fine * coarse + prior, coarse * coarse + prior
        else:
            x, y, xx, xy, yy = (self._counts[k] for k in places)
            points, lost = 2 * number, 2
            size = np.maximum(points, 1)
            xx, xy, yy = xx - x * x / size, xy - x * y / size, yy - y * y / size
            known = (xx > noise**2 * points) & (yy > 0)
            above, below = xy, xx
        value = np.divide(above, below, out=np.ones(xx.shape), where=known)
        explained = np.divide(xy * xy, xx * yy, out=np.zeros(xx.shape), where=known)
        least = _least_explained(2 * self._options.window**2, lost, self._options.significance)
        good = known & (explained >= least[points.astype(np.intp)]) & (value > 0) & (value <= _LARGEST)
        return np.where(good, value, 1.0)

    def _weigh(self, values: Array) -> int:
        self._weighted.append(values)
        return len(self._weighted) - 1

    def _add(self, values: Array) -> int:
        self._counted.append(values)
        return len(self._counted) - 1


def valid_in_all(fine: Array, coarse: Array) -> NDArray[np.bool_]:
    """(rows, cols): pixels that all pairs (pairs, bands, rows, cols) have in all bands."""
    return np.asarray(np.isfinite(fine).all(axis=(0, 1)) & np.isfinite(coarse).all(axis=(0, 1)))


def _dissimilarity(fine: Array, coarse: Array, statistics: PairStatistics) -> Array:
    """(rows, cols): how much fine and coarse pixels differ in their spectra of all dates, 0.001 and more.

    Two values have no spectrum to correlate: there it is the mean absolute difference in standard deviations.
    """
    pairs, bands = fine.shape[:2]
    if pairs * bands < 3:
        sd = statistics.fine_sd().mean(axis=0)
        known = sd > 0
        if not known.any():
            return np.ones(fine.shape[2:])
        difference = np.abs(fine - coarse)[:, known] / sd[known][:, None, None]
        return np.asarray(difference.mean(axis=(0, 1)) + _FLOOR)
    # In standard deviations of each band: bands may differ in unit.
    mean, spread = (values[None, :, None, None] for values in statistics.pooled_fine())
    spread = np.where(spread > 0, spread, 1.0)
    f, c = (((image - mean) / spread).reshape(-1, *image.shape[2:]) for image in (fine, coarse))
    f, c = f - f.mean(axis=0), c - c.mean(axis=0)
    size = (f * f).sum(axis=0) * (c * c).sum(axis=0)
    r = np.divide((f * c).sum(axis=0), np.sqrt(size), out=np.zeros(size.shape), where=size > 0)
    return np.asarray(1.0 - np.clip(r, -1.0, 1.0) + _FLOOR)


@lru_cache(maxsize=8)
def _least_explained(points: int, lost: int, significance: float) -> Array:
    """By number of points: the share of variance that a slope explains by chance with probability `significance`."""
    from scipy.special import betaincinv

    number = np.arange(points + 1)
    free = np.maximum(number - lost, 1)
    least = betaincinv(0.5, free / 2.0, 1.0 - significance)
    return np.where(number > lost, least, np.inf)
