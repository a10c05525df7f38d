"""The page of a downscaling run: what it says of detail and conservation, and that its numbers are the result's."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math

import numpy as np
import pytest

from soilmoisture.core.downscale.downscale import Downscaling, PeriodResult, Picture
from soilmoisture.core.downscale.downscale_report import downscale_report
from soilmoisture.core.downscale.quality import CLIPPED, NODATA, OUTSIDE_TRAINING
from soilmoisture.core.model.form import VALUES, Form
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.model.model import DetailGain, Factor, Model
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import month_of
from soilmoisture.core.report import render_html, render_json

NAN = float("nan")
JULY, AUGUST = (month_of(dt.date(2021, month, 1)) for month in (7, 8))


def _model(gain: float = 0.8, share: float = 0.48) -> Model:
    return Model(
        learner="linear",
        title="Linear (ridge)",
        factors=(Factor("ndvi", "", 0.1, 0.8, 0.4, 0.1),),
        target="soil_moisture",
        target_unit="m3/m3",
        target_range=(0.05, 0.41),
        form=Form(VALUES),
        trend=None,
        predictor=LinearPredictor(np.zeros(1), 0.0),
        gain=DetailGain(gain, 0.9, 0.1, share, 3),
    )


def _result(**changes: object) -> Downscaling:
    coarse = ease_grid(9, 200, 3000, 4, 6)
    quality = np.zeros((36, 54), np.uint8)
    quality[0], quality[1], quality[2] = OUTSIDE_TRAINING, CLIPPED, NODATA
    picture = Picture("2021-07", np.linspace(0.1, 0.3, 24).reshape(4, 6), np.full((36, 54), 0.2), quality)
    result = Downscaling(
        gain=0.8,
        gain_estimated=True,
        footprint_km=None,
        fine=coarse.subdivide(9),
        coarse=coarse,
        periods=[
            PeriodResult(JULY, 900, 54, 0, 3, 20, 1, 2e-9, 1e-9, 0.010, 0.05, 0.21),
            PeriodResult(AUGUST, 300, 0, 0, 0, 5, 0, 3e-8, 2e-9, 0.020, 0.04, 0.25),
        ],
        skipped=["2021-09: no ndvi"],
        outside_training={"ndvi": 0.04},
        pictures=[picture],
        notes=["Not used by the model: slope."],
    )
    return dataclasses.replace(result, **changes)


def _periods(**changes: object) -> list[PeriodResult]:
    return [dataclasses.replace(one, **changes) for one in _result().periods]


def test_the_first_sentence_tells_what_is_kept_what_is_added_and_what_it_is_worth() -> None:
    report = downscale_report(_result(), _model())
    first = report.verdict.splitlines()[0]
    assert "keeps every 9 km value (largest difference 3e-8 m³/m³ in 25 cell values)" in first
    # Root mean square of 0.010 over 900 and 0.020 over 300 pixels.
    assert "detail with a standard deviation of 0.013 m³/m³" in first
    assert "forecast to explain 48 %" in first
    assert report.tone == "good"


@pytest.mark.parametrize(
    ("share", "tone", "says"),
    [(0.48, "good", "explain 48 %"), (0.1, "neutral", "explain 10 %"), (0.02, "bad", "explain only 2 %")],
)
def test_the_tone_follows_the_forecast(share: float, tone: str, says: str) -> None:
    report = downscale_report(_result(), _model(share=share))
    assert report.tone == tone and says in report.verdict


def test_a_gain_of_0_says_that_the_map_is_the_smooth_interpolation() -> None:
    report = downscale_report(_result(gain=0.0), _model(0.0, 0.0))
    assert report.verdict.startswith("The 1 km map equals the smooth interpolation of the 9 km values: the model")
    assert report.tone == "bad" and "adds detail" not in report.verdict
    by_hand = downscale_report(_result(gain=0.0, gain_estimated=False), _model())
    assert "the detail gain was set to 0" in by_hand.verdict


def test_values_that_are_not_kept_are_said_not_to_be() -> None:
    report = downscale_report(_result(periods=_periods(left_over=0.03, left_over_rms=0.01)), _model())
    assert "does not keep the 9 km values (root mean square difference 0.010, largest 0.030 m³/m³" in report.verdict
    assert report.tone == "neutral"


def test_a_footprint_is_held_to_a_tolerance_that_is_stated() -> None:
    result = _result(periods=_periods(left_over=0.012, left_over_rms=0.004), footprint_km=30.0)
    report = downscale_report(result, _model())
    assert "seen through a footprint of 30 km, to a tolerance (root mean square difference 0.004" in report.verdict
    assert report.tone == "good"


def test_a_gain_set_by_hand_is_judged_by_what_it_would_explain() -> None:
    # For true = b * predicted + noise: share(g) = (2 g b - g^2) * S / T; here by plain sums over made-up contrasts.
    random = np.random.default_rng(3)
    guess = random.normal(0, 1, 400)
    true = 0.7 * guess + random.normal(0, 1, 400)
    slope = float((true * guess).sum() / (guess**2).sum())

    def share(gain: float) -> float:
        return 1 - float(((true - gain * guess) ** 2).sum() / (true**2).sum())

    model = dataclasses.replace(_model(), gain=DetailGain(0.6, slope, 0.05, share(0.6), 3))
    for gain in (0.3, 0.6, 1.0, 2.5):
        assert model.gain.share_with(gain) == pytest.approx(share(gain))
    assert model.gain.share_with(0.0) == 0.0
    assert math.isnan(_model(0.0, 0.0).gain.share_with(1.0))
    report = downscale_report(_result(gain=2.5, gain_estimated=False), model)
    assert "more harm than good" in report.verdict and report.tone == "bad"
    assert "set by hand to 2.50; the model's own estimate is 0.60" in report.verdict


def test_without_an_estimate_a_gain_by_hand_is_no_good_news() -> None:
    report = downscale_report(_result(gain=1.0, gain_estimated=False), _model(0.0, 0.0))
    assert "gave no reason to add it." in report.verdict and report.tone == "bad"
    wide = downscale_report(_result(gain=1.0, gain_estimated=False, footprint_km=30.0), _model(0.0, 0.0))
    assert "tell too little" in wide.verdict and wide.tone == "neutral"


def test_gaps_bounds_and_extrapolation_are_in_the_verdict_where_they_are_many() -> None:
    assert "Factor" not in downscale_report(_result(), _model()).verdict
    result = _result(periods=_periods(pixels=100, gaps=300, clipped=40), outside_training={"ndvi": 0.6})
    verdict = downscale_report(result, _model()).verdict
    assert "In 75 % of the area" in verdict and "40 % of the pixels are held" in verdict
    assert "Factor 'ndvi' lies outside the range seen in training in 60 %" in verdict


def test_data_are_the_numbers_of_the_result() -> None:
    data = json.loads(render_json(downscale_report(_result(), _model())))["data"]
    assert (data["gain"], data["gain_used"], data["share_explained"]) == (0.8, 0.8, 0.48)
    assert (data["pixels"], data["gaps"], data["clipped"], data["conserved_cells"]) == (1200, 54, 3, 25)
    assert data["left_over_max"] == 3e-8
    assert data["left_over_rms"] == pytest.approx(math.sqrt((20 * 1e-18 + 5 * 4e-18) / 25))
    assert data["detail_deviation"] == pytest.approx(math.sqrt((900 * 0.01**2 + 300 * 0.02**2) / 1200))
    assert data["outside_training"] == {"ndvi": 0.04} and data["skipped"] == ["2021-09: no ndvi"]
    assert [one["period"] for one in data["per_period"]] == ["2021-07", "2021-08"]
    assert data["per_period"][1]["left_over_max"] == 3e-8


def test_the_page_names_what_was_skipped_and_the_notes() -> None:
    page = render_html(downscale_report(_result(), _model()))
    assert "2021-09: no ndvi" in page and "Not used by the model: slope." in page
    assert "Held at a bound" in page and "A factor beyond its range" in page


def test_nan_no_picture_and_one_undated_period_survive() -> None:
    empty = PeriodResult(None, 0, 0, 0, 0, 0, 0, 0.0, 0.0, NAN, NAN, NAN)
    picture = Picture("", np.full((4, 6), np.nan), np.full((36, 54), np.nan), np.full((36, 54), NODATA, np.uint8))
    for pictures in ([], [picture]):
        report = downscale_report(_result(periods=[empty], pictures=pictures, outside_training={"ndvi": 0.0}), _model())
        assert ">nan<" not in render_html(report).lower()
        assert "has no 9 km value to keep" in report.verdict
        assert json.loads(render_json(report))["data"]["detail_deviation"] is None
