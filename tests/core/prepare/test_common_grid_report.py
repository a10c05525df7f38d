"""The page of a common grid: what is missing, what is valid, and that its numbers are the result's."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

from soilmoisture.core.prepare.common_grid import CommonGrid
from soilmoisture.core.prepare.common_grid_report import common_grid_report
from soilmoisture.core.prepare.matching import Match
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Band
from soilmoisture.core.report import render_html, render_json

JULY, AUGUST = (month_of(dt.date(2021, month, 1)) for month in (7, 8))


def _source(period: Period | None, days: float) -> tuple[Any, int, float]:
    return SimpleNamespace(name="layer.tif", bands=(Band("x", period),)), 1, days


def _match(factor: str, period: Period | None, found: bool = True) -> Match:
    return Match(factor, period, [_source(period, period.days if period else 1.0)] if found else [])


def _result(**changes: object) -> CommonGrid:
    coarse = ease_grid(9, 200, 3000, 4, 6)
    result = CommonGrid(
        fine=coarse.subdivide(9),
        coarse=coarse,
        target="soil_moisture",
        periods=[JULY, AUGUST],
        factors=["ndvi", "landcover_3", "landcover_17"],
        matches=[_match("ndvi", JULY), _match("ndvi", AUGUST), _match("landcover", None)],
        valid_share={"ndvi": 0.91, "landcover_3": 1.0, "landcover_17": 1.0},
        how={"ndvi": "area average", "landcover_3": "class share by nearest", "landcover_17": "class share by nearest"},
        target_valid=0.97,
        target_range=(0.05, 0.41),
        min_valid_share=0.5,
        footprint_km=None,
        notes=["Factor 'landcover' looks like classes and is used as class shares."],
    )
    return dataclasses.replace(result, **changes)


def _with_gap() -> CommonGrid:
    return _result(matches=[_match("ndvi", JULY), _match("ndvi", AUGUST, found=False), _match("landcover", None)])


def test_a_complete_grid_says_so() -> None:
    report = common_grid_report(_result())
    assert report.verdict == "The common grid is complete: 2 factors in 2 periods, none missing."
    assert report.tone == "good"


def test_missing_dates_are_counted_and_listed() -> None:
    report = common_grid_report(_with_gap())
    assert "1 of 3 factor dates is missing: 1 of 2 periods has every factor" in report.verdict
    assert report.tone == "neutral"
    assert "<li>ndvi: 2021-08</li>" in render_html(report)


def test_no_complete_period_is_bad() -> None:
    matches = [_match("ndvi", JULY, False), _match("ndvi", AUGUST), _match("lst", JULY), _match("lst", AUGUST, False)]
    report = common_grid_report(_result(matches=matches))
    assert "0 of 2 periods have every factor" in report.verdict and report.tone == "bad"


def test_an_empty_factor_comes_first() -> None:
    report = common_grid_report(_result(valid_share={"ndvi": 0.0, "landcover_3": 1.0, "landcover_17": 1.0}))
    assert report.verdict.startswith("No valid pixel in the region for ndvi:") and report.tone == "bad"


def test_a_factor_valid_in_less_than_half_is_named() -> None:
    report = common_grid_report(_result(valid_share={"ndvi": 0.3, "landcover_3": 1.0, "landcover_17": 1.0}))
    assert "Less than half of the region is valid for ndvi" in report.verdict and report.tone == "neutral"


def test_layers_of_a_few_days_do_not_pass_for_a_month() -> None:
    few = Match("ndvi", JULY, [_source(day(dt.date(2021, 7, 4)), 1.0), _source(day(dt.date(2021, 7, 9)), 1.0)])
    report = common_grid_report(_result(matches=[few, _match("ndvi", AUGUST), _match("landcover", None)]))
    assert "1 factor date rests on layers that cover less than half of the period's days" in report.verdict
    assert report.data["matches"][0]["days_share"] == 2 / 31
    assert "2 dates, 2021-07-04 to 2021-07-09" in render_html(report)


def test_data_are_the_numbers_of_the_result() -> None:
    result = _with_gap()
    data = json.loads(render_json(common_grid_report(result)))["data"]
    assert (data["missing"], data["factor_periods"], data["periods"], data["complete_periods"]) == (1, 3, 2, 1)
    assert data["missing_list"] == [{"factor": "ndvi", "period": "2021-08"}]
    assert data["valid_share"] == result.valid_share and data["resampled_by"] == result.how
    assert (data["lowest_valid_share"], data["target_valid"], data["target_maximum"]) == (0.91, 0.97, 0.41)
    assert data["ratio"] == 9 and data["coarse"]["rows"] == 4 and data["fine"]["cols"] == 54
    assert data["matches"][2]["days_share"] is None


def test_many_missing_dates_are_cut_on_the_page_but_not_in_the_data() -> None:
    periods = [day(dt.date(2021, 1, 1) + dt.timedelta(days=n)) for n in range(80)]
    matches = [_match("ndvi", period, number == 0) for number, period in enumerate(periods)]
    report = common_grid_report(_result(periods=periods, matches=matches))
    page = render_html(report)
    assert "and 49 more, listed in the JSON file" in page and page.count("<li>ndvi: ") == 30
    assert len(report.data["missing_list"]) == 79


def test_nan_one_factor_and_an_undated_period_survive() -> None:
    result = _result(
        periods=[None],
        factors=["ndvi"],
        matches=[_match("ndvi", None)],
        valid_share={"ndvi": float("nan")},
        how={},
        target_valid=float("nan"),
        target_range=(float("nan"), float("nan")),
        notes=[],
        fine=ease_grid(1, 1803, 27003, 20, 30),
    )
    report = common_grid_report(result)
    assert "undated" in report.subtitle and ">nan<" not in render_html(report).lower()
    data = json.loads(render_json(report))["data"]
    assert data["ratio"] is None and data["lowest_valid_share"] is None
