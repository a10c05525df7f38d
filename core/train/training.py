"""Train a model on a COARSE stack and say honestly what it knows."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.form import VALUES, Form
from ..model.model import Factor, Model
from ..progress import Progress
from ..raster.bands import SHARE_UNIT
from ..raster.grid import Grid
from . import evaluation as ev
from . import fitting
from .checks import check_enough, without_constant_factors
from .designs import Folds, block_edge, block_folds, designs
from .fitting import Fitted, fit
from .form_choice import FormTrial, contrast_window, forms_to_try, judged
from .importance import Importance, Permutation
from .learners import REGISTRY, Learner
from .learners.linear import Ridge
from .samples import Array, CoarseData, Samples, make_samples

__all__ = ["AUTOMATIC", "FormTrial", "Importance", "Options", "Training", "contrast_window", "train"]

AUTOMATIC = "automatic"
_FEWEST_IN_FOLD = 5

Visit = tuple[int, ev.Predict, NDArray[np.intp]]


@dataclass(frozen=True)
class Options:
    """What the user chooses.

    learner: a name in the registry, with its own settings. train_on: automatic, values, anomalies or contrasts. window:
    of contrasts, in cells; 0 means 3, or the footprint if wider. linear_trend: a ridge first, the learner on what it
    leaves. validation: designs to score.
    """

    learner: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    train_on: str = AUTOMATIC
    window: int = 0
    linear_trend: bool = True
    validation: Sequence[str] = ev.DESIGNS
    seed: int = 0


@dataclass(frozen=True)
class Training:
    """A trained model and all that its report shows.

    block_score: on held-out spatial blocks, whatever designs were asked for. observed and predicted (n,): held out by
    the same blocks, in training form. mean_residual (rows, cols): observed less predicted, mean over the periods.
    """

    model: Model
    scores: list[ev.Score]
    block_score: ev.Score
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
    grid: Grid


def train(data: CoarseData, options: Options, progress: Progress | None = None) -> Training:
    """Validate, choose the training form if asked to, and fit on all samples.

    Raises InputError where the data cannot carry it.
    """
    progress = progress or Progress()
    if options.learner not in REGISTRY:
        raise InputError(f"Unknown learner {options.learner!r}: choose among {', '.join(REGISTRY)}.")
    learner = REGISTRY[options.learner]
    notes: list[str] = []
    check_enough(make_samples(data, Form(VALUES)), learner.fewest_samples, data)
    data = without_constant_factors(data, notes)
    values = make_samples(data, Form(VALUES))
    check_enough(values, max(learner.fewest_samples, len(data.names) + 2), data)
    window = options.window or contrast_window(data)
    edge = block_edge(values, values.y - Ridge().fit(values.x, values.y, values.weight).predict(values.x))
    blocks = block_folds(values, edge, options.seed)
    work = _Work(learner, {**learner.defaults, **options.settings}, options)

    forms = forms_to_try(data, window) if options.train_on == AUTOMATIC else [Form(options.train_on, window)]
    guesses: list[Array] = []
    visits: list[list[Visit]] = []
    for number, form in enumerate(forms):
        step = progress.part(0.5 * number / len(forms), 0.5 * (number + 1) / len(forms))
        step.set(0.0, f"Trying {form.label}")
        visits.append([])
        guesses.append(work.held_out(make_samples(data, form), blocks, step, visits[-1]))
    trials = judged(values, forms, guesses, window, edge)
    choice = next(number for number, trial in enumerate(trials) if trial.chosen)
    chosen, on_blocks = trials[choice], guesses[choice]
    samples = make_samples(data, chosen.form)
    permutation = Permutation(samples, options.seed)
    for visit in visits[choice]:
        progress.check()
        permutation.visit(*visit)

    folds, unused = designs(samples, options.validation, edge, options.seed)
    notes += unused
    scores: list[ev.Score] = []
    for number, design in enumerate(folds):
        step = progress.part(0.5 + 0.3 * number / len(folds), 0.5 + 0.3 * (number + 1) / len(folds))
        step.set(0.0, f"Validating: {ev.LABELS[design.design].lower()}")
        predicted = on_blocks if design.design == ev.BLOCKS else work.held_out(samples, design, step)
        rows = {learner.title: predicted, **_baselines(samples, design, learner)}
        scores += [
            ev.score(samples, design, guess, name, values.y, chosen.form, window) for name, guess in rows.items()
        ]

    # The form and the gain rest on the blocks, scored or not.
    used = folds if any(one.design == ev.BLOCKS for one in folds) else [*folds, blocks]

    progress.set(0.82, f"Training {learner.title.lower()} on {len(samples)} samples")
    progress.check()
    if len(samples) > fitting.QUICK_ROWS:
        notes.append(
            f"The fits of the validation used {fitting.QUICK_ROWS:,} of the {len(samples):,} samples, thinned evenly "
            "over the periods; every sample was predicted."
        )
    fitted = work.fit(samples, progress.part(0.82, 1.0))
    most = learner.most_samples(work.settings)
    if most and len(samples) > most:
        notes.append(
            f"{learner.title} was trained on {most} of {len(samples)} samples, thinned evenly over the periods: its "
            "cost grows with the square of their number."
        )
    model = Model(
        learner=learner.id,
        title=learner.title,
        factors=_factors(data, values),
        target=data.target_name,
        target_unit=data.target_unit,
        target_range=(float(values.y.min()), float(values.y.max())),
        form=chosen.form,
        trend=fitted.trend,
        predictor=fitted.predictor,
        gain=chosen.gain,
        footprint_km=data.footprint_km,
        min_valid_share=float(data.tags.get("MIN_VALID_SHARE", 0.5)),
        facts=_facts(data, options, work.settings, scores, samples),
    )
    progress.set(1.0)
    return Training(
        model=model,
        scores=scores,
        block_score=ev.score(samples, blocks, on_blocks, learner.title, values.y, chosen.form, window),
        forms=trials,
        importance=permutation.importance(data.names, learner.importance(fitted.estimator)),
        samples=len(samples),
        cells=samples.cells,
        periods=[p.label if p else "undated" for p in data.periods],
        block_edge=edge,
        designs=[f"{ev.LABELS[f.design]}{': ' + f.note if f.note else ''}" for f in used],
        notes=notes,
        observed=samples.y,
        predicted=on_blocks,
        mean_residual=_mean_over_periods(samples.on_grid(samples.y - on_blocks)),
        grid=data.grid,
    )


@dataclass(frozen=True)
class _Work:
    """The learner with its settings, as it is fitted again and again."""

    learner: Learner
    settings: dict[str, Any]
    options: Options

    def fit(self, samples: Samples, progress: Progress, quick: bool = False) -> Fitted:
        trend = self.options.linear_trend and self.learner.id != "linear"
        return fit(samples, self.learner, self.settings, trend, self.options.seed, progress, quick)

    def held_out(self, samples: Samples, folds: Folds, progress: Progress, visits: list[Visit] | None = None) -> Array:
        """Held-out predictions (n,); the folds' models are added to `visits`."""
        done = 0

        def checked(part: Samples) -> ev.Predict:
            nonlocal done
            progress.check()
            if len(part) < _FEWEST_IN_FOLD:
                raise InputError(
                    f"Only {len(part)} samples are left to train on when a fold is held out: more coarse cells are "
                    "needed."
                )
            fitted = self.fit(part, progress.part(done / folds.count, (done + 1) / folds.count), quick=True)
            done += 1
            return fitted.predict

        return ev.held_out(samples, folds, checked, None if visits is None else lambda *one: visits.append(one))


def _baselines(samples: Samples, folds: Folds, learner: Learner) -> dict[str, Array]:
    """Held-out predictions of what any learner should beat."""
    rows: dict[str, Array] = {}
    if learner.id != "linear":
        rows["Multiple linear regression"] = ev.held_out(
            samples, folds, lambda part: Ridge(0.0).fit(part.x, part.y, part.weight).predict
        )
    rows[ev.NO_FACTORS] = ev.mean_baseline(samples, folds)
    return rows


def _mean_over_periods(maps: Array) -> Array:
    seen = np.isfinite(maps)
    count = seen.sum(axis=0)
    total = np.where(seen, maps, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _factors(data: CoarseData, values: Samples) -> tuple[Factor, ...]:
    """Names and units with what training saw of each factor."""
    return tuple(
        Factor(name, unit, *_range(x, unit), float(x.mean()), float(x.std()))
        for name, unit, x in zip(data.names, data.units, values.x.T)
    )


def _range(x: Array, unit: str) -> tuple[float, float]:
    # A pixel is often all of one class where no coarse cell is: for a share that is no extrapolation.
    return (0.0, 1.0) if unit == SHARE_UNIT else (float(x.min()), float(x.max()))


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
