"""Threads of this process that compute parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from ..errors import Cancelled
from .parts import Arrays, Compute, Part, compute_part

_here = threading.local()


class Stop(Protocol):
    """Says when a run is to stop, as a threading.Event does."""

    def is_set(self) -> bool: ...


@contextmanager
def computing(stop: Stop) -> Iterator[None]:
    """In this block this thread computes a part of a run, which `stop` ends."""
    _here.stop = stop
    try:
        yield
    finally:
        _here.stop = None


def check_cancelled() -> None:
    """Raise Cancelled where the run whose part this thread computes is to stop; called often while a part is made."""
    stop = getattr(_here, "stop", None)
    if stop is not None and stop.is_set():
        raise Cancelled


def in_part() -> bool:
    """Whether this thread computes a part: others do beside it, and threads of its own would only be in their way."""
    return getattr(_here, "stop", None) is not None


class ThreadExecutor:
    """`threads` parts are computed at once; what they have read, made and not yet handed over is two parts more."""

    def __init__(self, threads: int) -> None:
        self.most = threads + 2
        self._pool = ThreadPoolExecutor(threads, "part")
        self._stop = threading.Event()

    def submit(self, function: Compute, common: Any, part: Part, path: str, key: str) -> Future[Arrays | None]:
        return self._pool.submit(self._compute, function, common, part, path, key)

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _compute(self, function: Compute, common: Any, part: Part, path: str, key: str) -> Arrays | None:
        with computing(self._stop):
            check_cancelled()
            return compute_part(function, common, part, path, key)
