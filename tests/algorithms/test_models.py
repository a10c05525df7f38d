"""Algorithms as children in the modeler: files pass on, numbers can be used in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soilmoisture.core.raster.stack import Stack


def test_quickdownscale(run: Any, folder: Path, sample: dict[str, Any]) -> None:
    result = run(
        "quickdownscale",
        target=[sample["TARGET"]],
        factors=sample["FACTORS"],
        points=sample["STATIONS"],
        value="value",
        date="date",
        station="station",
        fine_soil_moisture=str(folder / "quick.tif"),
        model=str(folder / "quick.smdl"),
        validation_scores=str(folder / "quick.json"),
        validation_report=str(folder / "quick.html"),
        stations_with_scores="TEMPORARY_OUTPUT",
    )
    with Stack.open(result["fine_soil_moisture"]) as fine:
        assert len(fine.bands) == 3
    assert json.loads((folder / "quick.json").read_text())["verdict"]


def test_quickdownscale_without_stations_leaves_the_validation_out(
    run: Any, folder: Path, sample: dict[str, Any]
) -> None:
    result = run(
        "quickdownscale",
        target=[sample["TARGET"]],
        factors=sample["FACTORS"][:6],
        fine_soil_moisture=str(folder / "unseen.tif"),
        model=str(folder / "unseen.smdl"),
        validation_report=str(folder / "unseen.html"),
    )
    with Stack.open(result["fine_soil_moisture"]) as fine:
        assert len(fine.bands) == 3
    assert "validation_report" not in result and not (folder / "unseen.html").exists()


def test_quickdownscale_with_stations_but_no_field_says_so(run: Any, folder: Path, sample: dict[str, Any]) -> None:
    """Given stations are never left out in silence."""
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match="Choose the field of the point layer that holds soil moisture"):
        run(
            "quickdownscale",
            target=[sample["TARGET"]],
            factors=sample["FACTORS"][:6],
            points=sample["STATIONS"],
            fine_soil_moisture=str(folder / "fieldless.tif"),
            model=str(folder / "fieldless.smdl"),
        )


def test_a_users_own_model_passes_files_on(provider: Any, folder: Path, grids: dict[str, Any]) -> None:
    """Train and downscale as children of a model made here, saved, loaded and run."""
    import processing
    from qgis.core import (
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsProcessingModelAlgorithm,
        QgsProcessingModelChildAlgorithm,
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelOutput,
        QgsProcessingModelParameter,
        QgsProcessingParameterRasterLayer,
    )

    source = QgsProcessingModelChildParameterSource
    model = QgsProcessingModelAlgorithm("own", "tests")
    for name in ("fine", "coarse"):
        model.addModelParameter(QgsProcessingParameterRasterLayer(name, name), QgsProcessingModelParameter(name))
    train = QgsProcessingModelChildAlgorithm("soilmoisture:traincart")
    train.setChildId("train")
    train.addParameterSources("COARSE", [source.fromModelParameter("coarse")])
    model.addChildAlgorithm(train)
    apply = QgsProcessingModelChildAlgorithm("soilmoisture:downscale")
    apply.setChildId("apply")
    apply.addParameterSources("MODEL", [source.fromChildOutput("train", "MODEL")])
    apply.addParameterSources("FINE", [source.fromModelParameter("fine")])
    apply.addParameterSources("COARSE", [source.fromModelParameter("coarse")])
    # A number of one child steers the next.
    apply.addParameterSources("DETAIL_GAIN", [source.fromExpression("@train_DETAIL_GAIN / 2")])
    output = QgsProcessingModelOutput("map")
    output.setChildId("apply")
    output.setChildOutputName("OUTPUT")
    output.setDescription("map")
    apply.setModelOutputs({"map": output})
    model.addChildAlgorithm(apply)
    path = folder / "own.model3"
    assert model.toFile(str(path))
    loaded = QgsProcessingModelAlgorithm()
    assert loaded.fromFile(str(path))
    loaded.initAlgorithm()
    result = processing.run(
        loaded,
        {"fine": grids["FINE"], "coarse": grids["COARSE"], "map": str(folder / "own.tif")},
        context=QgsProcessingContext(),
        feedback=QgsProcessingFeedback(False),
    )
    with Stack.open(result["map"]) as fine:
        assert float(fine.tags["DETAIL_GAIN"]) >= 0 and len(fine.bands) == 3
