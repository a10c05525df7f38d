"""What fusing gives for some rows of the images, and what is done where it cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .kernel import Array
from .options import FusionOptions
from .window import Part, Window

# The quality of a fused pixel; of several bands the highest stands. FALLBACK: too few similar pixels; BEYOND_RANGE: the
# fused value was beyond the valid range. Both follow the mean change of the window.
FUSED, ONE_PAIR, FALLBACK, BEYOND_RANGE, GAP = 0, 1, 2, 3, 255
CODES = (FUSED, ONE_PAIR, FALLBACK, BEYOND_RANGE, GAP)


@dataclass(frozen=True)
class Fused:
    """values, similar, share (dates, bands, rows, cols); quality (dates, rows, cols); conversion (bands, rows, cols).

    similar: number of similar pixels. conversion: coefficient from coarse to fine change. share: of the first pair.
    """

    values: Array
    quality: NDArray[np.uint8]
    similar: Array
    conversion: Array
    share: Array


class WindowChanges:
    """The mean coarse change in the window from each pair's date to the wanted one, and the pairs' shares by it."""

    def __init__(self, window: Window, coarse: Array, wanted: Array, sd: float, part: Part) -> None:
        """coarse (pairs, rows, cols) and wanted (rows, cols) of one band, with the halo that is there."""
        changes = window.means(window.padded(wanted - coarse, part, np.nan), sd)
        # Changes of no more than rounding are none.
        changes[np.abs(changes) < 1e-9 * sd] = 0.0
        self.changes: Array = changes

    def share(self, usable: NDArray[np.bool_]) -> Array:
        """Of the first of two pairs: the smaller its window has changed, the more. usable (2, rows, cols)."""
        one, other = np.abs(self.changes)
        total = one + other
        share = np.divide(other, total, out=np.full(total.shape, 0.5), where=total > 0)
        share = np.where(usable[0] & ~usable[1], 1.0, share)
        return np.where(usable[1] & ~usable[0], 0.0, share)

    def fallback(self, fine: Array) -> Array:
        """Fine values (pairs, rows, cols) and the change of the window: where there are too few similar pixels."""
        parts = fine + self.changes
        if len(parts) == 1:
            return parts[0]
        known = np.isfinite(parts)
        share = self.share(known)
        value = share * np.where(known[0], parts[0], 0.0) + (1 - share) * np.where(known[1], parts[1], 0.0)
        return np.where(known.any(axis=0), value, np.nan)


def guarded(
    values: Array, code: NDArray[np.uint8], fallback: Array, options: FusionOptions
) -> tuple[Array, NDArray[np.uint8]]:
    """(rows, cols): `values` where their `code` is no gap and they are in the valid range, else the fallback."""
    low, high = options.valid_range or (-np.inf, np.inf)
    with np.errstate(invalid="ignore"):
        known = (code != GAP) & np.isfinite(values)
        good = known & (values >= low) & (values <= high)
    result = np.where(good, values, np.clip(fallback, low, high))
    why = np.where(known, BEYOND_RANGE, FALLBACK)
    return result, np.where(good, code, np.where(np.isfinite(result), why, GAP)).astype(np.uint8)


def worst(quality: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(dates, bands, rows, cols) -> (dates, rows, cols)."""
    return np.asarray(quality.max(axis=1))
