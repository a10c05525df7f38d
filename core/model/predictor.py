"""What a trained learner is once its library is gone: arrays that predict."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


class Predictor(Protocol):
    """Predicts y (n,) from X (n, factors) float64 without NaN; `kind` and `arrays` are all that it is made of."""

    kind: str

    @property
    def factors(self) -> int: ...

    def predict(self, x: Array) -> Array: ...

    def arrays(self) -> Mapping[str, NDArray[np.generic]]: ...


def in_threads(function: Callable[[Any], Array], x: NDArray[Any], size: int = 16384) -> Array:
    """`function` on blocks of `size` rows of `x`, in threads.

    The blocks, and so the last bits of matrix products, are the same for any number of threads.
    """
    if len(x) <= size:
        return function(x)
    blocks = [x[start : start + size] for start in range(0, len(x), size)]
    with ThreadPoolExecutor(min(len(blocks), os.cpu_count() or 1)) as pool:
        return np.concatenate(list(pool.map(function, blocks)))


def array_of(arrays: Arrays, name: str, kinds: str) -> NDArray[Any]:
    """The array `name`, whose dtype must be of one of `kinds` (numpy's letters). Raises KeyError, ValueError."""
    array = arrays[name]
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} has the type {array.dtype}")
    return array
