"""ISMN files: both layouts, names with signs, broken lines, zip files; against what the `ismn` package reads."""

from __future__ import annotations

import struct
import zipfile

import numpy as np
import pytest
from station_samples import ceop, header_values, hours, zipped

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.stations import sources
from soilmoisture.core.ground.stations.importing import import_stations
from soilmoisture.core.ground.stations.ismn import ismn_sensor, parse_name, read_ismn
from soilmoisture.core.ground.stations.options import StationOptions
from soilmoisture.core.ground.stations.sources import BadStationFile, source_files
from soilmoisture.core.ground.stations.text_rows import TextRows, moments_of, numbers_of
from soilmoisture.core.progress import Progress

ROWS = [
    ("2019/04/15 00:00", "0.1230", "G"),
    ("2019/04/15 01:00", "0.1310", "D04,D05"),
    ("2019/04/15 02:00", "-9999.0000", "M"),
    ("2019/04/16 23:00", "0.6400", "C02"),
    ("2019/12/31 05:30", "0.0700", "G"),
]
# ismn 1.5.4, DataFile.read_metadata() and read_data() on the same two files.
GOLDEN_TIMES = ["2019-04-15T00:00", "2019-04-15T01:00", "2019-04-15T02:00", "2019-04-16T23:00", "2019-12-31T05:30"]
GOLDEN_VALUES = [0.123, 0.131, -9999.0, 0.64, 0.07]
GOLDEN_FLAGS = [b"G", b"D04,D05", b"M", b"C02", b"G"]
GOLDEN_HEADER = ("NETA", "Moor-1", "Probe-X_1", (0.05, 0.1), -98.25, 49.5)
GOLDEN_CEOP = ("NETA", "Moor-1", "Probe-X", (0.0, 0.05), -98.25, 49.5)


def one_file(path):
    def fail(name, error):
        raise AssertionError((name, error))

    (file,) = source_files([path], fail, Progress())
    return file


@pytest.mark.parametrize("layout", ["header", "ceop"])
@pytest.mark.parametrize("zip_it", [False, True])
def test_both_layouts_read_as_the_ismn_package_reads_them(tmp_path, layout, zip_it):
    folder = tmp_path / "data"
    if layout == "header":
        header_values(folder, ROWS, network="NETA", depth=(0.05, 0.1))
    else:
        ceop(folder, ROWS, network="NETA")
    file = one_file(zipped(folder, tmp_path / "download.zip") if zip_it else folder)
    found = ismn_sensor(file)
    sensor = found.sensor
    golden = GOLDEN_HEADER if layout == "header" else GOLDEN_CEOP
    depth = (sensor.depth_from, sensor.depth_to)
    assert (sensor.network, sensor.station, sensor.name, depth, found.x, found.y) == golden
    series = found.read()
    assert series.time.tolist() == np.array(GOLDEN_TIMES, dtype="datetime64[m]").tolist()
    values = np.array(GOLDEN_VALUES)
    values[values == -9999] = np.nan
    np.testing.assert_array_equal(series.value, values)
    assert series.flags.tolist() == GOLDEN_FLAGS and not series.daily


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "RSMN_RSMN_Adamclisi_sm_0.000000_0.050000_Meter-5TM_1_1_19500101_20260512.stm",
            ("RSMN", "Adamclisi", "sm", 0.0, 0.05, "Meter-5TM_1_1"),
        ),
        (
            "BIEB_S-1_BIEB_S-1_grass_soil-1_ts_0.500000_0.500000_GS-3_20150401_20201201.stm",
            ("BIEB_S-1", "grass_soil-1", "ts", 0.5, 0.5, "GS-3"),
        ),
        (
            "SMOSMANIA_SMOSMANIA_sm_0.1_sm_0.050000_0.050000_ThetaProbe_20070101_20200101.stm",
            ("SMOSMANIA", "sm_0.1", "sm", 0.05, 0.05, "ThetaProbe"),
        ),
        (
            "CSE_NETB_X_ta_-2.000000_-2.000000_Thermo_20070101_20200101.stm",
            ("NETB", "X", "ta", -2.0, -2.0, "Thermo"),
        ),
        ("notes.stm", None),
    ],
)
def test_names_are_read_from_both_ends(name, expected):
    found = parse_name(name)
    assert expected == (found and tuple(vars(found).values()))


