"""Land cover that training has not seen, and classes that a new region lacks."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale
from soilmoisture.core.downscale.quality import OK, OUTSIDE_TRAINING
from soilmoisture.core.errors import InputError
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import month_of
from soilmoisture.core.raster.stack import TARGET, Band, StackWriter
from soilmoisture.core.train.samples import read_coarse
from soilmoisture.core.train.training import Options, train

RATIO, ROWS, COLS = 6, 16, 18
WETNESS = {3: 0.02, 10: 0.0, 12: -0.03, 14: 0.0}
PERIODS = [month_of(dt.date(2021, month, 1)) for month in (6, 7)]


def means(values):
    return values.reshape(ROWS, RATIO, COLS, RATIO).mean(axis=(1, 3))


def region(folder, classes, bands):
    """Paths of FINE and COARSE: a dated factor and the shares of `bands` out of the map `classes` (rows, cols)."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    coarse = ease_grid(9, 300, 3000, ROWS, COLS)
    y, x = np.mgrid[0 : ROWS * RATIO, 0 : COLS * RATIO]
    ndvi = [np.sin(x / 9 + 1.3 * t) + np.cos(y / 7 - t) + 0.5 * np.sin((x + y) / 4) for t in range(2)]
    wet = sum(value * (classes == code) for code, value in WETNESS.items())
    truth = [0.25 + 0.03 * one + wet + 0.002 * rng.normal(size=wet.shape) for one in ndvi]
    factors = [(Band("ndvi", period, "1"), one) for period, one in zip(PERIODS, ndvi)]
    factors += [(Band(f"landcover_{code}", None, "share"), (classes == code).astype(float)) for code in bands]
    paths = folder / "fine.tif", folder / "coarse.tif"
    with StackWriter(paths[0], coarse.subdivide(RATIO), [band for band, _ in factors]) as out:
        for number, (_, values) in enumerate(factors, 1):
            out.write(number, values)
    targets = [Band("soil_moisture", period, "m3/m3", TARGET) for period in PERIODS]
    with StackWriter(paths[1], coarse, [*targets, *(band for band, _ in factors)]) as out:
        for number, values in enumerate([*truth, *(values for _, values in factors)], 1):
            out.write(number, means(values))
    return paths


def patches(seed=0):
    """A land cover (rows, cols) of classes 3, 10 and 12 in patches of 4 x 4 pixels, class 10 the most common."""
    drawn = np.random.default_rng(seed).choice([3, 10, 12], (ROWS * RATIO // 4, COLS * RATIO // 4), p=[0.3, 0.5, 0.2])
    return np.kron(drawn, np.ones((4, 4), int))


@pytest.fixture(params=["contrasts", "values"])
def model(request, tmp_path):
    classes = patches()
    # A rare class has no band, as 'Resample to a common grid' leaves it: its cells' shares sum to a little less.
    classes[20:22, 30:32] = 14
    _, coarse = region(tmp_path / "training", classes, (3, 10, 12))
    return train(read_coarse(coarse), Options("linear", {}, train_on=request.param, validation=("blocks",))).model


def test_a_class_never_seen_stays_within_reason_and_is_marked(model, tmp_path, maps):
    classes = patches(1)
    classes[:, :24] = np.where(classes[:, :24] == 10, 14, classes[:, :24])
    unseen = classes == 14
    fine, coarse = region(tmp_path / "new", classes, (3, 10, 12))
    made = [tmp_path / f"{name}.tif" for name in ("map", "codes", "index")]
    result = downscale(model, fine, coarse, *made[:2], DownscaleOptions(), applicability=made[2])
    product, codes, index = (maps(path) for path in made)
    smooth = downscale(model, fine, coarse, tmp_path / "smooth.tif", options=DownscaleOptions(detail_gain=0.0))
    detail = product - maps(tmp_path / "smooth.tif")
    assert smooth.gain == 0
    assert np.abs(model.predictor.coefficients).max() < 0.1
    assert detail[:, unseen].std() <= detail[:, ~unseen].std()
    assert product.min() > 0.1 and product.max() < 0.45
    assert (codes[:, unseen] == OUTSIDE_TRAINING).all() and (codes[:, ~unseen] == OK).mean() > 0.4
    assert (index[:, unseen] > result.trust.threshold).all()
    share = f"{unseen.mean():.1%} of the pixels are of classes of 'landcover' that the model has not seen"
    assert any(note.startswith(share) for note in result.notes)
    # The reference class is no factor, but it is used.
    assert not any("Not used by the model" in note for note in result.notes)


def test_seen_classes_alone_are_not_marked(model, tmp_path, maps):
    fine, coarse = region(tmp_path / "new", patches(2), (3, 10, 12))
    result = downscale(model, fine, coarse, tmp_path / "map.tif", tmp_path / "codes.tif")
    assert (
        not any("has not seen" in note for note in result.notes) and (maps(tmp_path / "codes.tif") == OK).mean() > 0.9
    )


def test_a_class_that_the_region_lacks_has_a_share_of_zero(model, tmp_path, maps):
    classes = np.where(patches(3) == 12, 10, patches(3))
    with_band = region(tmp_path / "with", classes, (3, 10, 12))
    without = region(tmp_path / "without", classes, (3, 10))
    downscale(model, *with_band, tmp_path / "a.tif")
    result = downscale(model, *without, tmp_path / "b.tif")
    np.testing.assert_array_equal(maps(tmp_path / "b.tif"), maps(tmp_path / "a.tif"))
    assert any("landcover_12" in note and "taken as 0" in note for note in result.notes)


def test_a_region_without_the_map_is_refused(model, tmp_path):
    fine, coarse = region(tmp_path / "new", patches(), ())
    with pytest.raises(InputError, match="lacks the model's factors 'landcover_3', 'landcover_12'.*Add them in"):
        downscale(model, fine, coarse, tmp_path / "map.tif")
