"""Composite to periods: dated layers become one band per day, dekad, month, season and the like."""

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
    QgsProcessingParameterString,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..running import add_running, running_of
from ..styling import factor_style, style_when_loaded

KINDS = ["day", "5 days", "dekad", "8 days", "16 days", "month", "season", "year", "custom", "other layers"]
METHODS = ["auto", "mean", "sum", "max", "min", "median"]


class CompositePeriods(SoilMoistureAlgorithm):
    ID = "compositeperiods"
    TITLE = "Composite to periods"
    GROUP = "prepare"
    SUMMARY = "Makes one band per day, dekad, month or season from dated layers, each variable on its own."
    ABOUT = (
        "Layers count by the time that they share with a period: an 8-day layer at the turn of a month gives each "
        "month its days, and the 5-day composite at the end of a year counts 5 days. Maximum, minimum and median take "
        "the layers with at least half of their time in the period, each counting the same.\n\nRain, "
        "evapotranspiration and the like in mm (kg/m2) are amounts and are added up; states, indices and rates are "
        "averaged. The mean of amounts is their rate per day (mm/day). The log says which was done, and lists the "
        "periods without a value.\n\nDates come from the layers' "
        "metadata or names: 2021-08, 2021-08-03, 20210803 or 2021215."
    )
    TAGS = ("aggregate", "monthly", "mean", "sum", "dekad", "temporal", "time series", "8-day", "season", "composite")
    PACKAGES = ("matplotlib",)

    LAYERS, PERIOD, CUSTOM, PERIODS_OF = "LAYERS", "PERIOD", "CUSTOM_PERIODS", "PERIODS_OF"
    METHOD, MIN_COVERAGE, RESCALE_SUMS = "METHOD", "MIN_COVERAGE", "RESCALE_SUMS"
    UTC_OFFSET, HOURS, SOURCE_DAYS = "UTC_OFFSET", "HOURS", "SOURCE_DAYS"
    VARIABLES, KEEP_GAPS, OUTPUT, COVERAGE = "VARIABLES", "KEEP_GAPS", "OUTPUT", "COVERAGE"
    COMPOSITES, GAPS = "COMPOSITES", "GAPS"

    def declare(self) -> None:
        number, raster = QgsProcessingParameterNumber.Type, QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.LAYERS, self.tr("Dated layers"), raster),
            self.tr(
                "One layer with a band per date, or many dated layers, of any number of variables, all on one grid."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.PERIOD, self.tr("Period"), KINDS, defaultValue="month", usesStaticStrings=True
            ),
            self.tr(
                "8 and 16 days start again each 1 January; dekads on the 1st, 11th and 21st of a month, 5 days on the "
                "1st, 6th ... 26th. Seasons are DJF, MAM, JJA and SON; winter belongs to the year of its December."
            ),
        )
        self.add(
            QgsProcessingParameterString(self.CUSTOM, self.tr("Custom periods"), optional=True),
            self.tr(
                "For 'custom': start dates such as 2021-04-01, 2021-06-15, 2021-09-30 (the last one only ends), or "
                "periods such as 2021-04-01/2021-05-01 (end exclusive), or a length such as 10 days from 2021-04-01."
            ),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(
                self.PERIODS_OF, self.tr("Layers whose periods are used"), raster, optional=True
            ),
            self.tr("For 'other layers': the dated layers to match, such as the coarse soil moisture."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.METHOD, self.tr("Method"), METHODS, defaultValue="auto", usesStaticStrings=True
            ),
            self.tr(
                "'auto' adds up rain, evapotranspiration and runoff in mm, kg/m2 or m of water, and averages all else. "
                "The sum of a rate (mm/day) is the amount in mm; the mean of amounts (mm) is their rate in mm/day, "
                "each layer divided by its days. Layers of exactly one time, such as morning and evening overpasses, "
                "all count but cannot be summed."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.MIN_COVERAGE, self.tr("Minimum coverage"), number.Double, 0.5, minValue=0.0, maxValue=1.0
            ),
            self.tr(
                "Share of a period's time, 0 to 1, that the valid layers of a pixel must cover; others stay empty."
            ),
        )
        self.add(
            QgsProcessingParameterBoolean(self.RESCALE_SUMS, self.tr("Scale sums to the full period"), False),
            self.tr(
                "Divides each sum by the share of the period that is covered. Without it a sum holds only what the "
                "layers hold."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.UTC_OFFSET,
                self.tr("Local clock, hours ahead of UTC"),
                number.Double,
                0.0,
                minValue=-14,
                maxValue=14,
            ),
            self.tr(
                "For layers of parts of a day, such as 3-hourly ones: their days begin at local midnight, 8 for China, "
                "-5.5 is five and a half hours behind; -14 to 14. Layers of whole days keep their dates."
            ),
        )
        self.add(
            QgsProcessingParameterString(self.HOURS, self.tr("Hours of the local day"), optional=True),
            self.tr(
                "For layers of parts of a day: 06:00 takes the layer that holds this time (the SMAP morning overpass) "
                "for its day, 09:00-15:00 the time between. Empty takes the whole day."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.SOURCE_DAYS, self.tr("Days that a layer stands for"), number.Integer, 0, minValue=0, maxValue=366
            ),
            self.tr(
                "For layers of several days whose names give only the first one: 8 for MOD11A2 or MOD16A2. None runs "
                "past 31 December. 0 takes the dates as they are, 366 is the most."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.VARIABLES, self.tr("Only these variables"), optional=True),
            self.tr("Names separated by commas; empty takes every band of the layers."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean(self.KEEP_GAPS, self.tr("Write empty bands for gaps"), False),
            self.tr("Keeps a band for periods without a value; otherwise they are left out and listed."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Composites")),
            self.tr("A stack with a band per variable and period, which the other algorithms take as it is."),
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.COVERAGE, self.tr("Coverage"), optional=True, createByDefault=False
            ),
            self.tr("For every composite the share of its time with valid layers, 0 to 1 per pixel."),
            advanced=True,
        )
        add_running(self)
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.COMPOSITES, self.tr("Composites with a value")))
        self.addOutput(QgsProcessingOutputNumber(self.GAPS, self.tr("Gaps")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.composite import COVERAGE_SUFFIX, CompositeOptions, make_composites
        from ...core.prepare.composite_report import composite_report
        from ...core.prepare.composite_wording import log_lines

        output, coverage = (self.raster_output(parameters, name, context) for name in (self.OUTPUT, self.COVERAGE))
        options = CompositeOptions(
            period=self.parameterAsString(parameters, self.PERIOD, context),
            custom=self.parameterAsString(parameters, self.CUSTOM, context),
            periods_of=self.paths(self.PERIODS_OF),
            method=self.parameterAsString(parameters, self.METHOD, context),
            min_coverage=self.parameterAsDouble(parameters, self.MIN_COVERAGE, context),
            rescale_sums=self.parameterAsBoolean(parameters, self.RESCALE_SUMS, context),
            utc_offset=self.parameterAsDouble(parameters, self.UTC_OFFSET, context),
            hours=self.parameterAsString(parameters, self.HOURS, context),
            source_days=self.parameterAsInt(parameters, self.SOURCE_DAYS, context),
            variables=self.names(parameters, self.VARIABLES, context),
            keep_gaps=self.parameterAsBoolean(parameters, self.KEEP_GAPS, context),
        )
        running = running_of(self, parameters, context)
        result = make_composites(self.paths(self.LAYERS), output, options, coverage or None, progress, running)
        for line in log_lines(result):
            progress.info(line)
        for note in result.notes:
            progress.warn(note)
        periods, names = [*result.written_periods], [one.name for one in result.variables]
        style_when_loaded(context, output, self.tr("Composites"), factor_style(periods, names, result.display_range))
        shares = factor_style(periods, [name + COVERAGE_SUFFIX for name in names], (0.0, 1.0))
        style_when_loaded(context, coverage, self.tr("Coverage"), shares)
        report = self.write_report(composite_report(result), parameters, context)
        return {
            self.OUTPUT: output,
            **({self.COVERAGE: coverage} if coverage else {}),
            self.COMPOSITES: len(result.results) - len(result.gaps),
            self.GAPS: len(result.gaps),
            **report,
        }
