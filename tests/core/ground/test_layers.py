"""Files sorted into products, and the band that holds soil moisture."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.ground.layers import find_products
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day, month_of
from soilmoisture.core.raster.stack import Band, StackWriter

COARSE = ease_grid(9, 190, 880, 6, 7)
AUGUST = [day(dt.date(2019, 8, d)) for d in range(1, 6)]


def write(path, grid, layers, name="soil_moisture", role="", unit="m3/m3"):
    with StackWriter(path, grid, [Band(name, period, unit, role) for period, _ in layers]) as writer:
        for number, (_, values) in enumerate(layers, 1):
            writer.write(number, values)
    return path


def test_files_are_sorted_into_products(tmp_path):
    values = np.full(COARSE.shape, 0.2)
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    paths = [
        write(tmp_path / "a" / "map.tif", COARSE, [(None, values)]),
        write(tmp_path / "b" / "map.tif", COARSE, [(None, values)]),
        write(tmp_path / "x_20190801T0014.tif", COARSE, [(AUGUST[0], values)]),
        write(tmp_path / "x_20190802T0023.tif", COARSE, [(AUGUST[1], values)]),
        write(tmp_path / "2019-08.tif", COARSE, [(month_of(dt.date(2019, 8, 1)), values)]),
    ]
    found = find_products(paths)
    assert [(p.name, len(p.layers)) for p in found] == [
        ("a/map", 1),
        ("b/map", 1),
        ("x", 2),
        (tmp_path.name, 1),
    ]


def test_the_soil_moisture_band_is_found(tmp_path):
    values = np.full(COARSE.shape, 0.2)

    def chosen(*bands, band_name=None):
        path = tmp_path / "bands.tif"
        with StackWriter(path, COARSE, bands) as writer:
            for k in range(len(bands)):
                writer.write(k + 1, values * (k + 1))
        (product,) = find_products([path], band_name)
        return [layer.index for layer in product.layers]

    assert chosen(Band("ndvi", AUGUST[0]), Band("sm", AUGUST[0], role="target")) == [2]
    assert chosen(Band("quality", AUGUST[0]), Band("soil_moisture", AUGUST[0]), Band("soil_moisture", AUGUST[1])) == [
        2,
        3,
    ]
    assert chosen(Band("SM", AUGUST[0]), Band("SM_uncertainty", AUGUST[0])) == [1]
    assert chosen(Band("rootzone", AUGUST[0]), Band("surface", AUGUST[0]), band_name="surface") == [2]
    with pytest.raises(InputError, match="rootzone, surface: say which"):
        chosen(Band("rootzone", AUGUST[0]), Band("surface", AUGUST[0]))
    assert chosen(Band("soil_moisture_sca", AUGUST[0]), Band("water_content", AUGUST[0])) == [1]
    with pytest.raises(InputError, match="bands holds ndvi, not soil moisture"):
        chosen(Band("ndvi", AUGUST[0]))
    with pytest.raises(InputError, match="no band 'sm'"):
        chosen(Band("rootzone", AUGUST[0]), band_name="sm")


def test_quality_codes_are_no_soil_moisture(tmp_path):
    grid = ease_grid(9, 300, 3000, 2, 2)
    with StackWriter(tmp_path / "q.tif", grid, [Band("quality", day(dt.date(2021, 8, 3)))]) as out:
        out.write(1, np.zeros(grid.shape))
    with pytest.raises(InputError, match="q holds quality codes"):
        find_products([tmp_path / "q.tif"])
