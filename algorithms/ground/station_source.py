"""Where station readings come from: a point layer or station files, the same for every algorithm with stations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsWkbTypes,
)

from ...core.errors import InputError
from ...core.progress import Progress
from ..fields import plain
from .station_files import StationFiles

if TYPE_CHECKING:
    from ...core.ground.observations import Observations
    from ...core.raster.periods import Period

POINT = QgsWkbTypes.GeometryType.PointGeometry


class StationSource(StationFiles):
    """An algorithm that takes stations: `declare_stations` in `declare`, `prepare_stations` in `prepareAlgorithm`,
    then `observations` in `work`."""

    POINTS, VALUE, DATE, STATION = "POINTS", "VALUE", "DATE", "STATION"

    def declare_stations(self) -> None:
        """Add the station inputs."""
        self.add(
            QgsProcessingParameterFeatureSource(
                self.POINTS, self.tr("Points"), [QgsProcessing.SourceType.TypeVectorPoint], optional=True
            ),
            self.tr(
                "A point layer with one row per observation: stations with many dates, or field samples. Or give "
                "station files below."
            ),
        )
        self.add(
            QgsProcessingParameterField(
                self.VALUE, self.tr("Field with soil moisture"), parentLayerParameterName=self.POINTS, optional=True
            ),
            self.tr(
                "Volumetric soil moisture; text such as 'No Data' counts as missing. Empty takes a layer with one "
                "field per date (sm_20190415, sm_20190416 ...)."
            ),
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
        self.declare_station_files(optional=True)
        self.declare_unit(self.tr("Unit of the points"))
        self.declare_order()
        self.declare_reading()

    def prepare_stations(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the point layer while still in the main thread, to which layers belong."""
        given = parameters.get(self.POINTS) not in (None, "")
        self._points: QgsProcessingFeatureSource | None = (
            self.parameterAsSource(parameters, self.POINTS, context) if given else None
        )
        self._points_given = given

    def observations(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        progress: Progress,
        periods: Sequence[Period | None] | None = None,
    ) -> Observations:
        """The readings of the chosen stations: rows of the layer, or daily means from files.

        `periods` of the products limit what is kept from files, and ask for single readings where one is a part of a
        day. Raises InputError where a layer and files are given, or neither.
        """
        files = self.station_files(parameters, context)
        if files and self._points_given:
            raise InputError("A point layer and station files are given: take one of them.")
        if files:
            from ...core.ground.stations.observing import station_observations

            return station_observations(files, self.station_options(parameters, context), progress, periods)
        if not self._points_given:
            raise InputError("No stations are given: choose a point layer, or station files.")
        observations = self._read_points(parameters, context)
        if self._points is not None and QgsWkbTypes.geometryType(self._points.wkbType()) != POINT:
            progress.warn("The layer holds no points: the centre of each line or area is taken.")
        return observations

    def _read_points(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Observations:
        from ...core.ground.observations import clean_observations

        source = self._points
        if source is None:
            raise InputError("The point layer cannot be read.")
        wanted = {
            name: self.parameterAsString(parameters, name, context) for name in (self.VALUE, self.DATE, self.STATION)
        }
        known = source.fields().names()
        dated = {} if wanted[self.VALUE] else _dated_fields(known)
        if not wanted[self.VALUE] and not dated:
            raise InputError(
                f"Choose the field of the point layer that holds soil moisture; it has {', '.join(known)}."
            )
        for name, field in wanted.items():
            if field and field not in known:
                raise InputError(
                    f"The point layer has no field {field!r} (given as {name}); it has {', '.join(known)}."
                )
        if source.wkbType() == QgsWkbTypes.Type.NoGeometry:
            raise InputError(
                "The point layer is a table without places: make points of its coordinates first ('Create points layer "
                "from table')."
            )
        columns: dict[str, list[Any]] = {name: [] for name in ("x", "y", *wanted)}
        for feature in source.getFeatures():
            # Rows without a place are counted with what is left out.
            point = feature.geometry().centroid().asPoint() if feature.hasGeometry() else None
            fields = dated or {wanted[self.VALUE]: None}
            for field, date in fields.items():
                columns["x"].append(point.x() if point else math.nan)
                columns["y"].append(point.y() if point else math.nan)
                columns[self.VALUE].append(plain(feature[field]))
                if date:
                    columns[self.DATE].append(date)
                elif wanted[self.DATE]:
                    columns[self.DATE].append(plain(feature[wanted[self.DATE]]))
                if wanted[self.STATION]:
                    columns[self.STATION].append(plain(feature[wanted[self.STATION]]))
        return clean_observations(
            columns[self.STATION] if wanted[self.STATION] else None,
            columns["x"],
            columns["y"],
            columns[self.DATE] if wanted[self.DATE] or dated else None,
            columns[self.VALUE],
            source.sourceCrs().toWkt(),
            unit=self.parameterAsString(parameters, self.UNIT, context),
            order="auto" if dated else self.parameterAsString(parameters, self.DATE_ORDER, context),
        )


def _dated_fields(names: Sequence[str]) -> dict[str, str]:
    """Fields whose name ends in a date, and that date, where there are two or more."""
    from ...core.ground.stations.table_wide import date_of_name

    found = {name: date for name in names if (date := date_of_name(name))}
    return found if len(found) > 1 else {}
