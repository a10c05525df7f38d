"""Train a model on a COARSE stack and say honestly what it knows."""

from __future__ import annotations

from ..errors import InputError
from ..model.form import VALUES, Form
from ..model.model import Model
from ..progress import Progress
from . import evaluation as ev
from . import fitting
from .choice import Choice, Ground, choose, ground, too_wide
from .designs import Folds
from .effects import effects
from .fitting import Fitted
from .form_choice import FormTrial, contrast_window, forms_to_try
from .importance import Importance, Permutation, groups_of, leading
from .learners import REGISTRY, Learner
from .learning import Learning
from .model_facts import factors_seen, facts, mean_over_periods
from .result import AUTOMATIC, Options, Training
from .samples import CoarseData
from .scale_step import scale_steps
from .skill import own, pooled_values, scored
from .trust import Trust, make_trust

__all__ = ["AUTOMATIC", "FormTrial", "Importance", "Options", "Training", "contrast_window", "train"]

_EFFECTS = 4  # factors whose effect is drawn


def train(data: CoarseData, options: Options, progress: Progress | None = None) -> Training:
    """Choose the training form if asked to, tune if asked to, validate, and fit on all samples.

    Raises InputError where the data cannot carry it.
    """
    progress = progress or Progress()
    learner = known(options.learner)
    where = ground(data, [learner], options)
    choice = choose(
        where, learning_of(learner, options, where), forms_of(options, where), options.tuning, progress.part(0.0, 0.55)
    )
    return finish(where, choice, options, progress.part(0.55, 1.0))


def known(name: str) -> Learner:
    """The learner `name`. Raises InputError."""
    if name not in REGISTRY:
        raise InputError(f"Unknown learner {name!r}: choose among {', '.join(REGISTRY)}.")
    return REGISTRY[name]


def learning_of(learner: Learner, options: Options, where: Ground) -> Learning:
    settings = {**learner.defaults, **options.settings}
    return Learning(learner, settings, options.linear_trend, options.seed, where.size.edge)


def forms_of(options: Options, where: Ground) -> list[Form]:
    """The training forms to try. Raises InputError for a form that there is not."""
    if options.train_on == AUTOMATIC:
        return [form for form in forms_to_try(where.data, where.window) if not too_wide(form, where.data)]
    return [Form(options.train_on, where.window)]


def finish(
    where: Ground, choice: Choice, options: Options, progress: Progress, fitted: Fitted | None = None
) -> Training:
    """Validate a choice by all designs asked for, test and explain it, and fit it on all samples unless it is."""
    data, samples, learning, chosen = where.data, choice.samples, choice.learning, choice.chosen
    learner, notes = learning.learner, list(where.notes)
    if options.tuning and not learner.space:
        notes.append(f"{learner.title} has no settings to tune.")
    progress.set(0.0, "Weighing the factors")
    permutation = Permutation(samples, options.seed, groups_of(samples.x, data.names, data.units, options.seed))
    for visit in choice.models:
        progress.check()
        permutation.visit(*visit)
    scores = _scores(choice, where.designs, progress.part(0.1, 0.55))
    block_score = own(scores, ev.BLOCKS, learner.title) or ev.score(
        samples, where.blocks, choice.predicted, learner.title, choice.yardstick
    )
    pooled = _pooled(where, choice, own(scores, ev.RANDOM, learner.title), block_score, progress.part(0.55, 0.57))
    progress.set(0.57, "Testing the step in scale")
    steps, step_notes = scale_steps(
        data, chosen.form, learning, chosen.gain.value, where.size.edge, progress.part(0.57, 0.65)
    )
    progress.set(0.65, f"Training {learner.title} on {len(samples)} samples")
    progress.check()
    notes += _thinning(learning, len(samples))
    fitted = fitted or learning.fit(samples, progress.part(0.65, 0.92))
    importance = permutation.importance(data.names, learner.importance(fitted.estimator))
    trust = make_trust(
        samples,
        where.blocks,
        choice.predicted,
        choice.yardstick,
        chosen.gain.value,
        importance,
        data.names,
        fitted,
        choice.models,
        options.seed,
        progress.part(0.92, 0.95),
    )
    drawn = effects(samples, choice.models, data.names, leading(importance)[:_EFFECTS], progress.part(0.95, 1.0))
    # The form and the gain rest on the blocks, scored or not.
    scored_on_blocks = any(one.design == ev.BLOCKS for one in where.designs)
    used = where.designs if scored_on_blocks else [*where.designs, where.blocks]
    training = Training(
        model=_model(where, choice, options, scores, fitted, trust),
        scores=scores,
        block_score=block_score,
        forms=choice.trials,
        importance=importance,
        samples=len(samples),
        cells=samples.cells,
        periods=[p.label if p else "undated" for p in data.periods],
        block_edge=where.size.edge,
        designs=[f"{ev.LABELS[f.design]}{': ' + f.note if f.note else ''}" for f in used],
        notes=notes,
        observed=samples.y,
        predicted=choice.predicted,
        mean_residual=mean_over_periods(samples.on_grid(samples.y - choice.predicted)),
        grid=data.grid,
        blocks=where.size,
        effects=drawn,
        steps=steps,
        step_notes=step_notes,
        tuning=choice.tuning,
        pooled=pooled,
        static=[name for name, one in zip(data.names, data.static) if one],
        trust=trust,
    )
    progress.set(1.0)
    return training