def test_names_with_blanks_and_numbers_in_the_header(tmp_path):
    header = "NET A NET A Site 7 49.50000 -98.25000 250.0 0.0500 0.1000 Probe 5 10 15 20 25"
    file = one_file(header_values(tmp_path, ROWS, depth=(0.05, 0.1), header=header))
    found = ismn_sensor(file)
    assert (found.x, found.y) == (-98.25, 49.5)
    assert (found.sensor.depth_from, found.sensor.depth_to) == (0.05, 0.1)


def test_other_variables_are_passed_over(tmp_path):
    assert ismn_sensor(one_file(header_values(tmp_path, ROWS, variable="p", depth=(-2.0, -2.0)))) is None
    assert ismn_sensor(one_file(header_values(tmp_path / "t", ROWS, variable="ts"))).sensor.variable == "ts"


def test_lines_that_break_off_are_counted(tmp_path):
    rows = [*hours("2019/04/15", ["0.1"] * 6), ("2019/13/45 07:00", "0.2", "G"), ("2019/04/15 08:00", "?", "G")]
    path = header_values(tmp_path, rows)
    path.write_text(path.read_text() + "\n\n2019/04/15 09:00 0.1")
    series = read_ismn(one_file(path))
    assert len(series) == 6 and series.bad_lines == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"NET NET ST x y z\n2019/04/15 00:00 0.1 G M\n", "no latitude"),
        (b"NET_A NET_A Moor-1 49.5 -98.25 250.0 0.05 0.05 P\n<html>\n<body>\n", "no readings|lines"),
        (bytes(range(256)) * 4, "no latitude"),
    ],
)
def test_broken_files_say_why(tmp_path, content, reason):
    path = header_values(tmp_path, ROWS)
    path.write_bytes(content)
    with pytest.raises(BadStationFile, match=reason):
        ismn_sensor(one_file(path)).read()


def test_a_header_without_readings_is_a_sensor_without_readings(tmp_path):
    header_values(tmp_path, [], station="silent")
    header_values(tmp_path, ROWS, station="loud")
    result = import_stations([tmp_path], StationOptions(min_share=0.0))
    assert [(one.name, one.reason) for one in result.stations][1] == ("silent", "no readings")
    assert result.used[0].name == "loud" and not result.bad


@pytest.mark.parametrize("station", ["MB11", "Two Words", "7001"])
def test_flags_of_providers_may_hold_blanks(tmp_path, station):
    """As RISMA writes them: `DLT >= 1.5,OK,OK`."""
    flags = ("G DLT >= 1.5,OK", "D05,D04 OK,OK", "G", "M x y z")
    rows = [(f"2019/04/15 {hour:02d}:00", f"0.3{hour}", flag) for hour, flag in enumerate(flags)]
    for write in (ceop, header_values):
        folder = tmp_path / write.__name__
        sensor = ismn_sensor(one_file(write(folder, rows, station=station)))
        series = sensor.read()
        assert (sensor.x, sensor.y) == (-98.25, 49.5) and series.bad_lines == 0
        np.testing.assert_array_equal(series.value, [0.30, 0.31, 0.32, 0.33])
        assert series.flags.tolist() == [b"G", b"D05,D04", b"G", b"M"]


def test_what_lies_beside_the_readings_is_passed_over_however_it_is_given(tmp_path):
    path = header_values(tmp_path, ROWS)
    static = "quantity_name;unit;depth_from[m];depth_to[m];value\nclay fraction;% weight;0.00;0.30;14.00\n"
    for name, text in (("A_static_variables.csv", static), ("Readme.txt", "one\ntwo\n"), ("Metadata.xml", "<a/>")):
        (path.parent / name).write_text(text)
    given = ([tmp_path], [tmp_path / "**" / "*"], [one for one in tmp_path.rglob("*") if one.is_file()])
    for inputs in given:
        assert [one.name for one in source_files(inputs, pytest.fail, Progress())] == [path.name]


