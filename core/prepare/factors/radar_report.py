"""The page of radar factors: ranges and maps, units and orbits, what was averaged and normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...report import KeyFigure, Report, Section, Table, Text, fmt, plural, typeset
from .common import label_of, listed
from .incidence import COSINE, NONE
from .radar import Radar
from .radar_power import DB, LINEAR
from .report_parts import map_section, missing_section, notes_section, share, span, summary_data, summary_table

_LOW_SHARE = 0.5

_METHODS = {
    "vv": ("sigma0 VV", "dB = 10 log10(power)"),
    "vh": ("sigma0 VH", "dB = 10 log10(power)"),
    "ratio": ("VH / VV", "in dB: VH - VV"),
    "rvi": ("radar vegetation index", "4 VH / (VV + VH) of powers; near 0 on bare ground, near 1 under dense plants"),
    "incidence_angle": ("incidence angle", "as given"),
}
_CARE = (
    "Water, layover and shadow, wet snow and frozen ground scatter for reasons other than soil moisture: mask them "
    "(land cover, terrain, air temperature below 0 °C) before training."
)


def radar_report(result: Radar) -> Report:
    """The report of radar factors; `data` holds ranges, orbits, the correction and what is missing."""
    written = result.written
    table = summary_table(written)
    mean_share = float(np.mean([one.valid_share for one in written.bands]))
    worst = min(written.bands, key=lambda one: one.valid_share)
    return Report(
        title="Radar factors",
        subtitle=f"{listed(written.names)} at {written.grid.cell_label}, {span(written.periods)}",
        verdict=typeset("\n".join(_verdict(result))),
        tone=_tone(result, mean_share),
        key_figures=[
            KeyFigure("Factors", fmt(len(written.names)), f"{plural(len(written.bands), 'band')} in all"),
            KeyFigure("Dates", fmt(len(written.periods)), span(written.periods)),
            KeyFigure("Input", _unit_name(result.unit), f"result in {_unit_name(result.options.scale)}"),
            KeyFigure("Valid pixels", share(mean_share), "mean of all bands"),
            KeyFigure("Lowest valid share", share(worst.valid_share), worst.band.label),
        ],
        sections=[
            Section("Factors", [table]),
            map_section(written),
            *missing_section(result.missing),
            Section(
                "How they were computed",
                [
                    _method_table(result),
                    *_orbit_tables(result),
                    *_fit_tables(result),
                    Text("\n\n".join(_texts(result))),
                ],
            ),
            *notes_section([typeset(note) for note in result.notes]),
        ],
        details={
            "Grid": f"{written.grid.crs_name}, {written.grid.cols} x {written.grid.rows} pixels of "
            f"{written.grid.cell_label}",
            "Dates": listed([label_of(period) for period in written.periods], 12),
            "Mean over": "single pixels" if result.options.window == 1 else typeset(_window(result)),
            "Incidence angle": typeset(_correction_text(result)),
            "Orbits": result.options.orbits,
        },
        data={
            **summary_data(written),
            "input_unit": result.unit,
            "result_scale": result.options.scale,
            "window": result.options.window,
            "min_valid_share": result.options.min_valid_share,
            "incidence": result.correction.kind,
            "reference_angle": result.correction.reference if result.correction.kind != NONE else None,
            "slopes_db_per_degree": dict(result.correction.slopes),
            "slope_fits": {
                role: {"slope": fit.slope, "r2": fit.r2, "pixels": fit.pixels}
                for role, fit in result.correction.fits.items()
            },
            "orbits": result.orbits,
            "missing": result.missing,
            "notes": result.notes,
        },
        main_table=table,
    )


def _verdict(result: Radar) -> list[str]:
    written = result.written
    empty = [one.band.label for one in written.bands if not one.valid]
    lines = []
    if empty:
        verb = "has" if len(empty) == 1 else "have"
        lines.append(f"{listed(empty, 4)} {verb} no valid pixel: check nodata and extents.")
    made = f"{plural(len(written.names), 'radar factor')} for {span(written.periods)}"
    if result.missing:
        lines.append(f"{made}; {plural(len(result.missing), 'combination')} of factor and date could not be made.")
    elif not empty:
        lines.append(f"{made}, none missing.")
    passes = {label.split()[0] for label in result.orbits} & {"ascending", "descending"}
    if len(passes) > 1 and result.options.orbits == "together":
        lines.append("Ascending and descending passes are mixed: jumps between dates may come from the view.")
    return lines


def _tone(result: Radar, mean_share: float) -> str:
    if any(not one.valid for one in result.written.bands):
        return "bad"
    return "neutral" if result.missing or mean_share < _LOW_SHARE else "good"


def _method_table(result: Radar) -> Table:
    rows = []
    for name in result.written.names:
        bare = name.replace("_ascending", "").replace("_descending", "")
        what, how = _METHODS[bare]
        if result.options.scale == LINEAR and bare in ("vv", "vh", "ratio"):
            how = "linear power" if bare != "ratio" else "of powers"
        rows.append([name, typeset(what), result.written.of(name)[0].band.unit, typeset(how)])
    return Table(["Factor", "What it is", "Unit", "Formula"], rows, "Formulas of the factors.")


def _orbit_tables(result: Radar) -> list[Table]:
    if set(result.orbits) == {"unknown"}:
        return []
    rows = [[label, count] for label, count in sorted(result.orbits.items())]
    return [Table(["Orbit", "Scenes"], rows, "Where the scenes were seen from, as names and metadata tell.")]


def _fit_tables(result: Radar) -> list[Table]:
    rows = [[role, fit.slope, 100 * fit.r2, fit.pixels] for role, fit in result.correction.fits.items()]
    if not rows:
        return []
    return [
        Table(
            ["Band", "Slope (dB per degree)", "Variance explained (%)", "Pixels"],
            rows,
            "Least-squares slope of dB on the incidence angle, every scene about its own mean.",
            digits=[0, 3, 1, 0],
        )
    ]


def _texts(result: Radar) -> Sequence[str]:
    power = (
        "Means are taken in linear power. The mean of dB is a geometric one and too low: for four-look speckle of mean "
        "power 0.05 it gives -13.57 instead of -13.01 dB."
    )
    if result.options.window > 1:
        power += f" Every value is the mean of {_window(result)}."
    dates = (
        "Means over dates must be taken in power as well. This result is linear: composite it ('Composite periods', "
        "mean), then run this step on the composite for dB and ratio."
        if result.options.scale == LINEAR
        else ""
    )
    return [typeset(power), *([dates] if dates else []), _CARE]


def _window(result: Radar) -> str:
    side = result.options.window
    return (
        f"{side} x {side} pixels, of which at least {100 * result.options.min_valid_share:.0f} % are valid, "
        "in linear power"
    )


def _correction_text(result: Radar) -> str:
    correction = result.correction
    if correction.kind == NONE:
        return "not normalised"
    if correction.kind == COSINE:
        return f"normalised to {correction.reference:g} degrees by cosine squared"
    slopes = ", ".join(f"{role} {slope:.3f}" for role, slope in correction.slopes.items())
    return f"normalised to {correction.reference:g} degrees by slope (dB per degree): {slopes}"


def _unit_name(unit: str) -> str:
    return "dB" if unit == DB else "linear power"
