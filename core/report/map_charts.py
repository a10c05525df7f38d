"""Maps in reports: values beside each other on one colour scale, differences, quality classes, stations.

Arrays are north-up, NaN where there is no value. `cell_sizes` are (dx, dy) in metres on the ground.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

import numpy as np

from .canvas import (
    GAP,
    INK,
    MASK,
    MUTED,
    PAGE_WIDTH,
    colour_map,
    draw_png,
    draw_svg,
    numbers,
    plain,
    say_empty,
)
from .map_parts import colour_bar, draw_map, panel_size, scale_bar, spread, thinned, two_d
from .tables import fmt


def maps(
    arrays: Sequence[Any],
    titles: Sequence[str],
    unit: str = "m³/m³",
    cell_sizes: Sequence[tuple[float, float]] | None = None,
    limits: tuple[float, float] | None = None,
    label: str = "Soil moisture",
    colours: str = "soil moisture",
) -> str:
    """Return 2-D arrays of one area (coarse, fine, truth) as maps on one colour scale.

    The scale runs over the 2-98 % range of all arrays unless `limits` are given. Without `cell_sizes` the
    arrays are taken to cover the same ground with square cells.
    """
    width, height, paint = _maps(arrays, titles, cell_sizes, spread(arrays, limits), _with_unit(label, unit), colours)
    return draw_svg(width, height, paint)


def picture(
    path: str | Path,
    arrays: Sequence[Any],
    titles: Sequence[str],
    unit: str = "m³/m³",
    cell_sizes: Sequence[tuple[float, float]] | None = None,
    limits: tuple[float, float] | None = None,
    label: str = "Soil moisture",
    colours: str = "soil moisture",
) -> None:
    """Write what `maps` draws as a PNG file."""
    width, height, paint = _maps(arrays, titles, cell_sizes, spread(arrays, limits), _with_unit(label, unit), colours)
    draw_png(path, width, height, paint)


def difference_map(
    arrays: Any,
    titles: Sequence[str] | str = "",
    unit: str = "m³/m³",
    cell_sizes: Sequence[tuple[float, float]] | None = None,
    limit: float | None = None,
    label: str = "Difference",
) -> str:
    """Return one or several difference or residual arrays, brown below 0 and blue above, on one scale
    symmetric about 0.

    The scale ends at the 98 % quantile of the absolute values unless `limit` is given. Each title is followed
    by the mean and standard deviation.
    """
    many = [arrays] if isinstance(arrays, np.ndarray) and arrays.ndim == 2 else list(arrays)
    names = [titles] * len(many) if isinstance(titles, str) else list(titles)
    if limit is None:
        limit = spread([np.abs(thinned(a)) for a in many], None)[1]
    notes = []
    for a in many:
        known = numbers(a)
        known = known[np.isfinite(known)]
        notes.append(f"mean {fmt(known.mean())}, SD {fmt(known.std())}" if known.size else "")
    width, height, paint = _maps(many, names, cell_sizes, (-limit, limit), _with_unit(label, unit), "diverging", notes)
    return draw_svg(width, height, paint)


def quality_map(
    codes: Any,
    classes: Mapping[int, tuple[str, str]],
    title: str = "",
    cell_size: tuple[float, float] | None = None,
    missing: int | None = None,
) -> str:
    """Return a map of classes {code: (label, colour)} with a legend that gives the share of each class.

    Cells with `missing` or a code that is not listed are grey and do not count.
    """
    values = two_d(codes)
    # A masked sum over nothing is "masked", not 0: filled before counting.
    counts = [int(np.ma.filled(values == code, False).sum()) if code != missing else 0 for code in classes]
    shown = thinned(values)
    small = np.full(shown.shape, np.nan)
    for k, code in enumerate(classes):
        if code != missing:
            small[shown == code] = k
    legend_width = 1.3 + 0.078 * max([len(name) for name, _ in classes.values()] or [0])
    width, height = panel_size([values.shape], [cell_size] if cell_size else None, 1)
    room = max(2.5, min(5.6, PAGE_WIDTH - legend_width))
    width, height = min(width, room), height * min(width, room) / width

    def paint(figure: Any) -> None:
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch

        axes = figure.subplots()
        axes.set_title(plain(title))
        if not sum(counts):
            say_empty(axes)
            return
        palette = ListedColormap([colour for _, colour in classes.values()]).with_extremes(bad=MASK)
        draw_map(axes, small, values.shape, cell_size, cmap=palette, vmin=-0.5, vmax=len(classes) - 0.5)
        if cell_size:
            scale_bar(axes, values.shape, cell_size)
        total = sum(counts)
        names = [f"{plain(name)}{GAP}{fmt(100 * c / total, 1)} %" for (name, _), c in zip(classes.values(), counts)]
        handles = [Patch(facecolor=colour) for _, colour in classes.values()]
        if total < values.size:
            handles.append(Patch(facecolor=MASK))
            names.append("no value")
        axes.legend(
            handles,
            names,
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
            borderaxespad=0,
            handlelength=1.1,
            handleheight=1.1,
            labelspacing=0.75,
            labelcolor=INK,
        )

    return draw_svg(min(PAGE_WIDTH, width + legend_width), height + 0.75, paint)


def _maps(
    arrays: Sequence[Any],
    titles: Sequence[str],
    cell_sizes: Sequence[tuple[float, float]] | None,
    limits: tuple[float, float],
    label: str,
    colours: str,
    notes: Sequence[str] = (),
) -> tuple[float, float, Callable[[Any], None]]:
    shapes = [two_d(a).shape for a in arrays]
    small_arrays = [thinned(a) for a in arrays]
    columns = max(1, min(3, len(shapes)))
    if len(shapes) == 4:
        columns = 4 if panel_size(shapes[:1], cell_sizes, 1)[1] > 5.0 else 2
    rows = max(1, -(-len(shapes) // columns))
    width, height = panel_size(shapes, cell_sizes, columns)

    def paint(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        axes_list = grid.ravel()
        drawn = None
        for axes in axes_list[len(shapes) :]:
            axes.set_axis_off()
        for k, (axes, small) in enumerate(zip(axes_list, small_arrays)):
            size = cell_sizes[k] if cell_sizes is not None and k < len(cell_sizes) else None
            note = " · ".join(part for part in (_cell_label(size), notes[k] if k < len(notes) else "") if part)
            axes.set_title(plain(titles[k]) if k < len(titles) else "", pad=21 if note else 8)
            if note:
                axes.annotate(
                    plain(note),
                    (0, 1),
                    (0, 6),
                    xycoords="axes fraction",
                    textcoords="offset points",
                    color=MUTED,
                    fontsize=9,
                )
            if not np.isfinite(small).any():
                say_empty(axes)
                continue
            drawn = draw_map(axes, small, shapes[k], size, colour_map(colours), *limits)
            if k == 0 and size is not None:
                scale_bar(axes, shapes[k], size)
        if drawn is not None:
            colour_bar(figure, drawn, grid, label, limits, small_arrays, rows * height)

    return columns * width + 1.1, rows * (height + 0.76) + 0.15, paint


def _cell_label(size: tuple[float, float] | None) -> str:
    if size is None:
        return ""
    metres = math.sqrt(abs(size[0] * size[1]))
    # EASE-Grid cells of 9.008 km are 9 km cells to everybody.
    size_text = (
        f"{round(metres / 1000, 1):g} km" if metres >= 950 else f"{metres:.0f} m" if metres >= 10 else f"{metres:.2g} m"
    )
    return f"{size_text} cells"


def _with_unit(label: str, unit: str) -> str:
    return f"{label} ({unit})" if label and unit else label or unit
