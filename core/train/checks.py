"""What must hold before a model is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..model.form import VALUES, Form
from .learners import Learner
from .samples import CoarseData, Samples, make_samples

_FEWEST_CELLS = 4


def checked_samples(data: CoarseData, learner: Learner, notes: list[str]) -> tuple[CoarseData, Samples]:
    """`data` without constant factors, and its samples as plain values. Raises InputError where they are too few."""
    check_enough(make_samples(data, Form(VALUES)), learner.fewest_samples, data)
    data = without_constant_factors(data, notes)
    values = make_samples(data, Form(VALUES))
    check_enough(values, max(learner.fewest_samples, len(data.names) + 2), data)
    return data, values


def without_constant_factors(data: CoarseData, notes: list[str]) -> CoarseData:
    """`data` without factors that are the same everywhere, each named in `notes`. Raises InputError if all are."""
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


def check_enough(samples: Samples, fewest: int, data: CoarseData) -> None:
    """Raise InputError for fewer than `fewest` samples, fewer than four cells, and a constant target."""
    if samples.cells < _FEWEST_CELLS or len(samples) < fewest:
        raise InputError(
            f"Only {len(samples)} samples in {samples.cells} coarse cell{'s' if samples.cells != 1 else ''} have the "
            f"target and all {len(data.names)} factors; at least {fewest} samples in {_FEWEST_CELLS} cells are needed: "
            "use a larger region, more periods or fewer factors."
        )
    if np.ptp(samples.y) <= 1e-9 * float(np.abs(samples.y).max()):
        raise InputError(f"The target {data.target_name!r} is constant: there is nothing to learn.")
