"""The screening report: verdicts, honest p values beside naive ones, the numbers of the result, odd inputs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
from scipy.ndimage import gaussian_filter

from soilmoisture.core.report import Figure, Table, Text, charts, render_html, render_json, write_report
from soilmoisture.core.train.screening import screen_factors, to_json_dict
from soilmoisture.core.train.screening_report import screening_report

SHAPE = (6, 20, 24)


def smooth_maps(rng, sigma):
    maps = gaussian_filter(rng.normal(size=SHAPE), (0, sigma, sigma))
    return maps / maps.std()


@pytest.fixture(scope="module")
def region():
    """Target, factors: two that go with it, a copy of one of them, an unrelated smooth one, and noise."""
    rng = np.random.default_rng(3)
    ndvi, rain = smooth_maps(rng, 1.2), smooth_maps(rng, 1.2)
    target = 0.25 + 0.04 * ndvi - 0.03 * rain + 0.02 * rng.normal(size=SHAPE)
    target[0, :3] = np.nan
    factors = {
        "noise": rng.normal(size=SHAPE),
        "evi": 0.9 * ndvi + 0.1 * rng.normal(size=SHAPE),
        "ndvi": ndvi,
        "rain": rain,
        "hills": gaussian_filter(rng.normal(size=SHAPE[1:]), 5),
    }
    factors["rain"][2, 5:9] = np.nan
    return target, factors


def screen(target, factors, **settings):
    return screen_factors(target, factors, cell_width=7.0, cell_height=11.0, **settings)


@pytest.fixture(scope="module")
def pooled(region):
    result = screen(*region, basis="pooled")
    return result, screening_report(result, *region, units={"rain": "mm", "target": "m³/m³"})


def blocks(report, kind):
    return [block for section in report.sections for block in section.blocks if isinstance(block, kind)]


def table(report, second_column):
    return next(t for t in blocks(report, Table) if t.columns[1] == second_column)


def test_the_verdict_names_the_strongest_with_its_honest_p(pooled, words):
    result, report = pooled
    best = next(score for score in result.scores if score.name == result.kept[0])
    assert report.tone == "good"
    assert report.verdict.startswith(
        f"2 of 5 factors are kept; strongest: ndvi, r {best.deciding_r:.2f} over all cells"
    )
    assert f"with an effective n of {best.n_effective:,.0f} of {best.n:,}." in report.verdict.splitlines()[0]
    assert "1 factor that repeats others went." in report.verdict
    assert words(report).index("2 of 5 factors are kept") < words(report).index("its corrected p")


def test_naive_corrected_and_adjusted_p_stand_side_by_side(pooled, region):
    result, report = pooled
    target, factors = region
    rows = {row[0]: row for row in table(report, "Where").rows}
    shown = [row[0] for row in table(report, "Kept").rows]
    assert list(rows) == shown and shown[:2] == list(result.kept)
    for score in result.scores:
        maps = np.broadcast_to(factors[score.name], SHAPE)
        both = np.isfinite(target) & np.isfinite(maps)
        r, naive = scipy.stats.pearsonr(maps[both], target[both])
        _, where, deciding, _, n, size, *p_values = rows[score.name]
        assert where == "over\u00a0all" and deciding == pytest.approx(r)
        assert n == both.sum() and size == score.n_effective
        expected = [naive, score.p_corrected, score.p_adjusted]
        assert p_values == ["<0.001" if p < 0.001 else f"{p:.3f}" for p in expected]
    # A smooth unrelated map is what the naive p falls for.
    assert float(rows["hills"][6]) < 0.05 < float(rows["hills"][7])


def test_the_verdict_counts_what_the_naive_p_would_let_pass(pooled, region):
    result, report = pooled
    target, factors = region
    naive = 0
    for maps in factors.values():
        maps = np.broadcast_to(maps, SHAPE)
        both = np.isfinite(target) & np.isfinite(maps)
        naive += scipy.stats.pearsonr(maps[both], target[both])[1] <= 0.05
    sure = sum(score.p_adjusted <= 0.05 for score in result.scores)
    assert naive > sure
    assert f"Were every value independent, {naive} of 5 would have p ≤ 0.05" in report.verdict
    assert f"allowed for, {sure} have." in report.verdict


def test_every_factor_has_its_reason(pooled):
    result, report = pooled
    rows = {row[0]: row for row in table(report, "Kept").rows}
    for score in result.scores:
        name, kept, why = rows[score.name]
        assert kept == score.kept
        assert why.lower().replace("−", "-") == score.reason.split(": ", 1)[1].lower()
    assert "collinear" in rows["evi"][2]


def test_json_is_the_factor_list_and_csv_has_every_number(pooled, tmp_path):
    result, report = pooled
    assert json.loads(render_json(report))["data"] == json.loads(json.dumps(to_json_dict(result)))
    write_report(report, csv_path=tmp_path / "r.csv")
    lines = (tmp_path / "r.csv").read_text(encoding="utf-8-sig").splitlines()
    row = dict(zip(lines[0].split(","), lines[1].split(",")))
    assert row["name"] == "ndvi" and float(row["r"]) == result.scores[2].r and len(lines) == 6


def test_the_heat_map_has_the_target_first_and_marks_what_is_significant(pooled, monkeypatch, region):
    result, _ = pooled
    seen = {}
    draw = charts.heatmap

    def spy(matrix, labels, significant, target):
        seen.update(labels=labels, marks=significant, target=target)
        return draw(matrix, labels, significant, target=target)

    monkeypatch.setattr(charts, "heatmap", spy)
    screening_report(result, *region)
    names = list(seen["labels"])
    assert seen["target"] == names[0] == "target"
    marked = {names[k] for k in np.flatnonzero(seen["marks"][0])}
    assert {"ndvi", "evi", "rain"} == marked and (seen["marks"] == seen["marks"].T).all()
    assert not seen["marks"][1:, 1:].any()


@pytest.mark.parametrize(
    ("basis", "axis", "mean"),
    [("within_period", (1, 2), "the mean of the period"), ("within_cell", (0,), "the mean of the cell")],
)
def test_the_points_drawn_are_those_that_decided(region, monkeypatch, basis, axis, mean):
    target, factors = region
    result = screen(target, factors, basis=basis)
    seen = {}
    draw = charts.scatter_pair

    def spy(panels, xlabels, ylabel, line):
        seen.update(panels=panels, labels=[*xlabels, ylabel], line=line)
        return draw(panels, xlabels, ylabel, line=line)

    monkeypatch.setattr(charts, "scatter_pair", spy)
    report = screening_report(result, target, factors, units={"ndvi": "1", "target": "m³/m³"})
    assert any(f"difference from {mean}." in figure.caption for figure in blocks(report, Figure))
    assert seen["line"] == "median" and seen["labels"][-1] == "target difference (m³/m³)"
    names = [name for name, _, _ in seen["panels"]]
    assert seen["labels"][names.index("ndvi")] == "difference (1)"
    assert [name for name, _, _ in seen["panels"]] == list(result.kept)
    name, x, y = seen["panels"][0]
    both = np.isfinite(target) & np.isfinite(factors[name])
    maps = np.where(both, factors[name], np.nan)
    anomalies = maps - np.nanmean(maps, axis=axis, keepdims=True)
    assert np.sort(x) == pytest.approx(np.sort(anomalies[both]))
    score = next(s for s in result.scores if s.name == name)
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(score.deciding_r)


def test_many_values_are_thinned_the_same_way_each_time():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(2, 120, 120))
    factors = {"x": target + rng.normal(size=target.shape)}
    result = screen(target, factors, basis="pooled")
    first = render_html(screening_report(result, target, factors))
    assert first == render_html(screening_report(result, target, factors))
    assert "A random 20,000 of the values" in first


def test_contrasts_are_judged_and_drawn_between_neighbours(region, words):
    target, factors = region
    report = screening_report(screen(target, factors, basis="contrasts"), target, factors)
    text = words(report)
    assert "between neighbouring cells" in report.verdict and "difference from the mean of the cells around" in text
    assert "differences from the cells around with all factors" in text


def test_nothing_passing_is_bad_and_says_so(words):
    rng = np.random.default_rng(1)
    target, factors = rng.normal(size=(1, 12, 14)), {"a": rng.normal(size=(1, 12, 14)), "b": rng.normal(size=(12, 14))}
    result = screen(target, factors, basis="pooled")
    report = screening_report(result, target, factors)
    text = words(report)
    assert report.tone == "bad" and report.verdict.startswith("None of 2 factors passes; kept as the last resort: ")
    assert "with 2 tests allowed for" in report.verdict and "do not prove" in report.verdict
    assert "Please check" not in text  # the verdict has said it


def test_where_the_season_drowns_all_the_way_out_is_named():
    rng = np.random.default_rng(2)
    season = np.sin(np.arange(6))[:, None, None]
    detail = smooth_maps(rng, 0.8)
    target = 3 * season + detail + rng.normal(0, 0.3, SHAPE)
    factors = {"soil": detail + rng.normal(0, 0.3, SHAPE), "date": 3 * season + rng.normal(0, 0.3, SHAPE)}
    result = screen(target, factors, basis="within_cell", min_abs_r=0.1, alpha=1e-9)
    report = screening_report(result, target, factors)
    assert report.tone == "bad"
    assert "between neighbouring cells, 1 would pass (soil)" in report.verdict


def test_warnings_make_it_neutral_and_are_shown(region, words):
    target, factors = region
    result = screen(target, {**factors, "leak": 3 * target, "flat": np.ones(SHAPE[1:])}, basis="pooled")
    report = screening_report(result, target, {**factors, "leak": 3 * target, "flat": np.ones(SHAPE[1:])})
    text = words(report)
    assert report.tone == "neutral" and "Please check" in text and "suspected copy of the target" in text
    assert "It has the same value everywhere" in text


def test_one_factor_kept_on_request_that_never_varies_in_time(region, words):
    target, factors = region
    result = screen(target, {"hills": factors["hills"]}, basis="within_cell", always_keep=["hills"])
    report = screening_report(result, target, {"hills": factors["hills"]})
    text = words(report)
    assert report.tone == "bad" and "The only factor does not pass; kept on request: hills." in report.verdict
    assert "No kept factor varies together with the target." in text and blocks(report, Figure)


def test_spearman_is_named(region, words):
    target, factors = region
    report = screening_report(screen(target, factors, statistic="spearman", basis="pooled"), target, factors)
    assert "r is Spearman’s" in words(report) and report.details["Statistic"] == "Spearman"


def test_why_naive_p_values_lie_is_told_with_numbers(pooled):
    result, report = pooled
    best = next(score for score in result.scores if score.name == "ndvi")
    text = " ".join(block.text for block in blocks(report, Text))
    assert f"For ndvi, {best.n:,} values count as {best.n_effective:,.0f}" in text
    assert "5 factors are 5 tests" in text and "Benjamini" in text and "profits from the choice" in text
