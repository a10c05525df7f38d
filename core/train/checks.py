"""What must hold before a model is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..model.class_maps import classes_by_map
from ..model.form import VALUES, Form
from .learners import Learner
from .samples import CoarseData, Samples, make_samples

_FEWEST_CELLS = 4
_WHOLE = 0.02  # by how much the shares of all classes may miss 1
_MANY_LOST = 0.2  # share of the samples with a target


def checked_samples(data: CoarseData, learner: Learner, notes: list[str]) -> tuple[CoarseData, Samples]:
    """`data` without reference classes and constant factors, and its samples as plain values.

    Raises InputError where they are too few.
    """
    check_enough(make_samples(data, Form(VALUES)), learner.fewest_samples, data)
    note_gaps(data, notes)
    data = without_constant_factors(without_reference_classes(data, notes), notes)
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
    return _only(data, keep)


def without_reference_classes(data: CoarseData, notes: list[str]) -> CoarseData:
    """`data` without the most common class of every map whose shares sum to 1, each named in `notes`.

    With all classes, the sum of the shares is as good as constant, but for cells with a class that has no band: a
    linear model would rest on those few, and be far off in pixels that are all of such a class.
    """
    used = _usable(data) & np.isfinite(data.factors).all(axis=0)
    left_out, maps = [], dict(data.class_maps)
    for stem, classes in classes_by_map(data.names, data.units).items():
        shares = np.stack([data.factors[data.names.index(name)][used] for name in classes])
        if len(classes) < 2 or (np.abs(shares.sum(axis=0) - 1) <= _WHOLE).mean() <= 0.5:
            continue
        order = np.argsort(-shares.mean(axis=1), kind="stable")
        maps[stem] = [classes[k] for k in order if shares[k].max() > 0]
        left_out.append(maps[stem][0])
        notes.append(f"{maps[stem][0]} is the reference class: its share is 1 less the others.")
    return replace(_only(data, [k for k, name in enumerate(data.names) if name not in left_out]), class_maps=maps)


def note_gaps(data: CoarseData, notes: list[str]) -> None:
    """Say in `notes` which factor costs most where gaps cost more than a fifth of the samples."""
    gaps = ~np.isfinite(data.factors[:, _usable(data)])
    lost, total = int(gaps.any(axis=0).sum()), gaps.shape[1]
    if lost <= _MANY_LOST * total:
        return
    alone = (gaps & (gaps.sum(axis=0) == 1)).sum(axis=1)
    missing = gaps.sum(axis=1)
    worst = max(range(len(data.names)), key=lambda k: (alone[k], missing[k]))
    without = f"without this factor {alone[worst]:,} more could be used" if alone[worst] else "others lack there too"
    notes.append(
        f"{lost:,} of the {total:,} samples with a target lack a factor and were left out. {data.names[worst]!r} costs "
        f"most: it is missing in {missing[worst]:,} ({without})."
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


def _usable(data: CoarseData) -> NDArray[np.bool_]:
    """Where (periods, rows, cols) there is a target to learn."""
    return np.isfinite(data.target) & (data.share > 0)


def _only(data: CoarseData, keep: Sequence[int]) -> CoarseData:
    return replace(
        data,
        names=[data.names[k] for k in keep],
        units=[data.units[k] for k in keep],
        static=[data.static[k] for k in keep],
        factors=data.factors[list(keep)],
    )
