"""The table of samples: which rows it holds and what is subtracted from them, by plain loops."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.model.form import ANOMALIES, CONTRASTS, VALUES, Form
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import month_of
from soilmoisture.core.raster.stack import TARGET, Band, StackWriter
from soilmoisture.core.train.samples import make_samples, read_coarse

MAY, JUNE = (month_of(dt.date(2021, month, 1)) for month in (5, 6))


@pytest.mark.parametrize("form", [Form(VALUES), Form(ANOMALIES), Form(CONTRASTS, 3), Form(CONTRASTS, 5)])
def test_rows_and_references(coarse_data, form):
    data = coarse_data(5, 6, 3, gaps=0.2)
    data.share[0, 2, 2] = 0.0
    samples = make_samples(data, form)
    used = np.isfinite(data.target) & np.isfinite(data.factors).all(axis=0) & (data.share > 0)
    assert 30 < len(samples) == used.sum() < 80
    for n in range(len(samples)):
        t, i, j = samples.period[n], samples.row[n], samples.col[n]
        assert used[t, i, j]
        reach = {VALUES: None, ANOMALIES: 99, CONTRASTS: form.window // 2}[form.kind]
        near = np.zeros((5, 6), bool)
        if reach is not None:
            near[max(0, i - reach) : i + reach + 1, max(0, j - reach) : j + reach + 1] = True
        for field, found in [(data.target, samples.y[n]), *zip(data.factors, samples.x[n])]:
            mean = field[t][used[t] & near].mean() if reach is not None else 0.0
            assert found == pytest.approx(field[t, i, j] - mean, abs=1e-12)
    back = samples.on_grid(samples.y)
    assert (np.isfinite(back) == used).all()
    assert samples.cells == len({(i, j) for i, j in zip(samples.row, samples.col)})
    part = samples.select(samples.period == 1)
    assert len(part) == used[1].sum() and part.shape == samples.shape


def stack(path, bands, grid):
    with StackWriter(path, grid, [band for band, _ in bands], {"MIN_VALID_SHARE": "0.5"}) as out:
        for number, (_, values) in enumerate(bands, 1):
            out.write(number, values)
    return path


@pytest.fixture
def coarse(tmp_path):
    grid, rng = ease_grid(9, 200, 3000, 3, 4), np.random.default_rng(1)
    bands = [
        (Band("sm", JUNE, "m3/m3", TARGET), rng.random((3, 4))),
        (Band("sm", MAY, "m3/m3", TARGET), rng.random((3, 4))),
        (Band("lst", MAY, "K"), rng.random((3, 4))),
        (Band("dem", None, "m"), rng.random((3, 4))),
        (Band("lst", JUNE, "K"), rng.random((3, 4))),
        (Band("ndvi", JUNE), rng.random((3, 4))),
        (Band("valid_share", MAY, "1", "share"), rng.random((3, 4))),
    ]
    return stack(tmp_path / "c.tif", bands, grid), {(b.name, b.period): v for b, v in bands}


def test_a_stack_is_read_by_name_and_in_order_of_time(coarse):
    path, values = coarse
    data = read_coarse(path)
    assert (data.periods, data.names, data.units) == ([MAY, JUNE], ["lst", "dem", "ndvi"], ["K", "m", ""])
    assert data.static == [False, True, False] and data.target_name == "sm" and data.footprint_km is None
    for t, period in enumerate((MAY, JUNE)):
        np.testing.assert_allclose(data.target[t], values["sm", period], rtol=1e-6)
        np.testing.assert_allclose(data.factors[0, t], values["lst", period], rtol=1e-6)
        np.testing.assert_allclose(data.factors[1, t], values["dem", None], rtol=1e-6)
    assert np.isnan(data.factors[2, 0]).all() and np.isfinite(data.factors[2, 1]).all()
    np.testing.assert_allclose(data.share[0], values["valid_share", MAY], rtol=1e-6)
    assert (data.share[1] == 1).all()
    assert read_coarse(path, ["dem", "lst"]).names == ["dem", "lst"]


def test_stacks_that_cannot_be_trained_on(coarse, tmp_path):
    path, _ = coarse
    with pytest.raises(InputError, match="has no factor 'evi', 'lai'; it has lst, dem, ndvi"):
        read_coarse(path, ["evi", "dem", "lai"])
    grid, ones = ease_grid(9, 200, 3000, 3, 4), np.ones((3, 4))
    with pytest.raises(InputError, match="no band marked as the target"):
        read_coarse(stack(tmp_path / "fine.tif", [(Band("lst"), ones)], grid))
    with pytest.raises(InputError, match="no factor to learn from"):
        read_coarse(stack(tmp_path / "bare.tif", [(Band("sm", MAY, "", TARGET), ones)], grid))


def test_an_empty_table_names_the_factor_that_costs_most(coarse_data):
    data = coarse_data(4, 4, 1)
    data.factors[1, 0, 1:] = np.nan
    data.factors[2, 0, :1] = np.nan
    with pytest.raises(InputError, match=r"factor 'lst' is valid in the fewest \(4 of 16 cells"):
        make_samples(data, Form())
    with pytest.raises(InputError, match="'soil_moisture' has no valid cell"):
        make_samples(replace(data, target=np.full((1, 4, 4), np.nan)), Form())
