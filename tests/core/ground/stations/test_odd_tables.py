"""Tables that would give wrong stations or times without a word, if they were read carelessly."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from station_samples import table

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.stations.catalogue import catalogue
from soilmoisture.core.ground.stations.importing import import_stations, notes_of
from soilmoisture.core.ground.stations.options import StationOptions, TableOptions
from soilmoisture.core.ground.stations.table_columns import depth_in, unit_in
from soilmoisture.core.progress import Progress

DAYS = [f"2019-04-{day:02d}" for day in range(13, 25)]


def means_of(path, **options):
    """{station: [(day or None, mean)]} and the result."""
    found = {}

    def take(station):
        found[station.name] = list(zip(station.means.key.tolist(), station.means.value.tolist()))

    result = import_stations([path], StationOptions(table=TableOptions(**options)), take=take)
    return found, result


def long(rows):
    return "station,lon,lat,date,sm\n" + "".join(rows)


@pytest.mark.parametrize(
    "names", [("sm", "sm"), ("VWC 5 cm A", "VWC 5 cm B"), ("VWC_5cm", "VWC_5cm")], ids=["same", "depth", "both"]
)
def test_two_columns_of_one_depth_are_two_sensors(tmp_path, names):
    rows = "".join(f"s,1,2,{day},0.2,0.4\n" for day in DAYS)
    found, result = means_of(table(tmp_path, "a.csv", f"station,lon,lat,date,{names[0]},{names[1]}\n{rows}"))
    assert [value for _, value in found["s"]] == pytest.approx([0.3] * len(DAYS))
    assert result.readings == 2 * len(DAYS)


def test_a_name_at_several_places_is_several_stations(tmp_path):
    rows = [f"walk,{1 + k},2,{day},0.2{k % 10}\n" for k, day in enumerate(DAYS)]
    found, result = means_of(table(tmp_path, "a.csv", long(rows)))
    assert len(found) == len(DAYS)
    assert sorted(station.x for station in result.used) == [1 + k for k in range(len(DAYS))]
    assert any("several places" in guess for guess in result.guesses)


def test_jitter_of_coordinates_is_one_station(tmp_path):
    rows = [f"s,{1 + k / 1e5},2,{day},0.2\n" for k, day in enumerate(DAYS)]
    found, _ = means_of(table(tmp_path, "a.csv", long(rows)))
    assert len(found) == 1 and len(found["s"]) == len(DAYS)


def test_samples_without_names_are_a_station_per_place(tmp_path):
    text = "lon,lat,date,sm\n" + "".join(f"{1 + k},2,2019-04-13,0.2{k}\n" for k in range(4))
    found, result = means_of(table(tmp_path, "field.csv", text))
    assert sorted(value for ((_, value),) in found.values()) == pytest.approx([0.20, 0.21, 0.22, 0.23])
    assert all(name.startswith("field point") for name in found)
    assert {(s.x, round(s.mean, 9)) for s in result.used} == {(1.0, 0.2), (2.0, 0.21), (3.0, 0.22), (4.0, 0.23)}


def test_undated_readings_of_a_station_are_averaged_and_it_is_said(tmp_path):
    found, result = means_of(table(tmp_path, "a.csv", "station,lon,lat,sm\ns,1,2,0.2\ns,1,2,0.3\nt,1,3,0.1\n"))
    assert found == {"s": [(None, 0.25)], "t": [(None, 0.1)]}
    assert "1 station: readings without a date: averaged." in notes_of(result)


def test_a_date_that_is_not_recognised_is_asked_for(tmp_path):
    path = table(tmp_path, "a.csv", "station,lon,lat,sowing date,sm\ns,1,2,2019-04-13,0.2\ns,1,2,2019-04-14,0.3\n")
    with pytest.raises(InputError, match="date=sowing date"):
        means_of(path)
    assert len(means_of(path, columns={"date": "sowing date"})[0]["s"]) == 2
    assert means_of(path, columns={"date": ""})[0]["s"] == [(None, 0.25)]


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("year,doy", "2020,60", dt.datetime(2020, 2, 29)),
        ("Year,Day of year", "2019,60", dt.datetime(2019, 3, 1)),
        ("year,doy", "2019,60.75", dt.datetime(2019, 3, 1, 18)),
        ("year,month,day,hour,minute", "2019,4,5,7,30", dt.datetime(2019, 4, 5, 7, 30)),
        ("LST_DATE", "20190405", dt.datetime(2019, 4, 5)),
        ("timestamp", "201904051330", dt.datetime(2019, 4, 5, 13, 30)),
        ("timestamp", "20190405133059", dt.datetime(2019, 4, 5, 13, 30)),
        ("date", "05-Apr-2019", dt.datetime(2019, 4, 5)),
        ("date", "5-apr-2019 13:30", dt.datetime(2019, 4, 5, 13, 30)),
    ],
)
def test_dates_as_loggers_write_them(tmp_path, header, row, expected):
    path = table(tmp_path, "a.csv", f"lon,lat,{header},sm\n1,2,{row},0.2\n")
    found = catalogue([path], StationOptions(), Progress())
    ((file,),) = found.stations[0].sensors.values()
    assert file.read().time.tolist() == [expected]


def test_half_hours_in_a_column_of_minutes_are_all_kept(tmp_path):
    rows = "".join(f"s,1,2,2019,4,15,{h},{m},0.2\n" for h in range(24) for m in (0, 30))
    _, result = means_of(table(tmp_path, "a.csv", "station,lon,lat,year,month,day,hour,minute,sm\n" + rows))
    assert result.readings == 48 and not result.left_out


def test_day_366_of_a_year_of_365_is_the_next_year_and_day_400_no_date(tmp_path):
    path = table(tmp_path, "a.csv", "lon,lat,year,doy,sm\n1,2,2019,400,0.2\n")
    with pytest.raises(InputError, match="day 400"):
        means_of(path)


def test_the_header_of_a_campbell_logger(tmp_path):
    text = (
        '"TOA5","CR1000","CR1000","1234","CR1000.Std","CPU:x.CR1","5","Table1"\n'
        '"TIMESTAMP","RECORD","VWC_5cm_Avg","VWC_20cm_Avg","T_5cm_Avg"\n'
        '"TS","RN","m3/m3","m3/m3","Deg C"\n"","","Avg","Avg","Avg"\n'
    )
    text += "".join(f'"2019-04-15 {hour:02d}:00:00",{hour},0.2,"NAN",5.1\n' for hour in range(24))
    table(tmp_path, "stations.csv", "station,lon,lat\nlogger,1,2\n")
    found, result = means_of(table(tmp_path, "logger.dat", text))
    assert [value for _, value in found["logger"]] == pytest.approx([0.2])
    assert result.used[0].depth_from == 0.05


def test_a_quotation_mark_that_is_never_closed_is_named(tmp_path):
    rows = [f"s,1,2,{day},0.2,fine\n" for day in DAYS] * 20
    rows[30] = 's,1,2,2019-05-01,0.2,"open\n'
    path = table(tmp_path, "a.csv", "station,lon,lat,date,sm,note\n" + "".join(rows))
    with pytest.raises(InputError, match="quotation mark in line 32 "):
        means_of(path)


@pytest.mark.parametrize("name", ["ndvi", "yield", "relative soil moisture", "soil water potential (kPa)"])
def test_other_quantities_are_not_taken_for_soil_moisture(tmp_path, name):
    rows = "".join(f"s,1,2,{day},0.2\n" for day in DAYS)
    path = table(tmp_path, "a.csv", f"station,lon,lat,date,{name}\n{rows}")
    with pytest.raises(InputError, match="value=NAME"):
        means_of(path)
    assert len(means_of(path, columns={"value": name})[0]["s"]) == len(DAYS)


def test_coordinates_that_are_no_numbers_are_shown(tmp_path):
    path = table(tmp_path, "a.csv", "station,lon,lat,date,sm\ns,10°15'E,49°30'N,2019-04-13,0.2\n")
    with pytest.raises(InputError, match="column 'lon' holds \"10°15'E\".*-97.25"):
        means_of(path)


def test_stations_at_one_place_are_named(tmp_path):
    rows = [f"{name},1,2,{day},0.2\n" for name in "ab" for day in DAYS]
    _, result = means_of(table(tmp_path, "a.csv", long(rows)))
    assert "2 stations share a place with another, such as a, b." in notes_of(result)


def test_columns_of_unknown_depth_are_averaged_and_it_is_said(tmp_path):
    rows = "".join(f"s,1,2,{day},0.2,0.3\n" for day in DAYS)
    found, result = means_of(table(tmp_path, "a.csv", "station,lon,lat,date,sm_a,sm_b\n" + rows))
    np.testing.assert_allclose([value for _, value in found["s"]], 0.25)
    assert any("several sensors of unknown depth" in note for note in notes_of(result))


def test_one_name_in_two_networks_of_a_table_is_two_stations(tmp_path):
    rows = "".join(f"{net},s1,{lon},2,{day},0.2\n" for net, lon in (("A", 1), ("B", 5)) for day in DAYS)
    _, result = means_of(table(tmp_path, "a.csv", "network,station,lon,lat,date,sm\n" + rows))
    assert [(one.name, one.x) for one in result.used] == [("A s1", 1.0), ("B s1", 5.0)]
    assert not any("several places" in guess for guess in result.guesses)


@pytest.mark.parametrize("unit", ["m3 m-3", "m3/m3", "m³/m³", "m³ m⁻³", "m^3 m^-3", "cm3 cm-3", "cm3/cm3"])
def test_units_of_volume_are_no_depth(tmp_path, unit):
    assert np.isnan(depth_in(f"VWC ({unit})")).all() and unit_in(f"VWC ({unit})") == "m3/m3"
    assert depth_in(f"VWC 20 cm ({unit})") == (0.2, 0.2)


def test_units_that_the_values_contradict(tmp_path):
    rows = "".join(f"s,1,2,{day},{{}}\n" for day in DAYS)
    small = table(tmp_path, "small.csv", "station,lon,lat,date,VWC (%)\n" + rows.format(*[0.3] * 12))
    _, result = means_of(small)
    assert any("no value exceeds 0.3 percent, check the unit" in note for note in notes_of(result))
    large = table(tmp_path, "large.csv", "station,lon,lat,date,VWC (m3/m3)\n" + rows.format(*[30] * 12))
    with pytest.raises(InputError, match="up to 30, which is not m3/m3, as the header says"):
        means_of(large)


def test_joined_files_repeat_the_header(tmp_path):
    one = long(f"s,1,2,{day},0.2\n" for day in DAYS)
    found, result = means_of(table(tmp_path, "a.csv", one + one.replace("s,1", "t,1")))
    assert set(found) == {"s", "t"} and result.readings == 2 * len(DAYS)


def test_one_column_per_date_with_units_or_with_the_day_first(tmp_path):
    text = "id,lon,lat,2019-04-15 (%),2019-04-16 (%)\np,1,2,20,30\nq,2,2,21,33\n"
    found, _ = means_of(table(tmp_path, "wide.csv", text))
    assert found["p"] == [(dt.date(2019, 4, 15), 0.2), (dt.date(2019, 4, 16), 0.3)]
    path = table(
        tmp_path / "b", "wide.csv", text.replace("2019-04-15 (%)", "15/04/2019").replace("2019-04-16 (%)", "x")
    )
    with pytest.raises(InputError, match="the year first"):
        means_of(path)


def test_places_outside_their_reference_system(tmp_path):
    from osgeo import osr

    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32614)
    path = table(tmp_path, "a.csv", "date,sm,easting,northing\n2019-04-15,0.2,5e9,5e10\n")
    with pytest.raises(InputError, match="5000000000, 50000000000 lies outside"):
        means_of(path, crs_wkt=reference.ExportToWkt())


def test_a_unit_that_changes_within_a_sensor_is_refused(tmp_path):
    rows = "".join(f"s,1,2,{day},{'20,%' if k % 2 else '0.2,m3/m3'}\n" for k, day in enumerate(DAYS))
    path = table(tmp_path, "a.csv", "station,lon,lat,date,sm,unit\n" + rows)
    with pytest.raises(InputError, match="several units \\(%, m3/m3\\)"):
        means_of(path)


@pytest.mark.parametrize(
    ("header", "cold", "warm"),
    [("soil temp (°C)", -1, 4), ("soil temp (K)", 272, 277), ("soil temp (°F)", 30, 39), ("soil temp", 272, 277)],
)
def test_frozen_days_whatever_the_unit_of_temperature(tmp_path, header, cold, warm):
    rows = "".join(f"s,1,2,{day},0.2,{warm if k < 5 else cold}\n" for k, day in enumerate(DAYS))
    found, result = means_of(table(tmp_path, "a.csv", f"station,lon,lat,date,sm,{header}\n{rows}"))
    assert len(found["s"]) == 5 and result.left_out == {"soil temperature below 0 °C": len(DAYS) - 5}
