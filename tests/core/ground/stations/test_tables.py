"""Tables as people keep them; expected values come from plain loops with the csv module or are written out."""

from __future__ import annotations

import csv
import datetime as dt

import numpy as np
import pytest
from station_samples import table

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.stations.catalogue import catalogue
from soilmoisture.core.ground.stations.options import StationOptions, TableOptions
from soilmoisture.core.ground.stations.table_columns import depth_in, find_columns, unit_in
from soilmoisture.core.ground.stations.table_text import decode, read_table
from soilmoisture.core.ground.stations.table_wide import date_of_name
from soilmoisture.core.ground.stations.times import read_times, zone_in
from soilmoisture.core.progress import Progress


def stations_in(path, skip_bad=False, **options):
    """{station: {(variable, depth from): series}} and the catalogue."""
    found = catalogue([path], StationOptions(table=TableOptions(**options), skip_bad=skip_bad), Progress())
    result = {}
    for station in found.stations:
        result[station.name] = {
            (sensor.variable, sensor.depth_from): files[0].read() for sensor, files in station.sensors.items()
        }
    return result, found


def only(series):
    (one,) = series.values()
    return one


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_every_encoding_gives_the_same_table(encoding):
    text = "Stazione;Umidità °C\nMalè;0,25\nTrento;0,3\n"
    assert decode(text.encode(encoding))[0].lstrip("\ufeff") == text
    found = read_table(text.encode(encoding))
    assert found.names == ["Stazione", "Umidità °C"] and found.columns[0] == ["Malè", "Trento"]


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_separators_with_lines_above_and_units_below_the_header(separator):
    lines = [
        "Logger CR1000",
        "exported 2019",
        separator.join(["TIMESTAMP", "VWC_5cm", "note"]),
        separator.join(["TS", "m3/m3", ""]),
        separator.join(["2019-04-15 00:00", "0.25", '"a b"']),
        separator.join(["2019-04-15 01:00", "NAN", ""]),
    ]
    found = read_table("\r\n".join(lines).encode())
    assert found.names == ["TIMESTAMP", "VWC_5cm", "note"] and found.units == ["TS", "m3/m3", ""]
    assert found.columns[1] == ["0.25", "NAN"] and found.columns[2][0] == "a b"


def test_decimal_commas_day_first_and_words_for_missing(tmp_path):
    rows = [("15.04.2019 06:00", "23,5"), ("15.04.2019 07:00", "No Data"), ("16.04.2019 06:00", "21,25")]
    text = "\ufeffDatum;Bodenfeuchte (%);lat;lon\n" + "".join(f"{d};{v};47,5;11,25\n" for d, v in rows)
    found, told = stations_in(table(tmp_path, "Alm.csv", text))
    series = only(found["Alm"])
    expected = [float(v.replace(",", ".")) / 100 if v[0].isdigit() else float("nan") for _, v in rows]
    np.testing.assert_allclose(series.value, expected, rtol=0, atol=1e-15)
    times = [dt.datetime.strptime(d, "%d.%m.%Y %H:%M") for d, _ in rows]
    assert series.time.tolist() == times
    assert told.stations[0].x == 11.25 and told.stations[0].y == 47.5
    assert any("day first" in note for note in told.notes) and any("taken as UTC" in note for note in told.notes)
    assert "header says" in series.notes[0]


def test_a_date_that_may_be_two_days_is_asked_for(tmp_path):
    path = table(tmp_path, "a.csv", "date,sm,lon,lat\n03/04/2019,0.2,1,2\n04/05/2019,0.2,1,2\n")
    with pytest.raises(InputError, match="day or the month first"):
        stations_in(path)
    found, _ = stations_in(path, order="month first")
    assert only(found["a"]).time.astype(str).tolist() == ["2019-03-04T00:00", "2019-04-05T00:00"]


