"""Fused bands wherever they are: in strips of this run, or in outputs of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...raster.stack import Stack
from ...raster.work import Work
from .fused import GAP
from .kept import CONVERSION_MEAN, COUNTS, KEY, PAIRS, QUALITY_BAND, SIMILAR_MEAN, Kept, detail_bands
from .kernel import Array
from .strips import COUNTS as STRIP_COUNTS
from .strips import SUMS as STRIP_SUMS
from .strips import Shared, Strip


@dataclass
class _Made:
    """A date of this run: its number within its pass, the strips, and what they count."""

    key: str
    date: int
    pairs: str
    strips: list[Strip] = field(default_factory=list)
    counts: list[NDArray[Any]] = field(default_factory=list)
    sums: list[Array] = field(default_factory=list)

    def tags(self, band: int) -> dict[str, str]:
        """The metadata of a fused band, or of another one where `band` is -1."""
        counts = np.sum(self.counts, axis=0)
        tags = {KEY: self.key, PAIRS: self.pairs, COUNTS: " ".join(str(count) for count in counts)}
        number, similar, conversion = np.concatenate(self.sums, axis=1)[band].sum(axis=0)
        if band >= 0 and number:
            tags |= {SIMILAR_MEAN: f"{similar / number:.6g}", CONVERSION_MEAN: f"{conversion / number:.6g}"}
        return tags


class Finished:
    """Bands of fused dates by the date's key and the band's name; a context manager, which closes earlier outputs."""

    def __init__(self, kept: Kept, work: Work, shared: Shared, keys: Sequence[Sequence[str]]) -> None:
        """keys: of each date of the passes that are not for comparison only."""
        self._kept, self._work, self._names = kept, work, shared.names
        self._details = detail_bands(shared.names)
        self._made = [
            [_Made(key, date, ", ".join(period.label for period, *_ in one.pairs)) for date, key in enumerate(of_pass)]
            for one, of_pass in zip(shared.passes, keys)
        ]
        self._by_key = {made.key: made for of_pass in self._made for made in of_pass}
        self._open: dict[str, Stack] = {}
        self._last: dict[str, tuple[str, NDArray[Any]]] = {}  # by kind of array: what was read last, and of which strip

    def __enter__(self) -> Finished:
        return self

    def __exit__(self, *_: object) -> None:
        for stack in self._open.values():
            stack.close()

    def add(self, strip: Strip, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take in what a finished strip counts."""
        for made in self._made[strip.number] if strip.number < len(self._made) else ():
            made.strips.append(strip)
            made.counts.append(arrays[STRIP_COUNTS][made.date])
            made.sums.append(arrays[STRIP_SUMS][made.date])

    def coded(self, key: str) -> bool:
        """Whether the quality codes of a date are there."""
        return key in self._by_key or self._kept.has(key, [QUALITY_BAND])

    def tags(self, key: str, name: str) -> Mapping[str, str]:
        """Metadata of a band."""
        if key in self._by_key:
            return self._by_key[key].tags(self._names.index(name) if name in self._names else -1)
        return self._kept.place(key, name)[2]

    def read(self, key: str, name: str, row0: int, rows: int) -> Array:
        """(rows, cols), NaN where there is no value."""
        if key in self._by_key:
            return self._of_strips(self._by_key[key], name, row0, rows)
        path, number, _ = self._kept.place(key, name)
        if path not in self._open:
            self._open[path] = Stack.open(path)
        return self._open[path].read(number, row0, rows)

    def codes(self, key: str, row0: int, rows: int) -> NDArray[np.uint8]:
        values = self.read(key, QUALITY_BAND, row0, rows)
        return np.asarray(np.nan_to_num(values, nan=GAP).astype(np.uint8))

    def _of_strips(self, made: _Made, name: str, row0: int, rows: int) -> Array:
        parts = []
        for strip in made.strips:
            first, last = max(row0, strip.row0), min(row0 + rows, strip.row0 + strip.rows)
            if first < last:
                parts.append(self._array(made.date, strip, name)[first - strip.row0 : last - strip.row0])
        values: Array = np.concatenate(parts).astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        return values

    def _array(self, date: int, strip: Strip, name: str) -> NDArray[Any]:
        """One band of a strip. All bands of a date lie in one array, which is wanted again and again."""
        kind = "quality" if name == QUALITY_BAND else "values" if name in self._names else "details"
        if self._last.get(kind, ("",))[0] != (array := f"{kind}_{date} {strip.name}"):
            self._last[kind] = array, self._work.read(strip, [f"{kind}_{date}"])[f"{kind}_{date}"]
        values = self._last[kind][1]
        if kind == "quality":
            return values
        bands = self._names if kind == "values" else self._details
        return np.asarray(values[bands.index(name)])
