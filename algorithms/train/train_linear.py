"""Train a linear model."""

from __future__ import annotations

from .base_training import TrainingAlgorithm


class TrainLinear(TrainingAlgorithm):
    ID = "trainlinear"
    TITLE = "Train linear model (ridge)"
    LEARNER = "linear"
    TREND = TUNES = False
    SUMMARY = (
        "Trains a linear model that predicts soil moisture from factors, and says how much of its detail can be "
        "believed."
    )
    ABOUT = (
        "Multiple linear regression whose coefficients are held small by a penalty, chosen by cross-validation. The "
        "yardstick for every other learner, and often the winner where samples are few."
    )
    TAGS = ("regression", "linear", "ridge", "baseline")
