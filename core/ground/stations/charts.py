"""Figures of a station import: which months have values at which station, and how values are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...report.canvas import BLUE, MUTED, PAGE_WIDTH, draw_svg, plain, say_empty, tidy_bar
from .importing import CLASSES, StationSummary

_MOST_STATIONS = 60
_MONTH = "datetime64[M]"


def coverage_chart(stations: Sequence[StationSummary]) -> str:
    """A row per station, a column per month, dark where values are many; of more than 60 stations the first 60."""
    shown = [station for station in stations if len(station.months)][:_MOST_STATIONS]
    first = min((station.months[0] for station in shown), default=np.datetime64("2000-01", "M"))
    last = max((station.months[-1] for station in shown), default=first)
    count = int((last - first).astype(int)) + 1
    share = np.full((len(shown), count), np.nan)
    for row, station in zip(share, shown):
        row[(station.months - first).astype(int)] = station.per_month
    most = np.nanmax(share) if shown else 1.0
    roomy = len(shown) <= 30

    def paint(figure: Any) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        axes = figure.subplots()
        if not shown:
            say_empty(axes)
            return
        cmap = LinearSegmentedColormap.from_list("share", ["#dbe8f1", BLUE]).with_extremes(bad="white")
        image = axes.imshow(
            share, aspect="auto", cmap=cmap, vmin=0, vmax=most, interpolation="nearest",
            extent=(0, count, len(shown), 0),
        )  # fmt: skip
        axes.set_yticks(
            np.arange(len(shown)) + 0.5, [plain(station.name)[:28] for station in shown], fontsize=8 if roomy else 6.5
        )
        axes.tick_params(axis="y", length=0)
        months = first + np.arange(count)
        years = [k for k in range(count) if int(months[k].astype(int)) % 12 == 0]
        if len(years) >= 2:
            step = -(-len(years) // 14)
            axes.set_xticks(years[::step], [str(months[k])[:4] for k in years[::step]])
        else:
            step = -(-count // 12)
            axes.set_xticks(
                np.arange(0, count, step) + 0.5, [str(months[k]) for k in range(0, count, step)], fontsize=8
            )
        for edge in np.arange(1, len(shown)):
            axes.axhline(edge, color="white", linewidth=1.5)
        for spine in axes.spines.values():
            spine.set_visible(False)
        tidy_bar(
            figure.colorbar(
                image,
                ax=axes,
                pad=0.02,
                shrink=min(1.0, 14 / max(1, len(shown))),
                aspect=max(8, 3 * min(14, len(shown))),
            ),
            "Values in the month",
        )

    return draw_svg(PAGE_WIDTH, max(1.6, 0.8 + (0.2 if roomy else 0.13) * len(shown)), paint)


def value_histogram(counts: Any) -> str:
    """Bars of all values in classes of 0.02 m3/m3."""
    known = np.flatnonzero(counts)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if not len(known):
            say_empty(axes)
            return
        share = 100 * np.asarray(counts) / max(1, np.sum(counts))
        axes.bar(
            CLASSES[:-1], share, CLASSES[1] - CLASSES[0], align="edge", color=BLUE, edgecolor="white", linewidth=0.6
        )
        axes.set_xlim(max(0.0, CLASSES[known[0]] - 0.04), min(1.0, CLASSES[known[-1]] + 0.06))
        axes.set(xlabel="Soil moisture (m³/m³)", ylabel="Values (%)")
        axes.grid(axis="y")
        axes.tick_params(axis="y", length=0, labelcolor=MUTED)

    return draw_svg(PAGE_WIDTH * 0.75, 2.9, paint)
