"""The sections of a training report: forms, scores, importances, factors."""

from __future__ import annotations

import math
from typing import Any

from ..model.form import VALUES
from ..report import Figure, Table, Text, charts, typeset
from . import evaluation as ev
from .training import Training

_DESIGN_NAMES = {ev.RANDOM: "Random (optimistic)", ev.BLOCKS: "Spatial blocks", ev.PERIODS: "Leave periods out"}


def form_blocks(training: Training) -> list[Any]:
    rows = [
        [
            typeset(trial.form.label),
            100 * trial.gain.share_explained,
            trial.gain.slope,
            trial.gain.standard_error,
            trial.gain.value,
            "chosen" if trial.chosen else "",
        ]
        for trial in training.forms
    ]
    chosen = next((i for i, trial in enumerate(training.forms) if trial.chosen), None)
    window = training.model.gain.window
    text = (
        "A fine map has to show what varies inside a coarse cell. So each training form was judged by how much of the "
        f"differences between neighbouring cells (a cell less the mean of the {window}\u00a0×\u00a0{window} cells "
        "around it) it explains in blocks that were held out."
    )
    if len(training.forms) == 1:
        text += " Only the form asked for was tried."
    elif all(trial.gain.value == 0 for trial in training.forms):
        text += " None explains any of them, so it does not matter which form was kept."
    else:
        text += " The form was chosen by the same blocks that score it, which flatters the chosen one a little."
    return [
        Text(text),
        Table(
            ["Trained on", "Share explained (%)", "Slope", "Standard error", "Detail gain", ""],
            rows,
            "Training forms on held-out spatial blocks. The slope is that of true on predicted differences: below 1 "
            "the model exaggerates, near 0 it knows nothing. The gain is the slope, drawn to 0 by its standard error.",
            highlight=chosen,
            digits=[0, 1, 2, 2, 2, 0],
        ),
    ]


def score_blocks(training: Training, unit: str) -> list[Any]:
    model, title = training.model, training.model.title
    form = model.form.label
    blocks: list[Any] = [
        Text(
            "A random split leaves neighbours and other dates of the same cell in training, and factors that never "
            "change give each cell away: its scores are those of the literature, and they flatter. Spatial blocks ask "
            "for places the model has not seen, left-out periods for times. All scores are of "
            f"{typeset(form)} on the coarse grid: they validate the regression. Only stations or fine data validate "
            "the map."
        )
    ]
    if training.scores:
        rows = [
            [
                _DESIGN_NAMES[one.design],
                one.model,
                one.n,
                one.r2,
                one.rmse,
                # A single split has no spread.
                None if one.design == ev.RANDOM else one.rmse_spread,
                one.r,
                one.bias,
                one.r2_within_period,
                100 * one.share_of_contrasts,
            ]
            for one in training.scores
        ]
        headline = next((i for i, s in enumerate(training.scores) if s.design == ev.BLOCKS and s.model == title), None)
        in_unit = f" ({unit})" if unit else ""
        blocks += [
            Figure(_score_chart(training), _SCORE_CAPTION, "R² per validation design and model"),
            Table(
                [
                    "Validation",
                    "Model",
                    "n",
                    "R²",
                    f"RMSE{in_unit}",
                    "± folds",
                    "R",
                    "Bias",
                    "R² within period",
                    "Share of differences (%)",
                ],
                rows,
                "Scores on samples that were held out. ± folds: standard deviation of the RMSE over the folds.",
                highlight=headline,
                notes="R² within period leaves out what differs from period to period. The share of differences is "
                "that of the predictions as they are, with a gain of 1; below 0 the detail in full would do harm.",
                digits=[0, 0, 0, 2, 4, 4, 2, 4, 2, 0],
            ),
        ]
    kind = "value" if model.form.kind == VALUES else model.form.kind[:-1]
    blocks += [
        Figure(
            charts.scatter_density(
                training.observed, training.predicted, f"Observed {kind}", f"Predicted {kind}", unit=unit
            ),
            f"Predicted against observed {model.form.kind}, each predicted by a model that has not seen its block. On "
            "the dashed line the two agree; a cloud flatter than the line means that extremes are underestimated.",
            "Scatter of predicted against observed on held-out blocks",
        ),
        Figure(
            charts.difference_map(
                training.mean_residual,
                "Observed less predicted",
                unit,
                [training.grid.ground_cell_size()],
                label="Mean residual",
            ),
            "Mean residual of each coarse cell on held-out blocks. Blue cells hold more than predicted, brown ones "
            "less; patches of one colour point to a factor that is missing.",
            "Map of mean residuals",
        ),
    ]
    return blocks


_SCORE_CAPTION = (
    "R² by validation design: 1 is perfect, 0 no better than the mean of all, below 0 worse. The grey bars know no "
    "factor, only the mean of the cell where it was seen, else of the period: what stands out above them is what the "
    "factors add."
)


def _score_chart(training: Training) -> str:
    designs = list(dict.fromkeys(one.design for one in training.scores))
    models = list(dict.fromkeys(one.model for one in training.scores))
    table = {(one.model, one.design): one.r2 for one in training.scores}
    values = [[table.get((model, design), math.nan) for design in designs] for model in models]
    return charts.score_bars([ev.LABELS[design] for design in designs], models, values, "R²", [ev.NO_FACTORS])


def importance_blocks(training: Training, unit: str) -> list[Any]:
    rows = training.importance
    total = sum(row.permutation for row in rows)
    names = [row.factor for row in rows]
    blocks: list[Any] = []
    if total > 0:
        blocks.append(
            Figure(
                charts.bars(
                    names, [100 * row.permutation for row in rows], xlabel="Permutation importance (%)", digits=1
                ),
                "How much the held-out error grows when a factor is shuffled, as a share of all growth (sums to "
                "100 %). Factors that carry the same information share their credit: each may look weak though both "
                "matter.",
                "Bars of permutation importance",
            )
        )
    else:
        blocks.append(
            Text("Shuffling a factor never raises the error on held-out blocks: none helps in places not seen.")
        )
    own = any(row.learner is not None for row in rows)
    columns = ["Factor", "Permutation (%)", f"Error added{f' ({unit})' if unit else ''}"]
    table = [
        [row.factor, 100 * row.permutation, row.rise]
        + ([None if row.learner is None else 100 * row.learner] if own else [])
        for row in rows
    ]
    notes = "Error added: root of the growth of the mean squared error; negative where shuffling a factor did good."
    if own:
        columns.append("Learner's own (%)")
        tail = ", and only after the linear trend has taken its part." if training.model.trend is not None else "."
        notes += f" The learner's own importance tells what the model uses, not what holds elsewhere{tail}"
    blocks.append(
        Table(columns, table, "Importance of the factors on held-out spatial blocks.", notes=notes, digits=[0, 1, 4, 1])
    )
    return blocks


def factor_table(training: Training) -> Table:
    return Table(
        ["Factor", "Unit", "Lowest", "Highest", "Mean", "SD"],
        [[f.name, f.unit, f.minimum, f.maximum, f.mean, f.deviation] for f in training.model.factors],
        "What the model saw of each factor on the coarse grid. Fine pixels beyond this range are extrapolated and "
        "marked in the quality map.",
    )


def own_score(training: Training, design: str) -> ev.Score | None:
    """The model's own score under a design."""
    mine = (one for one in training.scores if one.design == design and one.model == training.model.title)
    return next(mine, None)
