"""Charts of agreement are well-formed, name what they show, and survive missing values."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from soilmoisture.core.report.agreement_charts import Cloud, error_parts, score_dots, taylor_and_target

NAN = math.nan


def words(svg):
    root = ElementTree.fromstring(svg)
    return " ".join("".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text"))


def cloud(name="map", r=0.8, deviation=0.9, bias=0.2, error=0.6, stations=30):
    rng = np.random.default_rng(1)
    return Cloud(
        name, r, deviation, bias, error, rng.uniform(0.2, 0.95, stations), *rng.uniform(0.3, 1.4, (3, stations))
    )


def test_taylor_and_target_name_their_sources():
    text = words(taylor_and_target([cloud(), cloud("source", 0.5)]))
    for word in ("map", "source", "Measured", "Taylor", "Target", "ubRMSE", "0.95"):
        assert word in text
    assert "\u22120.2" not in text  # no negative half without negative R
    assert "−0.4" in words(taylor_and_target([cloud(r=-0.4)]))


@pytest.mark.parametrize(
    "clouds",
    [
        [],
        [cloud(r=NAN)],
        [Cloud("alone", 0.5, 1.0, 0.0, 1.0)],
        [Cloud("wild", 0.5, 1.0, 0.0, 1.0, [NAN, 0.3], [50.0, NAN], [NAN, 1e6], [1.0, 2.0])],
    ],
)
def test_taylor_and_target_take_anything(clouds):
    assert words(taylor_and_target(clouds))


def test_the_product_stands_where_its_scores_say():
    """The mark of a perfect product lies on the star: their drawn places are the same."""
    import re

    svg = taylor_and_target([Cloud("p", 1.0, 1.0, 0.0, 0.0)])
    uses = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*style="fill: (#\w+)', svg)
    blue = {(x, y) for x, y, colour in uses if colour == "#2b7bba"}
    star = {(x, y) for x, y, colour in uses if colour == "#24323f"}
    assert len(blue & star) == 2  # once in each panel


def test_parts_of_the_error_show_their_root():
    text = words(error_parts(["map", "source"], [0.0004, 0.0], [0.0003, NAN], [0.0002, 0.001]))
    assert "RMSE 0.030" in text and "map" in text and "Bias: level" in text
    assert words(error_parts([], [], [], [])) and words(error_parts(["a"], [NAN], [NAN], [NAN]))


def test_dots_have_labels_sources_and_counts():
    values = [[0.5, 0.4], [NAN, 0.3]]
    text = words(score_dots(["JJA", "DJF"], ["map", "source"], values, values, values, counts=["12 pairs", "3 pairs"]))
    for word in ("JJA", "DJF", "map", "source", "12 pairs"):
        assert word in text
    assert "No valid values" in words(score_dots(["a"], ["b"], [[NAN]]))
    assert words(score_dots([], [], []))