def _scores(choice: Choice, folds: list[Folds], progress: Progress) -> list[ev.Score]:
    learning, samples = choice.learning, choice.samples
    scores: list[ev.Score] = []
    for done, design in enumerate(folds):
        step = progress.part(done / len(folds), (done + 1) / len(folds))
        step.set(0.0, f"Validating: {ev.LABELS[design.design].lower()}")
        guess = choice.predicted
        if design.design != ev.BLOCKS:
            guess = learning.held_out(samples, design, step, chosen=choice.tuner)
        title = learning.learner.title
        scores += scored(samples, design, {title: guess}, choice.yardstick, learning.learner.id != "linear")
    return scores


def _pooled(
    where: Ground, choice: Choice, at_random: ev.Score | None, on_blocks: ev.Score, progress: Progress
) -> list[ev.Score]:
    """Plain values split at random and by blocks, where both are known or near at hand."""
    if at_random is None:
        return []
    if choice.chosen.form.kind == VALUES:
        return [at_random, on_blocks]
    if choice.pooled is None:
        return []
    # With the settings that the predictions by blocks were made with.
    given = choice.tuner.learning if choice.tuner else choice.learning
    return pooled_values(where.values, where.blocks, choice.pooled, given, where.window, progress)


def _model(
    where: Ground, choice: Choice, options: Options, scores: list[ev.Score], fitted: Fitted, trust: Trust
) -> Model:
    data, values, learner = where.data, where.values, choice.learning.learner
    choices = {
        "settings": dict(choice.learning.settings),
        "tuning": options.tuning,
        "train_on": options.train_on,
        "linear_trend": options.linear_trend,
        "seed": options.seed,
        "samples": len(choice.samples),
        "scores": [one.as_dict() for one in scores],
    }
    return Model(
        learner=learner.id,
        title=learner.title,
        factors=factors_seen(data, values),
        target=data.target_name,
        target_unit=data.target_unit,
        target_range=(float(values.y.min()), float(values.y.max())),
        form=choice.chosen.form,
        trend=fitted.trend,
        predictor=fitted.predictor,
        gain=choice.chosen.gain,
        footprint_km=data.footprint_km,
        min_valid_share=float(data.tags.get("MIN_VALID_SHARE", 0.5)),
        facts=facts(data, choices),
        applicability=trust.applicability,
        uncertainty=trust.uncertainty,
    )


def _thinning(learning: Learning, count: int) -> list[str]:
    """A sentence for each way in which not every sample was fitted to."""
    notes, learner = [], learning.learner
    if count > fitting.QUICK_ROWS:
        notes.append(
            f"The fits of the validation used {fitting.QUICK_ROWS:,} of the {count:,} samples, thinned evenly over the "
            "periods; every sample was predicted."
        )
    most = learner.most_samples(learning.settings)
    if most and count > most:
        notes.append(
            f"{learner.title} was trained on {most} of {count} samples, thinned evenly over the periods: its cost "
            "grows with the square of their number."
        )
    return notes
