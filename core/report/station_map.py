"""Stations on a map, coloured by a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .canvas import INK, colour_map, draw_svg, numbers, plain, say_empty
from .map_parts import colour_bar, frame, spread
from .tables import MINUS

_NAMED = 25  # stations; the names of more would cover the map


def station_map(
    x: Any,
    y: Any,
    values: Any,
    label: str = "Score",
    labels: Sequence[str] | None = None,
    diverging: bool = True,
    geographic: bool = False,
    title: str = "",
) -> str:
    """Return stations coloured by a score: `diverging` about 0 (a gain), or light to dark (R).

    x and y are in metres, or in degrees if `geographic`. Stations without a score are hollow. Up to 25 `labels` are
    written.
    """
    px, py, score = (numbers(a).ravel() for a in (x, y, values))
    placed = np.isfinite(px) & np.isfinite(py)
    px, py, score = px[placed], py[placed], score[placed]
    names = [str(n) for n, keep in zip(labels, placed) if keep] if labels is not None else []
    stretch = (
        1 / max(0.05, math.cos(math.radians(float(np.clip(py.mean(), -89, 89))))) if geographic and py.size else 1.0
    )
    box = _box(px, py, stretch)
    ratio = float(np.clip(stretch * (box[3] - box[2]) / (box[1] - box[0]), 0.35, 1.3))
    width = min(5.4, 5.0 / ratio)
    limits = spread([np.abs(score)], None) if diverging else spread([score], None)
    limits = (-limits[1], limits[1]) if diverging else limits

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(plain(title))
        if not px.size:
            say_empty(axes, "No stations to show")
            return
        axes.set(xlim=box[:2], ylim=box[2:])
        axes.set_aspect(stretch, adjustable="box")
        frame(axes)
        axes.tick_params(length=3, labelbottom=True, labelleft=True, bottom=True, left=True)
        axes.locator_params(nbins=5)
        axes.set(
            xlabel="Longitude (°)" if geographic else "x (km)",
            ylabel="Latitude (°)" if geographic else "y (km)",
        )
        if not geographic:
            axes.xaxis.set_major_formatter(lambda metres, _: f"{metres / 1000:,.10g}".replace("-", MINUS))
            axes.yaxis.set_major_formatter(lambda metres, _: f"{metres / 1000:,.10g}".replace("-", MINUS))
        known = np.isfinite(score)
        axes.scatter(px[~known], py[~known], s=46, facecolors="white", edgecolors="#8d9aa5", linewidths=1.1, zorder=3)
        drawn = axes.scatter(
            px[known],
            py[known],
            c=score[known],
            s=60,
            edgecolors=INK,
            linewidths=0.8,
            zorder=4,
            vmin=limits[0],
            vmax=limits[1],
            cmap=colour_map("diverging" if diverging else "density"),
        )
        if 0 < len(names) <= _NAMED:
            inches = np.column_stack(
                [(px - box[0]) / (box[1] - box[0]) * width, (py - box[2]) / (box[3] - box[2]) * width * ratio]
            )
            _name_stations(axes, px, py, names, inches, width)
        if known.any():
            colour_bar(figure, drawn, axes, label, limits, [score[known]], width * ratio)

    return draw_svg(width + 1.95, width * ratio + (1.05 if title else 0.75), paint)


def _name_stations(
    axes: Any, px: np.ndarray, py: np.ndarray, names: Sequence[str], inches: np.ndarray, width: float
) -> None:
    """Write each name right, left, above or below its point: where it covers neither a point nor another name."""
    taken = [(x - 0.07, y - 0.07, x + 0.07, y + 0.07) for x, y in inches]
    for i, name in enumerate(names):
        (x, y), long = inches[i], 0.082 * len(name)
        places = {
            (7, 0, "left", "center"): (x + 0.08, y - 0.07, x + 0.08 + long, y + 0.07),
            (-7, 0, "right", "center"): (x - 0.08 - long, y - 0.07, x - 0.08, y + 0.07),
            (0, 7, "center", "bottom"): (x - long / 2, y + 0.08, x + long / 2, y + 0.22),
            (0, -7, "center", "top"): (x - long / 2, y - 0.22, x + long / 2, y - 0.08),
        }
        others = taken[:i] + taken[i + 1 :]

        def cost(b: tuple[float, float, float, float], others: Any = others) -> float:
            hits = sum(b[0] < o[2] and o[0] < b[2] and b[1] < o[3] and o[1] < b[3] for o in others)
            return hits + 2.0 * (b[0] < 0 or b[2] > width)

        place = min(places, key=lambda p: cost(places[p]))
        taken.append(places[place])
        axes.annotate(
            plain(name),
            (px[i], py[i]),
            place[:2],
            textcoords="offset points",
            ha=place[2],
            va=place[3],
            fontsize=8.5,
            color=INK,
            zorder=5,
        )


def _box(x: np.ndarray, y: np.ndarray, stretch: float) -> tuple[float, float, float, float]:
    """Return (xmin, xmax, ymin, ymax) around all points with a margin, never flatter than 1 : 3."""
    if not x.size:
        return 0.0, 1.0, 0.0, 1.0
    wide, high = float(np.ptp(x)), float(np.ptp(y)) * stretch
    side = max(wide, high) or max(abs(float(x[0])), abs(float(y[0]))) * 1e-3 or 1.0
    half_x = 0.5 * max(wide, side / 3) + 0.1 * side
    half_y = (0.5 * max(high, side / 3) + 0.1 * side) / stretch
    mid_x, mid_y = float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2
    return mid_x - half_x, mid_x + half_x, mid_y - half_y, mid_y + half_y
