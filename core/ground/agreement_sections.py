"""The sections of a validation report on what R means, on groups of pairs, and on how sure the scores are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..report import Figure, Table, Text, agreement_charts, fmt, fmt_p, inside, plural
from ..report.html import Block
from .comparison import Interval
from .groups import GroupScores
from .metrics import r_interval
from .results import ProductValidation
from .wording import field_names, filled, interval_cell

KINDS = {
    "pooled": "All pairs: time and space mixed",
    "time": "In time: mean of the stations",
    "anomaly": "In time, without the season",
    "space": "In space: mean of the dates",
    "inside": "Inside coarse cells",
}


def kinds_of_r(product: ProductValidation) -> list[Block]:
    """R in time, in space and mixed beside each other, for the map and its sources."""
    names, kinds = field_names(product), product.kinds
    if len(kinds) < 2:
        return []
    text = (
        "One R can mean different things. Over all pairs, differences between stations and changes in time count "
        "together: a map that only knows which region is wet, or only that spring is wetter than summer, does well. "
        "In time, each station is correlated on its own, which tells nothing of differences between places. Without "
        "the season, the usual course of the year is taken off first: what is left is whether a wet week is told from "
        "a dry one. In space, the stations of one date are correlated, so that changes in time play no part. Inside "
        "coarse cells only differences between stations of the same cell count."
    )
    anomaly = product.anomaly
    if anomaly.reason:
        text += f"\n\nThere is no R without the season here. {anomaly.reason}"
    elif anomaly.n:
        text += (
            (
                f"\n\nThe season is taken off as the {anomaly.method} around each value"
                if anomaly.method == "mean of 35 days"
                else f"\n\nThe season is taken off as the {anomaly.method}"
            )
            + f", from map{', sources' if product.comparison else ''} and stations alike, at the "
            + f"{plural(anomaly.stations, 'station')} with long enough records."
        )
        if not math.isnan(anomaly.gain.value):
            text += (
                f" Without the season, the R of the map differs from that of its smooth source by "
                f"{fmt(anomaly.gain.value, 2, signed=True)}{_span(anomaly.gain)}."
            )
    rows: list[list[Any]] = []
    for kind in kinds:
        r = kind.r["product"]
        others = [kind.r[source].value for source in names if source != "product"]
        rows.append([KINDS[kind.key], r.value, interval_cell(r), *others, f"{fmt(kind.n)} {kind.unit}", kind.drawn])
    sources = [name for source, name in names.items() if source != "product"]
    table = Table(
        ["R", names["product"], "95\u00a0% interval", *sources, "From", "Interval by"],
        rows,
        "The kinds of R.",
        digits=2,
        notes="The cell value has R 0 inside coarse cells by construction." if product.inside_cell else "",
    )
    svg = agreement_charts.score_dots(
        [KINDS[kind.key] for kind in kinds],
        list(names.values()),
        [[kind.r[source].value for source in names] for kind in kinds],
        [[kind.r[source].low for source in names] for kind in kinds],
        [[kind.r[source].high for source in names] for kind in kinds],
        counts=[f"{fmt(kind.n)} {kind.unit}" for kind in kinds],
    )
    caption = (
        "R of the map and of its coarse source, by what is correlated, with 95\u00a0% intervals. The rows do not "
        "measure the same thing: compare the dots within a row."
        if len(names) > 1
        else "R of the map by what is correlated, with 95\u00a0% intervals."
    )
    return [Text(text), Figure(svg, caption, "; ".join(f"{row[0]}: {fmt(row[1], 2)}" for row in rows)), table]


def groups(product: ProductValidation) -> list[Block]:
    """One chart and table per kind of group."""
    names = field_names(product)
    text = (
        "The same scores for parts of the pairs. A part has less variation than the whole, so its R is usually lower: "
    )
    text += "compare the map with its source within a part, and " if product.comparison else "compare "
    blocks: list[Block] = [Text(f"{text}the ubRMSE between parts.")]
    for kind in dict.fromkeys(group.kind for group in product.groups):
        members = [group for group in product.groups if group.kind == kind]
        blocks += _kind(kind, members, names)
    return blocks if len(blocks) > 1 else []


def how_sure(product: ProductValidation) -> list[Block]:
    """Intervals of the pooled scores by formula, by blocks of time and by stations, beside each other."""
    score, blocks = product.pooled["product"], product.blocks
    if math.isnan(score.r):
        return []
    naive = Interval(score.r, *r_interval(score.r, score.n))
    rows = [
        ["R, as if all pairs were independent", score.r, interval_cell(naive, 3), fmt(score.n)],
        [
            "R, effective number of pairs",
            score.r,
            interval_cell(Interval(score.r, *score.r_ci), 3),
            fmt(product.n_effective, 0),
        ],
    ]
    alike = "Soil moisture of today resembles that of yesterday, and that of neighbouring places"
    text = (
        f"{alike}, so {plural(score.n, 'pair')} hold less information than as many independent ones: they are worth "
        f"about {fmt(product.n_effective, 0)} (p of R: {fmt_p(product.p_r)}). "
    )
    drawn = blocks.scores["product"]
    if math.isnan(drawn["r"].low):
        text += (
            f"{plural(len(product.periods), 'period')} are too few for a second way, by drawing blocks of time anew. "
        )
    else:
        text += (
            f"A second way needs no formula: blocks of {plural(blocks.length, 'period')} in a row are drawn anew, all "
            "stations together. Where the two differ much, trust the wider. "
        )
        for name, key in (("R", "r"), ("Bias", "bias"), ("RMSE", "rmse"), ("ubRMSE", "ubrmse")):
            rows.append([f"{name}, blocks of time", drawn[key].value, interval_cell(drawn[key], 3), None])
    text += "This does not cover that other stations might have been chosen"
    text += "; the intervals of the gain, from resamples of stations, do." if product.comparison else "."
    table = Table(
        ["Score of the map", "Value", "95\u00a0% interval", "Pairs"],
        rows,
        "Intervals of the scores over all pairs.",
        digits=3,
        notes="The first row is what many papers print; it is too narrow.",
    )
    return [Text(text), table]


def _kind(kind: str, members: list[GroupScores], names: dict[str, str]) -> list[Block]:
    values = [[group.scores[source].r for source in names] for group in members]
    blocks: list[Block] = []
    if np.isfinite(values).any():
        svg = agreement_charts.score_dots(
            [group.label for group in members],
            list(names.values()),
            values,
            [[group.scores[source].r_ci[0] for source in names] for group in members],
            [[group.scores[source].r_ci[1] for source in names] for group in members],
            counts=[f"{fmt(group.n)} pairs" for group in members],
        )
        caption = f"R over all pairs by {inside(kind)}, with 95\u00a0% intervals for the effective number of pairs."
        alt = "; ".join(f"{group.label}: {fmt(group.scores['product'].r, 2)}" for group in members)
        blocks.append(Figure(svg, caption, alt))
    columns = [kind, "Pairs", "Stations", "R"]
    smooth = "smooth" in names
    columns += ["R smooth", "Gain", "95\u00a0% interval"] if smooth else []
    columns += ["Mean R in time", "ubRMSE", "Bias", "KGE"]
    rows = []
    for group in members:
        score = group.scores["product"]
        row = [group.label, group.n, group.stations, score.r]
        if smooth:
            row += [group.scores["smooth"].r, group.gain.value, interval_cell(group.gain)]
        rows.append([*row, group.mean_r["product"], score.ubrmse, score.bias, score.kge])
    digits = [0, 0, 0, 2, *([2, 2, 2] if smooth else []), 2, 3, 3, 2]
    shown = filled(rows)
    blocks.append(
        Table(
            [columns[j] for j in shown],
            [[row[j] for j in shown] for row in rows],
            f"Scores by {inside(kind)}; ubRMSE and bias in m³/m³.",
            digits=[digits[j] for j in shown],
        )
    )
    return blocks


def _span(interval: Interval) -> str:
    if math.isnan(interval.low):
        return ""
    return f" (95\u00a0% interval {fmt(interval.low, 2)} to {fmt(interval.high, 2)})"