def test_words_against_split(tmp_path):
    text = b"\n  a bb\tccc\r\n\n1 2 3 4\n" + b"x" * 80 + b" y\nlast line"
    rows = TextRows(text)
    expected = [line.split() for line in text.splitlines() if line.split()]
    assert rows.count.tolist() == [len(line) for line in expected]
    every = np.arange(len(rows))
    assert rows.words(every, 0).tolist() == [line[0][:64] for line in expected]
    assert rows.words(every, -1).tolist() == [line[-1] for line in expected]
    assert len(TextRows(b"")) == 0 and len(TextRows(b" \n \n")) == 0


def test_numbers_and_moments_against_plain_python():
    words = np.array([b"0.1230", b"-9999", b"1e-3", b".5", b"12", b"nan", b"1,5"])
    values, bad = numbers_of(words)
    expected = []
    for word in words.tolist():
        try:
            expected.append(float(word))
        except ValueError:
            expected.append(float("nan"))
    np.testing.assert_array_equal(values, expected)
    assert bad.tolist() == [False] * 6 + [True]
    days = [b"2019/04/15", b"2020/02/29", b"2019/02/29", b"2019-12-31", b"19/04/2015", b"2019/04/1"]
    clocks = [b"00:00", b"23:59", b"01:00", b"24:00", b"01:00", b"01:00"]
    moments, wrong = moments_of(np.array(days), np.array(clocks))
    assert wrong.tolist() == [False, False, True, False, True, True]
    assert moments[[0, 1, 3]].astype(str).tolist() == ["2019-04-15T00:00", "2020-02-29T23:59", "2020-01-01T00:00"]


def test_folders_pass_over_what_is_no_data(tmp_path):
    path = header_values(tmp_path, ROWS)
    (path.parent / "NET_A_NET_A_Moor-1_static_variables.csv").write_text("quantity_name;unit\n")
    (tmp_path / "Readme.txt").write_text("read me")
    (tmp_path / "citations.txt").write_text("cite us")
    (tmp_path / "Metadata.xml").write_text("<x/>")
    (tmp_path / "python_metadata").mkdir()
    (tmp_path / "python_metadata" / "data.csv").write_text("a;b\n")
    assert one_file(tmp_path).name == path.name


def test_zip_files_that_are_damaged_or_would_fill_memory(tmp_path, monkeypatch):
    bad = []
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK nothing")
    assert source_files([broken], lambda name, error: bad.append(str(error)), Progress()) == []
    assert "zip" in bad[0]
    big = tmp_path / "big.zip"
    with zipfile.ZipFile(big, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.stm", b"\0" * (20 << 20))
    with pytest.raises(BadStationFile, match="unpack"):
        one_file(big).read()
    monkeypatch.setattr(sources, "_LARGEST", 1000)
    with pytest.raises(BadStationFile, match="unpack"):
        one_file(big).read()
    # A member that lies about its size gives no more than it declares, or is refused.
    lying = tmp_path / "lying.zip"
    with zipfile.ZipFile(lying, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.stm", b"x" * 5000)
    data = lying.read_bytes().replace(struct.pack("<I", 5000), struct.pack("<I", 50))
    lying.write_bytes(data)
    try:
        assert len(one_file(lying).read()) <= 50
    except BadStationFile:
        pass


def test_locked_and_empty_zip_files(tmp_path):
    header_values(tmp_path / "x", ROWS)
    locked = zipped(tmp_path / "x", tmp_path / "locked.zip")
    data = bytearray(locked.read_bytes())
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1  # the bit that says encrypted
    locked.write_bytes(data)
    with pytest.raises(BadStationFile, match="password"):
        one_file(locked).read()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("map.pdf", "x")
    with pytest.raises(InputError, match="no station file"):
        one_file(tmp_path / "other.zip")


def test_what_does_not_exist_is_said(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        source_files([tmp_path / "none"], lambda *_: None, Progress())
    with pytest.raises(InputError, match="no station file"):
        source_files([tmp_path], lambda *_: None, Progress())
