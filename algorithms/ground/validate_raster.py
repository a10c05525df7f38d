"""Validate with another product: soil moisture maps against maps of another source, cell by cell and date by date."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingFeedback,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
    QgsWkbTypes,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..styling import factor_style, style_when_loaded
from .score_outputs import declare_score_outputs, write_rows, write_score_outputs
from .styles import R_CLASSES, polygons
from .zone_source import ZONE_NAME, ZONES, declare_zones, shape_of, zones_of


class ValidateRaster(SoilMoistureAlgorithm):
    ID = "validateraster"
    TITLE = "Validate with another product"
    GROUP = "ground"
    SUMMARY = (
        "Compares soil moisture maps with maps of another product: cell by cell, date by date and zone by zone, next "
        "to their own coarse source."
    )
    ABOUT = (
        "Both products come to the coarser of the two grids by means over area, and to the longer of their periods by "
        "means weighted with the shared time: a fine map is never sampled at points. With the coarse source of the "
        "maps the verdict says whether they agree better with the reference than that source does, on the same pairs."
        "\n\nWhat is finer than the coarse source is looked at on its own: how rough it is, whether it comes again on "
        "other dates, and, where the reference is fine enough, whether the reference sees it too.\n\nAgreement of two "
        "products is no proof that either is right: products that share a satellite or a model share their errors."
    )
    TAGS = ("validation", "comparison", "SMAP", "ESA CCI", "ERA5-Land", "ubRMSE", "correlation", "variogram", "zones")
    PACKAGES = ("scipy", "matplotlib")

    PRODUCT, REFERENCE, BASELINE = "PRODUCT", "REFERENCE", "BASELINE"
    ANOMALIES = "ANOMALIES"
    MIN_VALID, MIN_SHARE, MIN_PERIODS, BAND = "MIN_VALID", "MIN_SHARE", "MIN_PERIODS", "BAND"
    OUTPUT, ZONE_SCORES = "OUTPUT", "ZONE_SCORES"
    NUMBERS = {
        "PAIRS": "Pairs",
        "PERIODS": "Common periods",
        "R": "R",
        "R_BASELINE": "R of the coarse source",
        "R_DETAIL": "R of the fine detail",
        "UBRMSE": "ubRMSE",
        "BIAS": "Bias",
        "SPATIAL_R": "Mean correlation in space",
    }

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.PRODUCT, self.tr("Soil moisture maps"), raster),
            self.tr("The product to judge: one layer with a band per date, or dated layers on one grid."),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.REFERENCE, self.tr("Reference product"), raster),
            self.tr(
                "Maps of another source; resolution, reference system and lengths of periods may differ. Layers in "
                "percent are converted, those in percent of saturation are compared by correlation only."
            ),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.BASELINE, self.tr("Coarse source"), raster, optional=True),
            self.tr(
                "The coarse layers the maps were made from, scored on the same pairs. Without it nothing can be said "
                "about downscaling."
            ),
        )
        declare_zones(self, self.tr("Polygons, such as catchments or land-cover units, that get scores of their own."))
        self.add_choice(
            self.ANOMALIES,
            self.tr("Anomalies"),
            ["auto", "35-day window", "months", "none"],
            self.tr(
                "What is taken off before the anomaly correlation: the moving mean of 35 days, or the mean of each "
                "calendar month (two years at least). 'auto' takes the window for daily to 10-day periods and months "
                "for longer ones."
            ),
            advanced=True,
        )
        self.add_number(
            self.MIN_VALID,
            self.tr("Smallest valid share of a cell"),
            0.5,
            self.tr("Share of a cell's area, 0 to 1, that the finer product must know."),
            advanced=True,
            minValue=0.01,
            maxValue=1.0,
        )
        self.add_number(
            self.MIN_SHARE,
            self.tr("Smallest share of a period"),
            0.3,
            self.tr(
                "Share of a longer period's days that the layers of the other product must cover. SMAP passes a place "
                "every 2 to 3 days, which is about 0.4 of a month."
            ),
            minValue=0.01,
            maxValue=1.0,
        )
        self.add_number(
            self.MIN_PERIODS,
            self.tr("Fewest periods of a cell"),
            10,
            self.tr("Cells with fewer common periods get no correlation and no ubRMSE."),
            whole=True,
            minValue=3,
        )
        self.add(
            QgsProcessingParameterString(self.BAND, self.tr("Variable of the maps"), optional=True),
            self.tr("Band name to use where files hold several variables; files without it keep their own."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Maps of scores")),
            self.tr(
                "A band each for R, bias, ubRMSE, RMSE, R of anomalies and the number of periods; with a coarse source "
                "also its R and the gain."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSink(
                self.ZONE_SCORES,
                self.tr("Zones with scores"),
                QgsProcessing.SourceType.TypeVectorPolygon,
                optional=True,
                createByDefault=False,
            ),
            self.tr("The zones, coloured by R over all their pairs."),
        )
        text = self.tr("Scores per zone where there are zones, else per date.")
        declare_score_outputs(self, self.NUMBERS, text)

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self._zones: QgsProcessingFeatureSource | None = self.parameterAsSource(parameters, ZONES, context)
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.ground.rasters.parts_sections import without_cells
        from ...core.ground.rasters.report import raster_report
        from ...core.ground.rasters.results import RasterOptions
        from ...core.ground.rasters.validate import validate_rasters

        zones = None
        if self._zones is not None:
            zones = zones_of(self._zones, self.parameterAsString(parameters, ZONE_NAME, context))
        output = self.raster_output(parameters, self.OUTPUT, context)
        result = validate_rasters(
            self.paths(self.PRODUCT),
            self.paths(self.REFERENCE),
            output,
            self.paths(self.BASELINE),
            zones,
            RasterOptions(
                min_share=self.parameterAsDouble(parameters, self.MIN_SHARE, context),
                min_valid=self.parameterAsDouble(parameters, self.MIN_VALID, context),
                min_periods=self.parameterAsInt(parameters, self.MIN_PERIODS, context),
                anomalies=self.parameterAsString(parameters, self.ANOMALIES, context),
            ),
            self.parameterAsString(parameters, self.BAND, context).strip() or None,
            progress,
        )
        for note in result.notes:
            progress.info(note)
        if result.zones_without_cells:
            progress.warn(without_cells(result))
        report = raster_report(result)
        progress.info(report.verdict)
        outputs: dict[str, Any] = {self.OUTPUT: output}
        style_when_loaded(context, output, self.tr("Agreement: R"), factor_style([], ["r"], (0.0, 1.0)))
        if zones is not None and parameters.get(self.ZONE_SCORES) not in (None, ""):
            number = {name: k for k, name in enumerate(zones.names)}
            rows = [row.flat() for row in result.zones]
            shapes = [shape_of(zones.wkb[number[row.name]]) for row in result.zones]
            kind = QgsWkbTypes.Type.MultiPolygon
            outputs[self.ZONE_SCORES] = write_rows(
                self, parameters, self.ZONE_SCORES, context, shapes, rows, kind, zones.crs_wkt
            )
            style_when_loaded(context, outputs[self.ZONE_SCORES], self.tr("Zones: R"), polygons("R", R_CLASSES))
        numbers = {
            "PAIRS": result.pooled.n,
            "PERIODS": len(result.periods),
            "R": result.pooled.r,
            "R_BASELINE": result.pooled.r_baseline,
            "R_DETAIL": result.detail.r.value if result.detail else None,
            "UBRMSE": result.pooled.ubrmse,
            "BIAS": result.pooled.bias,
            "SPATIAL_R": result.spatial_r,
        }
        return {**outputs, **write_score_outputs(self, report, numbers, parameters, context)}
