"""Charts of how a product agrees with measurements: Taylor and target diagram, parts of the error, scores by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .canvas import (
    AMBER,
    BLUE,
    GAP,
    INK,
    MUTED,
    PAGE_WIDTH,
    RULE,
    SOIL,
    draw_svg,
    legend_rows,
    numbers,
    plain,
    say_empty,
)
from .tables import fmt

# The product first, its sources after it.
COLOURS = (BLUE, AMBER, "#93a1ac", "#4c9a5b", SOIL, INK)


@dataclass(frozen=True)
class Cloud:
    """One source: pooled scores (a large mark) and those of its stations (small dots), as multiples of the standard
    deviation of the measurements: `deviation` is that of the source, `bias` and `error` (centred) are errors."""

    name: str
    r: float
    deviation: float
    bias: float
    error: float
    station_r: Any = ()
    station_deviation: Any = ()
    station_bias: Any = ()
    station_error: Any = ()


def taylor_and_target(clouds: Sequence[Cloud]) -> str:
    """Return a Taylor diagram (2001, doi:10.1029/2000JD900719) beside a target diagram (Jolliff et al. 2009,
    doi:10.1016/j.jmarsys.2008.05.014), the measurements at 1 on the axis and at the centre."""
    shown = [cloud for cloud in clouds if np.isfinite([cloud.r, cloud.deviation, cloud.bias, cloud.error]).all()]

    def paint(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        if not shown:
            for axes in (left, right):
                say_empty(axes)
            return
        _taylor(left, shown)
        _target(right, shown)
        handles, labels = right.get_legend_handles_labels()
        figure.suptitle(" ", fontsize=11)  # keeps the room above the panels free
        figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncol=len(labels), labelcolor=INK)

    return draw_svg(PAGE_WIDTH, 4.9, paint)


def error_parts(names: Sequence[str], bias: Any, variance: Any, correlation: Any, unit: str = "m³/m³") -> str:
    """Return the mean squared error of every source as a bar of its three parts, and its root beside it."""
    parts = np.stack([numbers(part).ravel() for part in (bias, variance, correlation)])
    total = parts.sum(axis=0)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if not np.isfinite(total).any():
            say_empty(axes)
            return
        left = np.zeros(total.size)
        kinds = (("Bias: level", SOIL), ("Variance: amplitude", AMBER), ("Correlation: timing and noise", BLUE))
        rows = np.arange(total.size)
        for part, (label, colour) in zip(np.nan_to_num(parts) * 1000, kinds):
            axes.barh(rows, part, left=left, height=0.55, color=colour, label=label)
            left += part
        for row, value in enumerate(total):
            if np.isfinite(value):
                text = f"RMSE {fmt(float(np.sqrt(value)))}"
                axes.annotate(text, (left[row], row), (6, 0), textcoords="offset points", va="center", color=INK)
        _rows(axes, names)
        axes.set_xlim(0, 1.22 * float(left.max()) or 1)
        axes.set_xlabel(plain(f"Mean squared error (10⁻³ ({unit})²)"))
        _legend(axes)

    return draw_svg(PAGE_WIDTH * 0.92, 0.42 * max(len(names), 1) + 1.25, paint)


def score_dots(
    labels: Sequence[str],
    sources: Sequence[str],
    values: Any,
    lows: Any = None,
    highs: Any = None,
    xlabel: str = "R",
    chance: float | None = 0.0,
    counts: Sequence[str] | None = None,
) -> str:
    """Return scores (labels x sources) as dots on one line per label, the sources below each other, with intervals.

    `counts` stand at the right of each line; `chance` is a line that scores should leave behind.
    """
    centre = np.atleast_2d(numbers(values)).reshape(len(labels), len(sources))
    low, high = (
        np.full(centre.shape, np.nan) if ends is None else np.atleast_2d(numbers(ends)).reshape(centre.shape)
        for ends in (lows, highs)
    )
    spread = 0.22 * (np.arange(len(sources)) - (len(sources) - 1) / 2)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if not np.isfinite(centre).any():
            say_empty(axes)
            return
        for row in range(1, len(labels)):
            axes.axhline(row - 0.5, color=RULE, linewidth=0.6, zorder=0)
        if chance is not None:
            axes.axvline(chance, color=INK, linewidth=1.0, zorder=1)
        for k, source in enumerate(sources):
            colour, rows = COLOURS[k % len(COLOURS)], np.arange(len(labels)) + spread[k]
            drawn = np.isfinite(low[:, k]) & np.isfinite(high[:, k])
            axes.hlines(rows[drawn], low[drawn, k], high[drawn, k], color=colour, linewidth=2.0, alpha=0.75, zorder=2)
            axes.plot(centre[:, k], rows, "o", ms=7, mew=1.2, mec="white", color=colour, label=plain(source), zorder=3)
        for row, text in enumerate(counts or ()):
            axes.annotate(
                plain(text), (1.01, row), xycoords=("axes fraction", "data"), va="center", color=MUTED, fontsize=8.5
            )
        _rows(axes, labels)
        axes.grid(axis="x")
        axes.set_xlabel(plain(xlabel))
        if len(sources) > 1:
            _legend(axes)

    legend = 0.25 * legend_rows(sources, PAGE_WIDTH * 0.9) if len(sources) > 1 else 0.0
    height = max(0.4, 0.17 * len(sources) + 0.16) * max(len(labels), 1) + 0.75 + legend
    return draw_svg(PAGE_WIDTH * 0.95, height, paint)


def _legend(axes: Any) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncol=3, borderaxespad=0.2, labelcolor=INK)


def _rows(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [plain(name) for name in names], color=INK)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _taylor(axes: Any, clouds: Sequence[Cloud]) -> None:
    """Drawn in plain axes: x is deviation times R, y is deviation times its root of 1 - R²."""
    radii = [_known(cloud.station_deviation, cloud.station_r)[0] for cloud in clouds]
    every = np.concatenate([*radii, [cloud.deviation for cloud in clouds]])
    # A few wild stations must not squeeze all others into a corner.
    reach = float(np.clip(1.1 * np.quantile(every, 0.95), 1.3, 3.0))
    lowest = [
        np.quantile(_known(cloud.station_r, cloud.station_r)[0], 0.05) for cloud in clouds if len(cloud.station_r)
    ]
    negative = min([*(cloud.r for cloud in clouds), *lowest]) < -0.05
    start = -reach if negative else 0.0
    angle = np.linspace(0, np.pi if negative else np.pi / 2, 181)
    for radius in np.arange(0.5, reach, 0.5):
        style = {"color": INK, "linewidth": 1.0, "dashes": (4, 3)} if radius == 1 else {"color": RULE, "linewidth": 0.8}
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), zorder=0, **style)
    axes.plot(reach * np.cos(angle), reach * np.sin(angle), color="#9aa7b1", linewidth=0.8)
    for error in (0.5, 1.0):
        ring = np.linspace(0, np.pi, 181)
        x, y = 1 + error * np.cos(ring), error * np.sin(ring)
        inside = (np.hypot(x, y) <= reach) & (x >= start)
        axes.plot(np.where(inside, x, np.nan), y, color=AMBER, linewidth=0.8, zorder=0)
        at = (1 - 0.94 * error, 0.34 * error)
        axes.annotate(f"{error:g}", at, color=AMBER, fontsize=8, ha="center", va="center", backgroundcolor="white")
    marks = [0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99]
    for mark in [*marks, *(-m for m in marks[:5] if negative), *([0.0] if negative else [])]:
        end = np.array([mark, np.sqrt(1 - mark**2)]) * reach
        axes.plot([0, end[0]], [0, end[1]], color=RULE, linewidth=0.6, zorder=0)
        axes.annotate(
            fmt(mark, 2 if abs(mark) > 0.9 else 1),
            end * 1.05,
            ha="center",
            va="center",
            fontsize=8,
            color=MUTED,
            annotation_clip=False,
        )
    for k, cloud in enumerate(clouds):
        deviation, r = _known(cloud.station_deviation, cloud.station_r)
        seen = deviation <= reach
        _dots(axes, (deviation * r)[seen], (deviation * np.sqrt(1 - r**2))[seen], k)
    for k, cloud in enumerate(clouds):
        _mark(axes, cloud.deviation * cloud.r, cloud.deviation * np.sqrt(max(0.0, 1 - cloud.r**2)), k, cloud.name)
    axes.plot([1], [0], "*", ms=13, mew=0, color=INK, clip_on=False, zorder=6)
    axes.set_aspect("equal")
    axes.set_xlim(start, reach * 1.1)
    axes.set_ylim(0, reach * 1.1)
    axes.set_title("Taylor: pattern")
    axes.set_xlabel("Standard deviation (measured: 1)")
    if not negative:
        axes.set_ylabel("Standard deviation")


def _target(axes: Any, clouds: Sequence[Cloud]) -> None:
    """x is the centred error, negative where the source varies too little; y is the bias."""
    every = [np.abs([cloud.error, cloud.bias]) for cloud in clouds]
    for cloud in clouds:
        every += [np.abs(part) for part in _known(cloud.station_error, cloud.station_bias)]
    reach = float(np.clip(1.1 * np.quantile(np.concatenate(every), 0.95), 1.3, 4.0))
    axes.axhline(0, color=RULE, linewidth=0.8, zorder=0)
    axes.axvline(0, color=RULE, linewidth=0.8, zorder=0)
    ring = np.linspace(0, 2 * np.pi, 241)
    for radius in (0.5, 1.0, 2.0, 3.0):
        if radius < reach * 1.3:
            style = {"color": INK, "dashes": (4, 3)} if radius == 1 else {"color": RULE}
            axes.plot(radius * np.cos(ring), radius * np.sin(ring), linewidth=1.0, zorder=0, **style)
    for k, cloud in enumerate(clouds):
        error, bias = _known(cloud.station_error, cloud.station_bias)
        signed = np.where(_known(cloud.station_deviation, cloud.station_error)[0] < 1, -error, error)
        seen = (np.abs(signed) <= reach) & (np.abs(bias) <= reach)
        _dots(axes, signed[seen], bias[seen], k)
    for k, cloud in enumerate(clouds):
        _mark(axes, -cloud.error if cloud.deviation < 1 else cloud.error, cloud.bias, k, cloud.name)
    axes.plot([0], [0], "*", ms=13, mew=0, color=INK, zorder=6, label="Measured")
    axes.set_aspect("equal")
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_title("Target: size of the error")
    axes.set_xlabel(f"← too little variation{GAP}ubRMSE{GAP}too much →")
    axes.set_ylabel(f"← too dry{GAP}bias{GAP}too wet →")


def _known(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b = numbers(first).ravel(), numbers(second).ravel()
    good = np.isfinite(a) & np.isfinite(b)
    return a[good], b[good]


def _dots(axes: Any, x: np.ndarray, y: np.ndarray, k: int) -> None:
    axes.plot(x, y, "o", ms=3.4, mew=0, alpha=0.4, color=COLOURS[k % len(COLOURS)], zorder=2, rasterized=x.size > 400)


def _mark(axes: Any, x: float, y: float, k: int, name: str) -> None:
    shape = "os^DvP"[k % 6]
    axes.plot(
        [x], [y], shape, ms=10, mew=1.5, mec="white", color=COLOURS[k % len(COLOURS)], zorder=5, label=plain(name)
    )
