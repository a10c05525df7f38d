"""Soil moisture against rain: lags and events against plain loops and a planted bucket."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from osgeo import ogr
from scipy.stats import pearsonr

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.ground.observations import clean_observations
from soilmoisture.core.ground.rain_response.rain import antecedent
from soilmoisture.core.ground.rain_response.report import rain_report
from soilmoisture.core.ground.rain_response.response import (
    change_curve,
    changes,
    event_response,
    find_events,
    lag_curve,
    mean_of,
)
from soilmoisture.core.ground.rain_response.results import CURVES, RainOptions
from soilmoisture.core.ground.rain_response.run import rain_response
from soilmoisture.core.ground.rain_response.sites import Places
from soilmoisture.core.ground.rasters.zones import Zones
from soilmoisture.core.raster.grid import Grid, ease_grid, wkt_of
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Band, StackWriter

RAIN_GRID = ease_grid(36, 50, 670, 3, 3)
FIRST = dt.date(2021, 1, 1)
DAYS = 240


def write(path, grid, fields, periods, name="soil_moisture", unit="m3/m3"):
    with StackWriter(path, grid, [Band(name, period, unit) for period in periods]) as out:
        for number, values in enumerate(fields, 1):
            out.write(number, np.broadcast_to(values, grid.shape))
    return [str(path)]


def bucket(rain, delay=0):
    """Soil moisture that a day's rain fills (after `delay` days) and that drains by 8 % a day."""
    level, result = 0.15, []
    for k in range(len(rain)):
        fallen = rain[k - delay] if k >= delay else 0.0 * rain[0]
        level = 0.1 + (level - 0.1) * 0.92 + 0.004 * fallen
        result.append(level + 0 * rain[0])
    return np.stack(result)


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    random = np.random.default_rng(12)
    rain = np.where(random.random((DAYS, 3, 3)) < 0.15, random.exponential(12, (DAYS, 3, 3)), 0.0)
    periods = [day(FIRST + dt.timedelta(days=k)) for k in range(DAYS)]
    folder = tmp_path_factory.mktemp("rain")
    return {
        "rain": rain,
        "periods": periods,
        "layers": write(folder / "rain.tif", RAIN_GRID, rain, periods, "precipitation", "mm"),
        "maps": write(folder / "sm.tif", RAIN_GRID, bucket(rain) + random.normal(0, 0.003, rain.shape), periods),
        "late": write(folder / "late.tif", RAIN_GRID, bucket(rain, 2), periods),
        "deaf": write(folder / "deaf.tif", RAIN_GRID, random.normal(0.2, 0.02, rain.shape), periods),
    }


@pytest.fixture(scope="module")
def places():
    x, y = np.meshgrid(RAIN_GRID.x_centres(), RAIN_GRID.y_centres())
    return Places(tuple(f"p{k}" for k in range(9)), x.ravel(), y.ravel(), RAIN_GRID.crs_wkt)


def test_the_index_is_the_weighted_sum_of_the_days_before():
    random = np.random.default_rng(0)
    rain = random.exponential(3, (60, 2))
    rain[40, 0] = np.nan
    got = antecedent(rain, 0.9)
    assert np.isnan(got[:30]).all()
    assert got[35, 1] == pytest.approx(sum(0.9**i * rain[35 - i, 1] for i in range(31)), rel=1e-12)
    known = [i for i in range(31) if 45 - i != 40]
    share = sum(0.9**i for i in known) / sum(0.9**i for i in range(31))
    assert got[45, 0] == pytest.approx(sum(0.9**i * rain[45 - i, 0] for i in known) / share, rel=1e-12)
    # On the day itself the missing rain holds a tenth of the weight: too much.
    assert np.isnan(antecedent(rain, 0.8)[40, 0])


def test_lags_against_scipy_with_gaps():
    random = np.random.default_rng(1)
    rain = random.exponential(3, 120)
    moisture = np.concatenate([[0.2], 0.2 + 0.01 * rain[:-1]]) + random.normal(0, 0.02, 120)
    moisture[50:60] = np.nan
    curve = lag_curve("x", moisture, rain, 4, 10)
    for lag in range(5):
        pairs = [(moisture[k], rain[k - lag]) for k in range(lag, 120) if np.isfinite(moisture[k])]
        expected = pearsonr(*map(np.array, zip(*pairs)))
        assert curve.r[lag] == pytest.approx(expected.statistic, rel=1e-10) and curve.n[lag] == len(pairs)
    assert curve.best == 1 and curve.p[1] < 1e-4
    # Rain without memory and soil moisture almost without: the pairs are nearly all independent.
    assert curve.n_effective[1] == pytest.approx(curve.n[1], rel=0.25)


