"""Threads of this process that compute parts."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..errors import Cancelled
from .parts import Arrays, Compute, Part, compute_part

_here = threading.local()


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
        _here.stop = self._stop
        try:
            check_cancelled()
            return compute_part(function, common, part, path, key)
        finally:
            _here.stop = None
