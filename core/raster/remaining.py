"""Progress that says how long the rest will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ..progress import Progress

_SILENT = 5.0  # seconds at the start
_WINDOW = 60.0  # seconds that the pace is taken from
_STEP = 0.5


class WithRemaining(Progress):
    """Hands on to `whole`, with the remaining time in the text; fractions must be proportional to work."""

    def __init__(self, whole: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._whole, self._clock = whole, clock
        self._began = clock()
        self._seen: deque[tuple[float, float]] = deque()
        self._text = self._left = ""

    def set(self, fraction: float, text: str = "") -> None:
        now = self._clock()
        self._text = text or self._text
        if not self._seen or now - self._seen[-1][0] >= _STEP:
            self._seen.append((now, fraction))
            while now - self._seen[0][0] > _WINDOW:
                self._seen.popleft()
            self._left = self._estimate(now, fraction)
        self._whole.set(fraction, f"{self._text} ({self._left})" if self._left and self._text else text)

    def restart(self) -> None:
        """Forget the pace so far: finished parts that were only read say nothing about the rest."""
        self._seen.clear()

    def info(self, text: str) -> None:
        self._whole.info(text)

    def warn(self, text: str) -> None:
        self._whole.warn(text)

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled

    def _estimate(self, now: float, fraction: float) -> str:
        first, at = self._seen[0]
        if now - self._began < _SILENT or now - first < _SILENT / 2 or fraction <= at:
            return self._left
        return f"{duration((1 - fraction) * (now - first) / (fraction - at))} left"


def duration(seconds: float) -> str:
    """In words, as coarse as an estimate is; a text that rarely changes."""
    if seconds < 45:
        return "less than a minute"
    minutes = seconds / 60
    if minutes < 10:
        return f"about {max(1, round(minutes))} min"
    if minutes < 90:
        return f"about {5 * round(minutes / 5)} min"
    return f"about {round(minutes / 60)} h" if minutes < 48 * 60 else f"about {round(minutes / 1440)} days"
