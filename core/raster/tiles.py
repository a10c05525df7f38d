"""Block work: full-width strips of rows, small enough for memory and large enough for fast kernels."""

from __future__ import annotations

from collections.abc import Iterator

PIXELS = 2**19
_LEAST_PIXELS = 2**15
_FEWEST_PARTS = 24  # for work to be shared evenly among threads


def strips(rows: int, cols: int, multiple: int = 1, pixels: int | None = None) -> Iterator[tuple[int, int]]:
    """(first row, number of rows) of strips of about `pixels` pixels (PIXELS by default).

    Heights are multiples of `multiple` (the fine rows of a coarse cell, say); the last strip takes what remains.
    """
    height = max(1, (pixels or PIXELS) // max(1, cols * multiple)) * multiple
    for start in range(0, rows, height):
        yield start, min(height, rows - start)


def part_rows(rows: int, cols: int, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """As `strips`, for the parts of a long run: small rasters make several too.

    They follow from the grid alone, so that sums over them do not depend on threads, memory or a file's blocks.
    """
    return strips(rows, cols, multiple, min(PIXELS, max(_LEAST_PIXELS, rows * cols // _FEWEST_PARTS)))
