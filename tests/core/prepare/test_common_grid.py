"""FINE and COARSE stacks from layers of many kinds, against plain loops; what must fail fails and leaves no file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.common_grid import make_common_grid
from soilmoisture.core.raster.grid import Grid
from soilmoisture.core.raster.stack import Stack

X0, Y0, CELL = 500000.0, 5300000.0, 9000.0
ROWS, COLS = 4, 5
AUGUST = ("2021-08-01", "2021-09-01")


@pytest.mark.parametrize("least", [0.33, 0.5, 6 / 9, 0.67, 1.0])
def test_coarse_factors_are_block_means_where_enough_is_valid(tmp_path, layers, least, make_grids, bands, block_means):
    path, factor_path, target, factor = layers
    result, fine, coarse = make_grids(tmp_path, path, factor_path, min_valid_share=least)
    made = bands(coarse)
    mean, share = block_means(factor, 3)
    assert {round(9 * s) for s in share.ravel()} == {0, 3, 6, 9}
    np.testing.assert_allclose(bands(fine)["ndvi", None], factor, rtol=1e-6)
    np.testing.assert_allclose(made["ndvi", None], np.where(share >= least - 1e-9, mean, np.nan), atol=1e-6)
    np.testing.assert_allclose(made["valid_share", None], share, atol=1e-6)
    np.testing.assert_allclose(made["soil_moisture", None], target, rtol=1e-6)
    assert result.valid_share["ndvi"] == pytest.approx(share.mean())
    assert result.fine == result.coarse.subdivide(3)
    with Stack.open(coarse) as stack:
        assert (stack.target_name, stack.factor_names) == ("soil_moisture", ["ndvi"])
        assert float(stack.tags["MIN_VALID_SHARE"]) == pytest.approx(least)


def test_the_lowest_share_of_all_factors_is_kept_per_period(tmp_path, raster, make_grids, bands):
    target = raster("sm", np.full((2, ROWS, COLS), 0.2), (X0, Y0), CELL, periods=[AUGUST, ("2021-09-01", "2021-10-01")])
    holes = np.ones((2, 3 * ROWS, 3 * COLS))
    holes[0, :2, :3], holes[1, -1, -1] = np.nan, np.nan
    dated = raster("lst", holes, (X0, Y0), CELL / 3, nodata=-1, periods=[AUGUST, ("2021-09-01", "2021-10-01")])
    whole = np.ones((3 * ROWS, 3 * COLS))
    whole[0, 3] = np.nan
    _, _, coarse = make_grids(tmp_path, target, [dated, raster("dem", whole, (X0, Y0), CELL / 3, nodata=-1)])
    made = bands(coarse)
    first, second = np.ones((ROWS, COLS)), np.ones((ROWS, COLS))
    first[0, 0], first[0, 1], second[0, 1], second[-1, -1] = 3 / 9, 8 / 9, 8 / 9, 8 / 9
    np.testing.assert_allclose(made["valid_share", "2021-08"], first, atol=1e-6)
    np.testing.assert_allclose(made["valid_share", "2021-09"], second, atol=1e-6)


def test_footprint_means_against_a_loop(tmp_path, layers, make_grids, bands, block_means):
    path, factor_path, _, factor = layers
    _, _, coarse = make_grids(tmp_path, path, factor_path, footprint_km=14.0)
    grid = Grid.of(path)
    width, height = grid.ground_cell_size()
    sigma_x, sigma_y = (14000 / 2.354820045 * CELL / size for size in (width, height))

    def cdf(z):
        return 0.5 * (1 + math.erf(z / math.sqrt(2)))

    size, wanted = CELL / 3, np.full((ROWS, COLS), np.nan)
    for i in range(ROWS):
        for j in range(COLS):
            total = weight = 0.0
            for r in range(3 * ROWS):
                for c in range(3 * COLS):
                    x, y = (c * size - (j + 0.5) * CELL), (r * size - (i + 0.5) * CELL)
                    x0, x1 = (np.clip(v / sigma_x, -3, 3) for v in (x, x + size))
                    y0, y1 = (np.clip(v / sigma_y, -3, 3) for v in (y, y + size))
                    w = (cdf(x1) - cdf(x0)) * (cdf(y1) - cdf(y0))
                    if np.isfinite(factor[r, c]):
                        total, weight = total + w * factor[r, c], weight + w
            wanted[i, j] = total / weight
    share = block_means(factor, 3)[1]
    found = bands(coarse)["ndvi", None]
    np.testing.assert_allclose(found, np.where(share >= 0.5, wanted, np.nan), atol=2e-6)
    with Stack.open(coarse) as stack:
        assert float(stack.tags["FOOTPRINT_KM"]) == 14.0


def test_class_shares_sum_to_one_and_know_the_classes_of_every_date(tmp_path, raster, make_grids, bands, block_means):
    """A class that is there in the second year only must not be lost."""
    rng = np.random.default_rng(2)
    years = [("2020-01-01", "2021-01-01"), ("2021-01-01", "2022-01-01")]
    target = raster("sm", np.full((2, ROWS, COLS), 0.2), (X0, Y0), CELL, periods=years)
    codes = np.stack([rng.integers(1, 3, (6 * ROWS, 6 * COLS)), rng.integers(2, 5, (6 * ROWS, 6 * COLS))])
    path = raster("lc", codes, (X0, Y0), CELL / 6, kind=gdal.GDT_Byte, nodata=0, periods=years, names=["landcover"] * 2)
    result, fine, coarse = make_grids(tmp_path, target, path)
    assert result.factors == [f"landcover_{code}" for code in (1, 2, 3, 4)]
    assert any("looks like classes" in note for note in result.notes)
    for made, k in ((bands(fine), 2), (bands(coarse), 6)):
        for number, year in enumerate(["2020-01-01/2021-01-01", "2021-01-01/2022-01-01"]):
            shares = [made[name, year] for name in result.factors]
            np.testing.assert_allclose(np.sum(shares, axis=0), 1.0, atol=1e-6)
            for code, share in enumerate(shares, 1):
                np.testing.assert_allclose(share, block_means((codes[number] == code).astype(float), k)[0], atol=1e-6)


def test_rare_classes_are_left_out_and_named(tmp_path, raster, layers, make_grids):
    codes = np.ones((12 * ROWS, 12 * COLS))
    codes[0, 0] = 7
    path = raster("soil", codes, (X0, Y0), CELL / 12, kind=gdal.GDT_Byte, nodata=0)
    result, _, _ = make_grids(tmp_path, layers[0], path, categorical=["soil"])
    assert result.factors == ["soil_1"] and "Classes 7 of 'soil'" in " ".join(result.notes)
    values = raster("heights", np.random.default_rng(1).normal(size=(24, 24)), (X0, Y0), CELL / 6)
    with pytest.raises(InputError, match="not hold a few whole numbers"):
        make_grids(tmp_path, layers[0], values, categorical=["heights"])


def test_dates_are_matched_by_days_of_overlap(tmp_path, raster, make_grids, bands):
    """Four composites around August with 4, 8, 8 and 3 days in it; September has none."""
    months = [AUGUST, ("2021-09-01", "2021-10-01")]
    target = raster("sm", np.full((2, ROWS, COLS), 0.2), (X0, Y0), CELL, periods=months)
    values = np.stack([np.full((3 * ROWS, 3 * COLS), v) for v in (1.0, 2.0, 4.0, 8.0)])
    values[1, 0, 0] = np.nan
    spans = [
        ("2021-07-28", "2021-08-05"),
        ("2021-08-05", "2021-08-13"),
        ("2021-08-13", "2021-08-21"),
        ("2021-08-29", "2021-09-01"),
    ]
    lst = raster("lst", values, (X0, Y0), CELL / 3, nodata=-1, periods=spans, names=["lst"] * 4)
    dem = raster("dem", np.full((3 * ROWS, 3 * COLS), 5.0), (X0, Y0), CELL / 3)
    result, fine, coarse = make_grids(tmp_path, target, [lst, dem])
    made = bands(fine)
    mean = (4 * 1 + 8 * 2 + 8 * 4 + 3 * 8) / 23
    assert made["lst", "2021-08"][1, 1] == pytest.approx(mean, rel=1e-6)
    assert made["lst", "2021-08"][0, 0] == pytest.approx((4 * 1 + 8 * 4 + 3 * 8) / 15, rel=1e-6)
    assert set(made) == {("lst", "2021-08"), ("dem", None)}
    texts = {(m.factor, m.period.label if m.period else None): m.text for m in result.matches}
    assert texts["lst", "2021-09"] == "missing" and texts["dem", None] == "static"
    assert texts["lst", "2021-08"] == "4 dates, 2021-07-28/2021-08-05 to 2021-08-29/2021-09-01"
    assert np.isfinite(bands(coarse)["soil_moisture", "2021-09"]).all()


@pytest.mark.parametrize("scale, factor", [(100.0, 0.01), (1000.0, 0.001), (10000.0, 0.0001)])
def test_scaled_targets_are_converted(tmp_path, raster, layers, scale, factor, make_grids, bands):
    truth = np.random.default_rng(3).uniform(0.05, 0.4, (ROWS, COLS))
    path = raster("soil_moisture", truth * scale, (X0, Y0), CELL)
    _, _, coarse = make_grids(tmp_path, path, layers[1], target_factor=factor)
    np.testing.assert_allclose(bands(coarse)["soil_moisture", None], truth, rtol=1e-6)
    with pytest.raises(InputError, match="looks like|no soil moisture"):
        make_grids(tmp_path, path, layers[1])


def test_the_target_is_no_factor(tmp_path, raster, layers, make_grids):
    with pytest.raises(InputError, match="also among the factors"):
        make_grids(tmp_path, layers[0], [layers[1], layers[0]])
    one = raster("sm_2021-08", np.full((ROWS, COLS), 0.2), (X0, Y0), CELL, names=["sm_surface"], periods=[AUGUST])
    two = raster("other_2021-09", np.full((ROWS, COLS), 0.2), (X0, Y0), CELL, names=["sm"])
    with pytest.raises(InputError, match="also among the factors"):
        make_grids(tmp_path, [one, two], [layers[1], one])
    marked = raster("marked", np.ones((ROWS, COLS)), (X0, Y0), CELL, roles=["target"])
    with pytest.raises(InputError, match="hold no factor"):
        make_grids(tmp_path, layers[0], marked)


def test_runs_that_fail_leave_no_file(tmp_path, raster, layers, make_grids, cancels_after):
    before = set(tmp_path.iterdir())
    bad = np.ones((3 * ROWS, 3 * COLS))
    bad[-1, -1] = -9999
    undeclared = raster("bad", bad, (X0, Y0), CELL / 3)
    known = before | {Path(undeclared)}
    with pytest.raises(InputError, match="declares no nodata"):
        make_grids(tmp_path, layers[0], [layers[1], undeclared])
    with pytest.raises(Cancelled):
        make_grids(tmp_path, layers[0], layers[1], cancels_after(0))
    assert set(tmp_path.iterdir()) == known
    with pytest.raises(InputError, match="two names"):
        make_common_grid([layers[0]], [layers[1]], tmp_path / "same.tif", tmp_path / "same.tif")
    with pytest.raises(InputError, match="also an input"):
        make_common_grid([layers[0]], [layers[1]], layers[1], tmp_path / "same.tif")
    assert set(tmp_path.iterdir()) == known


@pytest.mark.parametrize(
    "options, message",
    [
        ({"ratio": 1}, "2 or more"),
        ({"ratio": -3}, "2 or more"),
        ({"min_valid_share": 0.0}, "between 0 and 1"),
        ({"min_valid_share": 1.1}, "between 0 and 1"),
        ({"method": "spline"}, "Unknown resampling method"),
        ({"footprint_km": -2.0}, "positive width"),
        ({"footprint_km": 0.0}, "positive width"),
        ({"factor_names": ["lai"]}, "lai is in no layer"),
        ({"categorical": ["lai"]}, "lai is in no layer"),
    ],
)
def test_options_that_cannot_be_meant(tmp_path, layers, options, message, make_grids):
    with pytest.raises(InputError, match=message):
        make_grids(tmp_path, layers[0], layers[1], **options)


def test_names_that_would_be_taken_twice_are_refused(tmp_path, raster, layers, make_grids):
    ones = np.ones((3 * ROWS, 3 * COLS))
    reserved = raster("valid_share", ones, (X0, Y0), CELL / 3)
    with pytest.raises(InputError, match="A factor cannot be called 'valid_share'"):
        make_grids(tmp_path, layers[0], reserved)
    classes = raster("soil", ones, (X0, Y0), CELL / 3, kind=gdal.GDT_Byte)
    other = raster("soil_1", ones, (X0, Y0), CELL / 3)
    with pytest.raises(InputError, match="'soil_1' would be there twice"):
        make_grids(tmp_path, layers[0], [classes, other], categorical=["soil"])
    assert not list(tmp_path.glob("*fine*"))


def test_values_that_may_be_saturation_are_noted(tmp_path, raster, layers, make_grids):
    for values, noted in ((0.7, True), (0.4, False)):
        target = raster("sm", np.full((ROWS, COLS), values), (X0, Y0), CELL)
        notes = make_grids(tmp_path, target, raster("ndvi", np.ones((6 * ROWS, 6 * COLS)), (X0, Y0), CELL / 6))[0].notes
        assert any("relative saturation" in note for note in notes) == noted
