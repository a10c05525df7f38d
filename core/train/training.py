"""Train a model on a COARSE stack and say honestly what it knows."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import numpy as np

from ..errors import InputError
from ..model.form import ANOMALIES, CONTRASTS, VALUES, Form
from ..model.linear import LinearPredictor
from ..model.model import DetailGain, Factor, Model
from ..progress import Progress
from . import evaluation as ev
from .learners import REGISTRY, Learner
from .learners.linear import Ridge
from .learners.linear import export as export_ridge
from .samples import Array, CoarseData, Samples, make_samples

AUTOMATIC = "automatic"
_REPEATS = 3


@dataclass(frozen=True)
class Options:
    """What the user chooses. train_on: automatic, values, anomalies or contrasts; window 0 means 3 cells, or the footprint if wider."""

    learner: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    train_on: str = AUTOMATIC
    window: int = 0
    linear_trend: bool = True
    validation: Sequence[str] = ev.DESIGNS
    seed: int = 0


@dataclass(frozen=True)
class FormTrial:
    """A training form as judged on held-out spatial blocks."""

    form: Form
    gain: DetailGain
    chosen: bool


@dataclass(frozen=True)
class Importance:
    """Importance of a factor, as shares that sum to 1: within the learner (None where it has none), and by permutation on held-out blocks.

    rise: increase of the held-out RMSE (target units) when the factor is shuffled.
    """

    factor: str
    learner: float | None
    permutation: float
    rise: float


@dataclass(frozen=True)
class Training:
    """A trained model and all that its report shows; observed and predicted (n,) are held out by spatial blocks, in training form."""

    model: Model
    scores: list[ev.Score]
    forms: list[FormTrial]
    importance: list[Importance]
    samples: int
    cells: int
    periods: list[str]
    block_edge: int
    designs: list[str]
    notes: list[str]
    observed: Array
    predicted: Array
    mean_residual: Array


def train(data: CoarseData, options: Options, progress: Progress | None = None) -> Training:
    """Validate, choose the training form if asked to, and fit on all samples. Raises InputError where the data cannot carry it."""
    progress = progress or Progress()
    learner = REGISTRY[options.learner]
    settings = {**learner.defaults, **options.settings}
    notes: list[str] = []
    data = _without_constant_factors(data, notes)
    window = options.window or contrast_window(data)
    values = make_samples(data, Form(VALUES))
    _check_enough(values, learner, data)
    trend = options.linear_trend and learner.id != "linear"
    edge = ev.block_edge(values, values.y - Ridge().fit(values.x, values.y, values.weight).predict(values.x))
    blocks = ev.block_folds(values, edge, options.seed)

    def fitter(limit: bool) -> Callable[[Samples], Callable[[Array], Array]]:
        return lambda part: _fit(part, learner, settings, trend, options.seed, quick=True, limit=limit)[0]

    trials, chosen = _choose_form(data, values, options, window, edge, blocks, fitter(True), progress.part(0.0, 0.4))
    form = chosen.form
    samples = make_samples(data, form)

    folds, unused = ev.designs(samples, options.validation, edge, options.seed)
    notes += unused
    scores: list[ev.Score] = []
    rises = np.zeros((blocks.count, len(data.names)))
    predicted_on_blocks = np.full(len(samples), np.nan)
    if all(one.design != ev.BLOCKS for one in folds):
        folds.append(blocks)
    for number, design in enumerate(folds):
        step = progress.part(0.4 + 0.4 * number / len(folds), 0.4 + 0.4 * (number + 1) / len(folds))
        step.set(0.0, f"Validating: {ev.LABELS[design.design].lower()}")
        visit = _permutation(samples, rises, options.seed) if design.design == ev.BLOCKS else None
        predicted = ev.held_out(samples, design, _checked(fitter(True), step, design.count), visit)
        if design.design == ev.BLOCKS:
            predicted_on_blocks = predicted
        if design.design in options.validation:
            rows: list[tuple[str, Array]] = [(learner.title, predicted)]
            if learner.id != "linear":
                rows.append(
                    (
                        "Multiple linear regression",
                        ev.held_out(samples, design, lambda part: Ridge(0.0).fit(part.x, part.y, part.weight).predict),
                    )
                )
            rows.append(("No factors (mean)", _mean_predictions(samples, design)))
            scores += [ev.score(samples, design, guess, name, values.y, window) for name, guess in rows]

    progress.set(0.82, f"Training {learner.title.lower()} on {len(samples)} samples")
    progress.check()
    _, estimator, ridge = _fit(samples, learner, settings, trend, options.seed, quick=False, limit=True)
    limit = learner.most_samples(settings)
    if limit and len(samples) > limit:
        notes.append(
            f"{learner.title} was trained on {limit} of {len(samples)} samples, thinned evenly over the periods: its cost grows "
            "with the square of their number."
        )
    model = Model(
        learner=learner.id,
        title=learner.title,
        factors=_factors(data),
        target=data.target_name,
        target_unit=data.target_unit,
        target_range=(float(values.y.min()), float(values.y.max())),
        form=form,
        trend=ridge,
        predictor=learner.export(estimator),
        gain=chosen.gain,
        footprint_km=data.footprint_km,
        min_valid_share=float(data.tags.get("MIN_VALID_SHARE", 0.5)),
        facts=_facts(data, options, settings, scores, samples),
    )
    progress.set(1.0)
    residual = np.full(samples.shape, np.nan)
    residual[samples.period, samples.row, samples.col] = samples.y - predicted_on_blocks
    seen = np.isfinite(residual).any(axis=0)
    mean_residual = np.full(seen.shape, np.nan)
    mean_residual[seen] = np.nanmean(residual[:, seen], axis=0)
    return Training(
        model=model,
        scores=scores,
        forms=trials,
        importance=_importance(data, learner, estimator, rises),
        samples=len(samples),
        cells=len(np.unique(samples.row * samples.shape[2] + samples.col)),
        periods=[p.label if p else "undated" for p in data.periods],
        block_edge=edge,
        designs=[f"{ev.LABELS[f.design]}{': ' + f.note if f.note else ''}" for f in folds],
        notes=notes,
        observed=samples.y,
        predicted=predicted_on_blocks,
        mean_residual=mean_residual,
    )


def contrast_window(data: CoarseData) -> int:
    """Width of the contrast window in cells: 3, or the odd number of cells that holds the footprint."""
    if data.footprint_km is None:
        return 3
    return max(3, 2 * math.ceil((data.footprint_km * 1000 / min(data.grid.ground_cell_size()) - 1) / 2) + 1)


def _choose_form(
    data: CoarseData,
    values: Samples,
    options: Options,
    window: int,
    edge: int,
    blocks: ev.Folds,
    fit: Callable[[Samples], Callable[[Array], Array]],
    progress: Progress,
) -> tuple[list[FormTrial], FormTrial]:
    """Judge the forms by the share of held-out contrasts they explain; only the one asked for if it was asked for."""
    forms = [Form(VALUES), Form(ANOMALIES), Form(CONTRASTS, window)]
    if len(data.periods) == 1:
        # Within a single period anomalies are values less a constant.
        forms = [forms[0], forms[2]]
    if options.train_on != AUTOMATIC:
        forms = [Form(options.train_on, window)]
    trials = []
    for number, form in enumerate(forms):
        step = progress.part(number / len(forms), (number + 1) / len(forms))
        step.set(0.0, f"Trying {form.label}")
        predicted = ev.held_out(make_samples(data, form), blocks, _checked(fit, step, blocks.count))
        trials.append(FormTrial(form, ev.detail_gain(values, values.y, predicted, window, edge), False))
    best = max(range(len(trials)), key=lambda i: trials[i].gain.share_explained)
    trials[best] = replace(trials[best], chosen=True)
    return trials, trials[best]


def _fit(
    samples: Samples, learner: Learner, settings: Mapping[str, Any], trend: bool, seed: int, quick: bool, limit: bool
) -> tuple[Callable[[Array], Array], Any, LinearPredictor | None]:
    """A prediction function, the fitted estimator, and the linear part it was fitted after."""
    from joblib import parallel_config

    ridge: LinearPredictor | None = None
    most = learner.most_samples(settings)
    part = samples
    y = samples.y
    if trend:
        ridge = export_ridge(Ridge().fit(samples.x, samples.y, samples.weight))
        y = y - ridge.predict(samples.x)
    weight = samples.weight
    if limit and most and len(samples) > most:
        keep = _thinned(samples, most, seed)
        part, y, weight = samples.select(keep), y[keep], weight[keep]
    estimator = learner.build(settings, seed, quick)
    # Threads, never processes: a process pool would open new QGIS windows on some systems.
    with parallel_config(backend="threading"):
        estimator.fit(part.x, y, weight)

    def predict(x: Array) -> Array:
        with parallel_config(backend="threading"):
            y = estimator.predict(x)
        return y if ridge is None else y + ridge.predict(x)

    return predict, estimator, ridge


def _checked(
    fit: Callable[[Samples], Callable[[Array], Array]], progress: Progress, count: int
) -> Callable[[Samples], Callable[[Array], Array]]:
    done = 0

    def checked(part: Samples) -> Callable[[Array], Array]:
        nonlocal done
        progress.check()
        if len(part) < 5:
            raise InputError(
                f"Only {len(part)} samples are left to train on when a fold is held out: more coarse cells are needed."
            )
        result = fit(part)
        done += 1
        progress.set(done / count)
        return result

    return checked


def _thinned(samples: Samples, most: int, seed: int) -> Any:
    """Row numbers of `most` samples, the same share of every period."""
    shuffled = np.random.default_rng(seed).permutation(len(samples))
    rank = np.empty(len(samples))
    for period in np.unique(samples.period):
        rows = shuffled[samples.period[shuffled] == period]
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(rank, kind="stable")[:most])


def _mean_predictions(samples: Samples, folds: ev.Folds) -> Array:
    fit = ev.mean_baseline(samples)
    predicted = np.full(len(samples), np.nan)
    for number in range(folds.count):
        rows = np.flatnonzero(folds.fold == number)
        predicted[rows] = fit(samples.select(folds.fold != number))(rows)
    return predicted


def _permutation(samples: Samples, rises: Array, seed: int) -> Callable[[int, Callable[[Array], Array], Any], None]:
    """Fills rises (folds, factors) with the growth of a fold's mean squared error when a factor is shuffled, times its samples."""

    def visit(fold: int, predict: Callable[[Array], Array], rows: Any) -> None:
        x, y = samples.x[rows], samples.y[rows]
        before = float(((predict(x) - y) ** 2).sum())
        random = np.random.default_rng(seed + fold)
        for k in range(x.shape[1]):
            for _ in range(_REPEATS):
                shuffled = x.copy()
                shuffled[:, k] = x[random.permutation(len(x)), k]
                rises[fold, k] += (float(((predict(shuffled) - y) ** 2).sum()) - before) / _REPEATS

    return visit


