"""The section of the report on agreement in time: maps of scores and their spread."""

from __future__ import annotations

from typing import Any

from ...raster.preview import preview
from ...report import Figure, Table, Text, charts, plural
from ..metrics import R_CLASSES
from .results import BANDS, BASELINE_BANDS, RasterValidation

_MAPPED = (("r", "R"), ("anomaly_r", "R of anomalies"))


def map_blocks(result: RasterValidation) -> list[Any]:
    """Maps of R, of the gain over the coarse source and of the bias, and how they spread."""
    if "r" not in result.pixels:
        least = result.options.min_periods
        return [
            Text(
                f"No cell has {least} common periods, so there is no correlation in time per cell; the maps hold bias, "
                "RMSE and counts."
            ),
            *_difference_figure(result),
        ]
    numbers = {name: k for k, name in enumerate({**BANDS, **(BASELINE_BANDS if result.gain is not None else {})}, 1)}
    shown = [(name, title) for name, title in _MAPPED if name in result.pixels]
    if result.gain is not None:
        shown = [shown[0], ("r_baseline", "R of the coarse source"), *shown[1:]]
    size = result.grid.ground_cell_size()
    arrays = [preview(result.output, numbers[name]) for name, _ in shown]
    blocks: list[Any] = [
        Figure(
            charts.maps(
                arrays,
                [title for _, title in shown],
                "",
                [_thinned(size, result, a.shape) for a in arrays],
                (0.0, 1.0),
                "R",
            ),
            "Correlation in time per cell: whether the two rise and fall together there. A common season alone gives a "
            "high R, the anomalies tell whether single wet and dry spells agree. Low values along rivers, cities or "
            "mountains are places where one of the products sees something else than soil.",
            "Maps of R",
        )
    ]
    if result.gain is not None and "r_gain" in result.pixels:
        gain = preview(result.output, numbers["r_gain"])
        blocks.append(
            Figure(
                charts.difference_map(
                    gain,
                    "R of the product minus R of its coarse source",
                    "",
                    [_thinned(size, result, gain.shape)],
                    label="Gain in R",
                ),
                "Blue cells follow the reference better than the coarse source does, brown cells less.",
                "Map of the gain",
            )
        )
    blocks += _difference_figure(result)
    total = sum(result.r_classes)
    blocks.append(
        Table(
            ["R", "Cells", "Share (%)"],
            [[name, count, 100 * count / total if total else None] for name, count in zip(R_CLASSES, result.r_classes)],
            f"Cells by their R in time ({plural(total, 'cell')} with at least {result.options.min_periods} periods).",
            digits=[0, 0, 1],
        )
    )
    rows = [
        [title, own.pixels, own.mean, own.median, own.lower, own.upper]
        for name, title in (
            ("r", "R"),
            ("anomaly_r", "R of anomalies"),
            ("r_gain", "Gain in R"),
            ("ubrmse", "ubRMSE"),
            ("bias", "Bias"),
        )
        if (own := result.pixels.get(name)) is not None
    ]
    blocks.append(
        Table(
            ["Score", "Cells", "Mean", "Median", "Lower quartile", "Upper quartile"],
            rows,
            "Scores of the single cells over the map. Their mean is not the score over all pairs: that also holds the "
            "differences from place to place.",
        )
    )
    return blocks


def _difference_figure(result: RasterValidation) -> list[Any]:
    if not result.comparable:
        return []
    numbers = {name: k for k, name in enumerate(BANDS, 1)}
    bias = preview(result.output, numbers["bias"])
    size = _thinned(result.grid.ground_cell_size(), result, bias.shape)
    return [
        Figure(
            charts.difference_map(bias, "Mean difference, product minus reference", "m³/m³", [size], label="Bias"),
            "Blue: the product is wetter than the reference. Differences between regions belong to soils, vegetation "
            "and the products' own climatologies, and say little about which is right.",
            "Map of the bias",
        )
    ]


def _thinned(size: tuple[float, float], result: RasterValidation, shape: tuple[int, ...]) -> tuple[float, float]:
    return size[0] * result.grid.cols / shape[1], size[1] * result.grid.rows / shape[0]
