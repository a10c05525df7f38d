"""Which band of which factor layer belongs to which target period."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..raster.bands import CLASS_UNIT
from ..raster.periods import Period
from ..raster.stack import Stack

CLASS_WORDS = ("landcover", "land_cover", "lulc", "lc_type", "igbp", "soil_class", "soiltype", "soil_type")


@dataclass
class FactorSeries:
    """All bands of one factor over all layers: (stack, band number, period)."""

    name: str
    unit: str
    categorical: bool
    bands: list[tuple[Stack, int, Period | None]] = field(default_factory=list)

    def stacks(self) -> list[Stack]:
        return list({id(stack): stack for stack, _, _ in self.bands}.values())


@dataclass(frozen=True)
class Match:
    """The bands (stack, number, days of overlap) that stand for a factor in a target period; none where missing."""

    factor: str
    period: Period | None
    sources: list[tuple[Stack, int, float]]

    @property
    def days_share(self) -> float:
        """Share of the period's days that the bands cover; NaN for static factors and for what is missing."""
        if self.period is None or not self.sources:
            return math.nan
        return min(1.0, sum(days for _, _, days in self.sources) / self.period.days)

    @property
    def text(self) -> str:
        """For the log: the matched dates, `static`, or `missing`."""
        if not self.sources:
            return "missing"
        labels = [
            band.period.label if (band := stack.bands[index - 1]).period else "static"
            for stack, index, _ in self.sources
        ]
        return labels[0] if len(labels) == 1 else f"{len(labels)} dates, {labels[0]} to {labels[-1]}"


def factor_series(
    stacks: Sequence[Stack], categorical: set[str], wanted: Sequence[str], notes: list[str]
) -> list[FactorSeries]:
    """Gather bands by factor name, in order of first appearance.

    Raises InputError for two bands of one factor and date, for unknown names in `wanted` or `categorical`, and for
    mixed units.
    """
    series: dict[str, FactorSeries] = {}
    seen: dict[tuple[str, Period | None], Stack] = {}
    for stack in stacks:
        for index, band in enumerate(stack.bands, 1):
            # Bands with a role (the target and the valid share of a COARSE stack) are no factors.
            if band.role or (wanted and band.name not in wanted):
                continue
            key = (band.name, band.period)
            if key in seen:
                when = f" for {band.period.label}" if band.period else " without a date"
                first = seen[key]
                where = f"both in {stack.name}" if first is stack else f"in {first.name} and {stack.name}"
                raise InputError(
                    f"Factor {band.name!r} is there twice{when} ({where}): rename one, or give each layer a date."
                )
            seen[key] = stack
            if band.name not in series:
                guessed = band.unit == CLASS_UNIT or _looks_like_classes(band.name, stack.data_types[index - 1])
                if guessed and band.name not in categorical:
                    notes.append(f"Factor {band.name!r} looks like classes and is used as class shares.")
                series[band.name] = FactorSeries(band.name, band.unit, guessed or band.name in categorical)
            one = series[band.name]
            if band.unit and one.unit and band.unit != one.unit:
                raise InputError(
                    f"Factor {band.name!r} comes in {one.unit} and, in {stack.name}, in {band.unit}: bring it to one "
                    "unit."
                )
            one.unit = one.unit or band.unit
            one.bands.append((stack, index, band.period))
    for names, what in ((set(wanted), "factors asked for"), (categorical, "categorical factors")):
        unknown = sorted(names - set(series))
        if unknown:
            known = dict.fromkeys(band.name for stack in stacks for band in stack.bands if not band.role)
            chosen = series if names is categorical and wanted else known
            raise InputError(
                f"Among the {what}, {', '.join(unknown)} is in no layer; the layers hold "
                f"{', '.join(chosen) or 'no factor'}."
            )
    if not series:
        raise InputError("The factor layers hold no factor: bands that are marked as a target do not count.")
    return list(series.values())


def match(periods: Sequence[Period | None], series: Sequence[FactorSeries]) -> list[Match]:
    """A match for every factor and target period; a static factor has one, for all time (period None).

    A period takes the factor's bands that overlap it, each counting by its days of overlap. Raises InputError for a
    factor that never overlaps, and for an undated target with factors of several dates.
    """
    return [one for factor in series for one in _match_one(periods, factor)]


def _match_one(periods: Sequence[Period | None], factor: FactorSeries) -> list[Match]:
    dated = sorted(((p, stack, index) for stack, index, p in factor.bands if p is not None), key=lambda item: item[0])
    static = [(stack, index) for stack, index, p in factor.bands if p is None]
    if static and dated:
        raise InputError(
            f"Factor {factor.name!r} has dated and undated layers: date them all, or give them different names."
        )
    if static:
        return [Match(factor.name, None, [(*static[0], 1.0)])]
    wanted = [period for period in periods if period is not None]
    if not wanted:
        if len(dated) > 1:
            raise InputError(
                f"The target has no date, but factor {factor.name!r} has {len(dated)}: put the target's date in its "
                "name, such as 2021-08."
            )
        return [Match(factor.name, None, [(dated[0][1], dated[0][2], 1.0)])]
    found = []
    for period in wanted:
        days = [(stack, index, float(period.overlap_days(p))) for p, stack, index in dated]
        found.append(Match(factor.name, period, [one for one in days if one[2] > 0]))
    if not any(one.sources for one in found):
        raise InputError(
            f"No date of factor {factor.name!r} ({dated[0][0].label} to {dated[-1][0].label}) falls in the target's "
            f"periods ({wanted[0].label} to {wanted[-1].label})."
        )
    return found


def _looks_like_classes(name: str, data_type: str) -> bool:
    return any(word in name.lower() for word in CLASS_WORDS) and "Float" not in data_type
