"""Periods, and dates in the names that real products carry."""

from __future__ import annotations

import datetime as dt

import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.raster.periods import Period, day, month_of, period_in_name, without_date


def d(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "end", "label", "days"),
    [
        ("2021-08-01", "2021-09-01", "2021-08", 31),
        ("2020-02-01", "2020-03-01", "2020-02", 29),
        ("2021-02-01", "2021-03-01", "2021-02", 28),
        ("2021-12-01", "2022-01-01", "2021-12", 31),
        ("2021-08-03", "2021-08-04", "2021-08-03", 1),
        ("2021-12-31", "2022-01-01", "2021-12-31", 1),
        ("2021-08-03", "2021-08-11", "2021-08-03/2021-08-11", 8),
        ("2021-08-02", "2021-09-02", "2021-08-02/2021-09-02", 31),
        ("2020-01-01", "2021-01-01", "2020-01-01/2021-01-01", 366),
    ],
)
def test_labels_and_lengths(start: str, end: str, label: str, days: int) -> None:
    period = Period(d(start), d(end))
    assert period.label == label and period.days == days


@pytest.mark.parametrize("end", ["2021-08-03", "2021-08-02"])
def test_an_empty_period_is_refused(end: str) -> None:
    with pytest.raises(InputError, match="must end after it starts"):
        Period(d("2021-08-03"), d(end))


def test_overlap_counts_the_days_in_both() -> None:
    august = month_of(d("2021-08-15"))
    for start, end in [(1, 40), (20, 25), (200, 230), (229, 260), (243, 244), (243, 300), (0, 364)]:
        other = Period(d("2021-01-01") + dt.timedelta(start), d("2021-01-01") + dt.timedelta(end))
        both = sum(
            1
            for n in range(366)
            for date in [d("2021-01-01") + dt.timedelta(n)]
            if august.start <= date < august.end and other.start <= date < other.end
        )
        assert august.overlap_days(other) == other.overlap_days(august) == both


def test_periods_sort_by_start_then_end() -> None:
    periods = [month_of(d("2021-02-01")), day(d("2021-02-01")), day(d("2020-12-31"))]
    assert sorted(periods) == [periods[2], periods[1], periods[0]]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2021-08-01", "2021-09-01", ("2021-08-01", "2021-09-01")),
        ("2021-08-01", "2021-08-01", ("2021-08-01", "2021-08-02")),
        ("2021-08-01T00:00:00", "2021-08-02T00:00:00", ("2021-08-01", "2021-08-02")),
        ("2021-08-01T01:30:00", "2021-08-01T04:30:00", ("2021-08-01T01:30:00", "2021-08-01T04:30:00")),
        ("2021-08-01T08:00:00+08:00", "2021-08-02T08:00:00+08:00", ("2021-08-01", "2021-08-02")),
        ("2021-08-01T21:00:00", "2021-08-02", ("2021-08-01T21:00:00", "2021-08-02")),
        ("2021-08-01T00:00:00Z", "2021-08-31T23:59:59Z", ("2021-08-01", "2021-09-01")),
        (" 2021-08-01T00:00:00.000+00:00", "2021-08-04T12:00:00.000+00:00 ", ("2021-08-01", "2021-08-04T12:00:00")),
    ],
)
def test_parse(start: str, end: str, expected: tuple[str, str]) -> None:
    first, last = (dt.datetime.fromisoformat(text) for text in expected)
    assert Period.parse(start, end) == Period(first, last)


def test_parts_of_a_day() -> None:
    first = Period(dt.datetime(2021, 8, 3, 21), dt.datetime(2021, 8, 4))
    assert first == Period(dt.datetime(2021, 8, 3, 21), d("2021-08-04")) and first.days == 0.125
    assert first.label == "2021-08-03T21:00/2021-08-04T00:00"
    assert first.overlap_days(day(d("2021-08-03"))) == 0.125 and first.overlap_days(day(d("2021-08-04"))) == 0
    assert first.shifted(3) == Period(d("2021-08-04"), dt.datetime(2021, 8, 4, 3))
    assert not first.whole_days and first.shifted(-21).start == d("2021-08-03")
    assert sorted([day(d("2021-08-04")), first, day(d("2021-08-03"))])[1] is first
    assert Period(dt.datetime(2021, 8, 3), dt.datetime(2021, 8, 4)) == day(d("2021-08-03"))


@pytest.mark.parametrize(("start", "end"), [("2021-13-01", "2021-14-01"), ("", ""), ("August", "2021-09-01")])
def test_parse_refuses_what_is_no_date(start: str, end: str) -> None:
    with pytest.raises(InputError, match="not a pair of ISO dates"):
        Period.parse(start, end)


