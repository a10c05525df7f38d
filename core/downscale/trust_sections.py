"""The section of a downscaling report on where the map may be trusted, and how sure it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..model.model import Model
from ..model.reach import cannot_extrapolate
from ..model.uncertainty import CONSTANT, QUANTILES, SCALED
from ..report import Figure, KeyFigure, Section, Table, Text, charts, fmt, percent
from .downscale_sections import shown_cell, small
from .results import Downscaling, Picture

_WAYS = {
    QUANTILES: "from the leaves of the forest (quantile regression forest), calibrated on held-out blocks",
    SCALED: "from errors in held-out blocks, growing with the dissimilarity to training",
    CONSTANT: "from errors in held-out blocks",
}
_HARDLY_WIDER = 1.2  # from this widening on, the detail is larger on the fine grid than among coarse cells
_INSIDE, _OUTSIDE, _NOTHING = 0, 1, 255


def trust_verdict(result: Downscaling, model: Model, totals: dict[str, Any], unit: str) -> list[str]:
    """What the verdict says of the layers that were asked for; nothing where none was."""
    parts, calibration = [], result.trust.calibration
    if totals["share_outside"] is not None:
        parts.append(f"{percent(totals['share_outside'])} of the pixels lie outside the model's area of applicability")
    if calibration is not None and totals["mean_width"] is not None:
        parts.append(
            f"the intervals of {percent(calibration.level)} are {_amount(totals['mean_width'], unit)} wide on average"
        )
    if not parts:
        return []
    sentence = "; ".join(parts) + "."
    lines = [sentence[0].upper() + sentence[1:]]
    if _too_narrow(result, model):
        lines.append(
            "These intervals are probably too narrow: the model is made of trees without a linear part, whose detail "
            "hardly grows from the coarse to the fine grid."
        )
    return lines


def trust_figures(result: Downscaling, totals: dict[str, Any], unit: str) -> list[KeyFigure]:
    """The numbers of `trust_verdict` at the head of the page."""
    figures, calibration = [], result.trust.calibration
    if totals["share_outside"] is not None:
        figures.append(
            KeyFigure("Outside the area of applicability", percent(totals["share_outside"]), "of the pixels")
        )
    if calibration is not None and totals["mean_width"] is not None:
        name = f"Mean width of the intervals{f' ({unit})' if unit else ''}"
        figures.append(KeyFigure(name, small(totals["mean_width"]), f"intervals of {percent(calibration.level)}"))
    return figures


def trust_sections(result: Downscaling, model: Model, totals: dict[str, Any], unit: str) -> list[Section]:
    """Nothing where neither the dissimilarity nor the intervals were asked for."""
    blocks: list[Any] = []
    facts = result.trust
    if facts.calibration is not None:
        blocks += [Text(_width_text(result, model, totals, unit)), *_width_maps(result, unit)]
    if facts.threshold is not None:
        blocks += [Text(_area_text(result, totals)), *_area_map(result)]
    if not blocks:
        return []
    return [Section("Where the map may be trusted, and how sure it is", [*blocks, _table(result, unit)])]


def _too_narrow(result: Downscaling, model: Model) -> bool:
    """Whether the intervals were hardly widened because trees alone cannot follow the factors of the fine grid."""
    scales = _scales(result)
    return bool(scales and result.gain > 0 and max(scales) < _HARDLY_WIDER and cannot_extrapolate(model))


def _scales(result: Downscaling) -> list[float]:
    return [one.scale for one in result.periods if math.isfinite(one.scale)]


def _width_text(result: Downscaling, model: Model, totals: dict[str, Any], unit: str) -> str:
    calibration, method = result.trust.calibration, result.trust.method
    assert calibration is not None and method is not None
    width = totals["mean_width"]
    if width is None:
        return "No pixel has an interval: where there is no coarse value, nothing tells how far its level is off."
    lines = [
        f"The intervals of {percent(calibration.level)} are {_amount(width, unit)} wide on average. They come "
        f"{_WAYS[method]}: of the differences between neighbouring coarse cells in "
        f"blocks not seen, {percent(calibration.coverage)} lay inside."
    ]
    lines.append(f"That is known for the coarse cells. {_to_fine(result, model)}")
    lines.append("The error of the coarse values themselves is not in them: the map keeps these values.")
    return "\n\n".join(lines)


def _to_fine(result: Downscaling, model: Model) -> str:
    """What was done to the intervals on the way to the fine grid, and whether that is enough."""
    scales, unsure = _scales(result), "Whether that is enough can only be told with stations or other fine data."
    widened = bool(scales) and max(scales) > 1.005
    if result.gain == 0:
        done = f"widened {_span(scales)} times" if widened else "not widened"
        return (
            "The map is the smooth interpolation alone, so that the intervals are as wide as neighbouring cells "
            f"differ; they were {done} for the fine grid. {unsure}"
        )
    if _too_narrow(result, model):
        return (
            "On the fine grid they are probably too narrow. They grow as the model's detail does from the coarse to "
            f"the fine grid, which is {_span(scales, 2)} times here: the model is made of trees without a linear part, "
            "which stay within the values of their training samples and so damp the detail, but not its error. Train "
            "with the linear part first for intervals that grow with the factors, and check them with stations."
        )
    if widened:
        return (
            f"On the fine grid the model's detail is {_span(scales)} times as large as among them, and its error is "
            f"taken to grow as much: the intervals were widened by it. {unsure}"
        )
    if not scales:
        return f"On the fine grid the intervals are the same. {unsure}"
    return (
        "On the fine grid the model's detail is no larger than among them, and the intervals are the same. Values that "
        f"differ more between pixels than between cells make them too narrow. {unsure}"
    )


def _width_maps(result: Downscaling, unit: str) -> list[Any]:
    chosen = [one for one in result.pictures if one.width is not None and np.isfinite(one.width).any()]
    if not chosen:
        return []
    titles = [f"Width, {one.label}" if one.label else "Width" for one in chosen]
    svg = charts.maps(
        [one.width for one in chosen],
        titles,
        unit,
        [shown_cell(result.fine, one) for one in chosen],
        label="Width of the interval",
        colours="density",
    )
    caption = "Width of the interval around each pixel: from its lower to its upper end."
    return [Figure(svg, caption, "Maps of the width of the intervals")]


def _area_text(result: Downscaling, totals: dict[str, Any]) -> str:
    share = totals["share_outside"]
    shown = "No pixel has a value" if share is None else f"{percent(share)} of the pixels lie outside it"
    return (
        "Area of applicability: where the factors, weighted by importance, are no further from a training sample than "
        "training samples commonly are from those of other blocks (Meyer & Pebesma 2021), up to a dissimilarity index "
        f"of {fmt(result.trust.threshold, 3)}. {shown}. There, what held-out blocks say of the model's error need not "
        "hold. Fine pixels vary more than the coarse means that the model was trained on, so that a large share is no "
        "rarity; the quality layer marks them with code 1."
    )


def _area_map(result: Downscaling) -> list[Any]:
    chosen = [one for one in result.pictures if one.index is not None and np.isfinite(one.index).any()]
    if not chosen:
        return []
    worst = max(chosen, key=lambda one: float(np.mean(_codes(result, one) == _OUTSIDE)))
    classes = {
        _INSIDE: ("Inside the area of applicability", "#d9e6d5"),
        _OUTSIDE: ("Outside the area", "#e5b567"),
    }
    title = f"Applicability, {worst.label}" if worst.label else "Applicability"
    svg = charts.quality_map(_codes(result, worst), classes, title, shown_cell(result.fine, worst), _NOTHING)
    caption = "Pixels inside and outside the area of applicability, and the share of each."
    if len(chosen) > 1:
        caption += " Of the periods shown above it is the one with most pixels outside."
    return [Figure(svg, caption, "Map of the area of applicability")]


def _codes(result: Downscaling, picture: Picture) -> Any:
    assert picture.index is not None and result.trust.threshold is not None
    codes = np.where(picture.index > result.trust.threshold, _OUTSIDE, _INSIDE)
    return np.where(np.isfinite(picture.index), codes, _NOTHING).astype(np.uint8)


def _table(result: Downscaling, unit: str) -> Table:
    columns, digits = ["Period"], [0]
    rows: list[list[Any]] = [[one.label] for one in result.periods]
    if result.trust.threshold is not None:
        columns.append("Outside the area (%)")
        digits.append(1)
        for row, one in zip(rows, result.periods):
            row.append(100 * one.outside_area / one.pixels if one.pixels else None)
    if result.trust.calibration is not None:
        columns += [f"Mean width{f' ({unit})' if unit else ''}", "Widened by"]
        digits += [4, 2]
        for row, one in zip(rows, result.periods):
            row += [one.width, one.scale]
    return Table(columns, rows, "Area of applicability and intervals, period by period.", digits=digits)


def _amount(value: float, unit: str) -> str:
    return f"{small(value)} {unit}".rstrip()


def _span(values: list[float], digits: int = 1) -> str:
    low, high = fmt(min(values), digits), fmt(max(values), digits)
    return low if low == high else f"{low} to {high}"
