"""Bars: importances, score tables, counts in classes; every bar carries its value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .canvas import BLUE, INK, MUTED, PAGE_WIDTH, SERIES, draw_svg, legend_rows, numbers, plain, say_empty
from .tables import fmt

_BARS = 30


def bars(
    labels: Sequence[str],
    values: Any,
    errors: Any = None,
    xlabel: str = "",
    groups: Sequence[str] | None = None,
    title: str = "",
    sort: bool = True,
    digits: int = 3,
) -> str:
    """Return horizontal bars, largest on top, each with its value; of more than 30 the first 30.

    `errors` are half-widths (n) or distances down and up (2 x n); `groups` gives each bar the colour of its group.
    """
    data = numbers(values).ravel()
    spread = None if errors is None else np.broadcast_to(numbers(errors), (2, data.size))
    order = np.argsort(-np.where(np.isfinite(data), data, -np.inf), kind="stable") if sort else np.arange(data.size)
    order = order[:_BARS]
    kinds = [] if groups is None else list(dict.fromkeys(str(g) for g in groups))
    names = [_short(labels[i]) for i in order]
    width = 6.9 - 0.085 * max([len(name) for name in names] or [0])
    height = 0.29 * max(order.size, 2) + 0.75 + (0.35 if title else 0) + 0.3 * legend_rows(kinds, width)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if not np.isfinite(data).any():
            say_empty(axes)
            return
        rows = np.arange(order.size)
        colours = [SERIES[kinds.index(str(groups[i])) % len(SERIES)] if groups is not None else BLUE for i in order]
        axes.barh(rows, np.nan_to_num(data[order]), height=0.66, color=colours)
        low, high = np.nan_to_num(spread[:, order]) if spread is not None else np.zeros((2, order.size))
        if spread is not None:
            for colour, linewidth in (("white", 2.8), (INK, 1.1)):  # a pale edge, to be seen on dark bars too
                axes.hlines(rows, data[order] - low, data[order] + high, color=colour, linewidth=linewidth)
        axes.set_ylim(order.size - 0.4, -0.6)
        for row, i in zip(rows, order):
            value = data[i]
            if not np.isfinite(value):
                _beside(axes, 0.0, row, "no value", 1, MUTED)
                continue
            end = value + high[row] if value >= 0 else value - low[row]
            _beside(axes, end, row, fmt(value, digits), 1 if value >= 0 else -1, INK)
        axes.set_yticks(rows, [plain(name) for name in names], color=INK)
        axes.axvline(0, color="#9aa7b1", linewidth=0.8)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.12)
        axes.grid(axis="x")
        more = f"   (the first {order.size} of {data.size})" if order.size < data.size else ""
        axes.set_xlabel(plain(xlabel + more))
        _legend(axes, title, [SERIES[k % len(SERIES)] for k in range(len(kinds))], kinds, width)

    return draw_svg(PAGE_WIDTH * 0.84, height, paint)


def score_bars(
    designs: Sequence[str],
    models: Sequence[str],
    scores: Any,
    ylabel: str = "",
    baselines: Sequence[str] = (),
    errors: Any = None,
    title: str = "",
    digits: int = 2,
) -> str:
    """Return one group of bars per validation design: `scores` is (models x designs); `baselines` are drawn in grey."""
    data = numbers(scores).reshape(len(models), len(designs))
    spread = None if errors is None else numbers(errors).reshape(data.shape)
    greys = ("#aeb9c1", "#cdd5da", "#8d9aa5")
    colours, used = [], [0, 0]
    for model in models:
        grey = model in baselines
        colours.append(greys[used[1] % 3] if grey else SERIES[used[0] % len(SERIES)])
        used[grey] += 1

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if not np.isfinite(data).any():
            say_empty(axes)
            return
        width = 0.8 / len(models)
        many = data.size > 16
        for m in range(len(models)):
            at = np.arange(len(designs)) + (m - (len(models) - 1) / 2) * width
            axes.bar(at, np.nan_to_num(data[m]), width * 0.9, color=colours[m])
            for x, y, e in zip(at, data[m], spread[m] if spread is not None else np.zeros(len(designs))):
                reach = e if np.isfinite(e) else 0.0
                for colour, linewidth in (("white", 2.6), (INK, 1.0)) if reach else ():
                    axes.vlines(x, y - reach, y + reach, color=colour, linewidth=linewidth)
                down = np.isfinite(y) and y < 0
                end = (y - reach if down else y + reach) if np.isfinite(y) else 0.0
                axes.annotate(
                    fmt(y, digits),
                    (x, end),
                    (0, -4 if down else 4),
                    textcoords="offset points",
                    fontsize=7.5 if many else 8.5,
                    ha="center",
                    va="top" if down else "bottom",
                    rotation=90 if many else 0,
                    color=INK,
                )
        axes.set_xticks(range(len(designs)), [_wrapped(d, 20) for d in designs], color=INK)
        axes.tick_params(axis="x", length=0, pad=7)
        axes.axhline(0, color="#9aa7b1", linewidth=0.8)
        axes.spines["bottom"].set_visible(False)
        axes.margins(y=0.14)
        axes.grid(axis="y")
        axes.set_ylabel(plain(ylabel))
        _legend(axes, title, colours, models, 8.0)

    return draw_svg(PAGE_WIDTH, 3.6 + (0.25 if title else 0) + 0.22 * legend_rows(models, 8.0), paint)


def histogram_classes(
    labels: Sequence[str],
    counts_before: Any,
    counts_after: Any,
    names: tuple[str, str] = ("Before", "After"),
    xlabel: str = "",
    ylabel: str = "Stations",
    title: str = "",
) -> str:
    """Return the counts of two products in the same classes, side by side, each bar with its count."""
    before, after = (np.nan_to_num(numbers(c)).ravel() for c in (counts_before, counts_after))
    width = min(PAGE_WIDTH, 2.4 + 0.85 * len(labels))

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if before.sum() + after.sum() == 0:
            say_empty(axes, "No counts to show")
            return
        for shift, counts, colour in ((-0.2, before, "#aeb9c1"), (0.2, after, BLUE)):
            axes.bar(np.arange(len(labels)) + shift, counts, 0.37, color=colour)
            for x, count in enumerate(counts):
                axes.annotate(
                    fmt(int(count)),
                    (x + shift, count),
                    (0, 3),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    color=INK,
                )
        axes.set_xticks(range(len(labels)), [_wrapped(label, 14) for label in labels])
        axes.tick_params(axis="x", length=0, pad=6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(y=0.1)
        axes.set_xlabel(plain(xlabel))
        axes.set_ylabel(plain(ylabel))
        _legend(axes, title, ["#aeb9c1", BLUE], names, width - 1.0)

    return draw_svg(width, 3.3, paint)


def _beside(axes: Any, x: float, y: float, text: str, side: int, colour: str) -> None:
    """Write `text` just outside the end of a horizontal bar."""
    axes.annotate(
        text,
        (x, y),
        (5 * side, 0),
        textcoords="offset points",
        va="center",
        ha="left" if side > 0 else "right",
        color=colour,
    )


def _legend(axes: Any, title: str, colours: Sequence[str], names: Sequence[str], width: float) -> None:
    """Set the title and, between it and the axes, the legend in rows that fit into `width` inches."""
    from matplotlib.patches import Patch

    rows = legend_rows(names, width)
    axes.set_title(plain(title), pad=9 + 17 * rows)
    if rows:
        axes.legend(
            [Patch(facecolor=colour) for colour in colours],
            [plain(name) for name in names],
            loc="lower left",
            bbox_to_anchor=(-0.008, 1.0),
            ncol=-(-len(names) // rows),
            handlelength=0.9,
            handleheight=0.9,
            columnspacing=1.6,
            handletextpad=0.5,
            borderaxespad=0.2,
            labelcolor=INK,
        )


def _wrapped(text: object, width: int) -> str:
    import textwrap

    return "\n".join(plain(line) for line in textwrap.wrap(str(text), width)) or " "


def _short(text: object, longest: int = 38) -> str:
    """Return text that leaves room for the bars: the middle of a long name makes way for an ellipsis."""
    name = str(text)
    return name if len(name) <= longest else f"{name[: longest - 13].rstrip()} … {name[-10:].lstrip()}"
