"""Stored numbers as physical values, against plain loops and xarray; guards against what means something else."""

from __future__ import annotations

import math

import netCDF4
import numpy as np
import pytest
import xarray

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.products.container import ArrayInfo, BadFile, Container
from soilmoisture.core.prepare.products.decode import blank, check_soil_moisture, decode, scaling
from soilmoisture.core.prepare.products.recipe import Variable
from soilmoisture.core.prepare.products.units import same_unit


def info(raw, **more):
    return ArrayInfo("a", raw.shape, ("y", "x")[-raw.ndim :], raw.dtype.name, **more)


def variable(**more):
    return Variable("v", "Variable", "a", **more)


def decoded_by_hand(raw, fills, valid, scale, offset):
    """One value after the other, in double precision."""
    result = []
    for value in raw.ravel().tolist():
        missing = any(math.isclose(value, fill, rel_tol=1e-6) for fill in fills) or not math.isfinite(value)
        missing = missing or abs(value) > 1e15 or (valid is not None and not valid[0] <= value <= valid[1])
        result.append(math.nan if missing else value * scale + offset)
    return np.array(result).reshape(raw.shape)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize("size", [100, 40_000, 70_000])
@pytest.mark.parametrize("valid", [None, (20, 110)])
def test_values_as_decoded_by_hand(dtype, size, valid):
    raw = np.random.default_rng(5).integers(0, 127, size, endpoint=True).astype(dtype).reshape(10, -1)
    raw[0, :3] = (100, 3, 127)
    fills = (127.0, 3.0)
    values = decode(
        raw,
        info(raw, fill=fills[:1]),
        variable(scale=0.02, offset=-7.0, fill=fills[1:], valid=valid, stored_unit=("K",)),
    )
    assert values.dtype == np.float32 and values.shape == raw.shape
    np.testing.assert_allclose(values, decoded_by_hand(raw, fills, valid, 0.02, -7.0), rtol=3e-7, atol=1e-6)
    assert np.isnan(values).any() and np.isfinite(values).any()


def test_factor_comes_after_scale_and_offset():
    raw = np.array([[100, 200]], "int16")
    own = info(raw, scale=0.5, offset=10.0)
    assert decode(raw, own, variable(factor=1000.0)).tolist() == [[60_000.0, 110_000.0]]


@pytest.mark.parametrize("fill", [-9999.0, -9999.9, -999.0, 0.0, 1e20, 9.969209968386869e36, -3.4028234663852886e38])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fills_of_floating_point_arrays(fill, dtype):
    raw = np.array([[fill, 0.25, 1e-3, np.nan, np.inf, -np.inf, 9.96921e36]], "float32").astype(dtype)
    with np.errstate(all="raise"):
        values = decode(raw, info(raw, fill=(fill,)), variable(factor=1000.0))
    np.testing.assert_allclose(values, [[np.nan, 250, 1, *[np.nan] * 4]], rtol=1e-6)


def test_fill_is_compared_as_stored():
    # 0.3 scaled is 3 stored; a fill of 0.3 must not take it.
    raw = np.array([[3, 30]], "int16")
    assert np.isfinite(decode(raw, info(raw, fill=(0.3,)), variable(scale=0.1))).all()
    # A value next to the fill stays.
    near = np.array([[-9998.9, -9999.0]], "float32")
    assert np.isfinite(decode(near, info(near, fill=(-9999.0,)), variable())).tolist() == [[True, False]]


def test_not_a_number_as_fill():
    raw = np.array([[np.nan, 2.0]], "float32")
    assert np.isnan(decode(raw, info(raw, fill=(math.nan,)), variable())).tolist() == [[True, False]]


