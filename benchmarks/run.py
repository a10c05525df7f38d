"""How fast and how large: every figure of the speed table, with ratios taken side by side in one run.

    python benchmarks/run.py [--quick] [--part NAME ...] [--folder DIR] [--json benchmarks/speed.json]

Generated rasters with holes, 8 factors. Each measurement is a process of its own (measures.py), so that its peak memory
is its own; what is compared runs in turn, and the best of `--repeat` turns counts, since what others do on the machine
only adds. Processor time is what remains of a ratio where they keep the cores busy. Parts:
  kernels       a model's arithmetic against the predict of the library that trained it (kernels.py)
  downscale     `downscale` against a plain scikit-learn + GDAL script, and against its own kernel + read/write floor
  growth        pixels x 10, periods x 4, trees x 4, threads x 2
  aggregation   exact area means against gdal.Warp (aggregation.py)
  large         10,000 x 10,000 x 8: time and peak memory
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aggregation

HERE = Path(__file__).resolve().parent
Row = dict[str, Any]
SIZE, LARGE = 1500, 10000
TREES, LARGE_TREES = 100, 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller rasters, one turn: some minutes")
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    repeat = chosen.repeat or (1 if chosen.quick else 3)
    results: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        for part in chosen.part:
            before = os.getloadavg()[0]
            try:
                results[part] = PARTS[part](Bench(Path(name), chosen.quick, repeat))
            except Failed as failure:
                print(f"\n### {part}\n\n{failure}", flush=True)
                continue
            load = f"load {before:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            print(f"\n### {part} ({load})\n\n{table(results[part])}", flush=True)
            if chosen.json:
                kept = json.loads(chosen.json.read_text()) if chosen.json.exists() else {}
                kept[part] = {"quick": chosen.quick, "repeat": repeat, "load": load, "rows": results[part]}
                chosen.json.write_text(json.dumps(kept, indent=1) + "\n")


class Failed(Exception):
    """A measurement that did not end well; the others go on."""


class Bench:
    """Rasters and models that measurements share, made where they are first asked for."""

    def __init__(self, folder: Path, quick: bool, repeat: int) -> None:
        self.folder, self.quick, self.repeat = folder, quick, repeat

    def rasters(self, size: int, periods: int = 1) -> Path:
        folder = self.folder / f"{size}-{periods}"
        if not folder.exists():
            folder.mkdir()
            measure("generate", folder, size=size, periods=periods)
            measure("resample", folder)
        return folder

    def model(self, learner: str, trees: int) -> str:
        path = self.folder / f"{learner}-{trees}.smdl"
        if not path.exists():
            measure("fit", self.rasters(SIZE), model=str(path), learner=learner, trees=trees)
        return str(path)

    def in_turn(self, **runs: Callable[[], Row]) -> dict[str, Row]:
        """The fastest of `repeat` runs of each."""
        found: dict[str, list[Row]] = {name: [] for name in runs}
        for _ in range(self.repeat):
            for name, run in runs.items():
                found[name].append(run())
        return {name: min(rows, key=lambda row: row["seconds"]) for name, rows in found.items()}


def kernels(bench: Bench) -> list[Row]:
    options = ["--pixels", "100000", "--repeat", "1"] if bench.quick else ["--repeat", str(bench.repeat)]
    subprocess.run([sys.executable, str(HERE / "kernels.py"), *options], check=True, capture_output=True)
    rows: list[Row] = json.loads((HERE / "kernels.json").read_text())
    return [{"what": f"{row['model']} / {row['against']}", **row} for row in rows]


def whole_process(bench: Bench) -> list[Row]:
    rows = []
    folder = bench.rasters(SIZE)
    for learner in ("randomforest", "lightgbm"):
        model = bench.model(learner, TREES)
        found = bench.in_turn(
            ours=lambda model=model: measure("ours", folder, model=model),
            plain=lambda learner=learner: measure("plain", folder, learner=learner, trees=TREES),
            kernel=lambda model=model: measure("kernel", folder, model=model),
            floor=lambda: measure("floor", folder),
        )
        ours, plain, kernel, floor = (found[name] for name in ("ours", "plain", "kernel", "floor"))
        rows += [
            compared(f"{learner}, {TREES} trees: plain script / downscale", plain, ours, ("plain", "ours")),
            over_floor(f"{learner}, {TREES} trees: downscale / (kernel + read/write floor)", ours, kernel, floor),
        ]
    return rows


def growth(bench: Bench) -> list[Row]:
    rows = []
    trees = 30
    model, small = bench.model("randomforest", trees), bench.rasters(SIZE)
    few, many = (bench.model("randomforest", count) for count in (25, 100))
    large = bench.rasters(SIZE if bench.quick else 4743, 4 if bench.quick else 1)
    periods = large if bench.quick else bench.rasters(SIZE, 4)
    found = bench.in_turn(
        one=lambda: measure("ours", small, model=model),
        periods=lambda: measure("ours", periods, model=model),
        few=lambda: measure("ours", small, model=few),
        many=lambda: measure("ours", small, model=many),
        single=lambda: measure("ours", small, model=many, threads=1),
        double=lambda: measure("ours", small, model=many, threads=2),
    )
    if not bench.quick:
        ten = bench.in_turn(large=lambda: measure("ours", large, model=model))["large"]
        rows.append(compared("pixels x 10", ten, found["one"], ("4743 x 4743", "1500 x 1500")))
    return [
        *rows,
        compared("periods x 4", found["periods"], found["one"], ("4 periods", "1 period")),
        compared("trees x 4", found["many"], found["few"], ("100 trees", "25 trees")),
        compared("threads x 2", found["single"], found["double"], ("1 thread", "2 threads")),
    ]


def area_means(bench: Bench) -> list[Row]:
    found = aggregation.compare(*((3000, 330) if bench.quick else (LARGE, 1100)), bench.repeat, bench.folder)
    return [{"what": f"{row['file']}: {row['way']}", **row} for row in found]


def large(bench: Bench) -> list[Row]:
    size = 3000 if bench.quick else LARGE
    model = bench.model("randomforest", LARGE_TREES)
    folder = bench.folder / str(size)
    folder.mkdir()
    measure("generate", folder, size=size)
    label = f"{size} x {size} x 8"
    resample = measure("resample", folder)
    floor, ours = measure("floor", folder), measure("ours", folder, model=model)
    kernel = measure("kernel", folder, model=model)
    return [
        {"what": f"{label}: resample to a common grid", **resample},
        {"what": f"{label}: downscale, {LARGE_TREES} trees", **ours},
        over_floor(f"{label}: downscale / (kernel + read/write floor)", ours, kernel, floor),
    ]


def compared(what: str, first: Row, second: Row, names: Sequence[str]) -> Row:
    """`first` over `second`: how many times the time and the memory."""
    ratios = {f"{key}_ratio": first[key] / second[key] for key in ("seconds", "processor", "mebibytes")}
    return {"what": what, **ratios, names[0]: first, names[1]: second}


def over_floor(what: str, ours: Row, kernel: Row, floor: Row) -> Row:
    least = {key: kernel[key] + floor[key] for key in ("seconds", "processor")}
    ratios = {f"{key}_ratio": ours[key] / least[key] for key in least}
    return {"what": what, **ratios, "ours": ours, "kernel": kernel, "floor": floor, "goal": "1.3"}


def measure(what: str, folder: Path, **options: Any) -> Row:
    """Run one measurement in its own process."""
    command = [sys.executable, str(HERE / "measures.py"), what, str(folder), json.dumps(options)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{what} failed: {done.stderr[-2000:]}")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def table(rows: Sequence[Row]) -> str:
    """Markdown: plain values as they are; of runs the seconds, of processor time in brackets, and the peak memory."""
    hidden = ("file", "way", "model", "against")
    columns = list(dict.fromkeys(key for row in rows for key in row if key not in hidden))
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(_shown(row.get(column)) for column in columns)} |" for row in rows]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['seconds']:.1f} s ({value['processor']:.1f}), {value['mebibytes']:.0f} MiB"
    return f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)


PARTS = {
    "kernels": kernels,
    "downscale": whole_process,
    "growth": growth,
    "aggregation": area_means,
    "large": large,
}

if __name__ == "__main__":
    main()