def test_p_values_know_that_days_repeat_each_other():
    """Two unrelated series with much memory: plain p values would call most of them significant."""
    random = np.random.default_rng(6)
    naive = own = 0
    for _ in range(60):
        a, b = np.zeros(200), np.zeros(200)
        for k in range(1, 200):
            a[k], b[k] = 0.93 * a[k - 1] + random.normal(), 0.93 * b[k - 1] + random.normal()
        naive += pearsonr(a, b).pvalue < 0.05
        own += lag_curve("x", a, b, 0, 10).p[0] < 0.05
    assert naive > 25 and own < 12


def test_a_change_over_a_gap_meets_the_rain_of_all_its_days():
    rain = np.array([0.0, 5.0, 1.0, 2.0, 7.0, 0.0, 3.0, 0.0, 0.0])
    moisture = np.array([0.1, np.nan, 0.2, 0.25, np.nan, np.nan, np.nan, 0.3, 0.28])
    change, sums = changes(moisture, rain, 1)
    assert np.flatnonzero(np.isfinite(change)).tolist() == [2, 3, 8]  # four days are too long
    assert change[2] == pytest.approx(0.1) and sums[0][[2, 3, 8]].tolist() == [6.0, 2.0, 0.0]
    assert sums[1][[2, 3, 8]].tolist() == [5.0, 1.0, 0.0]
    broken = rain.copy()
    broken[1] = np.nan
    assert np.isnan(changes(moisture, broken, 0)[1][0][2])


def test_events_stand_alone_and_responses_start_from_the_days_before():
    rain = np.zeros(40)
    rain[[8, 9, 20, 33]] = 15.0, 30.0, 11.0, 40.0
    rain[18] = 2.0
    assert find_events(rain, 10, 3) == [8, 33]  # 9 follows 8, and it rained two days before 20
    assert find_events(rain, 10, 0) == [8, 9, 20, 33]
    rain[32] = np.nan
    assert find_events(rain, 10, 3) == [8]
    moisture = np.full(40, 0.2)
    moisture[8:] += 0.05
    moisture[10:] += 0.01
    response = event_response(moisture, [8], rain, 10)
    assert response.events == 1 and response.rise == pytest.approx(0.06) and response.peak == 2
    assert response.curves[0, 5] == pytest.approx(0.05) and response.curves[0, 0] == pytest.approx(0)
    moisture[5:8] = np.nan
    assert event_response(moisture, [8], rain, 10).events == 0
    # The rain of day 33 ends what belongs to one five days before, that of day 9 does not end the one of day 8.
    moisture = np.arange(40) / 100
    late = event_response(moisture, [28], np.nan_to_num(rain), 10).curves[0]
    assert np.isfinite(late).tolist() == [True] * 10 + [False] * 6


def test_a_bucket_follows_its_rain_at_once_and_a_late_one_late(weather, places, words):
    found = rain_response(weather["layers"], weather["maps"], where=places)
    one = found.places[4]
    assert [place.answers for place in found.places] == [True] * 9
    assert one.anomaly[CURVES[1]].best == 0 and one.raw[CURVES[1]].r[0] > 0.9
    assert one.raw[CURVES[2]].r[0] > one.raw[CURVES[0]].r[0] > 0.2
    # The rise is 0.004 per mm of the event's mean rain, less what drains.
    rain = weather["rain"].reshape(DAYS, 9)
    events = [(d, k) for k in range(9) for d in find_events(rain[:, k], 10, 3)]
    assert len(found.composites["sm"]) == pytest.approx(len(events), abs=2)
    mean = mean_of(found.composites["sm"])
    assert mean[5] == pytest.approx(0.004 * np.mean([rain[e] for e in events]), rel=0.25)
    late = rain_response(weather["layers"], weather["late"], where=places)
    assert {place.raw[CURVES[1]].best for place in late.places} == {2}
    assert int(np.nanargmax(mean_of(late.composites["late"])[5:])) == 2
    text = words(rain_report(found))
    assert "Changes of soil moisture (sm) follow the rain at 9 of 9 places" in text
    assert "on day 0." in text and rain_report(found).tone == "good"


