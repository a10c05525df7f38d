"""The numbers of a training run for programs: every score, form, importance and test of its report."""

from __future__ import annotations

from typing import Any

from . import evaluation as ev
from .skill import own
from .training import Training
from .tuning import Tuning


def numbers_of(training: Training) -> dict[str, Any]:
    """What the JSON file of the report holds as `data`; the algorithms read their outputs from it."""
    model, gain = training.model, training.model.gain
    data: dict[str, Any] = {
        "learner": model.learner,
        "form": model.form.kind,
        "window": gain.window,
        "share_explained": gain.share_explained,
        "detail_gain": gain.value,
        "detail_gain_slope": gain.slope,
        "detail_gain_standard_error": gain.standard_error,
        "r2_blocks": training.block_score.r2,
        "rmse_blocks": training.block_score.rmse,
    }
    for design in (ev.RANDOM, ev.PERIODS):  # declared outputs of the algorithms read these
        one = own(training.scores, design, model.title)
        data[f"r2_{design}"] = None if one is None else one.r2
        data[f"rmse_{design}"] = None if one is None else one.rmse
    return data | {
        "samples": training.samples,
        "cells": training.cells,
        "periods": len(training.periods),
        "block_edge": training.block_edge,
        "variogram_range": None if training.blocks is None else training.blocks.range_cells,
        "scores": [one.as_dict() for one in training.scores],
        "forms": [
            {
                "form": trial.form.kind,
                "window": trial.form.window,
                "share_explained": trial.gain.share_explained,
                "slope": trial.gain.slope,
                "standard_error": trial.gain.standard_error,
                "detail_gain": trial.gain.value,
                "spread": trial.spread,
                "chosen": trial.chosen,
            }
            for trial in training.forms
        ],
        "importances": [
            {
                "factor": row.factor,
                "members": list(row.members),
                "permutation": row.permutation,
                "learner": row.learner,
                "error_added": row.rise,
                "error_added_spread": row.rise_spread,
            }
            for row in training.importance
        ],
        "effects": [{"factor": e.factor, "x": e.x.tolist(), "effect": e.effect.tolist()} for e in training.effects],
        "scale_steps": [{**vars(step), "gain": vars(step.gain)} for step in training.steps],
        "pooled_values": [one.as_dict() for one in training.pooled],
        "tuning": None if training.tuning is None else _tuning(training.tuning),
        "factors": [
            {
                "name": f.name,
                "unit": f.unit,
                "minimum": f.minimum,
                "maximum": f.maximum,
                "mean": f.mean,
                "deviation": f.deviation,
            }
            for f in model.factors
        ],
        "trust": None if training.trust is None else training.trust.data,
        "notes": list(training.notes),
    }


def _tuning(tuning: Tuning) -> dict[str, Any]:
    return {
        "share_before": tuning.before,
        "share_after": tuning.after,
        "trials": [{"settings": dict(one.settings), "share": one.share} for one in tuning.final],
        "chosen_in_folds": [dict(trials[0].settings) for trials in tuning.searches],
    }
