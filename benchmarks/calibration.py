"""What calibration with stations is worth on real data: airborne soil moisture of Manitoba as dense pseudo-stations.

    python benchmarks/calibration.py <folder of the campaign data> [draws]

The product is SMAP 9 km brought to 1 km, once smoothly (no detail) and once downscaled with water content, soil
temperature, sand and clay. The stations are 60 cells of the PALS flights; what the flights saw everywhere else is
withheld and tells how good each calibrated map is. "random": the 60 are strewn over the region (a withheld cell has one
near). "west": all 60 are in the western half and only the eastern half is scored, at the end of what they can know.

"held out" is what the algorithm itself says from its 60 stations (leave-station-out), "map" is the truth of it. The row
"best by cross-validation" is the method that the algorithm chose, with its nested score.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from manitoba import ROOT, Array, Case, _pals, _r, _rmse, _smap

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale
from soilmoisture.core.ground.calibrate.calibrate import Options as Calibration
from soilmoisture.core.ground.calibrate.calibrate import calibrate
from soilmoisture.core.ground.calibrate.methods import BEST, METHODS
from soilmoisture.core.ground.observations import Observations, clean_observations
from soilmoisture.core.model.form import ANOMALIES
from soilmoisture.core.prepare.common_grid import GridOptions, make_common_grid
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.train.samples import read_coarse
from soilmoisture.core.train.training import Options, train

STATIONS = 60
PRODUCTS = {"SMAP, smooth": 0.0, "SMAP, downscaled": 1.0}


def make_product(case: Case, folder: Path, gain: float) -> tuple[Path, Path]:
    """The 1 km product and the FINE stack."""
    fine, coarse, product = (folder / f"{name}.tif" for name in ("fine", "coarse", f"product{gain:g}"))
    make_common_grid([case.target], [case.factors], fine, coarse, GridOptions(ratio=9))
    training = train(read_coarse(coarse), Options("linear", train_on=ANOMALIES))
    downscale(training.model, fine, coarse, product, options=DownscaleOptions(detail_gain=gain))
    return product, fine


def draw(case: Case, product: Path, design: str, seed: int) -> tuple[Observations, Array]:
    """60 cells as stations, and a mask (rows, cols) of the cells that are scored."""
    with Stack.open(product) as maps:
        grid = maps.grid
        seen = np.isfinite([maps.read(k + 1) for k in range(len(maps.bands))]).any(axis=0)
    seen &= np.isfinite(case.truth).sum(axis=0) >= len(case.dates) // 2
    row, col = np.nonzero(seen)
    middle = np.median(col)
    allowed = np.flatnonzero(col < middle) if design == "west" else np.arange(len(row))
    chosen = np.random.default_rng(seed).choice(allowed, STATIONS, replace=False)
    scored = seen.copy()
    scored[row[chosen], col[chosen]] = False
    if design == "west":
        scored[:, : int(middle)] = False
    station, date, value, x, y = [], [], [], [], []
    for number, (i, j) in enumerate(zip(row[chosen], col[chosen])):
        for k, day in enumerate(case.dates):
            if np.isfinite(case.truth[k, i, j]):
                station.append(f"C{number:02d}")
                date.append(day)
                value.append(float(case.truth[k, i, j]))
                x.append(grid.x_centres()[j])
                y.append(grid.y_centres()[i])
    return clean_observations(station, x, y, date, value, grid.crs_wkt, unit="m3/m3"), scored


def map_scores(case: Case, path: Path, scored: Array) -> tuple[float, float, float]:
    """RMSE, bias and R over withheld cells and dates."""
    made, truth = [], []
    with Stack.open(path) as maps:
        for number, band in enumerate(maps.bands):
            assert band.period is not None
            one, seen = maps.read(number + 1), case.truth[case.dates.index(band.period.start)]
            use = scored & np.isfinite(one) & np.isfinite(seen)
            made.append(one[use])
            truth.append(seen[use])
    a, b = np.concatenate(made), np.concatenate(truth)
    return _rmse(a, b), float((a - b).mean()), _r(a, b)


def main(data: Path, draws: int) -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = _smap(data, folder, _pals(data))
        made = {name: make_product(case, folder, gain) for name, gain in PRODUCTS.items()}
        for seed in range(draws):
            for product_name, (product, fine) in made.items():
                for design in ("random", "west"):
                    observations, scored = draw(case, product, design, seed)
                    every = calibrate(
                        [product],
                        observations,
                        folder / "best.tif",
                        factors=[fine],
                        options=Calibration(folds=5, seed=seed),
                    )
                    for one in every.scores:
                        path = folder / "best.tif"
                        if one.name not in (BEST, every.chosen):
                            # Only its map is wanted: its scores are known.
                            path = folder / "one.tif"
                            calibrate(
                                [product],
                                observations,
                                path,
                                factors=[fine],
                                options=Calibration(one.name, (), folds=2, seed=seed),
                            )
                        rmse, bias, r = map_scores(case, path, scored)
                        rows.append(
                            {
                                "product": product_name,
                                "design": design,
                                "draw": seed,
                                "method": one.name,
                                "chosen": every.chosen,
                                "better": every.better,
                                "held_out_rmse": one.score.rmse,
                                "held_out_gain": one.gain.value,
                                "held_out_gain_error": one.gain.error,
                                "map_rmse": rmse,
                                "map_bias": bias,
                                "map_r": r,
                                "map_cells": int(scored.sum()),
                            }
                        )
                        print(
                            f"{product_name:18}{design:8}{seed:2} {one.name:37}"
                            f"{one.score.rmse:8.4f}{rmse:8.4f}{bias:+8.4f}{r:7.3f}",
                            flush=True,
                        )
                    # Kept after each draw: all of them take a while.
                    (ROOT / "benchmarks" / "calibration.json").write_text(json.dumps(rows, indent=1))
                    (ROOT / "benchmarks" / "calibration.md").write_text(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Means over draws, in markdown."""
    text = [
        "# Calibration of SMAP maps with 60 cells of airborne soil moisture (Manitoba)",
        "",
        f"Draws of stations: {1 + max(row['draw'] for row in rows)}; means, m3/m3. Made by `calibration.py`.",
        "",
        "| product | design | method | RMSE held out | RMSE map | bias map | R map | chosen |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for product in PRODUCTS:
        for design in ("random", "west"):
            for method in (*METHODS, BEST):
                own = [r for r in rows if (r["product"], r["design"], r["method"]) == (product, design, method)]
                if own:
                    held, rmse, bias, r = (
                        float(np.mean([row[key] for row in own]))
                        for key in ("held_out_rmse", "map_rmse", "map_bias", "map_r")
                    )
                    times = sum(row["chosen"] == method for row in own)
                    text.append(
                        f"| {product} | {design} | {method} | {held:.4f} | {rmse:.4f} | {bias:+.4f} | {r:.3f} | "
                        f"{times or ''} |"
                    )
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2)
