"""ESTARFM against plain loops, and what must hold whatever the images are."""

from __future__ import annotations

import numpy as np
import plain_loops
import pytest

from soilmoisture.core.errors import Cancelled
from soilmoisture.core.prepare.fusion.estarfm import fuse_estarfm
from soilmoisture.core.prepare.fusion.fused import BEYOND_RANGE, FALLBACK, FUSED, GAP, ONE_PAIR
from soilmoisture.core.prepare.fusion.options import CHANGES, NO_CONVERSION, POOLED, FusionOptions
from soilmoisture.core.prepare.fusion.similar import SimilarPixels
from soilmoisture.core.prepare.fusion.statistics import PairStatistics
from soilmoisture.core.prepare.fusion.window import Part

SMALL = FusionOptions(window=9)


def fused(fine, coarse, wanted, **options):
    return fuse_estarfm(fine, coarse, wanted, FusionOptions(**{"window": 9, **options}))


def rmse(one, other):
    return float(np.sqrt(np.nanmean((one - other) ** 2)))


@pytest.mark.parametrize(
    ("bands", "gaps", "conversion"), [(1, 0.0, CHANGES), (1, 0.03, CHANGES), (1, 0.03, POOLED), (2, 0.02, CHANGES)]
)
def test_it_is_what_plain_loops_give(scene, bands, gaps, conversion):
    fine, coarse, wanted = scene(bands, gaps)
    options = FusionOptions(window=9, classes=3, conversion=conversion, uncertainty=0.3)
    values, similar, coefficient, share = plain_loops.estarfm(
        fine, coarse, wanted[0], 4, classes=3, conversion=conversion, uncertainty=0.3
    )
    for compiled in (True, False):
        result = fuse_estarfm(fine, coarse, wanted, options, compiled=compiled)
        assert np.array_equal(np.isfinite(result.values[0]), np.isfinite(values))
        np.testing.assert_allclose(result.values[0], values, atol=1e-10)
        assert np.array_equal(result.similar[0], similar)
        np.testing.assert_allclose(result.conversion, coefficient, atol=1e-10)
        np.testing.assert_allclose(result.share[0], share, atol=1e-9)
    # The case tries every branch.
    assert (result.quality == FUSED).any() and (coefficient != 1).any() and (coefficient == 1).any()
    if gaps:
        assert {ONE_PAIR, FALLBACK, GAP} <= set(np.unique(result.quality))


def test_numpy_and_compiled_agree_to_the_last_bit(scene):
    fine, coarse, wanted = scene(2, 0.03, dates=2)
    one, other = (fuse_estarfm(fine, coarse, wanted, SMALL, compiled=compiled) for compiled in (True, False))
    assert np.array_equal(one.values, other.values, equal_nan=True)


def test_dates_fused_together_are_the_same_as_one_by_one(scene):
    fine, coarse, wanted = scene(1, 0.03, dates=3)
    together = fused(fine, coarse, wanted)
    for date in range(3):
        alone = fused(fine, coarse, wanted[date : date + 1])
        assert np.array_equal(alone.values[0], together.values[date], equal_nan=True)
        assert np.array_equal(alone.quality[0], together.quality[date])


@pytest.mark.parametrize("cuts", [[0, 24], [0, 7, 8, 24], list(range(25))])
def test_pieces_with_a_halo_change_no_bit(scene, cuts):
    fine, coarse, wanted = scene(2, 0.03)
    whole = fuse_estarfm(fine, coarse, wanted, SMALL)
    statistics = PairStatistics.of(fine, coarse)
    for row0, row1 in zip(cuts, cuts[1:]):
        for col0, col1 in ((0, 11), (11, 26)):
            top, left = max(0, row0 - 4), max(0, col0 - 4)
            box = ..., slice(top, row1 + 4), slice(left, col1 + 4)
            part = Part(row0 - top, row1 - row0, col0 - left, col1 - col0)
            piece = fuse_estarfm(fine[box], coarse[box], wanted[box], SMALL, statistics, part)
            inner = ..., slice(row0, row1), slice(col0, col1)
            assert np.array_equal(piece.values, whole.values[inner], equal_nan=True)
            assert np.array_equal(piece.conversion, whole.conversion[inner])
            assert np.array_equal(piece.quality, whole.quality[inner])


