"""The page of a training run: first what the model's fine detail is worth, then how that was found out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..model.form import VALUES
from ..model.model import GOOD_SHARE, LITTLE_SHARE
from ..model.reach import cannot_extrapolate
from ..report import KeyFigure, Report, Section, Table, Text, fmt, inside, percent, plural, typeset
from . import evaluation as ev
from .check_sections import scale_blocks, scale_verdict, tuning_blocks
from .explain_sections import importance_blocks
from .training import Training
from .training_numbers import numbers_of
from .training_sections import factor_table, form_blocks, own_score, score_blocks
from .trust_sections import trust_section


def training_report(training: Training) -> Report:
    """The report of a training run; `data` holds every score, form and importance with its own numbers."""
    model = training.model
    unit = typeset(model.target_unit)
    scores = score_blocks(training, unit)
    return Report(
        title=f"Training: {model.title}",
        subtitle=f"{model.target} from {plural(len(model.factors), 'factor')}; {fmt(training.samples)} samples, "
        f"{plural(training.cells, 'coarse cell')}, {_span(training.periods)}",
        verdict="\n".join(_verdict(training)),
        tone=_tone(model.gain.share_explained),
        key_figures=_key_figures(training, unit),
        sections=[
            Section("What the model was trained on", form_blocks(training)),
            Section("How well it predicts what it has not seen", scores),
            Section("The step in scale, tested where the truth is known", scale_blocks(training, unit)),
            Section("Which factors carry the prediction", importance_blocks(training, unit)),
            *([trust_section(training.trust, unit, cannot_extrapolate(model))] if training.trust else []),
            *([Section("What tuning gave", tuning_blocks(training.tuning))] if training.tuning else []),
            Section("Factors in training", [factor_table(training)]),
            *([Section("Notes", [Text("\n".join(f"- {note}" for note in training.notes))])] if training.notes else []),
        ],
        details=_details(training),
        data=numbers_of(training),
        main_table=next((block for block in scores if isinstance(block, Table)), None),
    )


def _tone(share: float) -> str:
    return "good" if share >= GOOD_SHARE else "neutral" if share >= LITTLE_SHARE else "bad"


def _verdict(training: Training) -> list[str]:
    gain, model = training.model.gain, training.model
    of_what = "of the differences between neighbouring coarse cells in blocks it has not seen"
    if gain.share_explained >= GOOD_SHARE:
        first = f"The model explains {percent(gain.share_explained)} {of_what}: the fine detail is worth adding."
    elif gain.share_explained >= LITTLE_SHARE:
        first = (
            f"The model explains {percent(gain.share_explained)} {of_what}: the fine detail is worth adding, but "
            "expect a small gain over the smooth interpolation of the coarse map."
        )
    elif gain.value > 0:
        first = (
            f"The model explains only {percent(gain.share_explained)} {of_what}: the downscaled map will hardly be "
            "better than the smooth interpolation of the coarse map."
        )
    else:
        first = (
            f"The model explains nothing {of_what}: the downscaled map will equal the smooth interpolation of the "
            "coarse map."
        )
    lines = [first]
    if gain.value > 0:
        lines.append(
            f"It was trained on {typeset(model.form.label)}; downscaling will take its detail times "
            f"{fmt(gain.value, 2)} (slope of true on predicted differences {fmt(gain.slope, 2)}, standard error "
            f"{fmt(gain.standard_error, 2)})."
        )
    lines += [one for one in [scale_verdict(training)] if one]
    lines += _cautions(training)
    lines.append(
        "This is a forecast made on the coarse grid. It validates the regression; only stations or other fine data "
        "validate the map."
    )
    return lines


def _cautions(training: Training) -> list[str]:
    """What a reader of the scores would otherwise have to find in the tables."""
    lines = []
    own = own_score(training, ev.BLOCKS)
    if own is not None:
        rivals = [one for one in training.scores if one.design == ev.BLOCKS and one.model != own.model]
        best = max((one for one in rivals if math.isfinite(one.r2)), key=lambda one: one.r2, default=None)
        if best is not None and best.r2 > own.r2 + 0.02:
            lines.append(
                f"Under spatial blocks '{inside(best.model)}' does better than this model: R² {fmt(best.r2, 2)} "
                f"against {fmt(own.r2, 2)}."
            )
    gain = training.model.gain
    if training.model.footprint_km is None and gain.share_explained < LITTLE_SHARE:
        lines.append(
            "If the sensor sees more than its cell (a SMAP cell of 9 km sees about 30 km), neighbouring cells differ "
            "by noise rather than by soil: give the footprint when making the common grid and train again."
        )
    if training.model.footprint_km is not None:
        lines.append(
            f"The sensor's footprint ({training.model.footprint_km:g} km) is set: where it is wider than a cell, "
            "neighbours share what they see, and the share explained and the detail gain come out too small rather "
            "than too large. The gain can be set by hand when downscaling."
        )
    blocks = training.cells / max(1, training.block_edge**2)
    if blocks < 5:
        lines.append(
            f"The region holds only about {max(2, round(blocks))} blocks of {training.block_edge} × "
            f"{training.block_edge} cells: these figures are rough."
        )
    return lines


def _key_figures(training: Training, unit: str) -> list[KeyFigure]:
    gain, random, blocks = training.model.gain, own_score(training, ev.RANDOM), training.block_score
    values = training.model.form.kind == VALUES
    of_what = "held-out values" if values else f"held-out {training.model.form.kind}"
    figures = [
        KeyFigure(
            "Share explained",
            percent(gain.share_explained),
            "of differences between neighbouring cells, unseen blocks",
        ),
        KeyFigure(
            "Detail gain",
            fmt(gain.value, 2),
            f"± {fmt(gain.standard_error, 2)} standard error; 1: detail in full, 0: none",
        ),
        KeyFigure("R², spatial blocks", fmt(blocks.r2, 2), f"of {of_what}"),
        KeyFigure(f"RMSE, spatial blocks{f' ({unit})' if unit else ''}", fmt(blocks.rmse, 3), f"of {of_what}"),
    ]
    if random is not None:
        figures.append(KeyFigure("R², random split", fmt(random.r2, 2), "optimistic: neighbours were seen in training"))
    return figures


def _details(training: Training) -> dict[str, Any]:
    model, facts = training.model, training.model.facts
    target = f"{model.target} ({model.target_unit})" if model.target_unit else model.target
    details = {
        "Target": f"{target}, {model.target_range[0]:.4g} to {model.target_range[1]:.4g}",
        "Factors": ", ".join(model.factor_names),
        "Learner": model.title,
        "Settings": _listed(facts.get("settings", {})),
        "Train on": f"{facts.get('train_on', '')}: {typeset(model.form.label)}".lstrip(": "),
        "Linear trend first": "yes" if model.trend is not None else "no",
        "Settings tried": facts.get("tuning") or "none, as given",
        "Validation": typeset("\n".join(training.designs)),
        "Block edge": training.blocks.text if training.blocks else f"{training.block_edge} cells",
        "Contrast window": f"{model.gain.window} × {model.gain.window} cells",
        "Footprint": f"{model.footprint_km:g} km" if model.footprint_km is not None else "the coarse cell",
        "Smallest valid share": f"{model.min_valid_share:g}",
        "Periods": _listed_briefly(training.periods),
        "Coarse grid": _grid_text(facts),
        "Seed": facts.get("seed", ""),
        "Made": facts.get("made", ""),
        "Versions": _listed(facts.get("versions", {})),
    }
    return {name: value for name, value in details.items() if value != ""}


def _grid_text(facts: Any) -> str:
    cell = facts.get("coarse_cell")
    return f"{facts.get('coarse_crs', '')}, cells of {cell[0]:.6g} × {cell[1]:.6g}" if cell else ""


def _listed(values: Any) -> str:
    """One setting a line; None is what the learner chooses by itself."""
    shown = {name: "automatic" if value is None else value for name, value in values.items()}
    return "\n".join(
        f"{str(name).replace('_', ' ')}: {f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in shown.items()
    )


def _listed_briefly(labels: Sequence[str], most: int = 12) -> str:
    if len(labels) <= most:
        return ", ".join(labels)
    return f"{len(labels)}: {', '.join(labels[:3])} … {', '.join(labels[-3:])}"


def _span(labels: Sequence[str]) -> str:
    if len(labels) <= 1:
        return labels[0] if labels else "no period"
    return f"{len(labels)} periods from {labels[0]} to {labels[-1]}"
