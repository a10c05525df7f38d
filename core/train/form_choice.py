"""Which form to train on: values, anomalies or contrasts, judged by what they explain of unseen contrasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..model.form import ANOMALIES, CONTRASTS, VALUES, Form
from ..model.model import DetailGain
from .evaluation import detail_gain
from .samples import Array, CoarseData, Samples


@dataclass(frozen=True)
class FormTrial:
    """A training form as judged on held-out spatial blocks."""

    form: Form
    gain: DetailGain
    chosen: bool


def contrast_window(data: CoarseData) -> int:
    """Width of the contrast window in cells: 3, or the odd number of cells that holds the footprint."""
    if data.footprint_km is None:
        return 3
    return max(3, 2 * math.ceil((data.footprint_km * 1000 / min(data.grid.ground_cell_size()) - 1) / 2) + 1)


def forms_to_try(data: CoarseData, window: int) -> list[Form]:
    if len(data.periods) == 1:
        # Within a single period anomalies are values less a constant.
        return [Form(VALUES), Form(CONTRASTS, window)]
    return [Form(VALUES), Form(ANOMALIES), Form(CONTRASTS, window)]


def judged(
    values: Samples, forms: Sequence[Form], predicted: Sequence[Array], window: int, edge: int
) -> list[FormTrial]:
    """The forms with the detail gain of their held-out predictions (n,); the one that explains most is chosen."""
    trials = [
        FormTrial(form, detail_gain(values, values.y, guess, form, window, edge), False)
        for form, guess in zip(forms, predicted)
    ]
    best = max(range(len(trials)), key=lambda i: trials[i].gain.share_explained)
    trials[best] = replace(trials[best], chosen=True)
    return trials
