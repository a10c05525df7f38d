"""What a trained learner is once its library is gone: arrays that predict."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..raster.threads import in_part

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
    """`function` on blocks of `size` rows of `x`, in threads; in this one where others compute parts beside it.

    The blocks, and so the last bits of matrix products, are the same for any number of threads.
    """
    if len(x) <= size:
        return function(x)
    blocks = [x[start : start + size] for start in range(0, len(x), size)]
    if in_part():
        return np.concatenate([function(block) for block in blocks])
    with ThreadPoolExecutor(min(len(blocks), os.cpu_count() or 1)) as pool:
        return np.concatenate(list(pool.map(function, blocks)))


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Matrix products on one thread each, in the whole process: our own threads keep the processors busy.

    Without threadpoolctl, which comes with scikit-learn, they take more threads and longer.
    """
    with _blas.lock:
        if not _blas.users:
            _blas.limits = _limited()
        _blas.users += 1
    try:
        yield
    finally:
        with _blas.lock:
            # The last one to leave brings back what the first one found.
            _blas.users -= 1
            if not _blas.users and _blas.limits is not None:
                _blas.limits.restore_original_limits()


def array_of(arrays: Arrays, name: str, kinds: str) -> NDArray[Any]:
    """The array `name`, whose dtype must be of one of `kinds` (numpy's letters). Raises KeyError, ValueError."""
    array = arrays[name]
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} has the type {array.dtype}")
    return array


def _limited() -> Any:
    try:
        from threadpoolctl import threadpool_limits

        return threadpool_limits(1, "blas")
    except Exception:  # absent, or at odds with a library that is loaded
        return None


class _Blas:
    lock = threading.Lock()
    users = 0
    limits: Any = None


_blas = _Blas()
