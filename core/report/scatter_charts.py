"""Charts of one quantity against another: points while they can be told apart, hexagons of counts beyond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .canvas import AMBER, GAP, INK, PAGE_WIDTH, colour_map, draw_svg, numbers, plain, say_empty, tidy_bar
from .tables import fmt

_POINTS = 2000  # more are drawn as hexagons
_DENSE = 60  # fewer have no density worth a colour
_VECTOR_POINTS = 400  # more are drawn as an image inside the SVG


def scatter_density(
    observed: Any,
    predicted: Any,
    xlabel: str = "Observed",
    ylabel: str = "Predicted",
    title: str = "",
    unit: str = "",
    digits: int = 3,
) -> str:
    """Return predicted against observed, coloured by density, with the 1:1 line and n, R, RMSE and bias."""
    x, y = _pairs(observed, predicted)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(plain(title))
        if not x.size:
            say_empty(axes, "No valid pairs to show")
            return
        limits = _limits(np.concatenate([x, y]))
        drawn = _cloud(axes, x, y, (*limits, *limits))
        _one_to_one(axes, limits)
        axes.set_xlabel(_with_unit(xlabel, unit))
        axes.set_ylabel(_with_unit(ylabel, unit))
        _corner(axes, _scores(x, y, digits))
        if x.size > _POINTS:
            bar = figure.colorbar(
                drawn, ax=axes, shrink=0.6, aspect=20, pad=0.03, format=lambda count, _: fmt(round(count))
            )
            bar.ax.minorticks_off()
            tidy_bar(bar, "Pairs per cell")

    height = (4.6 if x.size else 1.2) + (0.3 if title else 0.0)
    return draw_svg(5.6 if x.size > _POINTS else 4.8, height, paint)


def scatter_pair(
    panels: Sequence[tuple[str, Any, Any]],
    xlabel: str | Sequence[str] = "Observed",
    ylabel: str = "Predicted",
    unit: str = "",
    line: str = "one to one",
    digits: int = 3,
) -> str:
    """Return panels (title, x, y) side by side, wrapped after three.

    `line` "one to one": all axes share their limits and carry the 1:1 line (before / after). "median": each
    panel has its own x (give one `xlabel` each), all share y, and the line is the running median of y with
    its quartiles (factor against target).
    """
    pairs = [_pairs(x, y) for _, x, y in panels]
    xlabels = [xlabel] * len(panels) if isinstance(xlabel, str) else list(xlabel)
    columns = max(1, min(3, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    width = PAGE_WIDTH * (0.78 if columns == 2 else 0.5 if columns == 1 else 1.0)
    parts = [part for pair in pairs for part in (pair if line == "one to one" else pair[1:])]
    shared = _limits(np.concatenate(parts)) if parts else (0.0, 1.0)

    def paint(figure: Any) -> None:
        grid = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        if not panels:
            say_empty(grid[0])
        for k, ((title, _, _), (x, y), axes) in enumerate(zip(panels, pairs, grid)):
            axes.set_title(plain(title))
            if not x.size:
                say_empty(axes, "No valid pairs to show")
                continue
            own = shared if line == "one to one" else _limits(x)
            _cloud(axes, x, y, (*own, *shared))
            if line == "one to one":
                _one_to_one(axes, shared)
                _corner(axes, _scores(x, y, digits))
            else:
                _running_median(axes, x, y)
                _corner(axes, f"n {fmt(x.size)}{GAP}R {fmt(_r(x, y), 2)}")
            axes.set_xlabel(_with_unit(xlabels[k] if k < len(xlabels) else "", unit if line == "one to one" else ""))
            if k % columns == 0:
                axes.set_ylabel(_with_unit(ylabel, unit))
            else:
                axes.tick_params(labelleft=False)

    panel = width / columns
    return draw_svg(width, rows * (panel * (1.0 if line == "one to one" else 0.86) + 0.35), paint)


def _pairs(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = (numbers(a).ravel() for a in (x, y))
    valid = np.isfinite(x) & np.isfinite(y)
    return x[valid], y[valid]


def _limits(values: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    pad = 0.05 * (high - low) or 0.05 * abs(low) or 0.5
    return low - pad, high + pad


def _cloud(axes: Any, x: np.ndarray, y: np.ndarray, extent: tuple[float, float, float, float]) -> Any:
    from matplotlib.colors import LogNorm

    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.grid()
    if x.size > _POINTS:
        drawn = axes.hexbin(
            x,
            y,
            gridsize=55,
            extent=extent,
            mincnt=1,
            cmap=colour_map("density"),
            linewidths=0.1,
            rasterized=True,
        )
        drawn.set_norm(LogNorm(1, max(2, float(drawn.get_array().max()))))
        return drawn
    density = _density(x, y, extent) if x.size >= _DENSE else np.ones(x.size)
    order = np.argsort(density, kind="stable")
    size = 26 if x.size < _DENSE else 14 if x.size < 400 else 8
    return axes.scatter(
        x[order],
        y[order],
        c=density[order],
        s=size,
        cmap=colour_map("density"),
        vmin=0 if x.size < _DENSE else None,
        vmax=2 if x.size < _DENSE else None,
        alpha=0.85,
        linewidths=0,
        rasterized=x.size > _VECTOR_POINTS,
    )


def _density(x: np.ndarray, y: np.ndarray, extent: tuple[float, float, float, float], bins: int = 40) -> np.ndarray:
    """Count the points around each point: a 2-D histogram smoothed over 3 x 3 bins."""
    i = np.clip(((x - extent[0]) / (extent[1] - extent[0]) * bins).astype(int), 0, bins - 1)
    j = np.clip(((y - extent[2]) / (extent[3] - extent[2]) * bins).astype(int), 0, bins - 1)
    counts = np.zeros((bins + 2, bins + 2))
    np.add.at(counts, (i + 1, j + 1), 1.0)
    smooth = sum(counts[a : a + bins, b : b + bins] for a in range(3) for b in range(3))
    return np.asarray(smooth)[i, j]


def _one_to_one(axes: Any, limits: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.plot(limits, limits, color=INK, linewidth=0.9, dashes=(5, 4), zorder=3)
    axes.set_aspect("equal")
    ticks = [t for t in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(*limits) if limits[0] <= t <= limits[1]]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xlim(limits)
    axes.set_ylim(limits)


def _running_median(axes: Any, x: np.ndarray, y: np.ndarray) -> None:
    groups = min(20, x.size // 15)
    if groups < 3:
        return
    parts = np.array_split(np.argsort(x, kind="stable"), groups)
    middle = [float(np.median(x[p])) for p in parts]
    q25, q50, q75 = (np.array([np.percentile(y[p], q) for p in parts]) for q in (25, 50, 75))
    axes.fill_between(middle, q25, q75, color=AMBER, alpha=0.25, linewidth=0, zorder=3)
    axes.plot(middle, q50, color=AMBER, linewidth=2.2, zorder=4)


def _r(x: np.ndarray, y: np.ndarray) -> float:
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _scores(x: np.ndarray, y: np.ndarray, digits: int) -> str:
    rmse, bias = float(np.sqrt(np.mean((y - x) ** 2))), float(np.mean(y - x))
    return f"n {fmt(x.size)}\nR {fmt(_r(x, y), 2)}\nRMSE {fmt(rmse, digits)}\nbias {fmt(bias, digits)}"


def _corner(axes: Any, text: str) -> None:
    axes.text(
        0.035,
        0.965,
        text,
        transform=axes.transAxes,
        va="top",
        fontsize=9,
        linespacing=1.45,
        color=INK,
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.82, "edgecolor": "none", "pad": 2.5},
    )


def _with_unit(label: str, unit: str) -> str:
    return plain(f"{label} ({unit})" if unit and label else label or unit)
