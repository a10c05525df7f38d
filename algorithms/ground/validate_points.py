"""Validate with points: soil moisture maps, and their coarse sources, against stations or field samples."""

from __future__ import annotations

import math
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsGeometry,
    QgsPointXY,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QMetaType

from ...core.errors import InputError
from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..fields import field_of_type, plain
from ..styling import graduated, style_when_loaded

POINT = QgsWkbTypes.GeometryType.PointGeometry
GAIN_CLASSES = [
    (-2.0, -0.1, "#8c3b1a", "worse by more than 0.1"),
    (-0.1, -0.02, "#d98f5f", "worse by 0.02 to 0.1"),
    (-0.02, 0.02, "#f0ead9", "about the same"),
    (0.02, 0.1, "#85b7d4", "better by 0.02 to 0.1"),
    (0.1, 2.0, "#1f5a93", "better by more than 0.1"),
]
R_CLASSES = [
    (-1.0, 0.0, "#8c3b1a", "R below 0"),
    (0.0, 0.2, "#d98f5f", "0 to 0.2"),
    (0.2, 0.4, "#f0d9b5", "0.2 to 0.4"),
    (0.4, 0.6, "#cfe2ea", "0.4 to 0.6"),
    (0.6, 0.8, "#7fb3d1", "0.6 to 0.8"),
    (0.8, 1.0, "#1f5a93", "0.8 to 1"),
]


