"""Charts over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .canvas import INK, PAGE_WIDTH, SERIES, draw_svg, legend_rows, numbers, plain, say_empty


@dataclass
class SeriesPanel:
    """One panel: `lines` map names to values on `dates`, `points` to such values or to (dates, values)."""

    title: str
    dates: Sequence[Any]
    lines: Mapping[str, Any] = field(default_factory=dict)
    points: Mapping[str, Any] = field(default_factory=dict)


def series(
    dates: Sequence[Any],
    lines: Mapping[str, Any],
    points: Mapping[str, Any] | None = None,
    ylabel: str = "",
    title: str = "",
) -> str:
    """Return lines over time, named at their ends; NaN and missing periods are gaps.

    `dates` are dates, datetime64 or ISO text; `points` (name -> values, or a pair of own dates and values) are
    observations.
    """
    return _draw([SeriesPanel(title, dates, lines, points or {})], ylabel, columns=1, height=3.5)


def series_panels(panels: Sequence[SeriesPanel], ylabel: str = "", limit: int = 12) -> str:
    """Return the first `limit` panels (stations), small, in two columns with shared axes and one legend."""
    return _draw(list(panels)[:limit], ylabel, columns=2 if len(panels) > 1 else 1, height=1.9)


def _draw(panels: list[SeriesPanel], ylabel: str, columns: int, height: float) -> str:
    lines = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    dots = list(dict.fromkeys(name for panel in panels for name in panel.points))
    # Observations are ink: they are what everything else is measured against.
    free = [c for c in SERIES if c != INK] if dots else list(SERIES)
    colours = {name: free[k % len(free)] for k, name in enumerate(lines + dots[1:])}
    colours.update(dict.fromkeys(dots[:1], INK))
    rows = max(1, -(-len(panels) // columns))

    def paint(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes in grid[max(1, len(panels)) :]:
            axes.set_axis_off()
        if not panels:
            say_empty(grid[0])
        shown = [_panel(axes, panel, colours) for axes, panel in zip(grid, panels)]
        for k, (axes, panel, ends) in enumerate(zip(grid, panels, shown)):
            axes.set_title(plain(panel.title), fontsize=10.5 if len(panels) == 1 else 9.5)
            if ends is None:
                say_empty(axes)
                continue
            _time_axis(axes)
            if k % columns == 0:
                axes.set_ylabel(plain(ylabel))
            if k + columns >= len(panels):
                axes.tick_params(labelbottom=True)
            if len(panels) == 1 and not dots and len(lines) <= 5:
                _name_at_end(axes, ends, colours)
        if (len(panels) > 1 or dots or len(lines) > 5) and any(ends is not None for ends in shown):
            _legend(figure, lines, dots, colours)

    return draw_svg(PAGE_WIDTH, rows * height + (0.5 if len(panels) > 1 else 0.0), paint)


def _panel(axes: Any, panel: SeriesPanel, colours: Mapping[str, str]) -> dict[str, tuple[Any, float]] | None:
    """Draw one panel; return the last valid point of every line, or None if there is nothing to draw."""
    ends: dict[str, tuple[Any, float]] = {}
    drawn = False
    for name, values in panel.lines.items():
        t, v = _prepared(panel.dates, values)
        if not np.isfinite(v).any():
            continue
        axes.plot(t, v, color=colours[name], zorder=2)
        alone = np.isfinite(v) & ~np.isfinite(np.roll(v, 1)) & ~np.isfinite(np.roll(v, -1))
        if alone.any():
            axes.plot(t[alone], v[alone], ".", ms=4, mew=0, color=colours[name], zorder=2)
        last = int(np.flatnonzero(np.isfinite(v))[-1])
        ends[name] = (t[last], float(v[last]))
        drawn = True
    for name, given in panel.points.items():
        dates, values = given if isinstance(given, tuple) else (panel.dates, given)
        t, v = _times(dates), numbers(values)
        valid = np.isfinite(v) & ~np.isnat(t)
        if valid.any():
            many = int(valid.sum()) > 400
            axes.plot(
                t[valid],
                v[valid],
                "o",
                ms=2.2 if many else 3.6,
                mew=0,
                color=colours[name],
                zorder=3,
                rasterized=many,
            )
            drawn = True
    return ends if drawn else None


def _times(dates: Sequence[Any]) -> np.ndarray:
    plain_dates = [d.replace(tzinfo=None) if isinstance(d, dt.datetime) else d for d in dates]
    return np.asarray(plain_dates, dtype="datetime64[s]")


def _prepared(dates: Sequence[Any], values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted times and values with a NaN set into every pause longer than 2.5 usual steps."""
    t, v = _times(dates), numbers(values).ravel()
    order = np.argsort(t, kind="stable")
    t, v = t[order], v[order]
    t, v = t[~np.isnat(t)], v[~np.isnat(t)]
    if t.size < 3:
        return t, v
    steps = np.diff(t).astype(float)
    pauses = np.flatnonzero(steps > 2.5 * max(float(np.median(steps)), 1.0))
    return np.insert(t, pauses + 1, t[pauses] + np.timedelta64(1, "s")), np.insert(v, pauses + 1, np.nan)


def _time_axis(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.grid(axis="y")
    axes.margins(x=0.01, y=0.08)


def _name_at_end(axes: Any, ends: Mapping[str, tuple[Any, float]], colours: Mapping[str, str]) -> None:
    """Write each line's name at its end, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    gap = 0.075 * (high - low)
    ordered = sorted(ends, key=lambda name: ends[name][1])
    heights: list[float] = []
    for name in ordered:
        heights.append(max(heights[-1] + gap, ends[name][1]) if heights else ends[name][1])
    shift = float(np.mean([ends[name][1] for name in ordered])) - float(np.mean(heights)) if ordered else 0.0
    for name, at in zip(ordered, heights):
        axes.annotate(
            plain(name),
            (1.0, at + shift),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=colours[name],
            fontweight="bold",
            annotation_clip=False,
        )


def _legend(figure: Any, lines: Sequence[str], dots: Sequence[str], colours: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colours[n], linewidth=2) for n in lines]
    handles += [Line2D([], [], color=colours[n], marker="o", ms=4, mew=0, linestyle="none") for n in dots]
    names = [plain(n) for n in (*lines, *dots)]
    rows = legend_rows(names, PAGE_WIDTH - 0.6)
    figure.suptitle("\n".join([" "] * rows), fontsize=11)  # keeps the room above the panels free
    figure.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0),
        ncol=-(-len(names) // rows),
        handlelength=1.4,
        columnspacing=1.8,
    )
