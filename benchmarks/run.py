"""Time and memory of the chain on generated rasters, as ratios measured side by side in one run.

    python benchmarks/run.py [--size 1500] [--trees 100] [--folder DIR]

Trains a forest on coarse samples and applies it to 8 factors on a size x size grid with holes:
  ours     `downscale`: blocks, nodata kept, conservation, report figures
  plain    a script as users write it: read everything, one call of scikit-learn, write; no conservation
Each runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import manitoba  # noqa: E402, F401  (registers the package)
import numpy as np  # noqa: E402

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale  # noqa: E402
from soilmoisture.core.model.form import VALUES  # noqa: E402
from soilmoisture.core.model.modelfile import load_model, save_model  # noqa: E402
from soilmoisture.core.prepare.common_grid import GridOptions, make_common_grid  # noqa: E402
from soilmoisture.core.raster.grid import Grid, ease_grid  # noqa: E402
from soilmoisture.core.raster.stack import Band, Stack, StackWriter, create_geotiff  # noqa: E402
from soilmoisture.core.raster.support import Support  # noqa: E402
from soilmoisture.core.raster.tiles import strips  # noqa: E402
from soilmoisture.core.train.samples import CoarseData, read_coarse  # noqa: E402
from soilmoisture.core.train.training import Options, train  # noqa: E402

FACTORS = 8
CELLS = 166  # a side; about what 1500 pixels hold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1500)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain script, which needs all in memory")
    parser.add_argument("--only", choices=["grid", "ours", "plain"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        measure(chosen.only, chosen.folder)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        coarse = generate(folder, chosen.size)
        rows = {"grid": child("grid", folder)}
        training = train(
            _corner(read_coarse(folder / "coarse.tif")),
            Options("randomforest", {"trees": chosen.trees}, VALUES, linear_trend=False, validation=("blocks",)),
        )
        save_model(training.model, folder / "model.smdl")
        rows |= {name: child(name, folder) for name in (["ours"] if chosen.no_plain else ["ours", "plain"])}
    pixels = coarse.rows * coarse.cols * 81
    print(f"{pixels / 1e6:.2f} million pixels, {FACTORS} factors, {chosen.trees} trees, {training.samples} samples")
    print(f"{'':34}{'seconds':>10}{'peak MiB':>10}")
    names = {"grid": "resample to a common grid", "ours": "downscale", "plain": "plain scikit-learn + GDAL script"}
    for name, row in rows.items():
        print(f"{names[name]:34}{row['seconds']:10.1f}{row['mebibytes']:10.0f}")
    if not chosen.no_plain:
        time_ratio, memory_ratio = (rows["ours"][key] / rows["plain"][key] for key in ("seconds", "mebibytes"))
        print(f"downscale / plain script: time {time_ratio:.2f}, memory {memory_ratio:.2f}")


def generate(folder: Path, size: int) -> Grid:
    """Factors with holes on a fine grid of about size x size, and a coarse target made from some of them."""
    cells = max(20, size // 9)
    coarse = ease_grid(9, 100, 1000, cells, cells)
    fine = coarse.subdivide(9)
    random = np.random.default_rng(0)
    waves = random.uniform(0.002, 0.05, (FACTORS, 4))
    with StackWriter(folder / "factors.tif", fine, [Band(f"factor_{k}", None, "1") for k in range(FACTORS)]) as out:
        col = np.arange(fine.cols)
        for row0, rows in strips(fine.rows, fine.cols):
            row = np.arange(row0, row0 + rows)[:, None]
            hole = np.sin(row * 0.013) * np.sin(col * 0.017) > 0.55
            for k in range(FACTORS):
                a, b, c, d = waves[k]
                field = (
                    np.sin(row * a + k) * np.cos(col * b)
                    + np.sin(row * c + col * d)
                    + random.normal(0, 0.3, (rows, fine.cols))
                )
                out.write(k + 1, np.where(hole, np.nan, field), row0)
    with Stack.open(folder / "factors.tif") as factors:
        support = Support(fine, coarse)
        means = [support_mean(factors, support, k + 1) for k in range(3)]
    target = 0.2 + 0.02 * means[0] - 0.015 * means[1] * means[2] + random.normal(0, 0.01, coarse.shape)
    with StackWriter(folder / "target.tif", coarse, [Band("soil_moisture", None, "m3/m3")]) as out:
        out.write(1, target)
    return coarse


def _corner(data: CoarseData) -> CoarseData:
    """As many cells as a study region has: all cells of a continent would measure training, not applying."""
    part = slice(0, CELLS)
    return replace(
        data,
        grid=data.grid.window(0, 0, min(CELLS, data.grid.rows), min(CELLS, data.grid.cols)),
        target=data.target[:, part, part],
        factors=data.factors[:, :, part, part],
        share=data.share[:, part, part],
    )


def support_mean(stack: Stack, support: Support, band: int) -> np.ndarray:
    from soilmoisture.core.raster.support import RunningMean

    mean = RunningMean(support)
    for row0, rows in strips(stack.grid.rows, stack.grid.cols):
        mean.add(stack.read(band, row0, rows), row0)
    return mean.result()[0]


def child(name: str, folder: Path) -> dict[str, float]:
    """Run one measurement in its own process."""
    done = subprocess.run(
        [sys.executable, __file__, "--only", name, "--folder", str(folder)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, folder: Path) -> None:
    began = time.monotonic()
    if name == "grid":
        make_common_grid(
            [str(folder / "target.tif")],
            [str(folder / "factors.tif")],
            folder / "fine.tif",
            folder / "coarse.tif",
            GridOptions(ratio=9),
        )
    elif name == "ours":
        model = load_model(folder / "model.smdl")
        downscale(
            model,
            folder / "fine.tif",
            folder / "coarse.tif",
            folder / "ours.tif",
            None,
            DownscaleOptions(detail_gain=1.0),
        )
    else:
        began += plain(folder)
    peak = peak_mebibytes()
    print(json.dumps({"seconds": time.monotonic() - began, "mebibytes": peak}))


def peak_mebibytes() -> float:
    """Peak memory of this process alone: what getrusage says includes its parent's on Linux."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def plain(folder: Path) -> float:
    """What users write: everything in memory, one call of scikit-learn. Returns the seconds of training, which do not
    count.
    """
    from osgeo import gdal
    from sklearn.ensemble import RandomForestRegressor

    model = load_model(folder / "model.smdl")
    data = _corner(read_coarse(folder / "coarse.tif", model.factor_names))
    valid = np.isfinite(data.target[0]) & np.isfinite(data.factors[:, 0]).all(axis=0)
    trees = int(model.facts["settings"]["trees"])
    forest = RandomForestRegressor(trees, max_features=1 / 3, min_samples_leaf=5, n_jobs=-1, random_state=0)
    began = time.monotonic()
    forest.fit(data.factors[:, 0][:, valid].T, data.target[0][valid])
    training = time.monotonic() - began
    dataset = gdal.Open(str(folder / "fine.tif"))
    x = dataset.ReadAsArray().reshape(FACTORS, -1).T
    ok = (x != -9999).all(axis=1)
    result = np.full(len(x), -9999, np.float32)
    result[ok] = forest.predict(x[ok])
    grid = Grid.of(dataset)
    out = create_geotiff(folder / "plain.tif", grid, 1, "float32")
    out.GetRasterBand(1).WriteArray(result.reshape(grid.shape))
    out = None
    return training


if __name__ == "__main__":
    main()
