"""Periods of products, against plain day-by-day calendars, and xarray for time axes."""

from __future__ import annotations

import datetime as dt

import netCDF4
import numpy as np
import pytest
import xarray

from soilmoisture.core.prepare.products.container import BadFile, Container
from soilmoisture.core.prepare.products.dates import read_any_date, read_date
from soilmoisture.core.prepare.products.period_lengths import length_of, period_at, since_midnight
from soilmoisture.core.prepare.products.recipe import Files, GridRule, Recipe, TimeRule, Variable
from soilmoisture.core.prepare.products.time_axis import moments
from soilmoisture.core.prepare.products.times import time_steps

DAY = dt.timedelta(days=1)
YEARS = (2019, 2020, 2021)


def recipe(*rules, **more):
    return Recipe("own", "Own product", Files(), GridRule(), rules, {}, (), **more)


def days_of(year):
    first = dt.date(year, 1, 1)
    return [first + n * DAY for n in range((dt.date(year + 1, 1, 1) - first).days)]


def labels_by_day(year, length):
    """For every day of a year the first day of its period, counted by hand."""
    labels = []
    for number, day in enumerate(days_of(year)):
        if length == "dekad":
            first = day.replace(day=1 if day.day <= 10 else 11 if day.day <= 20 else 21)
        elif length == "5 days":
            first = day.replace(day=max(one for one in (1, 6, 11, 16, 21, 26) if one <= day.day))
        elif length == "month":
            first = day.replace(day=1)
        elif length == "year":
            first = dt.date(year, 1, 1)
        else:
            count = {"day": 1, "4 days": 4, "8 days": 8, "16 days": 16}[length]
            first = dt.date(year, 1, 1) + (number - number % count) * DAY
        labels.append((day, first))
    return labels


@pytest.mark.parametrize("length", ["day", "4 days", "5 days", "8 days", "16 days", "dekad", "month", "year"])
@pytest.mark.parametrize("year", YEARS)
def test_periods_of_a_year_follow_the_calendar(length, year):
    labels = labels_by_day(year, length)
    for first in sorted({first for _, first in labels}):
        mine = [day for day, one in labels if one == first]
        start = dt.datetime.combine(first, dt.time(0))
        end = dt.datetime.combine(mine[-1] + DAY, dt.time(0))
        period = period_at(start, length)
        assert (period.first, period.last, period.days) == (start, end, len(mine))
        # The centre, the first instant after the start and the closing instant name the same period.
        assert period_at(start + (end - start) / 2, length, "centre") == period
        assert period_at(end, length, "end") == period
        assert period_at(start + dt.timedelta(seconds=1), length, "end") == period


@pytest.mark.parametrize(
    ("year", "length", "day_of_year", "days"),
    [(2021, "8 days", 361, 5), (2020, "8 days", 361, 6), (2021, "16 days", 353, 13), (2020, "16 days", 353, 14)],
)
def test_last_composite_of_a_year_is_short(year, length, day_of_year, days):
    period = period_at(dt.datetime(year, 1, 1) + (day_of_year - 1) * DAY, length)
    assert period.days == days and period.end == dt.date(year + 1, 1, 1)


def test_aqua_composites_start_on_9_january_and_do_not_overlap():
    last = period_at(dt.datetime(2020, 12, 26), "16 days")  # day 361
    following = period_at(dt.datetime(2021, 1, 9), "16 days")
    assert last.end == following.start == dt.date(2021, 1, 9) and following.days == 16


@pytest.mark.parametrize(("length", "day"), [("8 days", 2), ("16 days", 2), ("4 days", 6), ("5 days", 2)])
def test_no_period_starts_there(length, day):
    with pytest.raises(ValueError, match=f"no {length[:-5]}-day period starts on 2021-01-0{day}"):
        period_at(dt.datetime(2021, 1, day), length)


@pytest.mark.parametrize(("stamp", "hour"), [("start", 0), ("centre", 1.5), ("end", 3)])
def test_stamps_of_parts_of_a_day(stamp, hour):
    period = period_at(dt.datetime(2015, 3, 31) + dt.timedelta(hours=hour), "3 hours", stamp)
    assert (period.first, period.last) == (dt.datetime(2015, 3, 31), dt.datetime(2015, 3, 31, 3))


