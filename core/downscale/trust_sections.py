"""The section of a downscaling report on where the map may be trusted, and how sure it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..model.uncertainty import CONSTANT, QUANTILES, SCALED
from ..report import Figure, Section, Table, Text, charts, fmt, percent
from .downscale_sections import shown_cell, small
from .results import Downscaling, Picture

_WAYS = {
    QUANTILES: "from the leaves of the forest (quantile regression forest), calibrated on held-out blocks",
    SCALED: "from errors in held-out blocks, growing with the dissimilarity to training",
    CONSTANT: "from errors in held-out blocks",
}
_INSIDE, _OUTSIDE, _NOTHING = 0, 1, 255


def trust_sections(result: Downscaling, totals: dict[str, Any], unit: str) -> list[Section]:
    """Nothing where neither the dissimilarity nor the intervals were asked for."""
    blocks: list[Any] = []
    facts = result.trust
    if facts.calibration is not None:
        blocks += [Text(_width_text(result, totals, unit)), *_width_maps(result, unit)]
    if facts.threshold is not None:
        blocks += [Text(_area_text(result, totals)), *_area_map(result)]
    if not blocks:
        return []
    return [Section("Where the map may be trusted, and how sure it is", [*blocks, _table(result, unit)])]


def _width_text(result: Downscaling, totals: dict[str, Any], unit: str) -> str:
    calibration, method = result.trust.calibration, result.trust.method
    assert calibration is not None and method is not None
    width = totals["mean_width"]
    if width is None:
        return "No pixel has an interval: where there is no coarse value, nothing tells how far its level is off."
    scales = [one.scale for one in result.periods if math.isfinite(one.scale)]
    lines = [
        f"The intervals of {percent(calibration.level)} are {small(width)} {unit}".rstrip()
        + f" wide on average. They come {_WAYS[method]}: of the differences between neighbouring coarse cells in "
        f"blocks not seen, {percent(calibration.coverage)} lay inside."
    ]
    if scales and max(scales) > 1.005:
        lines.append(
            f"That is known for the coarse cells. On the fine grid the model's detail is {_span(scales)} times as "
            "large as among them, and its error is taken to grow as much: the intervals were widened by it. Whether "
            "that is enough can only be told with stations or other fine data."
        )
    else:
        lines.append(
            "That is known for the coarse cells. On the fine grid the model's detail is no larger than among them, and "
            "the intervals are the same. Whether that is enough can only be told with stations or other fine data."
        )
    lines.append("The error of the coarse values themselves is not in them: the map keeps these values.")
    return "\n\n".join(lines)


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


def _span(values: list[float]) -> str:
    low, high = fmt(min(values), 1), fmt(max(values), 1)
    return low if low == high else f"{low} to {high}"
