"""From files to observations and summaries: what is used, what is left out and why."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from station_samples import ceop, header_values, hours, table, zipped

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.ground.stations.import_report import stations_report
from soilmoisture.core.ground.stations.importing import import_stations, notes_of
from soilmoisture.core.ground.stations.observing import station_observations
from soilmoisture.core.ground.stations.options import StationOptions
from soilmoisture.core.ground.stations.quality import GOOD, Quality
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.periods import Period
from soilmoisture.core.report import render_html, render_json

DAYS = [f"2019/04/{day:02d}" for day in range(1, 21)]


def series(seed=0, flag="G", share=1.0):
    rng = np.random.default_rng(seed)
    return [row for day in DAYS for row in hours(day, [f"{v:.4f}" for v in rng.uniform(0.15, 0.3, 24)], flag)]


def daily_means(rows):
    groups = {}
    for moment, value, _ in rows:
        groups.setdefault(moment[:10], []).append(float(value))
    return [float(np.mean(values)) for values in groups.values()]


class Log(Progress):
    def __init__(self):
        self.lines = []

    def info(self, text):
        self.lines.append(text)

    warn = info


def test_a_zip_of_a_network_becomes_daily_observations(tmp_path):
    rows = {name: series(k) for k, name in enumerate(("north", "south"))}
    header_values(tmp_path / "d", rows["north"], station="north")
    ceop(tmp_path / "d", rows["south"], station="south", place=(48.5, -97.0))
    found = station_observations([zipped(tmp_path / "d", tmp_path / "d.zip")], StationOptions())
    names, x, y, _ = found.places()
    assert names.tolist() == ["north", "south"] and x.tolist() == [-98.25, -97.0] and y.tolist() == [49.5, 48.5]
    for name in names:
        np.testing.assert_allclose(found.value[found.station == name], daily_means(rows[name]), rtol=1e-12)
    assert found.date.dtype == "datetime64[D]" and str(found.date.min()) == "2019-04-01"


def test_depths_are_weighted_and_deep_files_are_not_read_for_the_surface(tmp_path):
    upper, lower = series(1), series(2)
    header_values(tmp_path, upper, depth=(0.05, 0.05))
    deep = header_values(tmp_path, lower, depth=(0.5, 0.5))
    whole = station_observations([tmp_path], StationOptions(layer=(0.0, 0.6)))
    # 5 and 50 cm part at 27.5 cm; the lower reaches to 72.5, cut at 60.
    expected = (0.275 * np.array(daily_means(upper)) + 0.325 * np.array(daily_means(lower))) / 0.6
    np.testing.assert_allclose(whole.value, expected, rtol=1e-12)
    first = deep.read_text().splitlines()[0]
    deep.write_text(first + "\nnothing to read\n")
    surface = station_observations([tmp_path], StationOptions())
    np.testing.assert_allclose(surface.value, daily_means(upper), rtol=1e-12)
    with pytest.raises(InputError, match="no readings|lines"):
        station_observations([tmp_path], StationOptions(layer=(0.0, 0.6)))
    with pytest.raises(InputError, match="stand for 10 % of the layer|stand for 7"):
        station_observations([tmp_path], StationOptions(layer=(0.0, 10.0)))


def test_a_probe_that_reaches_below_the_layer_counts_and_it_is_said(tmp_path):
    header_values(tmp_path, hours("2019/04/15", ["0.2"] * 24), depth=(0.0, 0.19), sensor="Cosmic-ray")
    (station,) = import_stations([tmp_path], StationOptions()).used
    assert station.mean == pytest.approx(0.2) and "0-19 cm measured as one, deeper than the layer" in station.notes
    header_values(tmp_path / "point", hours("2019/04/15", ["0.2"] * 24), depth=(0.1, 0.1))
    (station,) = import_stations([tmp_path / "point"], StationOptions()).used
    assert not any("deeper" in note for note in station.notes)


def test_two_sensors_at_one_depth_are_averaged(tmp_path):
    a, b = series(1), series(2)
    header_values(tmp_path, a, sensor="Probe-A")
    header_values(tmp_path, b, sensor="Probe-B")
    found = station_observations([tmp_path], StationOptions())
    np.testing.assert_allclose(found.value, (np.array(daily_means(a)) + daily_means(b)) / 2, rtol=1e-12)


def test_one_of_two_sensors_of_a_depth_is_enough_but_one_of_two_depths_is_not(tmp_path):
    a, b = series(1), series(2)
    header_values(tmp_path / "same", a, sensor="Probe-A")
    header_values(tmp_path / "same", b[:240], sensor="Probe-B")
    found = station_observations([tmp_path / "same"], StationOptions())
    both = (np.array(daily_means(a[:240])) + daily_means(b[:240])) / 2
    np.testing.assert_allclose(found.value, [*both, *daily_means(a[240:])], rtol=1e-12)
    header_values(tmp_path / "deep", a)
    header_values(tmp_path / "deep", b[:240], depth=(0.5, 0.5))
    found = station_observations([tmp_path / "deep"], StationOptions(layer=(0.0, 0.5)))
    assert len(found) == 10 and found.dropped == {"days with too few depths": 10}


def test_frozen_days_by_the_soil_temperature_of_the_same_depth(tmp_path):
    header_values(tmp_path, series())
    cold = [(moment, "-1.0" if moment < "2019/04/06" else "5.0", "G") for moment, _, _ in series()]
    header_values(tmp_path, cold, variable="ts")
    header_values(tmp_path, [(m, "-9.0", "G") for m, _, _ in cold], variable="ts", depth=(0.5, 0.5))
    found = station_observations([tmp_path], StationOptions())
    assert str(found.date.min()) == "2019-04-06" and found.dropped == {"readings: soil temperature below 0 °C": 120}
    assert len(station_observations([tmp_path], StationOptions(quality=Quality(frozen=False)))) == 20


def test_hundreds_of_files_some_broken(tmp_path):
    for k in range(120):
        path = header_values(tmp_path, series(k)[:48], station=f"s{k:03d}", place=(40 + k / 100, -100.0))
        if k % 10 == 0:
            path.write_bytes([b"", b"\x00\x01\x02", path.read_bytes()[:30]][k // 10 % 3])
    with pytest.raises(InputError, match=r"s000.*Tick"):
        station_observations([tmp_path], StationOptions())
    log = Log()
    result = import_stations([tmp_path], StationOptions(skip_bad=True), log)
    assert len(result.used) == 108 and len(result.bad) == 12
    assert sum(line.startswith("Left out: ") for line in log.lines) == 12


def test_everything_flagged_and_unchecked(tmp_path):
    header_values(tmp_path, series(flag="D03"))
    with pytest.raises(InputError, match="480 of 480 flagged as frozen"):
        station_observations([tmp_path], StationOptions())
    header_values(tmp_path, series(flag="U"))
    with pytest.raises(InputError, match=r"keep 'unchecked \(U\)'"):
        station_observations([tmp_path], StationOptions())
    keep = Quality(keep=frozenset({GOOD, "unchecked (U)"}))
    assert len(station_observations([tmp_path], StationOptions(quality=keep))) == 20


def test_constant_series_one_value_and_stations_without_enough(tmp_path):
    header_values(tmp_path, [(m, "0.2000", "G") for m, _, _ in series()], station="constant")
    header_values(tmp_path, series()[:24], station="single", place=(50.0, -98.0))
    header_values(tmp_path, [(m, v if k % 24 < 5 else "-9999", f) for k, (m, v, f) in enumerate(series())],
                  station="sparse", place=(51.0, -98.0))  # fmt: skip
    result = import_stations([tmp_path], StationOptions())
    notes = {station.name: (station.notes, station.reason) for station in result.stations}
    assert notes["constant"][0] == ("constant: every value is 0.200",) and notes["single"][0] == ("only one value",)
    assert "too few readings" in notes["sparse"][1] and len(result.used) == 2
    assert any("1 station left out" in note for note in notes_of(result))


def test_the_same_station_name_in_two_networks_and_at_two_places(tmp_path):
    header_values(tmp_path, series(1), station="s1", network="AAA")
    header_values(tmp_path, series(2), station="s1", network="BBB", place=(10.0, 10.0))
    header_values(tmp_path, series(3), station="s1", network="BBB", sensor="Z", place=(20.0, 10.0))
    found = station_observations([tmp_path], StationOptions())
    assert found.places()[0].tolist() == ["AAA s1", "BBB s1 (1)", "BBB s1 (2)"]


def test_networks_and_depths_are_classes_of_stations(tmp_path):
    header_values(tmp_path, series(1), station="b", network="AAA")
    header_values(tmp_path, series(2), station="a", network="BBB", depth=(0.0, 0.05))
    found = station_observations([tmp_path], StationOptions())
    assert found.places()[0].tolist() == ["a", "b"]
    assert found.classes == {"Network": ("BBB", "AAA"), "Depth": ("0-5 cm", "5 cm")}


def test_the_same_download_twice_counts_once(tmp_path):
    header_values(tmp_path / "a", series())
    header_values(tmp_path / "b", series())
    found = station_observations([tmp_path], StationOptions())
    np.testing.assert_allclose(found.value, daily_means(series()), rtol=1e-12)
    assert found.dropped["readings: the same time again"] == 480


def test_swapped_coordinates_are_said(tmp_path):
    header_values(tmp_path, series(), place=(-98.25, 49.5))
    with pytest.raises(InputError, match="swapped"):
        station_observations([tmp_path], StationOptions())


def test_periods_of_the_product_limit_what_is_kept(tmp_path):
    header_values(tmp_path, series())
    month = Period(dt.date(2019, 4, 1), dt.date(2019, 5, 1))
    days = [Period(dt.date(2019, 4, d), dt.date(2019, 4, d + 1)) for d in (3, 7)]
    assert len(station_observations([tmp_path], StationOptions(), periods=[month])) == 20
    with pytest.raises(InputError, match="90 % of the days"):
        station_observations([tmp_path], StationOptions(min_share=0.9), periods=[month])
    kept = station_observations([tmp_path], StationOptions(), periods=days)
    assert kept.date.astype(str).tolist() == ["2019-04-03", "2019-04-07"]
    with pytest.raises(InputError, match="no reading within the dates"):
        station_observations([tmp_path], StationOptions(), periods=[Period(dt.date(2020, 4, 1), dt.date(2020, 5, 1))])


def test_parts_of_a_day_get_single_readings(tmp_path):
    header_values(tmp_path, series())
    overpass = Period(dt.datetime(2019, 4, 3, 11), dt.datetime(2019, 4, 3, 14))
    found = station_observations([tmp_path], StationOptions(), periods=[overpass])
    assert found.date.astype(str).tolist() == [f"2019-04-03T{hour}:00" for hour in (11, 12, 13)]
    rows = {moment: float(value) for moment, value, _ in series()}
    assert found.value.tolist() == [rows[f"2019/04/03 {hour}:00"] for hour in (11, 12, 13)]


def test_values_of_whole_days_stand_for_parts_of_them(tmp_path):
    rows = "".join(f"{day.replace('/', '-')},0.{k + 10}\n" for k, day in enumerate(DAYS))
    table(tmp_path, "s.csv", "date,sm\n" + rows)
    table(tmp_path, "stations.csv", "station,lon,lat\ns,-98,49\n")
    parts = [Period(dt.datetime(2019, 4, d, 11), dt.datetime(2019, 4, d, 14)) for d in (3, 4)]
    found = station_observations([tmp_path], StationOptions(), periods=parts)
    assert found.date.astype(str).tolist() == ["2019-04-03T11:00", "2019-04-04T11:00"]
    assert found.value.tolist() == [0.12, 0.13]


def test_readings_of_some_hours(tmp_path):
    header_values(tmp_path, series(), place=(49.5, 90.0))
    options = StationOptions(period="reading", hours=(5.0, 7.0), clock="local solar time")
    result = import_stations([tmp_path], options)
    # 90 E is six hours ahead: 5 and 6 o'clock there are 23 and 0 UTC.
    assert result.stations[0].values == 2 * 20


def test_only_readings_within_the_dates_are_counted(tmp_path):
    header_values(tmp_path, series(flag="D03")[:240] + series()[240:])
    span = Period(dt.date(2019, 4, 10), dt.date(2019, 4, 13))
    result = import_stations([tmp_path], StationOptions(span=span))
    assert result.readings == 72 and result.left_out == {"flagged as frozen": 24}
    assert (result.stations[0].first, result.stations[0].last) == ("2019-04-11", "2019-04-12")


def test_local_solar_days(tmp_path):
    header_values(tmp_path, series(), place=(0.0, -90.0))
    found = station_observations([tmp_path], StationOptions(clock="local solar time"))
    groups = {}
    for moment, value, _ in series():
        local = dt.datetime.strptime(moment, "%Y/%m/%d %H:%M") - dt.timedelta(hours=6)
        groups.setdefault(local.date(), []).append(float(value))
    expected = {day: np.mean(values) for day, values in groups.items() if len(values) >= 12}
    assert found.date.tolist() == list(expected)
    np.testing.assert_allclose(found.value, list(expected.values()), rtol=1e-12)


def test_stations_far_from_all_others_are_named(tmp_path):
    for k in range(6):
        header_values(tmp_path, series(k)[:48], station=f"s{k}", place=(49.5, 98.0 if k == 3 else -98.0 + k / 50))
    assert any(
        "Far from all other stations: s3" in note for note in notes_of(import_stations([tmp_path], StationOptions()))
    )


def test_the_report_tells_what_was_used_and_left_out(tmp_path):
    header_values(tmp_path, series(1), station="north")
    header_values(tmp_path, series(2, "D03"), station="cold", place=(50.0, -98.0))
    table(tmp_path, "nowhere.csv", "date,sm\n2019-04-15,0.2\n2019-04-16,0.2\n")
    result = import_stations([tmp_path], StationOptions())
    report = stations_report(result)
    page, numbers = render_html(report), render_json(report)
    assert report.verdict.splitlines()[0] == "1 of 3 stations can be used: 20 daily values, 2019-04-01 to 2019-04-20."
    assert "no coordinates (1)" in report.verdict and "flagged as frozen" in page and '"stations_used": 1' in numbers
    assert report.data["readings_left_out"] == {"flagged as frozen": 480} and report.tone == "neutral"
    assert page.count("<svg") >= 4


def test_a_record_with_few_usable_days_is_not_praised(tmp_path):
    rows = [(moment, value, "G" if k % 24 < 10 or k < 48 else "D01") for k, (moment, value, _) in enumerate(series(1))]
    header_values(tmp_path, rows)
    report = stations_report(import_stations([tmp_path], StationOptions()))
    assert "Also left out: days with too few readings (18)." in report.verdict and report.tone == "neutral"
    header_values(tmp_path / "good", series(1))
    assert stations_report(import_stations([tmp_path / "good"], StationOptions())).tone == "good"


def test_undated_samples_make_a_report_too(tmp_path):
    table(tmp_path, "field.csv", "id,lon,lat,vwc\n1,10,50,20\n2,10.5,50,30\n3,10.6,50,25\n4,10.6,51,25\n")
    found = station_observations([tmp_path], StationOptions())
    assert found.undated and found.value.tolist() == [0.2, 0.3, 0.25, 0.25]
    assert "no dates" in render_html(stations_report(import_stations([tmp_path], StationOptions())))


def test_it_can_be_stopped(tmp_path):
    header_values(tmp_path, series())

    class Stopped(Progress):
        @property
        def cancelled(self):
            return True

    with pytest.raises(Cancelled):
        station_observations([tmp_path], StationOptions(), Stopped())
