"""The parameters of a calibration with stations."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ...core.ground.calibrate.calibration_file import SUFFIX
from ...core.ground.calibrate.methods import BEST, METHODS
from .station_source import StationSource

_FILES = f"Calibration files (*.{SUFFIX})"


class CalibrationParameters(StationSource):
    """An algorithm that calibrates: what it asks for."""

    PRODUCT, FACTORS, METHOD, APPLY, BAND = "PRODUCT", "FACTORS", "METHOD", "APPLY", "BAND"
    COMPARE, GRIDDED, FOLDS, SEPARATION = "COMPARE", "GRIDDED", "FOLDS", "SEPARATION"
    LOWER, UPPER, SEED = "LOWER", "UPPER", "SEED"
    OUTPUT, UNCERTAINTY, QUALITY = "OUTPUT", "UNCERTAINTY", "QUALITY"
    CALIBRATION, TABLE = "CALIBRATION", "TABLE"

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.PRODUCT, self.tr("Soil moisture maps"), raster),
            self.tr("One layer with a band per date, or one dated layer per date; all on one grid."),
        )
        self.declare_stations()
        self.add(
            QgsProcessingParameterMultipleLayers(self.FACTORS, self.tr("Factors"), raster, optional=True),
            self.tr(
                "The FINE stack the maps were made from, on their grid: for gradient boosting and the CNN. Without "
                "factors these see the product and the season only."
            ),
        )
        self.add_choice(
            self.METHOD,
            self.tr("Method"),
            [BEST, *METHODS],
            self.tr(
                "The best is taken only where it beats the simpler ones by more than a standard error. The CNN needs "
                "the package torch and at least 15 stations."
            ),
        )
        self.add(
            QgsProcessingParameterFile(
                self.APPLY, self.tr("Existing calibration"), optional=True, fileFilter=self.tr(_FILES)
            ),
            self.tr("A calibration made before, to be applied to other dates: no stations are needed then."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                self.COMPARE,
                self.tr("Methods to compare"),
                list(METHODS),
                allowMultiple=True,
                defaultValue=list(METHODS),
                usesStaticStrings=True,
            ),
            self.tr("The methods of the table; none and mean bias are always in it. The CNN takes most of the time."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterMultipleLayers(
                self.GRIDDED, self.tr("Gridded product the CNN learns from"), raster, optional=True
            ),
            self.tr(
                "Another soil moisture product of the same dates: the CNN first learns how it differs from the maps. "
                "Empty: it learns how a pixel of the maps differs from its surroundings."
            ),
            advanced=True,
        )
        self.add_number(
            self.FOLDS,
            self.tr("Folds"),
            10,
            self.tr("Into so many parts the stations are dealt; each is held out once."),
            advanced=True,
            whole=True,
            minValue=2,
            maxValue=100,
        )
        self.add_number(
            self.SEPARATION,
            self.tr("Hold out together within (km)"),
            None,
            self.tr("Stations closer than this are held out together. Empty: found from how densely they stand."),
            advanced=True,
            minValue=0.0,
            optional=True,
        )
        self.add_number(
            self.LOWER, self.tr("Lowest value (m3/m3)"), 0.0, self.tr("No pixel falls below."), advanced=True
        )
        self.add_number(
            self.UPPER,
            self.tr("Highest value (m3/m3)"),
            0.6,
            self.tr("No pixel rises above: the porosity of the soils at most."),
            advanced=True,
        )
        self.add_number(
            self.SEED,
            self.tr("Seed"),
            0,
            self.tr("The same seed gives the same result."),
            advanced=True,
            whole=True,
            minValue=0,
        )
        self.add(
            QgsProcessingParameterString(self.BAND, self.tr("Variable of the maps"), optional=True),
            self.tr("Band name to use where the maps hold several variables."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Calibrated maps")),
            self.tr("m3/m3, a band per date of the maps."),
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.UNCERTAINTY, self.tr("Uncertainty"), optional=True, createByDefault=False
            ),
            self.tr("Standard deviation of a station from the calibrated map, from held-out stations (m3/m3)."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.QUALITY, self.tr("Quality"), optional=True, createByDefault=False
            ),
            self.tr("How far stations are, and where the map is outside what they have seen."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFileDestination(
                self.CALIBRATION, self.tr("Calibration"), self.tr(_FILES), optional=True, createByDefault=False
            ),
            self.tr("The calibration as a file, to be applied to other dates."),
            advanced=True,
        )
        self.add_report()
        self.add(
            QgsProcessingParameterFileDestination(
                self.TABLE,
                self.tr("Table of methods"),
                self.tr("CSV files (*.csv)"),
                optional=True,
                createByDefault=False,
            ),
            self.tr("All methods with all scores."),
            advanced=True,
        )
