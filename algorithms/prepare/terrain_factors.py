"""Terrain factors from a digital elevation model."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..styling import factor_style, style_when_loaded

# As the core's, which is imported only when it works: scripts and models store these for ever.
FACTORS = ("elevation", "slope", "northness", "eastness", "twi", "tpi")


class TerrainFactors(SoilMoistureAlgorithm):
    ID = "terrainfactors"
    TITLE = "Terrain factors"
    GROUP = "prepare"
    SUMMARY = "Slope, northness, eastness, wetness index and topographic position from a digital elevation model."
    ABOUT = (
        "Slope and aspect follow Horn 1981. Aspect comes as northness (its cosine) and eastness (its sine), which can "
        "be averaged; both are 0 on flat ground. The topographic wetness index ln(a / tan b) uses filled depressions, "
        "multiple flow directions and the local slope. Cells are measured in metres on the ground, row by row, so that "
        "DEMs in degrees give the same slopes as projected ones.\n\n"
        "Give the DEM at its own resolution: 'Resample to a common grid' averages the factors afterwards, which is not "
        "the same as the slope of averaged heights. For the wetness index let the DEM reach beyond the region, so that "
        "valleys have their whole catchment; it is held in memory (about 3 GB for 10,000 x 10,000 cells). All other "
        "factors are computed strip by strip."
    )
    TAGS = ("dem", "slope", "aspect", "twi", "wetness", "tpi", "relief", "topography")
    PACKAGES = ("matplotlib",)

    DEM, FACTORS, UNIT = "DEM", "FACTORS", "HEIGHT_UNIT"
    RADIUS, INNER, STANDARDISED = "TPI_RADIUS", "TPI_INNER_RADIUS", "TPI_STANDARDISED"
    OUTPUT, VALID = "OUTPUT", "VALID_SHARE"

    def declare(self) -> None:
        number = QgsProcessingParameterNumber.Type.Double
        self.add(
            QgsProcessingParameterRasterLayer(self.DEM, self.tr("Elevation")),
            self.tr("A digital elevation model with one band of heights, such as SRTM, NASADEM or Copernicus DEM."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.FACTORS,
                self.tr("Factors"),
                list(FACTORS),
                allowMultiple=True,
                defaultValue=["slope", "northness", "eastness", "twi", "tpi"],
                usesStaticStrings=True,
            ),
            self.tr(
                "elevation is a copy in metres; slope in degrees; northness and eastness the cosine and sine of the "
                "aspect; twi the topographic wetness index; tpi the topographic position, the height above the mean of "
                "the surroundings."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.RADIUS, self.tr("Radius of the topographic position (m)"), number, None, optional=True, minValue=1
            ),
            self.tr(
                "How far the surroundings of a cell reach. Small radii (300 m) show gullies and spurs, large ones "
                "(2000 m) valleys and ridges; at least 1 and one cell, at most 300 cells. Empty takes 1000 m, or three "
                "cells where those are larger."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.INNER, self.tr("Inner radius of the topographic position (m)"), number, 0.0, minValue=0
            ),
            self.tr(
                "Makes the surroundings a ring: cells nearer than this do not count. 0 takes the whole circle; at "
                "least 0 and less than the radius."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean(
                self.STANDARDISED, self.tr("Topographic position in standard deviations"), False
            ),
            self.tr(
                "Divides by the standard deviation of the heights around, so that plains and mountains share a scale."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                self.UNIT,
                self.tr("Unit of the heights"),
                ["auto", "m", "ft"],
                defaultValue="auto",
                usesStaticStrings=True,
            ),
            self.tr("auto takes what the DEM declares, and metres where it declares nothing."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Terrain factors")),
            self.tr("One band per factor on the DEM's grid, without a date: they hold for all dates."),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.VALID, self.tr("Lowest share of valid cells of a factor")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.factors.terrain import TerrainOptions, terrain_factors
        from ...core.prepare.factors.terrain_report import terrain_report

        path = self.raster_output(parameters, self.OUTPUT, context)
        options = TerrainOptions(
            factors=self.parameterAsEnumStrings(parameters, self.FACTORS, context),
            height_unit=self.parameterAsString(parameters, self.UNIT, context),
            radius_m=self.optional_number(parameters, self.RADIUS, context),
            inner_m=self.parameterAsDouble(parameters, self.INNER, context),
            standardised=self.parameterAsBoolean(parameters, self.STANDARDISED, context),
        )
        result = terrain_factors(self.path(self.DEM) or "", path, options, progress)
        for note in result.notes:
            progress.info(note)
        written = result.written
        style = factor_style([None], written.names, written.range_of(written.names[0]))
        style_when_loaded(context, path, "Terrain factors", style)
        report = self.write_report(terrain_report(result), parameters, context)
        return {self.OUTPUT: path, self.VALID: min(one.valid_share for one in written.bands), **report}
