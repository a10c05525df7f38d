"""Composites against the daily (hourly) expansion of their layers with xarray, and cases worked out by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from osgeo import gdal

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.composite import CompositeOptions, make_composites
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.running import Running
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.raster.work import Work

ROWS, COLS = 3, 4
SHAPE = (ROWS, COLS)


def days(first, last, step=1, restart=False):
    """(start, end) of layers of `step` days; `restart` begins again each 1 January."""
    start, last, spans = pd.Timestamp(first), pd.Timestamp(last), []
    while start < last:
        end = start + pd.Timedelta(days=step)
        if restart and end.year > start.year:
            end = pd.Timestamp(start.year + 1, 1, 1)
        spans.append((start, end))
        start = end
    return spans


def stamps(first, count, hours):
    start, step = pd.Timestamp(first), pd.Timedelta(hours=hours)
    return [(start + k * step, start + (k + 1) * step) for k in range(count)]


def text(moment):
    return moment.strftime("%Y-%m-%d") if moment == moment.normalize() else moment.isoformat()


@pytest.fixture
def layers(raster):
    """layers(spans, ...): the path of a layer with one band per span, and its values; a share of pixels is empty."""

    def make(spans, name="x", unit="", empty=0.2, seed=0, values=None, file="", **more):
        rng = np.random.default_rng(seed)
        if values is None:
            values = rng.normal(10, 3, (len(spans), *SHAPE))
            values[rng.random(values.shape) < empty] = np.nan
        path = raster(
            file or name,
            values,
            (500000.0, 5300000.0),
            1000.0,
            nodata=-9999.0,
            names=[name] * len(spans),
            periods=[(text(a), text(b)) for a, b in spans],
            unit=unit,
            **more,
        )
        return path, np.asarray(values, float)

    return make


@pytest.fixture
def composite(tmp_path):
    """composite(layers, ...): the result, and values and coverage by name and start of the period."""

    def make(paths, progress=None, **options):
        out, shares = tmp_path / "out.tif", tmp_path / "coverage.tif"
        paths = [paths] if isinstance(paths, str) else paths
        result = make_composites(paths, out, CompositeOptions(**options), shares, progress)
        bands = {}
        with Stack.open(out) as stack, Stack.open(shares) as coverage:
            for number, band in enumerate(stack.bands, 1):
                assert coverage.bands[number - 1].period == band.period
                bands[band.name, str(band.period.start)] = (stack.read(number), coverage.read(number))
        return result, bands

    return make


def expanded(spans, values, freq):
    """Each layer repeated on its days (hours), and its share of the layer's length."""
    times, fields, shares = [], [], []
    for (start, end), value in zip(spans, values):
        steps = pd.date_range(start, end, freq=freq, inclusive="left")
        times += list(steps)
        fields += [value] * len(steps)
        shares += [value / len(steps)] * len(steps)

    def array(data):
        return xr.DataArray(np.array(data), dims=("time", "y", "x"), coords={"time": times})

    return array(fields), array(shares)


def check(bands, wanted, coverage, least=0.5, name="x", rtol=2e-7):
    """wanted and coverage: (time, y, x) with the start of each period as time."""
    seen = 0
    for start in wanted.time.values:
        key = (name, str(pd.Timestamp(start).date()))
        share = coverage.sel(time=start).values
        value = np.where((share >= least - 1e-9) & (share > 0), wanted.sel(time=start).values, np.nan)
        if key not in bands:
            assert share.max() < least
            continue
        np.testing.assert_allclose(bands[key][0], value, rtol=rtol)
        np.testing.assert_allclose(bands[key][1], share, atol=1e-6)
        seen += 1
    assert seen == len([key for key in bands if key[0] == name]) > 0


SPANS = {
    "8 days over a leap year": days("2019-12-03", "2021-03-05", 8, restart=True),
    "16 days": days("2020-01-01", "2022-01-01", 16, restart=True),
    "months": [(month.start_time, (month + 1).start_time) for month in pd.period_range("2019-10", "2022-03", freq="M")],
    "days": days("2019-12-15", "2020-06-10"),
}
FREQUENCIES = {"month": "MS", "season": "QS-DEC", "year": "YS" if pd.__version__ >= "2.2" else "AS"}


@pytest.mark.parametrize("method", ["mean", "sum"])
@pytest.mark.parametrize("period", ["month", "season", "year"])
@pytest.mark.parametrize("kind", list(SPANS))
def test_means_and_sums_are_those_of_the_daily_expansion(layers, composite, kind, period, method):
    spans = SPANS[kind]
    path, values = layers(spans)
    _, bands = composite(path, period=period, method=method, min_coverage=0.3)
    field, share = expanded(spans, values, "D")
    groups = field.resample(time=FREQUENCIES[period])
    wanted = groups.mean() if method == "mean" else share.resample(time=FREQUENCIES[period]).sum(skipna=True)
    ends = pd.DatetimeIndex(wanted.time.values) + pd.tseries.frequencies.to_offset(FREQUENCIES[period])
    total = xr.DataArray((ends - pd.DatetimeIndex(wanted.time.values)).days.astype(float), dims="time")
    check(bands, wanted, groups.count() / total.values[:, None, None], least=0.3)


