"""The page of a triple collocation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...report import KeyFigure, Report, Section, Table, fmt, plural, typeset
from .estimate import TripleSeries
from .results import LETTERS, TripleResult
from .sections import basis, independence, interval_blocks, map_blocks, series_table
from .verdict import tone, verdict_lines


def triple_report(result: TripleResult) -> Report:
    """One page: verdict, warnings, errors with intervals, maps, stations or zones; `data` holds all numbers."""
    table = series_table(result)
    rows = ([result.region] if result.region is not None else []) + list(result.series)
    return Report(
        title="Triple collocation",
        subtitle=f"{', '.join(result.names)}: {plural(len(result.periods), 'period')}, {result.periods[0]} to "
        f"{result.periods[-1]}",
        verdict=typeset("\n".join(verdict_lines(result))),
        tone=tone(result),
        key_figures=_key_figures(result),
        sections=[
            Section("Are the errors independent?", independence(result)),
            *([Section("Maps", map_blocks(result))] if result.output else []),
            Section(
                "The region and its zones" if result.output else "Station by station",
                [*interval_blocks(result, rows), table],
            ),
            Section("What the estimates rest on", basis(result)),
        ],
        details={
            "First product": result.names[0],
            "Second product": result.names[1],
            "Third product": result.names[2],
            "Anomalies": result.method,
            "Fewest triplets": result.options.min_triplets,
            "Smallest valid share of a cell": result.options.min_valid,
            "Smallest share of a period": result.options.min_share,
            "Seed": result.options.seed,
        },
        data=_data(result, rows),
        main_table=Table(list(flat(rows[0], result)), [list(flat(one, result).values()) for one in rows])
        if rows
        else table,
    )


def flat(one: TripleSeries, result: TripleResult) -> dict[str, Any]:
    """Columns by the names of QA4SM (snr, err_std, beta), with the letters of the products."""
    row: dict[str, Any] = {result.what: one.name, "n_obs": one.n, "n_eff": one.n_effective}
    for k, letter in enumerate(LETTERS):
        row |= {
            f"product_{letter}": result.names[k],
            f"R_truth_{letter}": one.r[k],
            f"R_truth_{letter}_low": one.r_interval[k, 0],
            f"R_truth_{letter}_high": one.r_interval[k, 1],
            f"snr_{letter}": one.snr[k],
            f"snr_{letter}_low": one.snr_interval[k, 0],
            f"snr_{letter}_high": one.snr_interval[k, 1],
            f"err_std_{letter}": one.error_sd[k],
            f"err_std_{letter}_low": one.error_sd_interval[k, 0],
            f"err_std_{letter}_high": one.error_sd_interval[k, 1],
            f"err_std_own_{letter}": one.own_sd[k],
            f"beta_{letter}": one.beta[k],
        }
    row["note"] = one.note
    return row


def _key_figures(result: TripleResult) -> list[KeyFigure]:
    figures = []
    ranking, snr = result.ranking, result.medians.get("snr", np.full(3, math.nan))
    for k, name in enumerate(result.names):
        figures.append(KeyFigure(f"R with the truth: {name}", fmt(ranking[k], 2), f"SNR {fmt(float(snr[k]), 1)} dB"))
    if result.counts is not None:
        figures.append(
            KeyFigure("pixels with an estimate", fmt(result.counts.estimated), f"of {fmt(result.counts.seen)}")
        )
        negative = sum(result.counts.negative)
        figures.append(KeyFigure("negative error variances", fmt(negative), "set to no value"))
    else:
        usable = sum(one.usable for one in result.series)
        figures.append(KeyFigure("stations with an estimate", fmt(usable), f"of {fmt(len(result.series))}"))
    return figures


def _data(result: TripleResult, rows: Sequence[TripleSeries]) -> dict[str, Any]:
    return {
        "names": list(result.names),
        "periods": len(result.periods),
        "anomalies": result.method,
        "medians": {key: list(values) for key, values in result.medians.items()},
        "best": dict(zip(LETTERS, result.best)),
        "counts": None if result.counts is None else vars(result.counts),
        "warnings": [{"text": one.text, "certain": one.certain} for one in result.dependence],
        "series": [flat(one, result) for one in rows],
        "notes": list(result.notes),
    }
