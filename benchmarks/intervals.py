"""Do the intervals hold the truth? Coverage of the withheld fine maps of the Manitoba benchmarks.

    python benchmarks/intervals.py <folder of the campaign data> [learner ...]

Held-out cells: share of the true differences between neighbouring coarse cells inside intervals of 90 %, calibrated on
the other blocks. Fine pixels: share of the withheld fine truth inside the intervals around the map, without and with
the widening by the step in scale; and the root mean square error inside and outside the area of applicability.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from manitoba import ROOT, Case, cases

from soilmoisture.core.downscale.downscale import downscale
from soilmoisture.core.prepare.common_grid import GridOptions, make_common_grid
from soilmoisture.core.raster.stack import Stack
from soilmoisture.core.raster.support import Support
from soilmoisture.core.train.samples import read_coarse
from soilmoisture.core.train.training import Options, train

COLUMNS = {
    "held": "held_out_coverage",
    "unscaled": "coverage_unscaled",
    "fine": "coverage",
    "width": "width",
    "step": "step",
    "outside": "share_outside",
    "RMSE in": "rmse_inside",
    "RMSE out": "rmse_outside",
}


def run(case: Case, folder: Path, learner: str) -> dict[str, float | str]:
    """One pass of resampling, training and downscaling, and what its intervals hold."""
    paths = {name: folder / f"{name}.tif" for name in ("fine", "coarse", "product", "index", "interval")}
    make_common_grid(
        [case.target],
        [case.factors],
        paths["fine"],
        paths["coarse"],
        GridOptions(ratio=9, footprint_km=case.footprint_km),
    )
    training = train(read_coarse(paths["coarse"]), Options(learner, validation=("blocks",)))
    result = downscale(
        training.model,
        paths["fine"],
        paths["coarse"],
        paths["product"],
        applicability=paths["index"],
        uncertainty=paths["interval"],
    )
    columns = []
    with (
        Stack.open(paths["product"]) as product,
        Stack.open(paths["interval"]) as interval,
        Stack.open(paths["index"]) as index,
        Stack.open(paths["coarse"]) as coarse,
    ):
        support = Support(product.grid, coarse.grid)
        for t, (band, period) in enumerate(zip(product.bands, result.periods)):
            truth = case.truth[case.dates.index(band.period.start)]
            share = support.mean(truth)[1]
            inside = np.repeat(np.repeat(share >= 0.5, 9, axis=0), 9, axis=1)
            value, low, high = product.read(t + 1), interval.read(4 * t + 1), interval.read(4 * t + 3)
            use = inside & np.isfinite(truth) & np.isfinite(low)
            scale = np.full(truth.shape, period.scale)
            columns.append(np.stack([truth, value, low, high, index.read(t + 1), scale])[:, use])
    truth, value, low, high, index_, scale = np.concatenate(columns, axis=1)
    error, beyond = truth - value, index_ > result.trust.threshold
    return {
        "case": case.name,
        "learner": training.model.title,
        "intervals": result.trust.method,
        "held_out_coverage": result.trust.calibration.coverage,
        "coverage_unscaled": float(((error >= (low - value) / scale) & (error <= (high - value) / scale)).mean()),
        "coverage": float(((truth >= low) & (truth <= high)).mean()),
        "width": float((high - low).mean()),
        "step": float(scale.mean()),
        "share_outside": float(beyond.mean()),
        "rmse_inside": float(np.sqrt((error[~beyond] ** 2).mean())),
        "rmse_outside": float(np.sqrt((error[beyond] ** 2).mean())),
    }


def main(data: Path, learners: list[str]) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        print(f"{'case':20}{'learner':28}{'intervals':26}" + "".join(f"{name:>10}" for name in COLUMNS))
        for case in cases(data, Path(name)):
            for learner in learners:
                row = run(case, Path(name), learner)
                rows.append(row)
                numbers = "".join(f"{row[key]:10.3f}" for key in COLUMNS.values())
                print(f"{row['case']:20}{row['learner']:28}{row['intervals']:26}{numbers}", flush=True)
    (ROOT / "benchmarks" / "intervals.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["linear", "randomforest", "svr", "lightgbm"])
