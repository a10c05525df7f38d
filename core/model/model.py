"""A trained model: what it predicts, from what, in which form, and how much of its detail to believe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError
from ..raster.bands import SHARE_UNIT
from .applicability import Applicability
from .class_maps import map_of
from .form import Form
from .linear import LinearPredictor
from .predictor import Array, Predictor
from .uncertainty import Uncertainty

# From these shares of held-out contrasts on, the detail is worth adding, or at least a small gain.
GOOD_SHARE, LITTLE_SHARE = 0.25, 0.05


@dataclass(frozen=True)
class Factor:
    """A factor as the model saw it on the coarse grid: range, mean and standard deviation of its values in `unit`."""

    name: str
    unit: str
    minimum: float
    maximum: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class DetailGain:
    """How much of the model's fine detail the product takes.

    slope and standard_error: of true on predicted held-out contrasts between neighbouring coarse cells (`window` cells
    wide); value: the slope shrunk by its uncertainty, within 0 to 1.5; share_explained: of those contrasts, with the
    gain applied.
    """

    value: float
    slope: float
    standard_error: float
    share_explained: float
    window: int

    def share_with(self, gain: float) -> float:
        """Share of held-out contrasts that the detail explains with another `gain`.

        It is a parabola in the gain, known from its value and slope at the model's own gain; NaN where that is 0.
        """
        if gain == 0:
            return 0.0
        if gain == self.value:
            return self.share_explained
        at_own = self.value * (2 * self.slope - self.value)
        return self.share_explained * gain * (2 * self.slope - gain) / at_own if at_own > 0 else math.nan


@dataclass(frozen=True)
class Model:
    """Everything that applying needs; `predictor` works on factors in training form, on top of a linear `trend` if any.

    applicability and uncertainty: where it may be trusted and how sure it is; older files hold none. Raises InputError
    where its parts expect different numbers of factors.
    """

    learner: str
    title: str
    factors: tuple[Factor, ...]
    target: str
    target_unit: str
    target_range: tuple[float, float]
    form: Form
    trend: LinearPredictor | None
    predictor: Predictor
    gain: DetailGain
    footprint_km: float | None = None
    min_valid_share: float = 0.5
    facts: Mapping[str, Any] = field(default_factory=dict)
    applicability: Applicability | None = None
    uncertainty: Uncertainty | None = None

    def __post_init__(self) -> None:
        for part in (self.predictor, self.trend, self.applicability):
            if part is not None and part.factors != len(self.factors):
                raise InputError(f"The model names {len(self.factors)} factors, but its parts expect {part.factors}.")

    @property
    def factor_names(self) -> list[str]:
        return [factor.name for factor in self.factors]

    def predict(self, x: Array) -> Array:
        """y (n,) in training form from X (n, factors) in training form; rows with NaN give NaN."""
        result = np.full(len(x), np.nan)
        valid = np.isfinite(x).all(axis=1)
        rows = x if valid.all() else x[valid]
        if len(rows):
            y = self.predictor.predict(rows)
            result[valid] = y if self.trend is None else y + self.trend.predict(rows)
        return result

    def order(self, available: Sequence[str], where: str) -> list[str]:
        """The model's factors, all of which must be in `available`; InputError names those missing in `where`.

        A class may be missing where other classes of its map are there: see `absent_classes`.
        """
        absent = self.absent_classes(available)
        missing = [name for name in self.factor_names if name not in available and name not in absent]
        if missing:
            several = len(missing) > 1
            raise InputError(
                f"{where} lacks the model's factor{'s' if several else ''} {', '.join(map(repr, missing))}; it has "
                f"{', '.join(available) or 'none'}. Add {'them' if several else 'it'} in 'Resample to a common grid', "
                f"or train a model without {'them' if several else 'it'}."
            )
        return self.factor_names

    def absent_classes(self, available: Sequence[str]) -> list[str]:
        """Class factors not in `available`, though other classes of their map are: there the class covers nothing."""
        maps = {map_of(name) for name in available} - {""}
        return [
            factor.name
            for factor in self.factors
            if factor.unit == SHARE_UNIT and factor.name not in available and map_of(factor.name) in maps
        ]

    @property
    def class_maps(self) -> dict[str, list[str]]:
        """Classes that training has seen, by map; the first is the reference, which is none of the factors."""
        maps = self.facts.get("class_maps")
        if not isinstance(maps, Mapping):
            return {}
        return {str(stem): [str(name) for name in names] for stem, names in maps.items() if isinstance(names, list)}
