"""Arrays of product files against h5py, netCDF4 and plain GDAL reads, and what is said of files that are no data."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from osgeo import gdal, osr

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.products.container import BadFile, Container
from soilmoisture.core.prepare.products.slabs import SlabCache, slab_window

gdal.UseExceptions()


@pytest.fixture(scope="module")
def native(shared_data: Path) -> Path:
    folder = shared_data / "native_products"
    if not folder.is_dir():
        pytest.skip(f"no native product files in {folder}")
    return folder


def only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


# Real files


@pytest.mark.parametrize(
    "pattern",
    ["esa_cci_sm/*.nc", "cgls_1km/*SSM*.nc", "cgls_1km/*SWI*.nc", "gldas/*.nc4", "era5_land/*.nc"],
)
def test_every_array_of_real_netcdf_files_is_read_as_stored(native: Path, pattern: str) -> None:
    path = only(native, pattern)
    with Container.open(path) as container, netCDF4.Dataset(path) as oracle:
        oracle.set_auto_maskandscale(False)
        assert container.format == "netCDF" and container.name == path.name
        # GDAL puts what netCDF calls the order of definition aside; the set is what counts.
        assert set(container.arrays) == set(oracle.variables)
        for name, variable in oracle.variables.items():
            info = container.arrays[name]
            assert info.shape == variable.shape and info.dims == variable.dimensions
            values, stored = container.read(name), variable[...]
            if variable.dtype is str:
                assert values.tolist() == stored.tolist()
                continue
            if variable.dtype == "S1":
                stored = stored.view(np.uint8)
            assert values.shape == stored.shape
            unsigned = getattr(variable, "_Unsigned", "false") == "true"
            np.testing.assert_array_equal(values, stored.view(f"u{stored.itemsize}") if unsigned else stored)
            assert values.dtype == info.dtype
            if "_FillValue" in variable.ncattrs() and not unsigned:
                assert np.isnan(info.fill[0]) if np.isnan(variable._FillValue) else variable._FillValue in info.fill
            assert info.unit == getattr(variable, "units", "")
            assert info.scale == getattr(variable, "scale_factor", None)
        for key in oracle.ncattrs():
            if isinstance(oracle.getncattr(key), str):
                assert container.attributes[key] == oracle.getncattr(key).rstrip("\0")


def test_every_array_of_a_real_smap_file_is_read_as_stored(native: Path) -> None:
    path = only(native, "smap/*.h5")
    with Container.open(path) as container, h5py.File(path) as oracle:
        assert container.format == "HDF5"
        # Not `visititems`, which passes over arrays with two names.
        names = ["Soil_Moisture_Retrieval_Data/" + name for name in oracle["Soil_Moisture_Retrieval_Data"]]
        assert set(container.arrays) == set(names)
        for name in names:
            stored = oracle[name][...]
            values = container.read(name)
            if stored.dtype.kind == "S":
                assert values.tolist() == [text.decode() for text in stored]
                continue
            assert values.dtype == stored.dtype
            np.testing.assert_array_equal(values, stored)
            fill = oracle[name].attrs.get("_FillValue")
            assert container.arrays[name].fill == (() if fill is None else (float(np.ravel(fill)[0]),))
        extent = oracle["Metadata/Extent"].attrs
        begins = extent["rangeBeginningDateTime"]
        assert container.attributes["Metadata/Extent/rangeBeginningDateTime"] == begins
        info = container.arrays["Soil_Moisture_Retrieval_Data/surface_temperature"]
        limits = oracle["Soil_Moisture_Retrieval_Data/surface_temperature"].attrs
        assert info.unit == "Kelvins" and info.attributes["valid_max"] == limits["valid_max"]
        part = container.read("Soil_Moisture_Retrieval_Data/landcover_class", (100, 1), (7, 2))
        np.testing.assert_array_equal(part, oracle["Soil_Moisture_Retrieval_Data/landcover_class"][100:107, 1:3])


@pytest.mark.parametrize(("pattern", "fields"), [("modis/MOD11B2*.hdf", 19), ("modis/MOD13A2*.hdf", 3)])
def test_modis_fields_are_read_unscaled_with_their_georeference(native: Path, pattern: str, fields: int) -> None:
    path = only(native, pattern)
    with Container.open(path) as container:
        assert container.format == "HDF4" and len(container.arrays) == fields
        for key, text in gdal.Open(str(path)).GetSubDatasets():
            dataset = gdal.Open(key)
            name = "/".join(part.strip('"') for part in key.split('.hdf":')[1].split(":"))
            info = container.arrays[name]
            expected = dataset.ReadAsArray()
            if text.endswith("(8-bit integer)"):
                expected = expected.view(np.int8)
            values = container.read(name)
            assert values.dtype == expected.dtype == info.dtype
            np.testing.assert_array_equal(values, expected)
            np.testing.assert_array_equal(container.read(name, (3, 5), (2, 4)), expected[3:5, 5:9])
            assert info.grid is not None and info.grid.transform == dataset.GetGeoTransform()
            assert dataset.GetMetadataItem("long_name") == info.attributes["long_name"]


def test_modis_facts_that_recipes_rely_on(native: Path) -> None:
    with Container.open(only(native, "modis/MOD13A2*.hdf")) as container:
        name = container.find("*NDVI")
        assert name == "MODIS_Grid_16DAY_1km_VI/1 km 16 days NDVI"
        info = container.arrays[name]
        assert info.fill == (-3000.0,) and info.scale == 10000.0 and info.dtype == "int16"
        # Signed bytes: fill is -1, whether this GDAL knows signed bytes or not.
        reliability = container.arrays["MODIS_Grid_16DAY_1km_VI/1 km 16 days pixel reliability"]
        assert reliability.dtype == "int8" and reliability.fill == (-1.0,)
        # Written by a tool that keeps the producer's metadata as one text.
        assert container.attributes["LONGNAME"] == "MODIS/Terra Vegetation Indices 16-Day L3 Global 1km SIN Grid"
        assert container.attributes["NORTHBOUNDINGCOORDINATE"] == "60.0000009955098"
    with Container.open(only(native, "modis/MOD11B2*.hdf")) as container:
        assert container.attributes["RANGEBEGINNINGDATE"] == "2017-01-01"
        assert container.attributes["SHORTNAME"] == "MOD11B2"


def test_a_geotiff_band_is_an_array_named_by_its_description(native: Path) -> None:
    path = only(native, "mod13q1_qa/*A2010209*NDVI.tif")
    with Container.open(path) as container:
        assert list(container.arrays) == ["250m 16 days NDVI"] and container.format == "GTiff"
        dataset = gdal.Open(str(path))
        np.testing.assert_array_equal(
            container.read("250m 16 days NDVI", (500, 20), (30, 40)), dataset.ReadAsArray(20, 500, 40, 30)
        )
        info = container.arrays["250m 16 days NDVI"]
        assert info.fill == (-3000.0,) and info.unit == "NDVI" and info.dtype == "int16"
        assert container.attributes["RANGEBEGINNINGDATE"] == "2010-07-28"


# Files made here


def test_hdf5_types_attributes_scalars_and_strings(tmp_path: Path) -> None:
    path = tmp_path / "all.h5"
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "a title"
        file.attrs["latin"] = np.bytes_("café".encode("latin-1"))
        group = file.create_group("Data/Inner")
        group.attrs["level"] = 3
        group["int8"] = np.array([-128, -1, 127], np.int8)
        group["uint64"] = np.array([0, 2**63], np.uint64)
        group["big_endian"] = np.arange(5, dtype=">i2")
        file["scalar"] = 2.5
        file["text"] = "one text"
        file["texts"] = np.array(["x", "yé"], dtype=h5py.string_dtype())
        data = file.create_dataset("data", data=np.arange(12, dtype=np.float32).reshape(3, 4))
        data.attrs["_FillValue"] = np.float32(-9999.9)
        data.attrs["missing_value"] = np.float32([-1.0])
        data.attrs["scale_factor"], data.attrs["add_offset"], data.attrs["units"] = np.float32(0.5), 3, b"K"
        data.attrs["flags"] = np.array([b"a", b"bb"])
    with Container.open(path) as container:
        assert container.attributes["title"] == "a title" and container.attributes["latin"] == "café"
        assert container.attributes["Data/Inner/level"] == "3"
        assert container.read("Data/Inner/int8").tolist() == [-128, -1, 127]
        assert container.read("Data/Inner/uint64").tolist() == [0, 2**63]
        assert container.read("Data/Inner/big_endian", [1], [3]).tolist() == [1, 2, 3]
        assert container.read("scalar") == 2.5 and container.read("scalar").shape == ()
        assert container.read("text") == "one text" and container.read("texts").tolist() == ["x", "yé"]
        info = container.arrays["data"]
        assert info.fill == (float(np.float32(-9999.9)), -1.0)
        assert (info.scale, info.offset, info.unit) == (0.5, 3.0, "K") and info.attributes["flags"] == ["a", "bb"]
        stored = np.array([-9999.9, -1.0, np.nan, 5.0], np.float32)
        assert info.is_fill(stored).tolist() == [True, True, True, False]


def test_netcdf_text_alone_and_in_a_list_and_groups(tmp_path: Path) -> None:
    path = tmp_path / "expver.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("t", 3)
        file.createVariable("alone", str, ())[...] = "0005"
        listed = file.createVariable("listed", str, ("t",))
        for i, text in enumerate(("0001", "0001", "0005")):
            listed[i] = text
        file.createVariable("number", "i8", ())[...] = 2**40
        file.createGroup("PRODUCT").createVariable("sif", "f4", ("t",))[:] = [1, 2, 3]
    with Container.open(path) as container:
        assert container.read("alone") == "0005" and container.read("listed").tolist() == ["0001", "0001", "0005"]
        assert container.read("listed", [2], [1]).tolist() == ["0005"]
        assert container.read("number") == 2**40
        assert container.find("sif") == "PRODUCT/sif" and container.read("PRODUCT/sif").tolist() == [1, 2, 3]


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4"])
def test_packed_netcdf_is_not_unpacked_and_a_truncated_one_is_refused(tmp_path: Path, form: Any) -> None:
    path = tmp_path / f"{form}.nc"
    stored = np.random.default_rng(5).integers(-9000, 9000, (6, 50, 40)).astype(np.int16)
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.createDimension("time", None)
        file.createDimension("y", 50)
        file.createDimension("x", 40)
        file.history = "made here"
        file.createVariable("y", "f8", ("y",))[:] = np.arange(50)
        for name in ("a", "b"):
            variable = file.createVariable(name, "i2", ("time", "y", "x"), fill_value=-32767)
            variable.scale_factor, variable.add_offset, variable.missing_value = 0.01, 3.0, np.int16(-99)
            variable.set_auto_maskandscale(False)
            variable[:] = stored
    whole = path.read_bytes()
    with Container.open(path) as container:
        values = container.read("b")
        assert values.dtype == np.int16
        np.testing.assert_array_equal(values, stored)
        info = container.arrays["b"]
        assert (info.scale, info.offset, info.fill) == (0.01, 3.0, (-32767.0, -99.0))
    # One byte short of the data, half, and within the header.
    for size in (len(whole) - 4, len(whole) // 2, 60):
        cut = tmp_path / f"cut_{size}.nc"
        cut.write_bytes(whole[:size])
        with pytest.raises(BadFile, match="truncated"):
            Container.open(cut)


def test_a_netcdf3_file_without_records_or_of_one_record_variable_is_whole(tmp_path: Path) -> None:
    # The record of a lone variable is not padded to four bytes.
    for count in (0, 3):
        path = tmp_path / f"lone_{count}.nc"
        with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
            file.createDimension("time", None)
            file.createDimension("x", 5)
            variable = file.createVariable("v", "i1", ("time", "x"))
            for step in range(count):
                variable[step] = step + np.arange(5)
        with Container.open(path) as container:
            assert container.read("v").tolist() == [[step + i for i in range(5)] for step in range(count)]


def test_endings_do_not_decide_what_a_file_is(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "really_hdf5.hdf", "w") as file:
        file["v"] = np.arange(4)
    with netCDF4.Dataset(tmp_path / "netcdf4.hdf5", "w") as file:
        file.createDimension("lat", 3)
        file.createVariable("v", "f4", ("lat",))[:] = 1
    for name, dims in (("really_hdf5.hdf", ("dim0",)), ("netcdf4.hdf5", ("lat",))):
        with Container.open(tmp_path / name) as container:
            assert container.format == "HDF5" and container.arrays["v"].dims == dims


def test_bands_without_and_with_the_same_description(tmp_path: Path) -> None:
    path = tmp_path / "bands.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 4, 3, 4, gdal.GDT_Int16)
    for number, name in enumerate(("", "red", "red", "nir"), 1):
        band = dataset.GetRasterBand(number)
        band.WriteArray(np.full((3, 4), number, np.int16))
        band.SetDescription(name)
        band.SetScale(0.0001)
    dataset = band = None
    with Container.open(path) as container:
        assert list(container.arrays) == ["band_1", "red", "red_3", "nir"]
        assert [int(container.read(name)[0, 0]) for name in container.arrays] == [1, 2, 3, 4]
        assert container.arrays["red"].scale == 0.0001 and container.arrays["red"].grid is None


def test_hdf4_files_of_one_data_set(tmp_path: Path) -> None:
    driver = gdal.GetDriverByName("HDF4Image")
    if driver is None:
        pytest.skip("this GDAL has no HDF4 driver")
    path = tmp_path / "plain.hdf"
    values = np.arange(600, dtype=np.int16).reshape(20, 30)
    dataset = driver.Create(str(path), 30, 20, 1, gdal.GDT_Int16)
    dataset.GetRasterBand(1).WriteArray(values)
    dataset = None
    with Container.open(path) as container:
        assert container.format == "HDF4" and len(container.arrays) == 1
        np.testing.assert_array_equal(container.read(next(iter(container.arrays))), values)
    stacked = tmp_path / "stacked.hdf"
    dataset = driver.Create(str(stacked), 30, 20, 3, gdal.GDT_Int16)
    for number in range(3):
        dataset.GetRasterBand(number + 1).WriteArray(values + 1000 * number)
    dataset = None
    with Container.open(stacked) as container:
        name = next(iter(container.arrays))
        assert container.arrays[name].shape == (3, 20, 30)
        np.testing.assert_array_equal(container.read(name, (1, 4, 5), (2, 3, 6)), np.stack(
            [values[4:7, 5:11] + 1000, values[4:7, 5:11] + 2000]
        ))  # fmt: skip


def test_find_tries_alternatives_in_order_and_full_paths_before_last_parts(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name in ("AM/soil_moisture", "PM/soil_moisture", "AM/soil_moisture_dca"):
            file[name] = np.zeros(2)
    with Container.open(tmp_path / "f.h5") as container:
        assert container.find("soil_moisture") == "AM/soil_moisture"
        assert container.find("PM/*") == "PM/soil_moisture" == container.find("/PM/soil_moisture")
        assert container.find("absent|soil_moisture_d*|soil_moisture") == "AM/soil_moisture_dca"
        assert container.find("SOIL_MOISTURE") is None


def test_reading_outside_an_array_or_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["v"] = np.zeros((3, 4))
    with Container.open(tmp_path / "f.h5") as container:
        with pytest.raises(ValueError):
            container.read("v", (0, 0), (4, 4))
        with pytest.raises(ValueError):
            container.read("v", (0,), (1,))
        with pytest.raises(KeyError):
            container.read("w")


# Slabs


def counted(file: Path, budget: int) -> tuple[Container, list[tuple[Any, Any]]]:
    container = Container.open(file, SlabCache(budget))
    loads: list[tuple[Any, Any]] = []
    read = container._source.read

    def spy(name: str, start: tuple[int, ...], count: tuple[int, ...]) -> Any:
        loads.append((start, count))
        return read(name, start, count)

    container._source.read = spy  # type: ignore[method-assign]
    return container, loads


def test_a_chunk_of_many_time_steps_is_decompressed_once(tmp_path: Path) -> None:
    path = tmp_path / "era5.nc"
    values = np.random.default_rng(1).random((24, 40, 50)).astype(np.float32)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(("time", "lat", "lon"), values.shape):
            file.createDimension(name, size)
        file.createVariable("v", "f4", ("time", "lat", "lon"), zlib=True, chunksizes=values.shape)[:] = values
    container, loads = counted(path, 2**20)
    with container:
        for row in range(0, 40, 8):
            for step in range(24):
                np.testing.assert_array_equal(
                    container.read("v", (step, row, 10), (1, 8, 30))[0], values[step, row : row + 8, 10:40]
                )
        assert len(loads) == 1
        # What is handed out may be changed without harm.
        container.read("v", (0, 0, 0), (1, 2, 2))[:] = -1
        np.testing.assert_array_equal(container.read("v", (0, 0, 0), (1, 2, 2))[0], values[0, :2, :2])
    # 192 kB do not fit a quarter of 128 kB: strips then, all times of each at once.
    container, loads = counted(path, 2**17)
    with container:
        for row in range(0, 40, 4):
            for step in range(24):
                np.testing.assert_array_equal(
                    container.read("v", (step, row, 0), (1, 4, 50))[0], values[step, row : row + 4]
                )
        assert 1 < len(loads) <= 10
        assert all(np.prod(count) * 4 <= 2**15 for _, count in loads)


def test_hdf5_chunks_are_known_and_read_once(tmp_path: Path) -> None:
    path = tmp_path / "l4.h5"
    values = np.random.default_rng(2).random((60, 80)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("g/one", data=values, chunks=(60, 80), compression="gzip")
        file.create_dataset("g/tiles", data=values, chunks=(20, 30), compression="gzip")
        file.create_dataset("g/plain", data=values)
    container, loads = counted(path, 2**20)
    with container:
        assert container.arrays["g/tiles"].chunk == (20, 30) and container.arrays["g/plain"].chunk is None
        for name in ("g/one", "g/tiles", "g/plain"):
            for height in (5, 7, 13, 33):
                loads.clear()
                container._cache.drop(container._number)
                for row in range(0, 60, height):
                    part = container.read(name, (row, 0), (min(height, 60 - row), 80))
                    np.testing.assert_array_equal(part, values[row : row + height])
                # Each chunk once, wherever strips end.
                assert sum(int(np.prod(count)) for _, count in loads) == 60 * 80, (name, height)


def test_slab_windows_cover_what_is_asked_for_within_the_budget() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        ndim = int(rng.integers(1, 5))
        shape = tuple(int(n) for n in rng.integers(1, 40, ndim))
        chunk = tuple(int(rng.integers(1, n + 1)) for n in shape)
        start = tuple(int(rng.integers(0, n)) for n in shape)
        count = tuple(int(rng.integers(1, n - s + 1)) for s, n in zip(start, shape))
        most = int(rng.integers(1, 5000))
        low, size = slab_window(start, count, shape, chunk, most)
        assert all(a <= s and s + n <= a + m <= whole for a, m, s, n, whole in zip(low, size, start, count, shape))
        assert np.prod(size) <= most or (low, size) == (start, count)


def test_the_cache_keeps_within_its_budget_and_forgets_closed_files(tmp_path: Path) -> None:
    cache = SlabCache(40_000)
    values = np.zeros((10, 100), np.float32)

    def load(start: tuple[int, ...], count: tuple[int, ...]) -> Any:
        return values[: count[0], : count[1]]

    for number in range(30):
        cache.read((number, "v"), (0, 0), (1, 100), (10, 100), (10, 100), 4, load)
        assert sum(held.nbytes for _, held in cache._slabs.values()) <= 40_000
    cache.drop(29)
    assert all(owner != 29 for owner, _ in cache._slabs) and cache._slabs


# What is said of files that are no data


@pytest.mark.parametrize("name", ["SMAP_L4.h5", "MOD13A2.hdf", "era5.nc", "chirps.tif"])
def test_a_web_page_saved_under_the_name_of_a_product(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("\n<!DOCTYPE html>\n<html><title>Earthdata Login</title></html>")
    with pytest.raises(BadFile, match=rf"^{name}: this is a web page, not an? .*logged in") as caught:
        Container.open(path)
    assert isinstance(caught.value, InputError) and caught.value.path == str(path)


def test_sentences_for_files_that_are_not_data(tmp_path: Path) -> None:
    cases: dict[str, tuple[bytes, str]] = {
        "empty.nc": (b"", "is empty"),
        "error.nc": (b'{"error": "not authorised"}', "text message"),
        "error.h5": (b"<?xml version='1.0'?><Error>denied</Error>", "text message"),
        "zeros.h5": (bytes(9000), "nothing but zeros"),
        "noise.hdf": (np.random.default_rng(1).bytes(3000), "does not recognise"),
        "cut.hdf": (b"\x0e\x03\x13\x01" + bytes(200), "truncated or damaged"),
    }
    for name, (content, sentence) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadFile, match=sentence) as caught:
            Container.open(tmp_path / name)
        assert str(caught.value).count("\n") == 0 and str(caught.value).endswith(".")
    with pytest.raises(BadFile, match="no such file"):
        Container.open(tmp_path / "absent.nc")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_truncated_hdf5_file_is_told_by_its_size(tmp_path: Path, libver: str) -> None:
    path = tmp_path / "whole.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file["v"] = np.arange(5000)
    whole = path.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(BadFile, match=f"{len(whole) * 2 // 3:,} of {len(whole):,} bytes"):
        Container.open(cut)


def test_data_damaged_inside_a_file_are_named_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "v", data=np.random.default_rng(1).random((50, 60)), chunks=(50, 60), compression="gzip"
        )
        offset = data.id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as raw:
        raw.seek(offset + 500)
        raw.write(b"\xff" * 2000)
    with Container.open(path) as container, pytest.raises(BadFile, match="^damaged.h5: v cannot be read"):
        container.read("v")


def test_a_truncated_geotiff_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 200, 200, 1, gdal.GDT_Float32)
    dataset.GetRasterBand(1).WriteArray(np.random.default_rng(1).random((200, 200)))
    dataset = None
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFile, match="cut.tif"), Container.open(path) as container:
        container.read("band_1")


def test_a_missing_hdf4_driver_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "MOD13A2.hdf"
    path.write_bytes(b"\x0e\x03\x13\x01" + struct.pack(">HI", 4, 0))
    known = gdal.GetDriverByName
    monkeypatch.setattr(gdal, "GetDriverByName", lambda name: None if name.startswith("HDF4") else known(name))
    with pytest.raises(BadFile, match="no HDF4 driver.*python3-gdal.*gdal-hdf4.*libgdal-hdf4"):
        Container.open(path)


@pytest.mark.parametrize(("absent", "used"), [("netCDF", "HDF5"), ("HDF5", "netCDF")])
def test_one_driver_stands_in_for_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str, used: str
) -> None:
    path = tmp_path / ("v.nc" if absent == "netCDF" else "v.h5")
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("lat", 4)
        file.createVariable("v", "f4", ("lat",))[:] = np.arange(4)
    known = gdal.GetDriverByName
    monkeypatch.setattr(gdal, "GetDriverByName", lambda name: None if name == absent else known(name))
    with Container.open(path) as container:
        assert container.format == used and container.read("v").tolist() == [0, 1, 2, 3]
        assert container.arrays["v"].dims == ("lat",)
    monkeypatch.setattr(gdal, "GetDriverByName", lambda name: None if name in ("netCDF", "HDF5") else known(name))
    with pytest.raises(BadFile, match="this GDAL has no"):
        Container.open(path)


def test_the_projection_that_a_netcdf_file_names_is_found(tmp_path: Path) -> None:
    path = tmp_path / "utm.nc"
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32633)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("y", 3), ("x", 4)):
            file.createDimension(name, size)
            variable = file.createVariable(name, "f8", (name,))
            variable[:] = 1000.0 * np.arange(size)
            variable.units, variable.standard_name = "m", f"projection_{name}_coordinate"
        mapping = file.createVariable("crs", "i4", ())
        mapping.crs_wkt = mapping.spatial_ref = reference.ExportToWkt()
        mapping.grid_mapping_name = "transverse_mercator"
        data = file.createVariable("v", "f4", ("y", "x"))
        data[:] = 0
        data.grid_mapping = "crs"
    with Container.open(path) as container:
        found = osr.SpatialReference()
        found.ImportFromWkt(container.arrays["v"].crs_wkt)
        assert found.IsSame(reference, ["IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES"])
