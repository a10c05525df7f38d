"""Charts: they survive any input, are deterministic, and show the numbers they were given."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.report import charts
from soilmoisture.core.report.canvas import colour_map
from soilmoisture.core.report.map_parts import spread, thinned
from soilmoisture.core.report.scatter_charts import _running_median
from soilmoisture.core.report.series_charts import _prepared

NAN = float("nan")


def _labels(values: Any) -> list[str]:
    return [f"a${i} <&>" for i in range(len(values))]


def _dates(values: Any) -> list[dt.date]:
    return [dt.date(2021, 1, 1) + dt.timedelta(days=i) for i in range(len(values))]


OF_VECTORS: dict[str, Callable[[Any], str]] = {
    "scatter_density": lambda v: charts.scatter_density(v, v, title="t", unit="m³/m³"),
    "scatter_pair": lambda v: charts.scatter_pair([("before", v, v), ("after", v, v)]),
    "scatter_pair_median": lambda v: charts.scatter_pair([("t", v, v)] * 4, ["x"] * 4, line="median"),
    "bars": lambda v: charts.bars(_labels(v), v, errors=np.full(len(v), 0.1), groups=_labels(v), title="t"),
    "score_bars": lambda v: charts.score_bars(_labels(v), ["m", "mean"], [v, v], baselines=["mean"], errors=[v, v]),
    "score_bars_models": lambda v: charts.score_bars(["d"], _labels(v), np.asarray(v, dtype=float)[:, None]),
    "histogram_classes": lambda v: charts.histogram_classes(_labels(v), np.abs(np.asarray(v, dtype=float)), v),
    "difference_ci": lambda v: charts.difference_ci(_labels(v), v, [NAN] * len(v), v, better="negative"),
    "series": lambda v: charts.series(_dates(v), {"a": v, "b": v}, title="t"),
    "series_panels": lambda v: charts.series_panels([charts.SeriesPanel("p", _dates(v), {"a": v}, {"o": v})] * 3),
    "station_map": lambda v: charts.station_map(v, v, v, labels=_labels(v)),
    "station_map_degrees": lambda v: charts.station_map(v, v, v, diverging=False, geographic=True),
}
VECTORS: dict[str, list[float]] = {
    "empty": [],
    "one": [0.2],
    "all NaN": [NAN] * 4,
    "constant": [0.25] * 4,
    "zeros": [0.0] * 3,
    "some infinite": [1.0, np.inf, -np.inf, NAN, 2.0],
    "huge": [1e12, -1e12, 3e12],
}
OF_ARRAYS: dict[str, Callable[[Any], str]] = {
    "maps": lambda a: charts.maps([a, a], ["coarse", "fine"], cell_sizes=[(9000, 9000), (9000, 9000)]),
    "difference_map": lambda a: charts.difference_map(a, "d"),
    "quality_map": lambda a: charts.quality_map(a, {0: ("zero", "#2b7bba"), 1: ("one", "#c9822b")}, "q", (30, 30)),
    "heatmap": lambda a: charts.heatmap(a[: len(a), : len(a)], _labels(a), target="a$0 <&>"),
}
ARRAYS: dict[str, np.ndarray] = {
    "empty": np.zeros((0, 0)),
    "one": np.array([[0.2]]),
    "all NaN": np.full((3, 3), NAN),
    "constant": np.full((3, 3), 0.25),
    "some infinite": np.array([[1.0, np.inf], [NAN, -2.0]]),
    "masked": np.ma.masked_less(np.arange(9.0).reshape(3, 3), 4),
    "whole numbers": np.arange(9).reshape(3, 3),
}


def _words(svg: str) -> str:
    return " | ".join("".join(element.itertext()) for element in ET.fromstring(svg).findall(".//{*}text"))


def _whole(chart: Callable[[], str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = chart()
    assert svg.startswith("<svg ") and svg.endswith("</svg>")
    ET.fromstring(svg)  # well-formed
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", svg))


@pytest.mark.parametrize("values", VECTORS.values(), ids=VECTORS)
@pytest.mark.parametrize("chart", OF_VECTORS.values(), ids=OF_VECTORS)
def test_charts_of_numbers_survive(chart: Callable[[Any], str], values: list[float]) -> None:
    _whole(lambda: chart(values))


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("chart", OF_ARRAYS.values(), ids=OF_ARRAYS)
def test_charts_of_arrays_survive(chart: Callable[[Any], str], array: np.ndarray) -> None:
    _whole(lambda: chart(array))


def test_no_panels_at_all() -> None:
    for chart in (
        lambda: charts.maps([], []),
        lambda: charts.scatter_pair([]),
        lambda: charts.series_panels([]),
        lambda: charts.series([], {}),
        lambda: charts.score_bars([], [], []),
    ):
        _whole(chart)


@pytest.mark.parametrize("name", ["scatter_density", "series", "station_map", "score_bars"])
def test_same_input_same_text(name: str) -> None:
    values = [0.1, 0.2, NAN, 0.4]
    assert OF_VECTORS[name](values) == OF_VECTORS[name](values)
    assert OF_ARRAYS["maps"](np.eye(3)) == OF_ARRAYS["maps"](np.eye(3))


def test_charts_drawn_in_threads_are_the_same(tmp_path: Path) -> None:
    alone = OF_ARRAYS["maps"](np.eye(3))
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: OF_ARRAYS["maps"](np.eye(3)), range(8))) == {alone}


def test_pyplot_is_never_imported_and_settings_are_put_back() -> None:
    code = (
        "import sys, importlib.util as u\n"
        "m = u.module_from_spec(u.spec_from_loader('soilmoisture', None, is_package=True))\n"
        f"m.__path__ = [{str(Path(__file__).parents[3])!r}]; sys.modules['soilmoisture'] = m\n"
        "from soilmoisture.core.report import charts\n"
        "assert 'matplotlib' not in sys.modules, 'imported before it is needed'\n"
        "import matplotlib; before = matplotlib.rcParams.copy()\n"
        "charts.series(['2021-01-01', '2021-01-02'], {'a': [1, 2]}); charts.maps([[[1.0]]], ['m'])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert dict(before) == dict(matplotlib.rcParams.copy())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_corner_tells_n_r_rmse_and_bias() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.5, 50)
    y = 0.8 * x + 0.05 + rng.normal(0, 0.02, 50)
    squares = total = 0.0
    for a, b in zip(x, y):
        squares += (b - a) ** 2
        total += b - a
    words = _words(charts.scatter_density(np.append(x, NAN), np.append(y, 1.0)))
    assert "n 50" in words
    assert f"RMSE {(squares / 50) ** 0.5:.3f}" in words
    assert f"bias {total / 50:.3f}".replace("-", "−") in words
    assert f"R {np.corrcoef(x, y)[0, 1]:.2f}" in words


def test_a_million_points_stay_small() -> None:
    x = np.random.default_rng(0).normal(size=1_000_000)
    svg = charts.scatter_density(x, x + 1)
    assert len(svg) < 400_000
    assert "n 1,000,000" in _words(svg)


def test_large_maps_are_thinned_and_keep_their_place() -> None:
    array = np.zeros((2000, 1000))
    array[1000:] = 1.0
    small = thinned(array)
    assert max(small.shape) <= 700
    assert abs(small.mean() - 0.5) < 0.002
    assert len(charts.maps([np.random.default_rng(0).random((4000, 4000))], ["x"])) < 4_000_000


def test_the_colour_scale_leaves_out_the_outermost_two_percent() -> None:
    values = np.arange(101.0).reshape(1, 101)
    assert spread([values], None) == (2.0, 98.0)
    assert spread([values, values + 100], None) == (2.0, 198.0)
    assert spread([values], (0.0, 1.0)) == (0.0, 1.0)


def _lightness(colour: tuple[float, ...]) -> float:
    """CIE L* of an sRGB colour, after IEC 61966-2-1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * (y ** (1 / 3) if y > 0.008856 else 7.787 * y + 16 / 116) - 16


