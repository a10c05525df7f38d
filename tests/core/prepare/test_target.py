"""The target: what can be soil moisture and what cannot, one variable, one grid, one value per date."""

from __future__ import annotations

import numpy as np
import pytest

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.target import find_target
from soilmoisture.core.raster.stack import opened

CORNER, SIZE = (500000.0, 5300000.0), 9000.0
MOIST = np.linspace(0.05, 0.45, 12).reshape(3, 4)
WHOLE = (0, 0, 3, 4)


def read(paths, band="", unit="m3/m3", factor=1.0, window=WHOLE):
    notes: list[str] = []
    with opened(paths) as stacks:
        return find_target(stacks, band, notes).read(window, unit, factor), notes


def test_dated_layers_in_order_of_time(raster):
    paths = [raster(f"sm_2021-0{m}", m / 10 * MOIST, CORNER, SIZE) for m in (9, 7, 8)]
    target, notes = read(paths)
    assert [p.label for p in target.periods] == ["2021-07", "2021-08", "2021-09"] and not notes
    np.testing.assert_allclose(target.values, np.array([0.7, 0.8, 0.9])[:, None, None] * MOIST)
    target, _ = read(paths, window=(1, 2, 2, 2))
    np.testing.assert_allclose(target.values[0], 0.7 * MOIST[1:, 2:])
    assert target.grid.transform[0] == CORNER[0] + 2 * SIZE and target.grid.transform[3] == CORNER[1] - SIZE


def test_one_variable_of_several(raster):
    path = raster("smap_2021-08", np.stack([MOIST, 300 + MOIST]), CORNER, SIZE, names=["sm_surface", "soil_temp"])
    with pytest.raises(InputError, match=r"several variables \(sm_surface, soil_temp\)"):
        read([path])
    target, _ = read([path], "sm_surface")
    assert target.name == "sm_surface"
    with pytest.raises(InputError, match="has no band 'sm'; it has sm_surface, soil_temp"):
        read([path], "sm")
    stack = raster("c", np.stack([MOIST, MOIST]), CORNER, SIZE, names=["lst", "moist"], roles=["", "target"])
    assert read([stack])[0].name == "moist"
    share = raster("d", np.stack([MOIST, MOIST]), CORNER, SIZE, names=["moist", "valid"], roles=["", "share"])
    assert read([share])[0].name == "moist"


def test_differing_names_get_one_and_a_note(raster):
    target, notes = read([raster("x_2021-08", MOIST, CORNER, SIZE), raster("y_2021-09", MOIST, CORNER, SIZE)])
    assert target.name == "soil_moisture" and len(notes) == 1


def test_layers_that_contradict_each_other(raster):
    one = raster("sm_2021-08", MOIST, CORNER, SIZE)
    for other, message in (
        (raster("sm.2021-08", MOIST, CORNER, SIZE), "two target bands for 2021-08"),
        (raster("sm_2021-09", MOIST, CORNER, SIZE / 2), "different grids"),
        (raster("sm", MOIST, CORNER, SIZE), "Some target layers carry a date"),
    ):
        with pytest.raises(InputError, match=message):
            read([one, other])
    with pytest.raises(InputError, match=r"two target bands without a date \(in sm and sm2\): write the date"):
        read([raster("sm", MOIST, CORNER, SIZE), raster("sm2", MOIST, CORNER, SIZE)])
    with pytest.raises(InputError, match=r"without a date \(both in pair\)"):
        read([raster("pair", np.stack([MOIST, MOIST]), CORNER, SIZE, names=["sm", "sm"])])
    with pytest.raises(InputError, match="if they are dates of one variable, write its date"):
        read([raster("series", np.stack([MOIST, MOIST]), CORNER, SIZE)])


@pytest.mark.parametrize("fill", [-9999.0, -999.0, -99.0, -32768.0])
def test_undeclared_nodata(raster, fill):
    values = MOIST.copy()
    values[0, 0] = fill
    with pytest.raises(InputError, match=f"holds the value {fill:g} but declares no nodata"):
        read([raster("sm", values, CORNER, SIZE)])
    target, _ = read([raster("sm", values, CORNER, SIZE, nodata=fill)])
    assert np.isnan(target.values[0, 0, 0]) and np.isfinite(target.values).sum() == 11


@pytest.mark.parametrize(
    "values, message",
    [
        (100 * MOIST, "looks like percent"),
        (1000 * MOIST, "one part in 1000 or 10 000"),
        (1e5 * MOIST, "check its nodata value and scale"),
        (2.2 * MOIST, "relative saturation"),
        (MOIST - 0.3, "no soil moisture"),
        (np.full((3, 4), np.nan), "no valid cell"),
    ],
)
def test_what_is_no_volumetric_soil_moisture(raster, values, message):
    path = raster("sm", values, CORNER, SIZE)
    with pytest.raises(InputError, match=message):
        read([path])
    if "no valid" not in message:
        assert read([path], unit="")[0].values.shape == (1, 3, 4)


def test_a_declared_percent_must_be_chosen(raster):
    path = raster("sm", 10 * MOIST, CORNER, SIZE, unit="%")
    with pytest.raises(InputError, match="declares the unit '%'"):
        read([path])
    np.testing.assert_allclose(read([path], factor=0.01)[0].values[0], 0.1 * MOIST)


def test_a_band_with_its_own_scale(raster):
    target, _ = read([raster("sm", MOIST * 1e4, CORNER, SIZE, scale=(1e-4, 0.01))])
    np.testing.assert_allclose(target.values[0], MOIST + 0.01)


@pytest.mark.parametrize("factor", [1.0, 0.01])
def test_percent_of_saturation_is_refused_as_volume(raster, factor):
    path = raster("sm", 100 * MOIST, CORNER, SIZE, unit="% saturation")
    with pytest.raises(InputError, match="no m3/m3 without the porosity"):
        read([path], factor=factor)
    assert read([path], unit="")[0].values.shape == (1, 3, 4)
