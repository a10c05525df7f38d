"""Time and memory of `compositeperiods`, as ratios to the plain reading and writing of the same files in one run.

    python benchmarks/composite.py [--size 2000] [--days 365] [--folder DIR] [--case months ...]

Daily layers of a country with clouds, one file each and all in one file, deflated as the plugin writes them:
  floor    a plain GDAL script that reads every band whole and writes as many bands as there are composites, one thread
  ours     `make_composites`, reading in threads
Each runs in a process of its own, so that its peak memory is its own; the best of `--repeat` runs in turn counts. The
second ratio is that of processor time: what remains of the first where other work keeps all cores but one busy.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import manitoba  # noqa: E402, F401  (registers the package)
import numpy as np  # noqa: E402
from osgeo import gdal  # noqa: E402

from soilmoisture.core.prepare.composite import CompositeOptions, make_composites  # noqa: E402
from soilmoisture.core.raster.grid import Grid, ease_grid  # noqa: E402
from soilmoisture.core.raster.periods import day  # noqa: E402
from soilmoisture.core.raster.stack import Band, StackWriter, create_geotiff  # noqa: E402

CASES = {
    "months": ("files", "month", "mean"),
    "months of one file": ("stack", "month", "mean"),
    "dekads, maximum": ("files", "dekad", "max"),
    "days": ("files", "day", "mean"),
    "median of months": ("files", "month", "median"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--case", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        measure(*chosen.only, chosen.folder)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        generate(folder, chosen.size, chosen.days)
        print(f"{chosen.days} days of {chosen.size} x {chosen.size} pixels")
        print(f"{'':24}{'floor s':>10}{'ours s':>10}{'ratio':>8}{'CPU ratio':>11}{'peak MiB':>10}")
        for case in chosen.case:
            runs = [(child("floor", case, folder), child("ours", case, folder)) for _ in range(chosen.repeat)]
            floor, ours = (min((run[k] for run in runs), key=lambda row: row["seconds"]) for k in (0, 1))
            wall, processor = (ours[key] / floor[key] for key in ("seconds", "processor"))
            print(
                f"{case:24}{floor['seconds']:10.1f}{ours['seconds']:10.1f}{wall:8.2f}{processor:11.2f}"
                f"{ours['mebibytes']:10.0f}",
                flush=True,
            )


def generate(folder: Path, size: int, days: int) -> None:
    """Daily temperatures with clouds that drift."""
    grid = ease_grid(1, 3000, 20000, size, size)
    row, col = np.mgrid[:size, :size]
    noise = np.random.default_rng(0).normal(0, 2, (size, size))
    wave, cloud = np.sin(row * 0.002) * np.cos(col * 0.003), np.sin(row * 0.011) * np.sin(col * 0.007)
    dates = [dt.date(2021, 1, 1) + dt.timedelta(days=k) for k in range(days)]
    bands = [Band("lst_day", day(date), "K") for date in dates]
    (folder / "files").mkdir()
    with StackWriter(folder / "stack.tif", grid, bands) as stack:
        for k, band in enumerate(bands):
            field = 290 + 15 * np.sin(k / 58) + 8 * np.roll(wave, 5 * k, 1) + np.roll(noise, (37 * k, 91 * k), (0, 1))
            values = np.where(np.roll(cloud, 31 * k, 1) > 0.5, np.nan, np.round(field / 0.02) * 0.02)
            stack.write(k + 1, values)
            with StackWriter(folder / "files" / f"lst_day_{dates[k]:%Y%m%d}.tif", grid, [band]) as out:
                out.write(1, values)


def layers(folder: Path, kind: str) -> list[str]:
    return [str(folder / "stack.tif")] if kind == "stack" else sorted(map(str, (folder / "files").glob("*.tif")))


def child(what: str, case: str, folder: Path) -> dict[str, float]:
    """Run one measurement in its own process."""
    command = [sys.executable, __file__, "--only", what, case, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} of {case} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(what: str, case: str, folder: Path) -> None:
    kind, period, method = CASES[case]
    paths = layers(folder, kind)
    start, processor = time.perf_counter(), time.process_time()
    if what == "ours":
        make_composites(paths, folder / "out.tif", CompositeOptions(period, method=method))
    else:
        plain(paths, folder / "out.tif", period)
    seconds = time.perf_counter() - start
    # What getrusage says of memory includes the parent's on Linux.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    peak = int(line.split()[1]) / 1024
    print(json.dumps({"seconds": seconds, "processor": time.process_time() - processor, "mebibytes": peak}))


def plain(paths: list[str], path: Path, period: str) -> None:
    """Read all, write as many bands as there are periods, compute nothing."""
    per_band = {"day": 1, "dekad": 10}.get(period, 30)
    gdal.SetCacheMax(192 * 2**20)
    total = sum(gdal.Open(one).RasterCount for one in paths)
    out = create_geotiff(path, Grid.of(paths[0]), max(1, total // per_band), "float32")
    done = 0
    for one in paths:
        dataset = gdal.Open(one)
        for number in range(dataset.RasterCount):
            values = dataset.GetRasterBand(number + 1).ReadAsArray()
            if done % per_band == 0 and done // per_band < out.RasterCount:
                out.GetRasterBand(done // per_band + 1).WriteArray(values)
            done += 1
    out.FlushCache()


if __name__ == "__main__":
    main()
