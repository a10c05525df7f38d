"""Progress, and its parts."""

from __future__ import annotations

import pytest

from soilmoisture.core.errors import Cancelled
from soilmoisture.core.progress import Progress


class Recorder(Progress):
    def __init__(self) -> None:
        self.fractions: list[float] = []
        self.lines: list[str] = []
        self.stop = False

    def set(self, fraction: float, text: str = "") -> None:
        self.fractions.append(fraction)
        self.lines.append(text)

    def info(self, text: str) -> None:
        self.lines.append(f"info {text}")

    def warn(self, text: str) -> None:
        self.lines.append(f"warn {text}")

    @property
    def cancelled(self) -> bool:
        return self.stop


def test_silent_progress_never_cancels() -> None:
    progress = Progress()
    progress.set(0.5, "half")
    progress.info("a line")
    progress.warn("a line")
    progress.check()
    progress.part(0.2, 0.4).check()


def test_part_of_a_part_fills_its_share_of_the_bar() -> None:
    whole = Recorder()
    part = whole.part(0.2, 0.6).part(0.5, 1.0)
    for fraction in (0.0, 0.5, 1.0):
        part.set(fraction, "step")
    part.info("a")
    part.warn("b")
    assert whole.fractions == pytest.approx([0.4, 0.5, 0.6])
    assert whole.lines == ["step", "step", "step", "info a", "warn b"]


def test_a_part_hears_of_the_cancel() -> None:
    whole = Recorder()
    part = whole.part(0.0, 0.5).part(0.0, 0.5)
    part.check()
    whole.stop = True
    with pytest.raises(Cancelled, match="cancelled"):
        part.check()
