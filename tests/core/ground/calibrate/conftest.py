"""Rows of stations, and a small world with a planted bias that changes slowly in space."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture.core.ground.calibrate.rows import Rows
from soilmoisture.core.ground.observations import Observations, clean_observations
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.periods import Period, month_of
from soilmoisture.core.raster.stack import Band, StackWriter


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "golden.json").read_text())


def rows_of(z: Any, y: Any, place: Any = None, station: Any = None, factors: Any = None, period: Any = None) -> Rows:
    n = len(z)
    place = np.zeros((n, 2)) if place is None else np.asarray(place, float)
    return Rows(
        np.asarray(z, float),
        np.zeros((n, 0)) if factors is None else np.asarray(factors, float),
        np.zeros((n, 0)),
        place[:, 0],
        place[:, 1],
        np.asarray(y, float),
        np.arange(n) if station is None else np.asarray(station),
        np.zeros(n, np.intp) if period is None else np.asarray(period),
    )


@dataclass
class World:
    """A product that is too wet in the middle, its truth (months, rows, cols), and stations (row, col) in it."""

    folder: Path
    grid: Grid
    periods: list[Period]
    truth: np.ndarray
    product: np.ndarray
    factor: np.ndarray
    row: np.ndarray
    col: np.ndarray

    @property
    def maps(self) -> str:
        return str(self.folder / "product.tif")

    @property
    def factors(self) -> str:
        return str(self.folder / "factors.tif")

    def stations(self, count: int | None = None, shuffle: bool = False, **more: Any) -> Observations:
        n = len(self.row) if count is None else count
        random = np.random.default_rng(5)
        values = self.truth[:, self.row[:n], self.col[:n]].T + random.normal(0, 0.005, (n, len(self.periods)))
        if shuffle:
            values = values[random.permutation(n)]
        months = len(self.periods)
        x, y = self.grid.x_centres()[self.col[:n]], self.grid.y_centres()[self.row[:n]]
        return clean_observations(
            np.repeat([f"S{k:02d}" for k in range(n)], months),
            np.repeat(x, months),
            np.repeat(y, months),
            [period.start.replace(day=15) for _ in range(n) for period in self.periods],
            more.get("values", values).ravel(),
            self.grid.crs_wkt,
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory: Any) -> World:
    folder = tmp_path_factory.mktemp("world")
    grid = ease_grid(1, 1953, 27378, 40, 50)
    periods = [month_of(dt.date(2021, month, 1)) for month in (5, 6, 7)]
    random = np.random.default_rng(2)
    rows, cols = np.mgrid[0:40, 0:50]
    factor = np.sin(rows / 3.0) + np.cos(cols / 4.0)
    level = np.array([0.18, 0.22, 0.25])[:, None, None]
    truth = level + 0.02 * factor + 0.03 * np.sin(rows / 9.0)
    bias = 0.06 * np.sin(np.pi * cols / 49.0) - 0.01
    product = truth + bias + random.normal(0, 0.004, truth.shape)
    product[:, :2, :3] = np.nan
    with StackWriter(folder / "product.tif", grid, [Band("soil_moisture", one, "m3/m3") for one in periods]) as out:
        for k in range(3):
            out.write(k + 1, product[k])
    with StackWriter(folder / "factors.tif", grid, [Band("ndvi", None, "1"), Band("landcover", None, "class")]) as out:
        out.write(1, factor)
        out.write(2, factor)
    row, col = np.divmod(random.permutation(34 * 44)[:36], 44)
    return World(folder, grid, periods, truth, product, factor, row + 3, col + 3)
