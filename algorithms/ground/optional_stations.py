"""Stations as one of several kinds of input."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProcessingParameterDefinition

from .station_source import StationSource

_PLAIN = ("POINTS", "VALUE", "DATE", "STATION", "STATION_FILES")


class OptionalStations(StationSource):
    """As StationSource, for algorithms with other inputs: only the layer, its fields and the files are not advanced."""

    def declare_optional_stations(self, text: str) -> None:
        """Add the station inputs; `text` says what they are for."""
        before = {definition.name() for definition in self.parameterDefinitions()}
        self.declare_stations()
        for definition in self.parameterDefinitions():
            if definition.name() in before:
                continue
            if definition.name() not in _PLAIN:
                definition.setFlags(definition.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
            if definition.name() == self.POINTS:
                definition.setHelp(f"{text} {definition.help()}")

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self.prepare_stations(parameters, context)
        return super().prepareAlgorithm(parameters, context, feedback)

    def has_stations(self, parameters: dict[str, Any], context: QgsProcessingContext) -> bool:
        """Whether stations were given, as a layer or as files."""
        return self._points_given or bool(self.station_files(parameters, context))
