"""Scores against their definitions, and fine images that are left out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from soilmoisture.core.prepare.fusion.evaluation import FUSION, LINEAR, NEAREST, score, ssim
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import FusionOptions

DAYS = {"2020-05-29": 150, "2020-07-18": 200, "2020-09-16": 260, "2020-08-05": 218}


def loops(x, y, side=7):
    """SSIM window by window."""
    span = np.nanmax(np.where(np.isfinite(x), y, np.nan)) - np.nanmin(np.where(np.isfinite(x), y, np.nan))
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    found = []
    for i in range(x.shape[0] - side + 1):
        for j in range(x.shape[1] - side + 1):
            a, b = x[i : i + side, j : j + side].ravel(), y[i : i + side, j : j + side].ravel()
            if not (np.isfinite(a).all() and np.isfinite(b).all()):
                continue
            cov = np.cov(a, b)
            top = (2 * a.mean() * b.mean() + c1) * (2 * cov[0, 1] + c2)
            found.append(top / ((a.mean() ** 2 + b.mean() ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2)))
    return np.mean(found)


def test_ssim_is_its_definition():
    random = np.random.default_rng(0)
    truth = random.normal(size=(20, 23)) + 5
    predicted = truth + 0.5 * random.normal(size=truth.shape)
    predicted[3, 4] = np.nan
    assert ssim(predicted, truth) == pytest.approx(loops(predicted, truth), abs=1e-10)
    assert ssim(truth, truth) == pytest.approx(1.0)


def test_ssim_where_there_is_nothing_to_compare():
    truth = np.ones((9, 9))
    assert math.isnan(ssim(truth, truth))
    assert math.isnan(ssim(np.arange(25.0).reshape(5, 5), np.arange(25.0).reshape(5, 5)))
    holes = np.arange(81.0).reshape(9, 9)
    holes[::3, ::3] = np.nan
    assert math.isnan(ssim(holes, np.arange(81.0).reshape(9, 9)))


def test_scores_are_their_definitions():
    random = np.random.default_rng(1)
    truth, predicted = random.normal(size=(2, 12, 12))
    truth[0, 0], predicted[5, 5] = np.nan, np.nan
    here = np.isfinite(truth) & np.isfinite(predicted)
    x, y = predicted[here], truth[here]
    found = score(predicted, truth)
    assert found.pixels == 142 and found.r == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.rmse == pytest.approx(np.sqrt(np.mean((x - y) ** 2)))
    assert found.rmse**2 == pytest.approx(found.bias**2 + found.ubrmse**2)
    assert math.isnan(score(truth * np.nan, truth).rmse)


def test_left_out_images_are_compared_with_both_baselines(tmp_path, layer, seasons):
    fine, coarse, _ = seasons(tuple(DAYS.values()))
    for k, day in enumerate(DAYS):
        layer(f"coarse/c_{day}", coarse[k], ["ndvi"])
        if k < 3:
            layer(f"fine/f_{day}", fine[k], ["ndvi"])
    paths = ([str(p) for p in sorted((tmp_path / side).glob("*.tif"))] for side in ("fine", "coarse"))
    result = fuse_layers(*paths, tmp_path / "out.tif", run=FusionRun(FusionOptions(window=31)))
    assert [one.enclosed for one in result.left_out] == [False, True, False]
    middle = result.left_out[1].scores
    share = (200 - 150) / (260 - 150)
    linear = (1 - share) * fine[0, 0] + share * fine[2, 0]
    assert middle[LINEAR]["ndvi"].rmse == pytest.approx(np.sqrt(np.mean((linear - fine[1, 0]) ** 2)), rel=1e-9)
    assert middle[NEAREST]["ndvi"].rmse == pytest.approx(np.sqrt(np.mean((fine[0] - fine[1]) ** 2)), rel=1e-9)
    assert middle[FUSION]["ndvi"].rmse < 0.3 * middle[LINEAR]["ndvi"].rmse
    assert middle[FUSION]["ndvi"].ssim > middle[LINEAR]["ndvi"].ssim
    beyond = result.left_out[0].scores  # linear interpolation does not extrapolate
    assert beyond[LINEAR]["ndvi"] == beyond[NEAREST]["ndvi"] != middle[NEAREST]["ndvi"]
