"""Antecedent rain: API and sums against plain loops, spin-up, gaps, periods, units, streaming."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.factors import rain_memory
from soilmoisture.core.prepare.factors.rain import RainOptions, antecedent_rain, before
from soilmoisture.core.prepare.factors.rain_report import rain_report
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.report import render_json

CORNER, SIZE = (100.0, 40.0), 0.05
START = dt.date(2021, 6, 1)
ROWS, COLS = 5, 4


def showers(days, seed=0, rows=ROWS, cols=COLS):
    rng = np.random.default_rng(seed)
    wet = rng.random((days, rows, cols)) < 0.4
    return np.where(wet, rng.gamma(0.8, 9.0, (days, rows, cols)), 0.0)


@pytest.fixture
def series(raster):
    """series(values, ...) writes one stack with a band per day from START on."""

    def write(values, name="rain", skip=(), unit="mm", start=START, step=1, label="precipitation", **more):
        kept = [k for k in range(len(values)) if k not in skip]
        dates = [start + dt.timedelta(days=step * k) for k in kept]
        return raster(
            name,
            values[kept],
            CORNER,
            SIZE,
            epsg=4326,
            names=[label] * len(kept),
            periods=[(d.isoformat(), (d + dt.timedelta(days=step)).isoformat()) for d in dates],
            unit=unit,
            **more,
        )

    return write


def run(layers, tmp_path, dates=(), **options):
    result = antecedent_rain(layers, tmp_path / "api.tif", RainOptions(**options), dates)
    with Stack.open(tmp_path / "api.tif") as stack:
        return result, {(band.name, band.period): stack.read(n) for n, band in enumerate(stack.bands, 1)}


def plain(rain, decay, days, coverage):
    """(days, rows, cols) of the decayed sum over `days` days, straight from its definition."""
    made = np.full(rain.shape, np.nan)
    weights = [decay**i for i in range(days)]
    for t in range(days - 1, len(rain)):
        total, known = np.zeros(rain.shape[1:]), np.zeros(rain.shape[1:])
        for i, weight in enumerate(weights):
            seen = np.isfinite(rain[t - i])
            total += np.where(seen, rain[t - i], 0) * weight
            known += seen * weight
        share = known / sum(weights)
        made[t] = np.where(share >= coverage - 1e-12, total / np.where(share > 0, share, 1), np.nan)
    return made


def test_hand_case(series, tmp_path):
    """10 mm on the first day, 4 mm on the third, k = 0.5 over 2 days back: 10 0.25 + 0 + 4 = 6.5."""
    rain = np.zeros((4, 2, 2))
    rain[0], rain[2] = 10.0, 4.0
    found = run([series(rain)], tmp_path, decay=0.5, days=2, windows=[2])[1]
    days = [day(START + dt.timedelta(days=k)) for k in range(4)]
    assert [found["api", one][0, 0] for one in days] == pytest.approx([np.nan, np.nan, 6.5, 2.0], nan_ok=True)
    assert [found["rain_2d", one][0, 0] for one in days] == pytest.approx([np.nan, 10, 4, 4], nan_ok=True)


@pytest.mark.parametrize("coverage", [0.8, 1.0])
def test_daily_factors_equal_plain_loops(series, tmp_path, coverage):
    rain = showers(70)
    rain[12, 1, 1] = np.nan
    rain[40:47, 2, 2] = np.nan
    rain[:, 4, 3] = np.nan
    path = series(rain, nodata=-9999.0)
    result, found = run([path], tmp_path, min_coverage=coverage)
    for name, decay, days in (("api", 0.9, 31), ("rain_3d", 1, 3), ("rain_10d", 1, 10), ("rain_30d", 1, 30)):
        expected = plain(rain, decay, days, coverage)
        for k in range(70):
            np.testing.assert_allclose(
                found[name, day(START + dt.timedelta(days=k))], expected[k], atol=1e-4, rtol=1e-6, err_msg=f"{name} {k}"
            )
        # Spin-up: the first N days have no value, the next one has.
        assert np.isnan(expected[days - 2]).all() and np.isfinite(expected[days - 1]).any()
    assert result.daily and not result.gaps


def test_layers_per_day_and_missing_days(series, tmp_path, words):
    rain = showers(50, 1)
    lost = rain.copy()
    lost[[20, 21, 35]] = np.nan
    layers = [
        series(rain[k : k + 1], f"rain_{k}", start=START + dt.timedelta(days=k))
        for k in range(50)
        if k not in (20, 21, 35)
    ]
    result, found = run(layers[::-1], tmp_path, min_coverage=0.85, windows=[5])
    np.testing.assert_allclose(
        found["api", day(START + dt.timedelta(days=45))], plain(lost, 0.9, 31, 0.85)[45], rtol=1e-5
    )
    assert np.isnan(found["rain_5d", day(START + dt.timedelta(days=22))]).all()
    assert [one.label for one in result.gaps] == ["2021-06-21/2021-06-23", "2021-07-06"]
    report = rain_report(result)
    assert report.tone == "neutral" and "3 days are without a layer" in words(report)
    assert '"gaps"' in render_json(report)


def test_means_over_the_periods_of_a_target(series, raster, tmp_path):
    rain = showers(92, 2)
    july, august = month_of(dt.date(2021, 7, 1)), month_of(dt.date(2021, 8, 1))
    target = raster(
        "target",
        np.ones((3, 2, 2)),
        CORNER,
        1.0,
        epsg=4326,
        names=["sm"] * 3,
        periods=[("2021-07-01", "2021-08-01"), ("2021-08-01", "2021-09-01"), ("2022-01-01", "2022-02-01")],
    )
    result, found = run([series(rain)], tmp_path, [target], periods=["2021-07-15"], windows=[3])
    api = plain(rain, 0.9, 31, 0.9)
    assert sorted({period.label for _, period in found}) == ["2021-07", "2021-07-15", "2021-08"]
    np.testing.assert_allclose(found["api", august], api[61:92].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["api", day(dt.date(2021, 7, 15))], api[44], rtol=1e-5)
    np.testing.assert_allclose(found["rain_3d", july], plain(rain, 1, 3, 1)[30:61].mean(axis=0), rtol=1e-5)
    # 1 July is the first day with a full window, so July is complete.
    np.testing.assert_allclose(found["api", july], api[30:61].mean(axis=0), rtol=1e-5)
    assert result.missing == ["api 2022-01: no rain of that time", "rain_3d 2022-01: no rain of that time"]


def test_a_period_in_the_spin_up_stays_empty(series, tmp_path, words):
    result, found = run([series(showers(62))], tmp_path, periods=["2021-06", "2021-07"], factors=["api"])
    assert (
        np.isnan(found["api", month_of(START)]).all() and np.isfinite(found["api", month_of(dt.date(2021, 7, 1))]).all()
    )
    report = rain_report(result)
    assert "1 band has no value" in words(report)


@pytest.mark.parametrize(
    ("days", "options", "sentence"),
    [
        (1, {}, "each day of rain_3d needs 3 days of rain up to it .spin-up.* the layers hold 1 day "),
        (40, {"periods": ["2021-06"], "factors": ["api"]}, "each day of api needs 31 days .* the layers hold 40 days"),
        (-5, {"windows": [2]}, "hold no valid value"),
    ],
)
def test_nothing_but_empty_bands_is_an_error(series, tmp_path, days, options, sentence):
    rain = showers(days) if days > 0 else np.full((-days, ROWS, COLS), np.nan)
    with pytest.raises(InputError, match=sentence):
        run([series(rain, nodata=-9999.0)], tmp_path, **options)
    assert not (tmp_path / "api.tif").exists()


def test_strips_make_no_seams(series, tmp_path, monkeypatch):
    rain = showers(45, 4, rows=21)
    whole = run([series(rain)], tmp_path, periods=["2021-07-10", "2021-07"])[1]
    monkeypatch.setattr(rain_memory, "_TILE", 4)
    monkeypatch.setattr(rain_memory, "_RING", 1)
    parts = run([series(rain)], tmp_path, periods=["2021-07-10", "2021-07"])[1]
    for key in whole:
        np.testing.assert_array_equal(parts[key], whole[key])
    assert np.isfinite(whole["api", day(dt.date(2021, 7, 10))]).all()


def test_only_the_days_that_are_needed_are_read(series, tmp_path, monkeypatch):
    read = []
    real = Stack.read

    def counting(self, index, *where):
        read.append(index)
        return real(self, index, *where)

    path = series(showers(120))
    monkeypatch.setattr(Stack, "read", counting)
    antecedent_rain([path], tmp_path / "a.tif", RainOptions(factors=["api"], periods=["2021-08-20"]))
    assert sorted(set(read)) == list(range(51, 82))


def test_months_and_the_month_before(raster, tmp_path):
    rain = np.arange(3.0)[:, None, None] * 10 + np.ones((3, 2, 2))
    months = [("2021-05-01", "2021-06-01"), ("2021-06-01", "2021-07-01"), ("2021-07-01", "2021-08-01")]
    path = raster("chirps", rain, CORNER, SIZE, epsg=4326, names=["precipitation"] * 3, periods=months, unit="mm")
    result, found = run([path], tmp_path, factors=["previous"])
    june, july = month_of(dt.date(2021, 6, 1)), month_of(dt.date(2021, 7, 1))
    assert found["rain", july][0, 0] == 21 and found["rain_previous", july][0, 0] == 11
    assert found["rain_previous", june][0, 0] == 1
    assert result.missing == ["rain_previous 2021-05: 0 % of 2021-04 are known"] and not result.daily
    with pytest.raises(InputError, match="choose 'previous' alone"):
        run([path], tmp_path)


def test_previous_from_days_and_dekads(series, raster, tmp_path):
    rain = showers(61, 5)
    rain[33, 0, 0] = np.nan
    july = month_of(dt.date(2021, 7, 1))
    found = run([series(rain, nodata=-1.0)], tmp_path, factors=["previous"], periods=["2021-07"])[1]
    np.testing.assert_allclose(found["rain_previous", july], rain[:30].sum(axis=0), rtol=1e-5)
    expected = np.nansum(rain[30:61], axis=0)
    expected[0, 0] *= 31 / 30
    np.testing.assert_allclose(found["rain", july], expected, rtol=1e-5)
    # A dekad across the turn of the month counts by its share of days.
    dekads = np.stack([np.full((2, 2), 20.0), np.full((2, 2), 40.0), np.full((2, 2), 30.0), np.full((2, 2), 10.0)])
    starts = [dt.date(2021, 6, 25) + dt.timedelta(days=10 * k) for k in range(4)]
    path = raster(
        "dekads",
        dekads,
        CORNER,
        SIZE,
        epsg=4326,
        names=["rain"] * 4,
        periods=[(d.isoformat(), (d + dt.timedelta(days=10)).isoformat()) for d in starts],
        unit="mm",
    )
    found = run([path], tmp_path, factors=["previous"], periods=["2021-07"])[1]
    assert list(found) == [("rain", july)]
    assert found["rain", july][0, 0] == pytest.approx(20 * 0.4 + 40 + 30 + 10 * 0.7)


def test_the_period_before():
    july = month_of(dt.date(2021, 7, 1))
    assert before(july, [july]) == month_of(dt.date(2021, 6, 1))
    dekad = Period(dt.date(2021, 7, 1), dt.date(2021, 7, 11))
    long = Period(dt.date(2021, 6, 20), dt.date(2021, 7, 1))
    assert before(dekad, [long, dekad]) == long
    assert before(dekad, [dekad]) == Period(dt.date(2021, 6, 21), dt.date(2021, 7, 1))


@pytest.mark.parametrize(
    ("declared", "asked", "factor"),
    [
        ("mm", "auto", 1.0),
        ("kg/m2", "auto", 1.0),
        ("mm/day", "auto", 1.0),
        ("kg/m2/day", "auto", 1.0),
        ("m", "m", 1000.0),
        ("kg m-2 s-1", "kg m-2 s-1", 86400.0),
        ("", "mm/h", 24.0),
        ("", "auto", 1.0),
    ],
)
def test_units(series, tmp_path, declared, asked, factor):
    rain = showers(12, 6)
    path = series(rain / factor, unit=declared)
    found = run([path], tmp_path, factors=["sums"], windows=[3], unit=asked)[1]
    last = day(START + dt.timedelta(days=11))
    np.testing.assert_allclose(found["rain_3d", last], rain[9:12].sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "unit", "options", "sentence"),
    [
        (lambda r: r / 1000, "m", {}, "choose 'm' as its unit"),
        (lambda r: r / 86400, "kg m-2 s-1", {}, "choose 'kg m-2 s-1' as its unit"),
        (lambda r: r, "K", {}, "declared in 'K', not in mm"),
        (lambda r: r / 1000, "", {}, "declares no unit"),
        (lambda r: r, "mm", {"unit": "m"}, "declared in mm, but m was chosen"),
        (lambda r: np.where(r > 40, -999.0, r), "mm", {}, "goes down to -999"),
        (lambda r: np.where(r > 40, -9999.0, r), "mm", {}, "-9999 but declares no nodata"),
        (lambda r: r * 1000, "mm", {}, "more than ever fell"),
        (lambda r: r, "mm", {"decay": 1.0}, "between 0 and 1"),
        (lambda r: r, "mm", {"days": 0}, "1 to 366 days"),
        (lambda r: r, "mm", {"windows": []}, "such as 3, 10, 30"),
        (lambda r: r, "mm", {"factors": []}, "at least one of"),
        (lambda r: r, "mm", {"min_coverage": 0.0}, "between 0 and 1"),
        (lambda r: r, "mm", {"periods": ["summer"]}, "'summer' is no date"),
        (lambda r: r, "mm", {"periods": ["2019-03"]}, "Nothing can be made"),
        (lambda r: r, "mm", {"factors": ["previous"]}, "periods longer than a day"),
        (lambda r: r, "mm", {"band": "snow"}, "No band is called 'snow'"),
        (lambda r: r, "mm", {"unit": "inch"}, "not 'inch'"),
    ],
)
def test_bad_input_gets_a_sentence(series, tmp_path, change, unit, options, sentence):
    rain = showers(40, 7)
    assert rain.max() > 40
    path = series(change(rain), unit=unit)
    with pytest.raises(InputError, match=sentence):
        run([path], tmp_path, **options)
    assert not (tmp_path / "api.tif").exists()


def test_layers_that_do_not_fit_together(series, raster, tmp_path):
    rain = showers(40, 8)
    path = series(rain)
    with pytest.raises(InputError, match="there twice for 2021-06-01"):
        run([path, series(rain[:2], "again")], tmp_path)
    with pytest.raises(InputError, match="overlaps in time"):
        run([path, series(rain[:2], "weeks", step=7, start=START - dt.timedelta(days=3))], tmp_path)
    with pytest.raises(InputError, match="has no date"):
        run([raster("undated", rain[0], CORNER, SIZE, epsg=4326, names=["precipitation"])], tmp_path)
    with pytest.raises(InputError, match="'mm' and 'm'|'m' and 'mm'"):
        run([path, series(rain[:2], "later", unit="m", start=dt.date(2021, 8, 1))], tmp_path)
    with pytest.raises(InputError, match="31 of the 40 days"):
        run([series(rain, "holes", skip=[k for k in range(1, 39) if k % 5])], tmp_path)
    hours = [(f"2021-06-01T{h:02d}:00:00", f"2021-06-01T{h + 3:02d}:00:00") for h in (0, 3, 6)]
    parts = raster("hours", rain[:3], CORNER, SIZE, epsg=4326, names=["precipitation"] * 3, periods=hours, unit="mm")
    with pytest.raises(InputError, match="parts of a day"):
        run([parts], tmp_path)
    two = raster("two", rain[:2], CORNER, SIZE, epsg=4326, names=["tmin", "tmax"], periods=[("2021-06-01",) * 2] * 2)
    with pytest.raises(InputError, match="not plain from their names"):
        run([two], tmp_path)
    with pytest.raises(InputError, match="has no dates"):
        run([path], tmp_path, [raster("static", rain[0], CORNER, SIZE, epsg=4326, names=["sm"])])
    with pytest.raises(InputError, match="is also an input"):
        antecedent_rain([path], path)
    with pytest.raises(InputError, match="Give layers of rain"):
        antecedent_rain([], tmp_path / "x.tif")


def test_rain_among_other_variables(raster, tmp_path):
    rain = showers(12, 9)
    names, bands, periods = [], [], []
    for k in range(12):
        date = (START + dt.timedelta(days=k)).isoformat()
        for name, values in (("temperature", 280 + rain[k]), ("precipitation", rain[k])):
            names.append(name)
            bands.append(values)
            periods.append((date, date))
    path = raster("era", np.stack(bands), CORNER, SIZE, epsg=4326, names=names, periods=periods)
    found = run([path], tmp_path, factors=["sums"], windows=[12])[1]
    np.testing.assert_allclose(found["rain_12d", day(START + dt.timedelta(days=11))], rain.sum(axis=0), rtol=1e-5)


def test_small_negative_rain_is_rounding_and_more_is_nodata(series, tmp_path):
    rain = showers(10, 10)
    rain[4, 0, 0], rain[5, 1, 1] = -0.001, -3.0
    result, found = run([series(rain)], tmp_path, factors=["sums"], windows=[10], min_coverage=0.9)
    last = found["rain_10d", day(START + dt.timedelta(days=9))]
    assert last[0, 0] == pytest.approx(np.delete(rain[:, 0, 0], 4).sum(), rel=1e-5)
    assert last[1, 1] == pytest.approx(np.delete(rain[:, 1, 1], 5).sum() * 10 / 9, rel=1e-5)
    assert result.negative == {"precipitation 2021-06-06": 1 / (ROWS * COLS)}
    assert (
        "Values below 0 mm count as nodata: 5 % of the valid values of band 'precipitation 2021-06-06'." in result.notes
    )


def test_report(series, tmp_path, words):
    result, _ = run([series(showers(60))], tmp_path)
    report = rain_report(result)
    page = words(report)
    assert report.tone == "good" and "4 factors of antecedent rain" in page and "half after 6.6 days" in page
    assert "the first value is of 2021-06-03" in page
    data = report.data
    assert data["windows"] == [3, 10, 30] and data["first_day"] == dt.datetime(2021, 6, 1)


def test_cancelling_leaves_nothing(series, tmp_path, cancels_after):
    path = series(showers(40))
    with pytest.raises(Cancelled):
        antecedent_rain([path], tmp_path / "api.tif", progress=cancels_after(20))
    assert [one.name for one in tmp_path.glob("*.tif")] == ["rain.tif"]


def test_real_chirps_months(shared_data, tmp_path):
    """June and July 2010 as downloaded: the names hold the dates, the values have no unit."""
    from osgeo import gdal

    folder = shared_data / "native_products" / "terrain"
    june, july = (str(folder / f"chirps-v2.0.2010.{month}.tif") for month in ("06", "07"))
    result, found = run([june, july], tmp_path, factors=["previous"])
    period = month_of(dt.date(2010, 7, 1))
    for name, path in (("rain", july), ("rain_previous", june)):
        stored = gdal.Open(path).ReadAsArray().astype(float)
        np.testing.assert_allclose(found[name, period], np.where(stored == 65535, np.nan, stored))
    assert result.unit == "mm" and not result.daily
