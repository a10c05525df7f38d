"""The product against dense linear algebra on small grids, planted truths, and conservation cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.downscale import product
from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale
from soilmoisture.core.downscale.quality import CLIPPED, MODEL_ONLY
from soilmoisture.core.errors import InputError
from soilmoisture.core.model.form import ANOMALIES, CONTRASTS, VALUES
from soilmoisture.core.raster import tiles
from soilmoisture.core.raster.grid import Grid
from soilmoisture.core.raster.support import Support

SLOPES = np.array([0.06, -0.04, 0.02])


def run(world, model, quality=False, progress=None, **options):
    fine, coarse = world.write()
    out, codes = world.folder / "product.tif", world.folder / "quality.tif" if quality else None
    return downscale(model, fine, coarse, out, codes, DownscaleOptions(**options), progress), out


def bilinear(rows, cols, k, valid):
    """(pixels, cells): weights of the four nearest cell centres, held at the border, over valid cells only."""
    weights = np.zeros((rows * k * cols * k, rows * cols))
    for i in range(rows * k):
        for j in range(cols * k):
            y, x = np.clip((i + 0.5) / k - 0.5, 0, rows - 1), np.clip((j + 0.5) / k - 0.5, 0, cols - 1)
            r, c = min(int(y), max(rows - 2, 0)), min(int(x), max(cols - 2, 0))
            for dr in (0, 1):
                for dc in (0, 1):
                    w = (y - r if dr else 1 - y + r) * (x - c if dc else 1 - x + c)
                    if w > 0 and valid[r + dr, c + dc]:
                        weights[i * cols * k + j, (r + dr) * cols + c + dc] += w
    total = weights.sum(axis=1, keepdims=True)
    return np.where(total > 0, weights / np.where(total > 0, total, 1), np.nan)


def averaging(rows, cols, k, used):
    """(cells, pixels): equal weights on the pixels in use of each cell."""
    a = np.zeros((rows * cols, rows * k * cols * k))
    for i in range(rows * k):
        for j in range(cols * k):
            if used[i, j]:
                a[(i // k) * cols + j // k, i * cols * k + j] = 1.0
    return a / np.maximum(a.sum(axis=1, keepdims=True), 1)


def dense_product(z, detail, k, gain):
    """U a + g d with A U a = z - g A d, solved outright; a cell seen in less than half keeps a = z - g A d itself."""
    rows, cols = z.shape
    used = np.isfinite(detail)
    u, a = np.nan_to_num(bilinear(rows, cols, k, np.isfinite(z))), averaging(rows, cols, k, used)
    d = np.where(used, detail, 0).ravel()
    share = np.array([[used[k * i : k * i + k, k * j : k * j + k].mean() for j in range(cols)] for i in range(rows)])
    assert share.min() > 0
    system = np.where((share >= 0.5).reshape(-1, 1), a @ u, np.eye(z.size))
    keep = np.isfinite(z).ravel()
    nodes = np.zeros(z.size)
    nodes[keep] = np.linalg.solve(system[np.ix_(keep, keep)], (z.ravel() - gain * (a @ d))[keep])
    result = (u @ nodes + gain * d).reshape(detail.shape)
    inside = np.repeat(np.repeat(np.isfinite(z), k, axis=0), k, axis=1)
    return np.where(used & inside, result, np.nan)


@pytest.mark.parametrize("gain", [0.0, 0.4, 1.0, 1.5])
@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_product_against_dense_algebra(world, maps, gain, gaps):
    one = world(gaps=gaps)
    one.z = one.z + np.random.default_rng(2).normal(0, 0.02, one.z.shape)
    one.z[0, 1, 2] = np.nan
    result, out = run(one, one.model(), detail_gain=gain, bounds=(-9, 9))
    for t, made in enumerate(maps(out)):
        field = 0.25 + np.tensordot(SLOPES, one.x[:, t], 1)
        np.testing.assert_allclose(made, dense_product(one.z[t], field, one.ratio, gain), atol=3e-7)
    assert result.gain == gain and not result.gain_estimated


@pytest.mark.parametrize("geographic", [False, True])
@pytest.mark.parametrize("kind", [VALUES, ANOMALIES, CONTRASTS])
def test_every_cell_of_every_period_is_conserved_with_gaps_and_bounds(world, maps, kind, geographic):
    one = world(6, 7, 5, 3, gaps=0.3, geographic=geographic, seed=3)
    rng = np.random.default_rng(4)
    one.z = np.clip(one.z + rng.normal(0, 0.15, one.z.shape), 0.001, 0.499)
    one.z[0, 0, 0] = np.nan
    model = one.model(kind, slopes=3 * SLOPES)
    result, out = run(one, model, quality=True, bounds=(0.0, 0.5))
    made, codes = maps(out), maps(one.folder / "quality.tif")
    edges = np.sin(np.radians(68 - 2 / 5 * np.arange(31)))
    weight = np.repeat((edges[:-1] - edges[1:])[:, None], 35, axis=1) if geographic else np.ones((30, 35))
    for t, period in enumerate(result.periods):
        left = []
        for i in range(6):
            for j in range(7):
                block = np.s_[5 * i : 5 * i + 5, 5 * j : 5 * j + 5]
                good = np.isfinite(made[t][block])
                if np.isfinite(one.z[t, i, j]) and np.isfinite(one.x[:, t][(slice(None), *block)]).all(0).mean() >= 0.5:
                    left.append(np.average(made[t][block][good], weights=weight[block][good]) - one.z[t, i, j])
                elif not np.isfinite(one.z[t, i, j]):
                    assert not good.any()
        assert np.abs(left).max() < 1e-6
        assert len(left) == period.conserved_cells > 20
        assert period.left_over == pytest.approx(np.abs(left).max(), abs=5e-8)
        assert period.clipped == (codes[t] == CLIPPED).sum() > 20
    assert np.nanmin(made) >= 0.0 and np.nanmax(made) <= 0.5


@pytest.mark.parametrize("conserve", ["additive", "multiplicative"])
def test_cells_seen_in_one_corner_only_are_conserved_too(world, maps, conserve):
    """Four cells whose only pixels meet in one point: no smooth field can hold four means there."""
    one = world(5, 6, 30, 1)
    one.tags = {"MIN_VALID_SHARE": "0.001"}
    one.z += np.random.default_rng(9).normal(0, 0.05, one.z.shape)
    one.x[:, 0, 30:90, 30:90] = np.nan
    one.x[:, 0, 59:61, 59:61] = 0.3
    result, out = run(one, one.model(intercept=0.5), bounds=(-9, 9), conserve=conserve)
    np.testing.assert_allclose(maps(out)[0, 59:61, 59:61], one.z[0, 1:3, 1:3], atol=1e-6)
    assert result.periods[0].conserved_cells == 30 and result.periods[0].left_over < 1e-6


@pytest.mark.parametrize("kind", [VALUES, ANOMALIES, CONTRASTS])
def test_a_perfect_model_recovers_the_truth(world, maps, kind):
    """Also under gaps and a whole cell without pixels: a planted hole does not shift its neighbours."""
    one = world(5, 6, 4)
    if kind != VALUES:
        one.truth += np.array([0.05, -0.08])[:, None, None]
        one.z += np.array([0.05, -0.08])[:, None, None]
    result, out = run(one, one.model(kind), bounds=(-1, 1))
    np.testing.assert_allclose(maps(out), one.truth, atol=2e-6)
    assert max(period.left_over for period in result.periods) < 1e-6
    if kind == VALUES:
        one.x[:, :, 4:8, 8:16] = np.nan
        result, out = run(one, one.model(kind))
        made = maps(out)
        assert np.isnan(made[:, 4:8, 8:16]).all()
        np.testing.assert_allclose(made, np.where(np.isnan(one.x[0]), np.nan, one.truth), atol=2e-6)
        assert [p.gaps for p in result.periods] == [32, 32]


@pytest.mark.parametrize("conserve", ["additive", "multiplicative"])
def test_a_hole_of_cells_leaves_the_far_field_alone(world, maps, conserve):
    """With an imperfect model too: beyond the next cells nothing may move."""
    one = world(5, 9, 4, 1)
    model = one.model(slopes=0.5 * SLOPES, intercept=0.2)
    whole = maps(run(one, model, conserve=conserve)[1])
    one.x[:, :, 8:12, 0:4] = np.nan
    holed = maps(run(one, model, conserve=conserve)[1])
    near = np.abs(holed - whole)[0, :, :8]
    assert np.nanmax(near) < 0.03
    np.testing.assert_allclose(holed[0, :, 20:], whole[0, :, 20:], atol=1e-4)


def test_strip_height_does_not_matter(world, maps, monkeypatch):
    one = world(7, 5, 4, gaps=0.2, seed=5)
    one.z[0, 2, 2] = np.nan
    monkeypatch.setattr(product, "_PICTURE", 10)
    for kind, conserve in ((VALUES, "multiplicative"), (CONTRASTS, "additive"), (ANOMALIES, "none")):
        made = []
        for pixels in (1, 400, 2**19):
            monkeypatch.setattr(tiles, "PIXELS", pixels)
            model, more = one.model(kind, 0.8, intercept=0.5), {"conserve": conserve, "outside": True}
            result, out = run(one, model, True, bounds=(0.15, 0.3), **more)
            np.testing.assert_array_equal(result.pictures[0].fine, maps(out)[0][::3, ::3])
            made.append((maps(out), maps(one.folder / "quality.tif"), result.pictures[0].fine, result.periods[0]))
        for values, codes, picture, figures in made[:-1]:
            np.testing.assert_allclose(values, made[-1][0], rtol=0, atol=6e-8)
            np.testing.assert_array_equal(codes, made[-1][1])
            np.testing.assert_allclose(picture, made[-1][2], atol=6e-8)
            assert figures.pixels == made[-1][3].pixels and figures.detail == pytest.approx(made[-1][3].detail)


def test_constant_in_constant_out(world, maps):
    for kind in (VALUES, ANOMALIES, CONTRASTS):
        one = world(gaps=0.2)
        one.x[:] = np.where(np.isfinite(one.x), 1.5, np.nan)
        one.z[:] = 0.31
        made = maps(run(one, one.model(kind))[1])
        np.testing.assert_allclose(made, np.where(np.isfinite(one.x[0]), 0.31, np.nan), atol=1e-6)


def test_pixels_without_a_coarse_value_are_filled_and_flagged_on_request(world, maps):
    one = world(6, 6, 4, 1)
    one.z[0, 3:, 3:] = np.nan
    model = one.model()
    hidden = np.zeros((24, 24), bool)
    hidden[12:, 12:] = True
    result, out = run(one, model, quality=True)
    assert (np.isnan(maps(out)[0]) == hidden).all() and result.periods[0].model_only == 0
    assert (maps(one.folder / "quality.tif") != MODEL_ONLY).all()
    result, out = run(one, model, quality=True, outside=True)
    np.testing.assert_allclose(maps(out)[0], one.truth[0], atol=2e-6)
    assert ((maps(one.folder / "quality.tif")[0] == MODEL_ONLY) == hidden).all()
    assert result.periods[0].model_only == hidden.sum()
    # A model that is off by .1 is lifted by its nearest neighbours there.
    _, out = run(one, one.model(intercept=0.15), outside=True)
    np.testing.assert_allclose(maps(out)[0], one.truth[0], atol=2e-6)
    _, out = run(one, model, quality=True, outside=True, bounds=(0.2, 0.3))
    codes = maps(one.folder / "quality.tif")[0]
    at_bound = np.isin(maps(out)[0].round(6), [0.2, 0.3])
    assert (codes[hidden & at_bound] == CLIPPED).all() and (codes[hidden & ~at_bound] == MODEL_ONLY).all()
    assert (hidden & at_bound).any() and (hidden & ~at_bound).any()
    smooth = maps(run(one, model, outside=True, detail_gain=0.0)[1])[0]
    assert np.isfinite(smooth).all() and smooth.min() > np.nanmin(one.z) - 0.05


def test_multiplication_conserves_and_keeps_ratios(world, maps):
    one = world(gaps=0.25)
    rng = np.random.default_rng(7)
    result, out = run(one, one.model(intercept=0.5), conserve="multiplicative", bounds=(-9, 9))
    assert max(p.left_over for p in result.periods) < 1e-6
    # A field that is wrong by a factor everywhere is put right.
    one = world()
    _, out = run(one, one.model(slopes=2 * SLOPES, intercept=0.5), conserve="multiplicative")
    np.testing.assert_allclose(maps(out), one.truth, atol=2e-6)
    one.z = one.z * rng.uniform(0.8, 1.2, one.z.shape)
    for gain in (0.0, 0.5, 1.0):
        result, _ = run(one, one.model(intercept=0.5), conserve="multiplicative", detail_gain=gain)
        assert max(p.left_over for p in result.periods) < 1e-6
    with pytest.raises(InputError, match="0 or below"):
        run(one, one.model(intercept=0.0), conserve="multiplicative")
    with pytest.raises(InputError, match="trained on values"):
        run(one, one.model(ANOMALIES), conserve="multiplicative")


def test_without_conservation(world, maps):
    one = world(periods=1)
    one.z += 0.05
    result, out = run(one, one.model(gain=0.3), conserve="none")
    np.testing.assert_allclose(maps(out), one.truth, atol=1e-6)
    assert result.gain == 1.0 and "as they are" in result.notes[0]
    assert result.periods[0].left_over == pytest.approx(0.05, abs=1e-6)


def test_references_are_those_of_training(world, maps):
    """Cells without a target (the sea, say) do not enter the mean that anomalies refer to."""
    one = world(periods=1)
    one.x[0, 0, :, 12:] += 40.0
    one.z[0, :, 3:] = np.nan
    _, out = run(one, one.model(ANOMALIES), conserve="none", bounds=(-99, 99), detail_gain=1.0)
    made = maps(out)[0]
    means = [x[0, :, :12].mean() for x in one.x]
    detail = np.tensordot(SLOPES, one.x[:, 0] - np.array(means)[:, None, None], 1)
    smooth = maps(run(one, one.model(ANOMALIES), detail_gain=0.0)[1])[0]
    np.testing.assert_allclose(made[:, :12], (smooth + detail)[:, :12], atol=1e-6)


def test_a_footprint_states_what_is_left_over(world, maps):
    one = world(6, 7, 4, 2, gaps=0.1)
    one.tags = {"FOOTPRINT_KM": "20"}
    result, out = run(one, one.model(gain=0.7), bounds=(-9, 9))
    assert result.footprint_km == 20
    support = Support(one.fine_grid, one.coarse, 20.0)
    for made, z, period in zip(maps(out), one.z, result.periods):
        left = np.abs(support.mean(made)[0] - z)
        assert period.left_over == pytest.approx(left.max(), abs=1e-7)
        assert 1e-5 < period.left_over_rms < 0.5 * z.std()


def test_a_fine_grid_that_does_not_nest(world, maps):
    one = world(4, 5, 4, 1)
    x, size, _, y, _, _ = one.coarse.transform
    one.fine = Grid(one.coarse.crs_wkt, (x + 900, size / 3.7, 0.0, y - 1300, 0.0, -size / 3.7), 14, 18)
    rng = np.random.default_rng(8)
    one.x = rng.normal(size=(3, 1, 14, 18)).astype(np.float32).astype(float)
    result, out = run(one, one.model(), bounds=(-9, 9))
    made, period = maps(out)[0], result.periods[0]
    worst = 0.0
    for i in range(4):
        for j in range(5):
            total = seen = 0.0
            for r in range(14):
                for c in range(18):
                    top, left = y - 1300 - r * size / 3.7, x + 900 + c * size / 3.7
                    tall = max(0.0, min(top, y - i * size) - max(top - size / 3.7, y - (i + 1) * size))
                    wide = max(0.0, min(left + size / 3.7, x + (j + 1) * size) - max(left, x + j * size))
                    if np.isfinite(made[r, c]):
                        total, seen = total + tall * wide * made[r, c], seen + tall * wide
            if seen / size**2 >= 0.5:
                worst = max(worst, abs(total / seen - one.z[0, i, j]))
    assert np.isfinite(made).sum() > 200 and period.conserved_cells >= 12
    assert period.left_over == pytest.approx(worst, abs=1e-6) and worst < 1e-3