def test_nothing_changed_gives_the_fine_image(scene):
    fine, coarse, _ = scene()
    fine, coarse = np.stack([fine[0]] * 2), np.stack([coarse[0]] * 2)
    result = fused(fine, coarse, coarse[:1])
    np.testing.assert_array_equal(result.values[0], fine[0])


def test_the_order_of_the_pairs_does_not_matter(scene):
    fine, coarse, wanted = scene(2, 0.03)
    one, other = fused(fine, coarse, wanted), fused(fine[::-1], coarse[::-1], wanted)
    np.testing.assert_allclose(one.values, other.values, atol=1e-12)
    np.testing.assert_allclose(one.share, 1 - other.share, atol=1e-12)


def test_a_coarse_image_like_that_of_a_pair_gives_its_fine_image(scene):
    fine, coarse, _ = scene()
    for pair in (0, 1):
        result = fused(fine, coarse, coarse[pair : pair + 1])
        np.testing.assert_array_equal(result.share, 1.0 - pair)
        np.testing.assert_allclose(result.values[0], fine[pair], atol=1e-12)


@pytest.mark.parametrize(
    "turn", [lambda a: a[..., ::-1], lambda a: a[..., ::-1, :], lambda a: np.rot90(a, 1, (-2, -1))]
)
def test_turned_images_give_the_turned_result(scene, turn):
    images = scene(1, 0.03)
    one, other = fused(*images), fused(*(turn(image) for image in images))
    np.testing.assert_allclose(other.values, turn(one.values), atol=1e-10)
    assert np.array_equal(other.similar, turn(one.similar))


@pytest.mark.parametrize("bands", [1, 2])
@pytest.mark.parametrize("conversion", [CHANGES, POOLED])
def test_kelvin_and_celsius_give_the_same_map(scene, bands, conversion):
    fine, coarse, wanted = (10 * image for image in scene(bands, 0.02))
    celsius = fused(fine, coarse, wanted, conversion=conversion)
    kelvin = fused(fine + 273.15, coarse + 273.15, wanted + 273.15, conversion=conversion)
    np.testing.assert_allclose(kelvin.values - 273.15, celsius.values, atol=1e-9)
    np.testing.assert_allclose(kelvin.conversion, celsius.conversion, atol=1e-9)


def test_units_do_not_matter(scene):
    fine, coarse, wanted = scene(1, 0.02)
    one, scaled = fused(fine, coarse, wanted), fused(1e4 * fine, 1e4 * coarse, 1e4 * wanted)
    np.testing.assert_allclose(scaled.values / 1e4, one.values, atol=1e-10)


@pytest.mark.parametrize("conversion", [CHANGES, NO_CONVERSION])
def test_a_uniform_change_beyond_the_pairs_is_exact(scene, conversion):
    fine, coarse, _ = scene()
    fine, coarse = (np.stack([image[0], image[0] + 0.3]) for image in (fine, coarse))
    result = fused(fine, coarse, coarse[:1] + 0.9, conversion=conversion)
    here = result.quality[0] == FUSED
    assert here.mean() > 0.9
    np.testing.assert_allclose(result.values[0, 0][here], (fine[0, 0] + 0.9)[here], atol=1e-12)


@pytest.mark.parametrize(("times", "expected"), [(4.0, 4.0), (6.0, 1.0), (-1.0, 1.0)])
def test_the_coefficient_stays_within_reason(scene, times, expected):
    """Fine values are a multiple of the coarse ones, everywhere: up to 5 it is believed."""
    _, coarse, wanted = scene()
    result = fused(times * coarse, coarse, wanted, conversion=POOLED, uncertainty=0.0)
    here = result.quality[0] == FUSED
    assert here.mean() > 0.8
    np.testing.assert_allclose(np.median(result.conversion[0][here]), expected, atol=1e-6)


