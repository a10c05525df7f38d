"""Time and memory of image fusion, as ratios measured side by side in one run.

    python benchmarks/fusion.py [--size 200] [--rows 1000 --cols 10000 [--bands 6 --dates 8 --window 31]]

One band, window of 51 pixels, size x size pixels:
  compiled      what runs where numba is installed, on all threads
  numpy         what runs elsewhere: a loop over window offsets
  per pixel     a loop over pixels that cuts out each one's window, as published Python codes do; on some rows, scaled
  plain loops   the oracle of the tests, loops over pixels and neighbours; on a small image, scaled by neighbours
Then six bands, window of 31 pixels: one date and eight in one pass.
With --rows and --cols, a run from files to files of that size in a process of its own, with its peak memory.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "core" / "prepare" / "fusion")]

import conftest  # noqa: E402, F401  (registers the package)
import numpy as np  # noqa: E402
import plain_loops  # noqa: E402
from scipy.ndimage import gaussian_filter, uniform_filter  # noqa: E402

from soilmoisture.core.prepare.fusion.estarfm import fuse_estarfm  # noqa: E402
from soilmoisture.core.prepare.fusion.fusion import FusionRun, fuse_layers  # noqa: E402
from soilmoisture.core.prepare.fusion.options import FusionOptions  # noqa: E402
from soilmoisture.core.raster.grid import ease_grid  # noqa: E402
from soilmoisture.core.raster.periods import period_in_name  # noqa: E402
from soilmoisture.core.raster.stack import Band, StackWriter  # noqa: E402
from soilmoisture.core.raster.tiles import strips  # noqa: E402

WINDOW = 51
DATES = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--cols", type=int, default=0)
    parser.add_argument("--bands", type=int, default=1)
    parser.add_argument("--dates", type=int, default=2)
    parser.add_argument("--window", type=int, default=WINDOW)
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        files(chosen.only, chosen.window)
    elif chosen.rows and chosen.cols:
        large(chosen.rows, chosen.cols, chosen.bands, chosen.dates, chosen.window)
    else:
        kernels(chosen.size)
        six_bands(chosen.size)


def kernels(size: int) -> None:
    fine, coarse, wanted = images(size, size)
    options = FusionOptions(window=WINDOW)
    fuse_estarfm(fine, coarse, wanted[:1], options)  # compiles, or reads what was compiled
    seconds = {
        "compiled": best(lambda: fuse_estarfm(fine, coarse, wanted[:1], options), 7),
        "numpy": best(lambda: fuse_estarfm(fine, coarse, wanted[:1], options, compiled=False), 1),
    }
    rows = range(size // 2, size // 2 + 5)
    seconds["per pixel"] = best(lambda: per_pixel(fine[:, 0], coarse[:, 0], wanted[0, 0], rows), 1) * size / len(rows)
    small = 24
    a, b, c = (image[..., :small, :small].copy() for image in (fine, coarse, wanted))
    loops = best(lambda: plain_loops.estarfm(a, b, c[0], WINDOW // 2), 1)
    seconds["plain loops"] = loops * neighbours(size) / neighbours(small)
    one, other = (fuse_estarfm(fine, coarse, wanted[:1], options, compiled=k).values for k in (True, False))
    print(f"{size} x {size} pixels, window {WINDOW}, {os.cpu_count()} threads; load {os.getloadavg()[0]:.1f}")
    print(f"{'':16}{'seconds':>10}{'times slower':>14}")
    for name, value in seconds.items():
        print(f"{name:16}{value:10.3f}{value / seconds['compiled']:14.1f}")
    print(f"largest difference of compiled and numpy: {np.nanmax(np.abs(one - other)):.1e}")
    many = best(lambda: fuse_estarfm(fine, coarse, wanted, options), 2)
    faster = DATES * seconds["compiled"] / many
    print(f"{DATES} dates in one pass: {many:.3f} s, {faster:.1f} times faster than one by one")


def six_bands(size: int) -> None:
    fine, coarse, wanted = images(size, size, 8)
    levels = np.arange(1.0, 7.0)[:, None, None]
    fine, coarse, wanted = (image * levels for image in (fine, coarse, wanted))
    options = FusionOptions(window=31)
    one = best(lambda: fuse_estarfm(fine, coarse, wanted[:1], options), 2)
    many = best(lambda: fuse_estarfm(fine, coarse, wanted, options), 2)
    print(
        f"6 bands, window 31: one date {one:.3f} s, 8 dates in one pass {many:.3f} s, {8 * one / many:.1f} times faster"
    )


def images(rows: int, cols: int, dates: int = DATES) -> tuple[np.ndarray, ...]:
    """Fine and coarse images of two dates, and coarse ones of more."""
    random = np.random.default_rng(0)
    base, other = (gaussian_filter(random.normal(size=(rows, cols)), 2) for _ in range(2))
    fine = np.stack([base, 1.3 * base + 0.5 * other])[:, None] / base.std()
    coarse = np.stack([uniform_filter(image[0], 16)[None] for image in fine])
    wanted = np.stack([coarse[0] + k / dates * (coarse[1] - coarse[0]) ** 2 for k in range(1, dates + 1)])
    return fine, coarse, wanted


def per_pixel(fine: np.ndarray, coarse: np.ndarray, wanted: np.ndarray, rows: range) -> None:
    """The arithmetic of one band as published codes do it: every pixel's window is cut out and searched by itself."""
    half, limit = WINDOW // 2, 2 * fine.std(axis=(1, 2)) / 4
    y, x = np.mgrid[: fine.shape[1], : fine.shape[2]]
    for i in rows:
        for j in range(fine.shape[2]):
            box = slice(max(0, i - half), i + half + 1), slice(max(0, j - half), j + half + 1)
            f, c, now = fine[(slice(None), *box)], coarse[(slice(None), *box)], wanted[box]
            similar = (np.abs(f - fine[:, i, j][:, None, None]) <= limit[:, None, None]).all(axis=0)
            f, c, seen = f[:, similar], c[:, similar], now[similar]
            distance = 1 + np.hypot(y[box][similar] - i, x[box][similar] - j) / half
            weight = 1 / ((np.abs(f - c).sum(axis=0) + 1e-3) * distance)
            weight /= weight.sum()
            np.polyfit(c.ravel(), f.ravel(), 1)
            changes = np.abs([(now - coarse[k][box]).sum() for k in (0, 1)]) + 1e-9
            part = changes[::-1] / changes.sum()
            sum(part[k] * (fine[k, i, j] + (weight * (seen - c[k])).sum()) for k in (0, 1))


