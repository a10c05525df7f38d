"""Antecedent rain: the precipitation index API, lagged sums, and the rain of the period before."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...progress import Progress
from ...raster.bands import Band
from ...raster.blocks import run_jobs
from ...raster.periods import Period, month_of, period_in_name
from ...raster.stack import opened, small_block_cache
from .common import finest_grid, provenance, regridding_notes, sources_of
from .output import FactorBand, FactorWriter, Written
from .rain_memory import DailyPlan, Memory, stream_days
from .rain_notes import rain_notes, why_empty
from .rain_previous import previous_jobs
from .rain_series import AUTO, Millimetres, RainSeries, gaps_of, rain_series

FACTORS = ("api", "sums", "previous")
_MOST_BANDS = 65535  # of a GeoTIFF
_MOST_MISSING = 0.5
_LONG_NAMES = {"rain": "rain of the period", "rain_previous": "rain of the period before"}


@dataclass(frozen=True)
class RainOptions:
    """factors: some of FACTORS. decay: k of the API; days: its N. windows: days of the lagged sums.

    min_coverage: share of a window, by weight, that must be known; the rest counts as its mean. unit: one of
    rain_series.UNITS. band: the name of the rain where it is not plain. periods: dates or months for which factors are
    made, empty for every day (or period) of the rain.
    """

    factors: Sequence[str] = ("api", "sums")
    decay: float = 0.90
    days: int = 30
    windows: Sequence[int] = (3, 10, 30)
    min_coverage: float = 0.9
    unit: str = AUTO
    band: str = ""
    periods: Sequence[str] = ()

    def check(self) -> None:
        """Raise InputError for values that cannot be meant."""
        if not self.factors or any(name not in FACTORS for name in self.factors):
            raise InputError(f"Choose at least one of {', '.join(FACTORS)}.")
        if not 0 < self.decay < 1:
            raise InputError(
                f"The decay of the API is the share that is left after a day, between 0 and 1, not {self.decay:g}."
            )
        if not 1 <= self.days <= 366:
            raise InputError(f"The API looks back 1 to 366 days, not {self.days}.")
        if "sums" in self.factors and (not self.windows or any(not 1 <= one <= 366 for one in self.windows)):
            raise InputError("The windows of lagged sums are 1 to 366 days: write them such as 3, 10, 30.")
        if not 0 < self.min_coverage <= 1:
            raise InputError(f"The smallest coverage lies between 0 and 1, not at {self.min_coverage:g}.")


@dataclass(frozen=True)
class AntecedentRain:
    """What was made. gaps: spans without a band; missing: outputs that could not be made.

    negative: of bands with values below 0, which became nodata, their share of the valid values.
    """

    written: Written
    options: RainOptions
    name: str
    unit: str
    span: Period
    bands: int
    daily: bool
    gaps: list[Period]
    negative: dict[str, float]
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def antecedent_rain(
    layers: Sequence[str],
    output: str | Path,
    options: RainOptions | None = None,
    date_layers: Sequence[str] = (),
    progress: Progress | None = None,
) -> AntecedentRain:
    """Write the factors, in mm, for every day of the rain, or as means over the periods of `date_layers` or `options`.

    api: sum of k^i P(t-i) for i from 0 to N; sums: rain of the last days, the day itself among them. Both need daily
    rain and are nodata until their window is full. previous: rain of the period and of the one before. Raises
    InputError for units other than mm that were not chosen, fill values, undated or overlapping layers, and series of
    which more than half is missing, and where no band has a value, as in the spin-up.
    """
    options, progress = options or RainOptions(), progress or Progress()
    options.check()
    if not layers:
        raise InputError("Give layers of rain, one band per day or period.")
    if Path(output).resolve() in {Path(layer).resolve() for layer in (*layers, *date_layers)}:
        raise InputError(f"The output {output} is also an input: give the output another name.")
    with opened(layers) as stacks, small_block_cache():
        series = rain_series(sources_of(stacks), options.band, options.unit)
        sources = list(series.sources.values())
        grid = finest_grid(sources)
        notes = regridding_notes(sources, grid)
        checks = {period: Millimetres(source, period, series.unit) for period, source in series.sources.items()}
        wanted = _wanted(series, options, date_layers)
        made, missing = _outputs(series, options, wanted)
        if not made:
            raise InputError(f"Nothing can be made: {missing[0]}.")
        if len(made) > _MOST_BANDS:
            raise InputError(
                f"{len(made):,} bands are more than a GeoTIFF holds ({_MOST_BANDS:,}): give the periods that are "
                "needed, or fewer windows."
            )
        tags = provenance(sources)
        bands = [FactorBand(band, {"LONG_NAME": text, **tags}) for band, text in made]
        place = {(band.name, band.period): number for number, (band, _) in enumerate(made, 1)}
        memories = _memories(options)
        with FactorWriter(output, grid, bands) as out:
            share = 1.0 if "previous" not in options.factors else 0.5
            if memories:
                plan = DailyPlan(series, grid, memories, place, checks, options.min_coverage)
                stream_days(plan, out, progress.part(0.0, share))
            if "previous" in options.factors:
                jobs = previous_jobs(series, grid, _spans(wanted), place, checks, options.min_coverage)
                run_jobs(jobs, grid, out, progress.part(1 - share if memories else 0.0, 1.0))
            out.check_values(lambda: why_empty(series, memories, checks.values(), options.min_coverage))
    written = out.written()
    negative = {
        series.sources[period].band.label: one.negative / one.known for period, one in checks.items() if one.negative
    }
    return AntecedentRain(
        written=written,
        options=options,
        name=sources[0].name,
        unit=series.unit,
        span=series.span,
        bands=len(sources),
        daily=series.daily,
        gaps=gaps_of(series),
        negative=negative,
        missing=missing,
        notes=[*notes, *rain_notes(series, negative, written)],
    )


def _memories(options: RainOptions) -> list[Memory]:
    found = [Memory("api", options.decay, options.days + 1)] if "api" in options.factors else []
    if "sums" in options.factors:
        found += [Memory(f"rain_{days}d", 1.0, days) for days in sorted(set(options.windows))]
    return found


def _wanted(series: RainSeries, options: RainOptions, date_layers: Sequence[str]) -> list[Period]:
    """The periods of the result; all those of the rain where none are asked for."""
    asked: set[Period] = set()
    for text in options.periods:
        period = period_in_name(text)
        if period is None:
            raise InputError(f"The period {text!r} is no date: write it such as 2021-08-03 or 2021-08.")
        asked.add(period)
    if date_layers:
        with opened(date_layers) as stacks:
            found = {period for stack in stacks for period in stack.periods}
            if not found:
                raise InputError(f"{stacks[0].name} has no dates: give dated layers, or leave the field empty.")
            asked |= found
    if not asked:
        return series.periods if not series.daily else [series.day(n) for n in range(math.ceil(series.span.days))]
    return sorted(asked)


def _outputs(
    series: RainSeries, options: RainOptions, wanted: Sequence[Period]
) -> tuple[list[tuple[Band, str]], list[str]]:
    """Bands with what they are, and what cannot be made."""
    memories = _memories(options)
    if memories and not series.daily:
        raise InputError(
            f"API and lagged sums need daily rain, and the layers hold periods such as {series.periods[0].label}: "
            "choose 'previous' alone, which takes the rain of the period and of the one before."
        )
    made: list[tuple[Band, str]] = []
    missing: list[str] = []
    if memories:
        _check_gaps(series)
    for memory in memories:
        for period in wanted:
            if series.span.overlap_days(period) > 0:
                made.append((Band(memory.name, period, "mm"), memory.long_name))
            else:
                missing.append(f"{memory.name} {period.label}: no rain of that time")
    if "previous" in options.factors:
        if not any(period.days > 1 for period in wanted):
            raise InputError(
                "The rain of the period before needs periods longer than a day: give layers with months or other "
                "periods as dates, or choose sums."
            )
        for (name, period), span in _spans(wanted).items():
            known = sum(one.overlap_days(span) for one in series.periods)
            if known >= options.min_coverage * span.days - 1e-9:
                made.append((Band(name, period, "mm"), _LONG_NAMES[name]))
            else:
                missing.append(f"{name} {period.label}: {100 * known / span.days:.0f} % of {span.label} are known")
    return made, missing


def _spans(wanted: Sequence[Period]) -> dict[tuple[str, Period], Period]:
    """The time that each band of `rain` and `rain_previous` adds up."""
    own = {("rain", period): period for period in wanted}
    return {**own, **{("rain_previous", period): before(period, wanted) for period in wanted}}


def before(period: Period, others: Sequence[Period]) -> Period:
    """The period before: the one of `others` that ends where it starts, the calendar month before, or as many days."""
    adjacent = [one for one in others if one.last == period.first]
    if adjacent:
        return max(adjacent)
    if period.whole_days and period == month_of(period.start):
        return month_of(period.start - dt.timedelta(days=1))
    return Period(period.first - (period.last - period.first), period.first)


def _check_gaps(series: RainSeries) -> None:
    days = math.ceil(series.span.days)
    lacking = days - len(series.sources)
    if lacking > _MOST_MISSING * days:
        raise InputError(
            f"{lacking} of the {days} days from {series.periods[0].label} to {series.periods[-1].label} have no rain "
            "layer, too many for an index of antecedent rain: add them."
        )
