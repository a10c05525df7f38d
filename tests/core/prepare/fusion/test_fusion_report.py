"""What the page of a fusion says, and that it says so in words."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace

import pytest

from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.fusion_report import fusion_report
from soilmoisture.core.prepare.fusion.options import FusionOptions
from soilmoisture.core.raster.periods import day as day_of
from soilmoisture.core.report import render_html, render_json

DATES = {"2020-05-29": 150, "2020-06-18": 170, "2020-07-18": 200, "2020-09-16": 260}


@pytest.fixture
def fuse(tmp_path, layer, seasons):
    def inner(fine_days, noise=0.003, still=False, valid_range=(0.0, math.inf), **options):
        days = [150 if still else day for day in DATES.values()]
        fine, coarse, _ = seasons(tuple(days), noise)
        paths = {"fine": [], "coarse": []}
        for k, day in enumerate(DATES):
            paths["coarse"].append(layer(f"coarse/c_{day}", coarse[k], ["ndvi"]))
            if day in fine_days:
                paths["fine"].append(layer(f"fine/f_{day}", fine[k], ["ndvi"]))
        run = FusionRun(FusionOptions(window=15, valid_range=valid_range), **options)
        return fuse_layers(paths["fine"], paths["coarse"], tmp_path / "out.tif", run=run)

    return inner


def test_a_fusion_that_is_better_says_so(fuse, words):
    report = fusion_report(fuse(["2020-05-29", "2020-07-18", "2020-09-16"]))
    assert report.tone == "good" and "better than linear interpolation" in report.verdict
    assert report.data["rmse_ratio_linear"] < 0.5 and report.data["dates"] == 1
    text = words(report)
    assert "SSIM" in text and "First pair" in text
    assert report.main_table.rows[0][:4] == ["2020-06-18", "2020-05-29", "2020-07-18", "between"]


def test_a_fusion_that_is_worse_says_so(fuse, words):
    """Nothing changes, and the coarse images are noise: what they add can only harm."""
    report = fusion_report(fuse(["2020-05-29", "2020-07-18", "2020-09-16"], noise=0.1, still=True))
    assert report.tone == "bad" and "worse than linear interpolation" in report.verdict
    assert report.data["rmse_ratio_linear"] > 1.02
    words(report)


def test_two_fine_images_leave_it_open(fuse, words):
    report = fusion_report(fuse(["2020-05-29", "2020-09-16"]))
    assert report.tone == "neutral" and "not known" in report.verdict
    assert math.isnan(report.data["rmse_ratio_linear"])
    words(report)


def test_one_pair_and_no_check(fuse, words):
    report = fusion_report(fuse(["2020-07-18"]))
    assert "STARFM was used" in report.verdict and report.subtitle.startswith("STARFM")
    words(report)
    report = fusion_report(fuse(["2020-05-29", "2020-07-18", "2020-09-16"], evaluate=False))
    assert "switched off" in report.verdict
    words(report)


def test_a_fallback_is_called_by_its_reason(fuse, words):
    """Values beyond the valid range are no want of similar pixels."""
    result = fuse(["2020-05-29", "2020-07-18"], valid_range=(0.0, 0.95))
    date = result.dates[0]
    assert date.beyond_range == 0.0
    many = replace(result, dates=[replace(date, fused=0.4, fallback=0.0, beyond_range=0.6)])
    report = fusion_report(many)
    assert report.tone == "bad" and "60 % of the pixels came out beyond the valid range (0 to 0.95)" in report.verdict
    assert "similar" not in report.verdict and report.verdict.startswith("Hardly a fusion")
    assert report.data["beyond_range_share"] == 0.6
    words(report)
    few = fusion_report(replace(result, dates=[replace(date, fused=0.01, fallback=0.99)]))
    assert few.tone == "bad" and "99 % of the pixels have too few similar pixels" in few.verdict
    assert "range" not in few.verdict


def test_mostly_extrapolated_dates_are_no_neutral_news(fuse, words):
    result = fuse(["2020-05-29", "2020-06-18"])
    report = fusion_report(result)
    assert report.tone == "bad" and "2 of 2 dates lie before or after all pairs: trust these least" in report.verdict
    one = fusion_report(replace(result, dates=result.dates[:1]))
    assert "1 of 1 date lies before or after all pairs: trust it least" in one.verdict
    words(report)


def test_a_small_gain_or_few_winners_are_mixed(fuse):
    result = fuse(["2020-05-29", "2020-07-18", "2020-09-16"])
    middle, per_band = result.left_out[1], ("mean", "r_coarse", "bias_coarse", "similar", "conversion")

    def verdict(*ratios):
        bands = {f"b{k}": ratio for k, ratio in enumerate(ratios)}
        base = middle.scores["linear interpolation"]["ndvi"]
        scores = {
            method: {b: replace(base, rmse=r if method == "fusion" else 1.0) for b, r in bands.items()}
            for method in middle.scores
        }
        dates = [replace(d, **{k: len(bands) * vars(d)[k] for k in per_band}) for d in result.dates]
        plan = replace(result.plan, names=list(bands), units=[""] * len(bands))
        report = fusion_report(replace(result, left_out=[replace(middle, scores=scores)], plan=plan, dates=dates))
        return report.verdict.splitlines()[0].split(":")[0].split(" than")[0], report.tone

    assert verdict(0.5, 0.5, 1.1) == ("Fusion is better", "good")
    assert verdict(0.3, 1.1, 1.1) == ("Mixed", "neutral")
    assert verdict(0.96, 0.97, 0.96) == ("Mixed", "neutral")
    assert verdict(1.3, 0.9, 1.3) == ("Fusion is worse", "bad")


def test_correlations_of_few_cells_are_not_shown(fuse, words):
    result = fuse(["2020-05-29", "2020-07-18"])
    date = result.dates[0]
    assert date.blocks == 16 and math.isfinite(date.r_coarse[0])
    report = fusion_report(replace(result, dates=[replace(date, blocks=9, r_coarse=[math.nan])]))
    card = next(card for card in report.key_figures if card.label.startswith("R with"))
    assert (card.value, card.note) == ("–", "of means over 9 coarse cells: too few")
    assert "No R of fewer than 10 cells" in words(report)


def test_many_dates_are_summed_up_and_listed_in_the_file(fuse, words):
    result = fuse(["2020-05-29", "2020-09-16"])
    start = dt.date(2020, 6, 1)
    dates = [replace(result.dates[0], period=day_of(start + dt.timedelta(k))) for k in range(300)]
    dates[250] = replace(dates[250], enclosed=False)
    report = fusion_report(replace(result, dates=dates))
    assert len(report.main_table.rows) == 300 and len(json.loads(render_json(report))["tables"][0]["rows"]) == 300
    page = render_html(report)
    assert page.count("<tr") < 60 and "2020-06-01 to 2021-02-05" in words(report)
    assert page.index("Mean of each fused image") < page.index("First pair")


def test_settings_name_the_layers_and_the_map_shows_what_varies(tmp_path, layer, scene):
    fine, coarse, wanted = scene(2, 0.0, dates=1)
    fine[:, 1] *= 3
    names = ["blue", "swir"]
    days = ["2020-05-01", "2020-06-01", "2020-05-11"]
    fines = [layer(f"f_{d}", v, names) for d, v in zip(days, fine)]
    coarses = [layer(f"c_{d}", v, names) for d, v in zip(days, [*coarse, wanted[0]])]
    result = fuse_layers(fines, coarses, tmp_path / "out.tif", run=FusionRun(FusionOptions(window=9)))
    report = fusion_report(result)
    assert result.mapped == 1 and "c_2020-05-11" in report.details["Coarse layers"]
    assert report.details["Fine layers"] == "f_2020-05-01, f_2020-06-01"
    assert any(getattr(block, "caption", "").startswith("swir") for s in report.sections for block in s.blocks)
    again = fuse_layers(fines, coarses, tmp_path / "out.tif", run=FusionRun(FusionOptions(window=9)))
    assert again.kept == 1 and fusion_report(again).key_figures[1] == report.key_figures[1]
