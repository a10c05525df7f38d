"""Calibration of a soil moisture product with stations, scored on stations that it has not seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...progress import Progress
from ...raster.stack import small_block_cache
from ..matching import sample_products
from ..observations import Observations
from .application import apply_calibration
from .boosting import MOST_ROWS as MOST_BOOSTED
from .calibration_file import Calibration, save_calibration
from .convolution import Network
from .error_model import fit_error_model
from .folds import nearest_km, period_folds
from .inputs import Inputs
from .methods import BEST, BOOSTING, CNN, METHODS, NONE, SIMPLE, Correction, Task
from .network_training import MOST_ROWS as MOST_FINETUNED
from .network_training import Curves, finetune, pretrain
from .pretraining import pretraining_data
from .results import CalibrationResult
from .rows import Plane, Rows
from .samples import check_rows, design_folds, featured, station_rows, tested_km
from .scoring import MethodScore, choose, held_out, nested_choice, score

_FEWEST_PERIODS, _PERIOD_FOLDS = 3, 5
_WITH_FACTORS = (BOOSTING, CNN)


@dataclass(frozen=True)
class Options:
    """method: one of METHODS or BEST. compare: methods of the table (all by default). separation_km: stations closer
    than this are held out together (None: found from their density). bounds: m3/m3 that the output keeps."""

    method: str = BEST
    compare: Sequence[str] = tuple(METHODS)
    folds: int = 10
    separation_km: float | None = None
    bounds: tuple[float, float] = (0.0, 0.6)
    seed: int = 0
    band_name: str | None = None


def calibrate(
    product: Sequence[str | Path],
    observations: Observations,
    output: str | Path,
    *,
    factors: Iterable[str | Path] = (),
    gridded: Sequence[str | Path] = (),
    uncertainty: str | Path | None = None,
    quality: str | Path | None = None,
    calibration_file: str | Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> CalibrationResult:
    """Score every method on unseen stations and unseen periods, fit the wanted one on all, and apply it to all dates.

    One relation holds for all dates. `gridded`: what the network learns from first, by default the product itself.
    Raises InputError where stations and product do not fit together or the wanted method is not for so few stations.
    """
    options, progress = options or Options(), progress or Progress()
    if not options.bounds[0] < options.bounds[1]:
        raise InputError(f"The lower bound {options.bounds[0]:g} is not below the upper one, {options.bounds[1]:g}.")
    if not 0 <= options.bounds[0] < options.bounds[1] <= 1:
        raise InputError(
            f"The bounds {options.bounds[0]:g} and {options.bounds[1]:g} are no soil moisture in m3/m3: give numbers "
            "between 0 and 1."
        )
    for note in observations.notes:
        progress.info(note)
    pairs = sample_products(product, observations, band_name=options.band_name, progress=progress.part(0, 0.05))[0]
    with small_block_cache(), Inputs(product, factors, options.band_name) as inputs:
        rows, notes = station_rows(pairs, observations, inputs, progress.part(0.05, 0.1))
        check_rows(rows, pairs)
        group, fold = design_folds(rows, inputs, options.folds, options.separation_km, options.seed)
        names, refused = _names(options, rows)
        notes += _thinned(names, len(rows))
        curves = Curves()
        network = None
        if CNN in names:
            data = pretraining_data(inputs, gridded, options.seed, progress.part(0.1, 0.15))
            network = pretrain(data, options.seed, progress.part(0.15, 0.3), curves)
            rows = featured(rows, inputs, pairs, observations, network, progress.part(0.3, 0.32))
        scores, nested, chosen = _score_all(names, rows, group, fold, network, options, progress.part(0.32, 0.75))
        test_km = tested_km(rows, fold)
        correction: Correction
        if network is not None:
            # Also where another method is applied: the report shows how the network learnt.
            tuned = finetune(network, rows, group, options.seed, progress.part(0.75, 0.78), curves)
        if chosen == CNN:
            correction = tuned
        else:
            task = Task(group, options.seed, progress.part(0.78, 0.8), network)
            correction = METHODS[chosen].fit(rows, task)
        held = next(one for one in scores if one.name == chosen).predicted
        spread = None
        if isinstance(correction, Network) and rows.features is not None:
            spread = correction.residuals(rows.features).std(axis=0)
        errors = fit_error_model(rows.y - held, test_km, spread, rows.y - rows.z)
        places = np.unique(np.column_stack([rows.east, rows.north]), axis=0)
        width, height = inputs.grid.ground_cell_size()
        best = next(one for one in scores if one.name == chosen)
        calibration = Calibration(
            chosen,
            correction,
            inputs.factors if chosen in _WITH_FACTORS else (),
            Plane.of(inputs.grid),
            places,
            errors,
            (float(rows.z.min()), float(rows.z.max())),
            options.bounds,
            float(np.sqrt(width * height)) / 1000,
            {
                "product": inputs.product.name,
                "stations": rows.stations,
                "pairs": len(rows),
                "rmse_unseen_stations": best.score.rmse,
                "rmse_of_the_product": next(one for one in scores if one.name == NONE).score.rmse,
            },
        )
        applied = apply_calibration(
            calibration, inputs.using(calibration.factors), output, uncertainty, quality, progress.part(0.8, 1.0)
        )
        if calibration_file:
            save_calibration(calibration, calibration_file)
        result = CalibrationResult(
            calibration=calibration,
            applied=applied,
            scores=scores,
            refused=refused,
            wanted=options.method,
            chosen=chosen,
            nested=tuple(nested),
            rows=rows,
            names=pairs.stations,
            x=pairs.x,
            y=pairs.y,
            crs_wkt=observations.crs_wkt,
            groups=len(np.unique(group)),
            folds=len(np.unique(fold)),
            periods=tuple("undated" if one is None else one.label for one in pairs.periods),
            test_km=test_km,
            map_km=_map_distance(calibration, inputs),
            product=inputs.product.name,
            cell_size=inputs.grid.cell_label,
            cell_km=(width / 1000, height / 1000),
            curves=curves,
            dropped={**observations.dropped, **pairs.dropped},
            notes=tuple(dict.fromkeys((*observations.notes, *pairs.notes, *inputs.notes, *notes))),
            settings={
                "seed": options.seed,
                "bounds": list(options.bounds),
                "factors": list(inputs.factors),
                "separation_km": options.separation_km,
                "gridded": [Path(str(path)).name for path in gridded],
            },
        )
    progress.set(1.0)
    return result


def _names(options: Options, rows: Rows) -> tuple[list[str], dict[str, str]]:
    asked = [name for name in METHODS if name in options.compare or name in (*SIMPLE, options.method)]
    refused = {name: why for name in asked if (why := METHODS[name].refusal(rows))}
    names = [name for name in asked if name not in refused]
    if options.method != BEST and options.method in refused:
        simpler = ", ".join(names)
        raise InputError(
            f"{options.method[0].upper()}{options.method[1:]} cannot be used: {refused[options.method]}. Methods that "
            f"can: {simpler}, or {BEST}."
        )
    return names, refused


def _thinned(names: list[str], pairs: int) -> list[str]:
    most = {BOOSTING: MOST_BOOSTED, CNN: MOST_FINETUNED}
    return [
        f"{name[0].upper()}{name[1:]} learns from {most[name]} of {pairs} pairs, drawn at random: all would take long."
        for name in names
        if name in most and pairs > most[name]
    ]


def _score_all(
    names: list[str],
    rows: Rows,
    group: NDArray[np.intp],
    fold: NDArray[np.intp],
    network: Network | None,
    options: Options,
    progress: Progress,
) -> tuple[tuple[MethodScore, ...], list[str], str]:
    """The table, what "best" chose in each fold, and the method to apply."""
    seed = options.seed
    outer = held_out(names, rows, group, fold, network, seed, progress.part(0, 0.25))
    by_period: dict[str, float] = {}
    count = len(np.unique(rows.period))
    if count >= _FEWEST_PERIODS:
        _, number = np.unique(rows.period, return_inverse=True)
        period_fold = period_folds(count, _PERIOD_FOLDS)[number]
        part = progress.part(0.25, 0.4)
        for name, values in held_out(names, rows, group, period_fold, network, seed, part, "periods").items():
            by_period[name] = float(np.sqrt(np.mean((values - rows.y) ** 2)))
    simple = {name: outer[name] for name in SIMPLE if name in outer}
    scores = [score(name, outer[name], simple, rows, seed, by_period.get(name, np.nan)) for name in names]
    nested: list[str] = []
    chosen = options.method
    if options.method == BEST:
        chosen = choose(outer, rows, seed)
        if len(np.unique(fold)) >= 3:
            predicted, nested = nested_choice(names, rows, group, fold, outer, network, seed, progress.part(0.4, 1.0))
            scores.append(score(BEST, predicted, simple, rows, seed))
    return tuple(scores), nested, chosen


def _map_distance(calibration: Calibration, inputs: Inputs) -> float:
    """Median distance of the map's pixels to the nearest station, on a thinned grid."""
    grid = inputs.grid
    step = max(1, max(grid.shape) // 200)
    x, y = np.meshgrid(grid.x_centres()[::step], grid.y_centres()[::step])
    return float(np.median(nearest_km(*calibration.plane.km(x.ravel(), y.ravel()), *calibration.stations.T)))
