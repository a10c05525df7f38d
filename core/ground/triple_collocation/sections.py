"""The sections of the page of a triple collocation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...raster.preview import preview
from ...report import Figure, Table, Text, charts, fmt, plural, typeset
from ..rasters.plots import interval_chart
from .estimate import TripleSeries
from .results import TripleResult

_SHOWN = 20


def independence(result: TripleResult) -> list[Any]:
    """What is known against independent errors."""
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


def map_blocks(result: TripleResult) -> list[Any]:
    """Maps of R and errors, the outcome of the pixels, and medians."""
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
                "signal or a negative error variance.",
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
            "of them for one product mean that the other two share errors, or that it is nearly free of noise.",
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


def interval_blocks(result: TripleResult, rows: Sequence[TripleSeries]) -> list[Any]:
    """R with the truth of the region, zones or stations, with intervals."""
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
        "than in the maps. "
        if result.output
        else ""
    )
    return [
        Figure(
            interval_chart([one.name for one in shown], groups, "R with the truth", mark=0.0),
            f"{text}R with the truth, with 95 % intervals from resampled blocks of dates. Products whose intervals "
            f"overlap cannot be ranked.{more}",
            "R with the truth and intervals",
        )
    ]


def series_table(result: TripleResult) -> Table:
    """All estimates of the region, zones or stations."""
    rows = ([result.region] if result.region is not None else []) + list(result.series)
    body = []
    for one in rows:
        for k, name in enumerate(result.names):
            interval = one.r_interval[k]
            span = f"{fmt(interval[0], 2)}\u00a0to\u00a0{fmt(interval[1], 2)}" if np.isfinite(interval).all() else None
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


def basis(result: TripleResult) -> list[Any]:
    """Assumptions, units and notes."""
    text = (
        "Assumed are a linear relation of each product to the truth, errors that do not depend on the truth, and "
        "errors that have nothing to do with each other. The result says nothing about bias. "
    )
    if result.output:
        text += (
            "The three products come to the coarsest of their grids by means over area and to the longest of their "
            "periods; only periods with all three count. Intervals are given for the region and zones; those of single "
            "pixels are wider."
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
