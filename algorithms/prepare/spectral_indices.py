"""Spectral indices and TVDI from reflectances, for every date of the layers."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ...core.prepare.factors.indices import NAMES
from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..styling import factor_style, style_when_loaded


class SpectralIndices(SoilMoistureAlgorithm):
    ID = "spectralindices"
    TITLE = "Spectral indices"
    GROUP = "prepare"
    SUMMARY = "Vegetation, water and soil indices from reflectances, and TVDI, for every date of the layers."
    ABOUT = (
        "Bands are known by the names that 'Import product files' gives (blue, green, red, nir, nir2, swir1, swir2) or "
        "by those of MODIS, Landsat and Sentinel-2 files; others are named in one line. An index is made for every "
        "date that has all its bands, on the grid of the bands; what is missing is listed.\n\n"
        "Two indices are called NDWI: that of Gao (near infrared and 1240 nm, the water in leaves) and that of "
        "McFeeters (green and near infrared, open water). Here each has its own name. NDMI is the form of Gao's with "
        "the band near 1640 nm, which Landsat and Sentinel-2 have.\n\n"
        "TVDI needs the surface temperature too. Its edges are fitted to each scene: values of different dates or "
        "areas are not on one scale."
    )
    TAGS = ("NDVI", "EVI", "NIRv", "NDWI", "NDMI", "LSWI", "NSDSI", "SAVI", "MSI", "TVDI", "vegetation", "dryness")
    PACKAGES = ("scipy", "matplotlib")

    LAYERS, INDICES, ROLES, SCALE = "LAYERS", "INDICES", "ROLES", "SCALE"
    TEMPERATURE, ELEVATION, CLIP = "TEMPERATURE", "ELEVATION", "CLIP"
    NIRV_C, SAVI_L, BARE_NDVI = "NIRV_C", "SAVI_L", "BARE_NDVI"
    BIN_WIDTH, NDVI_FROM, EDGE_PERCENT, WET_EDGE = (
        "TVDI_BIN_WIDTH",
        "TVDI_NDVI_FROM",
        "TVDI_EDGE_PERCENT",
        "TVDI_WET_EDGE",
    )
    OUTPUT, MISSING = "OUTPUT", "MISSING"

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.LAYERS, self.tr("Layers with the bands"), raster),
            self.tr(
                "Stacks with a band per colour and date, or one layer per band and date. For TVDI alone a layer of "
                "NDVI is enough."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.INDICES,
                self.tr("Indices"),
                list(NAMES),
                allowMultiple=True,
                defaultValue=["NDVI", "EVI"],
                usesStaticStrings=True,
            ),
            self.tr(
                "At least one; NDVI and EVI where the parameter is not given. Those whose bands the layers do not have "
                "are left out and listed in the report."
            ),
        )
        self.add(
            QgsProcessingParameterString(self.ROLES, self.tr("Names of the bands"), optional=True),
            self.tr(
                "Only where they are not known by themselves, such as: red=B4, nir=B5. The roles are blue, green, red, "
                "nir, nir2 (1240 nm), swir1 (1640 nm), swir2 (2130 nm), ndvi, lst_day and elevation; a name is that of "
                "a band or a part of it between separators."
            ),
        )
        self.number(
            self.SCALE,
            self.tr("Scale of the reflectances"),
            1.0,
            self.tr(
                "What stored values are multiplied by to be reflectances from 0 to 1: 0.0001 for integers up to 10000, "
                "0.01 for percent. Layers that were imported have 1. Above 0, up to 1000000."
            ),
            low=0.0,
        )
        self.add(
            QgsProcessingParameterMultipleLayers(
                self.TEMPERATURE, self.tr("Surface temperature by day"), raster, optional=True
            ),
            self.tr("For TVDI, in K or degrees C; not needed where the layers above hold a band lst_day."),
        )
        self.add(
            QgsProcessingParameterRasterLayer(self.ELEVATION, self.tr("Elevation"), optional=True),
            self.tr(
                "For TVDI in mountains, in metres: temperatures are brought to sea level by 0.0065 K per metre before "
                "the edges are fitted."
            ),
        )
        self.add(
            QgsProcessingParameterBoolean(self.CLIP, self.tr("Cut values to their range"), False),
            self.tr(
                "Cuts normalised differences to -1 to 1 and TVDI to 0 to 1. Unticked keeps the raw values, which show "
                "where reflectances are negative or a pixel lies beyond the edges."
            ),
        )
        self.number(
            self.NIRV_C,
            self.tr("NDVI of bare soil in NIRv"),
            0.08,
            self.tr("The C in NIRv = (NDVI - C) nir: 0.08 in Badgley et al. 2017, 0 in many other papers; -1 to 1."),
            low=-1.0,
            high=1.0,
            advanced=True,
        )
        self.number(
            self.SAVI_L,
            self.tr("Soil term of SAVI"),
            0.5,
            self.tr("The L of SAVI: 0.5 for most vegetation, 1 for very sparse, 0.25 for dense; 0 to 1."),
            low=0.0,
            high=1.0,
            advanced=True,
        )
        self.number(
            self.BARE_NDVI,
            self.tr("Largest NDVI for NSDSI"),
            None,
            self.tr(
                "NSDSI is meant for bare soil: pixels of a larger NDVI (0.3, say; -1 to 1) stay empty. Empty keeps all."
            ),
            low=-1.0,
            high=1.0,
            advanced=True,
        )
        self.number(
            self.BIN_WIDTH,
            self.tr("NDVI bins of TVDI"),
            0.01,
            self.tr(
                "Width of the bins whose warmest and coldest pixels make the edges, 0.002 to 0.1; mostly 0.01 to 0.02."
            ),
            low=0.002,
            high=0.1,
            advanced=True,
        )
        self.number(
            self.NDVI_FROM,
            self.tr("Lowest NDVI of the edges of TVDI"),
            0.1,
            self.tr("Bins below are not used for the fit: water, snow and shadow are not on the dry edge. 0 to 0.9."),
            low=0.0,
            high=0.9,
            advanced=True,
        )
        self.number(
            self.EDGE_PERCENT,
            self.tr("Outer share of a bin (%)"),
            1.0,
            self.tr("1 takes the 99th percentile of a bin as its warm end and the 1st as its cold end; 0.01 to 10."),
            low=0.01,
            high=10.0,
            advanced=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                self.WET_EDGE,
                self.tr("Wet edge of TVDI"),
                ["flat", "sloped"],
                defaultValue="flat",
                usesStaticStrings=True,
            ),
            self.tr("Flat as in Sandholt et al. 2002 (the median of the cold ends), or a line through the cold ends."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Indices")),
            self.tr("One band per index and date, named in lower case (ndvi, ndwi_gao), without unit."),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.MISSING, self.tr("Index dates that could not be made")))

    def number(
        self,
        name: str,
        title: str,
        default: float | None,
        text: str,
        low: float,
        high: float = 1e6,
        advanced: bool = False,
    ) -> None:
        """Add a decimal number; one without a default may stay empty."""
        parameter = QgsProcessingParameterNumber(
            name,
            title,
            QgsProcessingParameterNumber.Type.Double,
            default,
            optional=default is None,
            minValue=low,
            maxValue=high,
        )
        self.add(parameter, text, advanced)

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.factors.indices import Constants
        from ...core.prepare.factors.spectral import SpectralOptions, make_indices
        from ...core.prepare.factors.spectral_report import spectral_report
        from ...core.prepare.factors.tvdi import TvdiOptions

        def number(name: str) -> float:
            return self.parameterAsDouble(parameters, name, context)

        path = self.raster_output(parameters, self.OUTPUT, context)
        options = SpectralOptions(
            indices=self.parameterAsEnumStrings(parameters, self.INDICES, context),
            roles=self.parameterAsString(parameters, self.ROLES, context),
            scale=number(self.SCALE),
            constants=Constants(
                nirv_c=number(self.NIRV_C),
                savi_l=number(self.SAVI_L),
                bare_ndvi=self.optional_number(parameters, self.BARE_NDVI, context),
                clip=self.parameterAsBoolean(parameters, self.CLIP, context),
            ),
            tvdi=TvdiOptions(
                bin_width=number(self.BIN_WIDTH),
                ndvi_from=number(self.NDVI_FROM),
                edge_percent=number(self.EDGE_PERCENT),
                wet_edge=self.parameterAsString(parameters, self.WET_EDGE, context),
            ),
        )
        result = make_indices(
            self.paths(self.LAYERS), path, options, self.paths(self.TEMPERATURE), self.path(self.ELEVATION), progress
        )
        for name, formula in result.formulas.items():
            progress.info(f"{name:16}{formula}")
        for note in result.notes:
            (progress.warn if note in result.warnings else progress.info)(note)
        for line in result.missing_lines:
            progress.warn(f"Not made: {line}")
        written = result.written
        style = factor_style(
            [one.band.period for one in written.bands], written.names, written.range_of(written.names[0])
        )
        style_when_loaded(context, path, "Spectral indices", style)
        report = self.write_report(spectral_report(result), parameters, context)
        return {self.OUTPUT: path, self.MISSING: len(result.missing_lines), **report}
