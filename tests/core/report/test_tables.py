"""Numbers and tables: golden strings, written down by hand."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math

import numpy as np
import pytest

from soilmoisture.core.report.tables import Table, fmt, fmt_p, jsonable, table_csv, table_html
from soilmoisture.core.report.wording import inside


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "–"),
        (None, "–"),
        (np.ma.masked, "–"),
        (-0.0001, "0.000"),
        (-0.0, "0.000"),
        (-0.5, "−0.500"),
        (0.0384, "0.038"),
        (np.float32(0.25), "0.250"),
        (1234567, "1,234,567"),
        (np.int64(-1234), "−1,234"),
        (1234.5678, "1,234.568"),
        (12345.678, "12,346"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (True, "yes"),
        (np.bool_(False), "no"),
        ("as it is", "as it is"),
        (dt.date(2021, 8, 3), "2021-08-03"),
        (dt.datetime(2021, 8, 3, 6, 30), "2021-08-03 06:30"),
        (np.datetime64("NaT"), "–"),
    ],
)
def test_fmt(value: object, expected: str) -> None:
    assert fmt(value) == expected


def test_fmt_digits_and_signs() -> None:
    assert fmt(0.126, 2) == "0.13"
    assert fmt(0.05, 2, signed=True) == "+0.05"
    assert fmt(0.0004, 3, signed=True) == "0.000"
    assert fmt(-0.05, 2, signed=True) == "−0.05"
    assert fmt(float("nan"), signed=True) == "–"


def test_a_p_value_is_never_zero() -> None:
    assert fmt_p(1e-9) == "<0.001"
    assert fmt_p(0.0) == "<0.001"
    assert fmt_p(0.031) == "0.031"
    assert fmt_p(float("nan")) == "–"


def test_numbers_are_flush_right_and_words_are_not() -> None:
    table = Table(
        ["Station", "Since", "R", "CI"],
        [["K-01", "2019-04-01", 0.5, "0.41 ± 0.02"], ["K-02", "2020-04-01", None, "–"]],
    )
    page = table_html(table)
    assert '<th class="num">R</th>' in page and '<th class="num">CI</th>' in page
    assert "<th>Station</th>" in page and "<th>Since</th>" in page
    assert '<td class="num">0.500</td>' in page and '<td class="num">–</td>' in page


def test_the_highlighted_row_and_the_decimals_of_each_column() -> None:
    page = table_html(Table(["R", "RMSE"], [[0.5, 0.04], [0.75, 0.03]], highlight=1, digits=[1, 4]))
    assert page.count('<tr class="best">') == 1
    assert '<tr class="best"><td class="num">0.8</td><td class="num">0.0300</td></tr>' in page


def test_a_long_table_is_cut_on_the_page_but_whole_in_the_csv() -> None:
    table = Table(["n"], [[i] for i in range(1000)])
    assert table_html(table).count("<tr>") == 201  # head and 200 rows
    assert "The first 200 of 1,000 rows" in table_html(table)
    assert len(table_csv(table).splitlines()) == 1001


def test_short_rows_and_no_rows() -> None:
    assert table_html(Table(["a", "b"], [[1]])).count("<td") == 2
    assert "No rows" in table_html(Table(["a"], []))


def test_csv_has_full_precision_gaps_and_no_formulas() -> None:
    text = table_csv(Table(["name", "x"], [["=1+1", 1 / 3], ["b, c", np.nan], ["-d", np.int16(4)]]))
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["name", "x"]
    assert rows[1][0] == "'=1+1" and float(rows[1][1]) == 1 / 3
    assert rows[2] == ["b, c", ""]
    assert rows[3] == ["-d", "4"]


def test_jsonable() -> None:
    value = {
        "z": np.float32(0.5),
        "a": np.array([[1.0, np.nan], [np.inf, 2.0]]),
        3: np.int64(7),
        "date": dt.date(2021, 8, 1),
        "masked": np.ma.masked_less(np.array([1, 5]), 3),
        "flag": np.bool_(True),
        "set": {"b", "a"},
        "when": np.datetime64("2021-08-01"),
        "tuple": (1, None, "x"),
    }
    assert json.loads(json.dumps(jsonable(value), allow_nan=False)) == {
        "z": 0.5,
        "a": [[1.0, None], [None, 2.0]],
        "3": 7,
        "date": "2021-08-01",
        "masked": [None, 5],
        "flag": True,
        "set": ["a", "b"],
        "when": "2021-08-01",
        "tuple": [1, None, "x"],
    }
    assert list(jsonable({"b": 1, "a": 2})) == ["a", "b"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Random forest", "random forest"),
        ("LightGBM", "LightGBM"),
        ("XGBoost", "XGBoost"),
        ("Linear (ridge)", "linear (ridge)"),
        ("SVR", "SVR"),
        ("", ""),
    ],
)
def test_titles_inside_a_sentence_keep_the_capitals_of_names(title: str, expected: str) -> None:
    assert inside(title) == expected
