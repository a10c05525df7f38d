"""STARFM against plain loops, and what must hold."""

from __future__ import annotations

import numpy as np
import plain_loops
import pytest

from soilmoisture.core.prepare.fusion.fused import FUSED
from soilmoisture.core.prepare.fusion.options import STARFM, FusionOptions
from soilmoisture.core.prepare.fusion.starfm import fuse_starfm

SMALL = FusionOptions(STARFM, window=9)


@pytest.mark.parametrize("pairs", [1, 2])
def test_it_is_what_plain_loops_give(scene, pairs):
    fine, coarse, wanted = (image[:pairs] for image in scene(1, 0.03))
    values = plain_loops.starfm(fine[:, 0], coarse[:, 0], wanted[0, 0], 4)
    here = np.isfinite(values)
    for compiled in (True, False):
        result = fuse_starfm(fine, coarse, wanted, SMALL, compiled=compiled)
        assert np.array_equal(result.quality[0] == FUSED, here)
        np.testing.assert_allclose(result.values[0, 0][here], values[here], atol=1e-10)


def test_nothing_changed_gives_the_fine_image(scene):
    fine, coarse, _ = scene(2)
    result = fuse_starfm(fine[:1], coarse[:1], coarse[:1], FusionOptions(STARFM, window=9, classes=1e9))
    np.testing.assert_allclose(result.values[0], fine[0], atol=1e-12)


def test_a_uniform_change_is_exact_where_pixels_are_alike(scene):
    fine, coarse, _ = scene()
    one = fuse_starfm(fine[:1], coarse[:1], coarse[:1], SMALL)
    moved = fuse_starfm(fine[:1], coarse[:1], coarse[:1] + 0.5, SMALL)
    assert np.abs(moved.values - one.values - 0.5).mean() < 0.05


def test_kelvin_and_celsius_give_the_same_map(scene):
    fine, coarse, wanted = scene(1, 0.02)
    one, other = (fuse_starfm(*(i + k for i in (fine, coarse, wanted)), SMALL) for k in (0.0, 273.15))
    np.testing.assert_allclose(other.values - 273.15, one.values, atol=1e-9)


def test_a_pixel_of_one_pair_only_is_fused_from_that(scene):
    fine, coarse, wanted = scene()
    holed = fine.copy()
    holed[1, 0, 5:9, 5:9] = np.nan
    result = fuse_starfm(holed, coarse, wanted, SMALL)
    assert (result.quality[0, 5:9, 5:9] == FUSED).all() and (result.share[0, 0, 6, 6] == 1.0)


def test_zero_bias(scene):
    fine, coarse, wanted = scene()
    result = fuse_starfm(fine + 3.0, coarse, wanted, FusionOptions(STARFM, window=9, zero_bias=True))
    assert abs(np.nanmean(result.values - wanted)) < 0.2