@pytest.mark.parametrize("length", ["4 days", "5 days", "8 days", "16 days", "dekad", "month"])
@pytest.mark.parametrize("stamp", ["start", "centre", "end"])
def test_spacing_tells_the_length(length, stamp):
    firsts = sorted({first for year in (2019, 2020) for _, first in labels_by_day(year, length)})
    bounds = [dt.datetime.combine(one, dt.time(0)) for one in firsts]
    stamps = {
        "start": bounds[:-1],
        "centre": [a + (b - a) / 2 for a, b in zip(bounds, bounds[1:])],
        "end": bounds[1:],
    }[stamp]
    assert length_of(stamps, stamp) == length


def test_spacing_of_other_axes():
    start = dt.datetime(2021, 1, 1)
    assert length_of([start]) is None
    assert length_of([start, start + 2 * DAY, start + 4 * DAY]) == 2 * DAY
    assert length_of([start, start + 2 * DAY, start + 9 * DAY]) is None
    hours = [start + dt.timedelta(hours=h) for h in (0, 1, 2, 7)]
    assert length_of(hours) == "hour", "a gap does not change the length"


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2016145", "%Y%j", dt.datetime(2016, 5, 24)),
        ("2020366", "%Y%j", dt.datetime(2020, 12, 31)),
        ("20150331T013000", "%Y%m%dT%H%M%S", dt.datetime(2015, 3, 31, 1, 30)),
        ("2010.06.3", "%Y.%m.%D", dt.datetime(2010, 6, 21)),
        ("2010.06.6", "%Y.%m.%P", dt.datetime(2010, 6, 26)),
        ("2010.06", "%Y.%m.%d|%Y.%m", dt.datetime(2010, 6, 1)),
        ("201011", "%Y%m%d|%Y%m", dt.datetime(2010, 11, 1)),
        ("160607", "%y%m%d", dt.datetime(2016, 6, 7)),
    ],
)
def test_dates_in_names(text, form, expected):
    assert read_date(text, form).moment == expected


@pytest.mark.parametrize(
    ("text", "form"), [("2021-02-29", "%Y-%m-%d"), ("2021366", "%Y%j"), ("2021000", "%Y%j"), ("20211301", "%Y%m%d")]
)
def test_dates_that_do_not_exist(text, form):
    with pytest.raises(ValueError, match="no date of the calendar"):
        read_date(text, form)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-08-11T01:30:02.250Z", dt.datetime(2015, 8, 11, 1, 30, 2, 250000)),
        ("19781101T000000Z", dt.datetime(1978, 11, 1)),
        ("20160607", dt.datetime(2016, 6, 7)),
        ("2016-06-07 03:00:00 UTC", dt.datetime(2016, 6, 7, 3)),
        ("2016-06-07T03:00+08:00", dt.datetime(2016, 6, 6, 19)),
        ("2016-12-31T24:00:00", dt.datetime(2017, 1, 1)),
        ("2016-12-31T23:59:60Z", dt.datetime(2017, 1, 1)),
    ],
)
def test_dates_in_attributes(text, expected):
    assert read_any_date(text).moment == expected


@pytest.mark.parametrize("text", ["yesterday", "16.5", "2016", ""])
def test_what_is_no_date(text):
    assert read_any_date(text) is None


@pytest.mark.parametrize("unit", ["seconds", "minutes", "hours", "days"])
@pytest.mark.parametrize(
    "reference", ["1900-01-01", "1970-01-01T12:00:00", "2000-1-1 00:00:0.0", "1970-01-01 00:00:00 UTC"]
)
@pytest.mark.parametrize("calendar", ["standard", "gregorian", "proleptic_gregorian"])
@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_cf_axes_as_xarray_reads_them(unit, reference, calendar, dtype):
    scale = {"seconds": 86400, "minutes": 1440, "hours": 24, "days": 1}[unit]
    values = np.array([43100, 43100.125, 43159, 43465.5]) * scale
    values = values.astype(dtype)
    given = xarray.Dataset({"t": ("t", values, {"units": f"{unit} since {reference}", "calendar": calendar})})
    expected = xarray.decode_cf(given)["t"].values.astype("datetime64[s]").tolist()
    assert moments(values, f" {unit} since {reference}", calendar) == expected


