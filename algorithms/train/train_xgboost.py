"""Train XGBoost."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterNumber

from .base_training import TrainingAlgorithm


class TrainXGBoost(TrainingAlgorithm):
    ID = "trainxgboost"
    TITLE = "Train XGBoost"
    LEARNER = "xgboost"
    PACKAGES = (*TrainingAlgorithm.PACKAGES, "xgboost")
    SUMMARY = (
        "Trains gradient-boosted trees (XGBoost) that predict soil moisture from factors, and says how much of their "
        "detail can be believed."
    )
    ABOUT = (
        "Small trees, each of which explains what those before it leave; they grow level by level. Trees are added "
        "until spatial blocks that were held out gain no more, then the model is trained on all cells with that many. "
        "Needs the Python package xgboost-cpu (or xgboost); applying the model does not."
    )
    TAGS = ("machine learning", "regression", "XGBoost", "gradient boosting", "trees")

    TREES, RATE, DEPTH, LEAF = "TREES", "LEARNING_RATE", "DEPTH", "SMALLEST_LEAF"
    ROWS, SHARE = "SAMPLE_SHARE", "FACTOR_SHARE"

    def declare_settings(self) -> None:
        number = QgsProcessingParameterNumber.Type
        self.add(
            QgsProcessingParameterNumber(
                self.TREES, self.tr("Most trees"), number.Integer, 500, minValue=10, maxValue=5000
            ),
            self.tr("Fewer are grown where held-out blocks ask for fewer."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.RATE, self.tr("Learning rate"), number.Double, 0.05, minValue=0.001, maxValue=1
            ),
            self.tr("Share of the remaining error that each tree takes; smaller values need more trees."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.DEPTH, self.tr("Greatest depth"), number.Integer, 6, minValue=1, maxValue=15
            ),
            self.tr("Deeper trees follow the samples more closely, noise included."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.LEAF, self.tr("Smallest leaf (weight of samples)"), number.Double, 5, minValue=0, maxValue=10000
            ),
            self.tr("Larger leaves follow noise less. A fully covered cell weighs about 1, others less."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.ROWS, self.tr("Share of samples per tree"), number.Double, 0.8, minValue=0.1, maxValue=1
            ),
            self.tr("Each tree sees a random part of the samples."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.SHARE, self.tr("Share of factors per tree"), number.Double, 0.8, minValue=0.05, maxValue=1
            ),
            self.tr("Each tree sees a random part of the factors."),
            advanced=True,
        )

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "trees": self.parameterAsInt(parameters, self.TREES, context),
            "learning_rate": self.parameterAsDouble(parameters, self.RATE, context),
            "depth": self.parameterAsInt(parameters, self.DEPTH, context),
            "smallest_leaf": self.parameterAsDouble(parameters, self.LEAF, context),
            "row_share": self.parameterAsDouble(parameters, self.ROWS, context),
            "factor_share": self.parameterAsDouble(parameters, self.SHARE, context),
        }
