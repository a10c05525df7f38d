"""The layers of a station import: values by station and period, and the stations themselves."""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QMetaType, QTime

from ...core.errors import InputError
from ...core.progress import Progress
from ..fields import field_of_type
from ..styling import graduated, style_when_loaded
from .station_files import StationFiles

_TEXT, _NUMBER, _WHOLE = QMetaType.Type.QString, QMetaType.Type.Double, QMetaType.Type.Int
_BATCH = 5000
MOISTURE_CLASSES = [
    (0.0, 0.1, "#a9713a", "up to 0.1 m³/m³"),
    (0.1, 0.2, "#d9b27c", "0.1 to 0.2"),
    (0.2, 0.3, "#c5dfe3", "0.2 to 0.3"),
    (0.3, 0.4, "#7fb8d0", "0.3 to 0.4"),
    (0.4, 1.0, "#1a4f86", "more than 0.4"),
]


class StationLayers(StationFiles):
    """An algorithm that writes stations to OUTPUT and STATIONS."""

    PERIOD, OUTPUT, STATIONS = "PERIOD", "OUTPUT", "STATIONS"

    def write_values(
        self,
        places: list[tuple[str, str, float, float, float, float]],
        values: IO[bytes],
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        progress: Progress,
    ) -> str:
        """Write the values that wait on disk, key, value and readings of each place in turn; returns the layer."""
        single = self.parameterAsString(parameters, self.PERIOD, context) == "reading"
        fields = _fields(
            station=_TEXT,
            network=_TEXT,
            date=QMetaType.Type.QDateTime if single else QMetaType.Type.QDate,
            soil_moisture=_NUMBER,
            depth_from=_NUMBER,
            depth_to=_NUMBER,
            readings=_WHOLE,
            lon=_NUMBER,
            lat=_NUMBER,
        )
        sink, identifier = self._sink(self.OUTPUT, fields, parameters, context)
        for number, (name, network, x, y, top, bottom) in enumerate(places):
            progress.set(number / len(places), "Writing values")
            progress.check()
            key, value, readings = (np.load(values, allow_pickle=False) for _ in range(3))
            geometry = QgsGeometry.fromPointXY(QgsPointXY(x, y))
            for start in range(0, len(key), _BATCH):
                batch = []
                rows = slice(start, start + _BATCH)
                for when, mean, count in zip(key[rows].tolist(), value[rows].tolist(), readings[rows].tolist()):
                    feature = QgsFeature(fields)
                    feature.setGeometry(geometry)
                    feature.setAttributes([name, network, _date(when), mean, *map(_known, (top, bottom)), count, x, y])
                    batch.append(feature)
                progress.check()
                if not sink.addFeatures(batch, QgsFeatureSink.Flag.FastInsert):
                    raise InputError(f"The values could not be written to {identifier}: is the disk full?")
        del sink
        style_when_loaded(
            context, identifier, self.tr("Soil moisture of stations"), graduated("soil_moisture", MOISTURE_CLASSES)
        )
        return identifier

    def write_stations(self, result: Any, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        """Write one point per station; returns the layer."""
        fields = _fields(
            station=_TEXT,
            network=_TEXT,
            sensors=_TEXT,
            first=_TEXT,
            last=_TEXT,
            readings=_WHOLE,
            values=_WHOLE,
            mean=_NUMBER,
            lowest=_NUMBER,
            highest=_NUMBER,
            depth_from=_NUMBER,
            depth_to=_NUMBER,
            cover=_NUMBER,
            note=_TEXT,
            lon=_NUMBER,
            lat=_NUMBER,
        )
        sink, identifier = self._sink(self.STATIONS, fields, parameters, context)
        for station in result.stations:
            feature = QgsFeature(fields)
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(station.x, station.y)))
            feature.setAttributes(
                [
                    station.name,
                    station.network,
                    ", ".join(station.sensors),
                    station.first or None,
                    station.last or None,
                    station.readings,
                    station.values,
                    *map(_known, (station.mean, station.lowest, station.highest)),
                    *map(_known, (station.depth_from, station.depth_to, station.cover)),
                    "; ".join(filter(None, (station.reason, *station.notes))),
                    station.x,
                    station.y,
                ]
            )
            sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
        del sink
        style_when_loaded(context, identifier, self.tr("Stations: mean"), graduated("mean", MOISTURE_CLASSES))
        return identifier

    def _sink(
        self, name: str, fields: QgsFields, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[Any, str]:
        self.make_folder(parameters, name)
        crs = QgsCoordinateReferenceSystem("EPSG:4326")
        sink, identifier = self.parameterAsSink(parameters, name, context, fields, QgsWkbTypes.Type.Point, crs)
        if sink is None:
            raise InputError(self.invalidSinkError(parameters, name))
        return sink, identifier


def _fields(**kinds: QMetaType.Type) -> QgsFields:
    fields = QgsFields()
    for name, kind in kinds.items():
        fields.append(field_of_type(name, kind))
    return fields


def _date(when: Any) -> Any:
    """A date or datetime of numpy as Qt's; None for undated values."""
    if when is None:
        return None
    day = QDate(when.year, when.month, when.day)
    return QDateTime(day, QTime(when.hour, when.minute)) if hasattr(when, "hour") else day


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
