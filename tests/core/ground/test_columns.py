"""Columns of station tables as users keep them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.columns import dates, numbers, volumetric


def days(*text: str) -> list[np.datetime64]:
    return [np.datetime64(t, "D") for t in text]


def test_numbers_read_words_codes_and_decimal_commas():
    found = numbers(
        [
            "0.21",
            " 0,22 ",
            "No Data",
            "",
            None,
            -9999,
            "-9999.0",
            "NaN",
            float("nan"),
            3,
            np.float32(0.5),
            "1e-1",
        ]
    )
    expected = [0.21, 0.22] + [np.nan] * 7 + [3, 0.5, 0.1]
    np.testing.assert_allclose(found.values, expected)
    assert found.notes == ()


def test_strange_text_is_left_out_and_told():
    found = numbers(["0.2", "wet", "wet", "1,234.5"])
    assert np.isnan(found.values[1:]).all()
    assert "3 values are not numbers" in found.notes[0] and "'wet'" in found.notes[0]
    with pytest.raises(InputError, match="no number: the first is 'clay'"):
        numbers(["clay", "sand"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            ["2019-04-15", "2019/04/16", "20190417", 20190418, "2019.4.9"],
            days("2019-04-15", "2019-04-16", "2019-04-17", "2019-04-18", "2019-04-09"),
        ),
        (
            [
                "2019-04-15T06:30:00Z",
                "2019-04-15 23:59",
                "2019-04-15 06:00:00.000+02:00",
                "15/04/2019 6:05 PM",
            ],
            days(*["2019-04-15"] * 4),
        ),
        (
            [
                dt.date(2019, 4, 15),
                dt.datetime(2019, 4, 16, 23, 30),
                np.datetime64("2019-04-17T12"),
                None,
                "",
                "No Data",
            ],
            days("2019-04-15", "2019-04-16", "2019-04-17", "NaT", "NaT", "NaT"),
        ),
        (["30/11/2018", "01/12/2018"], days("2018-11-30", "2018-12-01")),
        (["01/12/2018", "11-30-2018"], days("2018-01-12", "2018-11-30")),
        (["05/05/2018"], days("2018-05-05")),
    ],
)
def test_dates(values, expected):
    np.testing.assert_array_equal(dates(values).values, np.array(expected))


def test_the_order_of_dates_is_told_or_asked():
    assert "day first" in dates(["30/11/2018", "01/12/2018"]).notes[0]
    assert "month first" in dates(["11/30/2018", "01/12/2018"]).notes[0]
    with pytest.raises(InputError, match="set the order"):
        dates(["01/12/2018", "02/12/2018"])
    with pytest.raises(InputError, match="two orders"):
        dates(["30/11/2018", "11/30/2018"])
    np.testing.assert_array_equal(dates(["01/12/2018"], "day first").values, days("2018-12-01"))
    np.testing.assert_array_equal(dates(["01/12/2018"], "month first").values, days("2018-01-12"))
    with pytest.raises(InputError, match="set the other order"):
        dates(["30/11/2018"], "month first")
    with pytest.raises(InputError, match="does not begin with its year"):
        dates(["30/11/2018"], "iso")
    with pytest.raises(InputError, match="one of auto"):
        dates(["2018-11-30"], "us")


@pytest.mark.parametrize("text", ["summer", "2019-13-01", "31/02/2019", "2019-04-15 at noon", "15 April 2019"])
def test_text_that_is_no_date_is_refused(text):
    with pytest.raises(InputError, match="is not a date"):
        dates(["2019-01-01", text])


def test_years_alone_are_undated_and_months_their_first_day():
    years = dates([2021, "2021", 2021.0])
    assert np.isnat(years.values).all() and "only a year" in years.notes[0]
    month = dates(["2021-08"])
    assert month.values[0] == np.datetime64("2021-08-01") and "only a month" in month.notes[0]
    assert np.isnat(dates(None, count=3).values).all()


def test_percent_is_refused_converted_or_recognised():
    percent = np.array([12.0, 30.5, 45.0, -1.0])
    with pytest.raises(InputError, match="set the unit to percent"):
        volumetric(percent, "m3/m3")
    for unit in ("percent", "auto"):
        found = volumetric(percent, unit)
        np.testing.assert_allclose(found.values, [0.12, 0.305, 0.45, np.nan])
        assert any("negative" in note for note in found.notes)
    assert any("taken as percent" in note for note in volumetric(percent).notes)
    assert volumetric(np.array([0.2, 0.45])).notes == ()
    with pytest.raises(InputError, match="neither m3/m3 nor percent"):
        volumetric(np.array([0.2, 0.3, 0.25, 31.0]))  # one percent value among fractions
    with pytest.raises(InputError, match="no percentage"):
        volumetric(np.array([20.0, 340.0]), "percent")
    assert any("m3/m3" in note for note in volumetric(np.array([0.2, 0.3]), "percent").notes)
    assert any("exactly 0" in note for note in volumetric(np.array([0.0, 0.3])).notes)


def test_units_that_are_mixed_are_not_guessed():
    mixed = np.array([0.2, 0.31, 21.0, 30.0, 25.0, 18.0])
    with pytest.raises(InputError, match="2 of 6 values lie below 0.6 .* mixed"):
        volumetric(mixed)
    assert volumetric(mixed, "percent").values[0] == pytest.approx(0.002)
    dry = np.concatenate([[0.4], np.full(40, 12.0)])
    assert volumetric(dry).values.max() == pytest.approx(0.12)
