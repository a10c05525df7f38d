"""Apparent thermal inertia from day and night temperature and albedo."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..styling import factor_style, style_when_loaded


class ThermalInertia(SoilMoistureAlgorithm):
    ID = "thermalinertia"
    TITLE = "Thermal inertia"
    GROUP = "prepare"
    SUMMARY = "Apparent thermal inertia from the surface temperature by day and by night and the albedo."
    ABOUT = (
        "ATI = C (1 - albedo) / (day temperature - night temperature), in 1/K: wet soil warms less by day for the "
        "light it takes up. C corrects for the sun's height over latitude and season.\n\n"
        "One band is made per period of the day temperature, on its grid. Night temperature and albedo are taken by "
        "their days of overlap, so daily or 16-day albedo goes with 8-day temperatures.\n\n"
        "Take day and night from one platform. Aqua (13:30 and 1:30) is nearer to the true amplitude of a day than "
        "Terra (10:30 and 22:30)."
    )
    TAGS = ("ATI", "temperature", "amplitude", "albedo", "LST", "MOD11", "MYD11", "MCD43")
    PACKAGES = ("scipy", "matplotlib")

    LST_DAY, LST_NIGHT, ALBEDO, SKY = "LST_DAY", "LST_NIGHT", "ALBEDO", "ALBEDO_SKY"
    SOLAR, LEAST, OUTPUT, MISSING = "SOLAR_CORRECTION", "MIN_AMPLITUDE", "OUTPUT", "MISSING"

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.LST_DAY, self.tr("Surface temperature by day"), raster),
            self.tr(
                "One layer with a band per date or one dated layer per date, in K or degrees C. A stack that also "
                "holds lst_night and albedo bands is enough."
            ),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(
                self.LST_NIGHT, self.tr("Surface temperature by night"), raster, optional=True
            ),
            self.tr("In the same unit and from the same platform; empty looks for bands lst_night above."),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.ALBEDO, self.tr("Albedo"), raster, optional=True),
            self.tr("Shortwave albedo from 0 to 1, such as MCD43A3; empty looks for albedo bands above."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.SKY,
                self.tr("Albedo where there are both"),
                ["white_sky", "black_sky"],
                defaultValue="white_sky",
                usesStaticStrings=True,
            ),
            self.tr(
                "White-sky albedo is of diffuse light, black-sky albedo of the direct sun at local noon; layers with "
                "only one are taken as they are."
            ),
        )
        self.add(
            QgsProcessingParameterBoolean(self.SOLAR, self.tr("Solar correction"), True),
            self.tr(
                "C from each pixel's latitude and the day in the middle of the period. Unticked sets C to 1, which "
                "will do for one small region and one month. In the polar night C is 0 and pixels stay empty."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.LEAST,
                self.tr("Smallest amplitude (K)"),
                QgsProcessingParameterNumber.Type.Double,
                1.0,
                minValue=0.01,
                maxValue=50.0,
            ),
            self.tr(
                "Pixels whose day is not more than this warmer than their night stay empty: clouds, water and snow. "
                "0.01 to 50."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Thermal inertia")),
            self.tr("A band ati per period, in 1/K."),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.MISSING, self.tr("Periods that could not be made")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.factors.thermal import ThermalOptions, make_thermal_inertia
        from ...core.prepare.factors.thermal_report import thermal_report

        path = self.raster_output(parameters, self.OUTPUT, context)
        options = ThermalOptions(
            solar=self.parameterAsBoolean(parameters, self.SOLAR, context),
            sky=self.parameterAsString(parameters, self.SKY, context),
            least_amplitude=self.parameterAsDouble(parameters, self.LEAST, context),
        )
        result = make_thermal_inertia(
            self.paths(self.LST_DAY), path, self.paths(self.LST_NIGHT), self.paths(self.ALBEDO), options, progress
        )
        progress.info(result.formula)
        for note in result.notes:
            progress.warn(note)
        for line in result.missing_lines:
            progress.warn(f"Not made: {line}")
        written = result.written
        style = factor_style([one.band.period for one in written.bands], written.names, written.range_of("ati"))
        style_when_loaded(context, path, "Thermal inertia", style)
        report = self.write_report(thermal_report(result), parameters, context)
        return {self.OUTPUT: path, self.MISSING: len(result.missing), **report}
