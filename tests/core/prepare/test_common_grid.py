"""FINE and COARSE stacks from layers of many kinds, against plain loops; what must fail fails and leaves no file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.prepare.common_grid import GridOptions, make_common_grid
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.grid import Grid
from soilmoisture.core.raster.stack import Stack

X0, Y0, CELL = 500000.0, 5300000.0, 9000.0
ROWS, COLS = 4, 5
AUGUST = ("2021-08-01", "2021-09-01")


@pytest.fixture
def layers(raster):
    """A target of 4 x 5 cells, and a factor of 3 x 3 pixels per cell with gaps."""
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(3 * ROWS, 3 * COLS))
    factor[:3, :3] = np.nan  # a cell without any pixel
    factor[0, 3:6] = np.nan  # a cell with six of nine
    factor[3:5, 0:3] = np.nan  # a cell with three of nine
    target = 0.25 + 0.05 * rng.normal(size=(ROWS, COLS))
    return (
        raster("soil_moisture", target, (X0, Y0), CELL, nodata=-9999.0),
        raster("ndvi", factor, (X0, Y0), CELL / 3, nodata=-9999.0),
        target,
        factor,
    )


def run(tmp_path, target, factors, progress=None, **options):
    fine, coarse = tmp_path / "out_fine.tif", tmp_path / "out_coarse.tif"
    result = make_common_grid(
        [target] if isinstance(target, str) else target,
        [factors] if isinstance(factors, str) else factors,
        fine,
        coarse,
        GridOptions(**{"ratio": 3, **options}),
        progress,
    )
    return result, fine, coarse


def bands(path):
    with Stack.open(path) as stack:
        return {
            (band.name, band.period.label if band.period else None): stack.read(number)
            for number, band in enumerate(stack.bands, 1)
        }


def block_means(values, k):
    rows, cols = values.shape[0] // k, values.shape[1] // k
    mean, share = np.full((rows, cols), np.nan), np.zeros((rows, cols))
    for i in range(rows):
        for j in range(cols):
            block = values[k * i : k * i + k, k * j : k * j + k]
            share[i, j] = np.isfinite(block).mean()
            if share[i, j]:
                mean[i, j] = block[np.isfinite(block)].mean()
    return mean, share


@pytest.mark.parametrize("least", [0.33, 0.5, 6 / 9, 0.67, 1.0])
def test_coarse_factors_are_block_means_where_enough_is_valid(tmp_path, layers, least):
    path, factor_path, target, factor = layers
    result, fine, coarse = run(tmp_path, path, factor_path, min_valid_share=least)
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


def test_the_lowest_share_of_all_factors_is_kept_per_period(tmp_path, raster):
    target = raster("sm", np.full((2, ROWS, COLS), 0.2), (X0, Y0), CELL, periods=[AUGUST, ("2021-09-01", "2021-10-01")])
    holes = np.ones((2, 3 * ROWS, 3 * COLS))
    holes[0, :2, :3], holes[1, -1, -1] = np.nan, np.nan
    dated = raster("lst", holes, (X0, Y0), CELL / 3, nodata=-1, periods=[AUGUST, ("2021-09-01", "2021-10-01")])
    whole = np.ones((3 * ROWS, 3 * COLS))
    whole[0, 3] = np.nan
    _, _, coarse = run(tmp_path, target, [dated, raster("dem", whole, (X0, Y0), CELL / 3, nodata=-1)])
    made = bands(coarse)
    first, second = np.ones((ROWS, COLS)), np.ones((ROWS, COLS))
    first[0, 0], first[0, 1], second[0, 1], second[-1, -1] = 3 / 9, 8 / 9, 8 / 9, 8 / 9
    np.testing.assert_allclose(made["valid_share", "2021-08"], first, atol=1e-6)
    np.testing.assert_allclose(made["valid_share", "2021-09"], second, atol=1e-6)


def test_footprint_means_against_a_loop(tmp_path, layers):
    path, factor_path, _, factor = layers
    _, _, coarse = run(tmp_path, path, factor_path, footprint_km=14.0)
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


def test_class_shares_sum_to_one_and_know_the_classes_of_every_date(tmp_path, raster):
    """A class that is there in the second year only must not be lost."""
    rng = np.random.default_rng(2)
    years = [("2020-01-01", "2021-01-01"), ("2021-01-01", "2022-01-01")]
    target = raster("sm", np.full((2, ROWS, COLS), 0.2), (X0, Y0), CELL, periods=years)
    codes = np.stack([rng.integers(1, 3, (6 * ROWS, 6 * COLS)), rng.integers(2, 5, (6 * ROWS, 6 * COLS))])
    path = raster("lc", codes, (X0, Y0), CELL / 6, kind=gdal.GDT_Byte, nodata=0, periods=years, names=["landcover"] * 2)
    result, fine, coarse = run(tmp_path, target, path)
    assert result.factors == [f"landcover_{code}" for code in (1, 2, 3, 4)]
    assert any("looks like classes" in note for note in result.notes)
    for made, k in ((bands(fine), 2), (bands(coarse), 6)):
        for number, year in enumerate(["2020-01-01/2021-01-01", "2021-01-01/2022-01-01"]):
            shares = [made[name, year] for name in result.factors]
            np.testing.assert_allclose(np.sum(shares, axis=0), 1.0, atol=1e-6)
            for code, share in enumerate(shares, 1):
                np.testing.assert_allclose(share, block_means((codes[number] == code).astype(float), k)[0], atol=1e-6)


def test_rare_classes_are_left_out_and_named(tmp_path, raster, layers):
    codes = np.ones((12 * ROWS, 12 * COLS))
    codes[0, 0] = 7
    path = raster("soil", codes, (X0, Y0), CELL / 12, kind=gdal.GDT_Byte, nodata=0)
    result, _, _ = run(tmp_path, layers[0], path, categorical=["soil"])
    assert result.factors == ["soil_1"] and "Classes 7 of 'soil'" in " ".join(result.notes)
    values = raster("heights", np.random.default_rng(1).normal(size=(24, 24)), (X0, Y0), CELL / 6)
    with pytest.raises(InputError, match="not hold a few whole numbers"):
        run(tmp_path, layers[0], values, categorical=["heights"])


def test_dates_are_matched_by_days_of_overlap(tmp_path, raster):
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
    result, fine, coarse = run(tmp_path, target, [lst, dem])
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
def test_scaled_targets_are_converted(tmp_path, raster, layers, scale, factor):
    truth = np.random.default_rng(3).uniform(0.05, 0.4, (ROWS, COLS))
    path = raster("soil_moisture", truth * scale, (X0, Y0), CELL)
    _, _, coarse = run(tmp_path, path, layers[1], target_factor=factor)
    np.testing.assert_allclose(bands(coarse)["soil_moisture", None], truth, rtol=1e-6)
    with pytest.raises(InputError, match="looks like|no soil moisture"):
        run(tmp_path, path, layers[1])


def test_the_target_is_no_factor(tmp_path, raster, layers):
    with pytest.raises(InputError, match="also among the factors"):
        run(tmp_path, layers[0], [layers[1], layers[0]])
    one = raster("sm_2021-08", np.full((ROWS, COLS), 0.2), (X0, Y0), CELL, names=["sm_surface"], periods=[AUGUST])
    two = raster("other_2021-09", np.full((ROWS, COLS), 0.2), (X0, Y0), CELL, names=["sm"])
    with pytest.raises(InputError, match="also among the factors"):
        run(tmp_path, [one, two], [layers[1], one])
    marked = raster("marked", np.ones((ROWS, COLS)), (X0, Y0), CELL, roles=["target"])
    with pytest.raises(InputError, match="hold no factor"):
        run(tmp_path, layers[0], marked)


class CancelsAfter(Progress):
    def __init__(self, checks):
        self.left = checks

    @property
    def cancelled(self):
        self.left -= 1
        return self.left < 0


def test_runs_that_fail_leave_no_file(tmp_path, raster, layers):
    before = set(tmp_path.iterdir())
    bad = np.ones((3 * ROWS, 3 * COLS))
    bad[-1, -1] = -9999
    undeclared = raster("bad", bad, (X0, Y0), CELL / 3)
    known = before | {Path(undeclared)}
    with pytest.raises(InputError, match="declares no nodata"):
        run(tmp_path, layers[0], [layers[1], undeclared])
    with pytest.raises(Cancelled):
        run(tmp_path, layers[0], layers[1], CancelsAfter(0))
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
def test_options_that_cannot_be_meant(tmp_path, layers, options, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path, layers[0], layers[1], **options)
