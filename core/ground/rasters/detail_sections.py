"""What the report says about the fine detail, and what it cannot say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...report import Figure, Table, Text, fmt, percent
from .detail import (
    BLOCKS,
    CHANGING,
    CONFIRMED,
    CONTRARY,
    INTERPOLATED,
    NOISE,
    NOISE_BELOW,
    NOT_CONFIRMED,
    SMOOTH,
    STRUCTURE,
    Texture,
)
from .plots import line_chart
from .results import RasterValidation


def detail_sentence(result: RasterValidation) -> str:
    """Structure or noise, as far as it can be known; empty where nothing was looked at."""
    product = _product(result)
    if result.detail is not None and result.detail.r.known:
        detail = result.detail
        r = f"R = {fmt(detail.r.value, 2)} [{fmt(detail.r.low, 2)}, {fmt(detail.r.high, 2)}]"
        scale = f"Detail finer than {fmt(detail.width_km, 0)} km"
        beyond = ""
        if detail.gain is not None and detail.gain.known:
            beyond = (
                ", more than the smooth coarse source has of it"
                if detail.gain.low > 0
                else ", but not more than the smooth coarse source has of it by itself"
            )
        if detail.finding == CONFIRMED:
            return f"{scale} is structure that the reference sees too ({r}){beyond}."
        if detail.finding == CONTRARY:
            return f"{scale} runs against that of the reference ({r}): it does harm."
        return f"{scale} is not confirmed: its correlation with that of the reference is not distinct from 0 ({r})."
    if product is None or not math.isfinite(product.neighbours[0]):
        return ""
    unknown = (
        "the map is too small to compare it with the reference"
        if result.fine_reference
        else "the reference is too coarse to say whether it is right"
    )
    return _of_texture(result.product, product, unknown)


def _of_texture(name: str, product: Texture, unknown: str) -> str:
    near = fmt(product.neighbours[0], 2)
    if product.kind == BLOCKS:
        return (
            f"{name} holds blocks of equal values ({percent(product.equal)} of the neighbouring pixels are the same), "
            "as an enlarged coarse map does: this is no detail."
        )
    if product.kind == SMOOTH:
        return (
            f"{name} hardly holds detail finer than {fmt(product.width_km, 0)} km: its standard deviation is "
            f"{percent(product.share)} of that of the map."
        )
    if product.kind == NOISE:
        return (
            f"The fine detail of {name} looks like noise: neighbouring pixels hardly know of each other "
            f"(correlation {near})."
        )
    if product.kind == CHANGING:
        return (
            f"The fine detail of {name} hangs together from pixel to pixel (correlation {near}) but does not come "
            f"again on other dates (correlation {fmt(product.repeat, 2)}): filtered noise, or as short-lived as "
            "showers, not a property of the land."
        )
    again = f" and it comes again on other dates (correlation {fmt(product.repeat, 2)})" if product.returns else ""
    if product.kind == STRUCTURE:
        return f"The fine detail of {name} has structure (correlation of neighbouring pixels {near}){again}; {unknown}."
    if product.returns and product.neighbours[0] < NOISE_BELOW:
        return (
            f"The fine detail of {name} jumps from pixel to pixel (correlation {near}){again}: very fine land, or a "
            "fixed artefact of a predictor."
        )
    return f"The fine detail of {name} is partly noise (correlation of neighbouring pixels {near}){again}; {unknown}."


def detail_blocks(result: RasterValidation) -> list[Any]:
    """Variograms, the table of textures, and the detail against that of the reference."""
    blocks: list[Any] = [Text(_introduction(result))]
    if result.textures:
        lines = {
            one.name: (np.array(one.distance), np.sqrt(np.array(one.variogram) * one.variance))
            for one in result.textures
        }
        blocks.append(
            Figure(
                line_chart(
                    lines,
                    "Distance (km)",
                    "Typical difference (m³/m³)" if result.comparable else "Typical difference",
                    zero=True,
                ),
                "Square root of the variogram: by how much two pixels differ that lie so far apart. A line that "
                "starts low and climbs is structure; one that starts high and stays flat is noise from pixel to "
                "pixel. A smooth map lies low at short distances: it has little detail, right or wrong. Compare the "
                "product with the reference at distances that both resolve.",
                "Variograms",
            )
        )
        rows = [
            [one.name, one.cell_km, one.detail_sd, *one.neighbours, 100 * one.nugget, one.repeat, _kind(one)]
            for one in result.textures
        ]
        blocks.append(
            Table(
                [
                    "Map",
                    "Cell (km)",
                    "SD of the detail",
                    "1 pixel",
                    "2 pixels",
                    "3 pixels",
                    "At no distance (%)",
                    "Next date",
                    "Looks like",
                ],
                rows,
                "The detail (each map minus its mean over about a coarse cell, taken off twice): its size, its "
                "correlation with itself 1, 2 and 3 pixels away and on the next date, and the share of the variance "
                "that is there at no distance (nugget).",
                digits=[0, 1, 4, 2, 2, 2, 0, 2, 0],
                notes="Noise that is drawn anew in each pixel has a correlation near 0 in all columns. Correlation "
                "from pixel to pixel alone proves nothing: interpolation and filters make it too. Detail that returns "
                "on the next date belongs to the land (soil, relief, crops) or to a fixed artefact.",
            )
        )
    if result.detail is not None:
        detail = result.detail
        rows = [
            [name, one.value, one.low, one.high]
            for name, one in (
                ("R of the product's detail", detail.r),
                ("R of the smooth coarse source's", detail.baseline_r),
                ("Difference", detail.gain),
                ("Slope of the reference's detail on the product's", detail.slope),
            )
            if one is not None
        ]
        blocks.append(
            Table(
                ["Detail", "Value", "95 % from", "to"],
                rows,
                f"What is finer than {fmt(detail.width_km, 0)} km, product against reference over all dates looked at. "
                "A slope below 1 says that the product's contrasts are too large, above 1 too small.",
                digits=2,
            )
        )
        if len(detail.rows) > 1:
            blocks.append(
                Table(
                    ["Period", "Cells", "R of the detail"],
                    [list(row) for row in detail.rows],
                    "The detail date by date.",
                    digits=[0, 0, 2],
                )
            )
    return blocks


def detail_data(result: RasterValidation) -> dict[str, Any]:
    detail = result.detail
    return {
        "textures": [vars(one) | {"kind": one.kind} for one in result.textures],
        "agreement": None
        if detail is None
        else {
            "width_km": detail.width_km,
            "r": vars(detail.r),
            "slope": vars(detail.slope),
            "baseline_r": None if detail.baseline_r is None else vars(detail.baseline_r),
            "gain": None if detail.gain is None else vars(detail.gain),
            "finding": detail.finding,
        },
    }


def _introduction(result: RasterValidation) -> str:
    text = (
        "Downscaling adds what is finer than the coarse cell. Whether that is structure or noise shows in three "
        "ways: by "
        "its texture, by whether it returns on other dates, and by whether an independent fine reference sees it too."
    )
    if result.detail is None and not result.fine_reference:
        text += (
            " The reference is coarser than the product, so the last, the only proof, is not possible here: the "
            "texture can show that detail is noise, but not that it is right."
        )
    elif result.detail is None:
        text += " The map is too small for the last, the only proof: it spans fewer than two coarse cells."
    elif result.detail.finding == NOT_CONFIRMED:
        text += (
            " The reference may itself be noisy at this scale, which lowers the correlation of details that are right."
        )
    return text


def _product(result: RasterValidation) -> Texture | None:
    return next((one for one in result.textures if one.name.endswith("(product)")), None)


def _kind(one: Texture) -> str:
    if one.name.endswith(INTERPOLATED):
        return "interpolated"
    names = {
        NOISE: "noise",
        STRUCTURE: "structure",
        SMOOTH: "hardly any detail",
        BLOCKS: "enlarged coarse map",
        CHANGING: "changes by date",
    }
    return names.get(one.kind, "fixed pattern" if one.returns and one.neighbours[0] < NOISE_BELOW else "both")
