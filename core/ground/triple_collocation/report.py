"""The page of a triple collocation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...raster.preview import preview
from ...report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, percent, plural, typeset
from ..rasters.departures import NONE
from ..rasters.plots import interval_chart
from .estimate import TripleSeries
from .results import LETTERS, TripleResult

_SHOWN = 20


def triple_report(result: TripleResult) -> Report:
    """One page: verdict, warnings, errors with intervals, maps, stations or zones; `data` holds all numbers."""
    table = _series_table(result)
    rows = ([result.region] if result.region is not None else []) + list(result.series)
    return Report(
        title="Triple collocation",
        subtitle=f"{', '.join(result.names)}: {plural(len(result.periods), 'period')}, {result.periods[0]} to "
        f"{result.periods[-1]}",
        verdict=typeset("\n".join(_verdict(result))),
        tone=_tone(result),
        key_figures=_key_figures(result),
        sections=[
            Section("Are the errors independent?", _independence(result)),
            *([Section("Maps", _map_blocks(result))] if result.output else []),
            Section(
                "The region and its zones" if result.output else "Station by station", [*_charts(result, rows), table]
            ),
            Section("What the estimates rest on", _basis(result)),
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


def _verdict(result: TripleResult) -> list[str]:
    ranking = result.ranking
    lines = []
    if not np.isfinite(ranking).all():
        lines.append("No errors could be estimated: " + _why_none(result))
    else:
        order = np.argsort(-ranking)
        listed = ", ".join(f"{result.names[k]} {fmt(ranking[k], 2)}" for k in order)
        where = "median of the pixels" if result.output else "median of the stations"
        clear = _clear(result, order)
        lines.append(
            f"{result.names[order[0]]} is closest to the truth: correlation with it {listed} ({where})."
            if clear
            else f"The order of the products is not certain; their correlations with the truth are {listed} ({where})."
        )
        errors = result.medians.get("error_sd")
        if errors is not None:
            unit = " m³/m³" if result.kinds[0] == "m3/m3" else ""
            lines.append(
                "Error (standard deviation, on the scale of the first product): "
                + ", ".join(f"{name} {fmt(float(e))}{unit}" for name, e in zip(result.names, errors))
                + "."
            )
    certain = [one for one in result.dependence if one.certain]
    if certain:
        lines.insert(0, f"These estimates are not valid: {certain[0].text}")
    elif result.dependence:
        lines.insert(min(1, len(lines)), f"Read with care: {result.dependence[0].text}")
    if result.options.min_triplets < 100:
        lines.append(
            f"Fewer than 100 triplets were allowed ({result.options.min_triplets}): estimates from few triplets mean "
            "little."
        )
    if result.method == NONE:
        lines.append("Values, not anomalies, were used: what the products share in their season counts as truth.")
    if result.counts is not None and result.counts.seen:
        lost = result.counts.seen - result.counts.estimated
        if lost:
            lines.append(
                f"{plural(lost, 'pixel')} of {fmt(result.counts.seen)} ({percent(lost / result.counts.seen)}) have no "
                "full estimate."
            )
    return lines


def _tone(result: TripleResult) -> str:
    if any(one.certain for one in result.dependence) or not np.isfinite(result.ranking).all():
        return "bad"
    return "neutral" if result.dependence or result.options.min_triplets < 100 else "good"


def _clear(result: TripleResult, order: Any) -> bool:
    """Whether the best is best in most pixels or stations; with fewer than five, by the intervals of the region."""
    total = sum(result.best)
    if not total or result.best[order[0]] < 0.6 * total:
        return False
    region = result.region
    if region is None or total >= 5:
        return total >= 5
    return bool(region.r_interval[order[0], 0] > region.r_interval[order[1], 1])


def _why_none(result: TripleResult) -> str:
    counts = result.counts
    if counts is not None:
        return (
            f"of {plural(counts.seen, 'pixel')}, {fmt(counts.few)} have too few triplets, {fmt(counts.no_signal)} no "
            "common "
            f"signal and {fmt(sum(counts.negative))} times an error variance came out negative."
        )
    reasons = dict.fromkeys(one.note for one in result.series if one.note)
    return "; ".join(list(reasons)[:3]) + "."


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


def _independence(result: TripleResult) -> list[Any]:
    if result.dependence:
        text = "\n".join(f"- {one.text}" for one in result.dependence)
    else:
        text = "- The names and metadata of the layers show no shared source; whether there is one only you can know."
    return [
        Text(
            "Triple collocation takes what three products share as the truth. If two of them share errors as well, "
            "that "
            "counts as truth too: both look better than they are, and the third worse.\n\n" + text
        )
    ]


def _map_blocks(result: TripleResult) -> list[Any]:
    assert result.output is not None and result.grid is not None
    arrays = [preview(result.output, k + 1) for k in range(3)]
    width, height = result.grid.ground_cell_size()
    shape = arrays[0].shape
    size = (width * result.grid.cols / shape[1], height * result.grid.rows / shape[0])
    blocks: list[Any] = []
    if any(np.isfinite(a).any() for a in arrays):
        errors = [preview(result.output, k + 7) for k in range(3)]
        blocks += [
            Figure(
                charts.maps(arrays, list(result.names), "", [size] * 3, (0.0, 1.0), "R with the truth"),
                "Correlation of each product with the truth that all three share. Grey: too few triplets, no common "
                "signal "
                "or a negative error variance.",
                "Maps of R with the truth",
            ),
            Figure(
                charts.maps(errors, list(result.names), "m³/m³", [size] * 3, None, "Error", colours="density"),
                "Standard deviation of the random error, on the scale of the first product. A bias is no part of it.",
                "Maps of errors",
            ),
        ]
    counts = result.counts
    assert counts is not None
    rows: list[list[Any]] = [
        ["with all three estimates", counts.estimated],
        [f"fewer than {result.options.min_triplets} triplets", counts.few],
        ["no common signal (a covariance is not positive)", counts.no_signal],
        *([f"negative error variance of {name}", n] for name, n in zip(result.names, counts.negative)),
        *([f"best: {name}", n] for name, n in zip(result.names, result.best)),
    ]
    blocks.append(
        Table(
            ["Pixels", "Count"],
            rows,
            f"Outcome of {plural(counts.seen, 'pixel')}.",
            notes="A negative error variance comes from few triplets, or from errors that are not independent: many "
            "of them "
            "for one product mean that the other two share errors, or that it is nearly free of noise.",
        )
    )
    if result.medians:
        blocks.append(
            Table(
                ["Product", "R with the truth", "SNR (dB)", "Error"],
                [
                    [name, *(result.medians[key][k] for key in ("r", "snr", "error_sd"))]
                    for k, name in enumerate(result.names)
                ],
                "Medians over the pixels with all three estimates; errors on the scale of the first product.",
                digits=[0, 2, 1, 3],
            )
        )
    return blocks


def _charts(result: TripleResult, rows: Sequence[TripleSeries]) -> list[Any]:
    usable = [one for one in rows if one.usable]
    if not usable:
        return [Text("No series has an estimate: the table says why.")]
    shown = usable[:_SHOWN]
    groups = {
        name: (
            [one.r[k] for one in shown],
            [one.r_interval[k, 0] for one in shown],
            [one.r_interval[k, 1] for one in shown],
        )
        for k, name in enumerate(result.names)
    }
    more = f" The first {_SHOWN} of {len(usable)}." if len(usable) > _SHOWN else ""
    text = (
        "The mean series of the region and its zones: noise of single pixels is averaged out there, so R is higher "
        "than in "
        "the maps. "
        if result.output
        else ""
    )
    return [
        Figure(
            interval_chart([one.name for one in shown], groups, "R with the truth", mark=0.0),
            f"{text}R with the truth, with 95 % intervals from resampled blocks of dates. Products whose intervals "
            "overlap "
            f"cannot be ranked.{more}",
            "R with the truth and intervals",
        )
    ]


def _series_table(result: TripleResult) -> Table:
    rows = ([result.region] if result.region is not None else []) + list(result.series)
    body = []
    for one in rows:
        for k, name in enumerate(result.names):
            interval = one.r_interval[k]
            span = f"{fmt(interval[0], 2)} to {fmt(interval[1], 2)}" if np.isfinite(interval).all() else None
            body.append(
                [
                    one.name,
                    name,
                    one.n,
                    one.n_effective,
                    one.r[k],
                    span,
                    one.snr[k],
                    one.error_sd[k],
                    one.own_sd[k],
                    one.beta[k],
                    one.note if k == 0 else "",
                ]
            )
    return Table(
        [
            result.what.capitalize(),
            "Product",
            "Triplets",
            "Independent",
            "R with the truth",
            "95 %",
            "SNR (dB)",
            "Error",
            "Error, own scale",
            "Scaling",
            "Note",
        ],
        body,
        "Estimates per series. Error: standard deviation on the scale of the first product, and on the product's own; "
        "Scaling: the factor from the one to the other.",
        digits=[0, 0, 0, 0, 2, 0, 1, 3, 3, 2, 0],
        notes="Independent: what the triplets are worth after the memory of the series; intervals use blocks as long.",
    )


def _basis(result: TripleResult) -> list[Any]:
    text = (
        "Assumed are a linear relation of each product to the truth, errors that do not depend on the truth, and "
        "errors "
        "that have nothing to do with each other. The result says nothing about bias. "
    )
    if result.output:
        text += (
            "The three products come to the coarsest of their grids by means over area and to the longest of their "
            "periods; "
            "only periods with all three count. Intervals are given for the region and zones; those of single pixels "
            "are "
            "wider."
        )
    else:
        text += (
            "Each product is taken at the pixel that holds the station. The error of the stations holds the difference "
            "between a point and a pixel: it is not the error of the sensor."
        )
    blocks: list[Any] = [Text(text)]
    kinds = set(result.kinds)
    if len(kinds) > 1:
        blocks.append(
            Text(
                "The products are in different units (m³/m³ and saturation); the scaling takes care of that, errors "
                "are in the unit of the first."
            )
        )
    if result.notes:
        blocks.append(Text("Notes:\n" + "\n".join(f"- {typeset(note)}" for note in result.notes)))
    return blocks


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
