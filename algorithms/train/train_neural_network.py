"""Train a neural network."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterNumber, QgsProcessingParameterString

from .base_training import TrainingAlgorithm


class TrainNeuralNetwork(TrainingAlgorithm):
    ID = "trainneuralnetwork"
    TITLE = "Train neural network"
    LEARNER = "neuralnetwork"
    SUMMARY = (
        "Trains a neural network that predicts soil moisture from factors, and says how much of its detail can be "
        "believed."
    )
    ABOUT = (
        "A multilayer perceptron on standardised factors and soil moisture. Several networks that begin differently "
        "are averaged; each stops where spatial blocks that were held out from it gain no more. Needs many samples to "
        "be worth its time."
    )
    TAGS = ("machine learning", "regression", "neural network", "MLP", "DNN", "deep learning")

    HIDDEN, MEMBERS, ROUNDS, PENALTY = "HIDDEN_LAYERS", "NETWORKS", "MOST_ROUNDS", "PENALTY"

    def declare_settings(self) -> None:
        number = QgsProcessingParameterNumber.Type
        self.add(
            QgsProcessingParameterString(self.HIDDEN, self.tr("Hidden layers"), "64, 64"),
            self.tr(
                "Widths of one to six layers between factors and soil moisture, each from 1 to 2048, separated by "
                "commas."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.MEMBERS, self.tr("Networks to average"), number.Integer, 5, minValue=1, maxValue=50
            ),
            self.tr("1 to 50. More networks give steadier maps and take longer."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.ROUNDS, self.tr("Most rounds"), number.Integer, 200, minValue=1, maxValue=10000
            ),
            self.tr("How often training goes through all samples, 1 to 10000, unless held-out blocks stop it sooner."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.PENALTY, self.tr("Penalty on weights"), number.Double, 0.0001, minValue=0, maxValue=100
            ),
            self.tr("0 to 100. Larger values give smoother functions."),
            advanced=True,
        )

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "hidden": self.parameterAsString(parameters, self.HIDDEN, context),
            "members": self.parameterAsInt(parameters, self.MEMBERS, context),
            "rounds": self.parameterAsInt(parameters, self.ROUNDS, context),
            "penalty": self.parameterAsDouble(parameters, self.PENALTY, context),
        }
