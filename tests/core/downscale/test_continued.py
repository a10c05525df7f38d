"""Downscaling as a run of parts: the same bytes however it is run, and after any interruption."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.atomic import os as atomic_os
from soilmoisture.core.downscale import first_pass, product, run
from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale
from soilmoisture.core.errors import InputError
from soilmoisture.core.model.applicability import Applicability
from soilmoisture.core.model.form import ANOMALIES, CONTRASTS, VALUES
from soilmoisture.core.model.uncertainty import CONSTANT, HeldOut, Uncertainty
from soilmoisture.core.raster import tiles
from soilmoisture.core.raster.grid import Grid
from soilmoisture.core.raster.running import COG, GEOTIFF, ZSTD, Running
from soilmoisture.core.raster.stack import Stack

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("product.tif", "quality.tif", "index.tif", "interval.tif")


def with_trust(model):
    rng = np.random.default_rng(3)
    area = Applicability.from_training(rng.normal(size=(60, 3)) * 0.7, np.arange(60) % 4, np.array([0.6, 0.3, 0.1]))[0]
    error = rng.normal(0, 0.02, 100)
    held = HeldOut(
        0.05 + error, np.full(100, 0.05), error, (np.arange(100) % 5).astype(np.int32), np.ones((100, 1), np.float32)
    )
    return replace(model, applicability=area, uncertainty=Uncertainty(CONSTANT, held))


def odd(one, seed=1):
    """Holes, infinities and the nodata value itself, in places of their own for every factor."""
    rng = np.random.default_rng(seed)
    where = rng.random(one.x.shape)
    for k, value in enumerate((np.nan, np.inf, -np.inf, -9999.0)):
        one.x[(where > 0.02 * k) & (where < 0.02 * (k + 1))] = value
    one.z[0, -1, -1] = np.nan
    return one


def call(one, model, folder, **more):
    """The bytes of the four files of a run, and its result."""
    folder.mkdir(exist_ok=True)
    options = DownscaleOptions(**{"detail_gain": 0.8, "bounds": (0.1, 0.4), **more.pop("options", {})})
    paths = one.folder / "fine.tif", one.folder / "coarse.tif"
    outputs = [folder / name for name in NAMES]
    running = Running(**more)
    result = downscale(model, *paths, *outputs[:2], options, None, *outputs[2:], running)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    return [path.read_bytes() for path in outputs], result


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(tiles, "PIXELS", 60)
    monkeypatch.setattr(first_pass, "_AT_ONCE", 25)
    monkeypatch.setattr(product, "_AT_ONCE", 40)


CASES = [
    (VALUES, "multiplicative", None, 0),
    (CONTRASTS, "additive", None, 0),
    (ANOMALIES, "none", None, 0.3),
    (ANOMALIES, "additive", 30.0, 0),
    (VALUES, "additive", None, 0.4),
]


@pytest.mark.parametrize("kind, conserve, footprint, shift", CASES)
def test_threads_and_memory_change_no_byte(world, tmp_path, small_parts, kind, conserve, footprint, shift):
    one = world(7, 5, 4, 2, seed=5)
    model = with_trust(one.model(kind, 0.8, intercept=0.5))
    odd(one)
    if footprint:
        one.tags = {"FOOTPRINT_KM": str(footprint)}
    one.write()
    if shift:
        # A coarse grid that does not nest: its rows end within parts.
        left, width, _, top, _, height = one.coarse.transform
        moved = Grid(
            one.coarse.crs_wkt, (left + shift * width, width, 0, top + shift * height, 0, height), *one.coarse.shape
        )
        data = gdal.Open(str(one.folder / "coarse.tif"), gdal.GA_Update)
        data.SetGeoTransform(moved.transform)
        data = None
    more = {"options": {"conserve": conserve, "outside": True}}
    expected, result = call(one, model, tmp_path / "a", threads=1, memory_mib=64, **more)
    assert result.totals["pixels"] > 300
    for number, (threads, memory) in enumerate(((1, 1024), (2, 256), (4, 64), (4, None))):
        made, again = call(one, model, tmp_path / f"b{number}", threads=threads, memory_mib=memory, **more)
        assert made == expected
        assert [p.fine_mean for p in again.periods] == [p.fine_mean for p in result.periods]
        assert again.outside_training == result.outside_training


class Stop(Exception):
    """As sudden as a kill."""


@pytest.mark.parametrize("where", [1, 9, 13, 24, 30, 44, 54])
def test_a_run_that_is_broken_off_goes_on_to_the_same_bytes(world, tmp_path, monkeypatch, small_parts, where):
    one = world(6, 5, 4, 3, seed=6)
    model = with_trust(one.model(ANOMALIES))
    odd(one).write()
    expected, result = call(one, model, tmp_path / "whole", threads=2)
    functions = {
        (first_pass, "field_part"): first_pass.field_part,
        (product, "product_part"): product.product_part,
        (product, "detail_part"): product.detail_part,
    }
    calls: list[str] = []
    for (module, name), function in functions.items():

        def counted(common, part, function=function, name=name):
            calls.append(part.name)
            if len(calls) == where:
                raise Stop
            return function(common, part)

        monkeypatch.setattr(module, name, counted)
    folder = tmp_path / "broken"
    with pytest.raises(Stop):
        call(one, model, folder, threads=1)
    before, calls[:] = set(calls[: where - 1]), []
    where = 10**6
    made, again = call(one, model, folder, threads=2, memory_mib=64)
    assert made == expected
    assert not before & set(calls)
    assert repr(again.periods) == repr(result.periods)
    for got, wanted in zip(again.pictures, result.pictures):
        np.testing.assert_array_equal(got.fine, wanted.fine)
        np.testing.assert_array_equal(got.width, wanted.width)


def test_parts_that_were_damaged_between_two_calls(world, tmp_path, monkeypatch, small_parts):
    one = world(6, 5, 4, 2, seed=6)
    model = with_trust(one.model())
    odd(one).write()
    expected, _ = call(one, model, tmp_path / "whole")
    folder = tmp_path / "broken"
    rng = np.random.default_rng(1)

    def fails(*_):
        raise InputError("Stopped before the files were written.")

    for _ in range(6):
        monkeypatch.setattr(run, "assemble", fails)
        with pytest.raises(InputError, match="Stopped.*kept in"):
            call(one, model, folder)
        for part in sorted(folder.glob(".*/*.part")):
            chance = rng.random()
            data = bytearray(part.read_bytes())
            if chance < 0.1:
                part.unlink()
            elif chance < 0.2:
                part.write_bytes(data[: rng.integers(len(data))])
            elif chance < 0.3:
                data[rng.integers(len(data))] ^= 1 << rng.integers(8)
                part.write_bytes(data)
        monkeypatch.undo()
        monkeypatch.setattr(tiles, "PIXELS", 60)
        shutil.copytree(folder, tmp_path / "copy", dirs_exist_ok=True)
        made, _ = call(one, model, folder)
        assert made == expected
        for path in folder.iterdir():
            path.unlink()


def test_leftovers_of_another_call_are_neither_used_nor_touched(world, tmp_path, monkeypatch, small_parts):
    one = world(6, 5, 4, 1, seed=7)
    model = with_trust(one.model())
    odd(one).write()
    folder = tmp_path / "out"
    real = run.assemble

    def fails(*_):
        raise InputError("Stopped.")

    def leftovers():
        return {path.relative_to(folder): path.read_bytes() for path in folder.glob(".*/*.part")}

    monkeypatch.setattr(run, "assemble", fails)
    with pytest.raises(InputError, match="Stopped"):
        call(one, model, folder)
    first = leftovers()
    others = {
        "gain": (model, {"options": {"detail_gain": 0.5}}),
        "bounds": (model, {"options": {"bounds": (0.1, 0.41)}}),
        "level": (model, {"options": {"level": 0.8}}),
        "model": (replace(model, min_valid_share=0.4), {}),
    }
    for other, more in others.values():
        with pytest.raises(InputError, match="Stopped"):
            call(one, other, folder, **more)
    assert len(list(folder.glob(".*"))) == 5 and first.items() <= leftovers().items()
    one.z[0, 0, 0] += 0.01
    one.write()
    monkeypatch.setattr(run, "assemble", real)
    with pytest.raises(AssertionError):  # five leftovers beside the four files
        call(one, model, folder)
    assert len(list(folder.glob(".*"))) == 5 and first.items() <= leftovers().items()
    made, _ = call(one, model, folder, start_afresh=True)
    assert made == call(one, model, tmp_path / "fresh")[0]


@pytest.mark.parametrize("shape", [(1, 9, 3), (9, 1, 3), (1, 1, 2), (2, 30, 2)])
def test_thin_rasters(world, tmp_path, monkeypatch, shape):
    one = world(*shape, 1)
    one.write()
    model = with_trust(one.model())
    expected, result = call(one, model, tmp_path / "a", threads=1)
    assert result.totals["pixels"] == shape[0] * shape[1] * shape[2] ** 2
    assert result.totals["left_over_max"] < 1e-6
    assert call(one, model, tmp_path / "b", threads=3, memory_mib=64)[0] == expected


@pytest.mark.parametrize("output_format", [ZSTD, COG])
def test_formats_hold_the_same(world, tmp_path, output_format):
    if output_format == ZSTD and "ZSTD" not in gdal.GetDriverByName("GTiff").GetMetadataItem("DMD_CREATIONOPTIONLIST"):
        pytest.skip("GDAL without zstd")
    one = world(80, 70, 4, 2)
    model = with_trust(one.model())
    odd(one).write()
    call(one, model, tmp_path / "a", output_format=GEOTIFF)
    first, _ = call(one, model, tmp_path / "b", output_format=output_format, threads=1)
    assert call(one, model, tmp_path / "c", output_format=output_format, threads=4)[0] == first
    for name in NAMES:
        with Stack.open(tmp_path / "a" / name) as plain, Stack.open(tmp_path / "b" / name) as other:
            assert plain.bands == other.bands and plain.grid.same_as(other.grid)
            assert plain.tags.items() <= other.tags.items() | {("AREA_OR_POINT", "Area")}
            for number in range(1, len(plain.bands) + 1):
                np.testing.assert_array_equal(plain.read(number), other.read(number))
                assert plain.nodata(number) == other.nodata(number)
        layout = gdal.Open(str(tmp_path / "b" / name)).GetMetadata("IMAGE_STRUCTURE")
        assert layout.get("LAYOUT") == "COG" if output_format == COG else layout["COMPRESSION"] == "ZSTD"


def test_an_output_that_another_program_holds(world, tmp_path, monkeypatch):
    one = world()
    one.write()
    model = with_trust(one.model())
    real = os.replace

    def held(source, target):
        if str(target).endswith("product.tif"):
            raise PermissionError(13, "The process cannot access the file")
        return real(source, target)

    monkeypatch.setattr(atomic_os, "replace", held)
    with pytest.raises(InputError, match="could not be moved to .*close the program that holds it open.*kept in"):
        call(one, model, tmp_path / "out")
    monkeypatch.undo()
    computed = []
    monkeypatch.setattr(first_pass, "field_part", lambda *_: computed.append(1))
    made, _ = call(one, model, tmp_path / "out")
    assert not computed
    monkeypatch.undo()
    assert made == call(one, model, tmp_path / "whole")[0]


def test_a_block_that_cannot_be_read(world, tmp_path):
    one = world(80, 60, 8, 1)
    fine, _ = one.write()
    model = with_trust(one.model())
    whole = fine.read_bytes()
    fine.write_bytes(whole[: int(0.97 * len(whole))])
    with pytest.raises(InputError, match=r"of .*fine.tif cannot be read.*copy or download it again"):
        call(one, model, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").iterdir() if path.name in NAMES]
    fine.write_bytes(whole)
    downscale(model, fine, one.folder / "coarse.tif", tmp_path / "out" / "p.tif")


def test_killed_runs_go_on_to_the_same_bytes():
    """Processes that end by SIGKILL at random moments; benchmarks/kill_and_resume.py does more of them."""
    script = ROOT / "benchmarks" / "kill_and_resume.py"
    if os.name == "nt":
        pytest.skip("needs POSIX signals")
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "3", "--cells", "24", "--periods", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 wrong" in done.stdout


LARGE = """
import sys; sys.path.insert(0, {benchmarks!r})
import manitoba
from pathlib import Path
from soilmoisture.core.downscale.downscale import downscale
from soilmoisture.core.model.modelfile import load_model
from soilmoisture.core.raster.running import Running
model, folder = load_model({folder!r} + "/model.smdl"), {folder!r}
def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024
before = peak()
downscale(model, folder + "/fine.tif", folder + "/coarse.tif", folder + "/out.tif", running=Running(memory_mib=64))
print(peak() - before)
"""


def test_memory_stays_small_for_a_raster_that_is_far_larger(world, tmp_path):
    """A sparse file of 300 MB with data in one corner, in blocks of 64 MiB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    from soilmoisture.core.model.modelfile import save_model
    from soilmoisture.core.raster.bands import write_band
    from soilmoisture.core.raster.stack import Band, StackWriter

    one = world(6, 6, 20, 1)
    one.write()
    model = one.model()
    save_model(model, tmp_path / "model.smdl")
    cells, side = 250, 5000
    with Stack.open(one.folder / "coarse.tif") as small:
        bands = small.bands
        coarse = replace(small.grid, rows=cells, cols=cells)
        values = [np.full((cells, cells), np.nan) for _ in bands]
        for number, value in enumerate(values, 1):
            value[:6, :6] = small.read(number)
    values[0][100:, :] = 0.2
    with StackWriter(tmp_path / "coarse.tif", coarse, bands) as out:
        for number, value in enumerate(values, 1):
            out.write(number, value)
    fine = coarse.subdivide(20)
    options = ["TILED=YES", "SPARSE_OK=TRUE", "COMPRESS=DEFLATE", "INTERLEAVE=BAND"]
    made = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "f.tif"), side, side, 3, gdal.GDT_Float32, options)
    made.SetGeoTransform(fine.transform)
    made.SetProjection(fine.crs_wkt)
    for k, name in enumerate(("ndvi", "lst", "dem")):
        write_band(made.GetRasterBand(k + 1), Band(name, one.periods[0]), -9999.0)
        made.GetRasterBand(k + 1).WriteArray(one.x[k, 0])
    made = None
    os.replace(tmp_path / "f.tif", tmp_path / "fine.tif")
    script = LARGE.format(benchmarks=str(ROOT / "benchmarks"), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) < 250
