"""What the first pass leaves for the second: the model's field of one period, on disk strip by strip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


@dataclass(frozen=True)
class Strip:
    """Rows of the fine grid from `row0` on: the model's field (rows, cols), NaN where a factor is missing.

    unlike (rows, cols): 1 where training saw nothing alike. trust (layers, rows, cols): see TrustLayers.at.
    """

    row0: int
    field: NDArray[np.float32]
    unlike: NDArray[np.uint8]
    trust: NDArray[np.float32]

    @property
    def rows(self) -> int:
        return len(self.field)


class StripStore:
    """Keeps the strips of one period in `file`; `layers` is the length of their `trust`."""

    def __init__(self, file: IO[bytes], cols: int, layers: int) -> None:
        self._file, self._cols, self._layers = file, cols, layers
        self._strips: list[tuple[int, int]] = []

    def restart(self) -> None:
        """Forget the period before."""
        self._file.seek(0)
        self._strips = []

    def add(self, strip: Strip) -> None:
        """Raises InputError where the disk is full."""
        self._strips.append((strip.row0, strip.rows))
        try:
            for part in (strip.field, strip.unlike, strip.trust):
                self._file.write(part.tobytes())
        except OSError as error:
            raise InputError(
                f"There is no room for intermediate results in the output's folder ({error.strerror}): free some "
                "space, or choose another folder."
            ) from error

    def __iter__(self) -> Iterator[Strip]:
        self._file.seek(0)
        for row0, rows in self._strips:
            size = rows * self._cols
            field = np.frombuffer(self._file.read(4 * size), np.float32).reshape(rows, -1)
            unlike = np.frombuffer(self._file.read(size), np.uint8).reshape(rows, -1)
            trust = np.frombuffer(self._file.read(4 * size * self._layers), np.float32)
            yield Strip(row0, field, unlike, trust.reshape(self._layers, rows, self._cols))
