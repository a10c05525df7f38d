"""Stacks: what is written comes back, foreign rasters are understood, failed writes leave nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import Period, day, month_of
from soilmoisture.core.raster.stack import TARGET, Band, Stack, StackWriter, opened, small_block_cache

GRID = ease_grid(9, 188, 876, 6, 7)
MAY, JUNE = month_of(dt.date(2019, 5, 1)), month_of(dt.date(2019, 6, 1))
LOWEST = float(np.finfo(np.float32).min)
DEKAD = Period(dt.date(2019, 5, 1), dt.date(2019, 5, 11))


def raster(
    path: Path,
    arrays: list[Any],
    kind: int = gdal.GDT_Float32,
    nodata: float | None = None,
    names: tuple[str, ...] = (),
    driver: str = "GTiff",
) -> Path:
    """A raster as other programs write them."""
    dataset = gdal.GetDriverByName(driver).Create(str(path), GRID.cols, GRID.rows, len(arrays), kind)
    dataset.SetGeoTransform(GRID.transform)
    dataset.SetProjection(GRID.crs_wkt)
    for number, array in enumerate(arrays, 1):
        band = dataset.GetRasterBand(number)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        if names:
            band.SetDescription(names[number - 1])
        band.WriteArray(np.broadcast_to(np.asarray(array), GRID.shape))
    return path


def written(path: Path, bands: list[Band], **options: Any) -> Path:
    with StackWriter(path, GRID, bands, **options) as out:
        for number in range(1, len(bands) + 1):
            out.write(number, np.full(GRID.shape, float(number)))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_everything_written_comes_back(tmp_path: Path) -> None:
    bands = [
        Band("lst", MAY, "K"),
        Band("lst", JUNE, "K"),
        Band("clay", None, "%"),
        Band("ndvi day 2", DEKAD),
        Band("smap.sm-1", MAY, "m3/m3", TARGET),
    ]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, *GRID.shape)).astype(np.float32)
    values[:, 2, 3] = np.nan
    with StackWriter(tmp_path / "s.tif", GRID, bands, {"FOOTPRINT_KM": "30"}) as out:
        for number in range(5):
            out.write(number + 1, values[number, :3])
            out.write(number + 1, values[number, 3:, :4], 3)
            out.write(number + 1, values[number, 3:, 4:], 3, 4)
        out.tag(1, {"NOTE": "from MOD11A2"})
    with Stack.open(tmp_path / "s.tif") as stack:
        assert stack.bands == tuple(bands)
        assert stack.grid.same_as(GRID) and stack.grid.crs_name == "EPSG:6933"
        assert stack.tags["FOOTPRINT_KM"] == "30"
        assert stack.periods == [DEKAD, MAY, JUNE]
        assert stack.target_name == "smap.sm-1" and stack.target_periods == [MAY]
        assert stack.factor_names == ["lst", "clay", "ndvi day 2"]
        assert stack.unit("lst") == "K" and stack.unit("ndvi day 2") == "" and stack.unit("none") == ""
        assert stack.nodata(1) == -9999.0 and set(stack.data_types) == {"Float32"}
        for number in range(5):
            read = stack.read(number + 1)
            assert read.dtype == np.float64
            np.testing.assert_array_equal(read, values[number])
        np.testing.assert_array_equal(stack.read(2, 1, 2, 3, 4), values[1, 1:3, 3:7])
        np.testing.assert_array_equal(stack.read(2, 4), values[1, 4:])
    dataset = gdal.Open(str(tmp_path / "s.tif"))
    tags = dataset.GetRasterBand(5).GetMetadata()
    assert tags == {"ROLE": "target", "PERIOD_START": "2019-05-01", "PERIOD_END": "2019-06-01"}
    assert dataset.GetRasterBand(1).GetMetadata()["NOTE"] == "from MOD11A2"
    assert dataset.GetRasterBand(3).GetMetadata() == {"STATIC": "YES"}


def test_bands_are_found_by_name_and_period_in_any_order(tmp_path: Path) -> None:
    bands = [Band("lst", JUNE), Band("clay"), Band("lst", MAY), Band("slope"), Band("slope", JUNE)]
    with Stack.open(written(tmp_path / "s.tif", bands)) as stack:
        assert (stack.index("lst", MAY), stack.index("lst", JUNE)) == (3, 1)
        assert stack.index("clay", MAY) == stack.index("clay", None) == 2, "a static band holds in every period"
        assert (stack.index("slope", JUNE), stack.index("slope", MAY)) == (5, 4)
        assert stack.has("lst", MAY) and not stack.has("lst", None) and not stack.has("lst", DEKAD)
        with pytest.raises(InputError, match=r"^s has no band 'ndvi' for 2019-05; it has lst, clay, slope\.$"):
            stack.index("ndvi", MAY)
        with pytest.raises(InputError, match=r"no band 'lst' for 2019-05-01/2019-05-11; .* for 2019-06, 2019-05\.$"):
            stack.index("lst", DEKAD)
        with pytest.raises(InputError, match=r"no band 'lst' that holds for all time; it has that band for"):
            stack.index("lst", None)


def test_long_lists_of_bands_are_cut(tmp_path: Path) -> None:
    with Stack.open(written(tmp_path / "s.tif", [Band(f"factor{n}") for n in range(40)])) as stack:
        with pytest.raises(InputError, match="factor11 and 28 more"):
            stack.index("other", None)


def test_undated_targets(tmp_path: Path) -> None:
    with Stack.open(written(tmp_path / "s.tif", [Band("sm", role=TARGET), Band("clay")])) as stack:
        assert stack.target_periods == [None] and stack.factor_names == ["clay"]
    with Stack.open(written(tmp_path / "t.tif", [Band("clay")])) as stack:
        assert stack.target_periods == [] and stack.target_name is None


@pytest.mark.parametrize(
    ("kind", "nodata", "stored", "expected"),
    [
        (gdal.GDT_Float32, -9999.0, [-9999.0, 0.25, np.inf, np.nan], [np.nan, 0.25, np.nan, np.nan]),
        (gdal.GDT_Float32, None, [-9999.0, 0.25, -np.inf, np.nan], [-9999.0, 0.25, np.nan, np.nan]),
        (gdal.GDT_Float32, np.nan, [np.nan, 0.25, 0.0, 1.0], [np.nan, 0.25, 0.0, 1.0]),
        (gdal.GDT_Float32, -3.4e38, [-3.4e38, 0.25, LOWEST, 1.0], [np.nan, 0.25, np.nan, 1.0]),
        (gdal.GDT_Float32, -3.40282e38, [LOWEST, 0.25, 3.4e38, 1.0], [np.nan, 0.25, 3.4e38, 1.0]),
        (gdal.GDT_Float32, 3.40282e38, [-LOWEST, 0.25, -3.4e38, 1.0], [np.nan, 0.25, -3.4e38, 1.0]),
        (gdal.GDT_Float32, 1e20, [1e20, 0.25, 0.0, 1.0], [np.nan, 0.25, 0.0, 1.0]),
        (gdal.GDT_Float32, -0.1, [-0.1, 0.25, 0.0, 1.0], [np.nan, 0.25, 0.0, 1.0]),
        (gdal.GDT_Float64, -9999.9, [-9999.9, 0.25, -9999.0, 1.0], [np.nan, 0.25, -9999.0, 1.0]),
        (gdal.GDT_Int16, -3000, [-3000, 250, 0, 1], [np.nan, 250, 0, 1]),
        (gdal.GDT_UInt16, 65535, [65535, 250, 0, 1], [np.nan, 250, 0, 1]),
        (gdal.GDT_Byte, 255, [255, 250, 0, 1], [np.nan, 250, 0, 1]),
        # -9999 does not fit a byte; wrapped round it would be 241.
        (gdal.GDT_Byte, -9999, [241, 250, 0, 1], [241, 250, 0, 1]),
        (gdal.GDT_Int32, -2147483648, [-2147483648, 250, 0, 1], [np.nan, 250, 0, 1]),
        (gdal.GDT_UInt32, 4294967295, [4294967295, 250, 0, 1], [np.nan, 250, 0, 1]),
    ],
)
def test_nodata_of_every_type(tmp_path: Path, kind: int, nodata: float | None, stored: Any, expected: Any) -> None:
    values = np.zeros(GRID.shape)
    values[0, :4] = stored
    with Stack.open(raster(tmp_path / "r.tif", [values], kind, nodata)) as stack:
        np.testing.assert_allclose(stack.read(1)[0, :4], expected, rtol=1e-6)
        assert (stack.read(1)[1:] == 0).all()


def test_each_band_has_its_own_nodata_scale_and_offset(tmp_path: Path) -> None:
    """As MODIS LST is stored: 0.02 K per count; the nodata value is a stored one."""
    path = tmp_path / "r.vrt"
    raster(tmp_path / "r.tif", [np.arange(42).reshape(6, 7), np.arange(42).reshape(6, 7)], gdal.GDT_UInt16)
    dataset = gdal.GetDriverByName("VRT").CreateCopy(str(path), gdal.Open(str(tmp_path / "r.tif")))
    first, second = dataset.GetRasterBand(1), dataset.GetRasterBand(2)
    first.SetNoDataValue(0)
    first.SetScale(0.02)
    first.SetOffset(-273.15)
    second.SetNoDataValue(7)
    del first, second, dataset
    with Stack.open(path) as stack:
        lst, other = stack.read(1), stack.read(2)
    counts = np.arange(42.0).reshape(6, 7)
    np.testing.assert_allclose(lst, np.where(counts == 0, np.nan, counts * 0.02 - 273.15))
    np.testing.assert_array_equal(other, np.where(counts == 7, np.nan, counts))


def test_a_mask_of_the_dataset_hides_its_pixels(tmp_path: Path) -> None:
    path = raster(tmp_path / "r.tif", [np.ones(GRID.shape)])
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    mask = np.full(GRID.shape, 255, np.uint8)
    mask[2, 3] = 0
    dataset.GetRasterBand(1).GetMaskBand().WriteArray(mask)
    del dataset
    with Stack.open(path) as stack:
        assert np.argwhere(np.isnan(stack.read(1))).tolist() == [[2, 3]]


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    with Stack.open(raster(tmp_path / "slc.tif", [np.ones(GRID.shape)], gdal.GDT_CFloat32)) as stack:
        with pytest.raises(InputError, match="Band 1 of slc holds complex numbers"):
            stack.read(1)


@pytest.mark.parametrize(
    ("file", "names", "expected"),
    [
        ("smap_l3e_20190417_D.tif", (), [("smap_l3e_D", "2019-04-17")]),
        ("smap_l3e_20190417_D.tif", ("soil_moisture",), [("soil_moisture", "2019-04-17")]),
        ("MOD13Q1.A2010209.250m_16_days_NDVI.tif", (), [("MOD13Q1_250m_16_days_NDVI", "2010-07-28")]),
        ("chirps-v2.0.2010.06.tif", (), [("chirps_v2_0", "2010-06")]),
        ("series.tif", ("2019-05", "ndvi 2019-06", "lst_20190703"), None),
        ("dem.tif", (), [("dem", None)]),
        ("2019-05.tif", (), [("2019-05", "2019-05")]),
        ("two.tif", ("", ""), [("two_band1", None), ("two_band2", None)]),
    ],
)
def test_foreign_rasters_get_names_and_dates(tmp_path: Path, file: str, names: tuple[str, ...], expected: Any) -> None:
    path = raster(tmp_path / file, [0] * max(1, len(names)), names=names)
    if expected is None:
        expected = [("series", "2019-05"), ("ndvi", "2019-06"), ("lst", "2019-07-03")]
    with Stack.open(path) as stack:
        assert [(b.name, b.period.label if b.period else None) for b in stack.bands] == expected


def test_dates_in_metadata_come_before_dates_in_names(tmp_path: Path) -> None:
    path = raster(tmp_path / "ndvi_20190101.tif", [0, 0, 0], names=("a", "b", "c 2019-03-01"))
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetMetadata({"PERIOD_START": "2019-05-01", "PERIOD_END": "2019-06-01"})
    dataset.GetRasterBand(1).SetMetadata({"PERIOD_START": "2019-06-01T00:00:00Z", "PERIOD_END": "2019-06-30T23:59:59Z"})
    dataset.GetRasterBand(2).SetMetadata({"STATIC": "YES"})
    del dataset
    with Stack.open(path) as stack:
        assert stack.bands == (Band("a", JUNE), Band("b"), Band("c", MAY))


def test_a_period_that_is_none_names_the_layer(tmp_path: Path) -> None:
    path = raster(tmp_path / "ndvi.tif", [0])
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetMetadata({"PERIOD_START": "last May"})
    del dataset
    with pytest.raises(InputError, match="^ndvi: The period 'last May' to 'last May' is not a pair of ISO dates"):
        Stack.open(path)


def test_netcdf_variables_are_named_for_the_variable(shared_data: Path) -> None:
    path = next((shared_data / "native_products" / "cgls_1km").glob("*SSM1km*.nc"))
    with Stack.open(f'NETCDF:"{path}":ssm') as stack:
        assert stack.name == "ssm" and [band.name for band in stack.bands] == ["ssm"]
        assert stack.grid.is_geographic and np.isfinite(stack.read(1, 0, 50)).any()


def test_real_smap_layers_carry_their_names_and_dates(shared_data: Path) -> None:
    folder = shared_data / "smapvex16_manitoba" / "coarse_smap9km_2019"
    with Stack.open(folder / "smap_l3e_20190417_D.tif") as stack:
        assert stack.bands[0] == Band("soil_moisture", day(dt.date(2019, 4, 17)), stack.bands[0].unit)
        values = stack.read(1)
        assert np.nanmin(values) > 0 and np.nanmax(values) < 0.7


def test_reading_changes_no_file(tmp_path: Path) -> None:
    path = raster(tmp_path / "in.tif", [np.ones(GRID.shape)], nodata=-9999.0)
    path.chmod(0o444)
    before = digest(path), path.stat().st_mtime_ns
    with Stack.open(path) as stack:
        stack.read(1)
    assert (digest(path), path.stat().st_mtime_ns) == before
    assert os.listdir(tmp_path) == ["in.tif"]


def test_threads_read_the_same(tmp_path: Path) -> None:
    with StackWriter(tmp_path / "s.tif", GRID, [Band(f"f{n}") for n in range(8)]) as out:
        for number in range(8):
            out.write(number + 1, np.random.default_rng(number).random(GRID.shape).astype(np.float32))
    with Stack.open(tmp_path / "s.tif") as stack, ThreadPoolExecutor(4) as pool:
        for number, read in enumerate(pool.map(lambda n: stack.read(n % 8 + 1), range(64))):
            np.testing.assert_array_equal(read, np.random.default_rng(number % 8).random(GRID.shape).astype(np.float32))


def test_a_closed_stack_is_a_defect_of_the_program(tmp_path: Path) -> None:
    with Stack.open(written(tmp_path / "s.tif", [Band("a")])) as stack:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        stack.read(1)


def test_a_damaged_file_is_a_sentence_when_read(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    with StackWriter(path, GRID, [Band("a")]) as out:
        out.write(1, np.random.default_rng(0).random(GRID.shape))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 100])
    with pytest.raises(InputError) as caught, Stack.open(path) as stack:
        stack.read(1)
    assert "s.tif" in str(caught.value) and "\n" not in str(caught.value)


def test_flags_are_stored_as_bytes(tmp_path: Path) -> None:
    with StackWriter(tmp_path / "q.tif", GRID, [Band("quality", MAY)], dtype="uint8", nodata=255) as out:
        out.write(1, np.arange(42, dtype=np.uint8).reshape(6, 7))
        out.write(1, np.array([[np.nan, 3.0]]), 5, 0)
    with Stack.open(tmp_path / "q.tif") as stack:
        assert stack.data_types == ("Byte",)
        assert np.isnan(stack.read(1)[5, 0]) and stack.read(1)[5, 1] == 3 and stack.read(1)[0, 6] == 6


def test_a_nodata_value_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8 cannot hold"):
        StackWriter(tmp_path / "q.tif", GRID, [Band("quality")], dtype="uint8")


@pytest.mark.parametrize("kind", [ValueError, Cancelled])
def test_a_failed_write_leaves_nothing(tmp_path: Path, kind: type[Exception]) -> None:
    (tmp_path / "s.tif").write_bytes(b"old")
    with pytest.raises(kind), StackWriter(tmp_path / "s.tif", GRID, [Band("a")]) as out:
        out.write(1, np.ones(GRID.shape))
        raise kind()
    assert os.listdir(tmp_path) == ["s.tif"] and (tmp_path / "s.tif").read_bytes() == b"old"


def test_an_unwritable_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written .*: choose another folder"):
        written(tmp_path / "file" / "s.tif", [Band("a")])


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to set")
def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk."""
    conftest = Path(__file__).resolve().parents[2] / "conftest.py"
    program = f"""
import resource, runpy, sys
import numpy as np
runpy.run_path({str(conftest)!r})
from soilmoisture.core.errors import InputError
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.stack import Band, StackWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
grid = ease_grid(1, 0, 0, 700, 700)
try:
    with StackWriter({str(tmp_path / "s.tif")!r}, grid, [Band("a"), Band("b")]) as out:
        for number in (1, 2):
            out.write(number, np.random.default_rng(0).random(grid.shape))
except InputError as error:
    print("SENTENCE", error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    lines = [line for line in run.stdout.splitlines() if line.startswith("SENTENCE")]
    assert len(lines) == 1 and "s.tif cannot be written (is the disk full?)" in lines[0], run.stdout + run.stderr
    assert os.listdir(tmp_path) == []


def test_opened_closes_what_it_opened(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.tif", [Band("a")]) for n in range(3)]
    with opened(paths) as stacks:
        assert [stack.name for stack in stacks] == ["0", "1", "2"]
    for stack in stacks:
        with pytest.raises(RuntimeError, match="closed"):
            stack.read(1)
    with pytest.raises(InputError), opened([*paths, tmp_path / "none.tif"]):
        pytest.fail("the block must not begin")


def test_bytes_of_the_blocks_along_a_row(tmp_path):
    grid = ease_grid(9, 188, 876, 600, 900)
    with StackWriter(tmp_path / "a.tif", grid, [Band("a"), Band("b")], dtype="uint8", nodata=255) as out:
        out.write(1, np.zeros(grid.shape))
    with Stack.open(tmp_path / "a.tif") as stack:
        assert stack.block_row_bytes(2) == 256 * 900


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_disk_that_is_full_while_a_file_is_closed_is_told_in_one_sentence(tmp_path):
    script = f"""
