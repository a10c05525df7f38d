"""What a run takes, refuses, counts and leaves behind."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale
from soilmoisture.core.downscale.quality import CLIPPED, NODATA, OK, OUTSIDE_TRAINING
from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.model.form import ANOMALIES, VALUES
from soilmoisture.core.model.linear import LinearPredictor
from soilmoisture.core.raster import tiles

SLOPES = np.array([0.06, -0.04, 0.02])


def run(world, model, quality=False, progress=None, **options):
    fine, coarse = world.write()
    out, codes = world.folder / "product.tif", world.folder / "quality.tif" if quality else None
    return downscale(model, fine, coarse, out, codes, DownscaleOptions(**options), progress), out


def test_factors_are_found_by_name(world, maps):
    one = world()
    fine, coarse = one.write()
    downscale(one.model(), fine, coarse, one.folder / "a.tif")
    one.write(("dem", "lst", "ndvi"))
    result = downscale(one.model(), fine, coarse, one.folder / "b.tif")
    np.testing.assert_array_equal(maps(one.folder / "a.tif"), maps(one.folder / "b.tif"))
    assert not result.notes
    model = one.model()
    two = one.model(factors=model.factors[:2], predictor=LinearPredictor(SLOPES[:2], 0.25))
    result = downscale(two, fine, coarse, one.folder / "c.tif")
    assert result.notes == ["Not used by the model: dem."]


def test_quality_codes_and_ranges(world, maps):
    one = world(4, 5, 4, 1, gaps=0.1)
    model = one.model()
    low, high = np.nanquantile(one.x[1], [0.1, 0.9])
    lst = type(model.factors[1])("lst", "", low, high, 0.0, 1.0)
    model = one.model(factors=(model.factors[0], lst, model.factors[2]))
    one.z[0, 0, 0] = np.nan
    result, out = run(one, model, quality=True, bounds=(0.2, 0.3))
    codes, made = maps(one.folder / "quality.tif")[0], maps(out)[0]
    valid = np.isfinite(one.x[:, 0]).all(axis=0)
    beyond = valid & ((one.x[1, 0] < low) | (one.x[1, 0] > high))
    np.testing.assert_array_equal(np.isnan(codes), np.isnan(made))  # 255 is the nodata value of the band
    seen = np.isfinite(codes)
    assert set(codes[seen]) == {OK, OUTSIDE_TRAINING, CLIPPED} and NODATA == 255
    assert (beyond[codes == OUTSIDE_TRAINING]).all() and not beyond[codes == OK].any()
    assert np.isin(made[codes == CLIPPED].round(6), [0.2, 0.3]).all()
    assert result.outside_training == pytest.approx({"ndvi": 0.0, "lst": beyond.sum() / valid.sum(), "dem": 0.0})
    assert any("'lst' lies outside" in note for note in result.notes) == (beyond.sum() > 0.2 * valid.sum())


def test_periods_that_cannot_be_done_are_listed(world, maps):
    one = world(periods=4)
    one.z[1] = np.nan
    months = one.periods
    fine, coarse = one.write(drop=[("lst", months[2])])
    for kind in (VALUES, ANOMALIES):
        result = downscale(one.model(kind), fine, coarse, one.folder / "p.tif")
        assert [p.label for p in result.periods] == ["2021-06", "2021-09"]
        assert result.skipped == ["2021-07: no valid coarse value", "2021-08: no lst"]
    result = downscale(one.model(), fine, coarse, one.folder / "p.tif", options=DownscaleOptions(periods=["2021-09"]))
    assert [p.label for p in result.periods] == ["2021-09"] and not result.skipped
    assert maps(one.folder / "p.tif").shape[0] == 1
    with pytest.raises(InputError, match="No period can be downscaled: 2021-08: no lst"):
        downscale(one.model(), fine, coarse, one.folder / "q.tif", options=DownscaleOptions(periods=["2021-08"]))
    with pytest.raises(InputError, match="no period 2020-01; it has 2021-06"):
        downscale(one.model(), fine, coarse, one.folder / "q.tif", options=DownscaleOptions(periods=["2020-01"]))


def test_cells_without_enough_pixels_are_counted(world):
    one = world(4, 5, 4, 1)
    one.x[:, 0, 0:4, 0:4] = np.nan
    one.x[:, 0, 0:3, 4:8] = np.nan
    period = run(one, one.model())[0].periods[0]
    assert (period.conserved_cells, period.uncovered_cells, period.gaps) == (18, 1, 28)


def test_a_map_without_a_pixel_is_no_result(world):
    one = world(4, 5, 4, 1)
    model = one.model()
    one.x[1] = np.nan
    with pytest.raises(InputError, match="No pixel with a coarse value has all factors; 'lst' is valid in the fewest"):
        run(one, model)
    assert not (one.folder / "product.tif").exists()


def test_a_period_in_which_a_factor_is_empty_is_skipped(world):
    one = world(4, 5, 4, 3)
    model = one.model(ANOMALIES)
    one.x[0, 1] = np.nan
    result = run(one, model)[0]
    assert [period.period.label for period in result.periods] == ["2021-06", "2021-08"]
    assert result.skipped == ["2021-07: no valid coarse cell of ndvi"]


def test_the_fine_stack_is_not_the_coarse_one(world):
    one = world()
    coarse = one.write()[1]
    with pytest.raises(InputError, match="coarse lies on the grid of coarse: give the FINE stack"):
        downscale(one.model(), coarse, coarse, one.folder / "product.tif")


def test_coarse_values_beyond_the_bounds_are_counted(world):
    one = world(4, 5, 4, 1)
    top = float(np.sort(one.z.ravel())[-3:].mean())
    result = run(one, one.model(), bounds=(0.0, top))[0]
    number = int((one.z > top).sum())
    assert 0 < number < 3
    assert any(note.startswith(f"{number} coarse values lie outside the bounds 0 to") for note in result.notes)
    assert not run(one, one.model(), bounds=(0.0, 1.0))[0].notes


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda w: w.units.update(lst="degC"), "'lst' is in degC in fine, but the model was trained on it in K"),
        (lambda w: w.x.__setitem__(1, w.x[1] + 273.15), "'lst' lies far outside the range .* in 100% of the pixels"),
        (lambda w: setattr(w, "target_unit", "%"), "The target is in % in coarse"),
        (lambda w: setattr(w, "z", 100 * w.z), "go up to .*, but the model was trained on m3/m3"),
        (lambda w: w.tags.update(FOOTPRINT_KM="wide"), "coarse carries FOOTPRINT_KM='wide'"),
    ],
)
def test_stacks_that_do_not_fit_the_model(world, change, message):
    one = world()
    one.units["lst"] = "K"
    model = one.model()
    change(one)
    with pytest.raises(InputError, match=message):
        run(one, model)
    assert not (one.folder / "product.tif").exists()


def test_missing_factors_are_named(world):
    one = world()
    model = one.model()
    fine, coarse = one.write(("ndvi", "dem"))
    with pytest.raises(InputError, match="FINE stack fine lacks the model's factor 'lst'; it has ndvi, dem"):
        downscale(model, fine, coarse, one.folder / "p.tif")
    with pytest.raises(InputError, match="no band marked as the target"):
        downscale(model, coarse, fine, one.folder / "p.tif")


def test_a_cancelled_run_leaves_no_file(world, monkeypatch, cancels_after):
    monkeypatch.setattr(tiles, "PIXELS", 100)
    one = world()
    one.write()
    before = set(one.folder.iterdir())
    for checks in (0, 3, 5, 7, 12):
        with pytest.raises(Cancelled):
            run(one, one.model(), True, cancels_after(checks))
        assert set(one.folder.iterdir()) == before


def test_outputs_that_cannot_be_written(world):
    one = world()
    fine, coarse = one.write()
    (one.folder / "file").write_text("no folder")
    before = fine.read_bytes()
    with pytest.raises(InputError, match="cannot be written"):
        downscale(one.model(), fine, coarse, one.folder / "file" / "p.tif")
    with pytest.raises(InputError, match="cannot be written"):
        downscale(one.model(), fine, coarse, one.folder / "p.tif", one.folder / "file" / "q.tif")
    assert not (one.folder / "p.tif").exists()
    for pair in ((fine, None), (one.folder / "p.tif", coarse), (one.folder / "p.tif", one.folder / "p.tif")):
        with pytest.raises(InputError, match="name of its own"):
            downscale(one.model(), fine, coarse, *pair)
    assert fine.read_bytes() == before


@pytest.mark.parametrize(
    "options, message",
    [
        ({"conserve": "exact"}, "additive, multiplicative or none"),
        ({"detail_gain": -0.1}, "between 0"),
        ({"detail_gain": 3.1}, "between 0"),
        ({"bounds": (0.5, 0.5)}, "not below"),
    ],
)
def test_options_that_cannot_be_meant(world, options, message):
    one = world()
    with pytest.raises(InputError, match=message):
        run(one, one.model(), **options)


def test_default_bounds(world):
    model = world().model(target_range=(-0.02, 0.7))
    assert DownscaleOptions().limits(model) == (-0.02, 0.7)
    assert DownscaleOptions().limits(world().model()) == (0.0, 0.6)
    assert DownscaleOptions(bounds=(0.1, None)).limits(world().model()) == (0.1, 0.6)
    assert DownscaleOptions(bounds=(None, 0.5)).limits(model) == (-0.02, 0.5)
    assert DownscaleOptions().limits(world().model(target_unit="")) == (float("-inf"), float("inf"))


def test_figures_of_a_period(world, maps):
    one = world(periods=1)
    result, out = run(one, one.model(), bounds=(-9, 9))
    smooth = maps(run(one, one.model(), detail_gain=0.0)[1])[0]
    made, period = maps(run(one, one.model(), bounds=(-9, 9))[1])[0], result.periods[0]
    assert period.detail == pytest.approx((made - smooth).std(), rel=1e-4)
    assert period.coarse_deviation == pytest.approx(one.z[0].std(), rel=1e-6)
    assert period.fine_mean == pytest.approx(made.mean(), rel=1e-6)
    assert period.pixels == made.size and result.gain_estimated
    assert result.pictures[0].fine.shape == made.shape and result.pictures[0].label == "2021-06"