def test_wetter_is_always_darker() -> None:
    scale = colour_map("soil moisture")
    light = [_lightness(scale(t)) for t in np.linspace(0, 1, 64)]
    assert all(a > b for a, b in zip(light, light[1:]))
    assert light[0] - light[-1] > 50


def test_the_difference_scale_is_lightest_at_zero_and_even_on_both_sides() -> None:
    scale = colour_map("diverging")
    light = [_lightness(scale(t)) for t in np.linspace(0, 1, 65)]
    assert int(np.argmax(light)) == 32
    assert abs(light[0] - light[-1]) < 6


def test_bars_are_sorted_and_say_how_many_were_left_out() -> None:
    words = _words(charts.bars([f"f{i}" for i in range(40)], np.arange(40.0), xlabel="gain"))
    assert words.index("f39") < words.index("f38") < words.index("f10")
    assert "f9 " not in words
    assert "gain (the first 30 of 40)" in words


def test_the_target_comes_first_in_the_heatmap_and_values_follow_it() -> None:
    matrix = np.array([[1.0, 0.11, 0.22], [0.11, 1.0, 0.33], [0.22, 0.33, 1.0]])
    words = _words(charts.heatmap(matrix, ["b", "c", "sm"], target="sm")).split(" | ")
    printed = [w for w in words if w in ("0.11", "0.22", "0.33", "1.00")][:9]
    assert printed == ["1.00", "0.22", "0.33", "0.22", "1.00", "0.11", "0.33", "0.11", "1.00"]
    assert "0.22" not in _words(charts.heatmap(np.full((17, 17), 0.22), [str(i) for i in range(17)]))