def _importance(data: CoarseData, learner: Learner, estimator: Any, rises: Array) -> list[Importance]:
    own = learner.importance(estimator)
    total = rises.sum(axis=0)
    positive = np.maximum(total, 0.0)
    share = positive / positive.sum() if positive.sum() > 0 else np.zeros(len(positive))
    count = max(1, int(np.isfinite(data.target).sum()))
    rise = np.sign(total) * np.sqrt(np.abs(total) / count)
    rows = [
        Importance(name, None if own is None else float(own[k]), float(share[k]), float(rise[k]))
        for k, name in enumerate(data.names)
    ]
    return sorted(rows, key=lambda row: -row.permutation)


def _without_constant_factors(data: CoarseData, notes: list[str]) -> CoarseData:
    keep = []
    for k, name in enumerate(data.names):
        values = data.factors[k][np.isfinite(data.factors[k]) & np.isfinite(data.target)]
        if len(values) and np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())):
            notes.append(f"Factor {name!r} is constant ({values[0]:g}) on the coarse grid and was left out.")
        else:
            keep.append(k)
    if not keep:
        raise InputError("All factors are constant on the coarse grid: there is nothing to learn from.")
    return replace(
        data,
        names=[data.names[k] for k in keep],
        units=[data.units[k] for k in keep],
        static=[data.static[k] for k in keep],
        factors=data.factors[keep],
    )


