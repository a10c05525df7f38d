"""Charts over a numeric axis (distance, lag, days around an event) and of intervals. Each returns SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...report.canvas import (
    INK,
    MUTED,
    PAGE_WIDTH,
    SERIES,
    draw_svg,
    legend_rows,
    numbers,
    plain,
    say_empty,
)
from ...report.tables import fmt


def line_chart(
    lines: Mapping[str, tuple[Any, Any]],
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, tuple[Any, Any, Any]] | None = None,
    hollow: Mapping[str, Any] | None = None,
    zero: bool = False,
    mark_x: float | None = None,
    mark_text: str = "",
    whole: bool = False,
    height: float = 3.3,
    per_style: int = 0,
) -> str:
    """Return lines {name: (x, y)} with points; `bands` {name: (x, low, high)} are shaded below the line of that name.

    Of many lines each `per_style` take the colours anew, dashed. `hollow` {name: bool per point} are points that are
    not significant. `mark_x` is a vertical line.
    """
    names = list(lines)
    rows = legend_rows(names, PAGE_WIDTH * 0.8)

    def paint(figure: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        known = [name for name in names if np.isfinite(numbers(lines[name][1])).any()]
        if not known:
            say_empty(axes)
            return
        if zero:
            axes.axhline(0, color="#9aa7b1", linewidth=0.9)
        if mark_x is not None:
            axes.axvline(mark_x, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.annotate(
                plain(mark_text),
                (mark_x, 1),
                (4, -2),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
                color=MUTED,
                fontsize=9,
            )
        for k, name in enumerate(names):
            colour = SERIES[(k % per_style if per_style else k) % len(SERIES)]
            dashes = (0, (3, 2)) if per_style and k >= per_style else "-"
            if bands and name in bands:
                x, low, high = (numbers(a) for a in bands[name])
                axes.fill_between(x, low, high, color=colour, alpha=0.17, linewidth=0)
            x, y = (numbers(a) for a in lines[name])
            axes.plot(x, y, color=colour, linestyle=dashes, label=plain(name), zorder=3)
            open_ = np.zeros(len(x), dtype=bool) if not hollow or name not in hollow else np.asarray(hollow[name])
            axes.plot(x[~open_], y[~open_], "o", ms=4.2, mew=0, color=colour, zorder=4)
            axes.plot(x[open_], y[open_], "o", ms=4.2, mew=1.1, mec=colour, mfc="white", zorder=4)
        axes.set_xlabel(plain(xlabel))
        axes.set_ylabel(plain(ylabel))
        axes.grid(axis="y")
        if whole:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncol=-(-len(names) // max(rows, 1)),
            labelcolor=INK,
            handlelength=2.2,
            columnspacing=1.6,
        )

    return draw_svg(PAGE_WIDTH * 0.92, height + 0.22 * rows, paint)


def interval_chart(
    labels: Sequence[str],
    groups: Mapping[str, tuple[Any, Any, Any]],
    xlabel: str,
    limits: tuple[float, float] | None = None,
    mark: float | None = None,
    digits: int = 2,
) -> str:
    """Return values with intervals per label, a colour per group {name: (value, low, high)}; `mark` a vertical line."""
    names = list(groups)
    rows = len(labels) * (len(names) + 0.6)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if not any(np.isfinite(numbers(value)).any() for value, _, _ in groups.values()):
            say_empty(axes)
            return
        if mark is not None:
            axes.axvline(mark, color="#9aa7b1", linewidth=1.0)
        for g, name in enumerate(names):
            value, low, high = (numbers(a) for a in groups[name])
            at = np.arange(len(labels)) + (g - (len(names) - 1) / 2) * 0.8 / max(1, len(names))
            drawn = np.isfinite(low) & np.isfinite(high)
            axes.hlines(at[drawn], low[drawn], high[drawn], color=SERIES[g], linewidth=2.2)
            axes.plot(value, at, "o", ms=6, mew=1.2, mec="white", color=SERIES[g], label=plain(name))
            for y, v in zip(at, value):
                if np.isfinite(v):
                    axes.annotate(
                        fmt(float(v), digits),
                        (1.02, y),
                        xycoords=("axes fraction", "data"),
                        va="center",
                        color=SERIES[g],
                        fontsize=8.5,
                        annotation_clip=False,
                    )
        axes.set_yticks(range(len(labels)), [plain(label) for label in labels], color=INK)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        if limits is not None:
            axes.set_xlim(*limits)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel(plain(xlabel))
        if len(names) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncol=min(3, len(names)), labelcolor=INK)

    return draw_svg(PAGE_WIDTH * 0.92, min(11.0, 0.19 * rows + 1.3), paint)


def rain_and_moisture(dates: Sequence[str], rain: Any, moisture: Mapping[str, Any], ylabel: str, place: str) -> str:
    """Return bars of rain, hanging from the top, over lines of soil moisture on the same dates."""
    when = np.asarray(dates, dtype="datetime64[D]")
    amount = numbers(rain)

    def paint(figure: Any) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        top, axes = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1, 2.2]})
        top.set_title(plain(place))
        if not np.isfinite(amount).any():
            say_empty(top)
        step = float(np.median(np.diff(when).astype(float))) if len(when) > 1 else 1.0
        top.bar(when, np.nan_to_num(amount), width=0.9 * step, color="#86a9c4")
        top.invert_yaxis()
        top.set_ylabel("Rain (mm)")
        top.grid(axis="y")
        top.spines[["bottom"]].set_visible(False)
        for k, (name, values) in enumerate(moisture.items()):
            y = numbers(values)
            keep = np.isfinite(y)
            colour = (INK, *SERIES[:2])[k % 3]
            axes.plot(when[keep], y[keep], color=colour, linewidth=1.1, label=plain(name))
            axes.plot(when[keep], y[keep], "o", ms=2.2, mew=0, color=colour)
        axes.set_ylabel(plain(ylabel))
        axes.grid(axis="y")
        locator = AutoDateLocator(minticks=3, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        if len(moisture) > 1:
            axes.legend(loc="upper right", ncol=len(moisture), labelcolor=INK)

    return draw_svg(PAGE_WIDTH, 4.2, paint)
