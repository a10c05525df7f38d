"""Keys of runs, the lock of an output, and the remaining time."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core.downscale.options import DownscaleOptions
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster.fingerprint import digest, run_key, source_files
from soilmoisture.core.raster.lock import OutputLock
from soilmoisture.core.raster.remaining import WithRemaining, duration


@pytest.fixture
def raster(tmp_path):
    def make(name, fill=1):
        made = gdal.GetDriverByName("GTiff").Create(str(tmp_path / name), 4, 3, 1)
        made.SetGeoTransform((0, 1, 0, 3, 0, -1))
        made.GetRasterBand(1).Fill(fill)
        made = None
        return str(tmp_path / name)

    return make


def test_the_key_follows_every_option_and_every_file(raster, tmp_path):
    a, b = raster("a.tif"), raster("b.tif")
    inner, outer = str(tmp_path / "inner.vrt"), str(tmp_path / "outer.vrt")
    gdal.BuildVRT(inner, [a, b]).FlushCache()
    gdal.BuildVRT(outer, [inner]).FlushCache()

    def key(path=outer, what="one 1", **content):
        return run_key(what, {"options": DownscaleOptions(), "table": np.arange(3), **content}, [path])

    first = key()
    assert len(first) == 16 and first == key()
    found = {first, key(what="one 2"), key(options=DownscaleOptions(level=0.8)), key(table=np.arange(4)), key(inner)}
    found |= {key(table=np.arange(3.0)), key(options=DownscaleOptions(periods=("2021",))), key(more=None)}
    assert len(found) == 8
    # The file two virtual rasters below: another time of change, and another size.
    state = os.stat(b)
    os.utime(b, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    found.add(key())
    os.utime(b, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert key() == first
    with open(b, "ab") as file:
        file.write(b"\0")
    os.utime(b, ns=(state.st_atime_ns, state.st_mtime_ns))
    found.add(key())
    assert len(found) == 10
    assert [os.path.basename(entry[0]) for entry in source_files(outer)] == [
        "a.tif",
        "b.tif",
        "inner.vrt",
        "outer.vrt",
    ]


def test_statistics_that_another_program_keeps_beside_a_raster_do_not_count(raster):
    path = raster("a.tif")
    before = run_key("one", {}, [path])
    shown = gdal.Open(path)
    shown.GetRasterBand(1).ComputeStatistics(False)
    shown.GetRasterBand(1).GetDefaultHistogram()
    shown = None
    assert os.path.exists(f"{path}.aux.xml")
    assert run_key("one", {}, [path]) == before
    said = gdal.Open(path)
    said.GetRasterBand(1).SetNoDataValue(3)
    said = None
    assert run_key("one", {}, [path]) != before


def test_rasters_that_are_no_local_files_have_keys_too(raster):
    data = open(raster("a.tif"), "rb").read()
    gdal.FileFromMemBuffer("/vsimem/key/a.tif", data)
    [entry] = source_files("/vsimem/key/a.tif")
    assert entry[:2] == ["/vsimem/key/a.tif", len(data)]
    gdal.Unlink("/vsimem/key/a.tif")


def test_a_key_of_something_that_changes_from_run_to_run_is_refused():
    with pytest.raises(TypeError):
        run_key("one", {"thing": object()}, [])


def test_digests_tell_names_types_shapes_and_values_apart():
    a = np.arange(6, dtype=np.int32)
    made = [{"x": a}, {"y": a}, {"x": a.reshape(2, 3)}, {"x": a.view(np.uint32)}, {"x": a + 1}, {"x": a, "y": a}, {}]
    assert len({digest(one) for one in made}) == 7
    assert digest({"x": a.reshape(2, 3).T}) == digest({"x": np.ascontiguousarray(a.reshape(2, 3).T)})


HOLDS = """
import importlib.util, pathlib, sys, time, types
for name in ("soilmoisture", "soilmoisture.core", "soilmoisture.core.raster"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[1] + name[len("soilmoisture"):].replace(".", "/")]
from soilmoisture.core.raster.lock import OutputLock
OutputLock(pathlib.Path(sys.argv[2])).take()
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    output = tmp_path / "out.tif"
    child = subprocess.Popen([sys.executable, "-c", HOLDS, root, str(output)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(Exception, match="Another run is writing"):
        OutputLock(output).take()
    child.kill()
    child.communicate()
    lock = OutputLock(output)
    lock.take()
    assert [path.name for path in tmp_path.iterdir()] == [".out.tif.lock"]
    lock.release()
    assert list(tmp_path.iterdir()) == []


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Said(Progress):
    def __init__(self):
        self.texts, self.fractions = [], []

    def set(self, fraction, text=""):
        self.fractions.append(fraction)
        self.texts.append(text)


def test_remaining_time_is_said_after_five_seconds_and_follows_the_pace():
    clock, said = Clock(), Said()
    progress = WithRemaining(said, clock)
    for second in range(61):
        clock.now = float(second)
        progress.set(second / 600, "Downscaling")
    assert set(said.texts[:5]) == {"Downscaling"}
    assert said.texts[6] == said.texts[60 - 30] == "Downscaling (about 10 min left)"
    assert said.texts[60] == "Downscaling (about 9 min left)"
    assert len(set(said.texts)) <= 4
    assert said.fractions == [second / 600 for second in range(61)]
    for second in range(61, 200):  # ten times faster
        clock.now = float(second)
        progress.set(min(1.0, 0.1 + (second - 60) / 60), "")
    assert said.texts[-1] == "Downscaling (less than a minute left)"


def test_parts_that_were_found_say_nothing_about_the_pace():
    clock, said = Clock(), Said()
    progress = WithRemaining(said, clock)
    for number in range(50):
        clock.now += 0.01
        progress.set(number / 100, "Downscaling")
        progress.restart()
    for number in range(20):
        clock.now += 10.0
        progress.set(0.5 + number / 1000, "Downscaling")
    assert said.texts[-1] in ("Downscaling (about 80 min left)", "Downscaling (about 85 min left)")


def test_durations_in_words():
    said = [duration(seconds) for seconds in (3, 60, 200, 900, 4000, 7200, 86400, 4 * 86400)]
    assert said == [
        "less than a minute",
        "about 1 min",
        "about 3 min",
        "about 15 min",
        "about 65 min",
        "about 2 h",
        "about 24 h",
        "about 4 days",
    ]
