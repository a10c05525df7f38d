"""Triple collocation of maps: per pixel, per zone and for the mean of the region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import Band
from ...raster.stack import StackWriter, small_block_cache
from ..metrics import Floats
from ..rasters.moments import SUMS, scores_of, sums_of
from ..rasters.source import opened_sources
from ..rasters.together import bring_together
from ..rasters.zones import Zones
from .estimate import PRODUCTS, triple_collocation
from .independence import Dependence, Origin, dependence
from .preparing import check, collocate, departed, method_of, origins_of, too_few
from .results import LETTERS, TripleOptions, TripleResult, triple
from .tally import Tally

_SAME = 0.995
_PAIRS = ((0, 1), (0, 2), (1, 2))
BANDS = {
    "r": ("1", "Correlation with the unknown truth"),
    "snr": ("dB", "Signal-to-noise ratio"),
    "error_sd": ("", "Standard deviation of the error, in the unit of the first product"),
    "beta": ("1", "Factor to the scale of the first product"),
}


def collocate_maps(
    first: Sequence[str],
    second: Sequence[str],
    third: Sequence[str],
    output: str | Path,
    zones: Zones | None = None,
    options: TripleOptions | None = None,
    band: str | None = None,
    progress: Progress | None = None,
) -> TripleResult:
    """Errors of three products on the coarsest of their grids, as a stack of maps. Raises InputError as comparisons do,
    and where no pixel has enough triplets."""
    options, progress = options or TripleOptions(), progress or Progress()
    given = [("first product", first), ("second product", second), ("third product", third)]
    check(given, options, output)
    with opened_sources(given, band) as sources, small_block_cache():
        together = bring_together(sources, options.min_share, options.min_valid)
        time, method = together.time, method_of(options, together.time)
        if len(time) < options.min_triplets:
            raise InputError(too_few(len(time), options.min_triplets))
        size = 1 + (len(zones) if zones is not None else 0)
        sums = np.zeros((size, len(time), PRODUCTS + 1))
        placed = zones.on(together.grid) if zones is not None else None
        tally, shared = Tally(), np.zeros((PRODUCTS, SUMS))
        bands = [Band(f"{name}_{letter}", None, unit) for name, (unit, _) in BANDS.items() for letter in LETTERS]
        with StackWriter(output, together.grid, [*bands, Band("n", None, "1")], {"ANOMALIES": method}) as out:
            names = [source.name for source in sources]
            for number, (text, name) in enumerate(((t, n) for _, t in BANDS.values() for n in names), 1):
                out.tag(number, {"LONG_NAME": f"{text}: {name}"})
            for window, data in together.iterate(progress.part(0, 0.9), "Triple collocation"):
                data = np.where(np.isfinite(data).all(axis=0), data, np.nan)
                values = departed(data, time, method)
                found = triple_collocation(values, options.min_triplets)
                n = np.isfinite(values).all(axis=0).sum(axis=0)
                tally.add(found, n)
                whole = np.zeros(values[0].size, dtype=np.intp)
                shared += [sums_of(values[i].ravel(), values[j].ravel(), whole, 1)[0] for i, j in _PAIRS]
                maps = [one for name in BANDS for one in getattr(found, name)]
                for number, one in enumerate([*maps, n.astype(np.float64)], 1):
                    out.write(number, one, window[0], window[2])
                labels = None if placed is None else placed.labels(*window)
                _add_means(sums, data, labels)
            if not tally.seen:
                raise InputError(
                    "No pixel has a value of all three products in the same period: check nodata and dates."
                )
            if not tally.estimated and not tally.no_signal and not any(tally.negative):
                raise InputError(
                    f"No pixel has {options.min_triplets} triplets (the most are {tally.most}): give longer series, or "
                    "lower the fewest triplets and trust the result less."
                )
        _check_constant(shared, [source.name for source in sources])
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0)  # (products, zones, periods)
        progress.set(0.9, "Intervals by bootstrap")
        labels_of = ["whole region", *(zones.names if zones is not None else ())]
        series = []
        for z, name in enumerate(labels_of):
            progress.check()
            series.append(collocate(name, means[:, z], time, method, options))
        origins = origins_of(sources)
        progress.set(1.0)
        return TripleResult(
            names=triple([source.name for source in sources]),
            kinds=triple([source.kind for source in sources]),
            region=series[0],
            series=tuple(series[1:]),
            what="zone",
            counts=tally.counts,
            medians=tally.medians(),
            best=tally.best,
            dependence=(*dependence(origins), *_alike(shared, origins)),
            method=method,
            periods=tuple(time.labels),
            period_days=time.length,
            grid=together.grid,
            output=str(output),
            crs_wkt="" if zones is None else zones.crs_wkt,
            notes=tuple(together.notes()),
            options=options,
        )


def _check_constant(shared: Floats, names: Sequence[str]) -> None:
    """Raise InputError for a product that never changes; `shared` (3, 6) are sums of the pairs."""
    n = np.maximum(shared[:, 0], 1.0)
    variance = (shared[0, 3] / n[0], shared[0, 4] / n[0], shared[1, 4] / n[1])
    for name, own in zip(names, variance):
        if own < 1e-16:
            raise InputError(
                f"{name} is constant in time, so it has nothing in common with the others: check its dates."
            )


def _add_means(sums: Floats, data: Floats, labels: np.ndarray | None) -> None:
    """Add a window to the sums (zones, periods, n and products); zone 0 is the whole."""
    known = np.isfinite(data[0])
    values = np.where(known, data, 0.0)
    sums[0, :, 0] += known.sum(axis=(1, 2))
    sums[0, :, 1:] += values.sum(axis=(2, 3)).T
    if labels is None:
        return
    for zone in np.unique(labels[labels >= 0]):
        own = labels == zone
        sums[zone + 1, :, 0] += known[:, own].sum(axis=1)
        sums[zone + 1, :, 1:] += values[:, :, own].sum(axis=2).T


def _alike(shared: Floats, origins: Sequence[Origin]) -> list[Dependence]:
    """Products that are nearly the same in every pixel cannot have errors of their own; `shared` (3, 6) are sums."""
    r = scores_of(shared).r
    return [
        Dependence(
            f"{origins[i].name} and {origins[j].name} are nearly the same (R = {r[k]:.3f} over all pixels and dates): "
            "they have no errors of their own.",
            True,
        )
        for k, (i, j) in enumerate(_PAIRS)
        if r[k] > _SAME
    ]
