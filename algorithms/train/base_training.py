"""What the training algorithms share: all but the learner and its few settings."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm

DESIGNS = ["random", "kfold", "blocks", "periods", "seasons", "years", "blocks_and_periods"]
DEFAULT_DESIGNS = ["random", "blocks", "periods"]


class TrainingAlgorithm(SoilMoistureAlgorithm):
    """Subclasses name the `LEARNER`, add its settings in `declare_settings` and read them in `settings`."""

    GROUP = "train"
    LEARNER = ""
    TREND = True
    TUNES = True
    PACKAGES = ("sklearn", "joblib", "scipy", "matplotlib")

    COARSE, FACTORS, TRAIN_ON, WINDOW, LINEAR_TREND = "COARSE", "FACTORS", "TRAIN_ON", "WINDOW", "LINEAR_TREND"
    VALIDATION, BUFFER, TUNING, SEED, MODEL = "VALIDATION", "BUFFER", "TUNING", "SEED", "MODEL"
    NUMBERS = {
        "SHARE_EXPLAINED": "Share of unseen contrasts explained",
        "DETAIL_GAIN": "Detail gain",
        "R2_BLOCKS": "R² in spatial blocks",
        "RMSE_BLOCKS": "RMSE in spatial blocks",
        "R2_RANDOM": "R² of the random split (optimistic)",
    }

    def declare_settings(self) -> None:
        """Add the learner's own parameters."""

    def settings(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """The learner's own settings as chosen."""
        return {}

    def declare(self) -> None:
        whole = QgsProcessingParameterNumber.Type.Integer
        self.add(
            QgsProcessingParameterRasterLayer(self.COARSE, self.tr("COARSE stack")),
            self.tr("From 'Resample to a common grid'."),
        )
        self.add(
            QgsProcessingParameterFile(self.FACTORS, self.tr("Factor list"), extension="json", optional=True),
            self.tr("From 'Screen factors'; empty uses every factor of the stack."),
        )
        self.declare_settings()
        self.add(
            QgsProcessingParameterEnum(
                self.TRAIN_ON,
                self.tr("Train on"),
                ["automatic", "values", "anomalies", "contrasts"],
                defaultValue="automatic",
                usesStaticStrings=True,
            ),
            self.tr(
                "Downscaling predicts what varies inside a cell. Values are what the papers use; anomalies are "
                "differences from each period's mean; contrasts are differences from neighbouring cells. 'automatic' "
                "tries all three on held-out blocks and takes the one that explains most of the differences between "
                "neighbouring cells."
            ),
        )
        if self.TREND:
            self.add(
                QgsProcessingParameterBoolean(self.LINEAR_TREND, self.tr("Linear part first"), True),
                self.tr(
                    "Fits a linear model and lets the learner explain what is left. Fine factors vary more than coarse "
                    "ones, and a linear part extrapolates sanely where trees cannot."
                ),
            )
        self.add(
            QgsProcessingParameterNumber(
                self.WINDOW, self.tr("Window of contrasts (coarse cells)"), whole, 0, minValue=0, maxValue=99
            ),
            self.tr("Odd number of cells from 3 to 99; 0 takes 3, or as many as the footprint of the sensor needs."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                self.VALIDATION,
                self.tr("Validation"),
                DESIGNS,
                allowMultiple=True,
                defaultValue=DEFAULT_DESIGNS,
                usesStaticStrings=True,
            ),
            self.tr(
                "random: a random fifth held out, as in the papers, optimistic because neighbours and other dates of a "
                "cell are seen in training; kfold: five such parts in turn, as optimistic. blocks: whole squares of "
                "cells held out, as wide as their errors resemble each other. periods: neighbouring dates held out; "
                "seasons and years: all dates of one. blocks_and_periods: places and dates that are both new. What the "
                "data do not allow is left out and said."
            ),
        )
        self.add(
            QgsProcessingParameterBoolean(self.BUFFER, self.tr("Buffer of one cell around held-out blocks"), False),
            self.tr("The cells around a held-out block are not used to train on either."),
            advanced=True,
        )
        if self.TUNES:
            self.add(
                QgsProcessingParameterNumber(
                    self.TUNING, self.tr("Settings to try (tuning)"), whole, 0, minValue=0, maxValue=1000
                ),
                self.tr(
                    "0 to 1000. 0 keeps the settings above. Otherwise so many others are drawn and the best is taken, "
                    "inside each fold of the validation, so that the scores stay honest. The validation takes about "
                    "three times as long for each setting; 10 to 20 are enough."
                ),
                advanced=True,
            )
        self.add(
            QgsProcessingParameterNumber(self.SEED, self.tr("Seed"), whole, 0, minValue=0, maxValue=2**31 - 1),
            self.tr("A whole number from 0 on. The same seed gives the same model."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFileDestination(
                self.MODEL, self.tr("Model"), self.tr("Soil moisture model (*.smdl)")
            ),
            self.tr(
                "A file of plain numbers that 'Downscale' applies; it holds no code and needs no particular version of "
                "any library."
            ),
        )
        self.add_report()
        for name, title in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, self.tr(title)))

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        window = self.parameterAsInt(parameters, self.WINDOW, context)
        if window and (window < 3 or window % 2 == 0):
            return False, self.tr(
                "The window of contrasts is an odd number of coarse cells from 3 on, or 0 to choose it: not {}."
            ).format(window)
        return super().checkParameterValues(parameters, context)

    def unknown(self, chosen: list[str], allowed: list[str]) -> str:
        """A sentence that names what is not among the allowed learners, empty where all are."""
        wrong = [repr(name) for name in chosen if name not in allowed]
        if not wrong:
            return ""
        return self.tr("Unknown learner {}: choose among {}.").format(", ".join(wrong), ", ".join(allowed))

    def options(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Any:
        """What was chosen, as the core takes it."""
        from ...core.train.training import Options

        return Options(
            self.LEARNER,
            self.settings(parameters, context),
            self.parameterAsString(parameters, self.TRAIN_ON, context),
            self.parameterAsInt(parameters, self.WINDOW, context),
            self.TREND and self.parameterAsBool(parameters, self.LINEAR_TREND, context),
            self.parameterAsStrings(parameters, self.VALIDATION, context),
            self.parameterAsInt(parameters, self.SEED, context),
            self.parameterAsInt(parameters, self.TUNING, context) if self.TUNES else 0,
            int(self.parameterAsBool(parameters, self.BUFFER, context)),
        )

    def coarse(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Any:
        """The COARSE stack with the factors chosen."""
        from ...core.train.factor_list import read_factor_list
        from ...core.train.samples import read_coarse

        chosen = self.parameterAsFile(parameters, self.FACTORS, context)
        return read_coarse(self.path(self.COARSE) or "", read_factor_list(chosen) if chosen else None)

    def finished(
        self, training: Any, report: Any, path: str, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> dict[str, Any]:
        """Write model and report; the outputs."""
        from ...core.model.modelfile import save_model

        save_model(training.model, path)
        numbers = {name: report.data.get(name.lower()) for name in self.NUMBERS}
        return {
            self.MODEL: path,
            **self.write_report(report, parameters, context),
            **{k: v for k, v in numbers.items() if v is not None},
        }

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.train.training import train
        from ...core.train.training_report import training_report

        path = self.file_output(parameters, self.MODEL, context)
        training = train(self.coarse(parameters, context), self.options(parameters, context), progress)
        for note in training.notes:
            progress.warn(note)
        report = training_report(training)
        progress.info(report.verdict)
        return self.finished(training, report, path, parameters, context)
