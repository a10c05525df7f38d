"""The first pass: the model's field on the fine grid, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.form import ANOMALIES, VALUES
from ..model.model import Model
from ..raster.interpolation import Interpolation
from ..raster.periods import Period
from ..raster.stack import Stack
from ..raster.support import Array
from .store import Strip
from .trust import TrustLayers

Reference = Callable[[int, int], "Array | float"]
_FAR = 3.0  # widths of the training range
_FAR_OUT = 0.9
_LOOKED_AT = 48  # rows


class FinePrediction:
    """Applies `model` to the FINE stack; counts the pixels outside the training range over all periods.

    Raises InputError for missing factors and other units.
    """

    def __init__(self, model: Model, fine: Stack, coarse: Stack, trust: TrustLayers) -> None:
        self.model, self.fine, self.coarse, self.trust = model, fine, coarse, trust
        self.names = model.order(fine.factor_names, f"The FINE stack {fine.name}")
        if model.form.kind != VALUES:
            model.order(coarse.factor_names, f"The COARSE stack {coarse.name}")
        for factor in model.factors:
            _check_unit(f"Factor {factor.name!r}", fine.unit(factor.name), factor.unit, fine.name)
        _check_unit("The target", coarse.unit(coarse.target_name or ""), model.target_unit, coarse.name)
        self.outside = np.zeros(len(self.names))
        self.seen = np.zeros(len(self.names))
        self.valid_pixels = 0

    @property
    def outside_share(self) -> dict[str, float]:
        return {name: float(n / max(1, self.valid_pixels)) for name, n in zip(self.names, self.outside)}

    def missing(self, period: Period | None) -> list[str]:
        """Factors without a band for `period`."""
        stacks = [self.fine] if self.model.form.kind == VALUES else [self.fine, self.coarse]
        return [name for name in self.names if not all(stack.has(name, period) for stack in stacks)]

    def empty(self, period: Period | None) -> list[str]:
        """Factors whose coarse reference in `period` would have no valid cell."""
        if self.model.form.kind == VALUES:
            return []
        return [name for name in self.names if not np.isfinite(self.coarse.read(self.coarse.index(name, period))).any()]

    def references(self, period: Period | None, target: Array) -> list[Reference]:
        """Per factor what is subtracted from a strip: the coarse reference of the training form, interpolated.

        target (coarse rows, coarse cols): as in training, only cells where it and all factors are valid count.
        """
        if self.model.form.kind == VALUES:
            return [lambda row0, rows: 0.0] * len(self.names)
        coarse = [self.coarse.read(self.coarse.index(name, period)) for name in self.names]
        trained = np.isfinite(target) & np.isfinite(coarse).all(axis=0)
        return [self._reference(values, trained, name, period) for name, values in zip(self.names, coarse)]

    def strip(self, period: Period | None, row0: int, rows: int, references: Sequence[Reference]) -> Strip:
        """The model's field and its trust layers.

        Unlike training is what lies outside the area of applicability; where that is not asked for, a factor outside
        its training range.
        """
        raw = [self.fine.read(self.fine.index(name, period), row0, rows) for name in self.names]
        valid = np.ones(raw[0].shape, bool)
        for k, values in enumerate(raw):
            there = np.isfinite(values)
            self.seen[k] += there.sum()
            valid &= there
        outside = np.zeros(valid.shape, bool)
        x = np.empty((int(valid.sum()), len(raw)))
        for k, (values, reference, factor) in enumerate(zip(raw, references, self.model.factors)):
            beyond = ((values < factor.minimum) | (values > factor.maximum)) & valid
            self.outside[k] += beyond.sum()
            outside |= beyond
            x[:, k] = (values - reference(row0, rows))[valid]
        self.valid_pixels += len(x)
        field = np.full(valid.shape, np.nan, np.float32)
        trust = np.full((self.trust.count, *valid.shape), np.nan, np.float32)
        if len(x):
            field[valid] = self.model.predict(x)
            trust[:, valid], beyond_area = self.trust.at(x)
            if beyond_area is not None:
                outside[valid] = beyond_area
        return Strip(row0, field, outside.astype(np.uint8), trust)

    def check_ranges(self, period: Period | None) -> None:
        """Look at some rows of `period`: a factor that is nearly everywhere outside its training range is a mistake."""
        lines = np.unique(np.linspace(0, self.fine.grid.rows - 1, _LOOKED_AT).astype(int))
        for name, factor in zip(self.names, self.model.factors):
            band = self.fine.index(name, period)
            values = np.concatenate([self.fine.read(band, int(row), 1).ravel() for row in lines])
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
