"""A product as a series of dated layers on one grid, whatever files they lie in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError
from ...raster.bands import is_percent, is_saturation
from ...raster.grid import Grid, open_raster
from ...raster.periods import Period, without_date
from ...raster.stack import Stack, opened
from ..layers import as_moisture, target_band
from ..metrics import Floats

_TAGS = ("SOURCE_PRODUCT", "MODEL", "LONG_NAME", "DETAIL_GAIN")
VOLUME, SATURATION = "m3/m3", "saturation"
_LOOKED_AT = 50  # files whose metadata are read


@dataclass
class RasterSource:
    """Layers of one variable in order of time; `kind` is m3/m3 (also of what is read from percent) or saturation.

    `role` is what the user knows it by (product, reference ...), `tags` what its files say about their origin.
    """

    role: str
    name: str
    grid: Grid
    layers: tuple[tuple[Stack, int, Period | None], ...]
    unit: str
    moisture: bool = True
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return SATURATION if is_saturation(self.unit) else VOLUME

    @property
    def periods(self) -> list[Period | None]:
        return [period for _, _, period in self.layers]

    @property
    def dated(self) -> list[Period]:
        return [period for period in self.periods if period is not None]

    @property
    def length(self) -> float:
        """Usual (median) length of its periods in days; 0 where undated."""
        days = [period.days for period in self.dated]
        return float(np.median(days)) if days else 0.0

    @property
    def span(self) -> str:
        """First and last date for sentences."""
        dated = self.dated
        return "undated" if not dated else f"{dated[0].label} to {dated[-1].label}" if dated[1:] else dated[0].label

    def read(self, layer: int, row0: int, rows: int, col0: int, cols: int) -> Floats:
        """A window of layer `layer` (0-based); soil moisture as a share of volume (or saturation), NaN if none."""
        stack, index, _ = self.layers[layer]
        values = stack.read(index, row0, rows, col0, cols)
        if not self.moisture:
            return values
        values, notes = as_moisture(values, self.unit, self.name)
        self.notes.update(dict.fromkeys(notes))
        return values


@contextmanager
def opened_sources(
    given: Sequence[tuple[str, Sequence[str]]],
    band: str | None = None,
    moisture: bool = True,
    prefer: Sequence[str] = (),
) -> Iterator[list[RasterSource]]:
    """A source of each (role, paths), open until the block ends. `band` names the variable where files hold several,
    `prefer` names that are taken first.

    Raises InputError for files of one source on several grids or in several units, or with dated and undated layers.
    """
    with ExitStack() as stack:
        sources = []
        for role, paths in given:
            if not paths:
                raise InputError(f"Give at least one layer as the {role}.")
            sources.append(_source(role, stack.enter_context(opened(paths)), band, moisture, prefer))
        if band and not any(band == layer[0].bands[layer[1] - 1].name for one in sources for layer in one.layers):
            held = dict.fromkeys(what.name for one in sources for stack, _, _ in one.layers for what in stack.bands)
            raise InputError(f"No layer has a band {band!r}; they have {', '.join(held)}.")
        yield sources


def _source(
    role: str, stacks: Sequence[Stack], band: str | None, moisture: bool, prefer: Sequence[str]
) -> RasterSource:
    layers: list[tuple[Stack, int, Period | None]] = []
    units: dict[str, str] = {}
    first = stacks[0]
    for stack in stacks:
        if not stack.grid.same_as(first.grid):
            raise InputError(
                f"The {role} layers {first.name} and {stack.name} are on different grids: give layers of one product "
                "on one grid."
            )
        names = [what.name for what in stack.bands]
        chosen = target_band(stack, next((name for name in (band, *prefer) if name in names), None))
        for number, what in enumerate(stack.bands, 1):
            if what.name == chosen:
                layers.append((stack, number, what.period))
                units.setdefault(what.unit, stack.name)
    if len({_unit_class(unit) for unit in units}) > 1:
        listed = ", ".join(f"{unit or 'no unit'} in {name}" for unit, name in units.items())
        raise InputError(f"The {role} layers come in several units ({listed}): bring them to one unit.")
    undated = [stack.name for stack, _, period in layers if period is None]
    if undated and len(layers) > 1:
        raise InputError(
            f"{undated[0]} of the {role} carries no date, but there are {len(layers)} layers: write dates into the "
            "names (such as _2021-08-03) or give one layer."
        )
    layers.sort(key=lambda one: (0.0, 0.0) if one[2] is None else one[2].ordinals())
    return RasterSource(role, _name(stacks), first.grid, tuple(layers), next(iter(units)), moisture, _tags(layers))


def _unit_class(unit: str) -> str:
    return "%" if is_percent(unit) else SATURATION if is_saturation(unit) else VOLUME if unit in ("", VOLUME) else unit


def _name(stacks: Sequence[Stack]) -> str:
    names = list(dict.fromkeys(without_date(re.sub(r"T\d{4,6}(?=_|$)", "", s.name)) or s.name for s in stacks))
    shared = os.path.commonprefix(names).rstrip("_- ")
    return names[0] if len(names) == 1 else shared if len(shared) >= 3 else f"{names[0]} and others"


def _tags(layers: Sequence[tuple[Stack, int, Period | None]]) -> dict[str, tuple[str, ...]]:
    """What file and band metadata say about the origin; the first layer of a file speaks for all of it."""
    found: dict[str, dict[str, None]] = {}
    first_of = {stack.path: index for stack, index, _ in reversed(layers)}
    for path, index in list(first_of.items())[-_LOOKED_AT:]:
        dataset = open_raster(path)
        for tags in (dataset.GetMetadata() or {}, dataset.GetRasterBand(index).GetMetadata() or {}):
            for key in _TAGS:
                if key in tags:
                    found.setdefault(key, {})[tags[key]] = None
    return {key: tuple(values) for key, values in found.items()}
