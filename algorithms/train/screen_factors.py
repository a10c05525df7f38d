"""Screen factors: which of them go with soil moisture, and which only repeat each other."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm


class ScreenFactors(SoilMoistureAlgorithm):
    ID = "screenfactors"
    TITLE = "Screen factors"
    GROUP = "train"
    SUMMARY = "Chooses factors by their correlation with soil moisture and drops those that repeat each other."
    ABOUT = (
        "Neighbouring cells repeat each other, so ordinary p-values call almost any two maps related. Here every "
        "p-value is corrected for spatial and temporal autocorrelation by the effective sample size, and for the "
        "number of factors tested.\n\nScreening uses all cells: it is a choice made before validation, so keep it "
        "lenient and let the model's scores judge."
    )
    TAGS = ("correlation", "selection", "VIF", "collinearity", "p-value", "Pearson", "Spearman", "mutual information")
    PACKAGES = ("scipy", "sklearn", "matplotlib")

    COARSE, MIN_R, ALPHA, MAX_VIF = "COARSE", "MIN_ABS_R", "ALPHA", "MAX_VIF"
    STATISTIC, BASIS, ALWAYS, FACTORS, KEPT, NAMES = (
        "STATISTIC",
        "BASIS",
        "ALWAYS_KEEP",
        "FACTORS",
        "KEPT",
        "KEPT_NAMES",
    )

    def declare(self) -> None:
        double = QgsProcessingParameterNumber.Type.Double
        self.add(
            QgsProcessingParameterRasterLayer(self.COARSE, self.tr("COARSE stack")),
            self.tr("From 'Resample to a common grid'."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.MIN_R, self.tr("Smallest correlation"), double, 0.1, minValue=0, maxValue=1
            ),
            self.tr(
                "0 to 1. Factors whose correlation with soil moisture is weaker, in either direction, are dropped."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.ALPHA, self.tr("Significance level"), double, 0.05, minValue=0.0001, maxValue=1
            ),
            self.tr(
                "0.0001 to 1. Largest p-value, corrected for autocorrelation and for the number of factors. 1 turns "
                "the test off."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(self.MAX_VIF, self.tr("Largest variance inflation"), double, 10, minValue=1),
            self.tr(
                "1 or more. Of factors that repeat each other (NDVI and EVI) the weaker is dropped until no variance "
                "inflation factor exceeds this."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.STATISTIC,
                self.tr("Correlation"),
                ["pearson", "spearman"],
                defaultValue="pearson",
                usesStaticStrings=True,
            ),
            self.tr("Pearson for straight relations, Spearman for any monotonic ones."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.BASIS,
                self.tr("Judged by"),
                ["strongest", "contrasts", "pooled", "within_period", "within_cell"],
                defaultValue="strongest",
                usesStaticStrings=True,
            ),
            self.tr(
                "Correlation over all cells and dates (pooled, as in the papers), between cells of the same date "
                "(within_period), over time in each cell (within_cell), or between a cell and its neighbours "
                "(contrasts: what downscaling has to predict). 'strongest' takes the surest of pooled, within_period "
                "and contrasts."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.ALWAYS, self.tr("Always keep"), optional=True),
            self.tr("Names of factors, separated by commas, that stay whatever the tests say."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFileDestination(
                self.FACTORS, self.tr("Factor list"), self.tr("Factor list (*.json)")
            ),
            self.tr(
                "The factors that are kept, for the training algorithms, with the reason for each one kept or dropped."
            ),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.KEPT, self.tr("Number of factors kept")))
        self.addOutput(QgsProcessingOutputString(self.NAMES, self.tr("Factors kept")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.atomic import whole_file
        from ...core.train.samples import read_coarse
        from ...core.train.screening import screen_factors, to_json_dict
        from ...core.train.screening_report import screening_report
        from ...core.train.training import contrast_window

        path = self.file_output(parameters, self.FACTORS, context)
        data = read_coarse(self.path(self.COARSE) or "")
        factors = {
            name: values[0] if static else values for name, values, static in zip(data.names, data.factors, data.static)
        }
        width, height = data.grid.ground_cell_size()
        result = screen_factors(
            data.target,
            factors,
            cell_width=width / 1000,
            cell_height=height / 1000,
            min_abs_r=self.parameterAsDouble(parameters, self.MIN_R, context),
            alpha=self.parameterAsDouble(parameters, self.ALPHA, context),
            max_vif=self.parameterAsDouble(parameters, self.MAX_VIF, context),
            statistic=self.parameterAsString(parameters, self.STATISTIC, context),
            window=contrast_window(data),
            basis=self.parameterAsString(parameters, self.BASIS, context),
            always_keep=self.names(parameters, self.ALWAYS, context),
            target_name=data.target_name,
            progress=progress,
        )
        for score in result.scores:
            progress.info(f"{score.name:28}{score.reason}")
        for warning in result.warnings:
            progress.warn(warning)
        with whole_file(path) as work:
            work.write_text(json.dumps(to_json_dict(result), indent=1), encoding="utf-8")
        units = {data.target_name: data.target_unit, **dict(zip(data.names, data.units))}
        report = self.write_report(screening_report(result, data.target, factors, units=units), parameters, context)
        return {self.FACTORS: path, self.KEPT: len(result.kept), self.NAMES: ", ".join(result.kept), **report}