@pytest.mark.parametrize(
    ("reference", "calendar", "days", "expected"),
    [
        # Julian day 1721424 is 1 January of year 1 in the Julian calendar, 2440588 is 1 January 1970.
        ("1-1-1", "standard", 2440588 - 1721424, dt.datetime(1970, 1, 1)),
        ("0001-01-01", "proleptic_gregorian", dt.date(1970, 1, 1).toordinal() - 1, dt.datetime(1970, 1, 1)),
        ("1582-10-04", "gregorian", 1, dt.datetime(1582, 10, 15)),
        ("1582-10-15", "standard", 1, dt.datetime(1582, 10, 16)),
        ("1500-02-29", "standard", 1, dt.datetime(1500, 3, 11)),
    ],
)
def test_references_before_the_calendar_reform(reference, calendar, days, expected):
    assert moments(np.array([days]), f"days since {reference}", calendar) == [expected]


def test_calendar_without_leap_days():
    expected, day = [], dt.datetime(2015, 11, 1)
    while len(expected) < 1000:
        if (day.month, day.day) != (2, 29):
            expected.append(day)
        day += DAY
    assert moments(np.arange(1000.0), "days since 2015-11-01", "noleap") == expected
    assert moments(np.array([12.0]), "hours since 2016-02-28 18:00", "365_day") == [dt.datetime(2016, 3, 1, 6)]


@pytest.mark.parametrize(
    ("values", "unit", "calendar", "why"),
    [
        ([1.0], "days since 2015-01-01", "360_day", "days that do not exist"),
        ([np.nan], "days since 2015-01-01", "", "time step 1 has no time"),
        ([1.0], "fortnights since 2015-01-01", "", "none of seconds"),
        ([1.0], "days since yesterday", "", "no reference date"),
        ([1.0], "days since 2015-02-30", "", "no reference date of the calendar"),
        ([1.3], "months since 2015-01-01", "", "no whole number of months"),
        ([1e9], "days since 2015-01-01", "", "outside the years"),
        ([20211301.0], "", "", "no date of the calendar"),
        ([17.0], "", "", "no unit such as"),
    ],
)
def test_axes_that_cannot_be_read(values, unit, calendar, why):
    with pytest.raises(ValueError, match=why):
        moments(np.array(values), unit, calendar)


def test_time_zone_of_an_axis():
    local = moments(np.array([8.0]), "hours since 2020-01-01 00:00:00 +08:00")
    assert local == [dt.datetime(2020, 1, 1)]
    assert moments(np.array([1.0]), "hours since 2020-01-01T00:00 -3:30") == [dt.datetime(2020, 1, 1, 4, 30)]


def test_months_and_written_dates():
    assert moments(np.array([0, 13]), "months since 2015-12-01") == [dt.datetime(2015, 12, 1), dt.datetime(2017, 1, 1)]
    assert moments(np.array([1.5]), "months since 2015-01-01") == [dt.datetime(2015, 2, 15)]
    expected = [dt.datetime(2016, 6, 7), dt.datetime(2016, 12, 31)]
    assert moments(np.array([20160607, 20161231]), "") == expected
    assert moments(np.array([20160607.0, 20161231.0]), "day as %Y%m%d.%f") == expected
    assert moments(np.array(["2016-06-07", "2016-12-31T00:00Z"]), "") == expected
    assert moments(np.array([2016159, 2016366]), "", form="%Y%j") == expected


def test_times_in_single_precision_are_rounded():
    values = np.array([1009164.0, 1009167.0], "float32")  # hours since 1900: single precision knows 1/16 hour
    assert moments(values + np.float32(0.0625), "hours since 1900-01-01")[0] == dt.datetime(2015, 2, 15, 12)


class Nc:
    """A netCDF file with one array and its axis, built as a test needs it."""

    def __init__(self, path):
        self.path = path
        self.file = netCDF4.Dataset(path, "w")

    def dims(self, **sizes):
        for name, size in sizes.items():
            self.file.createDimension(name, size)
        return self

    def array(self, name, dims, values, dtype="f8", **attributes):
        one = self.file.createVariable(name, dtype, dims)
        one.setncatts(attributes)
        one[...] = values
        return self

    def steps(self, *rules, array="v", groups=None, variable=None, **more):
        self.file.close()
        with Container.open(self.path) as container:
            info = container.arrays[container.find(array)]
            return time_steps(container, info, recipe(*rules, **more), groups or {}, variable)


