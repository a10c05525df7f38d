"""Exact area means of a large raster, as ratios to gdal.Warp `average`, side by side in one run.

    python benchmarks/aggregation.py [--size 10000] [--cells 1100] [--repeat 3] [--json FILE] [--folder DIR]

A float32 raster with holes, its grid not aligned with that of the means, read from a file. Each way runs in a process
of its own, in turn with the others; the best of `--repeat` runs counts, since what others do on the machine only adds.
  area mean       what `resampletogrid` does with factors finer than its grid; with numba and without
  gdal.Warp       `average` on one thread and on all
  scipy.sparse    products of sparse weights with float64 strips
  exactextract    polygons of the cells, on a small part (its time grows with pixels)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import package  # noqa: F401
from osgeo import gdal

from soilmoisture.core.prepare.resampling import Resampler
from soilmoisture.core.raster import sums
from soilmoisture.core.raster.blocks import read_ahead
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.stack import Stack, decoding_in_threads, small_block_cache
from soilmoisture.core.raster.support import Support
from soilmoisture.core.raster.tiles import strips

NUMBA, NUMPY, WARP, WARP_ALL = "area mean, numba", "area mean, numpy", "gdal.Warp, 1 thread", "gdal.Warp, all threads"
SPARSE, EXTRACT = "scipy.sparse", "exactextract"
FORMATS = {"uncompressed": ["COMPRESS=NONE"], "deflate": ["COMPRESS=DEFLATE", "ZLEVEL=1"]}
PART = 1500  # pixels a side that exactextract is given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10000)
    parser.add_argument("--cells", type=int, default=1100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        measure(chosen.only[0], Path(chosen.only[1]), int(chosen.only[2]))
        return
    rows = compare(chosen.size, chosen.cells, chosen.repeat, chosen.folder)
    print(table(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


def compare(size: int, cells: int, repeat: int, folder: Path | None = None) -> list[dict[str, Any]]:
    """One row per way and format: seconds, peak memory, ratio to Warp on all threads, largest difference from exact."""
    rows = []
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for label, options in FORMATS.items():
            source = Path(name) / f"{label}.tif"
            generate(source, size, options)
            ways = [NUMBA, NUMPY, WARP, WARP_ALL, *([SPARSE] if label == "uncompressed" else [])]
            runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            for _ in range(repeat):
                for way in ways:
                    runs[way].append(child(way, source, cells))
            exact = np.load(source.with_suffix(f".{NUMBA}.npy"))
            beside = min(run["seconds"] for run in runs[WARP_ALL])
            for way in ways:
                best = min(runs[way], key=lambda run: run["seconds"])
                found = np.load(source.with_suffix(f".{way}.npy"))
                rows.append(
                    {
                        "file": label,
                        "way": way,
                        "seconds": best["seconds"],
                        "processor": best["processor"],
                        "times_warp": beside / best["seconds"],
                        "mebibytes": best["mebibytes"],
                        "difference": float(np.nanmax(np.abs(found - exact))),
                    }
                )
        rows += beside_exactextract(Path(name) / "uncompressed.tif", cells / size)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    shown = {"seconds": ".2f", "processor": ".2f", "times_warp": ".1f", "mebibytes": ".0f", "difference": ".1g"}
    names = ["seconds", "of processor time", "times gdal.Warp, all threads", "peak MiB", "largest difference from ours"]
    lines = [f"| file | way | {' | '.join(names)} |", "|" + "---|" * (len(names) + 2)]
    for row in rows:
        numbers = ["" if row[key] is None else f"{row[key]:{form}}" for key, form in shown.items()]
        lines.append(f"| {row['file']} | {row['way']} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def generate(path: Path, size: int, options: list[str]) -> None:
    """A vegetation index with clouds, in EASE-Grid coordinates."""
    grid = fine_grid(size)
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), size, size, 1, gdal.GDT_Float32, ["TILED=YES", "BIGTIFF=IF_SAFER", "NUM_THREADS=ALL_CPUS", *options]
    )
    dataset.SetProjection(grid.crs_wkt)
    dataset.SetGeoTransform(grid.transform)
    band = dataset.GetRasterBand(1)
    band.SetNoDataValue(-9999)
    rng = np.random.default_rng(0)
    col = np.arange(size)
    for row0, rows in strips(size, size, 256):
        row = np.arange(row0, row0 + rows)[:, None]
        values = 0.4 + 0.3 * np.sin(row * 0.02) * np.cos(col * 0.015) + 0.1 * rng.random((rows, size), dtype=np.float32)
        hole = np.sin(row * 0.013) * np.sin(col * 0.017) > 0.55
        band.WriteArray(np.where(hole, -9999, np.round(values, 4)).astype(np.float32), 0, row0)


def fine_grid(size: int) -> Grid:
    return ease_grid(1, 4000, 20000, size, size)


def cell_grid(fine: Grid, cells: int) -> Grid:
    """`cells` x `cells` over most of `fine`, aligned with none of its pixels."""
    width = fine.cell_width * fine.rows / cells * 0.9957
    x, y = fine.transform[0] + 0.37 * width, fine.transform[3] - 0.21 * width
    return Grid(fine.crs_wkt, (x, width, 0.0, y, 0.0, -width), cells, cells)


def child(way: str, source: Path, cells: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--only", way, str(source), str(cells)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(way: str, source: Path, cells: int) -> None:
    """Print seconds and peak memory; the means go beside the source."""
    grid = cell_grid(Grid.of(str(source)), cells)
    if way == NUMBA:
        sums._compiled("float32")  # loaded once per session, from the user's cache
    elif way == NUMPY:
        sums._WORTH_COMPILING = 10**15
    began, work = time.monotonic(), time.process_time()
    means = {WARP: warp, WARP_ALL: warp, SPARSE: sparse}.get(way, area_mean)(source, grid, way)
    seconds, work = time.monotonic() - began, time.process_time() - work
    print(json.dumps({"seconds": seconds, "processor": work, "mebibytes": peak_mebibytes()}))
    np.save(source.with_suffix(f".{way}.npy"), means)


def area_mean(source: Path, grid: Grid, way: str) -> np.ndarray:
    means = np.empty(grid.shape)
    with small_block_cache(), decoding_in_threads(), Stack.open(source) as stack:
        reader = Resampler(stack, 1, grid)
        tasks = list(strips(*grid.shape))
        for (row0, rows), values in read_ahead(tasks, lambda task: reader.read(*task), 2):
            means[row0 : row0 + rows] = values
    return means


def warp(source: Path, grid: Grid, way: str) -> np.ndarray:
    """Cells of which less than half is valid are left out, as ours are."""
    xmin, ymin, xmax, ymax = grid.extent()
    threads = way == WARP_ALL
    dataset = gdal.Warp(
        "",
        str(source),
        format="MEM",
        resampleAlg="average",
        outputBounds=(xmin, ymin, xmax, ymax),
        width=grid.cols,
        height=grid.rows,
        dstNodata="nan",
        multithread=threads,
        warpOptions=[f"NUM_THREADS={os.cpu_count() if threads else 1}"],
    )
    return dataset.ReadAsArray().astype(np.float64)


def sparse(source: Path, grid: Grid, way: str) -> np.ndarray:
    with small_block_cache(), Stack.open(source) as stack:
        support = Support(stack.grid, grid)
        total, weight = np.zeros((2, *grid.shape))
        for row0, count in strips(stack.grid.rows, stack.grid.cols):
            values = stack.read(1, row0, count)
            valid = np.isfinite(values)
            rows = support.row_weights[:, row0 : row0 + count]
            seen = np.flatnonzero(np.diff(rows.indptr))
            for into, of in ((total, np.where(valid, values, 0.0)), (weight, valid.astype(float))):
                into[seen] += (support.col_weights @ (rows[seen] @ of).T).T
    return np.divide(total, weight, out=np.full(grid.shape, np.nan), where=weight >= 0.5 - 1e-9)


def beside_exactextract(source: Path, cells_per_pixel: float) -> list[dict[str, Any]]:
    """Seconds of both on PART x PART pixels, and how far they differ; nothing where exactextract is absent."""
    try:
        from exactextract import exact_extract
        from exactextract.raster import NumPyRasterSource
    except ImportError:
        return []
    with Stack.open(source) as stack:
        side = min(PART, stack.grid.rows)
        fine = stack.grid.window(0, 0, side, side)
        values = stack.read(1, 0, side, 0, side)
    grid = cell_grid(fine, max(2, round(side * cells_per_pixel)))
    x, y = grid.x_edges().tolist(), grid.y_edges().tolist()
    corners = [
        [(x[j], y[i]), (x[j + 1], y[i]), (x[j + 1], y[i + 1]), (x[j], y[i + 1]), (x[j], y[i])]
        for i, j in np.ndindex(*grid.shape)
    ]
    cells = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for ring in corners
    ]
    left, bottom, right, top = fine.extent()
    raster = NumPyRasterSource(values, xmin=left, ymin=bottom, xmax=right, ymax=top, nodata=np.nan)
    began = time.monotonic()
    found = [one["properties"] for one in exact_extract(raster, cells, ["mean", "count"])]
    theirs = time.monotonic() - began
    began = time.monotonic()
    mean, _ = Support(fine, grid).mean(values)
    own = time.monotonic() - began
    exact = np.array([one["mean"] if one["count"] > 0 else np.nan for one in found], float).reshape(grid.shape)
    difference = float(np.nanmax(np.abs(mean - exact)))
    label = f"{side} x {side} in memory"
    row = {"file": label, "processor": None, "times_warp": None, "mebibytes": None}
    return [
        {**row, "way": "support mean", "seconds": own, "difference": 0.0},
        {**row, "way": EXTRACT, "seconds": theirs, "difference": difference},
    ]


def peak_mebibytes() -> float:
    """Peak memory of this process alone: what getrusage says includes its parent's on Linux."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
