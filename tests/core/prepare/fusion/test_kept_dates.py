"""Runs that are stopped, killed or started again: what is kept, and what never is."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest
from fusion_layers import RUN, SMALL, read, refused
from osgeo import gdal

from soilmoisture.core.errors import Cancelled
from soilmoisture.core.prepare.fusion import streaming
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import FusionOptions, parse_dates
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.running import Running
from soilmoisture.core.raster.work import Work


def test_a_stopped_run_goes_on_where_it_was(tmp_path, layers, monkeypatch, cancels_after):
    fine, coarse, _ = layers()
    monkeypatch.setattr(streaming, "_MOST_DATES", 1)
    out = tmp_path / "out.tif"
    checks = 0
    while not list(tmp_path.glob(".out-work-*/*.part")):
        checks += 1
        with pytest.raises(Cancelled):
            fuse_layers(fine, coarse, out, run=RUN, progress=cancels_after(checks))
    assert not out.exists()
    result = fuse_layers(fine, coarse, out, run=RUN)
    assert 1 <= result.kept < 3 and not list(tmp_path.glob(".out*"))
    fuse_layers(fine, coarse, tmp_path / "fresh.tif", run=RUN)
    assert np.array_equal(read(out), read(tmp_path / "fresh.tif"))


def test_dates_of_an_earlier_run_are_kept_while_nothing_they_rest_on_changes(tmp_path, layers):
    """With the fused images alone, as they are by default."""
    fine, coarse, _ = layers()
    out, flags = tmp_path / "out.tif", tmp_path / "flags.tif"
    fuse_layers(fine, [path for path in coarse if "05-21" not in path], out, run=RUN)
    first = read(out)
    result = fuse_layers(fine, coarse, out, run=RUN)
    assert [one.kept for one in result.dates] == [True, False]
    assert np.array_equal(read(out)[0], first[0])
    fresh = fuse_layers(fine, coarse, tmp_path / "fresh.tif", flags, run=RUN)
    again = fuse_layers(fine, coarse, out, run=RUN)
    assert again.kept == 2 and np.array_equal(read(out), read(tmp_path / "fresh.tif"))
    for one, other in zip(again.dates, fresh.dates):  # the report says the same
        assert {**vars(one), "kept": 0} == {**vars(other), "kept": 0}
    codes = gdal.Open(str(flags)).ReadAsArray()
    assert [one.fallback for one in again.dates] == pytest.approx([(code == 2).mean() for code in codes])
    for path in coarse:
        os.utime(path, (1, 1))  # touched, not changed
    assert fuse_layers(fine, coarse, out, run=RUN).kept == 2
    flags = tmp_path / "new.tif"
    assert fuse_layers(fine, coarse, out, flags, run=RUN).kept == 0  # the codes were not kept
    assert fuse_layers(fine, coarse, out, flags, run=RUN).kept == 2
    assert fuse_layers(fine, coarse, out, flags, tmp_path / "more.tif", run=RUN).kept == 0  # details are new
    assert fuse_layers(fine, coarse, out, flags, run=FusionRun(FusionOptions(window=7))).kept == 0


def _in_place(path, change):
    """Other values in a file that looks the same: size and time of change stay."""
    before = os.stat(path)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    band = dataset.GetRasterBand(1)
    band.WriteArray(change(band.ReadAsArray()))
    dataset = band = None
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size


@pytest.mark.parametrize("where", ["file", "pair", "vrt", "zip", "subdataset"])
def test_values_that_changed_are_never_taken_from_an_earlier_run(tmp_path, layers, where):
    fine, coarse, _ = layers(names=["Band1"])
    wanted = coarse[3] if where == "pair" else coarse[1]
    given, archive = wanted, tmp_path / "all.zip"

    def pack():
        if where == "zip":
            archive.unlink(missing_ok=True)
            with zipfile.ZipFile(archive, "w") as packed:
                packed.write(wanted, "c_2020-05-11.tif")
        if where == "subdataset":
            gdal.Translate(str(tmp_path / "c_2020-05-11.nc"), wanted, format="netCDF")

    pack()
    if where == "vrt":
        inner, given = str(tmp_path / "inner.vrt"), str(tmp_path / "c_2020-05-11.vrt")
        gdal.Translate(inner, wanted, format="VRT").FlushCache()
        gdal.Translate(given, inner, format="VRT").FlushCache()
    given = f"/vsizip/{archive}/c_2020-05-11.tif" if where == "zip" else given
    given = f'NETCDF:"{tmp_path}/c_2020-05-11.nc":Band1' if where == "subdataset" else given
    coarse = [given if path == wanted else path for path in coarse]
    out, flags = tmp_path / "out.tif", tmp_path / "flags.tif"
    run = FusionRun(SMALL, dates=parse_dates(["2020-05-11"]))
    fuse_layers(fine, coarse, out, flags, run=run)
    assert fuse_layers(fine, coarse, out, flags, run=run).kept == 1
    first = read(out)
    _in_place(wanted, lambda values: values + 0.25)
    pack()
    gdal.VSICurlClearCache()
    assert fuse_layers(fine, coarse, out, flags, run=run).kept == 0
    assert np.abs(read(out) - first).max() > 0.01


def test_a_killed_run_leaves_nothing_behind_the_next_one(tmp_path, layers, cancels_after):
    fine, coarse, _ = layers()
    out, flags = tmp_path / "out.tif", tmp_path / "flags.tif"
    mark, folder = "0123456789abcdef", tmp_path / ".out-work-0123456789abcdef"
    folder.mkdir()
    stale = [
        *(tmp_path / f".{name}" for name in (f"out-{mark}.tif", f"out-{mark}.tif.ovr", f"flags-{mark}.tif")),
        folder / "0000-00000000.part",
        folder / "0000-00000000.part-01234567",
    ]
    others = [tmp_path / f".outer-{mark}.tif", tmp_path / ".out-other.tif"]
    for path in stale + others:
        path.write_text("half")
    with pytest.raises(Cancelled):
        fuse_layers(fine, coarse, out, flags, run=RUN, progress=cancels_after(3))
    assert list(tmp_path.glob(".out-work*")) == [folder] and not list(tmp_path.glob("*.tif.lock"))
    refused(["also an input"], fine, coarse, fine[0], run=RUN)
    refused(["Two outputs"], fine, coarse, out, out, run=RUN)
    refused(["no date to predict"], fine, coarse[::3], out, run=RUN)
    assert folder.exists()
    fuse_layers(fine, coarse, out, flags, run=RUN)
    assert not any(path.exists() for path in stale) and all(path.exists() for path in others)
    assert sorted(tmp_path.glob(".*")) == sorted(others)


@pytest.mark.parametrize("one", ["out.tif", "flags.tif"])
def test_two_runs_on_one_output_do_not_mix(one, tmp_path, layers):
    fine, coarse, _ = layers()
    out = tmp_path / "out.tif"
    with Work(tmp_path / one, "0" * 16, Running(), Progress()):
        refused(["Another run is writing", one], fine, coarse, out, tmp_path / "flags.tif", run=RUN)
    assert not out.exists()


def test_start_afresh_keeps_nothing(tmp_path, layers):
    fine, coarse, _ = layers()
    out = tmp_path / "out.tif"
    fuse_layers(fine, coarse, out, run=RUN)
    assert fuse_layers(fine, coarse, out, run=RUN).kept == 2
    assert fuse_layers(fine, coarse, out, run=RUN, running=Running(start_afresh=True)).kept == 0


def test_a_file_of_another_kind_in_place_of_the_output_is_replaced(tmp_path, layers):
    fine, coarse, _ = layers()
    (tmp_path / "out.tif").write_text("no raster")
    assert fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN).kept == 0


def test_cancel_leaves_no_output(tmp_path, layers, cancels_after):
    fine, coarse, _ = layers()
    for checks in (0, 3, 12):
        with pytest.raises(Cancelled):
            fuse_layers(fine, coarse, tmp_path / "out.tif", run=RUN, progress=cancels_after(checks))
        assert not list(tmp_path.glob("out.tif")) and not list(tmp_path.glob(".out*.tif*"))