@pytest.fixture
def nc(tmp_path):
    return Nc(tmp_path / "product_20200101.nc")


def hourly(nc, hours, name="time", first="2020-01-01", extra=()):
    sizes = {name: len(hours), "lat": 2, "lon": 3}
    nc.dims(**sizes, **dict(extra))
    nc.array(name, (name,), hours, "i8", units=f"hours since {first}")
    dims = (name, *dict(extra), "lat", "lon")
    return nc.array("v", dims, np.zeros([nc.file.dimensions[d].size for d in dims]), "f4")


def test_axis_gives_a_step_and_an_index_each(nc):
    steps = hourly(nc, [0, 1, 2]).steps(TimeRule("axis", axis="valid_time|time", length="hour"))
    assert [step.period.label for step in steps] == [
        "2020-01-01T00:00/2020-01-01T01:00",
        "2020-01-01T01:00/2020-01-01T02:00",
        "2020-01-01T02:00/2020-01-01T03:00",
    ]
    assert [step.index for step in steps] == [{"time": 0}, {"time": 1}, {"time": 2}]


def test_axis_of_the_array_counts_not_any_axis(nc):
    nc.dims(valid_time=4, time=1, lat=2, lon=3)
    nc.array("valid_time", ("valid_time",), range(4), "i8", units="hours since 2020-01-01")
    nc.array("time", ("time",), [17], "i4", units="days since 2010-01-01")
    nc.array("v", ("time", "lat", "lon"), np.zeros((1, 2, 3)), "f4")
    (step,) = nc.steps(TimeRule("axis", axis="valid_time", length="hour"), TimeRule("axis", axis="time", length="day"))
    assert step.period.label == "2010-01-18"


def test_bounds_are_preferred_where_they_make_sense(tmp_path):
    def periods(bounds):
        nc = Nc(tmp_path / f"bounds{len(list(tmp_path.iterdir()))}.nc").dims(time=2, b=2, lat=2, lon=3)
        nc.array("time", ("time",), [30.5, 59], units="days since 2020-01-01", bounds="time_bnds")
        nc.array("time_bnds", ("time", "b"), bounds)
        nc.array("v", ("time", "lat", "lon"), np.zeros((2, 2, 3)), "f4")
        return [one.period.label for one in nc.steps(TimeRule("axis", axis="time", length="day"))]

    assert periods([[0, 31], [31, 60]]) == ["2020-01", "2020-02"]
    second = 1 / 86400
    assert periods([[0, 31 - second], [31, 60 - second]]) == ["2020-01", "2020-02"], "a last second ends its day"
    # Bounds that do not hold their stamp, overlap or are empty tell nothing.
    assert periods([[0, 10], [31, 60]]) == ["2020-01-31", "2020-02-29"]
    assert periods([[0, 40], [31, 60]]) == ["2020-01-31", "2020-02-29"]
    assert periods([[30.5, 30.5], [59, 59]]) == ["2020-01-31", "2020-02-29"]


def test_length_from_the_spacing(tmp_path):
    monthly = Nc(tmp_path / "m.nc").dims(time=3, lat=1, lon=1)
    monthly.array("time", ("time",), [0, 31, 60], units="days since 2020-01-01").array(
        "v", ("time", "lat", "lon"), np.zeros((3, 1, 1))
    )
    steps = monthly.steps(TimeRule("axis", axis="time", length="axis"))
    assert [step.period.label for step in steps] == ["2020-01", "2020-02", "2020-03"]


def test_one_step_of_unknown_length(nc):
    rule = TimeRule("axis", axis="time", length="axis")
    with pytest.raises(BadFile, match="the length of its one time step on time is not told"):
        hourly(nc, [5]).steps(rule, TimeRule("static"))


def test_next_rule_helps_with_one_step(nc):
    (step,) = hourly(nc, [5]).steps(
        TimeRule("axis", axis="time", length="axis"), TimeRule("axis", axis="time", length="hour")
    )
    assert step.period.label == "2020-01-01T05:00/2020-01-01T06:00"


