"""Sections of a training report: the step in scale, and what tuning gave."""

from __future__ import annotations

from typing import Any

from ..report import Table, Text, fmt, percent, plural
from .scale_step import FEW_CELLS, ScaleStep
from .training import Training
from .tuning import Tuning

_TRIALS_SHOWN = 10


def scale_blocks(training: Training, unit: str) -> list[Any]:
    """The test of the whole chain one scale up."""
    text = (
        "The same chain one scale up, where the truth is known: target and factors are averaged to larger cells, the "
        "model is trained on these and downscaled back, and the cells that were withheld tell how much of what varies "
        "inside a large cell it found. The yardstick is the smooth interpolation that keeps every large cell's mean."
    )
    if not training.steps:
        reasons = " ".join(dict.fromkeys(note.split("not possible. ")[-1] for note in training.step_notes))
        return [Text(f"{text}\n\nThe region is too small for this test. {reasons}")]
    gain = training.model.gain.value
    rows = [
        [
            _sizes(step),
            step.cells,
            step.r_smooth,
            step.r_product,
            step.rmse_smooth,
            step.rmse_product,
            100 * (1 - step.rmse_product / step.rmse_smooth) if step.rmse_smooth > 0 else None,
            step.gain.slope,
            step.gain.standard_error,
        ]
        for step in training.steps
    ]
    in_unit = f" ({unit})" if unit else ""
    notes = (
        "R and RMSE are those of anomalies inside the large cells. Slope: of true on predicted detail, a second "
        f"estimate of the detail gain beside the {fmt(gain, 2)} of the held-out blocks; it is noisier, and is not used."
    )
    if training.model.footprint_km is not None:
        notes += " Native cells that share a footprint wider than themselves make the slope too small."
    if training.steps[0].cells < FEW_CELLS:
        notes += f" With fewer than {FEW_CELLS} large cells these figures are rough."
    if training.step_notes:
        notes += " " + " ".join(training.step_notes)
    return [
        Text(f"{text}\n\n{_scale_sentence(training.steps[0], gain)}"),
        Table(
            [
                "Step",
                "Large cells",
                "R, smooth",
                "R, with detail",
                f"RMSE, smooth{in_unit}",
                f"RMSE, with detail{in_unit}",
                "RMSE gain (%)",
                "Slope",
                "± error",
            ],
            rows,
            f"Scale steps with the detail taken times {fmt(gain, 2)}, against the withheld native cells.",
            notes=notes,
            digits=[0, 0, 2, 2, 4, 4, 0, 2, 2],
        ),
    ]


def scale_verdict(training: Training) -> str:
    """One sentence for the top of the page; empty without a step over enough cells to tell."""
    if not training.steps or training.steps[0].cells < FEW_CELLS:
        return ""
    return _scale_sentence(training.steps[0], training.model.gain.value)


def _scale_sentence(step: ScaleStep, gain: float) -> str:
    start = f"Tested one scale up ({_sizes(step)})"
    if gain == 0:
        return (
            f"{start}, the smooth interpolation stands alone, as no detail is taken: R inside the cells is "
            f"{fmt(step.r_smooth, 2)}."
        )
    change = 1 - step.rmse_product / step.rmse_smooth if step.rmse_smooth > 0 else 0.0
    moved = "rises" if step.r_product > step.r_smooth else "falls"
    error = f"the error {'shrinks' if change >= 0 else 'grows'} by {percent(abs(change))}"
    sentence = (
        f"{start}, R inside the cells {moved} from {fmt(step.r_smooth, 2)} (smooth interpolation) to "
        f"{fmt(step.r_product, 2)}, and {error}"
    )
    return sentence + (": the detail helps." if change > 0.01 else ": the detail gives nothing there.")


def tuning_blocks(tuning: Tuning) -> list[Any]:
    """Which settings were tried, and whether choosing among them paid."""
    tried = len(tuning.final)
    if tried == 1:
        return [
            Text(
                "No settings were chosen: inside the folds too few blocks are left to hold any out, so that nothing "
                "would tell what a choice is worth. The settings as given were kept."
            )
        ]
    change = tuning.after - tuning.before
    verdict = (
        f"Choosing settings paid: held-out blocks explain {percent(tuning.after)} of the differences, "
        f"{percent(tuning.before)} with the settings as given."
        if change > 0.01
        else f"Choosing settings did not pay: {percent(tuning.after)} of the differences are explained, "
        f"{percent(tuning.before)} with the settings as given. The learner's defaults would do."
    )
    text = (
        f"{verdict} {plural(tried, 'setting')} were tried, the given ones among them, first inside each outer fold "
        "(so that no choice has seen what it is scored on), then on all samples for the final model."
    )
    rows = [
        [*(_shown(trial.settings.get(name)) for name in tuning.tuned), 100 * trial.share]
        for trial in tuning.final[:_TRIALS_SHOWN]
    ]
    chosen = "; ".join(
        ", ".join(f"{name.replace('_', ' ')} {_shown(trials[0].settings.get(name))}" for name in tuning.tuned)
        for trials in tuning.searches
    )
    return [
        Text(text),
        Table(
            [*(name.replace("_", " ").capitalize() for name in tuning.tuned), "Share explained, inner folds (%)"],
            rows,
            f"Settings on all samples, best first{f' (the first {len(rows)})' if tried > len(rows) else ''}.",
            highlight=0,
            notes=f"Chosen inside the outer folds: {chosen}. Where they differ much, the settings hardly matter.",
            digits=[*(3 for _ in tuning.tuned), 1],
        ),
    ]


def _sizes(step: ScaleStep) -> str:
    return f"{step.cell_km:.3g} to {step.cell_km / step.ratio:.3g}\u00a0km"


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
