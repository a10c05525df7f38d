"""Runs of parts: order, what is kept, what is not believed, and how a run ends."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster import parts as part_files
from soilmoisture.core.raster.parts import read_part, write_part
from soilmoisture.core.raster.running import Running
from soilmoisture.core.raster.work import Work, check_cancelled
from soilmoisture.core.raster.work_folder import work_folder

KEY = "0123456789abcdef"
computed: list[str] = []


@dataclass(frozen=True)
class One:
    number: int
    pixels: int = 10

    @property
    def name(self) -> str:
        return f"one-{self.number:03d}"


PARTS = [One(number) for number in range(12)]


def square(common, part):
    """Later parts are ready earlier."""
    time.sleep(0.002 * (12 - part.number))
    computed.append(part.name)
    return {"x": np.full((3, 2), common * part.number**2, np.float32), "n": np.array([part.number])}


def fails_at_seven(common, part):
    if part.number == 7:
        raise InputError("Block 7 cannot be read.")
    return square(common, part)


def waits(common, part):
    while True:
        check_cancelled()
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def nothing_computed():
    computed.clear()


def run(tmp_path, function=square, key=KEY, progress=None, common=2, only=None, **running):
    with Work(tmp_path / "out.tif", key, Running(**running), progress or Progress()) as work:
        return [(part, arrays) for part, arrays in work.run(function, common, PARTS, work.progress, only=only)]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("memory", [None, 64])
def test_parts_come_in_order_and_nothing_stays(tmp_path, threads, memory):
    found = run(tmp_path, threads=threads, memory_mib=memory)
    assert [part for part, _ in found] == PARTS
    assert all((arrays["x"] == 2 * part.number**2).all() and arrays["n"] == part.number for part, arrays in found)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_is_continued_by_the_same_call_only(tmp_path):
    with pytest.raises(
        InputError, match="Block 7 cannot be read. What is finished is kept in .*the same call continue"
    ):
        run(tmp_path, fails_at_seven, threads=2)
    kept = os.listdir(work_folder(tmp_path / "out.tif", "", KEY))
    assert {"one-000.part", "one-006.part"} <= set(kept) and "one-007.part" not in kept
    computed.clear()
    run(tmp_path, key="another-key-0000")
    assert len(computed) == 12
    assert set(os.listdir(work_folder(tmp_path / "out.tif", "", KEY))) == set(kept)
    computed.clear()
    found = run(tmp_path)
    assert {f"{name}.part" for name in computed} == {f"{part.name}.part" for part in PARTS} - set(kept)
    assert [int(arrays["x"][0, 0]) for _, arrays in found] == [2 * number**2 for number in range(12)]
    assert list(tmp_path.iterdir()) == []


def test_start_afresh_removes_all_leftovers_of_this_output_and_of_no_other(tmp_path):
    mine = [tmp_path / f".out-work-{digit * 16}" for digit in "ab"]
    others = [
        tmp_path / ".out2-work-aaaaaaaaaaaaaaaa",
        tmp_path / ".out-work-notes",
        tmp_path / "out-work-aaaaaaaaaaaaaaaa",
    ]
    for folder in [*mine, *others]:
        folder.mkdir()
        write_part(str(folder / "one-000.part"), KEY, {"x": np.zeros(1)})
    run(tmp_path)
    assert all(folder.is_dir() for folder in [*mine, *others])
    run(tmp_path, start_afresh=True)
    assert not any(folder.exists() for folder in mine) and all(folder.is_dir() for folder in others)


@pytest.mark.parametrize("how", ["cut", "longer cut", "flip header", "flip data", "other key", "empty", "garbage"])
def test_a_torn_or_foreign_part_is_computed_again(tmp_path, how):
    with pytest.raises(InputError):
        run(tmp_path, fails_at_seven, threads=1)
    path = tmp_path / f".out-work-{KEY}" / "one-003.part"
    whole = path.read_bytes()
    torn = {
        "cut": whole[:-1],
        "longer cut": whole[:40],
        "flip header": whole[:30] + bytes([whole[30] ^ 1]) + whole[31:],
        "flip data": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
        "other key": whole,
        "empty": b"",
        "garbage": np.random.default_rng(1).bytes(5000),
    }[how]
    path.write_bytes(torn)
    if how == "other key":
        write_part(str(path), "f" * 16, {"x": np.ones((3, 2)), "n": np.zeros(1)})
    computed.clear()
    found = run(tmp_path)
    assert "one-003" in computed and "one-002" not in computed
    assert [int(arrays["x"][0, 0]) for _, arrays in found] == [2 * number**2 for number in range(12)]


def test_any_flipped_bit_or_cut_of_a_part_is_noticed(tmp_path):
    path = str(tmp_path / "a.part")
    write_part(path, KEY, {"x": np.arange(7, dtype=np.float32), "flags": np.array([[True], [False]])})
    whole = (tmp_path / "a.part").read_bytes()
    assert read_part(path, KEY)["flags"].tolist() == [[True], [False]]
    for place in range(len(whole)):
        (tmp_path / "a.part").write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert read_part(path, KEY) is None
        (tmp_path / "a.part").write_bytes(whole[:place])
        assert read_part(path, KEY) is None


def test_parts_hold_arrays_of_all_kinds_and_shapes(tmp_path):
    arrays = {
        "none": np.zeros((0, 4)),
        "scalar": np.array(3.5),
        "turned": np.arange(6, dtype=np.int64).reshape(2, 3).T,
        "bytes": np.array([1, 255], np.uint8),
        "odd": np.array([np.nan, np.inf, -np.inf, -9999.0, -0.0], np.float32),
    }
    for path in (str(tmp_path / "a.part"), "/vsimem/work-test/a.part"):
        write_part(path, KEY, arrays)
        back = read_part(path, KEY)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype and back[name].tobytes() == array.tobytes()
            assert back[name].shape == array.shape
        assert list(read_part(path, KEY, ("bytes",))) == ["bytes"]


def test_a_cancelled_run_ends_soon_and_leaves_nothing(tmp_path):
    class Stops(Progress):
        asked = 0.0

        @property
        def cancelled(self):
            self.asked = self.asked or time.monotonic()
            return time.monotonic() - self.asked > 0.2

    progress = Stops()
    with pytest.raises(Cancelled):
        run(tmp_path, waits, progress=progress)
    assert time.monotonic() - progress.asked < 1.0
    assert list(tmp_path.iterdir()) == []


def test_parts_under_way_are_bounded_by_memory(tmp_path):
    under_way, most = set(), []
    lock = threading.Lock()

    def counts(common, part):
        with lock:
            under_way.add(part.number)
            most.append(len(under_way))
        time.sleep(0.01)
        return {"x": np.zeros(1)}

    for bytes_of_one, expected in ((40 * 2**20, 1), (20 * 2**20, 3), (1, 6)):
        most.clear()
        with Work(tmp_path / "out.tif", KEY, Running(memory_mib=64, threads=4), Progress()) as work:
            for part, _ in work.run(counts, None, PARTS, work.progress, part_bytes=bytes_of_one):
                under_way.discard(part.number)
                time.sleep(0.003)
        # The part that was just handed over is still held by who got it.
        assert max(most) <= expected + 1


def test_two_runs_on_one_output(tmp_path):
    with Work(tmp_path / "out.tif", KEY, Running(), Progress()):
        with pytest.raises(InputError, match="Another run is writing .*out.tif at this moment"):
            run(tmp_path, key="another-key-0000")
        with Work(tmp_path / "other.tif", KEY, Running(), Progress()):
            pass
    run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_runs_on_one_other_file(tmp_path):
    with (
        Work(tmp_path / "a.tif", KEY, Running(), Progress(), others=[tmp_path / "new" / "quality.tif"]),
        pytest.raises(InputError, match="Another run is writing .*quality.tif"),
        Work(tmp_path / "b.tif", KEY, Running(), Progress(), others=[tmp_path / "new" / "quality.tif"]),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"] and not list((tmp_path / "new").iterdir())


def test_outputs_of_one_name_share_a_work_folder(tmp_path):
    first, second = (
        Work(tmp_path / one / "out.tif", KEY, Running(work_folder=str(tmp_path)), Progress()) for one in "ab"
    )
    with first:
        first.keep(PARTS[0], {"x": np.ones(2)})
        afresh = Running(work_folder=str(tmp_path), start_afresh=True)
        with Work(second.output, KEY, afresh, Progress()) as work:
            work.keep(PARTS[0], {"x": np.zeros(2)})
        assert (first.read(PARTS[0])["x"] == 1).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_only_some_arrays_and_files_read_again(tmp_path):
    with Work(tmp_path / "out.tif", KEY, Running(), Progress()) as work:
        for part, arrays in work.run(square, 2, PARTS, work.progress, only=("n",)):
            assert list(arrays) == ["n"]
            assert (work.read(part, ("x",))["x"] == 2 * part.number**2).all()
        assert work.holds(PARTS)
        work.drop(PARTS[:1])
        assert not work.holds(PARTS) and work.holds(PARTS[1:])
        with pytest.raises(InputError, match="has gone or been changed"):
            work.read(PARTS[0])


def test_full_disks_are_told_and_what_is_finished_stays(tmp_path, monkeypatch):
    real = os.replace

    def full_after_four(source, target):
        if "one-004" in str(target):
            raise OSError(28, "No space left on device")
        return real(source, target)

    monkeypatch.setattr(part_files.os, "replace", full_after_four)
    with pytest.raises(InputError, match=r"cannot be written to .*No space left on device.*free some space.*kept in"):
        run(tmp_path, threads=1)
    monkeypatch.undo()
    assert not [name for name in os.listdir(tmp_path / f".out-work-{KEY}") if not name.endswith(".part")]
    computed.clear()
    run(tmp_path)
    assert "one-003" not in computed and "one-004" in computed


def test_what_a_killed_run_was_writing_goes(tmp_path):
    folder = tmp_path / f".out-work-{KEY}"
    folder.mkdir()
    (folder / "one-001.part-12345678").write_bytes(b"half")
    with Work(tmp_path / "out.tif", KEY, Running(), Progress()):
        assert list(folder.iterdir()) == []


def test_a_work_folder_of_its_own_and_one_in_cloud_storage(tmp_path):
    chosen = tmp_path / "elsewhere"
    for folder in (str(chosen), "/vsimem/elsewhere"):
        with pytest.raises(InputError, match="kept in .*elsewhere"):
            run(tmp_path, fails_at_seven, work_folder=folder)
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]
        computed.clear()
        run(tmp_path, work_folder=folder)
        assert 0 < len(computed) < 9
    assert list(chosen.iterdir()) == []


def test_what_cannot_be_had_is_said(tmp_path):
    for given, word in (
        ({"memory_mib": 8}, "at least 64 MiB"),
        ({"threads": 0}, "at least 1 thread"),
        ({"output_format": "PNG"}, "format is one of"),
        ({"work_folder": "/proc/nowhere"}, "cannot be made"),
    ):
        with pytest.raises(InputError, match=word):
            run(tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_proportional_and_ends_at_one(tmp_path):
    seen = []

    class Notes(Progress):
        def set(self, fraction, text=""):
            seen.append(fraction)

    run(tmp_path, progress=Notes())
    assert seen == pytest.approx([number / 12 for number in range(13)])


def test_decoded_rows_of_blocks_stay_as_far_as_memory_allows():
    gibi = 2**30
    assert Running(memory_mib=64).block_cache_mib(gibi) == 16
    assert Running(memory_mib=8192).block_cache_mib(10**6) == 192
    assert 2 * 300 <= Running(memory_mib=8192).block_cache_mib(300 * 2**20) <= 2 * 300 + 1
    assert Running(memory_mib=1024).block_cache_mib(gibi) == 256


def test_cloud_storage_that_takes_nothing_is_told(monkeypatch):
    def refuses(*_):
        raise RuntimeError("PUT failed")

    monkeypatch.setattr(part_files.gdal, "VSIFCloseL", refuses)
    with pytest.raises(InputError, match=r"cannot be written to /vsimem/refused \(PUT failed\)"):
        write_part("/vsimem/refused/a.part", KEY, {"x": np.zeros(3)})
    monkeypatch.setattr(part_files.gdal, "ReadDir", refuses)
    assert part_files.list_folder("/vsimem/refused") == []
