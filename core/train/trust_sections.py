"""The section of a training report on where the model may be trusted, and how sure it is."""

from __future__ import annotations

from typing import Any

from ..model.conformal import Calibration
from ..model.uncertainty import CONSTANT, QUANTILES, SCALED
from ..report import Section, Table, Text, fmt, percent
from .trust import MAIN, Trust


def trust_section(trust: Trust, unit: str, damped: bool = False) -> Section:
    """How sure the model is, and where it may be used: coverage on held-out blocks, threshold of the area.

    damped: whether the model's detail cannot grow with the factors of a fine grid.
    """
    blocks: list[Any] = []
    main = next((one for one in trust.calibrations if one.level == MAIN), None)
    if trust.uncertainty is not None and main is not None:
        blocks += [Text(_coverage_text(trust, main, damped)), _coverage_table(trust, unit)]
    if trust.applicability is not None:
        outside = float((trust.own_index > trust.applicability.threshold).mean())
        blocks.append(
            Text(
                "A pixel lies inside the area of applicability (Meyer & Pebesma 2021) where its factors, weighted by "
                "importance, are no further from a training sample than training samples commonly are from those of "
                f"the other blocks: up to a dissimilarity index of {fmt(trust.applicability.threshold, 3)}. Of the "
                f"training samples themselves {percent(outside)} lie beyond it. 'Downscale' maps the index."
            )
        )
    if trust.notes:
        blocks.append(Text("\n".join(f"- {note}" for note in trust.notes)))
    return Section("Where it may be trusted, and how sure it is", blocks)


def _coverage_text(trust: Trust, main: Calibration, damped: bool) -> str:
    assert trust.uncertainty is not None
    method = {
        QUANTILES: "They come from the leaves of the forest (quantile regression forest, Meinshausen 2006), multiplied "
        f"by {fmt(main.factor, 2)} so that they hold what they promise on held-out blocks (conformal calibration).",
        SCALED: "Their reach is taken from the held-out errors (split-conformal), and grows with the dissimilarity to "
        "the training samples.",
        CONSTANT: "Their reach is taken from the held-out errors (split-conformal), and is the same everywhere.",
    }[trust.uncertainty.method]
    lines = [
        f"Intervals of {percent(main.level)} around the predictions hold {percent(main.coverage)} of the differences "
        "between neighbouring cells in blocks that neither the model nor the calibration has seen (from "
        f"{percent(main.lowest)} to {percent(main.highest)} among the folds). {method}"
    ]
    if main.widening > 1.001:
        lines[0] += (
            " Blocks differ more than the calibration on the others foresees: the intervals have been widened by "
            f"{percent(main.widening - 1)} for that."
        )
    if trust.constant is not None and trust.constant.score > 0 and trust.uncertainty.method != CONSTANT:
        better = 1 - main.score / trust.constant.score
        lines.append(
            f"By the interval score they are {percent(abs(better))} {'better' if better >= 0 else 'worse'} than "
            "intervals of one width."
        )
    lines.append(
        "This coverage is of the coarse support: cells against their neighbours. 'Downscale' puts the same intervals "
        "around the conserved map, wider by as much as its detail exceeds that among the coarse cells. Variation below "
        "the coarse cell that follows no factor, and the error of the coarse product itself, are not in them."
    )
    if damped:
        lines.append(
            "On the fine grid they will probably be too narrow: trees without a linear part stay within the values of "
            "their training samples, so that their detail hardly grows where the factors vary more than on the coarse "
            "grid. Train with the linear part first where intervals matter."
        )
    return "\n\n".join(lines)


def _coverage_table(trust: Trust, unit: str) -> Table:
    assert trust.uncertainty is not None
    forest = trust.uncertainty.leaves is not None
    columns = ["Interval", "Held", "Lowest fold", "Highest fold", f"Mean width{f' ({unit})' if unit else ''}"]
    rows: list[list[Any]] = [
        [percent(one.level), percent(one.coverage), percent(one.lowest), percent(one.highest), one.width]
        for one in trust.calibrations
    ]
    digits, notes = [0, 0, 0, 0, 4], "Held: calibrated on the other folds only."
    if forest:
        columns += ["Held by the leaves alone", "Factor"]
        digits += [0, 2]
        notes += " By the leaves alone: without the factor that the calibration finds."
        for row, one in zip(rows, trust.calibrations):
            row += [percent(one.raw), one.factor]
    return Table(
        columns,
        rows,
        "What intervals of several levels hold of the true differences between neighbouring cells in held-out blocks.",
        notes=notes,
        digits=digits,
    )
