"""What `run.py` measures, each in a process of its own: python measures.py WHAT FOLDER [OPTIONS as JSON].

Prints seconds of wall time and of processor time, and peak memory. Imports, and the training of the plain script, do
not count.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import package  # noqa: F401
from osgeo import gdal

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale
from soilmoisture.core.model.form import VALUES
from soilmoisture.core.model.modelfile import load_model, save_model
from soilmoisture.core.prepare.common_grid import GridOptions, make_common_grid
from soilmoisture.core.raster.grid import Grid, ease_grid
from soilmoisture.core.raster.periods import day
from soilmoisture.core.raster.running import Running
from soilmoisture.core.raster.stack import Band, Stack, StackWriter, create_geotiff
from soilmoisture.core.raster.support import RunningMean, Support
from soilmoisture.core.raster.tiles import strips
from soilmoisture.core.train.samples import CoarseData, read_coarse
from soilmoisture.core.train.training import Options, train

FACTORS = 8
RATIO = 9
CELLS = 166  # a side; about what 1500 pixels hold
LEARNERS = {"randomforest": "trees", "lightgbm": "trees"}


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    options = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    clock = Clock()
    with clock:
        own = MEASURES[what](folder, **options)
    clock = own or clock
    print(json.dumps({"seconds": clock.wall, "processor": clock.processor, "mebibytes": peak_mebibytes()}))


class Clock:
    """Adds up the seconds inside its `with` blocks."""

    wall = processor = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.monotonic() - self._began[0]
        self.processor += time.process_time() - self._began[1]


def generate(folder: Path, size: int, periods: int = 1) -> None:
    """Factors with holes on a fine grid of about size x size, and a coarse target made from some of them."""
    cells = max(20, size // RATIO)
    coarse = ease_grid(9, 100, 1000, cells, cells)
    fine = coarse.subdivide(RATIO)
    random = np.random.default_rng(0)
    waves = random.uniform(0.002, 0.05, (FACTORS, 4))
    days = [day(dt.date(2021, 6, 1) + dt.timedelta(days=k)) for k in range(periods)]
    bands = [Band(f"factor_{k}", period, "1") for period in days for k in range(FACTORS)]
    targets = []
    with StackWriter(folder / "factors.tif", fine, bands) as out:
        for number in range(periods):
            means = [RunningMean(Support(fine, coarse)) for _ in range(3)]
            for row0, rows in strips(fine.rows, fine.cols):
                for k, values in enumerate(_fields(row0, rows, fine.cols, waves, number, random)):
                    out.write(number * FACTORS + k + 1, values, row0)
                    if k < len(means):
                        means[k].add(values, row0)
            a, b, c = (mean.result()[0] for mean in means)
            targets.append(0.2 + 0.02 * a - 0.015 * b * c + random.normal(0, 0.01, coarse.shape))
    with StackWriter(folder / "target.tif", coarse, [Band("soil_moisture", period, "m3/m3") for period in days]) as out:
        for number, values in enumerate(targets, 1):
            out.write(number, values)


def _fields(row0: int, rows: int, cols: int, waves: np.ndarray, number: int, random: np.random.Generator) -> Any:
    row, col = np.arange(row0, row0 + rows)[:, None], np.arange(cols)
    hole = np.sin(row * 0.013 + number) * np.sin(col * 0.017) > 0.55
    for k, (a, b, c, d) in enumerate(waves):
        smooth = np.sin(row * a + k + number) * np.cos(col * b) + np.sin(row * c + col * d)
        noise = 0.3 * random.standard_normal((rows, cols), np.float32)
        yield np.where(hole, np.nan, smooth + noise).astype(np.float32)


def resample(folder: Path) -> None:
    make_common_grid(
        [str(folder / "target.tif")],
        [str(folder / "factors.tif")],
        folder / "fine.tif",
        folder / "coarse.tif",
        GridOptions(ratio=RATIO),
    )


def fit(folder: Path, model: str, learner: str, trees: int) -> None:
    """Train on the values of as many cells as a study region has, and keep the model."""
    settings = {"trees": trees} if learner in LEARNERS else {}
    options = Options(learner, settings, VALUES, linear_trend=False, validation=("blocks",))
    save_model(train(_corner(read_coarse(folder / "coarse.tif")), options).model, model)


def ours(folder: Path, model: str, threads: int | None = None) -> None:
    downscale(
        load_model(Path(model)),
        folder / "fine.tif",
        folder / "coarse.tif",
        folder / "ours.tif",
        None,
        DownscaleOptions(detail_gain=1.0),
        running=Running(threads=threads),
    )


def kernel(folder: Path, model: str) -> Clock:
    """The model's own arithmetic for all valid pixels of the first period; reading does not count."""
    loaded = load_model(Path(model))
    loaded.predict(np.zeros((100, FACTORS)))  # compiled, or taken from the user's cache
    clock = Clock()
    with Stack.open(folder / "fine.tif") as fine:
        for row0, rows in strips(fine.grid.rows, fine.grid.cols, pixels=2**19):
            values = np.array([fine.read(k + 1, row0, rows).ravel() for k in range(FACTORS)])
            x = np.ascontiguousarray(values[:, np.isfinite(values).all(axis=0)].T)
            with clock:
                loaded.predict(x)
    return clock


