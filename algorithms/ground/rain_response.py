"""Response to rain: does soil moisture rise when it rained, and how fast?"""

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
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterString,
    QgsWkbTypes,
)

from ...core.errors import InputError
from ...core.progress import Progress
from ..fields import plain
from ..styling import graduated, style_when_loaded
from .optional_stations import OptionalStations
from .score_outputs import declare_score_outputs, write_rows, write_score_outputs
from .styles import R_CLASSES, polygons
from .zone_source import check_field, shape_of, zones_of


class RainResponse(OptionalStations):
    ID = "rainresponse"
    TITLE = "Response to rain"
    GROUP = "ground"
    SUMMARY = (
        "Compares soil moisture of stations, cells or zones with precipitation: correlations at lags, and the mean "
        "course around rain events."
    )
    ABOUT = (
        "Rain is the best independent witness there is nearly everywhere: soil moisture has to rise within a day of a "
        "heavy rain and to fall after it. Correlations are given for soil moisture and its changes with rain and with "
        "the antecedent precipitation index, at lags of 0 to 10 days (0 to 3 months), for values and anomalies, with p "
        "values that know that neighbouring days repeat each other.\n\nWith stations and maps together, the maps are "
        "read at the stations and both are compared with the same rain."
        "\n\nA map made with rain as a predictor follows that rain by construction: take another rain product then."
    )
    TAGS = ("precipitation", "rainfall", "CHIRPS", "ERA5-Land", "GPM", "lag", "event", "API", "dry-down")
    PACKAGES = ("scipy", "matplotlib")

    RAIN, MAPS, SITES, SITE_NAME = "RAIN", "MAPS", "SITES", "SITE_NAME"
    ANOMALIES, THRESHOLD, DRY_DAYS, LAGS = "ANOMALIES", "THRESHOLD", "DRY_DAYS", "LAGS"
    DECAY, RAIN_UNIT, MIN_PAIRS, MIN_SHARE = "DECAY", "RAIN_UNIT", "MIN_PAIRS", "MIN_SHARE"
    BAND, RAIN_BAND, OUTPUT = "BAND", "RAIN_BAND", "OUTPUT"
    NUMBERS = {
        "R_P": "Median R of soil moisture and rain",
        "R_DSM": "Median R of changes and rain",
        "R_API": "Median R of soil moisture and API",
        "EVENTS": "Events",
        "RISE": "Mean rise after events",
        "PEAK_DAY": "Day of the highest soil moisture after events",
    }

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.RAIN, self.tr("Precipitation"), raster),
            self.tr("Dated layers of rain, daily or monthly, in mm (amounts of their period) or mm/day."),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.MAPS, self.tr("Soil moisture maps"), raster, optional=True),
            self.tr("Dated maps, read at the stations, or at the places below."),
        )
        self.declare_optional_stations(self.tr("Stations to compare with the rain at their place."))
        self.add(
            QgsProcessingParameterFeatureSource(
                self.SITES,
                self.tr("Places"),
                [QgsProcessing.SourceType.TypeVectorPoint, QgsProcessing.SourceType.TypeVectorPolygon],
                optional=True,
            ),
            self.tr("For maps without stations: points take the cells they lie in, polygons the means over them."),
        )
        self.add(
            QgsProcessingParameterField(
                self.SITE_NAME, self.tr("Field with the place"), parentLayerParameterName=self.SITES, optional=True
            ),
            self.tr("The places' names in the tables; empty numbers them."),
            advanced=True,
        )
        self.add_choice(
            self.ANOMALIES,
            self.tr("Anomalies"),
            ["auto", "35-day window", "months", "none"],
            self.tr(
                "What is taken off soil moisture and rain for the correlations of anomalies; 'auto' by their dates."
            ),
            advanced=True,
        )
        self.add_number(
            self.THRESHOLD,
            self.tr("Rain of an event (mm)"),
            10.0,
            self.tr("A day with at least this much rain, after dry days, is an event."),
            minValue=0.1,
        )
        self.add_number(
            self.DRY_DAYS,
            self.tr("Dry days before an event"),
            3,
            self.tr("Days below 1 mm that set an event apart from the rain before."),
            whole=True,
            advanced=True,
            minValue=0,
            maxValue=30,
        )
        self.add_number(
            self.LAGS,
            self.tr("Largest lag"),
            0,
            self.tr("In days, or in steps of longer periods; 0 takes 10 days or 3 steps."),
            whole=True,
            advanced=True,
            minValue=0,
            maxValue=60,
        )
        self.add_number(
            self.DECAY,
            self.tr("Decay of the API"),
            0.9,
            self.tr("Share of the antecedent precipitation index that is left after a day."),
            advanced=True,
            minValue=0.01,
            maxValue=0.999,
        )
        self.add_choice(
            self.RAIN_UNIT,
            self.tr("Unit of the rain"),
            ["auto", "mm", "mm/day", "mm/month", "mm/h", "m", "kg m-2 s-1"],
            self.tr("'auto' takes what the layer declares, and mm of each period where it declares none."),
            advanced=True,
        )
        self.add_number(
            self.MIN_PAIRS,
            self.tr("Fewest pairs"),
            30,
            self.tr(
                "Days, or steps, with both rain and soil moisture that a correlation needs; 10 will do for months."
            ),
            whole=True,
            minValue=3,
        )
        self.add_number(
            self.MIN_SHARE,
            self.tr("Smallest share of a period"),
            0.3,
            self.tr("Share of the days of a longer step that soil moisture must cover."),
            advanced=True,
            minValue=0.01,
            maxValue=1.0,
        )
        self.add(
            QgsProcessingParameterString(self.BAND, self.tr("Variable of the maps"), optional=True),
            self.tr("Band name of soil moisture where files hold several variables."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.RAIN_BAND, self.tr("Variable of the rain"), optional=True),
            self.tr("Band name of rain where files hold several variables and none is called precipitation or rain."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFeatureSink(self.OUTPUT, self.tr("Places with scores"), optional=True),
            self.tr(
                "Stations, points or zones, coloured by R with the rain: of the changes of soil moisture by day, of "
                "itself by month."
            ),
        )
        text = self.tr("Highest correlation, its lag and p value per place, for values and anomalies, and the events.")
        declare_score_outputs(self, self.NUMBERS, text)

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self._places: QgsProcessingFeatureSource | None = self.parameterAsSource(parameters, self.SITES, context)
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.ground.rain_response.report import rain_report
        from ...core.ground.rain_response.results import RainOptions
        from ...core.ground.rain_response.run import rain_response

        stations = self.has_stations(parameters, context)
        if stations and self._places is not None:
            raise InputError("Give stations or places, not both: with stations the maps are read at the stations.")
        where = None if self._places is None else self._where(parameters, context)
        result = rain_response(
            self.paths(self.RAIN),
            self.paths(self.MAPS),
            self.observations(parameters, context, progress) if stations else None,
            where,
            RainOptions(
                threshold=self.parameterAsDouble(parameters, self.THRESHOLD, context),
                dry_days=self.parameterAsInt(parameters, self.DRY_DAYS, context),
                decay=self.parameterAsDouble(parameters, self.DECAY, context),
                lags=self.parameterAsInt(parameters, self.LAGS, context),
                min_pairs=self.parameterAsInt(parameters, self.MIN_PAIRS, context),
                anomalies=self.parameterAsString(parameters, self.ANOMALIES, context),
                min_share=self.parameterAsDouble(parameters, self.MIN_SHARE, context),
                unit=self.parameterAsString(parameters, self.RAIN_UNIT, context),
            ),
            self.parameterAsString(parameters, self.BAND, context).strip() or None,
            self.parameterAsString(parameters, self.RAIN_BAND, context).strip() or None,
            progress,
        )
        for note in result.notes:
            progress.info(note)
        if result.rain_sentence:
            progress.warn(result.rain_sentence)
        report = rain_report(result)
        progress.info(report.verdict)
        outputs: dict[str, Any] = {}
        if parameters.get(self.OUTPUT) not in (None, ""):
            outputs[self.OUTPUT] = self._write(result, where, parameters, context)
        numbers = {name: report.data[name.lower()] for name in self.NUMBERS}
        return {**outputs, **write_score_outputs(self, report, numbers, parameters, context)}

    def _where(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Any:
        """Polygons as zones, points as places."""
        import numpy as np

        from ...core.ground.rain_response.sites import Places
        from ...core.ground.rasters.zones import names_of

        source = self._places
        assert source is not None
        field = self.parameterAsString(parameters, self.SITE_NAME, context)
        check_field(source, field)
        kind = QgsWkbTypes.geometryType(source.wkbType())
        if kind == QgsWkbTypes.GeometryType.PolygonGeometry:
            return zones_of(source, field)
        if kind != QgsWkbTypes.GeometryType.PointGeometry:
            raise InputError(f"Places are points or polygons, but the layer {source.sourceName()} holds neither.")
        names, points = [], []
        for feature in source.getFeatures():
            if feature.hasGeometry() and not feature.geometry().isEmpty():
                point = feature.geometry().centroid().asPoint()
                names.append(plain(feature[field]) if field else None)
                points.append((point.x(), point.y()))
        if not points:
            raise InputError("The layer of places holds no feature with a place.")
        x, y = np.array(points, dtype=np.float64).T
        return Places(names_of(names, "place"), x, y, source.sourceCrs().toWkt())

    def _write(self, result: Any, where: Any, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        rows = [place.flat() for place in result.places]
        field = "R_dSM" if result.step == "day" else "R_P"
        field += "_anomaly" if result.method != "none" else ""
        if hasattr(where, "wkb"):
            number = {name: k for k, name in enumerate(where.names)}
            shapes = [shape_of(where.wkb[number[place.place]]) for place in result.places]
            kind, style = QgsWkbTypes.Type.MultiPolygon, polygons(field, R_CLASSES)
        else:
            shapes = [QgsGeometry.fromPointXY(QgsPointXY(place.x, place.y)) for place in result.places]
            kind, style = QgsWkbTypes.Type.Point, graduated(field, R_CLASSES)
        identifier = write_rows(self, parameters, self.OUTPUT, context, shapes, rows, kind, result.crs_wkt)
        style_when_loaded(context, identifier, self.tr("Response to rain: R"), style)
        return identifier
