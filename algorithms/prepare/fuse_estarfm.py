"""Fuse fine and coarse images: fine images for every date with a coarse one, by ESTARFM or STARFM."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ...core.progress import Progress
from ..base import SoilMoistureAlgorithm
from ..running import add_running, running_of
from ..styling import dates_only, quality, style_when_loaded

VARIABLES = ["other", "reflectance", "ndvi", "lst"]
METHODS = ["estarfm", "starfm"]
CONVERSIONS = ["changes", "pooled", "none"]


class FuseEstarfm(SoilMoistureAlgorithm):
    ID = "fuseestarfm"
    TITLE = "Fuse fine and coarse images (ESTARFM)"
    GROUP = "prepare"
    SUMMARY = "Makes fine images for every date that has a coarse one, from a few dates that have both."
    ABOUT = (
        "ESTARFM (Zhu et al. 2010) takes two dates with a fine and a coarse image and moves the fine ones by the "
        "coarse change of similar pixels around. Each date is made from the pairs before and after it, or from the "
        "nearest two. With one pair STARFM (Gao et al. 2006) is used.\n\nWith three fine images or more the "
        "report predicts each from the others and says whether fusion beats linear interpolation.\n\nQuality codes: "
        "0 fused; 1 from one pair, the other has no value; 2 fallback, too few similar pixels; 3 fallback, beyond the "
        "valid range; 255 no data. A run that was stopped goes on where it was, and dates of an earlier run with the "
        "same output are kept while the values they rest on and the settings are the same."
    )
    TAGS = ("fusion", "spatiotemporal", "starfm", "daily", "modis", "landsat", "glass", "ndvi", "lst", "interpolation")
    PACKAGES = ("scipy", "matplotlib")

    FINE, COARSE, VARIABLE, METHOD, BANDS = "FINE", "COARSE", "VARIABLE", "METHOD", "BANDS"
    FACTOR, WINDOW, CLASSES, HALVING = "COARSE_FACTOR", "WINDOW", "CLASSES", "HALVING_DISTANCE"
    CONVERSION, SIGNIFICANCE, UNCERTAINTY = "CONVERSION", "SIGNIFICANCE", "UNCERTAINTY"
    MINIMUM, MAXIMUM, ZERO_BIAS = "MINIMUM", "MAXIMUM", "ZERO_BIAS"
    RESAMPLING, DATES, EVALUATE = "RESAMPLING", "DATES", "EVALUATE"
    OUTPUT, QUALITY, DETAILS = "OUTPUT", "QUALITY", "DETAILS"
    NUMBERS = {
        "DATES_FUSED": ("dates", "Dates in the output"),
        "FUSED_SHARE": ("fused_share", "Share of pixels that are fused"),
        "RMSE_RATIO_LINEAR": ("rmse_ratio_linear", "RMSE of left-out fine images over that of linear interpolation"),
        "RMSE_RATIO_NEAREST": (
            "rmse_ratio_nearest",
            "RMSE of left-out fine images over that of the nearest fine image",
        ),
        "R_COARSE": ("r_coarse", "R with the coarse images, mean over dates and bands"),
    }

    def declare(self) -> None:
        raster = QgsProcessing.SourceType.TypeRaster
        self.add(
            QgsProcessingParameterMultipleLayers(self.FINE, self.tr("Fine images"), raster),
            self.tr(
                "Two or more dated layers, or stacks of several dates, such as Landsat or MODIS. The grid of the first "
                "is the grid of the result. Dates come from metadata or names, such as 2020-04-02 or 2020093."
            ),
        )
        self.add(
            QgsProcessingParameterMultipleLayers(self.COARSE, self.tr("Coarse images"), raster),
            self.tr(
                "Dated layers of the same variable on the dates of all fine images and on those to predict: every date "
                "without a fine image is predicted. Bands are matched by name."
            ),
        )
        self.add_choice(
            self.VARIABLE,
            self.tr("Variable"),
            VARIABLES,
            self.tr("Sets the valid range: -0.2 to 1.6 for reflectance, -1 to 1 for ndvi, none for lst and other."),
        )
        self.add_choice(
            self.METHOD,
            self.tr("Method"),
            METHODS,
            self.tr("estarfm needs two pairs; starfm is simpler, a yardstick, and works from one."),
        )
        self.add(
            QgsProcessingParameterString(self.BANDS, self.tr("Only these bands"), optional=True),
            self.tr(
                "Names separated by commas; empty fuses all bands that both sides have. Bands fused together share "
                "their similar pixels: do so for bands of one sensor, not for NDVI with temperature."
            ),
        )
        self.add_number(
            self.FACTOR,
            self.tr("Factor of the coarse values"),
            1.0,
            self.tr(
                "Multiplies the coarse images where their scale differs from that of the fine ones, such as 10000. A "
                "difference in scale is found and the factor proposed."
            ),
            minValue=1e-9,
        )
        self.add_number(
            self.WINDOW,
            self.tr("Window (pixels)"),
            51,
            self.tr(
                "Odd number of fine pixels along the window in which similar pixels are looked for; about three coarse "
                "cells wide."
            ),
            whole=True,
            minValue=3,
            maxValue=301,
        )
        self.add_number(
            self.CLASSES,
            self.tr("Number of classes"),
            4.0,
            self.tr(
                "Similar pixels differ by no more than 2 standard deviations of the image divided by this, in all "
                "bands on both dates. More classes: fewer and purer similar pixels."
            ),
            advanced=True,
            minValue=0.1,
        )
        self.add_number(
            self.HALVING,
            self.tr("Distance at which neighbours count half (pixels)"),
            0.0,
            self.tr("0 takes half the window, as in the paper."),
            advanced=True,
            minValue=0.0,
        )
        self.add_choice(
            self.CONVERSION,
            self.tr("Conversion coefficient"),
            CONVERSIONS,
            self.tr(
                "How the fine change follows from the coarse one: changes, their ratio between the two dates; pooled, "
                "the regression of fine on coarse values of both dates, as in the paper; none, 1."
            ),
            advanced=True,
        )
        self.add_number(
            self.SIGNIFICANCE,
            self.tr("Significance of the conversion coefficient"),
            0.05,
            self.tr("Largest p of its F test; where it is not reached the coefficient is 1."),
            advanced=True,
            minValue=0.0001,
            maxValue=1.0,
        )
        self.add_number(
            self.UNCERTAINTY,
            self.tr("Uncertainty (standard deviations)"),
            0.5,
            self.tr(
                "Coarse change that may be noise, in standard deviations of the coarse image: the smaller the change "
                "against it, the nearer the conversion coefficient is to 1."
            ),
            advanced=True,
            minValue=0.0,
        )
        for name, title in (
            (self.MINIMUM, self.tr("Lowest valid value")),
            (self.MAXIMUM, self.tr("Highest valid value")),
        ):
            self.add_number(
                name,
                title,
                None,
                self.tr("Empty: that of the variable. Values beyond are replaced by the fallback and flagged."),
                advanced=True,
                optional=True,
            )
        self.add(
            QgsProcessingParameterBoolean(self.ZERO_BIAS, self.tr("Take over the level of the coarse images"), False),
            self.tr(
                "Moves each fine image, window by window, to the mean of its coarse image first (zero bias, after Yu "
                "et al. 2023): for surface temperature of other overpass times. The conversion coefficient is then 1."
            ),
            advanced=True,
        )
        self.add_choice(
            self.RESAMPLING,
            self.tr("Resampling to the fine grid"),
            ["bilinear", "cubic", "nearest"],
            self.tr("For layers that are not on the grid of the first fine image; finer ones are averaged by area."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.DATES, self.tr("Only these dates"), optional=True),
            self.tr(
                "Days, months, years or spans separated by commas, such as 2020-03-17, 2020-05, 2020-06-01/2020-06-20. "
                "The output holds these dates only."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean(self.EVALUATE, self.tr("Predict fine images left out"), True),
            self.tr(
                "The check in the report, where there are three fine images or more; it takes one date's time each."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Fused images")),
            self.tr(
                "All fused bands of all dates, in the order of time. Give the name of an earlier output to add dates "
                "to it: those that are still right are kept."
            ),
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.QUALITY, self.tr("Quality"), optional=True, createByDefault=False
            ),
            self.tr("The quality codes, one band per date. Dates of an earlier run without it are computed again."),
        )
        details = QgsProcessingParameterRasterDestination(
            self.DETAILS, self.tr("Details"), optional=True, createByDefault=False
        )
        self.add(
            details,
            self.tr(
                "Per date the number of similar pixels and, per band, the conversion coefficient and the share of the "
                "first pair. Dates of an earlier run without them are computed again."
            ),
            advanced=True,
        )
        add_running(self)
        self.add_report()
        for name, (_, title) in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, self.tr(title)))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.prepare.fusion.fusion import FusionRun, fuse_layers
        from ...core.prepare.fusion.fusion_report import fusion_report
        from ...core.prepare.fusion.fusion_sections import QUALITY
        from ...core.prepare.fusion.options import parse_dates
        from ...core.report import plural

        output = self.raster_output(parameters, self.OUTPUT, context)
        flags, details = (
            self.raster_output(parameters, name, context) or None for name in (self.QUALITY, self.DETAILS)
        )
        run = FusionRun(
            self._options(parameters, context),
            self.names(parameters, self.BANDS, context),
            parse_dates(self.names(parameters, self.DATES, context)),
            self.parameterAsString(parameters, self.RESAMPLING, context),
            self.parameterAsDouble(parameters, self.FACTOR, context),
            self.parameterAsBool(parameters, self.EVALUATE, context),
        )
        running = running_of(self, parameters, context)
        layers = self.paths(self.FINE), self.paths(self.COARSE)
        result = fuse_layers(*layers, output, flags, details, run, progress, running)
        for note in result.notes:
            progress.warn(note)
        if result.kept:
            progress.info(f"Kept from an earlier run: {result.kept} of {plural(len(result.dates), 'date')}.")
        report = fusion_report(result)
        progress.info(report.verdict)
        periods = [one.period for one in result.dates]
        bands = [period for period in periods for _ in result.plan.names]
        style_when_loaded(context, output, self.tr("Fused images"), dates_only(bands))
        style_when_loaded(context, flags, self.tr("Quality"), quality(periods, QUALITY))
        per_date = 1 + 2 * len(result.plan.names)
        style_when_loaded(
            context, details, self.tr("Details"), dates_only([period for period in periods for _ in range(per_date)])
        )
        numbers = {name: report.data[key] for name, (key, _) in self.NUMBERS.items()}
        return {
            self.OUTPUT: output,
            **({self.QUALITY: flags} if flags else {}),
            **({self.DETAILS: details} if details else {}),
            **{name: value for name, value in numbers.items() if value == value},  # NaN: not known
            **self.write_report(report, parameters, context),
        }

    def _options(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Any:
        from ...core.prepare.fusion.options import FusionOptions

        usual = FusionOptions.for_variable(self.parameterAsString(parameters, self.VARIABLE, context)).valid_range
        low, high = usual or (float("-inf"), float("inf"))
        lowest, highest = (self.optional_number(parameters, name, context) for name in (self.MINIMUM, self.MAXIMUM))
        low, high = low if lowest is None else lowest, high if highest is None else highest
        return FusionOptions(
            method=self.parameterAsString(parameters, self.METHOD, context),
            window=self.parameterAsInt(parameters, self.WINDOW, context),
            classes=self.parameterAsDouble(parameters, self.CLASSES, context),
            halving=self.parameterAsDouble(parameters, self.HALVING, context),
            conversion=self.parameterAsString(parameters, self.CONVERSION, context),
            significance=self.parameterAsDouble(parameters, self.SIGNIFICANCE, context),
            uncertainty=self.parameterAsDouble(parameters, self.UNCERTAINTY, context),
            valid_range=None if (low, high) == (float("-inf"), float("inf")) else (low, high),
            zero_bias=self.parameterAsBool(parameters, self.ZERO_BIAS, context),
        )