@pytest.mark.parametrize(
    ("text", "zone", "column", "expected"),
    [
        ("2019-04-15T06:00Z", None, "time", "2019-04-15T06:00"),
        ("2019-04-15 06:00:00+02:00", None, "time", "2019-04-15T04:00"),
        ("2019-04-15T06:00-0330", None, "time", "2019-04-15T09:30"),
        ("2019-04-15 06:00", None, "time", "2019-04-15T06:00"),
        ("2019-04-15 06:00", -6.0, "time", "2019-04-15T12:00"),
        ("2019-04-15 06:00", None, "Reading Time (CST)", "2019-04-15T12:00"),
        ("2019-04-15 06:00", None, "Zeit UTC+1", "2019-04-15T05:00"),
        ("2019-04-15 06:00 EST", None, "time", "2019-04-15T11:00"),
        ("4/15/2019 6:00 PM", None, "time", "2019-04-15T18:00"),
        ("4/15/2019 12:30 AM", None, "time", "2019-04-15T00:30"),
        ("20190415 0630", None, "time", "2019-04-15T06:30"),
    ],
)
def test_zones(text, zone, column, expected):
    found = read_times([text], "auto", zone, column)
    assert str(found.time[0]) == expected and not found.daily
    if text == "2019-04-15 06:00":
        assert len(found.notes) == 1


def test_days_have_no_zone():
    found = read_times(["2019-04-15", "", "2019-04-16 00:00"], "auto", -6.0, "Reading Time (CST)")
    assert found.daily and found.time.astype(str).tolist() == ["2019-04-15T00:00", "NaT", "2019-04-16T00:00"]
    assert zone_in("date") is None and zone_in("Time (UTC-03:30)") == ("UTC-03:30", -3.5)
    with pytest.raises(InputError, match="not a time"):
        read_times(["2019-04-15 27:00"])
    with pytest.raises(InputError, match="not known"):
        read_times(["2019-04-15 07:00 XYZT"])


def test_columns_are_known_by_their_names():
    names = ["Reading Time (CST)", "Air Temp (C)", "0-5 cm Depth Average Temp (C)", "0-5 cm Depth Average WFV (%)",
             "SWC_20cm", "sm_flag", "Precip (mm)", "Site ID", "Longitude", "LAT"]  # fmt: skip
    found = find_columns(names)
    assert found.role == {"date": 0, "station": 7, "lon": 8, "lat": 9, "flag": 5}
    assert found.values == [3, 4] and found.temperatures == [2]
    set_ = find_columns(names, {"value": "SWC_20cm", "station": "", "date": "precip (MM)"})
    assert set_.values == [4] and "station" not in set_.role and set_.role["date"] == 6
    with pytest.raises(InputError, match="no column 'VWC'"):
        find_columns(names, {"value": "VWC"})
    with pytest.raises(InputError, match="not for 'moisture'"):
        find_columns(names, {"moisture": "SWC_20cm"})


def test_dates_in_several_columns_and_angles_called_theta(tmp_path):
    text = "Year,Month,Day,Hour,theta,vwc,lon,lat\n2019,4,5,6,38.2,0.2,1,2\n2019,4,5,7,38.1,0.21,1,2\n"
    found, _ = stations_in(table(tmp_path, "a.csv", text))
    series = only(found["a"])
    assert series.time.astype(str).tolist() == ["2019-04-05T06:00", "2019-04-05T07:00"]
    assert series.value.tolist() == [0.2, 0.21]
    assert find_columns(["date", "theta"]).values == [1]


def test_scan_headers_with_texture_and_temperature(tmp_path):
    text = (
        "# Soil Climate Analysis Network\n"
        "Site Id,Date,Time,SMS.I-1:-2 (pct)  (silt),STO.I-1:-2 (degC),lat,lon\n"
        "2001,2019-04-01,00:00,22.1,5.5,40,260\n2001,2019-04-01,01:00,-99.9,5.4,40,260\n"
    )
    found, told = stations_in(table(tmp_path, "scan.csv", text))
    assert told.stations[0].x == -100
    moisture, temperature = found["2001"].values()
    np.testing.assert_array_equal(moisture.value, [0.221, np.nan])
    assert temperature.value.tolist() == [5.5, 5.4]
    assert {key[0] for key in found["2001"]} == {"sm", "ts"}


def test_millimetres_of_water_are_refused(tmp_path):
    path = table(tmp_path, "a.csv", "date,soil moisture (mm),lon,lat\n2019-04-15,20,1,2\n2019-04-16,22,1,2\n")
    with pytest.raises(InputError, match="in mm"):
        stations_in(path)


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("0-5 cm Depth Average WFV (%)", (0.0, 0.05)),
        ("0 to 5 cm WFV", (0.0, 0.05)),
        ("sm_5cm", (0.05, 0.05)),
        ("VWC 0.05m [m3/m3]", (0.05, 0.05)),
        ("Soil Moisture Percent -2in (pct)", (0.0508, 0.0508)),
        ("sm_10_30cm", (0.1, 0.3)),
        ("theta (m3/m3)", None),
        ("soil moisture", None),
    ],
)
def test_depths_in_names(name, depth):
    found = depth_in(name)
    assert np.isnan(found).all() if depth is None else found == pytest.approx(depth)


