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
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QIcon

from ..core.atomic import check_output
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

    def add_choice(self, name: str, title: str, choices: list[str], text: str, advanced: bool = False) -> None:
        """Add a choice of one; the first is the default."""
        parameter = QgsProcessingParameterEnum(name, title, choices, defaultValue=choices[0], usesStaticStrings=True)
        self.add(parameter, text, advanced)

    def add_number(
        self,
        name: str,
        title: str,
        value: float | None,
        text: str,
        advanced: bool = False,
        whole: bool = False,
        **more: Any,
    ) -> None:
        """Add a number; `more` is minValue, maxValue or optional."""
        kind = QgsProcessingParameterNumber.Type
        parameter = QgsProcessingParameterNumber(name, title, kind.Integer if whole else kind.Double, value, **more)
        self.add(parameter, text, advanced)

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
        from ..core.packages import missing

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
        self._inputs = {Path(path).resolve() for paths in self._paths.values() for path in paths}
        for definition in self.parameterDefinitions():
            if isinstance(definition, QgsProcessingParameterFile):
                file = self.parameterAsFile(parameters, definition.name(), context)
                self._inputs |= {Path(file).resolve()} if file else set()
            elif isinstance(definition, QgsProcessingParameterFeatureSource):
                points = self.parameterAsVectorLayer(parameters, definition.name(), context)
                if points is not None:
                    self._inputs.add(Path(points.source().split("|")[0]).resolve())
        return True

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        try:
            self._check_outputs(parameters)
            return self.work(parameters, context, FeedbackProgress(feedback))
        except (InputError, Cancelled) as error:
            sentence = str(error)
        # Outside of the clause: QGIS keeps what is raised, and with it would keep every file and array of the run.
        raise QgsProcessingException(sentence)

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

    def file_output(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """The path of a file that other algorithms take, which know it by its suffix."""
        path = self.parameterAsFileOutput(parameters, name, context)
        definition = self.parameterDefinition(name)
        suffix = f".{definition.defaultFileExtension()}"
        if not path.lower().endswith(suffix):
            raise InputError(f"{definition.description()}: let the name of {path} end in {suffix}.")
        return path

    def make_folder(self, parameters: dict[str, Any], name: str) -> None:
        """Make the folder of a vector output, as rasters and files do theirs."""
        path = plain_path(parameters.get(name))
        if path:
            Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)

    def names(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> list[str]:
        """A text parameter that lists names separated by commas."""
        return [part.strip() for part in self.parameterAsString(parameters, name, context).split(",") if part.strip()]

    def optional_number(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> float | None:
        """A number parameter that may be left empty."""
        return None if parameters.get(name) in (None, "") else self.parameterAsDouble(parameters, name, context)

    def _check_outputs(self, parameters: dict[str, Any]) -> None:
        """Raise InputError before the work, not after it, for outputs that would destroy an input or one another."""
        taken: set[Path] = set()
        kinds = (
            QgsProcessingParameterFeatureSink,
            QgsProcessingParameterFileDestination,
            QgsProcessingParameterRasterDestination,
        )
        for definition in self.destinationParameterDefinitions():
            path = plain_path(parameters.get(definition.name()))
            if path is None or not isinstance(definition, kinds):
                continue
            if Path(path).resolve() in self._inputs:
                raise InputError(f"The output {path} is also an input: give the output another name.")
            if Path(path).resolve() in taken:
                raise InputError(f"Two outputs would be written to {path}: give each a name of its own.")
            taken.add(Path(path).resolve())
            check_output(path)

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


def plain_path(value: Any) -> str | None:
    """The file that an output parameter names; None for temporary files, databases and nothing."""
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink.staticValue()
    # A provider's address (`ogr:dbname=...`, `memory:`) is no path; a drive letter is.
    if not isinstance(value, str) or value in ("", QgsProcessing.TEMPORARY_OUTPUT) or value.find(":") > 1:
        return None
    return value
