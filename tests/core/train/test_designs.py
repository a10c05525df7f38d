"""Folds that never mix, what they may not see, block sizes from variograms of known fields."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.form import Form
from soilmoisture.core.raster.periods import day, month_of
from soilmoisture.core.train import designs as ds
from soilmoisture.core.train.block_size import BlockSize, block_size, practical_range
from soilmoisture.core.train.samples import make_samples


@pytest.fixture
def samples(coarse_data):
    return make_samples(coarse_data(13, 17, 5, gaps=0.1, noise=0.01), Form())


def months(*years_months):
    return [month_of(dt.date(year, month, 1)) for year, month in years_months]


def exponential_fields(rng, size, length, count):
    """Gaussian fields with covariance exp(-distance / length), by circulant embedding."""
    m = 4 * size
    d = np.minimum(np.arange(m), m - np.arange(m))
    spectrum = np.fft.fft2(np.exp(-np.hypot(d[:, None], d[None]) / length)).real.clip(0)
    noise = rng.normal(size=(count, m, m)) + 1j * rng.normal(size=(count, m, m))
    return (np.fft.fft2(noise * np.sqrt(spectrum)) / m).real[:, :size, :size]


def test_random_folds_hold_out_one_fifth_once(samples):
    folds = ds.random_folds(samples, 3)
    assert folds.count == 1 and (folds.fold == 0).sum() == round(0.2 * len(samples))
    np.testing.assert_array_equal(folds.fold, ds.random_folds(samples, 3).fold)
    assert (folds.fold != ds.random_folds(samples, 4).fold).any()


@pytest.mark.parametrize("edge", [2, 4, 5, 9])
def test_blocks_are_never_split(samples, edge):
    folds = ds.block_folds(samples, edge, 1)
    top, left = samples.row.min(), samples.col.min()
    homes = {}
    for i, j, fold in zip(samples.row, samples.col, folds.fold):
        homes.setdefault(((i - top) // edge, (j - left) // edge), set()).add(fold)
    assert all(len(found) == 1 for found in homes.values())
    assert folds.count == min(5, len(homes)) and (folds.fold >= 0).all()
    sizes = np.bincount(folds.fold)
    if len(homes) >= 15:
        assert sizes.max() < 1.4 * sizes.min()
    assert f"{len(homes)} blocks of {edge} x {edge}" in folds.note


def test_periods_are_never_split_and_neighbours_stay_together(coarse_data):
    samples = make_samples(coarse_data(5, 5, 14), Form())
    folds = ds.period_folds(samples)
    found = [set(folds.fold[samples.period == t]) for t in range(14)]
    assert all(len(one) == 1 for one in found)
    order = [one.pop() for one in found]
    assert order == sorted(order) and set(order) == set(range(6))


def test_designs_that_the_samples_do_not_allow(coarse_data, samples):
    one = make_samples(coarse_data(8, 8, 1), Form())
    possible, notes = ds.designs(one, ds.DEFAULT_DESIGNS, 4, 0)
    assert [f.design for f in possible] == ["random", "blocks"] and "at least two periods" in notes[0]
    with pytest.raises(InputError, match="at least two periods"):
        ds.designs(one, ["periods"], 4, 0)
    with pytest.raises(InputError, match="Choose at least one"):
        ds.designs(one, [], 4, 0)
    with pytest.raises(InputError, match="Unknown validation design 'bootstrap'"):
        ds.designs(one, ["bootstrap"], 4, 0)
    with pytest.raises(InputError, match="64 coarse cells with data lie within one block of 8 x 8"):
        ds.block_folds(one, 8, 0)


@pytest.mark.parametrize("length", [1.5, 3.0])
def test_range_of_fields_whose_range_is_known(length):
    fields = exponential_fields(np.random.default_rng(1), 50, length, 6)
    fields[:, ::7, ::5] = np.nan
    assert practical_range(fields) == pytest.approx(3 * length, rel=0.2)


def test_noise_has_no_range():
    for seed in range(6):
        for shape in ((1, 40, 40), (4, 20, 20)):
            assert practical_range(np.random.default_rng(seed).normal(size=shape)) < 3
    assert practical_range(np.full((1, 9, 9), np.nan)) == 0
    assert practical_range(np.ones((1, 20, 20))) == 0


@pytest.mark.parametrize(
    "rows, cols, length, wanted",
    [(50, 50, 3.0, (7, 11)), (50, 50, 0.3, (5, 5)), (30, 30, 9.0, (10, 10)), (8, 4, 3.0, (4, 4)), (3, 3, 1.0, (1, 1))],
)
def test_block_edge_follows_the_range_within_limits(coarse_data, rows, cols, length, wanted):
    samples = make_samples(coarse_data(rows, cols, 4), Form())
    field = exponential_fields(np.random.default_rng(2), max(rows, cols), length, 4)[:, :rows, :cols]
    size = block_size(samples, field[samples.period, samples.row, samples.col])
    edge = size.edge
    assert wanted[0] <= edge <= wanted[1]
    assert ds.block_folds(samples, edge, 0).count >= 2


def test_random_kfolds_hold_out_everything_once(samples):
    folds = ds.random_kfolds(samples, 1)
    assert folds.count == 5 and np.ptp(np.bincount(folds.fold)) <= 1 and (folds.fold >= 0).all()
    assert "optimistic" in ds.LABELS[folds.design]
    # Cells with several dates are torn apart, which is why it flatters.
    assert any(len(set(folds.fold[(samples.row == r) & (samples.col == 3)])) > 1 for r in range(13))


@pytest.mark.parametrize("buffer", [1, 2])
def test_a_buffer_keeps_the_model_away_from_what_is_held_out(samples, buffer):
    folds = ds.block_folds(samples, 5, 0, buffer)
    assert f"a buffer of {buffer} cell" in folds.note
    plain = ds.block_folds(samples, 5, 0)
    np.testing.assert_array_equal(folds.fold, plain.fold)
    for number in range(folds.count):
        out = folds.fold == number
        held = set(zip(samples.row[out], samples.col[out]))
        seen = folds.training(number)
        assert seen.any()
        for k in range(len(samples)):
            near = any(max(abs(r - samples.row[k]), abs(c - samples.col[k])) <= buffer for r, c in held)
            assert seen[k] == (not near)


def test_a_buffer_that_would_leave_nothing_is_left_out(coarse_data):
    samples = make_samples(coarse_data(4, 4, 2), Form())
    folds = ds.block_folds(samples, 2, 0, 2)
    assert folds.barred is None and "no buffer" in folds.note


def test_fewer_blocks_than_folds_is_said(coarse_data):
    folds = ds.block_folds(make_samples(coarse_data(6, 9, 2), Form()), 3, 0)
    assert folds.count == 5 and "fewer" not in folds.note
    folds = ds.block_folds(make_samples(coarse_data(6, 9, 2), Form()), 5, 0)
    assert folds.count == 4 and "4 blocks of 5 x 5 cells in 4 folds (fewer blocks than the usual 5 folds)" in folds.note


def test_seasons_and_years_against_leave_one_group_out(coarse_data):
    periods = months((2019, 12), (2020, 1), (2020, 4), (2020, 5), (2020, 7), (2021, 2))
    samples = make_samples(coarse_data(4, 5, 6), Form())
    season = np.array(["winter", "winter", "spring", "spring", "summer", "winter"])[samples.period]
    year = np.array([2019, 2020, 2020, 2020, 2020, 2021])[samples.period]
    for folds, groups in ((ds.season_folds(samples, periods), season), (ds.year_folds(samples, periods), year)):
        wanted = {tuple(out) for _, out in LeaveOneGroupOut().split(samples.x, groups=groups)}
        assert {tuple(np.flatnonzero(folds.fold == k)) for k in range(folds.count)} == wanted
        assert folds.count == 3
    assert "March to May" in ds.season_folds(samples, periods).note
    assert "2019, 2020, 2021" in ds.year_folds(samples, periods).note


def test_many_years_are_held_out_several_at_a_time(coarse_data):
    samples = make_samples(coarse_data(3, 3, 10), Form())
    folds = ds.year_folds(samples, [day(dt.date(2000 + t, 6, 1)) for t in range(10)])
    order = [set(folds.fold[samples.period == t]) for t in range(10)]
    assert folds.count == 6 and [one.pop() for one in order] == [0, 0, 1, 1, 2, 3, 3, 4, 4, 5]


@pytest.mark.parametrize("edge, periods, buffer", [(4, 5, 0), (5, 2, 0), (4, 12, 1), (9, 3, 0)])
def test_blocks_and_periods_are_both_new_to_the_model(coarse_data, edge, periods, buffer):
    samples = make_samples(coarse_data(13, 17, periods, gaps=0.05), Form())
    folds = ds.block_and_period_folds(samples, edge, 0, buffer)
    blocks = ds.block_of(samples, edge)
    for number in range(folds.count):
        out, seen = folds.fold == number, folds.training(number)
        assert out.any() and seen.any() and not (out & seen).any()
        assert not set(blocks[out]) & set(blocks[seen])
        assert not set(samples.period[out]) & set(samples.period[seen])
    held = folds.fold >= 0
    assert set(samples.period[held]) == set(samples.period) and set(blocks[held]) == set(blocks)


def test_every_impossible_design_is_a_sentence(coarse_data):
    samples = make_samples(coarse_data(13, 17, 1), Form())
    possible, notes = ds.designs(samples, ds.DESIGNS, 4, 0, months((2020, 5)))
    assert [one.design for one in possible] == ["random", "kfold", "blocks"]
    assert len(notes) == 4 and all(": not possible. " in note and note.endswith(".") for note in notes)
    assert "All periods lie in one season (March to May)" in notes[1] and "one year (2020)" in notes[2]
    undated = ds.designs(make_samples(coarse_data(13, 17, 2), Form()), ["years", "random"], 4, 0, [None, None])[1]
    assert "needs dated periods" in undated[0]
    with pytest.raises(InputError, match="Leave seasons out: not possible"):
        ds.designs(samples, ["seasons", "years"], 4, 0, months((2020, 5)))


def test_designs_are_made_once_each(samples):
    possible, _ = ds.designs(samples, ["random", "random", "blocks"], 4, 0)
    assert [one.design for one in possible] == ["random", "blocks"]


def test_the_block_size_says_where_it_comes_from():
    assert BlockSize(5, 0.0, 9).text == "5 cells: the residuals' variogram shows no range"
    assert BlockSize(5, 2.3, 9).text.endswith("variogram is 2.3 cells, and no block is smaller than 5")
    assert BlockSize(7, 6.8, 9).text == "7 cells: the range of the residuals' variogram is 6.8 cells"
    assert "is 22.0 cells, but the region allows no larger blocks" in BlockSize(9, 22.0, 9).text
    assert "across the whole region" in BlockSize(9, 28.0, 9).text