def _check_enough(samples: Samples, learner: Learner, data: CoarseData) -> None:
    cells = len(np.unique(samples.row * samples.shape[2] + samples.col))
    fewest = max(learner.fewest_samples, len(data.names) + 2)
    if cells < 4 or len(samples) < fewest:
        raise InputError(
            f"Only {len(samples)} samples in {cells} coarse cell{'s' if cells != 1 else ''} have the target and all {len(data.names)} "
            f"factors; at least {fewest} samples in 4 cells are needed: use a larger region, more periods or fewer factors."
        )
    if np.ptp(samples.y) < 1e-9:
        raise InputError(f"The target {data.target_name!r} is constant: there is nothing to learn.")


def _factors(data: CoarseData) -> tuple[Factor, ...]:
    rows = []
    for name, unit, values in zip(data.names, data.units, data.factors):
        valid = values[np.isfinite(values)]
        rows.append(Factor(name, unit, float(valid.min()), float(valid.max()), float(valid.mean()), float(valid.std())))
    return tuple(rows)


def _facts(
    data: CoarseData, options: Options, settings: Mapping[str, Any], scores: Sequence[ev.Score], samples: Samples
) -> dict[str, Any]:
    import sklearn

    return {
        "settings": dict(settings),
        "train_on": options.train_on,
        "linear_trend": options.linear_trend,
        "seed": options.seed,
        "samples": len(samples),
        "periods": [p.label if p else "undated" for p in data.periods],
        "coarse_crs": data.grid.crs_name,
        "coarse_cell": [data.grid.cell_width, data.grid.cell_height],
        "scores": [one.as_dict() for one in scores],
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
    }
