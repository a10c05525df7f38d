"""Runs of Downscale that are killed at random moments and called again: the files must be those of an unbroken run.

    python benchmarks/kill_and_resume.py [--kills 20] [--cells 60] [--periods 3] [--seed 1] [--folder DIR]

Each run is a process of its own and is ended by SIGKILL, now and then by SIGINT, at a random point of its work; it is
called again, with other threads and memory, until it ends by itself. Then its four files are compared byte by byte.
Exits with 1 where one differs, where something is left over, or where no run took up parts of an earlier one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import manitoba  # noqa: E402, F401  (registers the package)
import numpy as np  # noqa: E402

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale  # noqa: E402
from soilmoisture.core.model.form import ANOMALIES  # noqa: E402
from soilmoisture.core.model.modelfile import load_model, save_model  # noqa: E402
from soilmoisture.core.progress import Progress  # noqa: E402
from soilmoisture.core.raster.grid import ease_grid  # noqa: E402
from soilmoisture.core.raster.periods import day  # noqa: E402
from soilmoisture.core.raster.running import Running  # noqa: E402
from soilmoisture.core.raster.stack import TARGET, Band, StackWriter  # noqa: E402
from soilmoisture.core.train.samples import read_coarse  # noqa: E402
from soilmoisture.core.train.training import Options, train  # noqa: E402

RATIO, FACTORS = 9, 4
NAMES = ("product.tif", "quality.tif", "index.tif", "interval.tif")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cells", type=int, default=60, help="coarse cells along a side")
    parser.add_argument("--periods", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        run(chosen.folder, chosen.folder / chosen.child[0], int(chosen.child[1]), int(chosen.child[2]))
        return 0
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        return kill_and_compare(Path(name), chosen.kills, chosen.cells, chosen.periods, random.Random(chosen.seed))


def kill_and_compare(folder: Path, kills: int, cells: int, periods: int, chance: random.Random) -> int:
    generate(folder, cells, periods)
    wanted, seconds = unbroken(folder)
    print(f"An unbroken run takes {seconds:.1f} s.", flush=True)
    done, rounds, taken_up, wrong = 0, 0, 0, 0
    while done < kills:
        rounds += 1
        out = folder / f"round-{rounds}"
        out.mkdir()
        while True:
            kept = count(out)
            taken_up += kept > 0
            child = start(folder, out, chance.choice([1, 2, 3]), chance.choice([64, 256, 1024]))
            signal_sent = None
            if done < kills and chance.random() < 0.85:
                wait_until(child, chance.random())
                time.sleep(chance.uniform(0.0, 0.02 * seconds))
                if child.poll() is None:
                    signal_sent = chance.choice([signal.SIGKILL] * 4 + [signal.SIGINT])
                    child.send_signal(signal_sent)
            errors = child.communicate()[1]
            if child.returncode == 0:
                break
            if signal_sent is None:
                print(errors.decode())
                return 1
            done += 1
            print(f"round {rounds}: {signal_sent.name}, {kept} parts found, {count(out)} kept", flush=True)
        left = [path.name for path in out.iterdir() if path.name not in NAMES]
        same = [name for name in NAMES if (out / name).read_bytes() == wanted[name]]
        if left or len(same) < len(NAMES):
            wrong += 1
        print(f"round {rounds}: {len(same)} of {len(NAMES)} files equal, left over: {left or 'nothing'}", flush=True)
    print(f"{done} runs were ended in {rounds} rounds, {taken_up} runs took up parts of an earlier one, {wrong} wrong")
    return 1 if wrong or not taken_up else 0


def count(out: Path) -> int:
    return len(list(out.glob(".*/*.part")))


def wait_until(child: subprocess.Popen[bytes], fraction: float) -> None:
    """Until the run says that it has come so far, or ends."""
    assert child.stdout is not None
    for line in child.stdout:
        if float(line) >= fraction:
            return


def unbroken(folder: Path) -> tuple[dict[str, bytes], float]:
    out = folder / "unbroken"
    out.mkdir()
    child = start(folder, out, 2, 512)
    began = time.monotonic()
    errors = child.communicate()[1]
    if child.returncode:
        raise SystemExit(errors.decode())
    return {name: (out / name).read_bytes() for name in NAMES}, time.monotonic() - began


def start(folder: Path, out: Path, threads: int, memory: int) -> subprocess.Popen[bytes]:
    """A run in a process of its own, which has read its modules when this returns."""
    command = [sys.executable, __file__, "--folder", str(folder), "--child", out.name, str(threads), str(memory)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    assert child.stdout is not None
    child.stdout.readline()
    return child


class Tells(Progress):
    def set(self, fraction: float, text: str = "") -> None:
        print(fraction, flush=True)


def run(folder: Path, out: Path, threads: int, memory: int) -> None:
    model = load_model(folder / "model.smdl")
    print("begun", flush=True)
    downscale(
        model,
        folder / "fine.tif",
        folder / "coarse.tif",
        *(out / name for name in NAMES[:2]),
        DownscaleOptions(detail_gain=0.8, bounds=(0.05, 0.5)),
        Tells(),
        *(out / name for name in NAMES[2:]),
        Running(threads=threads, memory_mib=memory),
    )


def generate(folder: Path, cells: int, periods: int) -> None:
    """Stacks with holes and odd numbers, and a forest that was trained on them."""
    coarse = ease_grid(9, 300, 1000, cells, cells)
    fine = coarse.subdivide(RATIO)
    chance = np.random.default_rng(0)
    days = [day(dt.date(2021, 6, 1 + number)) for number in range(periods)]
    bands = [Band(f"factor_{k}", one, "1") for k in range(FACTORS) for one in days]
    row, col = np.mgrid[0 : fine.rows, 0 : fine.cols]
    fields = []
    for number in range(len(bands)):
        a, b = chance.uniform(0.01, 0.1, 2)
        field = np.sin(row * a + number) * np.cos(col * b) + chance.normal(0, 0.2, fine.shape)
        field[np.sin(row * 0.03 + number) * np.sin(col * 0.05) > 0.7] = np.nan
        field[chance.random(fine.shape) < 0.002] = chance.choice([np.nan, np.inf, -np.inf, -9999.0])
        fields.append(field)
    with StackWriter(folder / "fine.tif", fine, bands) as out:
        for number, field in enumerate(fields, 1):
            out.write(number, field)
    means = [_means(field) for field in fields]
    with StackWriter(
        folder / "coarse.tif", coarse, [*(Band("soil_moisture", one, "m3/m3", TARGET) for one in days), *bands]
    ) as out:
        for number in range(periods):
            a, b = means[number], means[periods + number]
            out.write(number + 1, 0.25 + 0.05 * a - 0.04 * b + chance.normal(0, 0.01, coarse.shape))
        for number, field in enumerate(means, periods + 1):
            out.write(number, field)
    options = Options("randomforest", {"trees": 60}, ANOMALIES, linear_trend=False, validation=("blocks",))
    save_model(train(read_coarse(folder / "coarse.tif"), options).model, folder / "model.smdl")


def _means(field: np.ndarray) -> np.ndarray:
    blocks = np.where(np.isfinite(field) & (field != -9999.0), field, np.nan)
    blocks = blocks.reshape(field.shape[0] // RATIO, RATIO, -1, RATIO).swapaxes(1, 2).reshape(-1, RATIO * RATIO)
    known = np.isfinite(blocks)
    means = np.where(known, blocks, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known.any(axis=1), means, np.nan).reshape(field.shape[0] // RATIO, -1)


if __name__ == "__main__":
    sys.exit(main())
