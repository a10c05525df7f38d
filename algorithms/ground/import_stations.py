"""Import stations: files of station networks become a point layer with one row per station and period."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterString,
)

from ...core.errors import InputError
from ...core.progress import Progress
from .station_layers import StationLayers


class ImportStations(StationLayers):
    ID = "importstations"
    TITLE = "Import stations"
    GROUP = "ground"
    SUMMARY = "Turns station files as downloaded (ISMN, network tables, CSV) into a point layer of soil moisture."
    ABOUT = (
        "Reads ISMN downloads in both layouts, zipped or not, tables of networks such as RISMA, and CSV files with the "
        "usual troubles: separators, decimal commas, day-first dates, time zones, percent, words for missing. Readings "
        "are checked by their flags, range, spikes and soil temperature, weighted by depth, and averaged by day, dekad "
        "or month. Every guess is in the log and can be set instead."
        "\n\nThe validation and calibration algorithms take the files directly too, with the same settings."
    )
    TAGS = ("ISMN", "RISMA", "stations", "in situ", "CSV", "import", "quality", "stm")
    PACKAGES = ("scipy", "matplotlib")

    FIRST, LAST = "FIRST", "LAST"
    NUMBERS = {
        "STATION_COUNT": "Stations used",
        "STATIONS_LEFT_OUT": "Stations left out",
        "VALUES": "Values",
        "READINGS": "Readings",
        "FILES_LEFT_OUT": "Files left out",
    }

    def declare(self) -> None:
        self.declare_station_files(optional=False)
        self.add_choice(
            self.PERIOD,
            self.tr("Average by"),
            ["day", "dekad", "month", "reading"],
            self.tr("'dekad' is ten days from the 1st, 11th and 21st; 'reading' keeps every reading with its time."),
        )
        for name, title, text in (
            (self.FIRST, self.tr("First day"), self.tr("Such as 2021-05-01: earlier readings are left out.")),
            (self.LAST, self.tr("Last day"), self.tr("Such as 2021-09-30: later readings are left out.")),
        ):
            self.add(QgsProcessingParameterString(name, title, optional=True), text)
        self.declare_unit(self.tr("Unit of tables"))
        self.declare_order()
        self.declare_reading()
        self.add(
            QgsProcessingParameterFeatureSink(
                self.OUTPUT, self.tr("Soil moisture of stations"), QgsProcessing.SourceType.TypeVectorPoint
            ),
            self.tr(
                "One row per station and period: station, network, date, soil_moisture (m3/m3), depth_from, depth_to "
                "(m), readings, lon, lat."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSink(
                self.STATIONS, self.tr("Stations"), QgsProcessing.SourceType.TypeVectorPoint, optional=True
            ),
            self.tr("One point per station with its sensors, dates, mean, and why it was left out if it was."),
        )
        self.add_report()
        for name, title in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, self.tr(title)))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from dataclasses import replace

        from ...core.ground.stations.import_report import stations_report
        from ...core.ground.stations.importing import import_stations

        files = self.station_files(parameters, context)
        if not files:
            raise InputError("No station files are given: choose files, a folder or a zip file.")
        options = replace(
            self.station_options(parameters, context),
            period=self.parameterAsString(parameters, self.PERIOD, context),
            span=self._span(parameters, context),
        )
        places: list[tuple[str, str, float, float, float, float]] = []
        # Values wait on disk: every reading of a large network does not fit in memory, and a run that fails
        # must not leave half a layer.
        with tempfile.TemporaryFile() as values:

            def take(station: Any) -> None:
                places.append(
                    (station.name, station.network, station.x, station.y, station.depth_from, station.depth_to)
                )
                for column in (station.means.key, station.means.value, station.means.readings):
                    np.save(values, column, allow_pickle=False)

            result = import_stations(files, options, progress.part(0.0, 0.7), take)
            values.seek(0)
            output = self.write_values(places, values, parameters, context, progress.part(0.7, 0.95))
        outputs = {self.OUTPUT: output}
        if parameters.get(self.STATIONS) not in (None, ""):
            outputs[self.STATIONS] = self.write_stations(result, parameters, context)
        outputs |= self.write_report(stations_report(result), parameters, context)
        used = result.used
        return {
            **outputs,
            "STATION_COUNT": len(used),
            "STATIONS_LEFT_OUT": len(result.stations) - len(used) + len(result.placeless),
            "VALUES": sum(station.values for station in used),
            "READINGS": result.readings,
            "FILES_LEFT_OUT": len(result.bad),
        }

    def _span(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Any:
        import datetime as dt

        from ...core.raster.periods import Period

        first, last = (
            _day(self.parameterAsString(parameters, name, context).strip(), name) for name in (self.FIRST, self.LAST)
        )
        if first is None and last is None:
            return None
        first, last = first or dt.date(1800, 1, 1), last or dt.date(2200, 1, 1)
        if last < first:
            raise InputError(f"The last day {last} lies before the first {first}.")
        return Period(first, last + dt.timedelta(days=1))


def _day(text: str, name: str) -> Any:
    import datetime as dt

    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError(f"{text!r} ({name}) is not a date such as 2021-05-01.") from error
