"""The inputs for station files and how they are read, shared by all algorithms with stations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterString,
)

from ...core.errors import InputError
from ...core.ground.stations.options import CLOCKS
from ...core.ground.stations.quality import FLAG_CLASSES, GOOD
from ..base import SoilMoistureAlgorithm, plain_path

if TYPE_CHECKING:
    from ...core.ground.stations.options import StationOptions


class StationFiles(SoilMoistureAlgorithm):
    """An algorithm that reads station files: `declare_station_files`, `declare_reading`, then `station_options`."""

    STATION_FILES, DEPTH, UNIT, DATE_ORDER = "STATION_FILES", "DEPTH", "UNIT", "DATE_ORDER"
    FLAGS, HIGHEST, SPIKES, FROZEN = "FLAGS", "HIGHEST_READING", "SPIKES", "FROZEN"
    PLATEAU, DAY_CLOCK, UTC_OFFSET, HOURS = "PLATEAU_DAYS", "DAY_CLOCK", "UTC_OFFSET", "HOURS"
    MIN_READINGS, MIN_COVER, SKIP_BAD = "MIN_READINGS", "MIN_DEPTH_COVER", "SKIP_BAD_FILES"
    COLUMNS, TIME_ZONE, PLACES, FILES_CRS = "COLUMNS", "TIME_ZONE", "STATION_TABLE", "FILES_CRS"

    def declare_station_files(self, optional: bool) -> None:
        """Add the files and the depth."""
        self.add(
            QgsProcessingParameterMultipleLayers(
                self.STATION_FILES, self.tr("Station files"), QgsProcessing.SourceType.TypeFile, optional=optional
            ),
            self.tr(
                "ISMN downloads (.stm files, their folder, or the zip as it came), tables of networks such as RISMA, "
                "or CSV files with dates and soil moisture; files, folders and wildcards. Coordinates stand in the "
                "files, or in a table stations.csv (station, longitude, latitude) beside them."
            ),
        )
        self.add(
            QgsProcessingParameterString(self.DEPTH, self.tr("Depth of the station files (cm)"), "0-5"),
            self.tr(
                "A layer such as 0-5 or 0-100. Sensors in it are weighted by the thickness they stand for; a sensor at "
                "5 cm counts for the surface."
            ),
        )

    def declare_unit(self, title: str) -> None:
        """Add the unit."""
        self.add_choice(
            self.UNIT,
            title,
            ["auto", "m3/m3", "percent"],
            self.tr("'auto' recognises percent by its size and says so in the log."),
        )

    def declare_order(self) -> None:
        """Add the order of dates."""
        self.add_choice(
            self.DATE_ORDER,
            self.tr("Order of dates in text"),
            ["auto", "iso", "day first", "month first"],
            self.tr("'auto' asks when 03/08 could be either."),
            advanced=True,
        )

    def declare_reading(self) -> None:
        """Add how files are read and checked, all advanced."""
        self.add(
            QgsProcessingParameterEnum(
                self.FLAGS,
                self.tr("ISMN flags to keep"),
                list(FLAG_CLASSES),
                allowMultiple=True,
                defaultValue=[GOOD],
                usesStaticStrings=True,
            ),
            self.tr("Readings with any other flag are left out and counted by flag."),
            advanced=True,
        )
        self.add_number(
            self.HIGHEST,
            self.tr("Highest reading kept (m3/m3)"),
            0.6,
            self.tr("Higher readings, and those below 0, are left out; peat holds more than 0.6."),
            advanced=True,
            minValue=0.05,
            maxValue=1.0,
        )
        for name, title, text in (
            (
                self.FROZEN,
                self.tr("Leave out frozen soil"),
                self.tr("Where a soil temperature of the same station and depth lies below 0 °C at that time."),
            ),
            (
                self.SPIKES,
                self.tr("Leave out spikes"),
                self.tr(
                    "Single readings that leave both neighbours by 15 % or more and return at once; only in series "
                    "without ISMN flags, which have their own check."
                ),
            ),
        ):
            self.add(QgsProcessingParameterBoolean(name, title, True), text, advanced=True)
        self.add_number(
            self.PLATEAU,
            self.tr("Leave out constant readings longer than (days)"),
            0.0,
            self.tr("A stuck sensor repeats one value; 0 keeps such readings."),
            advanced=True,
            minValue=0.0,
        )
        self.add_choice(
            self.DAY_CLOCK,
            self.tr("Days begin at midnight of"),
            list(CLOCKS),
            self.tr("Days of the product: UTC, local solar time from the longitude, or a fixed offset."),
            advanced=True,
        )
        self.add_number(
            self.UTC_OFFSET,
            self.tr("Hours from UTC"),
            0.0,
            self.tr("For the choice above, such as -6."),
            advanced=True,
            minValue=-14.0,
            maxValue=14.0,
        )
        self.add(
            QgsProcessingParameterString(self.HOURS, self.tr("Hours of the day"), optional=True),
            self.tr("Such as 5-7 for a morning overpass, by the clock above; empty takes all day."),
            advanced=True,
        )
        self.add_number(
            self.MIN_READINGS,
            self.tr("Least share of readings"),
            0.5,
            self.tr("Of the usual readings of a day, and of the days of a longer period, for it to count."),
            advanced=True,
            minValue=0.0,
            maxValue=1.0,
        )
        self.add_number(
            self.MIN_COVER,
            self.tr("Least share of the depth"),
            0.7,
            self.tr("Of the layer that a station's sensors must stand for; stations with less are left out."),
            advanced=True,
            minValue=0.05,
            maxValue=1.0,
        )
        self.add(
            QgsProcessingParameterString(self.COLUMNS, self.tr("Columns of tables"), optional=True),
            self.tr(
                "Where the guess in the log is wrong: role=name, parted by semicolons, such as date=Time; "
                "value=VWC 5 cm, VWC 20 cm; station=Site. Roles: date, clock, station, network, lon, lat, depth, "
                "depth_from, depth_to, sensor, flag, unit, value, temperature."
            ),
            advanced=True,
        )
        self.add_number(
            self.TIME_ZONE,
            self.tr("Zone of times without one (hours from UTC)"),
            None,
            self.tr("For tables; empty takes the zone in the column's name, else UTC, and says so. ISMN is UTC."),
            advanced=True,
            optional=True,
            minValue=-14.0,
            maxValue=14.0,
        )
        self.add(
            QgsProcessingParameterFile(self.PLACES, self.tr("Table of stations"), optional=True),
            self.tr("With station, longitude and latitude, where it does not lie beside the files."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterCrs(self.FILES_CRS, self.tr("Reference system of tables"), optional=True),
            self.tr("Of the coordinates in tables; empty means longitude and latitude."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean(self.SKIP_BAD, self.tr("Leave out files that cannot be used"), False),
            self.tr("They are named and counted. Otherwise the first one stops the run."),
            advanced=True,
        )

    def station_options(self, parameters: dict[str, Any], context: QgsProcessingContext) -> StationOptions:
        """The options as declared. Raises InputError for a depth, hours or columns that cannot be read."""
        from ...core.ground.stations.options import (
            StationOptions,
            TableOptions,
            parse_columns,
            parse_hours,
            parse_layer,
        )
        from ...core.ground.stations.quality import Quality

        def text(name: str) -> str:
            return self.parameterAsString(parameters, name, context).strip()

        def number(name: str) -> float:
            return self.parameterAsDouble(parameters, name, context)

        crs = self.parameterAsCrs(parameters, self.FILES_CRS, context)
        return StationOptions(
            layer=parse_layer(text(self.DEPTH)),
            quality=Quality(
                keep=frozenset(self.parameterAsEnumStrings(parameters, self.FLAGS, context)),
                highest=number(self.HIGHEST),
                spikes=self.parameterAsBool(parameters, self.SPIKES, context),
                frozen=self.parameterAsBool(parameters, self.FROZEN, context),
                plateau_days=number(self.PLATEAU),
            ),
            table=TableOptions(
                columns=parse_columns(text(self.COLUMNS)),
                unit=text(self.UNIT),
                order=text(self.DATE_ORDER),
                zone_hours=self.optional_number(parameters, self.TIME_ZONE, context),
                places=text(self.PLACES),
                crs_wkt=crs.toWkt() if crs.isValid() else "",
            ),
            clock=text(self.DAY_CLOCK),
            offset_hours=number(self.UTC_OFFSET),
            hours=parse_hours(text(self.HOURS)),
            min_share=number(self.MIN_READINGS),
            min_cover=number(self.MIN_COVER),
            skip_bad=self.parameterAsBool(parameters, self.SKIP_BAD, context),
        )

    def station_files(self, parameters: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        """The files, folders and wildcards given. Raises InputError where one is also an output."""
        files = (
            []
            if self.STATION_FILES not in parameters
            else self.parameterAsFileList(parameters, self.STATION_FILES, context)
        )
        files = [one for one in files if one]
        for definition in self.destinationParameterDefinitions():
            _keep_apart(parameters.get(definition.name()), files)
        return files


def _keep_apart(output: Any, files: list[str]) -> None:
    """Raise InputError where an output would replace a station file."""
    from ...core.ground.stations.sources import is_station_file

    path = plain_path(output)
    if path is None:
        return
    whole, given = Path(path).resolve(), {Path(one).resolve() for one in files}
    found = whole.exists() and is_station_file(whole.name) and not given.isdisjoint(whole.parents)
    if whole in given or found:
        raise InputError(f"The output {path} would replace a station file: give it another name or folder.")
