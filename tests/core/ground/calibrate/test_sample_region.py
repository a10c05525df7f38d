"""The built-in sample: its truth with a planted bias, its stations with their own errors."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.ground.calibrate.calibrate import Options, calibrate
from soilmoisture.core.ground.calibrate.methods import BEST, GWR, KED
from soilmoisture.core.ground.observations import Observations, clean_observations
from soilmoisture.core.prepare.sample_region import SampleRegion, make_sample_region
from soilmoisture.core.raster.grid import wkt_of
from soilmoisture.core.raster.stack import Band, Stack, StackWriter

METHODS = ("none", "mean bias", "linear", "mean-std", "CDF matching", GWR, KED)


@pytest.fixture(scope="module")
def region(tmp_path_factory: Any) -> SampleRegion:
    return make_sample_region(tmp_path_factory.mktemp("region"), coarse_rows=14, coarse_cols=16, months=3, stations=40)


@pytest.fixture(scope="module")
def biased(region: SampleRegion) -> Path:
    """The truth, too wet in the west and too dry in the east."""
    path = region.folder / "biased.tif"
    with Stack.open(region.truth) as truth:
        bias = np.linspace(0.07, -0.05, truth.grid.cols)
        with StackWriter(path, truth.grid, [Band("soil_moisture", one.period, "m3/m3") for one in truth.bands]) as out:
            for k in range(len(truth.bands)):
                out.write(k + 1, np.maximum(truth.read(k + 1) + bias, 0.0))
    return path


def _stations(region: SampleRegion, swap: bool = False) -> Observations:
    with open(region.stations_csv, encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["value"]]
    place = {row["station"]: (float(row["longitude"]), float(row["latitude"])) for row in rows}
    names = sorted(place)
    other = dict(zip(names, np.random.default_rng(3).permutation(names))) if swap else {name: name for name in names}
    x, y = zip(*(place[other[row["station"]]] for row in rows))
    return clean_observations(
        [row["station"] for row in rows],
        np.array(x),
        np.array(y),
        [row["date"] for row in rows],
        [row["value"] for row in rows],
        wkt_of("EPSG:4326"),
    )


def test_the_planted_bias_is_found(region: SampleRegion, biased: Path, tmp_path: Path) -> None:
    result = calibrate([biased], _stations(region), tmp_path / "out.tif", options=Options(compare=METHODS))
    rmse = {one.name: one.score.rmse for one in result.scores}
    assert result.chosen in (GWR, KED) and result.better
    assert rmse[BEST] < 0.75 * rmse["mean bias"]
    with Stack.open(region.truth) as truth, Stack.open(biased) as product, Stack.open(tmp_path / "out.tif") as made:
        errors = [
            np.concatenate([(one.read(k + 1) - truth.read(k + 1)).ravel() for k in range(3)]) for one in (product, made)
        ]
    before, after = (float(np.sqrt(np.nanmean(one**2))) for one in errors)
    assert after < 0.6 * before


def test_swapped_stations_do_not_choose_a_method_of_places(region: SampleRegion, biased: Path, tmp_path: Path) -> None:
    swapped = calibrate([biased], _stations(region, swap=True), tmp_path / "out.tif", options=Options(compare=METHODS))
    assert swapped.chosen not in (GWR, KED)
    for name in (GWR, KED):
        # A line through all stations is as good: place tells nothing.
        assert swapped.of(name).score.rmse > 0.97 * swapped.of("linear").score.rmse
