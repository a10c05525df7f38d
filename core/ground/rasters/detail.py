"""The fine detail of a map: how rough it is, whether it repeats, and whether a fine reference sees it too."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..metrics import Floats
from .moments import Interval, resampled, scores_of, sums_of

STRUCTURE, NOISE, MIXED = "structure", "noise", "mixed"
SMOOTH, BLOCKS, CHANGING = "smooth", "blocks", "changing"
CONFIRMED, NOT_CONFIRMED, CONTRARY, UNKNOWN = "confirmed", "not confirmed", "contrary", "unknown"
INTERPOLATED = "(smooth coarse source)"  # how the name of that texture ends
_LAGS = 24
NOISE_BELOW, _STRUCTURE_FROM = 0.15, 0.35  # correlation of the detail between neighbouring pixels
_CHANGES_BELOW, _RETURNS_FROM = 0.1, 0.3  # correlation of the detail between dates
_SMOOTH_BELOW = 0.06  # standard deviation of the detail, as a share of that of the map
_EQUAL_FROM = 0.6  # share of neighbours that hold the same value


@dataclass(frozen=True)
class Texture:
    """How one map varies in space; detail is what is finer than `width_km`.

    `distance` (km) and `variogram` by lag, as shares of `variance`. `neighbours`: correlation of the detail with itself
    1, 2, 3 pixels away; `repeat`: between dates; `nugget`: share of the variance that is there at no distance, from the
    first lags; `equal`: share of neighbours that hold the same value. `detail_sd` in the unit of the map.
    """

    name: str
    cell_km: float
    width_km: float
    distance: tuple[float, ...]
    variogram: tuple[float, ...]
    variance: float
    nugget: float
    detail_sd: float
    neighbours: tuple[float, float, float]
    repeat: float
    dates: int
    equal: float = 0.0

    @property
    def returns(self) -> bool:
        """Whether the detail comes again on other dates."""
        return self.repeat > _RETURNS_FROM

    @property
    def share(self) -> float:
        """Standard deviation of the detail as a share of that of the map."""
        return self.detail_sd / math.sqrt(self.variance) if self.variance > 0 else math.nan

    @property
    def kind(self) -> str:
        """What the detail looks like; a pattern that jumps but returns (mixed) may be very fine land."""
        near = self.neighbours[0]
        if self.equal >= _EQUAL_FROM:
            return BLOCKS
        if self.share < _SMOOTH_BELOW:
            return SMOOTH
        if not math.isfinite(near):
            return MIXED
        if near < NOISE_BELOW:
            return MIXED if self.returns else NOISE
        if self.repeat < _CHANGES_BELOW:
            return CHANGING
        return STRUCTURE if near >= _STRUCTURE_FROM else MIXED


@dataclass(frozen=True)
class DetailAgreement:
    """Detail of the product (and of the baseline) against that of a reference as fine, both on the common grid.

    `r` and `slope` (of the reference's detail on the product's; 1 is ideal) with intervals, `baseline_r` of the smooth
    coarse source, `gain` the difference of the two.
    """

    width_km: float
    r: Interval
    slope: Interval
    baseline_r: Interval | None
    gain: Interval | None
    rows: tuple[tuple[str, int, float], ...] = field(default_factory=tuple)  # period, n, r

    @property
    def finding(self) -> str:
        if not self.r.known:
            return UNKNOWN
        return CONFIRMED if self.r.low > 0 else CONTRARY if self.r.high < 0 else NOT_CONFIRMED


def high_pass(values: Floats, width: int) -> Floats:
    """Each map (..., rows, cols) minus its mean over `width` x `width` pixels (odd, at least 3), NaN-safe.

    NaN where less than half of the window is valid.
    """
    from scipy.ndimage import uniform_filter

    size = (*([1] * (values.ndim - 2)), width, width)
    valid = np.isfinite(values)
    share = uniform_filter(valid.astype(np.float64), size, mode="constant")
    total = uniform_filter(np.where(valid, values, 0.0), size, mode="constant")
    mean = np.full(values.shape, np.nan)
    np.divide(total, share, out=mean, where=share >= 0.5 - 1e-9)
    return np.asarray(values - mean)


def texture(name: str, maps: Floats, cell_km: float, width: int) -> Texture:
    """Texture of maps (dates, rows, cols); all figures are means over dates, weighted by their pairs."""
    lags = list(range(1, min(_LAGS, max(maps.shape[1:]) // 2) + 1))
    centred = maps - _mean(maps)[:, None, None]
    variance = float(np.nanmean(centred**2)) if np.isfinite(centred).any() else math.nan
    gamma = [_half_square(centred, k) / variance if variance > 0 else math.nan for k in lags]
    # Taken off once, the mean leaves the bends of a smooth map, which are no detail; twice, it leaves next to nothing.
    detail = high_pass(high_pass(maps, width), width)
    detail = detail - _mean(detail)[:, None, None]
    power = float(np.nanmean(detail**2)) if np.isfinite(detail).any() else math.nan
    near = [1 - _half_square(detail, k) / power if power > 0 else math.nan for k in (1, 2, 3)]
    nugget = math.nan
    if len(gamma) >= 3 and math.isfinite(gamma[2]):
        # A line through the first three lags, led back to no distance.
        slope, nugget = np.polyfit([1, 2, 3], gamma[:3], 1)
        nugget = float(np.clip(nugget, 0.0, 1.0)) if slope >= 0 else 1.0
    return Texture(
        name,
        cell_km,
        width * cell_km,
        tuple(k * cell_km for k in lags),
        tuple(gamma),
        variance,
        float(nugget),
        math.sqrt(power) if power >= 0 else math.nan,
        (near[0], near[1], near[2]),
        _repeatability(detail),
        int(np.isfinite(maps).any(axis=(1, 2)).sum()),
        _equal_neighbours(maps),
    )


def detail_agreement(
    product: Floats,
    reference: Floats,
    baseline: Floats | None,
    width: int,
    cell_km: float,
    labels: list[str],
    seed: int,
) -> DetailAgreement:
    """Agreement of the details (dates, rows, cols) that are left after the mean over `width` pixels is taken off."""
    known = np.isfinite(product) & np.isfinite(reference)
    if baseline is not None:
        known &= np.isfinite(baseline)
    fields = {"product": product, "reference": reference, **({} if baseline is None else {"baseline": baseline})}
    details = {name: high_pass(np.where(known, values, np.nan), width) for name, values in fields.items()}
    dates, rows, cols = product.shape
    # Blocks as large as the filter: inside one, details depend on each other.
    down, right = np.arange(rows) // width, np.arange(cols) // width
    block = down[:, None] * (right[-1] + 1) + right
    places = int(block.max()) + 1
    group = block[None] * dates + np.arange(dates)[:, None, None]
    tables = {
        name: sums_of(details[name], details["reference"], group, places * dates).reshape(places, dates, 6)
        for name in fields
        if name != "reference"
    }

    def statistic(sums: dict[str, Floats]) -> dict[str, Floats]:
        own = scores_of(sums["product"])
        found = {"r": own.r, "slope": own.slope}
        if "baseline" in sums:
            other = scores_of(sums["baseline"]).r
            found |= {"baseline": other, "gain": own.r - np.nan_to_num(other)}
        return found

    result = resampled(tables, statistic, seed=seed)
    per_date = scores_of(tables["product"].sum(axis=0))
    return DetailAgreement(
        width * cell_km,
        result["r"],
        result["slope"],
        result.get("baseline"),
        result.get("gain"),
        tuple((labels[k], int(per_date.n[k]), float(per_date.r[k])) for k in range(dates)),
    )


def _mean(maps: Floats) -> Floats:
    known = np.isfinite(maps)
    n = known.sum(axis=(1, 2))
    return np.asarray(np.where(known, maps, 0.0).sum(axis=(1, 2)) / np.maximum(n, 1))


def _half_square(maps: Floats, lag: int) -> float:
    """Half the mean squared difference of pixels `lag` apart along rows and columns."""
    total, count = 0.0, 0
    for a, b in ((maps[:, lag:], maps[:, :-lag]), (maps[:, :, lag:], maps[:, :, :-lag])):
        difference = a - b
        known = np.isfinite(difference)
        total += float((difference[known] ** 2).sum())
        count += int(known.sum())
    return 0.5 * total / count if count >= 10 else math.nan


def _equal_neighbours(maps: Floats) -> float:
    """Share of neighbours along rows and columns that hold the same value, as blocks of an enlarged map do."""
    pairs = [(maps[:, 1:], maps[:, :-1]), (maps[:, :, 1:], maps[:, :, :-1])]
    known = sum(int((np.isfinite(a) & np.isfinite(b)).sum()) for a, b in pairs)
    return sum(int((a == b).sum()) for a, b in pairs) / known if known else 0.0


def _repeatability(detail: Floats) -> float:
    """Mean correlation of the details of successive dates."""
    found = []
    for a, b in zip(detail[:-1], detail[1:]):
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() >= 30 and a[both].std() > 0 and b[both].std() > 0:
            found.append(float(np.corrcoef(a[both], b[both])[0, 1]))
    return float(np.mean(found)) if found else math.nan
