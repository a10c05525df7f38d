"""Compiling what models are applied with, before the first pixel waits for it."""

from __future__ import annotations

from importlib.util import find_spec

from ..progress import Progress
from .gaussian_sums import compiled_loops
from .quantiles import compiled_choice
from .tree_kernel import functions


def warm_up(progress: Progress) -> None:
    """Compile, or take from the user's cache; the first time after an installation it takes some seconds.

    Nothing happens without numba: predictions are the same, and take longer.
    """
    if find_spec("numba"):
        progress.set(0.0, "Preparing compiled code, once after installation")
        functions()
        progress.check()
        compiled_choice()
        progress.check()
        compiled_loops()
