"""Compare learners on the same folds and keep the best."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingOutputString, QgsProcessingParameterEnum

from ...core.progress import Progress
from .base_training import TrainingAlgorithm

LEARNERS = ["linear", "cart", "svr", "randomforest", "lightgbm", "xgboost", "neuralnetwork", "stacking"]


class CompareModels(TrainingAlgorithm):
    ID = "comparemodels"
    TITLE = "Compare models"
    SUMMARY = (
        "Trains several learners on the same folds, ranks them by how much of the differences between neighbouring "
        "cells they explain in places they have not seen, and keeps the best model."
    )
    ABOUT = (
        "Each learner is brought to its best training form (and settings, if asked to try some) before it is judged. "
        "The report shows the paired differences with their uncertainty and says where a simpler learner is as good. "
        "Learners whose package is not installed are left out and named."
    )
    TAGS = ("machine learning", "comparison", "benchmark", "cross-validation", "taylor diagram", "model selection")

    CHOSEN, BEST = "LEARNERS", "BEST"

    def declare_settings(self) -> None:
        self.add(
            QgsProcessingParameterEnum(
                self.CHOSEN,
                self.tr("Learners"),
                LEARNERS,
                allowMultiple=True,
                defaultValue=["linear", "cart", "svr", "randomforest"],
                usesStaticStrings=True,
            ),
            self.tr(
                "At least two of {}, each with its own safe settings. lightgbm and xgboost need their package; "
                "stacking takes longest."
            ).format(", ".join(LEARNERS)),
        )
        self.addOutput(QgsProcessingOutputString(self.BEST, self.tr("Learner of the model written")))

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        possible, reason = super().checkParameterValues(parameters, context)
        if not possible:
            return False, reason
        chosen = self.parameterAsStrings(parameters, self.CHOSEN, context)
        unknown = self.unknown(chosen, LEARNERS)
        if unknown:
            return False, unknown
        if len(set(chosen)) < 2:
            return False, self.tr("Choose at least two learners to compare.")
        return True, ""

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.train.comparison import compare
        from ...core.train.comparison_report import comparison_report

        path = self.file_output(parameters, self.MODEL, context)
        comparison = compare(
            self.coarse(parameters, context),
            self.parameterAsStrings(parameters, self.CHOSEN, context),
            self.options(parameters, context),
            progress=progress,
        )
        report = comparison_report(comparison)
        for note in report.data["notes"]:
            progress.warn(note)
        progress.info(report.verdict)
        best = comparison.entries[0].learner.id
        return {**self.finished(comparison.training, report, path, parameters, context), self.BEST: best}
