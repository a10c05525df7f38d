"""Curves of what a prediction does as one factor changes, small and beside each other on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .canvas import BLUE, INK, PAGE_WIDTH, draw_svg, numbers, plain, say_empty


@dataclass
class EffectPanel:
    """`curve` over `x`; `others` (curves, points) are drawn faintly behind it; `rug` marks quantiles of the data.

    `limits` are the ends of the x axis: what lies beyond is not drawn.
    """

    title: str
    x: Any
    curve: Any
    others: Any = ()
    rug: Any = ()
    limits: tuple[float, float] | None = None
    xlabel: str = field(default="")


def effects(panels: Sequence[EffectPanel], ylabel: str = "", limit: int = 6) -> str:
    """Return the first `limit` panels in two columns with one y axis: a steep curve is a strong effect."""
    shown = list(panels)[:limit]
    columns = 2 if len(shown) > 1 else 1
    rows = max(1, -(-len(shown) // columns))

    def paint(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axes in grid[max(1, len(shown)) :]:
            axes.set_axis_off()
        if not shown:
            say_empty(grid[0])
        for k, (axes, panel) in enumerate(zip(grid, shown)):
            axes.set_title(plain(panel.title), fontsize=9.5)
            _panel(axes, panel)
            axes.set_xlabel(plain(panel.xlabel))
            if k % columns == 0:
                axes.set_ylabel(plain(ylabel))

    return draw_svg(PAGE_WIDTH, rows * 2.35 + 0.2, paint)


def _panel(axes: Any, panel: EffectPanel) -> None:
    x, curve = numbers(panel.x).ravel(), numbers(panel.curve).ravel()
    if len(x) < 2 or not np.isfinite(curve).any():
        say_empty(axes)
        return
    low, high = panel.limits or (float(np.nanmin(x)), float(np.nanmax(x)))
    # Curves end at the limits, so that the y axis fits what is seen.
    at = np.unique(np.concatenate([[low, high], x[(x > low) & (x < high)]]))
    for other in panel.others:
        axes.plot(at, np.interp(at, x, numbers(other).ravel()), color="#9dc3e0", linewidth=0.9, zorder=1)
    axes.plot(at, np.interp(at, x, curve), color=BLUE, linewidth=2.0, zorder=2)
    axes.axhline(0, color="#9aa7b1", linewidth=0.8, zorder=0)
    marks = numbers(panel.rug).ravel()
    marks = marks[(marks >= low) & (marks <= high)]
    axes.plot(
        marks, np.zeros(len(marks)), "|", ms=7, mew=1.1, color=INK, transform=axes.get_xaxis_transform(), clip_on=False
    )
    axes.set_xlim(low, high if high > low else low + 1)
    axes.margins(y=0.1)
    axes.grid(axis="y")
    axes.locator_params(axis="x", nbins=6)
