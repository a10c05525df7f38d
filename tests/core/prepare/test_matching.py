"""Which band of which layer a target period takes, and names, units and dates that contradict each other."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.matching import factor_series, match
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Band, Stack, StackWriter, opened

CORNER, ONES = (500000.0, 5300000.0), np.ones((2, 2))


@pytest.fixture
def series(raster):
    """series(layers, ...) of (name, keywords), gathered while the files are open."""

    def gather(layers, categorical=(), wanted=()):
        notes: list[str] = []
        with opened([raster(name, ONES, CORNER, 100.0, **more) for name, more in layers]) as stacks:
            return factor_series(stacks, set(categorical), wanted, notes), notes

    return gather


def test_layers_of_one_factor_are_gathered_by_name(series):
    found, notes = series([("ndvi_2021-08", {}), ("lst_20210803", {"unit": "K"}), ("ndvi_2021-09", {}), ("dem", {})])
    assert [one.name for one in found] == ["ndvi", "lst", "dem"]
    assert [p.label for _, _, p in found[0].bands] == ["2021-08", "2021-09"]
    assert found[1].unit == "K" and not notes


def test_whole_numbers_of_telling_names_are_taken_as_classes(series):
    found, notes = series([("landcover", {"kind": gdal.GDT_Byte}), ("lulc_share", {})], categorical=())
    assert [one.categorical for one in found] == [True, False] and len(notes) == 1
    found, notes = series([("zones", {"kind": gdal.GDT_Byte})], categorical=["zones"])
    assert found[0].categorical and not notes


def test_only_the_factors_asked_for(series):
    found, _ = series([("ndvi", {}), ("lst", {})], wanted=["lst"])
    assert [one.name for one in found] == ["lst"]


@pytest.mark.parametrize(
    "layers, options, message",
    [
        ([("a_2021-08", {}), ("a.2021-08", {})], {}, "'a' is there twice for 2021-08"),
        ([("b", {"names": ["a"]}), ("c", {"names": ["a"]})], {}, "'a' is there twice without a date"),
        ([("a_2021-08", {"unit": "K"}), ("a_2021-09", {"unit": "degC"})], {}, "in K and, in .*, in degC"),
        ([("a", {})], {"wanted": ["a", "x"]}, "x is in no layer"),
        ([("a", {}), ("b", {})], {"wanted": ["x"]}, "x is in no layer; the layers hold a, b"),
        ([("a", {})], {"categorical": ["x"]}, "x is in no layer"),
        ([("a", {"roles": ["target"]})], {}, "hold no factor"),
    ],
)
def test_contradictions_are_named(series, layers, options, message):
    with pytest.raises(InputError, match=message):
        series(layers, **options)


def test_overlap_counts_in_days(series):
    found, _ = series([("a", {"periods": [("2021-07-28", "2021-08-05")]}), ("b_2021-08-03", {"names": ["a"]})])
    matches = match([month_of(dt.date(2021, 8, 1)), day(dt.date(2021, 8, 3)), day(dt.date(2022, 1, 1))], found)
    assert [[days for _, _, days in one.sources] for one in matches] == [[4.0, 1.0], [1.0, 1.0], []]
    assert matches[2].text == "missing"


def test_leap_days_and_year_ends(series):
    found, _ = series([("a", {"periods": [("2019-12-27", "2020-01-01")]}), ("a2", {"names": ["b_2020-02"]})])
    new_year = Period(dt.date(2019, 12, 31), dt.date(2020, 1, 2))
    february = month_of(dt.date(2020, 2, 1))
    matches = match([new_year, february], found)
    assert [(m.factor, [d for _, _, d in m.sources]) for m in matches] == [
        ("a", [1.0]),
        ("a", []),
        ("b", []),
        ("b", [29.0]),
    ]


def test_static_undated_and_hopeless(series):
    static, dated = series([("dem", {})])[0], series([("a_2021-08", {})])[0]
    month = month_of(dt.date(2021, 8, 1))
    assert [(m.period, m.text) for m in match([month], static)] == [(None, "static")]
    assert [(m.period, m.text) for m in match([None], dated)] == [(None, "2021-08")]
    with pytest.raises(InputError, match=r"No date of factor 'a' \(2021-08 to 2021-08\) falls in .* \(2022-01"):
        match([month_of(dt.date(2022, 1, 1))], dated)
    with pytest.raises(InputError, match="The target has no date, but factor 'a' has 2"):
        match([None], series([("a_2021-08", {}), ("a_2021-09", {})])[0])
    with pytest.raises(InputError, match="dated and undated"):
        match([month], series([("a_2021-08", {}), ("b", {"names": ["a"]})])[0])


def test_a_unit_of_classes_makes_a_factor_classes_whatever_its_name(tmp_path):
    grid = ease_grid(9, 100, 100, 2, 2)
    with StackWriter(tmp_path / "cover.tif", grid, [Band("cover", None, "class")]) as out:
        out.write(1, np.array([[1, 2], [3, 4]]))
    notes: list[str] = []
    with Stack.open(tmp_path / "cover.tif") as stack:
        assert factor_series([stack], set(), [], notes)[0].categorical
    assert "looks like classes" in notes[0]