@pytest.mark.parametrize(("shift", "said"), [(-1, "1 day before"), (0, ""), (1, ""), (4, "4 days after")])
def test_dates_that_are_shifted_are_told(weather, places, words, tmp_path, shift, said):
    moved = [day(FIRST + dt.timedelta(days=k + shift)) for k in range(DAYS)]
    maps = write(tmp_path / "moved.tif", RAIN_GRID, bucket(weather["rain"]), moved)
    text = words(rain_report(rain_response(weather["layers"], maps, where=places)))
    assert ("climbs most" in text) == bool(said) and said in text


def test_the_verdict_speaks_of_the_rain_at_once(weather, places, words):
    """Late by two days: the highest of all lags is no answer to the rain."""
    result = rain_response(weather["layers"], weather["late"], where=places)
    at_once = np.median([max(place.curve(CURVES[1]).r[:2]) for place in result.places])
    assert result.places[0].best(CURVES[1])[1] == 2 and at_once < 0.3
    assert f"median R = {at_once:.2f}".replace("-", "−") in words(rain_report(result))


def test_the_table_names_each_correlation_rightly(weather, places):
    result = rain_response(weather["layers"], weather["maps"], where=places)
    table = rain_report(result).sections[-2].blocks[-1]
    row = dict(zip(table.columns, table.rows[0]))
    for column, curve in (("R of soil moisture", CURVES[0]), ("R of changes", CURVES[1]), ("R with API", CURVES[2])):
        assert row[column] == result.places[0].best(curve)[0], column


def test_soil_moisture_that_does_not_hear_the_rain_says_so(weather, places, words):
    found = rain_response(weather["layers"], weather["deaf"], where=places)
    assert sum(bool(place.answers) for place in found.places) <= 2
    assert rain_report(found).tone == "bad"
    words(rain_report(found))


def test_stations_and_maps_meet_the_same_rain(weather, words):
    truth = bucket(weather["rain"])
    x, y = RAIN_GRID.x_centres(), RAIN_GRID.y_centres()
    rows = [
        (
            f"s{i}",
            x[i],
            y[1],
            dt.datetime(2021, 1, 1, hour) + dt.timedelta(days=k),
            truth[k, 1, i] + 0.01 * (hour - 9) / 6,
        )
        for i in range(3)
        for k in range(DAYS)
        for hour in (3, 15)
    ]
    observations = clean_observations(*map(list, zip(*rows)), RAIN_GRID.crs_wkt, unit="m3/m3")
    found = rain_response(weather["layers"], weather["maps"], observations)
    assert found.sources == ("stations", "sm") and len(found.places) == 6
    station = found.of("stations")[1]
    assert station.n == DAYS  # two readings a day are one
    expected = change_curve("", truth[:, 1, 1], weather["rain"][:, 1, 1], 10, 30)
    assert station.raw[CURVES[1]].r == pytest.approx(expected.r, abs=1e-6)
    assert "at 3 of 3 stations" in words(rain_report(found))


def test_zones_are_means_of_rain_and_soil_moisture(weather):
    xmin, ymin, xmax, ymax = RAIN_GRID.extent()
    ring = f"POLYGON (({xmin} {ymin},{xmax} {ymin},{xmax} {ymax},{xmin} {ymax},{xmin} {ymin}))"
    zones = Zones(("all",), (bytes(ogr.CreateGeometryFromWkt(ring).ExportToWkb()),), RAIN_GRID.crs_wkt)
    found = rain_response(weather["layers"], weather["late"], where=zones)
    rain, moisture = weather["rain"].mean(axis=(1, 2)), bucket(weather["rain"], 2).mean(axis=(1, 2))
    expected = change_curve("", moisture, rain, 10, 30)
    assert found.what == "zone" and found.places[0].raw[CURVES[1]].r == pytest.approx(expected.r, abs=1e-4)


