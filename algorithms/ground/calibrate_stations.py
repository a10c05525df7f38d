"""Calibrate with stations: a correction of soil moisture maps, scored on stations that it has not seen."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
)

from ...core.progress import Progress
from ..styling import factor_style, moisture, quality, style_when_loaded
from .calibration_parameters import CalibrationParameters


class CalibrateStations(CalibrationParameters):
    ID = "calibratestations"
    TITLE = "Calibrate with stations"
    GROUP = "ground"
    SUMMARY = "Corrects soil moisture maps with stations, by the method that does best at stations it has not seen."
    ABOUT = (
        "All methods stand in one table, each scored on held-out stations and on held-out periods, from a mean bias to "
        "a neural network that learns from the gridded product first. A calibration that is not better than the map "
        "itself at unseen stations says so in the first line of the report.\n\n"
        "The calibrated map no longer keeps the coarse product's means. It comes with a standard deviation that grows "
        "with the distance to stations, and with a quality layer."
    )
    TAGS = ("calibration", "bias correction", "stations", "in situ", "kriging", "GWR", "CDF matching", "transfer")
    PACKAGES = ("scipy", "sklearn", "matplotlib")

    NUMBERS = {
        "RMSE": "RMSE at unseen stations",
        "RMSE_PRODUCT": "RMSE of the product",
        "GAIN": "Gain in RMSE",
        "R": "R at unseen stations",
        "STATIONS_USED": "Stations",
        "PAIRS": "Pairs",
    }

    def declare(self) -> None:
        super().declare()
        for name, title in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, self.tr(title)))
        self.addOutput(QgsProcessingOutputString("CHOSEN", self.tr("Method applied")))

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self.prepare_stations(parameters, context)
        return super().prepareAlgorithm(parameters, context, feedback)

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        existing = self.parameterAsFile(parameters, self.APPLY, context)
        outputs = {
            name: self.raster_output(parameters, name, context) if parameters.get(name) not in (None, "") else ""
            for name in (self.OUTPUT, self.UNCERTAINTY, self.QUALITY)
        }
        if existing:
            results = self._apply(existing, outputs, parameters, context, progress)
        else:
            results = self._calibrate(outputs, parameters, context, progress)
        return {**results, **{name: path for name, path in outputs.items() if path}}

    def _calibrate(
        self, outputs: dict[str, str], parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress
    ) -> dict[str, Any]:
        from ...core.ground.calibrate.calibrate import Options, calibrate
        from ...core.ground.calibrate.methods import NONE
        from ...core.ground.calibrate.report import calibration_report
        from ...core.ground.calibrate.verdict import verdict
        from ...core.ground.layers import find_products

        band = self.parameterAsString(parameters, self.BAND, context).strip() or None
        found = find_products(self.paths(self.PRODUCT), band)
        periods = [layer.period for product in found for layer in product.layers]
        observations = self.observations(parameters, context, progress, periods)
        file = self._calibration_path(parameters, context)
        options = Options(
            method=self.parameterAsString(parameters, self.METHOD, context),
            compare=self.parameterAsEnumStrings(parameters, self.COMPARE, context),
            folds=self.parameterAsInt(parameters, self.FOLDS, context),
            separation_km=self.optional_number(parameters, self.SEPARATION, context),
            bounds=(
                self.parameterAsDouble(parameters, self.LOWER, context),
                self.parameterAsDouble(parameters, self.UPPER, context),
            ),
            seed=self.parameterAsInt(parameters, self.SEED, context),
            band_name=band,
        )
        result = calibrate(
            self.paths(self.PRODUCT),
            observations,
            outputs[self.OUTPUT],
            factors=self.paths(self.FACTORS),
            gridded=self.paths(self.GRIDDED),
            uncertainty=outputs[self.UNCERTAINTY] or None,
            quality=outputs[self.QUALITY] or None,
            calibration_file=file,
            options=options,
            progress=progress,
        )
        for note in result.notes:
            progress.info(note)
        for name, why in result.refused.items():
            progress.info(f"Not tried: {name}, {why}")
        tone, text = verdict(result)
        (progress.warn if tone == "bad" else progress.info)(text)
        table = self.parameterAsFileOutput(parameters, self.TABLE, context) or None
        written = self.write_report(calibration_report(result), parameters, context, table)
        self._style(outputs, result.applied, periods, result.calibration.method, context)
        best = result.headline
        return {
            **written,
            **({self.TABLE: table} if table else {}),
            **({self.CALIBRATION: file} if file else {}),
            "RMSE": best.score.rmse,
            "RMSE_PRODUCT": result.of(NONE).score.rmse,
            "GAIN": best.gain.value,
            "R": best.score.r,
            "STATIONS_USED": result.rows.stations,
            "PAIRS": len(result.rows),
            "CHOSEN": result.chosen,
        }

    def _apply(
        self,
        existing: str,
        outputs: dict[str, str],
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        progress: Progress,
    ) -> dict[str, Any]:
        from ...core.ground.calibrate.application import apply_calibration
        from ...core.ground.calibrate.application_report import application_report
        from ...core.ground.calibrate.calibration_file import load_calibration
        from ...core.ground.calibrate.inputs import Inputs

        calibration = load_calibration(existing)
        band = self.parameterAsString(parameters, self.BAND, context).strip() or None
        with Inputs(self.paths(self.PRODUCT), self.paths(self.FACTORS), band, calibration.factors) as inputs:
            applied = apply_calibration(
                calibration,
                inputs,
                outputs[self.OUTPUT],
                outputs[self.UNCERTAINTY] or None,
                outputs[self.QUALITY] or None,
                progress,
            )
            periods = [reading.period for reading in inputs.readings]
            report = application_report(calibration, applied, inputs, existing)
        progress.info(report.verdict)
        self._style(outputs, applied, periods, calibration.method, context)
        return {**self.write_report(report, parameters, context), "CHOSEN": calibration.method}

    def _calibration_path(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str | None:
        if parameters.get(self.CALIBRATION) in (None, ""):
            return None
        return self.file_output(parameters, self.CALIBRATION, context)

    def _style(
        self, outputs: dict[str, str], applied: Any, periods: list[Any], method: str, context: QgsProcessingContext
    ) -> None:
        from ...core.ground.calibrate.application import MEANING

        title = self.tr("Calibrated soil moisture")
        style_when_loaded(context, outputs[self.OUTPUT], title, moisture(periods, applied.low, applied.high))
        style_when_loaded(
            context,
            outputs[self.UNCERTAINTY],
            self.tr("Calibration: uncertainty"),
            factor_style([None], ["standard_deviation"], applied.deviation_range),
        )
        style_when_loaded(context, outputs[self.QUALITY], self.tr("Calibration: quality"), quality(periods, MEANING))
