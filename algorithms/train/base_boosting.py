"""What the algorithms of gradient-boosted trees share: all settings but those of a single tree."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext

from .base_training import TrainingAlgorithm


class BoostingAlgorithm(TrainingAlgorithm):
    """Subclasses add the settings of a single tree in `declare_tree` and read them in `tree_settings`."""

    TREES, RATE, LEAF = "TREES", "LEARNING_RATE", "SMALLEST_LEAF"
    ROWS, SHARE = "SAMPLE_SHARE", "FACTOR_SHARE"

    def declare_tree(self) -> None:
        """Add the parameters of a single tree."""
        raise NotImplementedError

    def tree_settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """The settings of a single tree as chosen."""
        raise NotImplementedError

    def declare_settings(self) -> None:
        self.add_number(
            self.TREES,
            self.tr("Most trees"),
            500,
            self.tr("10 to 5000. Fewer are grown where held-out blocks ask for fewer."),
            whole=True,
            minValue=10,
            maxValue=5000,
        )
        self.add_number(
            self.RATE,
            self.tr("Learning rate"),
            0.05,
            self.tr("Share of the remaining error that each tree takes, 0.001 to 1; smaller values need more trees."),
            advanced=True,
            minValue=0.001,
            maxValue=1,
        )
        self.declare_tree()
        self.add_number(
            self.ROWS,
            self.tr("Share of samples per tree"),
            0.8,
            self.tr("Each tree sees a random part of the samples: a share of 0.1 to 1."),
            advanced=True,
            minValue=0.1,
            maxValue=1,
        )
        self.add_number(
            self.SHARE,
            self.tr("Share of factors per tree"),
            0.8,
            self.tr("Each tree sees a random part of the factors: a share of 0.05 to 1."),
            advanced=True,
            minValue=0.05,
            maxValue=1,
        )

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        return {
            "trees": self.parameterAsInt(parameters, self.TREES, context),
            "learning_rate": self.parameterAsDouble(parameters, self.RATE, context),
            **self.tree_settings(parameters, context),
            "row_share": self.parameterAsDouble(parameters, self.ROWS, context),
            "factor_share": self.parameterAsDouble(parameters, self.SHARE, context),
        }