def test_parse_refuses_an_end_before_the_start() -> None:
    with pytest.raises(InputError, match="must end after it starts"):
        Period.parse("2021-08-05", "2021-08-01")


@pytest.mark.parametrize(
    ("name", "label", "bare"),
    [
        ("smap_l3e_20190417_D", "2019-04-17", "smap_l3e_D"),
        ("spl2smap_s_1km_20190925T0023", "2019-09-25", "spl2smap_s_1km"),
        ("SMAP_L4_SM_gph_20190417T013000_Vv4030_001", "2019-04-17", "SMAP_L4_SM_gph_Vv4030_001"),
        ("SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001", "2015-08-11", "SMAP_L2_SM_P_02801_A_R18290_001"),
        ("MOD11A2.A2019121.h25v04.006.2019130123456", "2019-05-01", "MOD11A2_h25v04_006"),
        ("MOD13Q1.A2010209.250m_16_days_NDVI", "2010-07-28", "MOD13Q1_250m_16_days_NDVI"),
        ("MOD13A1_NDVI_2016_033", "2016-02-02", "MOD13A1_NDVI"),
        ("ndvi 2010-209", "2010-07-28", "ndvi"),
        ("MOD11A1.006_LST_Day_1km_doy2019121_aid0001", "2019-05-01", "MOD11A1_006_LST_Day_1km_aid0001"),
        ("GLDAS_NOAH025_3H.A20160101.0600.021", "2016-01-01", "GLDAS_NOAH025_3H_0600_021"),
        ("c_gls_SSM1km_201706010000_CEURO_S1CSAR_V1.1.1", "2017-06-01", "c_gls_SSM1km_CEURO_S1CSAR_V1_1_1"),
        (
            "ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-20160607000000-fv05.2",
            "2016-06-07",
            "ESACCI_SOILMOISTURE_L3S_SSMV_COMBINED_fv05_2",
        ),
        ("chirps-v2.0.2010.06", "2010-06", "chirps_v2_0"),
        ("chirps-v2.0.2010.06.21", "2010-06-21", "chirps_v2_0"),
        ("2020068_191-28.tif_filled_kranj", "2020-03-08", "191_28_tif_filled_kranj"),
        ("S1A_IW_GRDH_1SDV_20190417T001045_20190417T001110_026848", "2019-04-17", "S1A_IW_GRDH_1SDV_026848"),
        ("lst 2021-08-03T01:30:00Z night", "2021-08-03", "lst_night"),
        ("2021_08_03", "2021-08-03", ""),
        ("2019-12 mean", "2019-12", "mean"),
        ("rain 2021.02.28", "2021-02-28", "rain"),
        ("ndvi_202108", "2021-08", "ndvi"),
        ("lst_2020-366", "2020-12-31", "lst"),
        ("lst_2020060", "2020-02-29", "lst"),
        ("lst_2019060", "2019-03-01", "lst"),
        ("lst 2020-02-29", "2020-02-29", "lst"),
    ],
)
def test_dates_in_names(name: str, label: str, bare: str) -> None:
    found = period_in_name(name)
    assert found is not None and found.label == label
    assert without_date(name) == bare


@pytest.mark.parametrize(
    "name",
    [
        "EPSG_32648",
        "epsg 102012",
        "v2020a",
        "v2020.01",
        "ESACCI_fv05.2",
        "GLEAM_v3.5a_SMs_2003",
        "dem_2000_10m",
        "tile_2015_100m",
        "lat45.2019_lon-105.2011",
        "utm_500000_4649776",
        "NASADEM_HGT_n18w072",
        "lst 2021-02-29",
        "lst_20210229",
        "lst_2019366",
        "lst_2019-13",
        "2021-08-99",
        "h25v04",
        "clay_0-5cm",
        "",
    ],
)
def test_numbers_that_are_no_dates(name: str) -> None:
    assert period_in_name(name) is None


def test_a_name_without_a_date_keeps_all_its_parts() -> None:
    assert without_date("lst_2019366") == "lst_2019366"
    assert without_date("soil moisture") == "soil_moisture"


def test_every_day_of_two_years_is_read_in_every_spelling() -> None:
    date = d("2019-12-31")
    while (date := date + dt.timedelta(1)) < d("2022-01-01"):
        for spelling in ("%Y-%m-%d", "%Y%m%d", "%Y%j", "%Y.%m.%d", "%Y%m%dT0130", "%Y%m%d013000", "A%Y%j", "%Y-%j"):
            assert period_in_name(f"factor_{date.strftime(spelling)}_x") == day(date), (date, spelling)
        assert period_in_name(f"factor {date:%Y-%m}") == month_of(date)
