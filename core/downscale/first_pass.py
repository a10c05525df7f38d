"""The first pass: the model's field, part by part, and what the coarse solution needs of it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.model import Model
from ..model.modelfile import load_model, save_model
from ..progress import Progress
from ..raster.conserve import Conservation
from ..raster.parts import Arrays
from ..raster.stack import Stack
from ..raster.support import Array, RunningMean, Support
from ..raster.tiles import strips
from ..raster.work import Work
from .prediction import FinePrediction
from .store import COUNTED, Counts, Rows
from .trust import TrustLayers

_AT_ONCE = 2**17  # pixels of a part whose factors are held at once
_MOST_OPEN = 2  # runs that a worker of a cluster keeps open
_open: dict[str, FinePrediction] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Predicting:
    """What all parts share. run: names it. model: the model's file, for other processes; None in this one.

    gain and level: as TrustLayers takes them. index, interval: layers that are asked for.
    """

    run: str
    model: NDArray[np.uint8] | None
    fine: str
    coarse: str
    gain: float | None
    level: float
    index: bool
    interval: bool

    @property
    def inputs(self) -> list[str]:
        """Files that every worker must see."""
        return [self.fine, self.coarse]


def field_part(common: Predicting, part: Rows) -> Arrays:
    """The field (rows, cols), what is unlike training, the trust layers, and counts."""
    prediction = _prediction_of(common)
    done = [prediction.rows(part.period, part.row0 + row0, rows) for row0, rows in _blocks(part)]
    field, unlike, trust, counts = zip(*done)
    total = sum(counts, start=prediction.no_counts)
    return {
        "field": np.concatenate(field),
        "unlike": np.concatenate(unlike),
        "trust": np.concatenate(trust, axis=1),
        **total.arrays,
    }


def part_bytes(part: Rows, factors: int, layers: int) -> int:
    """What computing a part takes: factors as read and in training form, and their places."""
    return min(part.pixels, _AT_ONCE + part.cols) * (28 * factors + 64) + part.pixels * (8 + 8 * layers)


@contextmanager
def shared(common: Predicting, prediction: FinePrediction) -> Iterator[None]:
    """Parts that this process computes use `prediction`."""
    with _lock:
        _open[common.run] = prediction
    try:
        yield
    finally:
        with _lock:
            _open.pop(common.run, None)


def packed(model: Model) -> NDArray[np.uint8]:
    """The bytes of the model's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.smdl"
        save_model(model, path)
        return np.frombuffer(path.read_bytes(), np.uint8)


class Gathered:
    """Sums over a period that the coarse solution needs, in the order of the parts."""

    def __init__(self, support: Support, cell: Support, wanted: Array, weighted: bool, counts: Counts) -> None:
        """weighted: the field is to be scaled, not shifted. counts: none."""
        self.wanted, self.valid = wanted, np.isfinite(wanted)
        self.system = Conservation(support, self.valid)
        self.weighted = Conservation(support, self.valid) if weighted else None
        self.counts = counts
        self._mean, self._share = RunningMean(support), RunningMean(cell)
        self._same = cell is support

    def run(
        self, work: Work, common: Predicting, parts: Sequence[Rows], progress: Progress, label: str, taken: int
    ) -> None:
        """Compute `parts` and add them; `taken`: bytes for one."""
        for part, arrays in work.run(field_part, common, parts, progress, label, ("field", *COUNTED), taken):
            self._add(arrays["field"].astype(np.float64), part.row0)
            self.counts = self.counts + Counts.of(arrays)

    @property
    def mean(self) -> Array:
        """Support means of the field."""
        return self._mean.result()[0]

    @property
    def share(self) -> Array:
        """Of valid pixels in each cell."""
        return (self._mean if self._same else self._share).result()[1]

    def _add(self, values: Array, row0: int) -> None:
        used = np.isfinite(values)
        self.system.add(used.astype(np.float64), row0)
        if self.weighted is not None:
            if (values[used] <= 0).any():
                raise Unconservable(
                    "The model predicts values of 0 or below, which cannot be conserved by multiplication: "
                    "conserve additively."
                )
            self.weighted.add(np.where(used, values, 0.0), row0)
        self._mean.add(values, row0)
        if not self._same:
            self._share.add(values, row0)


class Unconservable(InputError):
    """A mistake that only the model's values show; the same call would make it again."""


def _prediction_of(common: Predicting) -> FinePrediction:
    with _lock:
        if common.run not in _open:
            while len(_open) >= _MOST_OPEN:
                _open.pop(next(iter(_open)))
            _open[common.run] = _opened(common)
        return _open[common.run]


def _opened(common: Predicting) -> FinePrediction:
    assert common.model is not None, "the model was not sent along"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.smdl"
        path.write_bytes(common.model.tobytes())
        model = load_model(path)
    trust = TrustLayers(model, common.gain, common.level, common.index, common.interval)
    return FinePrediction(model, Stack.open(common.fine), Stack.open(common.coarse), trust)


def _blocks(part: Rows) -> Iterator[tuple[int, int]]:
    return strips(part.rows, part.cols, pixels=_AT_ONCE)
