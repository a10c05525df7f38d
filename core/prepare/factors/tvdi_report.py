"""The part of the page that shows the edges of TVDI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...report import Figure, Section, Table, Text, fmt
from ...report.canvas import AMBER, BLUE, INK, MUTED, PAGE_WIDTH, colour_map, draw_svg, plain, say_empty, tidy_bar
from .common import label_of
from .tvdi import LAPSE_RATE, SLOPED, Edges, TvdiOptions


def tvdi_section(edges: Sequence[Edges], options: TvdiOptions, elevation: bool) -> Section:
    """What TVDI means, the scatter of some periods with their edges, and the edges of all."""
    wet = "a line through the cold ends" if options.wet_edge == SLOPED else "the median of the cold ends"
    lapse = (
        f" Temperatures were raised by {LAPSE_RATE:g} K per metre of elevation, as if all land lay at sea level."
        if elevation
        else " Temperatures are not corrected for elevation: in mountains give an elevation layer."
    )
    text = (
        "TVDI is 0 on the wet and 1 on the dry edge of its own scene. The edges change with the extent, the date and "
        "the clouds, so values of different dates or areas are not on one scale: compare patterns, not levels.\n\n"
        f"Each NDVI bin of {options.bin_width:g} with 50 pixels or more gives a warm and a cold end, the percentiles "
        f"{100 - options.edge_percent:g} and {options.edge_percent:g} of its temperatures. The dry edge is the "
        "Theil-Sen line through the warm ends on the side where they fall with NDVI; the wet edge is "
        f"{wet}. Pixels of NDVI below 0 stay empty; between 0 and {options.ndvi_from:g} the edges are prolonged.{lapse}"
    )
    drawn = [one for one in edges if one.density is not None]
    table = Table(
        [
            "Period",
            "Pixels",
            "Bins",
            "Dry edge at NDVI 0 (K)",
            "Dry edge slope (K)",
            "RMSE (K)",
            "Wet edge (K)",
            "Remark",
        ],
        [
            [
                label_of(one.period),
                one.pixels,
                one.bins or None,
                one.dry[0],
                one.dry[1],
                one.rmse,
                one.wet[0],
                one.reason or ("" if not one.wet[1] else f"wet edge slope {one.wet[1]:.2f} K"),
            ]
            for one in edges
        ],
        "Edges of each period: temperature = value at NDVI 0 + slope x NDVI. RMSE is that of the dry edge at its bins.",
        digits=[0, 0, 0, 2, 2, 2, 2, 0],
    )
    blocks: list[Any] = [Text(text)]
    if drawn:
        blocks.append(
            Figure(
                edge_chart(drawn),
                "Pixels by NDVI and surface temperature, darker where there are more. Amber: warm ends and dry edge; "
                "blue: cold ends and wet edge; hollow points were not used for the dry edge.",
                "Scatter of NDVI and surface temperature with the edges of TVDI",
            )
        )
    return Section("Edges of TVDI", [*blocks, table])


def edge_chart(many: Sequence[Edges]) -> str:
    """Return the density of NDVI and temperature of some periods with their edges, two panels in a row."""
    columns = 2 if len(many) > 1 else 1
    rows = -(-len(many) // columns)

    def paint(figure: Any) -> None:
        from matplotlib.colors import LogNorm

        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid[len(many) :]:
            axes.set_axis_off()
        top = max(2.0, *(float(one.density.max()) for one in many if one.density is not None))
        drawn = None
        for k, (axes, one) in enumerate(zip(grid, many)):
            axes.set_title(plain(label_of(one.period)))
            if one.density is None:
                say_empty(axes)
                continue
            left, right, low, high = one.extent
            drawn = axes.imshow(
                np.where(one.density > 0, one.density, np.nan).T,
                origin="lower",
                extent=(left, right, low, high),
                aspect="auto",
                cmap=colour_map("density").with_extremes(bad="none"),
                norm=LogNorm(1, top),
                interpolation="nearest",
            )
            _draw_edges(axes, one)
            axes.set_xlim(left, right)
            axes.set_xlabel("NDVI")
            if k % columns == 0:
                axes.set_ylabel("Surface temperature (K)")
        if drawn is not None:
            bar = figure.colorbar(drawn, ax=grid.tolist(), shrink=0.6, aspect=20, pad=0.02, format="{x:,.0f}")
            bar.ax.minorticks_off()
            tidy_bar(bar, "Pixels")

    return draw_svg(PAGE_WIDTH if columns == 2 else 0.66 * PAGE_WIDTH, rows * 3.5, paint)


def _draw_edges(axes: Any, one: Edges) -> None:
    ndvi, warm, cold, used = one.points.T if len(one.points) else np.zeros((4, 0))
    dry = used > 0
    axes.plot(ndvi[dry], warm[dry], "o", ms=3.2, color=AMBER, mew=0)
    axes.plot(ndvi[~dry], warm[~dry], "o", ms=3.2, mfc="white", mec=AMBER, mew=0.8)
    axes.plot(ndvi, cold, "o", ms=3.2, color=BLUE, mew=0)
    if not one.fitted:
        axes.text(0.03, 0.04, "no edges", transform=axes.transAxes, color=MUTED)
        return
    ends = np.array([0.0, float(ndvi.max())])
    for (intercept, slope), colour in ((one.dry, AMBER), (one.wet, BLUE)):
        axes.plot(ends, intercept + slope * ends, color="white", linewidth=3.4)
        axes.plot(ends, intercept + slope * ends, color=colour, linewidth=1.8)
    axes.text(
        0.97,
        0.96,
        f"dry {fmt(one.dry[0], 1)} {fmt(one.dry[1], 1, signed=True)} NDVI\nRMSE {fmt(one.rmse, 2)} K",
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=9,
        color=INK,
        bbox={"facecolor": "white", "alpha": 0.82, "edgecolor": "none", "pad": 2.5},
    )


def edge_data(one: Edges) -> dict[str, Any]:
    """The edges of a period for programs."""
    return {
        "period": one.period.label if one.period else None,
        "fitted": one.fitted,
        "reason": one.reason,
        "pixels": one.pixels,
        "bins": one.bins,
        "dry_intercept": one.dry[0],
        "dry_slope": one.dry[1],
        "wet_intercept": one.wet[0],
        "wet_slope": one.wet[1],
        "rmse": one.rmse if math.isfinite(one.rmse) else None,
    }
