"""Train XGBoost."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext

from .base_boosting import BoostingAlgorithm


class TrainXGBoost(BoostingAlgorithm):
    ID = "trainxgboost"
    TITLE = "Train XGBoost"
    LEARNER = "xgboost"
    PACKAGES = (*BoostingAlgorithm.PACKAGES, "xgboost")
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

    DEPTH = "DEPTH"

    def declare_tree(self) -> None:
        self.add_number(
            self.DEPTH,
            self.tr("Greatest depth"),
            6,
            self.tr("1 to 15. Deeper trees follow the samples more closely, noise included."),
            advanced=True,
            whole=True,
            minValue=1,
            maxValue=15,
        )
        self.add_number(
            self.LEAF,
            self.tr("Smallest leaf (weight of samples)"),
            5,
            self.tr("0 to 10000. Larger leaves follow noise less. A fully covered cell weighs about 1, others less."),
            advanced=True,
            whole=False,
            minValue=0,
            maxValue=10000,
        )

    def tree_settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "depth": self.parameterAsInt(parameters, self.DEPTH, context),
            "smallest_leaf": self.parameterAsDouble(parameters, self.LEAF, context),
        }
