"""Depressions of a DEM filled to where they spill, and the way water takes across flats.

DEMs come as flat arrays (cells,) of rows of `width`, framed by NaN on all four sides. Voids are NaN too, and water
leaves the DEM at both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress

Heights = NDArray[np.float32]
Indices = NDArray[np.int32]

_CHUNK = 2**21


def neighbours(width: int) -> tuple[int, ...]:
    """Steps to the eight neighbours: N, S, W, E, NW, NE, SW, SE."""
    return -width, width, -1, 1, -width - 1, -width + 1, width - 1, width + 1


def chunks(size: int, width: int) -> list[tuple[int, int]]:
    """Parts of a framed array without its first and last row."""
    first, last = width + 1, size - width - 1
    return [(start, min(start + _CHUNK, last)) for start in range(first, last, _CHUNK)]


def fill_depressions(heights: Heights, width: int, progress: Progress) -> None:
    """Raise every cell, in place, to the lowest level at which its water can reach a border or a void.

    The level is the height of the highest cell on the way out that keeps it lowest, as in Wang and Liu 2006
    (doi:10.1080/13658810500433453) and Barnes et al. 2014 (doi:10.1016/j.cageo.2013.04.024). It is found on basins
    rather than on cells: each basin spills over its lowest pass and joins the neighbour there, the joined basins spill
    again, until all water is out; each round at least halves their number.
    """
    basin, count = _basins(heights, width, progress.part(0.0, 0.5))
    first, second, level = _passes(heights, basin, count, width, progress.part(0.5, 0.8))
    spill = _spill_levels(count, first, second, level, progress)
    for start, end in chunks(len(heights), width):
        progress.check()
        part = heights[start:end]
        np.maximum(part, spill[basin[start:end]], out=part)  # NaN stays
    progress.set(1.0)


def flat_distance(heights: Heights, width: int, progress: Progress) -> Indices:
    """Steps from each cell of a flat to where its water leaves the flat; 0 beside a lower cell, a void or the border.

    Of a DEM without depressions: there every flat has a way out. Others get -1 where there is none.
    """
    steps = neighbours(width)
    distance = np.zeros(len(heights), np.int32)
    seeds = []
    for start, end in chunks(len(heights), width):
        progress.check()
        own = heights[start:end]
        leaves, level = np.zeros(end - start, bool), np.zeros(end - start, bool)
        for step in steps:
            other = heights[start + step : end + step]
            leaves |= ~(other >= own)  # lower, or NaN
            level |= other == own
        known = ~np.isnan(own)
        distance[start:end][known & ~leaves] = -1
        seeds.append(np.flatnonzero(known & leaves & level) + start)
    front = np.concatenate(seeds)
    done = 0
    while front.size:
        progress.check()
        done += 1
        found = []
        for part in np.array_split(front, -(-front.size // _CHUNK)):
            own = heights[part]
            for step in steps:
                to = part + step
                to = to[(distance[to] == -1) & (heights[to] == own)]
                distance[to] = done  # a cell is found once only
                found.append(to)
        front = np.concatenate(found)
    return distance


def _basins(heights: Heights, width: int, progress: Progress) -> tuple[Indices, int]:
    """The basin of each cell, numbered from 1, and their number with 0, which is what drains out without a pass.

    Each cell points to the lowest of its neighbours and itself, the first of equals; pointers end in pits.
    """
    steps = sorted(neighbours(width))
    to = np.zeros(len(heights), np.int32)
    parts = chunks(len(heights), width)
    for number, (start, end) in enumerate(parts):
        progress.check()
        progress.set(0.6 * number / len(parts))
        lowest = np.full(end - start, np.inf, np.float32)
        chosen, out = np.zeros(end - start, np.int32), np.zeros(end - start, bool)
        # In order of place: heights, or among equals places, fall along the way, so it never returns.
        for step in (*steps[:4], 0, *steps[4:]):
            other = heights[start + step : end + step]
            out |= np.isnan(other)
            better = other < lowest
            np.copyto(lowest, other, where=better)
            np.copyto(chosen, np.int32(step), where=better)
        to[start:end] = np.where(out, 0, np.arange(start, end, dtype=np.int32) + chosen)
    changed = True
    while changed:
        progress.check()
        changed = False
        for start, end in parts:
            further = to[to[start:end]]
            changed = changed or not np.array_equal(further, to[start:end])
            to[start:end] = further
    pits = np.concatenate([np.flatnonzero(to[start:end] == np.arange(start, end)) + start for start, end in parts])
    number_of = np.zeros(len(heights), np.int32)
    number_of[pits] = np.arange(1, len(pits) + 1, dtype=np.int32)
    for start, end in parts:
        to[start:end] = number_of[to[start:end]]
    progress.set(1.0)
    return to, len(pits) + 1


def _passes(
    heights: Heights, basin: Indices, count: int, width: int, progress: Progress
) -> tuple[Indices, Indices, Heights]:
    """The lowest pass between every two basins that touch, from the lowest on: first basin, second basin, height."""
    keys, levels = np.zeros(0, np.int64), np.zeros(0, np.float32)
    waiting: list[tuple[NDArray[np.int64], Heights]] = []
    parts = chunks(len(heights), width)
    for number, (start, end) in enumerate(parts):
        progress.check()
        progress.set(number / len(parts))
        for step in (1, width - 1, width, width + 1):
            one, two = basin[start:end], basin[start + step : end + step]
            level = np.maximum(heights[start:end], heights[start + step : end + step])
            at = np.flatnonzero((one != two) & ~np.isnan(level))
            low, high = np.minimum(one[at], two[at]), np.maximum(one[at], two[at])
            waiting.append(_lowest(low.astype(np.int64) * count + high, level[at]))
        if sum(len(key) for key, _ in waiting) > 4 * _CHUNK or number == len(parts) - 1:
            keys, levels = _lowest(
                np.concatenate([keys, *(key for key, _ in waiting)]),
                np.concatenate([levels, *(level for _, level in waiting)]),
            )
            waiting = []
    order = np.argsort(levels, kind="stable")
    keys = keys[order]
    return (keys // count).astype(np.int32), (keys % count).astype(np.int32), levels[order]


def _lowest(keys: NDArray[np.int64], levels: Heights) -> tuple[NDArray[np.int64], Heights]:
    """Each key once, with the lowest of its levels."""
    if not keys.size:
        return keys, levels
    order = np.argsort(keys)
    keys, levels = keys[order], levels[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[starts], np.minimum.reduceat(levels, starts)


def _spill_levels(count: int, first: Indices, second: Indices, level: Heights, progress: Progress) -> Heights:
    """Level at which each basin's water gets out (count,), -inf for basin 0; passes come from the lowest on."""
    spill = np.full(count, -np.inf, np.float32)
    group = np.arange(count, dtype=np.int32)  # which basins have joined; group 0 is out
    while first.size:
        progress.check()
        number = np.arange(first.size - 1, -1, -1)
        # The lowest pass of each group: written last.
        lowest = np.full(count, -1, np.int64)
        lowest[first[number]] = number
        other = lowest.copy()
        other[second[number]] = number
        own = np.where(lowest < 0, other, np.where(other < 0, lowest, np.minimum(lowest, other)))
        own[0] = -1
        spills = np.flatnonzero(own >= 0)
        over = own[spills]
        target = np.arange(count, dtype=np.int32)
        target[spills] = np.where(first[over] == spills, second[over], first[over])
        height = np.full(count, -np.inf, np.float32)
        height[spills] = level[over]
        np.maximum(spill, height[group], out=spill)
        # Two that spill into each other become one; it keeps the first's number.
        mutual = (target[target] == np.arange(count)) & (np.arange(count) < target)
        target[mutual] = np.flatnonzero(mutual)
        while not np.array_equal(target, target[target]):
            target = target[target]
        group, first, second = target[group], target[first], target[second]
        between = first != second
        first, second, level = first[between], second[between], level[between]
    return spill
