"""The layer and the table of scores, and the numbers that comparisons give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFileDestination,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QMetaType

from ...core.errors import InputError
from ..base import SoilMoistureAlgorithm
from ..fields import field_of_type

TABLE = "TABLE"


def declare_score_outputs(algorithm: SoilMoistureAlgorithm, numbers: Mapping[str, str], table: str) -> None:
    """Add the report, a CSV table (`table` says what is in it) and an output for each of `numbers` {name: title}."""
    algorithm.add_report()
    definition = QgsProcessingParameterFileDestination(
        TABLE, algorithm.tr("Table"), algorithm.tr("CSV files (*.csv)"), optional=True, createByDefault=False
    )
    algorithm.add(definition, table, advanced=True)
    for name, title in numbers.items():
        algorithm.addOutput(QgsProcessingOutputNumber(name, algorithm.tr(title)))


def write_score_outputs(
    algorithm: SoilMoistureAlgorithm,
    report: Any,
    numbers: Mapping[str, float | None],
    parameters: dict[str, Any],
    context: QgsProcessingContext,
) -> dict[str, Any]:
    """Write the report and the table and return their paths, with the numbers that are known."""
    table = algorithm.parameterAsFileOutput(parameters, TABLE, context) or None
    outputs = algorithm.write_report(report, parameters, context, table)
    known = {name: value for name, value in numbers.items() if value is not None and value == value}
    return {**outputs, **known, **({TABLE: table} if table else {})}


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


def _value(value: Any) -> Any:
    """Attributes are plain numbers and text; NaN is null."""
    if isinstance(value, (str, bool)) or value is None:
        return value
    number = float(value)
    return number if number == number else None
