"""The report of a validation against stations: verdict, key figures, products side by side, what scores rest on."""

from __future__ import annotations

import math
from typing import Any

from osgeo import osr

from ..report import Figure, KeyFigure, Report, Section, Table, Text, charts, fmt, plural, typeset
from .comparison import REPEATS
from .points_sections import product_sections
from .results import PointValidation, ProductValidation
from .wording import SOURCES, field_names, interval_text

_DETAILED = 6  # products; more stand in the comparison and the files only


def points_report(result: PointValidation) -> Report:
    """One page for one or several products; `data` is `result.metrics()`, `main_table` every score of each station
    under the names of QA4SM."""
    several = len(result.products) > 1
    tone, verdict = _verdict(result)
    sections = [_side_by_side(result)] if several else []
    for product in result.products[:_DETAILED]:
        sections += product_sections(product, result.crs_wkt, result.min_pairs, product.product if several else "")
    sections.append(_basis(result))
    first = result.products[0]
    subject = f"{len(result.products)} products" if several else first.product
    span = f", {result.first_date} to {result.last_date}" if result.first_date else ""
    return Report(
        title="Validation against stations",
        subtitle=f"{subject} at {plural(first.station_count, 'station')}{span}",
        verdict=typeset(verdict),
        tone=tone,
        key_figures=_key_figures(first, first.product if several else ""),
        sections=sections,
        details=_details(result),
        data=result.metrics(),
        main_table=_main_table(result),
    )


def _verdict(result: PointValidation) -> tuple[str, str]:
    """Tone and text: the sentence of the only product, or a headline and then the sentence of each."""
    products = result.products
    if len(products) == 1:
        return result.verdict.tone, result.verdict.sentence
    lines = [f"{product.product}: {product.verdict.sentence}" for product in products]
    compared = [product for product in products if product.comparison]
    if not compared:
        headline = "Without the coarse source of the products nothing shows whether downscaling helped."
        return "neutral", "\n".join([headline, *lines])
    better = [p for p in compared if p.comparison["smooth"].bootstrap.pooled_r.low > 0 and p.verdict.tone != "bad"]
    better.sort(key=lambda p: -p.comparison["smooth"].bootstrap.pooled_r.value)
    names = f": {', '.join(p.product for p in better)}" if better else ""
    one = len(better) < 2
    headline = (
        f"{len(better) or 'None'} of {len(products)} products {'agrees' if one else 'agree'} better with the stations "
        f"than {'its' if one else 'their'} smooth coarse source{names}."
    )
    tones = {product.verdict.tone for product in products}
    tone = "good" if tones == {"good"} else "bad" if "bad" in tones and "good" not in tones else "neutral"
    return tone, "\n".join([headline, *lines])


def _key_figures(product: ProductValidation, name: str) -> list[KeyFigure]:
    """Of the first product, which is named where there are several."""
    pooled, score, summary = product.pooled, product.pooled["product"], product.station_summary

    def against(metric: str, digits: int) -> str:
        scores = {source: getattr(pooled[source], metric) for source in pooled if source != "product"}
        return ", ".join(f"{SOURCES[source]} {fmt(value, digits)}" for source, value in scores.items())

    of = f" of {name}" if name else ""
    figures = [KeyFigure(f"R{of} over all pairs", fmt(score.r, 2), against("r", 2))]
    if product.comparison:
        gain = product.comparison["smooth"].bootstrap.pooled_r
        note = interval_text(gain)
        figures.append(KeyFigure("gain of R over smooth", fmt(gain.value, 2, signed=True), note))
    figures.append(KeyFigure("ubRMSE (m³/m³)", fmt(score.ubrmse), against("ubrmse", 3)))
    bias_note = against("bias", 3) or "map minus stations"
    figures.append(KeyFigure("bias (m³/m³)", fmt(score.bias, signed=True), bias_note))
    if summary["product"].stations:
        others = [f"{SOURCES[source]} {fmt(own.mean['r'], 2)}" for source, own in summary.items() if source in SOURCES]
        note = ", ".join(others) or "changes in time only"
        figures.append(KeyFigure("mean R of the stations", fmt(summary["product"].mean["r"], 2), note))
    if product.inside_cell:
        note = f"smooth {fmt(product.inside_cell.r['smooth'], 2)}, cell value 0"
        figures.append(KeyFigure("R inside coarse cells", fmt(product.inside_cell.r["product"], 2), note))
    note = f"worth about {fmt(product.n_effective, 0)} independent ones"
    figures.append(KeyFigure("pairs", fmt(score.n), note))
    used = sum(row.used for row in product.stations)
    note = f"{used} with enough pairs for an R of their own" if used else "none with enough pairs for an R of its own"
    figures.append(KeyFigure("stations", fmt(product.station_count), note))
    return figures