class ValidatePoints(SoilMoistureAlgorithm):
    ID = "validatepoints"
    TITLE = "Validate with points"
    GROUP = "ground"
    SUMMARY = (
        "Compares soil moisture maps with stations or field samples, and with their own coarse source on the same "
        "pairs."
    )
    ABOUT = (
        "The question is not whether a fine map correlates with stations, but whether it does so better than the "
        "coarse product it came from. The coarse baseline is taken twice, as the replicated cell and as a smooth "
        "interpolation, on exactly the same pairs; the difference comes with a paired test and a bootstrap over "
        "stations."
    )
    TAGS = ("validation", "stations", "in situ", "ISMN", "accuracy", "ubRMSE", "RMSE", "correlation")
    PACKAGES = ("scipy", "matplotlib")

    PRODUCT, BASELINE, POINTS, VALUE, DATE, STATION = "PRODUCT", "BASELINE", "POINTS", "VALUE", "DATE", "STATION"
    UNIT, DATE_ORDER, BAND, MIN_PAIRS, OUTPUT, TABLE = "UNIT", "DATE_ORDER", "BAND", "MIN_PAIRS", "OUTPUT", "TABLE"
    NUMBERS = {
        "PAIRS": "Pairs",
        "R": "R",
        "R_SMOOTH": "R of the smooth coarse source",
        "R_COARSE": "R of the replicated coarse source",
        "UBRMSE": "ubRMSE",
        "BIAS": "Bias",
    }

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.PRODUCT, self.tr("Soil moisture maps"), raster),
            self.tr(
                "One layer with a band per date, or one dated layer per date; several products are compared on the "
                "same points."
            ),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.BASELINE, self.tr("Coarse source"), raster, optional=True),
            self.tr(
                "The COARSE stack or the coarse layers the maps were made from. Without it nothing can be said about "
                "downscaling."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                self.POINTS, self.tr("Points"), [QgsProcessing.SourceType.TypeVectorPoint]
            ),
            self.tr("A point layer with one row per observation: stations with many dates, or field samples."),
        )
        self.add(
            QgsProcessingParameterField(
                self.VALUE, self.tr("Field with soil moisture"), parentLayerParameterName=self.POINTS
            ),
            self.tr("Volumetric soil moisture; text such as 'No Data' counts as missing."),
        )
        self.add(
            QgsProcessingParameterField(
                self.DATE, self.tr("Field with the date"), parentLayerParameterName=self.POINTS, optional=True
            ),
            self.tr(
                "Dates, or text such as 2021-08-03 or 03/08/2021; empty for points that belong to the map's only date."
            ),
        )
        self.add(
            QgsProcessingParameterField(
                self.STATION, self.tr("Field with the station"), parentLayerParameterName=self.POINTS, optional=True
            ),
            self.tr("Name or number of the station; empty takes points of equal coordinates as one station."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.UNIT,
                self.tr("Unit of the points"),
                ["auto", "m3/m3", "percent"],
                defaultValue="auto",
                usesStaticStrings=True,
            ),
            self.tr("'auto' recognises percent by its size and says so in the log."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.DATE_ORDER,
                self.tr("Order of dates in text"),
                ["auto", "iso", "day first", "month first"],
                defaultValue="auto",
                usesStaticStrings=True,
            ),
            self.tr("'auto' asks when 03/08 could be either."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.BAND, self.tr("Variable of the maps"), optional=True),
            self.tr("Band name to use where the maps hold several variables."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.MIN_PAIRS,
                self.tr("Fewest pairs of a station"),
                QgsProcessingParameterNumber.Type.Integer,
                5,
                minValue=3,
            ),
            self.tr("Stations with fewer pairs get no scores of their own."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFeatureSink(
                self.OUTPUT, self.tr("Stations with scores"), QgsProcessing.SourceType.TypeVectorPoint, optional=True
            ),
            self.tr("One point per station, coloured by the gain in R over the smooth coarse source."),
        )
        self.add_report()
        self.add(
            QgsProcessingParameterFileDestination(
                self.TABLE, self.tr("Station table"), self.tr("CSV files (*.csv)"), optional=True, createByDefault=False
            ),
            self.tr("Scores per station, with the column names of QA4SM."),
            advanced=True,
        )
        for name, title in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, self.tr(title)))

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self._points: QgsProcessingFeatureSource | None = self.parameterAsSource(parameters, self.POINTS, context)
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.ground.points import validate_points
        from ...core.ground.points_report import points_report

        observations = self._observations(parameters, context)
        if self._points is not None and QgsWkbTypes.geometryType(self._points.wkbType()) != POINT:
            progress.warn("The layer holds no points: the centre of each line or area is taken.")
        result = validate_points(
            self.paths(self.PRODUCT),
            observations,
            self.paths(self.BASELINE) or None,
            min_pairs=self.parameterAsInt(parameters, self.MIN_PAIRS, context),
            band_name=self.parameterAsString(parameters, self.BAND, context).strip() or None,
            progress=progress,
        )
        for product in result.products:
            progress.info(product.verdict.sentence)
        outputs = {}
        if parameters.get(self.OUTPUT) not in (None, ""):
            outputs[self.OUTPUT] = self._write_stations(result, parameters, context)
        table = self.parameterAsFileOutput(parameters, self.TABLE, context) or None
        outputs |= self.write_report(points_report(result), parameters, context, table)
        first = result.products[0]
        pooled = first.pooled["product"]
        numbers = {"PAIRS": pooled.n, "R": pooled.r, "UBRMSE": pooled.ubrmse, "BIAS": pooled.bias}
        for source in ("smooth", "coarse"):
            if source in first.pooled:
                numbers[f"R_{source.upper()}"] = first.pooled[source].r
        return {**outputs, **numbers, **({self.TABLE: table} if table else {})}

    def _observations(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Any:
        from ...core.ground.observations import clean_observations

        source = self._points
        if source is None:
            raise InputError("The point layer cannot be read.")
        wanted = {
            name: self.parameterAsString(parameters, name, context) for name in (self.VALUE, self.DATE, self.STATION)
        }
        known = source.fields().names()
        if not wanted[self.VALUE]:
            raise InputError(
                f"Choose the field of the point layer that holds soil moisture; it has {', '.join(known)}."
            )
        for name, field in wanted.items():
            if field and field not in known:
                raise InputError(
                    f"The point layer has no field {field!r} (given as {name}); it has {', '.join(known)}."
                )
        columns: dict[str, list[Any]] = {name: [] for name in ("x", "y", *wanted)}
        if source.wkbType() == QgsWkbTypes.Type.NoGeometry:
            raise InputError(
                "The point layer is a table without places: make points of its coordinates first ('Create points layer "
                "from table')."
            )
        for feature in source.getFeatures():
            # Rows without a place are counted with what is left out.
            point = feature.geometry().centroid().asPoint() if feature.hasGeometry() else None
            columns["x"].append(point.x() if point else math.nan)
            columns["y"].append(point.y() if point else math.nan)
            for name, field in wanted.items():
                if field:
                    columns[name].append(plain(feature[field]))
        return clean_observations(
            columns[self.STATION] if wanted[self.STATION] else None,
            columns["x"],
            columns["y"],
            columns[self.DATE] if wanted[self.DATE] else None,
            columns[self.VALUE],
            source.sourceCrs().toWkt(),
            unit=self.parameterAsString(parameters, self.UNIT, context),
            order=self.parameterAsString(parameters, self.DATE_ORDER, context),
        )

    def _write_stations(self, result: Any, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        product = result.products[0]
        rows = [row.flat() for row in product.stations]
        fields = QgsFields()
        names = list(rows[0]) if rows else []
        for name in names:
            text = any(isinstance(row[name], str) for row in rows)
            fields.append(field_of_type(name, QMetaType.Type.QString if text else QMetaType.Type.Double))
        crs = QgsCoordinateReferenceSystem.fromWkt(result.crs_wkt)
        self.make_folder(parameters, self.OUTPUT)
        sink, identifier = self.parameterAsSink(parameters, self.OUTPUT, context, fields, QgsWkbTypes.Type.Point, crs)
        if sink is None:
            raise InputError(self.invalidSinkError(parameters, self.OUTPUT))
        for station, row in zip(product.stations, rows):
            feature = QgsFeature(fields)
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(station.x, station.y)))
            feature.setAttributes([_value(row[name]) for name in names])
            sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
        del sink
        by_gain = "dR_smooth" in names
        style = graduated("dR_smooth", GAIN_CLASSES) if by_gain else graduated("R", R_CLASSES)
        style_when_loaded(
            context, identifier, self.tr("Stations: gain in R") if by_gain else self.tr("Stations: R"), style
        )
        return identifier


def _value(value: Any) -> Any:
    """Attributes are plain numbers and text; NaN is null."""
    if isinstance(value, (str, bool)) or value is None:
        return value
    number = float(value)
    return number if number == number else None
