"""What all algorithms share: help, feedback, error sentences, paths of layers, reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QIcon

from ..core.errors import Cancelled, InputError
from ..core.progress import Progress

ICONS = Path(__file__).resolve().parent.parent / "icons"
GROUPS = {"prepare": "Prepare", "train": "Train", "downscale": "Downscale", "ground": "Ground truth"}
REPORT, METRICS = "REPORT", "METRICS"


class SoilMoistureAlgorithm(QgsProcessingAlgorithm):
    """Subclasses set the class attributes, declare parameters in `declare` and do the work in `work`."""

    ID = ""
    TITLE = ""
    GROUP = ""
    SUMMARY = ""
    ABOUT = ""
    TAGS: tuple[str, ...] = ()
    PACKAGES: tuple[str, ...] = ()

    def declare(self) -> None:
        """Add parameters with `add` and outputs with `addOutput`."""
        raise NotImplementedError

    def work(self, parameters: dict[str, Any], context: QgsProcessingContext, progress: Progress) -> dict[str, Any]:
        """Do the work and return the outputs; `InputError` becomes the sentence the user reads."""
        raise NotImplementedError

    def add(self, parameter: QgsProcessingParameterDefinition, text: str, advanced: bool = False) -> None:
        """Add a parameter with its help."""
        parameter.setHelp(text)
        if advanced:
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(parameter)

    def add_report(self) -> None:
        """Add the two report outputs that every algorithm has."""
        report = QgsProcessingParameterFileDestination(
            REPORT, self.tr("Report"), self.tr("HTML files (*.html)"), optional=True
        )
        self.add(
            report,
            self.tr("A page with the verdict, figures and tables; it opens in the results viewer and in any browser."),
        )
        metrics = QgsProcessingParameterFileDestination(
            METRICS, self.tr("Report as JSON"), self.tr("JSON files (*.json)"), optional=True
        )
        self.add(metrics, self.tr("The same numbers for scripts."), advanced=True)

    def write_report(
        self, report: Any, parameters: dict[str, Any], context: QgsProcessingContext, table: str | None = None
    ) -> dict[str, Any]:
        """Write the report files that were asked for and return their outputs."""
        from ..core.report import write_report

        page, numbers = (self.parameterAsFileOutput(parameters, name, context) for name in (REPORT, METRICS))
        write_report(report, page or None, numbers or None, table)
        return {name: path for name, path in ((REPORT, page), (METRICS, numbers)) if path}

    def tr(self, text: str) -> str:
        return QCoreApplication.translate(type(self).__name__, text)

    def name(self) -> str:
        return self.ID

    def displayName(self) -> str:
        return self.tr(self.TITLE)

    def group(self) -> str:
        return self.tr(GROUPS[self.GROUP])

    def groupId(self) -> str:
        return self.GROUP

    def icon(self) -> QIcon:
        return QIcon(str(ICONS / f"{self.GROUP}.svg"))

    def svgIconPath(self) -> str:
        return str(ICONS / f"{self.GROUP}.svg")

    def tags(self) -> list[str]:
        return [*self.TAGS, "soil moisture", "downscaling"]

    def shortDescription(self) -> str:
        return self.tr(self.SUMMARY)

    def shortHelpString(self) -> str:
        rows = [
            f"<p>{self.tr(self.SUMMARY)}</p>",
            *(f"<p>{part}</p>" for part in self.tr(self.ABOUT).split("\n\n") if part),
        ]
        for parameter in self.parameterDefinitions():
            if parameter.help() and not parameter.flags() & QgsProcessingParameterDefinition.Flag.FlagHidden:
                rows.append(f"<p><b>{parameter.description()}</b><br>{parameter.help()}</p>")
        return "".join(rows)

    def createInstance(self) -> SoilMoistureAlgorithm:
        return type(self)()

    def canExecute(self) -> tuple[bool, str]:
        from .packages import missing

        absent = missing(self.PACKAGES)
        return (False, absent) if absent else (True, "")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        self.declare()

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        # Layers belong to the main thread; the work needs only where their files are.
        self._paths: dict[str, list[str]] = {}
        for definition in self.parameterDefinitions():
            name = definition.name()
            if isinstance(definition, QgsProcessingParameterRasterLayer):
                layer = self.parameterAsRasterLayer(parameters, name, context)
                if layer is None and parameters.get(name) not in (None, ""):
                    raise QgsProcessingException(self.invalidRasterError(parameters, name))
                self._paths[name] = [_raster_path(layer)] if layer else []
            elif isinstance(definition, QgsProcessingParameterMultipleLayers):
                if definition.layerType() == QgsProcessing.SourceType.TypeRaster:
                    self._paths[name] = self._many(definition, parameters, context)
        return True

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        try:
            return self.work(parameters, context, FeedbackProgress(feedback))
        except (InputError, Cancelled) as error:
            raise QgsProcessingException(str(error)) from error

    def path(self, name: str) -> str | None:
        """The raster file behind a layer parameter, None where none was given."""
        return self._paths[name][0] if self._paths[name] else None

    def paths(self, name: str) -> list[str]:
        """The raster files behind a parameter of several layers."""
        return self._paths[name]

    def raster_output(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """The path of a raster destination, which must be a GeoTIFF."""
        path = self.parameterAsOutputLayer(parameters, name, context)
        if path and not path.lower().endswith((".tif", ".tiff")):
            raise InputError(f"Results are GeoTIFF files: let the name of {path} end in .tif.")
        return path

    def names(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> list[str]:
        """A text parameter that lists names separated by commas."""
        return [part.strip() for part in self.parameterAsString(parameters, name, context).split(",") if part.strip()]

    def optional_number(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> float | None:
        """A number parameter that may be left empty."""
        return None if parameters.get(name) in (None, "") else self.parameterAsDouble(parameters, name, context)

    def _many(
        self,
        definition: QgsProcessingParameterMultipleLayers,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
    ) -> list[str]:
        value = parameters.get(definition.name())
        layers = self.parameterAsLayerList(parameters, definition.name(), context)
        given = len(value) if isinstance(value, (list, tuple)) else None
        if given is not None and len(layers) < given:
            known = {layer.source() for layer in layers}
            lost = next(
                (str(one) for one in value if not isinstance(one, QgsMapLayer) and str(one) not in known), "one of them"
            )
            raise QgsProcessingException(
                f"{definition.description()}: {lost} cannot be opened as a raster layer; check its path and format."
            )
        return [_raster_path(layer) for layer in layers]


class FeedbackProgress(Progress):
    """Progress that goes to a Processing dialog, or to the terminal of qgis_process."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self._feedback = feedback
        self._text = ""

    def set(self, fraction: float, text: str = "") -> None:
        self._feedback.setProgress(100.0 * fraction)
        if text and text != self._text:
            self._text = text
            self._feedback.setProgressText(text)

    def info(self, text: str) -> None:
        self._feedback.pushInfo(text)

    def warn(self, text: str) -> None:
        self._feedback.pushWarning(text)

    @property
    def cancelled(self) -> bool:
        return bool(self._feedback.isCanceled())


def _raster_path(layer: QgsMapLayer) -> str:
    if layer.providerType() != "gdal":
        raise QgsProcessingException(f"Layer {layer.name()} is not a raster file: export it to GeoTIFF first.")
    return layer.source()