@pytest.mark.parametrize(("dtype", "fill", "stored"), [("int8", 255, -1), ("uint8", -1, 255), ("uint16", -1, 65535)])
@pytest.mark.parametrize("size", [4, 50_000])
def test_fill_written_with_the_other_sign(dtype, fill, stored, size):
    raw = np.full((2, size // 2), 7, dtype)
    raw[0, 0] = stored
    assert np.isnan(decode(raw, info(raw), variable(fill=(fill,)))).sum() == 1


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
def test_packed_netcdf_as_xarray_reads_it(tmp_path, dtype):
    path = tmp_path / "packed.nc"
    stored = np.random.default_rng(1).integers(0, 200, (20, 30)).astype(dtype)
    with netCDF4.Dataset(path, "w") as file:
        file.set_auto_maskandscale(False)
        file.createDimension("y", 20)
        file.createDimension("x", 30)
        one = file.createVariable("a", dtype, ("y", "x"), fill_value=np.array(199, dtype))
        one.setncatts({"scale_factor": 0.013, "add_offset": 250.5, "missing_value": np.array(7, dtype)})
        one.set_auto_maskandscale(False)
        one[...] = stored
    with xarray.open_dataset(path) as dataset:
        expected = dataset["a"].values
    with Container.open(path) as container:
        values = decode(container.read("a"), container.arrays["a"], variable())
    np.testing.assert_allclose(values, expected, rtol=2e-7)
    assert np.isnan(expected).any()


def test_scales_that_say_the_same():
    raw = np.zeros((1, 1), "int16")
    for own in (0.0001, 10000.0, 1.0, None, 0.0001000001):  # MODIS vegetation indices declare 10000
        assert scaling(info(raw, scale=own), variable(scale=0.0001)) == (0.0001, 0.0)
    assert scaling(info(raw, scale=0.002, offset=0.49), variable(scale=0.002, offset=0.49)) == (0.002, 0.49)
    assert scaling(info(raw, scale=0.5, offset=3.0), variable()) == (0.5, 3.0)
    assert scaling(info(raw), variable()) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("own", "wanted", "why"),
    [
        ({"scale": 0.001}, {"scale": 0.0001}, r"declares the scale 0.001, but the recipe says 0.0001"),
        ({"scale": 0.02, "offset": -273.15}, {"scale": 0.02, "offset": 0.0}, "declares the offset -273.15"),
        ({"unit": "%"}, {"stored_unit": ("m3 m-3",)}, "unit '%', but v is expected in m3 m-3"),
        ({"unit": "kg m-2"}, {"stored_unit": ("m", "mm")}, "unit 'kg m-2', but v is expected in m or mm"),
        ({"unit": "percent"}, {"unit": "m3/m3"}, "is not m3/m3: percent of saturation needs a porosity"),
        ({"scale": 10000.0, "attributes": {"calibrated_nt": "5"}}, {}, "10000 means scale 0.0001"),
        ({"scale": 0.002, "offset": 0.49, "attributes": {"scale_factor_err": "0"}}, {}, "offset 0.49"),
    ],
)
def test_declarations_that_contradict_the_recipe(own, wanted, why):
    raw = np.ones((1, 2), "int16")
    with pytest.raises(BadFile, match=rf"^file\.hdf: .*{why}"):
        decode(raw, info(raw, **own), variable(**wanted), "/data/file.hdf")


def test_values_that_were_scaled_already():
    ndvi = np.array([[0.25, 0.5, -9999]], "float32")
    modis = variable(scale=0.0001, fill=(-3000,), valid=(-2000, 10000))
    with pytest.raises(BadFile, match=r"holds fractions such as 0.25 for v"):
        decode(ndvi, info(ndvi, fill=(-9999.0,)), modis, "/data/ndvi.tif")
    whole = np.array([[2500.0, 5000.0]], "float32")  # whole numbers in a floating-point file
    np.testing.assert_allclose(decode(whole, info(whole), modis), [[0.25, 0.5]])


def test_text_is_refused():
    raw = np.array([["a", "b"]])
    with pytest.raises(BadFile, match="holds no numbers"):
        decode(raw, ArrayInfo("a", raw.shape, ("y", "x"), "str"), variable())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kg m-2", "kg m^-2"),
        ("kg m-2", "kg/m2"),
        ("kg m-2", "kg/m^2"),
        ("kg m-2", "kg.m-2"),
        ("kg m**-2", "kg·m⁻²"),
        ("m**3 m**-3", "m3 m-3"),
        ("m3/m3", "cm3/cm3"),
        ("cm**3/cm**3", "m^3/m^3"),
        ("m-3 m3", "m3 m-3"),
        ("Kelvin", "K"),
        ("percent", " % "),
        ("W m-2", "W/m2"),
        ("mm/day", "mm d-1"),
        ("kg m-2 s-1", "kg/m2/s"),
        ("J/m2 s", "J m-2 s"),
        ("1", "unitless"),
        ("degrees", "degree"),
        ("kg/m^2/8day", "kg/m2/8day"),
    ],
)
def test_spellings_of_one_unit(one, other):
    assert same_unit(one, other) and same_unit(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kg m-2", "kg m-3"),
        ("m3 m-3", "1"),
        ("m3 m-3", "%"),
        ("m", "mm"),
        ("K", "degC"),
        ("kg m-2", "kg m2"),
        ("kg m-2 s-1", "kg m-2"),
        ("W m-2", "mW m-2"),
        ("kg/m^2/8day", "kg/m^2/5day"),
        ("m3/m2", "m3/m3"),
    ],
)
def test_different_units(one, other):
    assert not same_unit(one, other) and not same_unit(other, one)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0.2, 45.0], "goes from 0.2 to 45: it is probably in percent"),
        ([0.2, 450.0], "probably stored times 1000"),
        ([0.2, 4500.0], "probably stored times 10000"),
        ([-9999.0, 0.3], "probably a fill value"),
        ([np.nan, 1.6], "probably in percent"),
    ],
)
def test_soil_moisture_that_is_none(values, why):
    with pytest.raises(InputError, match=f"^v of /data/a.nc is said to be in m3/m3, but .*{why}"):
        check_soil_moisture(np.array(values, "float32"), variable(unit="m3/m3"), "/data/a.nc")