def test_where_whole_windows_disagree_the_coefficient_is_drawn_to_one(scene):
    """A fine sensor that sees four times the change of the coarse one does so by error, not by land cover."""
    _, coarse, wanted = scene()
    result = fused(4 * coarse, coarse, wanted, uncertainty=0.0)
    assert 1.0 < np.median(result.conversion[0][result.quality[0] == FUSED]) < 2.5


def test_no_coefficient_is_above_five(seasons):
    """A few pixels that change alone: their coarse cells hardly do."""
    fine, coarse, _ = seasons((150, 150, 150), noise=0.0)
    rare = np.zeros(fine.shape[2:], bool)
    rare[4::8, 4::8] = True
    level = fine[:, :, rare].mean()
    fine[:, :, rare] = level + 2 + 0.01 * (fine[:, :, rare] - level)
    fine[1:, :, rare] += 1
    coarse[1:] += np.kron(rare.reshape(8, 8, 8, 8).mean(axis=(1, 3)), np.ones((8, 8)))
    result = fused(fine[:2], coarse[:2], coarse[2:], window=41, uncertainty=0.0)
    assert (result.similar[0, 0][rare] > 5).all() and (result.conversion[0][rare] == 1).all()


def test_beyond_the_pairs_the_conversion_coefficient_is_worth_it(seasons):
    """Crop and forest change differently and share coarse cells: the coarse change alone is neither's."""
    fine, coarse, crop = seasons((120, 150, 190))
    options = {"window": 31}
    error = {
        kind: rmse(fused(fine[:2], coarse[:2], coarse[2:], conversion=kind, **options).values[0], fine[2])
        for kind in (CHANGES, NO_CONVERSION)
    }
    assert error[CHANGES] < 0.5 * error[NO_CONVERSION]
    assert error[NO_CONVERSION] < 0.3 * rmse(fine[1], fine[2])
    coefficient = fused(fine[:2], coarse[:2], coarse[2:], **options).conversion[0]
    assert np.median(coefficient[crop]) > 1 > np.median(coefficient[~crop])


def test_between_the_pairs_with_changes_out_of_step(seasons):
    """A maximum between the dates, which no interpolation of the fine images can see."""
    fine, coarse, _ = seasons((140, 270, 195))
    result = fused(fine[:2], coarse[:2], coarse[2:], window=31)
    share = (195 - 140) / (270 - 140)
    assert rmse(result.values[0], fine[2]) < 0.2 * rmse((1 - share) * fine[0] + share * fine[1], fine[2])


def test_a_gap_stays_where_it_is(scene):
    images = scene()
    whole = fused(*images)
    for which in range(3):
        for value in (np.nan, np.inf):
            holed = [image.copy() for image in images]
            holed[which][0, 0, 12, 13] = value
            result = fused(*holed)
            expected = np.zeros((24, 26), bool)
            if which == 2:  # without the wanted coarse value there is nothing to predict from
                expected[12, 13] = True
            assert np.array_equal(np.isnan(result.values[0, 0]), expected)
            assert result.quality[0, 12, 13] == (GAP if which == 2 else ONE_PAIR)
            far = np.ones((24, 26), bool)
            far[8:17, 9:18] = False
            np.testing.assert_allclose(result.values[0, 0][far], whole.values[0, 0][far], atol=0.02)


def test_where_one_pair_has_no_value_the_other_one_is_used(seasons):
    """Clouds in one fine image: better than the mean change of the window, and what STARFM would be near."""
    fine, coarse, crop = seasons((150, 260, 195))
    clouded = fine.copy()
    clouded[1, :, 20:40, 20:40] = np.nan
    result = fused(clouded[:2], coarse[:2], coarse[2:], window=31)
    whole = fused(fine[:2], coarse[:2], coarse[2:], window=31)
    under = np.isnan(clouded[1, 0])
    assert (result.quality[0][under] == ONE_PAIR).all() and (result.share[0, 0][under] == 1).all()
    assert (result.quality[0][~under] == whole.quality[0][~under]).all()
    window_change = clouded[0, 0] + (coarse[2, 0] - coarse[0, 0])[under].mean()
    truth = fine[2, 0]
    assert rmse(result.values[0, 0][under], truth[under]) < 0.5 * rmse(window_change[under], truth[under])


