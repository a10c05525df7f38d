"""Runs on a real dask.distributed cluster of this machine whose workers know nothing of this repository."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from osgeo import gdal

from soilmoisture.core import packages
from soilmoisture.core.downscale.downscale import downscale
from soilmoisture.core.errors import Cancelled, InputError
from soilmoisture.core.model.form import CONTRASTS
from soilmoisture.core.prepare.composite import CompositeOptions, make_composites
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import FusionOptions
from soilmoisture.core.progress import Progress
from soilmoisture.core.raster import cluster, connection, remote, shipping
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.parts import write_part
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.running import Running
from soilmoisture.core.raster.stack import Band, StackWriter
from soilmoisture.core.raster.work import Work

ROOT = Path(__file__).resolve().parents[3]
_spec = importlib.util.spec_from_file_location("worlds", Path(__file__).parents[1] / "downscale" / "conftest.py")
worlds = importlib.util.module_from_spec(_spec)
sys.modules["worlds"] = worlds
_spec.loader.exec_module(worlds)
world = worlds.world

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="dask.distributed is not installed: pip install distributed"
)

# What a worker has imported already: an older release, of which nothing may be used.
OLD = "raise_on_use = 1\n\n\ndef compute_part(*_):\n    raise AssertionError('the old one was used')\n"


class Cluster:
    """A scheduler and worker processes of this machine, started by hand in an empty folder."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self._start("dask_scheduler", "--host", "127.0.0.1", "--port", self.address.rsplit(":", 1)[1])

    def worker(self, *options, path=""):
        return self._start(
            "dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder),
            *options, path=path,
        )  # fmt: skip

    def wait(self, workers):
        import distributed

        with distributed.Client(self.address, timeout=20, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=20)

    def stop(self, process):
        process.kill()
        process.wait()
        self.processes.remove(process)

    def close(self):
        for process in [*self.processes]:
            self.stop(process)

    def _start(self, program, *options, path=""):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if path:
            environment["PYTHONPATH"] = str(path)
        with open(self.folder / "log.txt", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", "--no-dashboard", *options],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    """One of the workers has imported an older release of the plugin."""
    folder = tmp_path_factory.mktemp("cluster")
    old = folder / "old" / "soilmoisture" / "core" / "raster"
    old.mkdir(parents=True)
    for package in (old, old.parent, old.parent.parent):
        (package / "__init__.py").write_text("")
    for module in ("parts", "remote", "grid"):
        (old / f"{module}.py").write_text(OLD)
    made = Cluster(folder)
    try:
        made.worker()
        made.worker("--preload", "soilmoisture.core.raster.parts", path=folder / "old")
        made.wait(2)
        yield made
    finally:
        made.close()


def daily(folder, days, size):
    """Paths of daily layers with gaps."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(days):
        values = random.normal(size=(size, size))
        values[random.random(values.shape) < 0.3] = np.nan
        period = day(dt.date(2021, 1, 1) + dt.timedelta(days=number))
        paths.append(str(folder / f"x_{period.label}.tif"))
        with StackWriter(paths[-1], ease_grid(1, 3000, 20000, size, size), [Band("x", period, "K")]) as out:
            out.write(1, values)
    return paths


@pytest.fixture
def layers(tmp_path):
    """layers(days, size): paths of daily layers of this test alone."""
    return lambda days=20, size=100: daily(tmp_path, days, size)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Daily layers whose composites take a while, and what threads make of them."""
    folder = tmp_path_factory.mktemp("layers")
    paths = daily(folder, 60, 400)
    composites(paths, folder / "threads.tif")
    return paths, (folder / "threads.tif").read_bytes()


def composites(paths, out, running=None, progress=None):
    return make_composites(paths, out, CompositeOptions("5 days", method="median"), None, progress, running)


def test_the_archive_is_always_the_same_and_holds_what_runs(tmp_path):
    name, content = shipping.archive()
    shipping.archive.cache_clear()
    assert shipping.archive() == (name, content)
    (tmp_path / f"{name}.zip").write_bytes(content)
    code = f"import {name}.core.raster.work as w; import sys; print(w.__file__, 'soilmoisture' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / f"{name}.zip")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    file, known = done.stdout.split()
    assert Path(file).is_file() and str(tmp_path) in file and known == "False"
    recipes = Path(file).parents[1] / "prepare" / "products" / "recipes"
    assert list(recipes.glob("*.json"))


@needs_dask
def test_composites_are_the_same_bytes(two_workers, many, tmp_path):
    paths, expected = many
    composites(paths, tmp_path / "cluster.tif", Running(two_workers.address))
    assert (tmp_path / "cluster.tif").read_bytes() == expected
    assert not list(tmp_path.glob(".*"))


@needs_dask
def test_fused_images_are_the_same_bytes(two_workers, tmp_path):
    random = np.random.default_rng(1)
    base, grid = random.normal(size=(60, 70)).cumsum(axis=0), ease_grid(1, 3000, 20000, 60, 70)
    fine, coarse = [], []
    for number, noise in enumerate((0.1, 0.2, 0.3, 0.2)):
        date = day(dt.date(2021, 5, 1) + dt.timedelta(days=8 * number))
        for side, paths in (("fine", fine), ("coarse", coarse)):
            if side == "fine" and number == 1:
                continue
            paths.append(str(tmp_path / f"{side}_{date.label}.tif"))
            with StackWriter(paths[-1], grid, [Band("ndvi", date)]) as out:
                out.write(1, base * (1 + noise) + 0.1 * random.normal(size=base.shape))
    run = FusionRun(FusionOptions(window=9))
    for name, running in (("threads", None), ("cluster", Running(two_workers.address))):
        files = [tmp_path / f"{name}_{kind}.tif" for kind in ("fused", "quality", "details")]
        result = fuse_layers(fine, coarse, *files, run=run, running=running)
        assert len(result.left_out) == 3
    for kind in ("fused", "quality", "details"):
        one, other = (tmp_path / f"{name}_{kind}.tif" for name in ("threads", "cluster"))
        assert one.read_bytes() == other.read_bytes()


@needs_dask
def test_downscaled_maps_are_the_same_bytes(two_workers, world, tmp_path):
    one = world(6, 7, 5, 3, gaps=0.2)
    model, (fine, coarse) = one.model(CONTRASTS, 0.8), one.write()
    for name, running in (("threads", None), ("cluster", Running(two_workers.address))):
        downscale(model, fine, coarse, tmp_path / f"{name}.tif", tmp_path / f"{name}_q.tif", running=running)
    for kind in (".tif", "_q.tif"):
        assert (tmp_path / f"threads{kind}").read_bytes() == (tmp_path / f"cluster{kind}").read_bytes()


@needs_dask
def test_a_killed_worker_is_survived_and_a_late_one_helps(many, tmp_path, tmp_path_factory):
    paths, expected = many
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    killed = []

    def kill(first):
        while not list(tmp_path.glob(".cluster-work-*/*.part")):
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGKILL)
        killed.append(not (tmp_path / "cluster.tif").exists())

    try:
        first = made.worker()
        made.wait(1)
        thread = threading.Thread(target=kill, args=(first,))
        thread.start()
        # With its only worker dead the run waits for this one, which nothing was sent to by hand.
        late = threading.Timer(1.0, made.worker)
        late.start()
        composites(paths, tmp_path / "cluster.tif", Running(made.address))
        thread.join()
        late.join()
    finally:
        made.close()
    assert killed == [True]
    assert (tmp_path / "cluster.tif").read_bytes() == expected


@needs_dask
@pytest.mark.parametrize("lost", ["scheduler", "workers"])
def test_a_cluster_that_goes_ends_the_run_and_parts_stay(lost, many, tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(cluster, "_NO_WORKERS", 2.0)
    monkeypatch.setattr(cluster, "_LOOKS", 0.2)
    monkeypatch.setattr(connection, "PATIENCE", 4.0)
    paths, expected = many
    made = Cluster(tmp_path_factory.mktemp("cluster"))

    def kill():
        while not list(tmp_path.glob(".a-work-*/*.part")):
            time.sleep(0.005)
        for process in made.processes[:1] if lost == "scheduler" else made.processes[1:]:
            os.kill(process.pid, signal.SIGKILL)

    try:
        made.worker()
        made.wait(1)
        thread = threading.Thread(target=kill)
        thread.start()
        words = {"scheduler": "connection to the scheduler", "workers": "has had no workers"}[lost]
        refused([words, made.address, "the same call continues"], paths, tmp_path / "a.tif", Running(made.address))
        thread.join()
    finally:
        made.close()
    assert list(tmp_path.glob(".a-work-*/*.part"))
    composites(paths, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == expected


@needs_dask
def test_cancelling_takes_less_than_a_second_and_leaves_the_cluster_alone(two_workers, many, tmp_path):
    paths, _ = many

    class Stops(Progress):
        at = None

        def set(self, fraction, text=""):
            if fraction > 0 and self.at is None:
                self.at = time.monotonic()

        @property
        def cancelled(self):
            return self.at is not None

    stops = Stops()
    with pytest.raises(Cancelled):
        composites(paths, tmp_path / "cluster.tif", Running(two_workers.address), stops)
    assert time.monotonic() - stops.at < 1.0
    two_workers.wait(2)
    composites(paths[:5], tmp_path / "cluster.tif", Running(two_workers.address))


@needs_dask
def test_connecting_can_be_cancelled(layers, tmp_path):
    class Impatient(Progress):
        begun = None

        def info(self, text):
            if text.startswith("Connecting"):
                self.begun = time.monotonic()

        @property
        def cancelled(self):
            return self.begun is not None and time.monotonic() - self.begun > 0.2

    impatient = Impatient()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(Cancelled):
            composites(
                layers(5, 20), tmp_path / "a.tif", Running(f"tcp://127.0.0.1:{mute.getsockname()[1]}"), impatient
            )
    assert time.monotonic() - impatient.begun < 1.2
    assert not list(tmp_path.glob(".*"))


@needs_dask
def test_no_thread_outlives_a_run(two_workers, layers, tmp_path):
    # Those that run while the interpreter ends can take the process down with them.
    code = (
        "import sys, threading\n"
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('soilmoisture', {str(ROOT / '__init__.py')!r},\n"
        f"                               submodule_search_locations=[{str(ROOT)!r}])\n"
        "sys.modules['soilmoisture'] = module_from_spec(spec)\n"
        "from soilmoisture.core.prepare.composite import make_composites\n"
        "from soilmoisture.core.raster.running import Running\n"
        "make_composites(sys.argv[3:], sys.argv[1], running=Running(sys.argv[2]))\n"
        "print([one.name for one in threading.enumerate()])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.tif"), two_workers.address, *layers(31, 20)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "['MainThread']\n", "")


def refused(words, paths, out, running):
    with pytest.raises(InputError) as caught:
        composites(paths, out, running)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message and not Path(out).exists()
    return message


@needs_dask
def test_what_workers_cannot_see_is_told(two_workers, layers, tmp_path):
    paths = layers(5, 20)
    hidden = "/vsimem/x_2021-01-06.tif"
    gdal.Translate(hidden, paths[0])
    dataset = gdal.Open(hidden, gdal.GA_Update)
    dataset.GetRasterBand(1).SetMetadataItem("PERIOD_START", "2021-01-06")
    dataset.GetRasterBand(1).SetMetadataItem("PERIOD_END", "2021-01-07")
    del dataset
    running = Running(two_workers.address)
    refused(
        ["The worker tcp://127.0.0.1:", f"cannot see the input {hidden}"], [*paths, hidden], tmp_path / "a.tif", running
    )
    gdal.Unlink(hidden)
    running = Running(two_workers.address, work_folder="/vsimem/work")
    refused(["The worker tcp://127.0.0.1:", "cannot see the work folder"], paths, tmp_path / "b.tif", running)


def test_what_was_mended_is_seen_at_the_next_call(tmp_path):
    folder, away = tmp_path / "work", tmp_path / "away"
    folder.mkdir()
    write_part(str(folder / "a.shared"), "key", {})
    text = json.dumps(
        {
            "digest": uuid.uuid4().hex,
            "common": str(folder / "a.shared"),
            "key": "key",
            "inputs": [],
            "numpy": np.__version__,
        }
    ).encode()
    folder.rename(away)
    assert "cannot see the work folder" in remote.look(text)
    away.rename(folder)
    assert remote.look(text) == ""


@needs_dask
def test_a_mistake_found_by_a_worker_is_the_same_sentence(two_workers, layers, tmp_path):
    paths = layers(5, 300)
    size = os.path.getsize(paths[2])
    with open(paths[2], "r+b") as file:
        file.truncate(size - 5000)
    words = ["x_2021-01-03", "is damaged or incomplete"]
    one, other = (refused(words, paths, tmp_path / "a.tif", Running(name)) for name in ("", two_workers.address))
    assert one.split("What is finished")[0] == other.split("What is finished")[0]


@needs_dask
@pytest.mark.parametrize("package", ["osgeo", "numpy"])
def test_a_worker_without_what_it_needs_is_named(package, layers, tmp_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    hidden = folder / "hidden" / "osgeo"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('libgdal.so is missing')")
    other = folder / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import numpy\nnumpy.__version__ = '99.1.0'")
    made = Cluster(folder)
    try:
        made.worker(path=folder / ("hidden" if package == "osgeo" else "other"))
        words = {"osgeo": ["GDAL for Python", "libgdal.so is missing"], "numpy": ["has numpy 99.1.0", np.__version__]}
        refused(["The worker tcp://", *words[package]], layers(5, 20), tmp_path / "a.tif", Running(made.address))
    finally:
        made.close()


class Idle:
    """An executor that notes how many parts were under way at once; another worker joins after ten of them."""

    most, under_way, largest = 4, 0, 0

    def submit(self, function, common, part, path, key):
        self.under_way += 1
        self.largest = max(self.largest, self.under_way)
        done = Future()
        done.set_result({})
        return done

    def close(self):
        pass


@pytest.mark.parametrize(("scheduler", "most"), [("tcp://10.0.0.5:8786", 8), ("", 1)])
def test_memory_here_does_not_bound_what_a_cluster_has_under_way(scheduler, most, tmp_path):
    idle = Idle()
    parts = [SimpleNamespace(name=str(number), pixels=1) for number in range(20)]
    running = Running(scheduler, memory_mib=64)
    with Work(tmp_path / "a.tif", "0" * 16, running, Progress(), idle) as work:
        for number, _ in enumerate(work.run(dict, None, parts, Progress(), part_bytes=2**40)):
            idle.under_way -= 1
            idle.most = 8 if number >= 10 else 4
    assert idle.largest == most


@needs_dask
def test_two_releases_share_a_cluster(two_workers, layers, tmp_path, monkeypatch):
    paths = layers(10, 60)
    composites(paths, tmp_path / "one.tif", Running(two_workers.address))
    name, _ = shipping.archive()
    monkeypatch.setattr(shipping, "_UNPACK", shipping._UNPACK + "\n# another release\n")
    shipping.archive.cache_clear()
    try:
        assert shipping.archive()[0] != name
        composites(paths, tmp_path / "other.tif", Running(two_workers.address))
    finally:
        shipping.archive.cache_clear()
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "other.tif").read_bytes()


@needs_dask
def test_a_late_worker_that_cannot_do_its_share_is_named(two_workers, layers, tmp_path, monkeypatch):
    # Late: it was not there when all were asked, and looks before its first part.
    monkeypatch.setattr(cluster.ClusterExecutor, "_look", lambda self, task: None)
    running = Running(two_workers.address, work_folder="/vsimem/work")
    refused(["The worker tcp://127.0.0.1:", "cannot see the work folder"], layers(5, 20), tmp_path / "a.tif", running)


@needs_dask
@pytest.mark.parametrize("address", ["127.0.0.1", "tcp://10.0.0.5", "tcp://10.0.0.5:port"])
def test_an_address_without_a_port_is_refused_at_once(address, layers, tmp_path):
    refused([f"The scheduler {address}", "no address with a port"], layers(5, 20), tmp_path / "a.tif", Running(address))


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "no address", "http://127.0.0.1:80", "tls://127.0.0.1:9"])
def test_a_scheduler_that_does_not_answer(address, layers, tmp_path, monkeypatch):
    assert connection.PATIENCE <= 9
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    refused([f"The scheduler {address} does not answer"], layers(5, 20), tmp_path / "a.tif", Running(address))
    assert not list(tmp_path.glob(".*"))


def test_without_dask_the_install_command_is_told(layers, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    refused(["distributed is not installed", "pip install"], layers(5, 20), tmp_path / "a.tif", Running("tcp://h:1"))


def test_parts_may_lie_in_a_virtual_file_system(layers, tmp_path):
    paths = layers(10, 300)
    composites(paths, tmp_path / "one.tif")
    composites(paths, tmp_path / "other.tif", Running(work_folder="/vsimem/work"))
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "other.tif").read_bytes()
    assert not gdal.ReadDirRecursive("/vsimem/work")