@pytest.mark.parametrize("values", [[], [np.nan], [0.0, 0.95], [-0.02, 1.4]])
def test_soil_moisture_that_may_be(values):
    check_soil_moisture(np.array(values, "float32"), variable(unit="m3/m3"))
    check_soil_moisture(np.array([45.0], "float32"), variable(unit="% saturation"))


def test_blank_makes_what_is_not_good_nan():
    values = np.arange(12, dtype="float32").reshape(3, 4)
    good = values % 3 != 0
    expected = np.where(good, values, np.nan)
    blank(values, good)
    np.testing.assert_array_equal(values, expected)


def test_real_values(shared_data):
    gdal = pytest.importorskip("osgeo.gdal")
    path = next((shared_data / "native_products/modis").glob("MOD13A2*"))
    with Container.open(path) as container:
        array = container.find("*NDVI")
        modis = variable(scale=0.0001, offset=0.0, fill=(-3000,), valid=(-2000, 10000))
        values = decode(container.read(array), container.arrays[array], modis, container.path)
        stored = gdal.Open(f'HDF4_EOS:EOS_GRID:"{path}":{array.replace("/", ":")}').ReadAsArray()
    np.testing.assert_allclose(values, decoded_by_hand(stored, (-3000,), (-2000, 10000), 1e-4, 0), rtol=2e-7)
    path = next((shared_data / "native_products/gldas").glob("*.nc4"))
    with Container.open(path) as container:
        array = container.find("SoilMoi0_10cm_inst")
        layer = variable(unit="m3/m3", scale=0.01, stored_unit=("kg/m2",))
        values = decode(container.read(array), container.arrays[array], layer, container.path)
    with xarray.open_dataset(path, decode_times=False) as dataset:
        np.testing.assert_allclose(values, dataset["SoilMoi0_10cm_inst"].values / 100, rtol=2e-7)
