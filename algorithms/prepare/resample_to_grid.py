"""Resample to a common grid: FINE and COARSE stacks from a target and factor layers."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsRasterLayer,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..styling import dates_only, style_when_loaded

UNITS = {
    "m3/m3": ("m3/m3", 1.0),
    "percent": ("m3/m3", 0.01),
    "1/1000": ("m3/m3", 0.001),
    "1/10000": ("m3/m3", 0.0001),
    "other": ("", 1.0),
}


class ResampleToGrid(SoilMoistureAlgorithm):
    ID = "resampletogrid"
    TITLE = "Resample to a common grid"
    GROUP = "prepare"
    SUMMARY = "Brings factor layers to a fine grid and, by exact area means, to the grid of the coarse soil moisture."
    ABOUT = (
        "The coarse soil moisture keeps its own grid and values. Factors may come in any reference system, resolution "
        "and data type; those finer than the fine grid are averaged, coarser ones interpolated. Bands are matched by "
        "name and date, and the log shows what was matched with what.\n\nDates come from the layers' metadata or "
        "names: 2021-08, 2021-08-03, 20210803 or 2021215."
    )
    TAGS = ("aggregate", "align", "regrid", "warp", "stack", "collocate")
    PACKAGES = ("scipy", "matplotlib")

    TARGET, FACTORS, TARGET_BAND, TARGET_UNIT = "TARGET", "FACTORS", "TARGET_BAND", "TARGET_UNIT"
    RATIO, FINE_GRID, FOOTPRINT, MIN_VALID_SHARE = "RATIO", "FINE_GRID", "FOOTPRINT_KM", "MIN_VALID_SHARE"
    RESAMPLING, CATEGORICAL, NAMES, EXTENT = "RESAMPLING", "CATEGORICAL", "FACTOR_NAMES", "EXTENT"
    FINE, COARSE, MISSING = "FINE", "COARSE", "MISSING"

    def declare(self) -> None:
        number, raster = QgsProcessingParameterNumber.Type, QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.TARGET, self.tr("Coarse soil moisture"), raster),
            self.tr("One layer with a band per date, or one dated layer per date, all on one grid."),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.FACTORS, self.tr("Factors"), raster),
            self.tr(
                "Layers such as vegetation indices, surface temperature, terrain, soil and rain. Every band is a "
                "factor, named by its description or its layer; layers without a date hold for all dates."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.TARGET_UNIT,
                self.tr("Unit of the coarse soil moisture"),
                list(UNITS),
                defaultValue="m3/m3",
                usesStaticStrings=True,
            ),
            self.tr(
                "Percent and scaled integers are converted to m3/m3. 'other' downscales the values as they are "
                "(relative saturation, fluorescence)."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.RATIO, self.tr("Fine pixels along a coarse cell"), number.Integer, 0, minValue=0, maxValue=200
            ),
            self.tr("9 turns 9 km into 1 km; 0 chooses the number that comes nearest to 1 km (0.01 degrees)."),
        )
        self.add(
            QgsProcessingParameterRasterLayer(self.FINE_GRID, self.tr("Fine grid"), optional=True),
            self.tr(
                "A layer whose grid is used instead, in the reference system of the coarse soil moisture; it need not "
                "nest."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.FOOTPRINT,
                self.tr("Footprint of the sensor (km)"),
                number.Double,
                None,
                optional=True,
                minValue=0.1,
                maxValue=500,
            ),
            self.tr(
                "Half-power width of what a coarse value sees, where that is more than its cell: about 30 km for SMAP "
                "L3 cells of 9 km. Leave empty for products whose value is the mean of the cell (SMAP L4, reanalyses)."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.MIN_VALID_SHARE,
                self.tr("Smallest valid share of a coarse cell"),
                number.Double,
                0.5,
                minValue=0.01,
                maxValue=1.0,
            ),
            self.tr("Cells with fewer valid fine pixels than this share of their area get no factor value."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                self.RESAMPLING,
                self.tr("Interpolation of coarser factors"),
                ["bilinear", "cubic", "nearest"],
                defaultValue="bilinear",
                usesStaticStrings=True,
            ),
            self.tr(
                "For factors whose pixels are larger than the fine grid's. Finer ones are always averaged by area."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.CATEGORICAL, self.tr("Factors that are classes"), optional=True),
            self.tr(
                "Names separated by commas, such as landcover. They become one factor per class: its share of the "
                "pixel and of the cell."
            ),
        )
        self.add(
            QgsProcessingParameterString(self.NAMES, self.tr("Only these factors"), optional=True),
            self.tr("Names separated by commas; empty takes every band of the factor layers."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(
                self.TARGET_BAND, self.tr("Variable of the coarse soil moisture"), optional=True
            ),
            self.tr("The band name to use where the layers hold several variables, such as soil_moisture."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterExtent(self.EXTENT, self.tr("Extent"), optional=True),
            self.tr("Limits the work to the coarse cells that touch it; empty takes where all layers overlap."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.FINE, self.tr("FINE stack")),
            self.tr("All factors and dates on the fine grid."),
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.COARSE, self.tr("COARSE stack")),
            self.tr("The soil moisture and the factors on the coarse grid: what models are trained on."),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.MISSING, self.tr("Factor dates that are missing")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.common_grid import GridOptions, make_common_grid
        from ...core.prepare.common_grid_report import common_grid_report

        fine, coarse = (self.raster_output(parameters, name, context) for name in (self.FINE, self.COARSE))
        unit, factor = UNITS[self.parameterAsString(parameters, self.TARGET_UNIT, context)]
        options = GridOptions(
            ratio=self.parameterAsInt(parameters, self.RATIO, context),
            fine_grid=self.path(self.FINE_GRID),
            footprint_km=self.optional_number(parameters, self.FOOTPRINT, context),
            min_valid_share=self.parameterAsDouble(parameters, self.MIN_VALID_SHARE, context),
            method=self.parameterAsString(parameters, self.RESAMPLING, context),
            categorical=self.names(parameters, self.CATEGORICAL, context),
            extent=self._extent(parameters, context),
            target_band=self.parameterAsString(parameters, self.TARGET_BAND, context).strip(),
            target_unit=unit,
            target_factor=factor,
            factor_names=self.names(parameters, self.NAMES, context),
        )
        result = make_common_grid(self.paths(self.TARGET), self.paths(self.FACTORS), fine, coarse, options, progress)
        for match in result.matches:
            label = match.period.label if match.period else "all dates"
            progress.info(f"{label:24}  {match.factor:28}  {match.text}")
        for note in result.notes:
            progress.warn(note)
        for path, name in ((fine, self.FINE), (coarse, self.COARSE)):
            style_when_loaded(context, path, f"{name} stack", dates_only(_span(result.periods)))
        report = self.write_report(common_grid_report(result), parameters, context)
        return {
            self.FINE: fine,
            self.COARSE: coarse,
            self.MISSING: sum(not match.sources for match in result.matches),
            **report,
        }

    def _extent(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[float, float, float, float] | None:
        if parameters.get(self.EXTENT) in (None, ""):
            return None
        target = QgsRasterLayer(self.paths(self.TARGET)[0])
        box = self.parameterAsExtent(parameters, self.EXTENT, context, target.crs())
        return box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()


def _span(periods: list[Any]) -> list[Any]:
    """The whole time as one period: the bands of a stack of many factors follow each other in no order of time."""
    from ...core.raster.periods import Period

    dated = [period for period in periods if period is not None]
    return [Period(dated[0].start, dated[-1].end)] if dated else []
