"""Zones of vector layers, as the raster comparisons take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import (
    QgsGeometry,
    QgsProcessing,
    QgsProcessingFeatureSource,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsWkbTypes,
)

from ...core.errors import InputError
from ..base import SoilMoistureAlgorithm
from ..fields import plain

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


def shape_of(wkb: bytes) -> QgsGeometry:
    """The geometry of well-known binary."""
    geometry = QgsGeometry()
    geometry.fromWkb(wkb)
    geometry.convertToMultiType()
    return geometry
