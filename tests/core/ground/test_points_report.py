"""The validation report says what the scores say, for one product and several, many stations and hardly any."""

from __future__ import annotations

import datetime as dt
import json
import math
import re

import numpy as np
import pytest
from osgeo import osr

from soilmoisture.core.ground.comparison import Interval
from soilmoisture.core.ground.matching import Pairs
from soilmoisture.core.ground.points import score_pairs
from soilmoisture.core.ground.points_report import points_report
from soilmoisture.core.ground.results import PointValidation
from soilmoisture.core.ground.station_sections import by_month
from soilmoisture.core.ground.verdict import design
from soilmoisture.core.ground.wording import difference_text
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.report import Figure, Table, Text, render_json, write_report

FINE = ease_grid(9, 190, 880, 6, 6).subdivide(9)
PERIODS = tuple(day(dt.date(2019, 5, 1) + dt.timedelta(days=4 * k)) for k in range(12))


def make_pairs(
    error=0.01, smooth_error=0.05, stations=24, periods=PERIODS, baseline=True, name="sm", per_cell=2, inside=True
):
    """Stations two to a coarse cell; the product misses the truth by `error`, its smooth source by `smooth_error`."""
    rng = np.random.default_rng(5)
    station = np.repeat(np.arange(stations), len(periods))
    period = np.tile(np.arange(len(periods)), stations)
    cell = station // per_cell
    level = rng.normal(0, 0.04, stations // per_cell + 1)[cell] + 0.03 * np.sin(period)
    own = rng.normal(0, 0.04, stations)[station] + rng.normal(0, 0.02, len(station))
    truth = 0.25 + level + own
    n, missing = len(truth), np.full(len(truth), math.nan)
    coarse = 0.25 + level + rng.normal(0, 0.01, stations // per_cell + 1)[cell]
    return Pairs(
        product=name,
        grid=FINE,
        stations=np.array([f"s{k:02d}" for k in range(stations)]),
        x=FINE.x_centres()[np.arange(stations) * 2 % FINE.cols],
        y=FINE.y_centres()[(np.arange(stations) * 17) % FINE.rows],
        periods=tuple(periods),
        station=station,
        period=period,
        observed=truth,
        predicted=(truth if inside else coarse) + rng.normal(0, error, n),
        coarse=coarse if baseline else missing,
        smooth=coarse + rng.normal(0, smooth_error, n) if baseline else missing,
        cell=cell if baseline else np.full(n, -1),
        count=np.ones(n, dtype=int),
        dropped={"outside the product": 7},
        notes=("sm is in percent.",),
    )


def validation(*several):
    products = tuple(score_pairs(pairs, FINE.crs_wkt) for pairs in several)
    return PointValidation(
        products=products,
        observation_count=1234,
        station_count=len(several[0].stations),
        first_date="2019-05-01",
        last_date="2019-06-14",
        crs_wkt=FINE.crs_wkt,
        dropped={"no value": 3},
        notes=("Dates are read with the day first.",),
        min_pairs=3,
        seed=0,
        design=design(bool(products[0].comparison)),
    )


def headings(report):
    return [section.heading for section in report.sections]


def tables(report):
    return [block for section in report.sections for block in section.blocks if isinstance(block, Table)]


def figures(report):
    return [block for section in report.sections for block in section.blocks if isinstance(block, Figure)]


def prose(report, heading):
    (section,) = (s for s in report.sections if s.heading == heading)
    return " ".join(block.text for block in section.blocks if isinstance(block, Text))


@pytest.fixture(scope="module")
def good():
    result = validation(make_pairs())
    return result, points_report(result)


def test_a_map_that_helps_is_called_good_first_of_all(good, words):
    result, report = good
    assert report.tone == "good"
    text = words(report)
    assert text.index("agrees better with the stations") < text.index("R over all pairs")
    lines = report.verdict.splitlines()
    assert lines[0] == result.verdict.sentence.replace("m3/m3", "m³/m³").replace(" %", "\u00a0%")
    assert lines[1].startswith("The map ranks stations inside one coarse cell right in ") and "chance is 50" in lines[1]
    assert headings(report) == [
        "Did downscaling help?",
        "What R means: time, space and both",
        "Inside the coarse cells",
        "Agreement in space",
        "All pairs",
        "Where the error comes from",
        "Stations in time",
        "Stations on the map",
        "Seasons, years and classes",
        "How sure the scores are",
        "The stations one by one",
        "What the scores rest on",
    ]


def test_key_figures_are_the_scores(good):
    result, report = good
    product = result.products[0]
    cards = {figure.label: figure for figure in report.key_figures}
    pooled, gain = product.pooled, product.comparison["smooth"].bootstrap.pooled_r
    assert cards["R over all pairs"].value == f"{pooled['product'].r:.2f}"
    assert cards["R over all pairs"].note == f"smooth {pooled['smooth'].r:.2f}, cell value {pooled['coarse'].r:.2f}"
    assert cards["gain of R over smooth"].value == f"+{gain.value:.2f}"
    assert cards["gain of R over smooth"].note == f"95\u00a0% interval {gain.low:.2f} to {gain.high:.2f}"
    assert cards["ubRMSE (m³/m³)"].value == f"{pooled['product'].ubrmse:.3f}"
    assert cards["mean R of the stations"].value == f"{product.station_summary['product'].mean['r']:.2f}"
    assert cards["R inside coarse cells"].value == f"{product.inside_cell.r['product']:.2f}"
    assert cards["pairs"].value == str(24 * 12) and cards["stations"].value == "24"


def test_json_is_the_result_and_csv_has_the_names_of_qa4sm(good, tmp_path):
    result, report = good
    assert json.loads(render_json(report))["data"] == json.loads(json.dumps(result.metrics()))
    write_report(report, csv_path=tmp_path / "r.csv")
    lines = (tmp_path / "r.csv").read_text(encoding="utf-8-sig").splitlines()
    columns = lines[0].split(",")
    assert columns[:2] == ["product", "station"] and len(lines) == 25
    assert {"R", "rho", "BIAS", "RMSD", "urmsd", "n_obs", "R_smooth", "dR_smooth"} <= set(columns)
    row = dict(zip(columns, lines[4].split(",")))
    assert row["station"] == "s03" and float(row["R"]) == result.products[0].stations[3].scores["product"].r


def test_pooled_scores_and_means_of_stations_stand_apart(good):
    result, report = good
    (table,) = (t for t in tables(report) if t.columns[0] == "Over")
    over = {(row[0], row[1]): row for row in table.rows}
    product = result.products[0]
    assert over["All pairs", "1 km map"][3] == product.pooled["product"].r
    assert over["Mean of stations", "1 km map"][3] == product.station_summary["product"].mean["r"]
    assert over["Mean of stations", "Coarse source, smooth"][2] == 24
    assert "One R can mean different things" in prose(report, "What R means: time, space and both")


def test_what_was_left_out_is_shown(good):
    result, report = good
    (dropped,) = (t for t in tables(report) if t.columns[0] == "Why")
    assert dropped.rows == [["no value", 3], ["outside the product", 7]] and "1,234" in dropped.caption
    text = prose(report, "What the scores rest on")
    assert "day first" in text and "in percent" in text and result.design in text


def test_series_show_best_median_and_worst_stations(good):
    result, report = good
    gains = sorted((row.gain["smooth"], row.station) for row in result.products[0].stations)
    (figure,) = (f for f in figures(report) if "two each" in f.caption)
    shown = re.findall(r"(s\d\d): R", figure.alt)
    assert shown == [name for _, name in (gains[::-1][k] for k in (0, 1, 11, 12, 22, 23))]


def test_harm_is_called_bad(words):
    report = points_report(validation(make_pairs(error=0.15, smooth_error=0.01)))
    assert report.tone == "bad" and "agrees worse" in report.verdict
    words(report)


def test_no_difference_is_neutral(words):
    report = points_report(validation(make_pairs(error=0.03, smooth_error=0.03, inside=False)))
    assert report.tone == "neutral" and "no better" in report.verdict
    words(report)


def test_detail_inside_the_cells_is_judged_by_its_interval(good):
    real = prose(good[1], "Inside the coarse cells")
    assert "The detail inside the cells is real." in real and "only direct proof" in real
    noise = points_report(validation(make_pairs(error=0.03, inside=False)))
    assert "cannot be told" in prose(noise, "Inside the coarse cells")
    alone = points_report(validation(make_pairs(per_cell=1)))
    assert "proof cannot be given" in prose(alone, "Inside the coarse cells")
    assert "R inside coarse cells" not in [figure.label for figure in alone.key_figures]


def test_without_a_baseline_nothing_is_claimed(words):
    report = points_report(validation(make_pairs(baseline=False)))
    text = words(report)
    assert report.tone == "neutral" and "whether downscaling helped" in report.verdict
    assert "Did downscaling help?" not in headings(report) and "Inside the coarse cells" not in headings(report)
    assert not re.search(r"smooth|\bgain\b", text)


def test_one_station_gets_scores_but_no_interval(words):
    report = points_report(validation(make_pairs(stations=1)))
    text = words(report)
    assert report.tone == "neutral" and report.verdict.startswith("1 station cannot tell")
    assert "From 1 station no interval can be drawn" in text
    assert "there is no R over the stations" in prose(report, "Agreement in space")


def test_one_undated_map_has_differences_instead_of_series(words):
    report = points_report(validation(make_pairs(stations=40, periods=(None,))))
    text = words(report)
    assert "Stations in time" not in headings(report)
    assert "the map is wetter" in text and "none with enough pairs" in text
    (table,) = (t for t in tables(report) if t.columns[0] == "Station")
    assert table.columns == ["Station", "n", "Bias"]


def test_a_station_that_never_changes_is_left_out_and_hollow(words):
    pairs = make_pairs()
    pairs.observed[pairs.station == 4] = 0.2
    result = validation(pairs)
    text = words(points_report(result))
    assert "Hollow: too few pairs" in text and "23 with enough pairs" in text


def test_maps_and_observations_without_variation_survive(words):
    pairs = make_pairs()
    pairs.predicted[:] = 0.2
    report = points_report(validation(pairs))
    assert "cannot be correlated" in report.verdict and report.tone == "neutral"
    words(report)


def test_several_products_get_a_headline_and_sections_of_their_own(words):
    fine, poor = make_pairs(name="fine"), make_pairs(error=0.15, smooth_error=0.01, name="poor", stations=20)
    report = points_report(validation(fine, poor))
    lines = report.verdict.splitlines()
    assert lines[0] == "1 of 2 products agrees better with the stations than its smooth coarse source: fine."
    assert lines[1].startswith("fine: The 1 km map agrees better") and lines[2].startswith("poor: ")
    assert report.tone == "neutral"
    assert headings(report)[0] == "The products side by side" and "poor: all pairs" in headings(report)
    assert "do not have the same pairs" in prose(report, "The products side by side")
    assert [row[0] for row in report.main_table.rows].count("poor") == 20
    words(report)
    both = points_report(validation(poor, make_pairs(error=0.15, smooth_error=0.01, name="bad")))
    assert both.tone == "bad" and both.verdict.startswith("None of 2 products agrees better")
    assert points_report(validation(fine, make_pairs(name="again"))).tone == "good"
    alone = points_report(validation(make_pairs(baseline=False), make_pairs(baseline=False, name="b")))
    assert alone.verdict.startswith("Without the coarse source") and alone.tone == "neutral"


def test_stations_in_degrees_and_in_feet_are_drawn(words):
    for code in (4326, 2263):
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(code)
        result = validation(make_pairs(stations=6))
        result.__dict__["crs_wkt"] = reference.ExportToWkt()
        for row in result.products[0].stations:
            row.__dict__.update(x=row.x / 1e6 if code == 4326 else row.x, y=row.y / 1e6 if code == 4326 else row.y)
        text = words(points_report(result))
        assert ("Longitude" in text) == (code == 4326) and reference.GetName() in text


def test_the_verdict_tells_time_from_space_and_names_the_smooth_source():
    result = validation(make_pairs())
    product, lines = result.products[0], points_report(result).verdict.splitlines()
    smooth = product.inside_cell.ranking["smooth"].share.value
    assert f"the smooth source has {100 * smooth:.0f}\u00a0%" in lines[1]
    gain = product.comparison["smooth"].bootstrap.station_mean_r
    assert lines[2].startswith("In time, the mean R of the stations is") and f"{gain.value:+.2f}" in lines[2]
    assert "In space, the mean R of the dates is" in lines[2]


def test_differences_never_look_like_zero_or_like_another_sum():
    assert difference_text(0.8747, 0.8457, Interval(0.029, 0.008, 0.048)) == (
        "0.875 against 0.846 (difference +0.029, 95 % interval 0.008 to 0.048)"
    )
    assert difference_text(0.8, 0.7, Interval(0.1, 0.02, 0.2)) == (
        "0.80 against 0.70 (difference +0.10, 95 % interval 0.02 to 0.20)"
    )
    assert difference_text(0.8, 0.7, Interval(0.1, 0.004, 0.2)).endswith("interval 0.004 to 0.200)")
    assert difference_text(0.8, 0.7, Interval(0.1), " there") == "0.80 against 0.70 there (difference +0.10)"


def test_one_date_has_no_second_r_in_space(words):
    report = points_report(validation(make_pairs(stations=40, periods=PERIODS[:1])))
    words(report)
    assert "Agreement in space" not in headings(report)
    kinds = [row[0] for t in tables(report) if t.columns[0] == "R" for row in t.rows]
    assert kinds == ["All pairs: time and space mixed", "Inside coarse cells"]


def test_many_stations_and_dates_stay_readable(words):
    days = tuple(day(dt.date(2019, 1, 1) + dt.timedelta(days=k)) for k in range(130))
    result = validation(make_pairs(stations=70, periods=days))
    report = points_report(result)
    words(report)
    (table,) = (t for t in tables(report) if t.columns[0] == "Station")
    gains = {row.station: row.gain["smooth"] for row in result.products[0].stations}
    ordered = sorted(gains, key=lambda name: -gains[name])
    assert [row[0] for row in table.rows] == [*ordered[:20], *ordered[-20:]] and "40 of 70 stations" in table.caption
    assert len(report.main_table.rows) == 70
    assert any("means by month" in figure.caption for figure in figures(report))
    dates = [span.start for span in days]
    values = np.arange(130.0).tolist()
    middles, means = by_month(dates, {"a": [math.nan, *values[1:]]})
    assert middles == [dt.date(2019, month, 15) for month in range(1, 6)]
    expected = [np.mean([v for d, v in zip(dates[1:], values[1:]) if d.month == m]) for m in range(1, 6)]
    assert means["a"] == pytest.approx(expected)


def test_a_class_does_not_take_the_place_of_a_score():
    pairs = make_pairs(stations=6)
    product = score_pairs(pairs, FINE.crs_wkt, station_classes={"Station": list("aabbaa"), "R": list("ccddcc")})
    row = product.stations[2].flat()
    assert row["station"] == "s02" and row["class_station"] == "b" and row["class_r"] == "d"
    assert row["R"] == product.stations[2].scores["product"].r
