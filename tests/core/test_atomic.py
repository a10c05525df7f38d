"""Outputs appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soilmoisture.core.atomic import check_output, whole_file
from soilmoisture.core.errors import Cancelled, InputError


def test_file_appears_only_at_the_end_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "map.tif"
    with whole_file(target) as work:
        work.write_bytes(b"whole")
        assert not target.exists()
        assert work.parent == target.parent and work.suffix == ".tif"
    assert target.read_bytes() == b"whole"
    assert os.listdir(target.parent) == ["map.tif"]


@pytest.mark.parametrize("kind", [ValueError, Cancelled, KeyboardInterrupt])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, kind: type[BaseException]) -> None:
    target = tmp_path / "map.tif"
    target.write_bytes(b"old")
    with pytest.raises(kind), whole_file(target) as work:
        work.write_bytes(b"half")
        work.with_name(work.name + ".aux.xml").write_text("statistics")
        raise kind()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["map.tif"]


def test_sidecars_of_a_replaced_raster_go(tmp_path: Path) -> None:
    """Old overviews and statistics would be drawn with the new raster."""
    target = tmp_path / "map.tif"
    for name in ("map.tif", "map.tif.aux.xml", "map.tif.ovr", "map.txt", "other.tif.ovr"):
        (tmp_path / name).write_bytes(b"old")
    with whole_file(target) as work:
        work.write_bytes(b"new")
    assert sorted(os.listdir(tmp_path)) == ["map.tif", "map.txt", "other.tif.ovr"]


@pytest.mark.parametrize("name", ["", ".", "folder"])
def test_what_is_no_file_name_is_refused_before_the_work(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="not the name of a file"), whole_file(name):
        pytest.fail("the block must not begin")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file" / "map.tif", tmp_path / ("x" * 300 + ".tif")):
        with pytest.raises(InputError, match=r"^The output .* cannot be written \(.+\): choose another folder"):
            with whole_file(target):
                pytest.fail("the block must not begin")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="permissions"), whole_file(tmp_path / "map.tif"):
            pytest.fail("the block must not begin")
    finally:
        tmp_path.chmod(0o700)


def test_a_target_that_became_a_folder_meanwhile_is_a_sentence(tmp_path: Path) -> None:
    target = tmp_path / "map.tif"
    with pytest.raises(InputError, match="could not be moved"), whole_file(target) as work:
        work.write_bytes(b"whole")
        target.mkdir()
    assert os.listdir(tmp_path) == ["map.tif"]


def test_gdals_virtual_files_are_refused(tmp_path: Path) -> None:
    for path in ("/vsimem/map.tif", Path("/vsis3/bucket/map.tif")):
        with pytest.raises(InputError, match="lies in no folder of this computer"):
            check_output(path)


def test_a_link_leads_to_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    target, link = tmp_path / "large disk" / "map.tif", tmp_path / "map.tif"
    link.symlink_to(target)
    for content in (b"first", b"second"):
        with whole_file(link) as work:
            assert work.parent == target.parent
            work.write_bytes(content)
        assert link.is_symlink() and target.read_bytes() == content
    assert os.listdir(tmp_path / "large disk") == ["map.tif"]


def test_outputs_are_tried_before_the_work_and_leave_no_trace(tmp_path: Path) -> None:
    check_output(tmp_path / "new" / "folder" / "map.tif")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        check_output(tmp_path / "file" / "map.tif")
    with pytest.raises(InputError, match="not the name of a file"):
        check_output(tmp_path)
    assert os.listdir(tmp_path) == ["file"]
