"""Make the sample region: everything needed to try the whole chain at once."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputMultipleLayers,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm


class SampleData(SoilMoistureAlgorithm):
    ID = "sampledata"
    TITLE = "Make sample data"
    GROUP = "prepare"
    SUMMARY = "Writes a generated steppe region with coarse soil moisture, fine factors, the fine truth and stations."
    ABOUT = (
        "The region is generated, not measured: a water balance in a made-up landscape on the EASE-Grid 2.0, with the "
        "units, gaps and errors of real products. Its 1 km truth is known, so that every step of the chain can be "
        "checked against it."
    )
    TAGS = ("example", "test", "demo", "synthetic", "generate")
    PACKAGES = ("scipy",)

    OUTPUT, SEED, ROWS, COLUMNS, MONTHS = "OUTPUT", "SEED", "ROWS", "COLUMNS", "MONTHS"
    TARGET, FACTORS, TRUTH, STATIONS = "TARGET", "FACTORS", "TRUTH", "STATIONS"

    def declare(self) -> None:
        whole = QgsProcessingParameterNumber.Type.Integer
        self.add(
            QgsProcessingParameterFolderDestination(self.OUTPUT, self.tr("Folder")),
            self.tr("Where the files are written."),
        )
        self.add(
            QgsProcessingParameterNumber(self.SEED, self.tr("Seed"), whole, 1, minValue=0, maxValue=2**31 - 1),
            self.tr("The same seed gives the same files; another one another landscape."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(self.ROWS, self.tr("Coarse rows"), whole, 40, minValue=6, maxValue=80),
            self.tr("Height of the region in cells of 9 km."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(self.COLUMNS, self.tr("Coarse columns"), whole, 60, minValue=6, maxValue=120),
            self.tr("Width of the region in cells of 9 km."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(self.MONTHS, self.tr("Months"), whole, 12, minValue=1, maxValue=12),
            self.tr("How many months of 2021, from January or, for fewer than 12, around summer."),
            advanced=True,
        )
        self.addOutput(QgsProcessingOutputRasterLayer(self.TARGET, self.tr("Coarse soil moisture")))
        self.addOutput(QgsProcessingOutputMultipleLayers(self.FACTORS, self.tr("Factors")))
        self.addOutput(QgsProcessingOutputRasterLayer(self.TRUTH, self.tr("Fine truth")))
        self.addOutput(
            QgsProcessingOutputVectorLayer(self.STATIONS, self.tr("Stations"), QgsProcessing.SourceType.TypeVectorPoint)
        )

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.sample_region import make_sample_region

        folder = self.parameterAsString(parameters, self.OUTPUT, context)
        seed, rows, columns, months = (
            self.parameterAsInt(parameters, name, context) for name in (self.SEED, self.ROWS, self.COLUMNS, self.MONTHS)
        )
        region = make_sample_region(
            folder, seed=seed, coarse_rows=rows, coarse_cols=columns, months=months, progress=progress
        )
        return {
            self.OUTPUT: folder,
            self.TARGET: str(region.soil_moisture),
            self.FACTORS: [str(path) for path in region.factors.values()],
            self.TRUTH: str(region.truth),
            self.STATIONS: str(region.stations_gpkg),
        }
