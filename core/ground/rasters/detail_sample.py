"""A part of the maps, small enough to hold, on which the detail is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...progress import Progress
from ...raster.grid import Grid
from ..metrics import Floats
from .area_mean import cell_side, touched
from .collecting import Collector
from .detail import INTERPOLATED, DetailAgreement, Texture, detail_agreement, texture
from .results import AS_FINE, RasterOptions
from .source import RasterSource
from .together import Together

if TYPE_CHECKING:
    from .reader import Reader

_SIDE, _DATES = 384, 16
_FINE_SIDE = 1000  # pixels of the finest layer along the window
_USUAL_WIDTH = 9  # pixels, where no coarse source says how large a coarse cell is
# A filter of 3 pixels would take the correlation of neighbours off with the mean.
_LEAST_WIDTH = 5


def look_at_detail(
    together: Together, reader: Reader, collector: Collector, options: RasterOptions, progress: Progress
) -> tuple[tuple[Texture, ...], DetailAgreement | None]:
    """Textures of product, reference and baseline where most is known, and the agreement of the details.

    The agreement needs a reference about as fine as the product and a coarser scale to tell detail from: the cell of
    the baseline, or 9 pixels.
    """
    progress.set(0.0, "Looking at the detail")
    counts = collector.dates["product"][:, 0]
    dates = np.flatnonzero(counts >= 30)
    dates = (
        dates[np.unique(np.linspace(0, len(dates) - 1, min(_DATES, len(dates))).astype(int))] if len(dates) else dates
    )
    if not len(dates):
        return (), None
    finest = min(_km(source.grid) for source in together.sources)
    window = _around(together.grid, collector.fullest_block, int(_FINE_SIDE * finest / _km(together.grid)))
    row0, rows, col0, cols = window
    cells = together.grid.window(row0, col0, rows, cols)
    data = reader.window(window, progress, dates.tolist())
    coarse_km = _km(together.sources[2].grid) if len(together.sources) > 2 else None
    product, reference = together.sources[0], together.sources[1]
    common_km = _km(together.grid)
    width = _width(coarse_km, common_km)
    agreement = None
    if common_km <= AS_FINE * _km(product.grid) and min(rows, cols) >= 2 * width:
        labels = [together.time.labels[k] for k in dates]
        agreement = detail_agreement(
            data[0], data[1], data[2] if len(data) > 2 else None, width, common_km, labels, options.seed
        )
    textures = []
    for source in (product, reference):
        progress.check()
        maps = _native(source, cells, together, dates.tolist(), progress)
        if maps is not None and min(maps.shape[1:]) >= 5:
            name = f"{source.name} ({source.role})"
            textures.append(
                texture(name, maps, _km(source.grid), max(_LEAST_WIDTH, _width(coarse_km, _km(source.grid))))
            )
    if len(data) > 2 and min(rows, cols) >= 5 and reader.smooth is not None:
        textures.append(
            texture(f"{together.sources[2].name} {INTERPOLATED}", data[2], common_km, max(_LEAST_WIDTH, width))
        )
    return tuple(textures), agreement


def _width(coarse_km: float | None, cell_km: float) -> int:
    """Odd number of pixels of the filter: about a coarse cell."""
    pixels = _USUAL_WIDTH if coarse_km is None else round(coarse_km / cell_km)
    return int(np.clip(pixels // 2 * 2 + 1, 3, 65))


def _around(grid: Grid, middle: tuple[int, int], most: int) -> tuple[int, int, int, int]:
    side = max(16, min(_SIDE, most))
    rows, cols = min(side, grid.rows), min(side, grid.cols)
    row0 = int(np.clip(middle[0] - rows // 2, 0, grid.rows - rows))
    col0 = int(np.clip(middle[1] - cols // 2, 0, grid.cols - cols))
    return row0, rows, col0, cols


def _native(
    source: RasterSource, cells: Grid, together: Together, dates: list[int], progress: Progress
) -> Floats | None:
    """Layers of `source` on its own grid where `cells` lie, one per date (the first that belongs to it)."""
    row0, rows, col0, cols = touched(source.grid, cells, source.grid.same_crs(cells))
    if rows < 3 or cols < 3:
        return None
    if rows > _SIDE or cols > _SIDE:
        row0, col0 = row0 + max(0, rows - _SIDE) // 2, col0 + max(0, cols - _SIDE) // 2
        rows, cols = min(rows, _SIDE), min(cols, _SIDE)
    number = together.sources.index(source)
    layers = list(dict.fromkeys(together.time.parts[number][k][0][0] for k in dates))
    maps = []
    for layer in layers:
        progress.check()
        maps.append(source.read(layer, row0, rows, col0, cols))
    return np.stack(maps) if maps else None


def _km(grid: Grid) -> float:
    return cell_side(grid) / 1000