def test_shares_in_the_quality_map() -> None:
    codes = np.array([[0, 0, 1, 255], [0, 1, 7, 255]])
    words = _words(charts.quality_map(codes, {0: ("fine", "#fff"), 1: ("far", "#000")}, missing=255))
    assert "fine 60.0 %" in words.replace("\u2002", " ") and "far 40.0 %" in words.replace("\u2002", " ")
    assert "no value" in words


def test_intervals_are_coloured_by_their_side_of_zero() -> None:
    from soilmoisture.core.report.canvas import AMBER, BLUE

    def drawn(low: float, high: float, better: str) -> str:
        return charts.difference_ci(["a"], [(low + high) / 2], [low], [high], better=better)

    assert BLUE in drawn(0.1, 0.2, "positive") and AMBER not in drawn(0.1, 0.2, "positive")
    assert AMBER in drawn(0.1, 0.2, "negative") and BLUE not in drawn(0.1, 0.2, "negative")
    assert BLUE not in drawn(-0.1, 0.2, "positive") and AMBER not in drawn(-0.1, 0.2, "positive")


def test_pauses_become_gaps_and_dates_are_sorted() -> None:
    days = ["2021-01-03", "2021-01-01", "2021-01-02", "2021-02-01", "2021-02-02"]
    times, values = _prepared(days, [3.0, 1.0, 2.0, 4.0, 5.0])
    assert np.array_equal(values, [1.0, 2.0, 3.0, NAN, 4.0, 5.0], equal_nan=True)
    assert (np.diff(times).astype(int) > 0).all()


def test_the_running_median_is_the_median() -> None:
    class Axes:
        def fill_between(self, *args: Any, **kwargs: Any) -> None: ...

        def plot(self, x: Any, y: Any, **kwargs: Any) -> None:
            self.x, self.y = x, y

    rng = np.random.default_rng(1)
    x, y = rng.random(300), rng.random(300)
    axes = Axes()
    _running_median(axes, x, y)
    pairs = sorted(zip(x, y))
    assert len(axes.x) == 20
    for k in range(20):  # 300 points in 20 groups of 15: the median is the eighth
        group = pairs[15 * k : 15 * (k + 1)]
        assert axes.x[k] == sorted(a for a, _ in group)[7]
        assert axes.y[k] == sorted(b for _, b in group)[7]


def test_text_takes_the_type_of_the_page() -> None:
    texts = ET.fromstring(charts.bars(["a"], [1.0], title="Bold")).findall(".//{*}text")
    styles = [text.get("style", "") for text in texts]
    assert len(styles) > 3 and all("font-size" in style for style in styles)
    assert not any("family" in style or "font:" in style for style in styles)
    assert any("font-weight" in style for style in styles)


def test_names_are_drawn_as_they_stand() -> None:
    assert "cost $5 and $x_1$" in _words(charts.bars(["cost $5 and $x_1$"], [1.0]))


def test_picture_is_a_png_written_whole(tmp_path: Path) -> None:
    charts.picture(tmp_path / "p.png", [np.eye(4)], ["x"])
    first = (tmp_path / "p.png").read_bytes()
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    charts.picture(tmp_path / "p.png", [np.eye(4)], ["x"])
    assert (tmp_path / "p.png").read_bytes() == first
    with pytest.raises(KeyError):
        charts.picture(tmp_path / "q.png", [np.eye(4)], ["x"], colours="none such")
    assert [p.name for p in tmp_path.iterdir()] == ["p.png"]
