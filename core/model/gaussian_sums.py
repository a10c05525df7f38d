"""Sums of Gaussian kernels in single precision, compiled by numba: from differences, which nothing cancels in."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from .predictor import Array

_TILE = 256  # pixels whose numbers stay in the fastest cache
_FACTORS = 4  # added up at a time
_VECTORS = 64  # summed in single precision before double takes over
_ROUND = np.float32(0.5)
_SMALLEST = np.float32(126)  # 2**-126 is the least plain number, and no longer counts
_SERIES = tuple(np.float32(np.log(2) ** n / f) for n, f in enumerate((1, 1, 2, 6, 24, 120, 720)))  # of 2**r

Single = NDArray[np.float32]


def gaussian_sums(z: Array, vectors: Array, weights: Array, gamma: float) -> Array | None:
    """sum_i weights_i exp(-gamma |z - vectors_i|^2) for each row of z (n, factors); None where numba does not work."""
    loops = compiled_loops()
    if not loops:
        return None
    # Powers of 2 of squared distances are what the loops take.
    unit = np.sqrt(gamma * np.log2(np.e))
    wide = -(-z.shape[1] // _FACTORS) * _FACTORS
    columns = np.zeros((wide, -(-len(z) // _TILE) * _TILE), np.float32)
    columns[: z.shape[1], : len(z)] = (unit * z).T
    places = np.zeros((len(vectors), wide), np.float32)
    places[:, : z.shape[1]] = unit * vectors
    result = np.zeros(columns.shape[1])
    loops(columns, places, weights.astype(np.float32), *_space(), result)
    return result[: len(z)]


@cache
def compiled_loops() -> Any:
    """`_loops` compiled, None where numba does not work."""
    one = np.zeros((_FACTORS, _TILE), np.float32)

    def example() -> list[Any]:
        return [one, one[:1, :_FACTORS].copy(), np.zeros(1, np.float32), *_space(), np.zeros(_TILE)]

    return compiled(_loops, example, fastmath={"contract"})


def _space() -> tuple[Single, NDArray[np.int32], Single, Single]:
    """Distances, powers of 2 as bits and as what the bits mean, and sums."""
    bits = np.zeros(_TILE, np.int32)
    return np.zeros(_TILE, np.float32), bits, bits.view(np.float32), np.zeros(_TILE, np.float32)


def _loops(
    z: Single,
    vectors: Single,
    weights: Single,
    distance: Single,
    bits: NDArray[np.int32],
    power: Single,
    some: Single,
    result: Array,
) -> None:
    for tile in range(0, z.shape[1], _TILE):
        total = result[tile : tile + _TILE]
        for vector in range(0, len(vectors), _VECTORS):
            some[:] = 0
            for j in range(vector, min(vector + _VECTORS, len(vectors))):
                distance[:] = 0
                for f in range(0, len(z), _FACTORS):
                    z0, z1 = z[f, tile : tile + _TILE], z[f + 1, tile : tile + _TILE]
                    z2, z3 = z[f + 2, tile : tile + _TILE], z[f + 3, tile : tile + _TILE]
                    s0, s1, s2, s3 = vectors[j, f], vectors[j, f + 1], vectors[j, f + 2], vectors[j, f + 3]
                    for i in range(_TILE):
                        d0, d1, d2, d3 = z0[i] - s0, z1[i] - s1, z2[i] - s2, z3[i] - s3
                        distance[i] += d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3
                for i in range(_TILE):
                    near = min(distance[i], _SMALLEST)
                    whole = np.int32(near + _ROUND)
                    bits[i] = np.int32(np.int32(127) - whole) << np.int32(23)
                    distance[i] = np.float32(whole) - near
                weight = weights[j]
                for i in range(_TILE):
                    r = distance[i]
                    high = ((_SERIES[6] * r + _SERIES[5]) * r + _SERIES[4]) * r + _SERIES[3]
                    some[i] += weight * power[i] * (((high * r + _SERIES[2]) * r + _SERIES[1]) * r + _SERIES[0])
            for i in range(_TILE):
                total[i] += some[i]
