"""Train a random forest."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterNumber

from .base_training import TrainingAlgorithm


class TrainRandomForest(TrainingAlgorithm):
    ID = "trainrandomforest"
    TITLE = "Train random forest"
    LEARNER = "randomforest"
    SUMMARY = (
        "Trains a random forest that predicts soil moisture from factors, and says how much of its detail can be "
        "believed."
    )
    ABOUT = (
        "Many regression trees, each grown on a random sample of cells and factors, averaged. Robust and hard to spoil "
        "by its settings; it cannot leave the range of its training data, which the linear part makes up for."
    )
    TAGS = ("machine learning", "regression", "RF", "random forest", "trees")

    TREES, SHARE, LEAF, DEPTH = "TREES", "FACTOR_SHARE", "SMALLEST_LEAF", "DEPTH"

    def declare_settings(self) -> None:
        number = QgsProcessingParameterNumber.Type
        self.add(
            QgsProcessingParameterNumber(self.TREES, self.tr("Trees"), number.Integer, 300, minValue=10, maxValue=5000),
            self.tr("10 to 5000. More trees give smoother maps and take longer; beyond some hundred little is gained."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.LEAF, self.tr("Smallest leaf (samples)"), number.Integer, 5, minValue=1, maxValue=1000
            ),
            self.tr("1 to 1000. Larger leaves follow noise less."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.SHARE, self.tr("Share of factors per split"), number.Double, 1 / 3, minValue=0.05, maxValue=1
            ),
            self.tr(
                "Which part of the factors each split may choose from, 0.05 to 1; a third is usual for regression."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.DEPTH, self.tr("Greatest depth"), number.Integer, 0, minValue=0, maxValue=100
            ),
            self.tr("1 to 100; 0 sets no limit."),
            advanced=True,
        )

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "trees": self.parameterAsInt(parameters, self.TREES, context),
            "smallest_leaf": self.parameterAsInt(parameters, self.LEAF, context),
            "factor_share": self.parameterAsDouble(parameters, self.SHARE, context),
            "depth": self.parameterAsInt(parameters, self.DEPTH, context),
        }