def test_months_of_rates_and_amounts_are_the_same_rain(tmp_path, places, words):
    random = np.random.default_rng(9)
    months = [month_of(dt.date(2018 + k // 12, k % 12 + 1, 1)) for k in range(48)]
    amount = random.gamma(2, 30, (48, 3, 3)) * (1 + np.sin(2 * np.pi * np.arange(48) / 12))[:, None, None]
    moisture = 0.1 + 0.001 * amount + random.normal(0, 0.005, amount.shape)
    lengths = np.array([one.days for one in months])[:, None, None]
    sums = write(tmp_path / "sums.tif", RAIN_GRID, amount, months, "rain", "mm")
    rates = write(tmp_path / "rates.tif", RAIN_GRID, amount / lengths, months, "rain", "mm/day")
    maps = write(tmp_path / "sm.tif", RAIN_GRID, moisture, months)
    named = write(tmp_path / "named.tif", RAIN_GRID, amount, months, "rain", "mm/month")
    found = [rain_response(layers, maps, where=places) for layers in (sums, rates, named)]
    assert found[0].step == "month" and found[0].method == "months" and found[0].places[0].events is None
    for a, b, c in zip(*(one.places for one in found)):
        assert a.raw[CURVES[0]].r == pytest.approx(b.raw[CURVES[0]].r, abs=1e-5)
        assert a.raw[CURVES[0]].r == pytest.approx(c.raw[CURVES[0]].r, abs=1e-12)
        assert len(a.raw[CURVES[0]].r) == 4 and a.anomaly[CURVES[0]].best == 0
    text = words(rain_report(found[0]))
    assert "median, at lag 0" in text and "Soil moisture (sm) follows the rain at 9 of 9 places" in text


def test_rain_that_ends_at_fifty_degrees_is_told(tmp_path):
    grid = Grid(wkt_of("EPSG:4326"), (-100.0, 0.25, 0.0, 50.0, 0.0, -0.25), 4, 4)
    random = np.random.default_rng(0)
    periods = [day(FIRST + dt.timedelta(days=k)) for k in range(60)]
    rain = random.exponential(3, (60, 4, 4))
    layers = write(tmp_path / "chirps.tif", grid, rain, periods, "precipitation", "mm")
    rows = [
        (name, -99.6, lat, FIRST + dt.timedelta(days=k), 0.2 + 0.001 * rain[k, 1, 1])
        for name, lat in (("south", 49.6), ("north", 51.0))
        for k in range(60)
    ]
    observations = clean_observations(*map(list, zip(*rows)), grid.crs_wkt, unit="m3/m3")
    found = rain_response(layers, observations=observations)
    assert found.without_rain == ("north",) and "CHIRPS ends at 50 degrees" in found.rain_sentence
    north = clean_observations(*map(list, zip(*rows[60:])), grid.crs_wkt, unit="m3/m3")
    with pytest.raises(InputError, match="There is rain at none of the places.*CHIRPS ends at 50 degrees"):
        rain_response(layers, observations=north)


def test_mistakes_get_one_sentence(weather, places, tmp_path, cancels_after):
    layers, maps = weather["layers"], weather["maps"]
    with pytest.raises(InputError, match="Give soil moisture: stations, maps, or both"):
        rain_response(layers, where=places)
    with pytest.raises(InputError, match="Say where the maps are to be compared"):
        rain_response(layers, maps)
    with pytest.raises(InputError, match="No place has 500 steps"):
        rain_response(layers, maps, where=places, options=RainOptions(min_pairs=500))
    odd = write(tmp_path / "odd.tif", RAIN_GRID, weather["rain"], weather["periods"], "precipitation", "inches")
    with pytest.raises(InputError, match="'inches', which is no unit of rain known here"):
        rain_response(odd, maps, where=places)
    wrong = write(tmp_path / "fill.tif", RAIN_GRID, weather["rain"] - 999, weather["periods"], "precipitation", "mm")
    with pytest.raises(InputError, match="declare its fill value as nodata"):
        rain_response(wrong, maps, where=places)
    with pytest.raises(InputError, match="more than it ever rained: check the unit"):
        rain_response(layers, maps, where=places, options=RainOptions(unit="m"))
    later = [
        Period(one.start + dt.timedelta(days=4000), one.end + dt.timedelta(days=4000)) for one in weather["periods"]
    ]
    with pytest.raises(InputError, match="share no date"):
        rain_response(layers, write(tmp_path / "later.tif", RAIN_GRID, weather["rain"] / 100, later), where=places)
    with pytest.raises(Cancelled):
        rain_response(layers, maps, where=places, progress=cancels_after(3))
    assert math.isfinite(places.x[0])
