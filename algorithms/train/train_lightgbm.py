"""Train LightGBM."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext

from .base_boosting import BoostingAlgorithm


class TrainLightGBM(BoostingAlgorithm):
    ID = "trainlightgbm"
    TITLE = "Train LightGBM"
    LEARNER = "lightgbm"
    PACKAGES = (*BoostingAlgorithm.PACKAGES, "lightgbm")
    SUMMARY = (
        "Trains gradient-boosted trees (LightGBM) that predict soil moisture from factors, and says how much of their "
        "detail can be believed."
    )
    ABOUT = (
        "Small trees, each of which explains what those before it leave; they grow leaf by leaf. Trees are added until "
        "spatial blocks that were held out gain no more, then the model is trained on all cells with that many. Needs "
        "the Python package lightgbm; applying the model does not."
    )
    TAGS = ("machine learning", "regression", "LightGBM", "gradient boosting", "GBDT", "trees")

    LEAVES = "LEAVES"

    def declare_tree(self) -> None:
        self.add_number(
            self.LEAVES,
            self.tr("Leaves per tree"),
            31,
            self.tr("2 to 1000. More leaves follow the samples more closely, noise included."),
            advanced=True,
            whole=True,
            minValue=2,
            maxValue=1000,
        )
        self.add_number(
            self.LEAF,
            self.tr("Smallest leaf (samples)"),
            20,
            self.tr("1 to 10000. Larger leaves follow noise less."),
            advanced=True,
            whole=True,
            minValue=1,
            maxValue=10000,
        )

    def tree_settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "leaves": self.parameterAsInt(parameters, self.LEAVES, context),
            "smallest_leaf": self.parameterAsInt(parameters, self.LEAF, context),
        }
