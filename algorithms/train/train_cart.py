"""Train a single regression tree."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterNumber

from .base_training import TrainingAlgorithm


class TrainCart(TrainingAlgorithm):
    ID = "traincart"
    TITLE = "Train regression tree (CART)"
    LEARNER = "cart"
    SUMMARY = (
        "Trains a single regression tree that predicts soil moisture from factors, and says how much of its detail can "
        "be believed."
    )
    ABOUT = "Quick and easy to explain; maps look stepped, and a forest of trees is nearly always more accurate."
    TAGS = ("machine learning", "regression", "CART", "decision tree")

    LEAF, DEPTH = "SMALLEST_LEAF", "DEPTH"

    def declare_settings(self) -> None:
        whole = QgsProcessingParameterNumber.Type.Integer
        self.add(
            QgsProcessingParameterNumber(
                self.LEAF, self.tr("Smallest leaf (samples)"), whole, 20, minValue=1, maxValue=10000
            ),
            self.tr("1 to 10000. Larger leaves follow noise less."),
        )
        self.add(
            QgsProcessingParameterNumber(self.DEPTH, self.tr("Greatest depth"), whole, 8, minValue=0, maxValue=100),
            self.tr("1 to 100; 0 sets no limit."),
        )

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "smallest_leaf": self.parameterAsInt(parameters, self.LEAF, context),
            "depth": self.parameterAsInt(parameters, self.DEPTH, context),
        }
