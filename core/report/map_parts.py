"""What all maps share: arrays small enough for a page, colour limits, size, frame, scale bar, colour bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .canvas import INK, MUTED, PAGE_WIDTH, RULE, numbers, tidy_bar

_LARGEST = 700  # pixels of a side that a page can show


def two_d(a: Any) -> np.ndarray:
    """Return `a` with two dimensions (rows, columns), not copied: a fine map can be large."""
    raw = a if isinstance(a, np.ndarray) else np.asarray(a, dtype=float)
    return raw if raw.ndim == 2 else np.atleast_2d(np.squeeze(raw))


def thinned(a: Any) -> np.ndarray:
    """Return every n-th cell as floats, so that neither side has more than 700: a page shows no more."""
    values = two_d(a)
    step = max(1, *(-(-n // _LARGEST) for n in values.shape))
    return numbers(values[step // 2 :: step, step // 2 :: step])


def spread(arrays: Sequence[Any], limits: tuple[float, float] | None) -> tuple[float, float]:
    """Return the 2-98 % range of all values; every array counts the same, however fine."""
    if limits is not None:
        return limits
    ends = [np.nanpercentile(small, (2, 98)) for small in map(thinned, arrays) if np.isfinite(small).any()]
    if not ends:
        return 0.0, 1.0
    low, high = float(min(e[0] for e in ends)), float(max(e[1] for e in ends))
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low, high
    pad = 0.05 * abs(low) or 0.5
    return low - pad, high + pad


def frame(axes: Any) -> None:
    """Draw a thin line around a map and no ticks."""
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(RULE)
    axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)


def colour_bar(
    figure: Any,
    drawn: Any,
    axes: Any,
    label: str,
    limits: tuple[float, float],
    arrays: Sequence[np.ndarray],
    height: float,
) -> None:
    """Add one colour bar beside panels of `height` inches; its end is pointed where values lie beyond the scale."""
    from matplotlib.ticker import MaxNLocator

    known = [a[np.isfinite(a)] for a in arrays]
    below = any(k.size and k.min() < limits[0] for k in known)
    above = any(k.size and k.max() > limits[1] for k in known)
    extend = "both" if below and above else "min" if below else "max" if above else "neither"
    length = min(0.85 * height, 3.6)
    bar = figure.colorbar(
        drawn,
        ax=axes,
        extend=extend,
        extendfrac=0.03,
        shrink=length / height,
        aspect=max(8.0, length / 0.13),
        pad=0.025,
        ticks=MaxNLocator(max(3, min(7, int(length / 0.35))), steps=[1, 2, 2.5, 5, 10]),
    )
    tidy_bar(bar, label)


def panel_size(
    shapes: Sequence[tuple[int, ...]], cell_sizes: Sequence[tuple[float, float]] | None, columns: int
) -> tuple[float, float]:
    """Return width and height in inches that give the panels the shape of the area."""
    rows, cols = shapes[0] if shapes else (1, 1)
    dx, dy = cell_sizes[0] if cell_sizes else (1.0, 1.0)
    ratio = min(4.0, max(0.2, max(rows, 1) * abs(dy) / (max(cols, 1) * abs(dx))))
    panel_rows = -(-len(shapes) // columns) if shapes else 1
    width = min((PAGE_WIDTH - 1.1) / columns, 5.6, 5.4 / ratio, (8.4 / panel_rows - 0.6) / ratio)
    width = max(width, 1.3)
    return width, width * ratio


def draw_map(
    axes: Any,
    small: np.ndarray,
    shape: tuple[int, ...],
    size: tuple[float, float] | None,
    cmap: Any,
    vmin: float,
    vmax: float,
) -> Any:
    """Draw `small`, which stands for an array of `shape` with cells of `size`; return the image."""
    dx, dy = size or (1.0, 1.0)
    extent = (0.0, shape[1] * abs(dx), 0.0, shape[0] * abs(dy))
    frame(axes)
    axes.set_anchor("W")
    return axes.imshow(small, extent=extent, cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest", aspect="equal")


def scale_bar(axes: Any, shape: tuple[int, ...], size: tuple[float, float]) -> None:
    """Draw a round length, about a quarter of the width, below the map."""
    from matplotlib.transforms import offset_copy

    extent = shape[1] * abs(size[0])
    power = 10.0 ** math.floor(math.log10(0.3 * extent))
    length = max(step for step in (power, 2 * power, 5 * power) if step <= 0.3 * extent)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    share = length / extent
    below = offset_copy(axes.transAxes, axes.figure, y=-10, units="points")
    axes.plot([0, share], [0, 0], transform=below, color=INK, linewidth=2, clip_on=False, solid_capstyle="butt")
    axes.annotate(
        text,
        (share, 0),
        (6, -10),
        xycoords="axes fraction",
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=MUTED,
    )
