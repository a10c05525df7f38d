"""Validation of maps against stations: scores, comparison with the coarse source, and the verdict."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.matching import sample_products
from soilmoisture.core.ground.metrics import r_interval
from soilmoisture.core.ground.observations import clean_observations
from soilmoisture.core.ground.points import score_pairs, validate_points
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.stack import Band, StackWriter

COARSE = ease_grid(9, 190, 880, 6, 6)
FINE = COARSE.subdivide(9)
PERIODS = [day(dt.date(2019, 5, 1) + dt.timedelta(days=4 * k)) for k in range(15)]
SOURCES = ("product", "smooth", "coarse")


def write(path, grid, layers, role=""):
    with StackWriter(path, grid, [Band("soil_moisture", period, "m3/m3", role) for period, _ in layers]) as writer:
        for number, (_, values) in enumerate(layers, 1):
            writer.write(number, values)
    return path


def block_mean(fine):
    return fine.reshape(COARSE.rows, 9, COARSE.cols, 9).mean(axis=(1, 3))


class Region:
    """A truth with detail inside its coarse cells, and stations that see it."""

    def __init__(self, folder, seed=3, stations=30, detail=0.06, periods=PERIODS):
        self.folder, self.periods = folder, periods
        rng = np.random.default_rng(seed)
        texture = rng.normal(0, detail, FINE.shape)
        level = 0.25 + 0.04 * np.sin(np.arange(len(periods)))
        broad = np.kron(rng.normal(0, 0.02, COARSE.shape), np.ones((9, 9)))
        self.truth = [np.clip(level[k] + broad + texture, 0.02, 0.6) for k in range(len(periods))]
        row, col = rng.integers(0, FINE.rows, stations), rng.integers(0, FINE.cols, stations)
        self.x, self.y = FINE.x_centres()[col], FINE.y_centres()[row]
        table = [
            (
                f"s{s:02d}",
                self.x[s],
                self.y[s],
                period and period.start,
                truth[row[s], col[s]] + rng.normal(0, 0.02),
            )
            for s in range(stations)
            for period, truth in zip(periods, self.truth)
        ]
        names, x, y, dates, values = zip(*table)
        self.points = clean_observations(names, x, y, None if periods == [None] else dates, values, FINE.crs_wkt)
        self.coarse = write(
            folder / "coarse.tif", COARSE, list(zip(periods, map(block_mean, self.truth))), role="target"
        )

    def product(self, name, fields):
        return write(self.folder / f"{name}.tif", FINE, list(zip(self.periods, fields)))

    def good(self):
        rng = np.random.default_rng(8)
        return self.product("good", [t + rng.normal(0, 0.02, t.shape) for t in self.truth])

    def harmful(self):
        rng = np.random.default_rng(9)
        fields = [np.kron(block_mean(t), np.ones((9, 9))) + rng.normal(0, 0.08, FINE.shape) for t in self.truth]
        return self.product("harmful", fields)


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    return Region(tmp_path_factory.mktemp("region"))


@pytest.fixture(scope="module")
def result(region):
    return validate_points([region.good(), region.harmful()], region.points, region.coarse, seed=1)


def test_pooled_scores_and_p_values(result):
    product = result.products[0]
    pairs = product.pairs
    for source, values in (("product", pairs.predicted), ("smooth", pairs.smooth), ("coarse", pairs.coarse)):
        assert product.pooled[source].r == pytest.approx(stats.pearsonr(values, pairs.observed)[0], abs=1e-12)
        assert product.pooled[source].n == len(pairs) == 30 * 15
    assert product.n_effective == pytest.approx(sum(row.n_effective for row in product.stations))
    assert product.comparison["smooth"].paired.n_effective == pytest.approx(product.n_effective)


def test_intervals_of_r_use_the_effective_number(result):
    product = result.products[0]
    assert product.pooled["product"].r_ci == r_interval(product.pooled["product"].r, product.n_effective)
    assert product.n_effective < product.pooled["product"].n
    row = next(row for row in product.stations if row.n_effective < row.n - 0.5)
    assert row.scores["smooth"].r_ci == r_interval(row.scores["smooth"].r, row.n_effective)


def test_distances_between_points_in_degrees_are_scaled(tmp_path, wgs84):
    """A degree of longitude at 60 north is half a degree of latitude."""
    region = Region(tmp_path, stations=60, periods=[None])
    (pairs,) = sample_products([region.coarse], region.points)
    x, y = pairs.x / 1e5, pairs.y / 1e5
    x, y = x - x[pairs.station].mean(), y - y[pairs.station].mean() + 60
    wave = np.sin(20 * x)[pairs.station]
    pairs = replace(pairs, predicted=wave + 0.1 * pairs.predicted, observed=wave + pairs.observed)
    flat = score_pairs(replace(pairs, x=x, y=y), FINE.crs_wkt).n_effective
    degrees = score_pairs(replace(pairs, x=x * 2, y=y), wgs84).n_effective
    stretched = score_pairs(replace(pairs, x=x * 2, y=y), FINE.crs_wkt).n_effective
    assert 3 < flat < 60 and degrees == pytest.approx(flat, rel=1e-6)
    assert stretched != pytest.approx(flat, rel=1e-3)


def test_station_rows_and_means_equal_a_loop(result):
    product = result.products[0]
    pairs = product.pairs
    r = {source: [] for source in SOURCES}
    for row in product.stations:
        at = [k for k in range(len(pairs)) if pairs.stations[pairs.station[k]] == row.station]
        assert row.n == len(at) == 15 and row.used
        assert (row.x, row.y) == (pairs.x[pairs.station[at[0]]], pairs.y[pairs.station[at[0]]])
        for source, values in (
            ("product", pairs.predicted),
            ("smooth", pairs.smooth),
            ("coarse", pairs.coarse),
        ):
            expected = np.corrcoef(values[at], pairs.observed[at])[0, 1]
            r[source].append(expected)
            assert row.scores[source].r == pytest.approx(expected, abs=1e-12)
            assert row.scores[source].rmse == pytest.approx(
                math.sqrt(np.mean((values[at] - pairs.observed[at]) ** 2)), abs=1e-12
            )
        assert row.gain["smooth"] == pytest.approx(r["product"][-1] - r["smooth"][-1], abs=1e-12)
    for source in SOURCES:
        summary = product.station_summary[source]
        assert summary.stations == 30
        assert summary.mean["r"] == pytest.approx(np.mean(r[source])) and summary.median["r"] == pytest.approx(
            np.median(r[source])
        )
        assert (summary.lower_quartile["r"], summary.upper_quartile["r"]) == pytest.approx(
            tuple(np.percentile(r[source], [25, 75]))
        )
        assert sum(product.r_classes[source]) == 30
    gains = np.array(r["product"]) - np.array(r["coarse"])
    comparison = product.comparison["coarse"]
    assert comparison.wilcoxon_p == pytest.approx(stats.wilcoxon(gains).pvalue)
    assert comparison.bootstrap.station_mean_r.value == pytest.approx(gains.mean(), abs=1e-12)
    assert comparison.median_station_gain == pytest.approx(np.median(gains), abs=1e-12)
    # A mean over stations is not the pooled score.
    assert abs(product.pooled["smooth"].r - product.station_summary["smooth"].mean["r"]) > 0.05


def test_agreement_in_space_equals_a_loop(result):
    product = result.products[0]
    pairs = product.pairs
    r = [np.corrcoef(pairs.predicted[pairs.period == k], pairs.observed[pairs.period == k])[0, 1] for k in range(15)]
    assert product.spatial.periods == 15
    assert product.spatial.mean["product"] == pytest.approx(np.mean(r), abs=1e-12)
    assert product.spatial.rows[3][:2] == (PERIODS[3].label, 30)
    assert product.spatial.mean["product"] > product.spatial.mean["smooth"] + 0.2


def test_contrasts_inside_cells_equal_a_loop(result):
    product = result.products[0]
    pairs = product.pairs
    mine, theirs, cells = [], [], set()
    for cell in set(pairs.cell):
        for k in range(15):
            at = np.flatnonzero((pairs.cell == cell) & (pairs.period == k))
            if len(at) > 1:
                cells.add(cell)
                mine.extend(pairs.predicted[at] - pairs.predicted[at].mean())
                theirs.extend(pairs.observed[at] - pairs.observed[at].mean())
    inside = product.inside_cell
    assert (inside.cells, inside.n) == (len(cells), len(mine))
    assert inside.r["product"] == pytest.approx(np.corrcoef(mine, theirs)[0, 1], abs=1e-12)
    assert inside.r["coarse"] == 0
    assert inside.product_r.low > 0.3 and inside.product_r.value == pytest.approx(inside.r["product"])
    # The coarse cell has one value for all its stations: nothing to correlate.
    assert all(np.ptp(pairs.coarse[(pairs.cell == c) & (pairs.period == 0)]) == 0 for c in set(pairs.cell))


def test_the_verdict_tells_help_from_harm(result):
    good, harmful = (product.verdict for product in result.products)
    assert result.verdict is good
    assert good.tone == "good"
    assert good.sentence.startswith("The 1 km map agrees better with the stations than its smooth coarse source: R 0.")
    assert (
        "on the same 450 pairs at 30 stations (difference +0." in good.sentence and "95 % interval 0." in good.sentence
    )
    assert harmful.tone == "bad" and "agrees worse" in harmful.sentence
    inside = result.products[1].inside_cell
    assert inside.product_r.low < 0 < inside.product_r.high  # noise does not rank stations


def test_a_product_equal_to_its_source_gains_nothing(region):
    copy = region.product("copy", [np.kron(block_mean(t), np.ones((9, 9))) for t in region.truth])
    product = validate_points([copy], region.points, region.coarse).products[0]
    gain = product.comparison["coarse"]
    assert gain.paired.difference == pytest.approx(0, abs=1e-9) and gain.paired.p == pytest.approx(1)
    assert gain.bootstrap.rmse.value == pytest.approx(0, abs=1e-9)
    assert all(abs(row.gain["coarse"]) < 1e-9 for row in product.stations)
    assert product.verdict.tone == "neutral" and "no better" in product.verdict.sentence
    assert math.isnan(product.inside_cell.r["product"])


def test_a_better_r_with_a_larger_error_is_not_called_good(region):
    steep = region.product("steep", [0.25 + 3 * (t - 0.25) for t in region.truth])
    verdict = validate_points([steep], region.points, region.coarse).products[0].verdict
    assert verdict.tone == "neutral" and "better" in verdict.sentence and "ubRMSE is larger" in verdict.sentence


def test_without_a_baseline_nothing_is_claimed(region):
    result = validate_points([region.good()], region.points)
    product = result.products[0]
    assert set(product.pooled) == {"product"} and product.comparison == {} and product.inside_cell is None
    assert product.verdict.tone == "neutral" and "whether downscaling helped" in product.verdict.sentence
    assert "coarse source" not in result.design


def test_one_undated_map_has_pairs_but_no_series(tmp_path):
    region = Region(tmp_path, stations=153, periods=[None])
    product = validate_points([region.good()], region.points, region.coarse).products[0]
    assert product.pooled["product"].n == 153 and product.station_count == 153
    assert not any(row.used for row in product.stations)
    assert product.station_summary["product"].stations == 0 and math.isnan(product.station_summary["product"].mean["r"])
    assert product.r_classes["product"] == (0,) * 6
    assert product.spatial.periods == 1 and product.spatial.mean["product"] == pytest.approx(
        product.pooled["product"].r
    )
    assert 3 <= product.n_effective <= 153
    assert product.verdict.tone == "good" and "153 points" in product.verdict.sentence
    assert (
        product.comparison["smooth"].bootstrap.station_mean_r.value
        != product.comparison["smooth"].bootstrap.pooled_r.value
    )


def test_few_stations_cannot_tell(tmp_path):
    region = Region(tmp_path, stations=3)
    verdict = validate_points([region.good()], region.points, region.coarse).products[0].verdict
    assert verdict.tone == "neutral" and verdict.sentence.startswith("3 stations cannot tell")


def test_too_few_pairs_say_why(region, tmp_path):
    late = clean_observations(
        ["a", "b", "c", "c"],
        [*region.x[:2], 0.0, 0.0],
        [*region.y[:2], 0.0, 0.0],
        ["2019-05-01", "2021-05-01", "2019-05-01", "2019-05-05"],
        [0.2] * 4,
        FINE.crs_wkt,
    )
    with pytest.raises(
        InputError,
        match="Only 1 pair of good.*1 observation on no date of .*, 2 observations outside the .*; check coordinates",
    ):
        validate_points([region.good()], late)
    with pytest.raises(InputError, match="At least 3 pairs"):
        validate_points([region.good()], region.points, min_pairs=2)


def test_results_are_json_tables_and_repeatable(region, result):
    text = json.dumps(result.metrics(), allow_nan=False)
    read = json.loads(text)
    assert read["products"][0]["pooled"]["product"]["n"] == 450 and read["seed"] == 1
    assert "pairs" not in read["products"][0]
    row = result.products[0].stations[0].flat()
    assert {
        "R",
        "rho",
        "BIAS",
        "RMSD",
        "urmsd",
        "n_obs",
        "R_smooth",
        "R_coarse",
        "dR_smooth",
        "dR_coarse",
    } <= set(row)
    again = validate_points(
        [region.folder / "good.tif", region.folder / "harmful.tif"], region.points, region.coarse, seed=1
    )
    assert json.dumps(again.metrics(), allow_nan=False) == text
    (other,) = validate_points([region.folder / "good.tif"], region.points, region.coarse, seed=2).products
    mine = result.products[0]
    assert other.pooled == mine.pooled
    gains = [product.comparison["smooth"].bootstrap.pooled_r for product in (other, mine)]
    assert gains[0].low != gains[1].low
    assert other.inside_cell.product_r.low != mine.inside_cell.product_r.low


def test_progress_only_moves_forward_and_notes_are_told(region):
    class Log(Progress):
        def __init__(self):
            self.fractions, self.lines = [], []

        def set(self, fraction, text=""):
            self.fractions.append(fraction)

        def info(self, text):
            self.lines.append(text)

    log = Log()
    percent = clean_observations(
        region.points.station,
        region.points.x,
        region.points.y,
        region.points.date,
        region.points.value * 100,
        FINE.crs_wkt,
    )
    validate_points([region.good()], percent, region.coarse, progress=log)
    assert log.fractions == sorted(log.fractions) and log.fractions[-1] == 1
    assert any("percent" in line for line in log.lines)


def read_risma(folder):
    """Station name, longitude, latitude, date and percent by volume of the daily RISMA tables."""
    with open(folder / "stations.csv", encoding="utf-8-sig", newline="") as file:
        stations = list(csv.DictReader(file))
    rows = []
    for station in stations:
        with open(folder / station["file"], encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                value = next(v for k, v in row.items() if "WFV" in k)
                rows.append(
                    (
                        station["station"],
                        float(station["longitude"]),
                        float(station["latitude"]),
                        row["Reading Time (CST)"],
                        value,
                    )
                )
    return zip(*rows)


def test_real_stations_against_the_real_coarse_product(shared_data, wgs84):
    folder = shared_data / "smapvex16_manitoba"
    if not folder.is_dir():
        pytest.skip("the Manitoba set is not there")
    names, x, y, date, value = read_risma(folder / "insitu_risma")
    points = clean_observations(names, x, y, date, value, wgs84)
    assert any("day first" in note for note in points.notes) and any("percent" in note for note in points.notes)
    assert len(points.places()[0]) == 12 and points.value.max() < 1
    scenes = sorted((folder / "coarse_smap9km_2019").glob("*.tif"))
    with pytest.raises(InputError, match="as the map and as its own coarse source"):
        validate_points(scenes, points, scenes)
    result = validate_points(scenes, points)
    (product,) = result.products
    assert len(product.periods) == len(scenes) == 88
    assert product.station_count == 9 and product.cell_size == "9 km"  # three stations lie outside
    assert product.dropped["outside the product"] == readings_outside(points, scenes) > 0
    # The provenance of the set reports r of single stations between -0.11 and 0.63.
    r = [row.scores["product"].r for row in product.stations]
    assert min(r) == pytest.approx(-0.11, abs=0.05) and max(r) == pytest.approx(0.63, abs=0.05)
    assert product.verdict.tone in ("neutral", "bad", "good") and "9 km map" in product.verdict.sentence


def readings_outside(points, scenes):
    days = {dt.datetime.strptime(scene.stem.split("_")[2], "%Y%m%d").date() for scene in scenes}
    outside = ("Manitoba_Station_10", "Manitoba_Station_11", "Manitoba_Station_12")
    return sum(d.item() in days and s in outside for s, d in zip(points.station, points.date))


@pytest.fixture
def wgs84():
    from osgeo import osr

    reference = osr.SpatialReference()
    reference.ImportFromEPSG(4326)
    return reference.ExportToWkt()
