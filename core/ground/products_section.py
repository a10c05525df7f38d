"""The section of a validation report that sets several products beside each other."""

from __future__ import annotations

import math
from typing import Any

from ..report import Figure, Section, Table, Text, agreement_charts, charts, fmt, fmt_p, plural
from ..report.html import Block
from .error_section import scaled
from .product_comparison import ProductComparison
from .results import PointValidation
from .wording import interval_cell

DETAILED = 6  # products; more stand in the comparison and the files only


def side_by_side(result: PointValidation) -> Section:
    """Products on their common pairs, then each against its own coarse source on its own pairs."""
    blocks: list[Block] = []
    comparison = result.comparison
    if comparison is not None:
        blocks += _on_common_pairs(comparison, _caution(result))
    return Section("The products side by side", [*blocks, *_on_own_pairs(result)])


def _on_common_pairs(comparison: ProductComparison, caution: str) -> list[Block]:
    if not comparison.products:
        return [Text(comparison.sentence)]
    text = (
        f"{comparison.sentence} The products are ranked on these pairs only, at "
        f"{plural(comparison.stations, 'station')}: pairs that some of them lack would favour one or another."
    )
    products = comparison.products
    labels = ("R, all pairs", "R in time, mean of stations", "R in space, mean of dates")
    values = [
        [score.pooled.r for score in products],
        [score.r_in_time for score in products],
        [score.r_in_space for score in products],
    ]
    nothing = [math.nan] * len(products)
    lows, highs = ([[score.pooled.r_ci[k] for score in products], nothing, nothing] for k in (0, 1))
    known = [row for row in range(3) if any(not math.isnan(value) for value in values[row])]
    svg = agreement_charts.score_dots(
        [labels[row] for row in known],
        [score.product for score in products],
        [values[row] for row in known],
        [lows[row] for row in known],
        [highs[row] for row in known],
    )
    caption = "R of the products on their common pairs; the interval is for the effective number of pairs."
    alt = "; ".join(f"{score.product}: R {fmt(score.pooled.r, 2)}" for score in products)
    clouds = []
    for score in products:
        bias, error = scaled(score.pooled)
        clouds.append(agreement_charts.Cloud(score.product, score.pooled.r, score.pooled.kge_variability, bias, error))
    diagram = (
        "The products over their common pairs; star: the measurements. Left: the nearer to the star, the better the "
        "pattern; the angle is R. Right: distance from the star is RMSE, upwards is too wet, to the left varies too "
        "little. All in multiples of the measured standard deviation."
    )
    order = sorted(range(len(products)), key=lambda k: -_or_low(products[k].pooled.r))
    deep = any(score.depth for score in products)
    rows: list[list[Any]] = []
    for k in order:
        own = products[k].pooled
        row = [products[k].product, products[k].cell_size, *([products[k].depth or None] if deep else []), own.r]
        rows.append([*row, products[k].r_in_time, products[k].r_in_space, own.ubrmse, own.rmse, own.bias, own.kge])
    columns = ["Product", "Cells", *(["Depth"] if deep else []), "R", "In time", "In space", "ubRMSE", "RMSE", "Bias"]
    table = Table(
        [*columns, "KGE"],
        rows,
        f"Scores on the {plural(comparison.n, 'common pair')}, by falling R; ubRMSE, RMSE and bias in m³/m³.",
        digits=[0, 0, *([0] if deep else []), 2, 2, 2, 3, 3, 3, 2],
    )
    return [
        Text(f"{text}\n\n{caution}" if caution else text),
        Figure(svg, caption, alt),
        Figure(agreement_charts.taylor_and_target(clouds), diagram, alt),
        table,
        _duels(comparison),
    ]


def _duels(comparison: ProductComparison) -> Table:
    rows = [
        [duel.other, duel.bootstrap.pooled_r.value, interval_cell(duel.bootstrap.pooled_r), fmt_p(duel.paired.p)]
        + [duel.bootstrap.ubrmse.value, interval_cell(duel.bootstrap.ubrmse, 3), "yes" if duel.better else "no"]
        for duel in comparison.duels
    ]
    return Table(
        [
            f"{comparison.best} minus",
            "Difference of R",
            "95\u00a0% interval",
            "p (Williams)",
            "Difference of ubRMSE",
            "95\u00a0% interval",
            "R better beyond chance",
        ],
        rows,
        "The product with the highest R against each of the others, on their common pairs.",
        digits=[0, 3, 3, 3, 3, 3, 0],
        notes="Intervals from resamples of whole stations; Williams' test with the effective number of pairs. The "
        "product was picked because it has the highest R, which favours it a little.",
    )


def _on_own_pairs(result: PointValidation) -> list[Block]:
    products = result.products
    columns = ["Product", "n", "R", "R smooth", "Gain", "ubRMSE", "Bias", "Mean R of stations", "R inside cells"]
    rows: list[list[Any]] = []
    for product in products:
        score, smooth = product.pooled["product"], product.pooled.get("smooth")
        gain = product.comparison["smooth"].bootstrap.pooled_r.value if product.comparison else None
        within = product.inside_cell.r["product"] if product.inside_cell else None
        mean = product.station_summary["product"].mean["r"]
        rows.append(
            [product.product, score.n, score.r, smooth and smooth.r, gain, score.ubrmse, score.bias, mean, within]
        )
    text = "Each product is compared with its coarse source on its own pairs."
    if not any(product.comparison for product in products):
        text = "Each product on its own pairs."
    if len({product.pooled["product"].n for product in products}) > 1:
        text += " The products do not have the same pairs: these R cannot be ranked against each other."
    if len(products) > DETAILED:
        text += f" The sections below show the first {DETAILED}; the files hold all."
    table = Table(columns, rows, "Scores over all pairs; ubRMSE and bias in m³/m³.", digits=[0, 0, 2, 2, 2, 3, 3, 2, 2])
    known = [p for p in products if p.comparison and not math.isnan(p.comparison["smooth"].bootstrap.pooled_r.low)]
    if not known:
        return [Text(text), table]
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
    return [Text(text), Figure(svg, caption, alt), table]


def _caution(result: PointValidation) -> str:
    """Depths and units that make products hard to compare."""
    depths = {product.product: product.depth for product in result.products if product.depth}
    lines = []
    if len(set(depths.values())) > 1:
        named = ", ".join(f"{name} {depth}" for name, depth in depths.items())
        lines.append(
            f"The products stand for different depths ({named}), the stations for one: part of the difference between "
            "the products is a difference between depths."
        )
    relative = [p.product for p in result.products if any("relative to saturation" in note for note in p.notes)]
    if relative:
        lines.append(
            f"{' and '.join(relative)} {'is' if len(relative) == 1 else 'are'} relative to saturation: only R can be "
            "compared, not the errors."
        )
    return "\n\n".join(lines)


def _or_low(value: float) -> float:
    return -math.inf if math.isnan(value) else value
