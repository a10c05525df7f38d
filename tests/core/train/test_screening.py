"""Factor screening: scipy, statsmodels, scikit-learn, least squares as oracles; rules on made-up maps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import scipy.stats
from scipy.ndimage import gaussian_filter

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.progress import Progress
from soilmoisture.core.train.autocorrelation import effective_sample_size
from soilmoisture.core.train.collinearity import (
    VIF_LIMIT,
    condition_number,
    partial_correlation,
    remove_collinear,
    variance_inflation,
)
from soilmoisture.core.train.correlation import (
    benjamini_hochberg,
    corrected_p,
    fisher_interval,
    mutual_information,
    pearson,
    spearman,
)
from soilmoisture.core.train.screening import read_factor_list, screen_factors, to_json_dict

PERIODS, ROWS, COLS = 6, 20, 24


def maps(rng, count=PERIODS, sigma=1.5):
    return gaussian_filter(rng.normal(size=(count, ROWS, COLS)), (0, sigma, sigma)) * 2 * math.sqrt(math.pi) * sigma


@pytest.fixture(scope="module")
def region():
    """Soil moisture from vegetation, temperature and terrain, with a season, noise, gaps and decoys."""
    rng = np.random.default_rng(42)
    season = np.array([-1.0, 0.5, 1.0, 0.2, -0.8, 0.4])[:, None, None]
    ndvi, lst, dem, noise, unrelated = maps(rng), maps(rng), maps(rng, 1)[0], maps(rng), maps(rng)
    ndvi = ndvi + 0.5 * season
    lst = lst - season
    target = 0.2 + 0.03 * ndvi - 0.03 * lst + 0.03 * dem + 0.02 * noise
    target[0, :3, :4] = np.nan
    unrelated[2, 5, 5] = np.nan
    factors = {
        "ndvi": ndvi,
        "evi": ndvi + 0.2 * maps(rng),
        "lst": 300 + 10 * lst,
        "dem": 500 + 200 * dem,
        "unrelated": unrelated,
    }
    return target, factors


def screen(target, factors, **settings):
    return screen_factors(target, factors, **{"cell_width": 9.0, "cell_height": 9.0, **settings})


def by_name(result):
    return {score.name: score for score in result.scores}


# --- coefficients, p values, intervals


def test_coefficients_equal_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 8)).round(1)
    y = x + rng.normal(size=(5, 8)).round(1)
    x[0, 0], y[1, 1] = np.nan, np.nan
    keep = np.isfinite(x) & np.isfinite(y)
    assert len(np.unique(x[keep])) < keep.sum()  # ties
    assert pearson(x, y) == pytest.approx(scipy.stats.pearsonr(x[keep], y[keep])[0], rel=1e-12)
    assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x[keep], y[keep])[0], rel=1e-12)
    assert math.isnan(pearson(x, np.full(x.shape, 0.1)))
    assert pearson(x, 1 - 3 * x) == pytest.approx(-1.0, abs=1e-12)


@pytest.mark.parametrize("r", [0.05, -0.4, 0.97])
def test_p_equals_scipy_when_all_samples_count(r):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30))
    a, b = a - a.mean(), b - b.mean()
    b -= a * (a @ b) / (a @ a)
    y = r * a / np.linalg.norm(a) + math.sqrt(1 - r * r) * b / np.linalg.norm(b)
    exact = scipy.stats.pearsonr(a, y)
    assert exact[0] == pytest.approx(r)
    assert corrected_p(r, 30) == pytest.approx(exact[1], rel=1e-6)
    interval = exact.confidence_interval(0.95)
    assert fisher_interval(r, 30) == pytest.approx((interval.low, interval.high), rel=1e-6)


def test_p_with_fewer_samples():
    # 0.5^2 * 10 / 0.75 = 3.3333 with 1 and 10 degrees of freedom
    assert corrected_p(0.5, 12.0) == pytest.approx(scipy.stats.f.sf(10 / 3, 1, 10), rel=1e-12)
    assert corrected_p(0.5, 12.0) > corrected_p(0.5, 480)
    assert corrected_p(1.0, 12.0) == 0
    assert math.isnan(corrected_p(math.nan, 12.0)) and math.isnan(corrected_p(0.5, 2.0))
    assert fisher_interval(0.5, 3.0) == (-1.0, 1.0)
    half = scipy.stats.norm.ppf(0.975) * math.sqrt((1 + 0.125) / 25)
    expected = [math.tanh(math.atanh(0.5) + sign * half) for sign in (-1, 1)]
    assert fisher_interval(0.5, 28.0, ranks=True) == pytest.approx(expected, rel=1e-12)


def test_benjamini_hochberg_by_definition():
    p = np.array([0.04, 0.001, 0.03, np.nan, 0.9, 0.03])
    valid = [v for v in p if v == v]
    for value, adjusted in zip(p, benjamini_hochberg(p)):
        if value != value:
            assert adjusted != adjusted
        else:
            above = [w * len(valid) / sum(v <= w for v in valid) for w in valid if w >= value]
            assert adjusted == pytest.approx(min(1.0, *above), rel=1e-12)
    statsmodels = pytest.importorskip("statsmodels.stats.multitest")
    expected = statsmodels.multipletests(p[np.isfinite(p)], method="fdr_bh")[1]
    assert benjamini_hochberg(p)[np.isfinite(p)] == pytest.approx(expected, rel=1e-12)


# --- collinearity


def table_of(rng, n=200):
    x = rng.normal(size=(n, 5))
    x[:, 1] += 0.9 * x[:, 0]
    x[:, 3] += x[:, 2] - x[:, 1]
    return x


def unexplained(column, others):
    design = np.column_stack([np.ones(len(column)), others])
    return column - design @ np.linalg.lstsq(design, column, rcond=None)[0]


def test_variance_inflation_by_regression():
    x = table_of(np.random.default_rng(2))
    vif = variance_inflation(np.corrcoef(x, rowvar=False))
    for j in range(5):
        residual = unexplained(x[:, j], np.delete(x, j, axis=1))
        assert vif[j] == pytest.approx(x[:, j].var() / residual.var(), rel=1e-9)
    influence = pytest.importorskip("statsmodels.stats.outliers_influence")
    design = np.column_stack([np.ones(len(x)), x])
    expected = [influence.variance_inflation_factor(design, j + 1) for j in range(5)]
    assert vif == pytest.approx(expected, rel=1e-9)


def test_variance_inflation_of_exact_combinations():
    x = table_of(np.random.default_rng(3))
    x[:, 4] = 2 * x[:, 0] - x[:, 2] + 5
    correlation = np.corrcoef(x, rowvar=False)
    vif = variance_inflation(correlation)
    assert list(vif[[0, 2, 4]]) == [VIF_LIMIT] * 3
    # The other two do not take part: their VIF is that without the superfluous column.
    without = variance_inflation(np.corrcoef(x[:, :4], rowvar=False))
    assert vif[[1, 3]] == pytest.approx(without[[1, 3]], rel=1e-6)
    assert condition_number(correlation) > 1e12
    assert condition_number(correlation[:4, :4]) == pytest.approx(np.linalg.cond(correlation[:4, :4]), rel=1e-9)


def test_partial_correlation_by_residuals():
    x = table_of(np.random.default_rng(4))
    correlation = np.corrcoef(x, rowvar=False)
    a, b = (unexplained(x[:, j], x[:, [1, 2, 4]]) for j in (0, 3))
    expected = scipy.stats.pearsonr(a, b)[0]
    assert partial_correlation(correlation, 0, 3, [1, 2, 4]) == pytest.approx(expected, rel=1e-9)
    assert partial_correlation(correlation, 0, 3, []) == pytest.approx(correlation[0, 3], rel=1e-12)
    copied = np.corrcoef(np.column_stack([x, x[:, 1]]), rowvar=False)
    assert math.isnan(partial_correlation(copied, 0, 5, [1]))


def test_greedy_removal_drops_the_weaker_of_the_closest_pair():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 300))
    x = np.column_stack([a, a + 0.05 * rng.normal(size=300), a + 0.2 * rng.normal(size=300), b])
    correlation = np.corrcoef(x, rowvar=False)
    kept, removed = remove_collinear(correlation, [0.5, 0.6, 0.7, 0.1], 10.0)
    assert kept == [2, 3]
    assert [(removal.index, removal.partner) for removal in removed] == [(0, 1), (1, 2)]
    assert removed[0].vif == pytest.approx(variance_inflation(correlation)[0])
    assert max(variance_inflation(correlation[np.ix_(kept, kept)])) <= 10
    # On a tie the later one goes; a protected factor stays; two protected ones both stay.
    assert remove_collinear(correlation[:2, :2], [0.5, 0.5], 10.0)[0] == [0]
    assert remove_collinear(correlation[:2, :2], [0.5, 0.6], 10.0, protected={0})[0] == [0]
    assert remove_collinear(correlation[:2, :2], [0.5, 0.6], 10.0, protected={0, 1})[0] == [0, 1]
    assert remove_collinear(correlation, [0.5, 0.6, 0.7, 0.1], 1e5)[1] == []


def test_greedy_removal_of_a_sum():
    # The sum of many independent factors has a high VIF alone; the parts stay below the limit.
    rng = np.random.default_rng(6)
    x = rng.normal(size=(4000, 8))
    x = np.column_stack([x, x.sum(axis=1) + 0.9 * rng.normal(size=4000)])
    correlation = np.corrcoef(x, rowvar=False)
    assert list(np.flatnonzero(variance_inflation(correlation) > 5)) == [8]
    kept, removed = remove_collinear(correlation, [0.1] * 8 + [0.9], 5.0)
    assert kept == list(range(8))
    assert [(removal.index, removal.partner) for removal in removed] == [(8, -1)]


# --- mutual information


def test_mutual_information_equals_scikit_learn_and_theory():
    feature_selection = pytest.importorskip("sklearn.feature_selection")
    rng = np.random.default_rng(7)
    x = rng.normal(size=(3000, 3)) * [1.0, 1e-3, 1e4]
    y = 0.3 + 0.05 * (0.8 * x[:, 0] + 0.6 * rng.normal(size=3000))
    ours = mutual_information(x, y, seed=3)
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = feature_selection.mutual_info_regression(
        standard, (y - y.mean()) / y.std(), n_neighbors=3, random_state=3
    )
    assert ours == pytest.approx(expected, rel=1e-9)
    assert ours[0] == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.06)
    assert ours[1:] == pytest.approx([0, 0], abs=0.04)


def test_mutual_information_of_many_rows_is_a_seeded_sample():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(12000, 1))
    y = x[:, 0] ** 2 + 0.1 * rng.normal(size=12000)
    assert abs(pearson(x[:, 0], y)) < 0.05
    first, again, other = (mutual_information(x, y, seed=seed)[0] for seed in (1, 1, 2))
    assert first > 0.8 and first == again != other


# --- the whole screening


def test_scores_of_one_factor_against_scipy(region):
    target, factors = region
    scores = by_name(screen(target, factors))
    for name in ("ndvi", "unrelated"):
        keep = np.isfinite(target) & np.isfinite(factors[name])
        x, y = factors[name][keep], target[keep]
        score = scores[name]
        r, p = scipy.stats.pearsonr(x, y)
        assert score.n == keep.sum()
        assert (score.r, score.p_naive) == (
            pytest.approx(r, rel=1e-9),
            pytest.approx(p, rel=1e-6, abs=1e-300),
        )
        assert score.rho == pytest.approx(scipy.stats.spearmanr(x, y)[0], rel=1e-9)
        assert 3 < score.n_effective < score.n / 3
        freedom = score.n_effective - 2
        assert score.p_corrected == pytest.approx(scipy.stats.f.sf(freedom * r * r / (1 - r * r), 1, freedom), rel=1e-9)
        assert score.p_corrected > score.p_naive
        assert score.r_ci_low < r < score.r_ci_high
        assert (score.r_ci_low, score.r_ci_high) == pytest.approx(fisher_interval(r, score.n_effective), rel=1e-9)


def test_correlation_in_space_and_in_time_in_loops(region):
    target, factors = region
    score = by_name(screen(target, factors, basis="within_cell"))["lst"]
    x, y = factors["lst"], target
    space, time = [], []
    for t in range(PERIODS):
        ok = np.isfinite(y[t])
        space += list(zip(x[t][ok] - x[t][ok].mean(), y[t][ok] - y[t][ok].mean()))
    for i in range(ROWS):
        for j in range(COLS):
            ok = np.isfinite(y[:, i, j])
            time += list(zip(x[ok, i, j] - x[ok, i, j].mean(), y[ok, i, j] - y[ok, i, j].mean()))
    assert score.r_within_period == pytest.approx(scipy.stats.pearsonr(*zip(*space))[0], rel=1e-9)
    assert score.r_within_cell == pytest.approx(scipy.stats.pearsonr(*zip(*time))[0], rel=1e-9)
    assert score.basis == "within_cell" and score.deciding_r == score.r_within_cell
    assert score.deciding_p == score.p_within_cell == corrected_p(score.r_within_cell, score.n_effective_within_cell)


def test_static_factor_has_no_time_and_one_map(region):
    target, factors = region
    result = screen(target, {**factors, "dem again": np.repeat(factors["dem"][None], PERIODS, axis=0)})
    score, again = by_name(result)["dem"], by_name(result)["dem again"]
    assert score.static and again.static and not by_name(result)["ndvi"].static
    assert math.isnan(score.r_within_cell)
    assert score.n == np.isfinite(target).sum()
    expected = effective_sample_size(factors["dem"], np.nanmean(target, axis=0), 9.0, 9.0, None)
    assert score.n_effective == pytest.approx(expected, rel=1e-9)
    assert again.n_effective == score.n_effective
    # In time it has nothing to say, which is a reason in words.
    in_time = by_name(screen(target, factors, basis="within_cell"))["dem"]
    assert not in_time.kept and "does not vary in time" in in_time.reason


def test_what_is_kept_and_why(region):
    target, factors = region
    result = screen(target, factors)
    scores = by_name(result)
    assert set(result.kept) == {"ndvi", "lst", "dem"}
    assert list(result.kept) == sorted(result.kept, key=lambda name: -abs(scores[name].deciding_r))
    assert result.warnings == ()
    assert scores["evi"].vif_all > 10 and scores["ndvi"].vif_all > 10
    assert "ndvi goes with the target more strongly" in scores["evi"].reason
    assert "variance inflation" in scores["evi"].reason
    assert "below 0.1" in scores["unrelated"].reason or "chance" in scores["unrelated"].reason
    assert scores["lst"].reason.startswith("kept: r = -0.")
    for name, score in scores.items():
        assert score.kept == (name in result.kept)
        assert math.isnan(score.vif_kept) == (not score.kept)
        tried = [
            (score.p_corrected, score.r),
            (score.p_within_period, score.r_within_period),
            (score.p_contrasts, score.r_contrasts),
        ]
        assert (score.deciding_p, score.deciding_r) == (min(1.0, 3 * min(tried)[0]), min(tried)[1])


def test_contrasts_are_differences_from_the_neighbours(region):
    target, factors = region
    score = by_name(screen(target, factors, basis="contrasts"))["ndvi"]

    def loop(maps):
        result = np.full(maps.shape, np.nan)
        for t, row, col in zip(*np.nonzero(np.isfinite(maps))):
            near = maps[t, max(0, row - 1) : row + 2, max(0, col - 1) : col + 2]
            result[t, row, col] = maps[t, row, col] - np.nanmean(near)
        return result

    both = np.isfinite(target) & np.isfinite(factors["ndvi"])
    x, y = (loop(np.where(both, maps, np.nan))[both] for maps in (factors["ndvi"], target))
    assert score.deciding_r == pytest.approx(scipy.stats.pearsonr(x, y)[0], abs=1e-12)
    assert score.basis == "contrasts" and score.r_contrasts == score.deciding_r


def test_numbers_of_all_factors_together(region):
    target, factors = region
    result = screen(target, factors, basis="pooled")
    scores = by_name(result)
    assert result.names == ("target", *factors)
    keep = np.isfinite(target) & np.isfinite(factors["unrelated"])
    columns = [target[keep]] + [np.broadcast_to(stack, target.shape)[keep] for stack in factors.values()]
    assert result.rows == keep.sum()
    assert np.abs(result.correlation - np.corrcoef(columns)).max() < 1e-12
    assert result.condition_number == pytest.approx(np.linalg.cond(np.corrcoef(columns[1:])), rel=1e-8)
    index = dict(zip(result.names, range(len(columns))))
    for name in factors:
        others = [columns[index[other]] for other in result.kept if other != name]
        a, b = (unexplained(columns[index[column]], np.column_stack(others)) for column in ("target", name))
        assert scores[name].partial_r == pytest.approx(scipy.stats.pearsonr(a, b)[0], rel=1e-6)
        if name in result.kept:
            assert scores[name].vif_kept == pytest.approx(columns[index[name]].var() / b.var(), rel=1e-6)
    adjusted = benjamini_hochberg(np.array([score.deciding_p for score in result.scores]))
    assert [score.p_adjusted for score in result.scores] == list(adjusted)
    table = np.column_stack(columns)
    assert [score.mutual_information for score in result.scores] == list(mutual_information(table[:, 1:], table[:, 0]))


def test_spearman_decides_by_ranks(region):
    target, factors = region
    bent = {"lst": factors["lst"], "bent": np.exp(6 * factors["ndvi"])}
    pearson_scores = by_name(screen(target, bent))
    scores = by_name(screen(target, bent, statistic="spearman"))
    assert scores["bent"].r == pearson_scores["bent"].r
    assert abs(scores["bent"].rho) > 2 * abs(scores["bent"].r)
    assert scores["bent"].p_corrected < pearson_scores["bent"].p_corrected
    keep = np.isfinite(target)
    assert scores["bent"].p_naive == pytest.approx(
        scipy.stats.spearmanr(bent["bent"][keep], target[keep])[1], rel=1e-6, abs=1e-300
    )
    low, high = fisher_interval(scores["bent"].rho, scores["bent"].n_effective, ranks=True)
    assert (scores["bent"].r_ci_low, scores["bent"].r_ci_high) == (low, high)


def test_one_period(region):
    target, factors = region
    result = screen(target[1:2], {name: stack[1:2] if stack.ndim == 3 else stack for name, stack in factors.items()})
    for score in result.scores:
        assert score.r_within_period == score.r and math.isnan(score.r_within_cell)
        expected = effective_sample_size(
            factors[score.name][1] if factors[score.name].ndim == 3 else factors[score.name],
            target[1],
            9,
            9,
            None,
        )
        assert score.n_effective == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InputError, match="at least 3 periods"):
        screen(target[1:3], {"ndvi": factors["ndvi"][1:3]}, basis="within_cell")


def test_unusable_factors_are_dropped_in_words(region):
    target, factors = region
    few = np.full(target.shape, np.nan)
    few[1, 0, :7] = np.arange(7.0)
    result = screen(
        target,
        {
            "ndvi": factors["ndvi"],
            "same": np.full((ROWS, COLS), 0.1),
            "empty": np.full(target.shape, np.nan),
            "endless": np.full(target.shape, np.inf),
            "few": few,
            "copy": 5 - 100 * target,
        },
        always_keep=["same"],
    )
    scores = by_name(result)
    assert result.kept == ("ndvi",)
    assert result.names == ("target", "ndvi")
    assert "same value everywhere" in scores["same"].reason
    assert "no valid values" in scores["empty"].reason and "no valid values" in scores["endless"].reason
    assert "only 7 values" in scores["few"].reason
    assert "copy of the target" in scores["copy"].reason and scores["copy"].warning
    assert scores["copy"].r == pytest.approx(-1)
    assert any("copy:" in text for text in result.warnings)
    assert any("same: asked to be kept" in text for text in result.warnings)


def test_never_silently_empty():
    rng = np.random.default_rng(10)
    target = maps(rng)
    factors = {name: maps(rng) for name in "abc"}
    warned = []

    class Listening(Progress):
        def warn(self, text):
            warned.append(text)

    result = screen(target, factors, min_abs_r=0.9, progress=Listening())
    best = max(result.scores, key=lambda score: abs(score.deciding_r))
    assert result.kept == (best.name,)
    kept = by_name(result)[best.name]
    assert kept.kept and kept.warning and "no factor passed" in kept.reason and "below 0.9" in kept.reason
    assert warned == list(result.warnings) and len(warned) == 1
    # A factor kept on request is not "nothing".
    asked = screen(target, factors, min_abs_r=0.9, always_keep=["b"])
    assert asked.kept == ("b",) and by_name(asked)["b"].reason.startswith("kept on request")
    assert asked.warnings == ()


def test_kept_on_request_beats_its_twin(region):
    target, factors = region
    result = screen(target, factors, always_keep=["evi", "unrelated"])
    assert {"evi", "unrelated"} <= set(result.kept) and "ndvi" not in result.kept
    assert "is to be kept on request" in by_name(result)["ndvi"].reason


def test_unrelated_smooth_factors_rarely_pass():
    rng = np.random.default_rng(12)
    passed = naive = 0
    for _ in range(20):
        target = maps(rng, 2, 3.0)
        result = screen(target, {name: maps(rng, 2, 3.0) for name in "abcd"}, min_abs_r=0.0)
        passed += sum(score.p_adjusted <= 0.05 for score in result.scores)
        naive += sum(score.p_naive <= 0.05 for score in result.scores)
    assert naive > 40
    assert passed <= 5


def test_sparse_factor_is_named(region):
    target, factors = region
    holes = factors["lst"].copy()
    holes[1:] = np.nan
    result = screen(target, {"ndvi": factors["ndvi"], "holes": holes})
    assert any("holes" in text for text in result.warnings)
    other = factors["ndvi"].copy()
    other[0] = np.nan
    with pytest.raises(InputError, match="Only 0 values.*'holes'"):
        screen(target, {"ndvi": other, "holes": holes})


def test_wrong_input_is_a_sentence(region):
    target, factors = region
    ndvi = {"ndvi": factors["ndvi"]}
    for arguments, settings, words in [
        ((target[0], ndvi), {}, "series of maps"),
        ((target, {}), {}, "no factors"),
        ((target, {"a": factors["ndvi"][:, :, :-1]}), {}, "same grid"),
        ((target, {"sm": factors["ndvi"]}), {"target_name": "sm"}, "also among the factors"),
        ((target, ndvi), {"always_keep": ["evi"]}, "not among the factors"),
        ((target, ndvi), {"statistic": "kendall"}, "statistic"),
        ((target, ndvi), {"basis": "all"}, "basis"),
        ((target, ndvi), {"alpha": 0}, "p value"),
        ((target, ndvi), {"min_abs_r": 1.5}, "between 0 and 1"),
        ((target, ndvi), {"max_vif": 0.5}, "variance inflation"),
        ((target, ndvi), {"cell_width": -9.0}, "cell size"),
        ((np.full(target.shape, 0.2), ndvi), {}, r"None of the factors.*target has the same value.* \(ndvi\)"),
        ((target, {"flat": np.ones((ROWS, COLS))}), {}, "None of the factors"),
    ]:
        with pytest.raises(InputError, match=words):
            screen(*arguments, **settings)


def test_progress_and_cancelling(region):
    target, factors = region
    fractions = []

    class Stopping(Progress):
        def set(self, fraction, text=""):
            fractions.append(fraction)

        @property
        def cancelled(self):
            return len(fractions) == 3

    with pytest.raises(Cancelled):
        screen(target, factors, progress=Stopping())
    assert len(fractions) == 3 and fractions == sorted(fractions)


# --- the factor list file


def test_factor_list_comes_back(region, tmp_path):
    target, factors = region
    result = screen(target, {**factors, "flat": np.zeros((ROWS, COLS))}, target_name="soil moisture", seed=5)
    plain = to_json_dict(result)
    path = tmp_path / "factors.json"
    path.write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
    assert read_factor_list(path) == list(result.kept)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == plain
    assert (content["kind"], content["version"], content["target"]) == ("factor list", 1, "soil moisture")
    assert content["settings"]["max_vif"] == 10.0 and content["settings"]["seed"] == 5
    assert content["scores"][0]["r"] == result.scores[0].r
    assert content["scores"][-1]["name"] == "flat" and content["scores"][-1]["r"] is None
    assert content["correlation"]["names"][0] == "soil moisture"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[" * 200_000, "not JSON"),
        ("\x00\xff", "not JSON"),
        ("[]", "not a factor list"),
        ('{"kind": "model"}', "not a factor list"),
        ('{"kind": "factor list", "factors": ["a"]}', "version None"),
        ('{"kind": "factor list", "version": 2, "factors": ["a"]}', "version 2"),
        ('{"kind": "factor list", "version": 1}', "names no factors"),
        ('{"kind": "factor list", "version": 1, "factors": []}', "names no factors"),
        ('{"kind": "factor list", "version": 1, "factors": "ndvi"}', "names no factors"),
        ('{"kind": "factor list", "version": 1, "factors": ["a", 3]}', "names no factors"),
        ('{"kind": "factor list", "version": 1, "factors": ["a", "a"]}', "twice"),
    ],
)
def test_malformed_factor_list(tmp_path, text, words):
    path = tmp_path / "factors.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=words):
        read_factor_list(path)


def test_missing_factor_list(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_factor_list(tmp_path / "nothing.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_factor_list(tmp_path)


def test_a_factor_list_saved_by_an_editor_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "factors.json"
    text = json.dumps({"kind": "factor list", "version": 1, "factors": ["ndvi"]})
    path.write_bytes(text.encode("utf-8-sig"))
    assert read_factor_list(path) == ["ndvi"]