def _side_by_side(result: PointValidation) -> Section:
    products = result.products
    columns = ["Product", "n", "R", "R smooth", "Gain", "ubRMSE", "Bias", "Mean R of stations", "R inside cells"]
    rows: list[list[Any]] = []
    for product in products:
        score, smooth = product.pooled["product"], product.pooled.get("smooth")
        gain = product.comparison["smooth"].bootstrap.pooled_r.value if product.comparison else None
        inside = product.inside_cell.r["product"] if product.inside_cell else None
        mean = product.station_summary["product"].mean["r"]
        rows.append(
            [product.product, score.n, score.r, smooth and smooth.r, gain, score.ubrmse, score.bias, mean, inside]
        )
    text = "Each product is compared with its coarse source on its own pairs."
    if len({product.pooled["product"].n for product in products}) > 1:
        text += " The products do not have the same pairs: their R cannot be ranked against each other."
    if len(products) > _DETAILED:
        text += f" The sections below show the first {_DETAILED}; the files hold all."
    table = Table(columns, rows, "Scores over all pairs; ubRMSE and bias in m³/m³.", digits=[0, 0, 2, 2, 2, 3, 3, 2, 2])
    known = [p for p in products if p.comparison and not math.isnan(p.comparison["smooth"].bootstrap.pooled_r.low)]
    if not known:
        return Section("The products side by side", [Text(text), table])
    gains = [p.comparison["smooth"].bootstrap.pooled_r for p in known]
    svg = charts.difference_ci(
        [p.product for p in known],
        [g.value for g in gains],
        [g.low for g in gains],
        [g.high for g in gains],
        "Difference of R",
    )
    caption = (
        "R over all pairs, product minus its smooth coarse source, with 95\u00a0% intervals from resamples of stations."
    )
    alt = "; ".join(f"{p.product}: {fmt(g.value, 2, signed=True)}" for p, g in zip(known, gains))
    return Section("The products side by side", [Text(text), Figure(svg, caption, alt), table])


def _basis(result: PointValidation) -> Section:
    """Design, what was left out, and the check that the means fit together."""
    several = len(result.products) > 1
    blocks: list[Text | Table] = [Text(result.design)]
    dropped = [["all", reason, count] for reason, count in result.dropped.items()]
    dropped += [[p.product, reason, count] for p in result.products for reason, count in p.dropped.items()]
    total = f"{fmt(result.observation_count)} observations have a place and a value"
    if dropped:
        rows = dropped if several else [row[1:] for row in dropped]
        columns = ["Product", "Why", "Observations"] if several else ["Why", "Observations"]
        blocks.append(Table(columns, rows, f"Observations that found no pair; {total}."))
    else:
        blocks.append(Text(f"{total}; all of them are in pairs."))
    rows = [
        [*([p.product] if several else []), field_names(p)[source], check.mean_rmse, check.floor, check.holds]
        for p in result.products
        for source, check in p.identity.items()
        if not math.isnan(check.mean_rmse)
    ]
    if rows:
        columns = [*(["Product"] if several else []), "Field", "Mean RMSE", "√(bias² + ubRMSE²) of the means", "Holds"]
        blocks.append(
            Table(
                columns,
                rows,
                "Check of the means over stations (m³/m³).",
                digits=4,
                notes="At every station RMSE² = bias² + ubRMSE². Means over stations then obey mean RMSE ≥ "
                "√(mean bias² + mean ubRMSE²); published means that do not cannot be of the same stations.",
            )
        )
    notes = dict.fromkeys((*result.notes, *(note for product in result.products for note in product.notes)))
    if notes:
        blocks.append(Text("Notes:\n" + "\n".join(f"- {typeset(note)}" for note in notes)))
    return Section("What the scores rest on", blocks)


def _details(result: PointValidation) -> dict[str, Any]:
    reference = osr.SpatialReference()
    reference.ImportFromWkt(result.crs_wkt)
    span = f", {result.first_date} to {result.last_date}" if result.first_date else ", undated"
    return {
        "Products": "\n".join(
            f"{p.product}: {p.cell_size}, {plural(len(p.periods), 'period')}" for p in result.products
        ),
        "Observations": f"{fmt(result.observation_count)} at {plural(result.station_count, 'station')}{span}",
        "Reference system of the stations": reference.GetName() or "unnamed",
        "Smallest number of pairs": result.min_pairs,
        "Resamples of stations": REPEATS,
        "Seed": result.seed,
    }


def _main_table(result: PointValidation) -> Table:
    rows = [{"product": product.product, **row.flat()} for product in result.products for row in product.stations]
    # Products without a baseline have fewer columns.
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Table(columns, [[row.get(name) for name in columns] for row in rows], "All scores per station.")
