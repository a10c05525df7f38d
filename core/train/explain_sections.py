"""Sections of a training report: which factors carry the prediction, and how."""

from __future__ import annotations

from typing import Any

from ..model.form import ANOMALIES, CONTRASTS
from ..report import Figure, Table, Text, charts
from ..report.effect_charts import EffectPanel
from ..report.effect_charts import effects as effect_chart
from .importance import ALIKE
from .training import Training

_OF = {
    ANOMALIES: "difference from the period's mean",
    CONTRASTS: "difference from the neighbourhood",
}


def importance_blocks(training: Training, unit: str) -> list[Any]:
    """Permutation importance, and the effects of the factors that lead it."""
    rows = training.importance
    total = sum(row.permutation for row in rows)
    grouped = any(len(row.members) > 1 for row in rows)
    blocks: list[Any] = []
    if total > 0:
        blocks.append(
            Figure(
                charts.bars(
                    [row.factor for row in rows],
                    [100 * row.permutation for row in rows],
                    xlabel="Permutation importance (%)",
                    digits=1,
                ),
                "How much the held-out error grows when a factor is shuffled, as a share of all growth (sums to "
                "100\u00a0%)."
                + (
                    f" Factors whose ranks correlate above {ALIKE:g}, and the classes of one map, are shuffled "
                    "together: one by one, each would look weak because the others still say the same."
                    if grouped
                    else ""
                ),
                "Bars of permutation importance",
            )
        )
    else:
        blocks.append(
            Text("Shuffling a factor never raises the error on held-out blocks: none helps in places not seen.")
        )
    blocks.append(_importance_table(training, unit))
    return blocks + _effect_blocks(training, unit)


def _importance_table(training: Training, unit: str) -> Table:
    rows = training.importance
    own = any(row.learner is not None for row in rows)
    columns = ["Factor", "Permutation (%)", f"Error added{f' ({unit})' if unit else ''}", "± folds"]
    table = [
        [row.factor, 100 * row.permutation, row.rise, row.rise_spread]
        + ([None if row.learner is None else 100 * row.learner] if own else [])
        for row in rows
    ]
    notes = (
        "Error added: how much the RMSE on held-out blocks grows; negative where shuffling did good. ± folds: its "
        "standard deviation over the folds; where it exceeds the error added, the factor helps in some places only."
    )
    if own:
        columns.append("Learner's own (%)")
        tail = ", and only after the linear trend has taken its part." if training.model.trend is not None else "."
        notes += f" The learner's own importance tells what the model uses, not what holds elsewhere{tail}"
    return Table(
        columns, table, "Importance of the factors on held-out spatial blocks.", notes=notes, digits=[0, 1, 5, 5, 1]
    )


def _effect_blocks(training: Training, unit: str) -> list[Any]:
    if not training.effects:
        return []
    units = {factor.name: factor.unit for factor in training.model.factors}
    partners = {name: row.members for row in training.importance for name in row.members}
    panels = []
    for effect in training.effects:
        alike = [name for name in partners.get(effect.factor, ()) if name != effect.factor]
        in_unit = f" ({units[effect.factor]})" if units.get(effect.factor, "1") not in ("", "1") else ""
        panels.append(
            EffectPanel(
                effect.factor + (f" (alike: {', '.join(alike)})" if alike else ""),
                effect.x,
                effect.effect,
                effect.by_fold,
                effect.deciles[1:-1],
                effect.middle,
                f"{_OF.get(training.model.form.kind, 'value')}{in_unit}",
            )
        )
    return [
        Figure(
            effect_chart(panels, f"Effect{f' ({unit})' if unit else ''}"),
            "How the prediction changes as one factor rises and the others stay as they are (accumulated local "
            "effects, on samples each model has not seen). All panels share one scale: steep is strong, flat is "
            "nothing. Faint lines are the models of the single folds; where they part, the relation differs from place "
            "to place. Ticks below are the deciles of the factor; the outer 2\u00a0% of the samples on each side are "
            "not drawn.",
            "Curves of the effect of the leading factors",
        )
    ]