def test_steps_closer_or_farther_apart_than_the_recipe_says(tmp_path):
    with pytest.raises(BadFile, match="closer together than the recipe says"):
        hourly(Nc(tmp_path / "a.nc"), [0, 1, 2]).steps(TimeRule("axis", axis="time", length="3 hours"))
    months = Nc(tmp_path / "b.nc").dims(time=3, lat=1, lon=1)
    months.array("time", ("time",), [0, 31, 60], units="days since 2020-01-01").array("v", ("time", "lat", "lon"), 0)
    with pytest.raises(BadFile, match="a month apart, but the recipe says that each lasts a day"):
        months.steps(TimeRule("axis", axis="time", length="day"))


def test_same_time_twice(nc):
    with pytest.raises(BadFile, match=r"2020-01-01 01:00 is there twice"):
        hourly(nc, [0, 1, 1]).steps(TimeRule("axis", axis="time", length="hour"))


def test_old_era5_layout_final_release_first(nc):
    nc = hourly(nc, [0, 1], extra={"expver": 2}).array("expver", ("expver",), [5, 1], "i4")
    steps = nc.steps(TimeRule("axis", axis="time", length="hour"), merge_dims=("expver",))
    assert steps[1].index == {"time": 1, "expver": 1}, "release 1 is final, 5 preliminary"
    assert steps[1].others == ({"time": 1, "expver": 0},)


def test_other_dimensions_are_selected_or_said(tmp_path):
    rule = TimeRule("axis", axis="time", length="hour")
    level = hourly(Nc(tmp_path / "a.nc"), [0, 1], extra={"number": 1, "level": 4})
    steps = level.steps(rule, variable=Variable("v", "v", "v", select={"level": 2}))
    assert steps[1].index == {"time": 1, "number": 0, "level": 2}
    with pytest.raises(BadFile, match=r"level \(4\).*must 'select'"):
        hourly(Nc(tmp_path / "b.nc"), [0, 1], extra={"level": 4}).steps(rule)
    with pytest.raises(BadFile, match="4 elements along level, so there is no index 4"):
        hourly(Nc(tmp_path / "c.nc"), [0], extra={"level": 4}).steps(
            rule, variable=Variable("v", "v", "v", select={"level": 4})
        )


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def accumulated(values_by_hour):
    """Hourly amounts as ERA5-Land stores them: sums from midnight, 00:00 closing the day before."""
    sums, running = {}, 0.0
    for hour in range(1, len(values_by_hour) + 1):
        running = values_by_hour[hour - 1] + (0.0 if (hour - 1) % 24 == 0 else running)
        sums[hour] = running
    return sums


@pytest.mark.parametrize("every", [1, 3, 6, 24])
def test_accumulated_values_become_amounts(tmp_path, rng, every):
    amounts = rng.random(72)
    sums = accumulated(amounts)
    hours = [hour for hour in range(1, 73) if hour % every == 0]
    nc = hourly(Nc(tmp_path / "tp.nc"), hours)
    variable = Variable("rain", "rain", "v", accumulated=True)
    steps = nc.steps(TimeRule("axis", axis="time", length="hour", stamp="start"), variable=variable)
    stored = [sums[hour] for hour in hours]
    midnight = dt.datetime(2020, 1, 1)
    for step, hour in zip(steps, hours):
        value = stored[step.index["time"]] - (stored[step.minus.index["time"]] if step.minus else 0)
        assert value == pytest.approx(sum(amounts[hour - every : hour]))
        assert (step.period.first, step.period.last) == (
            midnight + dt.timedelta(hours=hour - every),
            midnight + dt.timedelta(hours=hour),
        )
        assert not step.cut


def test_accumulated_values_without_the_step_before(tmp_path):
    variable = Variable("rain", "rain", "v", accumulated=True)
    steps = hourly(Nc(tmp_path / "a.nc"), [0, 1, 2, 4, 5]).steps(
        TimeRule("axis", axis="time", length="hour"), variable=variable
    )
    # 00:00 closes the day before, of which 23:00 is not in the file; 03:00 is missing.
    assert [step.cut for step in steps] == [True, False, False, True, False]
    assert steps[0].period.label == "2019-12-31T23:00/2020-01-01T00:00"
    assert [step.minus.index["time"] if step.minus else None for step in steps] == [None, None, 1, None, 3]
    with pytest.raises(BadFile, match="sums up from midnight to 05:00"):
        hourly(Nc(tmp_path / "b.nc"), [5]).steps(TimeRule("axis", axis="time", length="hour"), variable=variable)