def floor(folder: Path) -> None:
    """Read the factors of the first period and write one band as the plugin does, by blocks, and nothing else."""
    gdal.SetConfigOption("GDAL_NUM_THREADS", "ALL_CPUS")
    gdal.SetCacheMax(192 * 2**20)
    fine = gdal.Open(str(folder / "fine.tif"))
    out = create_geotiff(folder / "floor.tif", Grid.of(fine), 1, "float32")
    for row0, rows in strips(fine.RasterYSize, fine.RasterXSize, 256, 1):
        values = [fine.GetRasterBand(k + 1).ReadAsArray(0, row0, fine.RasterXSize, rows) for k in range(FACTORS)]
        out.GetRasterBand(1).WriteArray(values[0], 0, row0)
    out = None


def plain(folder: Path, learner: str, trees: int) -> Clock:
    """What users write: everything in memory, one call of the library; no conservation."""
    data = _corner(read_coarse(folder / "coarse.tif"))
    valid = np.isfinite(data.target[0]) & np.isfinite(data.factors[:, 0]).all(axis=0)
    estimator = _estimator(learner, trees)
    estimator.fit(data.factors[:, 0][:, valid].T, data.target[0][valid])
    clock = Clock()
    with clock:
        dataset = gdal.Open(str(folder / "fine.tif"))
        x = dataset.ReadAsArray().reshape(FACTORS, -1).T
        ok = (x != -9999).all(axis=1)
        result = np.full(len(x), -9999, np.float32)
        result[ok] = estimator.predict(x[ok])
        grid = Grid.of(dataset)
        out = create_geotiff(folder / "plain.tif", grid, 1, "float32")
        out.GetRasterBand(1).WriteArray(result.reshape(grid.shape))
        out = None
    return clock


def _estimator(learner: str, trees: int) -> Any:
    """With the settings that the plugin trains with, as far as they bear on the time of prediction."""
    if learner == "lightgbm":
        from lightgbm import LGBMRegressor

        return LGBMRegressor(n_estimators=trees, n_jobs=-1, random_state=0, verbose=-1)
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(trees, max_features=1 / 3, min_samples_leaf=5, n_jobs=-1, random_state=0)


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


def peak_mebibytes() -> float:
    """Peak memory of this process alone: what getrusage says includes its parent's on Linux."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


MEASURES: dict[str, Callable[..., Any]] = {
    "generate": generate,
    "resample": resample,
    "fit": fit,
    "ours": ours,
    "kernel": kernel,
    "floor": floor,
    "plain": plain,
}

if __name__ == "__main__":
    main()
