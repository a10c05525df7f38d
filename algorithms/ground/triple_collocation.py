"""Triple collocation: the errors of three soil moisture products without a truth."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsGeometry,
    QgsPointXY,
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

from ...core.errors import InputError
from ...core.progress import Progress
from ..styling import factor_style, graduated, style_when_loaded
from .optional_stations import OptionalStations
from .score_outputs import declare_score_outputs, write_rows, write_score_outputs
from .styles import SNR_CLASSES, polygons
from .zone_source import ZONE_NAME, ZONES, declare_zones, shape_of, zones_of


class TripleCollocation(OptionalStations):
    ID = "triplecollocation"
    TITLE = "Triple collocation"
    GROUP = "ground"
    SUMMARY = (
        "Estimates the errors of three soil moisture products, or of two products and stations, without taking any of "
        "them as the truth."
    )
    ABOUT = (
        "Of three products whose errors have nothing to do with each other, what they have in common is the truth, and "
        "what they do not have in common are their errors. The result is, for each, the standard deviation of its "
        "error (on the scale of the first product), its signal-to-noise ratio in dB (0: as much noise as signal, 3: "
        "twice as much signal) and its correlation with the truth.\n\nThe errors must be independent: a downscaled map "
        "and its coarse source may not both be in, nor two products of one satellite, nor two models driven by the "
        "same rain. What the layers' names and metadata tell about this is checked and said.\n\nAnomalies are "
        "recommended: a common season would count as truth. At least 100 triplets of days are needed."
    )
    TAGS = ("triple collocation", "error", "SNR", "signal to noise", "uncertainty", "extended collocation", "ETC")
    PACKAGES = ("scipy", "matplotlib")

    FIRST, SECOND, THIRD = "FIRST", "SECOND", "THIRD"
    ANOMALIES, MIN_TRIPLETS = "ANOMALIES", "MIN_TRIPLETS"
    MIN_VALID, MIN_SHARE, BAND = "MIN_VALID", "MIN_SHARE", "BAND"
    OUTPUT, SCORES = "OUTPUT", "SCORES"
    NUMBERS = {
        **{f"R_{letter}": f"R with the truth, {which}" for letter, which in zip("XYZ", ("first", "second", "third"))},
        **{f"SNR_{letter}": f"SNR, {which}" for letter, which in zip("XYZ", ("first", "second", "third"))},
        **{f"ERROR_{letter}": f"Error, {which}" for letter, which in zip("XYZ", ("first", "second", "third"))},
        "WARNINGS": "Warnings about independence",
    }

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        for name, title, text, optional in (
            (
                self.FIRST,
                "First product",
                "Its scale is that of the errors: choose the one in m3/m3 you know best.",
                False,
            ),
            (self.SECOND, "Second product", "Layers of another source; grid and periods may differ.", False),
            (self.THIRD, "Third product", "Layers of a third source; empty where stations are the third.", True),
        ):
            parameter = QgsProcessingParameterMultipleLayers(name, self.tr(title), raster, optional=optional)
            self.add(parameter, self.tr(text))
        self.declare_optional_stations(
            self.tr("Stations as the third product: the errors are estimated at each station and its pixels.")
        )
        self.add_choice(
            self.ANOMALIES,
            self.tr("Anomalies"),
            ["auto", "35-day window", "months", "none"],
            self.tr(
                "'auto' takes the 35-day window for daily to 10-day series and calendar months for longer ones of two "
                "years or more. 'none' takes the values as they are: the season they share then counts as signal."
            ),
        )
        self.add_number(
            self.MIN_TRIPLETS,
            self.tr("Fewest triplets"),
            100,
            self.tr("Pixels and stations with fewer common periods get no estimate. Below 100 estimates mean little."),
            whole=True,
            advanced=True,
            minValue=10,
        )
        text = self.tr("Polygons whose mean series get estimates with intervals; only for three products of maps.")
        declare_zones(self, text, advanced=True)
        self.add_number(
            self.MIN_VALID,
            self.tr("Smallest valid share of a cell"),
            0.5,
            self.tr("Share of a cell's area, 0 to 1, that the finer products must know."),
            advanced=True,
            minValue=0.01,
            maxValue=1.0,
        )
        self.add_number(
            self.MIN_SHARE,
            self.tr("Smallest share of a period"),
            0.3,
            self.tr("Share of the days of the longest periods that shorter layers must cover."),
            advanced=True,
            minValue=0.01,
            maxValue=1.0,
        )
        self.add(
            QgsProcessingParameterString(self.BAND, self.tr("Variable of the maps"), optional=True),
            self.tr("Band name to use where files hold several variables; files without it keep their own."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.OUTPUT, self.tr("Maps of errors"), optional=True, createByDefault=True
            ),
            self.tr(
                "For three products of maps: bands of R with the truth, SNR, error and scaling of each, and the number "
                "of triplets."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSink(
                self.SCORES, self.tr("Stations or zones with errors"), optional=True, createByDefault=False
            ),
            self.tr("Stations or zones with the estimates, coloured by the SNR of the first product."),
        )
        text = self.tr("Estimates with their intervals per station or zone.")
        declare_score_outputs(self, self.NUMBERS, text)

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self._zones: QgsProcessingFeatureSource | None = self.parameterAsSource(parameters, ZONES, context)
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.ground.triple_collocation.at_stations import collocate_stations
        from ...core.ground.triple_collocation.report import triple_report
        from ...core.ground.triple_collocation.results import TripleOptions
        from ...core.ground.triple_collocation.triple import collocate_maps

        third, stations = self.paths(self.THIRD), self.has_stations(parameters, context)
        if bool(third) == stations:
            raise InputError(
                "Give stations or a third product, not both."
                if third
                else "Give a third product, or stations as the third."
            )
        options = TripleOptions(
            min_triplets=self.parameterAsInt(parameters, self.MIN_TRIPLETS, context),
            min_share=self.parameterAsDouble(parameters, self.MIN_SHARE, context),
            min_valid=self.parameterAsDouble(parameters, self.MIN_VALID, context),
            anomalies=self.parameterAsString(parameters, self.ANOMALIES, context),
        )
        band = self.parameterAsString(parameters, self.BAND, context).strip() or None
        products = self.paths(self.FIRST), self.paths(self.SECOND)
        outputs: dict[str, Any] = {}
        zones = None
        if stations:
            observations = self.observations(parameters, context, progress)
            result = collocate_stations(*products, observations, options, band, progress)
        else:
            if self._zones is not None:
                zones = zones_of(self._zones, self.parameterAsString(parameters, ZONE_NAME, context))
            output = self.raster_output(parameters, self.OUTPUT, context)
            if not output:
                raise InputError("Name a file for the maps of errors.")
            result = collocate_maps(*products, third, output, zones, options, band, progress)
            outputs[self.OUTPUT] = output
            title = self.tr("Triple collocation: R with the truth")
            style_when_loaded(context, output, title, factor_style([], ["r"], (0.0, 1.0)))
        for note in result.notes:
            progress.info(note)
        for warning in result.dependence:
            progress.warn(warning.text)
        report = triple_report(result)
        progress.info(report.verdict)
        if parameters.get(self.SCORES) not in (None, "") and result.series:
            outputs[self.SCORES] = self._write_scores(result, zones, parameters, context)
        numbers: dict[str, float] = {"WARNINGS": len(result.dependence)}
        for name, key in (("R", "r"), ("SNR", "snr"), ("ERROR", "error_sd")):
            for letter, value in zip("XYZ", result.medians.get(key, ())):
                numbers[f"{name}_{letter}"] = float(value)
        return {**outputs, **write_score_outputs(self, report, numbers, parameters, context)}

    def _write_scores(self, result: Any, zones: Any, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        from ...core.ground.triple_collocation.report import flat

        rows = [flat(one, result) for one in result.series]
        if zones is not None:
            number = {name: k for k, name in enumerate(zones.names)}
            shapes = [shape_of(zones.wkb[number[one.name]]) for one in result.series]
            kind, style = QgsWkbTypes.Type.MultiPolygon, polygons("snr_x", SNR_CLASSES)
        else:
            shapes = [QgsGeometry.fromPointXY(QgsPointXY(one.x, one.y)) for one in result.series]
            kind, style = QgsWkbTypes.Type.Point, graduated("snr_x", SNR_CLASSES)
        identifier = write_rows(self, parameters, self.SCORES, context, shapes, rows, kind, result.crs_wkt)
        style_when_loaded(context, identifier, self.tr("Triple collocation: SNR"), style)
        return identifier
