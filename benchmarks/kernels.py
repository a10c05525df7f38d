"""How fast trained models are applied, as ratios to the libraries that trained them, side by side in one run.

    .venv/bin/python benchmarks/kernels.py [--pixels 131072] [--repeat 3]

Data: a generated field of 1500 x 1500 pixels, 8 correlated factors and 21 % holes; models are trained on means over
10 x 10 pixels. Every library is given the whole array at once, which is how it is fastest. Times are the least of some
turns taken in alternation; `of work` is the same ratio of processor time, which other users of the machine change less.
Prints a table and writes benchmarks/kernels.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import conftest  # noqa: F401  makes the checkout importable as `soilmoisture`

SIZE, FACTORS, BLOCK, HOLES = 1500, 8, 10, 0.21
SUPPORT_ROWS, SUPPORT_PIXELS, QUANTILE_PIXELS = 8000, 20_000, 100_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pixels", type=int, default=2**17)
    arguments.add_argument("--repeat", type=int, default=3)
    options = arguments.parse_args()
    warnings.simplefilter("ignore")
    x, c, y = generated()
    middle = len(x) // 2
    x = np.ascontiguousarray(x[middle : middle + options.pixels])
    rows: list[dict[str, Any]] = []
    for case in (*trees(c, y), *boosted(c, y), support(c, y), quantiles(c, y)):
        rows += case(x, options.repeat)
        for row in rows[-2:]:
            print(row, file=sys.stderr)
    print("| model | against | threads | pixels | library s | here s | ratio | of work | largest difference | goal |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        ratios = f"**{row['ratio']:.1f}** | {row['work_ratio']:.1f}"
        numbers = f"{row['library_s']:.2f} | {row['here_s']:.3f} | {ratios} | {row['difference']:.1g}"
        print(f"| {row['model']} | {row['against']} | {row['threads']} | {row['pixels']} | {numbers} | {row['goal']} |")
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


def generated() -> tuple[Any, Any, Any]:
    """Valid pixels (n, 8), and training samples (m, 8), (m,)."""
    random = np.random.default_rng(0)
    wave = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    wave[0, 0] = np.inf

    def field(slope: float) -> Any:
        noise = np.fft.irfft2(np.fft.rfft2(random.normal(size=(SIZE, SIZE))) * wave ** (-slope / 2), s=(SIZE, SIZE))
        return (noise - noise.mean()) / noise.std()

    shared = np.stack([field(2.6) for _ in range(4)], -1)
    mixed = random.normal(size=(4, FACTORS))
    mixed /= np.linalg.norm(mixed, axis=0)
    x = 0.8 * shared @ mixed + 0.6 * np.stack([field(2.2) for _ in range(FACTORS)], -1)
    x = ((x + 3) * 10.0 ** random.integers(-2, 4, FACTORS)).astype(np.float32).astype(np.float64)
    hole = field(3.0)
    valid = hole > np.quantile(hole, HOLES)
    cells = np.where(valid[..., None], x, np.nan).reshape(SIZE // BLOCK, BLOCK, SIZE // BLOCK, BLOCK, FACTORS)
    share = valid.reshape(SIZE // BLOCK, BLOCK, SIZE // BLOCK, BLOCK).mean(axis=(1, 3))
    c = np.nanmean(cells, axis=(1, 3))[share > 0.5]
    z = (c - c.mean(axis=0)) / c.std(axis=0)
    y = 0.25 + 0.05 * np.tanh(z[:, 0]) + 0.015 * z[:, 1] * z[:, 2] + 0.02 * np.sin(2 * z[:, 3]) + 0.01 * z[:, 4]
    return x[valid], c, y + random.normal(0, 0.01, len(y))


Case = Callable[[Any, int], "list[dict[str, Any]]"]


def compared(
    model: str, against: str, goal: str, library: Callable[[Any, int], Any], here: Callable[[Any], Any], scale: float
) -> Case:
    """The case of `library(x, threads)` against `here(x)`; differences in units of `scale`."""

    def case(x: Any, repeat: int) -> list[dict[str, Any]]:
        rows = []
        here(x[: 2**16])  # compiles
        for threads in (1, 2):
            os.cpu_count = lambda count=threads: count  # type: ignore[misc,assignment]
            times: list[list[float]] = [[], []]
            work: list[list[float]] = [[], []]
            for _ in range(repeat):
                for number, run in enumerate((lambda n=threads: library(x, n), lambda: here(x))):
                    began, worked = time.perf_counter(), time.process_time()
                    result = run()
                    times[number].append(time.perf_counter() - began)
                    work[number].append(time.process_time() - worked)
                    if number == 0:
                        expected = result
            rows.append(
                {
                    "model": model,
                    "against": against,
                    "threads": threads,
                    "pixels": len(x),
                    "library_s": min(times[0]),
                    "here_s": min(times[1]),
                    "ratio": min(times[0]) / min(times[1]),
                    "work_ratio": min(work[0]) / min(work[1]),
                    "difference": float(np.abs(result - expected).max()) / scale,
                    "goal": goal,
                }
            )
        return rows

    return case


def trees(c: Any, y: Any) -> list[Case]:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.tree import DecisionTreeRegressor

    from soilmoisture.core.model.forest import ForestPredictor

    cases = []
    for name, more in (
        ("forest of 100", {}),
        ("forest of 100, leaves of 5", {"min_samples_leaf": 5, "max_features": 1 / 3}),
        ("forest of 500", {"n_estimators": 500}),
    ):
        forest = RandomForestRegressor(**{"n_estimators": 100, "random_state": 0, "n_jobs": 2, **more}).fit(c, y)
        ours = ForestPredictor.from_trees([tree.tree_ for tree in forest.estimators_], FACTORS)

        def library(x: Any, threads: int, forest: Any = forest) -> Any:
            return forest.set_params(n_jobs=threads).predict(x)

        goal = "3.5, 6" if name == "forest of 100" else "-"
        cases.append(compared(name, "scikit-learn", goal, library, ours.predict, 1.0))
    tree = DecisionTreeRegressor(min_samples_leaf=5, random_state=0).fit(c, y)
    ours = ForestPredictor.from_trees([tree.tree_], FACTORS)
    return [*cases, compared("CART", "scikit-learn", "-", lambda x, threads: tree.predict(x), ours.predict, 1.0)]


def boosted(c: Any, y: Any) -> list[Case]:
    import lightgbm
    import xgboost

    from soilmoisture.core.model.boosted import BoostedPredictor
    from soilmoisture.core.train.learners.lightgbm import trees_of_text
    from soilmoisture.core.train.learners.xgboost import trees_of_json

    level = float(y.mean())
    cases = []
    for count in (100, 500):
        light = lightgbm.train({"verbosity": -1, "boost_from_average": False}, lightgbm.Dataset(c, y - level), count)
        own = BoostedPredictor.from_trees(trees_of_text(light.model_to_string()), 0.0, 1.0, FACTORS)
        cases.append(
            compared(
                f"LightGBM, {count} trees of 31 leaves",
                "LightGBM",
                "3, 6",
                lambda x, threads, model=light: model.predict(x, num_threads=threads),
                own.predict,
                1.0,
            )
        )
    scale = float(y.std())
    extreme = xgboost.train({"base_score": 0.0}, xgboost.DMatrix(c, (y - level) / scale), 100)
    own = BoostedPredictor.from_trees(trees_of_json(extreme.save_raw("json")), 0.0, 1.0, FACTORS)

    def library(x: Any, threads: int) -> Any:
        extreme.set_param({"nthread": threads})
        return extreme.inplace_predict(x)

    return [*cases, compared("XGBoost, 100 trees of depth 6", "XGBoost", "-", library, own.predict, 1.0)]


def support(c: Any, y: Any) -> Case:
    from soilmoisture.core.train.learners.svr import StandardisedSVR, export

    keep = np.random.default_rng(0).permutation(len(c))[:SUPPORT_ROWS]
    fitted = StandardisedSVR(1.0, 0.1).fit(c[keep], y[keep])
    ours = export(fitted)

    def library(x: Any, threads: int) -> Any:
        z = (x - fitted.x_mean) / fitted.x_scale
        return fitted.machine.predict(z) * fitted.y_scale + fitted.y_mean

    name = f"SVR, {len(ours.vectors)} vectors"
    case = compared(name, "scikit-learn (1 thread)", "45, 100 (2 threads)", library, ours.predict, float(y.std()))
    return lambda x, repeat: case(x[:SUPPORT_PIXELS], max(1, repeat - 2))


def quantiles(c: Any, y: Any) -> Case:
    from sklearn.ensemble import RandomForestRegressor

    from soilmoisture.core.model.forest import ForestPredictor
    from soilmoisture.core.model.quantiles import LeafValues

    forest = RandomForestRegressor(100, min_samples_leaf=5, max_features=1 / 3, random_state=0, n_jobs=2).fit(c, y)
    ours = ForestPredictor.from_trees([tree.tree_ for tree in forest.estimators_], FACTORS)
    leaves = LeafValues.from_training(ours, c, y)
    levels = (0.05, 0.5, 0.95)

    def library(x: Any, threads: int) -> Any:
        """Leaves by scikit-learn, the values in them put in order by numpy."""
        at = [int(np.ceil(level * leaves.trees * leaves.values.shape[1] - 1e-9)) - 1 for level in levels]
        row = np.cumsum(ours.feature < 0) - 1
        found = []
        for start in range(0, len(x), 2**13):
            leaf = forest.set_params(n_jobs=threads).apply(x[start : start + 2**13])
            met = leaves.values[row[leaf + ours.start[:-1]]].reshape(len(leaf), -1)
            found.append(np.partition(met, at, axis=1)[:, at])
        return np.concatenate(found)

    case = compared(
        "quantile forest of 100", "scikit-learn + numpy", "-", library, lambda x: leaves.quantiles(x, levels), 1.0
    )
    return lambda x, repeat: case(x[:QUANTILE_PIXELS], repeat)


if __name__ == "__main__":
    main()
