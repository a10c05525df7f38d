"""Which factors screening keeps, with the reason in plain words."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .collinearity import Removal, remove_collinear
from .factor_score import FactorScore

if TYPE_CHECKING:
    from numpy.typing import NDArray


def choose_factors(
    scores: Sequence[FactorScore],
    correlation: NDArray[np.float64],
    min_abs_r: float,
    alpha: float,
    max_vif: float,
    protected: Collection[str],
) -> dict[str, FactorScore]:
    """The scores by name with `kept` and `reason` filled in (see `screen_factors` for the rule).

    `correlation` is the matrix (1 + p, 1 + p) of the target, first, and the factors in the order of `scores`,
    which have their adjusted p; `protected` names are kept whatever their correlation or variance inflation.
    """
    chosen = {score.name: replace(score, reason=_weakness(score, min_abs_r, alpha)) for score in scores}
    passed = [index for index, score in enumerate(scores) if not chosen[score.name].reason or score.name in protected]
    if not passed:
        best = max(scores, key=lambda score: score.strength)
        why = chosen[best.name].reason.replace("dropped: ", "", 1)
        reason = f"kept only because no factor passed and this is the strongest: {why}"
        chosen[best.name] = replace(best, kept=True, reason=reason, warning=True)
        return chosen

    inner = 1 + np.array(passed)
    kept, removals = remove_collinear(
        correlation[np.ix_(inner, inner)],
        [scores[index].strength for index in passed],
        max_vif,
        {position for position, index in enumerate(passed) if scores[index].name in protected},
    )
    for position in kept:
        score = scores[passed[position]]
        reason = f"kept: {_evidence(score)}"
        if score.name in protected:
            reason = f"kept on request: {_evidence(score)}"
        chosen[score.name] = replace(score, kept=True, reason=reason)
    for removal in removals:
        score = scores[passed[removal.index]]
        partner = scores[passed[removal.partner]] if removal.partner >= 0 else None
        between = correlation[1 + passed[removal.index], 1 + passed[removal.partner]]
        chosen[score.name] = replace(score, reason=_repetition(score, removal, partner, float(between), max_vif))
    return chosen


def _weakness(score: FactorScore, min_abs_r: float, alpha: float) -> str:
    if math.isnan(score.deciding_r):
        return f"dropped: {_evidence(score)}"
    if score.strength < min_abs_r:
        return f"dropped: |r| = {score.strength:.3f} {_where(score)} is below {min_abs_r:g}"
    if not score.p_adjusted <= alpha:
        return f"dropped: not distinguishable from chance ({_evidence(score)}, limit {alpha:g})"
    return ""


def _evidence(score: FactorScore) -> str:
    if math.isnan(score.deciding_r):
        return f"it does not vary {_where(score)}"
    p_value = "p < 0.001" if score.p_adjusted < 0.001 else f"p = {score.p_adjusted:.3f}"
    size = f"{score.deciding_n_effective:.0f} effective samples"
    return f"r = {score.deciding_r:.2f} {_where(score)}, adjusted {p_value} from {size}"


def _where(score: FactorScore) -> str:
    return {
        "pooled": "over all cells and periods",
        "within_period": "in space within the periods",
        "within_cell": "in time within the cells",
        "contrasts": "between neighbouring cells",
    }[score.basis]


def _repetition(
    score: FactorScore, removal: Removal, partner: FactorScore | None, between: float, max_vif: float
) -> str:
    inflation = f"variance inflation {removal.vif:.1f} is above {max_vif:g}"
    if partner is None:
        return f"dropped: {inflation}; the other factors together say the same"
    relation = "more strongly" if partner.strength > score.strength else "as well"
    if partner.strength < score.strength:
        relation = "less strongly, but is to be kept on request"
    return (
        f"dropped: {inflation}; of the most collinear pair (r = {between:.2f}) {partner.name} goes with the "
        f"target {relation} (|r| {partner.strength:.3f} against {score.strength:.3f})"
    )