def neighbours(size: int) -> int:
    """Pairs of a pixel and a pixel of its window."""
    at = np.arange(size)
    along = np.minimum(size, at + WINDOW // 2 + 1) - np.maximum(0, at - WINDOW // 2)
    return int(along.sum()) ** 2


def best(work: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def large(rows: int, cols: int, bands: int, dates: int, window: int) -> None:
    """A run from files, in a process of its own. Coarse cells are 9 km, fine pixels 1 km."""
    grid, cells = ease_grid(1, 1998, 1998, rows, cols), ease_grid(9, 222, 222, -(-rows // 9), -(-cols // 9))
    first = dt.date(2020, 5, 1)
    days = [(first + dt.timedelta(k)).isoformat() for k in range(dates + 2)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random = np.random.default_rng(0)
        for side, own, its in (("fine", grid, (days[0], days[-1])), ("coarse", cells, days)):
            for k, day in enumerate(its):
                labels = [Band(f"b{band}", period_in_name(day), "1") for band in range(bands)]
                with StackWriter(folder / f"{side}_{day}.tif", own, labels) as out:
                    for row0, height in strips(*own.shape):
                        for band in range(bands):
                            values = np.sin(np.arange(row0, row0 + height)[:, None] / 9 + band)
                            values = values + np.cos(np.arange(own.cols) / (7 + k))
                            out.write(band + 1, values + 0.1 * random.normal(size=values.shape), row0)
        command = [sys.executable, __file__, "--only", str(folder), "--window", str(window)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    per_million = found["seconds"] / (rows * cols * bands * dates / 1e6)
    print(
        f"{rows} x {cols} pixels, {bands} bands, {dates} dates, window {window}, files to files: "
        f"{found['seconds']:.1f} s, peak {found['mebibytes']:.0f} MiB"
    )
    print(f"{per_million:.2f} s per million pixels, band and date")


def peak_mebibytes() -> float:
    """Peak memory of this process alone: what getrusage says includes its parent's on Linux."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def files(folder: Path, window: int) -> None:
    began = time.perf_counter()
    fine, coarse = (sorted(str(path) for path in folder.glob(f"{side}_*.tif")) for side in ("fine", "coarse"))
    fuse_layers(fine, coarse, folder / "fused.tif", run=FusionRun(FusionOptions(window=window)))
    print(json.dumps({"seconds": time.perf_counter() - began, "mebibytes": peak_mebibytes()}))


if __name__ == "__main__":
    main()
