"""The step in scale: a planted relation is found inside large cells, noise is not, small regions say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled
from soilmoisture.core.model.form import ANOMALIES, CONTRASTS, VALUES, Form
from soilmoisture.core.progress import Progress
from soilmoisture.core.train.learners import REGISTRY
from soilmoisture.core.train.learning import Learning
from soilmoisture.core.train.scale_step import _cropped, aggregated, scale_step, scale_steps

LINEAR = Learning(REGISTRY["linear"], REGISTRY["linear"].defaults, False, 0, 5)


@pytest.mark.parametrize("form", [Form(VALUES), Form(ANOMALIES), Form(CONTRASTS, 3)])
def test_a_planted_linear_relation_is_found_inside_large_cells(coarse_data, form):
    data = coarse_data(24, 26, 3, noise=0.0, season=0.0)
    step = scale_step(data, 2, form, LINEAR, 1.0, 5, Progress())
    assert step.r_product > 0.995 > 0.9 > step.r_smooth and step.rmse_product < 0.1 * step.rmse_smooth
    assert step.gain.slope == pytest.approx(1.0, abs=0.03) and step.gain.share_explained > 0.98
    assert (step.cells, step.samples, step.pixels, step.periods) == (12 * 13, 3 * 12 * 13, 3 * 24 * 26, 3)
    assert step.cell_km == pytest.approx(2 * np.sqrt(np.prod(data.grid.ground_cell_size())) / 1000, rel=1e-3)


def test_without_detail_the_map_is_the_smooth_interpolation(coarse_data):
    step = scale_step(coarse_data(24, 26, 2, noise=0.01), 2, Form(), LINEAR, 0.0, 5, Progress())
    assert step.r_product == pytest.approx(step.r_smooth) and step.rmse_product == pytest.approx(step.rmse_smooth)


def test_factors_that_say_nothing_have_no_gain(coarse_data):
    data = coarse_data(30, 30, 3, noise=0.01, seed=1)
    other = coarse_data(30, 30, 3, seed=9).factors
    values = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(900)
        factors = other.reshape(3, 3, 900)[:, :, order].reshape(other.shape)
        values.append(scale_step(replace(data, factors=factors), 2, Form(), LINEAR, 1.0, 5, Progress()).gain)
    assert np.mean([one.share_explained for one in values]) < 0.02
    assert np.mean([one.value for one in values]) < 0.3


@pytest.mark.parametrize("ratio", [2, 3])
def test_large_cells_are_means_of_the_valid_ones(coarse_data, ratio):
    data = coarse_data(11, 13, 2, gaps=0.3)
    native, valid = _cropped(data, ratio)
    large, _ = aggregated(native, valid, ratio, Progress())
    rows, cols = 11 // ratio, 13 // ratio
    assert large.target.shape == (2, rows, cols) and large.grid.cell_width == ratio * data.grid.cell_width
    for t in range(2):
        for i in range(rows):
            for j in range(cols):
                found = []
                for r in range(i * ratio, (i + 1) * ratio):
                    for c in range(j * ratio, (j + 1) * ratio):
                        if np.isfinite(data.target[t, r, c]) and np.isfinite(data.factors[:, t, r, c]).all():
                            found.append((data.target[t, r, c], data.factors[1, t, r, c]))
                if len(found) < ratio**2 / 2:
                    assert np.isnan(large.target[t, i, j]) and np.isnan(large.factors[:, t, i, j]).all()
                else:
                    wanted = np.mean(found, axis=0)
                    assert (large.target[t, i, j], large.factors[1, t, i, j]) == pytest.approx(tuple(wanted))


def test_gaps_are_bridged(coarse_data):
    step = scale_step(coarse_data(24, 26, 3, season=0.0, gaps=0.2), 2, Form(CONTRASTS, 3), LINEAR, 1.0, 5, Progress())
    assert step.pixels < 0.7 * 3 * 24 * 26 and step.r_product > 0.9


def test_a_region_that_is_too_small_is_a_sentence(coarse_data):
    steps, notes = scale_steps(coarse_data(9, 10, 3, noise=0.01), Form(), LINEAR, 1.0, 4, Progress())
    assert [one.ratio for one in steps] == [2]
    assert notes == [
        "Scale step over 3 cells: not possible. The region has 27 samples in 9 large cells with data; at least 50 in 4 "
        "are needed.",
        "Scale step over 4 cells: not possible. The region has 12 samples in 4 large cells with data; at least 50 in 4 "
        "are needed.",
    ]
    steps, notes = scale_steps(coarse_data(1, 30, 2), Form(), LINEAR, 1.0, 4, Progress())
    assert not steps and "less than 2 cells wide or high" in notes[0]


def test_it_can_be_stopped(coarse_data):
    class Stopped(Progress):
        cancelled = True

    with pytest.raises(Cancelled):
        scale_steps(coarse_data(24, 24, 2), Form(), LINEAR, 1.0, 5, Stopped())
