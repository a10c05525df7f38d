"""Train support vector regression."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterNumber

from .base_training import TrainingAlgorithm


class TrainSvr(TrainingAlgorithm):
    ID = "trainsvr"
    TITLE = "Train support vector regression"
    LEARNER = "svr"
    SUMMARY = (
        "Trains support vector regression that predicts soil moisture from factors, and says how much of its detail "
        "can be believed."
    )
    ABOUT = (
        "A smooth function of the factors with a Gaussian kernel. Factors and soil moisture are standardised first, so "
        "that cost and tube mean the same for any unit. Its cost grows with the square of the samples, which are "
        "thinned beyond a limit."
    )
    TAGS = ("machine learning", "regression", "SVM", "SVR", "kernel")

    COST, TUBE, LIMIT = "COST", "TUBE", "MOST_SAMPLES"

    def declare_settings(self) -> None:
        number = QgsProcessingParameterNumber.Type
        self.add(
            QgsProcessingParameterNumber(
                self.COST, self.tr("Cost"), number.Double, 1.0, minValue=0.001, maxValue=10000
            ),
            self.tr("0.001 to 10000. Larger values follow the samples more closely, noise included."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.TUBE,
                self.tr("Width of the tube (standard deviations)"),
                number.Double,
                0.1,
                minValue=0,
                maxValue=2,
            ),
            self.tr(
                "Errors smaller than this share (0 to 2) of the standard deviation of soil moisture count as none."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.LIMIT, self.tr("Most samples"), number.Integer, 5000, minValue=100, maxValue=50000
            ),
            self.tr("100 to 50000. More samples than this are thinned evenly over the dates."),
            advanced=True,
        )

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "cost": self.parameterAsDouble(parameters, self.COST, context),
            "tube": self.parameterAsDouble(parameters, self.TUBE, context),
            "most_samples": self.parameterAsInt(parameters, self.LIMIT, context),
        }