def test_units_and_dates_in_names():
    assert [unit_in(t) for t in ("WFV (%)", "vwc [m³/m³]", "cm3 cm-3", "sm", "pct")] == [
        "percent", "m3/m3", "m3/m3", "", "percent"]  # fmt: skip
    assert [date_of_name(n) for n in ("sm_20190415", "2019-04-15", "sm201904", "d_2019_04_15", "depth20", "x1999")] == [
        "2019-04-15", "2019-04-15", "2019-04", "2019-04-15", None, None]  # fmt: skip


def test_long_tables_with_depths_flags_and_units(tmp_path):
    text = (
        "network,site,lon,lat,depth_cm,datetime,sm,flag,unit\n"
        "N,a,10,50,5,2019-04-15T00:00Z,0.20,G,m3/m3\n"
        "N,a,10,50,20,2019-04-15T00:00Z,0.30,D03,m3/m3\n"
        "N,b,11,51,5,2019-04-15T01:00Z,25,G,vol%\n"
        "N,a,10,50,5,2019-04-14T23:00Z,0.21,G,m3/m3\n"
    )
    found, told = stations_in(table(tmp_path, "all.csv", text))
    assert set(found) == {"a", "b"} and set(found["a"]) == {("sm", 0.05), ("sm", 0.2)}
    five = found["a"]["sm", 0.05]
    assert five.value.tolist() == [0.21, 0.20] and five.time.astype(str).tolist()[0] == "2019-04-14T23:00"
    assert found["a"]["sm", 0.2].flags.tolist() == [b"D03"]
    assert only(found["b"]).value.tolist() == [0.25]
    assert told.stations[0].network == "N"


