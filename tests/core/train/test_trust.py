"""What training finds of applicability and uncertainty, on planted relations where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.model.form import CONTRASTS, VALUES
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.model.uncertainty import CONSTANT, QUANTILES, SCALED
from soilmoisture.core.report import render_html
from soilmoisture.core.train import trust as trust_module
from soilmoisture.core.train.training import Options, train
from soilmoisture.core.train.training_report import training_report
from soilmoisture.core.train.trust import LEVELS
from soilmoisture.core.train.trust_sections import trust_section


def trained(data, learner="linear", **more):
    settings = {"trees": 30} if learner == "randomforest" else {}
    return train(data, Options(learner, settings, validation=("blocks",), **more))


def contrast(maps):
    """Values less the mean of the valid cells in the 3 x 3 around each, plain loops."""
    result = np.full(maps.shape, np.nan)
    for t, row, col in np.argwhere(np.isfinite(maps)):
        window = maps[t, max(0, row - 1) : row + 2, max(0, col - 1) : col + 2]
        result[t, row, col] = maps[t, row, col] - window[np.isfinite(window)].mean()
    return result


@pytest.mark.parametrize("learner, form", [("linear", CONTRASTS), ("linear", VALUES), ("randomforest", CONTRASTS)])
def test_intervals_hold_what_they_promise_of_fresh_contrasts(coarse_data, learner, form):
    data = coarse_data(rows=20, cols=22, noise=0.01)
    training = trained(data, learner, train_on=form)
    uncertainty, gain = training.model.uncertainty, training.model.gain.value
    assert uncertainty.method == (QUANTILES if learner == "randomforest" else uncertainty.method)
    for one, level in zip(training.trust.calibrations, LEVELS):
        assert one.level == level and one.coverage == pytest.approx(level, abs=0.04)
    # Noise on a single cell leaves 8/9 of its variance in the contrast to the nine.
    expected = 2 * 1.645 * 0.01 * np.sqrt(8 / 9)
    assert training.trust.calibrations[2].width == pytest.approx(expected, rel=0.25)
    # Another draw of the same world: fresh coarse cells, contrasts predicted from contrasts.
    fresh = coarse_data(rows=20, cols=22, noise=0.01, seed=99)
    if form == CONTRASTS:
        x = np.stack([contrast(one) for one in fresh.factors]).reshape(3, -1).T
        calibration = uncertainty.calibration(0.9, gain)
        area = training.model.applicability
        offsets = uncertainty.offsets(x, area.index(x), calibration)
        left = contrast(fresh.target).ravel() - gain * training.model.predict(x)
        inside = (left >= offsets[:, 0]) & (left <= offsets[:, 2])
        assert inside.mean() == pytest.approx(0.9, abs=0.05)


def test_the_area_is_that_of_the_factors_as_the_model_sees_them(coarse_data):
    data = coarse_data(noise=0.002)
    training = trained(data, train_on=CONTRASTS)
    area = training.model.applicability
    x = np.stack([contrast(one) for one in data.factors]).reshape(3, -1).T
    np.testing.assert_allclose(area.index(x), 0, atol=1e-9)
    # Level and season of the factors do not count in contrasts, an unseen contrast does.
    assert (area.index(x[:5] + 20) > area.threshold).all()
    outside = training.trust.own_index > area.threshold
    assert training.trust.data["samples_outside"] == pytest.approx(outside.mean()) and outside.mean() < 0.1


def test_factors_that_do_not_help_hardly_weigh(coarse_data):
    training = trained(coarse_data(noise=0.003, slopes=(0.05, 0.0, 0.0)), train_on=CONTRASTS)
    weight = training.model.applicability.weight
    assert weight[0] > 20 * max(weight[1:])


def test_widths_follow_the_dissimilarity_only_where_the_error_does(coarse_data, monkeypatch):
    plain = trained(coarse_data(rows=24, cols=24, noise=0.01), train_on=CONTRASTS)
    assert plain.model.uncertainty.method == CONSTANT
    data = coarse_data(rows=24, cols=24)
    rng = np.random.default_rng(8)
    # Noise grows with the distance of the factors from their middle, where training samples are dense.
    far = np.sqrt((np.stack([contrast(one) for one in data.factors]) ** 2).sum(axis=0))
    data.target[:] += rng.normal(size=far.shape) * 0.02 * far**2
    grown = trained(data, train_on=CONTRASTS)
    assert grown.model.uncertainty.method == SCALED and grown.model.uncertainty.slope > 0
    assert grown.trust.calibrations[2].score < grown.trust.constant.score


def test_forest_quantiles_are_of_forests_that_have_not_seen_the_fold(coarse_data):
    """With trees that know every sample, only forests of the other folds can tell how wide the error is."""
    data = coarse_data(rows=20, cols=20, noise=0.02, slopes=(0.0, 0.0, 0.0), season=0.0)
    training = train(
        data, Options("randomforest", {"trees": 30, "smallest_leaf": 1}, CONTRASTS, validation=("blocks",))
    )
    held = training.model.uncertainty.held_out
    spread = held.spread[:, -4] - held.spread[:, 3]
    assert spread.mean() > 2 * 0.02  # 90 % of noise of 0.02 is 0.066 wide; within its own leaves it would be near 0


def test_many_samples_are_thinned_and_said(coarse_data, monkeypatch):
    monkeypatch.setattr(trust_module, "MOST_POINTS", 200)
    monkeypatch.setattr(trust_module, "MOST_HELD_OUT", 150)
    training = trained(coarse_data(noise=0.01), train_on=CONTRASTS)
    assert len(training.model.applicability.points) == 200 and len(training.model.uncertainty.held_out.true) == 150
    assert "200 of the 896 samples" in " ".join(training.trust.notes) and "150" in training.trust.notes[1]


def test_gaps_are_no_matter(coarse_data):
    training = trained(coarse_data(noise=0.01, gaps=0.2), "randomforest", train_on=CONTRASTS)
    assert training.model.applicability is not None and training.model.uncertainty.method == QUANTILES


def test_parts_and_report_survive_the_file(coarse_data, tmp_path):
    training = trained(coarse_data(noise=0.01), "randomforest")
    save_model(training.model, tmp_path / "m.smdl")
    again = load_model(tmp_path / "m.smdl")
    gain = training.model.gain.value
    assert again.uncertainty.calibration(0.9, gain) == training.trust.calibrations[2]
    report = training_report(training)
    assert report.data["trust"]["picp"] == training.trust.calibrations[2].coverage
    assert report.data["trust"]["threshold"] == again.applicability.threshold
    page = render_html(report)
    assert "Where it may be trusted" in page and "coarse support" in page and "quantile regression forest" in page


def test_a_section_says_what_is_missing(coarse_data):
    training = trained(coarse_data(rows=6, cols=3, periods=1, noise=0.01), train_on=VALUES)
    assert training.trust.uncertainty is None and training.model.uncertainty is None
    texts = [block.text for block in trust_section(training.trust, "").blocks]
    assert any("No uncertainty" in text for text in texts)
