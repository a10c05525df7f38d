"""The page of apparent thermal inertia: how much is valid, what the amplitude took away, what to mind."""

from __future__ import annotations

import numpy as np

from ...raster.periods import Period
from ...report import KeyFigure, Report, Section, Table, Text, fmt, plural, typeset
from ...report.tables import MINUS
from .common import label_of, listed
from .report_parts import map_section, missing_section, notes_section, share, span, summary_data, summary_table
from .sun import declination, middle_day
from .thermal import ThermalInertia, polar_night

_LOW_SHARE = 0.5
_MANY_FLAT = 0.05


def thermal_report(result: ThermalInertia) -> Report:
    """The report of a stack of thermal inertia; `data` holds counts and ranges per period."""
    written = result.written
    table = summary_table(written, "Thermal inertia is in 1/K.")
    lost = _lost(result)
    worst = min(written.bands, key=lambda one: one.valid_share)
    return Report(
        title="Apparent thermal inertia",
        subtitle=f"ATI at {written.grid.cell_label}, {span(written.periods)}",
        verdict=typeset("\n".join(_verdict(result, lost))),
        tone=_tone(result, lost),
        key_figures=[
            KeyFigure("Periods", fmt(len(written.bands)), f"{plural(len(result.missing), 'period')} could not be made"),
            KeyFigure("Valid pixels", share(_mean_share(result)), "mean of the periods"),
            KeyFigure("Lowest valid share", share(worst.valid_share), worst.band.label),
            KeyFigure("Amplitude too small", share(lost), f"{result.options.least_amplitude:g} K or less"),
            KeyFigure("Median", fmt(_median(result), 4), "1/K, all periods"),
        ],
        sections=[
            Section("Thermal inertia", [table, _period_table(result)]),
            map_section(written),
            Section("How it was computed", [Text(_method(result))]),
            *missing_section(result.missing_lines),
            *notes_section(result.notes),
        ],
        details={
            "Albedo": result.albedo,
            "Platform": result.platform or "not told by the layers",
            "Solar correction": "latitude and date" if result.options.solar else "none (C = 1)",
            "Smallest amplitude": f"{result.options.least_amplitude:g} K",
            "Grid": f"{written.grid.crs_name}, {written.grid.cols} x {written.grid.rows} cells of "
            f"{written.grid.cell_label}",
        },
        data={
            **summary_data(written),
            "missing": result.missing_lines,
            "albedo": result.albedo,
            "platform": result.platform,
            "solar_correction": result.options.solar,
            "least_amplitude": result.options.least_amplitude,
            "too_small_amplitude": lost,
            "periods": [
                {
                    "period": one.period.label if one.period else None,
                    "pixels_with_all_inputs": one.known,
                    "too_small_amplitude": one.flat,
                    "polar_night": one.dark,
                }
                for one in result.counts
            ],
            "notes": result.notes,
        },
        main_table=table,
    )


def _verdict(result: ThermalInertia, lost: float) -> list[str]:
    written = result.written
    made = f"Thermal inertia in {span(written.periods)}"
    empty = [label_of(one.band.period) for one in written.bands if not one.valid]
    polar = polar_night(result.counts)
    lines = [polar] if polar and empty else []
    unseen = [label_of(one.period) for one in result.counts if not one.known]
    if unseen:
        lines.append(
            f"No pixel has all inputs in {listed(unseen, 4)}: check that day, night and albedo layers see the same "
            "places."
        )
    level = [label_of(one.period) for one in result.counts if one.known and one.flat == one.known]
    if level:
        lines.append(
            f"No valid pixel in {listed(level, 4)}: the amplitude is nowhere above "
            f"{result.options.least_amplitude:g} K."
        )
    if result.missing:
        lines.append(f"{made}; {plural(len(result.missing), 'period')} could not be made.")
    elif not empty:
        lines.append(f"{made}, none missing.")
    if polar and not empty:
        lines.append(polar)
    if lost > _MANY_FLAT:
        lines.append(
            f"{fmt(100 * lost, 0)} % of the pixels with all inputs have an amplitude of "
            f"{result.options.least_amplitude:g} K or less (clouds, water, snow) and stay empty."
        )
    if "Terra" in result.platform:
        lines.append(
            "Terra passes at about 10:30 and 22:30, so the amplitude is not that from the warmest to the coldest hour; "
            "Aqua (13:30 and 1:30) is nearer to it."
        )
    return lines


def _method(result: ThermalInertia) -> str:
    formula, _, sources = result.formula.partition("; ")
    parts = [
        f"{typeset(formula).replace('tan2', 'tan²').replace(' - ', f' {MINUS} ').replace('(-', f'({MINUS}')}.",
        f"Sources: {sources}.",
        "The higher the value, the less the surface warms by day for the light it takes up, as wet soil does. Dense "
        "vegetation and cloud have high values too, so read it together with a vegetation index.",
    ]
    if result.options.solar:
        parts.append("Declination after Cooper 1969 on the day in the middle of the period, latitude of each pixel.")
    else:
        parts.append("Without the solar correction values of different latitudes and seasons are not on one scale.")
    return "\n\n".join(parts)


def _period_table(result: ThermalInertia) -> Table:
    rows = []
    for one, counts, (_, night, albedo) in zip(result.written.bands, result.counts, result.matched):
        period = one.band.period
        solar = result.options.solar and period is not None
        rows.append(
            [
                label_of(period),
                _same(night, period),
                _same(albedo, period),
                middle_day(period) if solar and period else None,
                declination(period) if solar and period else None,
                100 * one.valid_share,
                100 * counts.flat / counts.known if counts.known else None,
                one.median,
            ]
        )
    return Table(
        [
            "Period",
            "Night temperature",
            "Albedo",
            "Day of year",
            "Declination (°)",
            "Valid (%)",
            "Too small amplitude (%)",
            "Median (1/K)",
        ],
        rows,
        "Each period of the day temperature with the layers that stand for it, counting by their days of overlap.",
        digits=[0, 0, 0, 0, 1, 1, 1, 4],
    )


def _same(dates: str, period: Period | None) -> str:
    return "the same dates" if dates == label_of(period) else dates


def _tone(result: ThermalInertia, lost: float) -> str:
    if any(not one.valid for one in result.written.bands):
        return "bad"
    good = not result.missing and _mean_share(result) >= _LOW_SHARE and lost <= _MANY_FLAT
    return "good" if good else "neutral"


def _mean_share(result: ThermalInertia) -> float:
    return float(np.mean([one.valid_share for one in result.written.bands]))


def _median(result: ThermalInertia) -> float:
    values = np.concatenate([one.sample for one in result.written.bands])
    return float(np.median(values)) if values.size else float("nan")


def _lost(result: ThermalInertia) -> float:
    known = sum(one.known for one in result.counts)
    return sum(one.flat for one in result.counts) / known if known else 0.0
