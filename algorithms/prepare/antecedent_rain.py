"""Antecedent rain from dated rain layers."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterEnum,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ...core.errors import InputError
from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..styling import factor_style, style_when_loaded


class AntecedentRain(SoilMoistureAlgorithm):
    ID = "antecedentrain"
    TITLE = "Antecedent rain"
    GROUP = "prepare"
    SUMMARY = "Antecedent precipitation index, sums over the last days, and the rain of the period before."
    ABOUT = (
        "From daily rain: the antecedent precipitation index API(t) = P(t) + k P(t-1) + k2 P(t-2) + ..., and sums over "
        "the last days. They are made for every day, or as means over the periods of other layers (the target's), and "
        "are nodata until the layers reach back far enough: give rain from before the first period.\n\n"
        "From rain by month or other periods: the rain of the period and of the one before ('previous').\n\n"
        "Rain is in mm. Parts of a day are first summed up with 'Composite periods'."
    )
    TAGS = ("precipitation", "api", "rainfall", "lag", "chirps", "era5", "wetness memory")
    PACKAGES = ("matplotlib",)

    RAIN, FACTORS, UNIT, BAND = "RAIN", "FACTORS", "UNIT", "RAIN_BAND"
    DECAY, DAYS, WINDOWS, MIN_COVERAGE = "DECAY", "DAYS", "WINDOWS", "MIN_COVERAGE"
    DATES, PERIODS, OUTPUT, EMPTY = "DATES", "PERIODS", "OUTPUT", "EMPTY"

    def declare(self) -> None:
        number, raster = QgsProcessingParameterNumber.Type, QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.RAIN, self.tr("Rain"), raster),
            self.tr("Dated layers such as daily CHIRPS: one stack of many days, or a layer per day."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.UNIT,
                self.tr("Unit of the rain"),
                ["auto", "mm", "mm/day", "mm/h", "m", "kg m-2 s-1"],
                defaultValue="auto",
                usesStaticStrings=True,
            ),
            self.tr(
                "auto takes layers that declare mm, mm per day or nothing. Others are converted when they are chosen: "
                "m for ERA5, kg m-2 s-1 for GLDAS."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.FACTORS,
                self.tr("Factors"),
                ["api", "sums", "previous"],
                allowMultiple=True,
                defaultValue=["api", "sums"],
                usesStaticStrings=True,
            ),
            self.tr(
                "api and sums need daily rain; previous gives the rain of each period and of the one before, from "
                "daily or longer bands."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.DECAY, self.tr("Decay of the index per day (k)"), number.Double, 0.90, minValue=0.5, maxValue=0.99
            ),
            self.tr(
                "What is left of a day's rain after another day: 0.85 for quick drying, 0.95 for slow; 0.5 to 0.99."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.DAYS, self.tr("Days the index looks back"), number.Integer, 30, minValue=1, maxValue=366
            ),
            self.tr("The N of the index, 1 to 366; the first N days of the series have no value."),
        )
        self.add(
            QgsProcessingParameterString(self.WINDOWS, self.tr("Windows of the sums (days)"), "3, 10, 30"),
            self.tr(
                "Numbers of days separated by commas, the day itself among them: a factor each (rain_3d ...); 1 to 366."
            ),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.DATES, self.tr("Periods of these layers"), raster, optional=True),
            self.tr(
                "Factors are made for the dates of these layers only, such as the coarse soil moisture; over periods "
                "longer than a day as means of its days. Empty makes them for every day (or period) of the rain."
            ),
        )
        self.add(
            QgsProcessingParameterString(self.PERIODS, self.tr("Periods"), optional=True),
            self.tr("Dates or months separated by commas, such as 2021-08, 2021-09-03; added to those of the layers."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.MIN_COVERAGE,
                self.tr("Smallest share of a window that is known"),
                number.Double,
                0.9,
                minValue=0.1,
                maxValue=1.0,
            ),
            self.tr(
                "By weight: yesterday counts more than last month. Known days are scaled up for missing ones; "
                "where less is known the pixel stays empty. 0.1 to 1."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.BAND, self.tr("Name of the rain band"), optional=True),
            self.tr("Only where layers hold several variables and none is called precipitation or rain."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Antecedent rain")),
            self.tr("One band per factor and period, in mm."),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.EMPTY, self.tr("Bands without a value, or not made")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.factors.rain import RainOptions, antecedent_rain
        from ...core.prepare.factors.rain_report import rain_report

        path = self.raster_output(parameters, self.OUTPUT, context)
        options = RainOptions(
            factors=self.parameterAsEnumStrings(parameters, self.FACTORS, context),
            decay=self.parameterAsDouble(parameters, self.DECAY, context),
            days=self.parameterAsInt(parameters, self.DAYS, context),
            windows=[_days(text) for text in self.names(parameters, self.WINDOWS, context)],
            min_coverage=self.parameterAsDouble(parameters, self.MIN_COVERAGE, context),
            unit=self.parameterAsString(parameters, self.UNIT, context),
            band=self.parameterAsString(parameters, self.BAND, context).strip(),
            periods=self.names(parameters, self.PERIODS, context),
        )
        result = antecedent_rain(self.paths(self.RAIN), path, options, self.paths(self.DATES), progress)
        for note in result.notes:
            progress.warn(note)
        for line in result.missing:
            progress.warn(f"Not made: {line}")
        written = result.written
        periods = [one.band.period for one in written.bands]
        style = factor_style(periods, written.names, written.range_of(written.names[0]))
        style_when_loaded(context, path, "Antecedent rain", style)
        report = self.write_report(rain_report(result), parameters, context)
        empty = sum(not one.valid for one in written.bands) + len(result.missing)
        return {self.OUTPUT: path, self.EMPTY: empty, **report}


def _days(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"The window {text!r} is no whole number of days: write them such as 3, 10, 30.") from error
