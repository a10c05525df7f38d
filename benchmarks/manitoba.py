"""How well the chain downscales on real data: SMAP, Sentinel-1 and airborne soil moisture of Manitoba.

    python benchmarks/manitoba.py <folder of the campaign data> [learner ...]

A  SMAP/Sentinel-1 1 km soil moisture (one scene per day) averaged to 9 km, downscaled back with backscatter, water
   content and temperature.
B  PALS airborne 1 km soil moisture averaged to 9 km, downscaled back with water content, soil temperature, sand, clay.
C  SMAP 9 km (single-channel retrieval) downscaled with the factors of B and compared with PALS 1 km; with the cell,
   and with a footprint of 30 km.

Every run goes through the files and functions that a user's run goes through. R and RMSE are over all pixels and dates
in cells that are at least half covered; the yardsticks are the replicated coarse cell and the smooth conserving
interpolation of the coarse field. "step": R inside large cells by the test one step up in scale (2 x 2 coarse cells),
of the smooth interpolation and with the detail.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if "soilmoisture" not in sys.modules:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("soilmoisture", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    sys.modules["soilmoisture"] = module_from_spec(spec)

from soilmoisture.core.downscale.downscale import DownscaleOptions, downscale  # noqa: E402
from soilmoisture.core.model.form import ANOMALIES, CONTRASTS, VALUES  # noqa: E402
from soilmoisture.core.prepare.common_grid import GridOptions, make_common_grid  # noqa: E402
from soilmoisture.core.raster.conserve import Conservation  # noqa: E402
from soilmoisture.core.raster.grid import Grid  # noqa: E402
from soilmoisture.core.raster.periods import day, period_in_name  # noqa: E402
from soilmoisture.core.raster.stack import Band, Stack, StackWriter  # noqa: E402
from soilmoisture.core.raster.support import Array, Support  # noqa: E402
from soilmoisture.core.train.samples import read_coarse  # noqa: E402
from soilmoisture.core.train.training import AUTOMATIC, Options, train  # noqa: E402

FOOTPRINT_KM = 30.0
COLUMNS = {
    "gain": "gain",
    "share": "share_explained",
    "R cell": "r_replicated",
    "R smooth": "r_smooth",
    "R map": "r_product",
    "gain of R": "gain of r",
    "RMSE": "rmse_product",
    "step smooth": "step_r_smooth",
    "step": "step_r_product",
}


@dataclass(frozen=True)
class Case:
    """One benchmark: input layers on disk and the withheld truth (dates, rows, cols)."""

    name: str
    target: str
    factors: str
    truth: Array
    dates: list[dt.date]
    footprint_km: float | None = None


def cases(data: Path, folder: Path) -> Iterator[Case]:
    """A, B and C with inputs written to `folder`."""
    yield _aggregated("A", folder, *_sentinel(data))
    pals = _pals(data)
    yield _aggregated("B", folder, *pals)
    smap = _smap(data, folder, pals)
    yield smap
    yield Case("C, footprint 30 km", smap.target, smap.factors, smap.truth, smap.dates, FOOTPRINT_KM)


def run(case: Case, folder: Path, options: Options, gain: float | None = None) -> dict[str, float | str]:
    """One pass through resample, train and downscale; R and RMSE of the product and of the two yardsticks on the same
    pixels.
    """
    fine, coarse, product = (folder / f"{name}.tif" for name in ("fine", "coarse", "product"))
    make_common_grid([case.target], [case.factors], fine, coarse, GridOptions(ratio=9, footprint_km=case.footprint_km))
    training = train(read_coarse(coarse), options)
    result = downscale(training.model, fine, coarse, product, options=DownscaleOptions(detail_gain=gain))
    with Stack.open(product) as made, Stack.open(coarse) as source:
        support = Support(made.grid, source.grid)
        columns: list[Array] = []
        for number, band in enumerate(made.bands):
            truth = case.truth[case.dates.index(band.period.start)]
            target = source.read(source.index("soil_moisture", band.period))
            map_ = made.read(number + 1)
            share = support.mean(np.where(np.isfinite(truth), truth, np.nan))[1]
            smooth = _smooth(target, support, np.isfinite(truth), share >= 0.5)
            replicated = np.repeat(np.repeat(target, 9, axis=0), 9, axis=1)
            inside = np.repeat(np.repeat(share >= 0.5, 9, axis=0), 9, axis=1)
            use = inside & np.isfinite(truth) & np.isfinite(map_) & np.isfinite(smooth) & np.isfinite(replicated)
            columns.append(np.stack([truth[use], map_[use], smooth[use], replicated[use]]))
    truth, map_, smooth, replicated = np.concatenate(columns, axis=1)
    chosen = next(trial for trial in training.forms if trial.chosen)
    step = training.steps[0] if training.steps else None
    return {
        "step_cells": step.cells if step else 0,
        "step_r_smooth": step.r_smooth if step else math.nan,
        "step_r_product": step.r_product if step else math.nan,
        "case": case.name,
        "learner": training.model.title,
        "form": chosen.form.label,
        "gain": result.gain,
        "share_explained": chosen.gain.share_explained,
        "pixels": len(truth),
        "r_replicated": _r(truth, replicated),
        "r_smooth": _r(truth, smooth),
        "r_product": _r(truth, map_),
        "rmse_replicated": _rmse(truth, replicated),
        "rmse_smooth": _rmse(truth, smooth),
        "rmse_product": _rmse(truth, map_),
        "left_over": max(period.left_over for period in result.periods),
    }


def main(data: Path, learners: list[str]) -> None:
    rows = []
    designs = [
        (AUTOMATIC, True, None),
        (VALUES, False, 1.0),
        (VALUES, True, None),
        (ANOMALIES, True, None),
        (CONTRASTS, True, None),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'case':22}{'learner':27}{'trained on':44}" + "".join(f"{name:>12}" for name in COLUMNS))
        for case in cases(data, folder):
            for learner in learners:
                for train_on, trend, gain in designs:
                    row = run(case, folder, Options(learner, train_on=train_on, linear_trend=trend), gain)
                    row["design"] = {(AUTOMATIC, True): "default", (VALUES, False): "as in the papers"}.get(
                        (train_on, trend), train_on
                    )
                    rows.append(row)
                    label = (
                        f"{row['form']}{' (default)' if train_on == AUTOMATIC else ' (papers)' if not trend else ''}"
                    )
                    row["gain of r"] = row["r_product"] - row["r_smooth"]
                    numbers = "".join(f"{row[key]:12.3f}" for key in COLUMNS.values())
                    print(f"{row['case']:22}{row['learner']:27}{label:44}{numbers}", flush=True)
    (ROOT / "benchmarks" / "manitoba.json").write_text(json.dumps(rows, indent=1))


def _sentinel(data: Path) -> tuple[Grid, list[dt.date], Array, dict[str, Array], dict[str, str]]:
    paths: dict[dt.date, Path] = {}
    for path in sorted((data / "sentinel_1km_full").glob("*.tif")):
        period = period_in_name(path.stem)
        assert period is not None
        paths.setdefault(period.start, path)
    names = {"sigma0_vv": "dB", "sigma0_vh": "dB", "vegetation_water_content": "kg/m2", "surface_temperature": "K"}
    truth, factors = [], {name: [] for name in names}
    for path in paths.values():
        with Stack.open(path) as scene:
            bands = {band.name: scene.read(number) for number, band in enumerate(scene.bands, 1)}
        for name in ("sigma0_vv", "sigma0_vh"):
            bands[name] = 10 * np.log10(np.where(bands[name] > 0, bands[name], np.nan))
        valid = np.isfinite([bands["soil_moisture"], *(bands[name] for name in names)]).all(axis=0)
        truth.append(np.where(valid, bands["soil_moisture"], np.nan))
        for name in names:
            factors[name].append(np.where(valid, bands[name], np.nan))
        grid = scene.grid
    return grid, list(paths), np.stack(truth), {name: np.stack(values) for name, values in factors.items()}, names


def _pals(data: Path) -> tuple[Grid, list[dt.date], Array, dict[str, Array], dict[str, str]]:
    names = {"vegetation_water_content": "kg/m2", "soil_temperature": "degC", "sand": "%", "clay": "%"}
    dates, truth, factors = [], [], {name: [] for name in names}
    for path in sorted((data / "truth_pals").glob("pals_sm_1km_*.tif")):
        period = period_in_name(path.stem)
        assert period is not None
        with (
            Stack.open(path) as flight,
            Stack.open(data / "fine_predictors" / path.name.replace("sm", "ancillary")) as ancillary,
        ):
            moisture = flight.read(flight.index("soil_moisture", period))
            bands = {name: ancillary.read(ancillary.index(name, period)) for name in names}
            grid = flight.grid
        valid = np.isfinite([moisture, *bands.values()]).all(axis=0)
        dates.append(period.start)
        truth.append(np.where(valid, moisture, np.nan))
        for name in names:
            factors[name].append(np.where(valid, bands[name], np.nan))
    return grid, dates, np.stack(truth), {name: np.stack(values) for name, values in factors.items()}, names


def _aggregated(
    name: str,
    folder: Path,
    grid: Grid,
    dates: list[dt.date],
    truth: Array,
    factors: dict[str, Array],
    units: dict[str, str],
) -> Case:
    coarse = _coarse(grid)
    support = Support(grid, coarse)
    means = []
    for one in truth:
        mean, share = support.mean(one)
        means.append(np.where(share >= 0.5, mean, np.nan))
    target = _write(
        folder / f"{name}_target.tif", coarse, dates, {"soil_moisture": np.stack(means)}, {"soil_moisture": "m3/m3"}
    )
    return Case(name, target, _write(folder / f"{name}_factors.tif", grid, dates, factors, units), truth, dates)


def _smap(data: Path, folder: Path, pals: tuple[Grid, list[dt.date], Array, dict[str, Array], dict[str, str]]) -> Case:
    grid, dates, truth, factors, units = pals
    means = []
    for date in dates:
        passes = []
        for path in sorted((data / "coarse_smap9km").glob(f"smap_l3e_{date:%Y%m%d}_*.tif")):
            with Stack.open(path) as overpass:
                passes.append(overpass.read(overpass.index("soil_moisture_sca", day(date))))
        values = np.stack(passes)
        count = np.isfinite(values).sum(axis=0)
        means.append(
            np.divide(np.nansum(values, axis=0), count, out=np.full(values.shape[1:], np.nan), where=count > 0)
        )
    target = _write(
        folder / "C_target.tif", _coarse(grid), dates, {"soil_moisture": np.stack(means)}, {"soil_moisture": "m3/m3"}
    )
    return Case("C", target, _write(folder / "C_factors.tif", grid, dates, factors, units), truth, dates)


def _coarse(grid: Grid) -> Grid:
    x, width, _, y, _, height = grid.transform
    return Grid(grid.crs_wkt, (x, 9 * width, 0.0, y, 0.0, 9 * height), grid.rows // 9, grid.cols // 9)


def _write(path: Path, grid: Grid, dates: list[dt.date], values: dict[str, Array], units: dict[str, str]) -> str:
    bands = [Band(name, day(date), units[name]) for name in values for date in dates]
    with StackWriter(path, grid, bands) as stack:
        for number, one in enumerate(one for series in values.values() for one in series):
            stack.write(number + 1, one)
    return str(path)


def _smooth(target: Array, support: Support, used: Array, covered: Array) -> Array:
    system = Conservation(support, np.isfinite(target))
    system.add(used.astype(float), 0)
    return system.interpolate(system.solve(target, covered)[0])


def _r(a: Array, b: Array) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def _rmse(a: Array, b: Array) -> float:
    return float(np.sqrt(((a - b) ** 2).mean()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["linear", "randomforest", "svr", "cart"])