def test_units_differ_from_station_to_station(tmp_path):
    rng = np.random.default_rng(5)
    text = "station,lon,lat,date,sm\n"
    for day in range(1, 21):
        text += f"a,1,2,2019-04-{day:02d},{rng.uniform(0.1, 0.4):.3f}\n"
        text += f"b,2,2,2019-04-{day:02d},{rng.uniform(10, 40):.2f}\n"
    found, _ = stations_in(table(tmp_path, "mixed.csv", text))
    with open(tmp_path / "mixed.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, factor in (("a", 1), ("b", 0.01)):
        np.testing.assert_allclose(
            only(found[name]).value, [float(r["sm"]) * factor for r in rows if r["station"] == name]
        )
    assert "by the size" in only(found["b"]).notes[0] and not only(found["a"]).notes


@pytest.mark.parametrize(
    ("values", "reason"),
    [([150, 300, 200], "neither"), ([0.2, 20, 21, 22, 0.3], "mix"), ([1.2, 1.4, 2.0], "neither")],
)
def test_units_that_cannot_be_told(tmp_path, values, reason):
    rows = "".join(f"1,2,2019-04-{k + 1:02d},{v}\n" for k, v in enumerate(values))
    path = table(tmp_path, "a.csv", "lon,lat,date,sm\n" + rows)
    with pytest.raises(InputError, match=reason):
        stations_in(path)
    if max(values) <= 100:
        found, _ = stations_in(path, unit="percent")
        np.testing.assert_allclose(only(found["a"]).value, np.array(values) / 100)


def test_one_column_per_station_with_places_beside(tmp_path):
    table(tmp_path, "stations.csv", "name;longitude;latitude\nNorth-1;-98,5;49,5\nSouth 2;-98,0;49,0\n")
    text = "date,North_1,SOUTH2,rain\n2019-04-15,0.2,0.3,5\n2019-04-16,,0.31,0\n"
    found, told = stations_in(table(tmp_path, "wide.csv", text))
    assert set(found) == {"North-1", "South 2"}
    np.testing.assert_array_equal(only(found["North-1"]).value, [0.2, np.nan])
    assert [(s.x, s.y) for s in told.stations] == [(-98.5, 49.5), (-98.0, 49.0)]
    alone, _ = stations_in(tmp_path / "wide.csv")
    assert set(alone) == set(found)


def test_one_column_per_date(tmp_path):
    text = "plot,x,y,sm_20190415,sm_20190418\np1,10,50,12.5,14\np2,11,51,n/a,22\n"
    found, _ = stations_in(table(tmp_path, "wide.csv", text))
    series = only(found["p1"])
    assert series.time.astype(str).tolist() == ["2019-04-15T00:00", "2019-04-18T00:00"] and series.daily
    np.testing.assert_allclose(series.value, [0.125, 0.14])
    np.testing.assert_allclose(only(found["p2"]).value, [np.nan, 0.22])


def test_undated_samples(tmp_path):
    found, _ = stations_in(table(tmp_path, "field.csv", "id,lon,lat,vwc\n1,10,50,0.2\n2,10.5,50,0.3\n"))
    assert set(found) == {"1", "2"} and np.isnat(only(found["1"]).time).all()


def test_one_file_per_year_makes_one_series(tmp_path):
    for year in (2019, 2020):
        table(tmp_path, f"{year}.csv", f"station,lon,lat,date,sm\ns,1,2,{year}-01-01,0.2\n")
    found = catalogue([tmp_path], StationOptions(), Progress())
    (station,) = found.stations
    (files,) = station.sensors.values()
    assert len(files) == 2


def test_columns_can_be_set_where_names_say_nothing(tmp_path):
    path = table(tmp_path, "a.csv", "k1,k2,k3,k4,k5\n2019-04-15,0.2,0.7,10,50\n2019-04-16,0.3,0.7,10,50\n")
    with pytest.raises(InputError, match="value=NAME"):
        stations_in(path)
    found, _ = stations_in(path, columns={"date": "k1", "value": "k2", "lon": "k4", "lat": "k5"})
    assert only(found["a"]).value.tolist() == [0.2, 0.3]


def test_swapped_and_missing_coordinates(tmp_path):
    swapped = table(tmp_path / "s", "a.csv", "date,sm,lon,lat\n2019-04-15,0.2,49.5,-98.2\n")
    with pytest.raises(InputError, match="swapped"):
        stations_in(swapped)
    found, _ = stations_in(swapped, columns={"lon": "lat", "lat": "lon"})
    assert set(found) == {"a"}
    metres = table(tmp_path / "m", "a.csv", "date,sm,x,y\n2019-04-15,0.2,557000,5537000\n")
    with pytest.raises(InputError, match="not degrees"):
        stations_in(metres)
    nowhere = table(tmp_path / "n", "a.csv", "date,sm\n2019-04-15,0.2\n")
    with pytest.raises(InputError, match=r"stations\.csv"):
        stations_in(nowhere)


def test_coordinates_in_metres(tmp_path):
    from osgeo import osr

    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32614)
    path = table(tmp_path, "a.csv", "date,sm,easting,northing\n2019-04-15,0.2,500000,5500000\n")
    _, told = stations_in(path, crs_wkt=reference.ExportToWkt())
    # UTM zone 14: the central meridian is 99 W; 5500 km is 49.65 N (Krueger series).
    assert told.stations[0].x == pytest.approx(-99.0, abs=1e-9) and told.stations[0].y == pytest.approx(
        49.652, abs=2e-3
    )


def test_files_that_are_no_tables_are_named_and_left_out_when_asked(tmp_path):
    table(tmp_path, "good.csv", "date,sm,lon,lat\n2019-04-15,0.2,1,2\n2019-04-16,0.2,1,2\n")
    table(tmp_path, "one_line.csv", "hello")
    (tmp_path / "image.dat").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(InputError, match="image.dat is not text.*Tick"):
        stations_in(tmp_path)
    found, told = stations_in(tmp_path, skip_bad=True)
    assert set(found) == {"good"} and len(told.bad) == 2


def test_tables_of_risma(shared_data):
    folder = shared_data / "smapvex16_manitoba" / "insitu_risma"
    if not folder.is_dir():
        pytest.skip("the RISMA tables are not there")
    found, told = stations_in(folder)
    assert len(found) == 12 and told.placeless == ["risma_sentinel1_features_2016plus"]
    with open(folder / "Manitoba_Station_4.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))[1:]
    series = found["Manitoba_Station_4"]["sm", 0.0]
    expected = []
    for row in rows:
        try:
            expected.append((dt.datetime.strptime(row[0], "%d/%m/%Y"), float(row[11]) / 100))
        except ValueError:
            expected.append((dt.datetime.strptime(row[0], "%d/%m/%Y"), float("nan")))
    expected.sort(key=lambda one: one[0])
    assert series.time.tolist() == [day for day, _ in expected] and series.daily
    np.testing.assert_allclose(series.value, [value for _, value in expected], rtol=1e-15)
