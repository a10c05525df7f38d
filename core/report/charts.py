"""Charts for reports: relations between two quantities, scores, differences. Each function returns SVG text.

The maps and time series are imported here, so that callers write `charts.<name>` for all of them. Every chart
takes NaN, empty, constant and very large input; what cannot be drawn says so in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .bar_charts import bars, histogram_classes, score_bars
from .canvas import (
    AMBER,
    BLUE,
    GAP,
    INK,
    MUTED,
    PAGE_WIDTH,
    colour_map,
    draw_svg,
    numbers,
    plain,
    readable_on,
    say_empty,
    tidy_bar,
)
from .map_charts import difference_map, maps, picture, quality_map
from .scatter_charts import scatter_density, scatter_pair
from .series_charts import SeriesPanel, series, series_panels
from .station_map import station_map
from .tables import fmt

__all__ = [
    "SeriesPanel",
    "bars",
    "difference_ci",
    "difference_map",
    "heatmap",
    "histogram_classes",
    "maps",
    "picture",
    "quality_map",
    "scatter_density",
    "scatter_pair",
    "score_bars",
    "series",
    "series_panels",
    "station_map",
]

_LABELLED = 16  # a matrix with more labels has no room for printed values


def heatmap(
    matrix: Any,
    labels: Sequence[str],
    significant: Any = None,
    target: str | None = None,
    title: str = "",
    label: str = "Correlation",
    limit: float = 1.0,
) -> str:
    """Return a square matrix (n x n) as colours centred at 0, ranging over ±`limit`.

    Values are printed up to 16 labels. `significant` (n x n bool) puts a dot into a cell; `target` names the
    label that moves to the first row and column.
    """
    values = np.atleast_2d(numbers(matrix))
    names = [str(name) for name in labels]
    n = len(names)
    marks = np.zeros((n, n), dtype=bool) if significant is None else np.asarray(significant, dtype=bool)
    if target in names:
        order = [names.index(str(target))] + [i for i in range(n) if names[i] != target]
        names, values, marks = (
            [names[i] for i in order],
            values[np.ix_(order, order)],
            marks[np.ix_(order, order)],
        )
    printed = n <= _LABELLED
    cell = 0.5 if printed else max(0.09, 7.0 / max(n, 1))
    text_width = 0.095 * max([len(name) for name in names] or [0]) if n <= 60 else 0.2
    side = max(2.0, cell * n)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(plain(title), pad=12)
        if not n or not np.isfinite(values).any():
            say_empty(axes)
            return
        image = axes.imshow(values, cmap=colour_map("diverging"), vmin=-limit, vmax=limit, interpolation="nearest")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, pad=5)
        ticks = range(n) if n <= 60 else []
        size = 9.0 if n <= 30 else 7.0
        axes.set_xticks(ticks, [plain(name) for name in names] if n <= 60 else [], fontsize=size)
        axes.set_yticks(ticks, [plain(name) for name in names] if n <= 60 else [], fontsize=size)
        for tick in axes.get_xticklabels():
            tick.set(rotation=45, rotation_mode="anchor", ha="right")
        if n <= _LABELLED:
            axes.set_xticks(np.arange(0.5, n - 1), minor=True)
            axes.set_yticks(np.arange(0.5, n - 1), minor=True)
            axes.grid(which="minor", color="white", linewidth=2)
            axes.tick_params(which="minor", length=0)
        for (i, j), value in np.ndenumerate(values):
            colour = readable_on(image.cmap(image.norm(value))) if np.isfinite(value) else INK
            if printed and np.isfinite(value):
                axes.text(j, i, fmt(value, 2), ha="center", va="center", fontsize=8.5, color=colour)
            if marks[i, j] and i != j:
                shift = 0.34 if printed else 0.0
                axes.plot(j + shift, i - shift, "o", ms=3 if printed else 2, mew=0, color=colour)
        if target in names and n > 1:
            for y in (-0.5, 0.5):
                axes.axhline(y, color=INK, linewidth=1.2, clip_on=False)
        bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 2.4 / side), aspect=16, pad=0.03)
        tidy_bar(bar, label)

    return draw_svg(min(PAGE_WIDTH, side + text_width + 1.6), min(10.0, side + 0.75 * text_width + 0.5), paint)


def difference_ci(
    labels: Sequence[str],
    estimates: Any,
    lows: Any,
    highs: Any,
    xlabel: str = "Difference",
    better: str = "positive",
    title: str = "",
    digits: int = 3,
) -> str:
    """Return differences with their confidence intervals against 0, in the order given.

    Blue where the interval lies on the `better` side ("positive" or "negative"), amber on the other, grey across 0.
    """
    centre, low, high = (numbers(a).ravel() for a in (estimates, lows, highs))
    sign = -1.0 if better == "negative" else 1.0

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(plain(title))
        if not np.isfinite(centre).any():
            say_empty(axes)
            return
        rows = np.arange(centre.size)
        axes.axvline(0, color=INK, linewidth=1.0, zorder=1)
        for row in rows:
            ends = sorted((sign * low[row], sign * high[row]))
            colour = BLUE if ends[0] > 0 else AMBER if ends[1] < 0 else "#8d9aa5"
            if np.isfinite(low[row]) and np.isfinite(high[row]):
                axes.hlines(row, low[row], high[row], color=colour, linewidth=2.4)
            axes.plot(centre[row], row, "o", ms=7.5, mew=1.5, mec="white", color=colour)
            interval = f"[{fmt(low[row], digits)}, {fmt(high[row], digits)}]"
            text = f"{fmt(centre[row], digits, signed=True)}{GAP}{interval}"
            axes.annotate(
                text,
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                color=INK,
                annotation_clip=False,
            )
        axes.set_yticks(rows, [plain(label) for label in labels], color=INK)
        axes.set_ylim(centre.size - 0.4, -0.6)
        reach = np.nanmax(np.abs(np.concatenate([centre, low, high, [1e-9]])))
        axes.set_xlim(
            min(-0.25 * reach, 1.1 * np.nanmin(np.append(low, 0))),
            max(0.25 * reach, 1.1 * np.nanmax(np.append(high, 0))),
        )
        axes.locator_params(axis="x", nbins=5)  # of many digits no more have room
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        sides = ("better", "worse") if better == "negative" else ("worse", "better")
        axes.set_xlabel(plain(xlabel))
        for x, text in ((0.0, f"←{GAP}{sides[0]}"), (1.0, f"{sides[1]}{GAP}→")):
            axes.annotate(
                text,
                (x, 0),
                (0, -26),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="right" if x else "left",
                va="center",
                color=MUTED,
                fontsize=9,
            )

    return draw_svg(PAGE_WIDTH * 0.92, 0.36 * max(centre.size, 1) + (1.25 if title else 0.9), paint)
