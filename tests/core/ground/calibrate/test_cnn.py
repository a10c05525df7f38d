"""The network from product and stations to a map, in small; what it learns from first."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.calibrate import calibrate as calibration
from soilmoisture.core.ground.calibrate import network_training, pretraining
from soilmoisture.core.ground.calibrate.application import apply_calibration
from soilmoisture.core.ground.calibrate.calibrate import Options, calibrate
from soilmoisture.core.ground.calibrate.calibration_file import load_calibration
from soilmoisture.core.ground.calibrate.inputs import Inputs
from soilmoisture.core.ground.calibrate.methods import CNN
from soilmoisture.core.ground.calibrate.pretraining import pretraining_data
from soilmoisture.core.ground.calibrate.report import calibration_report
from soilmoisture.core.raster.stack import Band, Stack, StackWriter
from soilmoisture.core.report import render_html

from .conftest import World


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(pretraining, "_PATCHES", 300)
    monkeypatch.setattr(pretraining, "_WINDOWS", 6)
    monkeypatch.setattr(network_training, "_STEPS", 400)
    monkeypatch.setattr(calibration, "pretrain", partial(network_training.pretrain, members=2, rounds=2))


def test_from_stations_to_a_map_and_from_the_file_without_torch(
    world: World, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = calibrate(
        [world.maps],
        world.stations(),
        tmp_path / "a.tif",
        factors=[world.factors],
        uncertainty=tmp_path / "sd.tif",
        calibration_file=tmp_path / "c.smcal",
        options=Options(CNN, (), folds=2),
    )
    assert result.of(CNN).score.rmse < result.of("none").score.rmse
    assert len(result.curves.phase1) == 2 and result.curves.phase2
    assert "How the network learnt" in render_html(calibration_report(result))
    with Stack.open(tmp_path / "a.tif") as made, Stack.open(tmp_path / "sd.tif") as deviation:
        assert len(deviation.bands) == 3
        np.testing.assert_array_equal(np.isnan(made.read(1)), np.isnan(world.product[0]))
        np.testing.assert_array_equal(np.isnan(made.read(1)), np.isnan(deviation.read(1)))
        first = made.read(1)
        # At a station the map is what the rows of the fit were given: same pixel, same surroundings.
        rows = result.rows
        said = result.calibration.correction.predict(rows)
        at = rows.period == 0
        np.testing.assert_allclose(first[world.row, world.col][rows.station[at]], said[at], atol=1e-5)
    monkeypatch.setitem(sys.modules, "torch", None)
    again = load_calibration(tmp_path / "c.smcal")
    with Inputs([world.maps], [world.factors], wanted=again.factors) as inputs:
        apply_calibration(again, inputs, tmp_path / "b.tif")
    with Stack.open(tmp_path / "b.tif") as made:
        np.testing.assert_array_equal(made.read(1), first)


def test_without_torch_the_cnn_is_not_tried_and_says_how_to_get_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soilmoisture.core import packages

    real = packages.find_spec
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "torch" else real(name))
    result = calibrate(
        [world.maps], world.stations(), tmp_path / "a.tif", options=Options("mean bias", (CNN,), folds=3)
    )
    assert "torch is not installed" in result.refused[CNN]
    with pytest.raises(InputError, match="torch is not installed.*mean bias"):
        calibrate([world.maps], world.stations(), tmp_path / "b.tif", options=Options(CNN, (), folds=3))


def test_the_gridded_target_is_the_other_product_interpolated_minus_this_one(world: World, tmp_path: Path) -> None:
    """On a plane, interpolation is exact."""
    coarse = world.grid.window(0, 0, 40, 50)
    coarse = type(coarse)(coarse.crs_wkt, (*_scaled(coarse.transform, 5),), 8, 10)
    plane = lambda x, y: 0.2 + 1e-6 * (x - coarse.transform[0]) + 5e-7 * (coarse.transform[3] - y)  # noqa: E731
    x, y = np.meshgrid(coarse.x_centres(), coarse.y_centres())
    with StackWriter(tmp_path / "coarse.tif", coarse, [Band("soil_moisture", world.periods[1], "m3/m3")]) as out:
        out.write(1, plane(x, y))
    with Inputs([world.maps], [world.factors]) as inputs:
        data = pretraining_data(inputs, [tmp_path / "coarse.tif"], 0)
    assert data.target is not None and data.patches.shape[1:] == (9, 9, 2)
    # Only the shared date is used: its season alone appears.
    assert len(np.unique(data.season[:, 0])) == 1
    x, y = np.meshgrid(world.grid.x_centres(), world.grid.y_centres())
    wanted = plane(x, y) - world.product[1]
    inner = np.zeros(wanted.shape, bool)
    inner[3:-3, 3:-3] = True
    known = {round(float(value), 5): float(target) for value, target in zip(world.product[1][inner], wanted[inner])}
    checked = 0
    for own, target in zip(data.patches[:, 4, 4, 0], data.target):
        expected = known.get(round(float(own), 5))
        if expected is not None and abs(expected - target) < 1e-5:
            checked += 1
    assert checked > 0.6 * len(data.target)


def _scaled(transform: Any, ratio: int) -> Any:
    x, width, _, y, _, height = transform
    return x, width * ratio, 0.0, y, 0.0, height * ratio


def test_a_gridded_product_of_other_dates_is_refused(world: World, tmp_path: Path) -> None:
    with StackWriter(
        tmp_path / "old.tif", world.grid, [Band("soil_moisture", world.periods[0].shifted(-24 * 3000), "m3/m3")]
    ) as out:
        out.write(1, world.product[0])
    with Inputs([world.maps]) as inputs, pytest.raises(InputError, match="none of the dates"):
        pretraining_data(inputs, [tmp_path / "old.tif"], 0)
