"""Train several learners and a weighted sum of them."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterEnum

from .base_training import TrainingAlgorithm

LEARNERS = ["linear", "randomforest", "svr", "cart", "lightgbm", "xgboost", "neuralnetwork"]


class TrainStacking(TrainingAlgorithm):
    ID = "trainstacking"
    TITLE = "Train stacking"
    LEARNER = "stacking"
    TUNES = False
    SUMMARY = (
        "Trains several learners that predict soil moisture from factors and adds them up with weights found on cells "
        "they had not seen; says how much of the detail can be believed."
    )
    ABOUT = (
        "Every learner predicts spatial blocks that were held out from it; the weights are those that fit these "
        "predictions best. Takes about six times as long as its learners together, each with its own safe settings."
    )
    TAGS = ("machine learning", "regression", "stacking", "ensemble", "super learner")

    BASES, WEIGHTS = "LEARNERS", "WEIGHTS"

    def declare_settings(self) -> None:
        self.add(
            QgsProcessingParameterEnum(
                self.BASES,
                self.tr("Learners"),
                LEARNERS,
                allowMultiple=True,
                defaultValue=["linear", "randomforest", "svr"],
                usesStaticStrings=True,
            ),
            self.tr(
                "At least two of {}; those that differ most gain most from each other. lightgbm and xgboost need "
                "Python packages of their own."
            ).format(", ".join(LEARNERS)),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.WEIGHTS,
                self.tr("Weights"),
                ["nonnegative", "ridge"],
                defaultValue="nonnegative",
                usesStaticStrings=True,
            ),
            self.tr(
                "nonnegative: least squares with weights that are not below zero and sum to one, which leaves out "
                "learners that do not help. ridge: weights of any sign and sum, held small."
            ),
            advanced=True,
        )

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        from ...core.packages import missing
        from ...core.train.learners import REGISTRY

        possible, reason = super().checkParameterValues(parameters, context)
        if not possible:
            return False, reason
        chosen = self.parameterAsStrings(parameters, self.BASES, context)
        unknown = self.unknown(chosen, LEARNERS)
        if unknown:
            return False, unknown
        if len(set(chosen)) < 2:
            return False, self.tr("Stacking combines learners: choose at least two.")
        absent = missing([REGISTRY[name].package for name in chosen if REGISTRY[name].package])
        return not absent, absent

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "learners": self.parameterAsStrings(parameters, self.BASES, context),
            "meta": self.parameterAsString(parameters, self.WEIGHTS, context),
        }
