"""A learner brought to its best: the training form, and the settings if asked to, chosen on held-out spatial blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..model.form import CONTRASTS, VALUES, Form
from ..progress import Progress
from .block_size import BlockSize, residual_blocks
from .checks import checked_samples
from .designs import Folds, block_folds, designs
from .evaluation import Yardstick
from .form_choice import FormTrial, contrast_window, judged, trial, try_forms
from .learners import Learner
from .learning import Learning, Visit
from .result import AUTOMATIC, Options
from .samples import Array, CoarseData, Samples, make_samples
from .tuning import Tuner, Tuning, check_budget, nested


@dataclass(frozen=True)
class Ground:
    """What is the same for every learner: data without constant factors, plain values, the blocks to judge by, and
    the designs to score under."""

    data: CoarseData
    values: Samples
    window: int
    size: BlockSize
    blocks: Folds
    designs: list[Folds]
    notes: list[str]


@dataclass(frozen=True)
class Choice:
    """learning: with its final settings; trials: of the forms, with the settings as given; chosen: the form taken, with
    what tuning made of it; predicted (n,) and models: by the held-out blocks; pooled (n,): those of plain values."""

    learning: Learning
    trials: list[FormTrial]
    chosen: FormTrial
    samples: Samples
    yardstick: Yardstick
    predicted: Array
    models: list[Visit]
    pooled: Array | None
    tuner: Tuner | None
    tuning: Tuning | None


def ground(data: CoarseData, learners: Sequence[Learner], options: Options) -> Ground:
    """Check that the data carry all `learners`, and lay out blocks and designs. Raises InputError."""
    check_budget(options.tuning)
    notes: list[str] = []
    neediest = max(learners, key=lambda learner: learner.fewest_samples)
    data, values = checked_samples(data, neediest, notes)
    size = residual_blocks(values)
    blocks = block_folds(values, size.edge, options.seed, options.buffer)
    # Every training form has the same rows, so that the folds of one serve for all.
    folds, unused = designs(values, options.validation, size.edge, options.seed, data.periods, options.buffer)
    window = options.window or contrast_window(data)
    if options.train_on == AUTOMATIC and too_wide(Form(CONTRASTS, window), data):
        notes.append(
            f"Contrasts to {window} x {window} cells were not tried: the region has only {data.grid.rows} x "
            f"{data.grid.cols} cells."
        )
    return Ground(data, values, window, size, blocks, folds, notes + unused)


def too_wide(form: Form, data: CoarseData) -> bool:
    """Whether contrasts in a window of more than half the region, which are little else than anomalies, are asked of
    it; the smallest window is never too wide."""
    return form.kind == CONTRASTS and form.window > max(3, max(data.grid.shape) // 2)


def choose(where: Ground, learning: Learning, forms: Sequence[Form], budget: int, progress: Progress) -> Choice:
    """The form of `forms` that explains most of the contrasts in held-out blocks; `budget` settings are tried in it."""
    values, blocks, window, edge = where.values, where.blocks, where.window, where.size.edge
    tunes = budget > 0 and bool(learning.learner.space)
    split = 0.2 if tunes else 1.0
    guesses, visits = try_forms(where.data, learning, forms, blocks, progress.part(0.0, split))
    trials = judged(values, blocks, forms, guesses, window, edge)
    number = next(n for n, one in enumerate(trials) if one.chosen)
    chosen, predicted, models = trials[number], guesses[number], visits[number]
    samples = make_samples(where.data, chosen.form)
    tuned = None
    if tunes:
        step = progress.part(split, 1.0)
        tuned = nested(
            learning, budget, values, samples, blocks, chosen.form, window, chosen.gain.share_explained, step
        )
        predicted, models = tuned.predicted, tuned.visits
        chosen = replace(trial(values, blocks, chosen.form, predicted, window, edge), chosen=True)
    return Choice(
        learning=tuned.learning if tuned else learning,
        trials=trials,
        chosen=chosen,
        samples=samples,
        yardstick=Yardstick(values.y, chosen.form, window, edge),
        predicted=predicted,
        models=models,
        pooled=next((guess for form, guess in zip(forms, guesses) if form.kind == VALUES), None),
        tuner=tuned.tuner if tuned else None,
        tuning=tuned.tuning if tuned else None,
    )
