"""Validate with points: soil moisture maps, and their coarse sources, against stations or field samples."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsGeometry,
    QgsPointXY,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterField,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsWkbTypes,
)

from ...core.errors import InputError
from ...core.progress import Progress
from ..fields import plain
from ..styling import graduated, style_when_loaded
from .score_outputs import write_rows
from .station_source import StationSource
from .styles import GAIN_CLASSES, R_CLASSES


class ValidatePoints(StationSource):
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
        "stations.\n\n"
        "R in time, in space, without the season and inside coarse cells are kept apart; the error is split into "
        "level, amplitude and timing; scores are given per season, year and class. Several products are compared on "
        "the pairs that all of them have."
    )
    TAGS = ("validation", "stations", "in situ", "ISMN", "accuracy", "ubRMSE", "RMSE", "correlation")
    PACKAGES = ("scipy", "matplotlib")

    PRODUCT, BASELINE, BAND, MIN_PAIRS = "PRODUCT", "BASELINE", "BAND", "MIN_PAIRS"
    CLASS, LANDCOVER, OUTPUT, TABLE = "CLASS", "LANDCOVER", "OUTPUT", "TABLE"
    NUMBERS = {
        "PAIRS": "Pairs",
        "R": "R",
        "R_SMOOTH": "R of the smooth coarse source",
        "R_COARSE": "R of the replicated coarse source",
        "UBRMSE": "ubRMSE",
        "BIAS": "Bias",
        "R_ANOMALY": "R without the season",
        "RANKED_RIGHT": "Share of stations in one coarse cell that are ranked right",
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
        self.declare_stations()
        self.add(
            QgsProcessingParameterString(self.BAND, self.tr("Variable of the maps"), optional=True),
            self.tr(
                "Band name to use where the maps hold several variables; several names, parted by commas, are compared "
                "with each other (sm_surface, sm_rootzone)."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterField(
                self.CLASS, self.tr("Field with classes"), parentLayerParameterName=self.POINTS, optional=True
            ),
            self.tr("Land cover, soil, network, depth ...: scores are given for every class, too."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterLayer(self.LANDCOVER, self.tr("Class raster"), optional=True),
            self.tr("A raster of classes, such as land cover: scores are given for the stations of every class, too."),
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
            self.tr("Scores per station and product, with the column names and status codes of QA4SM."),
            advanced=True,
        )
        for name, title in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, self.tr(title)))

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self.prepare_stations(parameters, context)
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.ground.layers import product_periods
        from ...core.ground.points import validate_points
        from ...core.ground.points_report import points_report

        band = self.parameterAsString(parameters, self.BAND, context).strip() or None
        periods = product_periods(self.paths(self.PRODUCT), band)
        observations = self.observations(parameters, context, progress, periods)
        result = validate_points(
            self.paths(self.PRODUCT),
            observations,
            self.paths(self.BASELINE) or None,
            min_pairs=self.parameterAsInt(parameters, self.MIN_PAIRS, context),
            band_name=band,
            station_classes=self._classes(observations, parameters, context, progress),
            progress=progress,
        )
        for product in result.products:
            progress.info(product.verdict.sentence)
        if result.comparison is not None:
            progress.info(result.comparison.sentence)
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
        if first.anomaly.n:
            numbers["R_ANOMALY"] = first.anomaly.pooled_r["product"].value
        if first.inside_cell is not None and first.inside_cell.ranking["product"].pairs:
            numbers["RANKED_RIGHT"] = first.inside_cell.ranking["product"].share.value
        return {**outputs, **numbers, **({self.TABLE: table} if table else {})}

    def _classes(
        self, observations: Any, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress
    ) -> dict[str, tuple[str, ...]]:
        """Kinds of classes with a label per station."""
        from ...core.ground.groups import point_classes, raster_classes

        classes = {}
        field = self.parameterAsString(parameters, self.CLASS, context)
        if field and self._points is not None:
            if field not in self._points.fields().names():
                known = ", ".join(self._points.fields().names())
                raise InputError(f"The point layer has no field {field!r} (given as {self.CLASS}); it has {known}.")
            x, y, labels = [], [], []
            for feature in self._points.getFeatures():
                label = plain(feature[field])
                if feature.hasGeometry() and label is not None:
                    point = feature.geometry().centroid().asPoint()
                    x.append(point.x())
                    y.append(point.y())
                    labels.append(f"{label:g}" if isinstance(label, float) else str(label))
            classes[field[:1].upper() + field[1:]], note = point_classes(observations, x, y, labels)
            if note:
                progress.warn(f"Classes of {field}: {note}")
        path = self.path(self.LANDCOVER)
        if path:
            classes["Class of the raster" if classes else "Land cover"] = raster_classes(path, observations)
        return classes

    def _write_stations(self, result: Any, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        product = result.products[0]
        stations = (*product.stations, *product.missing)
        rows = [row.flat() for row in stations]
        places = [QgsGeometry.fromPointXY(QgsPointXY(station.x, station.y)) for station in stations]
        kind = QgsWkbTypes.Type.Point
        identifier = write_rows(self, parameters, self.OUTPUT, context, places, rows, kind, result.crs_wkt)
        by_gain = any("dR_smooth" in row for row in rows)
        style = graduated("dR_smooth", GAIN_CLASSES) if by_gain else graduated("R", R_CLASSES)
        style_when_loaded(
            context, identifier, self.tr("Stations: gain in R") if by_gain else self.tr("Stations: R"), style
        )
        return identifier
