"""What the page of a downscaling run says of its optional layers, and when it is not to be reassuring."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from soilmoisture.core.downscale.downscale import Downscaling, PeriodResult
from soilmoisture.core.downscale.downscale_report import downscale_report
from soilmoisture.core.downscale.trust import TrustFacts
from soilmoisture.core.model.conformal import Calibration
from soilmoisture.core.model.forest import ForestPredictor
from soilmoisture.core.model.form import CONTRASTS, VALUES, Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.model.reach import cannot_extrapolate
from soilmoisture.core.model.stacked import StackedPredictor
from soilmoisture.core.model.uncertainty import CONSTANT
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.report import Report, render_html

LINE = LinearPredictor(np.zeros(1), 0.0)
TREE = ForestPredictor(
    np.array([0, 1]),
    np.array([-1], np.int32),
    np.zeros(1, np.float32),
    np.array([-1], np.int32),
    np.array([-1], np.int32),
    np.zeros(1),
    1,
)
ASKED = TrustFacts(0.5, CONSTANT, Calibration(0.8, 1.0, (0.0, 0.0), 0.8, 0.81, 0.7, 0.9, 1.0, 0.05, 0.06))


def _model(trees: bool = False, trend: bool = False, form: str = VALUES) -> Model:
    return Model(
        learner="randomforest" if trees else "linear",
        title="Model",
        factors=(Factor("ndvi", "", 0.1, 0.8, 0.4, 0.1),),
        target="soil_moisture",
        target_unit="m3/m3",
        target_range=(0.05, 0.41),
        form=Form(form) if form == VALUES else Form(form, 3),
        trend=LINE if trend else None,
        predictor=TREE if trees else LINE,
        gain=DetailGain(0.8, 0.9, 0.1, 0.48, 3),
    )


def _result(gain: float = 0.8, trust: TrustFacts = ASKED, **period: object) -> Downscaling:
    coarse = ease_grid(9, 200, 3000, 4, 6)
    one = PeriodResult(None, 1000, 0, 0, 0, 20, 0, 2e-9, 1e-9, 0.01, 0.05, 0.2)
    if trust.threshold is not None:
        one = dataclasses.replace(one, outside_area=250, width=0.06, interval_pixels=1000, scale=2.0)
    return Downscaling(
        gain=gain,
        gain_estimated=gain > 0,
        footprint_km=None,
        fine=coarse.subdivide(9),
        coarse=coarse,
        periods=[dataclasses.replace(one, **period)],
        skipped=[],
        outside_training={},
        pictures=[],
        trust=trust,
    )


def _labels(report: Report) -> list[str]:
    return [one.label for one in report.key_figures]


def test_what_was_asked_for_is_in_the_verdict_and_the_key_figures() -> None:
    report = downscale_report(_result(), _model())
    assert (
        "25 % of the pixels lie outside the model's area of applicability; the intervals of 80 % are 0.060 m³/m³ wide "
        "on average."
    ) in report.verdict.splitlines()
    assert _labels(report)[-2:] == ["Outside the area of applicability", "Mean width of the intervals (m³/m³)"]
    assert [one.value for one in report.key_figures[-2:]] == ["25 %", "0.060"]
    at_0 = downscale_report(_result(gain=0.0), _model())
    assert "25 % of the pixels lie outside" in at_0.verdict
    without = downscale_report(_result(trust=TrustFacts()), _model())
    assert "applicability" not in without.verdict and len(without.key_figures) == len(report.key_figures) - 2


@pytest.mark.parametrize(
    ("period", "tone"),
    [
        ({}, "good"),
        ({"outside_area": 499}, "good"),
        ({"outside_area": 501}, "neutral"),
        ({"clipped": 50}, "good"),
        ({"clipped": 51}, "neutral"),
        ({"detail": 0.049}, "good"),
        ({"detail": 0.051}, "neutral"),
    ],
)
def test_the_tone_is_held_back_where_the_map_is_doubtful(period: dict[str, object], tone: str) -> None:
    report = downscale_report(_result(**period), _model())
    assert report.tone == tone
    assert ("look at the map before using it" in report.verdict) == (period.get("detail") == 0.051)
    assert ("held at a physical bound" in report.verdict) == (period.get("clipped") == 51)


def test_intervals_of_trees_alone_are_said_to_be_too_narrow_where_hardly_widened() -> None:
    def pages(model: Model, scale: float) -> tuple[str, str]:
        report = downscale_report(_result(scale=scale), model)
        return report.verdict, render_html(report)

    for scale in (1.0, 1.19):
        verdict, page = pages(_model(trees=True), scale)
        assert "probably too narrow" in verdict and "probably too narrow" in page and "no larger than" not in page
    for model, scale in ((_model(trees=True), 1.3), (_model(trees=True, trend=True), 1.0), (_model(), 1.0)):
        verdict, page = pages(model, scale)
        assert "probably too narrow" not in verdict + page
    assert "too narrow" not in downscale_report(_result(trust=TrustFacts()), _model(trees=True)).verdict


def test_trees_in_a_stack_cannot_extrapolate_unless_a_line_has_weight() -> None:
    def stacked(weight: float) -> Model:
        return dataclasses.replace(_model(), predictor=StackedPredictor([TREE, LINE], np.array([1.0, weight]), 0.0))

    assert cannot_extrapolate(stacked(0.0)) and not cannot_extrapolate(stacked(0.3))
    assert cannot_extrapolate(_model(trees=True)) and not cannot_extrapolate(_model(trees=True, trend=True))


def test_without_detail_the_intervals_are_not_explained_by_it() -> None:
    for scale, done in ((2.0, "widened 2.0 times"), (1.0, "not widened")):
        page = render_html(downscale_report(_result(gain=0.0, scale=scale), _model(trees=True)))
        assert done in page and "model's detail is" not in page


def test_a_forecast_is_withheld_where_differences_count_twice() -> None:
    report = downscale_report(_result(left_over=0.02), _model(form=CONTRASTS), "none")
    assert "no share explained is forecast" in report.verdict and "a second time" in report.verdict
    figure = next(one for one in report.key_figures if one.label == "Forecast share explained")
    assert figure.value == "–" and "withheld" in figure.note
    assert math.isnan(report.data["share_expected"]) and report.tone == "neutral"
    for model, conserve in ((_model(form=CONTRASTS), "additive"), (_model(), "none")):
        assert "forecast to explain 48 %" in downscale_report(_result(), model, conserve).verdict
