"""Columns of a text with words between blanks, without a Python object per word."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..metrics import Floats

_BLANKS = np.zeros(256, dtype=bool)
_BLANKS[[9, 10, 11, 12, 13, 32]] = True
_WIDEST = 64  # bytes of a word; longer ones are cut


class TextRows:
    """The lines of `data`, each as words between blanks; empty lines are left out. `count` are the words of each."""

    def __init__(self, data: bytes) -> None:
        # A guard at the end lets every word be read at full width.
        self._bytes = np.frombuffer(data + b"\n" * (_WIDEST + 1), dtype=np.uint8)
        blank = _BLANKS[self._bytes]
        edge = np.flatnonzero(blank[1:] != blank[:-1]) + 1
        if len(data) and not blank[0]:
            edge = np.concatenate([[0], edge])
        self._start, self._end = edge[0::2], edge[1::2]
        breaks = np.flatnonzero(self._bytes == 10)
        line = np.searchsorted(breaks, self._start)
        self._first = np.flatnonzero(np.diff(line, prepend=-1))
        self.count = np.diff(np.append(self._first, len(line)))

    def __len__(self) -> int:
        return len(self.count)

    def words(self, rows: NDArray[np.intp], number: int) -> NDArray[np.bytes_]:
        """Word `number` of each of the `rows`; negative numbers count from a line's end."""
        at = self._first[rows] + (number if number >= 0 else self.count[rows] + number)
        start, length = self._start[at], np.minimum(self._end[at] - self._start[at], _WIDEST)
        width = int(length.max()) if len(length) else 1
        column = np.arange(width)
        letters = self._bytes[start[:, None] + column]
        letters[column >= length[:, None]] = 0
        return np.ascontiguousarray(letters).view(f"S{width}").ravel()


def numbers_of(words: NDArray[np.bytes_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Words as numbers, and which of them are none (NaN in the result)."""
    try:
        return words.astype(np.float64), np.zeros(len(words), dtype=bool)
    except ValueError:
        values, bad = np.full(len(words), math.nan), np.zeros(len(words), dtype=bool)
        for i, word in enumerate(words.tolist()):
            try:
                values[i] = float(word)
            except ValueError:
                bad[i] = True
        return values, bad


def moments_of(
    days: NDArray[np.bytes_], clocks: NDArray[np.bytes_]
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """`2017/08/10` and `01:00` as datetime64[m], and which are no such moments (NaT in the result)."""
    day, clock = (np.zeros((len(days), width), dtype=np.uint8) for width in (10, 5))
    for target, words in ((day, days), (clock, clocks)):
        letters = words.view(np.uint8).reshape(len(words), -1)[:, : target.shape[1]]
        target[:, : letters.shape[1]] = letters
    digit = (day >= 48) & (day <= 57)
    right = digit[:, [0, 1, 2, 3, 5, 6, 8, 9]].all(axis=1) & ~digit[:, [4, 7]].any(axis=1)
    right &= ((clock[:, [0, 1, 3, 4]] >= 48) & (clock[:, [0, 1, 3, 4]] <= 57)).all(axis=1) & (clock[:, 2] == 58)
    n = (day - 48).astype(np.int64)
    year, month, number = (
        n[:, 0] * 1000 + n[:, 1] * 100 + n[:, 2] * 10 + n[:, 3],
        n[:, 5] * 10 + n[:, 6],
        n[:, 8] * 10 + n[:, 9],
    )
    t = (clock - 48).astype(np.int64)
    minutes = (t[:, 0] * 10 + t[:, 1]) * 60 + t[:, 3] * 10 + t[:, 4]
    right &= (month >= 1) & (month <= 12) & (number >= 1) & (year >= 1800) & (year <= 2200)
    right &= (minutes <= 24 * 60) & (t[:, 3] < 6)
    start = ((np.where(right, year, 1970) - 1970) * 12 + np.where(right, month, 1) - 1).astype("datetime64[M]")
    result = start.astype("datetime64[D]") + (np.where(right, number, 1) - 1)
    right &= result.astype("datetime64[M]") == start
    moments = result.astype("datetime64[m]") + minutes
    moments[~right] = np.datetime64("NaT")
    return moments, ~right
