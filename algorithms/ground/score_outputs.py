"""The table of scores and the numbers that comparisons give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingOutputNumber, QgsProcessingParameterFileDestination

from ..base import SoilMoistureAlgorithm

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