import resource, signal, numpy as np
from soilmoisture.core.errors import InputError
from soilmoisture.core.raster.grid import Grid
from soilmoisture.core.raster.stack import Band, StackWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with StackWriter({str(tmp_path / "a.tif")!r}, Grid("", (0, 1, 0, 900, 0, -1), 600, 900), [Band("a")]) as out:
        out.write(1, np.random.default_rng(0).random((600, 900)))
except InputError as error:
    print(error)
"""
    package = Path(__file__).resolve().parents[3] / "benchmarks"
    code = f"import sys; sys.path.insert(0, {str(package)!r}); import package\n{script}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "a.tif cannot be written (is the disk full?)" in done.stdout
    assert done.returncode == 0 and "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_block_cache_is_small_inside_and_as_before_outside() -> None:
    before = gdal.GetCacheMax()
    with pytest.raises(ValueError), small_block_cache(16):
        assert gdal.GetCacheMax() <= 16 * 2**20
        raise ValueError
    assert gdal.GetCacheMax() == before


def test_writing_from_threads(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((4, *GRID.shape)).astype(np.float32)
    with StackWriter(tmp_path / "s.tif", GRID, [Band(f"f{n}") for n in range(4)]) as out:
        jobs = [threading.Thread(target=out.write, args=(n + 1, values[n])) for n in range(4)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
    with Stack.open(tmp_path / "s.tif") as stack:
        np.testing.assert_array_equal([stack.read(n + 1) for n in range(4)], values)


def test_numbers_in_the_metadata(tmp_path: Path) -> None:
    grid = ease_grid(9, 300, 3000, 2, 2)
    tags = {"WIDTH": "30", "TEXT": "wide", "BELOW": "-3", "NONE": "nan"}
    with StackWriter(tmp_path / "s.tif", grid, [Band("a")], tags) as out:
        out.write(1, np.ones(grid.shape))
    with Stack.open(tmp_path / "s.tif") as stack:
        assert stack.number("WIDTH") == 30.0 and stack.number("ABSENT") is None
        for tag in ("TEXT", "BELOW", "NONE"):
            with pytest.raises(InputError, match=f"s carries {tag}=.* no positive number"):
                stack.number(tag)
