"""Runs that are killed in the middle: the same call goes on, and the file is what an unbroken run gives."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from soilmoisture.core.prepare.composite import CompositeOptions, make_composites
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers
from soilmoisture.core.prepare.fusion.options import FusionOptions
from soilmoisture.core.raster.grid import ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.stack import Band, StackWriter


def composites(folder, out):
    make_composites(sorted(map(str, folder.glob("c_*.tif"))), out, CompositeOptions("5 days", method="median"))


def fused(folder, out):
    fine, coarse = (sorted(map(str, folder.glob(f"{name}_*.tif"))) for name in "fc")
    fuse_layers(fine, coarse, out, out.with_name(f"{out.stem}-codes.tif"), run=FusionRun(FusionOptions(window=25)))


def layers(folder, days=60, size=300):
    random = np.random.default_rng(0)
    base = random.normal(size=(size, size)).cumsum(axis=1)
    for number in range(days):
        date = day(dt.date(2021, 1, 1) + dt.timedelta(days=number))
        for kind in "fc" if number in (0, days // 2, days - 1) else "c":
            values = base * (1 + number / days) + random.normal(size=base.shape)
            values[random.random(values.shape) < 0.1] = np.nan
            with StackWriter(
                folder / f"{kind}_{date.label}.tif", ease_grid(1, 3000, 20000, size, size), [Band("x", date)]
            ) as out:
                out.write(1, values)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
@pytest.mark.parametrize("kind", ["composites", "fused"])
def test_a_killed_run_goes_on_to_the_same_bytes(kind, tmp_path):
    layers(tmp_path, 60 if kind == "composites" else 8, 300 if kind == "composites" else 200)
    {"composites": composites, "fused": fused}[kind](tmp_path, tmp_path / "unbroken.tif")
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); import conftest\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_killed_runs as t; from pathlib import Path\n"
        f"t.{kind}(Path({str(tmp_path)!r}), Path({str(tmp_path / 'broken.tif')!r}))"
    )
    kept = []
    for least in (1, 3):
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            while process.poll() is None and len(list(tmp_path.glob(".broken-work-*/*.part"))) < least:
                time.sleep(0.002)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert not (tmp_path / "broken.tif").exists(), "the run was over before it was killed"
        parts = list(tmp_path.glob(".broken-work-*/*.part"))
        assert len(parts) >= least
        kept.append({path: path.stat().st_mtime_ns for path in parts})
    assert all(kept[1][path] == when for path, when in kept[0].items()), "finished parts were computed again"
    # A part whose bytes are not what was written counts as not there.
    spoiled = max(parts, key=lambda path: path.stat().st_size)
    content = bytearray(spoiled.read_bytes())
    content[-1] ^= 1
    spoiled.write_bytes(content)
    {"composites": composites, "fused": fused}[kind](tmp_path, tmp_path / "broken.tif")
    assert (tmp_path / "broken.tif").read_bytes() == (tmp_path / "unbroken.tif").read_bytes()
    if kind == "fused":
        codes = [(tmp_path / f"{name}-codes.tif").read_bytes() for name in ("broken", "unbroken")]
        assert codes[0] == codes[1]
    assert not list(tmp_path.glob(".*"))
