"""What the user chooses when product files are imported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from .recipe import GOOD, STRICTNESS

AUTO, GENERIC = "auto", "generic"


@dataclass(frozen=True)
class GenericRecipe:
    """How to read files of no known product: values = stored * scale + offset; `date` where the files carry none.

    scale and offset None take the file's own. fill: stored values that mean no data. valid: range of stored values.
    crs: for coordinates that declare none, such as EPSG:4326.
    """

    scale: float | None = None
    offset: float | None = None
    fill: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    unit: str = ""
    date: str = ""
    crs: str = ""

    @property
    def given(self) -> bool:
        """Whether the user said anything."""
        return self != GenericRecipe()


@dataclass(frozen=True)
class ImportOptions:
    """How product files become one stack.

    product: id of a recipe, `auto` or `generic`. variables: names, empty for the product's usual ones. extent: xmin,
    ymin, xmax, ymax and the definition of their CRS. first, last: days (both included) that limit what is imported.
    porosity: m3/m3, a number or a raster, turns percent of saturation into m3/m3. skip_bad: leave out files that
    cannot be used instead of stopping. recipes: files or folders of the user's own recipes.
    """

    product: str = AUTO
    variables: Sequence[str] = ()
    quality: str = GOOD
    extent: tuple[float, float, float, float] | None = None
    extent_crs: str = ""
    first: dt.date | None = None
    last: dt.date | None = None
    porosity: float | str | None = None
    skip_bad: bool = False
    recipes: Sequence[str | Path] = ()
    generic: GenericRecipe = field(default_factory=GenericRecipe)

    def check(self) -> None:
        """Raise InputError for values that cannot be meant."""
        if self.quality not in STRICTNESS:
            raise InputError(f"Unknown quality {self.quality!r}: choose one of {', '.join(STRICTNESS)}.")
        if self.extent is not None and not (self.extent[0] < self.extent[2] and self.extent[1] < self.extent[3]):
            raise InputError("The extent asked for is empty: give it as xmin, ymin, xmax, ymax.")
        if self.first and self.last and self.last < self.first:
            raise InputError(f"The last day asked for ({self.last}) lies before the first ({self.first}).")
        if isinstance(self.porosity, float) and not 0.2 <= self.porosity <= 0.95:
            raise InputError(f"Porosity lies between 0.2 and 0.95 m3/m3, not at {self.porosity:g}.")
        if self.generic.scale == 0:
            raise InputError("A scale of 0 would make every value the same: give another one, or leave it empty.")
