"""Block work: full-width strips of rows, small enough for memory and large enough for fast kernels."""

from __future__ import annotations

from collections.abc import Iterator

PIXELS = 2**19


def strips(rows: int, cols: int, multiple: int = 1, pixels: int | None = None) -> Iterator[tuple[int, int]]:
    """(first row, number of rows) of strips of about `pixels` pixels (PIXELS by default).

    Heights are multiples of `multiple` (the fine rows of a coarse cell, say); the last strip takes what remains.
    """
    height = max(1, (pixels or PIXELS) // max(1, cols * multiple)) * multiple
    for start in range(0, rows, height):
        yield start, min(height, rows - start)
