"""Charts that set several models beside each other: Taylor diagram, spread over folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .canvas import INK, MUTED, PAGE_WIDTH, SERIES, draw_svg, numbers, plain, say_empty
from .tables import fmt


def taylor(names: Sequence[str], correlations: Any, deviations: Any, truth: str = "truth") -> str:
    """Return a Taylor diagram (2001, doi:10.1029/2000JD900719): angle is correlation, radius the standard deviation as
    a multiple of the true one, distance to `truth` the centred error. Models without a correlation are not drawn."""
    r, radius = numbers(correlations).ravel(), numbers(deviations).ravel()
    usable = np.isfinite(r) & np.isfinite(radius)
    widest = np.pi if (r[usable] < 0).any() else np.pi / 2
    reach = max(1.25, 1.15 * float(radius[usable].max(initial=0.0)))

    def paint(figure: Any) -> None:
        if not usable.any():
            say_empty(figure.subplots())
            return
        axes = figure.add_subplot(projection="polar")
        axes.set_thetamin(0)
        axes.set_thetamax(np.degrees(widest))
        axes.set_rlim(0, reach)
        marks = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0])
        marks = np.concatenate([-marks[:0:-1], marks]) if widest > 2 else marks
        axes.set_xticks(
            np.arccos(marks), [fmt(float(mark), 2 if abs(mark) > 0.9 and abs(mark) < 1 else 1) for mark in marks]
        )
        axes.grid(color="#e3e9ed", linewidth=0.8)
        angle, length = np.meshgrid(np.linspace(0, widest, 120), np.linspace(0, reach, 80))
        error = np.sqrt(1 + length**2 - 2 * length * np.cos(angle))
        lines = axes.contour(
            angle, length, error, levels=[0.25, 0.5, 0.75, 1.0, 1.25], colors="#c9822b", linewidths=0.7
        )
        axes.clabel(lines, fmt="%g", fontsize=7.5)
        axes.plot([0], [1], "*", ms=12, mew=0, color=INK, clip_on=False, zorder=4)
        for k in np.flatnonzero(usable):
            axes.plot(
                [np.arccos(np.clip(r[k], -1, 1))],
                [radius[k]],
                "o",
                ms=8,
                mew=1.2,
                mec="white",
                color=SERIES[k % len(SERIES)],
                zorder=5,
                label=plain(names[k]),
            )
        axes.plot([], [], "*", ms=10, mew=0, color=INK, label=plain(truth))
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), labelcolor=INK)
        axes.set_xlabel("Standard deviation as a multiple of the true one", labelpad=20)
        axes.text(
            widest / 2 if widest < 2 else np.pi / 4, 1.16 * reach, "Correlation", color=MUTED, ha="center", rotation=-45
        )

    return draw_svg(PAGE_WIDTH * 0.8, 4.6, paint)


def fold_boxes(names: Sequence[str], values: Sequence[Sequence[float]], xlabel: str = "") -> str:
    """Return a box per model over its folds (median, quartiles, whiskers to the ends) with every fold as a dot."""
    data = [numbers(one).ravel() for one in values]
    data = [one[np.isfinite(one)] for one in data]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if not any(one.size for one in data):
            say_empty(axes)
            return
        for row, one in enumerate(data):
            if not one.size:
                continue
            low, first, middle, third, high = np.quantile(one, [0, 0.25, 0.5, 0.75, 1])
            colour = SERIES[row % len(SERIES)]
            axes.hlines(row, low, high, color="#9aa7b1", linewidth=1.0, zorder=1)
            axes.barh(row, third - first, left=first, height=0.5, color=colour, alpha=0.3, zorder=2)
            axes.vlines(middle, row - 0.25, row + 0.25, color=colour, linewidth=2.2, zorder=3)
            axes.plot(one, np.full(one.size, row), "o", ms=4, mew=0, color=colour, zorder=4)
        axes.set_yticks(range(len(names)), [plain(name) for name in names], color=INK)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color="#9aa7b1", linewidth=0.8, zorder=0)
        axes.grid(axis="x")
        axes.set_xlabel(plain(xlabel))

    return draw_svg(PAGE_WIDTH * 0.84, 0.42 * max(len(names), 2) + 0.8, paint)
