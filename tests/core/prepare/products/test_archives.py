"""Folders, wildcards and archives as downloaded."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.errors import InputError
from soilmoisture.core.prepare.products.archives import expand
from soilmoisture.core.prepare.products.container import BadFile, Container

gdal.UseExceptions()


@pytest.fixture()
def tif(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "chirps-v2.0.2010.06.tif"
    path.parent.mkdir()
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 5, 4, 1, gdal.GDT_Int16)
    dataset.GetRasterBand(1).WriteArray(np.arange(20, dtype=np.int16).reshape(4, 5))
    return path


@pytest.fixture()
def nc(tmp_path: Path) -> Path:
    path = tmp_path / "C3S-SM-20200101.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createVariable("sm", "f4", ("x",))[:] = [1, 2, 3]
    return path


def zipped(path: Path, members: dict[str, Path | bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else content.read_bytes())
    return path


def tarred(path: Path, members: dict[str, Path | bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            item = tarfile.TarInfo(name)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return path


def first_values(path: str) -> list[float]:
    with Container.open(path) as container:
        return container.read(next(iter(container.arrays))).ravel()[:3].tolist()


def test_folders_give_their_rasters_in_order_without_what_lies_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    wanted = ["2020.01.01/SMAP_b.h5", "2020.01.02/SMAP_c.h5", "MOD13A2.hdf", "a.TIF", "z.nc4"]
    beside = [
        "a.tif.aux.xml",
        "MOD13A2.hdf.xml",
        "SMAP_b.h5.met",
        "list.txt",
        "b.json",
        "quick.png",
        ".hidden.tif",
        ".x/y.nc",
    ]
    for name in wanted + beside:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"something")
    with expand([folder]) as files:
        assert [Path(path).relative_to(folder).as_posix() for path in files] == wanted


def test_wildcards_files_and_repetitions(tmp_path: Path) -> None:
    for name in ("b_2.nc", "b_1.nc", "a.nc", "b_3.nc.xml", "2020.01.01/c.h5", "2020.01.02/d.h5", "2020.01.02/d.h5.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"something")
    with expand([tmp_path / "2020*"]) as files:
        assert [Path(path).name for path in files] == ["c.h5", "d.h5"]
    with expand([tmp_path / "b_*", tmp_path / "a.nc", str(tmp_path / "b_1.nc")]) as files:
        assert [Path(path).name for path in files] == ["b_1.nc", "b_2.nc", "a.nc"]


def test_a_file_whose_name_looks_like_a_wildcard_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "copy [1].nc"
    path.write_bytes(b"something")
    with expand([path]) as files:
        assert files == [str(path)]


def test_what_stands_for_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme.txt").write_text("x")
    for entry, sentence in (
        (tmp_path / "empty", "holds no raster"),
        (tmp_path / "*.h5", "No file fits"),
        (tmp_path / "absent.h5", "no such file"),
    ):
        with pytest.raises(InputError, match=sentence), expand([entry]):
            pass


def test_archives_of_every_kind_are_read(tmp_path: Path, tif: Path, nc: Path) -> None:
    gz = tmp_path / "chirps-v2.0.2010.06.tif.gz"
    gz.write_bytes(gzip.compress(tif.read_bytes()))
    members = {"deep/one.tif": tif, "deep/two.nc": nc, "deep/two.nc.xml": b"<x/>", "readme.txt": b"x"}
    archives = [
        gz,
        zipped(tmp_path / "all.zip", members),
        tarred(tmp_path / "all.tar", members, "w"),
        tarred(tmp_path / "all.tar.gz", members, "w:gz"),
        tarred(tmp_path / "all.tgz", members, "w:gz"),
    ]
    before = set(tmp_path.iterdir())
    with expand(archives) as files:
        names = [Path(path).name for path in files]
        assert names == ["chirps-v2.0.2010.06.tif"] + ["one.tif", "two.nc"] * 4
        for path in files:
            expected = [1, 2, 3] if path.endswith(".nc") else [0, 1, 2]
            assert first_values(path) == expected, path
            with Container.open(path) as container:
                assert container.name == Path(path).name
        # GeoTIFF in plain archives is read in place, the rest was unpacked.
        unpacked = [path for path in files if not path.startswith("/vsi")]
        assert [path.startswith("/vsi") for path in files] == [False, True, False, True] + [False] * 5
        assert all(os.path.exists(path) for path in unpacked)
    assert not any(os.path.exists(path) for path in unpacked)
    assert set(tmp_path.iterdir()) == before  # nothing is left beside the archives either


def test_unpacked_files_are_removed_when_the_block_fails(tmp_path: Path, nc: Path) -> None:
    seen: list[str] = []
    with pytest.raises(KeyError), expand([zipped(tmp_path / "a.zip", {"a.nc": nc})]) as files:
        seen += files
        raise KeyError
    assert seen and not os.path.exists(seen[0])


def test_members_cannot_leave_the_temporary_folder(tmp_path: Path, nc: Path) -> None:
    zip_ = zipped(tmp_path / "evil.zip", {"../../evil.nc": nc, "/abs/evil.nc": nc, "..\\evil.nc": nc})
    tar = tarred(tmp_path / "evil.tar", {"../../../evil.nc": nc}, "w")
    with tarfile.open(tar, "a") as archive:
        link = tarfile.TarInfo("link.nc")
        link.type, link.linkname = tarfile.SYMTYPE, str(nc)
        archive.addfile(link)
    with expand([zip_, tar]) as files:
        assert len(files) == 4 and len(set(files)) == 4
        root = Path(os.path.commonpath(files))
        assert root.name.startswith("soilmoisture-")
        for path in files:
            assert Path(path).resolve().is_relative_to(root.resolve()) and first_values(path) == [1, 2, 3]
    assert not (tmp_path / "evil.nc").exists() and not (tmp_path.parent / "evil.nc").exists()


def test_a_zip_file_under_another_name_is_opened(tmp_path: Path, nc: Path) -> None:
    # The Climate Data Store answers some requests so.
    path = zipped(tmp_path / "download.nc", {"data_0.nc": nc})
    with expand([path]) as files:
        assert Path(files[0]).name == "data_0.nc" and first_values(files[0]) == [1, 2, 3]


def test_bad_archives_stop_or_are_handed_over(tmp_path: Path, nc: Path) -> None:
    page = tmp_path / "page.zip"
    page.write_text("<html>login</html>")
    whole = zipped(tmp_path / "whole.zip", {"a.nc": nc}).read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: len(whole) // 2])
    cut_gz = tmp_path / "cut.nc.gz"
    cut_gz.write_bytes(gzip.compress(nc.read_bytes())[:400])
    cut_tar = tarred(tmp_path / "cut.tar.gz", {"a.nc": nc}, "w:gz")
    cut_tar.write_bytes(cut_tar.read_bytes()[:400])
    nothing = zipped(tmp_path / "nothing.zip", {"readme.txt": b"x"})
    noise = tmp_path / "noise.gz"
    noise.write_bytes(b"no archive at all" * 100)
    for path, sentence in (
        (page, "web page"),
        (cut, "truncated or damaged"),
        (cut_gz, "truncated or damaged"),
        (cut_tar, "truncated or damaged"),
        (nothing, "holds no raster"),
        (noise, "not a gzip archive"),
    ):
        with pytest.raises(BadFile, match=sentence) as caught, expand([path]):
            pass
        assert caught.value.path == str(path) and "\n" not in str(caught.value)
    bad: list[BadFile] = []
    with expand([page, nc, cut], bad.append) as files:
        assert files == [str(nc)]
    assert [Path(one.path).name for one in bad] == ["page.zip", "cut.zip"]


def test_a_real_granule_comes_out_of_an_archive_unchanged(shared_data: Path, tmp_path: Path) -> None:
    found = sorted((shared_data / "native_products" / "modis").glob("MOD13A2*.hdf"))
    if not found:
        pytest.skip("no MODIS file")
    path = zipped(tmp_path / "modis.zip", {found[0].name: found[0]})
    with expand([path]) as files, Container.open(files[0]) as one, Container.open(found[0]) as two:
        assert one.name == found[0].name and list(one.arrays) == list(two.arrays)
        for name in one.arrays:
            np.testing.assert_array_equal(one.read(name), two.read(name))
    copied = tmp_path / "plain.hdf"
    shutil.copy(found[0], copied)
    with expand([copied]) as files:
        assert files == [str(copied)]
