"""How long work tells where it stands: a small protocol that the shell adapts to its own feedback."""

from __future__ import annotations

from .errors import Cancelled


class Progress:
    """Progress that says nothing and is never cancelled; a shell overrides `set`, `info`, `warn`, `cancelled`."""

    def set(self, fraction: float, text: str = "") -> None:
        """Move the bar to `fraction` (0 to 1) and name the current step."""

    def info(self, text: str) -> None:
        """Write a line to the log."""

    def warn(self, text: str) -> None:
        """Write a line to the log that the user should not miss."""

    @property
    def cancelled(self) -> bool:
        """Whether the user asked to stop."""
        return False

    def check(self) -> None:
        """Raise `Cancelled` if the user asked to stop; called in every loop."""
        if self.cancelled:
            raise Cancelled

    def part(self, start: float, end: float) -> Progress:
        """Progress of a step that fills the bar from `start` to `end`."""
        return _Part(self, start, end)


class _Part(Progress):
    def __init__(self, whole: Progress, start: float, end: float) -> None:
        self._whole, self._start, self._end = whole, start, end

    def set(self, fraction: float, text: str = "") -> None:
        self._whole.set(self._start + fraction * (self._end - self._start), text)

    def info(self, text: str) -> None:
        self._whole.info(text)

    def warn(self, text: str) -> None:
        self._whole.warn(text)

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled
