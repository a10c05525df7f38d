"""Write the graphical models shipped in models/; run it after changing the parameters of an algorithm.

.venv/bin/python scripts/build_models.py
"""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parent.parent

from qgis.analysis import QgsNativeAlgorithms  # noqa: E402
from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildDependency,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterMultipleLayers,
)
from qgis.PyQt.QtCore import QPointF  # noqa: E402

RASTER, POINTS = QgsProcessing.SourceType.TypeRaster, QgsProcessing.SourceType.TypeVectorPoint


class Builder:
    """A model that is put together child by child; positions follow from the order."""

    def __init__(self, name: str, group: str, text: dict[str, str]) -> None:
        self.model = QgsProcessingModelAlgorithm(name, group)
        self.model.setHelpContent(text)
        self._inputs, self._children = 0, 0

    def input(self, definition: Any, help_text: str) -> None:
        definition.setHelp(help_text)
        component = QgsProcessingModelParameter(definition.name())
        component.setPosition(QPointF(160 + 240 * self._inputs, 60))
        self._inputs += 1
        self.model.addModelParameter(definition, component)

    def branch(self, name: str, expression: str) -> QgsProcessingModelChildDependency:
        """A condition; children that depend on it run only where the expression is true."""
        child = QgsProcessingModelChildAlgorithm("native:condition")
        child.setChildId("condition")
        child.setDescription(name)
        child.setConfiguration({"conditions": [{"name": name, "expression": expression}]})
        child.setPosition(QPointF(960, 180 + 110 * self._children))
        return QgsProcessingModelChildDependency(self.model.addChildAlgorithm(child), name)

    def child(
        self,
        algorithm: str,
        sources: dict[str, Any],
        outputs: dict[str, str],
        branch: QgsProcessingModelChildDependency | None = None,
    ) -> str:
        """Add a child; sources are ("input", name), ("child", id, output) or plain values; outputs name -> title."""
        child = QgsProcessingModelChildAlgorithm(f"soilmoisture:{algorithm}")
        child.setChildId(algorithm)
        child.setDescription(
            QgsApplication.processingRegistry().algorithmById(f"soilmoisture:{algorithm}").displayName()
        )
        child.setPosition(QPointF(160 + 120 * self._children, 180 + 110 * self._children))
        self._children += 1
        for name, source in sources.items():
            child.addParameterSources(
                name, [_source(one) for one in (source if isinstance(source, list) else [source])]
            )
        made = {}
        for number, (name, title) in enumerate(outputs.items()):
            output = QgsProcessingModelOutput(title)
            output.setChildId(algorithm)
            output.setChildOutputName(name)
            output.setDescription(title)
            output.setPosition(child.position() + QPointF(260, -40 + 45 * number))
            made[title] = output
        child.setModelOutputs(made)
        if branch is not None:
            child.setDependencies([branch])
        return self.model.addChildAlgorithm(child)

    def write(self, path: Path) -> None:
        if not self.model.toFile(str(path)):
            raise RuntimeError(f"{path} could not be written")


def quick_downscale() -> Builder:
    """resample -> screen -> train -> downscale -> validate with a handful of inputs."""
    builder = Builder(
        "quickdownscale",
        "Quick start",
        {
            "ALG_DESC": (
                "Coarse soil moisture, factors and stations in; a 1 km map and honest reports out. Resamples to a "
                "common grid, screens the factors, trains a random forest after a linear part, downscales and "
                "validates, all with the default settings."
            ),
            "ALG_CREATOR": "Soil Moisture Downscaling",
            "SHORT_DESCRIPTION": "From coarse soil moisture, factors and stations to a validated fine map in one step.",
        },
    )
    builder.input(
        QgsProcessingParameterMultipleLayers("target", "Coarse soil moisture", RASTER),
        "Dated layers on one grid, in m3/m3.",
    )
    builder.input(
        QgsProcessingParameterMultipleLayers("factors", "Factors", RASTER),
        "Vegetation, temperature, terrain, soil, rain …",
    )
    builder.input(
        QgsProcessingParameterFeatureSource("points", "Stations or field samples", [POINTS], optional=True),
        "One row per observation; empty leaves the validation out.",
    )
    builder.input(
        QgsProcessingParameterField(
            "value", "Field with soil moisture", parentLayerParameterName="points", optional=True
        ),
        "m3/m3 or percent; needed where stations are given.",
    )
    builder.input(
        QgsProcessingParameterField("date", "Field with the date", parentLayerParameterName="points", optional=True),
        "Empty if undated.",
    )
    builder.input(
        QgsProcessingParameterField(
            "station", "Field with the station", parentLayerParameterName="points", optional=True
        ),
        "Empty takes points of equal coordinates as one station.",
    )
    grid = builder.child(
        "resampletogrid", {"TARGET": ("input", "target"), "FACTORS": ("input", "factors")}, {"REPORT": "Grid report"}
    )
    factors = builder.child("screenfactors", {"COARSE": ("child", grid, "COARSE")}, {"REPORT": "Screening report"})
    model = builder.child(
        "trainrandomforest",
        {"COARSE": ("child", grid, "COARSE"), "FACTORS": ("child", factors, "FACTORS")},
        {"MODEL": "Model", "REPORT": "Training report"},
    )
    fine = builder.child(
        "downscale",
        {"MODEL": ("child", model, "MODEL"), "FINE": ("child", grid, "FINE"), "COARSE": ("child", grid, "COARSE")},
        {"OUTPUT": "Fine soil moisture", "REPORT": "Downscaling report"},
    )
    branch = builder.branch("With stations", "@points is not null")
    builder.child(
        "validatepoints",
        {
            "PRODUCT": ("child", fine, "OUTPUT"),
            "BASELINE": ("child", grid, "COARSE"),
            "POINTS": ("input", "points"),
            "VALUE": ("input", "value"),
            "DATE": ("input", "date"),
            "STATION": ("input", "station"),
        },
        {"OUTPUT": "Stations with scores", "REPORT": "Validation report", "METRICS": "Validation scores"},
        branch,
    )
    return builder


def _source(value: Any) -> QgsProcessingModelChildParameterSource:
    if isinstance(value, tuple) and value[0] == "input":
        return QgsProcessingModelChildParameterSource.fromModelParameter(value[1])
    if isinstance(value, tuple) and value[0] == "child":
        return QgsProcessingModelChildParameterSource.fromChildOutput(value[1], value[2])
    return QgsProcessingModelChildParameterSource.fromStaticValue(value)


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    spec = spec_from_file_location("soilmoisture", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    sys.modules["soilmoisture"] = module_from_spec(spec)
    from soilmoisture.provider import SoilMoistureProvider

    QgsApplication.processingRegistry().addProvider(QgsNativeAlgorithms())
    provider = SoilMoistureProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    (ROOT / "models").mkdir(exist_ok=True)
    for builder in (quick_downscale(),):
        path = ROOT / "models" / f"{builder.model.name()}.model3"
        builder.write(path)
        print(path.relative_to(ROOT))
    application.exitQgis()


if __name__ == "__main__":
    main()
