"""The sheet every chart is drawn on: palette, type, colour maps, and the way to SVG text or a PNG file.

Only matplotlib's object-oriented API is used: pyplot keeps global state and wants the main thread, and
reports are drawn in background threads.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import whole_file

INK, BLUE, GREEN, SOIL, AMBER, LIGHT = "#24323f", "#2b7bba", "#4c9a5b", "#8a5a33", "#c9822b", "#eef3f6"
MUTED, RULE, MASK = "#5f6f7c", "#d5dde3", "#cfd5d9"
GAP = "\u2002"  # SVG folds several spaces into one
# Neighbours differ in lightness as well as hue: they stay apart for colour-blind readers and in grey print.
SERIES = (BLUE, AMBER, INK, "#86bb91", SOIL, "#9dc3e0", "#e5bd8c", "#93a1ac")
FONTS = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"

PAGE_WIDTH = 9.17  # inches: the 880 px between the margins of the page
RASTER_DPI = 192  # twice the density of the screen

_SOIL_MOISTURE = ("#e9c48d", "#d9ba7c", "#b6b480", "#7dab94", "#4592a8", "#26709f", "#1c4d86", "#172c5e")
_DIVERGING = ("#6f431f", "#a8733f", "#d9b48c", "#f5f3ef", "#a9cbe3", "#4a8fc4", "#1b5288")
_DENSITY = ("#c3daea", "#7fb2d6", "#2b7bba", "#1e527f", "#152c45")

_STYLE: dict[str, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so measures are the same everywhere
    "font.size": 9.5,
    "text.color": INK,
    "text.usetex": False,
    "axes.unicode_minus": True,
    "axes.facecolor": "none",
    "axes.edgecolor": "#9aa7b1",
    "axes.linewidth": 0.8,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.labelpad": 6.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#e3e9ed",
    "grid.linewidth": 0.8,
    "xtick.color": "#9aa7b1",
    "ytick.color": "#9aa7b1",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0.0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "figure.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.wspace": 0.055,
    "figure.constrained_layout.hspace": 0.06,
    "savefig.facecolor": "auto",
    "image.composite_image": True,
    "path.simplify": True,
    # Text stays text: it takes the type of the page, can be searched, and is crisp on paper.
    "svg.fonttype": "none",
    "svg.hashsalt": "soilmoisture",
    "svg.image_inline": True,
}
# Style and salt live in process-wide settings of matplotlib: one chart at a time, then they are put back.
_LOCK = threading.Lock()


def draw_svg(width: float, height: float, paint: Callable[[Any], None]) -> str:
    """Return `paint(figure)` as SVG to stand inside HTML, `width` x `height` inches; same input, same text."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    _draw(width, height, paint, buffer, format="svg", dpi=RASTER_DPI, metadata=nothing)
    return _inline(buffer.getvalue(), width, height)


def draw_png(path: str | Path, width: float, height: float, paint: Callable[[Any], None], dpi: int = 160) -> None:
    """Write `paint(figure)` as a PNG file of `width` x `height` inches, whole or not at all."""
    buffer = io.BytesIO()
    _draw(width, height, paint, buffer, format="png", dpi=dpi, metadata={"Software": None})
    with whole_file(path) as work:
        work.write_bytes(buffer.getvalue())


def plain(text: object) -> str:
    """Return text that matplotlib draws as it stands: one line, and a dollar sign starts no formula."""
    printable = "".join(c for c in " ".join(str(text).split()) if c.isprintable())
    return printable.replace("$", r"\$")


def numbers(values: Any) -> np.ndarray:
    """Return a float array in which all that is masked, None or infinite is NaN."""
    data = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
    return np.where(np.isfinite(data), data, np.nan)


def colour_map(name: str) -> Any:
    """Return "soil moisture" (dry tan to wet blue, ever darker), "diverging" (brown, white, blue) or "density"."""
    from matplotlib.colors import LinearSegmentedColormap

    colours: Sequence[str] = {"soil moisture": _SOIL_MOISTURE, "diverging": _DIVERGING, "density": _DENSITY}[name]
    return LinearSegmentedColormap.from_list(name, colours).with_extremes(bad=MASK)


def legend_rows(names: Sequence[str], width: float) -> int:
    """Return how many rows a legend of these names needs to fit into `width` inches."""
    if not names:
        return 0
    widths = [0.45 + 0.08 * len(str(name)) for name in names]
    return 1 if sum(widths) <= width else -(-len(names) // max(1, int(width / max(widths))))


def say_empty(axes: Any, text: str = "No valid values to show") -> None:
    """Turn `axes` into a quiet note instead of an empty frame."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, plain(text), transform=axes.transAxes, ha="center", va="center", color=MUTED)


def readable_on(colour: Any) -> str:
    """Return white or ink, whichever reads better on an RGB(A) colour of components 0-1."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.24 else INK


def tidy_bar(bar: Any, label: str) -> None:
    """Give a colour bar the quiet look of the page."""
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, pad=4, which="both")
    bar.set_label(plain(label))


def _draw(width: float, height: float, paint: Callable[[Any], None], buffer: Any, **options: Any) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    with _LOCK, matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Letters that DejaVu Sans lacks are drawn by the page's own fonts; matplotlib need not warn about them.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*missing from.*")
        warnings.filterwarnings("ignore", message=".*constrained_layout not applied.*")
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        figure.savefig(buffer, **options)


def _inline(svg: str, width: float, height: float) -> str:
    """Strip what only a file of its own needs, and let the text take the fonts of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    # A style element inside a page would speak to the whole page: its rule becomes attributes that are inherited.
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.S)
    svg = re.sub(r"font: ((?:bold |\d{3} )?)([\d.]+px) [^;\"]*", _font, svg)
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", svg)
    svg = re.sub(r"font-family: [^;\"]*(; )?", "", svg)  # how newer versions of matplotlib write it
    box = re.search(r'viewBox="[^"]*"', svg)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
        f'width="{round(width * 96)}" height="{round(height * 96)}" {box.group(0) if box else ""} '
        f'font-family="{FONTS}" stroke-linejoin="round" stroke-linecap="butt">'
    )
    return head + svg[svg.index(">") + 1 :].strip()


def _font(match: re.Match[str]) -> str:
    weight = match.group(1).strip()
    return (f"font-weight: {weight}; " if weight else "") + f"font-size: {match.group(2)}"
