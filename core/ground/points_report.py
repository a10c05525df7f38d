"""The report of a validation against stations: verdict, key figures, products side by side, what scores rest on."""

from __future__ import annotations

import math
from typing import Any

from osgeo import osr

from ..report import KeyFigure, Report, Section, Table, Text, fmt, plural, typeset
from .comparison import REPEATS, Interval
from .inside_section import ranking_answer
from .points_sections import product_sections
from .products_section import DETAILED, side_by_side
from .results import PointValidation, ProductValidation
from .wording import SOURCES, difference_text, interval_text

_CARDS = 8  # products


def points_report(result: PointValidation) -> Report:
    """One page for one or several products; `data` is `result.metrics()`, `main_table` every score of each station
    under the names of QA4SM."""
    several = len(result.products) > 1
    tone, verdict = _verdict(result)
    sections = [side_by_side(result)] if several else []
    for product in result.products[:DETAILED]:
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
        key_figures=_of_products(result) if several else _key_figures(first),
        sections=sections,
        details=_details(result),
        data=result.metrics(),
        main_table=_main_table(result),
    )


def _verdict(result: PointValidation) -> tuple[str, str]:
    """Tone and text: the sentence of the only product, or a headline and then the sentence of each."""
    products = result.products
    if len(products) == 1:
        return result.verdict.tone, "\n".join([result.verdict.sentence, *_more(products[0])])
    ranking = [result.comparison.sentence] if result.comparison is not None else []
    compared = [product for product in products if product.comparison]
    if not compared:
        missing = "Without the coarse source of the products nothing shows whether downscaling helped."
        return "neutral", "\n".join([*ranking, missing])
    lines = [*ranking, *(f"{product.product}: {product.verdict.sentence}" for product in products)]
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


def _more(product: ProductValidation) -> list[str]:
    """What the sentence over all pairs leaves open: inside the cells, in time and space apart, without the season."""
    lines = [ranking_answer(product), _time_and_space(product)]
    r, gain = product.anomaly.pooled_r, product.anomaly.gain
    if "smooth" in r and not math.isnan(gain.value):
        scores = difference_text(r["product"].value, r["smooth"].value, gain, " of the smooth source")
        lines.append(f"Without the season, R is {scores}.")
    elif "product" in r:
        lines.append(f"Without the season, R is {r['product'].value:.2f}.")
    return [line for line in lines if line]


def _time_and_space(product: ProductValidation) -> str:
    """Whether agreement, or a gain, is one in time or one in space."""
    spatial, parts = product.spatial, []
    if product.station_summary["product"].stations:
        own = {source: summary.mean["r"] for source, summary in product.station_summary.items()}
        gain = product.comparison["smooth"].bootstrap.station_mean_r if product.comparison else None
        parts.append(("In time, the mean R of the stations is", own, gain))
    if spatial is not None and spatial.periods > 1:
        parts.append(("In space, the mean R of the dates is", spatial.mean, None))
    texts = []
    for start, r, gain in parts:
        if math.isnan(r["product"] - r.get("smooth", 0.0)):
            continue
        scores = f"{r['product']:.2f}"
        if "smooth" in r:
            scores = difference_text(r["product"], r["smooth"], gain or Interval(r["product"] - r["smooth"]))
        texts.append(f"{start} {scores}.")
    return " ".join(texts)


def _of_products(result: PointValidation) -> list[KeyFigure]:
    """One card for each of the first products, on the common pairs where there are any."""
    shared = {score.product: score.pooled for score in result.comparison.products} if result.comparison else {}
    where = "common pairs" if shared else "own pairs"
    scores = {p.product: shared.get(p.product, p.pooled["product"]) for p in result.products[:_CARDS]}
    return [
        KeyFigure(
            f"R of {name}",
            fmt(score.r, 2),
            f"ubRMSE {fmt(score.ubrmse)}, bias {fmt(score.bias, signed=True)}, {fmt(score.n)} {where}",
        )
        for name, score in scores.items()
    ]


def _key_figures(product: ProductValidation) -> list[KeyFigure]:
    pooled, score, summary = product.pooled, product.pooled["product"], product.station_summary

    def against(metric: str, digits: int) -> str:
        scores = {source: getattr(pooled[source], metric) for source in pooled if source != "product"}
        return ", ".join(f"{SOURCES[source]} {fmt(value, digits)}" for source, value in scores.items())

    figures = [KeyFigure("R over all pairs", fmt(score.r, 2), against("r", 2))]
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
        won = product.inside_cell.ranking["product"]
        note = f"smooth {fmt(product.inside_cell.r['smooth'], 2)}, cell value 0"
        if won.pairs:
            note += f"; {100 * won.share.value:.0f}\u00a0% ranked right"
        figures.append(KeyFigure("R inside coarse cells", fmt(product.inside_cell.r["product"], 2), note))
    if product.anomaly.n:
        r = product.anomaly.pooled_r
        others = [f"{SOURCES[source]} {fmt(own.value, 2)}" for source, own in r.items() if source in SOURCES]
        note = ", ".join(others) or "departures only"
        figures.append(KeyFigure("R without the season", fmt(r["product"].value, 2), note))
    note = f"worth about {fmt(product.n_effective, 0)} independent ones"
    figures.append(KeyFigure("pairs", fmt(score.n), note))
    used = sum(row.used for row in product.stations)
    note = f"{used} with enough pairs for an R of their own" if used else "none with enough pairs for an R of its own"
    figures.append(KeyFigure("stations", fmt(product.station_count), note))
    return figures


def _basis(result: PointValidation) -> Section:
    """Design, and what was left out."""
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
            f"{p.product}: {p.cell_size}, {plural(len(p.periods), 'period')}{f', {p.depth}' if p.depth else ''}"
            for p in result.products
        ),
        "Observations": f"{fmt(result.observation_count)} at {plural(result.station_count, 'station')}{span}",
        "Reference system of the stations": reference.GetName() or "unnamed",
        "Smallest number of pairs": result.min_pairs,
        "Resamples of stations": REPEATS,
        "Seed": result.seed,
    }


def _main_table(result: PointValidation) -> Table:
    rows = [
        {"product": product.product, **row.flat()}
        for product in result.products
        for row in (*product.stations, *product.missing)
    ]
    # Products without a baseline have fewer columns.
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Table(columns, [[row.get(name) for name in columns] for row in rows], "All scores per station.")
