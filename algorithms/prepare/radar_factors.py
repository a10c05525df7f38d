"""Radar factors from backscatter."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterEnum,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..styling import factor_style, style_when_loaded


class RadarFactors(SoilMoistureAlgorithm):
    ID = "radarfactors"
    TITLE = "Radar factors"
    GROUP = "prepare"
    SUMMARY = "VV, VH, their ratio and the radar vegetation index from radar backscatter, for every date."
    ABOUT = (
        "Takes calibrated backscatter (sigma0) such as Sentinel-1 GRD as Earth Engine or SNAP export it, in dB or as "
        "linear power. All means are taken in power: the mean of dB is too low. Zero or negative power counts as "
        "nodata.\n\n"
        "For composites over time choose linear power as the scale of the result, composite it, and run this step "
        "again on the composite. Ascending and descending passes look from two sides and become factors of their own "
        "where names or metadata tell them apart.\n\n"
        "Mask water, layover and shadow, wet snow and frozen ground before training."
    )
    TAGS = ("sentinel-1", "sar", "backscatter", "sigma0", "vv", "vh", "rvi", "speckle", "decibel")
    PACKAGES = ("matplotlib",)

    LAYERS, FACTORS, UNIT, SCALE = "LAYERS", "FACTORS", "UNIT", "OUTPUT_SCALE"
    WINDOW, MIN_VALID_SHARE, ORBITS = "WINDOW", "MIN_VALID_SHARE", "ORBITS"
    INCIDENCE, REFERENCE, SLOPE = "INCIDENCE", "REFERENCE_ANGLE", "SLOPE"
    VV, VH, ANGLE = "VV_BAND", "VH_BAND", "ANGLE_BAND"
    OUTPUT, MISSING = "OUTPUT", "MISSING"

    def declare(self) -> None:
        number = QgsProcessingParameterNumber.Type
        self.add(
            QgsProcessingParameterMultipleLayers(
                self.LAYERS, self.tr("Backscatter"), QgsProcessing.SourceType.TypeRaster
            ),
            self.tr(
                "Layers with bands VV and VH (and the incidence angle, where it is to be normalised), one or many "
                "dates, all on one grid. Bands are known by their names, dates by metadata or names."
            ),
        )
        self._choice(
            self.UNIT,
            self.tr("Unit of the backscatter"),
            ["auto", "dB", "linear"],
            self.tr("auto takes what the layers declare, else what their values show, and asks where it cannot tell."),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.FACTORS,
                self.tr("Factors"),
                ["vv", "vh", "ratio", "rvi", "incidence_angle"],
                allowMultiple=True,
                defaultValue=["vv", "vh", "ratio", "rvi"],
                usesStaticStrings=True,
            ),
            self.tr(
                "ratio is VH / VV (in dB VH - VV); rvi the radar vegetation index 4 VH / (VV + VH) of powers. Layers "
                "of VV alone can give vv only."
            ),
        )
        self._choice(
            self.SCALE,
            self.tr("Scale of the result"),
            ["dB", "linear"],
            self.tr("Of vv, vh and ratio: dB for models, linear power for composites over time."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.WINDOW, self.tr("Window of the mean (pixels)"), number.Integer, 1, minValue=1, maxValue=101
            ),
            self.tr("Side of the square over which power is averaged against speckle: 3, 5, 7 ... 101; 1 for none."),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.MIN_VALID_SHARE,
                self.tr("Smallest valid share of the window"),
                number.Double,
                0.5,
                minValue=0.01,
                maxValue=1.0,
            ),
            self.tr("Windows with fewer valid pixels than this share, 0.01 to 1, stay empty."),
            advanced=True,
        )
        self._choice(
            self.INCIDENCE,
            self.tr("Normalise the incidence angle"),
            ["none", "cosine", "slope"],
            self.tr(
                "cosine multiplies power by cos2(reference) / cos2(angle); slope takes dB per degree, given below or "
                "fitted over the scenes. Both need a band with the angle in degrees."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                self.REFERENCE, self.tr("Reference angle (degrees)"), number.Double, 40.0, minValue=1, maxValue=89
            ),
            self.tr(
                "The incidence angle that backscatter is brought to, 1 to 89; 38 to 40 is the middle of Sentinel-1."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.SLOPE,
                self.tr("Slope (dB per degree)"),
                number.Double,
                None,
                optional=True,
                minValue=-2.0,
                maxValue=2.0,
            ),
            self.tr(
                "About -0.1 to -0.2 over land; -2 to 2. Empty fits it for VV and VH, which needs an even land cover."
            ),
            advanced=True,
        )
        self._choice(
            self.ORBITS,
            self.tr("Orbit passes"),
            ["apart", "together", "ascending", "descending"],
            self.tr(
                "apart makes vv_ascending and vv_descending where both are there; together mixes them with a warning; "
                "ascending and descending take only those."
            ),
        )
        for name, title in ((self.VV, "VV"), (self.VH, "VH"), (self.ANGLE, self.tr("incidence angle"))):
            self.add(
                QgsProcessingParameterString(name, self.tr("Name of the band of {}").format(title), optional=True),
                self.tr("Only where it is not plain from the names of the bands: {}.").format(title),
                advanced=True,
            )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Radar factors")),
            self.tr("One band per factor and date on the grid of the backscatter."),
        )
        self.add_report()
        self.addOutput(QgsProcessingOutputNumber(self.MISSING, self.tr("Factor dates that could not be made")))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.factors.radar import radar_factors
        from ...core.prepare.factors.radar_options import RadarOptions
        from ...core.prepare.factors.radar_report import radar_report

        def text(name: str) -> str:
            return self.parameterAsString(parameters, name, context).strip()

        path = self.raster_output(parameters, self.OUTPUT, context)
        named = {"vv": text(self.VV), "vh": text(self.VH), "incidence_angle": text(self.ANGLE)}
        options = RadarOptions(
            factors=self.parameterAsEnumStrings(parameters, self.FACTORS, context),
            unit=text(self.UNIT),
            scale=text(self.SCALE),
            window=self.parameterAsInt(parameters, self.WINDOW, context),
            min_valid_share=self.parameterAsDouble(parameters, self.MIN_VALID_SHARE, context),
            incidence=text(self.INCIDENCE),
            reference=self.parameterAsDouble(parameters, self.REFERENCE, context),
            slope=self.optional_number(parameters, self.SLOPE, context),
            orbits=text(self.ORBITS),
            names={role: name for role, name in named.items() if name},
        )
        result = radar_factors(self.paths(self.LAYERS), path, options, progress)
        for note in result.notes:
            progress.warn(note)
        for line in result.missing:
            progress.warn(f"Not made: {line}")
        written = result.written
        periods = [one.band.period for one in written.bands]
        style = factor_style(periods, written.names, written.range_of(written.names[0]))
        style_when_loaded(context, path, "Radar factors", style)
        report = self.write_report(radar_report(result), parameters, context)
        return {self.OUTPUT: path, self.MISSING: len(result.missing), **report}

    def _choice(self, name: str, title: str, options: list[str], text: str) -> None:
        """Add one of some fixed words, the first by default."""
        self.add(
            QgsProcessingParameterEnum(name, title, options, defaultValue=options[0], usesStaticStrings=True), text
        )
