"""Figures and tables of an import's page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...raster.periods import Period
from ...raster.preview import preview
from ...report import Figure, Table, charts, plural, typeset
from .importing import ImportResult

_LISTED = 40


def map_blocks(result: ImportResult, output: str | Path) -> list[Any]:
    best = max(range(len(result.bands)), key=lambda number: result.bands[number].valid)
    one = result.bands[best]
    if not one.valid:
        return []
    values = _with_data(preview(output, best + 1))
    return [
        Figure(
            charts.maps(
                [values], [one.band.label], typeset(one.band.unit), [result.grid.ground_cell_size()],
                label=one.band.name, colours="soil moisture" if "moisture" in one.band.name else "density",
            ),
            f"The band with the most valid pixels, {one.band.label}, where it has some. Grey is where nothing is left.",
            f"Map of {one.band.label}",
        )
    ]  # fmt: skip


def _with_data(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part that has values, and a margin: half orbits are a strip of a global grid."""
    rows, cols = (np.flatnonzero(np.isfinite(values).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return values
    margin = max(2, (rows[-1] - rows[0]) // 20)
    return values[max(0, rows[0] - margin) : rows[-1] + margin + 1, max(0, cols[0] - margin) : cols[-1] + margin + 1]


def _shortened(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:17]} … {name[-16:]}"


def series_blocks(result: ImportResult, names: Sequence[str]) -> list[Any]:
    if len(result.periods) < 3:
        return []
    blocks: list[Any] = []
    pixels = result.grid.rows * result.grid.cols
    means, valid = {}, {}
    for name in names[:6]:
        bands = {one.band.period: one for one in result.bands if one.band.name == name}
        means[name] = [bands[period].mean if period in bands else math.nan for period in result.periods]
        valid[name] = [100 * bands[period].valid / pixels if period in bands else 0.0 for period in result.periods]
    dates = [period.first for period in result.periods]
    for name, values in means.items():
        unit = next(one.band.unit for one in result.bands if one.band.name == name)
        blocks.append(
            Figure(
                charts.series(dates, {name: values}, ylabel=f"{name} ({typeset(unit)})" if unit else name),
                f"Mean of the valid pixels of {name} at each date. A mean that jumps where few pixels are valid says "
                "more of the clouds than of the land.",
                f"Line of the mean of {name} over time",
            )
        )
    blocks.append(
        Figure(
            charts.series(dates, valid, ylabel="Valid pixels (%)"),
            "Share of the region with a value at each date.",
            "Lines of the share of valid pixels over time",
        )
    )
    return blocks


def removed_blocks(result: ImportResult) -> list[Any]:
    rows: list[list[Any]] = []
    for name, one in result.removed.items():
        rows.append([name, "no value in the file", one.empty, _share(one.empty, one.pixels)])
        rows += [[name, rule, count, _share(count, one.pixels)] for rule, count in one.rules.items()]
        rows.append([name, "left", one.valid, _share(one.valid, one.pixels)])
    return [
        Table(
            ["Variable", "Reason", "Pixels", "Share (%)"],
            rows,
            f"Pixels of the files by what took them out at quality '{result.quality}', over all bands. Rules are "
            "applied in this order; a pixel counts for the first that takes it out.",
            digits=[0, 0, 0, 1],
        )
    ]


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else math.nan


def band_table(result: ImportResult) -> Table:
    pixels = result.grid.rows * result.grid.cols
    shown = (
        result.bands
        if len(result.bands) <= _LISTED
        else [*result.bands[: _LISTED // 2], *result.bands[-_LISTED // 2 :]]
    )
    rows = [
        [
            one.band.name,
            *_when(one.band.period),
            100 * one.valid / pixels,
            one.minimum if one.valid else math.nan,
            one.mean,
            one.maximum if one.valid else math.nan,
            _shortened(one.files[0]) if len(one.files) == 1 else f"{len(one.files)} files",
        ]
        for one in shown
    ]
    more = (
        f" {len(result.bands) - len(shown)} bands in the middle are in the JSON file only."
        if shown is not result.bands
        else ""
    )
    return Table(
        ["Variable", "Begins", "Length", "Valid (%)", "Lowest", "Mean", "Highest", "From"],
        rows,
        f"The bands of the stack in their order.{more}",
        digits=[0, 0, 0, 1, 3, 3, 3, 0],
    )


def _when(period: Period | None) -> tuple[str, str]:
    """When a band begins and how long it lasts."""
    if period is None:
        return "static", ""
    if period.whole_days:
        return str(period.start), plural(int(period.days), "day")
    return f"{period.first:%Y-%m-%d %H:%M}", plural(round(24 * period.days), "hour")
