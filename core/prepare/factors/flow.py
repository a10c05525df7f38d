"""Catchment areas by multiple flow directions, on a DEM held in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.blocks import Array
from .cell_sizes import CellSizes
from .depressions import Heights, Indices, chunks, fill_depressions, flat_distance, neighbours

_CHUNK = 2**18
_MOST_CELLS = 4 * 10**8
BYTES_PER_CELL = 26  # at most at once: heights twice, basins and their numbers, or distances and areas


@dataclass(frozen=True)
class Catchments:
    """area: upslope area of each cell with the cell itself, m2 (rows, cols), NaN in voids.

    filled: share of cells that were raised. deepest: by how much at most, m. deep: share raised by more than 20 m.
    """

    area: Array
    filled: float
    deepest: float
    deep: float


def check_size(rows: int, cols: int) -> None:
    """Raise InputError for a DEM too large to be held in memory."""
    if rows * cols > _MOST_CELLS:
        raise InputError(
            f"The DEM has {rows * cols / 1e6:,.0f} million cells, and the wetness index needs all of them in memory "
            f"({_MOST_CELLS / 1e6:,.0f} million at most, about {BYTES_PER_CELL} bytes each): clip the DEM to the "
            "region, give one with larger cells, or leave 'twi' out."
        )


def catchments(dem: Heights, sizes: CellSizes, progress: Progress) -> Catchments:
    """Upslope areas of a DEM (rows, cols), NaN in voids.

    Depressions are filled; water leaves at borders and voids. From each cell it goes to all lower neighbours in
    proportion to slope times contour length (Quinn et al. 1991, doi:10.1002/hyp.3360050106), across flats to the
    neighbours one step nearer to the flat's outlet.
    """
    rows, cols = dem.shape
    check_size(rows, cols)
    try:
        framed = np.full((rows + 2, cols + 2), np.nan, np.float32)
        framed[1:-1, 1:-1] = dem
        heights = framed.ravel()
        fill_depressions(heights, cols + 2, progress.part(0.0, 0.4))
        raised = framed[1:-1, 1:-1] - dem
        valid = max(1, int(np.isfinite(dem).sum()))
        with np.errstate(invalid="ignore"):
            filled, deep = int((raised > 0).sum()) / valid, int((raised > 20).sum()) / valid
        deepest = float(np.nanmax(raised, initial=0.0))
        del raised
        distance = flat_distance(heights, cols + 2, progress)
        area = _accumulate(heights, distance, cols + 2, sizes, progress.part(0.45, 1.0))
    except MemoryError as error:
        raise InputError(
            f"The wetness index of {rows * cols / 1e6:,.0f} million cells needs about "
            f"{rows * cols * BYTES_PER_CELL / 2**30:.1f} GiB of memory, more than is free: clip the DEM to the region, "
            "give one with larger cells, or leave 'twi' out."
        ) from error
    inner = area.reshape(rows + 2, cols + 2)[1:-1, 1:-1]
    return Catchments(inner, filled, deepest, deep)


def conductances(width: Array, height: Array) -> tuple[Array, Array, Array]:
    """Contour length over distance towards N and S, W and E, and the diagonals, for cells of `width` x `height`.

    For square cells 1/2, 1/2 and 1/4, as in Quinn et al. 1991. For oblong ones such that on a plane water still goes
    down the steepest slope: sum of conductance x step x step' is the same in both directions.
    """
    diagonal = np.minimum(width / height, height / width) / 4
    return width / height - 2 * diagonal, height / width - 2 * diagonal, diagonal


def contour_length(east: Array, north: Array, width: Array, height: Array) -> Array:
    """Metres of contour through which cells pass their water on (rows, cols), for the gradient towards east and north.

    A cell's area over the mean step of its water down a plane: with it, area over contour is the distance to the ridge
    on every plane, whatever its direction and the shape of the cells. Square cells have 1 to 1.12 sides, flat ones the
    root of their area.
    """
    steepness = np.hypot(east, north)
    flat = steepness == 0
    safe = np.where(flat, 1.0, steepness)
    wide, high = width[:, None], height[:, None]
    across, along = wide * np.abs(east) / safe, high * np.abs(north) / safe
    ns, we, diagonal = (one[:, None] for one in conductances(width, height))
    found = ns * along + we * across + 2 * diagonal * np.maximum(across, along)
    return np.where(flat, np.sqrt(wide * high), found)


def _accumulate(heights: Heights, distance: Indices, width: int, sizes: CellSizes, progress: Progress) -> Array:
    """Areas (cells,) of a framed DEM without depressions.

    Cells are taken once all that drains into them has been: front after front, each in one go.
    """
    steps = neighbours(width)
    ns, we, diagonal = (_framed(one) for one in conductances(sizes.width, sizes.height))
    weights = np.stack([ns, ns, we, we, *[diagonal] * 4])
    donors = _donor_counts(heights, distance, width, progress)
    area = np.repeat(_framed(sizes.area), width)
    area[np.isnan(heights)] = np.nan
    front = np.concatenate(
        [np.flatnonzero((donors[a:b] == 0) & ~np.isnan(heights[a:b])) + a for a, b in chunks(len(heights), width)]
    )
    done, total = 0, max(1, int(np.isfinite(heights).sum()))
    while front.size:
        progress.check()
        progress.set(done / total)
        done += front.size
        ready = []
        for cells in np.array_split(front, -(-front.size // _CHUNK)):
            shares = _shares(heights, distance, cells, steps, weights, width)
            shares *= area[cells]
            for step, given in zip(steps, shares):
                some = given > 0
                to = cells[some] + step
                # One step leads from different cells to different cells, so plain indexing adds each.
                area[to] += given[some]
                left = donors[to] - 1
                donors[to] = left
                ready.append(to[left == 0])
        front = np.concatenate(ready)
    return area


def _shares(
    heights: Heights,
    distance: Indices,
    cells: NDArray[np.intp],
    steps: tuple[int, ...],
    weights: Array,
    width: int,
) -> Array:
    """What part of its water each cell gives to each of its neighbours (8, cells); nothing where it leaves the DEM."""
    row = cells // width
    own, away = heights[cells], distance[cells]
    shares = np.zeros((8, len(cells)))
    for k, step in enumerate(steps):
        other = heights[cells + step]
        with np.errstate(invalid="ignore"):
            drop = np.subtract(own, other, dtype=np.float64)
        gradient = drop * weights[k][row]
        nearer = (drop == 0) & (away > 0) & (distance[cells + step] == away - 1)
        np.copyto(shares[k], gradient, where=drop > 0)
        np.copyto(shares[k], 1.0, where=nearer)
    total = shares.sum(axis=0)
    return np.divide(shares, total, out=shares, where=total > 0)


def _donor_counts(heights: Heights, distance: Indices, width: int, progress: Progress) -> NDArray[np.int8]:
    donors = np.zeros(len(heights), np.int8)
    for start, end in chunks(len(heights), width):
        progress.check()
        own, away = heights[start:end], distance[start:end]
        for step in neighbours(width):
            other = heights[start + step : end + step]
            nearer = (other == own) & (distance[start + step : end + step] == away + 1)
            donors[start:end] += (other > own) | nearer
    return donors


def _framed(rows: Array) -> Array:
    return np.pad(rows, 1, mode="edge")
