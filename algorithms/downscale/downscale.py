"""Downscale: apply a model to the fine factors and conserve the coarse soil moisture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsRasterLayer,
    QgsSingleBandPseudoColorRenderer,
)

from ...core.progress import Progress
from ...core.raster.periods import Period
from ..base import SoilMoistureAlgorithm
from ..running import add_running, running_of
from ..styling import factor_style, moisture, quality, style_when_loaded

DISSIMILARITY = "dissimilarity"
_WIDTH = 4  # the band of a date's interval that is shown


class Downscale(SoilMoistureAlgorithm):
    ID = "downscale"
    TITLE = "Downscale"
    GROUP = "downscale"
    SUMMARY = (
        "Makes the fine soil moisture map: the coarse field, smoothly interpolated, plus the detail that the model "
        "finds in the factors."
    )
    ABOUT = (
        "The mean of the fine map over every coarse cell equals the coarse value. The detail gain says how much of the "
        "model's detail is taken: training estimates it from cells that the model has not seen, so that a weak model "
        "does no harm.\n\nQuality codes: 0 downscaled; 1 unlike training: outside the area of applicability where that "
        "layer is asked for, else a factor outside its training range; 2 no coarse value here; 4 held at a physical "
        "bound; 255 no data."
    )
    TAGS = ("apply", "predict", "disaggregate", "sharpen", "residual", "conservation", "area-to-point")
    PACKAGES = ("scipy", "matplotlib")

    MODEL, FINE, COARSE, CONSERVE, GAIN = "MODEL", "FINE", "COARSE", "CONSERVE", "DETAIL_GAIN"
    OUTSIDE, MINIMUM, MAXIMUM, PERIODS = "OUTSIDE", "MINIMUM", "MAXIMUM", "PERIODS"
    OUTPUT, QUALITY, APPLICABILITY, UNCERTAINTY = "OUTPUT", "QUALITY", "APPLICABILITY", "UNCERTAINTY"
    LEVEL = "LEVEL"
    NUMBERS = {
        "GAIN_USED": "Detail gain in use",
        "LEFT_OVER_MAX": "Largest difference from a coarse value",
        "PIXELS": "Pixels with a value",
        "DETAIL_DEVIATION": "Standard deviation of the detail",
        "SHARE_OUTSIDE": "Share of pixels outside the area of applicability",
        "MEAN_WIDTH": "Mean width of the intervals",
    }

    def declare(self) -> None:
        double = QgsProcessingParameterNumber.Type.Double
        self.add(
            QgsProcessingParameterFile(self.MODEL, self.tr("Model"), extension="smdl"),
            self.tr("From one of the training algorithms."),
        )
        self.add(
            QgsProcessingParameterRasterLayer(self.FINE, self.tr("FINE stack")),
            self.tr("The factors on the fine grid, from 'Resample to a common grid'; matched to the model by name."),
        )
        self.add(
            QgsProcessingParameterRasterLayer(self.COARSE, self.tr("COARSE stack")),
            self.tr(
                "The coarse soil moisture to downscale, with its factors. It may hold other dates, or another region, "
                "than the model was trained on."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                self.CONSERVE,
                self.tr("Conserve the coarse values"),
                ["additive", "multiplicative", "none"],
                defaultValue="additive",
                usesStaticStrings=True,
            ),
            self.tr(
                "additive: shifts the detail so that every coarse value is kept. multiplicative: scales it, for "
                "quantities that are proportional and never near zero (models trained on values only). none: the model "
                "as it is; one trained on differences adds its detail to the smooth interpolation."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.GAIN, self.tr("Detail gain"), double, None, optional=True, minValue=0, maxValue=3
            ),
            self.tr(
                "How much of the model's detail is taken. Empty: the estimate in the model. 0: the smooth "
                "interpolation only. 1: all of it, as in the papers."
            ),
        )
        self.add(
            QgsProcessingParameterBoolean(self.OUTSIDE, self.tr("Fill where there is no coarse value"), False),
            self.tr(
                "Pixels without a coarse value get the model's detail on the level of the nearest cells, with quality "
                "code 2."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(self.MINIMUM, self.tr("Lowest possible value"), double, None, optional=True),
            self.tr("Empty: 0 for m3/m3, none for other units. Bounds are held without changing the mean of a cell."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(self.MAXIMUM, self.tr("Highest possible value"), double, None, optional=True),
            self.tr("Empty: 0.6 for m3/m3, or what the coarse product itself reaches; none for other units."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString(self.PERIODS, self.tr("Only these dates"), optional=True),
            self.tr("Dates as the log shows them, separated by commas, such as 2021-08; empty does all."),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                self.LEVEL, self.tr("Level of the intervals"), double, 0.9, minValue=0.5, maxValue=0.99
            ),
            self.tr(
                "For 'Uncertainty': the share of held-out differences that an interval is to hold, from 0.5 to 0.99: "
                "0.9, not 90."
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterRasterDestination(self.OUTPUT, self.tr("Fine soil moisture")),
            self.tr("One band per date."),
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.QUALITY, self.tr("Quality"), optional=True, createByDefault=False
            ),
            self.tr("The quality codes, one band per date."),
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.APPLICABILITY, self.tr("Applicability"), optional=True, createByDefault=False
            ),
            self.tr(
                "How unlike the training samples each pixel is: the dissimilarity index of Meyer & Pebesma (2021), one "
                "band per date. Above the threshold that the report states, a pixel lies outside the area of "
                "applicability and has quality code 1."
            ),
        )
        self.add(
            QgsProcessingParameterRasterDestination(
                self.UNCERTAINTY, self.tr("Uncertainty"), optional=True, createByDefault=False
            ),
            self.tr(
                "The interval around each value: for every date its lower end, median, upper end and width. Calibrated "
                "on cells that the model has not seen; the error of the coarse values is not in it."
            ),
        )
        add_running(self)
        self.add_report()
        for name, title in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, self.tr(title)))

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        from ...core.downscale.downscale import DownscaleOptions, downscale
        from ...core.downscale.downscale_report import downscale_report
        from ...core.model.modelfile import load_model

        model = load_model(self.parameterAsFile(parameters, self.MODEL, context))
        output = self.raster_output(parameters, self.OUTPUT, context)
        flags, area, interval = (
            self.raster_output(parameters, name, context) or None
            for name in (self.QUALITY, self.APPLICABILITY, self.UNCERTAINTY)
        )
        low, high = (self.optional_number(parameters, name, context) for name in (self.MINIMUM, self.MAXIMUM))
        options = DownscaleOptions(
            self.parameterAsString(parameters, self.CONSERVE, context),
            self.optional_number(parameters, self.GAIN, context),
            self.parameterAsBool(parameters, self.OUTSIDE, context),
            (low, high),
            self.names(parameters, self.PERIODS, context),
            self.parameterAsDouble(parameters, self.LEVEL, context),
        )
        result = downscale(
            model,
            self.path(self.FINE) or "",
            self.path(self.COARSE) or "",
            output,
            flags,
            options,
            progress,
            area,
            interval,
            running_of(self, parameters, context),
        )
        for note in [*result.notes, *(f"Skipped {one}" for one in result.skipped)]:
            progress.warn(note)
        report = downscale_report(result, model, options.conserve)
        progress.info(report.verdict)
        periods = [one.period for one in result.periods]
        style_when_loaded(context, output, self.tr("Fine soil moisture"), moisture(periods, *result.display_range))
        style_when_loaded(context, flags, self.tr("Quality"), quality(periods))
        threshold, width = result.trust.threshold or 0.0, report.data["mean_width"] or 0.0
        unlike = factor_style(periods, [DISSIMILARITY], (0.0, 2 * threshold))
        style_when_loaded(context, area, self.tr("Applicability (dissimilarity index)"), unlike)
        style_when_loaded(context, interval, self.tr("Uncertainty"), _widths(periods, 2 * width))
        numbers = {name: report.data.get(name.lower()) for name in self.NUMBERS}
        return {
            self.OUTPUT: output,
            **{
                name: path
                for name, path in ((self.QUALITY, flags), (self.APPLICABILITY, area), (self.UNCERTAINTY, interval))
                if path
            },
            **{k: v for k, v in numbers.items() if v is not None},
            **self.write_report(report, parameters, context),
        }


def _widths(periods: list[Period | None], highest: float) -> Callable[[QgsMapLayer], None]:
    """Style of an uncertainty stack: the width of the first date's interval, dated with the span of all dates."""
    ramp = factor_style(periods, ["width", "lower", "median", "upper"], (0.0, highest))

    def apply(layer: QgsMapLayer) -> None:
        ramp(layer)
        renderer = layer.renderer() if isinstance(layer, QgsRasterLayer) else None
        if isinstance(renderer, QgsSingleBandPseudoColorRenderer):
            # Named anew in QGIS 3.38.
            choose = getattr(renderer, "setInputBand", None) or renderer.setBand
            choose(_WIDTH)
            layer.triggerRepaint()

    return apply
