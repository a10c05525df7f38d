"""How much of a layer each sensor stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..metrics import Floats

# A sensor at 5 or 10 cm is what networks mean by the surface.
_SURFACE = 0.10
_REACH = 0.05  # m that a sensor alone stands for, above and below it
_SAME = 0.005  # m between sensors of one depth


def thicknesses(depths: Sequence[tuple[float, float]], layer: tuple[float, float]) -> Floats:
    """Thickness (m) of `layer` that each sensor (depth from, depth to; m) stands for; 0 where it stands for none.

    Sensors reach half-way to their neighbours; the uppermost to the surface if it is at most 10 cm deep; towards a side
    without a neighbour as far as towards the other, and over all of what they measure. Sensors of one depth share.
    """
    result = np.zeros(len(depths))
    middle = np.array([(top + bottom) / 2 for top, bottom in depths], dtype=np.float64)
    groups = same_depth(depths)
    centres = [float(np.mean(middle[group])) for group in groups]
    for k, group in enumerate(groups):
        centre = centres[k]
        up = (centre - centres[k - 1]) / 2 if k else None
        down = (centres[k + 1] - centre) / 2 if k + 1 < len(groups) else None
        own_top, own_bottom = min(depths[i][0] for i in group), max(depths[i][1] for i in group)
        if up is not None:
            top = centre - up
        elif centre <= _SURFACE or own_top <= 0:
            top = 0.0
        else:
            top = min(own_top, centre - (down if down is not None else _REACH))
        if down is not None:
            bottom = centre + down
        else:
            reach = up if up is not None else min(_REACH, centre) if centre > _SURFACE else centre
            bottom = max(own_bottom, centre + reach)
        share = max(0.0, min(bottom, layer[1]) - max(top, layer[0])) / len(group)
        result[group] = share
    return result


def same_depth(depths: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Sensors whose middles are at one depth, from top to bottom; those of unknown depth are left out."""
    middle = [(top + bottom) / 2 for top, bottom in depths]
    groups: list[list[int]] = []
    for i in sorted((i for i in range(len(middle)) if math.isfinite(middle[i])), key=lambda i: middle[i]):
        if groups and middle[i] - middle[groups[-1][0]] <= _SAME:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def covered(thickness: Floats, layer: tuple[float, float]) -> float:
    """Share of the layer that sensors stand for."""
    return float(thickness.sum()) / (layer[1] - layer[0])
