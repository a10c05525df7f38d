"""Import product files: downloads become one dated, masked stack in physical units."""

from __future__ import annotations

import datetime as dt
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ...core.errors import InputError
from ...core.prepare.products.ids import PRODUCTS
from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..folders import recipe_folder
from ..styling import dates_only, moisture, style_when_loaded


class ImportProduct(SoilMoistureAlgorithm):
    ID = "importproduct"
    TITLE = "Import product files"
    GROUP = "prepare"
    SUMMARY = "Turns satellite and reanalysis files as downloaded into one dated, masked raster in physical units."
    ABOUT = (
        "Knows SMAP, MODIS, ESA CCI and C3S, GLEAM, ERA5-Land, GLDAS, GLASS, CHIRPS, SoilGrids, TROPOMI SIF, "
        "Copernicus SSM and SWI, elevation models, Landsat and Sentinel-1. Sets the georeference, applies scale "
        "factors, takes out fill values and bad pixels, and writes one band per variable and date; tiles are put "
        "together."
        "\n\nOther NetCDF, HDF and GeoTIFF files: choose the product 'generic' and name variable, scale and unit, or "
        "write a recipe of your own."
    )
    TAGS = ("SMAP", "MODIS", "ERA5", "GLEAM", "CCI", "HDF", "HDF5", "NetCDF", "georeference", "quality", "import")
    PACKAGES = ("scipy", "matplotlib")

    INPUT, PRODUCT, VARIABLE, QUALITY = "INPUT", "PRODUCT", "VARIABLE", "QUALITY"
    EXTENT, FIRST, LAST, SKIP_BAD = "EXTENT", "FIRST", "LAST", "SKIP_BAD"
    POROSITY, POROSITY_MAP, RECIPE = "POROSITY", "POROSITY_MAP", "RECIPE"
    SCALE, OFFSET, FILL, UNIT, DATE, CRS = "SCALE", "OFFSET", "FILL", "UNIT", "DATE", "CRS"
    OUTPUT, BANDS, SKIPPED, VALID = "OUTPUT", "BANDS", "SKIPPED", "VALID_SHARE"

    def declare(self) -> None:
        number = QgsProcessingParameterNumber.Type
        self.add(
            QgsProcessingParameterMultipleLayers(
                self.INPUT, self.tr("Product files"), QgsProcessing.SourceType.TypeFile
            ),
            self.tr(
                "The files of one product, as downloaded; all dates and tiles at once. Folders, wildcards "
                "(*.h5) and zip, tar or gz archives work too."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.PRODUCT, self.tr("Product"), list(PRODUCTS), defaultValue="auto", usesStaticStrings=True
            ),
            self.tr("'auto' tells the product by the file's name and content; 'generic' is for all others."),
        )
        self.add(
            QgsProcessingParameterString(self.VARIABLE, self.tr("Variables"), optional=True),
            self.tr(
                "Names separated by commas, such as ndvi, evi; empty takes the usual ones of the product. A name that "
                "is not known is answered with the list of those that are. For 'generic': the array in the file."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.QUALITY, self.tr("Quality"), ["best", "good", "all"], defaultValue="good", usesStaticStrings=True
            ),
            self.tr(
                "'good' keeps what the producer recommends, 'best' only the surest pixels, 'all' everything but fill "
                "values. The log says how many pixels each rule took out."
            ),
        )
        self.add(
            QgsProcessingParameterExtent(self.EXTENT, self.tr("Extent"), optional=True),
            self.tr("Limits the import to the cells that touch it; empty takes all of the files."),
        )
        self.add(
            QgsProcessingParameterString(self.FIRST, self.tr("First day"), optional=True),
            self.tr("Such as 2021-05-01: earlier dates in the files are left out."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.LAST, self.tr("Last day"), optional=True),
            self.tr("Such as 2021-09-30: later dates in the files are left out."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean(
                self.SKIP_BAD, self.tr("Leave out files that cannot be used"), defaultValue=False
            ),
            self.tr("They are named and counted. Otherwise the first one stops the run before anything is written."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.POROSITY, self.tr("Porosity"), number.Double, optional=True, minValue=0.2, maxValue=0.95
            ),
            self.tr("From 0.2 to 0.95 m3/m3; turns percent of saturation (Copernicus SSM and SWI, ASCAT) into m3/m3."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterLayer(self.POROSITY_MAP, self.tr("Porosity map"), optional=True),
            self.tr("In m3/m3, instead of one number."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFile(self.RECIPE, self.tr("Own recipe"), extension="json", optional=True),
            self.tr(
                "A small JSON file that describes a product of yours (docs/recipes.md). Recipes in the folder "
                "soilmoisture/recipes of the QGIS profile are found without being named here."
            ),
            advanced=True,
        )
        for name, title, text in (
            (self.SCALE, self.tr("Scale"), self.tr("value = stored x scale + offset; empty takes the file's own.")),
            (self.OFFSET, self.tr("Offset"), self.tr("Added after scaling; empty takes the file's own.")),
        ):
            self.add(
                QgsProcessingParameterNumber(
                    name, self.tr("{} ('generic' only)").format(title), number.Double, optional=True
                ),
                text,
                advanced=True,
            )
        for name, title, text in (
            (self.FILL, self.tr("Fill values"), self.tr("Stored values that mean no data, separated by commas.")),
            (self.UNIT, self.tr("Unit"), self.tr("Of the result, such as m3/m3, K or mm.")),
            (
                self.DATE,
                self.tr("Date"),
                self.tr(
                    "Where the files say none: 2021-08, 2021-08-03 or 2021-08-03/2021-08-10 (first and last day); "
                    "'static' for maps that hold for all time."
                ),
            ),
            (
                self.CRS,
                self.tr("Reference system"),
                self.tr("Of files with coordinates but no reference system, such as EPSG:4326."),
            ),
        ):
            self.add(
                QgsProcessingParameterString(name, self.tr("{} ('generic' only)").format(title), optional=True),
                text,
                advanced=True,
            )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Imported product")),
            self.tr("A GeoTIFF with one band per variable and date, ready for 'Resample to a common grid'."),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.BANDS, self.tr("Bands written")))
        self.addOutput(QgsProcessingOutputNumber(self.SKIPPED, self.tr("Files left out")))
        self.addOutput(QgsProcessingOutputNumber(self.VALID, self.tr("Share of valid pixels")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.products.import_report import import_report
        from ...core.prepare.products.importing import import_product
        from ...core.prepare.products.options import GenericRecipe, ImportOptions

        text = {name: self.parameterAsString(parameters, name, context).strip() for name in self._texts()}
        box, box_crs = self._extent(parameters, context)
        recipe = self.parameterAsFile(parameters, self.RECIPE, context)
        number, chart = self.optional_number(parameters, self.POROSITY, context), self.path(self.POROSITY_MAP)
        if number is not None and chart is not None:
            raise InputError("Porosity is given as a number and as a map: give one of them.")
        options = ImportOptions(
            product=self.parameterAsString(parameters, self.PRODUCT, context),
            variables=self.names(parameters, self.VARIABLE, context),
            quality=self.parameterAsString(parameters, self.QUALITY, context),
            extent=box,
            extent_crs=box_crs,
            first=_date(text[self.FIRST], "first day"),
            last=_date(text[self.LAST], "last day"),
            porosity=chart or number,
            skip_bad=self.parameterAsBool(parameters, self.SKIP_BAD, context),
            recipes=[recipe] if recipe else recipe_folder(),
            generic=GenericRecipe(
                scale=self.optional_number(parameters, self.SCALE, context),
                offset=self.optional_number(parameters, self.OFFSET, context),
                fill=_numbers(text[self.FILL]),
                unit=text[self.UNIT],
                date=text[self.DATE],
                crs=text[self.CRS],
            ),
        )
        output = self.raster_output(parameters, self.OUTPUT, context)
        result = import_product(self.parameterAsFileList(parameters, self.INPUT, context), output, options, progress)
        progress.info(f"{result.recipe.title}: bands {len(result.bands)}, files {result.files}")
        for name, one in result.removed.items():
            progress.info(f"{name}: {one.pixels} pixels, {one.empty} without a value")
            for rule, count in one.rules.items():
                progress.info(f"{name}: {count} taken out: {rule}")
        for error in result.skipped:
            progress.warn(f"Left out: {error}")
        for note in result.notes:
            progress.info(note)
        periods = [one.band.period for one in result.bands]
        first = result.bands[0]
        style = dates_only(periods)
        if first.band.unit == "m3/m3" and first.valid:
            style = moisture(periods, 0.0, max(0.1, min(0.6, round(first.maximum, 2))))
        style_when_loaded(context, output, f"{first.band.name} {result.product}", style)
        report = self.write_report(import_report(result, output), parameters, context)
        return {
            self.OUTPUT: output,
            self.BANDS: len(result.bands),
            self.SKIPPED: len(result.skipped),
            self.VALID: result.valid_share,
            **report,
        }

    def _texts(self) -> tuple[str, ...]:
        return self.FIRST, self.LAST, self.FILL, self.UNIT, self.DATE, self.CRS

    def _extent(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[tuple[float, float, float, float] | None, str]:
        if parameters.get(self.EXTENT) in (None, ""):
            return None, ""
        box = self.parameterAsExtent(parameters, self.EXTENT, context)
        crs = self.parameterAsExtentCrs(parameters, self.EXTENT, context)
        return (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()), crs.toWkt() if crs.isValid() else ""


def _date(text: str, what: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError(f"The {what} {text!r} is not a date such as 2021-05-01.") from error


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(f"The fill values {text!r} are not numbers separated by commas.") from error
