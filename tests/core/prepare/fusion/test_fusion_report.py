"""What the page of a fusion says, and that it says so in words."""

from __future__ import annotations

import math

import pytest

from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.fusion_report import fusion_report
from soilmoisture.core.prepare.fusion.options import FusionOptions

DATES = {"2020-05-29": 150, "2020-06-18": 170, "2020-07-18": 200, "2020-09-16": 260}


@pytest.fixture
def fuse(tmp_path, layer, seasons):
    def inner(fine_days, noise=0.003, still=False, **options):
        days = [150 if still else day for day in DATES.values()]
        fine, coarse, _ = seasons(tuple(days), noise)
        paths = {"fine": [], "coarse": []}
        for k, day in enumerate(DATES):
            paths["coarse"].append(layer(f"coarse/c_{day}", coarse[k], ["ndvi"]))
            if day in fine_days:
                paths["fine"].append(layer(f"fine/f_{day}", fine[k], ["ndvi"]))
        run = FusionRun(FusionOptions(window=15, valid_range=(0.0, math.inf)), **options)
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
