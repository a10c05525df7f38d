"""The page of composites says how many there are, what they rest on, and where the gaps are."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest

from soilmoisture.core.prepare.composite import CompositeOptions, make_composites
from soilmoisture.core.prepare.composite_report import composite_report
from soilmoisture.core.prepare.composite_wording import gap_lines, log_lines
from soilmoisture.core.report import render_json

FIRST = dt.date(2020, 12, 1)


@pytest.fixture
def made(raster, tmp_path):
    """made(name, days, values, ...): composites of daily layers."""

    def make(name, days, values, unit="", step=1.0, **options):
        moments = [dt.datetime.combine(FIRST, dt.time(0)) + dt.timedelta(days=step * k) for k in days]
        path = raster(
            name,
            np.asarray(values, float),
            (0.0, 0.0),
            1000.0,
            nodata=-99.0,
            names=[name] * len(moments),
            periods=[(one.isoformat(), (one + dt.timedelta(days=step)).isoformat()) for one in moments],
            unit=unit,
        )
        return make_composites([path], tmp_path / "out.tif", CompositeOptions(**options))

    return make


def test_whole_periods_are_a_good_verdict(made, words):
    result = made("ndvi", range(90), np.full((90, 3, 4), 0.5), "1", period="season")
    report = composite_report(result)
    text = words(report)
    assert report.tone == "good" and report.verdict == "1 season from 90 layers, none with a gap."
    assert "DJF 2020" in text and "Gap" not in [str(column) for column in report.main_table.columns]


def test_gaps_partial_sums_and_thin_pixels_are_told(made, words):
    days = [*range(20), *range(62, 90)]
    values = np.ones((48, 3, 4))
    values[10:20, 0] = np.nan  # a third of the pixels has only ten of the 31 days of December
    result = made("rain", days, values, "mm")
    report = composite_report(result)
    text = words(report)
    first, *rest = report.verdict.split("\n")
    assert first == "3 months from 48 layers, 1 with a gap." and report.tone == "neutral"
    assert "1 sum covers only part of the period and misses the rest: the least is 65 %, the mean over" in rest[0]
    assert "its pixels (rain, 2020-12)" in rest[0]
    assert "In 1 composite more than a tenth of the pixels is empty" in rest[1]
    assert gap_lines(result) == ["rain, 2021-01: no layer"]
    assert "rain, 2021-01: no layer" in text
    data = json.loads(render_json(report))["data"]
    assert data["gap_list"] == [{"variable": "rain", "period": "2021-01", "why": "no layer"}]
    december, january, february = data["periods"]
    assert (december["mean"], december["layers"], december["gap"]) == (20.0, 20, "")
    assert december["below_coverage"] == pytest.approx(1 / 3)
    assert january["mean"] is None and february["coverage"] == 1.0


def test_a_month_without_a_valid_pixel_is_a_gap(made, words):
    values = np.ones((62, 3, 4))
    values[:31] = np.nan
    report = composite_report(made("ndvi", range(62), values, "1"))
    assert report.tone == "neutral" and "ndvi, 2020-12: no pixel with enough valid layers" in words(report)


@pytest.mark.parametrize(
    ("days", "period", "custom", "wanted"),
    [
        (range(3), "custom", "2020-12-01/2020-12-04", "rain, 2020-12-01 to 2020-12-03"),
        (range(62), "month", "", "rain, 2020-12-01 to 2021-01-31"),
        (range(31), "month", "", "rain, 2020-12"),
    ],
)
def test_the_page_shows_last_days_that_are_included(made, days, period, custom, wanted):
    result = made("rain", days, np.ones((len(days), 3, 4)), "mm", period=period, custom=custom)
    report = composite_report(result)
    assert report.subtitle == wanted
    table = next(s for s in report.sections if s.heading == "Variables").blocks[0]
    ends = dict(zip(table.columns, table.rows[0]))
    assert (ends["From"], ends["To"]) == (FIRST, FIRST + dt.timedelta(days=len(days) - 1))
    assert "Other hours" not in table.columns


def test_the_log_names_method_and_clock(made):
    result = made(
        "sm", range(24), np.ones((24, 3, 4)), "m3/m3", step=0.125, period="day", utc_offset=8, hours="09:00-18:00"
    )
    lines = log_lines(result)
    assert lines[0].startswith("sm in m3/m3: mean of 24 layers, 2020-12-01T00:00/")
    assert any("clock UTC+08:00, 09:00-18:00 of each day" in line for line in lines)
    plain = log_lines(made("ndvi", range(31), np.ones((31, 3, 4)), "1"))
    assert not any("clock" in line for line in plain)
