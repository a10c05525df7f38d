"""What the model says on the fine grid, rows by rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.class_maps import map_of
from ..model.form import ANOMALIES, VALUES
from ..model.model import Model
from ..raster.interpolation import Interpolation
from ..raster.periods import Period
from ..raster.stack import Stack
from ..raster.support import Array
from ..raster.threads import check_cancelled
from .store import Counts
from .trust import TrustLayers

Reference = Callable[[int, int], "Array | float"]
_FAR = 3.0  # widths of the training range
_FAR_OUT = 0.9
_PLACES, _ROWS = 8, 6  # where ranges are looked at: every place costs a row of blocks, which has many rows
_MOST_MOISTURE = 1.5  # m3/m3
_AT_ONCE = 2**16  # pixels; no more, for a run to stop soon after it is told to


class FinePrediction:
    """Applies `model` to the FINE stack, in any thread. Raises InputError for missing factors and other units."""

    def __init__(self, model: Model, fine: Stack, coarse: Stack, trust: TrustLayers) -> None:
        self.model, self.fine, self.coarse, self.trust = model, fine, coarse, trust
        self.names = model.order(fine.factor_names, f"The FINE stack {fine.name}")
        self._stacks = [fine]
        if model.form.kind != VALUES:
            model.order(coarse.factor_names, f"The COARSE stack {coarse.name}")
            self._stacks.append(coarse)
        maps = {map_of(name) for name in fine.factor_names}
        # Classes that training has seen, of the maps that the fine stack has.
        self._known = {stem: names for stem, names in model.class_maps.items() if stem in maps}
        for factor in model.factors:
            _check_unit(f"Factor {factor.name!r}", fine.unit(factor.name), factor.unit, fine.name)
        _check_unit("The target", coarse.unit(coarse.target_name or ""), model.target_unit, coarse.name)
        self._references: dict[Period | None, list[Reference]] = {}
        self._lock = threading.Lock()

    @property
    def no_counts(self) -> Counts:
        return Counts.none(len(self.names), len(self._known))

    def missing(self, period: Period | None) -> list[str]:
        """Factors without a band for `period`."""
        return [name for name in self.names if not all(self._band(stack, name, period) for stack in self._stacks)]

    def empty(self, period: Period | None) -> list[str]:
        """Factors whose coarse reference in `period` would have no valid cell."""
        if self.model.form.kind == VALUES:
            return []
        return [name for name in self.names if not np.isfinite(self._read(self.coarse, name, period)).any()]

    def wanted(self, period: Period | None) -> Array:
        """The coarse values (rows, cols) of `period`, NaN where none."""
        values = self.coarse.read(self.coarse.index(self.coarse.required_target(), period))
        high = float(np.max(values, initial=-np.inf, where=np.isfinite(values)))
        if self.model.target_unit == "m3/m3" and high > _MOST_MOISTURE:
            raise InputError(
                f"The coarse values of {self.coarse.name} go up to {high:g}, but the model was trained on m3/m3: give "
                "the right unit in 'Resample to a common grid'."
            )
        return values

    def rows(
        self, period: Period | None, row0: int, rows: int
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32], Counts]:
        """Of rows of the fine grid: the model's field (rows, cols), NaN where a factor is missing; 1 where training saw
        nothing alike; the trust layers (layers, rows, cols) of TrustLayers.at; how many pixels were what.

        Unlike training is what lies outside the area of applicability; where that is not asked for, a factor outside
        its training range. Either way so is a class that training has not seen, which is predicted as the reference
        class; it has no distance to the training samples, and its index is put just beyond the area.
        """
        references = self._references_of(period)
        raw = []
        for name in self.names:
            check_cancelled()
            raw.append(self._read(self.fine, name, period, row0, rows))
        there = [np.isfinite(values) for values in raw]
        valid = np.logical_and.reduce(there)
        outside = np.zeros(valid.shape, bool)
        x = np.empty((int(valid.sum()), len(raw)))
        beyond_range = []
        for k, (values, reference, factor) in enumerate(zip(raw, references, self.model.factors)):
            beyond = ((values < factor.minimum) | (values > factor.maximum)) & valid
            beyond_range.append(int(beyond.sum()))
            outside |= beyond
            x[:, k] = (values - reference(row0, rows))[valid]
        field = np.full(valid.shape, np.nan, np.float32)
        trust = np.full((self.trust.count, *valid.shape), np.nan, np.float32)
        if len(x):
            field[valid] = self._predict(x)
            trust[:, valid], beyond_area = self.trust.at(x)
            if beyond_area is not None:
                outside[valid] = beyond_area
        unknown, of_maps = self._of_unknown_class(period, row0, rows, raw, valid)
        outside |= unknown
        threshold = self.trust.facts.threshold
        if threshold is not None:
            beyond_threshold = np.nextafter(np.float32(threshold), np.float32(np.inf))
            trust[0][unknown] = np.maximum(trust[0][unknown], beyond_threshold)
        seen = np.array([one.sum() for one in there], np.int64)
        counts = Counts(seen, np.array(beyond_range, np.int64), np.array(of_maps, np.int64), len(x))
        return field, outside.astype(np.uint8), trust, counts

    def check_ranges(self, period: Period | None) -> None:
        """Look at some rows of `period`: a factor that is nearly everywhere outside its training range is a mistake."""
        rows = min(_ROWS, self.fine.grid.rows)
        places = np.unique(np.linspace(0, self.fine.grid.rows - rows, _PLACES).astype(int))
        for name, factor in zip(self.names, self.model.factors):
            values = np.concatenate([self._read(self.fine, name, period, int(row), rows).ravel() for row in places])
            values = values[np.isfinite(values)]
            # Fine values, other seasons and footprints leave the range somewhat; another unit leaves it by far.
            margin = _FAR * (factor.maximum - factor.minimum)
            beyond = (values < factor.minimum - margin) | (values > factor.maximum + margin)
            share = float(beyond.mean()) if len(values) else 0.0
            if share > _FAR_OUT:
                top = f"{factor.maximum:g} {factor.unit}".strip()
                raise InputError(
                    f"Factor {name!r} lies far outside the range the model was trained on ({factor.minimum:g} to "
                    f"{top}) in {share:.0%} of the pixels: check its unit, or train on this region and season."
                )

    @property
    def notes(self) -> list[str]:
        """What holds before a strip is done: classes that a stack lacks."""
        absent: dict[str, list[str]] = {}
        for stack in self._stacks:
            for name in self.model.absent_classes(stack.factor_names):
                absent.setdefault(name, []).append(stack.name)
        return [
            f"{' and '.join(where)} {'lack' if len(where) > 1 else 'lacks'} {name}, but not other classes of that map: "
            "its share is taken as 0."
            for name, where in absent.items()
        ]

    def unknown_notes(self, counts: Counts) -> list[str]:
        """Share of the pixels done that are of unknown classes, for every map with some."""
        return [
            f"{_percent(count / counts.valid)} of the pixels are of classes of {stem!r} that the model has not "
            f"seen; they are predicted as {self._known[stem][0]}, marked as unlike training (quality code 1) and count "
            "as outside the area of applicability."
            for stem, count in zip(self._known, counts.unknown.tolist())
            if count
        ]

    @property
    def used(self) -> list[str]:
        """Names that are read from the fine stack: factors, and the reference classes of maps."""
        return [*self.names, *(name for names in self._known.values() for name in names)]

    def _of_unknown_class(
        self, period: Period | None, row0: int, rows: int, raw: Sequence[Array], valid: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], list[int]]:
        """Valid pixels that are by more than half of classes that training has not seen; how many, for every map."""
        read = dict(zip(self.names, raw))
        result, of_maps = np.zeros(valid.shape, bool), []
        for names in self._known.values():
            covered = np.zeros(valid.shape)
            for name in names:
                if name in read:
                    covered += np.nan_to_num(read[name])
                elif self.fine.has(name, period):
                    covered += np.nan_to_num(self.fine.read(self.fine.index(name, period), row0, rows))
            unknown = valid & (covered < 0.5)
            of_maps.append(int(unknown.sum()))
            result |= unknown
        return result, of_maps

    def _predict(self, x: Array) -> Array:
        result = np.empty(len(x))
        for start in range(0, len(x), _AT_ONCE):
            check_cancelled()
            result[start : start + _AT_ONCE] = self.model.predict(x[start : start + _AT_ONCE])
        return result

    def _band(self, stack: Stack, name: str, period: Period | None) -> int:
        """Number of the band of `name`, or of another class of its map where the stack lacks it; 0 for neither."""
        if stack.has(name, period):
            return stack.index(name, period)
        if name not in self.model.absent_classes(stack.factor_names):
            return 0
        others = (one for one in stack.factor_names if map_of(one) == map_of(name))
        return next((stack.index(one, period) for one in others if stack.has(one, period)), 0)

    def _read(self, stack: Stack, name: str, period: Period | None, *rows: int) -> Array:
        """`name` (rows, cols); 0 for a class that the stack lacks, with the gaps of another class of its map."""
        band = self._band(stack, name, period) or stack.index(name, period)
        values = stack.read(band, *rows)
        return values if stack.bands[band - 1].name == name else 0.0 * values

    def _references_of(self, period: Period | None) -> list[Reference]:
        with self._lock:
            if period not in self._references:
                # Parts come period by period.
                self._references = {period: self._make_references(period)}
            return self._references[period]

    def _make_references(self, period: Period | None) -> list[Reference]:
        """Per factor what is subtracted from a strip: the coarse reference of the training form, interpolated.

        As in training, only cells where the target and all factors are valid count.
        """
        if self.model.form.kind == VALUES:
            return [lambda row0, rows: 0.0] * len(self.names)
        coarse = [self._read(self.coarse, name, period) for name in self.names]
        trained = np.isfinite(self.wanted(period)) & np.isfinite(coarse).all(axis=0)
        return [self._reference(values, trained, name, period) for name, values in zip(self.names, coarse)]

    def _reference(self, values: Array, trained: NDArray[np.bool_], name: str, period: Period | None) -> Reference:
        form = self.model.form
        reference = form.reference(np.where(trained, values, np.nan))
        # Where no such cell is near, the factor's own cells have to do.
        reference = np.where(np.isfinite(reference), reference, form.reference(values))
        valid = np.isfinite(reference)
        if not valid.any():
            raise InputError(f"Factor {name!r} has no valid coarse cell{' in ' + period.label if period else ''}.")
        if form.kind == ANOMALIES:
            mean = float(reference[valid][0])
            return lambda row0, rows: mean
        interpolate = Interpolation(self.fine.grid, self.coarse.grid, valid)
        return lambda row0, rows: interpolate(reference, row0, rows)


def _check_unit(what: str, unit: str, wanted: str, where: str) -> None:
    if unit and wanted and unit.strip().lower() != wanted.strip().lower():
        raise InputError(
            f"{what} is in {unit} in {where}, but the model was trained on it in {wanted}: convert it first."
        )


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "Less than 0.1%"