def test_one_band_with_a_gap_makes_the_pixel_no_neighbour_in_any_band(scene):
    fine, coarse, wanted = scene(2)
    holed = fine.copy()
    holed[1, 1, 12, 13] = np.nan
    one, other = fused(fine, coarse, wanted), fused(holed, coarse, wanted)
    assert (other.similar[0, 0] <= one.similar[0, 0]).all()
    assert other.quality[0, 12, 13] != FUSED


def test_negative_vegetation_indices_are_kept(scene):
    fine, coarse, wanted = (0.1 * image for image in scene())
    assert (fine < -0.1).any()
    free = fused(fine, coarse, wanted)
    ranged = fused(fine, coarse, wanted, valid_range=(-1.0, 1.0))
    assert (free.values < -0.1).any()
    np.testing.assert_array_equal(free.values, ranged.values)


def test_values_beyond_the_valid_range_are_replaced_and_flagged(scene):
    images = scene()
    free, held = fused(*images), fused(*images, valid_range=(-1.0, 1.0))
    beyond = (free.values[0, 0] < -1) | (free.values[0, 0] > 1)
    assert beyond.any() and np.nanmin(held.values) >= -1 and np.nanmax(held.values) <= 1
    few = free.quality[0] == FALLBACK
    assert (held.quality[0][beyond & few] == FALLBACK).all() and (beyond & few).any()
    assert (held.quality[0][beyond & ~few] == BEYOND_RANGE).all() and (beyond & ~few).any()
    np.testing.assert_array_equal(held.values[0, 0][~beyond], free.values[0, 0][~beyond])


def test_zero_bias_brings_the_level_of_the_coarse_images(scene):
    fine, coarse, wanted = scene()
    biased = fused(fine + 3.0, coarse, wanted, zero_bias=True)
    plain = fused(fine, coarse, wanted, zero_bias=True)
    np.testing.assert_allclose(biased.values, plain.values, atol=1e-9)
    assert abs(np.nanmean(biased.values - wanted)) < 0.1
    assert (biased.conversion == 1).all()


def test_constant_images(scene):
    shape = (1, 24, 26)
    fine = np.stack([np.full(shape, 0.3), np.full(shape, 0.5)])
    result = fused(fine, fine + 0.1, np.full((1, *shape), 0.5))
    np.testing.assert_allclose(result.values, 0.4, atol=1e-12)
    assert (result.similar[0, 0, 12, 12] == 81) and (result.conversion > 0).all()


def test_a_window_larger_than_the_image(scene):
    fine, coarse, wanted = scene(shape=(7, 9))
    result = fused(fine, coarse, wanted, window=31)
    values = plain_loops.estarfm(fine, coarse, wanted[0], 15)[0]
    np.testing.assert_allclose(result.values[0], values, atol=1e-10)


def test_a_distance_at_which_neighbours_count_half(scene):
    images = scene()
    half_window, same = fused(*images), fused(*images, halving=4.0)
    np.testing.assert_array_equal(half_window.values, same.values)
    assert not np.allclose(fused(*images, halving=1.0).values, same.values, atol=1e-6)


def test_it_stops_when_asked_to(scene, cancels_after):
    with pytest.raises(Cancelled):
        fuse_estarfm(*scene(), SMALL, progress=cancels_after(0))


def test_cancelling_does_not_wait_for_the_fields_of_many_bands(scene, monkeypatch, cancels_after):
    """The cancel button is looked at for each band and date before the search begins."""
    monkeypatch.setattr(SimilarPixels, "run", lambda *_: pytest.fail("the search has begun"))
    with pytest.raises(Cancelled):
        fuse_estarfm(*scene(6, dates=3), FusionOptions(window=9), progress=cancels_after(20))
