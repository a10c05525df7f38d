"""The page of spectral indices: how much of each is valid, what is missing, and the edges of TVDI."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...report import KeyFigure, Report, Section, Table, fmt, plural, typeset
from ...report.tables import MINUS
from .common import label_of, listed
from .output import Written
from .report_parts import map_section, missing_section, notes_section, share, span, summary_data, summary_table
from .spectral import Spectral
from .tvdi_report import edge_data, tvdi_section

_LOW_SHARE = 0.5


def spectral_report(result: Spectral) -> Report:
    """The report of a stack of indices; `data` holds counts, ranges per index and period, formulas and edges."""
    written = result.written
    missing = result.missing_lines
    table = summary_table(written, "Indices have no unit.")
    worst = min(written.bands, key=lambda one: one.valid_share)
    return Report(
        title="Spectral indices",
        subtitle=f"{listed(written.names)} at {written.grid.cell_label}, {span(written.periods)}",
        verdict=typeset("\n".join(_verdict(written, missing))),
        tone=_tone(written, missing),
        key_figures=[
            KeyFigure("Indices", fmt(len(written.names)), f"{plural(len(written.bands), 'band')} in all"),
            KeyFigure("Periods", fmt(len(written.periods)), span(written.periods)),
            KeyFigure("Missing", fmt(len(missing)), "combinations of index and period"),
            KeyFigure("Valid pixels", share(_mean_share(written)), "mean of all bands"),
            KeyFigure("Lowest valid share", share(worst.valid_share), worst.band.label),
        ],
        sections=[
            Section("Indices", [table]),
            map_section(written),
            *([tvdi_section(result.edges, result.options.tvdi, result.elevation)] if result.edges else []),
            *missing_section(missing),
            Section("Formulas and bands", [_formula_table(result), _role_table(result)]),
            *notes_section(result.notes),
        ],
        details={
            "Grid": f"{written.grid.crs_name}, {written.grid.cols} x {written.grid.rows} cells of "
            f"{written.grid.cell_label}",
            "Scale of the reflectances": f"{result.options.scale:g}",
            "Values cut to their range": "yes" if result.options.constants.clip else "no",
            "Periods": listed([label_of(period) for period in written.periods], 12),
        },
        data={
            **summary_data(written),
            "missing": missing,
            "formulas": result.formulas,
            "bands": result.roles,
            "tvdi_edges": [edge_data(one) for one in result.edges],
            "notes": result.notes,
        },
        main_table=table,
    )


def _verdict(written: Written, missing: Sequence[str]) -> list[str]:
    made = f"{plural(len(written.names), 'index').replace('indexs', 'indices')} in {span(written.periods)}"
    empty = [one.band.label for one in written.bands if not one.valid]
    lines = []
    if empty:
        lines.append(
            f"{listed(empty, 4)} {'has' if len(empty) == 1 else 'have'} no valid pixel: check masks and extents."
        )
    if missing:
        lines.append(f"{made}; {plural(len(missing), 'combination')} of index and period could not be made.")
    elif not empty:
        lines.append(f"{made}, none missing.")
    low = [name for name in written.names if _share_of(written, name) < _LOW_SHARE]
    if low and not empty:
        lines.append(f"Less than half of the pixels are valid for {listed(low)}.")
    for name in ("ndvi", "evi2", "savi", "ndmi"):
        beyond = [one for one in written.of(name) if one.minimum < -1.0 or one.maximum > 1.0]
        if beyond:
            lines.append(
                f"Some values of {name} lie beyond -1 to 1, as negative reflectances make them: mask those pixels, "
                "or clip."
            )
    return lines


def _tone(written: Written, missing: Sequence[str]) -> str:
    if any(not one.valid for one in written.bands):
        return "bad"
    return "neutral" if missing or _mean_share(written) < _LOW_SHARE else "good"


def _mean_share(written: Written) -> float:
    return float(np.mean([one.valid_share for one in written.bands]))


def _share_of(written: Written, name: str) -> float:
    return float(np.mean([one.valid_share for one in written.of(name)]))


def _formula_table(result: Spectral) -> Table:
    rows = []
    for name, text in result.formulas.items():
        what, _, source = text.rpartition("; ")
        title, _, formula = what.partition(": ")
        rows.append([name, title, typeset(formula).replace(" - ", f" {MINUS} "), source])
    return Table(["Index", "Name", "Formula", "Source"], rows, "What was computed, from reflectances between 0 and 1.")


def _role_table(result: Spectral) -> Table:
    rows = [[role, listed(names, 6)] for role, names in result.roles.items()]
    return Table(["Role", "Bands of the layers"], rows, "Which bands were taken for which role.")