def test_sum_until_noon_is_a_period_of_its_own():
    noons = [dt.datetime(2020, 1, day, 12) for day in (1, 2)]
    assert [(p.first, p.last, n) for p, n in since_midnight(noons)] == [
        (noon.replace(hour=0), noon, None) for noon in noons
    ]


class Plain:
    """A file of which only name and attributes matter."""

    def __init__(self, name="x.tif", **attributes):
        self.path, self.name, self.format, self.arrays = f"/data/{name}", name, "GTiff", {}
        self.attributes = {key.replace("__", "/"): value for key, value in attributes.items()}

    def find(self, pattern):
        return None

    def steps(self, *rules, **groups):
        from soilmoisture.core.prepare.products.container import ArrayInfo

        return time_steps(self, ArrayInfo("a", (2, 3), ("y", "x"), "int16"), recipe(*rules), groups)

    def label(self, *rules, **groups):
        (step,) = self.steps(*rules, **groups)
        return step.period.label if step.period else None


MODIS = TimeRule("name", format="%Y%j", length={"11A1": "day", "11(A2|B2)": "8 days", "13": "16 days"})


@pytest.mark.parametrize(
    ("product", "date", "label"),
    [
        ("MOD11A1", "2016145", "2016-05-24"),
        ("MOD11A2", "2016361", "2016-12-26/2017-01-01"),
        ("MOD13A2", "2016353", "2016-12-18/2017-01-01"),
    ],
)
def test_length_by_product(product, date, label):
    assert Plain().label(MODIS, product=product, date=date) == label


def test_length_by_file_name_and_none():
    assert Plain("MOD11A1.tif").label(MODIS, date="2016145") == "2016-05-24"
    with pytest.raises(BadFile, match="does not say how long the periods of MOD99"):
        Plain().label(MODIS, product="MOD99", date="2016145")


def test_attributes_tell_first_and_last_day():
    modis = Plain(RANGEBEGINNINGDATE="2017-01-01", RANGEENDINGDATE="2017-01-08")
    rule = TimeRule("attributes", start="RANGEBEGINNINGDATE", end="RANGEENDINGDATE")
    assert modis.label(rule) == "2017-01-01/2017-01-09"
    index = Plain(start="2017-05-31T12:00:01Z", end="2017-06-01T12:00:00Z")
    assert index.label(TimeRule("attributes", start="start", end="end")) == "2017-05-31T12:00/2017-06-01T12:00"
    whole = Plain(start="2017-06-01T00:00:00Z", end="2017-06-01T23:59:59Z")
    assert whole.label(TimeRule("attributes", start="start", end="end")) == "2017-06-01"
    smap = Plain(Metadata__Extent__rangeBeginningDateTime="2015-08-11T01:30:02.239Z")
    assert smap.label(TimeRule("attributes", start="rangeBeginningDateTime", length="day")) == "2015-08-11"


def test_end_stamp_of_a_day_belongs_to_its_period():
    rule = TimeRule("name", format="%Y%m%d", length="dekad", stamp="end")
    assert Plain().label(rule, date="20170610") == "2017-06-01/2017-06-11"
    assert Plain().label(rule, date="20170228") == "2017-02-21/2017-03-01"
    assert Plain().label(TimeRule("name", format="%Y%m%d", stamp="end"), date="20170610") == "2017-06-10"


def test_renamed_file_is_found_out():
    renamed = Plain(RANGEBEGINNINGDATE="2016-05-24", RANGEENDINGDATE="2016-06-08")
    assert renamed.label(MODIS, product="MOD13A2", date="2016145") == "2016-05-24/2016-06-09"
    with pytest.raises(BadFile, match="name says 2016-06-09/2016-06-25, but inside it says 2016-05-24/2016-06-09"):
        renamed.label(MODIS, product="MOD13A2", date="2016161")


def test_one_common_day_is_no_agreement():
    before = Plain(RANGEBEGINNINGDATE="2016-05-17", RANGEENDINGDATE="2016-06-01")
    with pytest.raises(BadFile, match="renamed or is damaged"):
        before.label(MODIS, product="MOD13A2", date="2016153")


