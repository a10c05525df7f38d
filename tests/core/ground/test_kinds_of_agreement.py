"""Anomalies, ranking inside cells, groups and several products, on planted truths and against plain loops."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.anomalies import anomalies
from soilmoisture.core.ground.anomaly_scores import anomaly_scores
from soilmoisture.core.ground.groups import group_scores, point_classes, raster_classes
from soilmoisture.core.ground.matching import Pairs
from soilmoisture.core.ground.observations import clean_observations
from soilmoisture.core.ground.points import score_pairs
from soilmoisture.core.ground.product_comparison import compare_products
from soilmoisture.core.ground.spatial import rank_inside, spatial_agreement
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day, month_of
from soilmoisture.core.raster.stack import Band, StackWriter

FINE = ease_grid(9, 190, 880, 6, 6).subdivide(9)


def pairs_of(periods, observed, predicted, smooth=None, name="sm", cell=None):
    """Pairs from tables (periods, stations); NaN in `observed` leaves a pair out."""
    observed, predicted = np.asarray(observed, float), np.asarray(predicted, float)
    period, station = np.nonzero(np.isfinite(observed) & np.isfinite(predicted))
    count = observed.shape[1]
    at = (period, station)
    missing = np.full(len(period), math.nan)
    cells = np.full(count, -1) if smooth is None else np.arange(count) // 2 if cell is None else cell
    return Pairs(
        product=name,
        grid=FINE,
        stations=np.array([f"s{k:02d}" for k in range(count)]),
        x=FINE.x_centres()[np.arange(count) % FINE.cols],
        y=FINE.y_centres()[(np.arange(count) * 7) % FINE.rows],
        periods=tuple(periods),
        station=station,
        period=period,
        observed=observed[at],
        predicted=predicted[at],
        coarse=missing if smooth is None else np.asarray(smooth)[at],
        smooth=missing if smooth is None else np.asarray(smooth)[at],
        cell=cells[station],
        count=np.ones(len(period), dtype=int),
        dropped={},
    )


def series_of(pairs):
    found = {"product": pairs.predicted}
    return found | ({"smooth": pairs.smooth, "coarse": pairs.coarse} if pairs.has_baseline else {})


@pytest.fixture(scope="module")
def daily():
    """A year of days: the source knows the season only, the product also the weather of each week."""
    rng = np.random.default_rng(4)
    days = [day(dt.date(2019, 1, 1) + dt.timedelta(days=k)) for k in range(365)]
    season = 0.25 + 0.1 * np.sin(2 * np.pi * np.arange(365) / 365)[:, None]
    weather = np.array([np.convolve(rng.normal(0, 0.03, 371), np.ones(7) / 7**0.5, "valid") for _ in range(8)]).T
    observed = season + weather
    observed[rng.uniform(size=observed.shape) < 0.3] = np.nan
    product = season + weather + rng.normal(0, 0.02, (365, 8))
    smooth = season + rng.normal(0, 0.02, (365, 8))
    return pairs_of(days, observed, product, smooth)


def test_anomalies_tell_weather_from_season(daily):
    series = series_of(daily)
    found = anomaly_scores(daily, series, 5)
    assert found.method == "mean of 35 days" and found.reason == "" and found.stations == 8
    assert abs(found.pooled_r["smooth"].value) < 0.15 < 0.7 < found.pooled_r["product"].value
    assert np.corrcoef(daily.smooth, daily.observed)[0, 1] > 0.7  # the season alone scores well over all pairs
    assert found.gain.low > 0.4
    # A plain loop over stations.
    for k in range(8):
        at = daily.station == k
        time = daily.period[at].astype(float)
        mine, theirs = anomalies(time, daily.predicted[at]), anomalies(time, daily.observed[at])
        assert found.station_r["product"][k] == pytest.approx(np.corrcoef(mine, theirs)[0, 1], abs=0.02)
    assert found.mean_r["product"] == pytest.approx(np.mean(found.station_r["product"]))
    assert found.pooled_r["product"].low < found.pooled_r["product"].value < found.pooled_r["product"].high
    assert found.n_effective < found.n


def test_anomalies_of_months_need_three_years():
    rng = np.random.default_rng(2)
    months = [month_of(dt.date(2015 + k // 12, k % 12 + 1, 1)) for k in range(60)]
    season = 0.25 + 0.1 * np.sin(2 * np.pi * np.arange(60) / 12)[:, None]
    own = rng.normal(0, 0.03, (60, 5))
    truth, product = season + own, season + own + rng.normal(0, 0.03, (60, 5))
    pairs = pairs_of(months, truth, product)
    found = anomaly_scores(pairs, series_of(pairs), 5)
    assert found.method == "mean of the calendar month" and found.n == 300

    def departures(table):
        return np.concatenate([(table[m::12] - table[m::12].mean(axis=0)).ravel() for m in range(12)])

    expected = np.corrcoef(departures(product), departures(truth))[0, 1]
    assert found.pooled_r["product"].value == pytest.approx(expected, abs=1e-12)
    # Sixty months less twelve means.
    assert found.n_effective <= 5 * 48
    short = pairs_of(months[:24], truth[:24], product[:24])
    told = anomaly_scores(short, series_of(short), 5)
    assert told.n == 0 and "span 1.9 years" in told.reason and "3 years" in told.reason


def test_short_records_are_told():
    days = [day(dt.date(2019, 5, 1) + dt.timedelta(days=k)) for k in range(40)]
    values = np.random.default_rng(0).normal(0.2, 0.05, (40, 4))
    pairs = pairs_of(days, values, values)
    assert "span 39 days" in anomaly_scores(pairs, series_of(pairs), 5).reason
    few = pairs_of(days[:5], values[:5], values[:5])
    assert "Fewer than 10 dates" in anomaly_scores(few, series_of(few), 5).reason
    undated = pairs_of([None], values[:1], values[:1])
    assert "Without dates" in anomaly_scores(undated, series_of(undated), 5).reason
    sparse = np.full((90, 3), np.nan)
    sparse[::30] = 0.1
    sparse[0, 0] = sparse[89, 0] = 0.2
    long = [day(dt.date(2019, 5, 1) + dt.timedelta(days=k)) for k in range(90)]
    sparse[:, 1] = np.where(np.arange(90) % 9 == 0, 0.2, np.nan)
    gappy = pairs_of(long, sparse, np.where(np.isfinite(sparse), 0.3, np.nan))
    assert anomaly_scores(gappy, series_of(gappy), 5).n == 0


def test_ranking_inside_cells_equals_a_loop():
    rng = np.random.default_rng(7)
    n = 200
    cell, period = rng.integers(0, 6, n), rng.integers(0, 8, n)
    observed = np.round(rng.normal(0.2, 0.05, n), 2)
    predicted = np.round(observed + rng.normal(0, 0.05, n), 2)
    _, group = np.unique(np.stack([cell, period]), axis=1, return_inverse=True)
    right, pairs = 0.0, 0
    for i in range(n):
        for j in range(i):
            if group.ravel()[i] == group.ravel()[j] and observed[i] != observed[j]:
                pairs += 1
                if predicted[i] == predicted[j]:
                    right += 0.5
                elif (predicted[i] > predicted[j]) == (observed[i] > observed[j]):
                    right += 1
    found = rank_inside(observed, predicted, group.ravel(), cell)
    assert (found.pairs, found.right) == (pairs, right) and found.share.value == pytest.approx(right / pairs)
    assert found.share.low > 0.5 and found.share.high < 1
    coin = rank_inside(observed, rng.normal(size=n), group.ravel(), cell)
    assert coin.share.low < 0.5 < coin.share.high
    assert rank_inside(observed, np.zeros(n), group.ravel(), cell).share.value == 0.5
    assert rank_inside(np.zeros(n), observed, group.ravel(), cell).pairs == 0


def test_groups_equal_a_loop(daily):
    classes = {"Land cover": ["crop", "crop", "forest", "forest", "crop", "", "forest", "crop"], "Same": ["a"] * 8}
    found = group_scores(daily, series_of(daily), classes, min_pairs=5)
    assert [g.label for g in found if g.kind == "Season"] == ["DJF", "MAM", "JJA", "SON"]
    assert not [g for g in found if g.kind in ("Year", "Same")]  # one group is no grouping
    month = np.array([p.start.month for p in daily.periods])[daily.period]
    summer = next(g for g in found if g.label == "JJA")
    at = np.isin(month, [6, 7, 8])
    assert summer.n == at.sum() and summer.stations == 8
    assert summer.scores["product"].r == pytest.approx(
        np.corrcoef(daily.predicted[at], daily.observed[at])[0, 1], abs=1e-12
    )
    r = [
        np.corrcoef(daily.smooth[at & (daily.station == k)], daily.observed[at & (daily.station == k)])[0, 1]
        for k in range(8)
    ]
    assert summer.mean_r["smooth"] == pytest.approx(np.mean(r), abs=1e-12)
    assert summer.gain.low > 0
    cover = {g.label: g for g in found if g.kind == "Land cover"}
    assert list(cover) == ["crop", "forest", "unknown"]
    assert cover["crop"].n == np.isin(daily.station, [0, 1, 4, 7]).sum()
    # Below five stations there is a gain but no interval.
    assert math.isnan(cover["forest"].gain.low) and not math.isnan(cover["forest"].gain.value)
    assert sum(g.n for g in cover.values()) == len(daily)


def test_many_classes_are_put_together(daily):
    wide = pairs_of(daily.periods[:10], np.random.default_rng(0).normal(size=(10, 20)), np.ones((10, 20)))
    labels = [f"class {k}" for k in range(20)]
    found = [g for g in group_scores(wide, series_of(wide), {"Cover": labels}, min_pairs=5) if g.kind == "Cover"]
    assert len(found) == 12 and found[-1].label == "other" and sum(g.n for g in found) == 200
    assert [g.label for g in found[:-1]] == sorted((g.label for g in found[:-1]), key=lambda t: int(t.split()[1]))


def test_classes_of_a_raster_and_of_a_table(tmp_path):
    codes = np.where(np.arange(FINE.cols)[None, :] < 20, 10.0, 12.0) * np.ones((FINE.rows, 1))
    codes[:5] = np.nan
    with StackWriter(tmp_path / "lc.tif", FINE, [Band("landcover")]) as writer:
        writer.write(1, codes)
    col, row = np.array([2, 40, 3, 3]), np.array([10, 10, 2, 10])
    x, y = FINE.x_centres()[col], FINE.y_centres()[row]
    x[3] -= 1e6
    points = clean_observations(list("abcd"), x, y, None, [0.2] * 4, FINE.crs_wkt)
    assert raster_classes(tmp_path / "lc.tif", points) == ("class 10", "class 12", "", "")
    labels, note = point_classes(points, [*x, x[0], x[0] + 1], [*y, y[0], y[0]], ["u", "v", "w", "z", "q", "u"])
    assert labels == ("u", "v", "w", "z") and "1 stations have rows of several classes" in note
    # The rows of a station without values are no votes for the station next to it.
    labels, note = point_classes(points, [x[0], x[0] + 500, x[0] + 500], [y[0]] * 3, ["u", "far", "far"])
    assert labels == ("u", "", "", "") and not note
    with pytest.raises(InputError, match="lc.tif has no class at any station"):
        raster_classes(tmp_path / "lc.tif", clean_observations(["a"], x[3:], y[3:], None, [0.2], FINE.crs_wkt))


def several():
    rng = np.random.default_rng(3)
    days = [day(dt.date(2019, 5, 1) + dt.timedelta(days=k)) for k in range(40)]
    truth = 0.25 + rng.normal(0, 0.05, (40, 12))
    good, poor = truth + rng.normal(0, 0.02, truth.shape), truth + rng.normal(0, 0.08, truth.shape)
    hole = poor.copy()
    hole[:, 5], hole[3] = np.nan, np.nan
    return days, truth, pairs_of(days, truth, good, name="good"), pairs_of(days, truth, hole, name="poor")


def test_products_are_compared_on_common_pairs():
    days, truth, good, poor = several()
    found = compare_products([poor, good], min_pairs=5)
    assert found.n == 39 * 11 and found.stations == 11 and found.best == "good"
    keep = (good.station != 5) & (good.period != 3)
    ours = next(score for score in found.products if score.product == "good")
    assert ours.pooled.r == pytest.approx(np.corrcoef(good.predicted[keep], good.observed[keep])[0, 1], abs=1e-12)
    in_time = [
        np.corrcoef(good.predicted[keep & (good.station == k)], good.observed[keep & (good.station == k)])[0, 1]
        for k in range(12)
        if k != 5
    ]
    assert ours.r_in_time == pytest.approx(np.mean(in_time), abs=1e-12)
    (duel,) = found.duels
    assert duel.other == "poor" and duel.better and duel.paired.p < 0.001 and duel.bootstrap.ubrmse.high < 0
    assert (
        found.sentence.startswith("good has the highest R, 0.9") and "better than poor beyond chance" in found.sentence
    )
    assert compare_products([good, poor], min_pairs=5).sentence == found.sentence


def test_no_best_product_is_named_by_chance():
    days, truth, good, _ = several()
    rng = np.random.default_rng(9)
    twin = replace(good, product="twin", predicted=good.observed + rng.permutation(good.predicted - good.observed))
    found = compare_products([good, twin], min_pairs=5)
    assert "the stations name no best product" in found.sentence
    lonely = [replace(p, stations=p.stations, station=p.station * 0) for p in (good, twin)]
    few = compare_products([pairs_of(days, truth[:, :3], truth[:, :3] + 0.1, name=n) for n in "ab"], min_pairs=5)
    assert "3 stations cannot tell" in few.sentence and len(lonely) == 2


def test_products_without_common_pairs_are_told():
    days, truth, good, _ = several()
    monthly = pairs_of([month_of(dt.date(2019, 5, 1))] * 1, truth[:1], truth[:1], name="monthly")
    found = compare_products([good, monthly])
    assert found.n == 0 and found.products == () and "share 0 pairs" in found.sentence


def test_everything_is_json_and_says_what_it_is(daily):
    result = score_pairs(daily, FINE.crs_wkt, station_classes={"Land cover": ["a", "b"] * 4})
    kinds = {kind.key: kind for kind in result.kinds}
    assert list(kinds) == ["pooled", "time", "anomaly", "space", "inside"]
    assert kinds["pooled"].r["product"].value == pytest.approx(result.pooled["product"].r, abs=1e-9)
    assert kinds["time"].r["smooth"].value == pytest.approx(result.station_summary["smooth"].mean["r"], abs=1e-12)
    assert kinds["space"].r["product"].value == pytest.approx(result.spatial.mean["product"], abs=1e-12)
    assert kinds["pooled"].r["product"].low < kinds["pooled"].r["product"].value < kinds["pooled"].r["product"].high
    row = result.stations[2].flat()
    names = "n_obs status R p_R rho p_rho RMSD BIAS urmsd mse mse_corr mse_bias mse_var RSS tau p_tau R_anomaly".split()
    assert set(names) <= set(row) and row["land_cover"] == "a" and row["status"] == 0
    assert row["mse_corr"] + row["mse_bias"] + row["mse_var"] == pytest.approx(row["mse"], abs=1e-12)
    assert row["mse"] == pytest.approx(row["RMSD"] ** 2, abs=1e-15) and row["RSS"] == pytest.approx(
        row["mse"] * row["n_obs"]
    )
    assert row["R_boot_low"] < row["R"] < row["R_boot_high"]
    from soilmoisture.core.ground.results import PointValidation

    whole = PointValidation((result,), 1, 8, "", "", FINE.crs_wkt, {}, (), 3, 0, "")
    text = json.dumps(whole.metrics(), allow_nan=False)
    assert "station_r" not in text and "R without" not in text


def test_few_stations_on_many_dates_stay_few():
    """The interval of R in space equals a loop over resamples of stations, and does not shrink with the dates."""
    rng = np.random.default_rng(12)
    fixed_truth, fixed_map = rng.normal(0.25, 0.05, (2, 9))
    days = [day(dt.date(2019, 5, 1) + dt.timedelta(days=k)) for k in range(60)]
    truth = fixed_truth + rng.normal(0, 0.005, (60, 9))
    predicted = fixed_map + rng.normal(0, 0.005, (60, 9))
    pairs = pairs_of(days, truth, predicted)
    found = spatial_agreement(pairs, series_of(pairs), 3, seed=5).drawn["product"]
    draws = np.random.default_rng(5).multinomial(9, np.full(9, 1 / 9), size=500)
    means = []
    for draw in draws:
        index = np.repeat(np.arange(9), draw)
        means.append(np.mean([np.corrcoef(predicted[t, index], truth[t, index])[0, 1] for t in range(60)]))
    tail = 100 * stats.norm.cdf(math.sqrt(9 / 8) * stats.t.ppf(0.025, 8))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [tail, 100 - tail])), abs=1e-9)
    assert found.high - found.low > 0.6
    few = pairs_of(days, truth[:, :4], predicted[:, :4])
    assert math.isnan(spatial_agreement(few, series_of(few), 3).drawn["product"].low)
