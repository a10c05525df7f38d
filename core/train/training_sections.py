"""The sections of a training report: forms, scores, factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..model.form import VALUES
from ..report import Figure, Table, Text, charts, fmt, typeset
from . import evaluation as ev
from .designs import BLOCKS_AND_PERIODS, KFOLD, SEASONS, YEARS
from .training import Training

_DESIGN_NAMES = {
    ev.RANDOM: "Random 80/20 (optimistic)",
    KFOLD: "Random folds (optimistic)",
    ev.BLOCKS: "Spatial blocks",
    ev.PERIODS: "Periods left out",
    SEASONS: "Seasons left out",
    YEARS: "Years left out",
    BLOCKS_AND_PERIODS: "Blocks and periods",
}
_SEEN = 5e-4  # a share that a figure shows: 0.05 %
_FLATTERS = 0.02  # difference of R² from which a random split is said to flatter


def form_blocks(training: Training) -> list[Any]:
    rows = [
        [
            typeset(trial.form.label),
            100 * trial.gain.share_explained,
            100 * trial.spread,
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
            ["Trained on", "Share explained (%)", "± folds", "Slope", "Standard error", "Detail gain", ""],
            rows,
            "Training forms on held-out spatial blocks. The slope is that of true on predicted differences: below 1 "
            "the model exaggerates, near 0 it knows nothing. The gain is the slope, drawn to 0 by its standard error.",
            highlight=chosen,
            digits=[0, 1, 1, 2, 2, 2, 0],
        ),
    ]


def score_blocks(training: Training, unit: str) -> list[Any]:
    """Scores by design, first what counts for a fine map; what a random split flatters is said beside them."""
    model = training.model
    blocks: list[Any] = [
        Text(
            "Spatial blocks ask for places the model has not seen, left-out periods for times. The share explained is "
            "that of the differences between neighbouring cells, which is what a fine map adds; R² and RMSE are of "
            f"{typeset(model.form.label)}. All of it is on the coarse grid and validates the regression: only "
            "stations or fine data validate the map."
        )
    ]
    if training.scores:
        if visible([one.share_explained for one in training.scores]):
            chart = _score_chart(training)
            blocks.append(Figure(chart, _SCORE_CAPTION, "Share explained per validation design and model"))
        blocks.append(_score_table(training, unit))
        flattery = flattered(training)
        blocks += [Text(flattery)] if flattery else []
        blocks.append(_apart_table(training, unit))
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


def visible(shares: Sequence[float]) -> bool:
    """Whether any of the shares differs from 0 by what a figure would show."""
    return any(abs(share) >= _SEEN for share in shares if math.isfinite(share))


_SCORE_CAPTION = (
    "Share of the differences between neighbouring cells that is explained, by validation design; lines are the spread "
    "over folds. The grey bars know no factor, only the mean of the cell where it was seen, else of the period: what "
    "stands out above them is what the factors add."
)


def flattered(training: Training) -> str:
    """What the random split says beyond the blocks, and why that is no skill; empty where it was not asked for."""
    at_random = own_score(training, ev.RANDOM)
    pairs = [(typeset(training.model.form.label), at_random, training.block_score)] if at_random else []
    if len(training.pooled) == 2 and training.model.form.kind != VALUES:
        pairs.append(
            ("plain values of all dates together, as papers report them", training.pooled[0], training.pooled[1])
        )
    pairs = [pair for pair in pairs if math.isfinite(pair[1].r2)]
    if not pairs:
        return ""
    said = "; ".join(f"{fmt(one.r2, 2)} and {fmt(blocks.r2, 2)} for {what}" for what, one, blocks in pairs)
    start = f"R² by the random split and by spatial blocks: {said}."
    higher = [what for what, one, blocks in pairs if one.r2 - blocks.r2 >= _FLATTERS]
    if not higher:
        return f"{start} Here the random split hardly flatters."
    where = f"For {higher[0]} the" if len(higher) < len(pairs) else "The"
    known = f" ({', '.join(training.static[:6])}{' …' if len(training.static) > 6 else ''})"
    dates = " and the same cell at other dates" if len(training.periods) > 1 else ""
    memory = f", and factors that never change{known} tell it which cell it is" if training.static and dates else ""
    return (
        f"{start} {where} difference is no skill: in a random split the model has seen the neighbours of nearly every "
        f"held-out cell{dates}{memory}. It remembers what it cannot derive. For places it has not seen, believe the "
        "blocks."
    )


def _score_table(training: Training, unit: str) -> Table:
    title = training.model.title
    rows = [
        [
            _DESIGN_NAMES[one.design],
            one.model,
            100 * one.share_explained,
            100 * one.share_spread,
            one.r2,
            one.rmse,
            one.rmse_spread,
            100 * one.skill,
        ]
        for one in training.scores
    ]
    return Table(
        [
            "Validation",
            "Model",
            "Share explained (%)",
            "± folds",
            "R²",
            f"RMSE{f' ({unit})' if unit else ''}",
            "± folds",
            "Skill (%)",
        ],
        rows,
        "Scores on samples that were held out, each model with the detail gain that it deserves.",
        highlight=next((i for i, s in enumerate(training.scores) if s.design == ev.BLOCKS and s.model == title), None),
        notes="± folds: standard deviation over the folds; a single split has none. Skill: by how much the squared "
        "error is smaller than that of 'no factors'.",
        digits=[0, 0, 1, 1, 2, 4, 4, 0],
    )


def _apart_table(training: Training, unit: str) -> Table:
    return Table(
        ["Validation", "Model", "n", "R", f"Bias{f' ({unit})' if unit else ''}", "R² in space", "R² in time"],
        [
            [_DESIGN_NAMES[one.design], one.model, one.n, one.r, one.bias, one.r2_within_period, one.r2_within_cell]
            for one in training.scores
        ],
        "Space and time apart. In space: each period's mean is left out. In time: each cell's mean is left out.",
        notes="A high R² of all samples together often is one of the seasons; a fine map lives on the R² in space.",
        digits=[0, 0, 0, 2, 4, 2, 2],
    )


def _score_chart(training: Training) -> str:
    designs = list(dict.fromkeys(one.design for one in training.scores))
    models = list(dict.fromkeys(one.model for one in training.scores))
    table = {(one.model, one.design): one for one in training.scores}
    found = [[table.get((model, design)) for design in designs] for model in models]
    shares = [[math.nan if one is None else 100 * one.share_explained for one in row] for row in found]
    errors = [[math.nan if one is None else 100 * one.share_spread for one in row] for row in found]
    names = [ev.LABELS[design] for design in designs]
    return charts.score_bars(names, models, shares, "Share explained (%)", [ev.NO_FACTORS], errors, digits=0)


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