def test_a_sum_can_be_scaled_to_the_whole_period(layers, composite):
    spans = SPANS["8 days over a leap year"]
    path, values = layers(spans, name="rain", unit="mm", empty=0.3)
    _, plain = composite(path, min_coverage=0.1)
    _, scaled = composite(path, min_coverage=0.1, rescale_sums=True)
    for key, (value, share) in plain.items():
        np.testing.assert_allclose(scaled[key][0], value / share, rtol=1e-6)
        np.testing.assert_array_equal(scaled[key][1], share)


@pytest.mark.parametrize(
    ("period", "starts"),
    [
        ("8 days", lambda year, doy, month, day: 8 * ((doy - 1) // 8)),
        ("16 days", lambda year, doy, month, day: 16 * ((doy - 1) // 16)),
        ("dekad", lambda year, doy, month, day: (month, min((day - 1) // 10, 2))),
        ("5 days", lambda year, doy, month, day: (month, min((day - 1) // 5, 5))),
    ],
)
def test_days_fall_into_calendar_periods(layers, composite, period, starts):
    spans = days("2019-11-21", "2021-02-09")
    path, values = layers(spans)
    _, bands = composite(path, period=period, method="mean", min_coverage=0.0)
    groups = {}
    for (start, _), value in zip(spans, values):
        key = (start.year, starts(start.year, start.dayofyear, start.month, start.day))
        groups.setdefault(key, []).append(value)
    assert len(bands) == len(groups)
    for found, members in zip(bands.values(), groups.values()):
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(found[0], np.nanmean(np.stack(members), axis=0), rtol=2e-7)


@pytest.mark.parametrize("method", ["max", "min", "median"])
def test_extremes_and_medians_take_layers_that_lie_at_least_half_inside(layers, composite, method):
    spans = SPANS["8 days over a leap year"]
    path, values = layers(spans, empty=0.3)
    _, bands = composite(path, period="month", method=method, min_coverage=0.2)
    months = pd.period_range("2019-12", "2021-03", freq="M")
    seen = 0
    for month in months:
        first, last = month.start_time, (month + 1).start_time
        chosen, covered = [], np.zeros(SHAPE)
        for (start, end), value in zip(spans, values):
            inside = (min(end, last) - max(start, first)).days
            if inside > 0 and inside >= (end - start).days / 2:
                chosen.append(value)
                covered += np.where(np.isnan(value), 0, inside)
        share = covered / month.days_in_month
        if share.max() < 0.2:
            continue
        reduce = {"max": np.nanmax, "min": np.nanmin, "median": np.nanmedian}[method]
        block = np.stack(chosen)
        wanted = np.full(SHAPE, np.nan)
        for i in np.ndindex(SHAPE):
            if share[i] >= 0.2 - 1e-9:
                wanted[i] = reduce(block[(slice(None), *i)])
        found = bands["x", str(first.date())]
        np.testing.assert_allclose(found[0], wanted, rtol=1e-6)
        np.testing.assert_allclose(found[1], share, atol=1e-6)
        seen += 1
    assert seen == len(bands) == len(months) - 1  # too little of the last month


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 31])
def test_medians_of_any_number_of_layers(layers, composite, count):
    path, values = layers(days("2021-07-01", "2021-08-01")[:count], empty=0.4, seed=count)
    _, bands = composite(path, method="median", min_coverage=0.0)
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        np.testing.assert_allclose(bands["x", "2021-07-01"][0], np.nanmedian(values, axis=0), rtol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 8.0, -5.5, 5.75])
def test_local_days_of_three_hourly_layers(layers, composite, offset):
    spans = stamps("2020-02-27", 8 * 5, 3)
    path, values = layers(spans, empty=0.1)
    result, bands = composite(path, period="day", utc_offset=offset, min_coverage=0.5)
    field, _ = expanded(spans, values, "15min")
    field = field.assign_coords(time=field.time + np.timedelta64(int(offset * 60), "m"))
    groups = field.resample(time="D")
    check(bands, groups.mean(), groups.count() / 96)
    assert ("x", "2020-02-29") in bands
    assert result.clock.name == {0.0: "UTC", 8.0: "UTC+08:00", -5.5: "UTC-05:30", 5.75: "UTC+05:45"}[offset]


def test_hours_of_the_local_day(layers, composite):
    spans = stamps("2021-07-01", 8 * 4, 3)
    path, values = layers(spans, empty=0.0)
    _, bands = composite(path, period="day", utc_offset=8, hours="06:00")
    # 06:00 at UTC+8 is 22:00 UTC of the day before: the last layer of each UTC day.
    assert [start for _, start in bands] == ["2021-07-02", "2021-07-03", "2021-07-04", "2021-07-05"]
    for k, (value, share) in enumerate(bands.values()):
        np.testing.assert_allclose(value, values[8 * k + 7], rtol=1e-6)
        np.testing.assert_array_equal(share, 1.0)


@pytest.mark.parametrize("offset", [0, 8, -5.5])
@pytest.mark.parametrize(("hours", "hour"), [("00:00", 0.0), ("6", 6.0), ("13:45", 13.75), ("23:00", 23.0)])
def test_a_time_of_day_takes_the_layer_that_holds_it(layers, composite, hours, hour, offset):
    spans = stamps("2021-07-01", 8 * 4, 3)
    path, values = layers(spans, empty=0.0)
    _, bands = composite(path, period="day", utc_offset=offset, hours=hours)
    shift, wanted = pd.Timedelta(hours=offset), {}
    for date in pd.date_range("2021-06-29", "2021-07-06"):
        for (start, end), field in zip(spans, values):
            if start + shift <= date + pd.Timedelta(hours=hour) < end + shift:
                wanted[text(date)] = field
    assert [start for _, start in bands] == list(wanted) and len(wanted) >= 4
    for (_, start), (value, _) in bands.items():
        np.testing.assert_allclose(value, wanted[start], rtol=1e-6)


@pytest.mark.parametrize("hours", ["09:00-16:30", "22:00-04:00"])
def test_a_range_of_hours_counts_what_lies_in_it(layers, composite, hours):
    spans = stamps("2021-07-01", 8 * 6, 3)
    path, values = layers(spans, empty=0.1)
    _, bands = composite(path, period="day", utc_offset=-5.5, hours=hours, min_coverage=0.0)
    field, _ = expanded(spans, values, "30min")
    local = field.assign_coords(time=field.time + np.timedelta64(-330, "m"))
    hour = local.time.dt.hour + local.time.dt.minute / 60
    inside = (hour >= 9) & (hour < 16.5) if hours.startswith("09") else (hour >= 22) | (hour < 4)
    chosen = local[inside.values]
    groups = chosen.resample(time="D")
    check(bands, groups.mean(), groups.count() / {"09:00-16:30": 15, "22:00-04:00": 12}[hours], least=0.0)


def test_the_last_composite_of_a_year_counts_its_real_days(layers, composite):
    spans = days("2021-12-03", "2022-01-17", 8, restart=True)
    assert [(b - a).days for a, b in spans] == [8, 8, 8, 5, 8, 8]
    values = np.broadcast_to(np.array([8.0, 8.0, 8.0, 5.0, 8.0, 8.0])[:, None, None], (6, *SHAPE))
    path, _ = layers(spans, name="et", unit="kg/m2", values=values)
    result, bands = composite(path, min_coverage=0.9)
    assert result.variables[0].method == "sum"
    np.testing.assert_array_equal(bands["et", "2021-12-01"][0], 29.0)  # one a day, on 29 of 31 days
    assert ("et", "2022-01-01") not in bands  # 16 of 31 days
    means, rates = composite(path, method="mean", min_coverage=0.5)
    np.testing.assert_allclose(rates["et", "2021-12-01"][0], 1.0, rtol=1e-6)
    assert means.variables[0].unit == "kg/m2/day"


@pytest.mark.parametrize(
    ("unit", "rate"),
    [
        ("mm", "mm/day"),
        ("kg/m2", "kg/m2/day"),
        ("kg m-2", "kg m-2 day-1"),
        ("kg m**-2", "kg m**-2 day**-1"),
        ("m", "m/day"),
    ],
)
def test_the_mean_of_amounts_is_their_rate_per_day(layers, composite, tmp_path, unit, rate):
    spans = days("2021-12-03", "2022-02-02", 8, restart=True)
    path, values = layers(spans, name="rain", unit=unit)
    result, bands = composite(path, method="mean", min_coverage=0.1)
    lengths = np.array([(b - a).days for a, b in spans])[:, None, None]
    field, _ = expanded(spans, values / lengths, "D")
    np.testing.assert_allclose(bands["rain", "2022-01-01"][0], field.sel(time="2022-01").mean("time").values, rtol=1e-6)
    assert result.variables[0].unit == rate and any(f"their rate in {rate}" in note for note in result.notes)
    # Taken on, it is a rate, whose sum is the amount again.
    again = make_composites([str(tmp_path / "out.tif")], tmp_path / "back.tif", CompositeOptions(method="sum"))
    assert again.variables[0].unit == unit
    with Stack.open(tmp_path / "back.tif") as back:
        january = [band.period.label for band in back.bands].index("2022-01") + 1
        np.testing.assert_allclose(back.read(january), 31 * bands["rain", "2022-01-01"][0], rtol=1e-6)


def test_extremes_of_amounts_stay_amounts_and_a_store_stays_a_store(layers, composite):
    rain, a = layers(days("2021-06-01", "2021-07-01"), name="rain", unit="mm", empty=0.0)
    store, b = layers(days("2021-06-01", "2021-07-01"), name="soil_moisture", unit="mm", empty=0.0, seed=3)
    result, bands = composite(rain, method="max")
    np.testing.assert_allclose(bands["rain", "2021-06-01"][0], a.max(axis=0), rtol=1e-6)
    assert result.variables[0].unit == "mm" and any("per layer, not per period" in note for note in result.notes)
    result, bands = composite(store, method="mean")
    np.testing.assert_allclose(bands["soil_moisture", "2021-06-01"][0], b.mean(axis=0), rtol=1e-6)
    assert result.variables[0].unit == "mm"


@pytest.mark.parametrize("method", ["mean", "max", "min", "median"])
def test_two_overpasses_of_one_date_both_count(layers, composite, method):
    spans = days("2021-06-01", "2021-06-11")
    morning, a = layers(spans, empty=0.4, file="x_A")
    evening, b = layers(spans[3:], empty=0.4, seed=1, file="x_D")
    result, bands = composite([morning, evening], period="dekad", method=method, min_coverage=0.5)
    covered, wanted = np.zeros(SHAPE), np.full(SHAPE, np.nan)
    for i in np.ndindex(SHAPE):
        seen = [v for v in (*a[(slice(None), *i)], *b[(slice(None), *i)]) if np.isfinite(v)]
        both = [[a[(k, *i)], *([b[(k - 3, *i)]] if k >= 3 else [])] for k in range(10)]
        covered[i] = sum(any(np.isfinite(v) for v in day) for day in both) / 10
        if covered[i] >= 0.5:
            wanted[i] = {"mean": np.mean, "max": max, "min": min, "median": np.median}[method](seen)
    np.testing.assert_allclose(bands["x", "2021-06-01"][0], wanted, rtol=1e-6)
    np.testing.assert_allclose(bands["x", "2021-06-01"][1], covered, atol=1e-6)
    notes = [note for note in result.notes if "more than once" in note]
    assert len(notes) == 1 and "for 2021-06-04 (in x_A and x_D) and 6 more times" in notes[0]
    with pytest.raises(InputError, match="there twice for 2021-06-04 .* a sum would count twice"):
        composite([morning, evening], period="dekad", method="sum")


def test_real_morning_and_evening_overpasses(shared_data, composite):
    folder = shared_data / "smapvex16_manitoba" / "coarse_smap9km"
    paths = [str(folder / f"smap_l3e_20160608_{which}.tif") for which in "AD"]
    stored = np.stack([gdal.Open(path).ReadAsArray()[0].astype(float) for path in paths])
    stored[stored == -9999] = np.nan
    assert np.isfinite(stored).any()
    _, bands = composite(paths, period="day", variables=["soil_moisture"], min_coverage=0.5)
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        wanted = np.nanmean(stored, axis=0)
    np.testing.assert_allclose(bands["soil_moisture", "2016-06-08"][0], wanted, rtol=1e-6)


def test_layers_named_by_their_first_day_get_their_length(raster, composite):
    paths = [
        raster(f"pet_A2021{doy:03d}", np.full(SHAPE, 8.0 if doy < 361 else 5.0), (0.0, 0.0), 1.0, epsg=4326)
        for doy in range(1, 366, 8)
    ]
    with pytest.raises(
        InputError, match=r"No period is covered by enough layers \(the best, 2021-02, has 14 % of its time"
    ):
        composite(paths, method="sum")
    result, _ = composite(paths, method="sum", min_coverage=0.1)
    assert any("dated one day, but they come every 8 days" in note for note in result.notes)
    result, bands = composite(paths, method="sum", source_days=8)
    assert len(bands) == 12 and not any("dated one day" in note for note in result.notes)
    for (_, start), (value, share) in bands.items():
        np.testing.assert_allclose(value, pd.Timestamp(start).days_in_month, rtol=1e-6)
        np.testing.assert_array_equal(share, 1.0)


def test_a_missing_composite_leaves_a_gap(layers, composite, tmp_path):
    spans = [span for span in days("2021-01-01", "2021-07-01", 8) if not "2021-03-01" <= text(span[0]) < "2021-04-20"]
    path, _ = layers(spans, empty=0.0)
    result, bands = composite(path, min_coverage=0.6)
    assert [start for _, start in bands] == [f"2021-0{month}-01" for month in (1, 2, 5, 6)]
    gaps = {one.label: one.gap for one in result.gaps}
    assert set(gaps) == {"2021-03", "2021-04"} and gaps["2021-03"].startswith("layers cover ")
    _, kept = composite(path, min_coverage=0.6, keep_gaps=True)
    assert [start for _, start in kept] == [f"2021-0{month}-01" for month in (1, 2, 3, 4, 5, 6)]
    assert np.isnan(kept["x", "2021-03-01"][0]).all() and np.isfinite(kept["x", "2021-05-01"][0]).all()
    none, _ = composite(path, period="dekad", min_coverage=0.6)
    assert "no layer" in {one.gap for one in none.gaps}


def test_pixels_below_the_coverage_are_empty_and_counted(layers, composite):
    values = np.ones((30, *SHAPE))
    values[10:, 0, 0], values[15:, 0, 1], values[:, 0, 2] = np.nan, np.nan, np.nan
    path, _ = layers(days("2021-06-01", "2021-07-01"), values=values)
    result, bands = composite(path)
    value, share = bands["x", "2021-06-01"]
    np.testing.assert_allclose(share[0], [1 / 3, 0.5, 0.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(np.isnan(value[0]), [True, False, True, False])
    one = result.results[0]
    assert (one.valid_share, one.thin_share, one.layers) == pytest.approx((10 / 12, 1 / 12, 30))
    assert one.coverage == pytest.approx(9.5 / 10) and (one.minimum, one.mean, one.maximum) == (1, 1, 1)
    with Stack.open(path.replace("x.tif", "out.tif")) as stack:
        assert stack.tags["MIN_COVERAGE"] == "0.5"


def test_layers_that_overlap_in_time_are_weighted_and_cover_it_once(layers, composite):
    terra, aqua = days("2021-01-01", "2021-07-01", 16), days("2021-01-09", "2021-07-01", 16)
    first, a = layers(terra, empty=0.4, file="terra")
    second, b = layers(aqua, empty=0.4, seed=1, file="aqua")
    _, bands = composite([first, second], period="month", method="mean", min_coverage=0.1)
    for (_, start), (value, share) in bands.items():
        month = pd.date_range(start, periods=pd.Timestamp(start).days_in_month)
        total, weight, covered = np.zeros(SHAPE), np.zeros(SHAPE), np.zeros(SHAPE)
        for date in month:
            seen = np.zeros(SHAPE, bool)
            for (begin, end), field in [*zip(terra, a), *zip(aqua, b)]:
                if begin <= date < end:
                    valid = np.isfinite(field)
                    total += np.where(valid, field, 0)
                    weight += valid
                    seen |= valid
            covered += seen
        with np.errstate(invalid="ignore"):
            wanted = np.where(covered / len(month) >= 0.1, total / weight, np.nan)
        np.testing.assert_allclose(value, wanted, rtol=1e-6)
        np.testing.assert_allclose(share, covered / len(month), atol=1e-6)
    with pytest.raises(InputError, match="share 8 days, which would count twice"):
        composite([first, second], method="sum")


def test_longer_layers_repeat_in_shorter_periods(layers, composite):
    path, values = layers(days("2021-01-01", "2021-02-02", 16), empty=0.2)
    _, bands = composite(path, period="day", method="mean")
    assert len(bands) == 32
    for k, (value, _) in enumerate(bands.values()):
        np.testing.assert_allclose(value, values[k // 16], rtol=1e-6)
    with pytest.raises(InputError, match="no layer has half of its time in it"):
        composite(path, period="day", method="max")


@pytest.mark.parametrize(
    ("name", "unit", "method", "out"),
    [
        ("precipitation", "mm", "sum", "mm"),
        ("et", "kg/m2", "sum", "kg/m2"),
        ("total_precipitation", "m", "sum", "m"),
        ("precipitation", "mm/day", "mean", "mm/day"),
        ("ndvi", "1", "mean", "1"),
        ("soil_moisture", "kg/m2", "mean", "kg/m2"),
        ("elevation", "m", "mean", "m"),
        ("rain", "", "mean", ""),
    ],
)
def test_amounts_are_added_up_and_states_averaged(layers, composite, name, unit, method, out):
    path, values = layers(days("2021-06-01", "2021-07-01"), name=name, unit=unit, empty=0.0)
    result, bands = composite(path)
    assert (result.variables[0].method, result.variables[0].unit) == (method, out)
    wanted = values.sum(axis=0) if method == "sum" else values.mean(axis=0)
    np.testing.assert_allclose(bands[name, "2021-06-01"][0], wanted, rtol=1e-6)
    doubtful = (name, unit) in (("soil_moisture", "kg/m2"), ("rain", ""))
    assert bool(result.notes) == doubtful


@pytest.mark.parametrize(
    ("unit", "per_day", "amount"), [("mm/day", 1, "mm"), ("kg m-2 s-1", 86400, "kg m-2"), ("mm h**-1", 24, "mm")]
)
def test_the_sum_of_a_rate_is_its_amount(layers, composite, unit, per_day, amount):
    path, values = layers(days("2021-06-02", "2021-07-04", 8), name="rain", unit=unit, empty=0.0)
    result, bands = composite(path, method="sum")
    assert result.variables[0].unit == amount
    weights = np.array([8, 8, 8, 5])[:, None, None]
    np.testing.assert_allclose(bands["rain", "2021-06-01"][0], per_day * (weights * values).sum(axis=0), rtol=1e-6)


def test_what_layers_say_of_themselves_is_carried_on(layers, composite, tmp_path):
    spans = days("2021-01-01", "2021-03-02", 8)
    path, _ = layers(spans, name="lst_day", unit="K", empty=0.0)
    dataset = gdal.Open(path, gdal.GA_Update)
    for number in range(1, len(spans) + 1):
        dataset.GetRasterBand(number).SetMetadataItem("SOURCE_PRODUCT", "MOD11A2")
        dataset.GetRasterBand(number).SetMetadataItem("SOURCE_VERSION", "006" if number < 4 else "061")
        dataset.GetRasterBand(number).SetMetadataItem("LONG_NAME", f"Temperature, {'by day' if number % 2 else 'noon'}")
    dataset = None
    result, _ = composite(path)
    made = gdal.Open(str(tmp_path / "out.tif"))
    band = made.GetRasterBand(2)
    tags = band.GetMetadata()
    assert (band.GetDescription(), band.GetUnitType()) == ("lst_day", "K")
    assert {key: tags[key] for key in ("SOURCE_PRODUCT", "SOURCE_VERSION", "LONG_NAME", "METHOD", "N_SOURCES")} == {
        "SOURCE_PRODUCT": "MOD11A2",
        "SOURCE_VERSION": "006, 061",
        "LONG_NAME": "Temperature, by day; Temperature, noon",
        "METHOD": "mean",
        "N_SOURCES": "5",
    }
    assert (tags["PERIOD_START"], tags["PERIOD_END"], tags["COVERAGE"]) == ("2021-02-01", "2021-03-01", "1.0000")
    assert any("mixes versions 006, 061" in note for note in result.notes)


def test_variables_are_composited_each_on_its_own(layers, composite):
    rain, a = layers(days("2021-06-01", "2021-08-01"), name="rain", unit="mm", empty=0.0)
    lst, b = layers(days("2021-06-10", "2021-08-09", 8), name="lst", unit="K", empty=0.0, seed=1)
    result, bands = composite([rain, lst])
    assert [(one.name, one.method, one.layers) for one in result.variables] == [("rain", "sum", 61), ("lst", "mean", 8)]
    np.testing.assert_allclose(bands["rain", "2021-06-01"][0], a[:30].sum(axis=0), rtol=1e-6)
    weights = np.array([8, 8, 5])[:, None, None]
    np.testing.assert_allclose(bands["lst", "2021-06-01"][0], (weights * b[:3]).sum(axis=0) / 21, rtol=1e-6)
    _, only = composite([rain, lst], variables=["lst"])
    assert {name for name, _ in only} == {"lst"}


def test_custom_periods_and_those_of_other_layers(layers, composite, raster):
    path, values = layers(days("2021-04-01", "2021-06-01"), empty=0.0)
    _, dates = composite(path, period="custom", custom="2021-04-03, 2021-04-20, 2021-05-30")
    assert [start for _, start in dates] == ["2021-04-03", "2021-04-20"]
    np.testing.assert_allclose(dates["x", "2021-04-20"][0], values[19:59].mean(axis=0), rtol=1e-6)
    _, weeks = composite(path, period="custom", custom="2021-04-01/2021-04-08, 2021-05-01/2021-05-08")
    np.testing.assert_allclose(weeks["x", "2021-05-01"][0], values[30:37].mean(axis=0), rtol=1e-6)
    whole, _ = composite(path, period="custom", custom="7 from 2021-04-13")
    assert [one.label for one in whole.results][-1] == "2021-05-25/2021-06-01"
    _, steps = composite(path, period="custom", custom="12 days from 2021-04-05")
    assert [start for _, start in steps] == ["2021-04-05", "2021-04-17", "2021-04-29", "2021-05-11", "2021-05-23"]
    target = raster(
        "sm", np.ones((2, 2, 2)), (0, 0), 9.0, periods=[("2021-04-02", "2021-04-04"), ("2021-05-01", "2021-05-02")]
    )
    result, like = composite(path, period="other layers", periods_of=[target])
    assert [one.label for one in result.results] == ["2021-04-02/2021-04-04", "2021-05-01"]
    np.testing.assert_allclose(like["x", "2021-04-02"][0], values[1:3].mean(axis=0), rtol=1e-6)


def test_windows_join_without_a_seam(layers, composite, monkeypatch, raster, tmp_path):
    rng = np.random.default_rng(0)
    spans = days("2021-01-01", "2021-03-01", 8)
    values = rng.normal(size=(len(spans), 700, 300))
    values[rng.random(values.shape) < 0.3] = np.nan
    paths = [
        raster(f"x_{text(a)}", field, (0.0, 0.0), 1.0, nodata=-9.0, periods=[(text(a), text(b))], names=["x"])
        for (a, b), field in zip(spans, values)
    ]
    monkeypatch.setattr("soilmoisture.core.prepare.composite_stream._PIXELS", 256 * 256)
    result, bands = composite(paths, method="median", min_coverage=0.0)
    first = np.where(np.isnan(values[:4]), np.nan, values[:4])
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        np.testing.assert_allclose(bands["x", "2021-01-01"][0], np.nanmedian(first, axis=0), rtol=1e-6)
    assert result.results[0].valid_share == pytest.approx(np.isfinite(first).any(axis=0).mean())
    assert len(result.pictures) == len(result.results) == 3


@pytest.mark.parametrize(
    "options", [["INTERLEAVE=PIXEL", "TILED=YES"], ["INTERLEAVE=PIXEL", "BLOCKYSIZE=7"], ["BLOCKYSIZE=300"]]
)
def test_files_may_be_laid_out_in_any_way(raster, composite, tmp_path, options):
    rng = np.random.default_rng(0)
    spans = days("2021-01-01", "2021-01-09")
    values = rng.normal(size=(8, 300, 280)).round(3)
    periods = [(text(a), text(b)) for a, b in spans]
    path = raster("x", values, (0.0, 0.0), 1.0, nodata=-9.0, periods=periods, names=["x"] * 8)
    other = str(tmp_path / "other.tif")
    gdal.Translate(other, path, creationOptions=[*options, "COMPRESS=DEFLATE"])
    _, bands = composite(other, min_coverage=0.2)
    np.testing.assert_allclose(bands["x", "2021-01-01"][0], values.mean(axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_cancelled_runs_leave_nothing(share, layers, composite, tmp_path):
    class Stops(Progress):
        cancelled = False

        def set(self, fraction, text=""):
            self.cancelled = self.cancelled or fraction >= share

    path, _ = layers(days("2021-01-01", "2021-03-01"))
    with pytest.raises(Cancelled):
        composite(path, progress=Stops(), period="5 days")
    assert not [file for file in tmp_path.iterdir() if "out" in file.name or "coverage" in file.name]


@pytest.mark.parametrize("one", ["out.tif", "coverage.tif"])
def test_two_runs_on_one_output_do_not_mix(one, layers, composite, tmp_path):
    path, _ = layers(days("2021-01-01", "2021-03-01"))
    with Work(tmp_path / one, "0" * 16, Running(), Progress()):
        with pytest.raises(InputError, match=f"Another run is writing .*{one}"):
            composite(path)
    composite(path)


def test_dates_and_hours_are_exact_in_double_precision():
    """The weights themselves, without the rounding of a float32 file: 1e-12 against plain sums."""
    from soilmoisture.core.prepare.composite_kernels import Accumulator, prepare
    from soilmoisture.core.prepare.composite_periods import Clock
    from soilmoisture.core.prepare.composite_plan import plan
    from soilmoisture.core.prepare.composite_sources import Source, Variable
    from soilmoisture.core.raster.periods import Period, month_of

    rng, clock = np.random.default_rng(0), Clock(5.5)
    first = dt.datetime(2020, 1, 27)
    spans = [Period(first + k * dt.timedelta(hours=7), first + (k + 1) * dt.timedelta(hours=7)) for k in range(140)]
    values = rng.normal(280, 20, (140, 50))
    values[rng.random(values.shape) < 0.2] = np.nan
    for method in ("mean", "sum"):
        one = Variable("x", "", "", method)
        one.sources = [Source(None, 1, span, *clock.layer_span(clock.local(span))) for span in spans]
        made = plan([one], [month_of(dt.date(2020, 2, 1))], "month", clock, 0.5)[0]
        recipe = made.recipe({id(source): number for number, source in enumerate(one.sources)})
        accumulator = Accumulator(recipe, 50, 0.5, False)
        for use in recipe.uses:
            accumulator.add(*prepare(values[use.source].copy(), method), use)
        found, share = accumulator.result()
        total, weight = np.zeros(50), np.zeros(50)
        begin, end = dt.datetime(2020, 2, 1), dt.datetime(2020, 3, 1)
        for span, field in zip(spans, values):
            a, b = (moment + dt.timedelta(hours=5.5) for moment in (span.first, span.last))
            hours = max(0.0, (min(b, end) - max(a, begin)).total_seconds() / 3600)
            total += np.where(np.isnan(field), 0, field * (hours if method == "mean" else hours / 7))
            weight += np.where(np.isnan(field), 0, hours)
        np.testing.assert_allclose(found, total / weight if method == "mean" else total, rtol=1e-12)
        np.testing.assert_allclose(share, weight / (29 * 24), rtol=1e-12)


BAD = {
    "no date": "no date: put one into the file name",
    "classes": "holds classes, which have no mean",
    "units": "comes in K and, in b, in degC",
    "grids": "lies on another grid than a",
    "twice": "is there twice for 2021-01-01",
    "same file": "is given twice",
    "no values": "No layer has a valid pixel in any period",
    "few values": "No pixel has valid layers for 50 % of any period's time",
    "hours of days": "Hours of the day need layers of parts of a day",
    "hours": "are not understood: give 06:00",
    "sum of a time": "do not hold a day's amount",
    "custom": "are not understood: give start dates",
    "custom date": "is not a date such as",
    "descending": "must ascend",
    "custom and month": "custom periods are given too",
    "other and month": "layers to take periods from are given too",
    "no other": "Give the layers whose periods are to be used",
    "undated other": "have no dates",
    "unknown variable": "No layer holds lst; the layers hold x",
    "method": "The method can be auto, mean",
    "period": "Periods can be day, 5 days",
    "coverage": "a share from 0 to 1",
    "offset": "at most 14 hours",
    "nothing": "Give at least one dated layer",
    "too few": "No period is covered by enough layers",
    "output is input": "is also an input",
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_is_told_in_a_sentence(case, raster, composite, tmp_path):
    def make(name, periods=(("2021-01-01", "2021-01-02"),), size=1.0, **more):
        values = more.pop("values", np.ones((max(1, len(periods)), *SHAPE)))
        return raster(name, values, (0.0, 0.0), size, periods=periods, names=["x"] * len(values), **more)

    a = make("a", unit="K")
    second = (("2021-01-02", "2021-01-03"),)
    calls = {
        "no date": lambda: composite(make("b", periods=())),
        "classes": lambda: composite(raster("landcover_2021", np.ones(SHAPE), (0, 0), 1.0, kind=gdal.GDT_Byte)),
        "units": lambda: composite([a, make("b", second, unit="degC")]),
        "grids": lambda: composite([a, make("b", second, size=2.0, unit="K")]),
        "twice": lambda: composite([a, make("b", unit="K")], method="sum"),
        "no values": lambda: composite(make("b", values=np.full((1, *SHAPE), np.nan), nodata=-9.0), period="day"),
        "few values": lambda: composite(
            make(
                "b",
                (("2021-01-01T00:00:00", "2021-01-01T03:00:00"), ("2021-01-01T03:00:00", "2021-01-02")),
                nodata=-9.0,
                values=np.stack([np.ones(SHAPE), np.full(SHAPE, np.nan)]),
            ),
            period="day",
        ),
        "same file": lambda: composite([a, a]),
        "hours of days": lambda: composite(a, hours="06:00"),
        "hours": lambda: composite(a, hours="noon"),
        "sum of a time": lambda: composite(
            make("b", (("2021-01-01T06:00:00", "2021-01-01T09:00:00"),)), hours="06:00", method="sum"
        ),
        "custom": lambda: composite(a, period="custom", custom="spring"),
        "custom date": lambda: composite(a, period="custom", custom="2021-02-01, 2021-02-30"),
        "descending": lambda: composite(a, period="custom", custom="2021-02-01, 2021-01-01"),
        "custom and month": lambda: composite(a, custom="2021-02-01, 2021-03-01"),
        "other and month": lambda: composite(a, periods_of=[a]),
        "no other": lambda: composite(a, period="other layers"),
        "undated other": lambda: composite(a, period="other layers", periods_of=[make("b", periods=())]),
        "unknown variable": lambda: composite(a, variables=["lst"]),
        "method": lambda: composite(a, method="mode"),
        "period": lambda: composite(a, period="week"),
        "coverage": lambda: composite(a, min_coverage=50),
        "offset": lambda: composite(a, utc_offset=480),
        "nothing": lambda: composite([]),
        "too few": lambda: composite(a),
        "output is input": lambda: make_composites([a], a),
    }
    with pytest.raises(InputError, match=BAD[case]) as raised:
        calls[case]()
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    assert not (tmp_path / "out.tif").exists()
