"""Zones and places of vector layers, as the raster comparisons take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsGeometry,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QMetaType

from ...core.errors import InputError
from ..base import SoilMoistureAlgorithm
from ..fields import field_of_type, plain

if TYPE_CHECKING:
    from ...core.ground.rasters.zones import Zones


ZONES, ZONE_NAME = "ZONES", "ZONE_NAME"


def declare_zones(algorithm: SoilMoistureAlgorithm, text: str, advanced: bool = False) -> None:
    """Add the zone layer (`text` says what zones are for) and the field with their names."""
    polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
    zones = QgsProcessingParameterFeatureSource(ZONES, algorithm.tr("Zones"), polygons, optional=True)
    algorithm.add(zones, text, advanced)
    name = QgsProcessingParameterField(
        ZONE_NAME, algorithm.tr("Field with the zone"), parentLayerParameterName=ZONES, optional=True
    )
    algorithm.add(name, algorithm.tr("The zones' names in the tables; empty numbers them."), advanced)


def zones_of(source: QgsProcessingFeatureSource, field: str, what: str = "zone") -> Zones:
    """The polygons of a layer, named by `field` or numbered. Raises InputError without a polygon."""
    from ...core.ground.rasters.zones import Zones, names_of

    check_field(source, field)
    if QgsWkbTypes.geometryType(source.wkbType()) != QgsWkbTypes.GeometryType.PolygonGeometry:
        kind = QgsWkbTypes.geometryDisplayString(QgsWkbTypes.geometryType(source.wkbType())).lower()
        raise InputError(f"Zones are polygons, but the layer {source.sourceName()} holds geometries of type {kind}.")
    names, shapes = [], []
    for feature in source.getFeatures():
        if feature.hasGeometry() and not feature.geometry().isEmpty():
            names.append(plain(feature[field]) if field else None)
            shapes.append(bytes(feature.geometry().asWkb().data()))
    return Zones(names_of(names, what), tuple(shapes), source.sourceCrs().toWkt())


def check_field(source: QgsProcessingFeatureSource, field: str) -> None:
    """Raise InputError where the layer has no such field."""
    known = source.fields().names()
    if field and field not in known:
        raise InputError(f"The layer {source.sourceName()} has no field {field!r}; it has {', '.join(known)}.")


def write_rows(
    algorithm: SoilMoistureAlgorithm,
    parameters: dict[str, Any],
    name: str,
    context: QgsProcessingContext,
    shapes: Sequence[QgsGeometry],
    rows: Sequence[dict[str, Any]],
    kind: QgsWkbTypes.Type,
    crs_wkt: str,
) -> str:
    """Write a vector layer with a feature per row, whose keys are its fields, and return its identifier."""
    fields = QgsFields()
    names = list(dict.fromkeys(key for row in rows for key in row))
    for one in names:
        text = any(isinstance(row.get(one), str) for row in rows)
        fields.append(field_of_type(one, QMetaType.Type.QString if text else QMetaType.Type.Double))
    algorithm.make_folder(parameters, name)
    crs = QgsCoordinateReferenceSystem.fromWkt(crs_wkt)
    sink, identifier = algorithm.parameterAsSink(parameters, name, context, fields, kind, crs)
    if sink is None:
        raise InputError(algorithm.invalidSinkError(parameters, name))
    for shape, row in zip(shapes, rows):
        feature = QgsFeature(fields)
        feature.setGeometry(shape)
        feature.setAttributes([_value(row.get(one)) for one in names])
        sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
    del sink
    return str(identifier)


def shape_of(wkb: bytes) -> QgsGeometry:
    """The geometry of well-known binary."""
    geometry = QgsGeometry()
    geometry.fromWkb(wkb)
    geometry.convertToMultiType()
    return geometry


def _value(value: Any) -> Any:
    """Attributes are plain numbers and text; NaN is null."""
    if isinstance(value, (str, bool)) or value is None:
        return value
    number = float(value)
    return number if number == number else None
