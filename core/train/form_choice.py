"""Which form to train on: values, anomalies or contrasts, judged by what they explain of unseen contrasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..model.form import ANOMALIES, CONTRASTS, VALUES, Form
from ..model.model import DetailGain
from ..progress import Progress
from .designs import Folds
from .evaluation import contrast_pair, detail_gain, spread
from .learning import Learning, Visit
from .samples import Array, CoarseData, Samples, make_samples


@dataclass(frozen=True)
class FormTrial:
    """A training form as judged on held-out spatial blocks; spread: of the share explained, over the folds."""

    form: Form
    gain: DetailGain
    chosen: bool
    spread: float = math.nan


def contrast_window(data: CoarseData) -> int:
    """Width of the contrast window in cells: 3, or the odd number of cells that holds the footprint."""
    if data.footprint_km is None:
        return 3
    return max(3, 2 * math.ceil((data.footprint_km * 1000 / min(data.grid.ground_cell_size()) - 1) / 2) + 1)


def forms_to_try(data: CoarseData, window: int) -> list[Form]:
    """Values, anomalies, and contrasts to `window` and, where the region has room for it, to about twice as wide."""
    # Within a single period anomalies are values less a constant.
    forms = [Form(VALUES), *([Form(ANOMALIES)] if len(data.periods) > 1 else []), Form(CONTRASTS, window)]
    wide = 2 * window + 1
    if 2 * wide <= min(data.grid.shape):
        forms.append(Form(CONTRASTS, wide))
    return forms


def try_forms(
    data: CoarseData, learning: Learning, forms: Sequence[Form], blocks: Folds, progress: Progress
) -> tuple[list[Array], list[list[Visit]]]:
    """Held-out predictions (n,) and the folds' models of each form."""
    guesses: list[Array] = []
    visits: list[list[Visit]] = []
    for number, form in enumerate(forms):
        step = progress.part(number / len(forms), (number + 1) / len(forms))
        step.set(0.0, f"Trying {form.label}")
        visits.append([])
        guesses.append(learning.held_out(make_samples(data, form), blocks, step, visits[-1]))
    return guesses, visits


def judged(
    values: Samples, folds: Folds, forms: Sequence[Form], predicted: Sequence[Array], window: int, edge: int
) -> list[FormTrial]:
    """The forms with the detail gain of their held-out predictions (n,); the one that explains most is chosen."""
    trials = [trial(values, folds, form, guess, window, edge) for form, guess in zip(forms, predicted)]
    best = max(range(len(trials)), key=lambda i: trials[i].gain.share_explained)
    trials[best] = replace(trials[best], chosen=True)
    return trials


def trial(values: Samples, folds: Folds, form: Form, guess: Array, window: int, edge: int) -> FormTrial:
    """One form, not chosen so far; guess (n,): held-out predictions in that form."""
    gain = detail_gain(values, values.y, guess, form, window, edge)
    true, shown = contrast_pair(values, values.y, guess, form, window)
    left = (true - gain.value * shown) ** 2
    shares = []
    for number in range(folds.count):
        rows = np.flatnonzero(folds.fold == number)
        total = float((true[rows] ** 2).sum())
        shares.append(1 - float(left[rows].sum()) / total if total > 0 else math.nan)
    return FormTrial(form, gain, False, spread(shares))