def test_axis_of_several_steps_wins_over_the_name(nc):
    name = TimeRule("name", format="%Y%m%d")
    steps = hourly(nc, [0, 1]).steps(name, TimeRule("axis", axis="time", length="hour"), groups={"date": "20200101"})
    assert len(steps) == 2 and steps[1].period.label == "2020-01-01T01:00/2020-01-01T02:00"


def test_names_and_content_that_agree_in_their_own_way():
    # A day inside the 16 days it was retrieved from (MCD43).
    nbar = Plain(RANGEBEGINNINGDATE="2016-05-16", RANGEENDINGDATE="2016-05-31")
    assert nbar.label(TimeRule("name", format="%Y%j"), date="2016145") == "2016-05-24"
    # A half orbit that passes midnight.
    night = Plain(
        Metadata__Extent__rangeBeginningDateTime="2015-08-11T23:50:00Z",
        Metadata__Extent__rangeEndingDateTime="2015-08-12T00:42:00Z",
    )
    assert night.label(TimeRule("name", format="%Y%m%d"), date="20150811") == "2015-08-11"
    with pytest.raises(BadFile, match="renamed or is damaged"):
        night.label(TimeRule("name", format="%Y%m%d"), date="20150813")


def test_no_date_and_impossible_dates():
    rule = TimeRule("name", format="%Y-%m-%d")
    with pytest.raises(BadFile, match="x.tif: it has no date in its name or inside"):
        Plain().steps(rule)
    with pytest.raises(BadFile, match="date in its name does not exist: '2021-02-29'"):
        Plain().steps(rule, date="2021-02-29")
    with pytest.raises(BadFile, match="attribute start is 'soon', which is no date"):
        Plain(start="soon").steps(TimeRule("attributes", start="start"))
    with pytest.raises(BadFile, match="begins on 2017-01-09 00:00:00 and ends on"):
        Plain(start="2017-01-09", end="2017-01-01").steps(TimeRule("attributes", start="start", end="end"))


def test_static_any_and_given_dates():
    assert Plain().label(TimeRule("static")) is None
    assert Plain("ndvi_2021-08.tif").label(TimeRule("name"), TimeRule("static")) == "2021-08"
    assert Plain().label(TimeRule("given", format="2021-08-03/2021-08-10")) == "2021-08-03/2021-08-11"
    assert Plain().label(TimeRule("given", format="2021-08")) == "2021-08"


HOURLY = TimeRule("axis", axis="valid_time", length="hour")
DAILY = TimeRule("axis", axis="time", length="day")
WEEKLY = TimeRule("attributes", start="RANGEBEGINNINGDATE", end="RANGEENDINGDATE")
REAL = [
    ("era5_land/*.nc", "swvl1", HOURLY, 168, "2020-06-01T00:00/2020-06-01T01:00"),
    ("gldas/*.nc4", "SoilMoi0*", DAILY, 1, "2016-01-01T03:00/2016-01-01T06:00"),
    ("esa_cci_sm/*.nc", "sm", DAILY, 1, "2016-06-07"),
    ("cgls_1km/*SSM*.nc", "ssm", DAILY, 1, "2017-06-01"),
    ("modis/MOD11B2*", "LST_Day*", WEEKLY, 1, "2017-01-01/2017-01-09"),
]


@pytest.mark.parametrize(("files", "array", "rule", "count", "first"), REAL, ids=[one[0] for one in REAL])
def test_real_files(shared_data, files, array, rule, count, first):
    with Container.open(next((shared_data / "native_products").glob(files))) as container:
        steps = time_steps(container, container.arrays[container.find(array)], recipe(rule), {})
    assert len(steps) == count and steps[0].period.label == first


def test_real_hourly_axis_is_as_xarray_reads_it(shared_data):
    path = next((shared_data / "native_products/era5_land").glob("*.nc"))
    with xarray.open_dataset(path) as dataset:
        expected = dataset["valid_time"].values.astype("datetime64[s]").tolist()
    with Container.open(path) as container:
        rule = TimeRule("axis", axis="valid_time", length="axis")
        steps = time_steps(container, container.arrays["swvl1"], recipe(rule, merge_dims=("expver",)), {})
    assert [step.period.first for step in steps] == expected
