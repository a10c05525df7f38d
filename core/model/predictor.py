"""What a trained learner is once its library is gone: arrays that predict."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Predictor(Protocol):
    """Predicts y (n,) from X (n, factors) float64 without NaN; `arrays` and `settings` are all that it is made of."""

    kind: str

    @property
    def factors(self) -> int: ...

    def predict(self, x: Array) -> Array: ...

    def arrays(self) -> Mapping[str, NDArray[np.generic]]: ...


def in_threads(function: Callable[[Any], Array], x: NDArray[Any], smallest: int = 16384) -> Array:
    """`function` on blocks of rows of `x`, in threads; the result does not depend on the number of threads."""
    workers = os.cpu_count() or 1
    if len(x) <= smallest or workers == 1:
        return function(x)
    size = max(smallest, -(-len(x) // workers))
    with ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(function, (x[start : start + size] for start in range(0, len(x), size)))))
